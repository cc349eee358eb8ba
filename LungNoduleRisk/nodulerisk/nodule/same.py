"""Two points on one nodule: one assessment, one mask, said once (fault 66)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.checks import SAME_NODULE, Check
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.mask import mask_dice

SAME_DICE = 0.5  # of two points' masks, from which they are of one nodule


def told_apart(found: Assessment, before: Iterable[Assessment], ct: CT) -> Assessment:
    """Returns the assessment; where its nodule was assessed before from another point, that earlier
    one under the new name and point, flagged.

    Args:
        found: the assessment.
        before: those of the other points of this CT.
        ct: their CT.
    """
    for first in before:
        if not is_twin(first) and _one_nodule(first, found, ct):
            checks = (*first.checks, SAME_NODULE.check(other=first.name))
            return replace(first, name=found.name, point_lps_mm=found.point_lps_mm, checks=checks)
    return found


def is_twin(assessment: Assessment) -> bool:
    """Whether another point marked its nodule before."""
    return SAME_NODULE.among(assessment.checks)


def distinct(assessments: Iterable[Assessment]) -> list[Assessment]:
    """Returns one assessment for each nodule: that of its first point, or, where that is not among
    them, of another one."""
    found: list[Assessment] = []
    for one in sorted(assessments, key=is_twin):
        if not (is_twin(one) and any(_same(other, one) for other in found)):
            found.append(one)
    return found


def merged(assessments: Iterable[Assessment]) -> list[Assessment]:
    """Returns one assessment for each nodule, which also says which other points lie on it."""
    every = [*assessments]
    firsts = distinct(every)
    twins = [one for one in every if not any(one is first for first in firsts)]
    return [
        replace(one, checks=(*one.checks, *(_said_of(twin) for twin in twins if _same(one, twin))))
        for one in firsts
    ]


def _said_of(twin: Assessment) -> Check:
    said = next(check for check in twin.checks if SAME_NODULE.among([check]))
    return replace(said, message=f"{twin.name}: {said.message}")


def _same(one: Assessment, twin: Assessment) -> bool:
    return one.centre_lps_mm == twin.centre_lps_mm


def _one_nodule(first: Assessment, second: Assessment, ct: CT) -> bool:
    a, b = first.nodule, second.nodule
    if a is None or b is None or not (a.region.any() and b.region.any()):
        return False
    return _holds(a, second, ct) or _holds(b, first, ct) or mask_dice(a, b) >= SAME_DICE


def _holds(nodule: NoduleMask, other: Assessment, ct: CT) -> bool:
    """Whether the other's point lies in the mask."""
    voxel = np.rint(ct.voxel_of(other.point_lps_mm)).astype(int)[::-1] - nodule.first_voxel
    inside = (voxel >= 0).all() and (voxel < nodule.region.shape).all()
    return bool(inside and nodule.region[tuple(voxel)])
