"""Radiomics: equal to PyRadiomics where it has the quantity, independent of how a CT is stored, and
finite on the smallest and thickest masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from made_shapes import GLASS_HU, SOLID_HU, ellipsoid, reoriented, shaded
from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.mask import hand_mask
from nodulerisk.nodule.quantities import RADIOMICS
from nodulerisk.nodule.radiomics import elongation, largest_slice, patch_of, radiomics

# PyRadiomics 3.1.1 (commit 8ed5793) on the patches of ``shaded``: VoxelVolume of the mask as it is,
# PixelSurface and Elongation (shape2D) of the largest slice, first-order Mean of core and border.
PYRADIOMICS = {
    ((6, 6, 6), (0.7, 0.7, 1.0)): {
        "log volume": 6.79981365735661,
        "log axial area": 4.653960350157523,
        "axial elongation": 1.0,
        "core minus border": 619.9042260698391,
    },
    ((9, 5, 4), (0.6, 0.6, 1.25)): {
        "log volume": 6.636340178994228,
        "log axial area": 4.875197323201151,
        "axial elongation": 0.6029563317755017,
        "core minus border": 498.7132882842832,
    },
    ((7, 4, 6), (0.8, 0.8, 2.5)): {
        "log volume": 6.5384292174898455,
        "log axial area": 4.51085950651685,
        "axial elongation": 0.6589863035049904,
        "core minus border": 535.1684700490872,
    },
}


@pytest.mark.parametrize("shape", PYRADIOMICS)
def test_values_are_those_of_pyradiomics(shape):
    found = radiomics(*shaded(*shape))
    assert found.keys() == RADIOMICS.keys()
    for name, value in PYRADIOMICS[shape].items():
        assert found[name] == pytest.approx(value, rel=1e-6), name


@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
@settings(max_examples=25, deadline=None)
def test_a_ct_stored_in_any_of_the_48_orders_has_the_same_radiomics(order, flips):
    nodule, ct = shaded((9, 5, 4), (0.6, 0.6, 1.25))
    stored = reoriented(ct, order, flips)
    mask = reoriented(replace(ct, hu=nodule.on_ct().astype(np.int16)), order, flips).hu
    again = radiomics(hand_mask(mask, (0, 0, 0), stored), stored)
    assert again == pytest.approx(radiomics(nodule, ct), rel=1e-9)


@given(st.lists(st.integers(0, 9), min_size=6, max_size=6))
@settings(max_examples=25, deadline=None)
def test_the_same_voxels_cropped_otherwise_have_the_same_radiomics(cut):
    nodule, ct = ellipsoid((6, 4, 5), hu=60)
    wide = CT(np.pad(ct.hu, 10, constant_values=-850), ct.spacing_mm, (0.0, 0.0, 0.0))
    box = tuple(slice(a, n - b) for a, b, n in zip(cut[::2], cut[1::2], wide.hu.shape, strict=True))
    first = tuple(a + 10 - b for a, b in zip(nodule.first_voxel, cut[::2], strict=True))
    cropped = replace(wide, hu=wide.hu[box].copy())
    moved = replace(nodule, first_voxel=first, ct_shape=cropped.hu.shape)
    assert radiomics(moved, cropped) == pytest.approx(radiomics(nodule, ct), rel=1e-9)


@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.tuples(*[st.floats(0.3, 8.0)] * 3),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=100, deadline=None)
def test_every_mask_has_finite_radiomics(shape, spacing, seed):
    rng = np.random.default_rng(seed)
    region = (rng.random(shape) < 0.5).astype(np.uint8)
    region[tuple(rng.integers(shape))] = 1
    hu = rng.integers(-3024, 3072, tuple(n + 2 for n in shape)).astype(np.int16)
    ct = CT(hu, spacing, (0.0, 0.0, 0.0))
    found = radiomics(hand_mask(region, tuple(rng.integers(0, 3, 3).tolist()), ct), ct)
    assert found.keys() == RADIOMICS.keys() and np.isfinite(list(found.values())).all()
    assert 0 <= found["axial elongation"] <= 1 and 0 <= found["calcified fraction"] <= 1


def test_an_empty_mask_has_none():
    grid = Grid(np.zeros(3), np.eye(3))
    empty = NoduleMask(
        np.zeros((0, 0, 0), np.uint8), (0, 0, 0), (5, 5, 5), np.zeros((1, 1, 1)), grid, "reader"
    )
    assert radiomics(empty, CT(np.zeros((5, 5, 5), np.int16), (1, 1, 1), (0, 0, 0))) == {}


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.7, 0.7, 1.0), (0.8, 0.8, 2.5)])
def test_a_12_mm_ball_measures_12_mm_at_any_voxel_size(spacing):
    found = radiomics(*ellipsoid((6, 6, 6), spacing_mm=spacing))
    assert found["log volume"] == pytest.approx(np.log(4 / 3 * np.pi * 6**3), abs=0.1)
    assert found["log axial area"] == pytest.approx(np.log(np.pi * 6**2), abs=0.1)
    assert found["axial elongation"] == pytest.approx(1, abs=0.05)


def test_elongation_is_that_of_the_largest_axial_section():
    turned = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    assert radiomics(*ellipsoid((10, 5, 5), turned))["axial elongation"] == pytest.approx(
        0.5, abs=0.03
    )


def test_elongation_of_a_voxel_is_one_and_of_a_line_zero():
    assert elongation(np.eye(1, dtype=bool)) == 1
    assert elongation(np.ones((1, 5), bool)) == pytest.approx(0, abs=1e-9)


def test_among_equally_large_slices_the_most_elongated_counts():
    line, square = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    line[0], square[:2, :2] = True, True
    for order in ([line, square], [square, line]):
        assert np.array_equal(largest_slice(np.stack(order)), line)


def test_a_calcified_core_is_denser_than_its_border_and_counts_as_calcified():
    nodule, ct = ellipsoid((6, 6, 6))
    plain = radiomics(nodule, ct)
    ct.hu[_inner(nodule)] = 600
    calcified = radiomics(nodule, ct)
    assert plain["calcified fraction"] == 0
    assert calcified["calcified fraction"] == pytest.approx((3 / 6) ** 3, abs=0.06)
    assert calcified["core minus border"] > plain["core minus border"] + 400


def _inner(nodule: NoduleMask) -> np.ndarray:
    """bool on the CT's grid: within half of the radius of a ball's middle."""
    mask = nodule.on_ct() > 0
    voxels = np.moveaxis(np.indices(mask.shape), 0, -1) - np.argwhere(mask).mean(axis=0)
    return np.linalg.norm(voxels * (1.0, 0.7, 0.7), axis=-1) <= 3


def test_ground_glass_is_neither_calcified_nor_much_denser_inside():
    found = radiomics(*ellipsoid((8, 8, 8), hu=GLASS_HU))
    solid = radiomics(*ellipsoid((8, 8, 8), hu=SOLID_HU))
    assert found["calcified fraction"] == 0
    assert 0 <= found["core minus border"] < solid["core minus border"]


def test_padding_outside_the_field_of_view_counts_as_air():
    nodule, ct = ellipsoid((5, 5, 5), hu=-1024)
    padded = replace(ct, hu=np.where(nodule.on_ct() > 0, -3024, ct.hu).astype(np.int16))
    assert patch_of(nodule, padded).hu.min() == -1024
    assert radiomics(nodule, padded) == radiomics(nodule, ct)
