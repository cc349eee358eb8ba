"""What the page says of a nodule, as plain data for its template: every number with what it rests
on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from LungNoduleRiskLib.logic import Nodule, remarks
from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.checks import Check
from nodulerisk.clinical.advice import Advice
from nodulerisk.clinical.scores import ScoreResult
from nodulerisk.ct.volume import CT
from nodulerisk.outputs import words
from nodulerisk.outputs.report import at_a_glance
from nodulerisk.trust.withhold import abstain

Facts = dict[str, Any]


def ct_facts(ct: CT) -> Facts:
    """What is said of a CT: its size, and what was found when it was read; nothing of the
    patient."""
    size = " × ".join(str(count) for count in ct.hu.shape[::-1])
    spacing = " × ".join(f"{mm:.3g}" for mm in ct.spacing_mm)
    return {
        "text": f"{size} voxels of {spacing} mm",
        "dicom": ct.acquisition.series_uid is not None,
        "checks": _checks(ct.checks),
    }


def nodule_row(nodule: Nodule, refusal: str | None) -> Facts:
    """A nodule's line in the list: its name, sizes, and each task's decision and probability."""
    assessment = nodule.assessment
    row: Facts = {
        "name": nodule.name,
        "placed": nodule.index is not None,
        "remarks": remarks(nodule, refusal),
    }
    if assessment is None:
        return row | {"sizes": "", "answers": [], "warnings": 0}
    tasks = words.main_tasks(assessment)
    return row | {
        "sizes": ", ".join(at_a_glance(assessment)),
        "answers": [
            _answer(task, answer, bool(abstain(assessment, name)))
            for name, task in tasks.items()
            if (answer := words.main_answer(task))
        ],
        "warnings": sum(check.severity == "warning" for check in assessment.checks),
    }


def nodule_facts(assessment: Assessment, advice: Advice) -> Facts:
    """Everything known of an assessed nodule."""
    return {
        "name": assessment.name,
        "withheld": words.abstain_words(assessment),
        "checks": _checks(assessment.checks),
        "stability": words.stability_words(assessment),
        "tasks": [_task(name, task) for name, task in words.main_tasks(assessment).items()],
        "appearance": words.appearance_words(assessment),
        "appearance_basis": words.appearance_basis(assessment),
        "measured_on": words.measured_on(assessment),
        "measurements": [
            {"name": name, "value": value, "source": source}
            for name, value, source in words.measured_words(assessment)
        ],
        "scores": [_score(one) for one in advice.computed],
        "guidelines": [{"name": one.name, "words": one.words} for one in advice.others],
        "position": words.position_words(assessment.point_lps_mm),
        "provenance": words.provenance_words(assessment.provenance),
    }


def _score(score: ScoreResult) -> Facts:
    used = ", ".join(one.words for one in score.inputs)
    return {"name": score.name, "words": score.words, "basis": f"{used}. {score.population}"}


def _checks(checks: Iterable[Check]) -> list[Facts]:
    return [{"severity": check.severity, "text": words.check_words(check)} for check in checks]


def _answer(task: TaskResult, answer: tuple[str, float], withheld: bool) -> Facts:
    shown, probability = answer
    return {
        "decision": f"{task.decision}{' (withheld)' if withheld else ''}",
        "class": shown,
        "probability": probability,
        "evidence": task.evidence,
    }


def _task(name: str, task: TaskResult) -> Facts:
    bars = [
        {
            "label": bar.label,
            "mean": bar.mean,
            "threshold": bar.threshold,
            "low": min(bar.members.values(), default=bar.mean),
            "high": max(bar.members.values(), default=bar.mean),
            "members": ", ".join(f"{network} {p:.2f}" for network, p in bar.members.items()),
        }
        for bar in words.task_bars(task)
    ]
    said = {
        "title": words.task_title(name, task),
        "basis": words.task_basis(task),
        "evidence": task.evidence,
    }
    return said | {"bars": bars}
