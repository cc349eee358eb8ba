"""Ground glass around a solid core: the HU of the rim that a part-solid nodule has.

Outwards from the core the HU fall to those of the glass, stay there, and fall again to those of the
lung. A solid nodule's fall at once. The HU are medians around all of the nodule, so that a vessel
or a wall at one side is no rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nodulerisk.nodule.half_maximum import LEAST_CONTRAST_HU, STEP_MM, lung_hu, profile


@dataclass(frozen=True)
class Band:
    """Where a rim is looked for.

    Attributes:
        first_mm, last_mm: outwards from the drawn surface.
        steepest: HU per mm; a rim is flatter.
        least_depth_mm: of the nodule; that of smaller ones is hardly larger than the blur.
    """

    first_mm: float
    last_mm: float
    steepest: float
    least_depth_mm: float = 0.0


# The network draws some of the glass as a rule. Edges of solid nodules that slices of 2.5 mm blur
# fall by 115 HU per mm and more.
DRAWN = Band(-2.5, 0.5, 110.0)
LEFT_OUT = Band(0.25, 2.25, 40.0, least_depth_mm=3.0)  # the lung itself is nearly as flat there
BEYOND_MM = (3.0, 6.0)  # what lies around is looked at so far
DENSEST_GLASS_HU = -450.0  # between this and the core's HU lies what is half one, half the other
RISE_HU = 30.0  # noise; where more rises outwards, a wall lies around
AERATED_HU = -750.0  # lung around it is no denser: else it is more of a wide rim
CORE_SHARE = 0.75  # of the greatest depth: what lies deeper is the core
FEWEST = 10  # voxels


def glass_rim_hu(
    hu: np.ndarray, outward_mm: np.ndarray, solid_hu: float, band: Band = DRAWN
) -> float | None:
    """Returns the HU of the ground glass around a solid core; None: there is no core, or no glass.

    Args:
        hu: (z, y, x) of the nodule and what surrounds it.
        outward_mm: (z, y, x), distance from its drawn surface, below 0 inside.
        solid_hu: a core is denser.
        band: where it is looked for.
    """
    depth = -outward_mm
    core = hu[(depth > 0) & (depth >= CORE_SHARE * depth.max())]
    is_core = core.size > 0 and np.median(core) > solid_hu
    if not is_core or depth.max() < band.least_depth_mm:
        return None
    around = hu[(outward_mm > BEYOND_MM[0]) & (outward_mm < BEYOND_MM[1])]
    lung = min(lung_hu(around), AERATED_HU)
    distances = np.arange(DRAWN.first_mm, BEYOND_MM[0] + STEP_MM, STEP_MM)
    along = profile(hu, outward_mm, distances, FEWEST)
    steepness = np.full(len(along), np.nan)
    steepness[1:-1] = np.abs(along[:-2] - along[2:]) / (2 * STEP_MM)
    is_there = (distances >= band.first_mm) & (distances <= band.last_mm)
    is_glass = (along < DENSEST_GLASS_HU) & (along > lung + LEAST_CONTRAST_HU)
    highest_beyond = np.fmax.accumulate(along[::-1])[::-1]
    is_rim = is_there & is_glass & (steepness < band.steepest) & (highest_beyond <= along + RISE_HU)
    if not is_rim.any():
        return None
    return float(along[np.argmin(np.where(is_rim, steepness, np.inf))])
