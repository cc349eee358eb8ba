"""The bundled weight set on the bundled CT: what a new user sees first."""

from __future__ import annotations

import csv
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from needs import SHARED, WHOLE_DATA
from nodulerisk.assess import assess
from nodulerisk.cli import app
from nodulerisk.ct.points import read_points
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine
from nodulerisk.evaluation.masks import dice
from nodulerisk.tasks import cascade_steps, in_group
from nodulerisk.weights.store import load_weight_set
from whole_ct import PLACES

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


@pytest.fixture(
    scope="module",
    params=[
        "half of the points, each in a crop",
        pytest.param("whole CT", marks=[pytest.mark.slow, pytest.mark.needs(WHOLE_DATA)]),
    ],
)
def places(request, data, shared, point):
    """Kind of place -> CTs and points in them, where there is no nodule."""
    if request.param == "whole CT":
        ct = read_ct(shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip")
        return {kind: [(ct, p) for p in points_in(ct, point)] for kind, points_in in PLACES.items()}
    with np.load(data / "no_nodule.npz") as arrays:
        spacing = tuple(arrays["spacing_mm"])
        found = {kind: [] for kind in PLACES}
        for kind, hu, origin, place in zip(
            *(arrays[name] for name in ("kind", "hu", "origin_lps_mm", "point_lps_mm")), strict=True
        ):
            found[str(kind)].append((CT(hu, spacing, tuple(origin)), place))
    return found


@pytest.fixture(scope="module")
def first(ct, point, open_set, engine):
    return assess(ct, point, open_set, networks=engine)


def test_the_set_is_small_and_says_what_it_rests_on(open_set):
    assert sum(file.stat().st_size for file in open_set.folder.rglob("*")) < 25e6
    task = open_set.tasks["malignancy"]
    assert (task.evidence.level, open_set.mask_evidence.level) == ("reader", "reader")
    assert {"AUC", "AUC of diameter alone"} <= set(task.evidence.figures)
    assert all(low <= value <= high for value, low, high in task.evidence.figures.values())
    assert task.evidence.patients > 50
    assert all(
        open_set.tasks[name].evidence.level == "simulated"
        for name in ("invasiveness", "grade", "subtype")
    )
    assert all(open_set.tasks[name].evidence.level == "reader" for name in in_group("appearance"))
    assert all(task.networks for task in open_set.tasks.values())
    assert all(open_set.tasks[name].calibration for name in chain(*cascade_steps()))
    assert "LIDC" in open_set.attribution


def test_malignancy_is_a_calibrated_model_that_beats_the_volume(open_set):
    task = open_set.tasks["malignancy"]
    figures = task.evidence.figures
    assert task.risk and task.size and "log volume" in task.risk.left_out
    assert figures["AUC"][0] >= 0.95 and figures["AUC within 6-12 mm"][0] >= 0.88
    assert figures["AUC minus that of volume alone"][1] > 0
    assert figures["calibration error"][0] <= 0.05


def test_its_card_can_be_read_in_the_terminal():
    shown = CliRunner().invoke(app, ["show-weights"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    said = (
        "AUC of diameter alone 0.",
        "reader: labels are radiologists",
        "simulated: simulated",
        "Research use only",
    )
    for words in said:
        assert words in " ".join(shown.stdout.split())


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
    assert first.tasks["grade"].evidence == "simulated"
    assert first.tasks["density"].decision == "solid"


@pytest.mark.parametrize("click", CLICKS_MM)
def test_fault_32_a_click_2_mm_off_gives_the_same_answer(first, ct, point, open_set, engine, click):
    other = assess(ct, point + click, open_set, networks=engine)
    assert other.tasks["malignancy"].decision == first.tasks["malignancy"].decision
    assert 2 * (first.mask & other.mask).sum() / (first.mask.sum() + other.mask.sum()) >= 0.9


@pytest.mark.parametrize("place", ["air outside the chest", "soft tissue"])
def test_fault_26_points_where_no_nodule_is_are_flagged(places, open_set, engine, place):
    flagged = [
        {"no-nodule", "no-lung"} & {c.code for c in assess(ct, p, open_set, networks=engine).checks}
        for ct, p in places[place]
    ]
    assert len(flagged) >= 5 and np.mean([bool(codes) for codes in flagged]) >= 0.8


def test_the_card_says_what_its_evaluation_says(open_set):
    """The figures on the card are those of the evaluation's table, which lies beside it; those of
    malignancy are its risk model's, cross-validated when it was fitted."""
    for data, tasks in (
        ("lidc", in_group("appearance")),
        ("simulated", ("invasiveness", "grade", "subtype")),
    ):
        with (open_set.folder / "evaluation" / data / "figures.csv").open(
            encoding="utf-8-sig", newline=""
        ) as file:
            rows = [row for row in csv.DictReader(file) if row["group"] == "all"]
        for task in tasks:
            table = {row["figure"]: float(row["value"]) for row in rows if row["task"] == task}
            card = {
                name: figures[0] for name, figures in open_set.tasks[task].evidence.figures.items()
            }
            assert card == pytest.approx({name: table[name] for name in card}, abs=1e-3)


def test_lung_without_a_nodule_is_mostly_said_to_hold_none(places, open_set, engine):
    answers = [assess(ct, p, open_set, networks=engine) for ct, p in places["lung"]]
    said = ["no-nodule" in {check.code for check in answer.checks} for answer in answers]
    assert len(said) >= 10 and np.mean(said) >= 0.7


@pytest.mark.slow
@pytest.mark.needs(WHOLE_DATA)
@pytest.mark.parametrize("name", ["Benign_001", "Benign_002", "Malignant_001", "Malignant_004"])
def test_nodules_with_real_lung_around_them_are_found_from_two_clicks(open_set, engine, name):
    """C-Lung-RADS; both benign ones are called malignant (``Docs/numbers.md``)."""
    folder = SHARED / "data" / "c_lung_rads" / name
    ct = read_ct(folder / "crop.nii.gz")
    marked = sitk.GetArrayFromImage(sitk.ReadImage(folder / "mask.nii.gz")) > 0
    centre = ct.point_of(np.argwhere(marked).mean(axis=0)[::-1])
    clicks = [assess(ct, centre + (x, 0, 0), open_set, networks=engine) for x in (0, 2)]
    for click in clicks:
        assert click.tasks["presence"].decision == "nodule"
        assert click.mask is not None and dice(click.mask > 0, marked) > 0.5
        if name.startswith("Malignant"):
            assert click.tasks["malignancy"].decision == "malignant"
    assert dice(*(click.mask > 0 for click in clicks)) > 0.9
