"""How far answers move, when decisions are withheld, and that both are shown beside the
probabilities."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import SimpleITK as sitk
from rich.console import Console
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, TASKS, made_ct, positions_of
from needs import WHOLE_DATA
from nodulerisk.assess import assess
from nodulerisk.assessment import (
    Assessment,
    Interval,
    Stability,
    decided,
    load_assessment,
    save_assessment,
)
from nodulerisk.checks import Check
from nodulerisk.cli import app
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.read import read_dataset
from nodulerisk.engine.engine import Engine
from nodulerisk.engine.worker import Worker
from nodulerisk.errors import WorkerError
from nodulerisk.evaluation.predictions import predictions
from nodulerisk.outputs.nodule_tables import results_view, write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.words import abstain_words, stability_words
from nodulerisk.trust.stability import TURNS, stability, turned_cube
from nodulerisk.trust.withhold import NOT_COVERED, abstain
from nodulerisk.weights.store import load_weight_set

POINT = np.array(CENTRE_LPS_MM)
MOVED = Stability(
    {"malignancy": Interval(0.4, 0.75, 6 / 7)},
    {"malignancy": Interval(0.71, 0.74, 1.0)},
    (0.98,) * 6,
)


class Counting:
    """An Engine that remembers what it was asked, and answers for chosen networks with the
    brightness of a half."""

    device, checks = "test", []

    def __init__(self, engine: Engine, halves: tuple[str, ...] = ()):
        self.asked: list[tuple[str, bytes]] = []
        self._engine, self._halves = engine, halves

    def predict(self, network, cubes):
        self.asked.append((network, cubes.tobytes()))
        if network not in self._halves:
            return self._engine.predict(network, cubes)
        half = cubes[..., : cubes.shape[-1] // 2]
        bright = np.float32([[np.mean(half > 0.5) > np.mean(cubes > 0.5)]])
        return (np.concatenate([1 - bright, bright], axis=1),)


@pytest.fixture(scope="module")
def engine(weights) -> Engine:
    return Engine(weights, "cpu")


@pytest.fixture(scope="module")
def lopsided() -> CT:
    """A CT with a nodule that is no sphere: a smaller one beside it, on the patient's left."""
    ct = made_ct()
    beside = np.linalg.norm(positions_of(ct) - (POINT + (6, 0, 0)), axis=-1) < RADIUS_MM - 2
    return replace(ct, hu=np.where(beside, 30, ct.hu).astype(np.int16))


@pytest.fixture(scope="module")
def first(lopsided, weights, engine) -> Assessment:
    return assess(lopsided, POINT, weights, networks=engine)


@pytest.fixture(scope="module")
def found(lopsided, first, weights, engine) -> Stability:
    return stability(lopsided, first, weights, engine)


def test_intervals_hold_the_assessments_own_answer(first, found):
    for intervals in (found.turned, found.clicked):
        assert set(intervals) == {"malignancy", "subtype"}
        for task, interval in intervals.items():
            result = first.tasks[task]
            shown = 1 if task == "malignancy" else result.classes.index(result.decision)
            assert interval.low - 1e-6 <= result.mean[shown] <= interval.high + 1e-6
            assert 0 <= interval.low <= interval.high <= 1
            assert 0 <= interval.unchanged <= 1
    assert found.turned["malignancy"].low < found.turned["malignancy"].high
    assert len(found.click_dice) == 6 and min(found.click_dice) > 0.9


def test_stability_round_trips_and_older_results_have_none(first, found, lopsided, tmp_path):
    assessed = replace(first, stability=found)
    assert Assessment.from_dict(json.loads(json.dumps(assessed.to_dict()))).stability == found
    save_assessment(assessed, lopsided, tmp_path)
    assert load_assessment(tmp_path).stability == found
    assert "stability" not in first.to_dict()
    assert Assessment.from_dict(first.to_dict()).stability is None
    with pytest.raises(KeyError):
        Assessment.from_dict(first.to_dict() | {"stability": {"turned": {}}})


def test_no_network_is_asked_twice_about_one_cube(lopsided, first, weights, engine):
    counting, stages = Counting(engine), []
    stability(
        lopsided, first, weights, counting, lambda stage, share: stages.append((stage, share))
    )
    assert len(counting.asked) == len(set(counting.asked)) <= 7 * 4 + 7 * (2 + 4)
    assert {name for name, _ in counting.asked} == set(weights.networks)
    shares = [share for _, share in stages]
    assert shares == sorted(shares) and {"turned cube 1 of 7", "click 6 of 6"} <= {
        stage for stage, _ in stages
    }


def test_only_tasks_that_were_answered_are_asked_again(lopsided, weights, engine):
    benign = weights.with_thresholds({"malignancy": 1})
    first = assess(lopsided, POINT, benign, networks=engine, cascade=True)
    counting = Counting(engine)
    found = stability(lopsided, first, benign, counting)
    assert set(found.turned) == set(found.clicked) == {"malignancy"}
    assert first.tasks["subtype"].mean is None


def test_an_answer_that_hangs_on_left_and_right_is_found_out(lopsided, weights, engine):
    """The made networks answer malignant where more than the whole's share is bright on the
    patient's right."""
    sided = Counting(engine, ("inception", "vgg", "resnet"))
    first = assess(lopsided, POINT, weights, networks=sided)
    moved = stability(lopsided, first, weights, sided).turned["malignancy"]
    assert (moved.low, moved.high) == (0, 1)
    assert 0 < moved.unchanged < 1
    whole = assess(lopsided, POINT, weights, networks=engine)
    assert stability(lopsided, whole, weights, engine).turned["malignancy"].high < 1


def test_turned_cubes_are_the_seven_others_and_keep_slices():
    cube = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    turned = [turned_cube(cube, *turn) for turn in TURNS]
    assert len({cube.tobytes(), *(t.tobytes() for t in turned)}) == 8
    for t in turned:
        np.testing.assert_allclose(t.sum(axis=(-1, -2)), cube.sum(axis=(-1, -2)))


def test_clicks_outside_the_ct_are_left_out(weights, engine):
    ct = made_ct()
    edge = ct.point_of((40, 40, 0))
    found = stability(ct, assess(ct, edge, weights, networks=engine), weights, engine)
    assert len(found.click_dice) == 5
    assert found.clicked["malignancy"].unchanged >= 0


def test_fault_43_cancel_ends_the_questions(lopsided, first, weights):
    def cancel(stage, share):
        worker.cancel() if stage.startswith("click") else None

    with Worker(weights, "cpu") as worker, pytest.raises(WorkerError, match="cancelled"):
        stability(lopsided, first, weights, worker, cancel)


def test_a_hand_drawn_mask_does_not_count_as_moved(lopsided, first, found, weights, engine):
    edited = replace(first, nodule=replace(first.nodule, region=first.nodule.region[:1]))
    assert stability(lopsided, edited, weights, engine) == found


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
    """An assessment with nothing to object to."""
    return replace(assessment, checks=())


@pytest.mark.parametrize("code", NOT_COVERED)
def test_what_the_evidence_does_not_cover_is_withheld(sound, code):
    check = Check(code, "warning", "A message.", 30)
    assert abstain(replace(sound, checks=(check,))) == (NOT_COVERED[code],)
    assert abstain(replace(sound, checks=(check,)), "subtype") == ()  # not run: nothing to withhold


def test_a_decision_stands_where_nothing_speaks_against_it(sound):
    still = Stability(
        {"malignancy": Interval(0.7, 0.8, 1.0)}, {"malignancy": Interval(0.7, 0.8, 1.0)}, ()
    )
    assert [abstain(sound, task) for task in TASKS] == [()] * len(TASKS)
    assert abstain(replace(sound, stability=still)) == ()
    minded = (Check("calcified", "warning", "", 31), Check("contrast", "warning", "", 20))
    assert abstain(replace(sound, checks=minded)) == ()


def test_answers_that_do_not_hold_are_withheld(sound):
    malignancy = TASKS["malignancy"]
    split = replace(malignancy, members=malignancy.members | {"small": (0.6, 0.4)})
    for result, reasons in (
        (split, ("the networks disagree",)),
        (replace(malignancy, evidence="none"), ("there is no evidence for it",)),
    ):
        assert abstain(replace(sound, tasks={"malignancy": result})) == reasons
    assert abstain(replace(sound, stability=MOVED)) == ("it changes when the image is turned",)
    clicked = replace(MOVED, turned={}, clicked=MOVED.turned)
    assert abstain(replace(sound, stability=clicked)) == ("it changes with a click 2 mm off",)


def test_the_reasons_read_as_lines(sound, assessment):
    assert abstain_words(sound) == stability_words(sound) == []
    assert abstain_words(assessment) == ["Withheld: every decision (the slices are thick)"]
    moved = replace(sound, stability=MOVED)
    assert abstain_words(moved) == ["Withheld: malignancy (it changes when the image is turned)"]
    assert stability_words(moved) == [
        "Malignancy (reader): 0.40–0.75 turned, 0.71–0.74 with clicks 2 mm off"
    ]


def test_a_withheld_decision_is_shown_beside_its_probability(sound, tmp_path):
    outcome = Outcome(Point("N1", CENTRE_LPS_MM), replace(sound, stability=MOVED))
    text = StringIO()
    Console(file=text, width=120).print(results_view([outcome]))
    for words in (
        "malignant",
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


def test_the_command_asks_again_only_when_told(weights, tmp_path):
    sitk.WriteImage(made_ct().to_sitk(), str(tmp_path / "ct.nrrd"))
    point = ",".join(map(str, CENTRE_LPS_MM))
    for out, more in (("plain", []), ("again", ["--stability"])):
        arguments = [
            tmp_path / "ct.nrrd",
            "--point",
            point,
            "--out",
            tmp_path / out,
            "--weights",
            weights.folder,
            *more,
        ]
        done = CliRunner().invoke(app, ["assess", *map(str, arguments)])
        assert done.exit_code == 0 and ("with clicks 2 mm off" in done.stdout) == bool(more)
    plain, again = load_assessment(tmp_path / "plain"), load_assessment(tmp_path / "again")
    assert again.stability is not None and set(again.stability.turned) == {"malignancy", "subtype"}
    assert plain.stability is None and plain.tasks == again.tasks


@pytest.mark.slow
@pytest.mark.needs(WHOLE_DATA)
def test_withheld_decisions_are_wrong_more_often(shared):
    """On the nodules that the open set was tested on: those on which its networks disagree, and the
    others."""
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
