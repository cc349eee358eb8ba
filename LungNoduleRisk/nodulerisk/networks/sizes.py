"""How large networks are and what one nodule costs them, without computing anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from nodulerisk.networks.build import outlined
from nodulerisk.networks.kinds import recipe_of
from nodulerisk.tasks import TASKS
from nodulerisk.weights.card import WeightSet

PUBLISHED = (  # task, kind and side of the input: EMV-3D-CNN's nine networks, and DenseSharp
    ("malignancy", "inception", 60),
    ("malignancy", "vgg", 40),
    ("malignancy", "resnet", 60),
    ("invasiveness", "inception", 40),
    ("invasiveness", "vgg", 60),
    ("invasiveness", "resnet", 40),
    ("grade", "inception", 60),
    ("grade", "vgg", 80),
    ("grade", "resnet", 40),
    ("subtype", "densesharp", 32),
)


@dataclass(frozen=True)
class NetworkSize:
    """The size of a network and the cost of one nodule.

    Attributes:
        name: the label to show.
        kind, width: as for ``build_network``.
        side: of its input, voxels.
        parameters: as Keras counts them, with the running means and variances of batch
            normalisation.
        gflop: 10⁹ multiplications and additions per nodule.
    """

    name: str
    kind: str
    width: float
    side: int
    parameters: int
    gflop: float


def network_size(
    name: str,
    kind: str,
    side: int,
    n_classes: int | Sequence[int],
    width: float = 1.0,
    **recipe: Any,
) -> NetworkSize:
    """Counts on torch's meta device, without computing anything; ``recipe``: more arguments of
    ``build_network``."""
    network = outlined(kind, input_size=side, n_classes=n_classes, width=width, **recipe)
    cube = torch.empty(1, network.cubes.channels, side, side, side, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(cube)
    parameters = sum(
        array.numel() for array in network.state_dict().values() if array.is_floating_point()
    )
    return NetworkSize(name, kind, width, side, parameters, counter.get_total_flops() / 1e9)


def published_sizes() -> list[NetworkSize]:
    """Returns the sizes of EMV-3D-CNN's nine networks and DenseSharp, as published."""
    return [
        network_size(f"{task} {kind}", kind, side, len(TASKS[task].classes))
        for task, kind, side in PUBLISHED
    ]


def sizes_of(weights: WeightSet) -> list[NetworkSize]:
    """Returns the sizes of a weight set's networks."""
    return [
        network_size(name, n.kind, n.size, n.heads, **recipe_of(n))
        for name, n in weights.networks.items()
    ]


def sizes_table(title: str, sizes: Sequence[NetworkSize]) -> Table:
    """Returns a table with one row per network and their sum, for notebooks and terminals."""
    table = Table(title=title, show_footer=True)
    table.add_column("Network", "all of them")
    table.add_column("Width", justify="right")
    table.add_column("Input", justify="right")
    table.add_column("Parameters", f"{sum(size.parameters for size in sizes):,}", justify="right")
    table.add_column(
        "GFLOP per nodule", f"{sum(size.gflop for size in sizes):.2f}", justify="right"
    )
    for size in sizes:
        table.add_row(
            size.name,
            f"{size.width:g}",
            f"{size.side}³",
            f"{size.parameters:,}",
            f"{size.gflop:.2f}",
        )
    return table
