"""Two weight sets on the same nodules: whether they differ by more than chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import binomtest

from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.bootstrap import interval
from nodulerisk.evaluation.choices import Threshold
from nodulerisk.evaluation.figures import auc, delong_p
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.evaluation.samples import TaskSample, task_sample, with_task
from nodulerisk.evaluation.task_figures import contrasts
from nodulerisk.files import write_table
from nodulerisk.tasks import TASKS, Task

COLUMNS = (
    *("task", "contrast", "nodules", "patients", "auc_first", "auc_second"),
    *("auc_difference", "low", "high", "delong_p"),
    *("only_first_right", "only_second_right", "mcnemar_p"),
)


@dataclass(frozen=True)
class Paired:
    """The answers of two sets to one contrast of a task, on the same nodules.

    Attributes:
        auc: of the first and the second set.
        difference: second less first, with its 95 % interval from draws of patients.
        delong_p: of DeLong's test, which takes nodules for independent; None with fewer than two of
            a kind.
        only_first_right, only_second_right: nodules that one set alone decides rightly.
        mcnemar_p: of McNemar's exact test on them.
    """

    task: str
    contrast: str
    nodules: int
    patients: int
    auc: tuple[float, float]
    difference: tuple[float, float, float]
    delong_p: float | None
    only_first_right: int
    only_second_right: int
    mcnemar_p: float


def compare_predictions(
    first: Sequence[Prediction], second: Sequence[Prediction], tasks: Mapping[str, Task] = TASKS
) -> list[Paired]:
    """Compares two sets' answers on the nodules that both answered, by name: the test nodules, or
    all if there are none.

    Raises:
        NoduleRiskError: they have no nodule in common, labels of a common one differ, or no task
            has an answer of both for nodules of two classes.
    """
    ours, theirs = ({o.name: o for o in _counted(those)} for those in (first, second))
    names = [name for name in ours if name in theirs]
    if not names:
        raise NoduleRiskError(
            "The two evaluations have no nodule in common: evaluate both sets on the same data."
        )
    for name in names:
        both = ours[name].labels.keys() & theirs[name].labels.keys()
        if any(ours[name].labels[task] != theirs[name].labels[task] for task in both):
            raise NoduleRiskError(
                f"Nodule {name} has other labels in the second evaluation: evaluate both sets on"
                " the same data."
            )
    pairs = [(ours[name], theirs[name]) for name in names]
    found = [one for task in tasks.values() for one in _of_task(task, pairs)]
    if not found:
        raise NoduleRiskError(
            "No task can be compared: there is none for which both sets answered nodules of two"
            " classes."
        )
    return found


def write_comparison(found: Sequence[Paired], path: Path) -> None:
    """Writes a row for each contrast.

    Raises:
        OutputError: the file cannot be written.
    """
    write_table(path, COLUMNS, map(_row, found))


def mcnemar_p(first_right: np.ndarray, second_right: np.ndarray) -> float:
    """Returns the two-sided p of McNemar's exact test, from which nodules, bool (n,), each set
    decides rightly; 1 if they are right on the same.

    Source: McNemar, Psychometrika 1947;12:153-157.

    Examples:
        >>> right = np.array([True] * 6)
        >>> mcnemar_p(right, ~right)
        0.03125
    """
    one, other = int((first_right & ~second_right).sum()), int((second_right & ~first_right).sum())
    return float(binomtest(one, one + other).pvalue) if one + other else 1.0


def _counted(predictions: Sequence[Prediction]) -> Sequence[Prediction]:
    return [o for o in predictions if o.split == "test"] or predictions


def _of_task(task: Task, pairs: list[tuple[Prediction, Prediction]]) -> Iterator[Paired]:
    common = [pair for pair in pairs if len(with_task(pair, task.name)) == 2]
    if not common:
        return
    first, second = (task_sample(those, task.name) for those in zip(*common, strict=True))
    right = [
        _threshold(those[0], task.name).decide(sample.probabilities) == sample.labels
        for those, sample in zip(zip(*common, strict=True), (first, second), strict=True)
    ]
    for contrast in contrasts(task):
        if contrast.parts(first):
            yield _compared(task, contrast, first, second, right)


def _threshold(prediction: Prediction, task: str) -> Threshold:
    return Threshold(prediction.thresholds.get(task), "the weight set's own")


def _compared(task: Task, contrast, first: TaskSample, second: TaskSample, right) -> Paired:
    positive = contrast.positive(first)
    scores = contrast.scores(first), contrast.scores(second)
    rows = [first.rows(auc, positive, score) for score in scores]
    p = delong_p(positive, *scores)
    return Paired(
        task=task.name,
        contrast=contrast.name,
        nodules=len(first),
        patients=len(set(first.patients)),
        auc=(float(rows[0][0]), float(rows[1][0])),
        difference=interval(rows[1] - rows[0]),
        delong_p=p if np.isfinite(p) else None,
        only_first_right=int((right[0] & ~right[1]).sum()),
        only_second_right=int((right[1] & ~right[0]).sum()),
        mcnemar_p=mcnemar_p(*right),
    )


def _row(found: Paired) -> dict[str, str | float | None]:
    numbers = (*found.auc, *found.difference, found.delong_p)
    rounded = [None if value is None else round(value, 5) for value in numbers]
    counts = (found.only_first_right, found.only_second_right, round(found.mcnemar_p, 5))
    cells = (found.task, found.contrast, found.nodules, found.patients, *rounded, *counts)
    return dict(zip(COLUMNS, cells, strict=True))
