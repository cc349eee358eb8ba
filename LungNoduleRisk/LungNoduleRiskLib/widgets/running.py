"""A run: started, followed, cancelled, ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.session import Session
from LungNoduleRiskLib.widgets.background import Background
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say


class Running:
    """Assesses on the other thread and shows each nodule, on this one, once it is assessed."""

    def __init__(
        self,
        ui: Any,
        session: Session,
        background: Background,
        onShown: Callable,
        onEnded: Callable,
    ):
        """``onShown`` is called when a nodule was shown, ``onEnded`` when the run has ended."""
        self._ui, self._session, self._background = ui, session, background
        self._onShown, self._onEnded = onShown, onEnded
        self._stopped: list[str] = []  # why results could not be shown

    def start(self) -> None:
        """Computes the session's run."""
        self._stopped = []
        self._background.start(self._session.compute, self._onEnd, self._onTurn)

    def _onTurn(self) -> bool:
        """Shows how far the run is, and a nodule that was assessed since; whether there was one."""
        news = self._session.news
        self._ui.statusLabel.text = say(news.what)
        self._ui.progressBar.value = round(100 * news.share)
        try:
            shown = self._session.showNext()
        except NoduleRiskError as error:
            self._session.cancel()
            self._stopped = [_("Stopped: {reason}").format(reason=str(error))]
            return False
        if shown:
            self._onShown()
        return shown

    def _onEnd(self, future: Future) -> None:
        """Says how the run went: what was assessed is shown, though others were not."""
        run, error = self._session.end(), future.exception()
        words = _("{count} of {asked} nodules assessed.")
        lines = [
            words.format(count=run.shown, asked=len(run.points)),
            *(f"{name}: {say(why)}" for name, why in run.refusals.items()),
            *self._stopped,
        ]
        self._ui.statusLabel.text = "\n".join([*lines, say(str(error))] if error else lines)
        self._onEnded()
        if error is not None and not isinstance(error, NoduleRiskError):
            raise error  # a fault of ours: into Slicer's log, with its traceback
