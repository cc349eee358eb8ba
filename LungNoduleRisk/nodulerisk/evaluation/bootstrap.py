"""95 % intervals from repeated draws of patients (bootstrap).

A figure is a function of weights (1 + draws, n): how often each of n nodules counts. Row 0 counts
each nodule once and gives the value; every other row is one draw of patients, with replacement. So
one expression gives both value and interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 1000
SEED = 0


@dataclass(frozen=True)
class Figure:
    """A number with its 95 % interval (``low`` to ``high``), and how many nodules and patients it
    comes from."""

    name: str
    value: float
    low: float
    high: float
    nodules: int
    patients: int


def patient_weights(patients: Sequence[str] | np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """Returns weights, float64 (1 + draws, n), for the patients of n nodules; all nodules of a
    patient are drawn together."""
    names, index = np.unique(patients, return_inverse=True)
    share, rng = np.full(len(names), 1 / max(len(names), 1)), np.random.default_rng(SEED)
    weights = np.ones((1 + draws, len(index)))
    for row in weights[1:]:  # one by one: all at once would take three times the memory
        row[:] = rng.multinomial(len(names), share)[index]
    return weights


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Returns value, low and high from a figure's rows (1 + draws,).

    Low and high are percentiles of the draws in which the figure exists, widened to include the
    value if the draws are biased, as those of a calibration error are.
    """
    value, drawn = float(values[0]), values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if drawn.size else (value, value)
    return value, min(value, float(low)), max(value, float(high))


def figure(name: str, values: np.ndarray, patients: Sequence[str]) -> Figure | None:
    """Returns the figure from its rows (1 + draws,); None if it does not exist, such as an AUC with
    one class."""
    if not np.isfinite(values[0]):
        return None
    return Figure(name, *interval(values), nodules=len(patients), patients=len(set(patients)))


def kept(figures: Iterable[Figure | None]) -> tuple[Figure, ...]:
    """Returns the figures that exist."""
    return tuple(f for f in figures if f is not None)


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the mean of n values for every row of weights (D, n); NaN where all weights are 0."""
    return ratio(weights @ np.asarray(values, float), weights.sum(axis=1))


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Returns part / whole; NaN where whole is 0."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
