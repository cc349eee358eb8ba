"""Guidelines: every limit from both sides, nothing guessed, and no less suspicion for a larger
nodule."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_assessment import TASKS, made_assessment
from nodulerisk.assessment import Measurement
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.guidelines import (
    AT_12,
    FLEISCHNER,
    GLASS,
    LARGE_SOLID,
    NONE,
    ONE_SOLID,
    PART_SOLID,
    SMALL_SUBSOLIDS,
    SOLIDS,
    SUBSOLIDS,
    fleischner,
    guidelines,
    lung_rads,
)
from nodulerisk.clinical.patient import Patient, patient_from
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
    ("previous", "expected"),
    [("1", "1"), ("2", "2"), ("3", "2"), ("4A", "3"), ("4B", "4B"), ("4X", "4X")],
)
def test_lung_rads_of_stable_nodules_steps_down(density, previous, expected):
    assert category(density, "stable", 9, 7, previous=previous) == expected


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


# --- Fleischner


def follow_up(density: str, mm: float, **known) -> str | None:
    return fleischner(measured(mm), Patient(density=density, **known)).result


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
    patient = Patient(density=SOLID_NODULE, nodules=1, risk="low")
    for mm, own in ((5, "< 100"), (7, "100 to 250"), (9, "> 250")):
        rule = fleischner(measured(mm, volume=volume), patient).rule
        assert rule.endswith(f"; by volume {words} mm³") == (words != own)


@pytest.mark.parametrize(("age", "applies"), [(34.9, False), (35, True), (None, True)])
def test_fleischner_is_for_35_years_and_older(age, applies):
    answer = fleischner(measured(9), replace(EVERYTHING, age=age))
    assert (answer.result is not None) == applies
    assert applies or answer.words == "not computed: it is only for patients of 35 years and older"


def test_fleischner_has_an_answer_for_every_nodule():
    assert {density for density, _ in FLEISCHNER} == {SOLID_NODULE, PART_SOLID_NODULE, GLASS_NODULE}
    assert len(FLEISCHNER) == 6 and all(len(classes) == 3 for classes in FLEISCHNER.values())


# --- What is known


REQUIRED = {
    lung_rads: {"density", "status"},
    fleischner: {"density", "nodules", "risk"},
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
    by_reader = lung_rads(glass, replace(patient, density="part-solid"), "solid")
    assert (by_reader.result, by_reader.used[0]) == ("3", "density part-solid (given)")


def test_what_the_reader_says_of_the_change_comes_before_what_was_measured():
    grown = FollowUp(180, (6, 9), (113, 382), (100, 300), False)
    measured_change = lung_rads(measured(9), Patient(density="solid"), follow_up=grown)
    assert measured_change.result == "4B"
    assert "status growing (measured on two scans)" in measured_change.used
    said = lung_rads(measured(9), Patient(density="solid", status="new"), follow_up=grown)
    assert "status new (given)" in said.used


def test_an_assessment_has_both(ct):
    found = made_assessment(ct, measurements=measured(12, 3))
    answers = guidelines(found, replace(EVERYTHING, density=None))
    assert [answer.name for answer in answers] == ["Lung-RADS v2022", "Fleischner 2017"]
    assert [answer.result for answer in answers] == ["4A", LARGE_SOLID]
    assert all("density solid (by the networks)" in answer.used for answer in answers)
    without = replace(found, tasks={"malignancy": TASKS["malignancy"]})
    assert (
        "density part-solid (measured)"
        in guidelines(without, replace(EVERYTHING, density=None))[0].used
    )


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
        ("sex=f", "one of female, male"),
        ("emphysema=maybe", "one of yes, no"),
        ("density=", "one of ground glass, part-solid, solid"),
    ],
)
def test_what_is_not_understood_is_refused(text, words):
    with pytest.raises(NoduleRiskError, match=words):
        patient_from([text])
