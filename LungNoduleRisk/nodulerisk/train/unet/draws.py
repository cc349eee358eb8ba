"""Random numbers for one training cube, which depend only on its seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Thing = TypeVar("Thing")


class Draws:
    """Single numbers by numpy, whole volumes on the device that makes the cube.

    Attributes:
        device: of the volumes.
    """

    def __init__(self, seed: Sequence[int], device: str | torch.device = "cpu"):
        self.device = torch.device(device)
        self._rng = np.random.default_rng(seed)
        self._generator = torch.Generator(self.device)
        self._generator.manual_seed(int(self._rng.integers(2**62)))

    def uniform(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))

    def log_uniform(self, low: float, high: float) -> float:
        """Draws log-uniformly: as likely between 4 and 8 as between 8 and 16."""
        return float(np.exp(self._rng.uniform(np.log(low), np.log(high))))

    def chance(self, share: float) -> bool:
        """True in this share of the draws."""
        return bool(self._rng.random() < share)

    def pick(self, things: Sequence[Thing], shares: Sequence[float] | None = None) -> Thing:
        """Draws one of the things, equally likely without shares, which need not add up to 1."""
        p = None if shares is None else np.asarray(shares, float) / np.sum(shares)
        return things[int(self._rng.choice(len(things), p=p))]

    def normal(self, sd: float, count: int = 3) -> np.ndarray:
        """float64 (count,)."""
        return self._rng.normal(0, sd, count)

    def direction(self) -> np.ndarray:
        """float64 (3,), of length 1, with every direction equally likely."""
        vector = self._rng.normal(size=3)
        return vector / np.linalg.norm(vector)

    def noise(self, shape: Sequence[int]) -> Tensor:
        """float32 of this shape on the device, normal, of mean 0 and SD 1."""
        return torch.randn(tuple(shape), generator=self._generator, device=self.device)
