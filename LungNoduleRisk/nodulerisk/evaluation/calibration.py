"""How far probabilities can be taken at their word, and the line that makes them more so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from nodulerisk.evaluation.bootstrap import interval, ratio, weighted_mean
from nodulerisk.evaluation.figures import midranks
from nodulerisk.weights.calibration import TINY, Line, calibrated

BINS = 5  # equally filled: 20 nodules a bin need a hundred
# where the classes part completely the best slope would be endless
SLOPES, OFFSETS = ((0.1, 5.0), (-5.0, 5.0))


@dataclass(frozen=True)
class ReliabilityBin:
    """Nodules of similar probability: its mean, the share that it came true for with a 95 %
    interval, their number."""

    predicted: float
    observed: float
    low: float
    high: float
    nodules: int


def fit_calibration(members: np.ndarray, labels: np.ndarray) -> Line:
    """Slope and offsets under which the mean of the calibrated members has the least negative
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
    """What was said and whether it came true, each float (n,), of class probabilities (n, C).

    Of two classes the last one's probability; of more the largest one, whichever class it is of.
    """
    if probabilities.shape[1] == 2:
        return probabilities[:, 1], (labels == 1).astype(float)
    return probabilities.max(axis=1), (probabilities.argmax(axis=1) == labels).astype(float)


def calibration_error(said: np.ndarray, true: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,): mean distance between what was said (n,) and what came true (n,) over equally filled
    bins; 0 is perfect."""
    bins = _bins(said, weights)
    gaps = weights * (said - true)
    distance = sum(np.abs(np.where(bins == index, gaps, 0).sum(axis=1)) for index in range(BINS))
    return ratio(distance, weights.sum(axis=1))


def brier(probabilities: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,): mean squared error of the last of two classes' probability; of more classes, summed
    over them.

    Source: Brier, Mon Weather Rev 1950;78:1-3, whose sum over two classes is twice this.
    """
    n_classes = probabilities.shape[1]
    squares = (probabilities - np.eye(n_classes)[labels]) ** 2
    return weighted_mean(squares[:, 1] if n_classes == 2 else squares.sum(axis=1), weights)


def reliability(
    said: np.ndarray, true: np.ndarray, weights: np.ndarray
) -> tuple[ReliabilityBin, ...]:
    """The bins of ``calibration_error``, as the nodules themselves fill them."""
    bins = _bins(said, weights[:1])[0]
    filled = [bins == index for index in range(BINS) if (bins == index).any()]
    return tuple(
        ReliabilityBin(
            float(said[b].mean()), *interval(weighted_mean(true[b], weights[:, b])), int(b.sum())
        )
        for b in filled
    )


def _bins(said: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """int (D, n), 0..BINS - 1: equally filled, equal probabilities never parted."""
    place = ratio(midranks(said, weights), weights.sum(axis=1, keepdims=True))
    return np.clip(np.nan_to_num(place) * BINS, 0, BINS - 1).astype(int)
