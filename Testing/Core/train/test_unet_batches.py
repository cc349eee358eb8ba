"""Cubes show what they should: a reader's nodule, a synthetic one, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from made_nodules import LUNG_HU, VESSEL_HU, made_background, made_lung
from nodulerisk.ct.cubes import patient_cube
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.train.unet.batches import ROLES, Lungs, batch, example, roles_of
from nodulerisk.train.unet.cubes import Look, box_around, first_of, pose
from nodulerisk.train.unet.draws import Draws
from nodulerisk.train.unet.lungs import (
    BESIDE_NODULE_MM,
    BESIDE_POINT_MM,
    lung_of_ct,
    lung_of_nodule,
)
from nodulerisk.train.unet.places import lungs_of, places_without_nodule
from nodulerisk.train.unet.surface import Surface

RADIUS_MM, MIDDLE = 6.0, np.array([36.0, 30.0, 34.0])  # of the nodule, z, y, x
SIDE = 64


def distance_mm(shape: tuple[int, ...]) -> np.ndarray:
    """Returns the distance (z, y, x) from the nodule's middle, in voxels of 1 mm."""
    return np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - MIDDLE, axis=-1)


def made_nodule(**fields) -> LabelledNodule:
    """A solid ball of 12 mm in lung with a vessel and a wall, outlined alike by all readers."""
    hu = made_lung()
    marked = distance_mm(hu.shape) <= RADIUS_MM
    hu[marked] = 30
    ct = CT(hu.astype(np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    known = {"marked": marked.astype(np.float32), "diameter_mm": 2 * RADIUS_MM}
    labels = {"malignancy": 1, "density": 2}
    point = tuple(float(v) for v in MIDDLE[::-1])
    return LabelledNodule("ball", "p", ct, point, "reader", labels, **(known | fields))


@pytest.fixture(scope="module")
def lungs() -> Lungs:
    whole = lung_of_ct(made_background().ct, [], 0, "cpu")
    return Lungs([lung_of_nodule(made_nodule(), 0, "cpu")], [whole])


# --- Poses and cubes


@given(st.integers(0, 10**6))
def test_a_pose_turns_about_the_patient_s_axis_and_reflects_and_keeps_sizes(seed):
    turn = pose(Draws((seed,)))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.abs(turn[0]).tolist() == [1, 0, 0]


@pytest.mark.parametrize("enlarged", [1, 2])
def test_upright_a_cube_is_the_one_that_is_assessed(enlarged):
    ct = made_nodule().ct
    point = (33.3, 29.8, 36.4)
    look = Look(SIDE, np.eye(3), enlarged)
    centre = np.array(ct.voxel_of(point)[::-1])
    box = box_around(ct.hu.shape, np.ones(3), centre, look.reach_mm)
    hu = torch.from_numpy(ct.hu[box].astype(np.float32))
    cube = look.pooled(look.sampled(hu, np.ones(3), centre - first_of(box)))
    assessed = patient_cube(ct, point, SIDE, enlarged)
    assert np.abs((cube.numpy() + 1024) / 812 - 1 - assessed).max() < 2e-3


def test_a_box_is_never_empty():
    for centre in ([-500.0] * 3, [500.0] * 3):
        box = box_around((8, 8, 8), np.ones(3), np.array(centre), 3)
        assert np.zeros((8, 8, 8))[box].size == 1


# --- Places without a nodule


def test_places_are_of_their_kind_and_away_from_what_is_avoided():
    hu, avoid = made_lung(), distance_mm((80, 80, 80)) < 12
    places = places_without_nodule(hu, np.ones(3), avoid, 40, np.random.default_rng(0))
    assert set(places) >= {"vessel", "lung", "tissue"}
    for kind, voxels in places.items():
        at = tuple(voxels.T)
        assert not avoid[at].any() and len(voxels) <= 40
        dense = hu[at] > (LUNG_HU + VESSEL_HU) / 2
        assert dense.all() if kind == "tissue" else kind != "lung" or not dense.any()
    vessel = np.zeros_like(avoid)
    vessel[42:46, 40:44] = True
    assert binary_dilation(vessel)[tuple(places["vessel"].T)].all()


def test_air_around_the_patient_is_no_lung():
    hu = np.full((4, 80, 80), -1000, np.float32)
    hu[:, 30:50] = 40
    places = places_without_nodule(
        hu, np.ones(3), np.zeros(hu.shape, bool), 9, np.random.default_rng(0)
    )
    assert set(places) == {"tissue"}


def test_the_table_under_the_patient_is_no_lung():
    hu = np.full((3, 140, 140), -1000, np.float32)
    hu[:, 10:90, 20:120] = 40
    hu[:, 25:75, 35:65] = hu[:, 25:75, 75:105] = LUNG_HU
    hu[:, 100:130, 10:130], hu[:, 103:127, 13:127] = 300, -900
    lungs = lungs_of(hu, np.array([3.0, 2.0, 2.0]))
    assert lungs[1, 50, 50] and lungs[1, 50, 90] and not lungs[:, 95:].any()


def test_places_beside_a_nodule_keep_away_from_it(lungs):
    (lung,) = lungs.nodules
    for voxels in lung.places.values():
        beside = np.linalg.norm((voxels - lung.nodule.centre)[:, 1:], axis=1)
        assert beside.min() > RADIUS_MM + BESIDE_NODULE_MM - 1


def test_places_in_a_ct_keep_away_from_its_nodules():
    point = (40.0, 30.0, 20.0)
    lung = lung_of_ct(made_background().ct, [point], 0, "cpu")
    for voxels in lung.places.values():
        assert np.linalg.norm(voxels - point[::-1], axis=1).min() >= BESIDE_POINT_MM


# --- What nodules lie in


def test_the_nodule_is_covered_where_phantoms_are_put(lungs):
    (lung,) = lungs.nodules
    at = tuple(lung.nodule.centre.astype(int))
    assert float(lung.seen[0][at]) > 0 and float(lung.empty[at]) < -600


def test_context_is_made_up_on_both_sides_where_there_is_none():
    whole = made_nodule()
    part = slice(30, 43)
    ct = replace(whole.ct, hu=whole.ct.hu[part], origin_lps_mm=(0.0, 0.0, 30.0))
    own = replace(whole, ct=ct, marked=whole.marked[part], only_own_slices=True)
    lung = lung_of_nodule(own, 0, "cpu")
    at = tuple(lung.nodule.centre.astype(int))
    assert lung.seen[0].shape[0] > 70 and lung.seen[0].shape == lung.nodule.share.shape
    assert float(lung.nodule.share[at]) == 100 and float(lung.seen[0][at]) > 0
    assert not torch.equal(*lung.seen)


@pytest.mark.parametrize("flip", [(1, 1, -1), (-1, 1, 1)])
def test_the_scan_s_own_axes_do_not_matter(flip):
    nodule = made_nodule()
    hu, marked = (
        array[:: flip[2], :: flip[1], :: flip[0]] for array in (nodule.ct.hu, nodule.marked)
    )
    origin = tuple(0.0 if sign > 0 else 79.0 for sign in flip)
    ct = CT(np.ascontiguousarray(hu), (1.0, 1.0, 1.0), origin, np.diag(flip).astype(float))
    turned = lung_of_nodule(replace(nodule, ct=ct, marked=marked), 0, "cpu")
    upright = lung_of_nodule(nodule, 0, "cpu")
    assert torch.equal(turned.seen[0], upright.seen[0])
    assert torch.equal(turned.nodule.share, upright.nodule.share)
    assert np.allclose(turned.nodule.centre, upright.nodule.centre)


# --- Examples


def test_a_reader_s_nodule_is_drawn_with_its_volume(lungs):
    made = [example(lungs, "real", SIDE, Draws((seed,))) for seed in range(8)]
    near = [one for one in made if one.helpers.isfinite().any()]
    assert near and all(one.presence == 1 for one in near)
    for one in near:
        volume = one.masks.sum((1, 2, 3)) * 0.75**3
        assert volume.tolist() == pytest.approx([np.pi / 6 * 12**3] * 2, rel=0.1)
        assert one.helpers[:2].tolist() == [0, 1] and one.helpers[-1].isnan()


@pytest.mark.parametrize("role", ["negative", "vessels"])
def test_a_cube_without_a_nodule_says_so_and_draws_none_in_its_middle(lungs, role):
    for seed in range(6):
        one = example(lungs, role, SIDE, Draws((seed,)))
        middle = one.masks[:, 28:36, 28:36, 28:36]
        assert one.presence == 0 and one.helpers.isnan().all() and not middle.any()


def test_a_phantom_is_drawn_and_teaches_nothing_of_readers(lungs):
    made = [example(lungs, "phantom", SIDE, Draws((seed,))) for seed in range(6)]
    assert all(one.mask_known.tolist() == [1, 0] for one in made)
    assert all(one.helpers.isnan().all() for one in made)
    assert all(one.masks[0].sum() > 20 / 8 for one in made if one.presence == 1)
    assert any(one.presence == 1 for one in made)


def test_large_phantoms_lie_in_whole_cts_and_small_ones_in_thin_slices(lungs):
    thick = replace(lungs.nodules[0], spacing_mm=np.array([3.0, 1.0, 1.0]))
    both = Lungs([*lungs.nodules, thick], lungs.whole)
    hosts = {d: [both.to_hold(d, Draws((seed,))) for seed in range(20)] for d in (4, 12, 40)}
    assert all(list(lungs) == list(both.whole) for lungs in hosts[40])
    assert all(thick not in lungs for lungs in hosts[4])
    assert any(thick in lungs for lungs in hosts[12])


def test_a_batch_depends_on_its_seed_alone(lungs):
    roles = roles_of(4)
    assert roles == list(ROLES)
    one, again, other = (batch(lungs, roles, 32, (seed, 5)) for seed in (1, 1, 2))
    assert torch.equal(one.cube, again.cube) and torch.equal(one.masks, again.masks)
    assert not torch.equal(one.cube, other.cube)
    assert one.cube.shape == (4, 1, 32, 32, 32) and one.masks.shape == (4, 2, 32, 32, 32)
    assert one.cube.min() >= -1 and one.cube.max() <= 1


def test_the_roles_of_a_whole_batch_are_in_their_shares():
    roles = roles_of(34)
    assert {role: roles.count(role) for role in ROLES} == ROLES


def test_without_whole_cts_there_are_cubes_all_the_same(lungs):
    alone = Lungs(lungs.nodules)
    roles = ["phantom", "negative", "vessels"]
    assert batch(alone, roles, 32, (3,)).cube.isfinite().all()


def test_a_nodule_s_surface_is_found(lungs):
    assert lungs.nodules[0].nodule.surface == Surface(
        pytest.approx(-440, abs=20), pytest.approx(445, abs=10)
    )
