"""Compares the nodules of two CTs: aligns the lungs, and follows the nodules that are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import Earlier, followed
from nodulerisk.clinical.registration import Alignment, Matches, align, proposed
from nodulerisk.ct.points import Point
from nodulerisk.errors import NoduleRiskError


def aligner(
    earlierNode: vtkMRMLScalarVolumeNode | None,
    volumeNode: vtkMRMLScalarVolumeNode | None,
    days: float,
) -> Callable[[], Alignment]:
    """A function that aligns the lungs of two CTs (see ``align``); it takes seconds, and can be
    called on any thread.

    Raises:
        NoduleRiskError: there is nothing to compare, or the days between are not known; see
            ``scene.ctReader``.
    """
    readBefore, readAfter = map(scene.ctReader, _comparable(earlierNode, volumeNode, days))
    return lambda: align(readBefore(), readAfter())


def matches(
    alignment: Alignment, earlierNode: vtkMRMLScalarVolumeNode, volumeNode: vtkMRMLScalarVolumeNode
) -> Matches:
    """The assessed nodules of two CTs that may be the same, judged by position."""
    return proposed(_placesOf(earlierNode), _placesOf(volumeNode), alignment)


def followUps(
    matches: Matches,
    earlierNode: vtkMRMLScalarVolumeNode,
    volumeNode: vtkMRMLScalarVolumeNode,
    days: float,
    given: Mapping[str, str],
) -> dict[str, Earlier]:
    """The nodules present at both scans, by their present name, with how each has changed.

    Args:
        matches: which nodules are the same.
        earlierNode, volumeNode: the two CTs.
        days: between the scans.
        given: the reader's words for density types at the later scan, by the nodule's name.
    """
    before, after = results.savedAssessments(earlierNode), results.savedAssessments(volumeNode)
    pairs = [(before[pair.before.name], after[pair.after.name]) for pair in matches.pairs]
    return {now.name: _earlier(once, now, days, given.get(now.name)) for once, now in pairs}


def comparedAgain(earlier: Earlier, now: Assessment, given: str | None) -> Earlier:
    """The same nodule, once the reader has another word for its density type."""
    if earlier.follow_up is None:
        return earlier
    return _earlier(earlier.assessment, now, earlier.follow_up.days, given)


def _comparable(
    earlierNode: vtkMRMLScalarVolumeNode | None,
    volumeNode: vtkMRMLScalarVolumeNode | None,
    days: float,
) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLScalarVolumeNode]:
    if earlierNode is None or volumeNode is None or earlierNode is volumeNode:
        raise NoduleRiskError("Select the earlier CT to compare with.")
    if not all(results.savedAssessments(node) for node in (earlierNode, volumeNode)):
        raise NoduleRiskError(
            "Assess the nodules of both CTs first: select each as the chest CT, and assess it."
        )
    if days <= 0:
        raise NoduleRiskError("Enter the number of days between the two CTs.")
    return earlierNode, volumeNode


def _placesOf(volumeNode: vtkMRMLScalarVolumeNode) -> list[Point]:
    saved = results.savedAssessments(volumeNode)
    return [Point(name, assessment.centre_lps_mm) for name, assessment in saved.items()]


def _earlier(once: Assessment, now: Assessment, days: float, given: str | None) -> Earlier:
    """The nodule at the earlier scan, and how it has changed if it was measured in both."""
    when = f"{days:g} days before"
    try:
        return Earlier(when, once, followed(once, now, days, given))
    except NoduleRiskError:  # one of them has no mask
        return Earlier(when, once, None)
