"""Guidelines: every limit from both sides, nothing guessed, and no less suspicion for a larger
nodule."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_assessment import TASKS, made_assessment, sphere_nodule
from nodulerisk.assessment import Measurement, TaskResult
from nodulerisk.checks import (
    CALCIFIED,
    CYSTIC,
    MASK_AT_EDGE,
    MASK_CUT,
    MASK_UNSTEADY,
    NO_LUNG,
    NO_NODULE,
    NOT_A_NODULE,
    THICK_SLICES,
    Check,
)
from nodulerisk.clinical.conditions import CUT, DOUBTFUL
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.guidelines import bts, fleischner, guidelines, lung_rads
from nodulerisk.clinical.patient import Patient, patient_from
from nodulerisk.clinical.rules.bts import PET, WORK_UP
from nodulerisk.clinical.rules.doubts import ABOUT_ITS_SIZE
from nodulerisk.clinical.rules.fleischner import (
    AT_12,
    FLEISCHNER,
    GLASS,
    HIGHLY_SUSPICIOUS,
    LARGE_SOLID,
    NONE,
    ONE_SOLID,
    PART_SOLID,
    PERSISTING,
    SMALL_SUBSOLIDS,
    SOLIDS,
    SUBSOLIDS,
)
from nodulerisk.clinical.rules.guideline import BY_THRESHOLD
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.quantities import QUANTITIES

CATEGORIES = ["0", "1", "2", "3", "4A", "4B", "4X"]
GLASS_NODULE, PART_SOLID_NODULE, SOLID_NODULE = "ground glass", "part-solid", "solid"
EVERYTHING = Patient(
    age=62,
    sex="female",
    family_history=False,
    emphysema=False,
    nodules=1,
    risk="high",
    upper_lobe=True,
    spiculation=False,
    density="solid",
    status="baseline",
)


def measured(
    mm: float, solid_mm: float = 0, volume: float | None = None, solid_volume: float | None = None
):
    """Returns measurements of a ball with a solid ball inside, or with other volumes."""
    values = {
        "long axis": mm,
        "mean diameter": mm,
        "volume": np.pi / 6 * mm**3 if volume is None else volume,
        "solid mean diameter": solid_mm,
        "solid volume": np.pi / 6 * solid_mm**3 if solid_volume is None else solid_volume,
    }
    return tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in values.items())


def category(density: str, status: str, mm: float, solid_mm: float = 0, **known) -> str | None:
    return lung_rads(
        measured(mm, solid_mm), Patient(density=density, status=status, **known)
    ).result


def followed_for(days: float, before: float = 7, after: float = 7, **more) -> FollowUp:
    """A solid ball at two scans."""
    volumes = (np.pi / 6 * before**3, np.pi / 6 * after**3)
    return FollowUp(days, (before, after), volumes, volumes, subsolid=bool(more), **more)


# --- Lung-RADS


@pytest.mark.parametrize(
    ("status", "mm", "expected"),
    [
        ("baseline", 5.94, "2"),
        ("baseline", 5.95, "3"),  # 6.0 to one decimal
        ("baseline", 7.94, "3"),
        ("baseline", 7.95, "4A"),
        ("baseline", 14.94, "4A"),
        ("baseline", 14.95, "4B"),
        ("new", 3.94, "2"),
        ("new", 3.95, "3"),
        ("new", 5.94, "3"),
        ("new", 5.95, "4A"),
        ("new", 7.94, "4A"),
        ("new", 7.95, "4B"),
        ("growing", 3, "4A"),
        ("growing", 7.94, "4A"),
        ("growing", 7.95, "4B"),
        ("slowly growing", 5, "4B"),
    ],
)
def test_lung_rads_of_solid_nodules(status, mm, expected):
    assert category(SOLID_NODULE, status, mm) == expected


@pytest.mark.parametrize(
    ("status", "mm", "expected"),
    [
        ("baseline", 29.94, "2"),
        ("baseline", 29.95, "3"),
        ("new", 29.94, "2"),
        ("new", 29.95, "3"),
        ("growing", 29.94, "2"),
        ("growing", 29.95, "3"),
        ("slowly growing", 40, "2"),
        ("stable", 40, "2"),
    ],
)
def test_lung_rads_of_ground_glass(status, mm, expected):
    assert category(GLASS_NODULE, status, mm) == expected


@pytest.mark.parametrize(
    ("status", "mm", "solid_mm", "expected"),
    [
        ("baseline", 5.94, 5.9, "2"),
        ("baseline", 5.95, 5.94, "3"),
        ("baseline", 20, 5.94, "3"),
        ("baseline", 20, 5.95, "4A"),
        ("baseline", 20, 7.94, "4A"),
        ("baseline", 20, 7.95, "4B"),
        ("new", 5.94, 3.94, "3"),
        ("new", 5.94, 3.95, "4B"),
        ("new", 5.95, 3.94, "4A"),
        ("new", 5.95, 3.95, "4B"),
        ("growing", 5.94, 3.94, "4A"),
        ("growing", 5.94, 3.95, "4B"),
        ("growing", 20, 3.94, "4A"),
        ("growing", 20, 3.95, "4B"),
        ("slowly growing", 5, 1, "4B"),
    ],
)
def test_lung_rads_of_part_solid_nodules(status, mm, solid_mm, expected):
    assert category(PART_SOLID_NODULE, status, mm, solid_mm) == expected


@pytest.mark.parametrize("density", [SOLID_NODULE, PART_SOLID_NODULE])
@pytest.mark.parametrize(
    ("previous", "mm", "expected"),
    [("2", 5, "2"), ("3", 7, "2"), ("4A", 9, "3"), ("4B", 16, "4B"), ("4X", 7, "4X")],
)
def test_lung_rads_of_stable_nodules_steps_down(density, previous, mm, expected):
    solid = {7: 5, 9: 7}.get(mm, mm)
    assert category(density, "stable", mm, solid, previous=previous) == expected


@pytest.mark.parametrize(
    ("previous", "mm", "expected"),
    [("1", 5, "2"), ("2", 6.4, "3"), ("2", 34, "4B"), ("3", 9, "4A"), ("4A", 15, "4B")],
)
def test_a_stable_nodule_is_never_less_than_its_size_if_that_is_above_its_previous_category(
    previous, mm, expected
):
    patient = Patient(density=SOLID_NODULE, status="stable", previous=previous)
    answer = lung_rads(measured(mm), patient)
    assert answer.result == expected
    assert f"stable, {previous} before, but " in answer.rule or previous == "1"
    unsure = previous in ("2", "3") and mm < 15
    assert ("if it measured as much at the scan before" in answer.rule) == unsure


@pytest.mark.parametrize(("previous", "due"), [("3", 152), ("4A", 61)])
def test_a_step_down_takes_until_the_follow_up_is_due(previous, due):
    def at(days: float) -> str | None:
        patient = Patient(density=SOLID_NODULE, previous=previous, spiculation=False)
        return lung_rads(measured(7), patient, follow_up=followed_for(days)).result

    assert (at(due - 1), at(due)) == (previous, {"3": "2", "4A": "3"}[previous])


@pytest.mark.parametrize(
    ("status", "density", "limits"),
    [
        ("baseline", SOLID_NODULE, {113: "23", 268: "34A", 1767: "4A4B"}),
        ("new", SOLID_NODULE, {34: "23", 113: "34A", 268: "4A4B"}),
        ("growing", SOLID_NODULE, {268: "4A4B"}),
        ("baseline", GLASS_NODULE, {14137: "23"}),
        ("baseline", PART_SOLID_NODULE, {113: "23"}),
    ],
)
def test_a_disagreement_between_volume_and_diameter_is_reported(status, density, limits):
    """The diameter decides; volumes have limits of their own, to the mm³."""
    patient = Patient(density=density, status=status, spiculation=False)
    for limit, pair in limits.items():
        below, above = (
            lung_rads(measured(1, volume=v), patient).rule for v in (limit - 0.51, limit - 0.5)
        )
        by_diameter = lung_rads(measured(1, volume=1), patient).result
        results = [
            rule.rpartition("by volume ")[2] if "by volume" in rule else by_diameter
            for rule in (below, above)
        ]
        assert "".join(results) == pair, limit


@pytest.mark.parametrize(("limit", "pair"), [(113, "34A"), (268, "4A4B")])
def test_the_volume_of_the_solid_component_has_limits_too(limit, pair):
    patient = Patient(density=PART_SOLID_NODULE, status="baseline", spiculation=False)
    rules = [
        lung_rads(measured(3, 1, volume=2000, solid_volume=v), patient).rule
        for v in (limit - 0.51, limit - 0.5)
    ]
    assert "".join(rule.rpartition("by volume ")[2] for rule in rules) == pair


def test_lung_rads_zero_and_one_need_no_measurement():
    assert lung_rads((), Patient(incomplete=True, benign_pattern=True)).result == "0"
    assert lung_rads((), Patient(benign_pattern=True)).result == "1"


@pytest.mark.parametrize(("mm", "expected"), [(5, "2"), (6, "4X"), (9, "4X"), (16, "4X")])
def test_spiculation_makes_a_4x_of_3_and_4(mm, expected):
    assert category(SOLID_NODULE, "baseline", mm, spiculation=True) == expected
    assert category(SOLID_NODULE, "baseline", mm, spiculation=False) != "4X"


@pytest.mark.parametrize(
    ("mm", "spiculation", "said"), [(5, None, False), (6, None, True), (6, False, False)]
)
def test_what_would_make_a_4x_is_reported(mm, spiculation, said):
    patient = Patient(density=SOLID_NODULE, status="baseline", spiculation=spiculation)
    assert lung_rads(measured(mm), patient).rule.endswith("; 4X if spiculated") == said


@given(
    density=st.sampled_from([SOLID_NODULE, PART_SOLID_NODULE, GLASS_NODULE]),
    status=st.sampled_from(["baseline", "new", "growing"]),
    sizes=st.lists(st.floats(1, 40), min_size=2, max_size=2).map(sorted),
    solid=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
    spiculation=st.booleans(),
)
def test_a_larger_nodule_is_never_less_suspicious(density, status, sizes, solid, spiculation):
    small, large = (
        category(density, status, mm, mm * share, spiculation=spiculation)
        for mm, share in zip(sizes, solid, strict=True)
    )
    assert CATEGORIES.index(small) <= CATEGORIES.index(large)


@pytest.mark.parametrize(
    ("known", "result", "next_step"),
    [
        ({"incomplete": True}, "0", "compare with the earlier CT"),
        ({"infection": True}, "0", "low-dose CT in 1 to 3 months"),
        ({"benign_pattern": True}, "1", "low-dose screening CT in 12 months"),
        ({"proven_benign": True}, "2", "low-dose screening CT in 12 months"),
        ({"previous": "3"}, "2", "low-dose screening CT in 12 months"),
        ({"previous": "4A"}, "3", "low-dose CT in 6 months"),
        ({"status": "baseline"}, "3", "low-dose CT in 6 months"),
        ({"status": "growing"}, "4A", "low-dose CT in 3 months"),
        ({"status": "slowly growing"}, "4B", "refer for diagnosis"),
        ({"status": "baseline", "spiculation": True}, "4X", "refer for diagnosis"),
        ({"status": "baseline", "suspicious_features": True}, "4X", "refer for diagnosis"),
    ],
)
def test_every_category_says_what_to_do_next(known, result, next_step):
    known = {"density": "solid", "status": "stable", "spiculation": False} | known
    answer = lung_rads(measured(7), Patient(**known))
    assert answer.result == result and answer.next_step.startswith(next_step)
    assert f"next: {answer.next_step}" in answer.words and answer.source in answer.words


def test_another_significant_finding_adds_an_s():
    known = {"density": "solid", "status": "baseline", "significant_finding": True}
    assert lung_rads(measured(5), Patient(**known)).result == "2S"
    assert lung_rads((), Patient(incomplete=True, significant_finding=True)).result == "0S"


def test_lung_rads_is_for_screening():
    answer = lung_rads(measured(7), replace(EVERYTHING, setting="incidental"))
    assert answer.words == "not computed: it is for screening, not for nodules found by chance"
    assert lung_rads(measured(7), replace(EVERYTHING, setting="screening")).result == "3"


def test_a_thin_walled_cyst_is_not_classified():
    known = replace(EVERYTHING, kind="thin-walled cyst")
    assert lung_rads(measured(7), known).result is None
    assert lung_rads(measured(7), replace(known, cyst_change="cavity grew")).result is None
    assert lung_rads(measured(7), replace(known, cyst_change="wall grew")).result == "4B"


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("thick-walled cyst", ("cyst change",)),
        ("multilocular cyst", ()),
        ("segmental airway", ()),
    ],
)
def test_a_growing_cyst_needs_what_grew(kind, missing):
    assert lung_rads((), Patient(kind=kind, status="growing")).missing == missing
    assert lung_rads((), Patient(kind=kind)).missing == ("status",)


def test_what_lung_rads_was_not_told_stands_beside_its_category():
    answer = lung_rads(measured(7), EVERYTHING)
    asked = {
        "setting": "screening",
        "incomplete": False,
        "infection": False,
        "benign_pattern": False,
        "kind": "parenchymal",
        "suspicious_features": False,
        "significant_finding": False,
        "cancer": "none",
        "immunosuppression": False,
    }
    assert answer.not_considered == tuple(name.replace("_", " ") for name in asked)
    assert f"not considered: {', '.join(answer.not_considered)}" in answer.words
    told = replace(EVERYTHING, **asked)
    assert lung_rads(measured(7), told).not_considered == ()
    # no rule weighs these
    for name, value in (("cancer", "earlier"), ("immunosuppression", True)):
        answer = lung_rads(measured(7), replace(told, **{name: value}))
        assert answer.not_considered == (name,)


def test_the_shape_and_the_solid_part_are_asked_for_where_they_matter():
    at_fissure = lung_rads(measured(7), replace(EVERYTHING, kind="perifissural"))
    assert at_fissure.result == "3" and "shape" in at_fissure.not_considered
    known = {"density": "part-solid", "status": "growing", "spiculation": False}
    answer = lung_rads(measured(12, 5), Patient(**known))
    assert answer.result == "4B" and "solid part" in answer.not_considered
    for previous, expected in ((None, "3"), ("4A", "4A"), ("4B", "4B")):
        told = Patient(**known, solid_part="stable", previous=previous)
        answer = lung_rads(measured(12, 5), told)
        assert answer.result == expected and "solid part" not in answer.not_considered
    assert lung_rads(measured(5, 1), Patient(**known, solid_part="stable")).result == "3"


@pytest.mark.parametrize(("solid_mm", "expected"), [(3.9, "4A"), (4.0, "4B"), (9.0, "4B")])
@pytest.mark.parametrize("density", [GLASS_NODULE, PART_SOLID_NODULE])
@pytest.mark.parametrize("before", [0.0, 2.0])
def test_fault_72_a_new_or_growing_solid_part_decides_in_a_nodule_that_did_not_grow(
    density, solid_mm, expected, before
):
    sizes = {"solid_diameter_mm": (before, solid_mm), "solid_volume_mm3": (1, 400)}
    change = followed_for(180, 16, 16, **sizes)
    if change.solid_growth == "stable":
        return
    patient = Patient(density=density, previous="2", spiculation=False)
    answer = lung_rads(measured(16, solid_mm), patient, follow_up=change)
    assert answer.result == expected
    assert f"solid part {change.solid_growth} (measured on two scans)" in answer.used
    entered = Patient(density=density, status="stable", solid_part="new", spiculation=False)
    assert lung_rads(measured(16, solid_mm), entered).result == expected


def test_the_readers_word_on_the_solid_part_comes_before_what_was_measured():
    change = followed_for(180, 16, 16, solid_diameter_mm=(2.0, 9.0), solid_volume_mm3=(4, 380))
    said = Patient(density="part-solid", solid_part="stable", previous="4B")
    answer = lung_rads(measured(16, 9), said, follow_up=change)
    assert answer.result == "4B" and "solid part stable (given)" in answer.used
    assert "status stable (measured on two scans)" in answer.used


@given(
    density=st.sampled_from([SOLID_NODULE, PART_SOLID_NODULE, GLASS_NODULE]),
    previous=st.sampled_from(["1", "2", "3", "4A", "4B", "4X"]),
    before=st.none() | st.floats(1, 40),
    sizes=st.lists(st.floats(1, 40), min_size=2, max_size=2).map(sorted),
    solid=st.lists(st.floats(0, 1), min_size=2, max_size=2).map(sorted),
)
def test_a_larger_stable_nodule_is_never_less_suspicious(density, previous, before, sizes, solid):
    known = {"previous": previous, "previous_diameter": before, "spiculation": False}
    known |= {"previous_solid_diameter": before}
    small, large = (
        category(density, "stable", mm, mm * share, **known)
        for mm, share in zip(sizes, solid, strict=True)
    )
    assert CATEGORIES.index(small) <= CATEGORIES.index(large)


@given(
    density=st.sampled_from([SOLID_NODULE, PART_SOLID_NODULE]),
    previous=st.sampled_from(["1", "2", "3", "4A", "4B", "4X"]),
    mm=st.floats(1, 40),
    share=st.floats(0, 1),
)
def test_a_stable_nodule_steps_down_once_at_most_and_never_from_4b(density, previous, mm, share):
    first, stable = (
        category(density, status, mm, mm * share, previous=previous, spiculation=False)
        for status in ("baseline", "stable")
    )
    down = {"2": "2", "3": "2", "4A": "3", "4B": "4B"}[first]
    assert CATEGORIES.index(stable) >= CATEGORIES.index(down)
    if CATEGORIES.index(first) > CATEGORIES.index(previous):
        assert stable == first


# --- Fleischner


def follow_up(density: str, mm: float, solid_mm: float = 0, **known) -> str | None:
    known = {"age": 60, "density": density} | known
    return fleischner(measured(mm, solid_mm), Patient(**known)).result


@pytest.mark.parametrize(
    ("nodules", "risk", "mm", "expected"),
    [
        (1, "low", 5.49, NONE),
        (1, "high", 5.49, AT_12),
        (1, "low", 5.5, ONE_SOLID[0]),  # 6 in whole mm
        (1, "high", 5.5, ONE_SOLID[1]),
        (1, "low", 8.49, ONE_SOLID[0]),
        (1, "high", 8.49, ONE_SOLID[1]),
        (1, None, 8.5, LARGE_SOLID),
        (2, "low", 5.49, NONE),
        (2, "high", 5.49, AT_12),
        (2, "low", 5.5, SOLIDS[0]),
        (2, "high", 5.5, SOLIDS[1]),
        (2, "low", 8.5, SOLIDS[0]),
        (2, "high", 8.5, SOLIDS[1]),
    ],
)
def test_fleischner_of_solid_nodules(nodules, risk, mm, expected):
    assert follow_up(SOLID_NODULE, mm, nodules=nodules, risk=risk) == expected


@pytest.mark.parametrize(
    ("density", "nodules", "mm", "expected"),
    [
        (GLASS_NODULE, 1, 5.49, NONE),
        (GLASS_NODULE, 1, 5.5, GLASS),
        (GLASS_NODULE, 1, 20, GLASS),
        (PART_SOLID_NODULE, 1, 5.49, NONE),
        (PART_SOLID_NODULE, 1, 5.5, PART_SOLID),
        (GLASS_NODULE, 3, 5.49, SMALL_SUBSOLIDS),
        (GLASS_NODULE, 3, 5.5, SUBSOLIDS),
        (PART_SOLID_NODULE, 3, 5.49, SMALL_SUBSOLIDS),
        (PART_SOLID_NODULE, 3, 5.5, SUBSOLIDS),
    ],
)
def test_fleischner_of_subsolid_nodules(density, nodules, mm, expected):
    assert follow_up(density, mm, nodules=nodules) == expected


@pytest.mark.parametrize(
    ("volume", "words"),
    [(99.4, "< 100"), (99.5, "100 to 250"), (250.4, "100 to 250"), (250.5, "> 250")],
)
def test_fleischner_has_volumes_of_its_own(volume, words):
    patient = Patient(age=60, density=SOLID_NODULE, nodules=1, risk="low")
    for mm, own in ((5, "< 100"), (7, "100 to 250"), (9, "> 250")):
        rule = fleischner(measured(mm, volume=volume), patient).rule
        assert rule.endswith(f"; by volume {words} mm³") == (words != own)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (34.9, "not computed: it is only for patients of 35 years and older"),
        (35, LARGE_SOLID),
        (None, "not computed: needs age"),
    ],
)
def test_fleischner_is_for_35_years_and_older(age, words):
    assert fleischner(measured(9), replace(EVERYTHING, age=age)).words.startswith(words)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"setting": "screening"}, "it is not for nodules found at screening"),
        ({"cancer": "lung"}, "it is not for patients with a known cancer"),
        ({"cancer": "within 5 years"}, "it is not for patients with a known cancer"),
        ({"cancer": "earlier"}, "it is not for patients with a known cancer"),
        ({"immunosuppression": True}, "it is not for immunosuppressed patients"),
        ({"kind": "segmental airway"}, "it is not for airway nodules and cysts"),
        ({"kind": "multilocular cyst"}, "it is not for airway nodules and cysts"),
    ],
)
def test_whom_fleischner_is_not_for(known, words):
    assert fleischner(measured(9), replace(EVERYTHING, **known)).words == f"not computed: {words}"


def test_what_fleischner_was_not_told_stands_beside_its_result():
    asked = ("setting", "cancer", "immunosuppression", "kind", "benign pattern")
    assert fleischner(measured(9), EVERYTHING).not_considered == asked
    told = replace(
        EVERYTHING,
        setting="incidental",
        cancer="none",
        immunosuppression=False,
        kind="parenchymal",
        benign_pattern=False,
    )
    assert fleischner(measured(9), told).not_considered == ()


@pytest.mark.parametrize(
    ("solid_mm", "known", "expected"),
    [
        (5.49, {}, PART_SOLID),
        (5.5, {}, PERSISTING),
        (8.49, {}, PERSISTING),
        (8.5, {}, HIGHLY_SUSPICIOUS),
        (5.5, {"suspicious_features": True}, HIGHLY_SUSPICIOUS),
        (2, {"solid_part": "growing"}, HIGHLY_SUSPICIOUS),
    ],
)
def test_a_solid_component_from_6_mm_on_is_highly_suspicious(solid_mm, known, expected):
    assert follow_up(PART_SOLID_NODULE, 12, solid_mm, nodules=1, **known) == expected
    assert "highly suspicious" in expected or expected == PART_SOLID


@pytest.mark.parametrize("kind", ["juxtapleural", "perifissural"])
@pytest.mark.parametrize(
    ("mm", "shape", "spiculation", "expected"),
    [
        (9.4, "smooth triangular", None, NONE),
        (9.5, "smooth triangular", None, LARGE_SOLID),
        (9.4, "other", None, LARGE_SOLID),
        (9.4, None, None, LARGE_SOLID),
        (9.4, "smooth oval", True, LARGE_SOLID),
    ],
)
def test_fleischner_needs_no_follow_up_of_a_lymph_node(kind, mm, shape, spiculation, expected):
    known = {"kind": kind, "shape": shape, "spiculation": spiculation, "nodules": 1}
    assert follow_up(SOLID_NODULE, mm, **known) == expected


def test_fleischner_has_an_answer_for_every_nodule():
    assert {density for density, _ in FLEISCHNER} == {SOLID_NODULE, PART_SOLID_NODULE, GLASS_NODULE}
    assert len(FLEISCHNER) == 6 and all(len(classes) == 3 for classes in FLEISCHNER.values())


# --- What is known


REQUIRED = {
    lung_rads: {"density", "status"},
    fleischner: {"age", "density", "nodules", "risk"},
}


@pytest.mark.parametrize("guideline", REQUIRED, ids=lambda one: one.__name__)
@pytest.mark.parametrize("name", [field.name for field in fields(Patient)])
def test_what_is_needed_and_not_known_is_named_and_nothing_else_matters(guideline, name):
    without_density = measured(7)[:3]  # so that none is measured
    answer = guideline(without_density, replace(EVERYTHING, **{name: None}))
    if name in REQUIRED[guideline]:
        asked = name.replace("_", " ")
        assert (answer.result, answer.missing) == (None, (asked,))
        assert answer.words == f"not computed: needs {asked}"
    else:
        assert answer.result is not None and answer.missing == ()


def test_a_stable_nodule_needs_the_category_before():
    assert lung_rads(measured(7), Patient(density="solid", status="stable")).missing == (
        "previous",
    )


@pytest.mark.parametrize("guideline", REQUIRED, ids=lambda one: one.__name__)
def test_without_measurements_nothing_is_computed(guideline):
    answer = guideline((), EVERYTHING)
    assert answer.result is None
    assert "mean diameter" in answer.missing


@pytest.mark.parametrize("guideline", REQUIRED, ids=lambda one: one.__name__)
def test_every_used_input_is_reported(guideline):
    answer = guideline(measured(7), EVERYTHING)
    told = " ".join(answer.used)
    assert all(name.replace("_", " ") in told for name in REQUIRED[guideline])
    assert "7 mm" in told and "solid (given)" in told
    assert answer.rule and answer.source


def test_the_readers_density_comes_before_the_networks_and_theirs_before_the_measured():
    patient, glass = Patient(status="baseline"), measured(10)
    by_networks = lung_rads(glass, patient, "solid")
    assert (by_networks.result, by_networks.used[0]) == ("4A", "density solid (by the networks)")
    by_threshold = lung_rads(glass, patient)
    assert (by_threshold.result, by_threshold.used[0]) == ("2", "density ground glass (measured)")
    assert by_threshold.doubts == (BY_THRESHOLD,) and by_networks.doubts == ()
    by_reader = lung_rads(glass, replace(patient, density="part-solid"), "solid")
    assert (by_reader.result, by_reader.used[0]) == ("3", "density part-solid (given)")


def test_what_the_reader_says_of_the_change_comes_before_what_was_measured():
    grown = FollowUp(180, (6, 9), (113, 382), (100, 300), False)
    measured_change = lung_rads(measured(9), Patient(density="solid"), follow_up=grown)
    assert measured_change.result == "4B"
    assert "status growing (measured on two scans)" in measured_change.used
    said = lung_rads(measured(9), Patient(density="solid", status="new"), follow_up=grown)
    assert "status new (given)" in said.used


def test_an_assessment_has_all_three(ct):
    found = made_assessment(ct, measurements=measured(12, 3))
    answers = guidelines(found, replace(EVERYTHING, density=None))
    names = ["Lung-RADS v2022", "Fleischner 2017", "BTS 2015"]
    assert [answer.name for answer in answers] == names
    assert [answer.result for answer in answers] == ["4A", LARGE_SOLID, PET]
    assert all("density solid (by the networks)" in answer.used for answer in answers)
    without = replace(found, tasks={"malignancy": TASKS["malignancy"]})
    assert (
        "density part-solid (measured)"
        in guidelines(without, replace(EVERYTHING, density=None))[0].used
    )


# --- What is in doubt


THIN = Check("kernel-unknown", "note", "", 24)
DISAGREEING = replace(
    TASKS["density"], members={"a": (0.1, 0.2, 0.7), "b": (0.7, 0.2, 0.1)}, decision="solid"
)


def asked_about(ct, patient: Patient = EVERYTHING, **changes):
    changes = {"checks": (THIN,), "measurements": measured(12, 3)} | changes
    return guidelines(made_assessment(ct, **changes), replace(patient, density=None))


def test_nothing_is_in_doubt_about_a_nodule_without_findings(ct):
    answers = asked_about(ct)
    assert [answer.doubts for answer in answers] == [(), (), ()]
    assert not any("in doubt" in answer.words + answer.marked for answer in answers)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (MASK_UNSTEADY, "its mask depends on the click"),
        (MASK_CUT, "it extends beyond what the mask network sees"),
        (MASK_AT_EDGE, "it reaches the edge of the CT"),
        (THICK_SLICES, "the slices are thick"),
        (CYSTIC, "it may be cystic"),
        (CALCIFIED, "it may be calcified"),
        (NO_LUNG, "there is hardly any lung around it"),
    ],
    ids=lambda one: getattr(one, "code", ""),
)
def test_fault_76_a_guideline_names_what_is_in_doubt_about_the_nodule(ct, kind, words):
    for answer in asked_about(ct, checks=(Check(kind.code, "warning", "", 0),)):
        assert words in answer.doubts
        assert f"in doubt: {', '.join(answer.doubts)}" in answer.words
        assert answer.marked == f"{answer.result} (in doubt)"


def test_fault_76_a_guideline_names_a_density_that_the_networks_withhold(ct):
    words = "density by the networks is withheld: the networks disagree"
    for answer in asked_about(ct, tasks=TASKS | {"density": DISAGREEING}):
        assert answer.doubts == (words,)
    found = made_assessment(ct, checks=(THIN,), tasks=TASKS | {"density": DISAGREEING})
    by_reader = guidelines(found, replace(EVERYTHING, density="solid"))
    assert [answer.doubts for answer in by_reader] == [(), (), ()]


def test_a_guideline_names_what_only_simulated_nodules_taught(ct):
    simulated = replace(TASKS["density"], evidence="simulated")
    for answer in asked_about(
        ct,
        tasks=TASKS | {"density": simulated},
        nodule=sphere_nodule(ct, evidence="simulated"),
    ):
        assert len(answer.doubts) == 2
        assert all("only saw simulated nodules" in doubt for doubt in answer.doubts)


def test_fault_76_a_guideline_names_a_nodule_that_the_network_doubts(ct):
    presence = TaskResult(("no nodule", "nodule"), (0.6, 0.4), {}, "no nodule", 0.5, "reader")
    for answer in asked_about(ct, tasks=TASKS | {"presence": presence}):
        assert answer.doubts == ("the network found no nodule at the point",)


def test_a_result_that_needs_no_size_is_not_doubted_for_it(ct):
    check = Check(MASK_CUT.code, "warning", "", 30)
    answers = asked_about(ct, replace(EVERYTHING, benign_pattern=True), checks=(check,))
    assert [(answer.result, answer.doubts) for answer in answers] == [
        ("1", ()),
        (NONE, ()),
        ("discharge", ()),
    ]


def test_a_change_measured_on_unlike_scans_is_in_doubt():
    change = replace(followed_for(90, 6, 9), caveats=("other kernel: B30f, then B70f",))
    answer = lung_rads(measured(9), Patient(density="solid"), follow_up=change)
    assert answer.doubts == change.caveats
    said = Patient(density="solid", status="growing")
    assert lung_rads(measured(9), said, follow_up=change).doubts == ()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (NO_NODULE, "no nodule was found at the point"),
        (NOT_A_NODULE, "what was drawn at the point does not look like a nodule"),
    ],
    ids=["no nodule", "not a nodule"],
)
def test_fault_67_without_a_nodule_there_is_no_category(ct, kind, words):
    for answer in asked_about(ct, checks=(Check(kind.code, "warning", "", 26),)):
        assert answer.words == f"not computed: {words}"
        assert answer.marked == "not computed"


def test_bts_without_what_brock_needs_says_so(ct):
    answer = asked_about(ct, replace(EVERYTHING, sex=None, upper_lobe=None))[2]
    assert answer.missing == ("sex", "upper lobe")
    lung_cancer = asked_about(ct, replace(EVERYTHING, cancer="lung"))[2]
    assert lung_cancer.words == (
        "not computed: needs Brock 2b, which is not computed: made for patients who never had"
        " lung cancer"
    )


@pytest.mark.parametrize(
    ("status", "mm", "expected"),
    [("baseline", 9.9, "discharge"), ("baseline", 10.0, PET), ("growing", 9.9, None)],
)
def test_bts_discharges_a_lymph_node_that_does_not_grow(ct, status, mm, expected):
    known = {"kind": "perifissural", "shape": "smooth oval", "status": status, "age": 75}
    patient = replace(EVERYTHING, **known)
    assert asked_about(ct, patient, measurements=measured(mm, mm))[2].result == expected


def test_bts_without_a_doubling_time_says_so():
    cut = replace(followed_for(180, 8, 10), undatable="the mask is cut")
    for change in (None, cut):
        answer = bts(measured(10), replace(EVERYTHING, status="growing"), follow_up=change)
        assert answer.missing == ("volume doubling time",)


def test_bts_reports_the_doubling_time_and_what_is_in_doubt_about_it():
    change = replace(followed_for(365, 8, 10), caveats=("other kernel: B30f, then B70f",))
    answer = bts(measured(10), replace(EVERYTHING, status="growing"), follow_up=change)
    assert answer.result == WORK_UP and answer.doubts == change.caveats
    assert "status" not in answer.not_considered
    assert "status" in bts(measured(5), replace(EVERYTHING, status=None)).not_considered
    assert "volume doubling time 378 days (below 400) (measured on two scans)" in answer.used


def test_bts_says_where_brocks_patients_were_not_like_this_one(ct):
    answer = asked_about(ct, replace(EVERYTHING, age=80))[2]
    assert "made for patients of 50 to 75 years: not like this one" in answer.rule


def test_a_patient_is_read_from_texts():
    texts = [
        "age=62.5",
        "Sex = Female",
        "family-history=no",
        "nodules=3",
        "status=slowly growing",
        "previous=4a",
    ]
    assert patient_from(texts) == Patient(
        age=62.5,
        sex="female",
        family_history=False,
        nodules=3,
        status="slowly growing",
        previous="4A",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("smoker=yes", "one of age, sex"),
        ("age", "must be a number"),
        ("age=old", "must be a number"),
        ("age=0", "from 1 to 120"),
        ("age=121", "from 1 to 120"),
        ("age=nan", "from 1 to 120"),
        ("nodules=0", "at least 1"),
        ("nodules=1.5", "must be a number"),
        ("sex=x", "one of female, male"),
        ("emphysema=maybe", "one of yes, no"),
        ("density=", "one of ground glass, part-solid, solid"),
    ],
)
def test_what_is_not_understood_is_refused(text, words):
    with pytest.raises(NoduleRiskError, match=words):
        patient_from([text])


def test_what_makes_a_size_doubtful_makes_a_change_of_size_doubtful():
    assert {kind for kind, _words in ABOUT_ITS_SIZE} <= {*CUT, *DOUBTFUL}
