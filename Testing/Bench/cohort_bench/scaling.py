"""How many CTs per minute `nodulerisk cohort` completes with one worker process and with two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.machine import peak_mb
from cohort_bench.costs import Sample
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.run import local_cluster, run
from nodulerisk.cohort.store import Store
from nodulerisk.weights.card import WeightSet

# one of this many shares of the CTs is not counted, while networks and processes start
WARMING_UP = 4


@dataclass(frozen=True)
class Speed:
    """Speed of one run: CTs per minute once warm, seconds until the first was done, and a worker's
    peak memory."""

    cts_a_minute: float
    first_s: float
    worker_mb: float


def cohort_of(path: Path, point_lps_mm: Sequence[float], count: int) -> Cohort:
    """The same CT repeatedly, as cases of one nodule each."""
    x, y, z = point_lps_mm
    nodules = (CohortNodule("N1", (x, y, z)),)
    return Cohort("made", tuple(CtCase(f"case-{number}", path, nodules) for number in range(count)))


def whole(sample: Sample, count: int) -> Cohort:
    """Every CT is read and its nodule assessed."""
    return cohort_of(sample.path, sample.point_lps_mm, count)


def only_read(sample: Sample, count: int) -> Cohort:
    """Every CT is read, and its nodule refused, which costs the networks nothing."""
    return cohort_of(sample.path, (0, 0, 99_999), count)


def only_handed_out(folder: Path, count: int) -> Cohort:
    """Every CT is refused at once: all that remains is to hand it out, receive its row and write
    it."""
    broken = folder / "broken.nii.gz"
    broken.write_bytes(b"")
    return cohort_of(broken, (0, 0, 0), count)


def speed(cohort: Cohort, weights: WeightSet, workers: int) -> Speed:
    """Measures the speed of a run on this machine."""
    ends: list[float] = []
    start = time.perf_counter()
    with (
        TemporaryDirectory() as folder,
        Store(folder, weights) as store,
        local_cluster(workers, dashboard="127.0.0.1:0") as client,
    ):
        run(cohort, store, client, on_rows=lambda rows: ends.append(time.perf_counter()))
        worker_mb = max(client.run(peak_mb).values())
    first = max(1, len(ends) // WARMING_UP)
    rate = 60 * (len(ends) - first) / (ends[-1] - ends[first - 1])
    return Speed(rate, ends[0] - start, worker_mb)
