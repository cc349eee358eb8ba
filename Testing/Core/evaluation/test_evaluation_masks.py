"""Mask agreement by hand and against MONAI."""

from __future__ import annotations

import numpy as np
import pytest
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy.ndimage import gaussian_filter

from nodulerisk.evaluation.masks import MaskFit, dice, mask_fit, surface_distances_mm

SPACING_MM = (0.7, 0.8, 2.0)  # x, y, z


def blob(seed: int) -> np.ndarray:
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(14, 24, 24)), 3)
    noise[[0, -1]], noise[:, [0, -1]], noise[:, :, [0, -1]] = -1, -1, -1
    return noise > np.quantile(noise, 0.93)


def box(*edges: slice) -> np.ndarray:
    mask = np.zeros((10, 12, 14), bool)
    mask[edges] = True
    return mask


def test_dice_equals_the_hand_computed_value():
    assert dice(box(slice(2, 4)), box(slice(3, 5))) == pytest.approx(0.5)
    assert dice(box(slice(2, 4)), box(slice(5, 6))) == 0
    assert dice(box(slice(0)), box(slice(0))) == 1


def test_a_mask_moved_by_two_voxels_is_two_spacings_away():
    first, second = (
        box(slice(3, 4), slice(3, 4), slice(3, 4)),
        box(slice(3, 4), slice(3, 4), slice(5, 6)),
    )
    fit = mask_fit(first, second, SPACING_MM)
    assert (fit.surface_mm, fit.hausdorff95_mm) == pytest.approx((1.4, 1.4))
    fit = mask_fit(first, box(slice(4, 5), slice(3, 4), slice(3, 4)), SPACING_MM)
    assert fit.surface_mm == pytest.approx(2.0)  # along z


def test_equal_masks_are_perfect():
    assert mask_fit(blob(0), blob(0), SPACING_MM) == MaskFit(1.0, 0.0, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("seed", range(4))
def test_surface_distances_are_monais(seed):
    first, second = blob(seed), blob(seed + 10)
    fit = mask_fit(first, second, SPACING_MM)
    pair = [mask[None, None] for mask in (first, second)]
    options = {"include_background": True, "spacing": SPACING_MM[::-1]}
    assert fit.surface_mm == pytest.approx(
        float(compute_average_surface_distance(*pair, symmetric=True, **options))
    )
    assert fit.hausdorff95_mm == pytest.approx(
        float(compute_hausdorff_distance(*pair, percentile=95, **options))
    )


def test_without_one_of_the_masks_there_is_no_distance():
    fit = mask_fit(box(slice(0)), box(slice(2, 4)), SPACING_MM)
    assert fit == MaskFit(0.0) and not fit.found
    there, back = surface_distances_mm(blob(0), np.zeros_like(blob(0)), SPACING_MM)
    assert there.size == back.size == 0


def test_a_mask_that_fills_its_grid_has_a_surface():
    whole = np.ones((4, 4, 4), bool)
    assert mask_fit(whole, whole, SPACING_MM).surface_mm == 0
