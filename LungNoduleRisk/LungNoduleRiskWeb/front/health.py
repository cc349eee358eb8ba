"""Whether the networks answer, for those who watch over the server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web

PATIENCE_SECONDS = 30.0  # without an answer, nor any movement in the line before it
FRESH_SECONDS = 5.0  # an answer is good for so long: anyone may ask

logger = logging.getLogger(__name__)


class Health:
    """Asks the networks, one question at a time however many want to know.

    Args:
        ask: asks them one question, and raises where they cannot answer; told whenever the
            line before it moves. It is called on another thread.
    """

    def __init__(self, ask: Callable[[Callable[[int], None]], None]):
        self._ask = ask
        self._question: asyncio.Future[bool] | None = None
        self._asked = self._heard = 0.0

    async def answer(self, _: web.Request) -> web.Response:
        """200 where the networks answer, or work for others; else 503."""
        if await self.networks_answer():
            return web.Response(text="ok")
        return web.Response(status=503, text="the networks do not answer")

    async def networks_answer(self) -> bool:
        question = self._current_question()
        await asyncio.wait([question], timeout=PATIENCE_SECONDS)
        if question.done():
            return question.result()
        return time.monotonic() - self._heard < PATIENCE_SECONDS

    def _current_question(self) -> asyncio.Future[bool]:
        now = time.monotonic()
        is_old = now - self._asked > FRESH_SECONDS
        if self._question is None or (self._question.done() and is_old):
            self._asked = self._heard = now
            self._question = asyncio.get_running_loop().create_future()
            # no thread of the loop's own, which would be waited for when the server ends
            threading.Thread(target=self._put, args=(self._question,), daemon=True).start()
        return self._question

    def _put(self, question: asyncio.Future[bool]) -> None:
        try:
            self._ask(self._hear)
            is_well = True
        except Exception as error:  # whatever it is, they do not answer
            logger.error("the networks do not answer: %s", error)
            is_well = False
        with suppress(RuntimeError):  # the server has ended
            question.get_loop().call_soon_threadsafe(question.set_result, is_well)

    def _hear(self, _: int) -> None:
        self._heard = time.monotonic()
