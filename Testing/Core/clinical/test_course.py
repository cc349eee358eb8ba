"""A nodule over any number of scans: one doubling time, judged by how measurements repeat."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nodulerisk.checks import MASK_CUT
from nodulerisk.clinical.course import Course, TimePoint, course_of
from nodulerisk.clinical.followup import FollowUp, earlier_scan
from nodulerisk.clinical.repeatability import SOLID_VOLUME, cubed, volume_limits
from nodulerisk.outputs.html.growth import growth_figure


def ball(days: float, volume: float, **more) -> TimePoint:
    return TimePoint(days, (6 * volume / math.pi) ** (1 / 3), volume, **more)


def grown(doubling: float, days=(0, 90, 200, 365), start=100.0) -> Course:
    return Course(tuple(ball(day, start * 2 ** (day / doubling)) for day in days))


@pytest.mark.parametrize("doubling", [60, 180, 300, -200])
def test_the_regression_finds_the_true_doubling_time(doubling):
    course = grown(doubling)
    assert course.volume_doubling_days == pytest.approx(doubling)
    low, high = course.doubling_range_days
    assert min(low, high) < doubling < max(low, high)
    assert course.is_steady


def test_noise_moves_the_doubling_time_within_its_range():
    rng = np.random.default_rng(0)
    spread = math.log1p(SOLID_VOLUME) / math.sqrt(2) / 1.96
    inside = 0
    for _ in range(200):
        noisy = [
            ball(day, 100 * 2 ** (day / 120) * math.exp(rng.normal(0, spread)))
            for day in (0, 90, 200, 365)
        ]
        low, high = Course(tuple(noisy)).doubling_range_days
        inside += low < 120 < high
    assert inside >= 180  # of 190 expected


def test_fault_73_two_scans_are_judged_as_by_follow_up():
    for factor in (1.02, 1.26, 1.28, 2.0):
        days, volumes = 180, (100.0, 100.0 * factor)
        course = Course((ball(0, volumes[0]), ball(days, volumes[1])))
        pair = FollowUp(days, (5.8, 5.8), volumes, volumes, False)
        assert (course.volume_doubling_days is None) == (pair.volume_doubling_days is None)
        if course.volume_doubling_days is not None:
            assert course.volume_doubling_days == pytest.approx(pair.volume_doubling_days)


def test_fault_73_many_scans_within_repeatability_have_no_doubling_time():
    course = Course(tuple(ball(day, v) for day, v in ((0, 100), (90, 112), (180, 96), (365, 108))))
    assert course.volume_doubling_days is None
    assert "volume doubling time by regression: none: within repeatability" in course.lines


def test_more_scans_show_growth_that_two_do_not():
    slow = grown(700, days=(0, 90, 180))
    assert slow.volume_doubling_days is None
    assert grown(700, days=(0, 100, 200, 300, 400)).volume_doubling_days is not None


def test_fault_74_cut_masks_are_left_out_of_the_regression():
    points = (*grown(90, (0, 90, 180)).points, ball(270, 420, cut=True))
    course = Course(points)
    assert course.volume_doubling_days == pytest.approx(90)
    assert any("the mask is cut: 1 scan" in line for line in course.lines)


def test_volumes_that_follow_no_one_doubling_time_are_said():
    course = Course(tuple(ball(day, v) for day, v in ((0, 100), (90, 400), (180, 90), (270, 500))))
    assert not course.is_steady and any("do not follow one" in line for line in course.lines)


def test_slow_growth_is_never_over_a_millimetre_and_a_half_in_any_twelve_months():
    def course(*sizes: tuple[float, float]) -> Course:
        return Course(tuple(TimePoint(day, mm, math.pi / 6 * mm**3) for day, mm in sizes))

    assert course((0, 6.0), (360, 7.0), (720, 8.2)).growth == "slowly growing"
    assert course((0, 6.0), (360, 7.8), (720, 8.2)).growth == "growing"
    assert course((0, 6.0), (360, 6.5), (720, 7.0)).growth == "stable"


def test_a_course_comes_from_the_scans_that_measured_the_nodule(assessment):
    def scan(volume: float, checks=()):
        values = {"volume": volume, "mass": volume}
        return replace(
            assessment,
            checks=checks,
            measurements=tuple(
                replace(m, value=values.get(m.name, m.value)) for m in assessment.measurements
            ),
        )

    unmeasured = replace(assessment, measurements=(), nodule=None)
    now = scan(900)
    earlier = [
        earlier_scan(once, now, days)
        for once, days in ((scan(225), 180), (unmeasured, 120), (scan(450), 90))
    ]
    course = course_of(earlier, now)
    assert [point.days for point in course.points] == [0, 90, 180]
    assert course.volume_doubling_days == pytest.approx(90)
    assert course_of([earlier[1]], now) is None
    cut = scan(900, (MASK_CUT.check(side=96),))
    assert "the mask is cut" in course_of([earlier_scan(scan(225), cut, 90)], cut).lines[1]
    merged = earlier_scan(scan(225), now, 90, undatable="L2 may have merged into N1")
    assert course_of([merged], now).volume_doubling_days is None


def test_the_curve_shows_every_scan_the_band_and_a_solid_part():
    points = tuple(
        replace(point, solid_diameter_mm=3.0 + index, cut=index == 3)
        for index, point in enumerate(grown(180).points)
    )
    names = [trace.name for trace in growth_figure(Course(points, subsolid=True)).data]
    assert names == ["repeatability", "regression", "volume", "whole nodule", "solid part"]
    figure = growth_figure(Course(points))
    assert [trace.name for trace in figure.data][-1] == "whole nodule"
    assert list(figure.data[-1].marker.symbol) == ["circle"] * 3 + ["circle-open"]
    undated = growth_figure(Course(points, undatable="the mask is cut"))
    assert [trace.name for trace in undated.data] == ["volume", "whole nodule"]


def test_limits_of_a_volume_follow_size_and_density_type():
    assert volume_limits(6, 113, subsolid=False).high == 0.27
    assert volume_limits(20, 4189, subsolid=False).high == 0.13
    assert cubed(10, 2.2).high == pytest.approx(1.22**3 - 1)
    assert cubed(2, 2.2).low == -1
