"""The curves of an evaluation for papers: as a table, and drawn as SVG and PDF."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.evaluation.html.plots import COLOURS
from nodulerisk.evaluation.summary import GRID, Evaluation, RocCurve, TaskEvaluation
from nodulerisk.files import write_table, written_whole
from nodulerisk.tasks import title_of

COLUMNS = ("task", "curve", "of", "x", "y", "cut", "low", "high", "nodules")
DATES = {"svg": "Date", "pdf": "CreationDate"}  # left out, so that files can be compared
SIDE_INCHES = 4.0
Row = dict[str, str | float | None]


def write_curves_csv(evaluation: Evaluation, path: Path) -> None:
    """Writes one row per point of every curve.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = (row for task in evaluation.tasks.values() for row in _rows(task))
    write_table(path, COLUMNS, rows)


def write_plots(evaluation: Evaluation, folder: Path) -> None:
    """Draws every task's ROC curves, reliability and net benefit, each as SVG and as PDF.

    Raises:
        OutputError: the folder cannot be written.
    """
    for task in evaluation.tasks.values():
        plots: dict[str, Callable] = {"reliability": _draw_reliability}
        plots |= {"roc": _draw_rocs} if task.rocs else {}
        plots |= {"net-benefit": _draw_net_benefit} if task.decision_curve else {}
        for name, draw in plots.items():
            _write_plot(task, draw, folder / f"{_file_name(task.task)}-{name}")


def _rows(task: TaskEvaluation) -> Iterator[Row]:
    for curve in task.rocs:
        yield from _roc_rows(task, curve)
    for bins, of in (
        (task.reliability, "as the set answers"),
        (task.reliability_after_line, "calibrated on validation"),
    ):
        for one in bins:
            point = {"x": one.predicted, "y": one.observed, "low": one.low, "high": one.high}
            named = {"task": task.task, "curve": "reliability", "of": of}
            yield {**named, **point, "nodules": one.nodules}
    if (benefit := task.decision_curve) is not None:
        for of, values in (("networks", benefit.network), ("all positive", benefit.everyone)):
            for cut, value in zip(benefit.thresholds, values, strict=True):
                named = {"task": task.task, "curve": "net benefit", "of": of}
                yield {**named, "x": cut, "y": value, "cut": cut}


def _roc_rows(task: TaskEvaluation, curve: RocCurve) -> Iterator[Row]:
    named: Row = {"task": task.task, "curve": "ROC", "of": curve.contrast}
    for x, y, cut in zip(curve.x, curve.y, curve.cuts, strict=True):
        yield {**named, "x": x, "y": y, "cut": cut}
    for x, low, high in zip(GRID, curve.low, curve.high, strict=True):
        yield {**named, "curve": "ROC band", "x": round(float(x), 4), "low": low, "high": high}
    for x, y in zip(curve.size_x, curve.size_y, strict=True):
        yield {**named, "curve": "ROC of diameter", "x": x, "y": y}


def _file_name(task: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in task)


def _write_plot(task: TaskEvaluation, draw: Callable, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((SIDE_INCHES, SIDE_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(f"{title_of(task.task)}: {task.nodules} nodules, {task.evidence}", fontsize=9)
    draw(axes, task)
    axes.legend(fontsize=7)
    figure.text(0.99, 0.005, RESEARCH_USE_ONLY, fontsize=4, ha="right", va="bottom")
    for suffix in DATES:
        with written_whole(path.with_name(f"{path.name}.{suffix}")) as partial:
            figure.savefig(partial, metadata={DATES[suffix]: None})


def _draw_rocs(axes, task: TaskEvaluation) -> None:
    for curve, colour in zip(task.rocs, COLOURS, strict=False):
        axes.plot(curve.x, curve.y, color=colour, label=curve.contrast)
        axes.fill_between(GRID, curve.low, curve.high, color=colour, alpha=0.15, linewidth=0)
        if curve.size_x:
            label = f"diameter for {curve.contrast}"
            axes.plot(curve.size_x, curve.size_y, color=colour, linestyle="--", label=label)
    _square(axes, "1 − specificity", "sensitivity")


def _draw_reliability(axes, task: TaskEvaluation) -> None:
    for bins, label, colour in (
        (task.reliability, "as the set answers", COLOURS[0]),
        (task.reliability_after_line, "calibrated on validation", COLOURS[1]),
    ):
        for number, one in enumerate(bins):
            bar = [[one.observed - one.low], [one.high - one.observed]]
            axes.errorbar(
                *(one.predicted, one.observed, bar),
                fmt="o",
                color=colour,
                label=None if number else label,
            )
    _square(axes, "predicted probability", "observed share")


def _draw_net_benefit(axes, task: TaskEvaluation) -> None:
    curve = task.decision_curve
    assert curve is not None
    axes.plot(curve.thresholds, curve.network, color=COLOURS[0], label="networks")
    axes.plot(curve.thresholds, curve.everyone, color="grey", linestyle="--", label="all positive")
    axes.axhline(0, color="grey", linestyle=":", label="none positive")
    highest = max(0.02, *curve.network, *curve.everyone)
    axes.set(xlabel="threshold", ylabel="net benefit", ylim=(-0.35 * highest, 1.1 * highest))


def _square(axes, x: str, y: str) -> None:
    axes.plot((0, 1), (0, 1), color="grey", linestyle=":", linewidth=1)
    axes.set(xlabel=x, ylabel=y, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
