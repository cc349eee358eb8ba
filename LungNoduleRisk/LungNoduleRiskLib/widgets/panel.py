"""The panel: where the user chooses a CT and points, assesses the nodules and reads the results."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import qt
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScriptedModuleNode
from slicer.util import VTKObservationMixin

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.calipers import showCalipers
from LungNoduleRiskLib.install import EXPLAINING_NEEDS, ensurePackages
from LungNoduleRiskLib.language import sayAll
from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.nodules import SceneNodule
from LungNoduleRiskLib.parameters import DEVICES, PAIRINGS, Parameters, thresholdsOf
from LungNoduleRiskLib.sample import SAMPLES, THIN, Sample, loadSample
from LungNoduleRiskLib.session import Session
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
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.outputs.style import REPORT_NAME
from nodulerisk.trust.explain import Explanation

PANEL = Path(__file__).parents[2] / "Resources" / "UI" / "LungNoduleRisk.ui"
REFRESH_MS = 100  # many changes of the scene are shown at once
MEASURE_MS = 500  # after the last stroke in the Segment Editor
SHORTCUTS = {"Alt+Up": -1, "Alt+Down": 1}
STEPS_IN = "LungNoduleRisk", "SegmentEditor"  # the modules in which the shortcuts act


class Panel(VTKObservationMixin):
    """Shows the session, and calls it.

    MRML is read and written on the main thread; the networks run on another, so that nothing
    freezes. Whoever changes points, segments or results in the scene, ``refresh`` reads them again.

    Until the panel is closed, Python's collector of garbage leaves alone what was there before it:
    Slicer wraps some 200,000 functions, and to go through them takes a tenth of a second each time.
    """

    def __init__(self, getParameterNode: Callable[[], vtkMRMLScriptedModuleNode], session: Session):
        """``getParameterNode`` returns the scene's vtkMRMLScriptedModuleNode of this module."""
        super().__init__()
        self.session = session
        self._parameters: Parameters | None = None
        self._wrapper: Any = None  # the same, with what Slicer's parameterNodeWrapper adds to it
        self._getParameterNode = getParameterNode
        self._background = Background(self._showState)
        self._reason = ""  # why nothing can be assessed, as it was last said
        self._page = None  # the web view, which lives while it is kept
        self._setUp()
        self._observeScene()
        self.useScene()
        gc.collect()
        gc.freeze()

    def _setUp(self) -> None:
        self.widget = slicer.util.loadUI(PANEL.as_posix())
        self.ui = slicer.util.childWidgetVariables(self.widget)
        sayAll(self.ui)
        for section in ("follow", "annotate", "advanced"):  # some languages need longer words
            form = getattr(self.ui, f"{section}Section").layout()
            form.setRowWrapPolicy(qt.QFormLayout.WrapLongRows)
        self.ui.researchLabel.text = say(RESEARCH_USE_ONLY)
        self.ui.deviceSelector.addItems(DEVICES)
        for name in ("", *scene.WINDOWS_HU):
            self.ui.windowSelector.addItem(say(name), name)
        self.widget.setMRMLScene(slicer.mrmlScene)
        for selector in (self.ui.ctSelector, self.ui.pointsSelector, self.ui.earlierSelector):
            # else a long name makes the panel wider than its place
            selector.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
        self._table = NodulesTable(self.ui.nodulesTable, self.onSelected)
        self._annotating = Annotating(self.ui, self._say)
        self._advanced = Advanced(self.ui, self._background, self.onWeights)
        self._patientForm = PatientForm(self.ui.patientSection, self.session, self._showSelected)
        self._following = Following(self.session, self._do, self._say, self.onEnded)
        self._running = Running(
            self.ui, self.session, self._background, self.onChanged, self.onEnded
        )
        self._timers = [self._timer(self.refresh), self._timer(self._remeasure)]
        self._refreshTimer, self._measureTimer = self._timers
        self._offerSamples()
        self._connect()

    def _connect(self) -> None:
        for button, slot in {
            self.ui.sampleButton: lambda: self.onSample(THIN),
            self.ui.assessButton: self.onAssess,
            self.ui.cancelButton: self.session.cancel,
            self.ui.previousButton: lambda: self.step(-1),
            self.ui.nextButton: lambda: self.step(1),
            self.ui.pageButton: self.onPage,
            self.ui.reportButton: self.onReport,
            self.ui.compareButton: self.onCompare,
            self.ui.explainButton: self.onExplain,
            self.ui.dicomButton: self.onDicom,
            self.ui.chartButton: lambda: views.showChart(self.parameters.ct),
            self.ui.editButton: self.onEdit,
            self.ui.deleteButton: self.onDelete,
            self.ui.undoButton: self.onUndo,
            self.ui.copyButton: self.onCopy,
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
        self._followModules()
        keys = {"Del": self.onDelete, "Ctrl+C": self.onCopy, "Ctrl+Z": self.onUndo}
        self._listKeys = [self._listKey(key, slot) for key, slot in keys.items()]
        self.ui.windowSelector.currentIndexChanged.connect(self.onWindow)
        self.ui.opacitySlider.valueChanged.connect(self.onOpacity)

    def _offerSamples(self) -> None:
        """All of them, in the menu of the button that loads the first."""
        menu = qt.QMenu(self.ui.sampleButton)
        for sample in SAMPLES:
            self._offerSample(menu, sample)
        self.ui.sampleButton.setMenu(menu)

    def _offerSample(self, menu: qt.QMenu, sample: Sample) -> None:
        menu.addAction(say(sample.said)).triggered.connect(lambda: self.onSample(sample))

    def _timer(self, slot: Callable[[], object]) -> qt.QTimer:
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.timeout.connect(slot)
        return timer

    def _shortcut(self, keys: str, by: int) -> qt.QShortcut:
        """Steps through the nodules from anywhere in the main window."""
        shortcut = qt.QShortcut(qt.QKeySequence(keys), slicer.util.mainWindow() or self.widget)
        shortcut.activated.connect(lambda: self.step(by))
        return shortcut

    def _listKey(self, keys: str, slot: Callable[[], None]) -> qt.QShortcut:
        """Acts while the list of nodules has the focus; elsewhere the key is not ours."""
        shortcut = qt.QShortcut(qt.QKeySequence(keys), self.ui.nodulesTable)
        shortcut.context = qt.Qt.WidgetWithChildrenShortcut
        shortcut.activated.connect(slot)
        return shortcut

    def _followModules(self) -> None:
        """Keeps the shortcuts to the modules in which they act; other modules have uses of their
        own for the keys."""
        if slicer.util.mainWindow() is not None:
            slicer.util.moduleSelector().connect("moduleSelected(QString)", self.onModule)
            self.onModule(slicer.util.selectedModule())

    def onModule(self, name: str) -> None:
        for shortcut in self._shortcuts:
            shortcut.enabled = name in STEPS_IN

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

    def useScene(self, caller: object = None, event: object = None) -> None:
        """Takes the scene's parameter node, a new one where it has none."""
        self._dropParameters()
        wrapped: Any = Parameters
        self._parameters = self._wrapper = wrapped(self._getParameterNode())
        self._guiTag = self._wrapper.connectGui(self.ui)
        for index, pairing in enumerate(PAIRINGS):  # which Slicer lists as they are saved
            self.ui.pairingSelector.setItemText(index, say(pairing))
        self.addObserver(self._wrapper.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onChanged)
        self._advanced.listWeights(self.parameters.weights)
        self._annotating.offer(self.parameters.weights)
        if self.parameters.ct is None:
            volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
            maps = results.explanations(slicer.mrmlScene)
            self.parameters.ct = next((one for one in volumes if one not in maps), None)
        self.refresh()

    @property
    def parameters(self) -> Parameters:
        """The scene's parameters; there are none while it is being closed."""
        assert self._parameters is not None
        return self._parameters

    def _dropParameters(self) -> None:
        if self._parameters is not None:
            self._wrapper.disconnectGui(self._guiTag)
            self.removeObserver(
                self._wrapper.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onChanged
            )
            self._parameters = self._wrapper = None

    def onSceneStartClose(self, caller: object, event: object) -> None:
        self.session.clear()
        self._dropParameters()

    def onNodeRemoved(self, caller: object, event: object) -> None:
        """Ends the run of a removed CT, and detaches its results (fault 43)."""
        self.session.forgetRemoved()
        self.onChanged()

    def onChanged(self, caller: object = None, event: object = None) -> None:
        self._refreshTimer.start(REFRESH_MS)

    def refresh(self) -> None:
        """Shows the scene as it is now."""
        if self._parameters is None:
            return
        self._observeNodes()
        self._offerCts()
        self._following.fillDays(self.parameters)
        self.session.use(self.parameters.ct, self.parameters.points)
        try:
            self.session.refresh()
        except NoduleRiskError as error:
            self._say(str(error))
        self._table.show(self.session.summaries(), self._chosenName, self.session.places())
        self._showSelected()
        self._showState()

    def _offerCts(self) -> None:
        """A map of where a network looked is no CT to choose."""
        maps = [node.GetID() for node in results.explanations(slicer.mrmlScene)]
        for selector in (self.ui.ctSelector, self.ui.earlierSelector):
            selector.sortFilterProxyModel().hiddenNodeIDs = maps

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

    def onPointsChanged(self, caller: object, event: object) -> None:
        self.onChanged()

    def onMaskChanged(self, caller: object, event: object) -> None:
        self._measureTimer.start(MEASURE_MS)

    def _remeasure(self) -> None:
        """Measures what was changed in the Segment Editor."""
        if self._parameters is None or self.parameters.ct is None:
            return
        if self.session.run is not None:  # which adds masks itself
            self._measureTimer.start(MEASURE_MS)
            return
        try:
            if results.remeasure(self.parameters.ct):
                self.refresh()
        except NoduleRiskError as error:
            self._say(str(error))

    # What the user does

    def onWeights(self, name: str) -> None:
        if self._parameters is not None:
            self.parameters.weights = name
            self._annotating.offer(name)

    def onSample(self, sample: Sample) -> None:
        try:
            ct, points = loadSample(sample)
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

    def step(self, by: int) -> None:
        """Chooses the next (1) or the previous (-1) nodule."""
        self.session.step(by)
        self._table.select(self._chosenName)

    def onSelected(self, name: str) -> None:
        self.session.choose(name)
        self._showSelected()
        self._showState()
        self._jump()

    def onDelete(self) -> None:
        """Deletes the chosen nodule; asks first if there is more of it than a point."""
        nodule = self.session.chosen
        if nodule is None or self._background.isBusy:
            return
        question = self._whatGoes(nodule)
        if question and not slicer.util.confirmYesNoDisplay(question):
            return
        self._try(lambda: self.session.delete(nodule.name))

    def _whatGoes(self, nodule: SceneNodule) -> str:
        """What to ask before a nodule is deleted; nothing where it is no more than a point."""
        ct = self.parameters.ct
        if ct is not None and results.handDrawn(ct, [nodule.name]):
            words = _("Delete {name} and its results, with the mask that was changed by hand?")
        elif nodule.assessment is not None:
            words = _("Delete {name} and its results?")
        else:
            return ""
        return words.format(name=nodule.name)

    def onUndo(self) -> None:
        """Undoes placing, deleting or assessing, the last first."""
        if not self._background.isBusy:
            self._try(self.session.undo)

    def _try(self, change: Callable[[], None]) -> None:
        """Changes the scene and shows it; a refusal is said."""
        try:
            change()
        except NoduleRiskError as error:
            self.refresh()
            self._say(str(error))
        else:
            self.refresh()

    def onWindow(self, index: int) -> None:
        """Shows the CT in one of the usual windows."""
        name = self.ui.windowSelector.itemData(index)
        if name and self._parameters is not None and self.parameters.ct is not None:
            views.setWindow(self.parameters.ct, *scene.WINDOWS_HU[name])

    def onOpacity(self, percent: int) -> None:
        """Lets the masks cover more or less of the CT."""
        if self._parameters is not None and self.parameters.ct is not None:
            results.setMaskOpacity(self.parameters.ct, percent / 100)

    def onCopy(self) -> None:
        """Copies the results of all nodules as a table."""
        ct = self.parameters.ct
        text = "" if ct is None else results.tableText(ct)
        if text:
            slicer.app.clipboard().setText(text)
            self._say(_("The table was copied."))

    def onEdit(self) -> None:
        """Opens the Segment Editor on the chosen nodule."""
        if self._chosenName is not None:
            views.editMask(self._chosenName, self.parameters.ct)

    def onPage(self) -> None:
        """Writes the chosen nodule's page, and opens it."""
        self._writeReport(Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath)), self._chosenName)

    def onReport(self) -> None:
        """Asks where to, writes the report of all nodules there, and opens it."""
        folder = qt.QFileDialog.getExistingDirectory(self.ui.reportButton, _("Write the report to"))
        if folder:
            self._writeReport(Path(folder))

    def onDicom(self) -> None:
        """Asks where to, and writes the nodules there as DICOM, which names the patient."""
        warning = _("DICOM files name the patient, as the CT's series does. Write them?")
        if not slicer.util.confirmYesNoDisplay(warning):
            return
        folder = qt.QFileDialog.getExistingDirectory(self.ui.dicomButton, _("Write DICOM files to"))
        if folder:
            self._write(lambda: self.session.dicomWriter(Path(folder)), Path(folder))

    def _writeReport(self, folder: Path, name: str | None = None) -> None:
        path = folder / REPORT_NAME
        identity = self.session.identityReader() if self.ui.identityCheckBox.checked else None
        self._write(lambda: self.session.reportWriter(path, name, identity), path)

    def _write(self, writer: Callable[[], Callable[[], None]], path: Path) -> None:
        """Writes on the other thread, says where, and opens what is a page."""
        self._do(writer, _("Writing…"), lambda _written: self._onWritten(path))

    def _onWritten(self, path: Path) -> None:
        self._say(_("Written to {path}").format(path=path))
        if path.suffix == ".html":
            self._page = views.openPage(path)

    def onCompare(self) -> None:
        """Compares with the earlier CT; the user confirms which nodules are the same."""
        self._following.compare(self.parameters)

    def onExplain(self) -> None:
        """Finds out on the other thread where a network looked, and shows it over the CT."""
        chosen, name = self.parameters, self._chosenName or ""
        explainer = partial(self.session.explainer, chosen.weights, chosen.device)
        show = partial(self._onExplained, name, chosen.ct)
        self._do(explainer, _("Finding where a network looked…"), show, EXPLAINING_NEEDS)

    def _onExplained(
        self, name: str, volumeNode: vtkMRMLScalarVolumeNode, explanation: Explanation
    ) -> None:
        if volumeNode.GetScene() is not None:
            mapNode = results.showExplanation(explanation, name, volumeNode)
            views.showOver(mapNode)
            self._say(mapNode.GetName())

    def _do(
        self, prepare: Callable[[], Callable], words: str, onDone: Callable, *needs: str
    ) -> None:
        """Prepares work here, where the scene may be read, and does it on the other thread; a
        refusal is said. ``needs``: requirements beside the module's own."""
        try:
            self._background.refuseIfBusy()
            ensurePackages(*needs)
            work = prepare()
        except NoduleRiskError as error:
            self._say(str(error))
            return
        self._say(words)
        self._background.do(work, onDone, self._say)

    # A run

    def onAssess(self) -> None:
        """Reads the scene and starts the run; a refusal is shown in its place."""
        self._try(self._assess)

    def _assess(self) -> None:
        self._background.refuseIfBusy()
        ensurePackages()
        self._startSession()
        self._running.start()

    def onEnded(self) -> None:
        self.refresh()
        self._jump()

    def _startSession(self) -> None:
        chosen = self.parameters
        self.session.use(chosen.ct, chosen.points)
        self.session.start(
            chosen.weights,
            chosen.device,
            cascade=chosen.cascade,
            stability=chosen.stability,
            thresholds=thresholdsOf(chosen),
            replaceMasks=self._mayReplaceMasks(),
        )

    def _mayReplaceMasks(self) -> bool:
        """Asks whether to redraw masks that were changed by hand; False if there are none."""
        changed = self.session.handDrawn()
        question = _(
            "These masks were drawn or changed by hand: {names}. Redraw them and lose your"
            " changes? If not, they are kept and measured as they are."
        ).format(names=", ".join(changed))
        return bool(changed) and slicer.util.confirmYesNoDisplay(question)

    # What is shown

    @property
    def _chosenName(self) -> str | None:
        return self.session.chosen.name if self.session.chosen else None

    def _showSelected(self) -> None:
        self._patientForm.show()
        facts = self.session.facts()
        self.ui.detailsBrowser.setHtml(noduleHtml(facts) if facts else "")
        if facts and facts.notAdvised:
            self._say(facts.notAdvised)
        chosen = self.session.chosen
        self._annotating.show(chosen, self.session.markupsNode)
        showCalipers(chosen.assessment if chosen else None, self.session.volumeNode)

    def _jump(self) -> None:
        """Shows the chosen nodule in the slices and in 3D."""
        position = self.session.position()
        if position is not None:
            views.jumpTo(scene.rasOf(position))

    def _showState(self) -> None:
        """Enables what can be done now, and says why the rest cannot."""
        running, busy = self.session.run is not None, self._background.isBusy
        reason = self._whyNot()
        self.ui.assessButton.enabled = not busy and not reason
        self.ui.assessButton.toolTip = reason or _(
            "Segment each nodule and assess it with the networks."
        )
        self.ui.cancelButton.enabled = running
        self.ui.progressBar.visible = running
        nodule = self.session.chosen
        assessed = nodule is not None and nodule.assessment is not None
        for button in (self.ui.previousButton, self.ui.nextButton):
            button.enabled = nodule is not None
        self.ui.deleteButton.enabled = nodule is not None and not busy
        self._showUndo(busy)
        self._showViews()
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
            button.enabled = bool(self.session.assessments) and not busy
        for button in (self.ui.exportButton, self.ui.exportLabelsButton):
            button.enabled = not reason and not busy
        self._advanced.enable(not busy)
        if not busy:
            self._showReason(reason)

    def _showReason(self, reason: str) -> None:
        """Says why nothing can be assessed, and that no longer where it can."""
        if reason or self.ui.statusLabel.text == self._reason:
            self._say(reason)
        self._reason = reason

    def _showViews(self) -> None:
        """The state of what changes the views."""
        ct = None if self._parameters is None else self.parameters.ct
        self._showWindow(ct)
        self.ui.copyButton.enabled = bool(self.session.assessments)
        slider = self.ui.opacitySlider
        slider.enabled = ct is not None and results.resultNode("segmentation", ct) is not None
        slider.blockSignals(True)
        slider.value = round(100 * (results.FILL if ct is None else results.maskOpacity(ct)))
        slider.blockSignals(False)

    def _showWindow(self, ct: vtkMRMLScalarVolumeNode | None) -> None:
        """Which of the usual windows the CT is shown in; none of them: nothing."""
        selector = self.ui.windowSelector
        selector.enabled = ct is not None
        selector.blockSignals(True)
        selector.setCurrentIndex(selector.findData("" if ct is None else views.windowOf(ct)))
        selector.blockSignals(False)

    def _showUndo(self, busy: bool) -> None:
        done, words = self.session.undoable, _("Undo {what}.")
        self.ui.undoButton.enabled = done is not None and not busy
        self.ui.undoButton.toolTip = (
            _("Undo placing, deleting or assessing.") if done is None else words.format(what=done)
        )

    def _whyNot(self) -> str:
        """Why nothing can be assessed; empty where it can."""
        if self._parameters is None or self.parameters.ct is None:
            return _("Load a chest CT and select it, or press 'Try it'.")
        if self.parameters.points is None or not scene.placed(self.parameters.points):
            return _(
                "Place a point on each nodule: press 'Place points', then click in the slices."
            )
        return ""

    def _say(self, text: str) -> None:
        self.ui.statusLabel.text = say(text)

    def cleanup(self) -> None:
        """Ends what is running; the panel cannot be used any more."""
        gc.unfreeze()
        self.session.cancel()
        self._background.close()
        if slicer.util.mainWindow() is not None:
            slicer.util.moduleSelector().disconnect("moduleSelected(QString)", self.onModule)
        self._dropParameters()
        self.removeObservers()
        for timer in self._timers:
            timer.stop()
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
