"""One training step against the CPU's, and a short training, at full width."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F
from torch import Tensor

from gpu_bench.measuring import Setting, attempt
from nodulerisk.engine.engine import tf32
from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.networks.layers import Network
from nodulerisk.weights.card import NetworkCard

SECONDS = 6.0  # of training a network
RATE = 1e-3


def training(setting: Setting) -> None:
    """A network of every kind, on noise whose middle is brighter in one class."""
    row = setting.table(
        "Training (AdamW; bf16 autocast, channels last)",
        *("network", "one step in fp32: loss, from the CPU's", "gradient's norm, relative"),
        *("batch", "steps", "ms a step", "loss, first → mean of the last five", "GiB at most"),
    )
    cards = {card.kind: card for card in setting.cards.values()}
    side = 64 if setting.full else 32
    unet = NetworkCard("unet", "", "", ("malignancy",), setting.width, None, side)
    for kind, card in (cards | {"unet": unet}).items():
        cells = attempt(lambda: " | ".join(_trained(card, setting)))  # noqa: B023
        row(kind, cells)


def _trained(card: NetworkCard, setting: Setting) -> list[str]:
    batch = 8 if setting.full else 2
    (loss, norm), (right, right_norm) = (_step(card, to) for to in (setting.device, "cpu"))
    if setting.full:
        torch.cuda.reset_peak_memory_stats()
    losses, seconds = _short(card, batch, setting)
    peak = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if setting.full else "-"
    last = sum(losses[-5:]) / len(losses[-5:])
    return [
        f"{abs(loss - right):.1e}",
        f"{abs(norm / right_norm - 1):.1e}",
        str(batch),
        str(len(losses)),
        f"{1000 * seconds / len(losses):.4g}",
        f"{losses[0]:.3f} → {last:.3f}",
        peak,
    ]


def _network(card: NetworkCard) -> Network:
    torch.manual_seed(0)
    return build_network(card.kind, input_size=card.size, width=card.width).train()


def _examples(card: NetworkCard, count: int) -> tuple[Tensor, Tensor]:
    kind = NETWORKS[card.kind].cubes
    classes = torch.arange(count) % 2
    share = 0.6 * torch.rand(count, kind.channels, *(card.size,) * 3)
    middle = slice(card.size // 4, 3 * card.size // 4)
    share[:, :, middle, middle, middle] += 0.3 * classes.view(-1, 1, 1, 1, 1)
    return kind.scaled(share), classes


def _loss(network: Network, cubes: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy, and for a mask how dense each voxel is."""
    found = network.logits(cubes)
    if not isinstance(found, tuple):
        return F.cross_entropy(found.float(), classes)
    wanted = (cubes > cubes.mean()).float()
    mask = F.binary_cross_entropy_with_logits(found[1].float(), wanted)
    return F.cross_entropy(found[0].float(), classes) + mask


def _step(card: NetworkCard, device: str) -> tuple[float, float]:
    """Loss and norm of the gradient of one step in fp32, without dropout, which draws otherwise on
    each device."""
    network = _network(card).to(device)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.eval()
    with tf32(False):
        loss = _loss(network, *(part.to(device) for part in _examples(card, 2)))
        loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(network.parameters(), float("inf"))
    return float(loss.detach()), float(norm)


def _short(card: NetworkCard, batch: int, setting: Setting) -> tuple[list[float], float]:
    """Trains for some seconds; returns the loss of every step, and the seconds after the first."""
    device, layout = setting.device, torch.channels_last_3d
    network = _network(card).to(device, memory_format=layout)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), RATE)
    cubes, classes = (part.to(device) for part in _examples(card, batch))
    cubes = cubes.contiguous(memory_format=layout)
    losses: list[float] = []
    start = time.perf_counter()
    while time.perf_counter() - start < (SECONDS if setting.full else 0.5):
        with torch.autocast(device, torch.bfloat16):
            loss = _loss(network, cubes, classes)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses, time.perf_counter() - start
