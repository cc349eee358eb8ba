"""Shapes as signed distances in mm, negative inside, on a fine grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nodulerisk.train.unet.draws import Draws

STRETCH = (0.75, 1.25)  # of a body's axes: longest to shortest up to 1.7, as in most nodules
BUMPS = 5  # waves on a lobulated surface
WAVES = (1.0, 4.0)  # radians across the body: broad lobes and small ones


@dataclass(frozen=True, eq=False)
class FineGrid:
    """A cubic grid around the origin.

    Attributes:
        positions_mm: float (n, n, n, 3), z, y, x.
        step_mm: between neighbours.
    """

    positions_mm: Tensor
    step_mm: float

    @classmethod
    def around(cls, reach_mm: float, n: int, device: torch.device) -> FineGrid:
        """Returns a grid of n voxels per side that reaches this far along every axis."""
        step = 2 * reach_mm / n
        ticks = (torch.arange(n, device=device) - (n - 1) / 2) * step
        return cls(torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), dim=-1), step)

    @property
    def half_mm(self) -> float:
        """The distance from the origin to the outermost voxel's centre."""
        return (self.positions_mm.shape[0] - 1) / 2 * self.step_mm

    def filled(self, distance_mm: Tensor) -> Tensor:
        """float (n, n, n), 0..1: the share of each voxel that lies inside."""
        return (0.5 - distance_mm / self.step_mm).clamp(0, 1)

    def zeros(self) -> Tensor:
        return torch.zeros_like(self.positions_mm[..., 0])

    def vector(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self.positions_mm.device)


def ball(grid: FineGrid, radius_mm: float) -> Tensor:
    return grid.positions_mm.norm(dim=-1) - radius_mm


def body(
    grid: FineGrid, radius_mm: float, roughness: float, draws: Draws, middle_mm: np.ndarray
) -> Tensor:
    """Returns an ellipsoid in any pose, with bumps of up to this share of its radius; without them
    it has the volume of a ball of this radius."""
    stretch = np.array([draws.uniform(*STRETCH) for _ in range(3)])
    stretch /= np.cbrt(stretch.prod())
    turn, _ = np.linalg.qr(np.stack([draws.direction() for _ in range(3)]))
    away = grid.positions_mm - grid.vector(middle_mm)
    inner = (away @ grid.vector(turn)) / grid.vector(stretch)
    size = inner.norm(dim=-1).clamp(min=1e-4)
    rim = 1 + roughness * _bumps(grid, inner / size[..., None], draws)
    return (size - radius_mm * rim) * (away.norm(dim=-1) / size)


def _bumps(grid: FineGrid, direction: Tensor, draws: Draws) -> Tensor:
    """Returns waves over the sphere, each at most 1 high."""
    total = grid.zeros()
    for _ in range(BUMPS):
        along = direction @ grid.vector(draws.direction())
        height, frequency = draws.uniform(-1, 1), draws.uniform(*WAVES)
        total = total + height * torch.cos(frequency * along + draws.uniform(0, 2 * np.pi))
    return total


def tube(
    grid: FineGrid, ends_mm: tuple[np.ndarray, np.ndarray], radii_mm: tuple[float, float]
) -> Tensor:
    """Returns a round tube from one end (z, y, x) to the other, narrowing on the way."""
    start, end = (grid.vector(point) for point in ends_mm)
    axis = end - start
    away = grid.positions_mm - start
    along = ((away @ axis) / axis.dot(axis)).clamp(0, 1)
    first, last = radii_mm
    radius = first + (last - first) * along
    return (away - along[..., None] * axis).norm(dim=-1) - radius
