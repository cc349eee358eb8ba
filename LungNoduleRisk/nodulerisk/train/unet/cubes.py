"""Cubes cut from a CT on the device, in any pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.ct.cubes import PATIENT_SPACING_MM
from nodulerisk.train.unet.draws import Draws

UPRIGHT_SHARE = 0.2  # of the cubes, which are not rotated: as the network will see them
MARGIN_MM = 2.0  # cut beyond the cube, for the interpolation
Box = tuple[slice, slice, slice]


def pose(draws: Draws) -> np.ndarray:
    """Draws a pose, (3, 3), z, y, x: a rotation about the patient's axis, and a reflection along
    any.

    Nothing is scaled, since the network has to learn sizes.
    """
    angle = 0.0 if draws.chance(UPRIGHT_SHARE) else draws.uniform(0, 2 * math.pi)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return turn * [draws.pick((-1, 1)) for _ in range(3)]


@dataclass(frozen=True, eq=False)
class Look:
    """How a cube is cut.

    Attributes:
        side: voxels of the cube.
        turn: (3, 3), a pose.
        enlarged: the voxels are this many times 0.75 mm wide, as in ``patient_cube``.
    """

    side: int
    turn: np.ndarray
    enlarged: int = 1

    @property
    def reach_mm(self) -> float:
        """Returns how far from its centre the cube reaches along any axis, however it is rotated
        about z."""
        half = self.side * self.enlarged * PATIENT_SPACING_MM / 2
        return half * math.sqrt(2) + MARGIN_MM

    def sampled(
        self, volume: Tensor, spacing_mm: np.ndarray, centre: np.ndarray, outside: str = "border"
    ) -> Tensor:
        """Samples the volume linearly at the cube's voxels of 0.75 mm.

        Args:
            volume: float (z, y, x).
            spacing_mm: z, y, x.
            centre: of the cube: voxels z, y, x.
            outside: ``border`` repeats the edge voxel, ``zeros`` is 0 there.

        Returns:
            float (n, n, n), where n is the side times the enlargement; see ``pooled``.
        """
        offsets = self._offsets_mm(volume.device)
        voxels = offsets / _on(volume, spacing_mm) + _on(volume, centre)
        return at_voxels(volume, voxels, outside)

    def pooled(self, cube: Tensor) -> Tensor:
        """Averages the voxels of 0.75 mm into the cube's own voxels."""
        if self.enlarged == 1:
            return cube
        return F.avg_pool3d(cube[None, None], self.enlarged)[0, 0]

    def _offsets_mm(self, device: torch.device) -> Tensor:
        n = self.side * self.enlarged
        ticks = (torch.arange(n, device=device) - (n - 1) / 2) * PATIENT_SPACING_MM
        grid = torch.stack(torch.meshgrid(ticks, ticks, ticks, indexing="ij"), dim=-1)
        return grid @ torch.as_tensor(self.turn.T.copy(), dtype=torch.float32, device=device)


def at_voxels(volume: Tensor, voxels: Tensor, outside: str = "border") -> Tensor:
    """float (z, y, x) at float (..., 3) voxels z, y, x, linearly; the voxels lie on a grid of three
    axes."""
    last = torch.tensor(volume.shape, device=volume.device).sub(1).clamp(min=1)
    unit = (voxels / last * 2 - 1).flip(-1)[None]
    found = F.grid_sample(volume[None, None], unit, padding_mode=outside, align_corners=True)
    return found[0, 0]


def box_around(
    shape: tuple[int, ...], spacing_mm: np.ndarray, centre: np.ndarray, reach_mm: float
) -> Box:
    """Returns the part of a volume within ``reach_mm`` of the centre (voxels z, y, x) along every
    axis: at least a voxel, wherever the centre lies."""
    reach = reach_mm / np.asarray(spacing_mm)
    low = np.clip(np.floor(centre - reach), 0, np.array(shape) - 1).astype(int)
    high = np.clip(np.ceil(centre + reach) + 1, low + 1, shape).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def first_of(box: Box) -> np.ndarray:
    """Returns the box's first voxel, z, y, x."""
    return np.array([part.start for part in box], float)


def _on(volume: Tensor, values: np.ndarray) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=volume.device)
