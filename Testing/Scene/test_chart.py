"""The chart as Slicer's plot view draws it: what stands in its pixels."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
import vtk

from LungNoduleRiskLib.display.chart import removeSeries, showChart
from made_assessment import TASKS, made_assessment
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.outputs.style import NO_RISK_KNOWN, RISK_COLOURS
from plot import build_chart, render_chart, save_picture

IA = replace(TASKS["subtype"], mean=(0.1, 0.2, 0.7), decision="IA", evidence="pathology")
RGB = {rank: np.round(np.array(colour) * 255).astype(int) for rank, colour in RISK_COLOURS.items()}


@pytest.fixture
def chart(scene):
    """An empty chart and its table, filled by `chart(assessment, ...) -> chart node`."""
    chartNode = scene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    tableNode = scene.AddNewNodeByClass("vtkMRMLTableNode")

    def show(*assessments):
        showChart({assessment.name: assessment for assessment in assessments}, chartNode, tableNode)
        return chartNode

    return show


@pytest.fixture
def nodules(ct):
    """Assessments named N1, N2, ...: `nodules(2, malignancy=None)` lacks a task in each."""

    def make(count: int, **tasks):
        changed = {name: task for name, task in (TASKS | tasks).items() if task is not None}
        return [made_assessment(ct, f"N{number}", tasks=changed) for number in range(1, count + 1)]

    return make


@pytest.fixture
def stacks(tmp_path, request):
    """Each bar of the picture, from left to right: its colours from the bottom up and their shares
    of its height."""

    def read(chartNode, size=(640, 360)) -> list[list[tuple[str, float]]]:
        picture = render_chart(chartNode, size)
        save_picture(picture, request.node.name, tmp_path)
        near = np.stack(
            [np.abs(picture.astype(int) - colour).max(axis=2) <= 4 for colour in RGB.values()]
        )
        in_bar = near.any(axis=0).sum(axis=0) > size[1] / 3  # the legend's patches are low
        edges = np.flatnonzero(np.diff(in_bar.astype(int), prepend=0, append=0)).reshape(-1, 2)
        return [
            _stack(near[:, ::-1, (left + right) // 2]) for left, right in edges if right - left > 2
        ]

    return read


def _stack(near: np.ndarray) -> list[tuple[str, float]]:
    ranks = [list(RISK_COLOURS)[rank] for rank in near[:, near.any(axis=0)].argmax(axis=0)]
    return [(rank, len(list(run)) / len(ranks)) for rank, run in groupby(ranks)]


def close_to(*shares):
    return [(rank, pytest.approx(share, abs=0.02)) for rank, share in shares]


def test_bars_are_stacked_to_one_with_the_worst_class_lowest(chart, nodules, stacks):
    malignancy, invasiveness, grade = stacks(chart(*nodules(1)))
    assert malignancy == close_to(("last", 0.73), ("first", 0.27))
    assert invasiveness == close_to(("last", 0.38), ("first", 0.62))
    assert grade == close_to(("last", 0.25), ("middle", 0.6), ("first", 0.15))


def test_a_single_bar_is_as_wide_as_any(chart, nodules, stacks):
    only_malignancy = {name: None for name in TASKS if name != "malignancy"}
    assert stacks(chart(*nodules(1, **only_malignancy))) == [
        close_to(("last", 0.73), ("first", 0.27))
    ]


@pytest.mark.parametrize("size", [(560, 320), (640, 360), (1400, 900)])
def test_the_legend_hides_no_bar(chart, nodules, stacks, size):
    found = stacks(chart(*nodules(3, subtype=IA)), size)
    assert len(found) == 12
    assert found[1::4] == [close_to(("last", 0.7), ("middle", 0.2), ("first", 0.1))] * 3


def test_of_many_nodules_only_the_first_task_is_shown(chart, nodules, stacks):
    chartNode = chart(*nodules(30))
    assert stacks(chartNode) == [close_to(("last", 0.73), ("first", 0.27))] * 30
    assert chartNode.GetXAxisTitle().startswith("Malignancy (reader, withheld): 1 N1, 2 N2, 3 N3,")


def test_bars_are_named_with_their_evidence(chart, nodules):
    chartNode = chart(*nodules(1, subtype=IA))
    assert (
        chartNode.GetXAxisTitle().replace("\n", " ")
        == "1 N1 malignancy (reader, withheld), 2 N1 subtype (pathology, withheld), 3 N1"
        " invasiveness (simulated), 4 N1 grade (simulated)"
    )
    assert chartNode.GetYAxisTitle() == "Probability (reader; pathology; simulated)"
    assert "research use only" in chartNode.GetTitle()


def test_the_legend_names_the_classes(chart, nodules):
    plots = plots_of(chart(*nodules(1)))
    assert [plot.GetLabel() for plot in plots] == [
        "benign, pre-invasive, grade 1",
        "grade 2",
        "malignant, invasive, grade 3",
    ]


def test_hovering_shows_all_probabilities_of_the_bar(chart, nodules):
    first, *_ = plots_of(chart(*nodules(1)))
    header_rows = 2
    tooltip = first.GetTooltipLabel(vtk.vtkVector2d(3, 1), header_rows + 2, -1)
    assert tooltip.endswith("N1 grade (simulated): grade 1 0.15, grade 2 0.60, grade 3 0.25")


def plots_of(chartNode) -> list:
    chart = build_chart(chartNode, vtk.vtkContextScene())
    return [chart.GetPlot(index) for index in range(chart.GetNumberOfPlots())]


def test_showing_again_leaves_nothing_behind(scene, chart, nodules, stacks):
    before = nodes_of(scene)
    chart(*nodules(2, subtype=IA))
    chart(*nodules(30))
    chartNode = chart(*nodules(1))
    assert len(stacks(chartNode)) == 3
    assert len(nodes_of(scene) - before) == chartNode.GetNumberOfPlotSeriesNodes() == 3
    removeSeries(chartNode)
    assert nodes_of(scene) == before
    assert chartNode.GetNumberOfPlotSeriesNodes() == 0


def nodes_of(scene) -> set[str]:
    return {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}


def test_a_chart_whose_series_was_deleted_is_drawn_again(scene, chart, nodules, stacks):
    chartNode = chart(*nodules(1))
    scene.RemoveNode(chartNode.GetNthPlotSeriesNode(1))
    assert len(stacks(chart(*nodules(2)))) == 6


def test_without_assessments_the_chart_is_empty(chart, nodules, stacks):
    chart(*nodules(1))
    assert stacks(chart()) == []
    assert (
        chart(
            *nodules(1, malignancy=None, invasiveness=None, grade=None)
        ).GetNumberOfPlotSeriesNodes()
        == 0
    )


def test_series_stay_out_of_the_lists_of_nodes(scene, chart, nodules):
    chartNode = chart(*nodules(1))
    for index in range(chartNode.GetNumberOfPlotSeriesNodes()):
        seriesNode = chartNode.GetNthPlotSeriesNode(index)
        assert seriesNode.GetHideFromEditors() and seriesNode.GetSaveWithScene()


def test_a_saved_chart_comes_back(scene, chart, nodules, tmp_path):
    before = render_chart(chart(*nodules(2, subtype=IA)))
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path)
    scene.Clear()
    assert scene.ReadFromMRB(path)
    np.testing.assert_array_equal(
        render_chart(scene.GetFirstNodeByClass("vtkMRMLPlotChartNode")), before
    )


@pytest.mark.parametrize(
    ("tasks", "colour"),
    [
        ({}, RISK_COLOURS["last"]),
        ({"malignancy": replace(TASKS["malignancy"], decision="benign")}, RISK_COLOURS["first"]),
        ({"malignancy": None, "subtype": replace(IA, decision="MIA")}, RISK_COLOURS["middle"]),
        ({"malignancy": None}, NO_RISK_KNOWN),  # what is left is simulated
    ],
)
def test_the_colour_of_risk_rests_on_patients(nodules, tasks, colour):
    (nodule,) = nodules(1, **tasks)
    assert risk_colour(replace(nodule, checks=())) == colour


def test_fault_76_a_withheld_decision_has_no_colour_of_risk(nodules):
    assert risk_colour(nodules(1)[0]) == NO_RISK_KNOWN
