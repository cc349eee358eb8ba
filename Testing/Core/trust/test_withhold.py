"""When decisions are withheld, and that this is shown beside the probabilities."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from made_assessment import CENTRE_LPS_MM, TASKS
from needs import WHOLE_DATA
from nodulerisk.assessment import (
    Assessment,
    Interval,
    Stability,
    decided,
)
from nodulerisk.checks import CHECKS, NO_NODULE, NOT_A_NODULE, Check
from nodulerisk.ct.points import Point
from nodulerisk.datasets.read import read_dataset
from nodulerisk.engine.engine import Engine
from nodulerisk.evaluation.predictions import predictions
from nodulerisk.outputs.nodule_tables import results_view, write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.words import stability_words, withheld_words
from nodulerisk.trust.withhold import withheld
from nodulerisk.weights.store import load_weight_set

MOVED = Stability(
    {"malignancy": Interval(0.4, 0.75, 6 / 7)},
    {"malignancy": Interval(0.71, 0.74, 1.0)},
    (0.98,) * 6,
)


@pytest.mark.parametrize(
    ("threshold", "members", "disagree"),
    [
        (0.5, {"a": (0.4, 0.6), "b": (0.1, 0.9)}, False),
        (0.7, {"a": (0.4, 0.6), "b": (0.1, 0.9)}, True),
        (None, {"a": (0.5, 0.3, 0.2), "b": (0.3, 0.5, 0.2)}, True),
        (None, {"a": (0.5, 0.3, 0.2)}, False),
    ],
)
def test_networks_disagree_where_they_would_decide_differently(threshold, members, disagree):
    task = replace(TASKS["malignancy"], threshold=threshold, members=members)
    assert task.disagree == disagree
    assert decided((0.4, 0.3, 0.3), None) == 0


@pytest.fixture
def sound(assessment) -> Assessment:
    """An assessment without any reason to withhold."""
    return replace(assessment, checks=())


NOT_COVERED = {
    "no-nodule": "no nodule was found at the point",
    "too-large-to-draw": "it may be larger than the mask network sees",
    "not-a-nodule": "it does not look like a nodule",
    "mask-unsteady": "its mask depends on the click",
    "flat": "it is as flat as scars and fissures are",
    "size-out-of-range": "its size is outside the published range",
    "mask-cut": "it extends beyond what the mask network sees",
    "glass-left-out": "ground glass around it is not in its mask",
    "thick-slices": "the slices are thick",
    "cystic": "it may be cystic",
    "points-of-another-series": "its point may be of another CT",
    "mostly-padding": "most of what the networks look at lies outside the CT",
    "intensity-doubtful": "its values may not be Hounsfield units",
}


@pytest.mark.parametrize("code", NOT_COVERED)
def test_what_the_evidence_does_not_cover_is_withheld(sound, code):
    check = Check(code, "warning", "A message.", 30)
    assert withheld(replace(sound, checks=(check,))) == (NOT_COVERED[code],)
    not_run = withheld(replace(sound, checks=(check,)), "subtype")
    assert not_run == ()  # nothing to withhold


def test_reasons_are_given_in_one_order_and_no_other_check_withholds(sound):
    every = tuple(Check(kind.code, kind.severity, "", kind.fault) for kind in CHECKS.values())
    assert withheld(replace(sound, checks=every[::-1])) == tuple(NOT_COVERED.values())


def test_a_decision_stands_where_nothing_speaks_against_it(sound):
    still = Stability(
        {"malignancy": Interval(0.7, 0.8, 1.0)}, {"malignancy": Interval(0.7, 0.8, 1.0)}, ()
    )
    assert [withheld(sound, task) for task in TASKS] == [()] * len(TASKS)
    assert withheld(replace(sound, stability=still)) == ()
    minded = (Check("calcified", "warning", "", 31), Check("contrast", "warning", "", 20))
    assert withheld(replace(sound, checks=minded)) == ()


def test_unstable_answers_are_withheld(sound):
    malignancy = TASKS["malignancy"]
    split = replace(malignancy, members=malignancy.members | {"small": (0.6, 0.4)})
    for result, reasons in (
        (split, ("the networks disagree",)),
        (replace(malignancy, evidence="none"), ("there is no evidence for it",)),
    ):
        assert withheld(replace(sound, tasks={"malignancy": result})) == reasons
    assert withheld(replace(sound, stability=MOVED)) == ("it changes when the image is turned",)
    clicked = replace(MOVED, turned={}, clicked=MOVED.turned)
    assert withheld(replace(sound, stability=clicked)) == ("it changes with a click 2 mm off",)


@pytest.mark.parametrize(
    ("probability", "stands"), [(0.1, True), (0.25, False), (0.55, False), (0.65, True)]
)
def test_a_risk_models_probability_near_the_threshold_decides_nothing(sound, probability, stands):
    """Two of three such decisions were right in cross-validation, elsewhere 19 of 20."""
    answer = (1 - probability, probability)
    by_model = replace(TASKS["malignancy"], mean=answer, threshold=0.4, inputs={"log volume": 6.0})
    near = () if stands else ("its probability is too near to the threshold",)
    assert withheld(replace(sound, tasks={"malignancy": by_model})) == near
    by_networks = replace(by_model, inputs={}, members={"one": answer})
    assert withheld(replace(sound, tasks={"malignancy": by_networks})) == ()


def test_fault_76_the_json_says_of_every_task_whether_its_decision_is_withheld(assessment):
    tasks = assessment.to_dict()["tasks"]
    assert (tasks["malignancy"]["withheld"], tasks["malignancy"]["reasons"]) == (
        True,
        ["the slices are thick"],
    )
    assert (tasks["subtype"]["withheld"], tasks["subtype"]["reasons"]) == (False, [])


def test_only_a_decision_that_stands_and_rests_on_patients_may_be_named(sound, assessment):
    named = {task: sound.stated(task).decision for task in TASKS}
    assert named == {
        "malignancy": "malignant",
        "invasiveness": None,
        "grade": None,
        "subtype": None,
        "density": "solid",
        "spiculation": "spiculated",
    }
    assert [task for task in TASKS if sound.stated(task).demonstration] == ["invasiveness", "grade"]
    assert {assessment.stated(task).decision for task in TASKS} == {None}


def test_fault_68_that_nothing_was_found_is_no_reason_to_withhold_that_very_answer(sound):
    presence = replace(
        TASKS["malignancy"], classes=("no nodule", "nodule"), mean=(0.9, 0.1), threshold=0.5
    )
    for decision, reasons in (
        ("no nodule", ()),
        ("nodule", ("no nodule was found at the point", "it does not look like a nodule")),
    ):
        members = {"a": (0.9, 0.1)}
        found = {"presence": replace(presence, decision=decision, members=members)}
        checks = (NO_NODULE.check(), NOT_A_NODULE.check(probability=0.1))
        stated = replace(sound, tasks=found, checks=checks).stated("presence")
        assert (stated.decision, stated.reasons) == (None if reasons else decision, reasons)


def test_the_reasons_read_as_lines(sound, assessment):
    assert withheld_words(sound) == stability_words(sound) == []
    assert withheld_words(assessment) == ["Withheld: every decision (the slices are thick)"]
    moved = replace(sound, stability=MOVED)
    assert withheld_words(moved) == ["Withheld: malignancy (it changes when the image is turned)"]
    assert stability_words(moved) == [
        "Malignancy (reader): 0.40–0.75 turned, 0.71–0.74 with clicks 2 mm off"
    ]


def test_a_withheld_decision_is_shown_beside_its_probability(sound, tmp_path):
    outcome = Outcome(Point("N1", CENTRE_LPS_MM), replace(sound, stability=MOVED))
    text = StringIO()
    Console(file=text, width=120).print(results_view([outcome]))
    for words in (
        "withheld",
        "0.73",
        "N1: Withheld: malignancy (it changes",
        "0.40–0.75 turned",
    ):
        assert words in text.getvalue()
    assert text.getvalue().count("withheld") == 1
    write_csv([outcome], tmp_path / "n.csv")
    assert "Withheld: malignancy (it changes when the image is turned)" in (
        tmp_path / "n.csv"
    ).read_text("utf-8-sig")


@pytest.mark.slow
@pytest.mark.needs(WHOLE_DATA)
def test_withheld_decisions_are_wrong_more_often(shared):
    """On the open set's test nodules: those on which its networks disagree, and the others."""
    weights = load_weight_set("open")
    nodules = [
        n
        for n in read_dataset(shared / "data" / "lidc").of_split("test")
        if "malignancy" in n.labels
    ]
    answered, _ = predictions(weights, nodules, Engine(weights, "cpu"))
    threshold = weights.threshold("malignancy")
    wrong = np.array(
        [decided(o.mean("malignancy"), threshold) != o.labels["malignancy"] for o in answered]
    )
    members = [o.members["malignancy"].values() for o in answered]
    split = np.array(
        [len({decided(member, threshold) for member in those}) > 1 for those in members]
    )
    assert 0 < split.mean() < 0.25
    assert wrong[split].mean() > 3 * wrong[~split].mean()
