"""NoduleUNet: in one pass over a cube it draws the nodule's mask and says whether it is a nodule at
all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nodulerisk.networks.layers import Network, scaled

CHANNELS = (32, 64, 96, 128)  # by level, at width 1
FINE_CHANNELS = 16  # channels of the last map, at the cube's own resolution
HIDDEN = 128  # units of the classifier


class ResidualBlock(nn.Module):
    """Two 3³ convolutions, each with batch normalisation, added to the input."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.one = nn.Conv3d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm_one = nn.BatchNorm3d(out_channels)
        self.two = nn.Conv3d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm_two = nn.BatchNorm3d(out_channels)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv3d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.norm_one(self.one(x)))
        return torch.relu(self.norm_two(self.two(y)) + self.skip(x))


class NoduleUNet(Network):
    """A residual U-Net whose first and last steps change the resolution by two, so that all but the
    last convolution work at half of it; 2.9 million parameters and 14 GFLOP at 64³ and width 1.

    The classifier sees the mean and the maximum of the two deepest levels.
    """

    def __init__(self, n_classes: int = 2, width: float = 1.0):
        super().__init__()
        channels = [scaled(number, width) for number in CHANNELS]
        shallow, deep = channels[:-1], channels[1:]
        self.stem = nn.Conv3d(1, channels[0], 4, stride=2, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm3d(channels[0])
        self.first = ResidualBlock(channels[0], channels[0])
        self.down = nn.ModuleList(map(ResidualBlock, shallow, deep))
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(a, b, 2, stride=2)
            for a, b in zip(deep[::-1], shallow[::-1], strict=True)
        )
        self.join = nn.ModuleList(ResidualBlock(2 * number, number) for number in shallow[::-1])
        self.fine = nn.ConvTranspose3d(channels[0], FINE_CHANNELS, 2, stride=2)
        self.mask_head = nn.Conv3d(FINE_CHANNELS + 1, 1, 3, padding=1)
        self.classifier = nn.Sequential(
            nn.Linear(2 * (channels[-2] + channels[-1]), HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(HIDDEN, n_classes),
        )

    def encoded(self, x: Tensor) -> list[Tensor]:
        """-1..1 (N, 1, S, S, S) -> the levels' maps, the finest first, at S/2, S/4, S/8 and S/16; S
        is a multiple of 16."""
        levels = [self.first(torch.relu(self.stem_norm(self.stem(x))))]
        for block in self.down:
            levels.append(block(F.max_pool3d(levels[-1], 2)))
        return levels

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class logits (N, C) and mask logits (N, 1, S, S, S)."""
        levels = self.encoded(x)
        y = levels[-1]
        for up, join, level in zip(self.up, self.join, levels[-2::-1], strict=True):
            y = join(torch.cat([up(y), level], dim=1))
        fine = torch.cat([torch.relu(self.fine(y)), x], dim=1)
        return self.classify(levels), self.mask_head(fine)

    def class_logits(self, x: Tensor) -> Tensor:
        """Returns class logits (N, C)."""
        return self.classify(self.encoded(x))

    def classify(self, levels: list[Tensor]) -> Tensor:
        """Returns class logits (N, C) from the levels' maps."""
        axes = (2, 3, 4)
        pooled = [part for level in levels[-2:] for part in (level.mean(axes), level.amax(axes))]
        return self.classifier(torch.cat(pooled, dim=1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        classes, mask = self.logits(x)
        return self.probabilities(classes), torch.sigmoid(mask)
