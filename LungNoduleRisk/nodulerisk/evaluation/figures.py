"""Figures of discrimination as functions of arrays.

``positive`` is bool (n,), ``scores`` float (n,), ``labels`` and ``decided`` int (n,); ``weights``
are (D, n), see ``bootstrap``, and every result has a row for each of them.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm, rankdata

from nodulerisk.evaluation.bootstrap import ratio


def midranks(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns (D, n): the weight below each score plus half of the weight at it."""
    order = np.argsort(scores)
    below = np.pad(np.cumsum(weights[:, order], axis=1), ((0, 0), (1, 0)))
    first, last = (np.searchsorted(scores[order], scores, side) for side in ("left", "right"))
    return (below[:, first] + below[:, last]) / 2


def auc(positive: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the probability, (D,), that a positive scores above a negative, ties counting half;
    NaN if there are none of one kind.

    Args:
        positive: bool (N,).
        scores: (N,).
        weights: (D, N), how often each nodule counts in each bootstrap draw.

    Examples:
        >>> malignant = np.array([False, False, True, True])
        >>> auc(malignant, np.array([0.1, 0.4, 0.35, 0.8]), np.ones((1, 4))).tolist()
        [0.75]
    """
    up, down = weights * positive, weights * ~positive
    wins = (up * midranks(scores, down)).sum(axis=1)
    return ratio(wins, up.sum(axis=1) * down.sum(axis=1))


def delong_p(positive: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Returns the two-sided p of DeLong's test that two scores of the same nodules have the same
    AUC.

    Nodules count as independent, even those of one patient. 1 if the scores rank alike; NaN with
    fewer than two of a kind.

    Source: DeLong et al., Biometrics 1988;44:837-845, by the ranks of Sun and Xu, IEEE Signal
    Process Lett 2014;21:1389-1393.
    """
    n_up, n_down = int(positive.sum()), int((~positive).sum())
    if min(n_up, n_down) < 2:
        return float("nan")
    scores = np.stack([first, second])
    up, down = scores[:, positive], scores[:, ~positive]
    among_all = rankdata(np.concatenate([up, down], axis=1), axis=1)
    wins = (
        among_all[:, :n_up] - rankdata(up, axis=1)
    ) / n_down  # of each positive against the negatives
    losses = 1 - (among_all[:, n_up:] - rankdata(down, axis=1)) / n_up
    difference = wins[0].mean() - wins[1].mean()
    variance = (
        np.var(wins[0] - wins[1], ddof=1) / n_up + np.var(losses[0] - losses[1], ddof=1) / n_down
    )
    if variance == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * norm.sf(abs(difference) / np.sqrt(variance)))


def share_reaching(cuts: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the share of the weight, (D, len(cuts)), whose score is at least the cut; NaN where
    all weights are 0."""
    order = np.argsort(scores)
    below = np.pad(np.cumsum(weights[:, order], axis=1), ((0, 0), (1, 0)))
    at = np.searchsorted(scores[order], cuts, "left")
    return ratio(below[:, -1:] - below[:, at], below[:, -1:])


def roc(
    positive: np.ndarray, scores: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns 1 - specificity and sensitivity, each (D, k + 1), at the k distinct scores from the
    highest down."""
    cuts = np.append(np.unique(scores), np.inf)[::-1]
    return (
        share_reaching(cuts, scores[~positive], weights[:, ~positive]),
        share_reaching(cuts, scores[positive], weights[:, positive]),
    )


def youden(positive: np.ndarray, scores: np.ndarray) -> float:
    """Returns the threshold with the largest sensitivity + specificity, midway between two scores;
    the lowest of equals.

    Source: Youden, Cancer 1950;3:32-35.
    """
    values = np.unique(scores)
    cuts = (values[1:] + values[:-1]) / 2 if len(values) > 1 else values
    once = np.ones((1, len(scores)))
    found = share_reaching(cuts, scores[positive], once[:, positive])
    alarms = share_reaching(cuts, scores[~positive], once[:, ~positive])
    return float(cuts[np.argmax((found - alarms)[0].round(12))])


def threshold_rules(positive: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Returns thresholds by the rules of both papers' code: where sensitivity exceeds 1 -
    specificity most (Kolmogorov and Smirnov), where it is nearest to specificity, the share of
    positives, and 0.5.

    Examples:
        >>> malignant = np.array([False, False, True, True])
        >>> threshold_rules(malignant, np.array([0.1, 0.3, 0.35, 0.8]))
        {'KS': 0.35, 'sensitivity = specificity': 0.35, 'prevalence': 0.5, 'one half': 0.5}
    """
    once, cuts = np.ones((1, len(scores))), np.unique(scores)[::-1]
    alarms = share_reaching(cuts, scores[~positive], once[:, ~positive])[0]
    found = share_reaching(cuts, scores[positive], once[:, positive])[0]
    return {
        "KS": float(cuts[np.argmax((found - alarms).round(12))]),
        "sensitivity = specificity": float(cuts[np.argmin(np.abs(found - (1 - alarms)).round(12))]),
        "prevalence": float(positive.mean()),
        "one half": 0.5,
    }


def net_benefit(
    positive: np.ndarray, scores: np.ndarray, cuts: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Returns the net benefit, (D, len(cuts)): true positives less false positives at the odds of
    the threshold, per nodule.

    Source: Vickers and Elkin, Med Decis Making 2006;26:565-574.
    """
    everyone = weights.sum(axis=1, keepdims=True)
    up, down = weights * positive, weights * ~positive
    found = np.nan_to_num(share_reaching(cuts, scores, up)) * ratio(
        up.sum(axis=1, keepdims=True), everyone
    )
    alarms = np.nan_to_num(share_reaching(cuts, scores, down)) * ratio(
        down.sum(axis=1, keepdims=True), everyone
    )
    return found - alarms * cuts / (1 - cuts)


def confusion(
    labels: np.ndarray, decided: np.ndarray, n_classes: int, weights: np.ndarray
) -> np.ndarray:
    """Returns the weight, (D, C, C), of each label (row) decided as each class (column)."""
    cell = np.eye(n_classes**2)[labels * n_classes + decided]
    return (weights @ cell).reshape(-1, n_classes, n_classes)


def accuracy(table: np.ndarray) -> np.ndarray:
    """Returns the accuracy, (D,), from confusion matrices (D, C, C)."""
    return ratio(np.trace(table, axis1=1, axis2=2), table.sum(axis=(1, 2)))


def weighted_f1(table: np.ndarray) -> np.ndarray:
    """Returns the classes' F1 weighted by their numbers of nodules, (D,), from confusion matrices
    (D, C, C)."""
    labelled, decided = table.sum(axis=2), table.sum(axis=1)
    f1 = ratio(2 * np.diagonal(table, axis1=1, axis2=2), labelled + decided)
    return ratio((labelled * np.nan_to_num(f1)).sum(axis=1), labelled.sum(axis=1))


def two_class_rates(table: np.ndarray) -> dict[str, np.ndarray]:
    """Returns accuracy, sensitivity, specificity, predictive values and F1, each (D,), from
    confusion matrices (D, 2, 2)."""
    (tn, fp), (fn, tp) = np.moveaxis(table, 0, -1)
    return {
        "accuracy": accuracy(table),
        "sensitivity": ratio(tp, tp + fn),
        "specificity": ratio(tn, tn + fp),
        "PPV": ratio(tp, tp + fp),
        "NPV": ratio(tn, tn + fn),
        "F1": ratio(2 * tp, 2 * tp + fp + fn),
    }
