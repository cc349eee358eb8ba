"""The network in training, with auxiliary outputs, and as it is kept, without them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nodulerisk.networks.unet import FINE_CHANNELS, NoduleUNet
from nodulerisk.tasks import PRESENCE, TASKS
from nodulerisk.train.unet.lungs import HELPERS

ANSWERS = {task: len(TASKS[task].classes) for task in (PRESENCE, *HELPERS)}
MASKS = 2  # up to the surface, and the share of readers


class HelpedUNet(NoduleUNet):
    """``NoduleUNet`` that also predicts the readers' descriptions and outlines."""

    def __init__(self, width: float = 1.0):
        super().__init__(sum(ANSWERS.values()), width)
        self.mask_head = nn.Conv3d(FINE_CHANNELS + 1, MASKS, 3, padding=1)


def exported(network: HelpedUNet) -> dict[str, Tensor]:
    """Returns the arrays of the ``NoduleUNet`` in it, in half precision on the CPU: whether it is a
    nodule, and the mask up to the surface."""
    kept = dict(network.state_dict())
    last = len(network.classifier) - 1
    for layer, count in ((f"classifier.{last}", ANSWERS[PRESENCE]), ("mask_head", 1)):
        for part in ("weight", "bias"):
            kept[f"{layer}.{part}"] = kept[f"{layer}.{part}"][:count]
    return {
        name: array.to("cpu", torch.float16).contiguous()
        for name, array in kept.items()
        if array.is_floating_point()
    }
