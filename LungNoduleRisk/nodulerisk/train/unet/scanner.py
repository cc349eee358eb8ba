"""Simulates a scanner: blur, slice thickness, kernel and noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.train.unet.draws import Draws

IN_PLANE_MM, ALONG_Z_MM = (0.3, 0.8), (0.3, 0.7)  # sigma of the blur, sharp to smooth kernels
THICKNESS = (0.7, 1.2)  # slice thickness as a multiple of their distance: from gaps to overlap
SHARP_SHARE = 0.35  # share of scans with an edge-enhancing kernel
# how much of the detail removed by a blur of this sigma is added
SHARPENING, SHARPENED_MM = ((0.2, 1.0), 0.8)
NOISE_HU = (5.0, 45.0)  # SD within the nodule
NEGLIGIBLE = 0.05  # voxels: a narrower blur is skipped


@dataclass(frozen=True)
class Scanner:
    """How sharp a scan is.

    Attributes:
        in_plane_mm, along_z_mm: sigma of the blur.
        thickness_mm: of a slice.
        sharpening: of the kernel, 0 for a smooth one.
    """

    in_plane_mm: float
    along_z_mm: float
    thickness_mm: float
    sharpening: float = 0.0

    @classmethod
    def drawn(cls, slice_mm: float, draws: Draws) -> Scanner:
        """Draws a scanner that could have made slices this far apart."""
        return cls(
            draws.uniform(*IN_PLANE_MM),
            draws.uniform(*ALONG_Z_MM),
            slice_mm * draws.uniform(*THICKNESS),
            draws.uniform(*SHARPENING) if draws.chance(SHARP_SHARE) else 0.0,
        )

    def seen(self, image: Tensor, step_mm: float) -> Tensor:
        """Returns the volume, float (z, y, x) on a grid of this step, as the scan shows it."""
        image = _blurred_in_plane(image, self.in_plane_mm / step_mm)
        image = blurred(image, self.along_z_mm / step_mm, 0)
        image = averaged(image, self.thickness_mm / step_mm, 0)
        if not self.sharpening:
            return image
        lost = image - _blurred_in_plane(image, SHARPENED_MM / step_mm)
        return image + self.sharpening * lost


def grain(shape: tuple[int, ...], draws: Draws) -> Tensor:
    """Returns noise of SD 1, float (z, y, x), between white and as coarse as a smooth kernel's."""
    white = draws.noise(shape)
    coarse = F.avg_pool2d(draws.noise(shape)[None], 3, 1, 1)[0] * 3
    noise = coarse * draws.uniform(0, 1) + white * draws.uniform(0, 1)
    return noise / noise.std().clamp(min=1e-6)


def blurred(image: Tensor, sigma: float, axis: int) -> Tensor:
    """Blurs by a Gaussian along an axis (0, 1, 2 for z, y, x), sigma in voxels; zeros outside."""
    if sigma < NEGLIGIBLE:
        return image
    reach = math.ceil(3 * sigma)
    ticks = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    return _filtered(image, torch.exp(-0.5 * (ticks / sigma) ** 2), axis)


def averaged(image: Tensor, width: float, axis: int) -> Tensor:
    """Averages over this many voxels along an axis, not necessarily a whole number; zeros
    outside."""
    reach = max(0, math.ceil((width - 1) / 2))
    ticks = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
    inside = (width / 2 - ticks.abs() + 0.5).clamp(0, 1)  # the share of each voxel
    return _filtered(image, inside, axis)


def _blurred_in_plane(image: Tensor, sigma: float) -> Tensor:
    return blurred(blurred(image, sigma, 1), sigma, 2)


def _filtered(image: Tensor, kernel: Tensor, axis: int) -> Tensor:
    shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
    shape[2 + axis], padding[axis] = len(kernel), len(kernel) // 2
    weights = (kernel / kernel.sum()).view(shape)
    return F.conv3d(image[None, None], weights, padding=tuple(padding))[0, 0]
