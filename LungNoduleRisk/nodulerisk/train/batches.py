"""Which samples make up a batch: shuffled, or with a fixed number of every group; divided among
processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from nodulerisk.errors import NoduleRiskError


class Batches(Sampler[list[int]]):
    """Batches of one epoch; the order depends only on seed and epoch, and every process takes its
    share."""

    def __init__(
        self,
        groups: Sequence[str],
        batch: int,
        balance: dict[str, int] | None = None,
        *,
        steps: int | None = None,
        seed: int = 0,
        epoch: int = 0,
        process: int = 0,
        processes: int = 1,
    ):
        """
        Args:
            groups: the group of every sample.
            batch: samples per batch, if no balance is given.
            balance: samples of each group per batch; smaller groups are repeated until the
                largest is used up.
            steps: batches of all processes together; samples are repeated until there are so many.
                By default, as many as use up all samples, or the largest group.
            seed, epoch: of the shuffle.
            process, processes: whose share this is.
        """
        rng = np.random.default_rng((seed, epoch))
        batches = (
            _balanced(groups, balance, rng, steps)
            if balance
            else _plain(len(groups), batch * processes, rng, steps and max(steps // processes, 1))
        )
        if balance:
            self._own = batches[process : len(batches) // processes * processes : processes]
        else:
            self._own = [part[process::processes] for part in batches]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self._own)

    def __len__(self) -> int:
        return len(self._own)


def _plain(count: int, batch: int, rng: np.random.Generator, steps: int | None) -> list[list[int]]:
    """Returns only full batches, if there is one: a batch of one sample would spoil batch
    normalisation."""
    whole, batch = steps or max(count // batch, 1), min(batch, count)
    order = _drawn(np.arange(count), whole * batch, rng)
    return [order[i * batch : (i + 1) * batch].tolist() for i in range(whole)]


def _balanced(
    groups: Sequence[str], balance: dict[str, int], rng: np.random.Generator, steps: int | None
) -> list[list[int]]:
    members = {group: np.flatnonzero(np.array(groups) == group) for group in balance}
    missing = [group for group, found in members.items() if not len(found)]
    if missing:
        raise NoduleRiskError(
            f"There is no '{missing[0]}' to train on, which the plan's balance requires: leave it"
            " out."
        )
    count = steps or max(-(-len(found) // balance[group]) for group, found in members.items())
    drawn = {group: _drawn(found, count * balance[group], rng) for group, found in members.items()}
    return [
        [int(i) for group, n in balance.items() for i in drawn[group][k * n : (k + 1) * n]]
        for k in range(count)
    ]


def _drawn(members: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draws ``count`` members: each is used once before any is used again."""
    rounds = -(-count // len(members))
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:count]
