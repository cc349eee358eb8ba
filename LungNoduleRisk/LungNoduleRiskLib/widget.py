"""The panel: the only file that knows of Qt. It selects a CT and points, runs the logic, and says how that went.

Written in the subset that PythonQt and PySide6 share.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from LungNoduleRiskLib.logic import NoduleLogic, Run
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.errors import NoduleRiskError

PANEL = Path(__file__).parents[1] / "Resources" / "UI" / "LungNoduleRisk.ui"
POLL_MS = 20
TURN_S = 0.03


class Widget(qt.QWidget):
    """MRML is read and written here, on the main thread; the networks are asked on another, so that nothing freezes."""

    def __init__(self, logic: NoduleLogic | None = None, parent=None):
        super().__init__(parent)
        self.logic = logic or NoduleLogic()
        self._run: Run | None = None
        self._done: Future | None = None
        self._news = ("", 0.0)  # what is being done, and the share done; written by the other thread
        self._thread = ThreadPoolExecutor(1)
        self._timer = qt.QTimer(self)
        self._timer.timeout.connect(self.onPoll)
        self._setUpPanel()

    def _setUpPanel(self) -> None:
        panel = slicer.util.loadUI(PANEL.as_posix())
        panel.setMRMLScene(slicer.mrmlScene)
        layout = qt.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        self.ui.researchLabel.setText(RESEARCH_USE_ONLY)
        self.ui.assessButton.clicked.connect(self.onAssess)
        self.ui.cancelButton.clicked.connect(self.onCancel)
        self._setRunning(False)

    def onAssess(self) -> None:
        """Reads the scene and starts the run; a refusal is shown in its place."""
        self._news = ("", 0.0)
        try:
            self._run = self.logic.prepare(self.ui.volumeSelector.currentNode(), self.ui.pointsSelector.currentNode())
        except NoduleRiskError as error:
            self.ui.statusLabel.setText(str(error))
            return
        self._setRunning(True)
        self._done = self._thread.submit(self.logic.compute, self._run, self._onProgress)
        self._timer.start(POLL_MS)

    def onCancel(self) -> None:
        self.logic.cancel()

    def onPoll(self) -> None:
        """Shows how far the run is, and its end."""
        # Slicer keeps Python's lock while it waits for events: the other thread runs only while we wait for it here.
        wait([self._done], TURN_S)
        what, share = self._news
        self.ui.statusLabel.setText(what)
        self.ui.progressBar.setValue(round(100 * share))
        if self._done.done():
            self._timer.stop()
            self._setRunning(False)
            self._showResults()

    def cleanup(self) -> None:
        """Ends what is running; the panel cannot be used any more."""
        self._timer.stop()
        self.logic.cancel()
        self._thread.shutdown()

    def _onProgress(self, what: str, share: float) -> None:
        self._news = (what, share)

    def _showResults(self) -> None:
        """Shows the nodules that were assessed, though others were not, and says what went wrong."""
        run, problems = self._run, dict(self._run.refusals)
        error = self._done.exception()
        try:
            self.logic.show(run)
        except NoduleRiskError as refusal:
            error = error or refusal
        if error is not None:
            problems[_("Stopped")] = str(error)
        assessed = _("{count} of {asked} nodules assessed.").format(count=len(run.assessments), asked=len(run.points))
        self.ui.statusLabel.setText("\n".join([assessed, *(f"{name}: {why}" for name, why in problems.items())]))
        if error is not None and not isinstance(error, NoduleRiskError):
            raise error  # a fault of ours: into Slicer's log, with its traceback

    def _setRunning(self, running: bool) -> None:
        self.ui.assessButton.setEnabled(not running)
        self.ui.cancelButton.setEnabled(running)
        self.ui.progressBar.setVisible(running)
