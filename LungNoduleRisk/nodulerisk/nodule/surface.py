"""Ground glass, measured at its half maximum: its drawn surface is moved to where the HU lie half
way between the nodule and the lung around it. That of a part-solid nodule, of which the network
draws the core and little more, is moved to where its glass ends.

The whole surface moves by one distance, found from medians around it, so that vessels and wall have
no say. Phantoms of 10 to 14 mm, which the mask network draws some 0.3 mm too wide, come out within
15 %, and real ground glass agrees with readers as well as before or better (``Docs/numbers.md``).
Solid nodules stay as drawn: there the network is as good, and a surface shifted as a whole is not.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import affine_transform, distance_transform_edt, find_objects, gaussian_filter

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.nodule.half_maximum import half_maximum_mm
from nodulerisk.nodule.mask import MASK_LEVEL, nodule_mask
from nodulerisk.nodule.measure import SOLID_HU
from nodulerisk.nodule.part_solid import LEFT_OUT, glass_rim_hu

AROUND_MM = 6.0  # what is looked at beyond the mask
SMOOTH_MM = 1.0  # sigma that rounds the drawn surface: thin vessels fall off it
TOUCHING_MM = (1.0, 2.0)  # so near to the surface, and beyond its blur
TOUCHING_HU = -500.0
RISE_MM = 1.5  # over which the moved map rises from 0 to 1


def at_half_maximum(nodule: NoduleMask, ct: CT, point_lps_mm) -> NoduleMask:
    """Returns the nodule at the point with its surface at the half maximum, if it is ground glass;
    else, and where the half maximum cannot be told, as it is.

    Args:
        nodule: a network's mask, not empty.
        ct: the CT on whose grid it lies.
        point_lps_mm: the user's point (x, y, z), LPS mm.
    """
    around = around_nodule(nodule, ct)
    rim_hu = glass_rim_hu(around.hu, around.outward_mm, SOLID_HU)
    shift = half_maximum_mm(around.hu, around.outward_mm, around.voxel_mm3, SOLID_HU, rim_hu)
    if shift is None:
        return nodule
    moved = np.zeros_like(nodule.probability)
    moved[around.box] = np.clip(MASK_LEVEL - (around.outward_mm - shift) / RISE_MM, 0, 1)
    found = nodule_mask(moved, nodule.grid, ct, point_lps_mm, nodule.evidence)
    return found if found.region.any() else nodule


def leaves_glass_out(around: Around) -> bool:
    """Whether a rim of ground glass around the nodule's solid core lies outside its mask."""
    return glass_rim_hu(around.hu, around.outward_mm, SOLID_HU, LEFT_OUT) is not None


def touched_share(around: Around) -> float:
    """Returns the share (0..1) of the mask's close surroundings that is as dense as a vessel or a
    wall."""
    near = (around.outward_mm > TOUCHING_MM[0]) & (around.outward_mm < TOUCHING_MM[1])
    return float((around.hu[near] > TOUCHING_HU).mean()) if near.any() else 0.0


class Around(NamedTuple):
    """A nodule's map and what is around it.

    Attributes:
        box: where it lies in the map (z, y, x).
        outward_mm: (z, y, x), distance from the rounded surface, below 0 inside.
        hu: (z, y, x).
        voxel_mm3: volume of a voxel.
    """

    box: tuple[slice, ...]
    outward_mm: np.ndarray
    hu: np.ndarray
    voxel_mm3: float


def around_nodule(nodule: NoduleMask, ct: CT) -> Around:
    """Returns what is around a nodule, whose mask is not empty."""
    steps = np.linalg.norm(nodule.grid.axes, axis=0)[::-1]
    inside = nodule.probability >= MASK_LEVEL
    box = _box(inside, steps)
    outward = _outward_mm(inside[box], steps)
    return Around(box, outward, _hu_on(nodule.grid, box, ct), float(np.prod(steps)))


def _box(inside: np.ndarray, steps_mm: np.ndarray) -> tuple[slice, ...]:
    """Returns the box (z, y, x) of a mask with what is looked at around it."""
    reach = np.ceil(AROUND_MM / steps_mm).astype(int).tolist()
    parts = zip(find_objects(inside.astype(np.uint8))[0], reach, inside.shape, strict=True)
    return tuple(slice(max(p.start - r, 0), min(p.stop + r, end)) for p, r, end in parts)


def _outward_mm(inside: np.ndarray, steps_mm: np.ndarray) -> np.ndarray:
    """Returns every voxel's distance from the rounded surface, below 0 inside."""
    out, depth = (distance_transform_edt(part, sampling=steps_mm) for part in (~inside, inside))
    half = float(steps_mm.mean()) / 2
    return gaussian_filter(np.where(inside, half - depth, out - half), SMOOTH_MM / steps_mm)


def _hu_on(grid: Grid, box: tuple[slice, ...], ct: CT) -> np.ndarray:
    """Returns the HU at the box's voxels (z, y, x) of the grid; past the CT's edge its last
    voxel."""
    to_ct = np.linalg.solve(ct.direction * ct.spacing_mm, grid.axes)  # x, y, z
    first = np.array([part.start for part in reversed(box)])
    start = ct.voxel_of(grid.origin_lps_mm + grid.axes @ first)
    shape = tuple(part.stop - part.start for part in box)
    hu = affine_transform(
        ct.hu,
        to_ct[::-1, ::-1],
        start[::-1],
        output_shape=shape,
        output=np.float32,
        order=1,
        mode="nearest",
    )
    return np.maximum(hu, AIR_HU)
