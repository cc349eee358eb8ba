"""Checks on a point and its nodule that a reader must know before relying on the numbers (fault
rows 1, 21, 25-31)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from nodulerisk.assessment import Assessment, Measurement, NoduleMask
from nodulerisk.checks import (
    CALCIFIED,
    CYSTIC,
    FLAT,
    GLASS_LEFT_OUT,
    MASK_AT_EDGE,
    MASK_CUT,
    MASK_EDITED,
    METAL,
    MOSTLY_PADDING,
    NO_LUNG,
    NO_NODULE,
    OBLIQUE_SLICES,
    PADDED_IN_PLANE,
    PADDED_IN_Z,
    SIZE_OUT_OF_RANGE,
    TOUCHED,
    Check,
)
from nodulerisk.ct.cubes import EMV_BLOCK, EMV_SPACING_MM, lps_block, padded_fraction
from nodulerisk.ct.volume import CT, OBLIQUE_DEGREES
from nodulerisk.errors import PointError
from nodulerisk.language.texts import _
from nodulerisk.nodule.mask import touches_ct_edge, touches_cube_edge
from nodulerisk.nodule.measure import measure, nodule_hu, principal_axes_mm, value_of
from nodulerisk.nodule.surface import around_nodule, leaves_glass_out, touched_share

BLOCK_MM = EMV_BLOCK * EMV_SPACING_MM
METAL_HU = 3000
LUNG_HU = -500
CALCIUM_HU = 200
CYST_HU = -900
# Phantoms of 8 and 10 mm that were drawn above 1.5 times too large, up to 2.5 times, were all
# touched by this share; those of 15 mm are not drawn so. Half of the real nodules are touched.
TOUCHED_FROM, TOUCHED_BELOW_MM = 0.05, 15.0
PUBLISHED_RANGE_MM = (4.0, 30.0)
FLAT_SHARE = 0.5  # least / middle axis; at least 0.52 in the masks of 305 LIDC nodules


def refuse_missing_slices(ct: CT, point_lps_mm) -> None:
    """Refuses a nodule whose block contains a missing slice that was interpolated (fault 1).

    Raises:
        PointError: it does.
    """
    centre = ct.voxel_of(point_lps_mm)[2]
    reach = np.abs(
        ct.direction[:, 2]
    ).sum()  # of the LPS-aligned block across slices that may be oblique
    half = BLOCK_MM / 2 * reach / ct.spacing_mm[2]
    if any(abs(z - centre) <= half for z in ct.filled_slices):
        raise PointError(
            _(
                "A slice of the series is missing near this point: export the complete series"
                " and try again."
            )
        )


def block_checks(ct: CT, point_lps_mm) -> Iterator[Check]:
    """Returns findings in the 62.5 mm block around the point (faults 21, 26, 27, 28).

    Raises:
        PointError: the point lies outside the CT (fault 25).
    """
    block = lps_block(ct, point_lps_mm)
    hu = _box(block, point_lps_mm, BLOCK_MM / 2)
    if hu.max() > METAL_HU:
        yield METAL.check()
    if (_box(block, point_lps_mm, 16) < LUNG_HU).mean() < 0.05:
        yield NO_LUNG.check()
    yield from _padding_checks(block, ct, point_lps_mm)


def nodule_checks(
    nodule: NoduleMask | None, measurements: tuple[Measurement, ...], ct: CT
) -> Iterator[Check]:
    """Returns findings about the nodule that was drawn (faults 14, 26, 30, 31, 67)."""
    if nodule is None:
        return
    if not nodule.region.any():
        yield NO_NODULE.check()
        return
    long_axis = value_of(measurements, "long axis") or 0
    low, high = PUBLISHED_RANGE_MM
    if not low <= long_axis <= high:
        yield SIZE_OUT_OF_RANGE.check(long_axis=long_axis, low=low, high=high)
    if touches_cube_edge(nodule):
        seen_mm = len(nodule.probability) * np.linalg.norm(nodule.grid.axes[:, 2])
        yield MASK_CUT.check(side=seen_mm)
    if touches_ct_edge(nodule):
        yield MASK_AT_EDGE.check()
    least, middle, _most = principal_axes_mm(nodule.region, ct.spacing_mm)
    if least < FLAT_SHARE * middle:
        yield FLAT.check(least=least, middle=middle)
    if ct.tilt_degrees > OBLIQUE_DEGREES:
        yield OBLIQUE_SLICES.check(degrees=ct.tilt_degrees)
    hu = nodule_hu(nodule, ct)
    if (hu > CALCIUM_HU).mean() > 0.1:
        yield CALCIFIED.check()
    if (hu < CYST_HU).mean() > 0.1:
        yield CYSTIC.check()


def surroundings_checks(
    nodule: NoduleMask | None, measurements: tuple[Measurement, ...], ct: CT
) -> Iterator[Check]:
    """Returns findings about what lies around a mask that a network drew, and may belong to the
    nodule or not (fault 70); a reader who draws decides that."""
    if nodule is None or not nodule.region.any():
        return
    around = around_nodule(nodule, ct)
    if leaves_glass_out(around):
        yield GLASS_LEFT_OUT.check()
    is_small = (value_of(measurements, "equivalent diameter") or 0) < TOUCHED_BELOW_MM
    if is_small and (share := touched_share(around)) >= TOUCHED_FROM:
        yield TOUCHED.check(share=share)


def remeasured(assessment: Assessment, ct: CT, nodule: NoduleMask | None) -> Assessment:
    """Returns the assessment with a mask corrected by hand, with new measurements and findings.

    The probabilities remain those that the networks gave around their own mask, and a note says so.

    Args:
        assessment: with any mask, or none.
        ct: the CT, or a crop of it around the nodule.
        nodule: from ``hand_mask``, on the grid of this ``ct``; None: the mask was deleted.
    """
    measurements = () if nodule is None else measure(nodule, ct)
    kept = [check for check in assessment.checks if not check.kind.of_mask]
    checks = (*kept, *nodule_checks(nodule, measurements, ct), MASK_EDITED.check())
    return replace(assessment, nodule=nodule, measurements=measurements, checks=checks)


def _padding_checks(block: CT, ct: CT, point_lps_mm) -> Iterator[Check]:
    voxel = block.voxel_of(point_lps_mm)
    half = BLOCK_MM / 2 / np.array(block.spacing_mm)
    outside = (voxel - half < -0.5) | (voxel + half > np.array(block.hu.shape[::-1]) - 0.5)
    share = padded_fraction(ct, point_lps_mm, BLOCK_MM)
    if outside[:2].any():
        yield PADDED_IN_PLANE.check(share=share)
    if outside[2]:
        yield PADDED_IN_Z.check(share=share)
    if share > 0.5:
        yield MOSTLY_PADDING.check(share=share)


def _box(block: CT, point_lps_mm, half_mm: float) -> np.ndarray:
    """Returns the HU within ``half_mm`` of the point along each axis, inside the CT."""
    centre = np.rint(block.voxel_of(point_lps_mm)).astype(int)
    half = np.ceil(half_mm / np.array(block.spacing_mm)).astype(int)
    return block.hu[
        tuple(
            slice(max(c - h, 0), c + h + 1) for c, h in zip(centre[::-1], half[::-1], strict=True)
        )
    ]
