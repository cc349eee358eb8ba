"""The panel: where the user chooses a CT and points, assesses the nodules and reads the results."""

from __future__ import annotations

import gc
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
from LungNoduleRiskLib.display.explanations import explanations, showExplanation
from LungNoduleRiskLib.display.nodes import resultNode
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
from LungNoduleRiskLib.widgets.buttons import Buttons
from LungNoduleRiskLib.widgets.details import noduleHtml
from LungNoduleRiskLib.widgets.following import Following
from LungNoduleRiskLib.widgets.nodules import NodulesTable
from LungNoduleRiskLib.widgets.patient import PatientForm
from LungNoduleRiskLib.widgets.running import Running
from LungNoduleRiskLib.widgets.shortcuts import Shortcuts
from LungNoduleRiskLib.widgets.writing import Writing
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.trust.explain import Explanation

PANEL = Path(__file__).parents[2] / "Resources" / "UI" / "LungNoduleRisk.ui"
REFRESH_MS = 100  # many changes of the scene are shown at once
MEASURE_MS = 500  # after the last stroke in the Segment Editor


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
        self._writing = Writing(self.ui, self.session, self._do, self._say)
        self._buttons = Buttons(self.ui, self.session, self._background, self._say)
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
            self.ui.pageButton: self._writing.onPage,
            self.ui.reportButton: self._writing.onReport,
            self.ui.compareButton: self.onCompare,
            self.ui.explainButton: self.onExplain,
            self.ui.dicomButton: self._writing.onDicom,
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
        keys = {"Del": self.onDelete, "Ctrl+C": self.onCopy, "Ctrl+Z": self.onUndo}
        self._shortcuts = Shortcuts(self.widget, self.ui.nodulesTable, self.step, keys)
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
            maps = explanations(slicer.mrmlScene)
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
        maps = [node.GetID() for node in explanations(slicer.mrmlScene)]
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
        segmentationNode = None if ct is None else resultNode("segmentation", ct)
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
            mapNode = showExplanation(explanation, name, volumeNode)
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
        self._annotating.show(self.session.chosen, self.session.markupsNode)
        showCalipers(self.session.calipers())

    def _jump(self) -> None:
        """Shows the chosen nodule in the slices and in 3D."""
        position = self.session.position()
        if position is not None:
            views.jumpTo(scene.rasOf(position))

    def _showState(self) -> None:
        """Enables what can be done now, and says why the rest cannot."""
        self._buttons.show(self._parameters)
        self._advanced.enable(not self._background.isBusy)

    def _say(self, text: str) -> None:
        self.ui.statusLabel.text = say(text)

    def cleanup(self) -> None:
        """Ends what is running; the panel cannot be used any more."""
        gc.unfreeze()
        self.session.cancel()
        self._background.close()
        self._shortcuts.close()
        self._dropParameters()
        self.removeObservers()
        for timer in self._timers:
            timer.stop()
