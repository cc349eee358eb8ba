"""Whether the networks answer, for those who watch over the server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp import web

from nodulerisk.errors import NoduleRiskError

PATIENCE_SECONDS = 30.0  # without an answer, nor any movement in the line before it
FRESH_SECONDS = 5.0  # an answer is good for so long: anyone may ask

logger = logging.getLogger(__name__)


class Health:
    """Asks the networks, one question at a time however many want to know.

    Args:
        ask: asks them one question, and raises NoduleRiskError where they cannot answer; told
            whenever the line before it moves. It is called on another thread.
    """

    def __init__(self, ask: Callable[[Callable[[int], None]], None]):
        self._ask = ask
        self._question: asyncio.Task[bool] | None = None
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

    def _current_question(self) -> asyncio.Task[bool]:
        now = time.monotonic()
        is_old = self._question is None or (
            self._question.done() and now - self._asked > FRESH_SECONDS
        )
        if self._question is None or is_old:
            self._asked = self._heard = now
            self._question = asyncio.create_task(self._put())
        return self._question

    async def _put(self) -> bool:
        try:
            await asyncio.to_thread(self._ask, self._hear)
        except NoduleRiskError as error:
            logger.error("the networks do not answer: %s", error)
            return False
        return True

    def _hear(self, _: int) -> None:
        self._heard = time.monotonic()
