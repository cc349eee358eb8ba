"""Compares the nodules of two CTs: aligns the lungs, and follows the nodules that are the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import Earlier, earlier_scan
from nodulerisk.clinical.registration import Alignment, Matches, align, proposed
from nodulerisk.clinical.timeline import Step, Timeline
from nodulerisk.clinical.tracks import paired_by_name
from nodulerisk.ct.points import Point, Position
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

COMPARED = _("Nodules compared: {count}; only on the earlier CT: {gone}; only now: {new}.")

PICTURE_MM = 45.0  # of a CT around a nodule or its place, to show it
UNMARKED = _("It has no assessed point on the later CT: look at its place.")
NOT_SHOWN = _("Not looked for: the later scan does not show its place.")
NOT_PLACED = _("Not looked for at the later scan: the lungs do not match.")


@dataclass(frozen=True, eq=False)
class Gone:
    """A nodule of the earlier CT that has no nodule on the later one.

    Attributes:
        assessment: at the earlier CT, with its mask.
        when: the earlier CT was made, in words.
        ct: the earlier CT around it.
        words: what became of it.
        place: where it would be on the later CT, LPS mm; None: not known.
        laterCt: the later CT around the place; None: it does not show it.
    """

    assessment: Assessment
    when: str
    ct: CT
    words: str
    place: Position | None
    laterCt: CT | None


def aligner(
    earlierNode: vtkMRMLScalarVolumeNode | None,
    volumeNode: vtkMRMLScalarVolumeNode | None,
    days: float,
    byName: bool = False,
) -> Callable[[], Alignment | None]:
    """A function that aligns the lungs of two CTs (see ``align``); it takes seconds, and can be
    called on any thread. With ``byName`` there is no need to align lungs that do not match: None.

    Raises:
        NoduleRiskError: there is nothing to compare, the days between are not known, or the CTs
            are in the wrong order; see ``scene.ctReader``.
    """
    nodes = _comparable(earlierNode, volumeNode, days)
    readBefore, readAfter = map(scene.ctReader, nodes)

    def aligned() -> Alignment | None:
        try:
            return align(readBefore(), readAfter())
        except NoduleRiskError:
            if byName:
                return None
            raise

    return aligned


def daysBetween(
    earlierNode: vtkMRMLScalarVolumeNode | None, volumeNode: vtkMRMLScalarVolumeNode | None
) -> int | None:
    """Days between two CTs that Slicer's DICOM module loaded; None where it did not, or where their
    files carry no date."""
    if earlierNode is None or volumeNode is None:
        return None
    files = [scene.dicomFiles(node)[:1] for node in (earlierNode, volumeNode)]
    if not all(files):
        return None
    from nodulerisk.ct.dicom.dates import (
        days_between_files,  # needs a pydicom that may have yet to be installed
    )

    return days_between_files(files[0][0], files[1][0])


def matches(
    alignment: Alignment | None,
    earlierNode: vtkMRMLScalarVolumeNode,
    volumeNode: vtkMRMLScalarVolumeNode,
    byName: bool = False,
) -> Matches:
    """The assessed nodules of two CTs that may be the same, judged by position or by name."""
    before, after = _placesOf(earlierNode), _placesOf(volumeNode)
    if byName or alignment is None:
        return paired_by_name(before, after, alignment)
    return proposed(before, after, alignment)


def timeline(
    alignment: Alignment | None,
    matches: Matches,
    earlierNode: vtkMRMLScalarVolumeNode,
    volumeNode: vtkMRMLScalarVolumeNode,
    days: float,
    given: Mapping[str, str],
) -> Timeline:
    """The nodules of two CTs.

    Args:
        alignment: of the CTs; None: their lungs do not match.
        matches: which nodules are the same.
        earlierNode, volumeNode: the two CTs.
        days: between the scans.
        given: the reader's words for density types at the later scan, by the nodule's name.
    """
    saved = [results.savedAssessments(node) for node in (earlierNode, volumeNode)]
    before = [*(pair.before for pair in matches.pairs), *matches.gone]
    after = [*(pair.after for pair in matches.pairs), *matches.new]
    return Timeline(
        (None, None), (0, days), (alignment,), (matches,), (before, after), (), given, saved
    )


def followUps(timeline: Timeline, earlierNode: vtkMRMLScalarVolumeNode) -> dict[str, Earlier]:
    """The nodules present at both scans, by their present name, with how each has changed, and the
    earlier CT around them."""
    pairs = [track for track in timeline.tracks if track.scans == [0, 1]]
    return {
        track.name: _shown(earlier, earlierNode)
        for track in pairs
        for earlier in timeline.earlier(track, 1)
    }


def goneFrom(
    timeline: Timeline, earlierNode: vtkMRMLScalarVolumeNode, volumeNode: vtkMRMLScalarVolumeNode
) -> list[Gone]:
    """The nodules of the earlier CT that the later one does not show, with where they would be."""
    return [
        _gone(timeline, step, earlierNode, volumeNode)
        for track in timeline.tracks
        for step in timeline.steps(track)
        if step.is_not_found
    ]


def _gone(
    timeline: Timeline,
    step: Step,
    earlierNode: vtkMRMLScalarVolumeNode,
    volumeNode: vtkMRMLScalarVolumeNode,
) -> Gone:
    assert step.before is not None
    once = timeline.assessments[0][step.before.name]
    ct, assessment = results.withMask(once, earlierNode, PICTURE_MM)
    place = timeline.place(step)
    later = None if place is None else scene.ctAround(volumeNode, place, PICTURE_MM)
    words = NOT_PLACED if place is None else NOT_SHOWN if later is None else UNMARKED
    when = _("{days:g} days before and this scan").format(days=timeline.days[1])
    return Gone(assessment, when, ct, step.remark or words, place, later)


def comparedAgain(earlier: Earlier, now: Assessment, given: str | None) -> Earlier:
    """The same nodule, once the reader has another word for its density type."""
    if earlier.follow_up is None or earlier.days is None:
        return earlier
    undatable = earlier.follow_up.undatable
    return earlier_scan(earlier.assessment, now, earlier.days, given, earlier.ct, undatable)


def _shown(earlier: Earlier, earlierNode: vtkMRMLScalarVolumeNode) -> Earlier:
    """The same with its mask and the CT around it, to draw it."""
    ct, assessment = results.withMask(earlier.assessment, earlierNode, PICTURE_MM)
    return replace(earlier, assessment=assessment, ct=ct)


def _comparable(
    earlierNode: vtkMRMLScalarVolumeNode | None,
    volumeNode: vtkMRMLScalarVolumeNode | None,
    days: float,
) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLScalarVolumeNode]:
    if earlierNode is None or volumeNode is None or earlierNode is volumeNode:
        raise NoduleRiskError(_("Select the earlier CT to compare with."))
    if not all(results.savedAssessments(node) for node in (earlierNode, volumeNode)):
        raise NoduleRiskError(
            _("Assess the nodules of both CTs first: select each as the chest CT, and assess it.")
        )
    dated = daysBetween(earlierNode, volumeNode)
    if dated is not None and dated < 0:
        raise NoduleRiskError(
            _(
                "By its DICOM date, the earlier CT was made on a later day: select the other one"
                " as the chest CT."
            )
        )
    if days <= 0:
        raise NoduleRiskError(_("Enter the number of days between the two CTs."))
    return earlierNode, volumeNode


def _placesOf(volumeNode: vtkMRMLScalarVolumeNode) -> list[Point]:
    saved = results.savedAssessments(volumeNode)
    return [Point(name, assessment.centre_lps_mm) for name, assessment in saved.items()]
