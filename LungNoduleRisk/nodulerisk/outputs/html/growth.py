"""The growth curve of a nodule."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nodulerisk.clinical.course import Course, TimePoint
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import BLUE, FAINT, INK, RULE, VIOLET

WIDTH, HEIGHT = 680, 320  # pixels: as wide as a page of A4, since a printed plot keeps its size
STEPS = 50  # of the curve
BAND = "rgba(47, 111, 178, .15)"
MARGIN_SHARE = 0.04  # of the time shown, on both sides


def growth_figure(course: Course) -> go.Figure:
    """Volume and diameters against the days since the first scan. The band shows how far a measured
    volume may lie from the regression's curve; open circles are cut masks."""
    figure = make_subplots(
        1,
        2,
        horizontal_spacing=0.12,
        subplot_titles=[say(_("Volume, mm³")), say(_("Mean diameter, mm"))],
    )
    _add_trend(figure, course)
    days = [point.days for point in course.points]
    volumes = [point.volume_mm3 for point in course.points]
    _add_points(figure, course, volumes, _("volume"), BLUE, "mm³", 1)
    diameters = [point.diameter_mm for point in course.points]
    _add_points(figure, course, diameters, _("whole nodule"), BLUE, "mm", 2)
    solid = [point.solid_diameter_mm for point in course.points]
    if course.subsolid and any(solid):
        _add_points(figure, course, solid, _("solid part"), VIOLET, "mm", 2)
    edge = MARGIN_SHARE * (days[-1] - days[0])
    figure.update_xaxes(
        title=say(_("days since the first scan")),
        tickvals=days,
        range=(days[0] - edge, days[-1] + edge),
        gridcolor=RULE,
    )
    figure.update_yaxes(gridcolor=RULE)
    ticks = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    figure.update_yaxes(type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks], col=1)
    figure.update_yaxes(rangemode="tozero", col=2)
    figure.update_layout(
        width=WIDTH,
        height=HEIGHT,
        margin={"l": 50, "r": 10, "t": 30, "b": 40},
        plot_bgcolor="white",
        font={"color": INK},
        legend={"orientation": "h", "y": -0.2},
    )
    return figure


def _add_trend(figure: go.Figure, course: Course) -> None:
    """Adds the regression's curve with its band."""
    if course.trend is None:
        return
    slope, start = course.trend
    days = np.linspace(course.points[0].days, course.points[-1].days, STEPS)
    curve = start + slope * days
    around = np.exp(np.concatenate([curve + course.spread, (curve - course.spread)[::-1]]))
    look = {"mode": "lines", "hoverinfo": "skip", "row": 1, "col": 1}
    figure.add_scatter(
        x=np.concatenate([days, days[::-1]]),
        y=around,
        fill="toself",
        fillcolor=BAND,
        line={"width": 0},
        name=say(_("repeatability")),
        **look,
    )
    line = {"color": FAINT, "dash": "dash", "width": 1.5}
    figure.add_scatter(x=days, y=np.exp(curve), line=line, name=say(_("regression")), **look)


def _add_points(
    figure: go.Figure, course: Course, values: list, name: str, colour: str, unit: str, column: int
) -> None:
    day = _("day")
    beside_curve = column == 1 and course.trend is not None
    figure.add_scatter(
        x=[point.days for point in course.points],
        y=values,
        mode="markers" if beside_curve else "lines+markers",
        name=say(name),
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 9, "symbol": [_symbol(point) for point in course.points]},
        hovertemplate=f"%{{y:.4~g}} {unit}, {say(day)} %{{x}}<extra>{say(name)}</extra>",
        row=1,
        col=column,
    )


def _symbol(point: TimePoint) -> str:
    return "circle-open" if point.cut else "circle"
