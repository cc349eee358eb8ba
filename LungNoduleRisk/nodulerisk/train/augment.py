"""Random cubes of LIDC nodules: made-up context, rotation, flips, scale, shift, noise; sampled linearly in one step."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.cubes import DENSESHARP_SIDE, DENSESHARP_WINDOW_HU, EMV_SPACING_MM, EMV_WINDOW_HU
from nodulerisk.train.lidc import LidcNodule, with_context

CONTEXTS = ("lung", "lung", "reflect", "edge", "flat")


def random_views(nodule: LidcNodule, sides: tuple[int, int, int], size: int, rng: np.random.Generator) -> Tensor:
    """Three concentric cubes as ``emv_views`` cuts them, augmented: float32 (3, size, size, size)."""
    volume, _, centre = _random_volume(nodule, rng)
    offsets = np.stack([_cube_mm(_zoomed(side, size) * EMV_SPACING_MM) for side in sides])
    hu = _sample(volume, nodule.spacing_mm, centre, offsets @ _random_turn(rng).T)
    low, high = EMV_WINDOW_HU
    return ((hu - low) / (high - low)).clamp(0, 1) - 0.25


def random_mask_sample(nodule: LidcNodule, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A cube as ``densesharp_cube`` cuts it and its mask, augmented: float32 (1, 32, 32, 32) each, 0..255 and 0..1.

    One in four looks past the nodule, so that the network learns to draw nothing where there is none.
    """
    volume, mask, centre = _random_volume(nodule, rng)
    if rng.random() < 0.25:
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(8, 26) + nodule.diameter_mm / 2
        centre = centre + distance * np.array([0, np.sin(angle), np.cos(angle)])
    offsets = _cube_mm(np.arange(DENSESHARP_SIDE) - DENSESHARP_SIDE / 2) @ _random_turn(rng).T
    hu = _sample(volume, nodule.spacing_mm, centre, offsets[None])
    target = _sample(mask.astype(np.float32), nodule.spacing_mm, centre, offsets[None])
    low, high = DENSESHARP_WINDOW_HU
    return ((hu.clamp(low, high) - low) / (high - low) * 255).round(), target


def _random_volume(nodule: LidcNodule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """HU with context and noise, the mask, and a shifted centre in mm (z, y, x) from voxel 0."""
    hu, mask = with_context(nodule, rng, CONTEXTS)
    volume = hu.astype(np.float32) + rng.normal(0, 15)
    if rng.random() < 0.3:
        volume += rng.uniform(5, 40) * rng.standard_normal(volume.shape, dtype=np.float32)
    if rng.random() < 0.3:  # a thicker slice
        volume[1:-1] = (volume[:-2] + volume[1:-1] * 2 + volume[2:]) / 4
    centroid = nodule.centroid + [(len(hu) - len(nodule.hu)) / 2, 0, 0]
    return volume, mask, centroid * nodule.spacing_mm[::-1] + rng.normal(0, 1.2, 3)


def _zoomed(side: int, size: int) -> np.ndarray:
    """Positions, in 0.625 mm voxels from the centre, of a view of ``side`` voxels zoomed to ``size``."""
    return np.linspace(-side / 2, side / 2 - 1, size)


def _cube_mm(ticks: np.ndarray) -> np.ndarray:
    """(n, n, n, 3) positions z, y, x in mm around the centre."""
    return np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1)


def _random_turn(rng: np.random.Generator) -> np.ndarray:
    """A 3x3 map of z, y, x: free rotation about z, tilt of some 15 degrees, flips, scale of about 7 %."""
    about_z, tilt_y, tilt_x = rng.uniform(-np.pi, np.pi), rng.normal(0, 0.26), rng.normal(0, 0.26)
    turn = np.eye(3)
    for angle, (a, b) in ((about_z, (1, 2)), (tilt_y, (0, 2)), (tilt_x, (0, 1))):
        plane = np.eye(3)
        plane[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turn = turn @ plane
    return turn * rng.choice([-1, 1], 3) * np.exp(rng.normal(0, 0.07))


def _sample(volume: np.ndarray, spacing_xyz, centre_mm: np.ndarray, offsets_mm: np.ndarray) -> Tensor:
    """Linear interpolation at (channels, n, n, n, 3) offsets in mm (z, y, x); edge values outside."""
    voxels = (centre_mm + offsets_mm) / np.array(spacing_xyz[::-1])
    unit = voxels / (np.array(volume.shape) - 1) * 2 - 1
    grid = torch.from_numpy(np.ascontiguousarray(unit[..., ::-1], dtype=np.float32)).flatten(0, 1)[None]
    sampled = F.grid_sample(torch.from_numpy(volume)[None, None], grid, padding_mode="border", align_corners=True)
    return sampled.view(offsets_mm.shape[:-1])
