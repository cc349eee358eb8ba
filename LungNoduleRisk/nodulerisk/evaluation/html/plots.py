"""An evaluation's curves as plotly figures."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import plotly.graph_objects as go

from nodulerisk.evaluation.calibration import ReliabilityBin
from nodulerisk.evaluation.summary import (
    GRID,
    DecisionCurve,
    MaskEvaluation,
    RocCurve,
    TaskEvaluation,
)
from nodulerisk.outputs.style import BLUE, INK

COLOURS = (  # distinguishable for colour-blind readers too; one for each of the most classes
    *(BLUE, "#d55e00", "#009e73", "#a05195", "#e69f00"),
    *("#56b4e9", "#000000", "#7a5c00", "#f0a3c4", "#8c8c8c"),
)
GREY, GRID_GREY, PALE = "#7b8794", "#e6eaee", 0.12
HEIGHT = 330  # pixels
FONT = {"family": "system-ui, sans-serif", "size": 12, "color": INK}
ABOVE_PLOT = {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom", "font": {"size": 11}}
BELOW_CURVE = {
    "orientation": "v",
    "x": 1,
    "xanchor": "right",
    "y": 0,
    "yanchor": "bottom",
    "bgcolor": "rgba(255,255,255,.7)",
}
SHARE = {"range": (-0.02, 1.02), "dtick": 0.25, "gridcolor": GRID_GREY, "zeroline": False}


def roc_figure(task: TaskEvaluation) -> go.Figure:
    """Every contrast with its 95 % band; dashed, the diameter alone for the first contrast that it
    may predict."""
    figure = _figure("1 − specificity", "sensitivity")
    _add_chance(figure)
    for curve, colour in zip(task.rocs, COLOURS, strict=False):
        _add_roc(figure, curve, colour)
    for curve in [curve for curve in task.rocs if curve.size_x][:1]:
        name = "diameter alone" if len(task.rocs) == 1 else f"diameter for {curve.contrast}"
        _add_line(
            figure,
            curve.size_x,
            curve.size_y,
            name,
            {"color": FONT["color"], "dash": "dash", "width": 1.5},
        )
    figure.update_layout(xaxis=SHARE, yaxis=SHARE, legend=BELOW_CURVE, margin_t=10)
    return figure


def confusion_figure(task: TaskEvaluation) -> go.Figure:
    """Nodules by label and decision, coloured by their share of the label."""
    counts = task.confusion
    shares = [[count / max(sum(row), 1) for count in row] for row in counts]
    text = [
        [f"<b>{count}</b><br>{share:.0%}" for count, share in zip(*rows, strict=True)]
        for rows in zip(counts, shares, strict=True)
    ]
    names = list(task.classes)
    look = {
        "colorscale": [[0, "#ffffff"], [1, COLOURS[0]]],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
    }
    figure = _figure("decided", "label")
    figure.add_heatmap(
        x=names, y=names, z=shares, text=text, texttemplate="%{text}", hoverinfo="skip", **look
    )
    figure.update_yaxes(autorange="reversed", tickangle=-90, showgrid=False)
    figure.update_xaxes(showgrid=False)
    figure.update_layout(margin_t=10)
    return figure


def reliability_figure(task: TaskEvaluation) -> go.Figure:
    """Observed share against predicted probability, as the set answers and calibrated on
    validation."""
    of = task.classes[1] if len(task.classes) == 2 else "the decided class"
    figure = _figure(f"probability of {of}", "observed share")
    _add_chance(figure)
    _add_bins(figure, task.reliability, "as the set answers", COLOURS[0])
    _add_bins(figure, task.reliability_after_line, "calibrated on validation", COLOURS[1])
    figure.update_layout(xaxis=SHARE, yaxis=SHARE)
    return figure


def decision_figure(curve: DecisionCurve, positive: str) -> go.Figure:
    """Net benefit of deciding by the networks, beside calling every nodule, or none, positive."""
    figure = _figure("threshold probability", "net benefit")
    highest = max(0.02, *curve.network, *curve.everyone)
    _add_line(
        figure, curve.thresholds, curve.network, "networks", {"color": COLOURS[0], "width": 2.5}
    )
    _add_line(
        figure, curve.thresholds, curve.everyone, f"all {positive}", {"color": GREY, "dash": "dash"}
    )
    _add_line(figure, (0, 1), (0, 0), f"none {positive}", {"color": GREY, "dash": "dot"})
    figure.update_layout(
        xaxis={**SHARE, "range": (0, 1)}, yaxis={"range": (-0.35 * highest, 1.1 * highest)}
    )
    return figure


def dice_figure(mask: MaskEvaluation) -> go.Figure:
    """Dice of every nodule by its diameter."""
    points = [point for point in mask.points if point.diameter_mm is not None]
    names = [f"{escape(point.name)}<br>Dice {point.dice:.2f}" for point in points]
    figure = _figure("diameter (mm)", "Dice")
    marker = {"color": COLOURS[0], "opacity": 0.55, "size": 7}
    x, y = [point.diameter_mm for point in points], [point.dice for point in points]
    figure.add_scatter(
        x=x, y=y, mode="markers", marker=marker, text=names, hoverinfo="text", showlegend=False
    )
    figure.update_layout(yaxis=SHARE)
    return figure


def surface_figure(mask: MaskEvaluation) -> go.Figure:
    """The distribution of the mean surface distances."""
    distances = [point.surface_mm for point in mask.points if point.surface_mm is not None]
    figure = _figure("mean surface distance (mm)", "nodules")
    figure.add_histogram(
        x=distances, nbinsx=30, marker={"color": COLOURS[0], "opacity": 0.75}, showlegend=False
    )
    return figure


def _figure(x_title: str, y_title: str) -> go.Figure:
    figure = go.Figure()
    margin = {"l": 50, "r": 8, "t": 42, "b": 45}
    figure.update_layout(
        height=HEIGHT, font=FONT, template="none", legend=ABOVE_PLOT, margin=margin
    )
    figure.update_xaxes(title=x_title, gridcolor=GRID_GREY, zeroline=False)
    figure.update_yaxes(title=y_title, gridcolor=GRID_GREY, zeroline=False)
    return figure


def _add_line(
    figure: go.Figure, x: Iterable[float], y: Iterable[float], name: str, line: dict
) -> None:
    figure.add_scatter(x=list(x), y=list(y), name=name, mode="lines", line=line)


def _add_chance(figure: go.Figure) -> None:
    line = {"color": GREY, "width": 1, "dash": "dot"}
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line=line, showlegend=False, hoverinfo="skip"
    )


def _add_roc(figure: go.Figure, curve: RocCurve, colour: str) -> None:
    band = {"line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "mode": "lines"}
    figure.add_scatter(x=GRID, y=curve.low, **band)
    figure.add_scatter(x=GRID, y=curve.high, fill="tonexty", fillcolor=_pale(colour), **band)
    _add_line(figure, curve.x, curve.y, curve.contrast, {"color": colour, "width": 2.5})


def _add_bins(figure: go.Figure, bins: Iterable[ReliabilityBin], name: str, colour: str) -> None:
    bins = list(bins)
    if not bins:
        return
    error = {
        "array": [b.high - b.observed for b in bins],
        "arrayminus": [b.observed - b.low for b in bins],
        "thickness": 1,
        "width": 3,
    }
    figure.add_scatter(
        x=[b.predicted for b in bins],
        y=[b.observed for b in bins],
        error_y=error,
        text=[f"{b.nodules} nodules" for b in bins],
        name=name,
        mode="lines+markers",
        line={"color": colour},
    )


def _pale(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{PALE})"
