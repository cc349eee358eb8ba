"""Scores: equal to the publications to the last digit, nothing guessed, every input with its
origin, and always with the patients they were made for."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from made_assessment import TASKS, made_assessment
from nodulerisk.assessment import Measurement
from nodulerisk.checks import Check
from nodulerisk.clinical.formulas import BROCK_1A, BROCK_1B, BROCK_2A, BROCK_2B, probability_of
from nodulerisk.clinical.patient import Patient, patient_from
from nodulerisk.clinical.scores import (
    DIAMETERS,
    SCORES,
    Input,
    known_inputs,
    score_nodule,
    scores,
)
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.quantities import QUANTITIES
from nodulerisk.tasks import EVIDENCE_LEVELS

NAMES = [
    "Brock 2b",
    "Brock 2a",
    "Brock 1b",
    "Brock 1a",
    "Mayo",
    "Veterans Affairs",
    "Herder",
]
BY_NAME = {score.name: score for score in SCORES}
EVERYTHING = {
    "age": 62,
    "sex": "male",
    "family_history": False,
    "emphysema": False,
    "nodules": 1,
    "upper_lobe": False,
    "spiculation": False,
    "density": "solid",
    "smoking": "former",
    "years_since_quitting": 10,
    "cancer": "none",
    "pet_uptake": "faint",
    "long axis": 10,
    "mean diameter": 10,
}
VALUES = st.fixed_dictionaries(
    {
        "age": st.integers(30, 95),
        "sex": st.sampled_from(["female", "male"]),
        "nodules": st.integers(1, 30),
        "density": st.sampled_from(["ground glass", "part-solid", "solid"]),
        "smoking": st.sampled_from(["never", "former", "current"]),
        "years_since_quitting": st.floats(0, 30),
        "cancer": st.sampled_from(["none", "earlier"]),
        "pet_uptake": st.sampled_from(["none", "faint", "moderate", "intense"]),
    }
    | {name: st.booleans() for name in ("family_history", "emphysema", "upper_lobe", "spiculation")}
    | {name: st.floats(1, 40) for name in DIAMETERS}
)


def probability(name: str, **values) -> float:
    return BY_NAME[name].formula(EVERYTHING | values)


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def result_of(name: str, **known):
    """Returns a score for these inputs; None removes one."""
    told = {k: Input(k, v, "given") for k, v in (EVERYTHING | known).items() if v is not None}
    return score_nodule(BY_NAME[name], told)


# --- Brock


ODDS_RATIOS = {  # McWilliams 2013, table 2: printed beside the coefficients, to two decimals
    "1a": (BROCK_1A, {"female": 1.79, "upper lobe": 1.90}),
    "1b": (BROCK_1B, {"female": 1.91, "upper lobe": 1.82, "spiculation": 2.54}),
    "2a": (
        BROCK_2A,
        {
            "age": 1.03,
            "female": 1.76,
            "family history": 1.35,
            "emphysema": 1.41,
            "ground glass": 0.74,
            "part-solid": 1.40,
            "upper lobe": 2.04,
            "nodules": 0.92,
        },
    ),
    "2b": (
        BROCK_2B,
        {
            "age": 1.03,
            "female": 1.82,
            "family history": 1.34,
            "emphysema": 1.34,
            "ground glass": 0.88,
            "part-solid": 1.46,
            "upper lobe": 1.93,
            "nodules": 0.92,
            "spiculation": 2.17,
        },
    ),
}


@pytest.mark.parametrize("model", ODDS_RATIOS)
def test_brock_has_the_odds_ratios_of_the_paper(model):
    weights, published = ODDS_RATIOS[model]
    assert set(weights) == {*published, "constant", "size"}
    for term, ratio in published.items():
        assert math.exp(weights[term]) == pytest.approx(ratio, abs=0.0051), term


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("Brock 1a", -6.5929),
        ("Brock 1b", -6.6144),
        ("Brock 2a", -6.8071),
        ("Brock 2b", -6.7892),
    ],
)
def test_brock_of_the_reference_nodule(name, constant):
    """Where every term but the constant is zero: 62 years, male, 4 mm, solid, one of 4."""
    of = {"nodules": 4, "long axis": 4}
    assert log_odds(probability(name, **of)) == pytest.approx(constant, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [  # worked by hand
        ("Brock 1a", {"long axis": 10}, -6.5929 + 5.8616 * 0.58113883),
        ("Brock 1a", {"long axis": 10, "sex": "female"}, -6.0123 + 5.8616 * 0.58113883),
        ("Brock 1a", {"long axis": 40, "upper_lobe": True}, -5.949 + 5.8616 * 1.08113883),
        ("Brock 1b", {"long axis": 10}, -6.6144 + 5.5537 * 0.58113883),
        ("Brock 1b", {"long axis": 10, "spiculation": True}, -5.6835 + 5.5537 * 0.58113883),
        (
            "Brock 1b",
            {"long axis": 40, "sex": "female", "upper_lobe": True},
            -5.3668 + 5.5537 * 1.08113883,
        ),
    ],
)
def test_the_parsimonious_models_worked_by_hand(name, values, expected):
    assert log_odds(probability(name, **values)) == pytest.approx(expected, abs=1e-7)


def brock_2b_of_a_clinic_page(of: dict) -> float:
    """2b as on a French clinic's page, with seven digits: an independent reading of the model."""
    logit = (
        -6.78917
        + 0.0286687 * (of["age"] - 62)
        + (0.6011 if of["sex"] == "female" else 0)
        + (0.296109 if of["family_history"] else 0)
        + (0.2953112 if of["emphysema"] else 0)
        + 5.385484 * (1.58113883 - math.sqrt(10 / of["long axis"]))
        + {"solid": 0, "part-solid": 0.377, "ground glass": -0.1276}[of["density"]]
        + (0.6581383 if of["upper_lobe"] else 0)
        + (0.7729335 if of["spiculation"] else 0)
        - 0.0824156 * (of["nodules"] - 4)
    )
    return math.exp(logit) / (1 + math.exp(logit))


@given(of=VALUES)
def test_2b_equals_an_independent_writing(of):
    assert BY_NAME["Brock 2b"].formula(of) == pytest.approx(
        brock_2b_of_a_clinic_page(of), rel=0.005
    )


@given(of=VALUES)
def test_2a_equals_an_independent_writing(of):
    """From the table at medicalalgorithms.com/pulmonary-nodule-cancer, whose -0.3055 for ground
    glass is -0.3005 in the paper."""
    points = {
        "female": 0.5635 if of["sex"] == "female" else 0,
        "size": -5.6693 * (math.pow(of["long axis"] / 10, -0.5) - 1.58113883),
        "location": 0.7116 if of["upper_lobe"] else 0,
        "age": 0.0321 * (of["age"] - 62),
        "history": 0.3013 if of["family_history"] else 0,
        "emphysema": 0.3462 if of["emphysema"] else 0,
        "type": {"solid": 0, "part-solid": 0.3395, "ground glass": -0.3005}[of["density"]],
        "number": -0.0803 * (of["nodules"] - 4),
    }
    expected = 1 / (1 + math.exp(6.8071 - sum(points.values())))
    assert BY_NAME["Brock 2a"].formula(of) == pytest.approx(expected, rel=1e-9)


def test_2b_of_a_whole_patient():
    """65 years, female, family history, emphysema, 12 mm part-solid, upper lobe, spiculated, 2
    nodules: by hand."""
    values = {
        "age": 65,
        "sex": "female",
        "family_history": True,
        "emphysema": True,
        "nodules": 2,
        "upper_lobe": True,
        "spiculation": True,
        "density": "part-solid",
        "long axis": 12,
    }
    terms = (0.0287 * 3, 0.6011, 0.2961, 0.2953, 0.377, 0.6581, 0.0824 * 2, 0.7729, -6.7892)
    size = -5.3854 * (1.2**-0.5 - 1.58113883)
    assert log_odds(probability("Brock 2b", **values)) == pytest.approx(sum(terms) + size)


@pytest.mark.parametrize(
    ("name", "value", "weight"),
    [
        ("age", 63, 0.0287),
        ("sex", "female", 0.6011),
        ("family_history", True, 0.2961),
        ("emphysema", True, 0.2953),
        ("upper_lobe", True, 0.6581),
        ("nodules", 2, -0.0824),
        ("spiculation", True, 0.7729),
        ("density", "part-solid", 0.377),
        ("density", "ground glass", -0.1276),
    ],
)
def test_2b_weighs_each_finding_as_published(name, value, weight):
    change = log_odds(probability("Brock 2b", **{name: value})) - log_odds(probability("Brock 2b"))
    assert change == pytest.approx(weight, abs=1e-9)


# --- Mayo, Veterans Affairs, Herder


MAYO_TABLE = """
0000 .02 .05 .16 .03 .11 .30 .07 .21 .48
0001 .03 .11 .30 .07 .21 .48 .14 .36 .67
0010 .04 .13 .36 .09 .25 .55 .17 .42 .73
0011 .09 .25 .55 .17 .43 .73 .31 .62 .85
0100 .06 .17 .43 .11 .31 .62 .22 .50 .78
0101 .11 .31 .62 .22 .50 .78 .38 .69 .89
0110 .14 .37 .68 .26 .56 .82 .44 .74 .91
0111 .27 .56 .82 .44 .74 .91 .63 .86 .96
1000 .03 .11 .30 .07 .21 .48 .14 .37 .67
1001 .07 .21 .49 .14 .37 .67 .26 .56 .82
1010 .09 .25 .55 .17 .43 .73 .31 .62 .85
1011 .17 .43 .73 .31 .62 .85 .50 .78 .93
1100 .11 .31 .62 .22 .50 .78 .38 .69 .89
1101 .22 .50 .78 .38 .69 .89 .57 .83 .95
1110 .27 .57 .82 .44 .74 .91 .63 .86 .96
1111 .44 .74 .91 .64 .86 .96 .79 .93 .98
"""


@pytest.mark.parametrize("row", MAYO_TABLE.strip().splitlines())
def test_mayo_gives_the_144_probabilities_of_the_papers_table(row):
    """Swensen 1997, table 3: cigarettes, other cancer, spiculation, upper lobe; 35, 55 and 75
    years, 10, 20 and 30 mm each."""
    flags, *published = row.split()
    cigarettes, cancer, spiculation, upper = (flag == "1" for flag in flags)
    of = {
        "smoking": "current" if cigarettes else "never",
        "cancer": "earlier" if cancer else "none",
        "spiculation": spiculation,
        "upper_lobe": upper,
    }
    found = [
        probability("Mayo", **of, age=age, **{"mean diameter": mm})
        for age in (35, 55, 75)
        for mm in (10, 20, 30)
    ]
    assert found == pytest.approx([float(p) for p in published], abs=0.0061)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # the example of Eur Radiol 2019;29:5367, table 2: x = -2.454
        ({"smoking": "never", "years_since_quitting": 0}, 0.079),
        # as medicalalgorithms.com has it, ages and years in tens
        ({"smoking": "current", "years_since_quitting": 0}, 1 / (1 + math.exp(2.4542 - 2.061))),
        ({"years_since_quitting": 20}, 1 / (1 + math.exp(2.4542 - 2.061 + 2 * 0.567))),
        (
            {"age": 70, "long axis": 25, "years_since_quitting": 5},
            1 / (1 + math.exp(8.404 - 2.061 - 7 * 0.779 - 25 * 0.112 + 0.5 * 0.567)),
        ),
    ],
)
def test_veterans_affairs_gives_the_published_examples(values, expected):
    assert probability("Veterans Affairs", **values) == pytest.approx(expected, abs=0.0005)


def test_veterans_affairs_has_the_odds_ratios_of_the_abstract():
    """Gould 2007: smoking 7.9, ten years of age 2.2, a millimetre 1.1, ten years without 0.6."""
    base = log_odds(probability("Veterans Affairs"))
    change = {
        name: math.exp(log_odds(probability("Veterans Affairs", **value)) - base)
        for name, value in {
            "smoking": {"smoking": "never"},
            "age": {"age": 72},
            "mm": {"long axis": 11},
            "years": {"years_since_quitting": 20},
        }.items()
    }
    assert 1 / change["smoking"] == pytest.approx(7.9, abs=0.051)
    assert [round(change[name], 1) for name in ("age", "mm", "years")] == [2.2, 1.1, 0.6]


@pytest.mark.parametrize(
    ("uptake", "expected"),
    [
        ("none", probability_of(-4.739 + 3.691 * 0.5)),
        ("faint", probability_of(-2.417 + 3.691 * 0.5)),
        ("moderate", probability_of(-0.122 + 3.691 * 0.5)),
        ("intense", probability_of(0.032 + 3.691 * 0.5)),
    ],
)
def test_herder_adds_the_uptake_to_mayo(uptake, expected):
    """Where Mayo gives one half; the sums by hand, from the paper and Radiol Bras 2020;53:1."""
    of = {"smoking": "never", "cancer": "none", "age": 50}
    half = {"mean diameter": (6.8272 - 0.0391 * 50) / 0.1274}
    assert probability("Mayo", **of, **half) == pytest.approx(0.5)
    assert probability("Herder", **of, **half, pet_uptake=uptake) == pytest.approx(expected)


# --- Every score


def test_every_score_says_whom_it_was_fitted_on_and_where_it_was_tested():
    assert [score.name for score in SCORES] == NAMES
    names = {*DIAMETERS, *(field.name for field in fields(Patient))}
    for score in SCORES:
        assert score.population and score.validated and score.auc and score.source and score.limits
        assert {*score.inputs, *(limit.input for limit in score.limits)} <= names


@pytest.mark.parametrize("name", NAMES)
@given(of=VALUES, sizes=st.lists(st.floats(1, 40), min_size=2, max_size=2).map(sorted))
def test_a_larger_nodule_is_never_less_suspicious(name, of, sizes):
    small, large = (BY_NAME[name].formula(of | dict.fromkeys(DIAMETERS, mm)) for mm in sizes)
    assert 0 < small <= large < 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("absent", EVERYTHING)
def test_what_is_needed_and_not_known_is_named_and_nothing_else_matters(name, absent):
    result = result_of(name, **{absent: None})
    if absent in BY_NAME[name].inputs:
        asked = absent.replace("_", " ").replace("pet", "PET")
        assert (result.probability, result.missing) == (None, (asked,))
        assert result.words == f"not computed: needs {asked}"
    else:
        assert result.probability == pytest.approx(probability(name)) and result.missing == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_score_says_its_probability_with_its_evidence(name):
    result = result_of(name)
    assert result.evidence == EVIDENCE_LEVELS[0] == "outcome"
    assert result.words.startswith(f"{probability(name):.1%} probability of cancer (outcome)")
    assert [one.name for one in result.inputs] == list(BY_NAME[name].inputs)


@pytest.mark.parametrize(
    ("name", "known", "words"),
    [
        ("Mayo", {"cancer": "within 5 years"}, "without a cancer in the last five years"),
        ("Herder", {"cancer": "within 5 years"}, "without a cancer in the last five years"),
        ("Mayo", {"cancer": "lung"}, "who never had lung cancer"),
        ("Herder", {"cancer": "lung"}, "who never had lung cancer"),
        ("Brock 2b", {"cancer": "lung"}, "who never had lung cancer"),
    ],
)
def test_nothing_is_computed_if_the_publication_rules_it_out(name, known, words):
    result = result_of(name, **known)
    assert result.probability is None
    assert result.words == f"not computed: made for patients {words}"


@pytest.mark.parametrize(
    ("names", "known", "words"),
    [
        ("Brock", {"smoking": "never"}, "for smokers and former smokers"),
        ("Brock", {"age": 49}, "for patients of 50 to 75 years"),
        ("Brock", {"age": 76}, "for patients of 50 to 75 years"),
        ("Brock", {"cancer": "within 5 years"}, "for patients without a known cancer"),
        ("Brock", {"setting": "incidental"}, "not for nodules found by chance"),
        ("Brock", {"status": "new"}, "for the first screening CT"),
        ("Brock 1", {"density": "ground glass"}, "without distinguishing subsolid nodules"),
        ("Mayo", {"mean diameter": 3.9}, "for nodules of 4 to 30 mm"),
        ("Mayo", {"mean diameter": 30.1}, "for nodules of 4 to 30 mm"),
        ("Mayo", {"nodules": 2}, "for single nodules"),
        ("Mayo", {"setting": "screening"}, "found in clinical practice"),
        ("Mayo", {"density": "part-solid"}, "without distinguishing subsolid nodules"),
        ("Veterans", {"sex": "female"}, "97 % of them men"),
        ("Veterans", {"long axis": 31}, "for nodules up to 30 mm"),
        ("Veterans", {"density": "part-solid"}, "without distinguishing subsolid nodules"),
        ("Herder", {"age": 31}, "for patients of 32 to 85 years"),
        ("Herder", {"mean diameter": 31}, "for nodules up to 30 mm"),
        ("Herder", {"setting": "screening"}, "found in clinical practice"),
        ("", {"benign_pattern": True}, "without benign calcification"),
    ],
)
def test_patients_that_a_score_was_not_made_for_are_reported(names, known, words):
    usual = {"setting": None, "status": None, "benign_pattern": None, "sex": "male"}
    for name in (name for name in NAMES if name.startswith(names)):
        without, result = result_of(name, **usual), result_of(name, **(usual | known))
        assert result.probability is not None
        assert words not in without.words
        assert words in result.words and result.words.count("not made for cases like this") == 1


def test_a_score_has_no_warning_for_the_patients_it_was_made_for():
    screened = {"setting": "screening", "status": "baseline", "benign_pattern": False}
    found = {"setting": "incidental", "benign_pattern": False}
    for name in NAMES:
        known = screened if name.startswith("Brock") else found
        assert result_of(name, **known).warnings == ()


# --- Of an assessed nodule


NOBODY = Patient()


def sized(mean: float, long: float):
    values = {"long axis": long, "mean diameter": mean, "volume": 900.0, "solid volume": 0.0}
    return tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in values.items())


@pytest.fixture
def found(ct):
    """Assessed, with nothing withheld."""
    return made_assessment(ct, checks=(), measurements=sized(10.04, 12.15))


def origins(found, patient=NOBODY, listed=None) -> dict[str, str]:
    return {
        name: f"{one.value} {one.origin}"
        for name, one in known_inputs(found, patient, listed).items()
    }


def test_the_image_fills_in_what_it_shows_and_says_so(found):
    assert origins(found, listed=3) == {
        "long axis": "12.2 measured",
        "mean diameter": "10.0 measured",
        "density": "solid by the networks",
        "spiculation": "True by the networks",
        "nodules": "3 as listed",
    }


def test_the_readers_density_type_comes_before_the_networks_and_the_measured_one(found):
    said = origins(found, Patient(density="part-solid", spiculation=False, nodules=1), 3)
    assert (said["density"], said["spiculation"], said["nodules"]) == (
        "part-solid given",
        "False given",
        "1 given",
    )
    alone = origins(replace(found, tasks={"malignancy": TASKS["malignancy"]}))
    assert alone["density"] == "ground glass measured" and "spiculation" not in alone


def test_a_withheld_answer_is_no_input_unless_it_is_marked(found):
    thick = replace(found, checks=(Check("thick-slices", "warning", "Thick.", 8),))
    said = origins(thick)
    assert "spiculation" not in said
    assert said["density"] == "solid by the networks, withheld"


@pytest.mark.parametrize("smoking", ["never", "current"])
def test_only_former_smokers_are_asked_when_they_quit(found, smoking):
    known = known_inputs(found, Patient(age=60, smoking=smoking))
    assert score_nodule(BY_NAME["Veterans Affairs"], known).probability is not None
    former = known_inputs(found, Patient(age=60, smoking="former"))
    assert score_nodule(BY_NAME["Veterans Affairs"], former).missing == ("years since quitting",)


def test_scores_that_are_computed_stand_first(found):
    patient = Patient(age=60, smoking="never", sex="female")
    answers = scores(found, patient, 1)
    assert answers[0].name == "Veterans Affairs" and answers[0].probability is not None
    assert [one.name for one in answers[1:]] == [n for n in NAMES if n != "Veterans Affairs"]
    assert answers[1].words == "not computed: needs family history, emphysema, upper lobe"


def test_a_score_made_for_such_a_case_comes_first(found):
    patient = Patient(
        age=60, smoking="never", sex="female", upper_lobe=True, cancer="none", density="solid"
    )
    answers = scores(found, patient, 1)
    assert [one.name for one in answers][:4] == ["Mayo", "Brock 1b", "Brock 1a", "Veterans Affairs"]
    assert answers[0].warnings == () and all(one.warnings for one in answers[1:4])


def test_every_used_input_is_reported_with_its_origin(found):
    told = {one.name: one for one in scores(found, Patient(age=60, smoking="never"))}
    assert [one.words for one in told["Veterans Affairs"].inputs] == [
        "age 60 (given)",
        "smoking never (given)",
        "years since quitting 0 (not a former smoker)",
        "long axis 12.2 mm (measured)",
    ]


def test_where_no_nodule_was_found_there_is_no_score(found):
    none = replace(found, checks=(Check("no-nodule", "warning", "Nothing.", 26),))
    (words,) = {one.words for one in scores(none, Patient(age=60, smoking="never"))}
    assert words == "not computed: no nodule was found at the point"
    unmeasured = scores(replace(found, measurements=()), Patient(age=60, smoking="never"))
    assert all(set(one.missing) & {"long axis", "mean diameter"} for one in unmeasured)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["years_since_quitting=-1"], "from 0 to the age"),
        (["age=40", "years_since_quitting=41"], "from 0 to the age"),
        (["smoking=never", "years_since_quitting=3"], "smoking=former"),
        (["smoking=sometimes"], "one of never, former, current"),
        (["cancer=yes"], "one of none, earlier, within 5 years, lung"),
        (["pet-uptake=hot"], "one of none, faint, moderate, intense"),
    ],
)
def test_what_contradicts_itself_or_is_not_understood_is_refused(texts, words):
    with pytest.raises(NoduleRiskError, match=words):
        patient_from(texts)
