"""What makes the measurements of two scans less comparable: another technique, another weight set,
and masks that are cut or doubtful."""

from __future__ import annotations

from collections.abc import Iterator

from nodulerisk.assessment import Assessment
from nodulerisk.checks import (
    CYSTIC,
    GLASS_LEFT_OUT,
    IRREGULAR_SPACING,
    MASK_AT_EDGE,
    MASK_CUT,
    MASK_EDITED,
    MASK_UNSTEADY,
    METAL,
    MISSING_SLICES,
    NOT_A_NODULE,
    SIZE_OUT_OF_RANGE,
    THICK_SLICES,
)
from nodulerisk.ct.volume import Technique
from nodulerisk.language.texts import Clause, Verbatim, _, joined

SCANS = (_("the earlier scan"), _("the later scan"))
CUT = (MASK_CUT, MASK_AT_EDGE)
# What else makes a size doubtful, all that ``rules/doubts.py`` names among it; that of the nodule
# itself is judged by its size.
DOUBTFUL = (
    NOT_A_NODULE,
    MASK_UNSTEADY,
    GLASS_LEFT_OUT,
    MASK_EDITED,
    SIZE_OUT_OF_RANGE,
    CYSTIC,
    METAL,
    MISSING_SLICES,
    IRREGULAR_SPACING,
    THICK_SLICES,
)
SAME_SLICE_MM = 0.25


def caveats(before: Assessment, after: Assessment) -> tuple[str, ...]:
    """Returns what stands beside the change of a nodule between two scans, in words."""
    return (*_of_masks(before, after), *_of_scans(before, after))


def is_cut(assessment: Assessment) -> bool:
    """Whether the nodule's mask ends where the network's cube or the CT does."""
    return any(kind.among(assessment.checks) for kind in CUT)


def _of_masks(before: Assessment, after: Assessment) -> Iterator[str]:
    for scan, assessment in zip(SCANS, (before, after), strict=True):
        for kind in (*CUT, *DOUBTFUL):
            for check in (check for check in assessment.checks if check.code == kind.code):
                yield joined(": ", (scan, Clause(check.message)))


def _of_scans(before: Assessment, after: Assessment) -> Iterator[str]:
    first, second = before.provenance, after.provenance
    sets = [Verbatim(f"{one.weight_set} {one.weight_set_version}") for one in (first, second)]
    if sets[0] != sets[1]:
        yield _("other weight set: {before}, then {after}").format(before=sets[0], after=sets[1])
    if first.technique is None or second.technique is None:
        yield _("plane, slice thickness, kernel and contrast of the two scans are not known")
        return
    yield from _of_techniques(first.technique, second.technique)


def _of_techniques(first: Technique, second: Technique) -> Iterator[str]:
    if first.plane != second.plane:
        yield _("other plane: {before}, then {after}").format(
            before=first.plane, after=second.plane
        )
    if abs(first.slice_mm - second.slice_mm) > SAME_SLICE_MM:
        yield _("other slice thickness: {before:.3g} mm, then {after:.3g} mm").format(
            before=first.slice_mm, after=second.slice_mm
        )
    both_known = first.kernel is not None and second.kernel is not None
    if both_known and first.kernel != second.kernel:
        yield _("other kernel: {before}, then {after}").format(
            before=first.kernel, after=second.kernel
        )
    if {first.contrast, second.contrast} == {True, False}:
        yield _("contrast was given at one of the two scans only")
    unknown = [] if both_known else [_("kernel")]
    unknown += [] if None not in (first.contrast, second.contrast) else [_("contrast")]
    if unknown:
        yield _("whether both scans have the same {unknown} is not known").format(
            unknown=joined(" and ", unknown)
        )
