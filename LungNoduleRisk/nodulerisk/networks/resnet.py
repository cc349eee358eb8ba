"""EMV-3D-CNN's ResNet: eight pre-activated blocks with a convolved shortcut each."""

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

BLOCKS = (64, 64, 128, 128, 256, 256, 512, 512)
STRIDED_BLOCK = 6  # the only one in the authors' code, whatever the paper's figure shows


class ResidualBlock(nn.Module):
    """main: BN, conv, ReLU, BN, conv, BN; shortcut: BN, 1³ conv, ReLU, BN; their sum, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.main = nn.Sequential(
            batch_norm(in_channels),
            SameConv(in_channels, out_channels, 3, stride),
            nn.ReLU(inplace=True),
            batch_norm(out_channels),
            SameConv(out_channels, out_channels, 3),
            batch_norm(out_channels),
        )
        self.shortcut = nn.Sequential(
            batch_norm(in_channels),
            SameConv(in_channels, out_channels, 1, stride),
            nn.ReLU(inplace=True),
            batch_norm(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.main(x) + self.shortcut(x))


class ResNet(Classifier):
    """33.6 million parameters at width 1; source: npj Digital Medicine 2023,
    doi:10.1038/s41746-023-00866-z."""

    def __init__(self, n_classes: int = 2, width: float = 1.0):
        super().__init__()
        channels = scaled(64, width)
        layers: list[nn.Module] = [
            SameConv(3, channels, 7, stride=2),
            nn.ReLU(inplace=True),
            SameMaxPool(2),
        ]
        for index, published in enumerate(BLOCKS):
            out_channels = scaled(published, width)
            layers.append(
                ResidualBlock(channels, out_channels, stride=2 if index == STRIDED_BLOCK else 1)
            )
            channels = out_channels
        self.features = nn.Sequential(*layers)
        self.head = dense_head(channels, n_classes)
