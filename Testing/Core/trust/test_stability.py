"""How far answers move when cubes are turned and points clicked a little off."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, positions_of
from nodulerisk.assess import assess
from nodulerisk.assessment import (
    Assessment,
    Stability,
    load_assessment,
    save_assessment,
)
from nodulerisk.cli import app
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine
from nodulerisk.engine.worker import Worker
from nodulerisk.errors import WorkerError
from nodulerisk.trust.stability import TURNS, stability, turned_cube

POINT = np.array(CENTRE_LPS_MM)


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
    whole, point = made_ct(), np.array(CENTRE_LPS_MM)
    low = int(round(whole.voxel_of(point)[2]))  # the nodule's middle lies in the first slice
    first = tuple(whole.point_of((0, 0, low)))
    ct = replace(whole, hu=whole.hu[low:], origin_lps_mm=first)
    found = stability(ct, assess(ct, point, weights, networks=engine), weights, engine)
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
