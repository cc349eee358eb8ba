"""The losses that training minimises."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.train.unet.batches import Examples
from nodulerisk.train.unet.network import ANSWERS

WEIGHTS = {"presence": 0.5, "malignancy": 0.5, "mask": 1.0}
HELPER_WEIGHT = 0.05  # of every other answer: together half of malignancy's weight
VOXELS_WEIGHT = 4.0  # the mean over all voxels is small beside Dice
SMOOTH_VOXELS = 10.0  # keeps the Dice of masks of few voxels, or none, from jumping


def losses(classes: Tensor, masks: Tensor, wanted: Examples) -> dict[str, Tensor]:
    """Returns the parts of the loss, by name, unweighted.

    Args:
        classes: float (N, C), logits of ``ANSWERS`` side by side.
        masks: float (N, 2, S, S, S), logits.
        wanted: N examples.
    """
    two = torch.stack([1 - wanted.presence, wanted.presence], dim=1)
    targets = torch.cat([two, wanted.helpers], dim=1).split(list(ANSWERS.values()), dim=1)
    answers = classes.split(list(ANSWERS.values()), dim=1)
    by_task = {
        task: _answer_loss(*pair) for task, *pair in zip(ANSWERS, answers, targets, strict=True)
    }
    return by_task | {"mask": _mask_loss(masks, wanted)}


def weighted(parts: dict[str, Tensor]) -> Tensor:
    """The loss."""
    return torch.stack(
        [WEIGHTS.get(name, HELPER_WEIGHT) * part for name, part in parts.items()]
    ).sum()


def _answer_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Returns the mean cross-entropy of the examples whose answer is known; 0 if there are none."""
    known = target[:, 0].isfinite()
    each = F.cross_entropy(logits, target.nan_to_num(), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def _mask_loss(logits: Tensor, wanted: Examples) -> Tensor:
    """Returns cross-entropy and Dice of each known mask."""
    voxels = F.binary_cross_entropy_with_logits(logits, wanted.masks, reduction="none")
    each = VOXELS_WEIGHT * voxels.mean((2, 3, 4)) + dice_loss(logits, wanted.masks)
    return (each * wanted.mask_known).sum() / wanted.mask_known.sum()


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Returns 1 - Dice of every mask, (N, C), from logits and shares (N, C, S, S, S)."""
    drawn, axes = torch.sigmoid(logits), (2, 3, 4)
    both, sizes = (drawn * masks).sum(axes), drawn.sum(axes) + masks.sum(axes)
    return 1 - (2 * both + SMOOTH_VOXELS) / (sizes + SMOOTH_VOXELS)
