"""Figures against hand-computed values, brute force, permutations and properties."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nodulerisk.evaluation.bootstrap import figure, interval, patient_weights, weighted_mean
from nodulerisk.evaluation.figures import (
    accuracy,
    auc,
    confusion,
    delong_p,
    net_benefit,
    roc,
    two_class_rates,
    weighted_f1,
    youden,
)

# scores that tie often
graded = st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=2, max_size=40)


def once(count: int) -> np.ndarray:
    return np.ones((1, count))


def arrays(nodules) -> tuple[np.ndarray, np.ndarray]:
    positive, scores = (np.array(column) for column in zip(*nodules, strict=True))
    assume(positive.any() and not positive.all())
    return positive, scores / 12


def brute_auc(positive, scores) -> float:
    pairs = list(product(scores[positive], scores[~positive]))
    return sum((up > down) + 0.5 * (up == down) for up, down in pairs) / len(pairs)


def noisy(count: int, seed: int, *skills: float) -> tuple[np.ndarray, ...]:
    """Returns labels, and one score per skill; the scores share half of their noise."""
    rng = np.random.default_rng(seed)
    positive = np.arange(count) % 2 == 0
    common = rng.normal(size=count)
    return positive, *(skill * positive + common + rng.normal(size=count) for skill in skills)


# --- AUC


@given(graded)
def test_auc_is_the_share_of_pairs_in_order(nodules):
    positive, scores = arrays(nodules)
    assert auc(positive, scores, once(len(scores)))[0] == pytest.approx(brute_auc(positive, scores))


@given(graded)
def test_auc_sees_only_the_order_and_turns_with_the_labels(nodules):
    positive, scores = arrays(nodules)
    value = auc(positive, scores, once(len(scores)))
    assert auc(positive, np.exp(3 * scores) - 7, once(len(scores))) == pytest.approx(value)
    assert auc(~positive, scores, once(len(scores))) == pytest.approx(1 - value)
    assert auc(positive, -scores, once(len(scores))) == pytest.approx(1 - value)


@given(graded, st.integers(0, 100))
def test_auc_of_weights_is_that_of_nodules_repeated(nodules, seed):
    positive, scores = arrays(nodules)
    counts = np.random.default_rng(seed).integers(0, 4, len(scores))
    repeated = np.repeat(np.arange(len(scores)), counts)
    again = positive[repeated]
    assume(again.any() and not again.all())
    assert auc(positive, scores, counts[None].astype(float))[0] == pytest.approx(
        brute_auc(again, scores[repeated])
    )


def test_auc_without_two_kinds_does_not_exist():
    assert np.isnan(auc(np.ones(3, bool), np.arange(3.0), once(3))).all()
    assert figure("AUC", np.full(5, np.nan), ["a", "b"]) is None


# --- DeLong


def placements_p(positive, first, second) -> float:
    """DeLong's test as first published, by every pair."""
    from scipy.stats import norm

    def wins(scores):
        up, down = scores[positive][:, None], scores[~positive][None]
        return (up > down) + 0.5 * (up == down)

    pairs = np.stack([wins(first), wins(second)])
    n_up, n_down = pairs.shape[1:]
    covariance = np.cov(pairs.mean(axis=2)) / n_up + np.cov(pairs.mean(axis=1)) / n_down
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    z = (pairs[0].mean() - pairs[1].mean()) / np.sqrt(variance)
    return float(2 * norm.sf(abs(z)))


@pytest.mark.parametrize("seed", range(5))
def test_delong_by_ranks_equals_delong_by_pairs(seed):
    positive, first, second = noisy(60, seed, 0.5, 1.0)
    first = first.round(1)  # with ties
    assert delong_p(positive, first, second) == pytest.approx(
        placements_p(positive, first, second), rel=1e-9
    )
    assert delong_p(positive, first, second) == pytest.approx(delong_p(positive, second, first))


@pytest.mark.parametrize(("skill", "seed"), [(0.9, 1), (1.3, 2), (1.8, 3)])
def test_delong_agrees_with_swapping_the_scores_of_nodules(skill, seed):
    positive, first, second = noisy(200, seed, 1.0, skill)
    ranks = np.stack([np.argsort(np.argsort(s)) for s in (first, second)]).astype(float)

    def gain(swap):
        a, b = np.where(swap, ranks[::-1], ranks)
        return (auc(positive, a, once(200)) - auc(positive, b, once(200)))[0]

    rng = np.random.default_rng(0)
    seen = abs(gain(np.zeros(200, bool)))
    swapped = [abs(gain(rng.random(200) < 0.5)) for _ in range(1000)]
    assert delong_p(positive, first, second) == pytest.approx(
        np.mean(np.array(swapped) >= seen), abs=0.06
    )


def test_delong_has_the_stated_false_positive_rate():
    p = [delong_p(*noisy(80, seed, 1.0, 1.0)) for seed in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.09


def test_delong_of_scores_that_rank_alike_and_of_too_few():
    positive, scores = noisy(30, 0, 1.0)
    assert delong_p(positive, scores, np.exp(scores)) == 1.0
    assert delong_p(positive, positive.astype(float), 1.0 - positive) == 0.0
    assert np.isnan(delong_p(np.array([True, False, False]), np.arange(3.0), np.arange(3.0)))


# --- Curves and thresholds


@given(graded)
def test_the_area_under_the_roc_curve_is_the_auc(nodules):
    positive, scores = arrays(nodules)
    x, y = roc(positive, scores, once(len(scores)))
    assert (x[0, 0], y[0, 0], x[0, -1], y[0, -1]) == (0, 0, 1, 1)
    assert np.trapezoid(y[0], x[0]) == pytest.approx(brute_auc(positive, scores))


@given(graded)
def test_no_threshold_between_two_scores_beats_youdens(nodules):
    positive, scores = arrays(nodules)
    assume(np.ptp(scores) > 0)

    def gain(cut):
        return (scores[positive] >= cut).mean() - (scores[~positive] >= cut).mean()

    assert (
        gain(youden(positive, scores))
        >= max(gain(cut) for cut in scores[scores > scores.min()]) - 1e-9
    )


def test_youden_lies_midway():
    assert youden(
        np.array([False, False, True, True]), np.array([0.1, 0.3, 0.5, 0.9])
    ) == pytest.approx(0.4)


def test_net_benefit_equals_the_hand_computed_value():
    positive, scores = np.array([True, True, False, False]), np.array([0.9, 0.3, 0.6, 0.1])
    benefit = net_benefit(positive, scores, np.array([0.2, 0.5]), once(4))[0]
    assert benefit == pytest.approx([2 / 4 - 1 / 4 * 0.25, 1 / 4 - 1 / 4 * 1.0])
    assert net_benefit(positive, np.ones(4), np.array([0.5]), once(4))[0] == pytest.approx(0)


# --- Decisions


def test_rates_equal_the_hand_computed_values():
    rates = two_class_rates(np.array([[[50.0, 10.0], [5.0, 35.0]]]))
    by_hand = {
        "accuracy": 0.85,
        "sensitivity": 35 / 40,
        "specificity": 50 / 60,
        "PPV": 35 / 45,
        "NPV": 50 / 55,
        "F1": 70 / 85,
    }
    assert {name: rows[0] for name, rows in rates.items()} == pytest.approx(by_hand)


def test_rates_without_a_kind_do_not_exist():
    rates = two_class_rates(np.array([[[3.0, 0.0], [0.0, 0.0]]]))
    assert np.isnan([rates["sensitivity"][0], rates["PPV"][0], rates["F1"][0]]).all()
    assert rates["specificity"][0] == rates["NPV"][0] == 1


def test_figures_of_three_classes_equal_the_hand_computed_values():
    labels, decided = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 2])
    table = confusion(labels, decided, 3, once(6))
    assert table[0].tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    assert accuracy(table)[0] == pytest.approx(4 / 6)
    assert weighted_f1(table)[0] == pytest.approx((3 * 0.8 + 2 * 0.5 + 1 * 2 / 3) / 6)


# --- Intervals


def test_patients_are_drawn_whole():
    patients = ["b", "a", "b", "c", "a"]
    weights = patient_weights(patients, draws=50)
    assert weights.shape == (51, 5) and (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 2]).all() and (weights[:, 1] == weights[:, 4]).all()
    assert (weights[1:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == patient_weights(patients, draws=50)).all()


def test_numbers_name_patients_as_well_as_words_do():
    words, numbers = ["b", "a", "b", "c", "a"], np.array([5, 2, 5, 11, 2])
    assert (patient_weights(words, draws=50) == patient_weights(numbers, draws=50)).all()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), min_size=1, max_size=30))
def test_an_interval_holds_its_value(nodules):
    patients, values = zip(*nodules, strict=True)
    weights = patient_weights([str(patient) for patient in patients], draws=60)
    value, low, high = interval(weighted_mean(np.array(values), weights))
    assert value == pytest.approx(np.mean(values))
    assert low <= value <= high


def test_the_interval_of_a_share_is_about_the_textbooks():
    values = np.arange(400) % 4 == 0
    value, low, high = interval(
        weighted_mean(values, patient_weights([str(i) for i in range(400)]))
    )
    half = 1.96 * np.sqrt(0.25 * 0.75 / 400)
    assert (value, low, high) == pytest.approx((0.25, 0.25 - half, 0.25 + half), abs=0.006)


def test_nodules_of_one_patient_widen_the_interval():
    values = np.repeat(np.arange(40) % 2, 5)

    def width(patients):
        _, low, high = interval(weighted_mean(values, patient_weights(patients)))
        return high - low

    assert width(np.repeat(np.arange(40), 5).astype(str)) > 1.8 * width(np.arange(200).astype(str))
