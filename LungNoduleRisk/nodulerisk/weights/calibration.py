"""Platt's line on class probabilities: how a card's ``calibration`` changes each network's
answer."""

from __future__ import annotations

import numpy as np

TINY = 1e-12  # a probability that underflowed to 0 counts as this

Line = tuple[float, ...]  # slope, and the offsets of all classes but the first


def calibrated(probabilities, line: Line) -> np.ndarray:
    """Returns softmax(slope * log p + offsets); for two classes, sigma(slope * logit + offset) for
    the last one.

    Each network of a task is calibrated with the same line, then the plain mean is taken.

    Args:
        probabilities: (..., C), each row summing to 1.
        line: slope, and an offset for each class but the first: C - 1 for C classes; (1, 0) changes
            nothing.

    Returns:
        float64, the same shape.

    Examples:
        >>> calibrated([0.2, 0.8], (0.5, 0.0)).round(3).tolist()  # half as sure
        [0.333, 0.667]

    Source: Platt, Probabilistic outputs for support vector machines (1999); the slope alone is
    temperature scaling.
    """
    slope, *offsets = line
    logits = slope * np.log(np.clip(np.asarray(probabilities, float), TINY, 1))
    logits[..., -len(offsets) :] += offsets
    odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)
