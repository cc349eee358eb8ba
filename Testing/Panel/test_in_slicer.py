"""What goes wrong in the real application and not in a kinder one: shortcuts, launchers, other
buttons during a run, scenes of selectors, packages."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import psutil
import pytest
import qt
import slicer
import vtk
from PySide6.QtTest import QTest

from host.session import MODULE
from host.window import MENUS
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.sample import THICK
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.errors import NoduleRiskError

PANEL = MODULE / "Resources" / "UI" / "LungNoduleRisk.ui"


def text_of(browser) -> str:
    return browser.toPlainText()


def mnemonics(texts) -> Counter[str]:
    """How often each letter is the key of a text: ``&Assess`` has the key A."""
    keys = (re.search("&([^&])", text.replace("&&", "")) for text in texts)
    return Counter(key[1].upper() for key in keys if key)


# Shortcuts


@pytest.fixture
def window(host, assessed):
    """The main window with the keyboard, and the sample's nodule assessed."""
    window = slicer.util.mainWindow()
    window.activateWindow()
    host.process(lambda: window.isActiveWindow, timeout=5)
    return window


@pytest.mark.parametrize("elsewhere", ["detailsBrowser", "ctSelector", "assessButton", ""])
def test_fault_80_delete_elsewhere_deletes_nothing(host, window, assessed, ui, elsewhere):
    """In Slicer, the Segment Editor, the Markups module and the views have uses of their own for
    the key."""
    field = getattr(ui, elsewhere) if elsewhere else window.centralWidget()
    field.setFocus()
    QTest.keyClick(window.focusWidget() or window, qt.Qt.Key_Delete)
    host.process(0.1)
    assert assessed.points.GetNumberOfControlPoints() == 1
    assert list(results.savedAssessments(assessed.ct)) == ["N1"]


@pytest.mark.parametrize(("answer", "left"), [("No", 1), ("Yes", 0)])
def test_fault_80_delete_asks_where_there_are_results(host, window, assessed, ui, answer, left):
    asked = host.answer(answer)
    ui.nodulesTable.setFocus()
    QTest.keyClick(ui.nodulesTable, qt.Qt.Key_Delete)
    assert "N1 and its results" in asked[0]
    assert assessed.points.GetNumberOfControlPoints() == left
    assert len(results.savedAssessments(assessed.ct)) == left


def test_fault_80_a_deleted_nodule_can_be_brought_back(host, assessed, ui):
    points, ct = assessed.points, assessed.ct
    points.AddControlPointWorld(vtk.vtkVector3d(0, 0, 0), "N2")
    points.SetNthControlPointDescription(0, "MIA | reader: R1")
    host.process(0.3)
    ui.nodulesTable.setCurrentCell(0, 0)
    before, said = results.savedAssessments(ct)["N1"].to_dict(), text_of(ui.detailsBrowser)
    place, point = [0.0] * 3, [0.0] * 3
    points.GetNthControlPointPositionWorld(0, place)
    host.answer("Yes")
    ui.deleteButton.click()
    assert ui.nodulesTable.rowCount == 1 and not results.savedAssessments(ct)
    assert ui.undoButton.enabled and ui.undoButton.toolTip == "Undo deleting N1."
    ui.undoButton.click()
    assert ui.undoButton.toolTip == "Undo placing N2."
    points.GetNthControlPointPositionWorld(0, point)
    assert (points.GetNthControlPointLabel(0), point) == ("N1", place)
    assert points.GetNthControlPointDescription(0) == "MIA | reader: R1"
    assert results.savedAssessments(ct)["N1"].to_dict() == before
    assert results.handDrawn(ct, ["N1"]) == []
    assert text_of(ui.detailsBrowser) == said


def test_fault_80_a_name_that_was_given_again_is_not_overwritten(host, assessed, ui):
    assessed.points.AddControlPointWorld(vtk.vtkVector3d(0, 0, 0), "N2")
    host.process(0.3)
    host.answer("Yes")
    ui.deleteButton.click()
    assessed.points.SetNthControlPointLabel(0, "N1")
    host.process(0.3)
    ui.undoButton.click()
    assert "another nodule 'N1'" in ui.statusLabel.text
    assert assessed.points.GetNumberOfControlPoints() == 1
    assessed.points.SetNthControlPointLabel(0, "N2")
    host.process(0.3)
    ui.undoButton.click()
    assert assessed.points.GetNumberOfControlPoints() == 2


def test_placing_and_assessing_are_undone_by_keys_in_the_list(host, window, assessed, ui):
    assessed.points.AddControlPointWorld(vtk.vtkVector3d(0, 0, 0), "N2")
    host.process(0.3)
    ui.nodulesTable.setFocus()
    for left, known in (["N1"], ["N1"]), (["N1"], []):
        QTest.keyClick(ui.nodulesTable, qt.Qt.Key_Z, qt.Qt.ControlModifier)
        points = assessed.points
        labels = [
            points.GetNthControlPointLabel(n) for n in range(points.GetNumberOfControlPoints())
        ]
        assert labels == left and list(results.savedAssessments(assessed.ct)) == known
    assert not ui.undoButton.enabled and "not assessed" in ui.nodulesTable.item(0, 1).text()


def test_fault_80_steps_are_taken_only_in_the_module_and_the_segment_editor(host, window, ui):
    slicer.modules.LungNoduleRiskWidget.panel.parameters.points.AddControlPointWorld(
        vtk.vtkVector3d(0, 0, 0), "N2"
    )
    host.process(0.3)
    for module, row in (("LungNoduleRisk", 1), ("SegmentEditor", 0), ("", 0), ("SegmentEditor", 1)):
        slicer.util.selectModule(module)
        host.process(0.1)
        QTest.keyClick(window, qt.Qt.Key_Down, qt.Qt.AltModifier)
        assert ui.nodulesTable.currentRow() == row, module


def test_fault_80_no_key_of_the_panel_is_taken_already():
    """Qt presses neither of two buttons with the same key."""
    widgets = ElementTree.parse(PANEL).iterfind(".//property[@name='text']/string")
    keys = mnemonics([*(widget.text or "" for widget in widgets), *MENUS])
    assert [key for key, times in keys.items() if times > 1] == []


# Launchers


def workers() -> list[psutil.Process]:
    """The processes that run networks for this one, also where their parent is gone."""
    token = os.environ["NODULERISK_HOST"]
    return [p for p in psutil.process_iter() if _isWorkerOf(token, p)]


def _isWorkerOf(token: str, process: psutil.Process) -> bool:
    try:
        ours = process.environ().get("NODULERISK_HOST") == token
        zombie = process.status() == psutil.STATUS_ZOMBIE
        return ours and not zombie and "nodulerisk.engine.worker" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def real(processes: list[psutil.Process]) -> psutil.Process | None:
    """Of a launcher and its child, the one that runs Python."""
    pythons = [p for p in processes if p.name().startswith("python")]
    return pythons[0] if pythons else None


@pytest.fixture
def running(host, sample, ui):
    """A run whose networks have started: a launcher, and its child that does the work."""
    ui.deviceSelector.setCurrentText("cpu")
    host.process(0.2)
    ui.assessButton.click()
    host.process(lambda: real(workers()) is not None, timeout=30)
    return sample


def test_fault_81_the_host_starts_python_as_slicer_does(host, running, ui, finished):
    assert len(workers()) == 2, "a launcher, and the Python that it started"
    ui.cancelButton.click()
    finished()


@pytest.mark.parametrize("end", ["cancel", "close the module", "close the scene"])
def test_fault_81_the_end_waits_for_no_network_and_leaves_no_process(
    host, panel, running, ui, finished, end
):
    for worker in workers():
        worker.suspend()  # it answers nothing any more
    if end == "cancel":
        ui.cancelButton.click()
        finished()
    elif end == "close the module":
        host.closeModule()
    else:
        host.clearScene()
        finished()
    host.process(lambda: not workers(), timeout=30)


def test_fault_81_a_crash_is_told_in_the_childs_words(host, running, ui, finished):
    os.kill(real(workers()).pid, signal.SIGKILL)
    finished()
    assert "ended unexpectedly" in ui.statusLabel.text
    assert "Report the problem" not in ui.statusLabel.text  # what the launcher says of any crash
    assert not workers()


def test_fault_81_closing_does_not_wait_for_what_takes_long(host, panel):
    may_end = threading.Event()
    panel.panel._background.do(may_end.wait, print, print)
    host.closeModule()
    may_end.set()


def test_the_collector_of_garbage_leaves_alone_what_was_there_before_the_panel(host, panel):
    """To go through all that Slicer wraps takes it a tenth of a second, in the middle of a run."""
    known = gc.get_freeze_count()
    assert known > 100_000 and len(gc.get_objects()) < known / 4
    host.closeModule()
    assert gc.get_freeze_count() == 0


# Other buttons during a run

REFUSED = (
    "assess card verify import deleteWeights packages install report dicom page explain compare"
    " delete undo export exportLabels edit chart"
).split()


def test_fault_82_no_other_button_ends_a_run(host, running, ui, finished, monkeypatch, tmp_path):
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    buttons = [getattr(ui, f"{name}Button") for name in REFUSED]
    assert [button.objectName for button in buttons if button.enabled] == []
    for name in ("card", "verify", "import", "deleteWeights", "packages", "install"):
        getattr(ui, f"{name}Button").clicked.emit()  # as a script may
        assert "wait" in text_of(ui.advancedBrowser), name
    finished()
    assert list(results.savedAssessments(running.ct)) == ["N1"]
    assert not list(Path(tmp_path).iterdir())
    assert ui.cardButton.enabled and ui.installButton.enabled


def test_fault_82_a_second_run_is_refused_before_it_removes_anything(host, assessed, ui, panel):
    panel.panel._background.do(lambda: time.sleep(0.5), print, print)
    panel.panel.onAssess()
    assert "wait" in ui.statusLabel.text
    assert list(results.savedAssessments(assessed.ct)) == ["N1"]


def test_fault_82_a_mask_changed_during_a_run_is_measured_after_it(
    host, assessed, ui, finished, panel
):
    assessed.points.AddControlPointWorld(vtk.vtkVector3d(500, 0, 0), "far")
    host.process(0.3)
    panel.panel.session._state.run = object()  # any run
    resultNode("segmentation", assessed.ct).GetSegmentation().RemoveSegment("N1")
    host.process(0.7)
    assert results.savedAssessments(assessed.ct)["N1"].measurements
    panel.panel.session._state.run = None
    host.process(lambda: not results.savedAssessments(assessed.ct)["N1"].measurements, timeout=5)


# Scenes of selectors


def test_every_selector_of_the_panel_has_the_scene(panel):
    """In the .ui file each widget of MRML is connected to the panel's scene; what is not stays
    empty in Slicer."""
    tree = ElementTree.parse(PANEL)
    connected = {
        element.findtext("receiver")
        for element in tree.iterfind("connections/connection")
        if element.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
    }
    named = {
        widget.get("name")
        for widget in tree.getroot().find("widget").iterfind(".//widget")
        if re.match("qMRML|qSlicer", widget.get("class"))
    }
    assert len(named) >= 4 and named == connected
    for name in named:
        assert getattr(panel.panel.ui, name).mrmlScene() is slicer.mrmlScene


def click_on(selector: qt.QComboBox, row: int) -> None:
    """As the user chooses an entry."""
    selector.setCurrentIndex(row)
    selector.activated.emit(row)


def test_a_follow_up_of_three_scans_is_done_by_clicks(host, assessed, ui, load, finished):
    """The first pair as proposed, the second paired by hand: by the points' names."""
    earlier = [assessed.ct]
    for _ in range(2):
        load(THICK)
        ui.assessButton.click()
        finished()
        host.process(0.3)
        earlier.append(ui.ctSelector.currentNode())
    ui.followSection.collapsed = False
    box = ui.earlierSelector.findChild(qt.QComboBox)
    for ct, days, pairing in (
        (earlier[0], "730", "by position"),
        (earlier[1], "365", "by name"),
    ):
        row = box.findData(ct.GetID())
        assert row >= 0, "the earlier CT is not offered"
        click_on(box, row)
        click_on(ui.pairingSelector, ui.pairingSelector.findText(pairing))
        host.process(0.3)
        ui.daysSpinBox.selectAll()
        QTest.keyClicks(ui.daysSpinBox, days)
        asked = host.answer("Yes", timeout=60)
        ui.compareButton.click()
        finished()
        assert "N1 on the earlier CT and N1 on this one" in asked[0]
    said = text_of(ui.detailsBrowser)
    assert "Since 365 days before" in said and "Over all scans" in said


# Packages

ABSENT = (  # what Slicer does not bring
    "h5py highdicom jinja2 matplotlib monai openvino platformdirs plotly safetensors skimage torch"
).split()


@pytest.mark.parametrize("name", ["assess", "import", "page", "report", "dicom", "explain"])
def test_fault_83_every_action_that_needs_packages_asks_for_them(
    host, assessed, ui, monkeypatch, tmp_path, name
):
    """As after a saved scene was opened in another Slicer."""

    def decline(also):
        raise NoduleRiskError(f"declined {also}")

    monkeypatch.setattr("LungNoduleRiskLib.install.missingPackages", lambda *also: ["tinyone"])
    monkeypatch.setattr("LungNoduleRiskLib.install._installMissing", decline)
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda *_: True)
    getattr(ui, f"{name}Button").click()
    said = text_of(ui.advancedBrowser) if name == "import" else ui.statusLabel.text
    assert "declined" in said
    assert ("monai" in said) == (name == "explain")
    assert list(results.savedAssessments(assessed.ct)) == ["N1"]


WITHOUT_PACKAGES = """
import sys
sys.modules.update(dict.fromkeys({absent}))
from host import start
host = start()
def openScene():
    ui = host.openModule().panel.ui
    host.loadScene({scene!r})
    host.process(0.5)
    ui.cardButton.click()
    host.process(0.5)
    assert "23.5 mm" in ui.detailsBrowser.toPlainText(), ui.detailsBrowser.toPlainText()
    assert "held out" in ui.advancedBrowser.toPlainText()
    assert host.errors == [], host.errors
host.inEventLoop(openScene)
"""


def test_fault_83_results_are_read_in_a_slicer_without_the_packages(host, assessed, tmp_path):
    host.saveScene(tmp_path / "nodules.mrb")
    code = WITHOUT_PACKAGES.format(absent=ABSENT, scene=str(tmp_path / "nodules.mrb"))
    paths = os.pathsep.join([str(MODULE), str(MODULE.parent / "Testing" / "Host")])
    environment = os.environ | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_fault_83_an_installed_nodulerisk_does_not_hide_the_modules_own(tmp_path):
    """Slicer appends a module's folder to the path: what pip installed comes before it."""
    installed = tmp_path / "site-packages" / "nodulerisk"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("RESEARCH_USE_ONLY = 'of another version'")
    code = "from host import start; start().openModule(); import nodulerisk as n; print(n.__file__)"
    paths = [str(installed.parent), str(MODULE.parent / "Testing" / "Host")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.splitlines()[-1] == str(MODULE / "nodulerisk" / "__init__.py")


# Reload


def test_a_set_up_that_failed_once_can_be_reloaded(host, panel, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("LungNoduleRiskLib.widgets.panel.NodulesTable", lambda *_: 1 / 0)
        host.closeModule()
        host.openModule()
    assert isinstance(host.errors.pop(), ZeroDivisionError)
    slicer.util.reloadScriptedModule("LungNoduleRisk")
    assert slicer.modules.LungNoduleRiskWidget.panel.ui.assessButton is not None


def test_the_modules_own_test_says_that_packages_are_missing(host, panel, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("LungNoduleRiskLib.install.missingPackages", lambda *_: ["tinyone>=2"])
    monkeypatch.setattr(slicer.util, "warningDisplay", lambda text, **_: said.append(text))
    slicer.selfTests["LungNoduleRisk"]()
    assert "tinyone>=2" in said[0]


def test_the_modules_own_test_runs_where_slicer_runs_no_method_by_itself(host, panel, monkeypatch):
    """Slicer's base class only warns that no test is defined."""
    run: list[str] = []
    case = sys.modules["LungNoduleRisk"].LungNoduleRiskTest
    for name in ("test_assess", "test_cancel", "test_saveAndReload"):
        monkeypatch.setattr(case, name, lambda self, name=name: run.append(name))
    slicer.selfTests["LungNoduleRisk"]()
    assert run == ["test_assess", "test_cancel", "test_saveAndReload"]


# What a reader does next


def test_the_ct_is_shown_in_a_usual_window(host, panel, sample, ui):
    assert ui.windowSelector.currentText == "lung"
    for name, window in {"mediastinum": (400, 40), "lung": (1500, -600)}.items():
        ui.windowSelector.setCurrentText(name)
        displayNode = sample.ct.GetDisplayNode()
        assert (displayNode.GetWindow(), displayNode.GetLevel()) == window
    displayNode.SetWindowLevel(100, 50)  # with the mouse
    panel.panel.refresh()
    assert ui.windowSelector.currentText == ""


def test_the_panel_fits_its_place_whatever_is_open_in_it(host, sample, ui, panel):
    """What is wider would be cut off, or scrolled to."""
    sample.ct.SetName("7: CHEST ROUTINE WITH CONTRAST, LUNG KERNEL, 1.0 MM, OF THE WHOLE THORAX")
    for section in ("patient", "follow", "annotate", "advanced"):
        getattr(ui, f"{section}Section").collapsed = False
    host.process(0.3)
    assert panel.panel.widget.minimumSizeHint.width() <= 480


def test_a_point_without_a_nodule_says_so_in_its_row(host, sample, ui, finished):
    x, y, z = sample.points.GetNthControlPointPositionWorld(0)
    sample.points.SetNthControlPointPositionWorld(0, x - 30, y, z + 30)  # aerated lung
    ui.assessButton.click()
    finished()
    assert ui.nodulesTable.item(0, 1).text() == "no nodule was found at the point"


def test_masks_cover_as_much_as_is_asked(host, assessed, ui):
    displayNode = resultNode("segmentation", assessed.ct).GetDisplayNode()
    assert ui.opacitySlider.enabled and ui.opacitySlider.value == 20
    ui.opacitySlider.value = 55
    assert displayNode.GetOpacity2DFill() == pytest.approx(0.55)
    displayNode.SetOpacity2DFill(0.3)  # in the Segmentations module
    ui.nodulesTable.setFocus()
    slicer.modules.LungNoduleRiskWidget.panel.refresh()
    assert ui.opacitySlider.value == 30


def test_results_are_copied_as_a_table(host, window, assessed, ui):
    ui.nodulesTable.setFocus()
    QTest.keyClick(ui.nodulesTable, qt.Qt.Key_C, qt.Qt.ControlModifier)
    said, titles, row = slicer.app.clipboard().text().splitlines()
    assert said == RESEARCH_USE_ONLY
    cells = dict(zip(titles.split("\t"), row.split("\t"), strict=True))
    assert cells["Nodule"] == "N1" and cells["Withheld"] != "-"
    assert cells["P(malignant)"].startswith("0.99") or cells["P(malignant)"] == "1"


def test_the_list_says_where_a_nodule_lies_as_all_else_does(host, assessed, ui):
    """As the series counts its slices; so narrow a field does not show a side."""
    assert "slice 68" in ui.nodulesTable.item(0, 0).text().splitlines()
    assert "slice 68; malignancy" in text_of(ui.detailsBrowser)


def test_the_chosen_nodules_diameters_are_drawn_where_they_were_measured(host, assessed, ui):
    lines = {line.GetName(): line for line in slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")}
    measured = {m.name: m.value for m in results.savedAssessments(assessed.ct)["N1"].measurements}
    assert set(lines) == {"N1 long axis", "N1 short axis"}
    for name, line in lines.items():
        length = measured[name.removeprefix("N1 ")]
        assert line.GetLineLengthWorld() == pytest.approx(length, abs=1e-6)
        assert line.GetNthControlPointLabel(1) == f"{length:.1f} mm (reader)"
        assert line.GetLocked() and line.GetDisplayVisibility()
    selection = slicer.mrmlScene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    assert selection.GetActivePlaceNodeID() == assessed.points.GetID()
    assessed.points.AddControlPointWorld(vtk.vtkVector3d(0, 0, 0), "N2")
    host.process(0.3)
    ui.nodulesTable.setCurrentCell(1, 0)
    assert not any(line.GetDisplayVisibility() for line in lines.values())
    ui.nodulesTable.setCurrentCell(0, 0)
    assert all(line.GetDisplayVisibility() for line in lines.values())
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsLineNode") == 2


def middle_of_the_slice(name: str) -> list[float]:
    """RAS mm of a slice view's middle."""
    toRas = slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}").GetSliceToRAS()
    return [toRas.GetElement(row, 3) for row in range(3)]


def test_after_a_run_the_views_show_the_slice_where_the_nodule_was_measured(
    host, sample, ui, finished
):
    """Its callipers are seen without scrolling, also where the point lies slices away."""
    x, y, z = sample.points.GetNthControlPointPositionWorld(0)
    sample.points.SetNthControlPointPositionWorld(0, x, y, z + 6)
    ui.assessButton.click()
    finished()
    line = slicer.util.getFirstNodeByClassByName("vtkMRMLMarkupsLineNode", "N1 long axis")
    ends = [line.GetNthControlPointPositionWorld(n) for n in range(2)]
    middle = [sum(pair) / 2 for pair in zip(*ends, strict=True)]
    assert abs(z + 6 - middle[2]) > 2, "else this proved nothing"
    for name in ("Red", "Yellow", "Green"):
        assert middle_of_the_slice(name) == pytest.approx(middle, abs=0.1)
    sample.points.SetNthControlPointPositionWorld(0, x, y, z + 12)
    host.process(0.3)
    slicer.modules.LungNoduleRiskWidget.panel.onEnded()
    assert middle_of_the_slice("Red")[2] == pytest.approx(z + 12, abs=0.1)


def test_a_reason_that_no_longer_holds_is_no_longer_said(host, panel, ui):
    assert "Load a chest CT" in ui.statusLabel.text
    ui.sampleButton.click()
    host.process(0.3)
    assert "Load a chest CT" not in ui.statusLabel.text
