"""Any torch module as a ``Network``: what a factory of another package or of the user's makes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nodulerisk.networks.layers import Network


class ForeignNetwork(Network):
    """A module that gives logits (N, C), or, if it draws a mask, these and (N, 1, S, S, S)."""

    def __init__(self, module: nn.Module, draws_mask: bool):
        super().__init__()
        self.module = module
        if (
            draws_mask
        ):  # a last layer whose bias moves the mask's level; at first it changes nothing
            self.mask_head = nn.Conv3d(1, 1, 1)
            nn.init.ones_(self.mask_head.weight)
            nn.init.zeros_(self.mask_head.bias)  # type: ignore[arg-type]

    def logits(self, x: Tensor) -> Any:
        answer = self.module(x)
        if not hasattr(self, "mask_head"):
            return answer
        classes, mask = answer
        return classes, self.mask_head(mask)

    def class_logits(self, x: Tensor) -> Tensor:
        answer = self.logits(x)
        return answer[0] if isinstance(answer, tuple) else answer

    def forward(self, x: Tensor) -> Any:
        answer = self.logits(x)
        if not isinstance(answer, tuple):
            return self.probabilities(answer)
        classes, mask = answer
        return self.probabilities(classes), torch.sigmoid(mask)
