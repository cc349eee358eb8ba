"""Overviews of many nodules: a table in the terminal, a CSV file for spreadsheets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text as Line

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, Measurement, Place, TaskResult
from nodulerisk.clinical.rules.guideline import Guideline
from nodulerisk.clinical.scores import SCORES
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import NOTICE, write_table
from nodulerisk.language.spoken import lines, say
from nodulerisk.language.texts import Text, _, joined, ngettext
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
    overstated_words,
    short_words,
    stability_words,
    withheld_words,
)
from nodulerisk.tasks import DEMONSTRATION, EVIDENCE_WORDS, TASKS, in_group, level_words, title_of
from nodulerisk.weights.card import LOG_ODDS, Evidence, TaskCard, WeightSet

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
    remarks = (*_remarks(outcomes), *_evidence_legend(outcomes), _line(RESEARCH_USE_ONLY, "bold"))
    return Group(*_computed_scores(outcomes), *_tables(outcomes), _line(""), *remarks)


def weights_view(weights: WeightSet) -> RenderableType:
    """Returns a weight set's card as a data sheet: a section for every task and for the mask, with
    what answers, its evidence and its held-out figures."""
    title = _("Weight set {name} {version}").format(name=weights.name, version=weights.version)
    sections = chain.from_iterable(
        _task_section(name, weights.table[name].classes, task)
        for name, task in weights.tasks.items()
    )
    drawn = _("Drawn by {name}.").format(name=weights.mask_network)
    mask = (
        *_heading(_("mask"), drawn if weights.mask_network else _("Not drawn.")),
        *_evidence_lines(weights.mask_evidence),
    )
    about = _line(f"\n{weights.licence}. {weights.attribution}", "dim")
    return Group(_line(title, "bold"), _line(RESEARCH_USE_ONLY, "bold"), *sections, *mask, about)


def risk_view(task: TaskCard) -> RenderableType:
    """Returns a task's risk model, calibrated, as a table with one row per term, what was left out
    and why, then the cross-validated figures."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    titles = _("Term"), _("Log-odds per standard deviation"), _("Mean and SD"), _("Range")
    for title in titles:
        table.add_column(say(title), overflow="fold")
    for name, term in task.risk.calibrated.terms.items() if task.risk else ():
        cells = "{coefficient:+.3f}", "{mean:.4g} ± {sd:.3g}", _("{low:.4g} to {high:.4g}")
        table.add_row(say(name), *(say(Text(cell).format(**vars(term))) for cell in cells))
    left_out = _("left out: AUC {gain:+.3f} ({low:+.3f} to {high:+.3f})")
    for name, (gain, low, high) in task.risk.left_out.items() if task.risk else ():
        table.add_row(say(name), say(left_out.format(gain=gain, low=low, high=high)))
    return Group(table, _line(""), *_evidence_lines(task.evidence))


def _task_section(name: str, classes: Sequence[str], task: TaskCard) -> Iterator[RenderableType]:
    decided = _("Decided {name} from a probability of {threshold:.3f}.")
    answered = [*_answered_by(task)]
    if task.threshold is not None:
        answered.append(decided.format(name=classes[-1], threshold=task.threshold))
    yield from _heading(joined(": ", (name, joined(", ", classes))), *answered)
    yield from _evidence_lines(task.evidence) if task.risk is None else [risk_view(task)]
    for further in task.further_evidence:
        yield from _evidence_lines(further)


def _answered_by(task: TaskCard) -> Iterator[str]:
    names = ", ".join(task.networks)
    if task.risk is not None:
        yield _("Answered by the risk model below.")
        if names and not any(term.startswith(LOG_ODDS) for term in task.risk.terms):
            yield _("The networks have no part in it: {names}.").format(names=names)
    elif len(task.networks) > 1:
        yield _("Answered by the mean of {names}.").format(names=names)
    else:
        yield _("Answered by {name}.").format(name=names) if names else _("Not answered.")


def _heading(title: str, *answered: str) -> Iterator[RenderableType]:
    yield _line("")
    yield _line(title, "bold")
    yield _line(joined(" ", answered))


def _evidence_lines(evidence: Evidence) -> Iterator[RenderableType]:
    """Returns what the figures rest on, then one line per figure."""
    yield _line(joined(": ", filter(None, (_("Evidence"), evidence.level, evidence.labels))))
    if evidence.data:
        yield _line(joined(": ", (_("Data"), _held_out(evidence))))
    figures = Table.grid(padding=(0, 2, 0, 0))
    for name, numbers in evidence.figures.items():
        figures.add_row("", say(name), figure_words(numbers))
    yield figures


def _held_out(evidence: Evidence) -> str:
    if not evidence.nodules:
        return evidence.data
    return _("{basis} ({nodules} nodules, {patients} patients)").format(
        basis=evidence.data, nodules=evidence.nodules, patients=evidence.patients
    )


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
        raise NoduleRiskError(_("Tables need pandas: pip install pandas.")) from error
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
        row |= {score.name: score.words, f"{score.name} probability": _rounded(score.probability)}
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


def _line(words: str, style: str = "") -> Line:
    """Returns words in the reader's language, in which brackets are no markup."""
    return Line(say(words), style)


def _computed_scores(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    for outcome in outcomes:
        for score in outcome.advice.computed:
            yield _line(joined(": ", (outcome.point.name, score.name, score.words)), "bold")


def _tables(outcomes: Sequence[Outcome]) -> Iterator[RenderableType]:
    assessments = [outcome.assessment for outcome in outcomes]
    shown = demonstrated(assessments)
    first, *others = _abreast([name for name in _main(assessments) if name not in shown])
    yield _table(outcomes, first, _size_cell)
    for names in others:
        yield _table(outcomes, names)
    if shown:
        yield _line("")
        yield _line(DEMONSTRATION, "dim")
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
    table.add_column(say(_("Nodule")), overflow="fold", min_width=8)
    for title in (*map(title_of, tasks), *([_("Size")] if size else [])):
        table.add_column("\n".join(_in_cell(title)), no_wrap=True)
    for outcome in outcomes:
        table.add_row(*map(Line, _cells(outcome, tasks, size)))
    return table


def _cells(
    outcome: Outcome, tasks: Sequence[str], size: Callable[[Assessment], str] | None
) -> Iterator[str]:
    x, y, z = outcome.point.lps_mm
    yield f"{outcome.point.name}\n{x:.0f}, {y:.0f}, {z:.0f}" if size else outcome.point.name
    assessment = outcome.assessment
    if assessment is None:
        yield say(_("refused"))
        return
    for task in tasks:
        yield _task_cell(assessment, task)
    if size:
        yield size(assessment)


def _size_cell(assessment: Assessment) -> str:
    sizes = [measurement_value(m) for m in assessment.measurements if m.name in SIZES]
    count = _warnings(assessment)
    warnings = ngettext("{count} warning", "{count} warnings", count).format(count=count)
    return "\n".join(map(say, (*sizes, warnings)))


def _task_cell(assessment: Assessment, name: str) -> str:
    """Returns what may be said of the task in a word, its probabilities, what the volume alone
    says, the networks' spread and the evidence level, one line each."""
    task = assessment.tasks.get(name)
    if task is None or task.mean is None:
        return say(_("not run"))
    shown = "" if assessment.stated(name).demonstration else short_words(assessment, name)
    said = [*_in_cell(shown), *_number_lines(task), *_in_cell(by_volume_words(task))]
    if task.spread is not None:
        said += _in_cell(_("spread {spread:.2f}").format(spread=task.spread))
    return "\n".join([*said, f"({say(level_words(task.evidence))})"])


def _in_cell(words: str) -> list[str]:
    """Returns the lines of a cell; no word is cut, since a part of one could mislead."""
    return lines(words, CELL, break_long_words=False)


def _number_lines(task: TaskResult) -> list[str]:
    """Returns its probabilities, at most three a line."""
    numbers = say(number_words(task)).split("/")
    threes = ["/".join(numbers[start : start + 3]) for start in range(0, len(numbers), 3)]
    return [*(f"{three}/" for three in threes[:-1]), threes[-1]]


def _remarks(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    for outcome in outcomes:
        name = outcome.point.name
        for words, style in _remarks_on(outcome):
            yield _line(joined(": ", (name, words)), style)


def _remarks_on(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yields what is to be said of a nodule below the table, each with its style."""
    if outcome.assessment is None:
        yield _("refused: {reason}").format(reason=outcome.refusal), "red"
        return
    if seen := appearance_words(outcome.assessment):
        basis = appearance_basis(outcome.assessment)
        yield Text("{seen} ({basis})").format(seen=joined(", ", seen), basis=basis), ""
    for one in outcome.advice.others:
        yield joined(": ", (one.name, one.words)), ""
    for name, task in outcome.assessment.tasks.items():
        if off := overstated_words(task):
            yield joined(": ", (name, off)), ""
    for line in stability_words(outcome.assessment):
        yield line, ""
    for line in withheld_words(outcome.assessment):
        yield line, "yellow"
    for check in outcome.assessment.checks:
        yield check_words(check), "yellow" if check.severity == "warning" else ""


def _evidence_legend(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    assessments = [outcome.assessment for outcome in outcomes if outcome.assessment is not None]
    levels = {task.evidence for assessment in assessments for task in assessment.tasks.values()}
    levels |= {score.evidence for outcome in outcomes for score in outcome.advice.computed}
    for level, meaning in EVIDENCE_WORDS.items():
        if level in levels - {"none"}:
            yield _line(Text("({level}): {meaning}").format(level=level, meaning=meaning), "dim")


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
