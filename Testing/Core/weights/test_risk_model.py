"""Risk models on cards: their formula, their refusals, and the results and words of assessments
with and without one."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from io import StringIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from made_assessment import CENTRE_LPS_MM, TASKS, made_assessment, made_ct
from nodulerisk.assess import assess
from nodulerisk.assessment import TaskResult, load_assessment, save_assessment
from nodulerisk.ct.points import Point
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError, WeightsError
from nodulerisk.export.model_card import model_card
from nodulerisk.nodule.radiomics import radiomics
from nodulerisk.outputs.nodule_tables import outcome_row, results_view, weights_view
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.words import (
    by_volume_words,
    headline,
    input_words,
    overstated_words,
    task_basis,
)
from nodulerisk.trust.explain import explain
from nodulerisk.trust.stability import stability
from nodulerisk.trust.withhold import withheld
from nodulerisk.weights.card import (
    OVERSTATED,
    Evidence,
    RiskModel,
    Term,
    WeightSet,
    save_card,
)
from nodulerisk.weights.store import load_weight_set

AREA = Term(low=2.0, high=6.0, mean=4.0, sd=1.0, coefficient=2.0)
CORE = Term(low=0.0, high=1500.0, mean=400.0, sd=300.0, coefficient=-0.5)
VOLUME = Term(low=2.0, high=9.0, mean=5.5, sd=1.5, coefficient=2.0)
RISK = RiskModel({"log axial area": AREA, "core minus border": CORE}, 0.1, (1.2, -0.3))
SIZE = RiskModel({"log volume": VOLUME}, -0.2)
POINT = np.array(CENTRE_LPS_MM)
IN_AIR = POINT + (20, 20, 20)


ELSEWHERE = Evidence(
    "pathology", "other data", "diagnoses of other patients", 9, 9, {OVERSTATED: [0.123, 0.1, 0.2]}
)


def with_models(
    weights: WeightSet, risk: RiskModel | None = RISK, size=SIZE, further=()
) -> WeightSet:
    known = weights.tasks["malignancy"]
    card = replace(known, risk=risk, size=size, further_evidence=further)
    return replace(weights, tasks=weights.tasks | {"malignancy": card})


def in_terminal(shown: RenderableType) -> str:
    text = StringIO()
    Console(file=text, width=200).print(shown)
    return text.getvalue()


@pytest.fixture(scope="module")
def engine(weights):
    return Engine(weights, "cpu")


@pytest.fixture(scope="module")
def plain(ct, weights, engine):
    return assess(ct, POINT, weights, networks=engine)


@pytest.fixture(scope="module")
def modelled(ct, weights, engine):
    return assess(ct, POINT, with_models(weights), networks=engine)


def test_the_probability_is_the_calibrated_logistic_regressions():
    log_odds = 0.1 + 2.0 * (5.0 - 4.0) / 1.0 - 0.5 * (700.0 - 400.0) / 300.0
    said = RISK.probability({"log axial area": 5.0, "core minus border": 700.0, "more": 1.0})
    assert said == pytest.approx(1 / (1 + np.exp(0.3 - 1.2 * log_odds)))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_inputs_beyond_the_fitted_range_count_as_its_limits(area, core):
    clipped = {
        "log axial area": float(np.clip(area, AREA.low, AREA.high)),
        "core minus border": float(np.clip(core, CORE.low, CORE.high)),
    }
    said = RISK.probability({"log axial area": area, "core minus border": core})
    assert 0 < said < 1 and said == RISK.probability(clipped)


def test_a_card_with_models_round_trips(weights, tmp_path):
    copy = shutil.copytree(weights.folder, tmp_path / "copy")
    risk = replace(RISK, left_out={"log volume": [0.001, -0.002, 0.004]})
    made = replace(with_models(weights, risk, further=(ELSEWHERE,)), folder=copy)
    save_card(made)
    assert load_weight_set(copy) == made


@given(st.floats(2, 6), st.floats(0, 1500))
def test_the_calibrated_model_says_the_same(area, core):
    inputs = {"log axial area": area, "core minus border": core}
    assert RISK.calibrated.log_odds(inputs) == pytest.approx(
        RISK.calibration[0] * RISK.log_odds(inputs) + RISK.calibration[1]
    )
    assert RISK.calibrated.probability(inputs) == pytest.approx(RISK.probability(inputs))


def test_a_card_shows_the_coefficients_of_what_is_said(weights):
    shown = in_terminal(weights_view(with_models(weights)))
    assert f"+{1.2 * AREA.coefficient:.3f}" in shown and f"{1.2 * CORE.coefficient:.3f}" in shown


def test_every_card_tells_what_else_the_answers_were_held_against(weights):
    made = with_models(weights, further=(ELSEWHERE,))
    for card in (in_terminal(weights_view(made)), model_card(made, "onnx")):
        assert "diagnoses of other patients" in card and "0.123" in card


@pytest.mark.parametrize(
    ("overstated", "words"),
    [
        (0.123, "on other patients too high by 0.12 on average"),
        (-0.06, "on other patients too low by 0.06 on average"),
        (0.04, ""),
        (None, ""),
    ],
)
def test_probabilities_that_were_off_elsewhere_are_said_to_be(overstated, words):
    said = replace(TASKS["malignancy"], overstated=overstated)
    found = made_assessment(made_ct(), tasks={"malignancy": said})
    assert overstated_words(said) == words
    shown = in_terminal(results_view([Outcome(Point("N1", tuple(POINT)), found)]))
    for told in (task_basis(said), " ".join(headline(found)), shown):
        assert ("other patients" in told) == bool(words) and words in told


def test_what_the_card_knows_of_other_patients_comes_with_every_answer(ct, weights, engine):
    made = with_models(weights, further=(ELSEWHERE,))
    assert assess(ct, POINT, made, networks=engine).tasks["malignancy"].overstated == 0.123


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"terms": {"age": asdict(AREA)}}, "unknown term age"),
        ({"terms": {"log volume": asdict(AREA) | {"sd": 0}}}, "range or spread"),
        ({"terms": {"log volume": asdict(AREA) | {"low": 9}}}, "range or spread"),
        ({"terms": {"log volume": asdict(AREA) | {"mean": float("nan")}}}, "nan is not a number"),
        ({"terms": {"log volume": asdict(AREA) | {"weight": 1}}}, "weight"),
        ({"terms": {"log volume": {"low": 0}}}, "missing"),
        ({"terms": {"log volume": asdict(AREA) | {"coefficient": "much"}}}, "not valid"),
        ({"terms": [1]}, "not valid"),
        ({"intercept": float("inf")}, "inf is not a number"),
        ({"intercept": None}, "not valid"),
        ({"calibration": [1.0]}, "not valid"),
    ],
)
def test_a_damaged_model_is_refused(weights, tmp_path, change, why):
    copy = shutil.copytree(weights.folder, tmp_path / "copy")
    save_card(replace(with_models(weights), folder=copy))
    card = json.loads((copy / "card.json").read_text())
    card["tasks"]["malignancy"]["risk"] |= change
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=why):
        load_weight_set(copy)


def test_a_model_of_three_classes_is_refused(weights, tmp_path):
    copy = shutil.copytree(weights.folder, tmp_path / "copy")
    grade = replace(weights.tasks["grade"], risk=RISK)
    save_card(replace(weights, folder=copy, tasks=weights.tasks | {"grade": grade}))
    with pytest.raises(WeightsError, match="grade does not have the two classes"):
        load_weight_set(copy)


def test_the_models_probability_is_shown_and_decided_on(ct, modelled):
    task, traits = modelled.tasks["malignancy"], radiomics(modelled.nodule, ct)
    assert task.mean[1] == pytest.approx(RISK.probability(traits))
    assert task.by_volume == pytest.approx(SIZE.probability(traits))
    assert task.inputs == {name: traits[name] for name in RISK.terms}
    assert task.decision == ("malignant" if task.mean[1] >= 0.4 else "benign")
    assert task.evidence == "reader" and sum(task.mean) == pytest.approx(1)


def test_networks_that_the_model_does_not_use_are_not_members(modelled):
    task = modelled.tasks["malignancy"]
    assert task.members == {} and task.spread is None and not task.disagree
    assert task.answers == {"risk model": task.mean}


def test_networks_that_are_a_term_stay_visible(ct, weights, engine, plain):
    networks = Term(-10, 10, 0, 1, 1.0)
    risk = replace(RISK, terms={**RISK.terms, "log-odds of malignancy": networks})
    task = assess(ct, POINT, with_models(weights, risk), networks=engine).tasks["malignancy"]
    said = plain.tasks["malignancy"]
    assert task.members == said.members
    odds = said.mean[1] / said.mean[0]
    assert task.inputs["log-odds of malignancy"] == pytest.approx(np.log(odds), abs=1e-5)
    assert task.mean != said.mean


def test_the_other_tasks_are_those_of_a_set_without_models(plain, modelled):
    others = plain.tasks.keys() - {"malignancy"}
    assert all(plain.tasks[name] == modelled.tasks[name] for name in others)
    assert plain.measurements == modelled.measurements and plain.checks == modelled.checks


def test_without_a_model_nothing_is_computed_or_shown(plain):
    task = plain.tasks["malignancy"]
    assert task.inputs == {} and task.by_volume is None and task.answers == task.members
    row = outcome_row(Outcome(Point("N1", tuple(POINT)), plain))
    assert "malignancy_by_volume" not in row


def test_the_size_model_alone_leaves_the_networks_mean(ct, weights, engine, plain):
    task = assess(ct, POINT, with_models(weights, risk=None), networks=engine).tasks["malignancy"]
    assert replace(task, by_volume=None) == plain.tasks["malignancy"]
    assert 0 < task.by_volume < 1


def test_without_a_nodule_the_model_decides_nothing_and_says_why(ct, weights, engine):
    found = assess(ct, IN_AIR, with_models(weights), networks=engine)
    task = found.tasks["malignancy"]
    assert not found.nodule.region.any()
    assert task.mean is None and task.decision is None and task.by_volume is None
    assert task.note == "no nodule was found at the point"
    assert withheld(found) == ()


def test_without_a_mask_network_the_model_decides_nothing(ct, weights, engine):
    maskless = replace(with_models(weights), mask_network=None)
    task = assess(ct, POINT, maskless, networks=engine).tasks["malignancy"]
    assert task.mean is None and "no mask was drawn" in task.note


def test_a_model_whose_network_gave_no_number_is_not_run(ct, weights):
    class Broken:
        device, checks = "none", []

        def __init__(self, networks):
            self.networks = networks

        def predict(self, network, cubes):
            first, *rest = self.networks.predict(network, cubes)
            return (first * np.nan if network == "vgg" else first, *rest)

    terms = {**RISK.terms, "log-odds of malignancy": Term(-10, 10, 0, 1, 1.0)}
    needing = with_models(weights, replace(RISK, terms=terms))
    broken = Broken(Engine(weights, "cpu"))
    assert "vgg" in assess(ct, POINT, needing, networks=broken).tasks["malignancy"].note
    unneeding = assess(ct, POINT, with_models(weights), networks=broken).tasks["malignancy"]
    assert unneeding.mean and unneeding.threshold == weights.threshold("malignancy")


def test_a_model_decides_by_the_cards_threshold_without_any_network(ct, weights, engine):
    made = with_models(weights)
    alone = replace(made.tasks["malignancy"], networks=(), threshold=0.999)
    made = replace(made, tasks=made.tasks | {"malignancy": alone})
    task = assess(ct, POINT, made, networks=engine).tasks["malignancy"]
    assert 0.5 < task.mean[1] < 0.999
    assert (task.decision, task.threshold) == ("benign", 0.999)


def test_the_cascade_goes_by_the_models_decision(ct, weights, engine):
    never = with_models(weights, replace(RISK, intercept=-50.0))
    found = assess(ct, POINT, never, networks=engine, cascade=True)
    assert found.tasks["malignancy"].decision == "benign"
    assert found.tasks["subtype"].note == "skipped: the nodule was decided benign"


def test_a_model_of_the_mask_alone_does_not_move_when_the_cube_is_turned(
    ct, weights, engine, modelled
):
    turned = stability(ct, modelled, with_models(weights), engine).turned["malignancy"]
    assert (turned.low, turned.high, turned.unchanged) == (turned.high, turned.low, 1)


def test_an_explanation_falls_back_on_the_cards_networks(ct, weights, modelled):
    class Looked:
        def gradcam(self, network, cubes, column):
            return np.ones((2, 2, 2), np.float32)

    assert explain(ct, modelled, with_models(weights), Looked()).network == "inception"
    card = replace(weights.tasks["malignancy"], networks=())
    none = replace(weights, tasks=weights.tasks | {"malignancy": card})
    with pytest.raises(NoduleRiskError, match="No network answers malignancy"):
        explain(ct, modelled, none, Looked())


def test_a_saved_assessment_keeps_what_the_models_said(ct, modelled, tmp_path):
    save_assessment(modelled, ct, tmp_path)
    assert load_assessment(tmp_path).tasks == modelled.tasks
    saved = json.loads((tmp_path / "assessment.json").read_text())["tasks"]["malignancy"]
    assert saved["by_volume"] == modelled.tasks["malignancy"].by_volume
    assert saved["inputs"].keys() == RISK.terms.keys()


def test_an_assessment_saved_before_there_were_models_is_read(tmp_path):
    ct = made_ct()
    path = save_assessment(made_assessment(ct), ct, tmp_path)
    values = json.loads(path.read_text())
    for task in values["tasks"].values():
        del task["inputs"], task["by_volume"], task["overstated"]
    path.write_text(json.dumps(values))
    assert load_assessment(tmp_path).tasks == TASKS


def test_one_function_says_what_the_volume_alone_says():
    said = replace(TASKS["malignancy"], by_volume=0.777)
    assert by_volume_words(said) == "by volume alone 0.78"
    assert by_volume_words(TASKS["malignancy"]) == ""
    assert "; by volume alone 0.78; " in task_basis(said)
    row = outcome_row(
        Outcome(Point("N1", tuple(POINT)), made_assessment(made_ct(), tasks={"malignancy": said}))
    )
    assert row["malignancy_by_volume"] == 0.777


def test_the_basis_of_a_modelled_task_names_the_models_inputs(modelled):
    task: TaskResult = modelled.tasks["malignancy"]
    assert input_words(task).startswith("risk model of log axial area 4.")
    assert input_words(task) in task_basis(task)
    assert input_words(TASKS["malignancy"]) == ""
