"""An evaluation as one self-contained page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import plotly.graph_objects as go
from jinja2 import Environment, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.evaluation import plots
from nodulerisk.evaluation.bootstrap import DRAWS
from nodulerisk.evaluation.calibration import BINS
from nodulerisk.evaluation.evidence import LABEL_WORDS, beside_size, data_words
from nodulerisk.evaluation.samples import Group
from nodulerisk.evaluation.summary import Evaluation, MaskEvaluation, TaskEvaluation
from nodulerisk.evaluation.tables import with_interval
from nodulerisk.files import written_whole

CONFIG = {"displayModeBar": False, "responsive": True}
HEADLINES = ("AUC", "AUC of diameter alone", "sensitivity", "specificity", "accuracy", "calibration error")


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Writes one HTML file, about 5 MB with plotly.js inside, that opens without a network.

    Raises:
        OutputError: the file cannot be written.
    """
    page = _template().render(
        evaluation=evaluation,
        about=evaluation.about,
        data=data_words(evaluation),
        headlines=HEADLINES,
        headline=headline,
        beside_size=beside_size,
        with_interval=with_interval,
        group_columns=group_columns,
        label_words=LABEL_WORDS,
        bins=BINS,
        draws=DRAWS,
        task_plots={name: task_plots(task) for name, task in evaluation.tasks.items()},
        mask_plots=None if evaluation.mask is None else mask_plots(evaluation.mask),
        research_use_only=RESEARCH_USE_ONLY,
        plotlyjs=Markup(get_plotlyjs()),
    )
    with written_whole(path) as partial:
        partial.write_text(page, encoding="utf-8")


def headline(task: TaskEvaluation, name: str) -> str:
    """The figure of this name, of three classes that of the last one's contrast; ``–`` where there is none."""
    wanted = (name, f"{name}, {task.classes[-1]}")
    found = next((f for f in task.figures if f.name in wanted), None)
    return "–" if found is None else with_interval(found)


def group_columns(groups: Sequence[Group]) -> list[str]:
    """Names of the figures that any of the groups has, in the order of the one that has most."""
    fullest_first = sorted(groups, key=lambda group: -len(group.figures))
    return list(dict.fromkeys(f.name for group in fullest_first for f in group.figures))


def task_plots(task: TaskEvaluation) -> dict[str, Markup]:
    """Title -> plot, as pieces of page."""
    figures = {
        "ROC curve": plots.roc_figure(task) if task.rocs else None,
        "Confusion matrix": plots.confusion_figure(task),
        "Reliability": plots.reliability_figure(task),
        "Decision curve": task.decision_curve and plots.decision_figure(task.decision_curve, task.classes[-1]),
    }
    return {title: _embedded(figure, f"{task.task}-{title}") for title, figure in figures.items() if figure}


def mask_plots(mask: MaskEvaluation) -> dict[str, Markup]:
    """Title -> plot, as pieces of page."""
    figures = {"Dice by diameter": plots.dice_figure(mask), "Surface distance": plots.surface_figure(mask)}
    return {title: _embedded(figure, f"mask-{title}") for title, figure in figures.items()}


def _embedded(figure: go.Figure, name: str) -> Markup:
    """The figure as a piece of page; plotly escapes the angle brackets in its data."""
    html = figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, div_id=name.replace(" ", "-"))
    return Markup(html)


@lru_cache
def _template() -> Template:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure"] = lambda figures, name: next((f for f in figures if f.name == name), None)
    return environment.from_string(Path(__file__).with_name("evaluation.html.jinja").read_text(encoding="utf-8"))
