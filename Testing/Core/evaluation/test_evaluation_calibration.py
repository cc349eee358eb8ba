"""Calibration: what a line does, how it is fitted, and how well probabilities match outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit

from nodulerisk.evaluation.bootstrap import patient_weights
from nodulerisk.evaluation.calibration import (
    BINS,
    brier,
    calibration_error,
    confidence,
    fit_calibration,
    reliability,
)
from nodulerisk.weights.calibration import calibrated

lines = st.tuples(st.floats(0.1, 5), st.floats(-4, 4))


@st.composite
def class_probabilities(draw, classes=(2, 3)):
    odds = draw(
        arrays(
            float,
            (draw(st.integers(1, 20)), draw(st.sampled_from(classes))),
            elements=st.floats(0.01, 1),
        )
    )
    return odds / odds.sum(axis=1, keepdims=True)


def once(count: int) -> np.ndarray:
    return np.ones((1, count))


@given(class_probabilities(), lines)
def test_a_calibrated_answer_is_an_answer(probabilities, line):
    answer = calibrated(probabilities, line)
    assert answer.shape == probabilities.shape
    assert answer.sum(axis=1) == pytest.approx(1) and (answer >= 0).all()
    assert calibrated(probabilities, (1, 0)) == pytest.approx(probabilities, abs=1e-6)


@given(class_probabilities((2,)), lines)
def test_with_two_classes_it_is_platts_line_on_the_logit(probabilities, line):
    slope, offset = line
    expected = expit(slope * logit(probabilities[:, 1]) + offset)
    assert calibrated(probabilities, line)[:, 1] == pytest.approx(expected, abs=1e-6)


@given(class_probabilities(), lines)
def test_a_rising_offset_never_lowers_the_last_class(probabilities, line):
    more = calibrated(probabilities, (line[0], line[1] + 0.5))
    assert (more[:, -1] >= calibrated(probabilities, line)[:, -1] - 1e-12).all()


def test_answers_of_0_and_1_stay_finite():
    assert np.isfinite(calibrated([[0.0, 1.0], [1.0, 0.0]], (3.0, -2.0))).all()


@pytest.mark.parametrize(
    ("n_classes", "line"), [(2, (1.7, -0.8)), (2, (0.4, 1.0)), (3, (2.0, -0.4, 0.5))]
)
def test_the_line_that_was_taken_away_is_found_again(n_classes, line):
    rng = np.random.default_rng(0)
    true = rng.dirichlet(np.full(n_classes, 1.5), 6000)
    labels = np.array([rng.choice(n_classes, p=p) for p in true])
    logits = np.log(true)
    logits[:, 1:] -= line[1:]
    odds = np.exp(logits / line[0])
    said = odds / odds.sum(axis=1, keepdims=True)
    assert calibrated(said, line) == pytest.approx(true, abs=1e-3)
    assert fit_calibration(said[:, None], labels) == pytest.approx(line, rel=0.1, abs=0.08)


def test_the_line_is_fitted_to_the_mean_of_the_members():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 400)
    members = rng.dirichlet((1, 1), (400, 3)) * 0.85 + 0.15 * np.eye(2)[labels][:, None]

    def loss(line):
        return -np.log(calibrated(members, line).mean(axis=1)[np.arange(400), labels]).mean()

    slope, offset = fit_calibration(members, labels)
    around = [loss((slope + a, offset + b)) for a in (-0.1, 0, 0.1) for b in (-0.1, 0, 0.1)]
    assert loss((slope, offset)) <= min(around) + 1e-7


def test_separable_classes_leave_the_line_finite():
    members = np.array([[[0.9, 0.1]], [[0.8, 0.2]], [[0.2, 0.8]], [[0.1, 0.9]]])
    assert np.isfinite(fit_calibration(members, np.array([0, 0, 1, 1]))).all()


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_perfect_probabilities_have_no_calibration_error(verdicts):
    true = np.array(verdicts, float)
    assert calibration_error(true, true, once(len(true)))[0] == 0
    share = np.full(len(true), true.mean())  # the base rate for all is calibrated too
    assert calibration_error(share, true, once(len(true)))[0] == pytest.approx(0, abs=1e-12)


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=1, max_size=60), st.integers(0, 9)
)
def test_calibration_error_does_not_depend_on_the_order(nodules, seed):
    true, said = (np.array(column, float) for column in zip(*nodules, strict=True))
    error = calibration_error(said, true, once(len(said)))[0]
    order = np.random.default_rng(seed).permutation(len(said))
    assert 0 <= error <= 1
    assert calibration_error(said[order], true[order], once(len(said)))[0] == pytest.approx(error)


def test_calibration_error_equals_the_hand_computed_value():
    said, true = np.arange(10) / 10, np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1.0])
    pairs = [abs(said[i : i + 2].mean() - true[i : i + 2].mean()) for i in range(0, 10, 2)]
    assert calibration_error(said, true, once(10))[0] == pytest.approx(np.mean(pairs))


def test_brier_score_equals_the_hand_computed_value():
    assert brier(np.array([[0.2, 0.8], [0.6, 0.4]]), np.array([1, 1]), once(2))[0] == pytest.approx(
        (0.04 + 0.36) / 2
    )
    assert brier(np.array([[0.5, 0.3, 0.2]]), np.array([0]), once(1))[0] == pytest.approx(
        0.25 + 0.09 + 0.04
    )


def test_confidence_of_three_classes_is_that_of_the_decision():
    said, true = confidence(np.array([[0.5, 0.3, 0.2], [0.1, 0.3, 0.6]]), np.array([0, 1]))
    assert said.tolist() == [0.5, 0.6] and true.tolist() == [1, 0]


def test_reliability_bins_are_equally_full():
    rng = np.random.default_rng(0)
    said = rng.random(100)
    bins = reliability(
        said, (rng.random(100) < said).astype(float), patient_weights([str(i) for i in range(100)])
    )
    assert [b.nodules for b in bins] == [100 // BINS] * BINS
    assert all(b.low <= b.observed <= b.high for b in bins)
    assert [b.predicted for b in bins] == sorted(b.predicted for b in bins)
