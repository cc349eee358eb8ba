"""The figures and curves of one task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nodulerisk.evaluation.bootstrap import Figure, kept
from nodulerisk.evaluation.calibration import brier, calibration_error, confidence, reliability
from nodulerisk.evaluation.choices import Threshold
from nodulerisk.evaluation.figures import (
    accuracy,
    auc,
    confusion,
    delong_p,
    net_benefit,
    roc,
    threshold_rules,
    two_class_rates,
    weighted_f1,
)
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.evaluation.samples import TaskSample, task_sample, weakest_evidence
from nodulerisk.evaluation.summary import (
    GRID,
    AtThreshold,
    DecisionCurve,
    Points,
    RocCurve,
    TaskEvaluation,
)
from nodulerisk.tasks import TASKS, EvidenceLevel, Task
from nodulerisk.weights.calibration import Line, calibrated

SMALL_MM = (6.0, 12.0)  # the sizes where size helps least
CUTS = np.linspace(0.01, 0.95, 95)  # thresholds of the decision curve
POINTS = 500  # of a curve: more would not be visible


@dataclass(frozen=True)
class Contrast:
    """Some classes of a task against the others."""

    name: str
    classes: tuple[int, ...]

    def positive(self, sample: TaskSample) -> np.ndarray:
        return np.isin(sample.labels, self.classes)

    def scores(self, sample: TaskSample) -> np.ndarray:
        return sample.probabilities[:, list(self.classes)].sum(axis=1)

    def parts(self, sample: TaskSample) -> bool:
        """Whether the sample has nodules on both sides."""
        positive = self.positive(sample)
        return bool(positive.any() and not positive.all())

    def is_upper(self, n_classes: int) -> bool:
        """Whether it includes the last class: then larger nodules may be in higher classes."""
        return n_classes - 1 in self.classes


def evaluate_task(
    task: Task, predictions: Sequence[Prediction], threshold: Threshold, line: Line | None
) -> TaskEvaluation:
    """Returns figures for predictions that all have the task's label and answer.

    Args:
        task: one of the set's.
        predictions: at least one.
        threshold: what decides.
        line: calibration chosen on other nodules, whose effect on these is shown; None: there is
            none.
    """
    sample = task_sample(predictions, task.name)
    evaluation = _evaluated(task, sample, weakest_evidence(predictions, task), threshold)
    return evaluation if line is None else _with_line(evaluation, sample, line)


def evaluate_sample(
    task: str,
    sample: TaskSample,
    evidence: EvidenceLevel,
    threshold: Threshold,
    tasks: Mapping[str, Task] = TASKS,
) -> TaskEvaluation:
    """Returns figures for at least one nodule; those that need diameters, density types or clicks
    only if there are some.

    Args:
        task: of ``tasks``.
        sample: its draws give the intervals.
        evidence: what the labels rest on.
        threshold: what decides.
        tasks: those of the set.
    """
    return _evaluated(tasks[task], sample, evidence, threshold)


def _evaluated(
    task: Task, sample: TaskSample, evidence: EvidenceLevel, threshold: Threshold
) -> TaskEvaluation:
    n_classes = len(task.classes)
    return TaskEvaluation(
        task=task.name,
        classes=task.classes,
        evidence=evidence,
        nodules=len(sample),
        patients=len(set(sample.patients)),
        threshold=threshold,
        figures=kept(_task_figures(task, sample, threshold)),
        confusion=_counts(_decisions(sample, threshold)),
        rocs=tuple(
            _roc_curve(contrast, sample) for contrast in contrasts(task) if contrast.parts(sample)
        ),
        reliability=reliability(*confidence(sample.probabilities, sample.labels), sample.weights),
        decision_curve=_decision_curve(sample) if n_classes == 2 else None,
        groups=sample.groups(lambda group: _group_figures(task, group, threshold)),
    )


def at_thresholds(
    task: Task, sample: TaskSample, chosen_on: TaskSample | None
) -> tuple[AtThreshold, ...]:
    """Returns the rates of a two-class task at the thresholds that ``threshold_rules`` choose.

    Args:
        task: with two classes.
        sample: what the rates are of.
        chosen_on: validation nodules; None: there are too few, so that they are chosen on the same
            nodules, which the source then says.
    """
    where = "on validation nodules" if chosen_on else "on these same nodules, so too optimistic"
    source = chosen_on or sample
    positive = source.labels == 1
    if not positive.any() or positive.all():
        return ()
    rules = threshold_rules(positive, source.probabilities[:, 1])
    return tuple(
        AtThreshold(
            value,
            rule if rule == "one half" else f"{rule} {where}",
            kept(_decision_figures(task, sample, Threshold(value, rule))),
        )
        for rule, value in rules.items()
    )


def contrasts(task: Task) -> tuple[Contrast, ...]:
    """Returns the contrasts of a task: for two classes, the last against the first; for more, each
    against the rest.

    If all but the first class have a common name, they replace the first one: for the subtype, this
    is what DenseSharp's authors call invasive.
    """
    classes, but_first = task.classes, task.but_first
    if len(classes) == 2:
        return (Contrast(classes[1], (1,)),)
    first, *others = (Contrast(name, (index,)) for index, name in enumerate(classes))
    if but_first:
        first = Contrast(but_first, tuple(range(1, len(classes))))
    return (first, *others)


def _task_figures(task: Task, sample: TaskSample, threshold: Threshold) -> Iterator[Figure | None]:
    n_classes = len(task.classes)
    for contrast in contrasts(task):
        suffix = "" if n_classes == 2 else f", {contrast.name}"
        yield sample.figure(f"AUC{suffix}", _auc(contrast, sample))
        if contrast.is_upper(n_classes):
            yield from _beside_size(contrast, sample, suffix)
    yield from _decision_figures(task, sample, threshold)
    yield from _calibration_figures(sample)
    if sample.clicked.shape[1]:
        yield sample.mean_of("class flips under 2 mm clicks", _flipped(sample, threshold))


def _beside_size(contrast: Contrast, whole: TaskSample, suffix: str) -> Iterator[Figure | None]:
    """Returns what the networks add to the diameter: among all nodules, and among those whose size
    says little."""
    sized = whole.where(np.isfinite(whole.diameters_mm))
    network, size = _auc_pair(contrast, sized)
    yield sized.figure(f"AUC of diameter alone{suffix}", size)
    yield sized.figure(f"AUC minus that of diameter alone{suffix}", network - size)
    small = sized.where((sized.diameters_mm >= SMALL_MM[0]) & (sized.diameters_mm <= SMALL_MM[1]))
    network, size = _auc_pair(contrast, small)
    yield small.figure(f"AUC within 6-12 mm{suffix}", network)
    yield small.figure(f"AUC of diameter alone within 6-12 mm{suffix}", size)


def _auc_pair(contrast: Contrast, sample: TaskSample) -> tuple[np.ndarray, np.ndarray]:
    return _auc(contrast, sample), sample.rows(auc, contrast.positive(sample), sample.diameters_mm)


def _auc(contrast: Contrast, sample: TaskSample) -> np.ndarray:
    return sample.rows(auc, contrast.positive(sample), contrast.scores(sample))


def _decision_figures(
    task: Task, sample: TaskSample, threshold: Threshold
) -> Iterator[Figure | None]:
    """Returns the rates for two classes; for more, accuracy and F1, and the rates of the contrasts
    with the last class."""
    n_classes, table = len(task.classes), _decisions(sample, threshold)
    if n_classes == 2:
        yield from (sample.figure(name, rows) for name, rows in two_class_rates(table).items())
        return
    yield sample.figure("accuracy", accuracy(table))
    yield sample.figure("weighted F1", weighted_f1(table))
    for contrast in contrasts(task):
        if contrast.is_upper(n_classes):
            rates = two_class_rates(_merged(table, contrast.classes))
            yield from (
                sample.figure(f"{name}, {contrast.name}", rows) for name, rows in rates.items()
            )


def _group_figures(task: Task, group: TaskSample, threshold: Threshold) -> Iterator[Figure | None]:
    table = _decisions(group, threshold)
    if len(task.classes) == 2:
        (contrast,) = contrasts(task)
        yield group.figure("AUC", _auc(contrast, group))
        rates = two_class_rates(table)
        yield from (
            group.figure(name, rates[name]) for name in ("accuracy", "sensitivity", "specificity")
        )
    else:
        yield group.figure("accuracy", accuracy(table))
        yield group.figure("weighted F1", weighted_f1(table))


def _decisions(sample: TaskSample, threshold: Threshold) -> np.ndarray:
    """Returns confusion matrices (1 + draws, C, C)."""
    probabilities = sample.probabilities
    return confusion(
        sample.labels, threshold.decide(probabilities), probabilities.shape[1], sample.weights
    )


def _merged(table: np.ndarray, classes: tuple[int, ...]) -> np.ndarray:
    """Merges confusion matrices (D, C, C) into (D, 2, 2): some classes against the others."""
    side = np.eye(2)[np.isin(np.arange(table.shape[1]), classes).astype(int)]  # (C, 2)
    return side.T @ table @ side


def _flipped(sample: TaskSample, threshold: Threshold) -> np.ndarray:
    """Returns the share of the clicks off the centre that change the decision, (n,)."""
    at_centre = threshold.decide(sample.probabilities)
    return (threshold.decide(sample.clicked.mean(axis=2)) != at_centre[:, None]).mean(axis=1)


def _counts(table: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(int(count) for count in row) for row in table[0])


def _calibration_figures(sample: TaskSample) -> Iterator[Figure | None]:
    said, true = confidence(sample.probabilities, sample.labels)
    yield sample.figure("calibration error", sample.rows(calibration_error, said, true))
    yield sample.figure("Brier score", brier(sample.probabilities, sample.labels, sample.weights))


def _with_line(evaluation: TaskEvaluation, sample: TaskSample, line: Line) -> TaskEvaluation:
    moved = replace(sample, members=calibrated(sample.members, line))
    return replace(
        evaluation,
        line=line,
        reliability_after_line=reliability(
            *confidence(moved.probabilities, moved.labels), moved.weights
        ),
        figures_after_line=kept(_calibration_figures(moved)),
    )


# --- Curves


def _roc_curve(contrast: Contrast, sample: TaskSample) -> RocCurve:
    positive, scores = contrast.positive(sample), contrast.scores(sample)
    curves = (
        xy for block in sample.blocks() for xy in zip(*roc(positive, scores, block), strict=True)
    )
    x, y = next(curves)
    drawn = [np.interp(GRID, *xy) for xy in curves if np.isfinite(xy).all()]
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0) if drawn else (np.interp(GRID, x, y),) * 2
    cuts = np.append(np.unique(scores), np.inf)[::-1]
    curve = RocCurve(
        *(contrast.name, _points(x), _points(y), (None, *_points(cuts)[1:])),
        *(_points(low), _points(high)),
    )
    sized = sample.where(np.isfinite(sample.diameters_mm))
    if not (contrast.is_upper(sample.probabilities.shape[1]) and contrast.parts(sized)):
        return curve
    return replace(curve, **_size_curve(contrast, sized))


def _size_curve(contrast: Contrast, sized: TaskSample) -> dict:
    positive, diameters = contrast.positive(sized), sized.diameters_mm
    x, y = roc(positive, diameters, sized.weights[:1])
    p = delong_p(positive, contrast.scores(sized), diameters)
    network, size = _auc_pair(contrast, sized)
    compared = {"gain": float(network[0] - size[0]), "p": p if np.isfinite(p) else None}
    return {"size_x": _points(x[0]), "size_y": _points(y[0]), **compared}


def _decision_curve(sample: TaskSample) -> DecisionCurve:
    once, positive = sample.weights[:1], sample.labels == 1
    network = net_benefit(positive, sample.probabilities[:, 1], CUTS, once)
    everyone = net_benefit(positive, np.ones(len(sample)), CUTS, once)
    return DecisionCurve(_points(CUTS), _points(network[0]), _points(everyone[0]))


def _points(values: np.ndarray) -> Points:
    """Returns evenly spaced points of a long curve, including its ends."""
    chosen = np.linspace(0, len(values) - 1, min(len(values), POINTS)).round().astype(int)
    return tuple(round(float(value), 4) for value in values[chosen])
