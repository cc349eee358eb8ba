"""The published preprocessing against arrays computed with the authors' own code, in every
orientation."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from golden import ORIGIN_LPS_MM as ORIGIN
from golden import SIDES, golden_nodule
from made_assessment import made_ct
from made_shapes import reoriented
from nodulerisk.ct.cubes import (
    densesharp_cube,
    densesharp_grid,
    emv_views,
    lps_block,
    padded_fraction,
    patient_cube,
)
from nodulerisk.ct.volume import CT, Acquisition
from nodulerisk.errors import PointError
from nodulerisk.nodule.findings import block_checks

STEPS = {40: 3, 60: 6, 80: 6}  # of the recorded arrays, every n-th voxel is kept, and the sum


@pytest.fixture(scope="module")
def golden(data):
    return dict(np.load(data / "golden" / "preproc.npz"))


@pytest.mark.parametrize("volume", "AB")
@pytest.mark.parametrize("index", [0, 1])
def test_emv_views_equal_the_authors(golden, volume, index):
    ct, point = golden_nodule(golden, volume, index)
    for size, sides in SIDES.items():
        views, step = emv_views(ct, point, sides), (slice(None, None, STEPS[size]),) * 3
        name = f"{volume}{index}_views{size}"
        assert views.dtype == np.float32 and views.shape == (3, size, size, size)
        assert np.abs(views[:, *step] - golden[f"{name}_sub"]).max() <= 1e-5
        np.testing.assert_allclose(
            views.sum(axis=(1, 2, 3), dtype=float), golden[f"{name}_sum"], atol=0.01
        )


@pytest.mark.parametrize("volume", "AB")
@pytest.mark.parametrize("index", [0, 1])
def test_densesharp_cube_equals_the_authors(golden, volume, index):
    cube = densesharp_cube(*golden_nodule(golden, volume, index))
    np.testing.assert_array_equal(cube, golden[f"{volume}{index}_ds_crop32"])


@pytest.mark.parametrize(("volume", "corner_mm"), [("A", (100, 6, 3)), ("B", (72, 6, 3))])
def test_densesharp_cube_past_the_border_equals_the_authors(golden, volume, corner_mm):
    ct, _ = golden_nodule(golden, volume, 0)
    cube = densesharp_cube(ct, np.add(ORIGIN, corner_mm))
    np.testing.assert_array_equal(cube, golden[f"{volume}_ds_crop32_border"])


@settings(max_examples=25, deadline=None)
@given(
    spacing=st.tuples(*[st.floats(0.4, 0.98)] * 2, st.floats(0.5, 3.0)),
    voxel=st.tuples(*[st.integers(2, 17)] * 3),
    seed=st.integers(0, 2**31),
)
def test_emv_matrices_equal_scipys_zoom_for_any_spacing(spacing, voxel, seed):
    rng = np.random.default_rng(seed)
    ct = CT(
        rng.integers(-1400, 500, (20, 20, 20), dtype=np.int16),
        tuple(round(s, 3) for s in spacing),
        ORIGIN,
    )
    ours = emv_views(ct, ct.point_of(voxel), (80, 60, 40))
    np.testing.assert_allclose(ours, _authors_views(ct, voxel, (80, 60, 40)), atol=1e-5)


def _authors_views(ct: CT, voxel_xyz, sides) -> np.ndarray:
    """The published steps as described, with edge padding."""
    spacing = np.array(ct.spacing_mm[::-1])
    half = np.ceil(100 * 0.625 / spacing / 2).astype(int)
    unit = np.clip((ct.hu.astype(float) + 1400) / 1800, 0, 1) - 0.25
    padded = np.pad(unit, [(h, h) for h in half], mode="edge")
    crop = padded[tuple(slice(c, c + 2 * h) for c, h in zip(voxel_xyz[::-1], half, strict=True))]
    n = np.array(crop.shape)
    block = zoom(
        crop, [round(v) / c for v, c in zip(n * spacing / 0.625, n, strict=True)], mode="nearest"
    )
    block = block[tuple(slice(round(m / 2) - 50, round(m / 2) + 50) for m in block.shape)]
    return np.stack(
        [
            zoom(block[(slice(50 - v // 2, 50 + v // 2),) * 3], sides[1] / v, mode="nearest")
            for v in sides
        ]
    )


@settings(max_examples=48, deadline=None)
@given(order=st.permutations(range(3)), flips=st.tuples(*[st.booleans()] * 3))
def test_fault_10_every_axis_order_and_flip_gives_the_same_cubes(order, flips):
    ct = made_ct()
    point = np.array([-80.3, -190.7, -191.2])
    turned = reoriented(ct, order, flips)
    np.testing.assert_array_equal(
        emv_views(turned, point, (80, 60, 40)), emv_views(ct, point, (80, 60, 40))
    )
    np.testing.assert_array_equal(densesharp_cube(turned, point), densesharp_cube(ct, point))


@pytest.mark.parametrize("angle", [5, 20, 40])
def test_fault_14_oblique_ct_gives_nearly_the_same_cube(angle):
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    point = np.array([-81.0, -192.0, -192.0])
    straight, oblique = (
        made_ct(spacing_mm=(0.7, 0.7, 0.7)),
        made_ct(turn, spacing_mm=(0.7, 0.7, 0.7)),
    )
    a, b = (
        densesharp_cube(straight, point).astype(float),
        densesharp_cube(oblique, point).astype(float),
    )
    inner = (
        slice(6, 26),
    ) * 3  # resampling moves the sphere's surface voxels and the noise, nothing else
    assert np.abs(a[inner] - b[inner]).mean() < 8
    assert np.corrcoef(a[inner].ravel(), b[inner].ravel())[0, 1] > 0.97


def test_scan_order_turns_the_cube_upside_down_only_where_the_scan_ran_head_first():
    ct = made_ct()
    point = np.array([-81.0, -192.0, -202.0])  # the sphere lies above it
    head_first = replace(ct, acquisition=Acquisition(head_to_foot=True))
    usual = emv_views(ct, point, (60, 40, 20))
    np.testing.assert_array_equal(emv_views(ct, point, (60, 40, 20), scan_order=True), usual)
    turned = emv_views(head_first, point, (60, 40, 20), scan_order=True)
    heights = [np.argwhere(views[0] > 0.4)[:, 0].mean() for views in (usual, turned)]
    assert heights[0] > 24 > 16 > heights[1]


def test_densesharp_grid_places_the_sphere_where_it_is():
    ct = made_ct()
    point = np.array([-78.0, -190.0, -194.0])  # off the sphere's centre
    cube, grid = densesharp_cube(ct, point), densesharp_grid(ct, point)
    voxels = np.argwhere(cube > 150)
    positions = grid.origin_lps_mm + voxels[:, ::-1] @ grid.axes.T
    near = positions[np.linalg.norm(positions - (-81, -192, -192), axis=1) < 9]
    np.testing.assert_allclose(near.mean(axis=0), (-81, -192, -192), atol=0.2)


def test_fault_25_point_outside_is_refused():
    ct = made_ct()
    for cut in (densesharp_cube, lambda c, p: emv_views(c, p, (60, 40, 20))):
        with pytest.raises(PointError, match="outside"):
            cut(ct, (500.0, 0.0, 0.0))


def test_fault_27_views_at_a_corner_repeat_the_edge():
    ct = replace(made_ct(), hu=np.full(made_ct().hu.shape, -800, np.int16))
    views = emv_views(ct, ct.point_of((0, 0, 0)), (60, 40, 20))
    np.testing.assert_allclose(views, (-800 + 1400) / 1800 - 0.25, atol=1e-5)
    assert padded_fraction(ct, ct.point_of((0, 0, 0)), 62.5) == pytest.approx(7 / 8, abs=0.02)
    assert padded_fraction(ct, (-81, -192, -192), 62.5) == 0


def test_fault_17_padding_values_read_as_air():
    ct = made_ct()
    padded = ct.hu.copy()
    padded[:, :8] = -3024
    air = np.where(padded == -3024, -1400, padded).astype(np.int16)  # the window's lower end
    views = [
        emv_views(replace(ct, hu=hu), ct.point_of((56, 20, 30)), (80, 60, 40))
        for hu in (padded, air)
    ]
    np.testing.assert_array_equal(*views)


def traced(work) -> int:
    """The peak of what this allocates by numpy, bytes."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


CUBES = {
    "emv": lambda ct, point: emv_views(ct, point, (80, 60, 40)),
    "densesharp": densesharp_cube,
    "patient": lambda ct, point: patient_cube(ct, point, 64),
    "enlarged": lambda ct, point: patient_cube(ct, point, 64, 2),
}


@pytest.mark.parametrize("cube", CUBES)
def test_fault_52_a_cubes_memory_is_bounded_whatever_the_spacing(cube):
    hu = np.random.default_rng(2).integers(-1000, 300, (40, 40, 40), dtype=np.int16)
    fine = CT(hu, (0.1, 0.1, 0.1), ORIGIN)
    assert traced(lambda: CUBES[cube](fine, fine.point_of((20, 20, 20)))) < 400e6


@pytest.mark.parametrize("voxel", [(80, 70, 60), (0, 0, 0), (119, 99, 79), (3, 99, 2)])
def test_fault_52_a_cube_cut_in_parts_is_the_same(monkeypatch, voxel):
    hu = np.random.default_rng(2).integers(-1000, 300, (80, 100, 120), dtype=np.int16)
    ct = CT(hu, (0.3, 0.35, 0.4), ORIGIN)
    whole = [cut(ct, ct.point_of(voxel)) for cut in CUBES.values()]
    monkeypatch.setattr("nodulerisk.ct.cubes.SLAB_VOXELS", 100_000)
    for cut, expected in zip(CUBES.values(), whole, strict=True):
        np.testing.assert_allclose(cut(ct, ct.point_of(voxel)), expected, atol=1e-6)


def test_fault_52_an_oblique_block_is_bounded_whatever_the_spacing():
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]])
    hu = np.random.default_rng(2).integers(-1000, 300, (40, 40, 40), dtype=np.int16)
    fine = CT(hu, (0.1, 0.1, 0.1), ORIGIN, turn)
    block = lps_block(fine, fine.point_of((20, 20, 20)), 192)
    assert max(block.hu.shape) <= 514
    usual = replace(fine, spacing_mm=(0.7, 0.7, 0.7))
    assert lps_block(usual, usual.point_of((20, 20, 20)), 192).spacing_mm == usual.spacing_mm


def test_fault_52_a_block_that_is_mostly_padding_is_withheld():
    ct = made_ct()
    corner = block_checks(ct, ct.point_of((0, 0, 0)))
    (check,) = (check for check in corner if check.code == "mostly-padding")
    assert check.kind.withholds
    assert not any(c.code == "mostly-padding" for c in block_checks(ct, (-81, -192, -192)))
