"""The whole benchmark; everything compared takes turns in one run."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bench import machine, preprocessing, stages
from bench.benchset import LARGEST_BATCH, gflop, network_cards, write_bench_set
from bench.children import Child, Contestant, keras, ours, run_once, serving
from bench.measurements import KERAS, OUR_BF16, OUR_FP32, TORCH, Measurements
from bench.peers import NEEDED, PEERS, cubes_ways
from bench.preprocessing import Comparison
from bench.timing import timed
from nodulerisk.engine.engine import has_amx
from nodulerisk.tasks import TASKS

Step = Callable[[], None]


@dataclass(frozen=True)
class Settings:
    """How much to measure; ``rounds`` for one nodule, ``few_rounds`` for batches of nodules and
    slow measurements."""

    rounds: int
    few_rounds: int
    batch: int = LARGEST_BATCH
    width: float = 1.0
    tasks: tuple[str, ...] = tuple(TASKS)
    ct_shape: tuple[int, int, int] = stages.DEMO_SHAPE


QUICK = Settings(
    1, 1, batch=2, width=0.125, tasks=("malignancy", "subtype"), ct_shape=(40, 128, 128)
)


def full(rounds: int) -> Settings:
    """Everything at full width."""
    return Settings(rounds, max(1, rounds // 2))


def run(settings: Settings, keras_python: Path | None = None) -> Measurements:
    """Measures everything in a temporary folder (about 3 GB at full width)."""
    cards = network_cards(settings.width, settings.tasks)
    work = {name: gflop(card) for name, card in cards.items()}
    found = Measurements(
        machine.machine(), settings.width == 1, work, reference=KERAS if keras_python else TORCH
    )
    contestants = [*([keras(keras_python)] if keras_python else []), ours(TORCH), ours(OUR_FP32)]
    contestants += [ours(OUR_BF16)] if has_amx() else []
    with tempfile.TemporaryDirectory(prefix="nodulerisk-bench-") as name, Progress() as progress:
        folder = Path(name)
        ct = stages.synthetic_ct(settings.ct_shape)
        with steps(progress, "Random weights", len(cards)) as step:
            write_bench_set(folder, cards, step)
        _write_job(folder, found, ct)
        _measure_warm(found, settings, contestants, folder, progress)
        _measure_preprocessing(found, settings, ct, progress)
        _measure_peers(found, settings, folder, progress)
        _measure_cubes(found, settings, ct)
        _measure_fresh(found, settings, contestants, folder, progress)
    return found


@contextmanager
def steps(progress: Progress, what: str, total: int) -> Iterator[Step]:
    """A progress bar of ``total`` steps; yields the function that advances it."""
    bar = progress.add_task(what, total=total)
    yield lambda: progress.advance(bar)


def _write_job(folder: Path, found: Measurements, ct) -> None:
    path, point, found.stages_ct = stages.demo_or(ct, folder)
    (folder / "job.json").write_text(json.dumps({"ct": path, "point_lps_mm": point}))


def _measure_warm(
    found: Measurements,
    settings: Settings,
    contestants: list[Contestant],
    folder: Path,
    progress: Progress,
) -> None:
    """The networks and the stages, by processes that stay; new ones for each batch size, to hold
    half the memory."""
    for batch, rounds in ((1, settings.rounds), (settings.batch, settings.few_rounds)):
        with (
            serving(contestants, folder) as children,
            steps(progress, f"Networks, batch {batch}", (rounds + 1) * len(found.gflop)) as step,
        ):
            found.machine |= {name: child.hear()["name"] for name, child in children.items()}
            _measure_networks(found, children, batch, rounds, step)
    with (
        serving([ours(OUR_FP32)], folder) as children,
        steps(progress, "Stages of one assessment", settings.rounds + 1) as step,
    ):
        _measure_stages(found, children[OUR_FP32], settings.rounds, step)


def _measure_networks(
    found: Measurements, children: dict[str, Child], batch: int, rounds: int, step: Step
) -> None:
    """Network by network the engines take turns, with a few matrix products between; the first
    round is not counted."""
    for index in range(rounds + 1):
        for network in found.gflop:
            answers = {
                name: child.ask(do="predict", network=network, batch=batch)
                for name, child in children.items()
            }
            if index:
                _add_round(found, network, batch, answers, _products(children[TORCH]))
            step()


def _measure_stages(found: Measurements, child: Child, rounds: int, step: Step) -> None:
    child.hear()  # its name
    for index in range(rounds + 1):
        for stage, seconds in child.ask(do="stages").items():
            found.stages.setdefault(stage, []).extend([seconds] if index else [])
        step()


def _products(child: Child) -> dict[str, list[float]]:
    precisions = ["fp32", *(["bf16"] if machine.multiplies_bf16() else [])]
    return {
        precision: child.ask(do="product", precision=precision)["gflops"]
        for precision in precisions
    }


def _add_round(
    found: Measurements, network: str, batch: int, answers: dict[str, dict], products: dict
) -> None:
    wanted = np.array(answers[found.reference]["probabilities"])
    for engine, answer in answers.items():
        found.seconds.setdefault(engine, {}).setdefault(batch, {}).setdefault(network, []).append(
            answer["seconds"]
        )
        if engine != found.reference:
            difference = float(np.abs(np.array(answer["probabilities"]) - wanted).max())
            found.differences[engine] = max(difference, found.differences.get(engine, 0.0))
    for precision, rates in products.items():
        found.products.setdefault(precision, []).extend(rates)


def _measure_peers(
    found: Measurements, settings: Settings, folder: Path, progress: Progress
) -> None:
    """One nodule, network by network, the peers in turns with ours; the first round is not
    counted."""
    present = [name for name in PEERS if find_spec(NEEDED.get(name, "torch"))]
    with (
        serving([ours(name) for name in (OUR_FP32, *present)], folder) as children,
        steps(progress, "Peers", (settings.few_rounds + 1) * len(found.gflop)) as step,
    ):
        words = {name: child.hear()["name"] for name, child in children.items()}
        for index, network in product(range(settings.few_rounds + 1), found.gflop):
            answers = {
                name: child.ask(do="predict", network=network, batch=1)
                for name, child in children.items()
                if name != "monai-fp32" or "densesharp" in network  # the only one that draws
            }
            right = np.array(answers[OUR_FP32]["probabilities"])
            for name, answer in answers.items() if index else ():
                seconds = found.peers.setdefault(words[name], {}).setdefault(network, [])
                seconds.append(answer["seconds"])
                apart = float(np.abs(np.array(answer["probabilities"]) - right).max())
                so_far = found.peers_apart.get(words[name], 0.0)
                found.peers_apart[words[name]] = max(so_far, apart)
            step()


def _measure_cubes(found: Measurements, settings: Settings, ct) -> None:
    """Libraries in turns; ours first, whose matrices are reused for every nodule."""
    _, our_own = preprocessing.views_ways(ct)
    ways = {"ours": our_own, **{name: partial(way, ct) for name, way in cubes_ways().items()}}
    for index in range(settings.few_rounds + 1):
        for name, way in ways.items():
            seconds = timed(way)[0]
            found.cubes.setdefault(name, []).extend([seconds] if index else [])


def _measure_preprocessing(found: Measurements, settings: Settings, ct, progress: Progress) -> None:
    views = Comparison("of the 1.0 range", allowed=1e-6)
    cube = Comparison("grey levels", allowed=0)
    found.preprocessing = {"EMV views, three tensors": views, "DenseSharp cube": cube}
    jobs = [(views, preprocessing.views_ways(ct), settings.rounds)]
    jobs += [(cube, preprocessing.densesharp_ways(ct), settings.few_rounds)]
    with steps(progress, "Preprocessing", settings.rounds + settings.few_rounds) as step:
        for comparison, (authors, our_own), rounds in jobs:
            our_own()  # its matrices are reused for every nodule
            for _ in range(rounds):
                comparison.add(authors, our_own)
                step()


def _measure_fresh(
    found: Measurements,
    settings: Settings,
    contestants: list[Contestant],
    folder: Path,
    progress: Progress,
) -> None:
    """Measures what a new process needs, in turns."""
    starters = [contestant for contestant in contestants if contestant.name != TORCH]
    with steps(
        progress, "Cold starts and memory", settings.few_rounds * len(starters) + len(contestants)
    ) as step:
        for _ in range(settings.few_rounds):
            for contestant in starters:
                found.cold.setdefault(contestant.name, []).append(
                    run_once(contestant, "cold", folder)
                )
                step()
        for contestant in contestants:
            found.one_at_a_time_mb[contestant.name] = run_once(contestant, "memory", folder)[
                "peak_mb"
            ]
            step()
