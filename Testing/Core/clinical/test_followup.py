"""The change of a nodule: doubling times and growth by their formulas, beside what repeated scans
may show."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.assessment import Measurement
from nodulerisk.clinical.followup import (
    FollowUp,
    doubling_days,
    doubling_words,
    follow_up,
    followed,
)
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.quantities import QUANTITIES

DAYS = 365


def made(mm=(6.0, 6.0), mm3=(100.0, 100.0), mg=(80.0, 80.0), days=DAYS, subsolid=False) -> FollowUp:
    return FollowUp(days, mm, mm3, mg, subsolid)


def measured(mm: float, mm3: float, mg: float) -> tuple[Measurement, ...]:
    values = {"mean diameter": mm, "volume": mm3, "mass": mg}
    return tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in values.items())


def test_doubling_in_a_given_time_gives_that_doubling_time():
    assert doubling_days(100, 200, 90) == pytest.approx(90)
    assert doubling_days(100, 400, 90) == pytest.approx(45)
    assert doubling_days(200, 100, 90) == pytest.approx(-90)
    assert doubling_days(100, 100, 90) == math.inf


@given(before=st.floats(10, 1e4), days=st.floats(1, 2000), truth=st.floats(20, 5000))
def test_a_nodule_that_grew_by_its_doubling_time_has_it(before, days, truth):
    after = before * 2 ** (days / truth)
    assert doubling_days(before, after, days) == pytest.approx(truth, rel=1e-6)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (399.9, "400 days (below 400)"),
        (400, "400 days (400 to 600)"),
        (600, "600 days (400 to 600)"),
        (600.1, "600 days (over 600)"),
        (math.inf, "none: unchanged"),
        (-90, "none: it shrank"),
    ],
)
def test_doubling_times_in_words(days, words):
    assert doubling_words(days) == words


@pytest.mark.parametrize(
    ("after", "days", "expected"),
    [
        (7.5, 100, "stable"),  # 1.5 mm is not over 1.5 mm
        (7.54, 100, "stable"),  # to one decimal
        (7.55, 100, "growing"),
        (7.6, 366, "growing"),
        (7.6, 367, "slowly growing"),
        (4.0, 100, "stable"),
    ],
)
def test_growth_by_lung_rads(after, days, expected):
    assert made(mm=(6.0, after), days=days).growth == expected


@pytest.mark.parametrize(("after", "expected"), [(124.9, False), (125, True), (80, False)])
def test_growth_by_the_british_thoracic_society(after, expected):
    assert made(mm3=(100, after)).is_grown_by_bts == expected


def test_the_repeatability_stands_beside_the_change():
    lines = made((6, 7.6), (100, 120), (80, 160), subsolid=True).lines
    assert lines[0] == "mean diameter: 6.0 → 7.6 mm (+1.6 mm; unchanged: up to ±2.2 mm)"
    assert lines[1] == "volume: 100 → 120 mm³ (+20%; unchanged: up to ±27%)"
    assert lines[3] == "mass doubling time: 365 days (below 400)"
    assert "growing" in lines[4] and "no growth" in lines[5]
    assert "±" not in made().lines[0]  # none is published for solid nodules


def test_two_scans_are_compared():
    found = follow_up(measured(6, 100, 80), measured(8, 200, 320), 200, subsolid=False)
    assert (found.volume_doubling_days, found.mass_doubling_days) == pytest.approx((200, 100))
    assert (found.diameter_mm, found.growth, found.is_grown_by_bts) == ((6, 8), "growing", True)


@pytest.mark.parametrize(
    ("reader", "networks", "subsolid"),
    [
        ("part-solid", "solid", True),
        ("solid", "ground glass", False),
        (None, "ground glass", True),
        (None, None, False),
    ],
)
def test_the_readers_word_comes_before_the_networks_and_theirs_before_the_threshold(
    assessment, reader, networks, subsolid
):
    solid = (
        *measured(12, 900, 900),
        Measurement("solid volume", 800.0, *QUANTITIES["solid volume"]),
    )
    tasks = {"density": replace(assessment.tasks["density"], decision=networks)}
    scan = replace(assessment, measurements=solid, tasks=tasks if networks else {})
    assert followed(scan, scan, 90, reader).subsolid == subsolid


@pytest.mark.parametrize("days", [0, -30])
def test_scans_in_the_wrong_order_are_refused(days):
    with pytest.raises(NoduleRiskError, match="order"):
        follow_up(measured(6, 100, 80), measured(6, 100, 80), days, subsolid=False)


@pytest.mark.parametrize(
    "missing", [(), measured(6, 0, 80), measured(6, 100, 0)[:2], measured(0, 100, 80)]
)
def test_a_nodule_that_was_not_measured_is_refused(missing):
    for pair in ((missing, measured(6, 100, 80)), (measured(6, 100, 80), missing)):
        with pytest.raises(NoduleRiskError, match="was not measured in both"):
            follow_up(*pair, 90, subsolid=False)
