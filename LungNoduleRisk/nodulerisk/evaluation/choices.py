"""Thresholds and calibration, chosen on validation nodules, never on those that the figures come
from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from nodulerisk.evaluation.calibration import fit_calibration
from nodulerisk.evaluation.figures import youden
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.evaluation.samples import TaskSample, task_sample, with_task
from nodulerisk.tasks import TASKS, Task, two_class_tasks
from nodulerisk.weights.calibration import Line

ENOUGH = 5  # nodules needed in every class to choose anything


@dataclass(frozen=True)
class Threshold:
    """The probability of the last class from which it is decided on (None: the most probable
    class), and its source."""

    value: float | None
    source: str

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """Returns the decided class, int (...), of each of (..., C) probabilities."""
        if self.value is None:
            return probabilities.argmax(axis=-1)
        return np.where(probabilities[..., -1] >= self.value, probabilities.shape[-1] - 1, 0)


def chosen_thresholds(
    predictions: Iterable[Prediction], tasks: Mapping[str, Task] = TASKS
) -> dict[str, float]:
    """Returns thresholds for a card: those with the largest Youden index on the validation
    predictions, for every two-class task with enough of them."""
    samples = {task: validation_sample(predictions, tasks[task]) for task in two_class_tasks(tasks)}
    return {
        task: youden(s.labels == 1, s.probabilities[:, 1])
        for task, s in samples.items()
        if s is not None
    }


def chosen_calibration(
    predictions: Iterable[Prediction], tasks: Mapping[str, Task] = TASKS
) -> dict[str, Line]:
    """Returns calibrations for a card: the line that fits the validation predictions best, for
    every task with enough of them."""
    samples = {name: validation_sample(predictions, task) for name, task in tasks.items()}
    return {
        task: fit_calibration(s.members, s.labels) for task, s in samples.items() if s is not None
    }


def threshold_for(task: str, chosen: dict[str, float], answered: Iterable[Prediction]) -> Threshold:
    """Returns the threshold chosen on validation, else the card's as stored with the predictions,
    else the most probable class."""
    if task in chosen:
        return Threshold(chosen[task], "largest Youden index on validation nodules")
    card = next((o.thresholds.get(task) for o in answered), None)
    if card is not None:
        return Threshold(card, "the weight set's own")
    return Threshold(None, "the most probable class")


def validation_sample(predictions: Iterable[Prediction], task: Task) -> TaskSample | None:
    """Returns the validation nodules with an answer to the task; None with fewer than ``ENOUGH`` of
    a class."""
    answered = with_task([o for o in predictions if o.split == "validation"], task.name)
    counts = np.bincount([o.labels[task.name] for o in answered], minlength=len(task.classes))
    return task_sample(answered, task.name) if counts.min() >= ENOUGH else None
