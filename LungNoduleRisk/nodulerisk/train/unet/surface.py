"""The surface of a nodule: at the HU half way between the nodule and the lung around it.

Readers draw generously and in whole pixels. Their outline says which voxels may belong to the
nodule; the half-way level then defines its surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt
from torch import Tensor

from nodulerisk.nodule.half_maximum import half_way_hu, lung_hu, shell

RING_STEPS = (2, 6)  # lung is sampled this many voxels outside the outline, beyond the blur
SOLID_PERCENTILE, SUBSOLID_PERCENTILE = 50, 35  # ground glass, not the vessels in it
LEAST_CONTRAST_HU = 150.0  # fainter nodules would be drawn by their noise
LEVELS_HU = (-820.0, -200.0)  # a surface elsewhere belongs to something else
BLUR_MM = 0.5  # sigma of common chest CT in plane
SOFT_SHARE, SOFT_HU = 0.5, 100.0  # the target rises over this share of the contrast, or this much
SEEN_BY = 0.2  # voxels marked by less than this share of the readers do not belong to the nodule


@dataclass(frozen=True)
class Surface:
    """The surface of a nodule.

    Attributes:
        level_hu: the HU at its surface.
        width_hu: over how many HU the target rises from 0 to 1 around it.
    """

    level_hu: float
    width_hu: float


def surface_of(
    hu: np.ndarray, marked: np.ndarray, spacing_mm: np.ndarray, subsolid: bool = False
) -> Surface:
    """Returns the surface of a nodule that readers have outlined.

    Synthetic balls of 8 to 20 mm in slices of 1.25 mm, outlined up to 2 mm too wide, keep their
    volume within 6 % by this level. By a percentile of all that was outlined, ground glass came out
    up to 36 % too large.

    Args:
        hu: (z, y, x).
        marked: (z, y, x), share of readers, 0..1; some voxel is at least 0.5.
        spacing_mm: z, y, x.
        subsolid: whether readers call it ground glass or part-solid.
    """
    outside = _lung_hu(hu, marked > 0)
    core = marked >= 0.5
    own = hu[_shell(core, spacing_mm)]
    inside = float(np.percentile(own, SUBSOLID_PERCENTILE if subsolid else SOLID_PERCENTILE))
    contrast = max(inside - outside, LEAST_CONTRAST_HU)
    volume_mm3 = float(core.sum() * np.prod(spacing_mm))
    half_way = half_way_hu(outside + contrast, outside, volume_mm3, BLUR_MM)
    level = float(np.clip(half_way, *LEVELS_HU))
    return Surface(level, max(SOFT_SHARE * contrast, SOFT_HU))


def soft_target(hu: Tensor, share: Tensor, surface: Surface) -> Tensor:
    """Returns the mask that the network should draw: 0 outside, 0.5 at the surface, 1 inside.

    HU are not smoothed: a mean over neighbours would move the surface of small nodules.

    Args:
        hu: float (z, y, x).
        share: float (z, y, x), of readers, 0..1.
        surface: of the nodule.
    """
    rise = (hu - surface.level_hu) / surface.width_hu + 0.5
    return rise.clamp(0, 1) * (share > SEEN_BY)


def _lung_hu(hu: np.ndarray, marked: np.ndarray) -> float:
    """Returns the median HU of the lung around the marked voxels."""
    near, far = (binary_dilation(marked, iterations=steps) for steps in RING_STEPS)
    return lung_hu(hu[far & ~near])


def _shell(core: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Returns which outlined voxels lie deep enough to show the nodule's own HU."""
    padded = np.pad(core, 1)  # the outline's top and bottom are an end, too
    return shell(distance_transform_edt(padded, sampling=spacing_mm)[1:-1, 1:-1, 1:-1])
