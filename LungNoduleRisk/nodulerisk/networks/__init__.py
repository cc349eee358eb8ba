"""The published networks, one a file, as plain torch modules; an engine makes them fast.

Every network is built in eval mode with He-initialised weights; ``width`` scales its channels (1.0
= as published). Within a network, layers of one kind are registered in the order Keras numbers
them, as ``load_keras_weights`` needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nodulerisk.networks.densesharp import DenseNet, DenseSharp
from nodulerisk.networks.inception import Inception
from nodulerisk.networks.keras_files import load_keras_weights
from nodulerisk.networks.layers import Network, initialise
from nodulerisk.networks.resnet import ResNet
from nodulerisk.networks.vgg import VGG

__all__ = ["NETWORKS", "build_network", "load_keras_weights"]

NETWORKS: dict[str, Callable[..., Network]] = {
    "inception": Inception,
    "vgg": VGG,
    "resnet": ResNet,
    "densesharp": DenseSharp,
    "densenet": DenseNet,
}


def build_network(
    kind: str,
    *,
    input_size: int | None = None,
    n_classes: int | Sequence[int] = 2,
    width: float = 1.0,
) -> Network:
    """Builds a network in eval mode.

    Args:
        kind: ``inception``, ``vgg``, ``resnet`` (input float32 (N, 3, S, S, S) -> probabilities (N,
            C)), ``densesharp`` (input 0..255 (N, 1, 32, 32, 32) -> probabilities (N, C), mask (N,
            1, 32, 32, 32)), ``densenet`` (the same input -> probabilities).
        input_size: S, recorded as ``network.input_size``; the published size of the kind when not
            given.
        n_classes: C; 1 gives a sigmoid. Several numbers: as many answers from one trunk, a softmax
            each, side by side in the C = sum(n_classes) probabilities.
        width: factor on the channels; 1.0 as published.

    Raises:
        ValueError: unknown kind.
    """
    if kind not in NETWORKS:
        raise ValueError(f"Unknown network '{kind}': choose one of {', '.join(NETWORKS)}.")
    heads = (n_classes,) if isinstance(n_classes, int) else tuple(n_classes)
    network = NETWORKS[kind](n_classes=sum(heads), width=width)
    network.heads = heads
    network.input_size = input_size or network.default_size
    initialise(network)
    return network.eval()
