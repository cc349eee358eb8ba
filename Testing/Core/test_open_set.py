"""The bundled weight set on the bundled CT: what a new user sees first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nodulerisk.assess import assess
from nodulerisk.cli import app
from nodulerisk.ct import read_ct
from nodulerisk.engine import Engine
from nodulerisk.points import read_points
from nodulerisk.weights import load_weight_set

SAMPLES = Path(__file__).parents[2] / "Resources" / "SampleData"
CLICKS_MM = [(2, 0, 0), (0, -2, 0), (0, 0, 2), (-1.2, 1.2, 1.0)]


@pytest.fixture(scope="module")
def open_set():
    return load_weight_set("open")


@pytest.fixture(scope="module")
def engine(open_set):
    return Engine(open_set, "cpu")


@pytest.fixture(scope="module")
def ct():
    return read_ct(SAMPLES / "demo-chest-ct.zip")


@pytest.fixture(scope="module")
def point():
    return np.array(read_points(SAMPLES / "demo-point.mrk.json")[0].lps_mm)


@pytest.fixture(scope="module")
def first(ct, point, open_set, engine):
    return assess(ct, point, open_set, networks=engine)


def test_the_set_is_small_and_says_what_it_rests_on(open_set):
    assert sum(file.stat().st_size for file in open_set.folder.iterdir()) < 25e6
    task = open_set.tasks["malignancy"]
    assert (task.evidence.level, open_set.mask_evidence.level) == ("reader", "reader")
    assert {"AUC", "AUC of diameter alone"} <= set(task.evidence.figures)
    assert all(low <= value <= high for value, low, high in task.evidence.figures.values())
    assert task.evidence.patients > 50
    assert all(open_set.tasks[name].evidence.level == "none" for name in ("invasiveness", "grade", "subtype"))
    assert "LIDC" in open_set.attribution


def test_its_card_can_be_read_in_the_terminal():
    shown = CliRunner().invoke(app, ["show-weights"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    for words in ("AUC of diameter alone 0.", "reader: radiologists", "none: no public CT data", "Research use only"):
        assert words in shown.stdout


def test_the_demo_nodule_is_found_and_its_scan_is_flagged(first, ct):
    size = next(m.value for m in first.measurements if m.name == "equivalent diameter")
    assert 12 < size < 25  # about 2 cm by eye
    voxels = np.argwhere(first.mask)
    offset = ct.point_of(voxels.mean(axis=0)[::-1]) - first.point_lps_mm
    assert np.linalg.norm(offset) < 5
    codes = {check.code for check in first.checks}
    assert {"thick-slices", "contrast", "sharp-kernel"} <= codes
    assert "no-nodule" not in codes
    assert first.tasks["malignancy"].evidence == "reader"
    assert first.tasks["grade"].mean is None


@pytest.mark.parametrize("click", CLICKS_MM)
def test_fault_32_a_click_2_mm_off_gives_the_same_answer(first, ct, point, open_set, engine, click):
    other = assess(ct, point + click, open_set, networks=engine)
    assert other.tasks["malignancy"].decision == first.tasks["malignancy"].decision
    assert 2 * (first.mask & other.mask).sum() / (first.mask.sum() + other.mask.sum()) >= 0.9


@pytest.mark.parametrize(("place", "hu"), [("air outside the chest", (-1100, -950)), ("soft tissue", (20, 80))])
def test_fault_26_points_where_no_nodule_is_are_flagged(shared, open_set, engine, place, hu):
    whole = read_ct(shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip")
    rng = np.random.default_rng(0)
    voxels = np.argwhere((whole.hu[40:60] >= hu[0]) & (whole.hu[40:60] <= hu[1]))[:, ::-1] + (0, 0, 40)
    points = [whole.point_of(v) for v in rng.choice(voxels, 10)]
    flagged = [
        {"no-nodule", "no-lung"} & {c.code for c in assess(whole, p, open_set, networks=engine).checks} for p in points
    ]
    assert sum(map(bool, flagged)) >= 8, place
