"""A small weight set with random networks, for tests of everything that runs one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from nodulerisk.networks.build import build_network
from nodulerisk.tasks import TASKS
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set, sha256_of

SIDES, SIZE, WIDTH = (60, 40, 20), 40, 0.125


def made_weights(folder: Path, seed: int = 0) -> WeightSet:
    """Malignancy by three narrow networks, subtype and mask by a narrow DenseSharp; the rest not
    run."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    networks = {
        kind: _network(folder, kind, "malignancy") for kind in ("inception", "vgg", "resnet")
    }
    networks["densesharp"] = _network(folder, "densesharp", "subtype")
    reader, none = Evidence("reader", "made up", "made up"), Evidence("none", "no weights for it")
    tasks = {
        "malignancy": TaskCard(("inception", "vgg", "resnet"), reader, 0.4),
        "invasiveness": TaskCard((), none),
        "grade": TaskCard((), none),
        "subtype": TaskCard(("densesharp",), replace(reader, level="simulated")),
    }
    save_card(
        WeightSet(folder, "made", "1", "none", "nobody", networks, tasks, "densesharp", reader)
    )
    return load_weight_set(folder)


def _network(folder: Path, kind: str, task: str) -> NetworkCard:
    mask = kind == "densesharp"
    network = build_network(
        kind, input_size=32 if mask else SIZE, n_classes=len(TASKS[task].classes), width=WIDTH
    )
    if mask:
        draw_bright_blobs(network)
    file = folder / f"{kind}.safetensors"
    save_file(network.state_dict(), file)
    return NetworkCard(
        kind,
        file.name,
        sha256_of(file),
        (task,),
        WIDTH,
        None if mask else SIDES,
        32 if mask else SIZE,
    )


def draw_bright_blobs(network: torch.nn.Module) -> None:
    """Sets DenseSharp's mask head so that a cube's mask is simply its voxels above about -300 HU.

    The stem's first channel passes the grey level on; the dense layers keep it as their block's
    last channels.
    """
    with torch.no_grad():
        network.stem.weight.zero_()
        network.stem.weight[0, 0, 1, 1, 1] = 1.0
        network.stem.bias.zero_()
        for up in (network.up_to_middle, network.up_to_shallow):
            up.weight.zero_()
            up.bias.zero_()
        # behind the new features
        stem_channel = network.block_channels[0] - network.stem.out_channels
        network.mask_head.weight.zero_()
        network.mask_head.weight[0, stem_channel] = 20.0
        network.mask_head.bias.fill_(-20.0 * (130 / 128 - 1))
