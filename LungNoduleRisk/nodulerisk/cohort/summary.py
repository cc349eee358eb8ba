"""A cohort's results at a glance: one page of counts, distributions and, where the table has
labels, the evaluation.

The results are streamed; only the sizes, seconds and labelled answers of single nodules are kept,
as bare numbers, and none of them is in the page.
"""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.cohort.nodules import Cohort, CohortNodule
from nodulerisk.cohort.store import STATUSES, Row, Store
from nodulerisk.evaluation.bootstrap import DRAWS, patient_weights
from nodulerisk.evaluation.calibration import BINS
from nodulerisk.evaluation.choices import Threshold
from nodulerisk.evaluation.evidence import LABEL_WORDS
from nodulerisk.evaluation.figure_tables import with_interval
from nodulerisk.evaluation.html.evaluation_page import task_plots
from nodulerisk.evaluation.html.plots import COLOURS, FONT, GRID_GREY
from nodulerisk.evaluation.samples import UNKNOWN, TaskSample
from nodulerisk.evaluation.summary import TaskEvaluation
from nodulerisk.evaluation.task_figures import evaluate_sample
from nodulerisk.nodule.measure import value_of
from nodulerisk.outputs.html.pages import write_page
from nodulerisk.tasks import (
    DEMONSTRATED,
    DEMONSTRATION,
    EVIDENCE_WORDS,
    TASKS,
    EvidenceLevel,
    Task,
    weakest,
)
from nodulerisk.trust.withhold import Statement
from nodulerisk.weights.card import TaskCard, WeightSet

COLUMNS = ("case", "nodule", "status", "reason", "attempts", "seconds", "assessment")
STEPS = 25  # in the histograms of probabilities
SIZES = {"long axis": "mm", "volume": "mm³"}
WORTH_A_LINE, KNOWN_REASONS = 25, 1000  # reasons that are shown, and that are distinguished
# All draws are in memory at once, and many nodules need fewer.
FEWEST_DRAWS, NUMBERS_DRAWN = (100, 10_000_000)
OTHERS = "other reasons"
# The parts of a reason that differ from case to case.
SINGLE = re.compile(r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|\S*[/\\]\S*|[-+]?\d[\d.,]*\d|[-+]?\d")
HEIGHT = 240  # pixels


def write_summary(store: Store, cohort: Cohort, path: Path) -> Counter[str]:
    """Writes one HTML file, about 5 MB with plotly.js inside, that opens without a network and
    names no case.

    Args:
        store: results; those of nodules that are not in the table are only counted.
        cohort: the table's nodules.
        path: the file.

    Returns:
        How many of the table's nodules have each status.

    Raises:
        OutputError: the file cannot be written, or a result cannot be read.
    """
    table = store.weights.table
    tally = Tally(cohort, table)
    for row in store.rows(COLUMNS):
        tally.add(row)
    write_page(
        path,
        "cohort/summary.html.jinja",
        cohort=cohort,
        tally=tally,
        weights=store.weights,
        sha256=store.sha256,
        remarks=store.remarks,
        statuses=STATUSES,
        answered=[task for task in table if tally.answers[task].nodules],
        groups=answered_groups(tally, store.weights),
        evaluations=evaluations(tally, store.weights),
        sizes=SIZES,
        classes={name: task.classes for name, task in table.items()},
        share=share,
        most_common=most_common,
        quantiles=quantiles,
        duration=duration,
        probability_figure=probability_figure,
        size_figure=size_figure,
        task_plots=task_plots,
        with_interval=with_interval,
        draws_for=draws_for,
        bins=BINS,
        evidence_words=EVIDENCE_WORDS,
        label_words=LABEL_WORDS,
    )
    return tally.statuses


def answered_groups(tally: Tally, weights: WeightSet) -> dict[str, dict[str, TaskCard]]:
    """Returns the cards of the answered tasks by the heading of their group: first those that rest
    on patients, without a heading, then the demonstrations; a group without tasks is left out."""
    groups: dict[str, dict[str, TaskCard]] = {"": {}, DEMONSTRATION: {}}
    for task in weights.table:
        if tally.answers[task].nodules:
            card = weights.tasks[task]
            shown = card.evidence.level in DEMONSTRATED
            groups[DEMONSTRATION if shown else ""][task] = card
    return {heading: tasks for heading, tasks in groups.items() if tasks}


@dataclass
class Answers:
    """A task's answers for all nodules: ``histogram`` is int (classes, ``STEPS``), of the
    probabilities; ``decisions`` are those that are not withheld."""

    histogram: np.ndarray
    nodules: int = 0
    decisions: Counter[str] = field(default_factory=Counter)
    withheld: int = 0


@dataclass
class Labelled:
    """One task's answers for nodules of known class; ``unanswered`` counts those without an
    answer."""

    labels: array[int] = field(default_factory=lambda: array("b"))
    probabilities: array[float] = field(default_factory=lambda: array("d"))
    patients: array[int] = field(default_factory=lambda: array("q"))
    evidence: set[EvidenceLevel] = field(default_factory=set)
    unanswered: int = 0


class Tally:
    """Counts over a cohort's results of these tasks.

    Attributes:
        asked: nodules of the table.
        strangers: results of nodules that are not in the table.
        statuses: nodules by status.
        cases: names of the CTs with a nodule assessed.
        retried: nodules that needed more than one attempt.
        reasons: refused, failed -> the common part of the reasons -> nodules.
        checks: code, severity -> nodules.
        examples: code -> a message.
        answers: by task.
        withheld: reason -> task -> decisions.
        sizes: by measurement.
        seconds, seconds_a_ct: of every nodule, and of every CT by its name.
        devices, versions: device or version -> nodules.
        labelled: by task.
    """

    def __init__(self, cohort: Cohort, tasks: Mapping[str, Task] = TASKS):
        patients, self._tasks = _patients(cohort), tasks
        self._nodules = {
            (case.case, nodule.name): (nodule, patients[case.case])
            for case in cohort.cases
            for nodule in case.nodules
        }
        self.asked, self.strangers, self.retried = len(self._nodules), 0, 0
        self.statuses: Counter[str] = Counter()
        self.cases: set[str] = set()
        self.reasons: dict[str, Counter[str]] = {
            status: Counter() for status in ("refused", "failed")
        }
        self.checks: Counter[tuple[str, str]] = Counter()
        self.examples: dict[str, str] = {}
        self.answers = {
            name: Answers(np.zeros((len(task.classes), STEPS), int)) for name, task in tasks.items()
        }
        self.withheld: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.sizes = {name: array("d") for name in SIZES}
        self.seconds = array("d")
        self.seconds_a_ct: defaultdict[str, float] = defaultdict(float)
        self.devices: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.labelled: defaultdict[str, Labelled] = defaultdict(Labelled)

    def add(self, row: Row) -> None:
        """Adds a result with ``COLUMNS``."""
        asked = self._nodules.get((row["case"], row["nodule"]))
        if asked is None:
            self.strangers += 1
            return
        self.statuses[row["status"]] += 1
        self.retried += (row["attempts"] or 1) > 1
        if row["seconds"] is not None:
            self.seconds.append(row["seconds"])
            self.seconds_a_ct[row["case"]] += row["seconds"]
        assessment = (
            Assessment.from_dict(json.loads(row["assessment"])) if row["assessment"] else None
        )
        if assessment is not None:
            self.cases.add(row["case"])
            self._add_assessment(assessment)
        else:
            self._add_reason(row["status"], row["reason"] or "no reason was given")
        self._add_labels(*asked, {} if assessment is None else assessment.tasks)

    @property
    def missing(self) -> int:
        """How many nodules of the table have no result yet."""
        return self.asked - self.statuses.total()

    def _add_assessment(self, assessment: Assessment) -> None:
        self.devices[assessment.provenance.device] += 1
        self.versions[assessment.provenance.package_version] += 1
        for check in {check.code: check for check in assessment.checks}.values():
            self.checks[check.code, check.severity] += 1
            self.examples.setdefault(check.code, check.message)
        for name, values in self.sizes.items():
            if (size := value_of(assessment.measurements, name)) is not None:
                values.append(size)
        for task, result in assessment.tasks.items():
            if result.mean is not None:
                self._add_answer(task, result, assessment.stated(task))

    def _add_answer(self, task: str, result: TaskResult, stated: Statement) -> None:
        answers = self.answers[task]
        answers.nodules += 1
        if stated.decision is not None:
            answers.decisions[stated.decision] += 1
        for index, probability in enumerate(result.mean or ()):
            answers.histogram[index, min(int(probability * STEPS), STEPS - 1)] += 1
        for reason in stated.reasons:
            self.withheld[reason][task] += 1
        answers.withheld += stated.withheld

    def _add_reason(self, status: str, reason: str) -> None:
        reasons, common = self.reasons[status], SINGLE.sub("…", reason)
        reasons[common if common in reasons or len(reasons) < KNOWN_REASONS else OTHERS] += 1

    def _add_labels(self, nodule: CohortNodule, patient: int, tasks: dict[str, TaskResult]) -> None:
        for task, label in nodule.labels.items():
            labelled = self.labelled[task]
            if task not in tasks or tasks[task].mean is None:
                labelled.unanswered += 1
                continue
            labelled.labels.append(self._tasks[task].classes.index(label))
            labelled.probabilities.extend(tasks[task].mean or ())
            labelled.patients.append(patient)
            labelled.evidence.add(nodule.label_evidence)


def _patients(cohort: Cohort) -> dict[str, int]:
    """Returns every case's patient number: of the patient that the table names, else of the first
    of the linked CTs."""
    earlier = {case.case: case.earlier for case in cohort.cases}
    numbers: dict[int | str, int] = {}

    def first(case: str) -> str:
        while before := earlier[case]:
            case = before
        return case

    return {
        case.case: numbers.setdefault(case.patient_id or first(case.case), len(numbers))
        for case in cohort.cases
    }


# --- The evaluation


def evaluations(tally: Tally, weights: WeightSet) -> dict[str, TaskEvaluation]:
    """Returns an evaluation of every task with a label and an answer for at least one nodule."""
    table = weights.table
    found = {task: tally.labelled[task] for task in table if task in tally.labelled}
    return {
        task: _evaluation(task, those, _threshold(task, weights), table)
        for task, those in found.items()
        if those.labels
    }


def draws_for(nodules: int) -> int:
    """Returns how often patients are drawn for the intervals."""
    return max(FEWEST_DRAWS, min(DRAWS, NUMBERS_DRAWN // max(nodules, 1)))


def _threshold(task: str, weights: WeightSet) -> Threshold:
    value = weights.threshold(task)
    if value is None:
        return Threshold(None, "the most probable class")
    return Threshold(
        value, "set by the user" if task in weights.thresholds else "the weight set's own"
    )


def _evaluation(
    task: str, labelled: Labelled, threshold: Threshold, table: dict[str, Task]
) -> TaskEvaluation:
    best = table[task].evidence[0]
    evidence = weakest((best, *labelled.evidence))
    sample = _sample(len(table[task].classes), labelled)
    return evaluate_sample(task, sample, evidence, threshold, table)


def _sample(n_classes: int, labelled: Labelled) -> TaskSample:
    """Returns a sample with the networks' mean as the only member."""
    count, patients = len(labelled.labels), np.array(labelled.patients)
    return TaskSample(
        patients=patients,
        diameters_mm=np.full(count, np.nan),
        densities=np.full(count, UNKNOWN),
        groups_by=np.zeros(count, []),
        weights=patient_weights(patients, draws_for(count)),
        labels=np.array(labelled.labels, int),
        members=np.array(labelled.probabilities).reshape(count, 1, n_classes),
        clicked=np.zeros((count, 0, 1, n_classes)),
    )


# --- Words and plots


def share(part: int, whole: int) -> str:
    """``1,234 (12.3 %)``."""
    return f"{part:,} ({part / whole:.1%})".replace("%", " %") if whole else f"{part:,}"


def most_common(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Returns the most common first; rare ones share a line."""
    shown = Counter(
        {reason: count for reason, count in reasons.items() if reason != OTHERS}
    ).most_common(WORTH_A_LINE)
    rest = reasons.total() - sum(count for _, count in shown)
    return [*shown, *([(OTHERS, rest)] if rest else [])]


def quantiles(values: Iterable[float]) -> list[str]:
    """Returns 5 %, median, 95 % and the largest value."""
    found = np.quantile([*values], [0.05, 0.5, 0.95, 1]).tolist()
    return [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in found]


def duration(seconds: float) -> str:
    """Formats a duration in the largest unit that it fills: ``38 s``, ``12.5 minutes``, ``3.1
    hours``."""
    for unit, length in {"hours": 3600, "minutes": 60}.items():
        if seconds >= length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:.0f} s"


def probability_figure(
    classes: Sequence[str], answers: Answers, threshold: float | None
) -> go.Figure:
    """The distribution of the probabilities: with two classes the last one's, with more every
    class's."""
    figure = _figure("probability", "nodules")
    middles = (np.arange(STEPS) + 0.5) / STEPS
    for index in range(len(classes)) if len(classes) > 2 else [1]:
        look = {"color": COLOURS[index - 1 if len(classes) == 2 else index], "shape": "hvh"}
        counts = answers.histogram[index].tolist()
        figure.add_scatter(
            x=middles.tolist(),
            y=counts,
            name=classes[index],
            mode="lines",
            line=look,
            fill="tozeroy",
        )
    if threshold is not None:
        figure.add_vline(threshold, line={"color": FONT["color"], "dash": "dash", "width": 1.5})
    figure.update_xaxes(range=(0, 1), dtick=0.25)
    return figure


def size_figure(values: array[float], unit: str) -> go.Figure:
    """The distribution of sizes, in bins that grow with the size."""
    counts, edges = np.histogram(np.log10(np.maximum(values, 1e-3)), bins=40)
    figure = _figure(unit, "nodules")
    middles = 10 ** ((edges[1:] + edges[:-1]) / 2)
    line = {"color": COLOURS[0], "shape": "hvh"}
    figure.add_scatter(
        x=middles.tolist(), y=counts.tolist(), mode="lines", line=line, fill="tozeroy"
    )
    digits = (1, 2, 5) if edges[-1] - edges[0] < 2 else (1,)  # more would overlap
    figure.update_xaxes(
        type="log", tickvals=[digit * 10**zeros for zeros in range(7) for digit in digits]
    )
    return figure


def _figure(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure()
    legend = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"}
    margin = {"l": 50, "r": 8, "t": 28, "b": 45}
    figure.update_layout(height=HEIGHT, font=FONT, template="none", margin=margin, legend=legend)
    figure.update_xaxes(title=x_title, gridcolor=GRID_GREY, zeroline=False)
    figure.update_yaxes(title=y_title, gridcolor=GRID_GREY, rangemode="tozero")
    return figure
