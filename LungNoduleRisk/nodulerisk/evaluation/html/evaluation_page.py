"""An evaluation as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from nodulerisk.evaluation.bootstrap import DRAWS, Figure
from nodulerisk.evaluation.calibration import BINS
from nodulerisk.evaluation.evidence import LABEL_WORDS, beside_size, data_words
from nodulerisk.evaluation.figure_tables import with_interval
from nodulerisk.evaluation.html import plots
from nodulerisk.evaluation.samples import Group
from nodulerisk.evaluation.summary import Evaluation, MaskEvaluation, TaskEvaluation
from nodulerisk.outputs.html import pages

HEADLINES = (
    "AUC",
    "AUC of diameter alone",
    "sensitivity",
    "specificity",
    "accuracy",
    "calibration error",
)


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Writes one HTML file, about 5 MB with plotly.js inside, that opens without a network.

    Raises:
        OutputError: the file cannot be written.
    """
    pages.write_page(
        path,
        "evaluation/html/evaluation.html.jinja",
        evaluation=evaluation,
        about=evaluation.about,
        data=data_words(evaluation),
        headlines=HEADLINES,
        headline=headline,
        beside_size=beside_size,
        with_interval=with_interval,
        group_columns=group_columns,
        named=named,
        label_words=LABEL_WORDS,
        bins=BINS,
        draws=DRAWS,
        task_plots=task_plots,
        mask_plots=mask_plots,
    )


def headline(task: TaskEvaluation, name: str) -> str:
    """Returns the figure with this name, for three classes that of the last one's contrast; ``–``
    if there is none."""
    wanted = (name, f"{name}, {task.classes[-1]}")
    found = next((f for f in task.figures if f.name in wanted), None)
    return "–" if found is None else with_interval(found)


def group_columns(groups: Sequence[Group]) -> list[str]:
    """Returns the names of the figures that any of the groups has, in the order of the group with
    the most."""
    fullest_first = sorted(groups, key=lambda group: -len(group.figures))
    return list(dict.fromkeys(f.name for group in fullest_first for f in group.figures))


def named(figures: Sequence[Figure], name: str) -> Figure | None:
    """Returns the figure with this name, if there is one."""
    return next((f for f in figures if f.name == name), None)


def task_plots(task: TaskEvaluation) -> dict[str, go.Figure]:
    """Title -> plot."""
    figures = {
        "ROC curve": plots.roc_figure(task) if task.rocs else None,
        "Confusion matrix": plots.confusion_figure(task),
        "Reliability": plots.reliability_figure(task),
        "Decision curve": task.decision_curve
        and plots.decision_figure(task.decision_curve, task.classes[-1]),
    }
    return {title: figure for title, figure in figures.items() if figure}


def mask_plots(mask: MaskEvaluation) -> dict[str, go.Figure]:
    """Title -> plot."""
    return {
        "Dice by diameter": plots.dice_figure(mask),
        "Surface distance": plots.surface_figure(mask),
    }
