"""Builds a network by the name of its kind.

Every network is built in eval mode with He-initialised weights; ``width`` scales its channels (1.0
= as published). Within a network, layers of one kind are registered in the order Keras numbers
them, as ``load_keras_weights`` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pkgutil import resolve_name

from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.networks.layers import Network, initialise


def build_network(
    kind: str,
    *,
    input_size: int | None = None,
    n_classes: int | Sequence[int] = 2,
    width: float = 1.0,
) -> Network:
    """Builds a network in eval mode.

    Args:
        kind: of ``NETWORKS``: ``inception``, ``vgg``, ``resnet`` (input float32 (N, 3, S, S, S) ->
            probabilities (N, C)), ``densesharp`` (input 0..255 (N, 1, 32, 32, 32) -> probabilities
            (N, C), mask (N, 1, 32, 32, 32)), ``densenet`` (the same input -> probabilities).
        input_size: S, recorded as ``network.input_size``; by default the published size of the
            kind.
        n_classes: C; 1 gives a sigmoid. Several numbers: as many answers from one trunk, each with
            its softmax, side by side in the C = sum(n_classes) probabilities.
        width: factor on the channels; 1.0 as published.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in NETWORKS:
        raise ValueError(f"Unknown network '{kind}': choose one of {', '.join(NETWORKS)}.")
    heads = (n_classes,) if isinstance(n_classes, int) else tuple(n_classes)
    network = resolve_name(NETWORKS[kind].network)(n_classes=sum(heads), width=width)
    network.heads = heads
    network.input_size = input_size or NETWORKS[kind].size
    initialise(network)
    return network.eval()
