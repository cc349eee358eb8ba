"""Draws a chart node as Slicer's plot view does (qMRMLPlotView over ctkVTKChartView): the same
calls on VTK's chart."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import vtk
from matplotlib.image import imsave
from vtk.util.numpy_support import vtk_to_numpy

PAPER = (255, 253, 246, 255)
X_AXES, Y_AXES = (vtk.vtkAxis.BOTTOM, vtk.vtkAxis.TOP), (vtk.vtkAxis.LEFT, vtk.vtkAxis.RIGHT)


def render_chart(chart_node, size: tuple[int, int] = (640, 360)) -> np.ndarray:
    """The chart as an RGB picture: uint8 (height, width, 3)."""
    view = vtk.vtkContextView()
    build_chart(chart_node, view.GetScene())
    view.GetRenderer().SetUseDepthPeeling(True)
    view.GetRenderer().SetUseFXAA(True)
    window = view.GetRenderWindow()
    window.SetOffScreenRendering(True)
    window.SetSize(*size)
    window.SetLineSmoothing(True)
    window.Render()
    picture = pixels(window)
    window.Finalize()
    return picture


def build_chart(chart_node, scene):
    """The vtkChartXY that the plot view would show, in a vtkContextScene."""
    chart = vtk.vtkChartXY()
    scene.AddItem(chart)
    chart.GetBackgroundBrush().SetColor(*PAPER)
    for index in range(chart_node.GetNumberOfPlotSeriesNodes()):
        plot = _plot(chart_node.GetNthPlotSeriesNode(index))
        if plot is not None:
            chart.AddPlot(plot)
    chart.SetTitle((chart_node.GetTitle() or "") if chart_node.GetTitleVisibility() else "")
    chart.SetShowLegend(chart_node.GetLegendVisibility())
    _set_font(chart.GetTitleProperties(), chart_node, chart_node.GetTitleFontSize())
    _set_font(chart.GetLegend().GetLabelProperties(), chart_node, chart_node.GetLegendFontSize())
    for letter, axes in (("X", X_AXES), ("Y", Y_AXES)):
        for axis in axes:
            _set_axis(chart.GetAxis(axis), letter, chart_node)
    return chart


def pixels(window) -> np.ndarray:
    """The picture in a render window: uint8 (height, width, 3), the top row first."""
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.Update()
    width, height, _ = grab.GetOutput().GetDimensions()
    return (
        vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        .reshape(height, width, 3)[::-1]
        .copy()
    )


def save_picture(picture: np.ndarray, name: str, folder: str | Path) -> None:
    """Writes a picture to look at: a PNG in the folder that NODULERISK_PICTURES names, else in this
    one."""
    folder = Path(os.environ.get("NODULERISK_PICTURES", folder))
    folder.mkdir(parents=True, exist_ok=True)
    imsave(folder / f"{name}.png", picture)


def _plot(series):
    """A series as a vtkPlot; None where its columns are missing or hold text, which the plot view
    leaves out too."""
    table = series.GetTableNode().GetTable()
    columns = [series.GetXColumnName(), series.GetYColumnName()]
    if not all(isinstance(table.GetColumnByName(name), vtk.vtkDataArray) for name in columns):
        return None
    plot = vtk.vtkPlotBar()
    plot.SetWidth(series.GetLineWidth())
    plot.SetColorF(*series.GetColor())
    plot.SetOpacity(series.GetOpacity())
    plot.GetPen().SetOpacityF(series.GetOpacity())
    plot.SetIndexedLabels(table.GetColumnByName(series.GetLabelColumnName()))
    plot.SetUseIndexForXSeries(False)
    plot.SetInputData(table, *columns)
    plot.SetTooltipLabelFormat("%l = (%x, %y) %i")
    plot.SetLabel(series.GetName())
    return plot


def _set_axis(axis, letter: str, chart_node) -> None:
    def of_node(what: str):
        return getattr(chart_node, f"Get{letter}Axis{what}")()

    axis.SetTitle((of_node("Title") or "") if of_node("TitleVisibility") else "")
    axis.SetBehavior(vtk.vtkAxis.AUTO if of_node("RangeAuto") else vtk.vtkAxis.FIXED)
    if not of_node("RangeAuto"):
        axis.SetUnscaledMinimumLimit(-math.inf)
        axis.SetUnscaledMaximumLimit(math.inf)
        axis.SetUnscaledRange(*of_node("Range"))
        axis.Update()
    axis.SetGridVisible(chart_node.GetGridVisibility())
    axis.GetTitleProperties().SetBold(False)
    _set_font(axis.GetTitleProperties(), chart_node, chart_node.GetAxisTitleFontSize())
    _set_font(axis.GetLabelProperties(), chart_node, chart_node.GetAxisLabelFontSize())


def _set_font(text_properties, chart_node, size: int) -> None:
    text_properties.SetFontFamily(text_properties.GetFontFamilyFromString(chart_node.GetFontType()))
    text_properties.SetFontSize(size)
