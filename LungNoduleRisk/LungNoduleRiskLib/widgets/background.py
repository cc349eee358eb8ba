"""Work on another thread while Qt goes on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import qt

from nodulerisk.errors import NoduleRiskError

POLL_MS = 20
TURN_S = 0.03


class Background:
    """Runs one function at a time on another thread."""

    def __init__(self, onBusy: Callable[[], None]):
        """``onBusy`` is called when ``do`` has begun something, and when that has ended."""
        self._onBusy = onBusy
        self._thread = ThreadPoolExecutor(1)
        self._future: Future | None = None
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self._poll)

    @property
    def isBusy(self) -> bool:
        return self._future is not None

    def start(
        self,
        work: Callable[[], object],
        onEnd: Callable[[Future], None],
        onTurn: Callable[[], bool] = lambda: False,
    ) -> None:
        """Starts the work. Then, on this thread, ``onTurn`` is called again and again: it does a
        little, and says whether it did anything; ``onEnd`` is called once the work has ended and
        there was nothing to do any more."""
        self._onTurn, self._onEnd = onTurn, onEnd
        self._future = self._thread.submit(work)
        self._timer.start(POLL_MS)

    def do(self, work: Callable[[], object], onDone: Callable, say: Callable[[str], None]) -> None:
        """Starts the work; what comes of it is given to ``onDone``, a refusal is said instead."""
        self.start(work, lambda future: self._finish(future, onDone, say))
        self._onBusy()

    def _finish(self, future: Future, onDone: Callable, say: Callable[[str], None]) -> None:
        self._onBusy()
        error = future.exception()
        if error is None:
            onDone(future.result())
            return
        say(str(error))
        if not isinstance(error, NoduleRiskError):
            raise error  # a fault of ours: into Slicer's log, with its traceback

    def close(self) -> None:
        """Waits for the work to end, without telling anybody."""
        self._timer.stop()
        self._future = None
        self._thread.shutdown()

    def _poll(self) -> None:
        future = self._future
        if future is None:
            return
        ended = future.done()
        if self._onTurn():
            return
        if ended:
            self._timer.stop()
            self._future = None
            self._onEnd(future)
        # Slicer keeps Python's lock while it waits for events: the other thread runs only while we
        # wait here
        else:
            wait([future], TURN_S)
