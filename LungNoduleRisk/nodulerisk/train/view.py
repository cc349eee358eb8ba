"""What a network sees of a nodule, and what it should answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.networks.kinds import Cubes
from nodulerisk.tasks import TASKS, Task


@dataclass(frozen=True)
class View:
    """A network's view: its kind's cubes, with these sides if they are concentric, of ``size``
    voxels per side."""

    cubes: type[Cubes]
    sides: tuple[int, int, int] | None
    size: int

    @property
    def draws_mask(self) -> bool:
        return not self.cubes.concentric

    def offsets_mm(self) -> np.ndarray:
        """Returns float32 (channels, size, size, size, 3): z, y, x in mm of every voxel from the
        centre."""
        return self.cubes.offsets_mm(self.sides, self.size)

    def windowed(self, hu: Tensor) -> Tensor:
        """Returns HU as the network's input."""
        low, high = self.cubes.window_hu
        return self.cubes.scaled((hu.clamp(low, high) - low) / (high - low))


def targets_of(
    nodule: LabelledNodule, tasks: Sequence[str], table: Mapping[str, Task] = TASKS
) -> Tensor:
    """Returns the class probabilities of the tasks side by side, float32 (C,), NaN if not known."""
    counts = [len(table[task].classes) for task in tasks]
    known = [nodule.target(task, count) for task, count in zip(tasks, counts, strict=True)]
    parts = [
        np.full(count, np.nan) if p is None else p for count, p in zip(counts, known, strict=True)
    ]
    return torch.from_numpy(np.concatenate(parts).astype(np.float32))
