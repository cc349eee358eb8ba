"""Pictures of the views of the current scene, asked of views.py and plot.py, which know nothing of Qt."""

from __future__ import annotations

import slicer

VIEWS = ("Red", "3D", "Green", "Yellow")


def drawViews() -> dict:
    """A picture, uint8[row, column, RGB], of each of `VIEWS`."""
    from views import Views

    views = Views(slicer.mrmlScene, slicer.app.applicationLogic())
    try:
        return {name: views.render(name) for name in VIEWS}
    finally:
        views.close()


def drawChart():
    """A picture of the chart in the layout's plot view, or None where none is shown."""
    from plot import render_chart

    viewNode = slicer.app.layoutManager().activeMRMLPlotViewNode()
    chartNode = viewNode and viewNode.GetPlotChartNode()
    return chartNode and render_chart(chartNode)
