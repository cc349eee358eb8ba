"""DenseSharp: a small 3D DenseNet that also draws the mask; and DenseNet, the same without the
mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodulerisk.language.texts import _
from nodulerisk.networks.layers import Network, SameConv, batch_norm, scaled


class DenseLayer(nn.Sequential):
    """BN, ReLU, 1³ conv, BN, ReLU, 3³ conv; the new features go before the old."""

    def __init__(self, in_channels: int, growth: int, bottleneck: int, dropout: float):
        super().__init__(
            batch_norm(in_channels),
            nn.ReLU(),
            SameConv(in_channels, bottleneck * growth, 1, bias=False),
            batch_norm(bottleneck * growth),
            nn.ReLU(inplace=True),
            SameConv(bottleneck * growth, growth, 3),
        )
        self._dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        norm, relu, narrow, *rest = self
        new = narrow(relu(norm(x)))
        if self._dropout:  # a layer of its own would number the others anew in the weights' names
            new = F.dropout3d(new, self._dropout, self.training)
        for layer in rest:
            new = layer(new)
        return torch.cat([new, x], dim=1)


class Transition(nn.Sequential):
    """BN, ReLU, 1³ conv to fewer channels, average pooling."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(
            batch_norm(in_channels),
            nn.ReLU(),
            SameConv(in_channels, out_channels, 1),
            nn.AvgPool3d(2),
        )


class DenseTrunk(Network):
    """The part that both share: dense blocks and the classifier after them."""

    def __init__(
        self,
        n_classes: int = 3,
        width: float = 1.0,
        *,
        k: int = 16,
        bottleneck: int = 4,
        compression: int = 2,
        first_layer: int = 32,
        down_structure: Sequence[int] = (4, 4, 4),
        dropout_rate: float = 0.0,
        first_scale: Sequence[float] = (128, -1),
        output_size: int | None = None,
    ):
        """
        Args:
            n_classes, width: as for ``build_network``.
            k: channels that every layer of a dense block adds.
            bottleneck: a layer's 1³ convolution has this many times ``k`` channels.
            compression: what a transition divides the channels by.
            first_layer: channels of the first convolution.
            down_structure: layers of each dense block.
            dropout_rate: share of the channels after a layer's 1³ convolution that training leaves
                out.
            first_scale: what the grey levels 0..255 are first divided by, and what is then added.
            output_size: 1: one sigmoid for two classes; by default a softmax over the classes.

        Raises:
            ValueError: one sigmoid for other than two classes.
        """
        super().__init__()
        outputs = output_size or n_classes
        if outputs != n_classes and (outputs, n_classes) != (1, 2):
            words = _("output_size {outputs} does not fit {n_classes} classes")
            raise ValueError(words.format(outputs=outputs, n_classes=n_classes))
        self._one_sigmoid = outputs < n_classes
        self._divisor, self._offset = first_scale
        channels, growth = scaled(first_layer, width), scaled(k, width)
        self.stem = SameConv(1, channels, 3)
        self.stages = nn.ModuleList()  # one dense block each, from the second on after a transition
        self.block_channels = []
        for index, layers in enumerate(down_structure):
            fewer = channels // compression if index > 0 else channels
            transition = [Transition(channels, fewer)] if index > 0 else []
            block = [
                DenseLayer(fewer + i * growth, growth, bottleneck, dropout_rate)
                for i in range(layers)
            ]
            self.stages.append(nn.Sequential(*transition, *block))
            channels = fewer + layers * growth
            self.block_channels.append(channels)
        self.norm = batch_norm(channels)
        self.head = nn.Linear(channels, outputs)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Maps grey levels 0..255 (N, 1, 32, 32, 32) to the dense blocks' maps at 32³, 16³ and
        8³."""
        x = self.stem(x / self._divisor + self._offset)
        outputs = []
        for stage in self.stages:
            x = stage(x)
            outputs.append(x)
        return outputs

    def class_logits(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32, 32) -> (N, C)."""
        return self.classify(self.block_outputs(x)[-1])

    def classify(self, deepest: Tensor) -> Tensor:
        """The deepest map -> (N, C) logits."""
        logits = self.head(torch.relu(self.norm(deepest)).mean(dim=(2, 3, 4)))
        # beside a 0, a softmax is the sigmoid
        return F.pad(logits, (1, 0)) if self._one_sigmoid else logits


class DenseNet(DenseTrunk):
    """Classification of a 32 mm cube; source: Cancer Research 2018,
    doi:10.1158/0008-5472.CAN-18-0696."""

    def logits(self, x: Tensor) -> Tensor:
        """(N, 1, 32, 32, 32) -> (N, C)."""
        return self.class_logits(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.probabilities(self.logits(x))


class DenseSharp(DenseTrunk):
    """Classes and mask of a 32 mm cube, 599,012 parameters at width 1 with 3 classes; source as for
    DenseNet."""

    def __init__(self, n_classes: int = 3, width: float = 1.0, **arguments: Any):
        """Arguments as for ``DenseTrunk``, with three dense blocks."""
        super().__init__(n_classes, width, **arguments)
        shallow, middle, deep = self.block_channels
        self.up_to_middle = nn.ConvTranspose3d(deep, middle, 2, stride=2)
        self.up_to_shallow = nn.ConvTranspose3d(middle, shallow, 2, stride=2)
        self.mask_head = nn.Conv3d(shallow, 1, 1)

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 1, 32, 32, 32) -> class logits (N, C) and mask logits (N, 1, 32, 32, 32)."""
        shallow, middle, deep = self.block_outputs(x)
        up = self.up_to_shallow(middle + self.up_to_middle(deep))
        return self.classify(deep), self.mask_head(shallow + up)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        classes, mask = self.logits(x)
        return self.probabilities(classes), torch.sigmoid(mask)
