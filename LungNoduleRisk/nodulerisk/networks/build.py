"""Builds a network by the name of its kind.

Every network of ours is built in eval mode with He-initialised weights; ``width`` scales its
channels (1.0 = as published). Within a network, layers of one kind are registered in the order
Keras numbers them, as ``load_keras_weights`` needs. Factories initialise their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn

from nodulerisk.language.texts import _
from nodulerisk.networks.foreign import ForeignNetwork
from nodulerisk.networks.kinds import CUBES, NetworkKind, kind_of
from nodulerisk.networks.layers import Network, initialise


def build_network(
    kind: str,
    *,
    input_size: int | None = None,
    n_classes: int | Sequence[int] = 2,
    width: float = 1.0,
    sees: str | None = None,
    draws_mask: bool = False,
    arguments: Mapping[str, Any] | None = None,
) -> Network:
    """Builds a network in eval mode.

    Args:
        kind: of ``NETWORKS``: ``inception``, ``vgg``, ``resnet`` (input float32 (N, 3, S, S, S) ->
            probabilities (N, C)), ``densesharp`` (input 0..255 (N, 1, 32, 32, 32) -> probabilities
            (N, C), mask (N, 1, 32, 32, 32)), ``densenet`` (the same input -> probabilities). Or a
            factory: see ``kind_of``. It is called with ``in_channels``, ``n_classes`` (their sum),
            ``size`` and the arguments, and returns a torch module: (N, in_channels, S, S, S) ->
            logits (N, C), or these and a mask's logits (N, 1, S, S, S).
        input_size: S, recorded as ``network.input_size``; by default the published size of the
            kind.
        n_classes: C; 1 gives a sigmoid. Several numbers: as many answers from one trunk, each with
            its softmax, side by side in the C = sum(n_classes) probabilities.
        width: factor on the channels; 1.0 as published. Factories have none.
        sees: of ``CUBES``, for a factory: the cubes, and so the number of channels.
        draws_mask: a factory of the user's own also gives a mask.
        arguments: more arguments of the class or factory.

    Raises:
        ValueError: an unknown kind, code that the user has not named, or one that cannot be
            imported.
        TypeError: the kind has no such argument.
    """
    facts = kind_of(kind)
    heads = (n_classes,) if isinstance(n_classes, int) else tuple(n_classes)
    size = input_size or facts.size
    cubes = CUBES[sees] if sees else facts.cubes
    if facts.factory:
        given = {"in_channels": cubes.channels, "n_classes": sum(heads), "size": size}
        made = _code(kind, facts)(**given, **(arguments or {}))
        network = _as_network(kind, made, facts.draws_mask or draws_mask)
    else:
        network = _code(kind, facts)(n_classes=sum(heads), width=width, **(arguments or {}))
        initialise(network)
    network.heads = heads
    network.input_size, network.cubes = size, cubes
    return network.eval()


def outlined(kind: str, **recipe: Any) -> Network:
    """Returns the network of ``build_network`` on torch's meta device: shapes without numbers."""
    if kind_of(kind).factory:  # some read numbers from tensors while they are built
        return build_network(kind, **recipe).to("meta")
    with torch.device("meta"):
        return build_network(kind, **recipe)


def _code(kind: str, facts: NetworkKind) -> Any:
    try:
        return resolve_name(facts.network)
    except (ImportError, AttributeError) as error:
        words = _(
            "the code of the network kind {kind} cannot be imported ({error}): install its"
            " package, or put its folder on PYTHONPATH"
        )
        raise ValueError(words.format(kind=kind, error=str(error))) from error


def _as_network(kind: str, made: Any, draws_mask: bool) -> Network:
    if isinstance(made, Network):
        return made
    if not isinstance(made, nn.Module):
        words = _("{kind} gives a {made}, not a torch module")
        raise ValueError(words.format(kind=kind, made=type(made).__name__))
    return ForeignNetwork(made, draws_mask)
