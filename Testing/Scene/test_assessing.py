"""The assessor on real MRML; but for one test made-up networks take the place of the child
process."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk
from pydicom import dcmread
from typer.testing import CliRunner

from LungNoduleRiskLib.assessing import SceneAssessor
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.display.results import remeasure, savedAssessments, withMasks
from LungNoduleRiskLib.exporting import dicomWriter, reportWriter
from LungNoduleRiskLib.nodules import deleteNodule, sceneNodules
from LungNoduleRiskLib.scene import ctFromNode
from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct
from made_dicom import write_series
from made_scene import OBLIQUE, edit, rigid, segment_mask
from made_weights import made_weights
from nodulerisk.assessment import Assessment, load_assessment
from nodulerisk.cli import app
from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.read import read_ct
from nodulerisk.errors import NoduleRiskError, OutputError, WeightsError, WorkerError
from nodulerisk.weights.card import WeightSet

MODULE = Path(__file__).parents[2] / "LungNoduleRisk"
OUTSIDE_MM = (500.0, 0.0, 0.0)


class MadeNetworks:
    """Draws a ball in the cube's middle and finds every nodule malignant; can fail, and can wait to
    be cancelled."""

    def __init__(self, weights: WeightSet, device: str):
        self.device = device
        self.checks = []
        self.failing = False
        self.waiting = threading.Event()
        self.cancelled = threading.Event()
        self.patient = False

    def predict(self, network: str, cubes: np.ndarray):
        if self.failing:
            raise WorkerError("The process that runs the networks ended unexpectedly.")
        if self.patient:
            self.waiting.set()
            assert self.cancelled.wait(60)
            raise WorkerError("The assessment was cancelled.")
        if network == "densesharp":
            z, y, x = np.indices((32, 32, 32)) - 15.5
            ball = np.sqrt(x * x + y * y + z * z) <= RADIUS_MM
            return np.full((1, 3), 1 / 3, np.float32), ball[None, None].astype(np.float32)
        return (np.array([[0.2, 0.8]], np.float32),)

    def cancel(self):
        self.cancelled.set()


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    return made_weights(tmp_path_factory.mktemp("weights")).folder


@pytest.fixture
def started():
    """Every set of networks that the assessor under test has started, in order."""
    return []


@pytest.fixture
def assessor(started):
    def make(*args):
        started.append(MadeNetworks(*args))
        return started[-1]

    return SceneAssessor(make)


def results(volumeNode) -> tuple[list[str], list[str], list[str]]:
    """Names of the nodules that have a segment, a row and a saved assessment."""
    segmentationNode, tableNode = (
        resultNode(role, volumeNode) for role in ("segmentation", "table")
    )
    if tableNode is None:
        return [], [], []
    segments = list(segmentationNode.GetSegmentation().GetSegmentIDs())
    table = tableNode.GetTable()
    rows = [
        table.GetValueByName(row, "Nodule").ToString() for row in range(table.GetNumberOfRows())
    ]
    return segments, rows, list(savedAssessments(volumeNode))


def test_every_point_is_assessed_and_shown(assessor, loaded, placed, weights, ct):
    volumeNode, told = loaded(ct), []
    second = (CENTRE_LPS_MM[0] + 9, *CENTRE_LPS_MM[1:])
    run = assessor.assess(
        volumeNode,
        placed(A=CENTRE_LPS_MM, B=second),
        weights,
        "cpu",
        lambda *news: told.append(news),
    )
    assert not run.refusals
    assert results(volumeNode) == (["A", "B"],) * 3
    saved = savedAssessments(volumeNode)["B"]
    assert saved.tasks["malignancy"].decision == "malignant"
    assert saved.point_lps_mm == second
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.9 < shares[-1] <= 1
    assert told[-1][0].startswith("B: ")


def test_real_networks_in_a_child_process_draw_the_nodule(
    loaded, placed, weights, ct, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    volumeNode, assessor = loaded(ct), SceneAssessor()
    off_centre = np.add(CENTRE_LPS_MM, (3, -2, 1))
    run = assessor.assess(volumeNode, placed(N1=off_centre), weights, "cpu")
    assessor.close()
    assert results(volumeNode) == (["N1"],) * 3
    segmentationNode = resultNode("segmentation", volumeNode)
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, "N1", volumeNode).astype(
        bool
    )
    nodule = ct.hu == 30
    assert 2 * (drawn & nodule).sum() / (drawn.sum() + nodule.sum()) > 0.8
    assert run.assessments[0].provenance.device.startswith("CPU")


def test_the_networks_stay_warm_until_something_else_is_asked(
    assessor, started, loaded, placed, weights, ct
):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    for device in ("cpu", "cpu", "auto"):
        assessor.assess(volumeNode, markupsNode, weights, device)
    assert [networks.device for networks in started] == ["cpu", "auto"]
    assert [networks.cancelled.is_set() for networks in started] == [True, False]


def test_a_refused_point_does_not_stop_the_others(assessor, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    run = assessor.assess(volumeNode, placed(far=OUTSIDE_MM, near=CENTRE_LPS_MM), weights)
    assert results(volumeNode) == (["near"],) * 3
    assert "outside the CT" in run.refusals["far"]


def test_fault_42_a_refused_point_leaves_no_old_result(assessor, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM, N2=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    x, y, z = OUTSIDE_MM
    markupsNode.SetNthControlPointPosition(0, -x, -y, z)
    assert "N1" in assessor.assess(volumeNode, markupsNode, weights).refusals
    assert results(volumeNode) == (["N2"],) * 3


def fail_networks(started, **_):
    started[-1].failing = True
    return {}


def bend_ct(volumeNode, transformed, **_):
    transform = vtk.vtkThinPlateSplineTransform()
    transform.SetBasisToR()
    transformed(volumeNode, transform)
    return {}


def lose_weights(tmp_path, **_):
    return {"weights": tmp_path / "missing"}


@pytest.mark.parametrize("fail", [fail_networks, bend_ct, lose_weights])
def test_fault_42_a_failed_run_leaves_no_old_result(
    assessor, started, loaded, placed, transformed, weights, tmp_path, ct, fail
):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    assert results(volumeNode) == (["N1"],) * 3
    asked = {"weights": weights} | fail(
        started=started, volumeNode=volumeNode, transformed=transformed, tmp_path=tmp_path
    )
    with pytest.raises(NoduleRiskError):
        assessor.assess(volumeNode, markupsNode, **asked)
    assert results(volumeNode) == ([], [], [])


def test_other_lists_keep_their_results(assessor, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    assessor.assess(volumeNode, placed(A=CENTRE_LPS_MM), weights)
    assessor.assess(volumeNode, placed(B=CENTRE_LPS_MM), weights)
    assert results(volumeNode) == (["A", "B"],) * 3


def test_cancel_ends_the_run_and_the_next_one_starts_afresh(
    assessor, started, loaded, placed, weights, ct
):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    started[0].patient = True
    run = assessor.prepare(volumeNode, markupsNode, weights)
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(assessor.compute, run)
        assert started[0].waiting.wait(60)
        assessor.cancel()
        with pytest.raises(WorkerError, match="cancelled"):
            future.result(60)
    assert results(volumeNode) == ([], [], [])
    assessor.assess(volumeNode, markupsNode, weights)
    assert results(volumeNode) == (["N1"],) * 3
    assert len(started) == 2


def test_what_was_assessed_before_a_failure_is_shown(
    assessor, started, loaded, placed, weights, ct
):
    volumeNode, markupsNode = loaded(ct), placed(A=CENTRE_LPS_MM, B=CENTRE_LPS_MM)

    def fail_at_b(stage, share):
        started[-1].failing = stage.startswith("B")

    with pytest.raises(WorkerError):
        assessor.assess(volumeNode, markupsNode, weights, progress=fail_at_b)
    assert results(volumeNode) == (["A"],) * 3


def test_masks_changed_by_hand_stay_unless_told(assessor, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM, N2=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    networks, mine = segment_mask(volumeNode, "N1"), ct.hu > 40
    edit(volumeNode, mine, "N1")
    assessor.assess(volumeNode, markupsNode, weights)
    np.testing.assert_array_equal(segment_mask(volumeNode, "N1"), mine)
    np.testing.assert_array_equal(segment_mask(volumeNode, "N2"), networks)
    assert "mask-edited" in [check.code for check in savedAssessments(volumeNode)["N1"].checks]
    assessor.assess(volumeNode, markupsNode, weights, replaceMasks=True)
    np.testing.assert_array_equal(segment_mask(volumeNode, "N1"), networks)


def test_fault_42_a_failed_run_leaves_masks_changed_by_hand_alone(
    assessor, started, loaded, placed, weights, ct
):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    edit(volumeNode, ct.hu > 40)
    started[-1].failing = True
    with pytest.raises(WorkerError):
        assessor.assess(volumeNode, markupsNode, weights)
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu > 40)
    assert not savedAssessments(volumeNode)


def test_nodules_are_the_points_then_what_has_lost_its_point(assessor, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(A=CENTRE_LPS_MM, B=CENTRE_LPS_MM, C=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    markupsNode.RemoveNthControlPoint(0)
    markupsNode.SetNthControlPointPosition(1, 0, 0, 0)
    markupsNode.AddControlPoint([0, 0, 0], "D")
    nodules = sceneNodules(volumeNode, markupsNode)
    told = [(n.name, n.index, n.assessment is not None, n.moved) for n in nodules]
    assert told == [
        ("B", 0, True, False),
        ("C", 1, True, True),
        ("D", 2, False, False),
        ("A", None, True, False),
    ]


def test_a_deleted_nodule_leaves_nothing(assessor, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(A=CENTRE_LPS_MM, B=CENTRE_LPS_MM)
    assessor.assess(volumeNode, markupsNode, weights)
    deleteNodule(sceneNodules(volumeNode, markupsNode)[0], volumeNode, markupsNode)
    assert markupsNode.GetNumberOfControlPoints() == 1
    assert results(volumeNode) == (["B"],) * 3


def test_thresholds_and_cascade_reach_the_assessment(assessor, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    choices = {"thresholds": {"malignancy": 0.9}, "cascade": True}
    run = assessor.assess(volumeNode, placed(A=CENTRE_LPS_MM), weights, **choices)
    tasks = run.assessments[0].tasks
    assert (tasks["malignancy"].decision, tasks["malignancy"].threshold) == ("benign", 0.9)
    assert tasks["invasiveness"].mean is None


def test_the_report_shows_every_nodule_with_its_mask_as_it_is_now(
    assessor, loaded, placed, weights, ct, tmp_path
):
    volumeNode = loaded(ct)
    assessor.assess(volumeNode, placed(A=CENTRE_LPS_MM, B=CENTRE_LPS_MM), weights)
    edit(volumeNode, ct.hu > 40, "B")
    remeasure(volumeNode)
    assessments = list(savedAssessments(volumeNode).values())
    reportWriter(
        assessments,
        volumeNode,
        lambda one: advise(one, Patient(age=62)),
        tmp_path / "report.html",
    )()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for words in ("mesh3d", "Research use only", "corrected by hand", "Brock 2b", "Mayo"):
        assert words in page, words


def test_a_mask_read_back_keeps_what_it_rests_on(assessor, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    (drawn,) = assessor.assess(volumeNode, placed(A=CENTRE_LPS_MM), weights).assessments
    (read,) = withMasks(volumeNode, ctFromNode(volumeNode))
    assert read.nodule.evidence == drawn.nodule.evidence
    np.testing.assert_array_equal(read.mask, drawn.mask)
    edit(volumeNode, ct.hu > 40, "A")
    remeasure(volumeNode)
    assert withMasks(volumeNode, ctFromNode(volumeNode))[0].nodule.evidence == "reader"


@pytest.fixture
def from_dicom(loaded, tmp_path, monkeypatch):
    """A CT as Slicer's DICOM module loads a series."""
    files = write_series(
        tmp_path / "series", made_ct().hu, spacing_mm=(0.8, 0.8, 1.5), StudyInstanceUID="1.2.3"
    )
    instances = {f"1.2.{k}": str(file) for k, file in enumerate(files)}
    database = SimpleNamespace(fileForInstance=lambda instance: instances.get(instance, ""))
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)
    ct = read_ct(tmp_path / "series")
    volumeNode = loaded(ct)
    volumeNode.SetAttribute("DICOM.instanceUIDs", " ".join(instances))
    return volumeNode, ct


def test_nodules_become_dicom_on_the_series_own_slices(
    assessor, from_dicom, placed, weights, tmp_path
):
    volumeNode, ct = from_dicom
    middle = ct.point_of((np.array(ct.hu.shape[::-1]) - 1) / 2)
    (drawn,) = assessor.assess(volumeNode, placed(A=middle), weights).assessments
    dicomWriter(volumeNode, tmp_path / "out")()
    segmentation = dcmread(tmp_path / "out" / "nodules.seg.dcm")
    assert int(segmentation.pixel_array.sum()) == int(drawn.mask.sum())
    assert (tmp_path / "out" / "nodules.sr.dcm").is_file()


def test_a_ct_without_dicom_cannot_become_dicom(assessor, loaded, placed, weights, ct, tmp_path):
    volumeNode = loaded(ct)
    assessor.assess(volumeNode, placed(A=CENTRE_LPS_MM), weights)
    with pytest.raises(OutputError, match="DICOM module"):
        dicomWriter(volumeNode, tmp_path)


def test_fault_29_a_hundred_points_are_all_assessed(assessor, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    markupsNode = placed(**{f"N{index}": CENTRE_LPS_MM for index in range(100)})
    assessor.assess(volumeNode, markupsNode, weights)
    assert [len(found) for found in results(volumeNode)] == [100] * 3


def in_terminal(ct_path: Path, point_lps_mm, weights: Path, out: Path) -> Assessment:
    place = ",".join(f"{value:.9f}" for value in point_lps_mm)
    arguments = [
        "assess",
        str(ct_path),
        f"--point={place}",
        "--out",
        str(out),
        "--weights",
        str(weights),
    ]
    told = CliRunner().invoke(app, [*arguments, "--device", "cpu"])
    assert told.exit_code == 0, told.output
    return load_assessment(out)


@pytest.mark.parametrize("kind", ["oblique", "transformed"])
def test_the_scene_and_the_terminal_agree(
    kind, loaded, placed, stored_away, transformed, weights, tmp_path, monkeypatch
):
    """On an oblique CT, and on one that a transform brings where the file has it: real networks in
    both."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    ct = made_ct(OBLIQUE, (1.0, 1.0, 2.0))
    sitk.WriteImage(ct.to_sitk(), str(tmp_path / "ct.nrrd"))
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    if kind == "transformed":
        stored_away(volumeNode, markupsNode, rigid())
        for node in (volumeNode, markupsNode):
            transformed(node, rigid())
    assessor = SceneAssessor()
    (shown,) = assessor.assess(volumeNode, markupsNode, weights, "cpu").assessments
    assessor.close()
    expected = in_terminal(tmp_path / "ct.nrrd", CENTRE_LPS_MM, weights, tmp_path / "out")
    for task, result in expected.tasks.items():
        assert shown.tasks[task].decision == result.decision
        assert shown.tasks[task].mean == (
            None if result.mean is None else pytest.approx(result.mean, abs=1e-4)
        )
    np.testing.assert_array_equal(segment_mask(volumeNode), expected.mask)
    assert [m.value for m in shown.measurements] == pytest.approx(
        [m.value for m in expected.measurements], rel=1e-4
    )


def test_nothing_selected_is_refused(assessor, placed):
    with pytest.raises(NoduleRiskError, match="Select a CT"):
        assessor.assess(None, placed(N1=CENTRE_LPS_MM))


def test_an_unknown_weight_set_is_refused(assessor, loaded, placed, ct):
    with pytest.raises(WeightsError):
        assessor.assess(loaded(ct), placed(N1=CENTRE_LPS_MM), "no such set")


def test_what_the_module_can_do_loads_without_what_the_user_has_yet_to_install():
    later = [
        "torch",
        "openvino",
        "safetensors",
        "h5py",
        "platformdirs",
        "plotly",
        "matplotlib",
        "pydicom",
    ]
    ours = ", ".join(
        f"LungNoduleRiskLib.{name}" for name in ("assessing", "comparing", "exporting")
    )
    code = f"import sys, {ours}; print(*set({later}) & set(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=MODULE, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == ""


def imported(path: Path) -> set[str]:
    """Packages that a file imports as soon as it is loaded."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def test_slicer_loads_the_module_file_without_numpy_or_the_rest():
    assert imported(MODULE / "LungNoduleRisk.py") == {"pathlib", "sys", "typing", "slicer"}


@pytest.mark.parametrize(
    "path", sorted((MODULE / "LungNoduleRiskLib").rglob("*.py")), ids=lambda path: path.stem
)
def test_only_widgets_know_of_qt(path):
    assert path.parent.name == "widgets" or not {"qt", "ctk"} & imported(path)
