"""A CT's chart: for each nodule and task one bar, the probabilities of its classes stacked to 1,
the worst, or of an own task the last, lowest.

Slicer draws the bars of several series side by side, each up from the axis. So there is a series
for each rank of
class: the first (green) reaches to 1; the middle (amber) and the last (red) are drawn over it, each
up to where the better classes begin; and each is placed aside by as much as Slicer will move it.
For an own task, whose classes need not be in an order of risk, there is a series in a shade of blue
for each class.
Slicer's axes show numbers, not names: the bars are numbered, and the axis' title says whose they
are.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import slicer
from slicer import vtkMRMLPlotChartNode, vtkMRMLTableNode

from LungNoduleRiskLib.display.tables import fillTable
from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.outputs.style import OWN_COLOURS, RANKS, RISK_COLOURS
from nodulerisk.outputs.words import main_tasks
from nodulerisk.tasks import TASKS, title_of
from nodulerisk.trust.withhold import Statement

COLOURS = RISK_COLOURS | OWN_COLOURS  # by rank
MANY = 12  # bars; of more, each nodule keeps its first task
# along the axis at least: room for the legend, and Slicer's ticks are whole numbers in usual views
PLACES = 10
KEY_WIDTH = 70  # characters
NO_BREAK = "\N{NO-BREAK SPACE}"
WIDTH_ROW = "(width)"  # not empty: Slicer loses a row's empty first cell when it loads a table
TITLE = "Lung nodule probabilities: research use only"


@dataclass(frozen=True)
class _StackedBar:
    """A task's answer; ``mean``: its classes' probabilities; ``stated``: what may be said."""

    nodule: str
    task: str
    result: TaskResult
    mean: tuple[float, ...]
    stated: Statement

    @property
    def basis(self) -> str:
        decided = "" if self.stated.decision or self.stated.demonstration else ", withheld"
        return f"{self.task} ({self.result.evidence}{decided})"

    @property
    def tooltip(self) -> str:
        each = (f"{name} {p:.2f}" for name, p in zip(self.result.classes, self.mean, strict=True))
        return f"{self.nodule} {self.basis}: {', '.join(each)}"

    @property
    def classes(self) -> dict[str, str]:
        """By rank, the class's name."""
        names = self.result.classes
        ranks = RANKS[len(names)] if self.task in TASKS else OWN_COLOURS
        return dict(zip(ranks, names, strict=False))

    @property
    def tops(self) -> dict[str, float]:
        """By rank, the probability of that class or a worse one."""
        return {rank: sum(self.mean[index:]) for index, rank in enumerate(self.classes)}


def showChart(
    assessments: Mapping[str, Assessment],
    chartNode: vtkMRMLPlotChartNode,
    tableNode: vtkMRMLTableNode,
) -> None:
    """Draws the assessments in a chart, from a table; both are filled again.

    Args:
        assessments: by nodule name.
        chartNode: vtkMRMLPlotChartNode in a scene.
        tableNode: vtkMRMLTableNode in that scene, for this chart alone.
    """
    removeSeries(chartNode)
    bars = _bars(assessments.values())
    names = {
        rank: dict.fromkeys(bar.classes[rank] for bar in bars if rank in bar.classes)
        for rank in COLOURS
    }
    ranks = [rank for rank in COLOURS if names[rank]]
    fillTable(tableNode, _columns(bars, ranks))
    for rank in ranks:
        _addSeries(rank, ", ".join(names[rank]), chartNode, tableNode)
    _describe(bars, chartNode)


def removeSeries(chartNode: vtkMRMLPlotChartNode) -> None:
    """Removes what a chart draws from the scene; the chart stays, empty."""
    nodes = [
        chartNode.GetNthPlotSeriesNode(index)
        for index in range(chartNode.GetNumberOfPlotSeriesNodes())
    ]
    chartNode.RemoveAllPlotSeriesNodeIDs()
    for node in filter(None, nodes):  # None was deleted by hand
        chartNode.GetScene().RemoveNode(node)


def _bars(assessments: Iterable[Assessment]) -> list[_StackedBar]:
    bars = [_barsOf(assessment) for assessment in assessments]
    many = sum(map(len, bars)) > MANY
    return [bar for nodule in bars for bar in (nodule[:1] if many else nodule)]


def _barsOf(assessment: Assessment) -> list[_StackedBar]:
    tasks = main_tasks(assessment).items()
    return [
        _StackedBar(assessment.name, task, result, result.mean, assessment.stated(task))
        for task, result in tasks
        if result.mean is not None
    ]


def _columns(bars: Sequence[_StackedBar], ranks: Sequence[str]) -> dict[str, list]:
    """The table's columns by title. Two rows without height go first.

    A bar's width is what VTK makes of the first two rows: 0.8 times their distance, divided by the
    number of series. It then moves each series left by a part of the width; so they are placed
    right of the bar's number by as much.
    """
    columns: dict[str, list] = {"bar": [WIDTH_ROW, WIDTH_ROW, *(bar.tooltip for bar in bars)]}
    for index, rank in enumerate(ranks):
        moved = 0.8 * ((len(ranks) - 1) / 2 - index)
        columns[f"{rank} x"] = [x + moved for x in (1, 1 + len(ranks), *range(1, len(bars) + 1))]
        columns[rank] = [0.0, 0.0, *(bar.tops.get(rank, 0.0) for bar in bars)]
    return columns


def _addSeries(
    rank: str, name: str, chartNode: vtkMRMLPlotChartNode, tableNode: vtkMRMLTableNode
) -> None:
    seriesNode = slicer.vtkMRMLPlotSeriesNode()
    seriesNode.SetHideFromEditors(
        True
    )  # before it is added, so that it is not listed under the subjects either
    seriesNode.SetName(name)
    seriesNode.SetPlotType(seriesNode.PlotTypeScatterBar)
    seriesNode.SetXColumnName(f"{rank} x")
    seriesNode.SetYColumnName(rank)
    seriesNode.SetLabelColumnName("bar")
    seriesNode.SetColor(*COLOURS[rank])
    chartNode.GetScene().AddNode(seriesNode)
    seriesNode.SetAndObserveTableNodeID(tableNode.GetID())
    chartNode.AddAndObservePlotSeriesNodeID(seriesNode.GetID())


def _describe(bars: Sequence[_StackedBar], chartNode: vtkMRMLPlotChartNode) -> None:
    levels = dict.fromkeys(bar.result.evidence for bar in bars) or ["nothing assessed"]
    chartNode.SetTitle(TITLE)
    chartNode.SetYAxisTitle(f"Probability ({'; '.join(levels)})")
    chartNode.SetXAxisTitle(_key(bars))
    chartNode.SetXAxisRangeAuto(False)
    chartNode.SetXAxisRange(0.5, max(PLACES, 2 * len(bars)) + 0.5)  # the right half is the legend's
    chartNode.SetYAxisRangeAuto(False)
    chartNode.SetYAxisRange(0, 1)
    chartNode.SetTitleFontSize(16)
    chartNode.SetLegendFontSize(12)
    chartNode.SetAxisTitleFontSize(12)
    chartNode.SetGridVisibility(False)
    chartNode.SetEnablePointMoveAlongX(False)
    chartNode.SetEnablePointMoveAlongY(False)


def _key(bars: Sequence[_StackedBar]) -> str:
    """``1 N1 malignancy (reader), 2 N1 grade (simulated)``; ``Malignancy (reader): 1 N1, 2 N2``
    where all are alike.

    Lines break between bars only.
    """
    alike = len({bar.basis for bar in bars}) == 1
    names = [bar.nodule if alike else f"{bar.nodule} {bar.basis}" for bar in bars]
    labels = (f"{number} {name}".replace(" ", NO_BREAK) for number, name in enumerate(names, 1))
    heading = f"{title_of(bars[0].basis)}: " if alike else ""
    key = textwrap.fill(
        heading + ", ".join(labels), KEY_WIDTH, break_on_hyphens=False, break_long_words=False
    )
    return key.replace(NO_BREAK, " ")
