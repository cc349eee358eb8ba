"""Predictions as arrays: the nodules that a figure comes from, and the groups that they fall
into."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np

from nodulerisk.evaluation.bootstrap import Figure, figure, kept, patient_weights, weighted_mean
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.tasks import TASKS, EvidenceLevel, Task, weakest

SIZES_MM = (6.0, 8.0, 15.0)  # where Lung-RADS v2022 changes its category of a solid nodule
SIZE_NAMES = ("below 6 mm", "6 to 8 mm", "8 to 15 mm", "15 mm and above")
UNKNOWN = -1
AT_ONCE = 10_000_000  # size of the blocks of weights that figures are computed from


@dataclass(frozen=True)
class Group:
    """Figures for nodules of one size or density type; for a task, ``classes`` counts the nodules
    with each label."""

    by: str
    name: str
    nodules: int
    patients: int
    classes: tuple[int, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, eq=False)
class Sample:
    """n nodules.

    Attributes:
        patients: (n,), a name or number that all nodules of a patient share.
        diameters_mm: float (n,), NaN if not known.
        densities: int (n,), the labelled density type's class, -1 if not known.
        groups_by: (n,), a record of the words in the columns of the source's table asked for.
        weights: float (1 + draws, n), see ``bootstrap``.
    """

    patients: np.ndarray
    diameters_mm: np.ndarray
    densities: np.ndarray
    groups_by: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.patients)

    def where(self, chosen: np.ndarray) -> Self:
        """Returns the nodules for which bool (n,) is true; the drawn patients stay those of the
        whole sample."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{k: a[:, chosen] if k == "weights" else a[chosen] for k, a in arrays.items()}
        )

    def blocks(self) -> Iterator[np.ndarray]:
        """Yields the weights, some rows at a time: computing a figure takes several times their
        memory."""
        step = max(1, AT_ONCE // max(len(self), 1))
        return (self.weights[start : start + step] for start in range(0, len(self.weights), step))

    def rows(self, function: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
        """Returns function(*arrays, weights), whose result has one row for each row of the
        weights."""
        return np.concatenate([function(*arrays, block) for block in self.blocks()])

    def figure(self, name: str, rows: np.ndarray) -> Figure | None:
        """Returns the figure from its rows (1 + draws,) for these nodules."""
        return figure(name, rows, self.patients.tolist())

    def mean_of(self, name: str, values: np.ndarray) -> Figure | None:
        """Returns the mean of values (n,) over the nodules that have one."""
        known = np.isfinite(values)
        chosen = self.where(known)
        return chosen.figure(name, weighted_mean(values[known], chosen.weights))

    def groups(self, figures: Callable[[Self], Iterable[Figure | None]]) -> tuple[Group, ...]:
        """Returns figures for the nodules of each size, each density type and each word of the
        columns asked for; empty groups are left out."""
        return tuple(
            Group(
                by,
                name,
                len(group),
                len(set(group.patients)),
                group.class_counts(),
                kept(figures(group)),
            )
            for by, name, group in self._parts()
            if len(group)
        )

    def class_counts(self) -> tuple[int, ...]:
        """Returns the number of nodules with each label; empty if there are no labels."""
        return ()

    def _parts(self) -> Iterator[tuple[str, str, Self]]:
        """Yields groups by size and by density type: the kind of group, its name, and its
        nodules."""
        sized = np.isfinite(self.diameters_mm)
        step = np.digitize(self.diameters_mm, SIZES_MM)
        for index, name in enumerate(SIZE_NAMES):
            yield "size", name, self.where(sized & (step == index))
        for index, name in enumerate(TASKS["density"].classes):
            yield "density", name, self.where(self.densities == index)
        for column in self.groups_by.dtype.names or ():
            words = self.groups_by[column]
            for word in sorted(set(words.tolist())):
                yield column, word or "not given", self.where(words == word)


@dataclass(frozen=True, eq=False)
class TaskSample(Sample):
    """Nodules with a task's label and answer.

    Attributes:
        labels: int (n,).
        members: float (n, M, C), class probabilities of each network.
        clicked: float (n, K, M, C), the same for K clicks off the centre.
    """

    labels: np.ndarray
    members: np.ndarray
    clicked: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Class probabilities (n, C), the members' plain mean."""
        return self.members.mean(axis=1)

    def class_counts(self) -> tuple[int, ...]:
        return tuple(np.bincount(self.labels, minlength=self.members.shape[-1]).tolist())


@dataclass(frozen=True, eq=False)
class MaskSample(Sample):
    """Nodules with a reference mask, and how well theirs fits: float (n,) each, NaN if there is
    none."""

    dice: np.ndarray
    surface_mm: np.ndarray
    hausdorff95_mm: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    click_dice: np.ndarray
    readers_dice: np.ndarray


def with_task(predictions: Sequence[Prediction], task: str) -> list[Prediction]:
    """Returns the predictions with the task's label and answer."""
    return [o for o in predictions if task in o.labels and task in o.members]


def with_mask(predictions: Sequence[Prediction]) -> list[Prediction]:
    """Returns the predictions with a mask that was compared."""
    return [o for o in predictions if o.mask is not None]


def task_sample(predictions: Sequence[Prediction], task: str) -> TaskSample:
    """Turns predictions that all have the task's label and answer into arrays."""
    return TaskSample(
        **_common(predictions),
        labels=np.array([o.labels[task] for o in predictions], int),
        members=np.array([list(o.members[task].values()) for o in predictions], float),
        clicked=_clicked(predictions, task),
    )


def _clicked(predictions: Sequence[Prediction], task: str) -> np.ndarray:
    """Returns (n, K, M, C) for as many clicks as every nodule has."""
    answers = [
        [list(click[task].values()) for click in o.clicks if task in click] for o in predictions
    ]
    count = min(map(len, answers))
    once = [list(o.members[task].values()) for o in predictions]
    return np.array([a[:count] for a in answers], float).reshape(
        len(answers), count, *np.shape(once)[1:]
    )


def mask_sample(predictions: Sequence[Prediction]) -> MaskSample:
    """Turns predictions that all have a compared mask into arrays."""
    fits = [o.mask for o in predictions if o.mask is not None]
    return MaskSample(
        **_common(predictions),
        dice=np.array([fit.dice for fit in fits], float),
        surface_mm=np.array([fit.surface_mm for fit in fits], float),
        hausdorff95_mm=np.array([fit.hausdorff95_mm for fit in fits], float),
        precision=np.array([fit.precision for fit in fits], float),
        recall=np.array([fit.recall for fit in fits], float),
        click_dice=np.array([_mean(o.click_dice) for o in predictions], float),
        readers_dice=np.array([o.readers_dice for o in predictions], float),
    )


def weakest_evidence(predictions: Iterable[Prediction], task: Task | None = None) -> EvidenceLevel:
    """Returns what the labels rest on; with several kinds, the weakest, and never more than the
    task's may rest on."""
    best = [task.evidence[0]] if task else []
    return weakest((*best, *(o.evidence for o in predictions)))


def _common(predictions: Sequence[Prediction]) -> dict[str, np.ndarray]:
    patients = [o.patient for o in predictions]
    return {
        "patients": np.array(patients, str),
        "diameters_mm": np.array([o.diameter_mm for o in predictions], float),  # None becomes NaN
        "densities": np.array([o.labels.get("density", UNKNOWN) for o in predictions], int),
        "groups_by": _groups(predictions),
        "weights": patient_weights(patients),
    }


def _groups(predictions: Sequence[Prediction]) -> np.ndarray:
    columns = list(dict.fromkeys(column for o in predictions for column in o.groups))
    rows = [tuple(o.groups.get(column, "") for column in columns) for o in predictions]
    return np.array(rows, dtype=[(column, object) for column in columns])


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
