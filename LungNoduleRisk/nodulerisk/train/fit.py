"""Fitting one run of a plan with Lightning: checkpoints after every epoch, and continuing from the
last one after a kill."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch.utils.data import DataLoader

from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole
from nodulerisk.train.batches import Batches
from nodulerisk.train.loggers import USUAL, loggers_named
from nodulerisk.train.module import NetworksInTraining
from nodulerisk.train.plan import Run
from nodulerisk.train.samples import RandomSamples, View, exact_samples


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
    loggers: Sequence[str] = USUAL,
) -> NetworksInTraining:
    """Trains a run's networks; an interrupted run continues after its last complete epoch, with the
    same result.

    Args:
        run: of a plan.
        nodules: train and validation ones; others are ignored.
        out: folder of checkpoints (``last.ckpt``, ``best.ckpt``) and logs.
        seed: of all random draws.
        accelerator, devices, nodes: as in Lightning; several devices or nodes train by DDP.
        workers: processes that prepare samples.
        loggers: names in ``LOGGERS``.

    Returns:
        The trained networks, in eval mode on the CPU.

    Raises:
        NoduleRiskError: no nodule to train on or validate with, a checkpoint of another run, or no
            such logger.
    """
    refuse_other_settings(asdict(run) | {"seed": seed}, out / "run.json")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # it advertises at INFO
    module = NetworksInTraining(run, seed)
    several = nodes > 1 or (isinstance(devices, int) and devices > 1)
    machine: dict[str, Any] = {"accelerator": accelerator, "devices": devices, "num_nodes": nodes}
    machine["logger"] = loggers_named(loggers, out)
    trainer = _trainer(run, out, strategy="ddp" if several else "auto", **machine)
    last = out / "last.ckpt"
    data = NoduleData(run, nodules, seed, workers)
    warnings.filterwarnings("ignore", message="Checkpoint directory")  # it holds the settings
    try:
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)
    except SystemExit as ended:  # Lightning's answer to Ctrl-C
        raise KeyboardInterrupt from ended
    if run.keep == "best":
        state = torch.load(out / "best.ckpt", map_location="cpu", weights_only=True)
        module.load_state_dict(state["state_dict"])
    return module.cpu().eval()


class NoduleData(lightning.LightningDataModule):
    """The batches of a run."""

    def __init__(self, run: Run, nodules: Sequence[LabelledNodule], seed: int, workers: int = 0):
        super().__init__()
        self._run, self._seed, self._workers = run, seed, workers
        self._view = View(run.cubes, run.sides, run.size)
        useful = [nodule for nodule in nodules if _teaches(nodule, run)]
        self._train = [nodule for nodule in useful if nodule.split == "train"]
        self._validation = [nodule for nodule in useful if nodule.split == "validation"]
        for split, found in (("train on", self._train), ("validate with", self._validation)):
            if not found:
                raise NoduleRiskError(
                    f"Run {run.name} has no nodule to {split}: check its data, tasks and splits."
                )

    def setup(self, stage: str) -> None:
        run = self._run
        self._exact = exact_samples(self._validation, self._view, run.tasks, run.table)

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
        groups = [_group(nodule, run) for nodule in self._train]
        batches = Batches(groups, run.batch, run.balance or None, **draws, **shares)
        return DataLoader(samples, batch_sampler=batches, num_workers=self._workers)

    def val_dataloader(self) -> DataLoader:
        """Every process validates on all nodules: the figures are then exact, not means over uneven
        shares."""
        return DataLoader(self._exact, batch_size=32)


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that a kill cannot leave half-written."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path, storage_options: Any | None = None
    ) -> None:
        with written_whole(Path(path)) as partial:
            super().save_checkpoint(checkpoint, partial, storage_options)


def _trainer(run: Run, out: Path, **machine) -> lightning.Trainer:
    """Returns a trainer that keeps ``best.ckpt``, ``last.ckpt`` and the logs in the folder;
    ``machine`` is passed to Lightning unchanged."""
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
        callbacks=[checkpoints, LearningRateMonitor(), *_early_stopping(run)],
        plugins=[WholeCheckpoints()],
        use_distributed_sampler=False,  # Batches divides the samples itself
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        enable_model_summary=False,
        **machine,
    )


def refuse_other_settings(settings: dict[str, Any], path: Path) -> None:
    """Keeps the settings beside the checkpoints: a run goes on as it began.

    Raises:
        NoduleRiskError: there are others.
    """
    text = json.dumps(settings, indent=2) + "\n"
    if not path.exists():
        with written_whole(path) as partial:
            partial.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise NoduleRiskError(
            f"{path.parent} holds a run that began with other settings: use its original plan, or"
            " choose another --out."
        )


def _teaches(nodule: LabelledNodule, run: Run) -> bool:
    heads = zip(run.tasks, run.heads, strict=True)
    known = any(nodule.target(task, count) is not None for task, count in heads)
    return known or (run.draws_mask and nodule.marked is not None)


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
