"""The wording of results in pictures, pages and tables: the same words and digits everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nodulerisk.assessment import (
    Assessment,
    Interval,
    Measurement,
    Provenance,
    TaskResult,
)
from nodulerisk.checks import MASK_EDITED, Check
from nodulerisk.nodule.measure import SOLID_HU, SOLID_SHARE, density_type
from nodulerisk.tasks import EVIDENCE_WORDS, in_group, task_of
from nodulerisk.trust.withhold import withheld

DENSITY = "density by threshold"  # neither the networks' density type nor a reader's
DENSITY_SOURCE = (
    f"solid from {SOLID_SHARE:.0%} of the volume in one part above {SOLID_HU:.0f} HU; ground glass"
    " without"
)

MASK_WORDS = {
    "outcome": "learnt from nodules of proven outcome",
    "pathology": "learnt from outlines on resected nodules",
    "reader": "learnt from radiologists' outlines",
    "simulated": "learnt from simulated nodules",
    "none": "of unknown evidence",
}


@dataclass(frozen=True)
class ClassProbability:
    """The probability (0..1) of one class: the mean, the members behind it, and the decision
    threshold."""

    label: str
    mean: float
    members: dict[str, float]
    threshold: float | None


def main_tasks(assessment: Assessment) -> dict[str, TaskResult]:
    """Returns the tasks with bars of their own: all but presence and those of appearance."""
    others = (*in_group("presence"), *in_group("appearance"))
    return {name: task for name, task in assessment.tasks.items() if name not in others}


def appearance_words(assessment: Assessment) -> list[str]:
    """Returns the appearance in words, such as ``solid 0.93``: the class decided on and its
    probability."""
    return [
        f"{t.decision} {t.mean[t.classes.index(t.decision)]:.2f}"
        for t in _appearance(assessment)
        if t.mean and t.decision
    ]


def appearance_basis(assessment: Assessment) -> str:
    """Returns what the appearance's numbers rest on."""
    levels = [task.evidence for task in _appearance(assessment)]
    return "; ".join(dict.fromkeys(EVIDENCE_WORDS[level] for level in levels if level != "none"))


def _appearance(assessment: Assessment) -> list[TaskResult]:
    names = in_group("appearance")
    return [assessment.tasks[name] for name in names if name in assessment.tasks]


def task_bars(task: TaskResult) -> list[ClassProbability]:
    """Returns one bar per class; for two classes, only the last. None if the task was not run."""
    if task.mean is None:
        return []
    shown = range(len(task.classes)) if len(task.classes) > 2 else [1]
    members = [{name: p[i] for name, p in task.members.items()} for i in range(len(task.classes))]
    return [
        ClassProbability(task.classes[i], task.mean[i], members[i], task.threshold) for i in shown
    ]


def main_answer(task: TaskResult) -> tuple[str, float] | None:
    """Returns a class and its probability: for two classes the last one's, whether decided for or
    not, for more the decided one's; None if the task was not run."""
    shown = task.classes[-1] if len(task.classes) == 2 else task.decision
    return (
        None
        if task.mean is None or shown is None
        else (shown, task.mean[task.classes.index(shown)])
    )


def task_title(name: str, task: TaskResult) -> str:
    """Returns a title such as ``Malignancy: malignant`` or ``Subtype: not run``."""
    return f"{task_of(name, task.classes).title}: {task.decision or 'not run'}"


def task_basis(task: TaskResult) -> str:
    """Returns what the task's numbers rest on, or why there are none."""
    if task.mean is None:
        return task.note or EVIDENCE_WORDS["none"]
    spread = "" if task.spread is None else f"networks differ by up to {task.spread:.2f}"
    said = (EVIDENCE_WORDS[task.evidence], by_volume_words(task), input_words(task), spread)
    return "; ".join(filter(None, said))


def by_volume_words(task: TaskResult) -> str:
    """Returns what the volume alone would say, such as ``by volume alone 0.78``; empty if it is not
    known."""
    return "" if task.by_volume is None else f"by volume alone {task.by_volume:.2f}"


def input_words(task: TaskResult) -> str:
    """Returns the inputs of a risk model, such as ``risk model of log axial area 4.7, …``; empty
    without a model."""
    inputs = ", ".join(f"{name} {value:.4g}" for name, value in task.inputs.items())
    return f"risk model of {inputs}" if inputs else ""


def withheld_words(assessment: Assessment) -> list[str]:
    """Returns which decisions are withheld, one line per reason: ``Withheld: malignancy, margin
    (the networks disagree)``."""
    by_reason: dict[str, list[str]] = {}
    for task in assessment.tasks:
        for reason in withheld(assessment, task):
            by_reason.setdefault(reason, []).append(task)
    decided = sum(task.decision is not None for task in assessment.tasks.values())
    names = {
        r: "every decision" if len(tasks) == decided else ", ".join(tasks)
        for r, tasks in by_reason.items()
    }
    return [f"Withheld: {tasks} ({reason})" for reason, tasks in names.items()]


def stability_words(assessment: Assessment) -> list[str]:
    """Returns how far the main tasks' probabilities move: ``Malignancy (reader): 0.71–0.75 turned,
    0.73–0.73 with clicks``."""
    if (found := assessment.stability) is None:
        return []
    kinds = {"turned": found.turned, "with clicks 2 mm off": found.clicked}
    lines = {
        f"{task_of(name, task.classes).title} ({task.evidence})": [
            f"{_interval(intervals[name])} {kind}"
            for kind, intervals in kinds.items()
            if name in intervals
        ]
        for name, task in main_tasks(assessment).items()
    }
    return [f"{title}: {', '.join(words)}" for title, words in lines.items() if words]


def _interval(interval: Interval) -> str:
    return f"{interval.low:.2f}–{interval.high:.2f}"


def measurement_value(measurement: Measurement) -> str:
    """Formats a value: whole numbers from 100, else one decimal; two for ratios."""
    digits = 2 if not measurement.unit else 0 if abs(measurement.value) >= 100 else 1
    return f"{measurement.value:.{digits}f} {measurement.unit}".rstrip()


def measured_words(assessment: Assessment) -> list[tuple[str, str, str]]:
    """Returns name, value and source of everything measured, the density type last."""
    numbers = [(m.name, measurement_value(m), m.source) for m in assessment.measurements]
    density = density_type(assessment.measurements)
    return [*numbers, (DENSITY, density, DENSITY_SOURCE)] if density else numbers


def measured_on(assessment: Assessment) -> str:
    """Returns what the measurements rest on."""
    if assessment.nodule is None:
        return "no mask was drawn"
    if not assessment.nodule.region.any():
        return "no nodule was found at the point"
    if MASK_EDITED.among(assessment.checks):
        return "on the mask, corrected by hand"
    return f"on the mask, {MASK_WORDS[assessment.nodule.evidence]}"


def check_words(check: Check) -> str:
    """Returns ``Warning: …`` or ``Note: …``."""
    return f"{check.severity.capitalize()}: {check.message}"


def figure_words(numbers: Sequence[float]) -> str:
    """Formats a figure as ``0.914 (0.867–0.959)``; without an interval, only the value."""
    value, *interval = (f"{number:.3f}" for number in numbers)
    return f"{value} ({'–'.join(interval)})" if interval else value


def position_words(point_lps_mm) -> str:
    """Formats a position as ``-81.0, -192.0, -192.0 mm (LPS)``."""
    return ", ".join(f"{value:.1f}" for value in point_lps_mm) + " mm (LPS)"


def provenance_words(provenance: Provenance) -> str:
    """Describes the provenance in one line; the assessment's JSON file has the rest."""
    return (
        f"Weight set {provenance.weight_set} {provenance.weight_set_version}, "
        f"nodulerisk {provenance.package_version}, on {provenance.device}"
    )
