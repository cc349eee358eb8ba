"""Samples show the nodule that they are cut from, whatever the augmentation, and carry its known
labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.networks.kinds import DenseSharpCubes, EmvCubes
from nodulerisk.train.augment import POSES, RandThickSlices, other_scans
from nodulerisk.train.samples import RandomSamples, View, exact_sample

VIEWS, CUBE = View(EmvCubes, (60, 40, 20), 40), View(DenseSharpCubes, None, 32)
DIRECTIONS = [
    np.eye(3)[list(order)] * signs
    for order in ((0, 1, 2), (2, 0, 1), (1, 0, 2))
    for signs in ((1, 1, 1), (-1, 1, -1))
]


def sphere(direction=None, **fields) -> LabelledNodule:
    """A 12 mm ball in lung, with its mask."""
    ct = made_ct(direction)
    marked = (np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= RADIUS_MM).astype(
        np.float32
    )
    ct = replace(ct, hu=np.where(marked > 0, 30, -850).astype(np.int16))
    known = {"labels": {"malignancy": 1}, "marked": marked, "diameter_mm": 2 * RADIUS_MM}
    return LabelledNodule("ball", "p", ct, CENTRE_LPS_MM, "reader", **(known | fields))


def own_slices(nodule: LabelledNodule) -> LabelledNodule:
    """The nodule as in LIDC's slices: nothing above and below."""
    first, last = np.flatnonzero(nodule.mask.any(axis=(1, 2)))[[0, -1]]
    part = slice(first, last + 1)
    ct = replace(
        nodule.ct, hu=nodule.ct.hu[part], origin_lps_mm=tuple(nodule.ct.point_of((0, 0, first)))
    )
    return replace(nodule, ct=ct, marked=nodule.marked[part], only_own_slices=True)


@pytest.mark.parametrize("view", [VIEWS, CUBE])
def test_without_augmentation_a_sample_is_the_published_cube(view):
    sample = RandomSamples([sphere()], view, ["malignancy"], pose="none", scans=False)[0]
    exact = exact_sample(sphere(), view, ["malignancy"])
    scale = 1 if view.sides else 255
    # the published cubes are cut at whole voxels and by a cubic spline: half a voxel and the ball's
    # rim may differ
    assert (sample["cube"] - exact["cube"]).abs().mean() < 0.05 * scale
    assert torch.equal(sample["targets"], torch.tensor([0.0, 1.0]))
    if view.draws_mask:
        both = (sample["mask"] >= 0.5) & (exact["mask"] >= 0.5)
        assert (
            2 * both.sum() / ((sample["mask"] >= 0.5).sum() + (exact["mask"] >= 0.5).sum()) > 0.85
        )


@pytest.mark.parametrize("pose", list(POSES))
def test_the_mask_moves_with_the_nodule(pose):
    samples = RandomSamples([sphere()] * 8, CUBE, ["malignancy"], pose=pose, scans=False, seed=4)
    for sample in (samples[i] for i in range(8)):
        soft_tissue = sample["cube"] > 128
        inside = sample["mask"] >= 0.5
        assert 2 * (soft_tissue & inside).sum() / (soft_tissue.sum() + inside.sum()) > 0.9


@settings(deadline=None, max_examples=12)
@given(st.sampled_from(DIRECTIONS), st.integers(0, 1000))
def test_the_same_anatomy_gives_the_same_sample_however_it_is_stored(direction, seed):
    straight = RandomSamples([sphere()], CUBE, ["malignancy"], scans=False, seed=seed)[0]
    stored = RandomSamples([sphere(direction)], CUBE, ["malignancy"], scans=False, seed=seed)[0]
    assert (straight["mask"] - stored["mask"]).abs().mean() < 0.01


def test_draws_depend_on_seed_epoch_and_place_alone():
    def cube(**draws):
        return RandomSamples([sphere()] * 2, VIEWS, ["malignancy"], **draws)[draws.pop("place", 0)][
            "cube"
        ]

    assert torch.equal(cube(seed=1, epoch=2), cube(seed=1, epoch=2))
    assert not torch.equal(cube(seed=1, epoch=2), cube(seed=1, epoch=3))
    assert not torch.equal(cube(seed=1, epoch=2), cube(seed=2, epoch=2))


def test_beside_the_nodule_the_mask_is_empty_and_nothing_is_known():
    samples = RandomSamples([sphere()] * 10, CUBE, ["malignancy"], pose="none", beside=1.0)
    for sample in (samples[i] for i in range(10)):
        assert sample["mask"][0, 13:19, 13:19, 13:19].max() == 0
        assert sample["targets"].isnan().all()


def test_what_is_not_known_is_nan():
    nodule = sphere(labels={"grade": 2}, beliefs={"density": (0.2, 0.3, 0.5)})
    targets = exact_sample(nodule, CUBE, ["malignancy", "density", "grade"])["targets"]
    assert targets[:2].isnan().all()
    np.testing.assert_allclose(targets[2:], [0.2, 0.3, 0.5, 0, 0, 1], atol=1e-6)
    assert exact_sample(replace(nodule, marked=None), CUBE, ["grade"])["mask"].isnan().all()


def test_a_mask_is_learnt_from_context_in_which_the_nodule_ends():
    samples = RandomSamples(
        [own_slices(sphere())] * 6, CUBE, ["malignancy"], pose="none", scans=False
    )
    for sample in (samples[i] for i in range(6)):
        soft_tissue, inside = sample["cube"] > 128, sample["mask"] >= 0.5
        assert 2 * (soft_tissue & inside).sum() / (soft_tissue.sum() + inside.sum()) > 0.8


def test_other_scans_keep_the_tissue():
    hu = torch.full((1, 12, 40, 40), -850.0)
    hu[:, 3:9, 10:30, 10:30] = 30
    scans = other_scans()
    for seed in range(20):
        scans.set_random_state(seed=seed)
        assert abs(float(scans(hu)[:, 5:7, 15:25, 15:25].mean()) - 30) < 60


def test_thick_slices_keep_the_mean():
    hu = torch.rand(1, 10, 8, 8) * 1000 - 900
    thick = RandThickSlices(prob=1.0)
    thick.set_random_state(seed=0)
    assert thick(hu).std() < hu.std()
    assert abs(thick(hu)[:, 1:-1].mean() - hu.mean()) < 60
