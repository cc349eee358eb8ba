"""The benchmark set: the published networks at full width with random weights, for our engines and
for Keras.

A folder of card.json and safetensors (an ordinary weight set), and for Keras networks.json and HDF5
files of the same weights; input-*.npy are the cubes that every engine is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.tasks import TASKS
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import sha256_of

LARGEST_BATCH = 8
# the head is scaled to logits of this size, so that a rounding error shows in the probabilities
LOGIT = 2.0

# task, kind, the three cubes' sides in voxels of 0.625 mm, input side: npj Digital Medicine 2023,
# Methods
EMV_NETWORKS = (
    ("malignancy", "inception", (80, 60, 40), 60),
    ("malignancy", "vgg", (60, 40, 20), 40),
    ("malignancy", "resnet", (80, 60, 40), 60),
    ("invasiveness", "inception", (60, 40, 20), 40),
    ("invasiveness", "vgg", (80, 60, 40), 60),
    ("invasiveness", "resnet", (60, 40, 20), 40),
    ("grade", "inception", (80, 60, 40), 60),
    ("grade", "vgg", (100, 80, 60), 80),
    ("grade", "resnet", (60, 40, 20), 40),
)


def network_cards(width: float = 1.0, tasks: Iterable[str] = TASKS) -> dict[str, NetworkCard]:
    """The ten networks by name, such as ``grade_vgg80``; only those of ``tasks``; without
    hashes."""
    cards = {}
    for task, kind, sides, size in (*EMV_NETWORKS, ("subtype", "densesharp", None, 32)):
        if task in tasks:
            name = f"{task}_{kind}{size}"
            cards[name] = NetworkCard(kind, f"{name}.safetensors", "", (task,), width, sides, size)
    return cards


def write_bench_set(
    folder: Path, cards: dict[str, NetworkCard], step: Callable[[], None]
) -> WeightSet:
    """Writes the set with weights that are the same on every machine; calls ``step`` after each
    network."""
    torch.manual_seed(0)
    written = {}
    for name, card in cards.items():
        network = build_network(
            card.kind, input_size=card.size, n_classes=card.heads, width=card.width
        )
        cubes = _write_cubes(folder, card)
        _scale_head(network, cubes[:1])
        _let_draw(network)
        save_file(network.state_dict(), folder / card.file)
        write_keras(network, folder / f"{name}.h5")
        written[name] = NetworkCard(**asdict(card) | {"sha256": sha256_of(folder / card.file)})
        step()
    _write_keras_cards(folder, written)
    weights = _weight_set(folder, written)
    save_card(weights)
    return weights


def gflop(card: NetworkCard) -> float:
    """Billions of floating-point operations (two per multiply-add) of one forward pass; counted
    without computing."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = build_network(
            card.kind, input_size=card.size, n_classes=card.heads, width=card.width
        )
        network(torch.zeros(1, _channels(card), *(card.size,) * 3))
    return counter.get_total_flops() / 1e9


def write_keras(network: nn.Module, path: Path) -> None:
    """Writes a network's weights as Keras's ``model.save('….h5')`` lays them out: the inverse of
    ``keras_import``."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights")
        for name, arrays in _keras_layers(network):
            for key, array in arrays.items():
                root[f"{name}/{name}/{key}:0"] = array


def _keras_layers(network: nn.Module):
    """(Keras name, {weight name: array}) of every layer with weights, numbered kind by kind."""
    counts: dict[str, int] = {}
    for layer in network.modules():
        found = _keras_arrays(layer)
        if found is not None:
            kind, arrays = found
            number = counts[kind] = counts.get(kind, -1) + 1
            yield (
                f"{kind}_{number}" if number else kind,
                {key: array.numpy() for key, array in arrays.items()},
            )


def _keras_arrays(layer: nn.Module) -> tuple[str, dict[str, torch.Tensor]] | None:
    state = layer.state_dict()
    if isinstance(layer, nn.BatchNorm3d):
        names = {
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        }
        return "batch_normalization", {keras: state[ours] for keras, ours in names.items()}
    kinds = {nn.Conv3d: "conv3d", nn.ConvTranspose3d: "conv3d_transpose", nn.Linear: "dense"}
    kind = next((name for cls, name in kinds.items() if isinstance(layer, cls)), None)
    if kind is None:
        return None
    kernel = state["weight"].permute((1, 0) if kind == "dense" else (2, 3, 4, 1, 0)).contiguous()
    return kind, {"kernel": kernel} | ({"bias": state["bias"]} if "bias" in state else {})


def _scale_head(network: Any, cubes: np.ndarray) -> None:
    """Scales the head: random deep networks answer exactly 0 or 1; scaled, they answer something in
    between."""
    head = [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(cubes.astype(np.float32)))
        logits = logits[0] if isinstance(logits, tuple) else logits
        head.weight *= LOGIT / logits.abs().max()


def _let_draw(network: Any) -> None:
    """Makes a mask network draw all its cube: at random it draws nothing, and where there is no
    nodule the other networks do not run."""
    if hasattr(network, "mask_head"):
        nn.init.zeros_(network.mask_head.weight)
        nn.init.ones_(network.mask_head.bias)


def _channels(card: NetworkCard) -> int:
    return NETWORKS[card.kind].cubes.channels


def _write_cubes(folder: Path, card: NetworkCard) -> np.ndarray:
    """float16 (8, channels, S, S, S), written once per size: 0..255 for DenseSharp, -0.25..0.75 for
    the others."""
    path = folder / _input_file(card)
    if not path.exists():
        shape = (LARGEST_BATCH, _channels(card), *(card.size,) * 3)
        values = np.random.default_rng(card.size).random(shape, np.float32)
        np.save(
            path,
            (np.floor(256 * values) if card.sides is None else values - 0.25).astype(np.float16),
        )
    return np.load(path, mmap_mode="r")


def _input_file(card: NetworkCard) -> str:
    return f"input-{card.size}.npy"


def _write_keras_cards(folder: Path, cards: dict[str, NetworkCard]) -> None:
    values = [
        {"name": name, "keras_file": f"{name}.h5", "input": _input_file(card), "heads": card.heads}
        | asdict(card)
        for name, card in cards.items()
    ]
    (folder / "networks.json").write_text(json.dumps(values, indent=2))


def _weight_set(folder: Path, cards: dict[str, NetworkCard]) -> WeightSet:
    nothing = Evidence("none", "random weights, to measure speed")
    tasks = {
        task: TaskCard(tuple(n for n in cards if n.startswith(task)), nothing) for task in TASKS
    }
    mask_network = next((name for name, card in cards.items() if card.draws_mask), None)
    return WeightSet(folder, "bench", "1", "none", "random weights", cards, tasks, mask_network)
