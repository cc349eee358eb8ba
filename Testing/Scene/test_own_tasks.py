"""Own tasks in the scene: the table, the chart, and the facts that panel and page show. Real MRML
(slicer-core)."""

from __future__ import annotations

from dataclasses import replace

from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.display.results import savedAssessments, showAssessment
from LungNoduleRiskLib.facts import noduleFacts, summary
from LungNoduleRiskLib.nodules import SceneNodule
from made_assessment import TASKS, made_assessment
from made_own_tasks import EGFR, SITE
from made_scene import rows
from nodulerisk.assessment import TaskResult
from nodulerisk.outputs.style import NO_RISK_KNOWN, OWN_COLOURS

OWN = {
    "EGFR": TaskResult(
        tuple(EGFR["classes"]), (0.3, 0.7), {"one": (0.3, 0.7)}, "mutated", 0.5, "pathology"
    ),
    "site": TaskResult(
        tuple(SITE["classes"]), (0.1,) * 10, {"one": (0.1,) * 10}, "wild type", None, "simulated"
    ),
}


def test_table_and_chart_have_them(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct, tasks=TASKS | OWN, checks=()), volumeNode)
    (row,) = rows(volumeNode)
    assert row["EGFR"] == "mutated" and row["Site"] == "demonstration"
    assert float(row["P(EGFR: wild type)"]) == 0.3 and float(row["P(Site: wild type)"]) == 0.1
    assert float(row["P(malignant)"]) == 0.7333
    chartNode = resultNode("chart", volumeNode)
    series = [
        chartNode.GetNthPlotSeriesNode(n) for n in range(chartNode.GetNumberOfPlotSeriesNodes())
    ]
    colours = {one.GetName(): tuple(one.GetColor()) for one in series}
    assert colours["mutated, site 2"] == OWN_COLOURS["class 2"]
    assert colours["site 10"] == OWN_COLOURS["class 10"]
    assert "EGFR (pathology)" in chartNode.GetXAxisTitle()
    assert savedAssessments(volumeNode)["N1"].tasks["EGFR"] == OWN["EGFR"]


def test_a_nodule_that_only_an_own_task_was_asked_of_has_no_colour_of_risk(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct, tasks={"EGFR": OWN["EGFR"]}, checks=()), volumeNode)
    segmentation = resultNode("segmentation", volumeNode).GetSegmentation()
    assert tuple(segmentation.GetSegment("N1").GetColor()) == NO_RISK_KNOWN


def test_panel_and_page_name_the_task_beside_its_classes(ct):
    assessment = made_assessment(ct, tasks=TASKS | OWN, checks=())
    nodule = SceneNodule("N1", 0, assessment, False)
    shown = [answer.shown for answer in summary(nodule, None).answers]
    assert "EGFR p(mutated) 0.70" in shown and "p(malignant) 0.73" in shown
    facts = noduleFacts(nodule).found
    assert "EGFR: mutated" in [task.title for task in facts.tasks]
    assert "Site" in [task.title for task in facts.demonstrations]
    doubted = replace(OWN["EGFR"], members={"one": (0.3, 0.7), "two": (0.7, 0.3)})
    nodule = replace(nodule, assessment=replace(assessment, tasks={"EGFR": doubted}))
    (answer,) = summary(nodule, None).answers
    assert answer.said == "decision withheld" and answer.withheld == ["the networks disagree"]
