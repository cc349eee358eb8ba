"""``nodulerisk train``: the runs of a plan, one after the other, then the weight set made from
them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.rank_zero import rank_zero_only

from nodulerisk.datasets.crops import crops_on_disk
from nodulerisk.datasets.folds import read_folds, read_list
from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.datasets.own_labels import refuse_unseen_classes, with_own_labels
from nodulerisk.datasets.read import read_dataset, said_of
from nodulerisk.datasets.sharing import made_once
from nodulerisk.errors import NoduleRiskError, SeveralFaultsError
from nodulerisk.evaluation.predictions import Progress
from nodulerisk.train.fit import (
    data_faults,
    fit,
    machine_faults,
    processes_of,
    save_network,
    settings_of,
)
from nodulerisk.train.folds import Part, parts_of, pooled_set, split_by_lists
from nodulerisk.train.loggers import logger_faults
from nodulerisk.train.module import network_of
from nodulerisk.train.plans.runs import Plan, Run
from nodulerisk.train.settings import is_longer, refuse_other_settings
from nodulerisk.train.start import take_weights
from nodulerisk.train.weight_set import make_weight_set, run_file, run_folder
from nodulerisk.weights.card import WeightSet

Say = Callable[[str], None]
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of mallopt(3)


def train_set(
    plan: Plan,
    out: Path,
    *,
    only: str | None = None,
    say: Say = print,
    progress: Progress | None = None,
    **machine,
) -> WeightSet | None:
    """Fits the plan's unfinished runs, each in ``out/runs/NAME``, then makes the weight set; with
    folds, does so for each, see ``folds``.

    Args:
        plan: from ``read_plan``.
        out: folder of the weight set.
        only: fit this one run and stop.
        say: called with messages about progress, and about every case that was left out.
        progress: called with what is being evaluated and the share done, 0..1.
        machine: ``accelerator``, ``devices``, ``nodes``, ``workers`` and ``loggers`` of ``fit``.

    Returns:
        The set; None after a single run, if folds ship no set, and in all but the first of several
        processes.

    Raises:
        NoduleRiskError: the data cannot be read or trained on, or the run is unknown.
    """
    runs = [run for run in plan.runs if only in (None, run.name)]
    if not runs:
        raise NoduleRiskError(
            f"The plan has no run '{only}', only {', '.join(run.name for run in plan.runs)}."
        )
    _refuse_start(plan, runs, out, machine)
    _keep_freed_memory()
    say = say if _first_process() else _silent
    with crops_on_disk(out):
        data = made_once("data", lambda: _read(plan, runs, say))
        parts = parts_of(plan, data, out)
        processes = processes_of(machine.get("devices", "auto"), machine.get("nodes", 1))
        _refuse_data(plan, parts, runs, processes)
        for place, part in enumerate(parts, 1):
            if plan.folds is not None:
                say(f"Fold {part.number} ({place} of {len(parts)}).")
            for run in runs:
                _finish(run, part, say, machine)
        if only is not None or not _first_process():
            return None
        say("Evaluating on validation and test nodules.")
        sets = [make_weight_set(part.plan, part.data, part.folder, progress) for part in parts]
        return sets[0] if plan.folds is None else pooled_set(plan, parts, data, out, say)


def _refuse_start(plan: Plan, runs: Sequence[Run], out: Path, machine: Mapping[str, Any]) -> None:
    """Raises an error that lists all that would stop the training later, whatever the data."""
    faults = [
        *_path_faults(plan, runs, out),
        *machine_faults(runs, machine.get("accelerator", "auto")),
        *logger_faults(machine.get("loggers", ())),
    ]
    for run in runs:
        for name, network in run.networks.items():
            if network.init is not None:
                faults += _faults_of(take_weights, network_of(run, name), name, network, run)
    if faults:
        raise SeveralFaultsError("The training", tuple(faults))


def _path_faults(plan: Plan, runs: Sequence[Run], out: Path) -> Iterator[str]:
    if out.exists() and not out.is_dir():
        yield f"{out} is a file: give --out a folder."
    for name in dict.fromkeys(name for run in runs for name in run.data):
        if not plan.data[name].exists():
            yield f"data '{name}': there is no file or folder at {plan.data[name]}."
    for path in plan.splits.values():
        yield from _faults_of(read_list, path)
    if plan.folds is not None and plan.folds.table is not None:
        yield from _faults_of(read_folds, plan.folds.table)


def _faults_of(function: Callable, *given: Any) -> list[str]:
    try:
        function(*given)
    except NoduleRiskError as error:
        return [str(error)]
    return []


def _read(plan: Plan, runs: Sequence[Run], say: Say) -> dict[str, NoduleDataset]:
    """Returns the datasets of the runs."""
    names = dict.fromkeys(name for run in runs for name in run.data)
    data = {name: _dataset(plan, name, say) for name in names}
    if plan.splits:
        data = split_by_lists(data, plan.splits, say)
    for dataset in data.values():
        counts = (f"{len(dataset.of_split(s))} {s}" for s in ("train", "validation", "test"))
        whole = f"{len(dataset.nodules)} nodules"
        say(f"{dataset.name}: {', '.join(counts) if plan.folds is None else whole}")
    return data


def _dataset(plan: Plan, name: str, say: Say) -> NoduleDataset:
    found = read_dataset(plan.data[name], cancers_invasive=plan.cancers_invasive)
    dataset = with_own_labels(found, plan.own_tasks)
    for line in said_of(dataset):
        say(line)
    return dataset


def _refuse_data(plan: Plan, parts: Sequence[Part], runs: Sequence[Run], processes: int) -> None:
    """Raises an error that lists every run that cannot be trained on its nodules."""
    for run in runs:
        nodules = (nodule for part in parts for nodule in part.nodules_of(run))
        refuse_unseen_classes(run.own_tasks.values(), nodules)
    folds_with: dict[str, list[str]] = {}
    for part in parts:
        for run in runs:
            for fault in data_faults(run, part.nodules_of(run), processes):
                folds_with.setdefault(fault, []).append(str(part.number))
    if folds_with:
        faults = (
            fault if part.plan is plan else f"{fault} (fold {', '.join(folds)})"
            for fault, folds in folds_with.items()
        )
        raise SeveralFaultsError("The data for the training", tuple(faults))


def _finish(run: Run, part: Part, say: Say, machine: dict) -> None:
    files = {name: run_file(part.folder, run, name) for name in run.networks}
    settings, folder = settings_of(run, part.plan.seed), run_folder(part.folder, run)
    if all(file.exists() for file in files.values()):
        refuse_other_settings(settings, folder)
        if not is_longer(settings, folder):
            say(f"Run {run.name} is finished.")
            return
    say(f"Run {run.name}: {', '.join(run.networks)}")
    for file in files.values() if _first_process() else ():
        file.unlink(missing_ok=True)  # of fewer epochs
    module = fit(run, part.nodules_of(run), folder, seed=part.plan.seed, say=say, **machine)
    for name, file in files.items() if _first_process() else ():
        save_network(module.networks[name], file)


def _silent(text: str) -> None:
    """Says nothing: used by every process but the first."""


def _first_process() -> bool:
    return getattr(rank_zero_only, "rank", 0) == 0


def _keep_freed_memory() -> None:
    """Makes glibc keep the memory that tensors free: fetching it from the system again takes half
    of a DenseSharp step."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
