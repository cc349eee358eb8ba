"""An evaluation's contribution to a weight set's card."""

from __future__ import annotations

from collections.abc import Iterable

from nodulerisk.evaluation.bootstrap import Figure
from nodulerisk.evaluation.summary import Evaluation, TaskEvaluation
from nodulerisk.weights.card import Evidence

LABEL_WORDS = {
    "outcome": "labels from proven outcomes",
    "pathology": "labels from pathology",
    "reader": "labels are radiologists' ratings, not pathology",
    "simulated": "simulated nodules: they show the workflow and say nothing about a patient",
    "none": "labels of unknown origin",
}
SMALL_P = 0.05


def evidence_of(evaluation: Evaluation, task: str) -> Evidence:
    """Returns a task's evidence: its figures as [value, low, high], and in words how it compares
    with the diameter."""
    found = evaluation.tasks[task]
    labels = "; ".join(filter(None, (LABEL_WORDS[found.evidence], beside_size(found))))
    return Evidence(
        found.evidence,
        data_words(evaluation),
        labels,
        found.nodules,
        found.patients,
        _for_card(found.figures),
    )


def mask_evidence_of(evaluation: Evaluation) -> Evidence:
    """Returns the mask's evidence; of level ``none`` if no mask was compared."""
    mask = evaluation.mask
    if mask is None:
        return Evidence("none", "no mask was compared")
    labels = "outlines of " + ("most readers" if mask.evidence == "reader" else "the data's source")
    return Evidence(
        mask.evidence,
        data_words(evaluation),
        labels,
        mask.nodules,
        mask.patients,
        _for_card(mask.figures),
    )


def data_words(evaluation: Evaluation) -> str:
    """Describes which nodules the figures come from."""
    if evaluation.split == "test":
        return f"{evaluation.about.dataset}, test patients"
    counted = f"{evaluation.about.dataset}, {evaluation.split} nodules"
    if evaluation.about.asked:
        return f"{counted}, as requested: whether training has seen them is not known"
    return f"{counted}: not held out, so training may have seen them"


def beside_size(task: TaskEvaluation) -> str:
    """Says whether the networks add to the diameter, with DeLong's p; empty if the two were not
    compared."""
    curve = next((curve for curve in task.rocs if curve.p is not None), None)
    if curve is None or curve.p is None or curve.gain is None:
        return ""
    verdict = (
        "not shown to differ from"
        if curve.p >= SMALL_P
        else "better than"
        if curve.gain > 0
        else "worse than"
    )
    p = "< 0.001" if curve.p < 0.001 else f"= {curve.p:.3f}"
    return (
        f"for {curve.contrast} the networks are {verdict} the diameter alone (AUC"
        f" {curve.gain:+.3f}, DeLong p {p})"
    )


def _for_card(figures: Iterable[Figure]) -> dict[str, list[float]]:
    return {f.name: [round(number, 3) for number in (f.value, f.low, f.high)] for f in figures}
