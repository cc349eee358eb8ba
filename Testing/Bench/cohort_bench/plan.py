"""The plan for a large cohort: clusters of several sizes, simulated with the costs that were
measured here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.machine import cores
from cohort_bench.costs import CtCost
from cohort_bench.simulation import Cluster, Forecast, Load, owners_needed, simulate

WORKERS = (2, 4, 8, 16, 32)
# share of the time that owners of networks may be busy: with more, workers wait for them
BUSIEST = 0.8


@dataclass(frozen=True)
class Assumptions:
    """What was not measured here.

    Attributes:
        cts, slices, nodules: of the cohort; the latter two per CT.
        spread: sigma of the logarithm of the number of slices.
        storage_mb_s: the storage's rate for all workers together.
        gpu_tflops: a GPU's actual rate on the networks, not its maker's figure.
        core_hour, gpu_hour: their prices, USD.
    """

    cts: int = 100_000
    slices: float = 300
    nodules: float = 1.5
    spread: float = 0.4
    storage_mb_s: float = 1000
    gpu_tflops: float = 10
    core_hour: float = 0.05
    gpu_hour: float = 1.0


@dataclass(frozen=True)
class Owner:
    """A machine that runs the networks: seconds per nodule, and its price per hour, USD."""

    name: str
    network_s: float
    hour: float


@dataclass(frozen=True)
class Plan:
    """A cluster and what it would take for the whole cohort."""

    owner: Owner
    cluster: Cluster
    forecast: Forecast
    memory_gb: float
    usd: float


def cpu_owner(cost: CtCost, assumed: Assumptions) -> Owner:
    """A machine such as this one, with the networks that were measured."""
    return Owner(f"{cores()} cores", cost.network_s, cores() * assumed.core_hour)


def gpu_owner(gflop: float, assumed: Assumptions) -> Owner:
    """A GPU, with networks of this many operations per nodule."""
    return Owner("a GPU", gflop / assumed.gpu_tflops / 1000, assumed.gpu_hour)


def load_of(measured: Load, slices: int, owner: Owner, assumed: Assumptions) -> Load:
    """Returns the load of the assumed cohort's CTs; reading time is proportional to the number of
    slices."""
    longer = assumed.slices / slices
    return replace(
        measured,
        read_s=measured.read_s * longer,
        mb=measured.mb * longer,
        network_s=owner.network_s,
        nodules=assumed.nodules,
        spread=assumed.spread,
    )


def plans(measured: Load, cost: CtCost, owner: Owner, assumed: Assumptions) -> Iterator[Plan]:
    """Returns one plan for each of ``WORKERS``, with the fewest owners of networks that do not hold
    them up."""
    load = load_of(measured, cost.slices, owner, assumed)
    for workers in WORKERS:
        cluster = Cluster(workers, owners_needed(load, workers, BUSIEST), assumed.storage_mb_s)
        forecast = simulate(load, cluster, assumed.cts)
        usd = forecast.seconds / 3600 * (workers * assumed.core_hour + cluster.owners * owner.hour)
        yield Plan(owner, cluster, forecast, workers * cost.peak_mb / 1000, usd)
