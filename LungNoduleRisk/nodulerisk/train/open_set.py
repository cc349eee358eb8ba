"""Trains the open weight set's networks on LIDC-IDRI: ``python -m nodulerisk.train.open_set mask|malignancy DATA OUT``.

A plain script: fixed number of epochs, no selection on any score, so validation stays free for calibration and
thresholds, and test for the figures on the card (``python -m nodulerisk.train.open_card``).
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from nodulerisk.networks import build_network
from nodulerisk.networks.layers import Network
from nodulerisk.train.augment import random_mask_sample, random_views
from nodulerisk.train.lidc import LidcNodule, read_lidc

# 37.5 mm is the widest view that LIDC's slices fill in plane; one tensor serves the three networks
SIDES, SIZE = (60, 40, 20), 40
MALIGNANCY_WIDTHS = {"inception": 0.5, "vgg": 0.125, "resnet": 0.25}
MASK_WIDTH = 0.5

Draw = Callable[[LidcNodule, np.random.Generator], tuple[Tensor, Tensor]]
Loss = Callable[[Network, Tensor, Tensor], Tensor]
Job = tuple[dict[str, Network], Draw, Loss]


class RandomCubes(Dataset):
    """Augmented samples of the nodules, a new draw each epoch."""

    def __init__(self, nodules: list[LidcNodule], draw: Draw, seed: int):
        self.nodules, self.draw, self.seed, self.epoch = nodules, draw, seed, 0

    def __len__(self) -> int:
        return len(self.nodules)

    def __getitem__(self, index: int):
        return self.draw(self.nodules[index], np.random.default_rng((self.seed, self.epoch, index)))


def malignancy_sample(nodule: LidcNodule, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Views and the target probability of malignancy: the readers' mean suspicion, 1.5 and below 0, 4.5 and above 1."""
    target = np.clip((nodule.suspicion - 1.5) / 3, 0, 1)
    return random_views(nodule, SIDES, SIZE, rng), torch.tensor(target, dtype=torch.float32)


def malignancy_loss(network: Network, views: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy against the readers' soft label."""
    return F.cross_entropy(network.logits(views), torch.stack([1 - target, target], dim=1))


def mask_loss(network: Network, views: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy plus Dice of the whole batch (a cube without a nodule has no Dice of its own)."""
    logits = network.logits(views)[1]
    probability = torch.sigmoid(logits)
    dice = (2 * (probability * target).sum() + 1) / (probability.sum() + target.sum() + 1)
    return F.binary_cross_entropy_with_logits(logits, target) + 1 - dice


def mask_job() -> Job:
    network = build_network("densesharp", n_classes=3, width=MASK_WIDTH)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # 1.7 times faster to train
    return {"densesharp": network}, random_mask_sample, mask_loss


def malignancy_job() -> Job:
    networks = {
        kind: build_network(kind, input_size=SIZE, n_classes=2, width=width)
        for kind, width in MALIGNANCY_WIDTHS.items()
    }
    return networks, malignancy_sample, malignancy_loss


JOBS = {"mask": mask_job, "malignancy": malignancy_job}


def fit(networks: dict[str, Network], loss: Loss, cubes: RandomCubes, epochs: int, batch: int, out: Path) -> None:
    """Trains the networks side by side on the same batches; writes weights and a CSV log after every epoch."""
    out.mkdir(parents=True, exist_ok=True)
    steps = epochs * (len(cubes) // batch)
    optimisers = {k: torch.optim.AdamW(n.parameters(), lr=2e-3, weight_decay=1e-2) for k, n in networks.items()}
    schedules = {k: torch.optim.lr_scheduler.OneCycleLR(o, 2e-3, total_steps=steps) for k, o in optimisers.items()}
    write_row(out / "log.csv", ["epoch", "seconds", *networks], mode="w")
    for cubes.epoch in range(epochs):
        start, losses = time.perf_counter(), dict.fromkeys(networks, 0.0)
        loader = DataLoader(cubes, batch, shuffle=True, drop_last=True)
        for x, target in tqdm(loader, desc=f"epoch {cubes.epoch + 1}/{epochs}", leave=False):
            for name, network in networks.items():
                value = loss(network.train(), x, target)
                optimisers[name].zero_grad()
                value.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimisers[name].step()
                schedules[name].step()
                losses[name] += value.item() / len(loader)
        row = [cubes.epoch + 1, round(time.perf_counter() - start), *(round(v, 4) for v in losses.values())]
        write_row(out / "log.csv", row)
        for name, network in networks.items():
            save_file({k: v.contiguous() for k, v in network.state_dict().items()}, out / f"{name}.safetensors")


def write_row(path: Path, row: list, mode: str = "a") -> None:
    with path.open(mode, newline="") as file:
        csv.writer(file).writerow(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=list(JOBS))
    parser.add_argument("data", type=Path, help="folder with slices.npz and its tables")
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    nodules = [nodule for nodule in read_lidc(arguments.data) if nodule.split == "train"]
    networks, draw, loss = JOBS[arguments.what]()
    cubes = RandomCubes(nodules, draw, arguments.seed)
    fit(networks, loss, cubes, arguments.epochs, arguments.batch, arguments.out)
    (arguments.out / "settings.json").write_text(json.dumps(vars(arguments), default=str, indent=2))


if __name__ == "__main__":
    main()
