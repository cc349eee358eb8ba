"""Pictures of the views of the current scene, asked of views.py and plot.py, which know nothing of
Qt."""

from __future__ import annotations

import slicer

VIEWS = ("Red", "3D", "Green", "Yellow")


def drawViews(size: tuple[int, int]) -> dict:
    """A picture, uint8[row, column, RGB], of each of `VIEWS`, of this width and height."""
    from views import Views

    views = Views(slicer.mrmlScene, slicer.app.applicationLogic())
    try:
        return {name: views.render(name, size) for name in VIEWS}
    finally:
        views.close()


def shownChart():
    """The chart node in the layout's plot view, or None."""
    viewNode = slicer.app.layoutManager().activeMRMLPlotViewNode()
    return viewNode and viewNode.GetPlotChartNode()


def drawChart(chartNode, size: tuple[int, int]):
    """A picture of the chart, uint8[row, column, RGB], of this width and height."""
    from plot import render_chart

    return render_chart(chartNode, size)
