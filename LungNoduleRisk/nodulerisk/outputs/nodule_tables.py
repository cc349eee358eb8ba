"""Overviews of many nodules: a table in the terminal, a CSV file for spreadsheets."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, Measurement, Place, TaskResult
from nodulerisk.clinical.rules.guideline import Guideline
from nodulerisk.clinical.scores import SCORES
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import NOTICE, write_table
from nodulerisk.nodule.measure import density_type
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.words import (
    DENSITY,
    appearance_basis,
    appearance_words,
    by_volume_words,
    check_words,
    figure_words,
    measurement_value,
    number_words,
    short_words,
    stability_words,
    withheld_words,
)
from nodulerisk.tasks import DEMONSTRATION, EVIDENCE_WORDS, TASKS, in_group, title_of
from nodulerisk.weights.card import Evidence, TaskCard, WeightSet

if TYPE_CHECKING:
    import pandas

SIZES = ("long axis", "volume")  # measurements shown in the table
CELL = 12  # characters: narrow enough for all columns to fit in 80
ABREAST = 4  # tasks in one table, for the same reason
SCORE_NAMES = tuple(score.name for score in SCORES)
Row = dict[str, str | float | None]


def results_view(outcomes: Sequence[Outcome]) -> RenderableType:
    """Returns the scores that could be computed, the table of all nodules in the order of the
    points, below it what is only a demonstration, then the checks, the refusals and the evidence
    in words."""
    remarks = (*_remarks(outcomes), *_evidence_legend(outcomes), Text(RESEARCH_USE_ONLY, "bold"))
    return Group(*_computed_scores(outcomes), *_tables(outcomes), Text(""), *remarks)


def weights_view(weights: WeightSet) -> RenderableType:
    """Returns a weight set's card: for every task and for the mask, its networks, evidence and
    held-out figures."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for title in ("Answers", "Networks", "Evidence", "Held-out figures, with 95 % intervals"):
        table.add_column(title, overflow="fold")
    for name, task in weights.tasks.items():
        own = weights.own_tasks.get(name)  # whose classes the reader cannot know
        answers = f"{name}: {', '.join(own.classes)}" if own else name
        table.add_row(answers, "\n".join(task.networks) or "none", *_evidence_cells(task.evidence))
    table.add_row("mask", weights.mask_network or "none", *_evidence_cells(weights.mask_evidence))
    models = [risk_view(task) for task in weights.tasks.values() if task.risk]
    about = Text(
        f"{weights.name} {weights.version}, {weights.licence}\n{weights.attribution}", "dim"
    )
    return Group(table, Text(""), *models, about, Text(RESEARCH_USE_ONLY, "bold"))


def risk_view(task: TaskCard) -> RenderableType:
    """Returns a task's risk model as a table with one row per term, what was left out and why, then
    the cross-validated figures."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for title in ("Term", "Log-odds per standard deviation", "Mean and SD", "Range"):
        table.add_column(title, overflow="fold")
    for name, term in task.risk.terms.items() if task.risk else ():
        spread, reach = f"{term.mean:.4g} ± {term.sd:.3g}", f"{term.low:.4g} to {term.high:.4g}"
        table.add_row(name, f"{term.coefficient:+.3f}", spread, reach)
    for name, gain in task.risk.left_out.items() if task.risk else ():
        table.add_row(name, f"left out: AUC {gain[0]:+.3f} ({gain[1]:+.3f} to {gain[2]:+.3f})")
    return Group(table, Text(""), *map(Text, _evidence_cells(task.evidence)))


def write_csv(outcomes: Sequence[Outcome], path: Path) -> None:
    """Writes one row per nodule, in the order of the points, with the columns of ``outcome_row``.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [outcome_row(outcome) for outcome in outcomes]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    write_table(path, columns, rows)


def to_pandas(outcomes: Iterable[Outcome]) -> pandas.DataFrame:
    """Returns one row per nodule: the ``case``, if there are several, the columns of
    ``outcome_row``, the features, if computed, and the notice.

    Raises:
        NoduleRiskError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise NoduleRiskError("Tables need pandas: pip install pandas.") from error
    rows = [
        ({"case": one.case} if one.case else {}) | outcome_row(one) | dict(one.features)
        for one in outcomes
    ]
    return pandas.DataFrame([row | {NOTICE: RESEARCH_USE_ONLY} for row in rows])


def outcome_row(outcome: Outcome) -> Row:
    """Returns a point's outcome as one row of a table.

    Columns: ``name``; ``x_lps_mm``, ``y_lps_mm``, ``z_lps_mm`` (the given point); ``refusal`` (why
    there is no assessment); ``side``, ``series``, ``slice``
    (where it lies); for every score, if scores were requested, ``<score>`` (in words) and
    ``<score> probability``; for every task ``<task>_decision`` (a class, ``withheld``, or
    ``demonstration``; empty where it was not run), ``<task>_evidence``,
    ``<task>_threshold``, ``<task>_spread`` and ``<task>_<class>`` (mean probabilities), and
    ``<task>_by_volume`` (the last class's probability by the volume alone) if known;
    ``mask_evidence`` and, resting on it, one column per measurement, ``<name> (<unit>)``; ``density
    by threshold``; for every guideline, if requested, ``<guideline>`` (in words), ``<guideline>
    result`` and ``<guideline> next step``; ``withheld`` (which decisions, and why), ``warnings``
    (their number), ``checks`` (their codes), ``weight_set``.
    """
    row: Row = {"name": outcome.point.name}
    row |= dict(zip(("x_lps_mm", "y_lps_mm", "z_lps_mm"), outcome.point.lps_mm, strict=True))
    row["refusal"] = outcome.refusal
    assessment = outcome.assessment
    row |= _place_columns(None if assessment is None else assessment.place)
    for score in sorted(outcome.advice.scores, key=lambda score: SCORE_NAMES.index(score.name)):
        row |= {
            score.name: score.words,
            f"{score.name} probability": _rounded(score.probability),
        }
    for name in {**TASKS, **({} if assessment is None else assessment.tasks)}:
        row |= _task_columns(name, assessment)
    if assessment is not None:
        row["mask_evidence"] = None if assessment.nodule is None else assessment.nodule.evidence
        row |= {_measurement_column(m): round(m.value, 3) for m in assessment.measurements}
        row[DENSITY] = density_type(assessment.measurements)
        row |= _guideline_columns(outcome.advice.guidelines)
        row["withheld"] = "; ".join(withheld_words(assessment))
        row["warnings"] = _warnings(assessment)
        row["checks"] = " ".join(check.code for check in assessment.checks)
        row["weight_set"] = (
            f"{assessment.provenance.weight_set} {assessment.provenance.weight_set_version}"
        )
    return row


def _computed_scores(outcomes: Iterable[Outcome]) -> Iterator[Text]:
    for outcome in outcomes:
        for score in outcome.advice.computed:
            yield Text(f"{outcome.point.name}: {score.name}: {score.words}", "bold")


def _tables(outcomes: Sequence[Outcome]) -> Iterator[RenderableType]:
    assessments = [outcome.assessment for outcome in outcomes]
    shown = demonstrated(assessments)
    first, *others = _abreast([name for name in _main(assessments) if name not in shown])
    yield _table(outcomes, first, _size_cell)
    for names in others:
        yield _table(outcomes, names)
    if shown:
        yield Text(f"\n{DEMONSTRATION}", "dim")
        for names in _abreast(shown):
            yield _table(outcomes, names)


def _abreast(names: Sequence[str]) -> list[Sequence[str]]:
    """Returns the tasks of each table; one table if there are none."""
    return [names[start : start + ABREAST] for start in range(0, max(len(names), 1), ABREAST)]


def _main(assessments: Iterable[Assessment | None]) -> list[str]:
    """Returns the main tasks: those of ``TASKS``, then the sets' own."""
    own = {name: None for one in assessments if one for name in one.tasks if name not in TASKS}
    return [*in_group("main"), *own]


def demonstrated(assessments: Iterable[Assessment | None]) -> list[str]:
    """Returns the main tasks that are demonstrations for any of the nodules."""
    made = [one for one in assessments if one is not None]
    found = {name for one in made for name in one.tasks if one.stated(name).demonstration}
    return [name for name in _main(made) if name in found]


def _table(
    outcomes: Sequence[Outcome],
    tasks: Sequence[str],
    size: Callable[[Assessment], str] | None = None,
) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("Nodule", overflow="fold", min_width=8)
    for title in (*map(title_of, tasks), *(["Size"] if size else [])):
        table.add_column("\n".join(textwrap.wrap(title, CELL)), no_wrap=True)
    for outcome in outcomes:
        table.add_row(*map(Text, _cells(outcome, tasks, size)))
    return table


def _cells(
    outcome: Outcome, tasks: Sequence[str], size: Callable[[Assessment], str] | None
) -> Iterator[str]:
    x, y, z = outcome.point.lps_mm
    yield f"{outcome.point.name}\n{x:.0f}, {y:.0f}, {z:.0f}" if size else outcome.point.name
    assessment = outcome.assessment
    if assessment is None:
        yield "refused"
        return
    for task in tasks:
        yield _task_cell(assessment, task)
    if size:
        yield size(assessment)


def _size_cell(assessment: Assessment) -> str:
    sizes = [measurement_value(m) for m in assessment.measurements if m.name in SIZES]
    count = _warnings(assessment)
    return "\n".join([*sizes, f"{count} warning" if count == 1 else f"{count} warnings"])


def _task_cell(assessment: Assessment, name: str) -> str:
    """Returns what may be said of the task in a word, its probabilities, what the volume alone
    says, the networks' spread and the evidence level, one line each."""
    task = assessment.tasks.get(name)
    if task is None or task.mean is None:
        return "not run"
    shown = "" if assessment.stated(name).demonstration else short_words(assessment, name)
    lines = [
        *textwrap.wrap(shown, CELL),
        *_number_lines(task),
        *textwrap.wrap(by_volume_words(task), CELL),
    ]
    if task.spread is not None:
        lines.append(f"spread {task.spread:.2f}")
    return "\n".join([*lines, f"({task.evidence})"])


def _number_lines(task: TaskResult) -> list[str]:
    """Returns its probabilities, at most three a line."""
    numbers = number_words(task).split("/")
    lines = ["/".join(numbers[start : start + 3]) for start in range(0, len(numbers), 3)]
    return [*(f"{line}/" for line in lines[:-1]), lines[-1]]


def _evidence_cells(evidence: Evidence) -> tuple[str, str]:
    held_out = (
        f" ({evidence.nodules} nodules, {evidence.patients} patients)" if evidence.nodules else ""
    )
    basis = "; ".join(filter(None, (evidence.labels, evidence.data))) + held_out
    figures = [f"{name} {figure_words(numbers)}" for name, numbers in evidence.figures.items()]
    return f"{evidence.level}: {basis}", "\n".join(figures) or "–"


def _remarks(outcomes: Iterable[Outcome]) -> Iterator[Text]:
    for outcome in outcomes:
        if outcome.assessment is None:
            yield Text(f"{outcome.point.name}: refused: {outcome.refusal}", "red")
            continue
        if seen := appearance_words(outcome.assessment):
            yield Text(
                f"{outcome.point.name}: {', '.join(seen)} ({appearance_basis(outcome.assessment)})"
            )
        for one in outcome.advice.others:
            yield Text(f"{outcome.point.name}: {one.name}: {one.words}")
        for line in stability_words(outcome.assessment):
            yield Text(f"{outcome.point.name}: {line}")
        for line in withheld_words(outcome.assessment):
            yield Text(f"{outcome.point.name}: {line}", "yellow")
        for check in outcome.assessment.checks:
            yield Text(
                f"{outcome.point.name}: {check_words(check)}",
                "yellow" if check.severity == "warning" else "",
            )


def _evidence_legend(outcomes: Sequence[Outcome]) -> Iterator[Text]:
    assessments = [outcome.assessment for outcome in outcomes if outcome.assessment is not None]
    levels = {task.evidence for assessment in assessments for task in assessment.tasks.values()}
    levels |= {score.evidence for outcome in outcomes for score in outcome.advice.computed}
    for level, meaning in EVIDENCE_WORDS.items():
        if level in levels - {"none"}:
            yield Text(f"({level}): {meaning}", "dim")


def _place_columns(place: Place | None) -> Row:
    return {
        "side": None if place is None else place.side,
        "series": None if place is None else place.series,
        "slice": None if place is None else place.slice_number,
    }


def _task_columns(name: str, assessment: Assessment | None) -> Row:
    task = None if assessment is None else assessment.tasks.get(name)
    task = task or TaskResult(TASKS[name].classes, None, {}, None, None, "none")
    decided = assessment is not None and task.mean is not None
    columns: Row = {
        f"{name}_decision": short_words(assessment, name) if assessment and decided else None,
        f"{name}_evidence": task.evidence,
        f"{name}_threshold": task.threshold,
        f"{name}_spread": _rounded(task.spread),
    }
    if task.by_volume is not None:
        columns[f"{name}_by_volume"] = _rounded(task.by_volume)
    mean = task.mean or [None] * len(task.classes)
    return columns | {
        f"{name}_{label}": _rounded(p) for label, p in zip(task.classes, mean, strict=True)
    }


def _guideline_columns(guidelines: Iterable[Guideline]) -> Row:
    columns: Row = {}
    for one in guidelines:
        columns |= {
            one.name: one.words,
            f"{one.name} result": one.marked,
            f"{one.name} next step": one.next_step,
        }
    return columns


def _measurement_column(measurement: Measurement) -> str:
    return f"{measurement.name} ({measurement.unit})" if measurement.unit else measurement.name


def _rounded(probability: float | None) -> float | None:
    return None if probability is None else round(probability, 4)


def _warnings(assessment: Assessment) -> int:
    return sum(check.severity == "warning" for check in assessment.checks)
