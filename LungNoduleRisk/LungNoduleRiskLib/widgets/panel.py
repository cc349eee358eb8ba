"""The panel: a CT and points are chosen, their nodules assessed, and the results read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from LungNoduleRiskLib import results, scene
from LungNoduleRiskLib.install import ensurePackages
from LungNoduleRiskLib.logic import Nodule, NoduleLogic, Run
from LungNoduleRiskLib.parameters import DEVICES, Parameters, thresholdsOf
from LungNoduleRiskLib.sample import loadSample
from LungNoduleRiskLib.widgets import views
from LungNoduleRiskLib.widgets.advanced import Advanced
from LungNoduleRiskLib.widgets.annotating import Annotating
from LungNoduleRiskLib.widgets.background import Background
from LungNoduleRiskLib.widgets.details import noduleHtml
from LungNoduleRiskLib.widgets.following import Following
from LungNoduleRiskLib.widgets.nodules import NodulesTable
from LungNoduleRiskLib.widgets.patient import PatientForm
from LungNoduleRiskLib.widgets.running import Running
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice, advise
from nodulerisk.errors import NoduleRiskError
from nodulerisk.trust.explain import Explanation

PANEL = Path(__file__).parents[2] / "Resources" / "UI" / "LungNoduleRisk.ui"
REFRESH_MS = 100  # many changes of the scene are shown at once
MEASURE_MS = 500  # after the last stroke in the Segment Editor
SHORTCUTS = {"Alt+Up": -1, "Alt+Down": 1}


class Panel(VTKObservationMixin):
    """MRML is read and written here, on the main thread; the networks are asked on another, so that
    nothing freezes.

    What is shown follows the scene: whoever changes points, segments or results, ``refresh`` reads
        them anew.
    """

    def __init__(self, getParameterNode, logic: NoduleLogic | None = None):
        """``getParameterNode`` returns the scene's vtkMRMLScriptedModuleNode of this module."""
        super().__init__()
        self.logic = logic or NoduleLogic()
        self.parameters: Parameters | None = None
        self._getParameterNode = getParameterNode
        self._background = Background(self._showState)
        self._page = None  # the web view, which lives while it is kept
        self._setUp()
        self._observeScene()
        self.useScene()

    def _setUp(self) -> None:
        self.widget = slicer.util.loadUI(PANEL.as_posix())
        self.ui = slicer.util.childWidgetVariables(self.widget)
        self.ui.researchLabel.text = RESEARCH_USE_ONLY
        self.ui.deviceSelector.addItems(DEVICES)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self._table = NodulesTable(self.ui.nodulesTable, self.onSelected)
        self._annotating = Annotating(self.ui, self.logic, self._say)
        self._advanced = Advanced(self.ui, self._background, self.onWeights)
        self._patientForm = PatientForm(self.ui.patientSection, self._showSelected)
        self._following = Following(self.logic, self._do, self._say, self.onEnded)
        self._running = Running(self.ui, self.logic, self._background, self.onChanged, self.onEnded)
        self._timers = [self._timer(self.refresh), self._timer(self._remeasure)]
        self._refreshTimer, self._measureTimer = self._timers
        self._connect()

    def _connect(self) -> None:
        for button, slot in {
            self.ui.sampleButton: self.onSample,
            self.ui.assessButton: self.onAssess,
            self.ui.cancelButton: self._running.cancel,
            self.ui.previousButton: lambda: self._table.step(-1),
            self.ui.nextButton: lambda: self._table.step(1),
            self.ui.pageButton: self.onPage,
            self.ui.reportButton: self.onReport,
            self.ui.compareButton: self.onCompare,
            self.ui.explainButton: self.onExplain,
            self.ui.dicomButton: self.onDicom,
            self.ui.chartButton: lambda: views.showChart(self.parameters.ct),
            self.ui.editButton: lambda: views.editMask(
                self._table.selected.name, self.parameters.ct
            ),
            self.ui.deleteButton: self.onDelete,
            self.ui.exportButton: lambda: self._annotating.exportSamples(self.parameters),
            self.ui.exportLabelsButton: lambda: self._annotating.exportLabels(self.parameters),
        }.items():
            button.clicked.connect(slot)
        self.ui.placeButton.toggled.connect(self.onPlace)
        self.ui.placeWidget.activeMarkupsPlaceModeChanged.connect(self.onPlaceModeChanged)
        self.ui.placeWidget.placeMultipleMarkups = (
            slicer.qSlicerMarkupsPlaceWidget.ForcePlaceMultipleMarkups
        )
        self._shortcuts = [self._shortcut(keys, by) for keys, by in SHORTCUTS.items()]
        deleteKey = qt.QShortcut(qt.QKeySequence("Del"), self.ui.nodulesTable)
        deleteKey.activated.connect(self.onDelete)

    def _timer(self, slot):
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(slot)
        return timer

    def _shortcut(self, keys: str, by: int):
        """Steps through the nodules from anywhere in the application, the Segment Editor among
        it."""
        shortcut = qt.QShortcut(qt.QKeySequence(keys), slicer.util.mainWindow() or self.widget)
        shortcut.activated.connect(lambda: self._table.step(by))
        return shortcut

    # The scene

    def _observeScene(self) -> None:
        for event, slot in (
            (slicer.vtkMRMLScene.StartCloseEvent, self.onSceneStartClose),
            (slicer.vtkMRMLScene.EndCloseEvent, self.useScene),
            (slicer.vtkMRMLScene.EndImportEvent, self.useScene),
            (slicer.vtkMRMLScene.NodeAddedEvent, self.onChanged),
            (slicer.vtkMRMLScene.NodeRemovedEvent, self.onNodeRemoved),
        ):
            self.addObserver(slicer.mrmlScene, event, slot)

    def useScene(self, caller=None, event=None) -> None:
        """Takes the scene's parameter node, a new one where it has none."""
        self._dropParameters()
        self.parameters = Parameters(self._getParameterNode())
        self._guiTag = self.parameters.connectGui(self.ui)
        self.addObserver(
            self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onChanged
        )
        self._advanced.listWeights(self.parameters.weights)
        if self.parameters.ct is None:
            self.parameters.ct = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
        self.refresh()

    def _dropParameters(self) -> None:
        if self.parameters is not None:
            self.parameters.disconnectGui(self._guiTag)
            self.removeObserver(
                self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onChanged
            )
            self.parameters = None

    def onSceneStartClose(self, caller, event) -> None:
        self._running.cancel()
        self._running.refusals = {}
        self._dropParameters()

    def onNodeRemoved(self, caller, event) -> None:
        """A CT that goes takes its run with it, and its results are nobody's (fault 43)."""
        self._running.cancelWithoutCt()
        if not slicer.mrmlScene.IsClosing():
            results.detachStrays(slicer.mrmlScene)
        self.onChanged()

    def onChanged(self, caller=None, event=None) -> None:
        self._refreshTimer.start(REFRESH_MS)

    def refresh(self) -> None:
        """Shows the scene as it is now."""
        if self.parameters is None:
            return
        self._observeNodes()
        try:
            nodules = self.logic.nodules(self.parameters.ct, self.parameters.points)
        except NoduleRiskError as error:
            nodules = []
            self._say(str(error))
        self._table.show(nodules, self._running.refusals)
        self._showSelected()
        self._showState()

    def _observeNodes(self) -> None:
        """Follows the points of the list, and the segments of the CT."""
        markupsNode, ct = self.parameters.points, self.parameters.ct
        self.removeObservers(self.onPointsChanged)
        self.removeObservers(self.onMaskChanged)
        if markupsNode is not None:
            self.ui.placeWidget.setCurrentNode(markupsNode)
            for event in (
                markupsNode.PointModifiedEvent,
                markupsNode.PointPositionDefinedEvent,
                markupsNode.PointRemovedEvent,
            ):
                self.addObserver(markupsNode, event, self.onPointsChanged)
        segmentationNode = None if ct is None else results.resultNode("segmentation", ct)
        if segmentationNode is not None:
            for event in (
                slicer.vtkSegmentation.SourceRepresentationModified,
                slicer.vtkSegmentation.SegmentRemoved,
            ):
                self.addObserver(segmentationNode.GetSegmentation(), event, self.onMaskChanged)

    def onPointsChanged(self, caller, event) -> None:
        self.onChanged()

    def onMaskChanged(self, caller, event) -> None:
        self._measureTimer.start(MEASURE_MS)

    def _remeasure(self) -> None:
        """Measures what was changed in the Segment Editor."""
        if self.parameters is None or self.parameters.ct is None or self._running.run is not None:
            return
        try:
            if results.remeasure(self.parameters.ct):
                self.refresh()
        except NoduleRiskError as error:
            self._say(str(error))

    # What the user does

    def onWeights(self, name: str) -> None:
        if self.parameters is not None:
            self.parameters.weights = name

    def onSample(self) -> None:
        try:
            ct, points = loadSample()
        except NoduleRiskError as error:
            self._say(str(error))
            return
        self.parameters.ct, self.parameters.points = ct, points
        views.showCt(ct)
        self.refresh()
        self._jump()

    def onPlace(self, on: bool) -> None:
        """Starts or ends placing points, in a new list where none is chosen."""
        if on and self.parameters.points is None:
            self.parameters.points = scene.addPointsNode()
            self.ui.placeWidget.setCurrentNode(self.parameters.points)
        self.ui.placeWidget.setPlaceModeEnabled(on)

    def onPlaceModeChanged(self, on: bool) -> None:
        self.ui.placeButton.checked = on

    def onSelected(self) -> None:
        self._showSelected()
        self._showState()
        self._jump()

    def onDelete(self) -> None:
        """Deletes the selected nodule; one whose mask was changed by hand after asking."""
        nodule, ct = self._table.selected, self.parameters.ct
        if nodule is None or self._running.run is not None:
            return
        question = _("{name}'s mask was changed by hand. Delete it, too?").format(name=nodule.name)
        if (
            ct is not None
            and results.handDrawn(ct, [nodule.name])
            and not slicer.util.confirmYesNoDisplay(question)
        ):
            return
        self.logic.delete(nodule, ct, self.parameters.points)
        self._running.refusals.pop(nodule.name, None)
        self.refresh()

    def onPage(self) -> None:
        """Writes the chosen nodule's page, and opens it."""
        self._writeReport(
            [self._table.selected.assessment], Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath))
        )

    def onReport(self) -> None:
        """Asks where to, writes the report of all nodules there, and opens it."""
        folder = qt.QFileDialog.getExistingDirectory(self.ui.reportButton, _("Write the report to"))
        if folder:
            self._writeReport(self._table.assessments, Path(folder))

    def onDicom(self) -> None:
        """Asks where to, and writes the nodules there as DICOM, which names the patient."""
        warning = _("DICOM files name the patient, as the CT's series does. Write them?")
        if not slicer.util.confirmYesNoDisplay(warning):
            return
        folder = qt.QFileDialog.getExistingDirectory(self.ui.dicomButton, _("Write DICOM files to"))
        if folder:
            self._write(
                lambda: self.logic.dicomWriter(self.parameters.ct, Path(folder)), Path(folder)
            )

    def _writeReport(self, assessments: list[Assessment], folder: Path) -> None:
        path, shown = (
            folder / "report.html",
            (assessments, self.parameters.ct, self._advice),
        )
        self._write(lambda: self.logic.reportWriter(*shown, path, self._following.earlier), path)

    def _write(self, writer: Callable[[], Callable[[], None]], path: Path) -> None:
        """Writes on the other thread, says where, and opens what is a page."""
        self._do(writer, _("Writing…"), lambda _written: self._onWritten(path))

    def _onWritten(self, path: Path) -> None:
        self._say(_("Written to {path}").format(path=path))
        if path.suffix == ".html":
            self._page = views.openPage(path)

    def onCompare(self) -> None:
        """Compares with the earlier CT; the user confirms which nodules are one."""
        self._following.compare(self.parameters)

    def onExplain(self) -> None:
        """Finds out on the other thread where a network looked, and shows it over the CT."""
        chosen, assessment = self.parameters, self._table.selected.assessment
        explainer = partial(
            self.logic.explainer, assessment, chosen.ct, chosen.weights, chosen.device
        )
        show = partial(self._onExplained, assessment.name, chosen.ct)
        self._do(explainer, _("Looking where a network looked…"), show)

    def _onExplained(self, name: str, volumeNode, explanation: Explanation) -> None:
        if volumeNode.GetScene() is not None:
            mapNode = results.showExplanation(explanation, name, volumeNode)
            views.showOver(mapNode)
            self._say(mapNode.GetName())

    def _do(self, prepare: Callable[[], Callable], words: str, onDone: Callable) -> None:
        """Prepares work here, where the scene may be read, and does it on the other thread; a
        refusal is said."""
        try:
            work = prepare()
        except NoduleRiskError as error:
            self._say(str(error))
            return
        self._say(words)
        self._background.do(work, onDone, self._say)

    # A run

    def onAssess(self) -> None:
        """Reads the scene and starts the run; a refusal is shown in its place."""
        self._running.refusals = {}
        self._following.earlier = {}
        try:
            ensurePackages()
            self._running.start(self._prepared())
        except NoduleRiskError as error:
            self._say(str(error))
        self.refresh()

    def onEnded(self) -> None:
        self.refresh()
        self._jump()

    def _prepared(self) -> Run:
        chosen = self.parameters
        return self.logic.prepare(
            chosen.ct,
            chosen.points,
            chosen.weights,
            chosen.device,
            cascade=chosen.cascade,
            stability=chosen.stability,
            thresholds=thresholdsOf(chosen),
            replaceMasks=self._mayReplaceMasks(),
        )

    def _mayReplaceMasks(self) -> bool:
        """Whether masks that were changed by hand are drawn anew, which is asked where there are
        any."""
        chosen = self.parameters
        if chosen.ct is None or chosen.points is None:
            return False
        changed = results.handDrawn(chosen.ct, scene.pointNames(chosen.points))
        question = _(
            "These masks were drawn or changed by hand: {names}. Draw them anew, so that your"
            " changes are lost? If not, they stay, and are measured as they are."
        ).format(names=", ".join(changed))
        return bool(changed) and slicer.util.confirmYesNoDisplay(question)

    # What is shown

    def _showSelected(self) -> None:
        nodule = self._table.selected
        self._patientForm.choose(nodule.name if nodule else "")
        self.ui.detailsBrowser.setHtml(self._detailsOf(nodule) if nodule else "")
        self._annotating.show(nodule, self.parameters.points if self.parameters else None)

    def _detailsOf(self, nodule: Nodule) -> str:
        """Everything known of a nodule, with its mask as it is now."""
        refusal = self._running.refusals.get(nodule.name)
        if nodule.assessment is None:
            return noduleHtml(nodule, refusal)
        _ct, assessment = results.withMask(nodule.assessment, self.parameters.ct, 0)
        try:
            advice = self._advice(assessment)
        except NoduleRiskError as error:
            advice = NO_ADVICE
            self._say(str(error))
        earlier = self._following.earlier.get(nodule.name)
        return noduleHtml(replace(nodule, assessment=assessment), refusal, advice, earlier)

    def _advice(self, assessment: Assessment) -> Advice:
        """What scores and guidelines say of a nodule, by what was filled in."""
        patient = self._patientForm.patientWith(assessment.name)
        listed = self.logic.nodules(self.parameters.ct, self.parameters.points)
        return advise(assessment, patient, len(listed))

    def _jump(self) -> None:
        """Shows the selected nodule in the slices and in 3D."""
        nodule = self._table.selected
        position = self._positionOf(nodule) if nodule else None
        if position is not None:
            views.jumpTo(position)

    def _positionOf(self, nodule: Nodule) -> tuple[float, float, float] | None:
        """RAS mm: of the nodule's point, else of what was assessed."""
        if nodule.index is None:
            return scene.rasOf(nodule.assessment.centre_lps_mm)
        position = [0.0, 0.0, 0.0]
        self.parameters.points.GetNthControlPointPositionWorld(nodule.index, position)
        return tuple(position)

    def _showState(self) -> None:
        """Enables what can be done now, and says why the rest cannot."""
        running, busy = self._running.run is not None, self._background.isBusy
        reason = self._whyNot()
        self.ui.assessButton.enabled = not busy and not reason
        self.ui.assessButton.toolTip = reason or _(
            "Draw each nodule and ask the networks about it."
        )
        self.ui.cancelButton.enabled = running
        self.ui.progressBar.visible = running
        nodule = self._table.selected
        assessed = nodule is not None and nodule.assessment is not None
        for button in (self.ui.previousButton, self.ui.nextButton):
            button.enabled = nodule is not None
        self.ui.deleteButton.enabled = nodule is not None and not running
        self.ui.editButton.enabled = (
            nodule is not None and self.parameters.ct is not None and not busy
        )
        for button in (self.ui.pageButton, self.ui.explainButton):
            button.enabled = assessed and not busy
        for button in (
            self.ui.chartButton,
            self.ui.reportButton,
            self.ui.dicomButton,
            self.ui.compareButton,
        ):
            button.enabled = bool(self._table.assessments) and not busy
        for button in (self.ui.exportButton, self.ui.exportLabelsButton):
            button.enabled = not reason and not busy
        if reason and not busy:
            self._say(reason)

    def _whyNot(self) -> str:
        """Why nothing can be assessed; empty where it can."""
        if self.parameters is None or self.parameters.ct is None:
            return _("Load a chest CT and select it, or press 'Try it'.")
        if self.parameters.points is None or not scene.placed(self.parameters.points):
            return _(
                "Place a point on each nodule: press 'Place points', then click in the slices."
            )
        return ""

    def _say(self, text: str) -> None:
        self.ui.statusLabel.text = text

    def cleanup(self) -> None:
        """Ends what is running; the panel cannot be used any more."""
        self.logic.cancel()
        self._background.close()
        self._dropParameters()
        self.removeObservers()
        for timer in self._timers:
            timer.stop()
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
