"""A small weight set with random networks, for tests of everything that runs one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from nodulerisk.networks.build import build_network
from nodulerisk.tasks import TASKS, Task
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.own_tasks import OwnTask
from nodulerisk.weights.store import load_weight_set, sha256_of

SIDES, SIZE, WIDTH = (60, 40, 20), 40, 0.125


def made_weights(
    folder: Path, seed: int = 0, own_tasks: Mapping[str, OwnTask] | None = None
) -> WeightSet:
    """Malignancy by three narrow networks, subtype and mask by a narrow DenseSharp, each own task
    by a narrow inception; the rest not run."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    networks = {
        kind: _network(folder, kind, TASKS["malignancy"]) for kind in ("inception", "vgg", "resnet")
    }
    networks["densesharp"] = _network(folder, "densesharp", TASKS["subtype"])
    own = dict(own_tasks or {})
    for name, task in own.items():
        card = _network(folder, "inception", task, f"own-{name}")
        networks[f"own-{name}"] = replace(card, own_tasks={name: task})
    reader, none = Evidence("reader", "made up", "made up"), Evidence("none", "no weights for it")
    tasks = {
        "malignancy": TaskCard(("inception", "vgg", "resnet"), reader, 0.4),
        "invasiveness": TaskCard((), none),
        "grade": TaskCard((), none),
        "subtype": TaskCard(("densesharp",), replace(reader, level="simulated")),
    }
    tasks |= {
        name: TaskCard((f"own-{name}",), replace(reader, level=task.evidence[0]))
        for name, task in own.items()
    }
    about = folder, "made", "1", "none", "nobody"
    save_card(WeightSet(*about, networks, tasks, "densesharp", reader, own_tasks=own))
    return load_weight_set(folder)


def _network(folder: Path, kind: str, task: Task, name: str = "") -> NetworkCard:
    mask = kind == "densesharp"
    network = build_network(
        kind, input_size=32 if mask else SIZE, n_classes=len(task.classes), width=WIDTH
    )
    if mask:
        draw_bright_blobs(network)
    file = folder / f"{name or kind}.safetensors"
    save_file(network.state_dict(), file)
    return NetworkCard(
        kind,
        file.name,
        sha256_of(file),
        (task.name,),
        WIDTH,
        None if mask else SIDES,
        32 if mask else SIZE,
    )


def draw_bright_blobs(network: torch.nn.Module) -> None:
    """Sets DenseSharp's mask head so that a cube's mask is simply its voxels above about -300 HU.

    The stem's first channel passes on the grey level; the dense layers keep it as the last channel
    of their block.
    """
    with torch.no_grad():
        network.stem.weight.zero_()
        network.stem.weight[0, 0, 1, 1, 1] = 1.0
        network.stem.bias.zero_()
        for up in (network.up_to_middle, network.up_to_shallow):
            up.weight.zero_()
            up.bias.zero_()
        # after the new features
        stem_channel = network.block_channels[0] - network.stem.out_channels
        network.mask_head.weight.zero_()
        network.mask_head.weight[0, stem_channel] = 20.0
        network.mask_head.bias.fill_(-20.0 * (130 / 128 - 1))
