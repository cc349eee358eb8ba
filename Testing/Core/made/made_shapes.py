"""Shapes of known size in CTs of any spacing and direction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from made_assessment import positions_of
from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.mask import hand_mask

GLASS_HU, SOLID_HU = -600, 30
OBLIQUE = Rotation.from_euler("xyz", [20, -15, 30], degrees=True).as_matrix()
SAGITTAL = np.eye(3)[:, [2, 0, 1]]
SPACING_MM = (0.7, 0.7, 1.0)

Shape = tuple[NoduleMask, CT]


def ellipsoid(
    semi_mm=(6.0, 6.0, 6.0),
    turn=None,
    spacing_mm=SPACING_MM,
    direction=None,
    off_mm=(0, 0, 0),
    hu=SOLID_HU,
) -> Shape:
    """A rotated ellipsoid, slightly off the middle of a CT that just contains it."""
    direction, turn = (np.eye(3) if m is None else m for m in (direction, turn))
    half = np.ceil((max(semi_mm) + 1) / np.array(spacing_mm)).astype(int)
    empty = CT(np.full(2 * half[::-1] + 1, -850, np.int16), spacing_mm, (0, 0, 0), direction)
    ct = replace(empty, origin_lps_mm=tuple(-empty.point_of(half)))
    inside = np.sum(((positions_of(ct) - off_mm) @ turn / semi_mm) ** 2, axis=-1) <= 1
    ct.hu[inside] = hu
    return hand_mask(inside, (0, 0, 0), ct), ct


def shaded(semi_mm, spacing_mm) -> Shape:
    """An ellipsoid that is densest in its middle, in a CT that slopes from side to side."""
    counts = [int(np.ceil(40 / mm)) for mm in spacing_mm[::-1]]
    axes = [
        (np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(counts, spacing_mm[::-1], strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    distance = np.sqrt(sum((axis / mm) ** 2 for axis, mm in zip((x, y, z), semi_mm, strict=True)))
    hu = (-850 + 1100 * np.clip(1.3 - distance, 0, 1) + 12 * x - 7 * y).astype(np.int16)
    ct = CT(hu, spacing_mm, (0.0, 0.0, 0.0))
    return hand_mask(distance <= 1, (0, 0, 0), ct), ct


def reoriented(ct: CT, order, flips) -> CT:
    """The same voxels at the same places, stored with other array axes."""
    # new array axis a (x = 0) is old axis order[a]
    array = ct.hu.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    sizes = np.array(ct.hu.shape[::-1])
    first = np.zeros(3)
    direction = ct.direction[:, list(order)].copy()
    for axis, flip in enumerate(flips):
        if flip:
            array = np.flip(array, axis=2 - axis)
            first[order[axis]] = sizes[order[axis]] - 1
            direction[:, axis] *= -1
    spacing = tuple(ct.spacing_mm[axis] for axis in order)
    return CT(np.ascontiguousarray(array), spacing, tuple(ct.point_of(first)), direction)
