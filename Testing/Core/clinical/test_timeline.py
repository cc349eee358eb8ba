"""Nodules over the scans of a patient: linked, gone, new, merged, split, and paired by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_assessment import made_assessment
from nodulerisk.checks import NO_NODULE
from nodulerisk.clinical.registration import Alignment, proposed
from nodulerisk.clinical.timeline import Timeline
from nodulerisk.clinical.tracks import Track, named_tracks, paired_by_name, tracks_of
from nodulerisk.ct.points import Point
from nodulerisk.errors import NoduleRiskError

STILL = Alignment(np.eye(4), 1.0)
MOVED = Alignment(np.array([[1, 0, 0, 10], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), 1.0)


def at(*places: tuple[str, float]) -> list[Point]:
    """Points along one line, by name and mm."""
    return [Point(name, (x, 0.0, 0.0)) for name, x in places]


def names(track: Track) -> list[str | None]:
    return [None if point is None else point.name for point in track.points]


@pytest.fixture
def timeline(ct):
    """A patient's scans; every point is assessed as a ball of a given diameter, by default 12 mm;
    0: no nodule was drawn."""

    def made(*points: list[Point], named=(), alignments=None, **diameters: float) -> Timeline:
        taken = {id(point) for track in named for point in track.points}
        others = [[point for point in scan if id(point) not in taken] for scan in points]
        alignments = alignments or [STILL] * (len(points) - 1)
        matches = [
            proposed(*two, alignment)
            for *two, alignment in zip(others, others[1:], alignments, strict=False)
        ]
        cts, days = [ct] * len(points), [90.0 * number for number in range(len(points))]
        found = Timeline(cts, days, alignments, matches, others, named)
        for scan, of_scan in enumerate(points):
            for point in of_scan:
                one = assessed(ct, point, diameters.get(point.name, 12.0))
                found.assessments[scan][point.name] = one
        return found

    return made


def assessed(ct, point: Point, diameter: float):
    one = replace(made_assessment(ct, point.name), centre_lps_mm=point.lps_mm)
    if not diameter:
        return replace(one, measurements=(), checks=(NO_NODULE.check(),))
    values = {"long axis": diameter, "mean diameter": diameter, "volume": diameter**3 / 1.9}
    measurements = tuple(replace(m, value=values.get(m.name, m.value)) for m in one.measurements)
    return replace(one, measurements=measurements, checks=())


def steps(timeline: Timeline) -> dict[str, list]:
    return {track.name: list(timeline.steps(track)) for track in timeline.tracks}


def test_points_are_linked_over_any_number_of_scans():
    points = at(("A", 0), ("B", 50)), at(("b", 51), ("c", 99)), at(("C", 100), ("D", 150))
    matches = [proposed(*two, STILL) for two in zip(points, points[1:], strict=False)]
    tracks = tracks_of(points, matches)
    assert sorted(map(names, tracks), key=str) == sorted(
        [["A", None, None], ["B", "b", None], [None, "c", "C"], [None, None, "D"]], key=str
    )


def test_one_nodule_over_four_scans_has_its_course(timeline):
    points = [at((name, 0)) for name in "ABCD"]
    found = timeline(*points, A=6, B=7.5, C=9.4, D=11.8)
    (track,) = found.tracks
    assert [(step.status, step.earlier.days) for step in found.steps(track)] == [
        ("both scans", 90)
    ] * 3
    assert [one.days for one in found.earlier(track, 3)] == [270, 180, 90]
    course = found.course(track)
    assert len(course.points) == 4 and course.volume_doubling_days == pytest.approx(92, abs=3)
    assert course.growth == "growing"


def test_fault_75_a_vanished_nodule_is_looked_for_where_it_would_be(timeline):
    found = timeline(at(("A", 0), ("B", 50)), at(("a", 11)), alignments=[MOVED])
    (gone,) = steps(found)["B"]
    assert (gone.status, gone.is_not_found, gone.scans) == ("gone", True, (0, 1))
    assert found.place(gone) == (60, 0, 0)


def test_fault_75_a_point_at_which_no_nodule_is_drawn_any_more_is_not_found(timeline):
    found = timeline(at(("A", 0)), at(("a", 1)), a=0)
    (step,) = steps(found)["a"]
    assert step.is_not_found and "Not found at the later scan" in step.remark
    assert found.place(step) == (1, 0, 0)
    (appeared,) = steps(timeline(at(("A", 0)), at(("a", 1)), A=0))["a"]
    assert not appeared.is_not_found and "Not found at the earlier scan" in appeared.remark


def test_a_nodule_whose_place_the_other_scan_gives_to_another_may_have_merged(timeline):
    found = timeline(at(("A", 0), ("B", 12)), at(("a", 6)), a=24)
    gone, kept = steps(found)["B"][0], steps(found)["a"][0]
    assert gone.status == "merged" and "may have merged with" in gone.remark
    assert not gone.is_not_found
    change = kept.earlier.follow_up
    assert change.volume_doubling_days is None and "may have merged into a" in change.undatable
    apart = timeline(at(("A", 0), ("B", 40)), at(("a", 0)))
    assert steps(apart)["B"][0].status == "gone"
    assert steps(apart)["a"][0].earlier.follow_up.undatable == ""


def test_a_nodule_in_whose_place_there_are_two_may_have_split(timeline):
    found = timeline(at(("A", 0)), at(("a", -5), ("b", 7)), A=24)
    new = steps(found)["b"][0]
    assert new.status == "split" and new.remark == "A may have split into a and b"
    assert steps(found)["a"][0].earlier.follow_up.undatable == new.remark
    assert steps(timeline(at(("A", 0)), at(("a", 0), ("b", 60))))["b"][0].status == "new"


def test_pairs_named_by_hand_come_before_position(timeline):
    points = at(("A", 0), ("B", 50)), at(("a", 1), ("b", 49))
    named = named_tracks(["A=b"], points)
    found = timeline(*points, named=named)
    linked = {track.name: names(track) for track in found.tracks}
    assert linked == {"b": ["A", "b"], "B": ["B", None], "a": [None, "a"]}
    assert steps(found)["b"][0].earlier.follow_up is not None


def test_a_named_nodule_may_be_absent_from_a_scan(timeline):
    points = at(("A", 0)), at(("x", 200)), at(("C", 0))
    found = timeline(*points, named=named_tracks(["A=-=C"], points))
    (step,) = steps(found)["C"]
    assert step.scans == (0, 2) and step.earlier.days == 180


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["A"], "write a name for each CT"),
        (["A=b=c"], "write a name for each CT"),
        (["A=z"], "CT 2 has no point named 'z': it has a, b"),
        (["A=a", "B=a"], "can only be one nodule"),
    ],
)
def test_pairs_that_are_not_understood_are_refused(pairs, words):
    with pytest.raises(NoduleRiskError, match=words):
        named_tracks(pairs, (at(("A", 0), ("B", 50)), at(("a", 1), ("b", 49))))


def test_points_of_one_name_are_paired_without_an_alignment():
    found = paired_by_name(at(("A", 0), ("B", 50)), at(("B", 0), ("C", 7)))
    assert [(pair.before.name, pair.after.name) for pair in found.pairs] == [("B", "B")]
    assert np.isnan(found.pairs[0].distance_mm)
    assert (names(Track(found.gone)), names(Track(found.new))) == (["A"], ["C"])
    assert paired_by_name(at(("B", 50)), at(("B", 0)), STILL).pairs[0].distance_mm == 50


def test_without_an_alignment_nothing_is_said_of_where_a_nodule_would_be(timeline, ct):
    points = at(("A", 0), ("B", 50)), at(("a", 1))
    found = timeline(*points, named=named_tracks(["A=a"], points))
    found.alignments = [None]
    (gone,) = steps(found)["B"]
    assert gone.status == "gone" and found.place(gone) is None
