"""A nodule, or not: nothing is reported without a nodule; large lesions are measured; masks are
stable (fault rows 67 to 71)."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_assessment import CENTRE_LPS_MM, made_ct, positions_of
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.checks import (
    MASK_CUT,
    MASK_UNSTEADY,
    NO_NODULE,
    NOT_A_NODULE,
    TOO_LARGE_TO_DRAW,
)
from nodulerisk.ct.points import Point
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine
from nodulerisk.nodule.drawing import draw
from nodulerisk.nodule.measure import measure, value_of
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
from nodulerisk.outputs.nodule_tables import write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.words import headline
from nodulerisk.tasks import NO_PRESENCE, PRESENCE, TASKS
from nodulerisk.trust.withhold import withheld
from nodulerisk.weights.store import load_weight_set

SAMPLES = Path(__file__).parents[2] / "Resources" / "SampleData"
POINT = np.array(CENTRE_LPS_MM)
SOLID_HU, GLASS_HU = 30, -600
CLASS_WORDS = [word for name, task in TASKS.items() if name != PRESENCE for word in task.classes]


class Drawn:
    """The open set's networks, which draw a ball and give the probability of a nodule;
    ``shrinking`` from pass to pass."""

    device, checks = "CPU (made)", []

    def __init__(self, probability: float, radius: float = 8, shrinking: float = 1):
        self._answer = np.array([[1 - probability, probability]], np.float32)
        self._radius, self._shrinking = radius, shrinking
        self.asked: list[str] = []

    def predict(self, network, cubes):
        self.asked.append(network)
        if network != "unet":
            return (np.full((1, 20), 0.5, np.float32),)
        ticks = np.arange(64) - 31.5
        distance = np.sqrt(sum(t**2 for t in np.meshgrid(ticks, ticks, ticks, sparse=True)))
        radius, self._radius = self._radius, self._radius * self._shrinking
        return self._answer, (distance <= radius).astype(np.float32)[None, None]


@pytest.fixture(scope="module")
def open_set():
    return load_weight_set("open")


@pytest.fixture(scope="module")
def engine(open_set):
    return Engine(open_set, "cpu")


def assessed(open_set, networks, ct: CT | None = None) -> Assessment:
    return assess(ct or made_ct(), POINT, open_set, networks=networks)


def test_fault_67_what_is_no_nodule_is_asked_nothing_else(open_set):
    networks = Drawn(0.1)
    found = assessed(open_set, networks)
    assert set(networks.asked) == {"unet"}
    assert found.tasks[PRESENCE].decision == NO_PRESENCE
    others = [task for name, task in found.tasks.items() if name != PRESENCE]
    assert others and all(task.mean is None and task.decision is None for task in others)
    assert not found.nodule.region.any() and found.measurements == ()
    assert NOT_A_NODULE.among(found.checks) and NO_NODULE.among(found.checks)


@pytest.mark.parametrize("networks", [Drawn(0.1), Drawn(0.9, radius=0)], ids=["no", "no mask"])
def test_fault_68_no_output_has_a_class_word_for_what_is_no_nodule(open_set, networks, tmp_path):
    ct = made_ct()
    found = assessed(open_set, networks, ct)
    write_csv([Outcome(Point("N1", CENTRE_LPS_MM), found)], tmp_path / "nodules.csv")
    write_report([ReportNodule(ct, found)], tmp_path / "report.html")
    with (tmp_path / "nodules.csv").open(encoding="utf-8-sig", newline="") as file:
        row = next(csv.DictReader(file))
    decisions = {k: v for k, v in row.items() if k.endswith("_decision") and PRESENCE not in k}
    assert decisions and not any(decisions.values())
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    said = [word for word in CLASS_WORDS if f">{word}<" in report or f": {word}" in report]
    assert said == []


def test_what_is_a_nodule_is_asked_everything(open_set):
    found = assessed(open_set, Drawn(0.9))
    assert found.tasks[PRESENCE].decision != NO_PRESENCE
    assert all(task.mean is not None for task in found.tasks.values())
    assert not {"no-nodule", "not-a-nodule", "mask-unsteady"} & {c.code for c in found.checks}


def test_fault_70_a_mask_that_depends_on_the_click_withholds_the_decisions(open_set):
    found = assessed(open_set, Drawn(0.9, radius=10, shrinking=0.8))
    assert MASK_UNSTEADY.among(found.checks)
    assert "its mask depends on the click" in withheld(found)


@pytest.mark.parametrize(("diameter", "hu"), [(60, SOLID_HU), (60, GLASS_HU)])
def test_fault_69_a_lesion_larger_than_the_cube_is_measured(open_set, engine, diameter, hu):
    found = assess(lesion(diameter, hu), POINT, open_set, networks=engine)
    volume = value_of(found.measurements, "volume")
    assert volume == pytest.approx(np.pi / 6 * diameter**3, rel=0.15)
    assert found.tasks["malignancy"].decision == "malignant"
    assert not {MASK_CUT.code, TOO_LARGE_TO_DRAW.code} & {c.code for c in found.checks}


@pytest.mark.parametrize("hu", [SOLID_HU, GLASS_HU])
def test_fault_69_what_may_be_too_large_to_draw_is_never_called_no_nodule(open_set, hu):
    found = assess(lesion(150, hu), POINT, open_set, networks=Drawn(0.1, radius=0))
    check = next(check for check in found.checks if TOO_LARGE_TO_DRAW.among([check]))
    assert "larger than the 96 mm" in check.message
    assert found.stated(PRESENCE).decision is None
    assert TOO_LARGE_TO_DRAW.withholds in found.stated(PRESENCE).reasons
    assert TOO_LARGE_TO_DRAW.withholds in headline(found)


def test_in_aerated_lung_nothing_is_too_large_to_draw(open_set):
    found = assess(lesion(10, SOLID_HU), POINT, open_set, networks=Drawn(0.1, radius=0))
    assert NO_NODULE.among(found.checks) and not TOO_LARGE_TO_DRAW.among(found.checks)
    assert found.stated(PRESENCE).decision == NO_PRESENCE


def lesion(diameter_mm: float, hu: float) -> CT:
    """A ball in noisy lung of 120 mm."""
    host = made_ct(spacing_mm=(1.5, 1.5, 1.5))
    shape = (80, 80, 80)
    noise = np.random.default_rng(0).normal(-850, 30, shape)
    corner = tuple(POINT - 39.5 * 1.5)
    ct = replace(host, hu=np.rint(noise).astype(np.int16), origin_lps_mm=corner)
    distance = np.linalg.norm(positions_of(ct) - POINT, axis=-1)
    share = np.clip((diameter_mm / 2 - distance) / 1.5 + 0.5, 0, 1)
    values = ct.hu * (1 - share) + (hu + noise + 850) * share
    return replace(ct, hu=np.rint(values).astype(np.int16))


def test_fault_71_the_same_voxels_cropped_otherwise_measure_the_same(open_set, engine):
    whole = made_ct(spacing_mm=(0.8, 0.8, 1.5))
    sizes = []
    for first in ((0, 0, 0), (3, 7, 2), (5, 2, 9), (1, 11, 4)):
        z, y, x = first
        corner = tuple(whole.point_of((x, y, z)))
        ct = replace(whole, hu=whole.hu[z:, y:, x:].copy(), origin_lps_mm=corner)
        found = assess(ct, POINT, open_set, networks=engine)
        sizes.append([value_of(found.measurements, n) for n in ("mean diameter", "volume")])
    diameters, volumes = np.array(sizes).T
    assert np.ptp(diameters) <= 0.5
    assert np.ptp(volumes) <= 0.02 * volumes.mean()


def test_fault_71_a_real_nodule_cropped_otherwise_measures_the_same(open_set, engine):
    """In boxes drawn by lot that leave half of what the mask network sees on each side."""
    whole, point = read_ct(SAMPLES / "demo-thin-ct.mha"), np.array((187.0, 179.0, -258.0))
    rng, sizes = np.random.default_rng(71), []
    voxel, reach = whole.voxel_of(point), 24 / np.array(whole.spacing_mm)
    for _ in range(6):
        x, y, z = rng.integers(0, np.maximum(voxel - reach, 0).astype(int) + 1)
        shape = np.array(whole.hu.shape[::-1])
        least = np.minimum(np.ceil(voxel + reach).astype(int) + 1, shape)
        right, back, top = rng.integers(least, shape + 1)
        corner = tuple(whole.point_of((x, y, z)))
        ct = replace(whole, hu=whole.hu[z:top, y:back, x:right].copy(), origin_lps_mm=corner)
        measured = measure(draw(ct, point, open_set, engine).nodule, ct)
        sizes.append([value_of(measured, n) for n in ("long axis", "mean diameter", "volume")])
    long_axes, diameters, volumes = np.array(sizes).T
    assert np.ptp(long_axes) <= 0.5 and np.ptp(diameters) <= 0.5
    assert np.ptp(volumes) <= 0.02 * volumes.mean()
