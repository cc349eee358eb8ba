"""How well probabilities match outcomes, and the line that improves the match."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from nodulerisk.evaluation.bootstrap import interval, ratio, weighted_mean
from nodulerisk.evaluation.figures import midranks
from nodulerisk.weights.calibration import TINY, Line, calibrated

BINS = 5  # equally filled: 20 nodules per bin need a hundred
# If the classes separate completely, the best slope would be infinite.
SLOPES, OFFSETS = ((0.1, 5.0), (-5.0, 5.0))


@dataclass(frozen=True)
class ReliabilityBin:
    """Nodules of similar probability: their mean probability, the observed share with its 95 %
    interval, and their number."""

    predicted: float
    observed: float
    low: float
    high: float
    nodules: int


def fit_calibration(members: np.ndarray, labels: np.ndarray) -> Line:
    """Returns the slope and offsets that give the mean of the calibrated members the least negative
    log-likelihood.

    Args:
        members: (n, M, C), class probabilities of M networks for n validation nodules.
        labels: int (n,).
    """

    def loss(line: np.ndarray) -> float:
        mean = calibrated(members, tuple(line)).mean(axis=1)
        return float(-np.log(np.clip(mean[np.arange(len(labels)), labels], TINY, 1)).mean())

    start = [1.0, *[0.0] * (members.shape[2] - 1)]
    bounds = [SLOPES, *[OFFSETS] * (members.shape[2] - 1)]
    return tuple(minimize(loss, start, bounds=bounds, method="L-BFGS-B").x.tolist())


def confidence(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the predicted probability and whether it came true, each float (n,), from class
    probabilities (n, C).

    For two classes it is the last one's probability; for more, the largest, whichever class it
    belongs to.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], (labels == 1).astype(float)
    return probabilities.max(axis=1), (probabilities.argmax(axis=1) == labels).astype(float)


def calibration_error(said: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean distance, (D,), between predicted (n,) and observed (n,) over equally filled
    bins; 0 is perfect."""
    bins = _bins(said, weights)
    gaps = weights * (said - true)
    distance = sum(np.abs(np.where(bins == index, gaps, 0).sum(axis=1)) for index in range(BINS))
    return ratio(distance, weights.sum(axis=1))


def brier(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean squared error, (D,): for two classes, of the last one's probability; for
    more, summed over the classes.

    Source: Brier, Mon Weather Rev 1950;78:1-3, whose sum over two classes is twice this.
    """
    n_classes = probabilities.shape[1]
    squares = (probabilities - np.eye(n_classes)[labels]) ** 2
    return weighted_mean(squares[:, 1] if n_classes == 2 else squares.sum(axis=1), weights)


def reliability(
    said: np.ndarray, true: np.ndarray, weights: np.ndarray
) -> tuple[ReliabilityBin, ...]:
    """Returns the bins of ``calibration_error`` for the nodules themselves."""
    bins = _bins(said, weights[:1])[0]
    filled = [bins == index for index in range(BINS) if (bins == index).any()]
    return tuple(
        ReliabilityBin(
            float(said[b].mean()), *interval(weighted_mean(true[b], weights[:, b])), int(b.sum())
        )
        for b in filled
    )


def _bins(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns bin numbers, int (D, n), 0..BINS - 1: equally filled, with equal probabilities in one
    bin."""
    place = ratio(midranks(said, weights), weights.sum(axis=1, keepdims=True))
    return np.clip(np.nan_to_num(place) * BINS, 0, BINS - 1).astype(int)
