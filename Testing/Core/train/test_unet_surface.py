"""The surface that the U-Net learns lies at the half-way level, however generously readers drew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from nodulerisk.nodule.half_maximum import LUNG_HU
from nodulerisk.train.unet.surface import Surface, soft_target, surface_of

STEP_MM = 0.75
SPACING_MM = np.full(3, STEP_MM)
BLUR_MM, NOISE_HU = 0.6, 25


def ball(diameter_mm: float, inside_hu: float, generous_mm: float):
    """HU of a blurred ball in noisy lung, and a reader's outline that is this much too wide."""
    side = int((diameter_mm + 24) / STEP_MM)
    axes = (np.indices((side,) * 3) - (side - 1) / 2) * STEP_MM
    distance = np.linalg.norm(axes, axis=0) - diameter_mm / 2
    sharp = np.clip(0.5 - distance / STEP_MM, 0, 1)
    share = gaussian_filter(sharp, BLUR_MM / STEP_MM)
    noise = np.random.default_rng(3).normal(0, NOISE_HU, share.shape)
    hu = LUNG_HU + (inside_hu - LUNG_HU) * share + noise
    return hu.astype(np.float32), (distance <= generous_mm).astype(np.float32)


@pytest.mark.parametrize("generous_mm", [0.75, 1.5])
@pytest.mark.parametrize(("inside_hu", "diameter_mm"), [(30, 6), (30, 12), (30, 20), (-600, 10)])
def test_the_target_of_a_blurred_ball_has_its_volume(diameter_mm, inside_hu, generous_mm):
    hu, marked = ball(diameter_mm, inside_hu, generous_mm)
    surface = surface_of(hu, marked, SPACING_MM, subsolid=inside_hu < -300)
    target = soft_target(torch.from_numpy(hu), torch.from_numpy(marked), surface)
    volume = float(target.sum()) * STEP_MM**3
    assert volume == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.05)


def test_a_solid_core_does_not_hide_the_glass_around_it():
    """A part-solid nodule ends where its ground glass ends."""
    hu, marked = ball(20, -600, 0.75)
    core, _ = ball(10, 650 + LUNG_HU, 0)
    margin = (len(hu) - len(core)) // 2
    both = hu + np.pad(core - LUNG_HU, (margin, len(hu) - len(core) - margin))
    glass, part_solid = (
        surface_of(image, marked, SPACING_MM, subsolid=True).level_hu for image in (hu, both)
    )
    assert part_solid == pytest.approx(glass, abs=25)


def test_what_few_readers_marked_is_not_drawn():
    surface = Surface(-400, 200)
    hu, share = torch.full((2, 1, 1), 50.0), torch.tensor([0.1, 0.9])[:, None, None]
    assert soft_target(hu, share, surface).flatten().tolist() == [0, 1]


def test_the_target_is_a_half_at_the_surface():
    surface = Surface(-400, 200)
    hu = torch.tensor([-500.0, -400.0, -350.0, 0.0])[:, None, None]
    target = soft_target(hu, torch.ones_like(hu), surface)
    assert target.flatten().tolist() == [0, 0.5, 0.75, 1]


def test_without_lung_around_it_common_lung_is_assumed():
    hu, marked = ball(12, 30, 0.75)
    crowded = np.where(marked > 0, hu, 30).astype(np.float32)
    found = surface_of(crowded, marked, SPACING_MM)
    assert found.level_hu == pytest.approx(surface_of(hu, marked, SPACING_MM).level_hu, abs=15)
