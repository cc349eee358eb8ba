"""The surface of ground glass lies at the half maximum, however wide it was drawn; that of a
part-solid nodule where its glass ends, though the network draws little more than its core."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nodulerisk.checks import GLASS_LEFT_OUT, TOUCHED, CheckKind
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.findings import surroundings_checks
from nodulerisk.nodule.mask import nodule_mask
from nodulerisk.nodule.measure import measure
from nodulerisk.nodule.surface import at_half_maximum

LUNG_HU, GLASS_HU, SOLID_HU = -850, -600, 30
SPACING_MM = np.array([0.7, 0.7, 1.0])  # x, y, z
SIDE = np.array([60, 60, 42])
POINT = (3.0, -4.0, 5.0)
GRID = Grid(np.array(POINT) - 24, 0.75 * np.eye(3))
STRAIGHT = np.eye(3)
SAGITTAL = np.eye(3)[[2, 0, 1]]
OBLIQUE = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
AIM = 0.15  # of volumes


def away_mm(positions: np.ndarray) -> np.ndarray:
    return np.linalg.norm(positions - POINT, axis=-1)


def on_grid() -> np.ndarray:
    """LPS mm of the map's voxels, (z, y, x, 3)."""
    voxels = np.moveaxis(np.indices((64, 64, 64)), 0, -1)[..., ::-1]
    return GRID.origin_lps_mm + voxels @ GRID.axes.T


def seen(
    diameter_mm: float,
    hu: float,
    direction: np.ndarray = STRAIGHT,
    core_mm: float = 0,
    vessel_mm: float = 3,
) -> CT:
    """A blurred ball at the point in noisy lung, with a solid core, crossed by a vessel."""
    origin = np.array(POINT) - direction @ (SPACING_MM * (SIDE - 1) / 2)
    voxels = np.moveaxis(np.indices(SIDE[::-1]), 0, -1)[..., ::-1]
    positions = origin + (voxels * SPACING_MM) @ direction.T
    share, core = (share_of(away_mm(positions) - mm / 2) for mm in (diameter_mm, core_mm))
    beside = np.linalg.norm((positions - POINT)[..., 1:], axis=-1)
    vessel = gaussian_filter(np.clip(vessel_mm / 2 - beside, 0, 1), 0.7)
    noise = np.random.default_rng(5).normal(0, 25, share.shape)
    glass = LUNG_HU + (hu - LUNG_HU) * share + (SOLID_HU - hu) * core * (core_mm > 0)
    values = np.rint(np.maximum(glass, LUNG_HU + 880 * vessel) + noise).astype(np.int16)
    return CT(values, tuple(SPACING_MM), tuple(origin), direction)


def share_of(distance_mm: np.ndarray) -> np.ndarray:
    """The share of every voxel that lies inside, blurred."""
    return gaussian_filter(np.clip(0.5 - distance_mm / 0.7, 0, 1), 0.55 / SPACING_MM[::-1])


def drawn(ct: CT, diameter_mm: float, too_wide_mm: float):
    """The ball's mask, drawn too wide, with a stump of the vessel."""
    positions = on_grid()
    distance = away_mm(positions) - diameter_mm / 2 - too_wide_mm
    stump = np.linalg.norm((positions - POINT)[..., 1:], axis=-1) - 1.0
    stump = np.maximum(stump, np.abs(positions[..., 0] - POINT[0]) - diameter_mm / 2 - 3)
    probability = np.clip(0.5 - np.minimum(distance, stump) / 1.5, 0, 1).astype(np.float32)
    return nodule_mask(probability, GRID, ct, POINT, "reader")


def bias(nodule, diameter_mm: float) -> float:
    volume = int(nodule.region.sum()) * float(SPACING_MM.prod())
    return volume / (np.pi / 6 * diameter_mm**3) - 1


@pytest.mark.parametrize(
    ("diameter_mm", "too_wide_mm", "direction"),
    [(8, 0.4, STRAIGHT), (8, 0.4, OBLIQUE), (12, 0.4, SAGITTAL), (12, -0.4, OBLIQUE)],
)
def test_ground_glass_has_its_own_volume_however_it_was_drawn(diameter_mm, too_wide_mm, direction):
    ct = seen(diameter_mm, GLASS_HU, direction)
    nodule = drawn(ct, diameter_mm, too_wide_mm)
    assert abs(bias(nodule, diameter_mm)) > AIM
    assert abs(bias(at_half_maximum(nodule, ct, POINT), diameter_mm)) < AIM


@pytest.mark.parametrize("hu", [SOLID_HU, LUNG_HU + 60])
def test_solid_nodules_and_the_faintest_stay_as_drawn(hu):
    ct = seen(16, hu)
    nodule = drawn(ct, 16, 0.4)
    assert at_half_maximum(nodule, ct, POINT) is nodule


def test_a_mask_that_rounding_would_take_away_stays():
    ct = seen(10, GLASS_HU)
    probability = np.zeros((64, 64, 64), np.float32)
    probability[32, 32, 32] = 1
    nodule = nodule_mask(probability, GRID, ct, POINT, "reader")
    assert at_half_maximum(nodule, ct, POINT) is nodule


def is_said(kind: CheckKind, nodule, ct: CT) -> bool:
    return kind.among(surroundings_checks(nodule, measure(nodule, ct), ct))


@pytest.mark.parametrize(
    ("diameter_mm", "core_mm", "too_wide_mm", "direction"),
    [(15, 7.5, -0.7, STRAIGHT), (15, 7.5, -1.6, OBLIQUE), (20, 12, -1.5, SAGITTAL)],
)
def test_a_part_solid_nodule_is_measured_with_its_glass(
    diameter_mm, core_mm, too_wide_mm, direction
):
    ct = seen(diameter_mm, GLASS_HU, direction, core_mm)
    nodule = drawn(ct, diameter_mm, too_wide_mm)
    assert bias(nodule, diameter_mm) < -AIM
    mended = at_half_maximum(nodule, ct, POINT)
    assert abs(bias(mended, diameter_mm)) < AIM
    assert not is_said(GLASS_LEFT_OUT, mended, ct)


def test_glass_that_is_too_wide_to_be_taken_in_is_said():
    ct = seen(18, GLASS_HU, core_mm=8)
    nodule = at_half_maximum(drawn(ct, 18, -4), ct, POINT)
    assert bias(nodule, 18) < -AIM and is_said(GLASS_LEFT_OUT, nodule, ct)


@pytest.mark.parametrize("too_wide_mm", [0.4, -0.4])
def test_around_a_solid_nodule_there_is_no_glass(too_wide_mm):
    ct = seen(16, SOLID_HU)
    assert not is_said(GLASS_LEFT_OUT, drawn(ct, 16, too_wide_mm), ct)


@pytest.mark.parametrize(
    ("diameter_mm", "vessel_mm", "said"), [(8, 6, True), (8, 0, False), (20, 6, False)]
)
def test_a_vessel_that_touches_a_small_nodule_is_said(diameter_mm, vessel_mm, said):
    ct = seen(diameter_mm, SOLID_HU, vessel_mm=vessel_mm)
    assert is_said(TOUCHED, drawn(ct, diameter_mm, 0), ct) == said
