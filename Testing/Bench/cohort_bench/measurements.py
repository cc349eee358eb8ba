"""The measurements of one run: costs, speeds (measured in turns), and the simulation of the same
runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from statistics import median

from rich.progress import Progress

from bench.machine import cores, machine
from bench.run import steps
from cohort_bench.costs import CtCost, Sample, ct_cost
from cohort_bench.scaling import Speed, only_handed_out, only_read, speed, whole
from cohort_bench.simulation import Cluster, Load, simulate
from nodulerisk.weights.card import WeightSet

READ, WHOLE, HANDED_OUT = "read only", "read and assessed", "refused at once"
PROCESSES = (1, 2)
SIMULATED = 1000  # CTs


@dataclass(frozen=True)
class Settings:
    """How much to measure: rounds, and CTs per run (more for those refused at once)."""

    rounds: int = 3
    cts: int = 24
    handed_out: int = 500


@dataclass
class Measurements:
    """Raw values, one per round wherever there is a list.

    Attributes:
        machine: in words, by heading.
        weights: the weight set's name.
        costs: of each CT measured on; the first one's is used for the speeds and the plan.
        speeds: what was done -> worker processes -> one value per run.
        settings: how much was measured.
    """

    machine: dict[str, str]
    weights: str
    settings: Settings
    costs: list[CtCost] = field(default_factory=list)
    speeds: dict[str, dict[int, list[Speed]]] = field(default_factory=dict)

    @property
    def runs(self) -> Iterator[Speed]:
        """All."""
        return (
            one
            for by_processes in self.speeds.values()
            for runs in by_processes.values()
            for one in runs
        )

    def cts_a_minute(self, done: str, processes: int) -> float:
        """Median."""
        return median(one.cts_a_minute for one in self.speeds[done][processes])

    def gain(self, done: str) -> float:
        """How many times faster two processes are than one."""
        return self.cts_a_minute(done, 2) / self.cts_a_minute(done, 1)

    @property
    def hand_out_s(self) -> float:
        """Seconds per CT of the process that hands out CTs and writes, at most: workers had almost
        nothing to do."""
        return 60 / self.cts_a_minute(HANDED_OUT, 2)

    @property
    def load(self) -> Load:
        """Returns the load of one CT of these runs: the time of one process, including all of
        Dask's overhead."""
        read_s, whole_s = (60 / self.cts_a_minute(done, 1) for done in (READ, WHOLE))
        network_s = self.costs[0].network_s
        return Load(
            read_s,
            max(0.0, whole_s - read_s - network_s),
            network_s,
            self.hand_out_s,
            self.costs[0].mb,
        )

    def simulated(self, done: str) -> float | None:
        """Returns the simulated CTs per minute of the run with two processes, based on the run with
        one."""
        if done == HANDED_OUT:
            return None
        load = self.load if done == WHOLE else replace(self.load, nodule_s=0, network_s=0)
        here = Cluster(2, storage_mb_s=math.inf, cores=cores())
        return 60 * SIMULATED / simulate(load, here, SIMULATED).seconds


def measure(
    samples: list[Sample], weights: WeightSet, settings: Settings, folder: Path
) -> Measurements:
    """Costs of every sample, and runs over the first one; ``folder`` is for files."""
    found = Measurements(machine(), weights.name, settings)
    cohorts = {
        HANDED_OUT: only_handed_out(folder, settings.handed_out),
        READ: only_read(samples[0], settings.cts),
        WHOLE: whole(samples[0], settings.cts),
    }
    with Progress() as progress:
        with steps(progress, "Costs of a CT", len(samples)) as step:
            for sample in samples:
                found.costs.append(ct_cost(sample, weights, settings.rounds))
                step()
        with steps(
            progress, "One process and two", settings.rounds * len(cohorts) * len(PROCESSES)
        ) as step:
            for _ in range(settings.rounds):
                for (done, cohort), processes in product(cohorts.items(), PROCESSES):
                    one = speed(cohort, weights, processes)
                    found.speeds.setdefault(done, {}).setdefault(processes, []).append(one)
                    step()
    return found


def read_measurements(path: Path) -> Measurements:
    """Reads the JSON of an earlier run."""
    values = json.loads(path.read_text(encoding="utf-8"))
    speeds = {
        done: {int(processes): [Speed(**run) for run in runs] for processes, runs in of.items()}
        for done, of in values["speeds"].items()
    }
    costs = [CtCost(**cost) for cost in values["costs"]]
    return Measurements(
        values["machine"], values["weights"], Settings(**values["settings"]), costs, speeds
    )
