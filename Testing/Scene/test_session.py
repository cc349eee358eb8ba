"""The session that panel and page share, on real MRML with made-up networks."""

from __future__ import annotations

import numpy as np
import pytest

from LungNoduleRiskLib.assessing import Assessor
from LungNoduleRiskLib.session import Session
from made_assessment import CENTRE_LPS_MM
from made_scene import BallNetworks
from made_weights import made_weights
from nodulerisk.clinical.registration import Alignment
from nodulerisk.errors import NoduleRiskError

OUTSIDE_MM = (500.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> str:
    return str(made_weights(tmp_path_factory.mktemp("weights")).folder)


@pytest.fixture
def session(loaded, placed, ct) -> Session:
    """With a CT, a nodule A on it, and a point B that lies elsewhere."""
    session = Session(Assessor(BallNetworks))
    session.use(loaded(ct), placed(A=CENTRE_LPS_MM, B=OUTSIDE_MM))
    session.refresh()
    return session


def assess(session: Session, weights: str) -> None:
    session.start(weights, "cpu")
    session.compute()
    while session.showNext():
        session.refresh()
    session.end()


def test_new_nodules_are_named_and_the_chosen_one_stays(session):
    assert session.chosen.name == "A"
    session.choose("B")
    session.markupsNode.AddControlPoint([0, 0, 0], "C")
    assert session.refresh() == ["C"]
    assert session.chosen.name == "B"
    session.delete("B")
    assert session.chosen.name == "A"
    with pytest.raises(NoduleRiskError, match="no longer there"):
        session.choose("B")


def test_deleting_a_nodule_after_a_point_was_removed_elsewhere_deletes_the_right_one(session):
    session.markupsNode.RemoveNthControlPoint(0)
    session.delete("B")
    assert session.markupsNode.GetNumberOfControlPoints() == 0 and session.nodules == []


def test_steps_go_round(session):
    chosen = []
    for by in (1, 1, -1):
        session.step(by)
        chosen.append(session.chosen.name)
    assert chosen == ["B", "A", "B"]


def test_a_run_is_known_by_its_news_its_results_and_its_refusals(session, weights):
    session.start(weights, "cpu")
    assert session.run is not None
    session.compute()
    assert session.news.what.startswith("B: ") or session.news.share > 0.4
    assert session.showNext() and not session.showNext()
    run = session.end()
    session.refresh()
    assert session.run is None and run.shown == 1
    assert [one.name for one in session.assessments] == ["A"]
    assert session.drawn[0].mask.any()
    assert set(session.refusals) == {"B"}
    assert [one.refusal is None for one in session.summaries()] == [True, False]


def test_fault_42_results_of_another_ct_are_not_this_ones(session, weights, loaded, placed, ct):
    assess(session, weights)
    first = session.selected
    session.use(loaded(ct), placed(A=CENTRE_LPS_MM, B=OUTSIDE_MM))
    session.refresh()
    assert not session.refusals and not session.drawn and not session.assessments
    session.use(*first)
    session.refresh()
    assert set(session.refusals) == {"B"} and len(session.drawn) == 1


def test_fault_42_what_was_said_of_a_nodule_is_not_said_of_another_of_its_name(session):
    session.answer("spiculation", "yes")
    session.answer("age", "62")
    assert session.patientWith("A").spiculation and session.patientWith("A").age == 62
    assert session.patientWith("B").spiculation is None
    session.delete("A")
    session.markupsNode.AddControlPoint([0, 0, 0], "A")
    session.refresh()
    assert session.patientWith("A").spiculation is None and session.patientWith("A").age == 62


def test_fault_42_what_was_said_of_a_patient_is_not_said_of_the_next(session):
    session.answer("age", "62")
    session.clear()
    assert session.answers == {} and session.volumeNode is None and session.nodules == []


def test_fault_43_a_ct_that_leaves_the_scene_takes_its_run_and_its_refusals(
    session, weights, scene
):
    assess(session, weights)
    session.start(weights, "cpu")
    volumeNode = session.volumeNode
    scene.RemoveNode(volumeNode)
    session.forgetRemoved()
    with pytest.raises(NoduleRiskError, match="cancelled"):
        session.compute()
    session.end()
    session.use(None, None)
    assert session.refresh() == [] and not session.refusals


def test_wrong_answers_are_no_advice_and_say_why(session, weights):
    assess(session, weights)
    session.answer("age", "621")
    facts = session.facts()
    assert "age must be from 1 to 120 years" in facts.notAdvised and facts.found.guidelines == []
    session.answer("age", "62")
    facts = session.facts()
    assert not facts.notAdvised and facts.found.guidelines


def test_the_readers_word_for_the_density_says_what_an_unchanged_nodule_may_show(
    session, weights, loaded, ct
):
    assess(session, weights)
    earlier, (later, points) = session.volumeNode, (loaded(ct), session.markupsNode)
    session.use(later, points)
    session.refresh()
    assess(session, weights)
    session.refresh()
    session.choose("A")
    session.answer("density", "part-solid")
    session.follow(Alignment(np.eye(4), 1.0), earlier, later, 90, lambda _: True)
    subsolid = "unchanged: up to ±2.2 mm"
    assert subsolid in session.facts().earlier.lines[0]
    session.answer("density", "solid")
    assert subsolid not in session.facts().earlier.lines[0]


def test_what_was_measured_on_two_scans_reaches_the_guidelines(session, weights, loaded, ct):
    assess(session, weights)
    earlier, (later, points) = session.volumeNode, (loaded(ct), session.markupsNode)
    session.use(later, points)
    session.refresh()
    assess(session, weights)
    session.refresh()
    session.choose("A")
    session.follow(Alignment(np.eye(4), 1.0), earlier, later, 200, lambda _: True)
    said = {one.name: one.words for one in session.facts().found.guidelines}
    assert said["Lung-RADS v2022"] == "not computed: needs previous"
    session.answer("previous", "4B")
    said = {one.name: one.words for one in session.facts().found.guidelines}
    assert said["Lung-RADS v2022"].startswith("4B (part-solid, stable, 4B before")
    assert "in doubt: the earlier scan: the mask depends on" in said["Lung-RADS v2022"]


def test_scores_stand_before_the_guidelines_and_know_how_many_nodules_are_listed(session, weights):
    assess(session, weights)
    session.refresh()
    for name, text in {"age": "62", "smoking": "current"}.items():
        session.answer(name, text)
    (score,) = session.facts().found.scores
    assert score.name == "Veterans Affairs" and "probability of cancer (outcome)" in score.words
    assert "made for single nodules" in score.words  # A and B are listed
    assert score.basis.startswith("age 62 (given)") and "375 veterans" in score.basis
    others = [one.name for one in session.facts().found.guidelines]
    assert others[:2] == ["Lung-RADS v2022", "Fleischner 2017"] and "Mayo" in others
