"""Shared by the published networks: Keras's 'same' padding, batch normalisation, channel scaling,
initialisation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodulerisk.networks.kinds import Cubes


def scaled(channels: int, width: float) -> int:
    """Returns channels times the width factor, as a multiple of 8 (for vector units), at least
    8."""
    return max(8, 8 * round(channels * width / 8))


def same_padding(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pads (N, C, z, y, x) as TensorFlow's 'same' does: at stride 2 the odd voxel goes after, not
    before."""
    padding: list[int] = []
    for n in reversed(x.shape[2:]):
        n = int(n)
        total = max((-(-n // stride) - 1) * stride + kernel - n, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding, value=value)


class SameConv(nn.Conv3d):
    """A cubic convolution with TensorFlow's 'same' padding."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, bias: bool = True
    ):
        padding = kernel // 2 if stride == 1 else 0  # at stride 1 'same' is symmetric
        super().__init__(in_channels, out_channels, kernel, stride, padding, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.stride[0] > 1:
            x = same_padding(x, self.kernel_size[0], self.stride[0])
        return super().forward(x)


class SameMaxPool(nn.Module):
    """3x3x3 max pooling with TensorFlow's 'same' padding, which pads with minus infinity."""

    def __init__(self, stride: int):
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool3d(same_padding(x, 3, self.stride, float("-inf")), 3, self.stride)


def batch_norm(channels: int) -> nn.BatchNorm3d:
    """Batch normalisation with Keras's defaults: eps 1e-3, momentum 0.99 (torch counts the other
    way round)."""
    return nn.BatchNorm3d(channels, eps=1e-3, momentum=0.01)


INITIALISATIONS: dict[str, Callable[[Tensor], Any]] = {
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "he-uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "glorot": nn.init.xavier_uniform_,
}


def initialise(network: nn.Module, how: str = "he") -> None:
    """Draws the weights of every convolution, by one of ``INITIALISATIONS``; zero biases."""
    for layer in network.modules():
        if isinstance(layer, (nn.Conv3d, nn.ConvTranspose3d, nn.Linear)):
            INITIALISATIONS[how](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


class Network(nn.Module, ABC):
    """Base of what ``build_network`` builds: ``forward`` gives probabilities, ``logits`` the input
    of losses.

    Attributes:
        input_size: side of the input cube.
        heads: how many classes each of its answers has; one answer in the published networks.
        cubes: what it sees.
    """

    input_size: int
    heads: tuple[int, ...]
    cubes: type[Cubes]

    @abstractmethod
    def logits(self, x: Tensor) -> Any:
        """Returns (N, C) before the softmax; a network that draws a mask adds it (N, 1, S, S, S)
        before the sigmoid."""

    def class_logits(self, x: Tensor) -> Tensor:
        """Returns (N, C) before the softmax, without the mask."""
        return self.logits(x)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Returns a softmax over each head's classes, or a sigmoid if the network has only one
        class."""
        if self.heads == (1,):
            return torch.sigmoid(logits)
        return torch.cat(
            [torch.softmax(head, dim=1) for head in logits.split(self.heads, dim=1)], dim=1
        )


class Classifier(Network):
    """A network whose answer is a softmax over ``logits``; subclasses define ``features`` and
    ``head``."""

    features: nn.Module
    head: nn.Module

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, S, S, S) float32 -> (N, C) before the softmax."""
        return self.head(self.features(x).mean(dim=(2, 3, 4)))

    def forward(self, x: Tensor) -> Tensor:
        return self.probabilities(self.logits(x))


def dense_head(channels: int, n_classes: int) -> nn.Sequential:
    """Returns dropout and the dense layer that every EMV network ends with."""
    return nn.Sequential(nn.Dropout(0.5), nn.Linear(channels, n_classes))
