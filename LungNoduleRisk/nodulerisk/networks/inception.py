"""EMV-3D-CNN's Inception: nine four-branch blocks, each halving the map, down to one voxel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodulerisk.networks.layers import (
    Classifier,
    SameConv,
    SameMaxPool,
    batch_norm,
    dense_head,
    scaled,
)


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Convolution, ReLU, then batch normalisation: the published order, which cannot be folded."""
    return nn.Sequential(
        SameConv(in_channels, out_channels, kernel, stride),
        nn.ReLU(inplace=True),
        batch_norm(out_channels),
    )


class InceptionBlock(nn.Module):
    """1³ | 1³ -> 3³ | 1³ -> 5³ | pool -> 1³, concatenated."""

    def __init__(self, in_channels: int, width: float):
        super().__init__()
        c64, c96, c128, c16, c32 = (scaled(c, width) for c in (64, 96, 128, 16, 32))
        self.branches = nn.ModuleList(
            [
                _conv(in_channels, c64, 1),
                nn.Sequential(_conv(in_channels, c96, 1), _conv(c96, c128, 3)),
                nn.Sequential(_conv(in_channels, c16, 1), _conv(c16, c32, 5)),
                nn.Sequential(SameMaxPool(stride=1), _conv(in_channels, c32, 1)),
            ]
        )
        self.out_channels = c64 + c128 + 2 * c32

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Inception(Classifier):
    """4.4 million parameters at width 1; source: npj Digital Medicine 2023,
    doi:10.1038/s41746-023-00866-z."""

    def __init__(self, n_classes: int = 2, width: float = 1.0):
        super().__init__()
        c64, c192 = scaled(64, width), scaled(192, width)
        layers = [_conv(3, c64, 7, stride=2), SameMaxPool(2), _conv(c64, c192, 3), SameMaxPool(2)]
        channels = c192
        for _ in range(9):
            block = InceptionBlock(channels, width)
            layers += [block, SameMaxPool(2)]
            channels = block.out_channels
        self.features = nn.Sequential(*layers)
        self.head = dense_head(channels, n_classes)
