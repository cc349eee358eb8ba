"""The change of a nodule: doubling times and growth by their formulas, beside what repeated scans
may show."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodulerisk.assessment import Measurement
from nodulerisk.checks import MASK_AT_EDGE, MASK_CUT, MASK_UNSTEADY, NO_NODULE
from nodulerisk.clinical.followup import (
    Earlier,
    FollowUp,
    doubling_days,
    doubling_words,
    follow_up,
    followed,
    most_telling,
)
from nodulerisk.ct.volume import Technique
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
        (7.6, 367, "growing"),  # still over 1.5 mm in twelve months
        (7.6, 400, "slowly growing"),
        (18.0, 380, "growing"),
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
    lines = made((6, 7.6), (100, 120), (80, 160)).lines
    assert lines[1] == ("volume: 100 → 120 mm³ (+20%; unchanged: up to ±27%): within repeatability")
    assert lines[3] == "mass doubling time: 365 days (below 400)"
    assert "growing" in lines[4] and "no growth" in lines[5]
    assert "±" not in lines[0]  # none is published for solid nodules


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


def test_fault_72_growth_of_the_solid_part_is_said_first():
    core = FollowUp(180, (16, 16), (2145, 2100), (900, 950), True, (2, 9), (4, 382))
    assert (core.growth, core.solid_growth, core.change) == (
        "stable",
        "growing",
        "within repeatability",
    )
    assert core.lines[0] == (
        "solid part: 2.0 → 9.0 mm (+7.0 mm; unchanged: up to ±1.2 mm), 4 → 382 mm³: growing"
    )
    lung_rads, bts = (
        next(line for line in core.lines if line.startswith(name)) for name in ("Lung", "BTS")
    )
    assert "solid part growing, the whole stable" in lung_rads
    assert "but the solid part is growing" in bts


@pytest.mark.parametrize(
    ("before", "after", "days", "expected"),
    [
        (0, 5, 180, "new"),
        (0.9, 5, 180, "new"),  # a few voxels of noise are no solid part
        (0, 0, 180, None),
        (0.9, 1.1, 180, None),
        (0.8, 2.9, 180, None),  # too small to be told from a vessel
        (2.5, 3.1, 180, "stable"),
        (4, 5.5, 180, "stable"),
        (4, 5.6, 180, "growing"),
        (4, 5.6, 730, "slowly growing"),
        (6, 0, 180, "stable"),  # it shrank, which Lung-RADS has no word for
    ],
)
def test_fault_72_growth_of_the_solid_part(before, after, days, expected):
    change = FollowUp(days, (16, 16), (2145, 2145), (900, 900), True, (before, after), (1, 1))
    assert change.solid_growth == expected
    assert change.solid_part_grows == (expected in ("new", "growing", "slowly growing"))
    assert ("solid part" in change.lines[0]) == change.solid_part_grows
    solid = replace(change, subsolid=False)
    assert solid.solid_growth is None and not any("solid part" in line for line in solid.lines)


def test_a_whole_that_shrank_while_its_solid_part_grew_is_doubted():
    change = FollowUp(180, (16.8, 14.7), (2330, 1432), (900, 800), True, (2, 9), (4, 372))
    assert change.change == "shrunk" and change.lines[0].startswith("solid part: 2.0 → 9.0 mm")
    assert any("leaves out ground glass" in line for line in change.disagreements)


def test_fault_72_a_nodule_that_the_networks_call_solid_may_have_a_solid_part(assessment):
    def scan(solid_mm: float, solid_mm3: float):
        sizes = {"solid mean diameter": solid_mm, "solid volume": solid_mm3}
        return replace(
            scanned(assessment),
            measurements=tuple(
                replace(m, value=sizes.get(m.name, m.value)) for m in assessment.measurements
            ),
        )

    core = followed(scan(5, 65), scan(8, 268), 180)
    assert core.solid_growth == "growing" and "it is followed as subsolid" in core.caveats[0]
    assert followed(scan(11, 600), scan(11, 600), 180).solid_growth is None


def test_fault_72_a_solid_part_whose_volume_alone_grew_is_said_to_grow():
    change = FollowUp(180, (16, 16), (2145, 2145), (900, 900), True, (9, 9), (100, 372))
    assert change.solid_growth == "growing"
    assert "by its volume, which grew beyond repeatability" in change.lines[0]
    within = replace(change, solid_volume_mm3=(300, 372))
    assert within.solid_growth == "stable" and "beyond" not in " ".join(within.lines)


@pytest.mark.parametrize(
    ("mm", "mm3", "subsolid", "expected"),
    [
        ((6.0, 6.1), (113, 119), False, "within repeatability"),
        ((6.0, 6.5), (113, 143), False, "within repeatability"),  # +26.5 %
        ((6.0, 6.5), (113, 144), False, "grown"),
        ((6.0, 5.4), (113, 82), False, "shrunk"),
        ((20.0, 20.7), (4189, 4650), False, "within repeatability"),  # +11 %
        ((20.0, 21.0), (4189, 4850), False, "grown"),  # +16 %: large ones repeat better
        ((10.0, 11.0), (524, 697), True, "within repeatability"),  # +1 mm of ground glass
        ((10.0, 12.3), (524, 974), True, "grown"),
    ],
)
def test_fault_73_a_change_is_judged_by_size_and_density_type(mm, mm3, subsolid, expected):
    change = made(mm, mm3, mm3, 90, subsolid)
    assert change.change == expected
    assert (change.volume_doubling_days is None) == (expected == "within repeatability")
    within = "volume doubling time: none: within repeatability"
    assert (within in change.lines) == (expected == "within repeatability")


def test_fault_73_no_class_for_a_tenth_of_a_millimetre_in_a_month():
    change = made((6.0, 6.1), (113.1, 118.8), (100, 105), 30)
    assert change.volume_doubling_days is None and change.mass_doubling_days is None
    assert not any("days" in line for line in change.lines)
    assert any(line.startswith("BTS 2015: no growth") for line in change.lines)


def test_fault_73_growth_by_the_british_thoracic_society_within_repeatability_is_said():
    change = made((6.0, 6.5), (113, 142), (100, 130), 90)
    assert change.is_grown_by_bts
    assert any("BTS 2015: growth, but within repeatability" in line for line in change.lines)


@pytest.mark.parametrize(
    ("mm", "mm3", "words"),
    [
        ((10, 12), (524, 530), "within repeatability by volume, but by diameter grown"),
        ((10, 11), (524, 700), "grown by volume, but by diameter within ±1.5 mm"),
        ((10, 12), (524, 300), "shrunk by volume, but by diameter grown"),
    ],
)
def test_fault_74_diameter_and_volume_that_disagree_are_said(mm, mm3, words):
    change = made(mm, mm3)
    (said,) = change.disagreements
    assert words in said and said.endswith("the volume decides") and said in change.lines
    assert made((10, 12), (524, 905)).disagreements == ()


def scanned(assessment, diameter=12.0, checks=(), **technique):
    volume = diameter**3 / 1.9
    sizes = {"mean diameter": diameter, "volume": volume, "mass": volume, "solid volume": volume}
    measurements = tuple(
        replace(m, value=sizes.get(m.name, m.value)) for m in assessment.measurements
    )
    how = Technique(
        **{"plane": "axial", "slice_mm": 1.0, "kernel": "B30f", "contrast": False} | technique
    )
    provenance = replace(assessment.provenance, technique=how)
    return replace(assessment, measurements=measurements, checks=checks, provenance=provenance)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"plane": "coronal"}, "other plane: axial, then coronal"),
        ({"slice_mm": 5.0}, "other slice thickness: 1 mm, then 5 mm"),
        ({"kernel": "B70f"}, "other kernel: B30f, then B70f"),
        ({"contrast": True}, "contrast was given at one of the two scans only"),
        ({"kernel": None}, "whether both scans have the same kernel is not known"),
    ],
)
def test_fault_74_another_technique_stands_beside_the_change(assessment, other, words):
    same, unlike = scanned(assessment), scanned(assessment, **other)
    assert followed(same, same, 90).caveats == ()
    assert words in followed(same, unlike, 90).lines
    unknown = replace(same, provenance=replace(same.provenance, technique=None))
    assert "are not known" in followed(same, unknown, 90).caveats[0]


@pytest.mark.parametrize(
    "check", [MASK_CUT.check(side=96), MASK_AT_EDGE.check()], ids=lambda check: check.code
)
@pytest.mark.parametrize("cut_first", [True, False])
def test_fault_74_a_cut_mask_gives_no_doubling_time(assessment, check, cut_first):
    whole, cut = scanned(assessment, 20), scanned(assessment, 40, (check,))
    scans = (cut, scanned(assessment, 60)) if cut_first else (whole, cut)
    change = followed(*scans, 180)
    assert change.volume_doubling_days is None and change.mass_doubling_days is None
    assert "volume doubling time: none: the mask is cut" in change.lines
    assert f"the {'earlier' if cut_first else 'later'} scan: the nodule" in change.caveats[0]


def test_a_doubtful_mask_and_another_weight_set_are_named(assessment):
    same = scanned(assessment)
    unsteady = scanned(assessment, 14, (MASK_UNSTEADY.check(dice=0.5),))
    other = replace(unsteady, provenance=replace(unsteady.provenance, weight_set_version="2.0"))
    caveats = followed(same, other, 90).caveats
    assert caveats[0].startswith("the later scan: the mask depends on where the point lies")
    assert caveats[1] == "other weight set: open 1.0, then open 2.0"


def test_fault_75_a_nodule_that_one_scan_does_not_show_is_named(assessment):
    shown = scanned(assessment)
    gone = replace(assessment, measurements=(), checks=(NO_NODULE.check(),))
    with pytest.raises(NoduleRiskError, match="Not found at the later scan"):
        followed(shown, gone, 90)
    with pytest.raises(NoduleRiskError, match="Not found at the earlier scan"):
        followed(gone, shown, 90)
    with pytest.raises(NoduleRiskError, match="no nodule was drawn at its point in either"):
        followed(gone, gone, 90)


def test_ground_glass_that_became_solid_has_a_new_solid_part(assessment):
    sizes = {"solid mean diameter": 0.0, "solid volume": 0.0}
    before, after = (
        replace(
            scanned(assessment),
            measurements=tuple(
                replace(m, value=solid.get(m.name, m.value)) for m in assessment.measurements
            ),
            tasks={"density": replace(assessment.tasks["density"], decision=density)},
        )
        for density, solid in (("ground glass", sizes), ("solid", {}))
    )
    assert followed(before, after, 180).solid_growth == "new"
    assert followed(before, after, 180, given="solid").solid_growth is None


def test_the_status_comes_from_the_scan_since_which_it_grew_most(assessment):
    def earlier(days: float, change: FollowUp | None) -> Earlier:
        return Earlier(f"{days:g} days before", assessment, change, days)

    grew = made((6, 9), (113, 382), (100, 340), 540)
    same = made((9, 9), (382, 382), (340, 340), 180)
    core = replace(same, subsolid=True, solid_diameter_mm=(2, 6))
    assert most_telling([earlier(540, grew), earlier(180, same)]) is grew
    assert most_telling([earlier(540, grew), earlier(180, core)]) is core
    assert most_telling([earlier(180, None)]) is None
