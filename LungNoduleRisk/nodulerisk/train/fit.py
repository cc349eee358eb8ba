"""Fitting one run of a plan with Lightning: checkpoints after every epoch, and continuing from the
last one after a kill, or for more epochs."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.plugins.io import TorchCheckpointIO
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.datasets.sharing import made_once
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole
from nodulerisk.networks.layers import Network
from nodulerisk.train.batches import Batches
from nodulerisk.train.loggers import USUAL, loggers_named
from nodulerisk.train.module import NetworksInTraining
from nodulerisk.train.plans.runs import Run
from nodulerisk.train.samples import RandomSamples, exact_samples
from nodulerisk.train.settings import LAST, keep_settings
from nodulerisk.train.start import keep_starts, take_weights
from nodulerisk.train.view import View

Say = Callable[[str], None]
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
KEPT = "kept"  # folder beside the checkpoints
SAY_SECONDS = 30.0  # between two messages about epochs


def fit(
    run: Run,
    nodules: Sequence[LabelledNodule],
    out: Path,
    *,
    seed: int = 0,
    accelerator: str = "auto",
    devices: int | str = "auto",
    nodes: int = 1,
    workers: int = 0,
    say: Say | None = None,
    loggers: Sequence[str] = USUAL,
) -> NetworksInTraining:
    """Trains a run's networks; an interrupted run continues after its last complete epoch, with the
    same result, and a finished one if it is to have more epochs.

    Args:
        run: of a plan.
        nodules: train and validation ones; others are ignored.
        out: folder of checkpoints (``last.ckpt``, ``best.ckpt``) and logs.
        seed: of all random draws.
        accelerator, devices, nodes: as in Lightning; several devices or nodes train by DDP.
        workers: processes that prepare samples.
        say: called with what the networks began with, and after epochs with the time left.
        loggers: names in ``LOGGERS``.

    Returns:
        The trained networks, in eval mode on the CPU.

    Raises:
        NoduleRiskError: no nodule to train on or validate with, a checkpoint of another run, or no
            such logger.
    """
    for fault in machine_faults([run], accelerator):
        raise NoduleRiskError(fault)
    _quieten_lightning()
    data = NoduleData(run, nodules, str(out), seed, workers)
    module = NetworksInTraining(run, seed)
    several = processes_of(devices, nodes) > 1
    trainer = _trainer(
        run,
        out,
        say,
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy="ddp" if several else "auto",
        logger=loggers_named(loggers, out),
    )
    last = out / LAST
    if not last.exists():
        _start(module, out, say)
    keep_settings(settings_of(run, seed), out)
    try:
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit as ended:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from ended
    if run.keep == "best":
        state = torch.load(out / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    return module.cpu().eval()


def _quieten_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises at INFO
    for meant in (
        "Checkpoint directory",  # it holds the settings
        r"`isinstance\(treespec",  # Lightning's own code
        "Found .* in eval mode",  # frozen layers
    ):
        warnings.filterwarnings("ignore", message=meant)


def settings_of(run: Run, seed: int) -> dict[str, Any]:
    """Returns what a run must keep if it goes on, as JSON holds it."""
    return json.loads(json.dumps(asdict(run) | {"seed": seed}))


def _start(module: NetworksInTraining, out: Path, say: Say | None) -> None:
    """Fills the networks with the weights that they are to begin with, and keeps what was taken."""
    run, starts = module.run, {}
    for name, plan in run.networks.items():
        if plan.init is not None:
            network = module.networks[name]
            assert isinstance(network, Network)
            starts[name] = take_weights(network, name, plan, run)
            if say:
                say(f"Network {name} begins with {starts[name].words()}.")
    if starts:
        keep_starts(starts, out)


class TimeLeft(Callback):
    """Says after an epoch, but not too often, what it gave and how long the others will take."""

    def __init__(self, run: Run, say: Say):
        self._run, self._say = run, say
        self._began = self._said = time.monotonic()
        self._first = self._steps = 0

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        self._began, self._first = time.monotonic(), trainer.current_epoch
        self._steps = trainer.global_step

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.global_step == self._steps:  # Lightning ends the last epoch of before again
            self._first += 1
            return
        done, now, monitor = trainer.current_epoch + 1, time.monotonic(), f"val_{self._run.monitor}"
        is_first_or_last = done in (self._first + 1, self._run.epochs)
        if not is_first_or_last and now - self._said < SAY_SECONDS:
            return
        self._said = now
        left = (now - self._began) / (done - self._first) * (self._run.epochs - done)
        figure = trainer.callback_metrics.get(monitor)
        self._say(
            f"Run {self._run.name}: epoch {done} of {self._run.epochs}"
            + (f", {monitor} {float(figure):.4g}" if figure is not None else "")
            + (f", at most {time_words(left)} left" if left else "")
        )


def time_words(seconds: float) -> str:
    """Returns ``40 s``, ``12 min`` or ``3 h 20 min``."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


class KeptNetworks(Callback):
    """Keeps the networks of every epoch that is the best so far, or of all, each with its epoch and
    validation figure in the file's name; any can be a network's ``init``."""

    def __init__(self, run: Run, out: Path):
        self._run, self._folder = run, out / KEPT
        self._best: float | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]

    def on_validation_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        figure = float(trainer.callback_metrics[f"val_{self._run.monitor}"])
        is_better = self._best is None or (
            figure < self._best if self._run.mode == "min" else figure > self._best
        )
        if is_better:
            self._best = figure
        if not trainer.is_global_zero or not (is_better or self._run.checkpoints == "every"):
            return
        networks = module.networks
        assert isinstance(networks, nn.ModuleDict)
        for name, network in networks.items():
            save_network(network, self._folder / self._name(name, trainer.current_epoch, figure))

    def _name(self, network: str, epoch: int, figure: float) -> str:
        return f"{network}.epoch{epoch + 1:03d}.{self._run.monitor}{figure:.4f}.safetensors"


def save_network(network: nn.Module, file: Path) -> None:
    """Writes a network's arrays as safetensors, whole or not at all."""
    with written_whole(file) as partial:
        save_file(
            {name: array.contiguous() for name, array in network.state_dict().items()}, partial
        )


class NoduleData(lightning.LightningDataModule):
    """The batches of a run; its name, such as its folder, is another for every fold."""

    def __init__(
        self, run: Run, nodules: Sequence[LabelledNodule], name: str, seed: int, workers: int = 0
    ):
        super().__init__()
        self._run, self._name, self._seed, self._workers = run, name, seed, workers
        self._view = View(run.cubes, run.sides, run.size)
        for fault in data_faults(run, nodules):
            raise NoduleRiskError(fault)
        self._train, self._validation = (_useful(run, nodules, s) for s in ("train", "validation"))

    def setup(self, stage: str) -> None:
        run = self._run
        self._exact = made_once(
            self._name, lambda: exact_samples(self._validation, self._view, run.tasks, run.table)
        )

    def train_dataloader(self) -> DataLoader:
        run, trainer = self._run, self.trainer
        assert trainer is not None
        draws = {"seed": self._seed, "epoch": trainer.current_epoch}
        shares = {"process": trainer.global_rank, "processes": trainer.world_size}
        samples = RandomSamples(
            self._train,
            self._view,
            run.tasks,
            pose=run.pose,
            scans=run.scans,
            beside=run.beside,
            table=run.table,
            **draws,
        )
        groups = [_group(nodule, run) for nodule in samples.nodules]
        steps = len(self._train) if run.steps == "nodules" else None
        batches = Batches(groups, run.batch, run.balance or None, steps=steps, **draws, **shares)
        return DataLoader(samples, batch_sampler=batches, num_workers=self._workers)

    def val_dataloader(self) -> DataLoader:
        """Every process validates on all nodules: the figures are then exact, not means over uneven
        shares."""
        return DataLoader(self._exact, batch_size=32)  # type: ignore[arg-type]  # a list has what it needs


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that a kill cannot leave half-written."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path, storage_options: Any | None = None
    ) -> None:
        with written_whole(Path(path)) as partial:
            super().save_checkpoint(checkpoint, partial, storage_options)


def _trainer(run: Run, out: Path, say: Say | None, **machine) -> lightning.Trainer:
    """Returns a trainer that keeps ``best.ckpt``, ``last.ckpt`` and the logs in the folder;
    ``machine`` is passed to Lightning unchanged."""
    told: list[Callback] = [TimeLeft(run, say)] if say else []
    if run.checkpoints != "best":
        told.append(KeptNetworks(run, out))
    checkpoints = ModelCheckpoint(
        out,
        filename="best",
        monitor=f"val_{run.monitor}",
        mode=run.mode,
        save_last=True,
        enable_version_counter=False,
        save_on_train_epoch_end=False,
    )
    return lightning.Trainer(
        max_epochs=run.epochs,
        precision=run.precision,  # type: ignore[arg-type]
        callbacks=[checkpoints, LearningRateMonitor(), *_early_stopping(run), *told],
        plugins=[WholeCheckpoints()],
        use_distributed_sampler=False,  # Batches divides the samples itself
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_model_summary=False,
        **machine,
    )


def data_faults(run: Run, nodules: Sequence[LabelledNodule], processes: int = 1) -> Iterator[str]:
    """Yields why the run cannot be trained on these nodules by so many processes."""
    train, validation = (_useful(run, nodules, split) for split in ("train", "validation"))
    for what, found in (("train on", train), ("validate with", validation)):
        if not found:
            yield f"Run {run.name} has no nodule to {what}: check its data, tasks and splits."
    yield from _class_faults(run, train) if train else ()
    if processes > 1 and 0 < len(train) < 2 * processes:
        yield (
            f"Run {run.name} has {len(train)} nodules to train on, too few for {processes}"
            " processes, of which each needs two: start fewer."
        )
    groups = {_group(nodule, run) for nodule in train}
    for group in run.balance if train else ():
        if group not in groups:
            yield (
                f"Run {run.name}: there is no '{group}' to train on, which the plan's balance"
                " requires: leave it out."
            )
    monitored = "accuracy" in (run.monitor, run.schedule_monitor)
    if monitored and validation and not any(_labelled(n, run) for n in validation):
        yield f"Run {run.name}: no validation nodule has a label for the accuracy: monitor loss."


def _class_faults(run: Run, nodules: Sequence[LabelledNodule]) -> Iterator[str]:
    """Yields the tasks that nodules do not teach, since fewer than two of the classes are there."""
    for task, count in zip(run.tasks, run.heads, strict=True):
        targets = (nodule.target(task, count) for nodule in nodules)
        seen = {int(np.argmax(target)) for target in targets if target is not None}
        if len(seen) < 2:
            known = "".join(f"is '{run.table[task].classes[index]}'" for index in seen)
            yield (
                f"Run {run.name}: every nodule to train on with a label of {task} {known}: give"
                " nodules of other classes, or leave the task out."
                if seen
                else f"Run {run.name}: no nodule to train on has a label of {task}: give some, or"
                " leave the task out."
            )


def processes_of(devices: int | str = "auto", nodes: int = 1) -> int:
    """Returns how many processes train together, as far as they are counted."""
    return nodes * (devices if isinstance(devices, int) else 1)


def machine_faults(runs: Sequence[Run], accelerator: str) -> Iterator[str]:
    """Yields what this machine cannot do; ``accelerator`` as for ``fit``."""
    if accelerator not in ACCELERATORS:
        yield f"accelerator is '{accelerator}': choose one of {', '.join(ACCELERATORS)}."
        return
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    present |= {"auto": True, "cpu": True, "gpu": any(present.values())}
    if not present[accelerator]:
        yield f"this machine has no {accelerator} that torch can use: choose cpu or auto."
    if accelerator == "cpu" or not present["gpu"]:
        for run in runs:
            if run.precision != "32":
                yield (
                    f"run {run.name}: precision {run.precision} needs a GPU: write 32. On a CPU,"
                    " torch's bf16 gradients of small maps are wrong or not finite."
                )


def _useful(run: Run, nodules: Sequence[LabelledNodule], split: str) -> list[LabelledNodule]:
    return [nodule for nodule in nodules if nodule.split == split and _teaches(nodule, run)]


def _teaches(nodule: LabelledNodule, run: Run) -> bool:
    return _labelled(nodule, run) or (run.draws_mask and nodule.marked is not None)


def _labelled(nodule: LabelledNodule, run: Run) -> bool:
    heads = zip(run.tasks, run.heads, strict=True)
    return any(nodule.target(task, count) is not None for task, count in heads)


def _group(nodule: LabelledNodule, run: Run) -> str:
    """Returns the pathology if batches are balanced by it, else the class of the first task."""
    if nodule.pathology in run.balance:
        return nodule.pathology
    task = run.tasks[0]
    return run.table[task].classes[nodule.labels[task]] if task in nodule.labels else ""


def _early_stopping(run: Run) -> list[Callback]:
    return (
        [EarlyStopping(f"val_{run.monitor}", mode=run.mode, patience=run.stop_after)]
        if run.stop_after
        else []
    )
