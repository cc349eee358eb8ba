"""Work on another thread while Qt goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait

import qt

from LungNoduleRiskLib.language import tr as _
from nodulerisk.errors import NoduleRiskError

POLL_MS = 20
TURN_S = 0.03
PATIENCE_S = 0.5  # with work that goes on while the panel is closed


class Background:
    """Runs one function at a time on another thread; a second one is refused (fault 82)."""

    def __init__(self, onBusy: Callable[[], None]):
        """``onBusy`` is called when ``do`` has begun something, and when that has ended."""
        self._onBusy = onBusy
        self._future: Future | None = None
        self._timer = qt.QTimer()
        self._timer.timeout.connect(self._poll)

    @property
    def isBusy(self) -> bool:
        return self._future is not None

    def refuseIfBusy(self) -> None:
        """Raises NoduleRiskError while something runs."""
        if self.isBusy:
            raise NoduleRiskError(_("Something else is running: wait until it has ended."))

    def start(
        self,
        work: Callable[[], object],
        onEnd: Callable[[Future], None],
        onTurn: Callable[[], bool] = lambda: False,
    ) -> None:
        """Starts the work. Then, on this thread, ``onTurn`` is called again and again: it does a
        little, and says whether it did anything; ``onEnd`` is called once the work has ended and
        there was nothing to do any more.

        Raises:
            NoduleRiskError: something else runs.
        """
        self.refuseIfBusy()
        self._onTurn, self._onEnd = onTurn, onEnd
        self._future = Future()
        # a daemon: Slicer can be quit without waiting for it
        threading.Thread(target=_do, args=(work, self._future), daemon=True).start()
        self._timer.start(POLL_MS)

    def do(self, work: Callable[[], object], onDone: Callable, say: Callable[[str], None]) -> None:
        """Starts the work; what comes of it is given to ``onDone``, a refusal is said instead.

        Raises:
            NoduleRiskError: something else runs.
        """
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
        """Lets the work end without telling anybody, and soon without waiting for it."""
        self._timer.stop()
        future, self._future = self._future, None
        if future is not None:
            wait([future], PATIENCE_S)

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


def _do(work: Callable[[], object], future: Future) -> None:
    try:
        result = work()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)
