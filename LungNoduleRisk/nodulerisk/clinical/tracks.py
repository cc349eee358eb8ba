"""Which points of any number of scans are the same nodule, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.registration import Alignment, Matches, Pair
from nodulerisk.ct.points import Point
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import Verbatim, _, joined
from nodulerisk.nodule.measure import value_of

ABSENT = "-"  # in a track named by hand: the scan does not show it
NEAR_MM = 5.0  # from a nodule's surface to where another lay: about what breathing leaves


@dataclass(frozen=True)
class Track:
    """A nodule's points, one per scan, the oldest first; None where a scan has none."""

    points: tuple[Point | None, ...]

    @property
    def scans(self) -> list[int]:
        """The indices of the scans that have a point of it."""
        return [index for index, point in enumerate(self.points) if point is not None]

    @property
    def name(self) -> str:
        """That of its last point."""
        return next(point.name for point in reversed(self.points) if point is not None)


def tracks_of(points: Sequence[Sequence[Point]], matches: Sequence[Matches]) -> list[Track]:
    """Links the pairs of consecutive scans; every point is in one track.

    Args:
        points: of every scan.
        matches: from each scan to the next.
    """
    following = [{id(pair.before): pair.after for pair in one.pairs} for one in matches]
    begun = [points[0], *(one.new for one in matches)]
    return [
        Track(_linked(point, scan, following)) for scan, new in enumerate(begun) for point in new
    ]


def _linked(
    point: Point, scan: int, following: Sequence[Mapping[int, Point]]
) -> tuple[Point | None, ...]:
    track: list[Point | None] = [None] * scan + [point]
    for pairs in following[scan:]:
        last = track[-1]
        track.append(None if last is None else pairs.get(id(last)))
    return tuple(track)


def named_tracks(texts: Iterable[str], points: Sequence[Sequence[Point]]) -> list[Track]:
    """Returns tracks named by hand, such as ``L1=R1``: a name for every scan, ``-`` where it has no
    point of the nodule.

    Raises:
        NoduleRiskError: not understood, an unknown name, or a point named twice.
    """
    tracks = [Track(_named(text, points)) for text in texts]
    named = [id(point) for track in tracks for point in track.points if point is not None]
    if len(set(named)) < len(named):
        raise NoduleRiskError(_("A point is named in two pairs: it can only be one nodule."))
    return tracks


def _named(text: str, points: Sequence[Sequence[Point]]) -> tuple[Point | None, ...]:
    names = [name.strip() for name in text.split("=")]
    if len(names) != len(points):
        example = "=".join(f"N{scan}" for scan in range(1, len(points) + 1))
        raise NoduleRiskError(
            _(
                "'{text}' is not understood: write a name for each CT, such as {example}, and"
                " {absent} where one has no point of it."
            ).format(text=text, example=Verbatim(example), absent=Verbatim(ABSENT))
        )
    return tuple(
        None if name == ABSENT else _point(name, scan, of_scan)
        for scan, (name, of_scan) in enumerate(zip(names, points, strict=True), start=1)
    )


def _point(name: str, scan: int, points: Sequence[Point]) -> Point:
    found = next((point for point in points if point.name == name), None)
    if found is None:
        known = joined(", ", (point.name for point in points))
        words = _("CT {scan} has no point named '{name}': it has {known}.")
        raise NoduleRiskError(words.format(scan=scan, name=name, known=known))
    return found


def paired_by_name(before: Sequence[Point], after: Sequence[Point], alignment=None) -> Matches:
    """Returns the points of the same name as pairs.

    Args:
        before, after: the nodules of each scan.
        alignment: of the scans, for the pairs' distances; None: they are not known (NaN).
    """
    later = {point.name: point for point in after}
    pairs = [(point, later[point.name]) for point in before if point.name in later]
    names = {point.name for point, _ in pairs}
    return Matches(
        tuple(Pair(*pair, distance_mm(*pair, alignment)) for pair in pairs),
        tuple(point for point in before if point.name not in names),
        tuple(point for point in after if point.name not in names),
    )


def distance_mm(before: Point, after: Point, alignment: Alignment | None) -> float:
    """Returns how far two points lie apart after alignment; NaN without one."""
    if alignment is None:
        return float("nan")
    return float(np.linalg.norm(alignment.moved(before.lps_mm) - after.lps_mm))


def merged_into(
    gone: Point, pairs: Iterable[Pair], alignment: Alignment, after: Mapping[str, Assessment]
) -> Pair | None:
    """Returns the pair whose later nodule lies where another nodule of the earlier scan lay, so
    that both may have merged.

    Args:
        gone: a nodule of the earlier scan without a point in the later.
        pairs: of the two scans.
        alignment: of them.
        after: the later scan's assessments by name.
    """
    place = alignment.moved(gone.lps_mm)
    return _nearest(place, {pair.after.name: pair for pair in pairs}, after)


def split_from(
    new: Point, pairs: Iterable[Pair], alignment: Alignment, before: Mapping[str, Assessment]
) -> Pair | None:
    """Returns the pair whose earlier nodule lay where another nodule of the later scan lies, so
    that it may have split; arguments as in ``merged_into``."""
    place = np.linalg.inv(alignment.matrix)[:3] @ [*new.lps_mm, 1]
    return _nearest(place, {pair.before.name: pair for pair in pairs}, before)


def _nearest(
    place: np.ndarray, pairs: Mapping[str, Pair], assessments: Mapping[str, Assessment]
) -> Pair | None:
    beyond = {name: _beyond_mm(place, assessments[name]) for name in pairs if name in assessments}
    name = min(beyond, key=lambda one: beyond[one], default=None)
    return pairs[name] if name is not None and beyond[name] <= NEAR_MM else None


def _beyond_mm(place: np.ndarray, assessment: Assessment) -> float:
    """Returns how far a place lies outside a nodule, taken as a ball as wide as its long axis."""
    long_axis = value_of(assessment.measurements, "long axis")
    if not long_axis:
        return float("inf")
    return float(np.linalg.norm(place - assessment.centre_lps_mm)) - long_axis / 2
