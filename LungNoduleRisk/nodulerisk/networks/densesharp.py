"""DenseSharp: a small 3D DenseNet that also draws the mask; and DenseNet, the same without the
mask."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodulerisk.networks.layers import Network, SameConv, batch_norm, scaled

DENSE_BLOCKS = 3
LAYERS = 4
GROWTH = 16
BOTTLENECK = 4  # a layer's 1³ convolution has this many times its growth in channels


class DenseLayer(nn.Sequential):
    """BN, ReLU, 1³ conv, BN, ReLU, 3³ conv; the new features go before the old."""

    def __init__(self, in_channels: int, growth: int):
        super().__init__(
            batch_norm(in_channels),
            nn.ReLU(),
            SameConv(in_channels, BOTTLENECK * growth, 1, bias=False),
            batch_norm(BOTTLENECK * growth),
            nn.ReLU(inplace=True),
            SameConv(BOTTLENECK * growth, growth, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super().forward(x), x], dim=1)


class Transition(nn.Sequential):
    """BN, ReLU, 1³ conv to half the channels, average pooling."""

    def __init__(self, in_channels: int):
        super().__init__(
            batch_norm(in_channels),
            nn.ReLU(),
            SameConv(in_channels, in_channels // 2, 1),
            nn.AvgPool3d(2),
        )


class DenseTrunk(Network):
    """The part that both share: three dense blocks and the classifier after them."""

    def __init__(self, n_classes: int = 3, width: float = 1.0):
        super().__init__()
        channels, growth = scaled(32, width), scaled(GROWTH, width)
        self.stem = SameConv(1, channels, 3)
        self.stages = nn.ModuleList()  # one dense block each, from the second on after a transition
        self.block_channels = []
        for index in range(DENSE_BLOCKS):
            transition = [Transition(channels)] if index > 0 else []
            channels = channels // 2 if index > 0 else channels
            block = [DenseLayer(channels + i * growth, growth) for i in range(LAYERS)]
            self.stages.append(nn.Sequential(*transition, *block))
            channels += LAYERS * growth
            self.block_channels.append(channels)
        self.norm = batch_norm(channels)
        self.head = nn.Linear(channels, n_classes)

    def block_outputs(self, x: Tensor) -> list[Tensor]:
        """Maps grey levels 0..255 (N, 1, 32, 32, 32) to the three dense blocks' maps at 32³, 16³
        and 8³."""
        x = self.stem(x / 128 - 1)
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
        return self.head(torch.relu(self.norm(deepest)).mean(dim=(2, 3, 4)))


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

    def __init__(self, n_classes: int = 3, width: float = 1.0):
        super().__init__(n_classes, width)
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
