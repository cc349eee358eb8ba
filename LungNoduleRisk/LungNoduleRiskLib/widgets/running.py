"""A run: started, followed, cancelled, ended."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from slicer.i18n import tr as _

from LungNoduleRiskLib.assessing import AssessmentRun, Assessor
from LungNoduleRiskLib.widgets.background import Background
from nodulerisk.errors import NoduleRiskError


class Running:
    """Assesses on the other thread and shows each nodule, on this one, once it is assessed."""

    def __init__(
        self, ui, assessor: Assessor, background: Background, onShown: Callable, onEnded: Callable
    ):
        """``onShown`` is called when a nodule was shown, ``onEnded`` when the run has ended."""
        self._ui, self._assessor, self._background = ui, assessor, background
        self._onShown, self._onEnded = onShown, onEnded
        self._news = (
            "",
            0.0,
        )  # what is being done, and the share done; written by the other thread
        self.run: AssessmentRun | None = None  # the one under way
        self.refusals: dict[str, str] = {}  # of the last run, by the point's name

    def start(self, run: AssessmentRun) -> None:
        self.run, self._news = run, ("", 0.0)
        self._background.start(
            lambda: self._assessor.compute(run, self._onProgress), self._onEnd, self._onTurn
        )

    def cancel(self) -> None:
        self._assessor.cancel()

    def cancelWithoutCt(self) -> None:
        """Ends the run if its CT has left the scene (fault 43)."""
        if self.run is not None and self.run.volumeNode.GetScene() is None:
            self.cancel()

    def _onProgress(self, what: str, share: float) -> None:
        self._news = (what, share)

    def _onTurn(self) -> bool:
        """Shows how far the run is, and a nodule that was assessed since; whether there was one."""
        what, share = self._news
        self._ui.statusLabel.text = what
        self._ui.progressBar.value = round(100 * share)
        try:
            shown = self._assessor.showNext(self.run)
        except NoduleRiskError as error:
            self.cancel()
            self.run.refusals[_("Stopped")] = str(error)
            return False
        if shown:
            self._onShown()
        return shown

    def _onEnd(self, future: Future) -> None:
        """Says how the run went: what was assessed is shown, though others were not."""
        run, error = self.run, future.exception()
        self.run, self.refusals = None, dict(run.refusals)
        lines = [
            _("{count} of {asked} nodules assessed.").format(count=run.shown, asked=len(run.points))
        ]
        lines += [f"{name}: {why}" for name, why in run.refusals.items()]
        self._ui.statusLabel.text = "\n".join([*lines, str(error)] if error else lines)
        self._onEnded()
        if error is not None and not isinstance(error, NoduleRiskError):
            raise error  # a fault of ours: into Slicer's log, with its traceback
