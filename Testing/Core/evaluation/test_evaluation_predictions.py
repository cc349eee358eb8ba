"""Predictions: nodules through the pipeline, and the file that keeps them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_predictions import made_predictions
from nodulerisk.assess import assess
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.evaluation.predictions import (
    CLICK_MM,
    predictions,
    read_predictions,
    write_predictions,
)
from nodulerisk.weights.calibration import calibrated

CENTRE_LPS_MM = (30.0, 30.0, 30.0)


@pytest.fixture(scope="module")
def nodule(engine) -> LabelledNodule:
    """A ball of 10 mm in lung."""
    z, y, x = np.ogrid[:61, :61, :61]
    ball = (z - 30) ** 2 + (y - 30) ** 2 + (x - 30) ** 2 <= 5**2
    noise = np.random.default_rng(0).normal(0, 15, ball.shape)
    ct = CT((np.where(ball, 40, -850) + noise).astype(np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    labels, marked = {"malignancy": 1, "density": 2}, ball.astype(np.float32)
    return LabelledNodule(
        "ball", "p1", ct, CENTRE_LPS_MM, "simulated", labels, {}, marked, 10.0, "test"
    )


@pytest.fixture(scope="module")
def engine(weights) -> Engine:
    return Engine(weights, "cpu")


@pytest.fixture(scope="module")
def prediction(weights, nodule, engine):
    (found,), broken = predictions(weights, [nodule], engine, clicks=2)
    assert not broken
    return found


def test_a_prediction_equals_the_pipelines_answer(prediction, weights, nodule, engine):
    first = assess(nodule.ct, CENTRE_LPS_MM, weights, networks=engine)
    assert prediction.members == {
        t: r.members for t, r in first.tasks.items() if r.mean is not None
    }
    assert prediction.mean("malignancy") == pytest.approx(first.tasks["malignancy"].mean)
    assert prediction.mean("grade") is None
    assert prediction.thresholds["malignancy"] == weights.tasks["malignancy"].threshold
    assert (prediction.name, prediction.patient, prediction.split, prediction.evidence) == (
        "ball",
        "p1",
        "test",
        "simulated",
    )


def test_the_mask_is_compared_with_the_nodules(prediction):
    assert prediction.mask.found and prediction.mask.dice > 0.8
    assert prediction.mask.surface_mm < 1 and prediction.mask.hausdorff95_mm < 2


def test_clicks_lie_2_mm_off_and_are_always_the_same(weights, nodule, engine, monkeypatch):
    points = []

    def recorded(ct, point, *args, **kwargs):
        points.append(np.array(point))
        return assess(ct, point, *args, **kwargs)

    monkeypatch.setattr("nodulerisk.assess_points.assess", recorded)
    (first,), _ = predictions(weights, [nodule], engine, clicks=2)
    (second,), _ = predictions(weights, [nodule], engine, clicks=2)
    assert [np.linalg.norm(p - CENTRE_LPS_MM) for p in points] == pytest.approx(
        [0, CLICK_MM, CLICK_MM] * 2
    )
    assert np.array_equal(points[:3], points[3:])
    assert first == second and len(first.clicks) == len(first.click_dice) == 2
    assert not np.array_equal(points[1], points[2])


def test_each_click_has_its_own_answer(weights, nodule, engine, monkeypatch):
    """To whoever assesses several points at once, those on one nodule are one."""
    given = []

    def moved(ct, point, *args, **kwargs):
        found = assess(ct, point, *args, **kwargs)
        given.append({"network": (1 - len(given) / 10, len(given) / 10)})
        malignancy = replace(found.tasks["malignancy"], members=given[-1], inputs={})
        return replace(found, tasks=found.tasks | {"malignancy": malignancy})

    monkeypatch.setattr("nodulerisk.assess_points.assess", moved)
    (found,), _ = predictions(weights, [nodule], engine, clicks=2)
    answers = [found.members, *found.clicks]
    assert [answer["malignancy"] for answer in answers] == given


def test_a_ct_that_ends_with_its_nodule_is_continued(weights, nodule, engine):
    short = replace(nodule.ct, hu=nodule.ct.hu[24:37], origin_lps_mm=(0.0, 0.0, 24.0))
    own = replace(nodule, ct=short, marked=nodule.marked[24:37], only_own_slices=True)
    (found,), broken = predictions(weights, [own], engine)
    assert not broken and found.mask.dice > 0.7
    assert predictions(weights, [own], engine)[0] == [found]


def test_refused_nodules_are_broken_and_the_rest_go_on(weights, nodule, engine):
    outside = replace(nodule, name="outside", centre_lps_mm=(500.0, 0.0, 0.0))
    bare = replace(nodule, name="bare", marked=None, only_own_slices=True)
    seen = []
    found, broken = predictions(
        weights, [outside, bare, nodule], engine, progress=lambda *stage: seen.append(stage)
    )
    assert [o.name for o in found] == ["ball"]
    assert [b.name for b in broken] == ["outside", "bare"] and all(b.reason for b in broken)
    assert seen == [("outside", 0), ("bare", pytest.approx(1 / 3)), ("ball", pytest.approx(2 / 3))]


def test_without_a_mask_to_compare_with_there_is_none(weights, nodule, engine):
    (found,), _ = predictions(weights, [replace(nodule, marked=None)], engine)
    assert found.mask is None and found.members


def test_predictions_come_back_from_their_file(tmp_path, prediction):
    all_of_them = [
        prediction,
        *made_predictions(5),
        replace(prediction, mask=None, diameter_mm=None, name="=cmd()\n\u2028é"),
    ]
    write_predictions(all_of_them, tmp_path / "o.jsonl")
    assert read_predictions(tmp_path / "o.jsonl") == all_of_them


@pytest.mark.parametrize("text", ["{", "[]\n", '{"name": 1}\n', "\x00"])
def test_a_file_that_holds_no_predictions_is_refused(tmp_path, text):
    (tmp_path / "o.jsonl").write_text(text)
    with pytest.raises(NoduleRiskError, match="evaluate again"):
        read_predictions(tmp_path / "o.jsonl")
    with pytest.raises(NoduleRiskError, match="evaluate again"):
        read_predictions(tmp_path / "none.jsonl")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_predictions([], tmp_path / "file" / "o.jsonl")


def test_recalibrating_moves_every_answer_of_the_task_alone():
    (before,) = made_predictions(1)
    after = before.recalibrated({"malignancy": (2.0, 0.5)})
    for old, new in ((before.members, after.members), (before.clicks[0], after.clicks[0])):
        for name, member in old["malignancy"].items():
            assert new["malignancy"][name] == pytest.approx(calibrated(member, (2.0, 0.5)))
        assert new["subtype"] == old["subtype"]
