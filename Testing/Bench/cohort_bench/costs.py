"""What one CT and its nodule cost a worker and the networks."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.machine import peak_mb
from bench.timing import Timed, timed
from nodulerisk.assess import assess
from nodulerisk.ct.points import Position
from nodulerisk.ct.read import read_ct
from nodulerisk.engine.worker import Worker
from nodulerisk.outputs.segmentation import write_masks
from nodulerisk.weights.card import WeightSet


@dataclass(frozen=True)
class Sample:
    """A CT to measure on: ``name`` in words, and a point on its nodule, LPS mm."""

    name: str
    path: Path
    point_lps_mm: Position


@dataclass(frozen=True)
class CtCost:
    """Medians over rounds on one CT, seconds by the clock.

    Attributes:
        slices, mb: of the CT, as it lies on the disk (1e6 bytes).
        read_s: to read and check it.
        nodule_s: to cut a nodule's cubes, check and measure it.
        network_s: of the networks, with every core of this machine.
        mask_s: to write its file of masks, if requested.
        peak_mb: the most memory held by a process that did all this except the networks, which have
            their own.
    """

    name: str
    slices: int
    mb: float
    read_s: float
    nodule_s: float
    network_s: float
    mask_s: float
    peak_mb: float


def ct_cost(sample: Sample, weights: WeightSet, rounds: int) -> CtCost:
    """Measured in a process of its own, so that its memory is a worker's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(_ct_cost, sample, weights, rounds).result()


def _ct_cost(sample: Sample, weights: WeightSet, rounds: int) -> CtCost:
    with Worker(weights, "cpu") as worker:
        # the first warms up
        found = [_round(sample, weights, worker) for _ in range(rounds + 1)][1:]
    slices, *seconds = (median(values) for values in zip(*found, strict=True))
    return CtCost(sample.name, int(slices), _megabytes(sample.path), *seconds, peak_mb())


def _round(sample: Sample, weights: WeightSet, worker: Worker) -> tuple[float, ...]:
    """Returns the slices, and the seconds of ``CtCost`` in order."""
    networks = Timed(worker, of=weights.networks)
    read_s, ct = timed(lambda: read_ct(sample.path))
    assess_s, found = timed(lambda: assess(ct, sample.point_lps_mm, weights, networks=networks))
    with TemporaryDirectory() as folder:
        mask_s, _ = timed(lambda: write_masks(ct, [found], Path(folder) / "masks.seg.nrrd"))
    return len(ct.hu), read_s, assess_s - networks.seconds, networks.seconds, mask_s


def _megabytes(path: Path) -> float:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
