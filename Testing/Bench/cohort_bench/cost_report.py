"""The measurements and the resulting plan, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from statistics import median

from bench.speed_report import table
from cohort_bench.costs import CtCost
from cohort_bench.measurements import PROCESSES, Measurements
from cohort_bench.plan import Assumptions, Plan
from cohort_bench.simulation import COORDINATOR, NETWORKS, STORAGE, WORKERS

COST_HEADS = [
    "CT",
    "MB on disk",
    "read, s",
    "per nodule: cubes, checks, measurements, s",
    "its networks, s (all cores)",
    "masks' file, s",
    "peak memory",
]
SPEED_HEADS = ["CTs per minute", "1 process", "2 processes", "gain", "2 processes, simulated"]
PARTS = (WORKERS, NETWORKS, STORAGE, COORDINATOR)
PLAN_HEADS = [
    "workers",
    "owners of networks",
    "hours",
    *(f"{part} busy" for part in PARTS),
    "workers' memory",
    "USD",
]


def markdown(found: Measurements, plans: dict[str, list[Plan]], assumed: Assumptions) -> str:
    """The whole report; ``plans`` by which networks they are for."""
    sections = [
        "# What a cohort costs",
        table(["", ""], found.machine.items()),
        "## A CT and a nodule",
        table(COST_HEADS, map(_cost_row, found.costs)),
        "## One process and two",
        table(SPEED_HEADS, (_speed_row(found, done) for done in found.speeds)),
        f"## The plan: {assumed.cts:,} CTs, simulated",
        *(part for networks, those in plans.items() for part in _plan_section(networks, those)),
        "## The plan's assumptions",
        _bullets(assumptions(found, assumed)),
        "## How it was measured",
        _bullets(notes(found)),
    ]
    return "\n\n".join(sections) + "\n"


def assumptions(found: Measurements, assumed: Assumptions) -> Iterator[str]:
    """Returns what was not measured here, in words."""
    cost = found.costs[0]
    yield (
        f"A CT has {assumed.slices:.0f} slices on average (two of three CTs differ from it by less"
        f" than a factor of {math.exp(assumed.spread):.1f}) and {assumed.nodules} nodules. Costs"
        f" are those of one process in the runs above, by the {cost.name}; other numbers of slices"
        f" than its {cost.slices} take more or less time to read in proportion."
    )
    yield (
        f"The storage gives {assumed.storage_mb_s:.0f} MB/s to all together; here, CTs were in the"
        " machine's memory."
    )
    yield (
        f"A GPU does {assumed.gpu_tflops:.0f} TFLOP/s of these networks: none was available. Cores"
        " are as fast as here, and each worker has its own."
    )
    yield (
        f"A core costs {assumed.core_hour} USD per hour, a GPU with its machine {assumed.gpu_hour}"
        " USD."
    )
    yield "Nothing fails, and workers need no more memory than for the CT that was measured."


def notes(found: Measurements) -> Iterator[str]:
    """Returns what a reader must know to judge the figures."""
    settings = found.settings
    yield (
        f"Medians of {settings.rounds} rounds that take turns, by the clock: other work on the"
        " machine lengthens them."
    )
    yield (
        f"Runs: the same CT {settings.cts} times ({settings.handed_out} where it is refused at"
        " once), from a quarter of them on; the first is done after"
        f" {median(one.first_s for one in found.runs):.0f} s. The networks use every core: two"
        " processes cannot be twice as fast if they also compute."
    )
    yield f"A worker of these runs held {max(one.worker_mb for one in found.runs):.0f} MB at most."


def _cost_row(cost: CtCost) -> list[str]:
    seconds = (cost.read_s, cost.nodule_s, cost.network_s, cost.mask_s)
    return [
        f"{cost.name}, {cost.slices} slices",
        f"{cost.mb:.0f}",
        *(f"{s:.2f}" for s in seconds),
        f"{cost.peak_mb:.0f} MB",
    ]


def _speed_row(found: Measurements, done: str) -> list[str]:
    measured = [f"{found.cts_a_minute(done, processes):.0f}" for processes in PROCESSES]
    simulated = found.simulated(done)
    return [
        done,
        *measured,
        f"{found.gain(done):.2f} ×",
        "–" if simulated is None else f"{simulated:.0f}",
    ]


def _plan_section(networks: str, plans: Iterable[Plan]) -> Iterator[str]:
    yield f"### {networks}"
    yield table(PLAN_HEADS, map(_plan_row, plans))


def _plan_row(plan: Plan) -> list[str]:
    busy = [f"{100 * plan.forecast.busy[part]:.0f} %" for part in PARTS]
    owners = f"{plan.cluster.owners} × {plan.owner.name}"
    return [
        str(plan.cluster.workers),
        owners,
        f"{plan.forecast.seconds / 3600:.1f}",
        *busy,
        f"{plan.memory_gb:.0f} GB",
        f"{plan.usd:.0f}",
    ]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)
