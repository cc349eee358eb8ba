"""The session that panel and page share, on real MRML with made-up networks."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import slicer

from LungNoduleRiskLib import comparing
from LungNoduleRiskLib.assessing import SceneAssessor
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.session import Session
from made_assessment import CENTRE_LPS_MM, made_ct
from made_dicom import phantom, write_series
from made_scene import BallNetworks, edit
from made_weights import made_weights
from nodulerisk.clinical.registration import Alignment
from nodulerisk.errors import NoduleRiskError, WorkerError
from nodulerisk.outputs.words import place_words

OUTSIDE_MM = (500.0, 0.0, 0.0)


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> str:
    return str(made_weights(tmp_path_factory.mktemp("weights")).folder)


@pytest.fixture
def session(loaded, placed, ct) -> Session:
    """With a CT, a nodule A on it, and a point B that lies elsewhere."""
    session = Session(SceneAssessor(BallNetworks))
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


def test_a_renamed_point_keeps_its_results(session, weights):
    assess(session, weights)
    session.refresh()
    session.choose("A")
    session.answer("spiculation", "yes")
    before = results.savedAssessments(session.volumeNode)["A"].to_dict()
    session.markupsNode.SetNthControlPointLabel(0, "left upper")
    session.markupsNode.SetNthControlPointLabel(1, "outside")
    session.refresh()
    assert [one.name for one in session.nodules] == ["left upper", "outside"]
    assert session.chosen.name == "left upper" and session.answers["spiculation"] == "yes"
    after = results.savedAssessments(session.volumeNode)["left upper"].to_dict()
    assert after == before | {"name": "left upper"}
    assert [one.name for one in session.drawn] == ["left upper"] and "outside" in session.refusals
    segments = resultNode("segmentation", session.volumeNode).GetSegmentation()
    assert list(segments.GetSegmentIDs()) == ["left upper"]
    assert results.handDrawn(session.volumeNode, ["left upper"]) == []


def test_a_point_renamed_during_a_run_keeps_its_results_too(session, weights):
    session.start(weights, "cpu")
    session.markupsNode.SetNthControlPointLabel(0, "C")
    session.refresh()
    session.compute()
    while session.showNext():
        pass
    session.end()
    session.refresh()
    assert list(results.savedAssessments(session.volumeNode)) == ["C"]


def test_a_name_that_goes_to_another_point_takes_no_results_along(session, weights):
    assess(session, weights)
    session.refresh()
    session.markupsNode.SetNthControlPointLabel(0, "B")
    session.markupsNode.SetNthControlPointLabel(1, "A")
    session.refresh()
    assert list(results.savedAssessments(session.volumeNode)) == ["A"]
    assert session.nodules[1].moved  # as the point of that name lies elsewhere


def test_a_deleted_nodule_comes_back_with_all_that_was_known_of_it(session, weights):
    assess(session, weights)
    session.refresh()
    session.choose("A")
    session.answer("spiculation", "yes")
    before = results.savedAssessments(session.volumeNode)["A"].to_dict()
    session.delete("A")
    assert session.undoable == "deleting A" and session.drawn == []
    session.undo()
    assert [one.name for one in session.nodules] == ["A", "B"] and session.chosen.name == "A"
    assert results.savedAssessments(session.volumeNode)["A"].to_dict() == before
    assert [one.name for one in session.drawn] == ["A"] and session.answers["spiculation"] == "yes"
    session.undo()
    assert results.savedAssessments(session.volumeNode) == {}  # which undid assessing
    with pytest.raises(NoduleRiskError, match="nothing to undo"):
        session.undo()


def test_undoing_a_run_brings_back_what_it_replaced(session, weights):
    assess(session, weights)
    session.refresh()
    edit(session.volumeNode, slicer.util.arrayFromVolume(session.volumeNode) > -500, "A")
    results.remeasure(session.volumeNode)
    before = results.savedAssessments(session.volumeNode)["A"].to_dict()
    session.markupsNode.SetNthControlPointSelected(0, False)
    session.start(weights, "cpu", replaceMasks=True)
    session.cancel()
    with pytest.raises(WorkerError):
        session.compute()
    session.end()
    assert results.savedAssessments(session.volumeNode) == {}
    session.answer("spiculation", "yes")
    assert session.undoable == "assessing"
    session.undo()
    assert results.savedAssessments(session.volumeNode)["A"].to_dict() == before
    assert results.handDrawn(session.volumeNode, ["A"]) == ["A"]
    assert results.remeasure(session.volumeNode) == []
    assert session.markupsNode.GetNthControlPointSelected(0)  # its colour, as it is malignant
    assert [one.name for one in session.drawn] == ["A"] and session.answers["spiculation"] == "yes"


def test_undo_takes_no_mask_along_that_was_drawn_by_hand_since(session, weights):
    session.markupsNode.AddControlPoint([0, 0, 0], "C")
    session.refresh()
    assess(session, weights)
    session.refresh()
    edit(session.volumeNode, slicer.util.arrayFromVolume(session.volumeNode) > -500, "A")
    with pytest.raises(NoduleRiskError, match="changed by hand since.*: A"):
        session.undo()
    assert results.handDrawn(session.volumeNode, ["A"]) == ["A"]
    results.removeAssessment("A", session.volumeNode)
    session.undo()
    results.segmentToEdit("C", session.volumeNode)
    edit(session.volumeNode, slicer.util.arrayFromVolume(session.volumeNode) > -500, "C")
    with pytest.raises(NoduleRiskError, match="C has results or a mask"):
        session.undo()


def test_a_run_is_not_undone_under_other_names(session, weights):
    assess(session, weights)
    session.markupsNode.SetNthControlPointLabel(0, "C")
    with pytest.raises(NoduleRiskError, match="Renamed since: A"):
        session.undo()
    session.markupsNode.SetNthControlPointLabel(0, "A")
    session.undo()
    assert results.savedAssessments(session.volumeNode) == {}


def test_placing_is_undone_point_by_point(session):
    for name in ("C", "D"):
        session.markupsNode.AddControlPoint([0, 0, 0], name)
        session.refresh()
    session.markupsNode.RemoveNthControlPoint(3)  # D, by another module
    session.refresh()
    for undone, left in (("D", "ABC"), ("C", "AB")):
        assert session.undoable == f"placing {undone}"
        session.undo()
        assert [one.name for one in session.nodules] == list(left)
    assert session.undoable is None  # the points of a list that was loaded were not placed


def test_what_was_done_on_another_ct_is_not_undone_here(session, loaded, placed, ct):
    nodes = session.selected
    session.delete("A")
    session.use(loaded(ct), placed(C=CENTRE_LPS_MM))
    session.refresh()
    assert session.undoable is None
    session.use(*nodes)
    session.undo()
    assert [one.name for one in session.nodules] == ["A", "B"]


def test_table_and_chart_are_filled_once_in_a_run(session, weights, monkeypatch):
    filled: list[int] = []
    fill = results.fillTable
    monkeypatch.setattr(
        results, "fillTable", lambda node, columns: [filled.append(1), fill(node, columns)]
    )
    session.markupsNode.AddControlPoint([-x for x in CENTRE_LPS_MM[:2]] + [CENTRE_LPS_MM[2]], "C")
    assess(session, weights)
    assert len(filled) == 1
    assert resultNode("table", session.volumeNode).GetTable().GetNumberOfRows() == 2


def test_where_a_nodule_lies_is_said_as_everything_else_says_it(session, weights, ct):
    number = round((CENTRE_LPS_MM[2] - ct.origin_lps_mm[2]) / ct.spacing_mm[2]) + 1
    assert session.places() == {"A": f"slice {number}"}
    assess(session, weights)
    session.refresh()
    x, y, z = session.markupsNode.GetNthControlPointPosition(0)
    session.markupsNode.SetNthControlPointPosition(0, x, y, z + 0.04)
    (found,) = session.assessments
    assert session.places()["A"] == place_words(found)
    session.markupsNode.SetNthControlPointPosition(0, x, y, z + 2 * ct.spacing_mm[2])
    session.refresh()
    assert session.places()["A"] == f"slice {number + 2}"  # it was moved since


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
    assert [session.showNext() for _ in range(3)] == [True, True, False]  # nodule, table, nothing
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


@pytest.fixture
def two_cts(session, weights, loaded, placed, ct):
    """The session's CT and an earlier one, each with its nodule A assessed."""
    earlier = loaded(ct, "earlier")
    later, points = session.volumeNode, session.markupsNode
    session.use(earlier, points)
    session.refresh()
    assess(session, weights)
    session.use(later, points)
    session.refresh()
    assess(session, weights)
    session.refresh()
    return earlier, later


STILL = Alignment(np.eye(4), 1.0)


def test_several_earlier_scans_give_a_course_and_each_is_shown_in_the_report(
    session, weights, loaded, two_cts, tmp_path
):
    earlier, later = two_cts
    session.follow(STILL, earlier, later, 200, lambda _: True)
    assert session.facts().overTime == []
    older = loaded(made_ct(spacing_mm=(2.0, 2.0, 2.5)), "older")
    session.use(older, session.markupsNode)
    session.refresh()
    assess(session, weights)
    session.use(later, session.markupsNode)
    session.refresh()
    session.follow(STILL, older, later, 400, lambda _: True)
    facts = session.facts()
    assert facts.earlier.when == "200 days before"
    assert facts.overTime[0].startswith("3 scans in 400 days")
    session.reportWriter(tmp_path / "report.html")()
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "400 days before" in report and 'id="growth-1"' in report
    session.follow(STILL, older, later, 400, lambda _: False)
    assert session.facts().overTime == []


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
    assert "the earlier scan: the mask depends on" in said["Lung-RADS v2022"]


def test_nodules_of_one_name_are_compared_where_the_lungs_do_not_match(session, two_cts):
    asked = []
    timeline = session.follow(None, *two_cts, 200, lambda pair: asked.append(pair) or True, True)
    assert [(pair.before.name, pair.after.name) for pair in asked] == [("A", "A")]
    assert np.isnan(asked[0].distance_mm)
    assert [track.scans for track in timeline.tracks] == [[0, 1]]
    assert session.facts().earlier.lines


def test_fault_75_a_nodule_of_the_earlier_ct_alone_has_a_place_to_look_at(
    session, two_cts, tmp_path
):
    timeline = session.follow(STILL, *two_cts, 200, lambda _: False)
    steps = [step for track in timeline.tracks for step in timeline.steps(track)]
    gone = next(step for step in steps if step.status == "gone")
    assert timeline.place(gone) == pytest.approx(CENTRE_LPS_MM, abs=2)
    session.reportWriter(tmp_path / "report.html")()
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert comparing.UNMARKED in report and "There at the later scan" in report
    session.reportWriter(tmp_path / "report.html", "A")()
    assert comparing.UNMARKED not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_place_that_the_later_ct_does_not_show_is_said(session, two_cts):
    away = np.eye(4)
    away[0, 3] = 500
    (gone,) = comparing.goneFrom(
        session.follow(Alignment(away, 1.0), *two_cts, 200, lambda _: True), *two_cts
    )
    assert (gone.words, gone.laterCt) == (comparing.NOT_SHOWN, None)


@pytest.fixture
def dated(monkeypatch, tmp_path):
    """Gives volume nodes the files of DICOM series of these dates, as Slicer's database does."""

    def give(**dates):
        files = {}
        for number, (node, date) in enumerate(dates.values()):
            (tmp_path / str(number)).mkdir()
            [file, *_] = write_series(tmp_path / str(number), phantom(), StudyDate=date)
            files[f"1.2.{number}"] = str(file)
            node.SetAttribute("DICOM.instanceUIDs", f"1.2.{number}")
        database = SimpleNamespace(fileForInstance=lambda instance: files.get(instance, ""))
        monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)

    return give


def test_days_between_cts_come_from_slicers_dicom_database(two_cts, dated):
    earlier, later = two_cts
    assert comparing.daysBetween(earlier, later) is None
    dated(earlier=(earlier, "20240131"), later=(later, "20240731"))
    assert comparing.daysBetween(earlier, later) == 182
    assert comparing.daysBetween(earlier, None) is None


def test_fault_75_cts_in_swapped_order_are_refused(two_cts, dated):
    earlier, later = two_cts
    dated(earlier=(earlier, "20240131"), later=(later, "20240731"))
    with pytest.raises(NoduleRiskError, match="made on a later day"):
        comparing.aligner(later, earlier, 182)
    comparing.aligner(earlier, later, 182)
    with pytest.raises(NoduleRiskError, match="number of days"):
        comparing.aligner(earlier, later, 0)


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
