"""The weight set that a training produces: files, calibration and thresholds from validation,
figures from test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.special import expit

from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.nodules import LabelledNodule, NoduleDataset, joined
from nodulerisk.engine.engine import Engine, load_network
from nodulerisk.evaluation.choices import chosen_calibration, chosen_thresholds
from nodulerisk.evaluation.evidence import evidence_of, mask_evidence_of
from nodulerisk.evaluation.masks import dice
from nodulerisk.evaluation.predictions import Progress, predictions
from nodulerisk.evaluation.study import about, evaluate, write_evaluation
from nodulerisk.evaluation.summary import Evaluation
from nodulerisk.files import written_whole
from nodulerisk.networks.layers import Network
from nodulerisk.nodule.mask import REFLECTIONS, nodule_mask
from nodulerisk.tasks import TASKS
from nodulerisk.train.module import network_of
from nodulerisk.train.plans.runs import Plan, Run
from nodulerisk.train.samples import exact_sample
from nodulerisk.train.start import terms_of, with_starts
from nodulerisk.train.view import View
from nodulerisk.weights.calibration import Line
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set, sha256_of

MASK_OFFSETS = np.arange(0.0, 3.01, 0.25).tolist()
CLICKS = 2  # further points per nodule, to test whether its class flips
NOT_EVALUATED = Evidence("none", "not evaluated yet")
NOT_TRAINED = Evidence("none", "this set was not trained on data with this label")
DRIFT_NODULES = 100


def make_weight_set(
    plan: Plan, data: Mapping[str, NoduleDataset], out: Path, progress: Progress | None = None
) -> WeightSet:
    """Writes the set of a plan whose runs are finished, evaluates it on every dataset, and fills in
    its card.

    Networks are stored in half precision. The mask's level, calibration and thresholds are chosen
    on validation nodules, the figures on the card come only from test nodules; ``out/evaluation``
    holds one report for all datasets that networks were trained on.

    Args:
        plan: the finished plan.
        data: its datasets by name.
        out: folder of the set, with ``runs`` in it.
        progress: called with what is being done and the share done, 0..1.
    """
    weights = _stored(plan, data, out)
    save_card(weights)
    for names in dict.fromkeys(run.data for run in plan.runs):
        runs = [run for run in plan.runs if run.data == names]
        weights = _with_figures_of(joined([data[name] for name in names]), runs, weights, progress)
    weights = replace(weights, bf16_drift=_bf16_drift(weights, plan, data))
    save_card(weights)
    return load_weight_set(out)


def run_file(out: Path, run: Run, network: str) -> Path:
    """Returns the file in which a finished run leaves a network, in full precision."""
    return run_folder(out, run) / f"{network}.safetensors"


def evaluation_folder(out: Path, data: Sequence[str]) -> Path:
    """Returns the folder of the report on these datasets."""
    return out / "evaluation" / "-".join(data)


def run_folder(out: Path, run: Run) -> Path:
    """Returns the folder of a run's checkpoints, logs and networks."""
    return out / "runs" / run.name


# --- Files and the first card


def _stored(plan: Plan, data: Mapping[str, NoduleDataset], out: Path) -> WeightSet:
    networks = {name: _store(run, name, out, data) for run in plan.runs for name in run.networks}
    own = {name: task for run in plan.runs for name, task in run.own_tasks.items()}
    return WeightSet(
        folder=out,
        name=plan.name,
        version=plan.version,
        licence=plan.licence,
        attribution=_attribution(plan, data, out),
        networks=networks,
        tasks={task: _task(task, networks, plan) for task in TASKS | own},
        mask_network=next((name for name, network in networks.items() if network.draws_mask), None),
        mask_evidence=NOT_EVALUATED,
        mask_reflected=True,
        own_tasks=own,
    )


def _attribution(plan: Plan, data: Mapping[str, NoduleDataset], out: Path) -> str:
    """Returns what it was trained on, and the weights that it began with, with their terms."""
    sources = "; ".join(dict.fromkeys(d.attribution or d.name for d in data.values()))
    begun = [words for run in plan.runs for words in terms_of(run_folder(out, run))]
    return "; ".join((f"Trained on {sources}", *dict.fromkeys(begun)))


def _store(run: Run, name: str, out: Path, data: Mapping[str, NoduleDataset]) -> NetworkCard:
    arrays = load_file(run_file(out, run, name))
    if run.networks[name].draws_mask:
        nodules = [
            n
            for source in run.data
            for n in data[source].of_split("validation")
            if n.marked is not None
        ]
        network = network_of(run, name)
        network.load_state_dict(arrays)
        arrays["mask_head.bias"] += mask_offset(network, _view_of(run), nodules)
    file = out / f"{name}.safetensors"
    with written_whole(file) as partial:
        save_file({k: v.half() if v.is_floating_point() else v for k, v in arrays.items()}, partial)
    plan = run.networks[name]
    return NetworkCard(
        kind=plan.kind,
        file=file.name,
        sha256=sha256_of(file),
        tasks=run.tasks,
        width=plan.width,
        sides=run.sides,
        size=run.size,
        sees=plan.sees,
        mask=plan.mask,
        arguments=plan.arguments,
        own_tasks=run.own_tasks,
    )


def _view_of(run: Run) -> View:
    return View(run.cubes, run.sides, run.size)


def mask_offset(network: Network, view: View, nodules: Sequence[LabelledNodule]) -> float:
    """Returns the logit to add to a network's map so that its masks, thresholded at one half, agree
    best with the nodules'.

    A map at 1 mm, learnt from the share of readers, gives too small a mask at one half: between a
    voxel that half of them marked and one that none did, it is less than a half. Chosen by the mean
    Dice of validation nodules.
    """
    drawn = [_map_and_reference(network, view, nodule) for nodule in nodules]
    if not drawn:
        return 0.0
    return max(
        MASK_OFFSETS, key=lambda offset: np.mean([_dice_at(offset, *parts) for parts in drawn])
    )


def _map_and_reference(
    network: Network, view: View, nodule: LabelledNodule
) -> tuple[np.ndarray, Grid, CT, np.ndarray, np.ndarray]:
    """Returns the reflections' logits (4, S, S, S), their grid, the CT, the centre, and the
    majority's mask on the CT's grid."""
    ct, marked = with_context(nodule, np.random.default_rng(0))
    centre = np.array(nodule.centre_lps_mm)
    cubes = view.cubes(ct, centre)
    cube = torch.from_numpy(cubes.cut(view.sides, view.size).astype(np.float32))[None]
    with torch.inference_mode():
        maps = [network.logits(cube.flip([a + 2 for a in axes]))[1][0, 0] for axes in REFLECTIONS]
    logits = [m.flip(axes).numpy() for m, axes in zip(maps, REFLECTIONS, strict=True)]
    grid = cubes.grid(view.sides, view.size)
    return np.stack(logits), grid, ct, centre, marked >= 0.5


def _dice_at(
    offset: float,
    logits: np.ndarray,
    grid: Grid,
    ct: CT,
    centre: np.ndarray,
    reference: np.ndarray,
) -> float:
    mask = nodule_mask(expit(logits + offset).mean(axis=0), grid, ct, centre, "none")
    return dice(mask.on_ct() > 0, reference)


def _task(task: str, networks: dict[str, NetworkCard], plan: Plan) -> TaskCard:
    trained = tuple(name for name, network in networks.items() if task in network.tasks)
    return TaskCard(plan.members.get(task, trained), NOT_EVALUATED if trained else NOT_TRAINED)


# --- Calibration, thresholds and figures


def _with_figures_of(
    dataset: NoduleDataset, runs: Sequence[Run], weights: WeightSet, progress: Progress | None
) -> WeightSet:
    """Returns the set with a dataset's figures for the tasks and the mask that the runs learnt from
    it."""
    nodules = (*dataset.of_split("validation"), *dataset.of_split("test"))
    answered, broken = predictions(weights, nodules, Engine(weights), CLICKS, progress)
    trained = {task for run in runs for task in run.tasks}
    chosen = chosen_calibration(answered, weights.table)
    lines = {task: line for task, line in chosen.items() if task in trained}
    answered = [prediction.recalibrated(lines) for prediction in answered]
    described = with_starts(about(weights, dataset, broken), runs)
    evaluation = evaluate(answered, described, weights.table)
    folder = evaluation_folder(weights.folder, runs[0].data)
    write_evaluation(evaluation, answered, folder, weights.table)
    thresholds = chosen_thresholds(answered, weights.table)
    tasks = _cards(trained & evaluation.tasks.keys(), weights, evaluation, lines, thresholds)
    weights = replace(weights, tasks=weights.tasks | tasks)
    draws_mask = any(weights.mask_network in run.networks for run in runs)
    return replace(weights, mask_evidence=mask_evidence_of(evaluation)) if draws_mask else weights


def _cards(
    tasks: Iterable[str],
    weights: WeightSet,
    evaluation: Evaluation,
    lines: dict[str, Line],
    thresholds: dict[str, float],
) -> dict[str, TaskCard]:
    return {
        task: replace(
            weights.tasks[task],
            evidence=evidence_of(evaluation, task),
            threshold=thresholds.get(task),
            calibration=lines.get(task),
        )
        for task in tasks
    }


def _bf16_drift(weights: WeightSet, plan: Plan, data: Mapping[str, NoduleDataset]) -> float:
    """Returns the largest change of a network's class probability by bf16 arithmetic on validation
    nodules."""
    farthest = 0.0
    for run in plan.runs:
        nodules = [n for name in run.data for n in data[name].of_split("validation")][
            :DRIFT_NODULES
        ]
        cubes = torch.stack(
            [exact_sample(n, _view_of(run), run.tasks, run.table)["cube"] for n in nodules]
        )
        for name in run.networks:
            farthest = max(farthest, _moved(load_network(weights, name), cubes))
    return round(farthest, 4)


def _moved(network: Callable, cubes: torch.Tensor) -> float:
    """Returns how far bf16 moves class probabilities."""

    def probabilities(batch: torch.Tensor) -> torch.Tensor:
        answer = network(batch)
        return (answer[0] if isinstance(answer, tuple) else answer).float()

    with torch.inference_mode():
        exact = torch.cat([probabilities(batch) for batch in cubes.split(8)])
        with torch.autocast("cpu", torch.bfloat16):
            rounded = torch.cat([probabilities(batch) for batch in cubes.split(8)])
    return float(np.abs((exact - rounded).numpy()).max())
