"""The learning rates of a network's layers: how far each is from the run's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

CONVOLUTION = 5  # axes of its weights
Rates = Mapping[str, float]  # layer -> factor on the run's learning rate; 0: frozen


def is_in(array: str, layer: str) -> bool:
    """Whether an array, such as ``features.0.weight``, belongs to a layer, such as ``features``."""
    return array == layer or array.startswith(f"{layer}.")


def rate_of(array: str, rates: Rates) -> float:
    """Returns the factor of the innermost layer that holds the array; 1 if none is named."""
    named = [layer for layer in rates if is_in(array, layer)]
    return rates[max(named, key=len)] if named else 1.0


def parameter_groups(
    networks: Iterable[tuple[nn.Module, Rates]], learning_rate: float
) -> list[dict[str, Any]]:
    """Returns an optimiser's groups: the parameters of each factor, without the frozen ones."""
    groups: dict[float, list[nn.Parameter]] = {}
    for network, rates in networks:
        for name, parameter in network.named_parameters():
            groups.setdefault(rate_of(name, rates), []).append(parameter)
    return [{"params": found, "lr": learning_rate * rate} for rate, found in groups.items() if rate]


def with_l2(groups: Iterable[dict[str, Any]], weight: float) -> list[dict[str, Any]]:
    """Returns the groups with an L2 penalty on the convolutions' weights alone, as in Keras: not on
    biases, normalisation and dense layers."""
    if not weight:
        return list(groups)
    halves = (
        group
        | {
            "params": [p for p in group["params"] if (p.ndim == CONVOLUTION) is is_convolution],
            "weight_decay": weight if is_convolution else 0.0,
        }
        for group in groups
        for is_convolution in (True, False)
    )
    return [half for half in halves if half["params"]]


def freeze(network: nn.Module, rates: Rates) -> None:
    """Keeps layers of factor 0 as they are: no gradient, and batch normalisation does not learn
    means, nor does dropout act."""
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(rate_of(name, rates) > 0)
    for name, layer in network.named_modules():
        if rate_of(name, rates) == 0:
            layer.eval()
