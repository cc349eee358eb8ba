"""``nodulerisk train``: the runs of a plan, one after the other, then the weight set made from
them."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_only
from safetensors.torch import save_file

from nodulerisk.datasets.nodules import NoduleDataset, joined
from nodulerisk.datasets.own_labels import refuse_unseen_classes, with_own_labels
from nodulerisk.datasets.read import read_dataset, said_of
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.predictions import Progress
from nodulerisk.files import written_whole
from nodulerisk.own_tasks import OwnTask
from nodulerisk.train.fit import fit
from nodulerisk.train.plan import Plan, Run
from nodulerisk.train.weight_set import make_weight_set, run_file
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
    """Fits the plan's unfinished runs, each in ``out/runs/NAME``, then makes the weight set.

    Args:
        plan: from ``read_plan``.
        out: folder of the weight set.
        only: fit this one run and stop.
        say: called with messages about progress, and about every case that was left out.
        progress: called with what is being evaluated and the share done, 0..1.
        machine: ``accelerator``, ``devices``, ``nodes``, ``workers`` and ``loggers`` of ``fit``.

    Returns:
        The set; None after a single run, and in all but the first of several processes.

    Raises:
        NoduleRiskError: the data cannot be read or trained on, or the run is unknown.
    """
    runs = [run for run in plan.runs if only in (None, run.name)]
    if not runs:
        raise NoduleRiskError(
            f"The plan has no run '{only}', only {', '.join(run.name for run in plan.runs)}."
        )
    _keep_freed_memory()
    say = say if _first_process() else _silent
    data = {
        name: _read(plan.data[name], plan.own_tasks, say)
        for name in dict.fromkeys(name for run in runs for name in run.data)
    }
    for run in runs:
        refuse_unseen_classes(
            run.own_tasks.values(), (n for name in run.data for n in data[name].nodules)
        )
    for run in runs:
        _finish(run, data, out, plan.seed, say, machine)
    if only is not None or not _first_process():
        return None
    say("Evaluating on validation and test nodules.")
    return make_weight_set(plan, data, out, progress)


def _read(path: Path, own: dict[str, OwnTask], say: Say) -> NoduleDataset:
    dataset = with_own_labels(read_dataset(path), own)
    for line in said_of(dataset):
        say(line)
    say(
        f"{dataset.name}:"
        f" {', '.join(f'{len(dataset.of_split(s))} {s}' for s in ('train', 'validation', 'test'))}"
    )
    return dataset


def _finish(
    run: Run, data: dict[str, NoduleDataset], out: Path, seed: int, say: Say, machine: dict
) -> None:
    files = {name: run_file(out, run, name) for name in run.networks}
    if all(file.exists() for file in files.values()):
        say(f"Run {run.name} is finished.")
        return
    say(f"Run {run.name}: {', '.join(run.networks)}")
    nodules = joined([data[name] for name in run.data]).nodules
    module = fit(run, nodules, out / "runs" / run.name, seed=seed, **machine)
    for name, file in files.items() if _first_process() else ():
        with written_whole(file) as partial:
            state = module.networks[name].state_dict()
            save_file({key: value.contiguous() for key, value in state.items()}, partial)


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
