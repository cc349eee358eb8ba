"""``nodulerisk fit-risk``: a task's risk model and size model, fitted on a weight set's own masks.

A nodule's label is its readers' median rating, above or below the middle, if every reader's rating
is known, else the dataset's label. The figures on the card come from nested cross-validation over
all nodules; the models on it are fitted on all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nodulerisk.assess import Progress
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.lidc.ratings import MIDDLE_RATING
from nodulerisk.datasets.nodules import LabelledNodule, NoduleDataset
from nodulerisk.datasets.rows import Row, cell, number, read_rows
from nodulerisk.engine.engine import Networks
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.bootstrap import Figure, figure, interval, kept, patient_weights
from nodulerisk.evaluation.calibration import brier, calibration_error
from nodulerisk.evaluation.evidence import LABEL_WORDS
from nodulerisk.evaluation.figures import auc, youden
from nodulerisk.evaluation.task_figures import SMALL_MM
from nodulerisk.files import column_name
from nodulerisk.nodule.drawing import draw
from nodulerisk.nodule.quantities import RADIOMICS
from nodulerisk.nodule.radiomics import radiomics
from nodulerisk.tasks import TASKS, Task, two_class_tasks, weakest
from nodulerisk.train.risk.logistic import FOLDS, Cases, balanced_folds, chosen, cross_validated
from nodulerisk.weights.card import LOG_ODDS, Evidence, TaskCard, WeightSet

TERMS = ("log axial area", "axial elongation", "core minus border", "calcified fraction")
SIZE_TERMS = ("log volume",)
ENOUGH = 2 * FOLDS  # patients of either class

Extra = Mapping[str, Mapping[str, float]]  # nodule -> further input -> value


@dataclass(frozen=True, eq=False)
class Measured:
    """Nodules with a decided label and a mask, as arrays (n,).

    Attributes:
        cases: inputs, labels and patients.
        diameters_mm: as the dataset says, NaN if it does not.
        names: of the nodules.
    """

    cases: Cases
    diameters_mm: np.ndarray
    names: tuple[str, ...]


def fit_risk(
    weights: WeightSet,
    dataset: NoduleDataset,
    networks: Networks,
    *,
    task: str = "malignancy",
    terms: Sequence[str] = TERMS,
    extra: Extra | None = None,
    folds: Mapping[str, int] | None = None,
    progress: Progress | None = None,
) -> WeightSet:
    """Fits the task's risk model and size model on all nodules of a dataset with a decided label.

    Args:
        weights: the set that draws the masks and gets the models.
        dataset: labelled nodules; those without a decided label, or without a mask by the set, are
            left out.
        networks: a warm Engine or Worker of the same weights.
        task: of two classes.
        terms: the model's inputs; each of the other ``RADIOMICS`` and of the inputs in ``extra`` is
            tried as one more term, and its gain is noted on the card.
        extra: further inputs of every nodule that come from elsewhere, such as the log-odds of
            networks that were not trained on it.
        folds: nodule -> fold, as in the training of the networks behind ``extra``; None: assigned
            here.
        progress: called with the nodule's name and the share done, 0..1.

    Returns:
        The set, with its card changed but not yet saved.

    Raises:
        NoduleRiskError: the task does not have two classes, a class has too few patients, an input
            is unknown, ``extra`` or ``folds`` lacks a nodule, or no mask was drawn on any.
    """
    nodules = [n for n in dataset.nodules if decided_label(n, task) is not None]
    _refuse_unfit(nodules, task, weights.table, terms, extra or {}, folds)
    measured = measured_nodules(weights, nodules, networks, task, extra or {}, progress)
    if folds is None:
        fold = balanced_folds(measured.cases)
    else:
        fold = np.array([folds[name] for name in measured.names])
    about = _about(dataset.name, nodules, measured, weights.table[task])
    card = risk_card(weights.tasks[task], measured, fold, terms, about)
    return replace(weights, tasks=weights.tasks | {task: card})


def decided_label(nodule: LabelledNodule, task: str) -> int | None:
    """Returns 0 or 1: for malignancy whether the readers' median lies above the middle, else the
    dataset's label; None if it is not decided."""
    if task != "malignancy" or not nodule.ratings:
        return nodule.labels.get(task)
    median = float(np.median(nodule.ratings))
    return None if median == MIDDLE_RATING else int(median > MIDDLE_RATING)


def measured_nodules(
    weights: WeightSet,
    nodules: Sequence[LabelledNodule],
    networks: Networks,
    task: str,
    extra: Extra,
    progress: Progress | None = None,
) -> Measured:
    """Returns the radiomics of nodules with a decided label on the set's own masks, and their
    further inputs; those without a mask are left out.

    Raises:
        NoduleRiskError: the set draws no mask on any of them.
    """
    found = []
    for index, nodule in enumerate(nodules):
        if progress is not None:
            progress(nodule.name, index / len(nodules))
        ct = _ct(nodule)
        mask = draw(ct, np.array(nodule.centre_lps_mm), weights, networks).nodule
        if mask is not None and (traits := radiomics(mask, ct)):
            found.append((nodule, traits | dict(extra.get(nodule.name, {}))))
    if not found:
        raise NoduleRiskError(f"The weight set '{weights.name}' draws no masks to fit on.")
    inputs = {name: np.array([row[name] for _, row in found], float) for name in found[0][1]}
    labels = np.array([decided_label(nodule, task) for nodule, _ in found], float)
    patients = np.array([nodule.patient for nodule, _ in found])
    diameters = np.array([nodule.diameter_mm or np.nan for nodule, _ in found], float)
    names = tuple(nodule.name for nodule, _ in found)
    return Measured(Cases(inputs, labels, patients), diameters, names)


def risk_card(
    card: TaskCard, measured: Measured, folds: np.ndarray, terms: Sequence[str], about: Evidence
) -> TaskCard:
    """Returns the task's card with both models, the threshold with the largest Youden index, and
    the cross-validated evidence.

    Args:
        card: the previous card.
        measured: what the models are fitted on.
        folds: int (n,), which patients are held out together.
        terms: the risk model's inputs.
        about: level, data and label words of the evidence; its figures are filled in.
    """
    cases = measured.cases
    said, by_size = (cross_validated(cases, names, folds) for names in (terms, SIZE_TERMS))
    figures = kept(_figures(measured, said, by_size))
    risk = replace(chosen(cases, terms), left_out=_left_out(cases, terms, folds, said))
    numbers = {f.name: [round(n, 3) for n in (f.value, f.low, f.high)] for f in figures}
    return replace(
        card,
        evidence=replace(about, figures=numbers),
        threshold=round(youden(cases.labels == 1, said), 4),
        risk=risk,
        size=chosen(cases, SIZE_TERMS),
        further_evidence=(),  # it was about the previous models
    )


def read_extra(path: Path, tasks: Mapping[str, Task] = TASKS) -> dict[str, dict[str, float]]:
    """Reads further inputs from a table: ``name`` (the nodule's), and columns named like tasks,
    with the log-odds of their last class by networks that were not trained on the nodule.

    Raises:
        NoduleRiskError: the file cannot be read, has no such column, or a value is not a number.
    """
    rows = read_rows(path)
    columns = {task: column_name(task) for task in tasks if column_name(task) in rows[0]}
    if not columns:
        raise NoduleRiskError(f"{path.name} has no column named like a task, such as malignancy.")
    return {
        _name(row, path): {
            LOG_ODDS + task: number(row[column], task) for task, column in columns.items()
        }
        for row in rows
    }


def _name(row: Row, path: Path) -> str:
    if not (name := cell(row, "name")):
        raise NoduleRiskError(f"{path.name} needs a column 'name' with the nodules' names.")
    return name


def _ct(nodule: LabelledNodule) -> CT:
    """Returns the nodule's CT, continued above and below if it ends with the nodule."""
    if nodule.marked is None:
        return nodule.ct
    return with_context(nodule, np.random.default_rng(0), ("lung",))[0]


def _refuse_unfit(
    nodules: Sequence[LabelledNodule],
    task: str,
    table: Mapping[str, Task],
    terms: Sequence[str],
    extra: Extra,
    folds: Mapping[str, int] | None,
) -> None:
    """Refuses what cannot be fitted before spending minutes on drawing masks.

    Raises:
        NoduleRiskError: see ``fit_risk``.
    """
    if task not in two_class_tasks(table):
        raise NoduleRiskError(f"A risk model needs a task of two classes, which '{task}' is not.")
    for index, name in enumerate(table[task].classes):
        count = len({n.patient for n in nodules if decided_label(n, task) == index})
        if count < ENOUGH:
            raise NoduleRiskError(
                f"Only {count} patients have a {name} nodule: a risk model needs {ENOUGH}."
            )
    for nodule in nodules:
        if extra and nodule.name not in extra:
            raise NoduleRiskError(f"There are no further inputs for nodule {nodule.name}.")
        if folds is not None and nodule.name not in folds:
            raise NoduleRiskError(f"The folds do not list nodule {nodule.name}.")
    known = [*RADIOMICS, *next(iter(extra.values()), ())]
    if unknown := [name for name in terms if name not in known]:
        raise NoduleRiskError(f"There is no input '{unknown[0]}': choose among {', '.join(known)}.")


def _about(
    dataset: str, nodules: Sequence[LabelledNodule], measured: Measured, task: Task
) -> Evidence:
    """Returns the evidence without its figures; its level is the weakest of all nodules."""
    level = weakest((task.evidence[0], *(n.evidence for n in nodules)))
    patients = measured.cases.patients.tolist()
    data = (
        f"{dataset}, all nodules with a decided label, on the set's own masks, in {FOLDS}"
        " patient-wise folds (nested cross-validation); the mask network may have learnt from them"
    )
    return Evidence(level, data, LABEL_WORDS[level], len(patients), len(set(patients)))


def _figures(measured: Measured, said: np.ndarray, by_size: np.ndarray) -> Iterator[Figure | None]:
    cases = measured.cases
    weights, patients = patient_weights(cases.patients), cases.patients.tolist()
    small = _small(measured.diameters_mm)
    for where, part in (("", np.ones(len(cases), bool)), (" within 6-12 mm", small)):
        scores = said[part], by_size[part], measured.diameters_mm[part]
        yield from _aucs(where, cases.where(part), *scores, weights[:, part])
    yield figure("calibration error", calibration_error(said, cases.labels, weights), patients)
    both = np.stack([1 - said, said], axis=1)
    yield figure("Brier score", brier(both, cases.labels.astype(int), weights), patients)


def _aucs(
    where: str,
    cases: Cases,
    said: np.ndarray,
    by_size: np.ndarray,
    diameters_mm: np.ndarray,
    weights: np.ndarray,
) -> Iterator[Figure | None]:
    positive, patients = cases.labels == 1, cases.patients.tolist()
    model, size = (auc(positive, scores, weights) for scores in (said, by_size))
    yield figure(f"AUC{where}", model, patients)
    yield figure(f"AUC of volume alone{where}", size, patients)
    yield figure(f"AUC minus that of volume alone{where}", model - size, patients)
    if np.isfinite(diameters_mm).all():
        diameter = auc(positive, diameters_mm, weights)
        yield figure(f"AUC of diameter alone{where}", diameter, patients)


def _small(diameters_mm: np.ndarray) -> np.ndarray:
    return (diameters_mm >= SMALL_MM[0]) & (diameters_mm <= SMALL_MM[1])


def _left_out(
    cases: Cases, terms: Sequence[str], folds: np.ndarray, said: np.ndarray
) -> dict[str, list[float]]:
    """Returns the AUC gained by each unused input as one more term."""
    weights, positive = patient_weights(cases.patients), cases.labels == 1
    base = auc(positive, said, weights)
    gains = {
        name: auc(positive, cross_validated(cases, (*terms, name), folds), weights) - base
        for name in cases.inputs
        if name not in terms
    }
    return {name: [round(n, 4) for n in interval(gain)] for name, gain in gains.items()}
