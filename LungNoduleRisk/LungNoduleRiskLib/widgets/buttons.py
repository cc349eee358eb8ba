"""What can be done now, and why the rest cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import FILL, resultNode
from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.parameters import Parameters
from LungNoduleRiskLib.session import Session
from LungNoduleRiskLib.widgets import views
from LungNoduleRiskLib.widgets.background import Background


class Buttons:
    """Enables the panel's buttons and sliders, and shows their state."""

    def __init__(
        self, ui: Any, session: Session, background: Background, tell: Callable[[str], None]
    ):
        self._ui, self._session, self._background, self._say = ui, session, background, tell
        self._reason = ""  # why nothing can be assessed, as it was last said

    def show(self, chosen: Parameters | None) -> None:
        """Enables what can be done now, and says why the rest cannot."""
        running, busy = self._session.run is not None, self._background.isBusy
        ct, reason = chosen.ct if chosen else None, _whyNot(chosen)
        self._ui.assessButton.enabled = not busy and not reason
        self._ui.assessButton.toolTip = reason or _(
            "Segment each nodule and assess it with the networks."
        )
        self._ui.cancelButton.enabled = running
        self._ui.progressBar.visible = running
        nodule = self._session.chosen
        assessed = nodule is not None and nodule.assessment is not None
        for button in (self._ui.previousButton, self._ui.nextButton):
            button.enabled = nodule is not None
        self._ui.deleteButton.enabled = nodule is not None and not busy
        self._showUndo(busy)
        self._showViews(ct)
        self._ui.editButton.enabled = nodule is not None and ct is not None and not busy
        for button in (self._ui.pageButton, self._ui.explainButton):
            button.enabled = assessed and not busy
        for button in (
            self._ui.chartButton,
            self._ui.reportButton,
            self._ui.dicomButton,
            self._ui.compareButton,
        ):
            button.enabled = bool(self._session.assessments) and not busy
        for button in (self._ui.exportButton, self._ui.exportLabelsButton):
            button.enabled = not reason and not busy
        if not busy:
            self._showReason(reason)

    def _showReason(self, reason: str) -> None:
        """Says why nothing can be assessed, and that no longer where it can."""
        if reason or self._ui.statusLabel.text == self._reason:
            self._say(reason)
        self._reason = reason

    def _showViews(self, ct: vtkMRMLScalarVolumeNode | None) -> None:
        """The state of what changes the views."""
        self._showWindow(ct)
        self._ui.copyButton.enabled = bool(self._session.assessments)
        slider = self._ui.opacitySlider
        slider.enabled = ct is not None and resultNode("segmentation", ct) is not None
        slider.blockSignals(True)
        slider.value = round(100 * (FILL if ct is None else results.maskOpacity(ct)))
        slider.blockSignals(False)

    def _showWindow(self, ct: vtkMRMLScalarVolumeNode | None) -> None:
        """Which of the usual windows the CT is shown in; none of them: nothing."""
        selector = self._ui.windowSelector
        selector.enabled = ct is not None
        selector.blockSignals(True)
        selector.setCurrentIndex(selector.findData("" if ct is None else views.windowOf(ct)))
        selector.blockSignals(False)

    def _showUndo(self, busy: bool) -> None:
        done, words = self._session.undoable, _("Undo {what}.")
        self._ui.undoButton.enabled = done is not None and not busy
        self._ui.undoButton.toolTip = (
            _("Undo placing, deleting or assessing.") if done is None else words.format(what=done)
        )


def _whyNot(chosen: Parameters | None) -> str:
    """Why nothing can be assessed; empty where it can."""
    if chosen is None or chosen.ct is None:
        return _("Load a chest CT and select it, or press 'Try it'.")
    if chosen.points is None or not scene.placed(chosen.points):
        return _("Place a point on each nodule: press 'Place points', then click in the slices.")
    return ""
