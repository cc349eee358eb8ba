"""EMV-3D-CNN's VGG-16: batch normalisation once, at the head of each stage."""

from __future__ import annotations

from torch import nn

from nodulerisk.networks.layers import Classifier, SameConv, batch_norm, dense_head, scaled

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def _stage(in_channels: int, out_channels: int, convolutions: int) -> nn.Sequential:
    layers: list[nn.Module] = [batch_norm(in_channels)]
    for index in range(convolutions):
        layers += [
            SameConv(in_channels if index == 0 else out_channels, out_channels, 3),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.MaxPool3d(2))


class VGG(Classifier):
    """44 million parameters at width 1; source: npj Digital Medicine 2023,
    doi:10.1038/s41746-023-00866-z."""

    def __init__(self, n_classes: int = 2, width: float = 1.0):
        super().__init__()
        stages, channels = [], 3
        for published, convolutions in STAGES:
            out_channels = scaled(published, width)
            stages.append(_stage(channels, out_channels, convolutions))
            channels = out_channels
        self.features = nn.Sequential(*stages)
        self.head = dense_head(channels, n_classes)
