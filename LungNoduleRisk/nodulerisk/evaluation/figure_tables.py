"""An evaluation as tables: figures for a spreadsheet and a README, and one row per nodule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.evaluation.bootstrap import Figure
from nodulerisk.evaluation.evidence import data_words, evidence_of, mask_evidence_of
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.evaluation.samples import Group
from nodulerisk.evaluation.summary import Evaluation
from nodulerisk.files import write_table, written_whole
from nodulerisk.tasks import TASKS, Task, title_of

FIGURE_COLUMNS = (
    "task",
    "group",
    "figure",
    "value",
    "low",
    "high",
    "nodules",
    "patients",
    "evidence",
    "split",
)
AFTER_LINE = "calibrated on validation"

Cell = str | float | int | None
Row = dict[str, Cell]


def figure_rows(evaluation: Evaluation) -> list[Row]:
    """Returns one row per figure: for all nodules, calibrated on validation, and for each group;
    columns ``FIGURE_COLUMNS``."""
    return [
        dict(
            zip(
                FIGURE_COLUMNS, (task, group, *_numbers(f), evidence, evaluation.split), strict=True
            )
        )
        for task, evidence, group, figures in _parts(evaluation)
        for f in figures
    ]


def write_figures_csv(evaluation: Evaluation, path: Path) -> None:
    """Writes the figures as CSV; raises OutputError if the file cannot be written."""
    write_table(path, FIGURE_COLUMNS, figure_rows(evaluation))


def write_nodules_csv(
    predictions: Sequence[Prediction], path: Path, tasks: Mapping[str, Task] = TASKS
) -> None:
    """Writes one row per nodule with labels, mean probabilities of every class of the tasks, and
    how well the mask fits.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = [_nodule_row(prediction, tasks) for prediction in predictions]
    write_table(path, list(dict.fromkeys(column for row in rows for column in row)), rows)


def write_figures_markdown(evaluation: Evaluation, path: Path) -> None:
    """Writes the figures as Markdown; raises OutputError if the file cannot be written."""
    with written_whole(path) as partial:
        partial.write_text("\n".join(_markdown(evaluation)) + "\n", encoding="utf-8")


def with_interval(figure: Figure) -> str:
    """Formats a figure as ``0.914 (0.867–0.959)``, in mm with two decimals; ``1.000 (too few)``
    where all draws gave the same, which is no interval."""
    digits = 2 if "mm)" in figure.name else 3
    value, low, high = (
        f"{number:.{digits}f}" for number in (figure.value, figure.low, figure.high)
    )
    if low == high:
        return f"{value} (too few)"
    return f"{value} ({low} to {high})" if figure.low < 0 else f"{value} ({low}–{high})"


def _parts(evaluation: Evaluation) -> Iterator[tuple[str, str, str, tuple[Figure, ...]]]:
    """Yields task, evidence, group and its figures."""
    for task in evaluation.tasks.values():
        yield task.task, task.evidence, "all", task.figures
        yield task.task, task.evidence, AFTER_LINE, task.figures_after_line
        for at in task.at_thresholds:
            yield task.task, task.evidence, f"threshold {at.value:.4f}: {at.source}", at.figures
        yield from (
            (task.task, task.evidence, _group_name(group), group.figures) for group in task.groups
        )
    if evaluation.mask is not None:
        yield "mask", evaluation.mask.evidence, "all", evaluation.mask.figures
        for group in evaluation.mask.groups:
            yield "mask", evaluation.mask.evidence, _group_name(group), group.figures


def _group_name(group: Group) -> str:
    return f"{group.by} {group.name}"


def _numbers(figure: Figure) -> tuple[Cell, ...]:
    rounded = (round(number, 4) for number in (figure.value, figure.low, figure.high))
    return (figure.name, *rounded, figure.nodules, figure.patients)


def _nodule_row(prediction: Prediction, tasks: Mapping[str, Task]) -> Row:
    row: Row = {
        "name": prediction.name,
        "patient": prediction.patient,
        "split": prediction.split,
        "evidence": prediction.evidence,
        "diameter_mm": _rounded(prediction.diameter_mm),
    }
    for task, known in tasks.items():
        classes, mean = known.classes, prediction.mean(task)
        label = prediction.labels.get(task)
        row[f"{task}_label"] = None if label is None else classes[label]
        shown = [None] * len(classes) if mean is None else mean
        row |= {f"{task}_{name}": _rounded(p) for name, p in zip(classes, shown, strict=True)}
    fit = prediction.mask
    row["mask_dice"] = None if fit is None else _rounded(fit.dice)
    row["mask_surface_mm"] = None if fit is None else _rounded(fit.surface_mm)
    row["mask_hausdorff95_mm"] = None if fit is None else _rounded(fit.hausdorff95_mm)
    row["mask_precision"] = None if fit is None else _rounded(fit.precision)
    row["mask_recall"] = None if fit is None else _rounded(fit.recall)
    return row


def _rounded(number: float | None) -> float | None:
    return None if number is None else round(float(number), 4)


def _markdown(evaluation: Evaluation) -> Iterator[str]:
    about = evaluation.about
    yield (
        f"# {_plain(about.weight_set)} {_plain(about.version)} on {_plain(data_words(evaluation))}"
    )
    yield (
        f"\n{RESEARCH_USE_ONLY}\n\n{evaluation.nodules} nodules of {evaluation.patients} patients. "
    )
    yield from map(_plain, about.remarks)
    yield "Intervals are 95 %, from repeated draws of patients.\n"
    for task in evaluation.tasks.values():
        yield from _section(
            task.task, task.evidence, evidence_of(evaluation, task.task).labels, task.figures
        )
    if evaluation.mask is not None:
        evidence = mask_evidence_of(evaluation)
        yield from _section("mask", evidence.level, evidence.labels, evaluation.mask.figures)


def _section(title: str, evidence: str, labels: str, figures: Iterable[Figure]) -> Iterator[str]:
    yield f"## {title_of(title)}\n\n{labels[0].upper()}{labels[1:]}.\n"
    yield "| figure | value (95 % interval) | nodules | patients | labels |\n|---|---|---|---|---|"
    for f in figures:
        yield f"| {f.name} | {with_interval(f)} | {f.nodules} | {f.patients} | {evidence} |"
    yield ""


def _plain(text: str) -> str:
    """Returns text without characters that Markdown would read as markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>#|!" else " " if c in "\r\n" else c for c in text)
