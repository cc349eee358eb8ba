"""The figures of an epoch, as DenseSharp's authors log them: precision, recall and F1 at one half,
of each task, of its contrasts, and of the mask's voxels.

Theirs are means over batches; these count the whole epoch. With several processes, each counts all
of the validation, and its own share of the training.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.evaluation.figures import two_class_rates
from nodulerisk.evaluation.task_figures import contrasts
from nodulerisk.files import column_name
from nodulerisk.tasks import Task

NAMES = {"accuracy": "accuracy", "PPV": "precision", "sensitivity": "recall", "F1": "f1"}
MASK = "mask"
Sides = tuple[str, Tensor, Tensor]  # what is counted, what was said and what is true, bool


class EpochFigures:
    """Counts what a network says in an epoch; what is never known has no figures."""

    def __init__(self, tasks: list[Task], draws_mask: bool):
        self._tasks = tasks
        names = [name for task in tasks for name, *_ in _sides(task, *_nothing(task))]
        self._counts = {
            name: torch.zeros(2, 2, dtype=torch.float64)
            for name in [*names, *([MASK] if draws_mask else [])]
        }

    def add_classes(self, task: Task, logits: Tensor, labels: Tensor) -> None:
        """Counts answers to a task: logits (N, C), the true classes (N,)."""
        for name, said, true in _sides(task, logits.detach().softmax(dim=1), labels):
            self._add(name, said, true)

    def add_mask(self, drawn: Tensor, marked: Tensor) -> None:
        """Counts the voxels of masks, bool (N, 1, S, S, S)."""
        self._add(MASK, drawn, marked)

    def figures(self) -> dict[str, float]:
        """Returns the figures, such as ``subtype_ia_precision``, and begins anew."""
        found = {
            f"{name}_{NAMES[rate]}": float(value)
            for name, table in self._counts.items()
            for rate, (value,) in two_class_rates(table.numpy()[None]).items()
            if rate in NAMES and value == value  # known
        }
        for counts in self._counts.values():
            counts.zero_()
        return found

    def _add(self, name: str, said: Tensor, true: Tensor) -> None:
        found = torch.stack([(said & true).sum(), said.sum(), true.sum()]).cpu().double()
        hits, alarms, missed = found[0], found[1] - found[0], found[2] - found[0]
        others = true.numel() - hits - alarms - missed
        self._counts[name] += torch.stack([others, alarms, missed, hits]).view(2, 2)


def _sides(task: Task, probabilities: Tensor, labels: Tensor) -> Iterator[Sides]:
    """Yields the sides of each contrast; of three classes or more, first of the task as a whole,
    where a class is said if it is at least as probable as all others together."""
    count = len(task.classes)
    true = F.one_hot(labels, count).bool()
    if count > 2:
        yield task.name, probabilities >= 0.5, true
    for contrast in contrasts(task):
        if contrast.is_upper(count):
            classes = list(contrast.classes)
            name = task.name if count == 2 else f"{task.name}_{contrast.name}"
            yield (
                column_name(name),
                probabilities[:, classes].sum(dim=1) >= 0.5,
                true[:, classes].any(dim=1),
            )


def _nothing(task: Task) -> tuple[Tensor, Tensor]:
    return torch.empty(0, len(task.classes)), torch.empty(0, dtype=torch.long)
