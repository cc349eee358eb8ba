"""The planes of one series as a stack on a regular grid; a stack that cannot be trusted is refused
before voxels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nodulerisk.checks import IRREGULAR_SPACING, MISSING_SLICES, Check
from nodulerisk.ct.dicom.files import ImagePlane
from nodulerisk.ct.volume import refuse_bad_direction, refuse_bad_spacing
from nodulerisk.errors import CTError, TiltError
from nodulerisk.language.texts import _

MAX_CONSECUTIVE_MISSING = 5
# Deviation of slice steps from the median: up to the first silent, up to the second flagged, beyond
# it refused.
REGULAR, TOLERABLE = 0.01, 0.10


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Parallel planes of one size, sorted along their normal.

    Attributes:
        planes: sorted; the first one's position is the grid's origin.
        index: int (n,), the z index of each plane; missing slices have none.
        direction: 3x3, LPS; columns: along a row, down a column, and the normal.
        pixel_spacing_mm: down a column and along a row.
        step_mm: from one z index to the next.
        checks: findings on missing and uneven slices.
    """

    planes: list[ImagePlane]
    index: np.ndarray
    direction: np.ndarray
    pixel_spacing_mm: tuple[float, float]
    step_mm: float
    checks: list[Check]

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """x, y, z."""
        down, along = self.pixel_spacing_mm
        return along, down, self.step_mm

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the whole grid: z, y, x."""
        header = self.planes[0].header
        return int(self.index[-1]) + 1, int(header.Rows), int(header.Columns)


def stacked(planes: list[ImagePlane]) -> SliceStack:
    """Sorts the planes of one series and checks that they form a stack.

    Raises:
        TiltError: the slices are shifted against each other (fault 4).
        CTError: two slices at one position (fault 2); see also ``common_pixel_spacing``,
            ``common_direction`` and ``slice_grid``.
    """
    pixel_spacing = common_pixel_spacing(planes)
    direction = common_direction(planes)
    normal = direction[:, 2]
    planes = sorted(planes, key=lambda plane: plane.position @ normal)
    refuse_shear(planes, normal, min(pixel_spacing))
    heights = np.array([plane.position @ normal for plane in planes])
    refuse_repeats(planes, np.diff(heights))
    index, step, checks = slice_grid(heights)
    return SliceStack(planes, index, direction, pixel_spacing, step, checks)


def common_pixel_spacing(planes: list[ImagePlane]) -> tuple[float, float]:
    """Returns row and column spacing, mm (PS3.3 10.7.1.3).

    Raises:
        CTError: missing, zero or negative, or not the same in every slice (fault 15).
    """
    spacings = [plane.numbers("PixelMeasuresSequence", "PixelSpacing", 2) for plane in planes]
    [(common, _count)] = Counter(spacings).most_common(1)
    strays = [k for k, found in enumerate(spacings) if not np.allclose(found, common, atol=1e-4)]
    if strays:
        raise CTError(
            _(
                "{count} of {planes} slices have another PixelSpacing, the first in {name}:"
                " {found} instead of {common}. Take them out, or export the CT series again."
            ).format(
                count=len(strays),
                planes=len(planes),
                name=planes[strays[0]].file.name,
                found=in_mm(spacings[strays[0]]),
                common=in_mm(common),
            )
        )
    down, along = common
    refuse_bad_spacing((down, along))
    return down, along


def in_mm(spacing: Iterable[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in spacing) + " mm"


def common_direction(planes: list[ImagePlane]) -> np.ndarray:
    """Returns the directions along a row, down a column, and of the slice normal, as columns; 3x3,
    LPS (PS3.3 C.7.6.2.1.1).

    Raises:
        CTError: not orthonormal, or the slices are not parallel (fault 9).
    """
    along, down = planes[0].orientation
    direction = np.column_stack([along, down, planes[0].normal])
    refuse_bad_direction(direction)
    turned = [
        plane.file.name
        for plane in planes
        if not np.allclose(plane.orientation, (along, down), rtol=0, atol=1e-3)
    ]
    if turned:
        words = _(
            "The slices of this series are not parallel, the first in {turned}. Choose a series of"
            " parallel slices."
        )
        raise CTError(words.format(turned=turned[0]))
    if not np.all(np.isfinite([plane.position for plane in planes])):
        raise CTError(_("A slice's position is not a number. Export the CT series again."))
    return direction


def refuse_shear(planes: list[ImagePlane], normal: np.ndarray, pixel_mm: float) -> None:
    """Refuses slices that are not stacked along their normal; a tilted gantry shifts each against
    the last (fault 4).

    Raises:
        TiltError: they are not.
    """
    offsets = np.array([plane.position for plane in planes]) - planes[0].position
    sideways = offsets - np.outer(offsets @ normal, normal)
    if np.linalg.norm(sideways, axis=1).max() > pixel_mm / 2:
        raise TiltError(
            _(
                "The slices are shifted against each other, as with a tilted gantry. Correct"
                " the tilt at the scanner or resample the series, then load it again."
            )
        )


def slice_grid(heights: np.ndarray) -> tuple[np.ndarray, float, list[Check]]:
    """Returns the index of each height, sorted and all different, on a regular grid, the grid's
    step in mm, and the findings.

    Raises:
        CTError: irregular spacing (fault 3), or too many missing slices (fault 1).
    """
    steps = np.diff(heights)
    typical = float(np.median(steps))
    jumps = np.maximum(np.rint(steps / typical), 1).astype(int)
    index = np.concatenate([[0], np.cumsum(jumps)])
    step = float((heights[-1] - heights[0]) / index[-1])
    deviation = float(np.abs(steps / typical - jumps).max())
    drift = float(np.abs((heights - heights[0]) / step - index).max())
    if deviation > TOLERABLE or drift > 0.5:
        words = _("Slice spacing varies by {deviation:.0f} %. Reconstruct an evenly spaced series.")
        raise CTError(words.format(deviation=100 * deviation))
    missing = int(index[-1]) + 1 - len(heights)
    if jumps.max() - 1 > MAX_CONSECUTIVE_MISSING or missing > max(1, index[-1] // 10):
        words = _("{missing} slices of the series are missing. Export the complete series again.")
        raise CTError(words.format(missing=missing))
    return index, step, spacing_checks(missing, deviation)


def refuse_repeats(planes: list[ImagePlane], steps: np.ndarray) -> None:
    repeated = [pair for pair, step in zip(pairwise(planes), steps, strict=True) if step < 0.01]
    if repeated:
        first, second = sorted(plane.file.name for plane in repeated[0])
        words = _(
            "{count} slices lie where another does, the first in {first} and {second}: copies, or"
            " several phases in one series (4D). Keep one slice for each position."
        )
        raise CTError(words.format(count=len(repeated), first=first, second=second))


def spacing_checks(missing: int, deviation: float) -> list[Check]:
    checks = []
    if missing:
        checks.append(MISSING_SLICES.check(missing=missing))
    if deviation > REGULAR:
        checks.append(IRREGULAR_SPACING.check(percent=100 * deviation))
    return checks
