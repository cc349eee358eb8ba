"""Where a nodule lies, in the words of a reader: the side of the body, the slice, the series."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from nodulerisk.assessment import Place, Side
from nodulerisk.ct.volume import CT, Acquisition, axis_order

WHOLE_CHEST_MM = 250.0  # from right to left: a narrower field may show one lung alone
BESIDE_THE_MIDLINE_MM = 40.0  # no patient lies so far off the scanner's axis


def place_of(ct: CT, centre_lps_mm: Sequence[float] | np.ndarray) -> Place:
    """Returns where a point of the CT (x, y, z, LPS mm) lies, as far as the CT tells."""
    steps_mm = ct.direction * ct.spacing_mm
    return place_on(ct.hu.shape, ct.origin_lps_mm, steps_mm, ct.acquisition, centre_lps_mm)


def place_on(
    shape: tuple[int, ...],
    origin_lps_mm: Sequence[float],
    steps_mm: np.ndarray,
    acquisition: Acquisition,
    centre_lps_mm: Sequence[float] | np.ndarray,
) -> Place:
    """The same for a CT of which the grid alone is at hand.

    Slices are counted as the series counts its images, or, if it does not say, as the file has
    them.

    Args:
        shape: (z, y, x).
        origin_lps_mm: of the first voxel.
        steps_mm: 3x3; column a is the step from voxel to voxel along array axis x, y, z, LPS mm.
        acquisition: how the series counts.
        centre_lps_mm: the point (x, y, z).
    """
    direction = steps_mm / np.linalg.norm(steps_mm, axis=0)
    axis = axis_order(direction)[0][2]
    count = shape[2 - axis]
    voxel = np.linalg.solve(steps_mm, np.subtract(centre_lps_mm, origin_lps_mm))
    index = int(np.clip(np.rint(voxel[axis]), 0, count - 1))
    to_head, head_first = direction[2, axis] > 0, acquisition.head_to_foot
    if head_first is not None and to_head == head_first:
        index = count - 1 - index
    side = side_of(centre_lps_mm[0], origin_lps_mm[0], steps_mm[0], shape)
    first = acquisition.first_image
    return Place(side, index + (1 if first is None else first), count, acquisition.series_number)


def side_of(
    x_mm: float, origin_mm: float, steps_mm: np.ndarray, shape: tuple[int, ...]
) -> Side | None:
    """Returns the side of the body; None where the position alone does not tell it: near the
    midline, in a narrow field, or where the field's middle and the scanner's axis (x = 0) differ.

    Args:
        x_mm: LPS x of the point.
        origin_mm: that of the CT's first voxel.
        steps_mm: (3,), by how much it grows along the array axes x, y, z.
        shape: of the CT, (z, y, x).
    """
    last = np.subtract(shape[::-1], 1)
    corners = np.array(list(product(*zip((0, 0, 0), last, strict=True)))) @ steps_mm
    left, right = origin_mm + corners.max(), origin_mm + corners.min()
    if left - right < WHOLE_CHEST_MM:
        return None
    offsets = np.subtract(x_mm, (0, (left + right) / 2))
    if (offsets >= BESIDE_THE_MIDLINE_MM).all():
        return "left"
    return "right" if (offsets <= -BESIDE_THE_MIDLINE_MM).all() else None
