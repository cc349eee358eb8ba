"""A cluster at work, simulated from what was measured: how long a cohort takes there, and what
holds it up.

Workers read and cut, one CT at a time each; the storage serves one after the other, as fast as it
can; owners of networks answer nodule by nodule; one process hands out CTs and writes results.
Nothing fails.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simpy

Events = Iterator[simpy.Event]
WORKERS, NETWORKS, STORAGE, COORDINATOR = "workers", "networks", "storage", "coordinator"
SEED = 0


@dataclass(frozen=True)
class Load:
    """What a CT asks for, on average.

    Attributes:
        read_s: of a core.
        nodule_s: of a core, for each nodule.
        network_s: of an owner of networks, for each nodule.
        hand_out_s: of the process that hands out CTs and writes results.
        mb: from the storage.
        nodules: on a CT, at least 1.
        spread: sigma of the logarithm of CTs' lengths; 0: all are alike.
    """

    read_s: float
    nodule_s: float
    network_s: float
    hand_out_s: float = 0.0
    mb: float = 0.0
    nodules: float = 1.0
    spread: float = 0.0


@dataclass(frozen=True)
class Cluster:
    """What does the work.

    Attributes:
        workers: processes that read, a core each.
        owners: of networks.
        storage_mb_s: what all get from the storage together.
        cores: of the only machine, where networks take all of them at a time; None: everybody has
            their own.
    """

    workers: int
    owners: int = 1
    storage_mb_s: float = 1000.0
    cores: int | None = None


@dataclass(frozen=True)
class Forecast:
    """How long it took, and how busy (0..1) workers, networks, storage and coordinator were."""

    seconds: float
    busy: dict[str, float]


def simulate(load: Load, cluster: Cluster, cts: int) -> Forecast:
    """A cohort from its first CT to its last."""
    return _Simulation(load, cluster, cts).forecast()


def owners_needed(load: Load, workers: int, busiest: float) -> int:
    """The fewest owners of networks that are busy for a share (0..1) of ``busiest`` at most."""
    network_s = load.nodules * load.network_s
    every_s = load.read_s + load.nodules * load.nodule_s + network_s
    return max(1, int(np.ceil(workers * network_s / every_s / busiest)))


class _Simulation:
    def __init__(self, load: Load, cluster: Cluster, cts: int):
        self._load, self._cluster = load, cluster
        self._random = np.random.default_rng(SEED)
        self._left = iter(range(cts))
        self._clock = simpy.Environment()
        self._sizes = {
            WORKERS: cluster.workers,
            NETWORKS: cluster.owners,
            STORAGE: 1,
            COORDINATOR: 1,
        }
        self._lines = {
            part: simpy.Resource(self._clock, size) for part, size in self._sizes.items()
        }
        self._cores = (
            simpy.Container(self._clock, init=cluster.cores or 0) if cluster.cores else None
        )
        self._used_s: Counter[str] = Counter()
        for _ in range(cluster.workers):
            self._clock.process(self._work())

    def forecast(self) -> Forecast:
        self._clock.run()
        seconds = self._clock.now
        return Forecast(
            seconds,
            {part: self._used_s[part] / size / seconds for part, size in self._sizes.items()},
        )

    def _work(self) -> Events:
        """A worker, as long as there are CTs left."""
        load = self._load
        for _ in self._left:
            length = self._random.lognormal(-(load.spread**2) / 2, load.spread)
            yield from self._hold(STORAGE, length * load.mb / self._cluster.storage_mb_s)
            yield from self._compute(WORKERS, length * load.read_s, cores=1)
            for _ in range(1 + self._random.poisson(load.nodules - 1)):
                yield from self._compute(WORKERS, load.nodule_s, cores=1)
                yield from self._compute(NETWORKS, load.network_s, cores=self._cluster.cores or 0)
            # the worker goes on: it has another at hand
            self._clock.process(self._hold(COORDINATOR, load.hand_out_s))

    def _compute(self, part: str, seconds: float, cores: int) -> Events:
        if self._cores is None:
            yield from self._hold(part, seconds)
            return
        yield self._cores.get(cores)
        yield from self._hold(part, seconds)
        yield self._cores.put(cores)

    def _hold(self, part: str, seconds: float) -> Events:
        with self._lines[part].request() as turn:
            yield turn
            yield self._clock.timeout(seconds)
        self._used_s[part] += seconds
