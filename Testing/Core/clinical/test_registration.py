"""Where nodules lie in a later scan, and the growth of one with a known doubling time in a real
chest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_follow_up import (
    PLACE_LPS_MM,
    SAMPLE,
    TUMOUR_LPS_MM,
    Scan,
    first_scan,
    later_scan,
    motion_of,
)
from nodulerisk.assess import assess
from nodulerisk.clinical.followup import doubling_days, follow_up
from nodulerisk.clinical.registration import Alignment, Pair, align, proposed
from nodulerisk.clinical.repeatability import SOLID_VOLUME
from nodulerisk.ct.points import Point
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.measure import measure
from nodulerisk.weights.store import load_weight_set

DAYS = DOUBLING_DAYS = 180
RADIUS_MM = 5.0
MOTION = motion_of()


@pytest.fixture(scope="module")
def first() -> Scan:
    return first_scan(RADIUS_MM)


@pytest.fixture(scope="module")
def later(first) -> Scan:
    return later_scan(first, RADIUS_MM * 2 ** (1 / 3), MOTION)


@pytest.fixture(scope="module")
def alignment(first, later) -> Alignment:
    return align(first.ct, later.ct)


def points(*places) -> list[Point]:
    return [Point(f"N{number}", tuple(place)) for number, place in enumerate(places, start=1)]


def error_mm(alignment: Alignment, motion=MOTION, place=PLACE_LPS_MM) -> float:
    return float(np.linalg.norm(alignment.moved(place) - motion.TransformPoint(place)))


def shown(ct: CT, axes: tuple[int, int, int]) -> CT:
    """The same CT with its array axes (z, y, x) reordered and the first one flipped."""
    order = [2 - axes[2], 2 - axes[1], 2 - axes[0]]  # of x, y, z
    turned = replace(
        ct,
        hu=np.ascontiguousarray(ct.hu.transpose(axes)[::-1]),
        spacing_mm=tuple(ct.spacing_mm[axis] for axis in order),
        direction=ct.direction[:, order] * (1, 1, -1),
    )
    last = np.zeros(3)
    last[order[2]] = ct.hu.shape[axes[0]] - 1
    return replace(turned, origin_lps_mm=tuple(ct.point_of(last)))


def test_a_moved_chest_is_aligned(alignment):
    assert error_mm(alignment) < 1.5
    assert error_mm(alignment, place=TUMOUR_LPS_MM) < 1.5
    assert alignment.correlation > 0.9
    assert np.allclose(alignment.matrix[:3, :3] @ alignment.matrix[:3, :3].T, np.eye(3), atol=1e-6)


def test_the_same_scans_give_the_same_alignment(first, later, alignment):
    assert np.array_equal(align(first.ct, later.ct).matrix, alignment.matrix)


def test_a_conversion_there_and_back_changes_nothing(first, later, alignment):
    back = align(later.ct, first.ct)
    assert np.linalg.norm(back.moved(alignment.moved(PLACE_LPS_MM)) - PLACE_LPS_MM) < 1.5


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_axes_may_run_in_any_order(first, later, axes):
    turned = shown(later.ct, axes)
    assert np.array_equal(to_lps(turned).hu, later.ct.hu)
    assert error_mm(align(first.ct, turned)) < 1.5


def test_scans_may_lie_apart_and_overlap_in_part(first, later):
    far = np.array((300.0, -200.0, 1000.0))
    lower, upper = first.ct.hu[:120], later.ct.hu[30:]
    before = replace(first.ct, hu=lower)
    after = replace(later.ct, hu=upper, origin_lps_mm=tuple(later.ct.point_of((0, 0, 30)) + far))
    assert np.linalg.norm(align(before, after).moved(PLACE_LPS_MM) - far - later.place_lps_mm) < 1.5


def test_thick_slices_are_aligned_with_thin_ones(later):
    assert error_mm(align(read_ct(SAMPLE), later.ct)) < 1.5


def test_progress_is_reported(first, later):
    said = []
    align(first.ct, later.ct, lambda stage, share: said.append((stage, share)))
    assert said == [("finding the lungs", 0.0), ("aligning the lungs", 0.3)]


@pytest.mark.parametrize("axis", [0, 2])
def test_another_chest_is_refused(first, later, axis):
    """Upside down or mirrored, as no patient can be."""
    with pytest.raises(NoduleRiskError, match="same patient"):
        align(first.ct, replace(later.ct, hu=np.flip(later.ct.hu, axis)))


def test_another_patient_is_refused(data, first):
    other = read_ct(data / "chest_crop_no_nodule_3mm.nii.gz")
    for pair in ((first.ct, other), (other, first.ct)):
        with pytest.raises(NoduleRiskError, match="same patient"):
            align(*pair)


def test_a_ct_without_lung_is_refused(first, later):
    tissue = replace(
        first.ct, hu=np.random.default_rng(0).normal(40, 20, first.ct.hu.shape).astype(np.int16)
    )
    with pytest.raises(NoduleRiskError, match="too little lung"):
        align(tissue, later.ct)
    with pytest.raises(NoduleRiskError, match="same patient"):
        align(later.ct, tissue)


def test_a_slab_too_thin_to_align_is_refused(first, later):
    with pytest.raises(NoduleRiskError, match="too little lung"):
        align(replace(first.ct, hu=first.ct.hu[:2]), later.ct)
    with pytest.raises(NoduleRiskError, match="same patient"):
        align(first.ct, replace(later.ct, hu=later.ct.hu[:2]))


def test_scans_turned_by_ten_degrees_are_aligned(first):
    motion = motion_of((6.0, -8.0, 4.0), (-15.0, 10.0, 20.0))
    assert error_mm(align(first.ct, later_scan(first, RADIUS_MM, motion).ct), motion) < 1.5


def test_the_moved_nodule_is_proposed(first, later, alignment):
    before = points(TUMOUR_LPS_MM, PLACE_LPS_MM)
    after = points(later.place_lps_mm, MOTION.TransformPoint(TUMOUR_LPS_MM))
    found = proposed(before, after, alignment)
    assert {(pair.before.name, pair.after.name) for pair in found.pairs} == {
        ("N1", "N2"),
        ("N2", "N1"),
    }
    assert all(pair.distance_mm < 1.5 for pair in found.pairs)
    assert (found.gone, found.new) == ((), ())


def test_each_point_is_in_one_pair_and_the_nearest_come_first():
    still = Alignment(np.eye(4), 1.0)
    before = points((0, 0, 0), (10, 0, 0), (100, 0, 0))
    after = points((9, 0, 0), (40, 0, 0), (-4, 0, 0))
    found = proposed(before, after, still)
    assert found.pairs == (Pair(before[1], after[0], 1.0), Pair(before[0], after[2], 4.0))
    assert (found.gone, found.new) == ((before[2],), (after[1],))
    assert proposed(before, after, still, within_mm=3).pairs == found.pairs[:1]
    assert proposed([], after, still).new == tuple(after)
    assert proposed(before, [], still).gone == tuple(before)


def test_a_pair_that_the_user_denies_becomes_two_nodules():
    before, after = points((0, 0, 0), (50, 0, 0)), points((1, 0, 0), (52, 0, 0))
    found = proposed(before, after, Alignment(np.eye(4), 1.0)).confirmed(
        lambda pair: pair.before.name == "N1"
    )
    assert [pair.before.name for pair in found.pairs] == ["N1"]
    assert (found.gone, found.new) == ((before[1],), (after[1],))


def test_the_true_masks_give_the_true_doubling_time(first, later):
    before, after = measure(first.mask, first.ct), measure(later.mask, later.ct)
    assert follow_up(before, after, DAYS, subsolid=False).volume_doubling_days == pytest.approx(
        DOUBLING_DAYS, rel=0.02
    )


def test_the_open_weights_recover_the_doubling_time_within_its_interval(first, later, alignment):
    weights = load_weight_set("open")
    engine = Engine(weights, "cpu")
    before = assess(first.ct, PLACE_LPS_MM, weights, networks=engine)
    after = assess(later.ct, alignment.moved(PLACE_LPS_MM), weights, networks=engine)
    found = follow_up(before.measurements, after.measurements, DAYS, subsolid=False)
    low, high = (
        doubling_days(1, 2 * factor, DAYS) for factor in (1 + SOLID_VOLUME, 1 - SOLID_VOLUME)
    )
    assert low < found.volume_doubling_days < high
    assert found.is_grown_by_bts and found.growth == "growing"
