"""The stand-in host itself: that its widgets, parameters, modules and message boxes do what
Slicer's do."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import ctk
import pytest
import qt
import slicer
import vtk
from PySide6.QtTest import QTest

VOLUME, POINTS = "vtkMRMLScalarVolumeNode", "vtkMRMLMarkupsFiducialNode"
API = json.loads((Path(__file__).parents[1] / "Host" / "slicer_api.json").read_text())
MODULE = """
from typing import Annotated
import qt, slicer
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import *
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper

CALLS = []

@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    reader: str
    cascade: bool = True
    count: int = 3
    threshold: Annotated[float, WithinRange(0, 1), Default(0.5)]
    device: Annotated[str, Choice(["cpu", "cuda"])] = "cpu"

class HostExample(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("Host example")

class HostExampleWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        super().setup()
        CALLS.append("setup")
        self.label = qt.QLabel(self.moduleName)
        self.layout.addWidget(self.label)

    def enter(self):
        CALLS.append("enter")

    def exit(self):
        CALLS.append("exit")

    def cleanup(self):
        CALLS.append("cleanup")

class HostExampleLogic(ScriptedLoadableModuleLogic):
    pass

class HostExampleTest(ScriptedLoadableModuleTest):
    def setUp(self):
        CALLS.append("setUp")

    def runTest(self):
        self.setUp()
        self.test_something()

    def test_something(self):
        self.delayDisplay("testing")
        CALLS.append("test_something")
"""
PANEL = """<ui version="4.0"><class>Panel</class><widget class="qMRMLWidget" name="Panel">
 <layout class="QVBoxLayout" name="verticalLayout">
  <item><widget class="qMRMLNodeComboBox" name="selector">
   <property name="nodeTypes">
      <stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
   <property name="noneEnabled"><bool>true</bool></property>
   <property name="SlicerParameterName" stdset="0"><string>volume</string></property>
  </widget></item>
  <item><widget class="QCheckBox" name="box"/></item>
  <item><widget class="ctkCollapsibleButton" name="section">
   <property name="collapsed"><bool>true</bool></property>
   <layout class="QVBoxLayout" name="sectionLayout">
    <item><widget class="QLabel" name="inside">
      <property name="text"><string>in it</string></property></widget></item>
   </layout>
  </widget></item>
 </layout></widget>
 <connections>
  <connection><sender>Panel</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>selector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection>
  <connection><sender>box</sender><signal>toggled(bool)</signal>
   <receiver>section</receiver><slot>setVisible(bool)</slot></connection>
 </connections></ui>"""


@pytest.fixture(scope="session")
def loaded(running_host, tmp_path_factory):
    folder = tmp_path_factory.mktemp("module")
    (folder / "HostExample.py").write_text(MODULE)
    running_host.loadModule("HostExample", folder)


@pytest.fixture
def example(loaded):
    """The Python module of a scripted module, as it is after reloads."""
    return sys.modules["HostExample"]


@pytest.fixture
def opened(host, scene, example):
    """The example's Python widget, opened; `example.CALLS` says what was called since."""
    example.CALLS.clear()
    yield host.openModule("HostExample")
    host.closeModule("HostExample")


@pytest.fixture
def parameters(scene, example):
    return example.Parameters(example.HostExampleLogic().getParameterNode())


@pytest.fixture
def selector(scene):
    """A selector of volumes as it is without settings."""
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setMRMLScene(scene)
    return selector


@pytest.fixture
def placing(scene):
    """A place widget, and the list of points that it places."""
    widget = slicer.qSlicerMarkupsPlaceWidget()
    widget.setMRMLScene(scene)
    points = scene.AddNewNodeByClass(POINTS)
    widget.setCurrentNode(points)
    return widget, points


@pytest.fixture
def load_ui(tmp_path):
    def load(text: str):
        (tmp_path / "panel.ui").write_text(text)
        return slicer.util.loadUI(str(tmp_path / "panel.ui"))

    return load


def heard(signal) -> list:
    """A list that collects what a signal sends."""
    sent = []
    signal.connect(sent.append)
    return sent


def listed(selector) -> list[str]:
    box = selector.findChild(qt.QComboBox)
    return [box.itemText(row) for row in range(box.count)]


def choose(selector, text: str) -> None:
    """Chooses an entry as the user does."""
    box = selector.findChild(qt.QComboBox)
    box.currentIndex = box.findText(text)
    box.activated.emit(box.currentIndex)


# Qt in PythonQt's manner


def test_properties_are_attributes_beside_their_methods(host):
    label = qt.QLabel("before")
    label.text = "after"
    assert label.text == "after"
    label.setText("again")
    assert label.text == "again"
    label.enabled = False
    assert not label.isEnabled()
    label.name = "label"
    assert label.objectName == "label" and label.className() == "QLabel"


def test_a_combo_boxs_data_is_an_attribute(host):
    box = qt.QComboBox()
    box.addItem("first", "data")
    assert box.currentData == "data"


def test_signals_connect_by_their_text(host):
    timer, button, heard = qt.QTimer(), qt.QPushButton(), []
    timer.connect("timeout()", button.click)
    button.connect("clicked()", lambda: heard.append("click"))
    timer.start()
    host.process(lambda: heard)
    timer.disconnect("timeout()", button.click)
    heard.clear()
    host.process(0.02)
    assert heard == []


def test_what_the_host_lacks_is_named_but_not_made(host):
    with pytest.raises(NotImplementedError, match="ctkPathLineEdit"):
        ctk.ctkPathLineEdit()


def test_settings_end_with_the_process(host):
    assert Path(qt.QSettings().fileName()).is_relative_to(slicer.app.temporaryPath)


# Names


def stand_ins() -> list[type]:
    """The classes of the host that bear the name of one of Slicer's or CTK's."""
    files = [
        file
        for name, file in sys.modules.items()
        if name.startswith("host.") or name == "SegmentEditor"
    ]
    classes = {
        value.__name__: value
        for file in files
        for value in vars(file).values()
        if isinstance(value, type)
    }
    return [
        cls for name, cls in sorted(classes.items()) if name.startswith(("qMRML", "qSlicer", "ctk"))
    ]


def added_names(cls: type) -> set[str]:
    """The public names of a class that it does not have from Qt."""
    fromQt = [base for base in cls.__mro__ if base.__module__.startswith("PySide6")]
    names = {name for name in vars(cls) if not name.startswith("_") and name != "staticMetaObject"}
    return {name for name in names if not any(hasattr(base, name) for base in fromQt)}


def test_every_stand_in_has_only_names_that_python_reaches_in_slicer(host):
    assert {cls.__name__ for cls in stand_ins()} == set(API["classes"])
    for cls in stand_ins():
        assert added_names(cls) <= set(API["classes"][cls.__name__]), cls.__name__


# .ui files


def test_a_ui_file_makes_slicers_widgets_and_connects_them(load_ui, scene):
    panel = load_ui(PANEL)
    ui = slicer.util.childWidgetVariables(panel)
    assert type(ui.selector) is slicer.qMRMLNodeComboBox and type(ui.box) is qt.QCheckBox
    assert ui.selector.noneEnabled and ui.selector.property("SlicerParameterName") == "volume"
    panel.setMRMLScene(scene)
    assert ui.selector.mrmlScene() is scene and ui.selector.enabled
    panel.show()
    ui.box.checked = True
    ui.box.checked = False
    assert ui.section.isHidden()


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        ('class="ctkCollapsibleButton"', 'class="ctkNoSuchButton"', NotImplementedError),
        ("setMRMLScene(", "setScene(", AttributeError),
        ("<sender>box<", "<sender>bocks<", RuntimeError),
    ],
)
def test_a_ui_file_with_a_typo_is_refused(load_ui, right, wrong, error):
    with pytest.raises(error):
        load_ui(PANEL.replace(right, wrong))


# ctk


def test_a_collapsed_section_hides_what_is_in_it(load_ui):
    panel = load_ui(PANEL)
    ui = slicer.util.childWidgetVariables(panel)
    panel.show()
    assert ui.section.collapsed and not ui.inside.visible
    collapsed = heard(ui.section.contentsCollapsed)
    ui.section.click()
    assert not ui.section.collapsed and ui.inside.visible
    ui.inside.hide()
    ui.section.collapsed = True
    ui.section.collapsed = False
    assert not ui.inside.visible
    assert collapsed == [False, True, False]


# qMRMLNodeComboBox


def test_a_selector_follows_the_scene(scene, selector):
    first = scene.AddNewNodeByClass(VOLUME, "first")
    scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    scene.AddNewNodeByClass(POINTS, "points")
    assert listed(selector)[:2] == ["first", "labels"] and selector.nodeCount() == 2
    selector.showChildNodeTypes = False
    assert selector.nodeCount() == 1
    first.SetName("renamed")
    assert listed(selector)[0] == "renamed"
    first.SetHideFromEditors(True)
    assert selector.nodeCount() == 0


def test_a_selector_says_what_is_current(scene, selector):
    first, second = (scene.AddNewNodeByClass(VOLUME, name) for name in ("first", "second"))
    nodes, ids = heard(selector.currentNodeChanged), heard(selector.currentNodeIDChanged)
    selector.setCurrentNode(first)
    choose(selector, "second")
    selector.currentNodeID = ""
    assert nodes == [first, second, None]
    assert ids == [first.GetID(), second.GetID(), ""]


def test_a_selector_leaves_out_what_its_filter_hides(scene, selector):
    first, second = (scene.AddNewNodeByClass(VOLUME) for _ in range(2))
    selector.sortFilterProxyModel().hiddenNodeIDs = [first.GetID()]
    assert [selector.nodeFromIndex(index) for index in range(selector.nodeCount())] == [second]


def test_a_removed_nodes_place_is_taken_by_the_next(scene, selector):
    first, second, third = (
        scene.AddNewNodeByClass(VOLUME, name) for name in ("first", "second", "third")
    )
    selector.setCurrentNode(second)
    scene.RemoveNode(second)
    assert selector.currentNode() is third
    scene.RemoveNode(third)
    assert selector.currentNode() is first
    scene.RemoveNode(first)
    assert selector.currentNode() is None


def test_the_first_node_is_chosen_where_nothing_else_could_be(scene):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.addEnabled = selector.removeEnabled = False
    selector.setMRMLScene(scene)
    node = scene.AddNewNodeByClass(VOLUME)
    assert selector.currentNode() is node


@pytest.mark.parametrize("setting", ["noneEnabled", "addEnabled"])
def test_nothing_is_chosen_where_something_else_could_be(scene, setting):
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.addEnabled = selector.removeEnabled = False
    setattr(selector, setting, True)
    selector.setMRMLScene(scene)
    scene.AddNewNodeByClass(VOLUME)
    assert selector.currentNode() is None


def test_the_user_creates_renames_and_deletes_nodes(host, scene, selector):
    selector.baseName = "Mine"
    selector.renameEnabled = True
    added = heard(selector.nodeAddedByUser)
    label = selector.nodeTypeLabel(VOLUME)
    choose(selector, f"Create new {label}")
    assert [node.GetName() for node in added] == ["Mine"] and selector.currentNode() is added[0]
    qt.QTimer.singleShot(100, lambda: slicer.app.activeModalWidget().setTextValue("Yours"))
    qt.QTimer.singleShot(200, lambda: slicer.app.activeModalWidget().accept())
    choose(selector, f"Rename current {label}")
    assert added[0].GetName() == "Yours"
    choose(selector, f"Delete current {label}")
    assert selector.nodeCount() == 0


def test_a_node_chosen_before_there_is_a_scene_is_kept(scene):
    node = scene.AddNewNodeByClass(VOLUME)
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = [VOLUME]
    selector.setCurrentNode(node)
    assert not selector.enabled
    selector.setMRMLScene(scene)
    assert selector.currentNode() is node


def test_a_selector_that_is_gone_leaves_the_scene_alone(host, scene, selector):
    selector.deleteLater()
    host.process()
    scene.AddNewNodeByClass(VOLUME)
    assert host.errors == []


# qSlicerMarkupsPlaceWidget


def test_the_place_button_places_points_of_the_list(scene, placing):
    widget, points = placing
    changed = heard(widget.activeMarkupsPlaceModeChanged)
    widget.placeMultipleMarkups = slicer.qSlicerMarkupsPlaceWidget.ForcePlaceMultipleMarkups
    widget.placeButton().click()
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert interaction.GetPlaceModePersistence() == 1
    assert selection.GetActivePlaceNodeID() == points.GetID()
    assert widget.placeModeEnabled
    interaction.SwitchToViewTransformMode()
    assert not widget.placeModeEnabled and not widget.placeButton().checked
    assert changed == [True, False]


def test_another_list_that_is_placed_unpresses_the_button(scene, placing):
    widget, _points = placing
    widget.setPlaceModeEnabled(True)
    slicer.modules.markups.logic().SetActiveList(scene.AddNewNodeByClass(POINTS))
    assert not widget.currentNodeActive and not widget.placeButton().checked


def test_the_delete_button_deletes_the_last_point(placing):
    widget, points = placing
    assert not widget.deleteButton().enabled
    for label in ("N1", "N2"):
        points.AddControlPoint(vtk.vtkVector3d(), label)
    widget.deleteButton().click()
    assert points.GetNumberOfControlPoints() == 1 and points.GetNthControlPointLabel(0) == "N1"


# Parameters


def test_parameters_have_their_defaults_and_types(parameters):
    values = (
        parameters.volume,
        parameters.reader,
        parameters.cascade,
        parameters.count,
        parameters.threshold,
    )
    assert values == (None, "", True, 3, 0.5) and parameters.device == "cpu"
    for name, value in (("reader", 1), ("count", "2"), ("cascade", "no")):
        with pytest.raises(TypeError):
            setattr(parameters, name, value)
    for name, value in (("threshold", 1.5), ("device", "tpu")):
        with pytest.raises(ValueError):  # noqa: PT011 (the words are Slicer's)
            setattr(parameters, name, value)


def test_parameters_are_stored_as_slicer_stores_them(scene, parameters):
    parameters.volume = scene.AddNewNodeByClass(VOLUME)
    parameters.cascade, parameters.count, parameters.threshold = False, 4, 0.25
    node = parameters.parameterNode
    assert (
        node.GetNodeReferenceID("volume") == parameters.volume.GetID()
        and node.GetParameter("volume") == ""
    )
    stored = [
        node.GetParameter(name) for name in ("cascade", "count", "threshold", "device", "reader")
    ]
    assert stored == ["False", "4", "0.25", "cpu", ""]


def test_parameters_come_back_with_the_scene(host, scene, example, parameters, tmp_path):
    parameters.volume, parameters.reader = scene.AddNewNodeByClass(VOLUME, "CT"), "R1"
    host.saveScene(tmp_path / "scene.mrb")
    host.clearScene()
    assert parameters.reader == "" and parameters.volume is None
    host.loadScene(tmp_path / "scene.mrb")
    parameters = example.Parameters(example.HostExampleLogic().getParameterNode())
    assert parameters.reader == "R1" and parameters.volume.GetName() == "CT"


def test_widgets_and_parameters_follow_each_other(scene, parameters):
    kinds = {
        "reader": qt.QLineEdit,
        "cascade": qt.QCheckBox,
        "threshold": qt.QDoubleSpinBox,
        "device": qt.QComboBox,
        "volume": slicer.qMRMLNodeComboBox,
    }
    panel = slicer.qMRMLWidget()
    widgets = {name: kind(panel) for name, kind in kinds.items()}
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
    widgets["volume"].setMRMLScene(scene)
    tag = parameters.connectGui(panel)
    assert widgets["threshold"].value == 0.5 and widgets["threshold"].maximum == 1
    widgets["reader"].text, widgets["cascade"].checked, widgets["threshold"].value = (
        "R2",
        False,
        0.75,
    )
    widgets["device"].currentIndex = 1
    node = scene.AddNewNodeByClass(VOLUME)
    widgets["volume"].setCurrentNode(node)
    values = (
        parameters.reader,
        parameters.cascade,
        parameters.threshold,
        parameters.device,
        parameters.volume,
    )
    assert values == ("R2", False, 0.75, "cuda", node)
    parameters.device = "cpu"
    assert widgets["device"].currentText == "cpu"
    parameters.disconnectGui(tag)
    widgets["reader"].text = "R3"
    assert parameters.reader == "R2"


def test_a_change_of_parameters_is_an_event(parameters):
    events = []
    tag = parameters.AddObserver(
        vtk.vtkCommand.ModifiedEvent, lambda *_: events.append(parameters.count)
    )
    with slicer.util.NodeModify(parameters):
        parameters.count = 5
        parameters.count = 6
    assert events == [6]
    parameters.RemoveObserver(tag)


def test_a_module_has_one_parameter_node(scene, example):
    logic = example.HostExampleLogic()
    assert logic.getParameterNode() is example.HostExampleLogic().getParameterNode()
    assert logic.getParameterNode().GetAttribute("ModuleName") == "HostExample"


# Modules


def test_a_module_is_opened_left_and_ended_as_in_slicer(host, opened, example):
    assert slicer.util.selectedModule() == "HostExample"
    assert slicer.modules.HostExampleWidget is opened is slicer.util.getModuleWidget("HostExample")
    assert slicer.modules.hostexample.title == "Host example"
    host.process()
    assert opened.label.visible
    slicer.util.selectModule("SegmentEditor")
    assert not opened.label.visible
    host.openModule("HostExample")
    assert example.CALLS == ["setup", "enter", "exit", "enter"]


def test_a_closed_module_was_cleaned_up(host, scene, example):
    host.openModule("HostExample")
    example.CALLS.clear()
    host.closeModule("HostExample")
    assert example.CALLS == ["exit", "cleanup"]
    assert not hasattr(slicer.modules, "HostExampleWidget")


def test_a_reloaded_module_is_new(host, opened):
    again = host.reload("HostExample")
    assert again is not opened and again is slicer.modules.HostExampleWidget
    assert again.parent is opened.parent


def test_a_modules_own_tests_run(host, example):
    example.CALLS.clear()
    slicer.selfTests["HostExample"]()
    assert example.CALLS == ["setUp", "test_something"]


def test_the_segment_editor_takes_what_is_to_be_edited(scene):
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.GetSegmentation().AddEmptySegment("N1")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSegmentationNode(segmentation)
    editor.setCurrentSegmentID("N1")
    assert editor.segmentationNode() is segmentation and editor.currentSegmentID() == "N1"


# Message boxes


def test_a_message_box_is_answered(host):
    said = host.answer("Yes")
    assert slicer.util.confirmYesNoDisplay("Really?")
    assert said == ["Really?"]
    host.answer("No")
    assert not slicer.util.confirmYesNoDisplay("Really?")
    said = host.answer("OK")
    slicer.util.errorDisplay("It failed", detailedText="because")
    assert said == ["It failed", "because"]


def test_keys_go_to_the_main_window_before_and_after_a_message_box(host):
    window, pressed = slicer.util.mainWindow(), []
    shortcut = qt.QShortcut(qt.QKeySequence("Alt+Down"), window)
    shortcut.activated.connect(lambda: pressed.append(1))
    for times in (1, 2):
        host.process(lambda: window.isActiveWindow)
        QTest.keyClick(window, qt.Qt.Key_Down, qt.Qt.AltModifier)
        assert len(pressed) == times
        host.answer("OK")
        slicer.util.errorDisplay("It failed")
    shortcut.setParent(None)


def test_an_answer_that_is_not_offered_fails_the_test(host):
    host.answer("Perhaps")
    assert not slicer.util.confirmYesNoDisplay("Really?")
    assert "Perhaps" in str(host.errors.pop())


def test_in_testing_mode_slicer_answers_by_itself(host, monkeypatch):
    monkeypatch.setattr(slicer.app.commandOptions(), "testingEnabled", True)
    slicer.util.errorDisplay("It failed")
    assert slicer.app.activeModalWidget() is None


def test_packages_are_installed_only_if_the_user_agrees(host):
    from slicer.packaging import pip_check, pip_ensure

    assert pip_check("numpy>=1.20") and not pip_check("numpy<1")
    said = host.answer("Cancel")
    with pytest.raises(RuntimeError, match="declined"):
        pip_ensure(["numpy<1"], requester="Test")
    assert "1 Python package" in said[0] and "numpy<1" in said[-1]


def test_requirements_are_read_without_comments_and_options(host, tmp_path):
    from slicer.packaging import load_requirements

    (tmp_path / "requirements.txt").write_text("# what for\n-r other.txt\n\nnumpy>=1.26\nscipy\n")
    assert [str(each) for each in load_requirements(tmp_path / "requirements.txt")] == [
        "numpy>=1.26",
        "scipy",
    ]


# The scene and the views


def test_nodes_come_and_go_in_the_subject_hierarchy(host, scene, tmp_path):
    node = scene.AddNewNodeByClass(VOLUME)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "folder")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), folder)
    host.saveScene(tmp_path / "scene.mrb")
    scene.RemoveNode(node)
    assert hierarchy.GetNumberOfItems() == 1
    host.loadScene(tmp_path / "scene.mrb")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(scene.GetFirstNodeByClass(VOLUME))
    assert hierarchy.GetItemName(hierarchy.GetItemParent(item)) == "folder"


def test_the_views_of_a_layout_have_their_nodes(scene):
    manager = slicer.app.layoutManager()
    assert set(manager.sliceViewNames()) == {"Red", "Yellow", "Green"}
    assert manager.activeMRMLPlotViewNode() is None
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    slicer.modules.plots.logic().ShowChartInLayout(chart)
    assert manager.activeMRMLPlotViewNode().GetPlotChartNode() is chart
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    view = manager.threeDWidget(0).mrmlViewNode()
    assert slicer.modules.cameras.logic().GetViewActiveCameraNode(view) is not None


def test_the_screenshot_shows_the_panel_and_the_views(host, opened, tmp_path):
    host.screenshot(tmp_path / "window.png")
    picture = qt.QImage(str(tmp_path / "window.png"))
    assert (picture.width(), picture.height()) == (1600, 1000)
    red = host.window.centralWidget().findChildren(qt.QLabel)[0]
    assert (red.pixmap.width(), red.pixmap.height()) == (red.width, red.height)


# The event loop


def test_waiting_ends_when_the_condition_holds_or_in_vain(host):
    ticks = []
    timer = qt.QTimer()
    timer.timeout.connect(lambda: ticks.append(1))
    timer.start(1)
    host.process(lambda: len(ticks) > 3)
    timer.stop()
    with pytest.raises(TimeoutError):
        host.process(lambda: False, timeout=0.02)


def test_a_stall_is_seen(host):
    host.startStallWatch()
    host.process(0.05)
    assert host.longestStall() < 0.1
    qt.QTimer.singleShot(0, lambda: time.sleep(0.2))
    host.process(0.05)
    assert host.longestStall() > 0.2 > host.longestWork()
    qt.QTimer.singleShot(0, lambda: work(0.2))
    host.process(0.05)
    assert host.longestWork() > 0.2


def work(seconds: float) -> None:
    """Keeps the processor so long."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_what_a_callback_raises_is_noted(host, scene):
    def fail(*_):
        raise LookupError("of a test")

    qt.QTimer.singleShot(0, fail)
    tag = scene.AddObserver(scene.NodeAddedEvent, fail)
    scene.AddNewNodeByClass(VOLUME)
    scene.RemoveObserver(tag)
    host.process(lambda: len(host.errors) > 1)
    host.errors.clear()


def test_what_a_test_raises_comes_out_of_the_event_loop(host):
    with pytest.raises(ZeroDivisionError):
        host.inEventLoop(lambda: 1 / 0)
