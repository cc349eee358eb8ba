"""A run's networks as files: at its end, and those of better epochs on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from torch import nn

from nodulerisk.files import written_whole
from nodulerisk.train.plans.runs import Run

KEPT = "kept"  # folder beside the checkpoints


def save_network(network: nn.Module, file: Path) -> None:
    """Writes a network's arrays as safetensors, whole or not at all."""
    with written_whole(file) as partial:
        save_file(
            {name: array.contiguous() for name, array in network.state_dict().items()}, partial
        )


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
