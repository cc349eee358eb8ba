"""The half maximum: where the HU lie half way between a nodule and the lung around it.

Readers draw generously and in whole pixels, and networks learn from readers; this level says where
a surface lies.
"""

from __future__ import annotations

import numpy as np

LUNG_HU = -850.0  # if too little lung is visible around the nodule
DENSEST_LUNG_HU = -600  # denser voxels around a nodule belong to a vessel or the wall
FEWEST = 20  # voxels of lung needed to tell its density
# The nodule's own HU are those of a shell inside the outline: its voxels nearest to the outline may
# be lung that was included, or blurred; those far inside may be the solid core of a part-solid
# nodule.
SHELL_MM = (2.5, 4.5)
DEEPEST = 0.6  # share of the greatest depth that the shell begins at in small nodules
GREATEST_LOSS = 0.2  # of the share, where a nodule is hardly larger than the blur

RING_MM = (1.5, 4.5)  # lung is sampled so far outside the surface, beyond the blur
BEYOND_RIM_MM = (3.0, 6.0)  # and so far, where a rim of glass may be left out
BLUR_MM = 0.6  # sigma of common chest CT in plane, with that of sampling it at the map's voxels
LEAST_CONTRAST_HU = 100.0  # the surface of fainter nodules would be drawn by their noise
VESSEL_HU = 100.0  # so much denser than the nodule
STEP_MM = 0.25  # between the distances from the surface at which the HU are read
NEAREST_MM = -1.5  # of them
WITHIN_MM = 0.3  # of such a distance
FARTHEST_MM = 1.0  # that the surface may move
FARTHEST_OVER_RIM_MM = 2.0


def half_maximum_mm(
    hu: np.ndarray,
    outward_mm: np.ndarray,
    voxel_mm3: float,
    densest_hu: float,
    rim_hu: float | None = None,
) -> float | None:
    """Returns how far outwards the half maximum lies from a nodule's surface, mm; None if the
    nodule is denser than this, or fainter than can be told.

    One distance for all of the surface, from medians around it: vessels and wall have no say.

    Args:
        hu: (z, y, x) of the nodule and what surrounds it.
        outward_mm: (z, y, x), distance from its surface, below 0 inside.
        voxel_mm3: volume of a voxel.
        densest_hu: of the nodule's own HU.
        rim_hu: of the ground glass around a solid core, which then counts as the nodule's own.
    """
    volume_mm3 = float((outward_mm < 0).sum() * voxel_mm3)
    if volume_mm3 == 0:
        return None
    own = float(np.median(hu[shell(-outward_mm)])) if rim_hu is None else rim_hu
    near, far = RING_MM if rim_hu is None else BEYOND_RIM_MM
    outside = lung_hu(hu[(outward_mm > near) & (outward_mm < far)])
    if own > densest_hu or own - outside < LEAST_CONTRAST_HU:
        return None
    level = half_way_hu(own, outside, volume_mm3, BLUR_MM)
    farthest = FARTHEST_MM if rim_hu is None else FARTHEST_OVER_RIM_MM
    no_vessel = hu < own + VESSEL_HU
    distances = np.arange(NEAREST_MM, farthest + 3 * STEP_MM, STEP_MM)
    along = profile(hu[no_vessel], outward_mm[no_vessel], distances)
    crossings = [
        mm + STEP_MM * (inner - level) / (inner - outer)
        for mm, inner, outer in zip(distances, along, along[1:], strict=False)
        if inner >= level > outer
    ]
    nearest = min(crossings, key=abs, default=None)
    return None if nearest is None else float(np.clip(nearest, -FARTHEST_MM, farthest))


def profile(
    hu: np.ndarray, outward_mm: np.ndarray, distances_mm: np.ndarray, fewest: int = 1
) -> np.ndarray:
    """Returns the median HU at each distance from a surface; NaN where there are fewer voxels."""
    near = (hu[np.abs(outward_mm - mm) < WITHIN_MM] for mm in distances_mm)
    return np.array([np.median(part) if part.size >= fewest else np.nan for part in near])


def shell(depth_mm: np.ndarray) -> np.ndarray:
    """Returns which voxels lie deep enough to show the nodule's own HU, and not in its core."""
    first, last = SHELL_MM
    first = min(first, DEEPEST * float(depth_mm.max()))
    return (depth_mm >= first) & (depth_mm <= max(last, 2 * first))


def lung_hu(around_hu: np.ndarray) -> float:
    """Returns the median HU of the lung among voxels around a nodule."""
    lung = around_hu[around_hu < DENSEST_LUNG_HU]
    return float(np.median(lung)) if lung.size > FEWEST else LUNG_HU


def half_way_hu(own_hu: float, outside_hu: float, volume_mm3: float, blur_mm: float) -> float:
    """Returns the HU at the surface of a ball of this volume.

    A ball that is blurred reaches half its contrast inside of its surface, the smaller the further:
    at the surface itself its share is 0.5 - sigma / (radius * sqrt(2 pi)), to first order.
    """
    radius_mm = float(np.cbrt(volume_mm3 * 3 / (4 * np.pi)))
    share = 0.5 - min(blur_mm / (radius_mm * np.sqrt(2 * np.pi)), GREATEST_LOSS)
    return outside_hu + share * (own_hu - outside_hu)
