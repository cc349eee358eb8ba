"""A patient's nodules over their scans: which point is which nodule, and what became of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.course import Course, course_of
from nodulerisk.clinical.followup import NOT_FOUND_AFTER, Earlier, earlier_scan
from nodulerisk.clinical.registration import Alignment, Matches, Pair
from nodulerisk.clinical.tracks import Track, distance_mm, merged_into, split_from, tracks_of
from nodulerisk.ct.points import Point, Position
from nodulerisk.ct.volume import CT, triple
from nodulerisk.language.texts import _

Status = Literal["both scans", "gone", "new", "merged", "split"]
NOT_ASSESSED = _("It was not assessed in both scans.")
SPLIT = _("{name} may have split into {one} and {other}")


@dataclass(frozen=True, eq=False)
class Step:
    """A nodule from one scan to another.

    Attributes:
        scans: their indices.
        status: whether both have a point of it; else whether it is among the earlier scan's points
            alone (``gone``, or ``merged`` with another) or the later's (``new``, or ``split`` from
            another).
        before, after: its points.
        distance_mm: between them after alignment; NaN: not known.
        earlier: the earlier scan with its change; None where it was not assessed in both.
        remark: what became of it, or why there is no change.
    """

    scans: tuple[int, int]
    status: Status
    before: Point | None
    after: Point | None
    distance_mm: float = float("nan")
    earlier: Earlier | None = None
    remark: str = ""

    @property
    def is_not_found(self) -> bool:
        """Whether the later scan does not show a nodule of the earlier one."""
        return self.status == "gone" or self.remark == NOT_FOUND_AFTER


@dataclass(eq=False)
class Timeline:
    """The scans of a patient and their nodules.

    Attributes:
        cts: the oldest first; None: not at hand.
        days: of each scan, since the first.
        alignments: of each scan to the next; None where the lungs do not match.
        matches: the pairs of each scan and the next, without the points of ``named``.
        points: of every scan, without those of ``named``.
        named: tracks that the user named.
        given: density types at the last scan according to the reader, by the point's name.
        assessments: of every scan, by the point's name, as far as they are known.
    """

    cts: Sequence[CT | None]
    days: Sequence[float]
    alignments: Sequence[Alignment | None]
    matches: Sequence[Matches]
    points: Sequence[Sequence[Point]]
    named: Sequence[Track] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    assessments: list[dict[str, Assessment]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.assessments = self.assessments or [{} for _ in self.cts]
        self.tracks = [*self.named, *tracks_of(self.points, self.matches)]

    def ct(self, scan: int) -> CT:
        """Returns a scan that is at hand."""
        ct = self.cts[scan]
        assert ct is not None
        return ct

    def track(self, scan: int, name: str) -> Track:
        """Returns the track of a scan's point."""
        return next(
            track
            for track in self.tracks
            if (point := track.points[scan]) is not None and point.name == name
        )

    def earlier(self, track: Track, scan: int) -> list[Earlier]:
        """Returns a nodule at the scans before one that it was assessed in, the oldest first."""
        steps = [self._between(track, first, scan) for first in track.scans if first < scan]
        return [step.earlier for step in steps if step.earlier is not None]

    def course(self, track: Track) -> Course | None:
        """Returns a nodule's course to the last scan that has a point of it."""
        last = track.scans[-1]
        now = self.assessments[last].get(track.name)
        return None if now is None else course_of(self.earlier(track, last), now)

    def steps(self, track: Track) -> Iterator[Step]:
        """Yields what became of a nodule from scan to scan."""
        first, last = track.scans[0], track.scans[-1]
        if first > 0:
            yield self._beginning(track, first)
        for one, other in zip(track.scans, track.scans[1:], strict=False):
            yield self._between(track, one, other)
        if last < len(self.cts) - 1:
            yield self._end(track, last)

    def place(self, step: Step) -> Position | None:
        """Returns where a nodule is or would be at the later of two consecutive scans, LPS mm; None
        if it is not known."""
        alignment = self.alignments[step.scans[0]]
        if step.after is not None:
            return step.after.lps_mm
        if alignment is None or step.before is None:
            return None
        return triple(alignment.moved(step.before.lps_mm))

    def _between(self, track: Track, first: int, second: int) -> Step:
        before, after = track.points[first], track.points[second]
        assert before is not None and after is not None
        apart = distance_mm(before, after, self._alignment(first, second))
        once = self.assessments[first].get(before.name)
        now = self.assessments[second].get(after.name)
        step = Step((first, second), "both scans", before, after, apart, None, NOT_ASSESSED)
        if once is None or now is None:
            return step
        days = self.days[second] - self.days[first]
        given = self.given.get(after.name) if second == len(self.cts) - 1 else None
        undatable = self._undatable(track, first, second)
        earlier = earlier_scan(once, now, days, given, self.cts[first], undatable)
        return replace(step, earlier=earlier, remark=earlier.remark)

    def _alignment(self, first: int, second: int) -> Alignment | None:
        return self.alignments[first] if second == first + 1 else None

    def _beginning(self, track: Track, scan: int) -> Step:
        point = track.points[scan]
        assert point is not None
        pair = self._split(point, scan)
        if pair is None:
            return Step((scan - 1, scan), "new", None, point)
        remark = SPLIT.format(name=pair.before.name, one=pair.after.name, other=point.name)
        return Step((scan - 1, scan), "split", None, point, remark=remark)

    def _end(self, track: Track, scan: int) -> Step:
        point = track.points[scan]
        assert point is not None
        pair = self._merged(point, scan)
        if pair is None:
            return Step((scan, scan + 1), "gone", point, None)
        remark = _("{name} may have merged with {other} into {merged}").format(
            name=point.name, other=pair.before.name, merged=pair.after.name
        )
        return Step((scan, scan + 1), "merged", point, None, remark=remark)

    def _merged(self, gone: Point, scan: int) -> Pair | None:
        alignment = self.alignments[scan]
        if alignment is None:
            return None
        return merged_into(gone, self._pairs(scan), alignment, self.assessments[scan + 1])

    def _split(self, new: Point, scan: int) -> Pair | None:
        alignment = self.alignments[scan - 1]
        if alignment is None:
            return None
        return split_from(new, self._pairs(scan - 1), alignment, self.assessments[scan - 1])

    def _pairs(self, scan: int) -> list[Pair]:
        """Returns the pairs of a scan and the next, those that the user named among them."""
        named = [
            Pair(before, after, float("nan"))
            for track in self.named
            if (before := track.points[scan]) is not None
            and (after := track.points[scan + 1]) is not None
        ]
        return [*named, *self.matches[scan].pairs]

    def _undatable(self, track: Track, first: int, second: int) -> str:
        """Returns why the nodule's volumes at two scans are not those of one nodule; empty if they
        are."""
        for scan in range(first, second):
            reason = self._not_alone(track, scan)
            if reason:
                return reason
        return ""

    def _not_alone(self, track: Track, scan: int) -> str:
        before, after = track.points[scan], track.points[scan + 1]
        if before is None or after is None:
            return ""
        for gone in self.matches[scan].gone:
            if _is(self._merged(gone, scan), before, after):
                return _("{name} may have merged into {merged}").format(
                    name=gone.name, merged=after.name
                )
        for new in self.matches[scan].new:
            if _is(self._split(new, scan + 1), before, after):
                return SPLIT.format(name=before.name, one=after.name, other=new.name)
        return ""


def _is(pair: Pair | None, before: Point, after: Point) -> bool:
    return pair is not None and pair.before is before and pair.after is after
