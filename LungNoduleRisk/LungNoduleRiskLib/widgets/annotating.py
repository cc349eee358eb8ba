"""The section for researchers: what a nodule is, and the export of nodules as training data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
from slicer import vtkMRMLMarkupsFiducialNode

from LungNoduleRiskLib.annotations import NO_OWN, Annotation, annotate, annotationOf, labelsOf
from LungNoduleRiskLib.exporting import exportLabels, exportNodules
from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.nodules import SceneNodule
from LungNoduleRiskLib.parameters import Parameters
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.weights.store import read_card

EVIDENCE = ("reader", "pathology")


class Annotating:
    """Shows and stores the annotation of one nodule at a time, and exports all."""

    def __init__(self, ui: Any, tell: Callable[[str], None]):
        self._ui, self._say = ui, tell
        self._point: tuple[vtkMRMLMarkupsFiducialNode, int] | None = None  # list, control point
        self._ownTasks = NO_OWN
        for level in EVIDENCE:
            ui.evidenceSelector.addItem(say(level), level)
        ui.labelSelector.currentTextChanged.connect(self._onEdited)
        ui.noteEdit.textEdited.connect(self._onEdited)

    def offer(self, weights: str) -> None:
        """Offers the labels of all tasks, also of this weight set's own; a set that is gone has
        none."""
        try:
            self._ownTasks = read_card(weights).own_tasks
        except NoduleRiskError:
            self._ownTasks = NO_OWN
        selector = self._ui.labelSelector
        said = selector.currentText
        selector.blockSignals(True)
        selector.clear()
        selector.addItems(["", *labelsOf(self._ownTasks)])
        selector.setCurrentText(said)
        selector.blockSignals(False)

    def show(
        self, nodule: SceneNodule | None, markupsNode: vtkMRMLMarkupsFiducialNode | None
    ) -> None:
        """Shows the nodule's annotation; a nodule without a point cannot be annotated."""
        self._point = None  # what is filled in here is not written back
        point = None
        if markupsNode is not None and nodule is not None and nodule.index is not None:
            point = markupsNode, nodule.index
        said = Annotation() if point is None else annotationOf(*point)
        if self._ui.labelSelector.currentText != said.label:
            self._ui.labelSelector.setCurrentText(said.label)
        if self._ui.noteEdit.text.strip() != said.note:
            self._ui.noteEdit.text = said.note
        for field in (self._ui.labelSelector, self._ui.noteEdit):
            field.enabled = point is not None
        self._point = point

    def exportSamples(self, chosen: Parameters) -> None:
        """Asks where to, and writes the nodules as training data."""
        folder = qt.QFileDialog.getExistingDirectory(
            self._ui.exportButton, _("Export training samples to")
        )
        if folder:
            self._export(exportNodules, chosen, folder, self._ui.evidenceSelector.currentData)

    def exportLabels(self, chosen: Parameters) -> None:
        """Asks where to, and writes the labels as a table."""
        path = self._askFile()
        if path:
            self._export(exportLabels, chosen, path)

    def _askFile(self) -> str:
        chosen = qt.QFileDialog.getSaveFileName(
            self._ui.exportLabelsButton, _("Export labels to"), "", "CSV (*.csv)"
        )
        return (
            chosen[0] if isinstance(chosen, tuple) else chosen
        )  # PySide6 returns the filter beside it

    def _export(self, export: Callable, chosen: Parameters, where: str, *choices: Any) -> None:
        try:
            nodes = chosen.ct, chosen.points
            export(*nodes, where, chosen.patient or None, *choices, ownTasks=self._ownTasks)
        except NoduleRiskError as error:
            self._say(str(error))
        else:
            self._say(_("Exported to {where}").format(where=where))

    def _onEdited(self, _text: str = "") -> None:
        if self._point is None:
            return
        said = Annotation(
            self._ui.labelSelector.currentText.strip(),
            self._ui.readerEdit.text.strip(),
            self._ui.noteEdit.text.strip(),
        )
        annotate(*self._point, said)
        try:
            said.labels(self._ownTasks)
        except NoduleRiskError as error:
            self._say(str(error))
        else:
            self._say("")
