"""The table of a CT's results: a row for each nodule."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.outputs.words import short_words, withheld_words
from nodulerisk.tasks import EVIDENCE_WORDS, TASKS, EvidenceLevel, task_of

NOT_RUN = TaskResult((), None, {}, None, None, "none")


def columnsOf(rows: Sequence[dict[str, str | float]]) -> dict[str, list[str | float]]:
    """The rows' columns; not every nodule has every measurement."""
    kinds = {title: value for row in rows for title, value in row.items()}
    blank = {title: "" if isinstance(value, str) else math.nan for title, value in kinds.items()}
    return {title: [row.get(title, blank[title]) for row in rows] for title in kinds}


def rowOf(assessment: Assessment, maskEvidence: EvidenceLevel | None) -> dict[str, str | float]:
    """A nodule's row of the table, by column title; probabilities are NaN where a task was not
    run."""
    row: dict[str, str | float] = {"Nodule": assessment.name}
    for name in {**TASKS, **assessment.tasks}:
        row |= _taskColumns(assessment, name)
    row |= {f"{m.name} ({m.unit})": m.value for m in assessment.measurements}
    row["Measurements rest on"] = EVIDENCE_WORDS[maskEvidence or "none"]
    row["Withheld"] = " ".join(withheld_words(assessment))
    row["Checks"] = " ".join(check.message for check in assessment.checks)
    return row


def _taskColumns(assessment: Assessment, name: str) -> dict[str, str | float]:
    """Other tasks than ours may have classes of the same name, which stand behind the task's."""
    result = assessment.tasks.get(name, NOT_RUN)
    task = TASKS.get(name) or task_of(name, result.classes)
    of = "" if name in TASKS else f"{task.title}: "
    mean = result.mean or [math.nan] * len(task.classes)
    return {
        task.title: short_words(assessment, name) if result.mean else "not run",
        **{f"P({of}{c})": p for c, p in zip(task.classes, mean, strict=True)},
        f"{task.title} rests on": EVIDENCE_WORDS[result.evidence],
    }
