"""MONAI's networks for any of the program's cubes; their own arguments are MONAI's.

The segmentation networks also answer the tasks: by a linear layer on the mean of their deepest map.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from monai.networks import nets
from torch import Tensor, nn

from nodulerisk.language.texts import _
from nodulerisk.networks.foreign import ForeignNetwork


def densenet121(*, in_channels: int, n_classes: int, size: int, **arguments: Any) -> nn.Module:
    """Returns ``monai.networks.nets.DenseNet121``."""
    return nets.DenseNet121(3, in_channels, n_classes, **_own(arguments))


def seresnet50(*, in_channels: int, n_classes: int, size: int, **arguments: Any) -> nn.Module:
    """Returns ``monai.networks.nets.SEResNet50``."""
    return nets.SEResNet50(
        spatial_dims=3, in_channels=in_channels, num_classes=n_classes, **_own(arguments)
    )


class _Segmenter(ForeignNetwork):
    """Draws the mask, and answers from the deepest map on the way to it."""

    def __init__(self, module: nn.Module, channels: int, n_classes: int):
        super().__init__(module, draws_mask=True)
        self.head = nn.Linear(channels, n_classes)

    @abstractmethod
    def encoder(self) -> nn.Module:
        """Returns the part of the module that gives the deepest map."""

    @abstractmethod
    def deepest(self, x: Tensor) -> Tensor:
        """Returns the deepest map (N, channels, z, y, x) alone."""

    def logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Returns class logits (N, C) and mask logits (N, 1, S, S, S)."""
        kept: list[Any] = []
        hook = self.encoder().register_forward_hook(lambda *seen: kept.append(seen[-1]))
        mask = self.mask_head(self.module(x))
        hook.remove()
        return self.classify(kept[0][-1] if isinstance(kept[0], list) else kept[0]), mask

    def class_logits(self, x: Tensor) -> Tensor:
        return self.classify(self.deepest(x))

    def classify(self, deepest: Tensor) -> Tensor:
        """The deepest map -> (N, C) logits."""
        return self.head(deepest.mean(dim=(2, 3, 4)))


class SegResNet(_Segmenter):
    """``monai.networks.nets.SegResNet``; the size must be a multiple of 8."""

    def __init__(self, *, in_channels: int, n_classes: int, size: int, **arguments: Any):
        module = nets.SegResNet(3, in_channels=in_channels, out_channels=1, **_own(arguments))
        channels = module.init_filters * 2 ** (len(module.down_layers) - 1)
        super().__init__(module, channels, n_classes)

    def encoder(self) -> nn.Module:
        return self.module.down_layers[-1]  # type: ignore[index, union-attr, return-value]

    def deepest(self, x: Tensor) -> Tensor:
        return self.module.encode(x)[0]  # type: ignore[operator]


class SwinUNETR(_Segmenter):
    """``monai.networks.nets.SwinUNETR``; the size must be a multiple of 32."""

    def __init__(self, *, in_channels: int, n_classes: int, size: int, **arguments: Any):
        module = nets.SwinUNETR(in_channels, 1, spatial_dims=3, **_own(arguments))
        super().__init__(module, 16 * module.swinViT.embed_dim, n_classes)

    def encoder(self) -> nn.Module:
        return self.module.swinViT  # type: ignore[return-value]

    def deepest(self, x: Tensor) -> Tensor:
        return self.module.swinViT(x, self.module.normalize)[-1]  # type: ignore[operator]


def _own(arguments: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments with lists as tuples, as MONAI wants them.

    Raises:
        ValueError: one by which MONAI would download pickled weights.
    """
    if "pretrained" in arguments:
        raise ValueError(_("pretrained weights are pickles, and nothing is downloaded"))
    return {k: tuple(v) if isinstance(v, list) else v for k, v in arguments.items()}
