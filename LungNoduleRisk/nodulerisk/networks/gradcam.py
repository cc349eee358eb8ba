"""Grad-CAM of our networks by MONAI: which regions of a cube supported a class.

Source: Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based
localization, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.networks.layers import Network

# Voxels per side. The last layers of some networks see the whole cube in one or two voxels, which
# localises nothing: blanking the brightest tenth of the open inception's map cost validation
# nodules 0.43 of the log-odds by this rule, but 0.09 by the last layer.
COARSEST_MAP = 5


def class_activation(network: Network, cubes: np.ndarray, column: int) -> np.ndarray:
    """Returns which regions of a cube supported a class, by the last layer whose map has at least 5
    voxels per side.

    The result is the mean of the cube's map and of its point reflection's map, reflected back:
    strides shift a map by up to half of its voxels, and the reflected one the other way. Takes two
    forward and backward passes.

    Args:
        network: freshly loaded; hooks remain on it.
        cubes: one cube, float32 (1, channels, S, S, S).
        column: the class's index among the network's probabilities.

    Returns:
        float32 (S, S, S), the largest value 1; all 0 if nothing supported the class.

    Raises:
        NoduleRiskError: MONAI is not installed.
    """
    try:
        from monai.visualize import GradCAM
    except ImportError as error:
        raise NoduleRiskError(
            _("Grad-CAM needs MONAI, which is not installed: run pip install monai.")
        ) from error
    odds, x = _LogOdds(network), torch.tensor(cubes, requires_grad=True)
    explain = GradCAM(odds, _last_spatial_layer(odds, x), postprocessing=torch.detach)
    found = explain(x, class_idx=column) + _reflected(explain(_reflected(x), class_idx=column))
    return (found / found.max().clamp(min=torch.finfo(found.dtype).tiny))[0, 0].numpy()


class _LogOdds(nn.Module):
    """A network's log-odds of every class: gradients do not vanish where it is certain, and what
    moves all classes alike counts for none. Leaves out the mask, and computes nothing in place,
    which hooks do not survive."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        for layer in network.modules():
            if isinstance(layer, nn.ReLU):
                layer.inplace = False

    def forward(self, x: Tensor) -> Tensor:
        heads = self.network.class_logits(x).split(self.network.heads, dim=1)
        return torch.cat([_against_the_others(head) for head in heads], dim=1)


def _against_the_others(logits: Tensor) -> Tensor:
    """Returns the log-odds (N, C) of each of C classes from their logits (N, C)."""
    own = torch.eye(logits.shape[1], dtype=torch.bool)
    return logits - logits.unsqueeze(1).masked_fill(own, -torch.inf).logsumexp(dim=2)


def _reflected(cubes: Tensor) -> Tensor:
    return cubes.flip(2, 3, 4)


def _last_spatial_layer(network: nn.Module, x: Tensor) -> str:
    """Returns the name of the last layer whose output map has at least ``COARSEST_MAP`` voxels per
    side."""
    found: list[str] = []
    layers = [(name, layer) for name, layer in network.named_modules() if name]
    hooks = [layer.register_forward_hook(_note_map(name, found)) for name, layer in layers]
    with torch.no_grad():
        network(x)
    for hook in hooks:
        hook.remove()
    return found[-1]


def _is_map(shape: torch.Size) -> bool:
    """Whether it is (N, C, n, n, n), with n large enough, not channels last."""
    return len(shape) == 5 and shape[2] == shape[3] == shape[4] >= COARSEST_MAP


def _note_map(name: str, found: list[str]) -> Callable[[nn.Module, tuple, Any], None]:
    def note(layer: nn.Module, inputs: tuple, output: Any) -> None:
        if isinstance(output, Tensor) and _is_map(output.shape):
            found.append(name)

    return note
