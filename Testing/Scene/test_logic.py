"""NoduleLogic on real MRML; but for one test made-up networks take the place of the child process."""

from __future__ import annotations

import ast
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from LungNoduleRiskLib.logic import NoduleLogic
from LungNoduleRiskLib.scene import resultNode, savedAssessments
from made_assessment import CENTRE_LPS_MM, RADIUS_MM
from made_weights import made_weights
from nodulerisk.errors import NoduleRiskError, WeightsError, WorkerError
from nodulerisk.weights import WeightSet

MODULE = Path(__file__).parents[2] / "LungNoduleRisk"
OUTSIDE_MM = (500.0, 0.0, 0.0)


class MadeNetworks:
    """Draws a ball in the cube's middle and finds every nodule malignant; can fail, and can wait to be cancelled."""

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
    """Every set of networks that the logic under test has started, in order."""
    return []


@pytest.fixture
def logic(started):
    def make(*args):
        started.append(MadeNetworks(*args))
        return started[-1]

    return NoduleLogic(make)


def results(volumeNode) -> tuple[list[str], list[str], list[str]]:
    """Names of the nodules that have a segment, a row and a saved assessment."""
    segmentationNode, tableNode = (resultNode(f"vtkMRML{kind}Node", volumeNode) for kind in ("Segmentation", "Table"))
    if tableNode is None:
        return [], [], []
    segments = list(segmentationNode.GetSegmentation().GetSegmentIDs())
    table = tableNode.GetTable()
    rows = [table.GetValueByName(row, "Nodule").ToString() for row in range(table.GetNumberOfRows())]
    return segments, rows, list(savedAssessments(volumeNode))


def test_every_point_is_assessed_and_shown(logic, loaded, placed, weights, ct):
    volumeNode, told = loaded(ct), []
    second = (CENTRE_LPS_MM[0] + 9, *CENTRE_LPS_MM[1:])
    run = logic.assess(volumeNode, placed(A=CENTRE_LPS_MM, B=second), weights, "cpu", lambda *news: told.append(news))
    assert not run.refusals
    assert results(volumeNode) == (["A", "B"],) * 3
    saved = savedAssessments(volumeNode)["B"]
    assert saved["tasks"]["malignancy"]["decision"] == "malignant"
    assert saved["point_lps_mm"] == list(second)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.9 < shares[-1] <= 1
    assert told[-1][0].startswith("B: ")


def test_real_networks_in_a_child_process_draw_the_nodule(loaded, placed, weights, ct, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    volumeNode, logic = loaded(ct), NoduleLogic()
    off_centre = np.add(CENTRE_LPS_MM, (3, -2, 1))
    run = logic.assess(volumeNode, placed(N1=off_centre), weights, "cpu")
    logic.close()
    assert results(volumeNode) == (["N1"],) * 3
    segmentationNode = resultNode("vtkMRMLSegmentationNode", volumeNode)
    drawn = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, "N1", volumeNode).astype(bool)
    nodule = ct.hu == 30
    assert 2 * (drawn & nodule).sum() / (drawn.sum() + nodule.sum()) > 0.8
    assert run.assessments[0].provenance.device.startswith("CPU")


def test_the_networks_stay_warm_until_something_else_is_asked(logic, started, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    for device in ("cpu", "cpu", "auto"):
        logic.assess(volumeNode, markupsNode, weights, device)
    assert [networks.device for networks in started] == ["cpu", "auto"]
    assert [networks.cancelled.is_set() for networks in started] == [True, False]


def test_a_refused_point_does_not_stop_the_others(logic, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    run = logic.assess(volumeNode, placed(far=OUTSIDE_MM, near=CENTRE_LPS_MM), weights)
    assert results(volumeNode) == (["near"],) * 3
    assert "outside the CT" in run.refusals["far"]


def test_fault_42_a_refused_point_leaves_no_old_result(logic, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM, N2=CENTRE_LPS_MM)
    logic.assess(volumeNode, markupsNode, weights)
    x, y, z = OUTSIDE_MM
    markupsNode.SetNthControlPointPosition(0, -x, -y, z)
    assert "N1" in logic.assess(volumeNode, markupsNode, weights).refusals
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
    logic, started, loaded, placed, transformed, weights, tmp_path, ct, fail
):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    logic.assess(volumeNode, markupsNode, weights)
    assert results(volumeNode) == (["N1"],) * 3
    asked = {"weights": weights} | fail(
        started=started, volumeNode=volumeNode, transformed=transformed, tmp_path=tmp_path
    )
    with pytest.raises(NoduleRiskError):
        logic.assess(volumeNode, markupsNode, **asked)
    assert results(volumeNode) == ([], [], [])


def test_other_lists_keep_their_results(logic, loaded, placed, weights, ct):
    volumeNode = loaded(ct)
    logic.assess(volumeNode, placed(A=CENTRE_LPS_MM), weights)
    logic.assess(volumeNode, placed(B=CENTRE_LPS_MM), weights)
    assert results(volumeNode) == (["A", "B"],) * 3


def test_cancel_ends_the_run_and_the_next_one_starts_afresh(logic, started, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    logic.assess(volumeNode, markupsNode, weights)
    started[0].patient = True
    run = logic.prepare(volumeNode, markupsNode, weights)
    with ThreadPoolExecutor(1) as thread:
        future = thread.submit(logic.compute, run)
        assert started[0].waiting.wait(60)
        logic.cancel()
        with pytest.raises(WorkerError, match="cancelled"):
            future.result(60)
    assert results(volumeNode) == ([], [], [])
    logic.assess(volumeNode, markupsNode, weights)
    assert results(volumeNode) == (["N1"],) * 3
    assert len(started) == 2


def test_what_was_assessed_before_a_failure_is_shown(logic, started, loaded, placed, weights, ct):
    volumeNode, markupsNode = loaded(ct), placed(A=CENTRE_LPS_MM, B=CENTRE_LPS_MM)

    def fail_at_b(stage, share):
        started[-1].failing = stage.startswith("B")

    with pytest.raises(WorkerError):
        logic.assess(volumeNode, markupsNode, weights, progress=fail_at_b)
    assert results(volumeNode) == (["A"],) * 3


def test_nothing_selected_is_refused(logic, placed):
    with pytest.raises(NoduleRiskError, match="Select a CT"):
        logic.assess(None, placed(N1=CENTRE_LPS_MM))


def test_an_unknown_weight_set_is_refused(logic, loaded, placed, ct):
    with pytest.raises(WeightsError):
        logic.assess(loaded(ct), placed(N1=CENTRE_LPS_MM), "no such set")


def test_the_logic_loads_without_what_the_user_has_yet_to_install():
    later = ["torch", "openvino", "safetensors", "h5py", "platformdirs", "plotly", "matplotlib", "pydicom"]
    code = f"import sys, LungNoduleRiskLib.logic; print(*set({later}) & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=MODULE, capture_output=True, text=True, check=True)
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
    assert imported(MODULE / "LungNoduleRisk.py") == {"sys", "slicer"}


@pytest.mark.parametrize("path", sorted((MODULE / "LungNoduleRiskLib").glob("*.py")), ids=lambda path: path.stem)
def test_only_the_widget_knows_of_qt(path):
    assert ("qt" in imported(path)) == (path.stem == "widget")
