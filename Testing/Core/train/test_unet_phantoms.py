"""Synthetic nodules have the requested volume, end at the pleura, and leave the rest of the lung
unchanged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from made_nodules import LUNG_HU, WALL_HU
from nodulerisk.train.unet import phantoms
from nodulerisk.train.unet.cubes import Look
from nodulerisk.train.unet.draws import Draws
from nodulerisk.train.unet.phantoms import Host, with_nodule, with_vessels
from nodulerisk.train.unet.scanner import Scanner, averaged, blurred, grain
from nodulerisk.train.unet.shapes import FineGrid, ball, tube

LOOK = Look(64, np.eye(3))
SPACINGS_MM = [np.array([1.0, 0.7, 0.7]), np.array([2.5, 0.8, 0.8])]


def lung(spacing_mm: np.ndarray, side_mm: float = 70) -> tuple[torch.Tensor, np.ndarray]:
    """Uniform lung, and its middle, off the voxels' centres."""
    shape = tuple(int(side_mm / s) for s in spacing_mm)
    return torch.full(shape, float(LUNG_HU)), np.array(shape) / 2 + 0.3


@pytest.mark.parametrize("spacing_mm", SPACINGS_MM, ids=["thin", "thick"])
@pytest.mark.parametrize("diameter_mm", [4, 10, 30])
@pytest.mark.parametrize("balls", [0.0, 1.0], ids=["ellipsoids", "balls"])
def test_what_is_filled_adds_up_to_the_volume(monkeypatch, spacing_mm, diameter_mm, balls):
    monkeypatch.setattr(phantoms, "BALL_SHARE", balls)
    monkeypatch.setattr(phantoms, "ROUGHNESS", (0.0, 0.0))
    hu, at = lung(spacing_mm)
    _, truth = with_nodule(Host(hu, spacing_mm, at), diameter_mm, Draws((1, diameter_mm)))
    filled = truth.drawn(LOOK, spacing_mm, at + 1)
    volume = float(filled.sum()) * 0.75**3
    assert volume == pytest.approx(np.pi / 6 * diameter_mm**3, rel=0.02)
    assert filled.min() == 0 and filled.max() == pytest.approx(1)


def test_a_solid_ball_is_as_dense_as_asked_and_only_there(monkeypatch):
    monkeypatch.setattr(phantoms, "DENSITY_SHARES", {"solid": 1.0})
    monkeypatch.setattr(phantoms, "SOLID_HU", (50.0, 50.0))
    monkeypatch.setattr(phantoms, "CALCIFIED_SHARE", 0.0)
    monkeypatch.setattr(phantoms, "TEXTURE_HU", (0.0, 0.0))
    monkeypatch.setattr(phantoms, "NOISE_HU", (5.0, 5.0))
    monkeypatch.setattr(phantoms, "ATTACHED", (0,))
    hu, at = lung(SPACINGS_MM[0])
    made, _ = with_nodule(Host(hu, SPACINGS_MM[0], at), 14, Draws((4,)))
    middle = tuple(np.rint(at).astype(int))
    inside = made[tuple(slice(m - 2, m + 3) for m in middle)]
    assert float(inside.mean()) == pytest.approx(50, abs=5)
    assert torch.equal(made[:15], hu[:15])
    assert torch.equal(hu, torch.full_like(hu, LUNG_HU))  # the input is unchanged


def test_a_nodule_ends_at_the_pleura():
    spacing = SPACINGS_MM[0]
    hu, at = lung(spacing)
    border = int(at[1])
    hu[:, border:] = WALL_HU
    made, truth = with_nodule(Host(hu, spacing, at), 16, Draws((2,)))
    assert torch.equal(made[:, border + 5 :], hu[:, border + 5 :])
    filled = truth.drawn(LOOK, spacing, at).sum((0, 2))
    # the pleura lies in the cube's middle
    assert filled[38:].max() < 1e-3 and filled[25:30].min() > 1


def test_vessels_alone_cross_the_lung_and_fill_no_nodule():
    spacing = SPACINGS_MM[0]
    hu, at = lung(spacing)
    made = with_vessels(Host(hu, spacing, at), Draws((6,)))
    dense = (made > -400).nonzero() * torch.as_tensor(spacing)
    assert float((dense.amax(0) - dense.amin(0)).norm()) > 25  # mm
    assert 0.0005 < float((made > -400).float().mean()) < 0.1


def test_the_same_draws_make_the_same_nodule():
    hu, at = lung(SPACINGS_MM[0])
    one, other, again = (
        with_nodule(Host(hu, SPACINGS_MM[0], at), 9, Draws((seed,)))[0] for seed in (1, 2, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_tube_is_as_thick_as_asked():
    grid = FineGrid.around(10, 60, torch.device("cpu"))
    ends = (np.array([0, 0, -20.0]), np.array([0, 0, 20.0]))
    area = grid.filled(tube(grid, ends, (3, 3))).sum((0, 1)) * grid.step_mm**2
    assert area.tolist() == pytest.approx([np.pi * 9] * 60, rel=0.02)


# --- The scanner


@pytest.mark.parametrize("width", [1.0, 1.7, 3.0, 4.4])
def test_blur_and_slices_lose_nothing(width):
    image = torch.zeros(31, 31, 31)
    image[15, 15, 15] = 1
    for axis in range(3):
        for smeared in (blurred(image, width, axis), averaged(image, width, axis)):
            assert float(smeared.sum()) == pytest.approx(1, abs=1e-3)
            assert int((smeared.sum(dim=[a for a in range(3) if a != axis]) > 0).sum()) > width - 1


def test_a_slice_of_whole_voxels_is_their_mean():
    image = torch.arange(27.0).view(27, 1, 1).expand(27, 5, 5) ** 2
    exact = (image[9] + image[10] + image[11]) / 3
    assert torch.allclose(averaged(image, 3.0, 0)[10], exact)


def test_a_sharp_kernel_overshoots():
    grid = FineGrid.around(16, 64, torch.device("cpu"))
    filled = grid.filled(ball(grid, 8))
    smooth, sharp = (Scanner(0.5, 0.5, 1.0, k).seen(filled, grid.step_mm) for k in (0.0, 0.8))
    assert smooth.max() <= 1 + 1e-5 < sharp.max()


def test_noise_has_the_sd_of_one():
    noise = grain((20, 40, 40), Draws((1,)))
    assert float(noise.std()) == pytest.approx(1, abs=1e-3)
    assert abs(float(noise.mean())) < 0.1
