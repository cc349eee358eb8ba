"""Timing of functions and networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TypeVar

import numpy as np

from nodulerisk.engine.engine import Networks

T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Returns the seconds that ``work`` took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


class Timed:
    """Networks that add up the seconds spent in the named ones."""

    def __init__(self, networks: Networks, of: Collection[str]):
        self._networks, self._of = networks, of
        self.device, self.checks, self.seconds = networks.device, networks.checks, 0.0

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        seconds, answer = timed(lambda: self._networks.predict(network, cubes))
        self.seconds += seconds if network in self._of else 0.0
        return answer
