"""Fitting the network: so many steps, kept on the way, and on from there after a kill."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nodulerisk.files import written_whole
from nodulerisk.train.settings import keep_settings
from nodulerisk.train.unet.batches import Lungs, batch, roles_of
from nodulerisk.train.unet.losses import losses, weighted
from nodulerisk.train.unet.network import HelpedUNet

LEARNING_RATE, WEIGHT_DECAY, BETAS = 2e-3, 1e-2, (0.9, 0.98)
LEAST_RATE = 1e-6
WARM_UP = 100  # steps until the full learning rate: batch normalisation has to settle first
LONGEST_MEAN, EARLY_STEPS = 0.999, 20  # of the running mean of the weights, short at first
CLIP = 5.0  # norm of a step's gradient
KEEP_SECONDS = 120.0  # what a kill costs at most, and a step
LOG_EVERY = 10  # steps

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Settings:
    """How a network is fitted.

    Attributes:
        steps: of the optimiser. 2,325 took 445 s on an H100 that five others shared.
        batch: cubes a step.
        width: of the network, as ``build_network`` takes it.
        side: voxels of the cubes; the network's own are 64.
        seed: of every draw.
    """

    steps: int = 2500
    batch: int = 34
    width: float = 1.0
    side: int = 64
    seed: int = 0


def fit(
    lungs: Lungs,
    settings: Settings,
    out: Path,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
    keep_seconds: float = KEEP_SECONDS,
) -> HelpedUNet:
    """Trains the network; one that was broken off goes on, on a CPU to the same result.

    Args:
        lungs: on the device.
        settings: of the fit.
        out: folder of ``last.ckpt``, ``run.json`` and ``log.csv``.
        device: as torch takes it.
        progress: called with what is done and the steps that are.
        keep_seconds: between checkpoints.

    Returns:
        The running mean of the trained networks, in eval mode on the device.

    Raises:
        NoduleRiskError: the folder holds a run with other settings, or on other data.
    """
    pieces = {"nodules": len(lungs.nodules), "whole_cts": len(lungs.whole)}
    keep_settings(asdict(settings) | pieces, out)
    training = Training(settings, device)
    if (out / "last.ckpt").exists():
        training.go_on_from(out)
    kept = time.monotonic()
    while training.done < settings.steps:
        if progress:
            progress(training.words(), training.done)
        training.step(lungs)
        if time.monotonic() - kept >= keep_seconds or training.done == settings.steps:
            training.keep(out)
            kept = time.monotonic()
    return training.averaged().eval()


class Training:
    """A network on its way.

    Attributes:
        done: steps so far.
        mean: the running mean of the network's weights; ``averaged`` is the network of them.
        log: a row for every ``LOG_EVERY`` steps.
    """

    def __init__(self, settings: Settings, device: str):
        self.settings, self.device, self.done = settings, device, 0
        torch.manual_seed(settings.seed)
        self._network = HelpedUNet(settings.width).to(device)
        self._network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # faster everywhere
        self.mean = AveragedModel(self._network, avg_fn=_mean, use_buffers=True)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), LEARNING_RATE, BETAS, weight_decay=WEIGHT_DECAY
        )
        self.log: list[dict[str, float]] = []

    def step(self, lungs: Lungs) -> None:
        """One step, whose draws depend on the seed and on how many were done alone."""
        settings = self.settings
        torch.manual_seed(settings.seed * 1_000_003 + self.done)  # dropout
        rate = learning_rate(self.done, settings.steps)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        seed = (settings.seed, self.done)
        wanted = batch(lungs, roles_of(settings.batch), settings.side, seed)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            cubes = wanted.cube.contiguous(memory_format=torch.channels_last_3d)
            classes, masks = self._network.logits(cubes)
        parts = losses(classes.float(), masks.float(), wanted)
        self._optimiser.zero_grad(set_to_none=True)
        weighted(parts).backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), CLIP)
        self._optimiser.step()
        self.mean.update_parameters(self._network)
        if self.done % LOG_EVERY == 0:
            self.log.append(self._row(rate, parts))
        self.done += 1

    def averaged(self) -> HelpedUNet:
        network = self.mean.module
        assert isinstance(network, HelpedUNet)
        return network

    def words(self) -> str:
        return f"mask loss {self.log[-1]['mask']:.3f}" if self.log else "first step"

    def keep(self, out: Path) -> None:
        """Writes the checkpoint and the log, each whole."""
        with written_whole(out / "last.ckpt") as partial:
            torch.save(self._state(), partial)
        with written_whole(out / "log.csv") as partial, open(partial, "w", newline="") as file:
            writer = csv.DictWriter(file, self.log[0])
            writer.writeheader()
            writer.writerows(self.log)

    def go_on_from(self, out: Path) -> None:
        """Goes on from the folder's checkpoint."""
        state = torch.load(out / "last.ckpt", map_location="cpu", weights_only=True)
        self._network.load_state_dict(state["network"])
        self.mean.load_state_dict(state["mean"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.done, self.log = state["done"], state["log"]

    def _state(self) -> dict[str, Any]:
        return {
            "network": self._network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "done": self.done,
            "log": self.log,
        }

    def _row(self, rate: float, parts: dict[str, Tensor]) -> dict[str, float]:
        return {"step": self.done, "learning_rate": rate} | {
            name: float(part.detach()) for name, part in parts.items()
        }


def learning_rate(done: int, steps: int) -> float:
    """A short rise, then half a cosine down to nothing at the last step."""
    rise = min(1.0, done / WARM_UP)
    return LEARNING_RATE * rise * 0.5 * (1 + math.cos(math.pi * done / steps)) + LEAST_RATE


def _mean(mean: Tensor, new: Tensor, count: Tensor | int) -> Tensor:
    """The running mean over ever more steps."""
    if not mean.is_floating_point():
        return new
    share = min(LONGEST_MEAN, float(count + 1) / float(count + EARLY_STEPS))
    return torch.lerp(new, mean, share)
