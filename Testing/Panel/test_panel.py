"""The module's panel as a user meets it: real widgets, MRML and networks, in the stand-in host."""

from __future__ import annotations

import os
import signal
import weakref
from pathlib import Path

import numpy as np
import psutil
import pytest
import qt
import slicer
import vtk
from PySide6.QtTest import QTest

from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.sample import THICK, THIN
from made_own_tasks import EGFR, own_tasks
from made_scene import edit
from made_weights import made_weights
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.datasets.densesharp.read import read_densesharp
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import DEMONSTRATION, TASKS, Task

OUTSIDE_RAS = (500.0, 0.0, 0.0)


def children() -> list[psutil.Process]:
    """The processes that run networks for this one."""
    return [
        p
        for p in psutil.Process().children(recursive=True)
        if "nodulerisk.engine.worker" in " ".join(p.cmdline())
    ]


def text_of(browser) -> str:
    return browser.toPlainText()


def add_point(markupsNode, ras, name: str) -> None:
    markupsNode.AddControlPointWorld(vtk.vtkVector3d(*ras), name)


def slice_position(name: str) -> float:
    return slicer.mrmlScene.GetNodeByID(f"vtkMRMLSliceNode{name}").GetSliceToRAS().GetElement(2, 3)


# Before anything runs


def test_an_empty_scene_says_what_to_do(ui, picture):
    assert not ui.assessButton.enabled
    assert "Load a chest CT" in ui.statusLabel.text
    assert ui.assessButton.toolTip == ui.statusLabel.text
    assert ui.researchLabel.text == RESEARCH_USE_ONLY and ui.researchLabel.visible
    picture("empty")


def test_fault_29_without_points_the_reason_is_shown(host, sample, ui):
    sample.points.RemoveAllControlPoints()
    host.process(0.3)
    assert not ui.assessButton.enabled
    assert "Place a point" in ui.statusLabel.text


def test_a_sample_comes_in_one_click(host, panel, ui, picture):
    ui.sampleButton.click()
    host.process(0.3)
    assert ui.assessButton.enabled
    assert ui.ctSelector.currentNode() is panel.panel.parameters.ct
    assert ui.ctSelector.currentNode().GetName() == THIN.name
    assert ui.nodulesTable.rowCount == 1
    assert "Not assessed yet" in text_of(ui.detailsBrowser)
    picture("ready")


def test_placing_points_starts_a_list_and_places_many(host, scene, ui, sample):
    sample.points = None
    host.process(0.3)
    ui.placeButton.click()
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert (
        scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetActivePlaceNodeID()
        == sample.points.GetID()
    )
    add_point(sample.points, (0, 0, 0), "")
    assert sample.points.GetNumberOfControlPoints() == 1
    ui.placeButton.click()
    assert interaction.GetCurrentInteractionMode() != interaction.Place
    interaction.SetCurrentInteractionMode(interaction.Place)
    host.process(0.1)
    assert ui.placeButton.checked
    interaction.SetCurrentInteractionMode(interaction.ViewTransform)
    host.process(0.1)
    assert not ui.placeButton.checked


@pytest.mark.parametrize(
    "kind", [qt.QPushButton, qt.QComboBox, qt.QLineEdit, qt.QDoubleSpinBox, qt.QCheckBox]
)
def test_everything_to_press_or_fill_has_a_name_and_a_tip(panel, kind):
    for widget in panel.panel.widget.findChildren(kind):
        if widget.objectName.endswith(("Button", "Selector", "Edit", "SpinBox", "CheckBox")):
            assert widget.accessibleName, widget.objectName
            assert widget.toolTip, widget.objectName


# A run


def test_a_run_fills_scene_table_details_and_chart(host, assessed, ui, picture):
    ct = assessed.ct
    assert ui.statusLabel.text.startswith("1 of 1 nodules assessed")
    segmentationNode = resultNode("segmentation", ct)
    assert list(segmentationNode.GetSegmentation().GetSegmentIDs()) == ["N1"]
    assert resultNode("table", ct).GetTable().GetNumberOfRows() == 1
    assert resultNode("chart", ct).GetNumberOfPlotSeriesNodes() == 3
    assert ui.nodulesTable.item(0, 0).text().startswith("N1\n23.5 mm")
    bars = ui.nodulesTable.cellWidget(0, 1).findChildren(qt.QProgressBar)
    assert [bar.text for bar in bars][0] == "decision withheld: p(malignant) 1.00"
    badges = [label.text for label in ui.nodulesTable.cellWidget(0, 1).findChildren(qt.QLabel)]
    assert [badge.split(",")[0] for badge in badges] == [
        "reader",
        DEMONSTRATION,
        "simulated",
        "simulated",
        "simulated",
    ]
    details = text_of(ui.detailsBrowser)
    for words in (
        "radiologists' suspicion",
        "Slice thickness or spacing is 3 mm",
        "23.5 mm",
        "learnt from radiologists' outlines",
        "Weight set open",
        RESEARCH_USE_ONLY,
    ):
        assert words in details
    assert not ui.progressBar.visible and not ui.cancelButton.enabled and ui.assessButton.enabled
    picture("results")


def test_a_first_try_shows_a_decision_and_the_other_sample_why_there_is_none(
    host, ui, load, finished, picture
):
    said = {}
    for sample in (THIN, THICK):
        load(sample)
        ui.assessButton.click()
        finished()
        host.process(0.3)
        (bar, *_) = ui.nodulesTable.cellWidget(0, 1).findChildren(qt.QProgressBar)
        said[sample] = bar.text, "the slices are thick" in text_of(ui.detailsBrowser)
        picture(f"results {sample.name}")
    assert said[THIN] == ("malignant: p(malignant) 1.00", False)
    assert said[THICK] == ("decision withheld: p(malignant) 1.00", True)


def test_stability_is_tested_when_asked(host, sample, ui, finished):
    ui.stabilityCheckBox.checked = True
    host.process(0.2)
    ui.assessButton.click()
    finished()
    assert "with clicks 2 mm off" in text_of(ui.detailsBrowser)
    assert results.savedAssessments(sample.ct)["N1"].stability is not None


def test_while_it_runs_there_is_progress_and_nothing_else_can_start(
    host, sample, ui, finished, picture
):
    ui.assessButton.click()
    host.process(lambda: ui.progressBar.value > 0, timeout=30)
    assert ui.progressBar.visible and ui.cancelButton.enabled
    assert not ui.assessButton.enabled and not ui.deleteButton.enabled
    assert "N1" in ui.statusLabel.text
    picture("running")
    finished()


def test_a_row_jumps_to_its_nodule(host, assessed, ui):
    ras = [0.0, 0.0, 0.0]
    assessed.points.GetNthControlPointPositionWorld(0, ras)
    add_point(assessed.points, (ras[0], ras[1], ras[2] + 20), "N2")
    host.process(0.3)
    camera = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLCameraNode").GetCamera()
    looked = camera.GetDirectionOfProjection()
    for row, z in ((1, ras[2] + 20), (0, ras[2])):
        QTest.mouseClick(
            ui.nodulesTable.viewport(),
            qt.Qt.LeftButton,
            qt.Qt.NoModifier,
            ui.nodulesTable.visualItemRect(ui.nodulesTable.item(row, 0)).center(),
        )
        assert slice_position("Red") == pytest.approx(z, abs=0.1)
        assert camera.GetFocalPoint()[2] == pytest.approx(z, abs=0.1)
        assert camera.GetDirectionOfProjection() == pytest.approx(looked)


def test_fault_25_a_refused_point_is_named_and_the_others_are_assessed(
    host, sample, ui, finished, picture
):
    add_point(sample.points, OUTSIDE_RAS, "far")
    ui.assessButton.click()
    finished()
    assert "1 of 2 nodules assessed" in ui.statusLabel.text and "far: " in ui.statusLabel.text
    assert "refused" in ui.nodulesTable.item(1, 1).text()
    ui.nodulesTable.setCurrentCell(1, 0)
    assert "outside the CT" in text_of(ui.detailsBrowser)
    picture("refused")


def test_fault_13_what_cannot_be_assessed_is_said(host, scene, sample, ui, picture):
    transform = vtk.vtkThinPlateSplineTransform()
    transform.SetBasisToR()
    transformNode = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transformNode.SetAndObserveTransformToParent(transform)
    sample.ct.SetAndObserveTransformNodeID(transformNode.GetID())
    ui.assessButton.click()
    assert "bends space" in ui.statusLabel.text
    assert ui.assessButton.enabled
    picture("error")


def test_a_moved_point_is_never_shown_as_the_old_one(host, assessed, ui):
    assessed.points.SetNthControlPointPosition(0, 0, 0, 0)
    host.process(0.3)
    assert "moved: assess again" in ui.nodulesTable.item(0, 0).text()
    assert "moved since" in text_of(ui.detailsBrowser)


@pytest.mark.parametrize("after_s", [0.0, 0.3, 0.7])
def test_fault_43_cancel_waits_for_no_network_at_any_moment(host, sample, ui, finished, after_s):
    ui.assessButton.click()
    host.process(after_s)
    for child in children():
        child.suspend()  # it answers nothing any more
    ui.cancelButton.click()
    finished()
    assert "cancelled" in ui.statusLabel.text
    assert not results.savedAssessments(sample.ct)
    assert not children()
    ui.assessButton.click()
    finished()
    assert list(results.savedAssessments(sample.ct)) == ["N1"]


def test_fault_43_a_scene_closed_mid_run_leaves_a_panel_that_works(
    host, sample, ui, panel, finished
):
    ui.assessButton.click()
    host.process(0.3)
    host.clearScene()
    finished()
    assert not children()
    assert "Load a chest CT" in ui.statusLabel.text and ui.nodulesTable.rowCount == 0
    ui.sampleButton.click()
    ui.assessButton.click()
    finished()
    assert list(results.savedAssessments(panel.panel.parameters.ct)) == ["N1"]


def test_fault_43_a_ct_deleted_mid_run_ends_the_run(host, scene, sample, ui, finished):
    ui.assessButton.click()
    host.process(0.3)
    scene.RemoveNode(sample.ct)
    finished()
    assert not ui.assessButton.enabled and not ui.progressBar.visible
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 0


def test_fault_43_a_reload_mid_run_leaves_no_process(host, sample, ui):
    ui.assessButton.click()
    host.process(0.5)
    panel = host.reload()
    assert not children()
    panel.panel.ui.assessButton.click()
    host.process(lambda: not panel.panel._background.isBusy, timeout=60)
    assert list(results.savedAssessments(panel.panel.parameters.ct)) == ["N1"]


def test_fault_43_a_killed_worker_costs_that_run_only(host, sample, ui, finished):
    ui.deviceSelector.setCurrentText(
        "cpu"
    )  # else it might have been a GPU that failed, and the CPU is tried
    host.process(0.2)
    ui.assessButton.click()
    host.process(lambda: len(children()) == 2, timeout=10)  # the launcher, and what it started
    os.kill(children()[1].pid, signal.SIGKILL)
    finished()
    assert (
        "0 of 1 nodules assessed" in ui.statusLabel.text
        and "ended unexpectedly" in ui.statusLabel.text
    )
    ui.assessButton.click()
    finished()
    assert list(results.savedAssessments(sample.ct)) == ["N1"]


# Masks, points and scenes of the user's own


def cubes(volumeNode) -> np.ndarray:
    """A mask that no network draws: a cube of 10 voxels around the middle."""
    mask = np.zeros(slicer.util.arrayFromVolume(volumeNode).shape, np.uint8)
    mask[tuple(slice(n // 2 - 5, n // 2 + 5) for n in mask.shape)] = 1
    return mask


def test_a_corrected_mask_is_measured_again(host, assessed, ui):
    edit(assessed.ct, cubes(assessed.ct))
    host.process(lambda: "corrected by hand" in text_of(ui.detailsBrowser), timeout=5)
    assert not ui.nodulesTable.item(0, 0).text().startswith("N1\n23.5 mm")


def test_a_deleted_mask_has_no_size(host, assessed, ui):
    assert "23.5 mm" in ui.nodulesTable.item(0, 0).text()
    resultNode("segmentation", assessed.ct).GetSegmentation().RemoveSegment("N1")
    host.process(lambda: "23.5 mm" not in ui.nodulesTable.item(0, 0).text(), timeout=5)


@pytest.mark.parametrize(("answer", "kept"), [("No", True), ("Yes", False)])
def test_a_corrected_mask_is_redrawn_only_if_the_user_agrees(
    host, assessed, ui, finished, answer, kept
):
    edit(assessed.ct, cubes(assessed.ct))
    asked = host.answer(answer)
    ui.assessButton.click()
    finished()
    assert "drawn or changed by hand: N1" in " ".join(asked)
    assert (results.handDrawn(assessed.ct, ["N1"]) == ["N1"]) == kept


def test_deleting_a_nodule_takes_its_results_along(host, assessed, ui):
    host.answer("Yes")
    ui.deleteButton.click()
    assert assessed.points.GetNumberOfControlPoints() == 0
    assert not results.savedAssessments(assessed.ct)
    assert ui.nodulesTable.rowCount == 0


def test_a_saved_scene_restores_the_panel(host, assessed, ui, panel, tmp_path, picture):
    ui.cascadeCheckBox.checked = True
    ui.malignancySpinBox.value = 0.3
    ui.readerEdit.text = "R1"
    before = text_of(ui.detailsBrowser)
    host.saveScene(tmp_path / "nodules.mrb")
    host.clearScene()
    assert ui.nodulesTable.rowCount == 0 and not ui.cascadeCheckBox.checked
    host.loadScene(tmp_path / "nodules.mrb")
    host.process(0.3)
    parameters = panel.panel.parameters
    assert parameters.ct.GetName() == THICK.name and ui.ctSelector.currentNode() is parameters.ct
    assert text_of(ui.detailsBrowser) == before
    assert (
        ui.cascadeCheckBox.checked
        and ui.malignancySpinBox.value == 0.3
        and ui.readerEdit.text == "R1"
    )
    assert resultNode("chart", parameters.ct).GetNumberOfPlotSeriesNodes() == 3
    assert results.handDrawn(parameters.ct, ["N1"]) == []


def test_two_cts_have_their_own_nodules(host, assessed, ui, panel):
    first = assessed.ct
    ui.sampleButton.click()
    host.process(0.3)
    assert panel.panel.parameters.ct is not first
    assert "Not assessed yet" in text_of(ui.detailsBrowser)
    ui.ctSelector.setCurrentNode(first)
    host.process(0.3)
    assert "radiologists' suspicion" in text_of(ui.detailsBrowser)


# The keyboard


def test_the_whole_job_by_keys(host, panel, ui, finished):
    window = slicer.util.mainWindow()
    window.activateWindow()
    host.process(lambda: window.isActiveWindow, timeout=5)
    for keys in ("T", "A"):  # Try it, Assess nodules
        QTest.keyClick(window, getattr(qt.Qt, f"Key_{keys}"), qt.Qt.AltModifier)
        host.process(0.3)
    finished()
    parameters = panel.panel.parameters
    assert list(results.savedAssessments(parameters.ct)) == ["N1"]
    add_point(parameters.points, (0, 0, 0), "N2")
    host.process(0.3)
    for key, row in ((qt.Qt.Key_Down, 1), (qt.Qt.Key_Down, 0), (qt.Qt.Key_Up, 1)):
        QTest.keyClick(window, key, qt.Qt.AltModifier)
        assert ui.nodulesTable.currentRow() == row
    ui.nodulesTable.setFocus()
    QTest.keyClick(ui.nodulesTable, qt.Qt.Key_Delete)
    assert parameters.points.GetNumberOfControlPoints() == 1


# Pages, annotations, advanced


@pytest.fixture
def opened(monkeypatch):
    """The addresses that the browser was asked to open."""
    addresses: list[str] = []
    monkeypatch.setattr(
        qt.QDesktopServices, "openUrl", lambda url: addresses.append(url.toLocalFile())
    )
    return addresses


@pytest.mark.parametrize("hasWebView", [True, False])
def test_the_page_opens_in_the_web_view_or_the_browser(
    host, assessed, ui, panel, finished, opened, monkeypatch, hasWebView
):
    if not hasWebView:
        monkeypatch.delattr(slicer, "qSlicerWebWidget")
    ui.pageButton.click()
    finished()
    path = panel.panel._writing.page.url.removeprefix("file://") if hasWebView else opened[0]
    page = Path(path).read_text(encoding="utf-8")
    assert "mesh3d" in page and RESEARCH_USE_ONLY in page


def test_the_next_page_takes_the_window_of_the_last(host, assessed, ui, panel, finished):
    ui.pageButton.click()
    finished()
    first = weakref.ref(panel.panel._writing.page)
    ui.pageButton.click()
    finished()
    assert first() is None and panel.panel._writing.page is not None


def test_the_report_of_all_nodules_is_written_where_the_user_wants(
    host, assessed, ui, finished, monkeypatch, tmp_path
):
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    ui.reportButton.click()
    finished()
    assert f"Written to {tmp_path / 'report.html'}" in ui.statusLabel.text
    assert "23.5 mm" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_fault_46_dicom_is_written_only_when_its_identity_is_agreed_to(
    host, assessed, ui, monkeypatch, tmp_path
):
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path))
    asked = host.answer("No")
    ui.dicomButton.click()
    assert "name the patient" in asked[0] and not list(tmp_path.iterdir())
    host.answer("Yes")
    ui.dicomButton.click()
    assert "Slicer's DICOM module" in ui.statusLabel.text  # the sample was not loaded by it


def test_a_nodule_is_compared_with_an_earlier_ct_once_the_user_agrees(
    host, assessed, ui, panel, load, finished
):
    earlier = assessed.ct
    load(THICK)
    ui.assessButton.click()
    finished()
    ui.compareButton.click()
    assert "Select the earlier CT" in ui.statusLabel.text
    panel.panel.parameters.earlier = earlier
    ui.compareButton.click()
    assert "number of days" in ui.statusLabel.text
    ui.daysSpinBox.value = 365
    for answer, compared in (("No", False), ("Yes", True)):
        asked = host.answer(answer, timeout=60)
        ui.compareButton.click()
        finished()
        assert "N1 on the earlier CT and N1 on this one lie 0.0 mm apart" in asked[0]
        assert ("Since 365 days before" in text_of(ui.detailsBrowser)) == compared
    assert "none: unchanged" in text_of(ui.detailsBrowser)
    ui.pairingSelector.setCurrentText("by name")
    asked = host.answer("Yes", timeout=60)
    ui.compareButton.click()
    finished()
    assert "N1 on the earlier CT and N1 on this one" in asked[0]
    assert "Nodules compared: 1;" in ui.statusLabel.text


def test_days_are_filled_in_from_dicom_once_both_cts_are_chosen(
    host, assessed, ui, panel, monkeypatch
):
    days = {"asked": 0}

    def between(earlier, later):
        days["asked"] += 1
        return 365

    monkeypatch.setattr("LungNoduleRiskLib.comparing.daysBetween", between)
    panel.panel.parameters.earlier = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    panel.panel.refresh()
    assert ui.daysSpinBox.value == 365
    ui.daysSpinBox.value = 360  # the user knows better
    panel.panel.refresh()
    assert (ui.daysSpinBox.value, days["asked"]) == (360, 1)


def test_where_a_network_looked_is_shown_as_no_evidence(host, assessed, ui, finished, picture):
    ui.explainButton.click()
    finished()
    assert "explanation, not evidence; research use only" in ui.statusLabel.text
    mapNode = slicer.util.getFirstNodeByName("N1 malignancy")
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    assert composite.GetForegroundVolumeID() == mapNode.GetID()
    bounds, ras = [0.0] * 6, [0.0] * 3
    mapNode.GetRASBounds(bounds)
    assessed.points.GetNthControlPointPositionWorld(0, ras)
    assert all(
        low < value < high for value, low, high in zip(ras, bounds[::2], bounds[1::2], strict=True)
    )
    picture("explained")
    host.process(0.3)
    for selector in (ui.ctSelector, ui.earlierSelector):  # it is no CT
        listed = [selector.nodeFromIndex(index) for index in range(selector.nodeCount())]
        assert listed == [assessed.ct]
    ui.assessButton.click()
    finished()
    assert mapNode.GetScene() is None, "of results that are gone"


def brock(ui) -> str:
    return next(
        line for line in text_of(ui.detailsBrowser).splitlines() if line.startswith("Brock")
    )


def test_guidelines_say_what_they_need_and_then_what_they_give(host, assessed, ui, panel):
    fields = {
        f.objectName.removesuffix("Field"): f
        for f in ui.patientSection.findChildren(qt.QWidget)
        if f.objectName
    }
    assert "needs age" in brock(ui)
    QTest.keyClicks(fields["age"], "62")
    QTest.keyClicks(fields["nodules"], "1")
    for name, answer in {"sex": "female", "family_history": "no", "emphysema": "yes"}.items():
        fields[name].setCurrentText(answer)
    assert "needs" in brock(ui) and "needs age" not in brock(ui)
    for name, answer in {"upper_lobe": "yes", "spiculation": "no"}.items():
        fields[name].setCurrentText(answer)
    assert "%" in brock(ui)
    add_point(assessed.points, (0, 0, 0), "N2")
    host.process(0.3)
    ui.nodulesTable.setCurrentCell(1, 0)
    assert fields["upper_lobe"].currentText == "" and fields["age"].text == "62"
    ui.nodulesTable.setCurrentCell(0, 0)
    assert fields["upper_lobe"].currentText == "yes"
    QTest.keyClicks(fields["age"], "0")  # 620
    assert "age must be from 1 to 120 years" in ui.statusLabel.text


def test_the_chart_is_shown_in_a_layout_with_a_plot(host, assessed, ui, picture):
    ui.chartButton.click()
    assert (
        slicer.app.layoutManager().layout
        == slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView
    )
    plotView = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLPlotViewNode")
    assert plotView.GetPlotChartNodeID() == resultNode("chart", assessed.ct).GetID()
    picture("chart")


def test_what_is_said_of_a_nodule_is_kept_with_its_point(host, sample, ui):
    ui.readerEdit.text = "R1"
    host.process(0.3)
    ui.labelSelector.setCurrentText("MIA")
    QTest.keyClicks(ui.noteEdit, "subtle")
    assert sample.points.GetNthControlPointDescription(0) == "MIA | reader: R1 | note: subtle"
    host.process(0.3)
    assert ui.noteEdit.text == "subtle"
    ui.labelSelector.setCurrentText("squamish")
    assert "squamish" in ui.statusLabel.text


def test_a_set_s_own_task_can_be_annotated(host, sample, ui, monkeypatch, tmp_path):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path))
    made_weights(tmp_path / "egfr", own_tasks=own_tasks(EGFR=EGFR))
    selector = ui.labelSelector
    selector.setCurrentText("MIA")
    ui.weightsSelector.addItem("egfr")
    ui.weightsSelector.setCurrentText("egfr")
    assert selector.findText("EGFR: mutated") > 0 and selector.currentText == "MIA"
    selector.setCurrentText("EGFR: mutated")
    assert sample.points.GetNthControlPointDescription(0) == "EGFR: mutated"
    assert not ui.statusLabel.text
    ui.weightsSelector.setCurrentText("open")
    assert selector.findText("EGFR: mutated") == -1 and selector.currentText == "EGFR: mutated"


def test_nodules_become_training_samples(host, assessed, ui, monkeypatch, tmp_path):
    ui.labelSelector.setCurrentText("IA grade 3")
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "set"))
    monkeypatch.setattr(
        qt.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "labels.csv"), "")
    )
    ui.patientEdit.text = "P1"
    host.process(0.3)
    ui.exportButton.click()
    assert "Exported" in ui.statusLabel.text
    (nodule,) = read_densesharp(tmp_path / "set").nodules
    assert nodule.labels["grade"] == 2 and nodule.patient == "P1"
    ui.exportLabelsButton.click()
    assert "IA grade 3" in (tmp_path / "labels.csv").read_text(encoding="utf-8-sig")


def test_a_weight_set_is_shown_verified_and_deleted(
    host, panel, ui, finished, monkeypatch, tmp_path
):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path))
    made_weights(tmp_path / "mine")
    panel.panel._advanced.listWeights("open")
    assert [ui.weightsSelector.itemText(index) for index in range(ui.weightsSelector.count)] == [
        "open",
        "mine",
    ]
    ui.cardButton.click()
    finished()
    card = text_of(ui.advancedBrowser)
    assert "held out" in card and "CC BY 3.0" in card
    assert "risk model of log axial area" in card and "benign v primary cancer" in card
    ui.weightsSelector.setCurrentText("mine")
    assert panel.panel.parameters.weights == "mine"
    ui.verifyButton.click()
    finished()
    assert "as its card says" in text_of(ui.advancedBrowser)
    host.answer("Yes")
    ui.deleteWeightsButton.click()
    assert not (tmp_path / "mine").exists() and panel.panel.parameters.weights == "open"


def test_a_trained_set_is_imported_by_its_folder(host, panel, ui, finished, monkeypatch, tmp_path):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path / "own"))
    trained = made_weights(tmp_path / "trained").folder
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: str(trained))
    ui.importButton.click()
    finished()
    assert ui.weightsSelector.currentText == "trained"
    assert panel.panel.parameters.weights == "trained"
    assert "trained 1" in text_of(ui.advancedBrowser)


def test_fault_34_a_changed_weight_file_is_named(host, panel, ui, finished, monkeypatch, tmp_path):
    monkeypatch.setenv("NODULERISK_WEIGHTS", str(tmp_path))
    folder = made_weights(tmp_path / "mine").folder
    file = next(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    panel.panel._advanced.listWeights("mine")
    ui.verifyButton.click()
    finished()
    assert file.name in text_of(ui.advancedBrowser)


def test_the_packages_are_listed(ui):
    ui.packagesButton.click()
    assert "torch 2" in text_of(ui.advancedBrowser) and "missing" not in text_of(ui.advancedBrowser)


# What Slicer itself runs


def test_the_modules_own_self_test_passes(host, panel):
    slicer.selfTests["LungNoduleRisk"]()


# A further task


def test_a_task_of_one_row_has_its_threshold_in_the_panel(panel, ui, monkeypatch):
    monkeypatch.setitem(TASKS, "growth", Task("growth", ("slow", "fast"), "GRO"))
    from LungNoduleRiskLib.parameters import _withThresholds, thresholdParameters, thresholdsOf

    panel.panel._advanced._addThresholds()
    assert ui.growthSpinBox.accessibleName == "Growth threshold"
    assert ui.growthSpinBox.property("SlicerParameterName") == "growthThreshold"
    chosen = _withThresholds(type("Chosen", (), {"__annotations__": {}, "ownThresholds": ""}))()
    chosen.growthThreshold = 0.7
    assert thresholdsOf(chosen) == {"growth": 0.7}
    assert list(thresholdParameters()) == ["malignancy", "invasiveness", "growth"]


def test_a_set_s_own_task_has_its_threshold_in_the_panel(host, panel, ui):
    from LungNoduleRiskLib.parameters import thresholdsOf

    QTest.keyClicks(ui.ownThresholdsEdit, "EGFR=0.4, invasion = 0.6")
    host.process(0.3)
    assert thresholdsOf(panel.panel.parameters) == {"EGFR": 0.4, "invasion": 0.6}
    ui.ownThresholdsEdit.text = "EGFR"
    host.process(0.3)
    with pytest.raises(NoduleRiskError, match="TASK=VALUE"):
        thresholdsOf(panel.panel.parameters)
