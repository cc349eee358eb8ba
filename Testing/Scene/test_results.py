"""The results of a CT in the scene: nodes, masks changed by hand, saving and loading. Real MRML
(slicer-core)."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import slicer
import vtk

from LungNoduleRiskLib.display.nodes import RESULTS, VOLUME_ROLE, detachStrays, resultNode
from LungNoduleRiskLib.display.results import (
    colourPoints,
    handDrawn,
    remeasure,
    removeAssessment,
    savedAssessments,
    segmentToEdit,
    showAssessment,
    withMask,
)
from made_assessment import (
    CENTRE_LPS_MM,
    CHECKS,
    MEASUREMENTS,
    TASKS,
    made_assessment,
    made_ct,
    positions_of,
)
from made_scene import OBLIQUE, edit, rigid, rows, segment_mask
from nodulerisk.assessment import Assessment
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.measure import value_of
from nodulerisk.outputs.style import RISK_COLOURS
from nodulerisk.tasks import EVIDENCE_WORDS


def test_an_assessment_makes_a_segment_a_row_and_json_in_one_folder(loaded, ct):
    volumeNode = loaded(ct)
    assessment = made_assessment(ct)
    showAssessment(assessment, volumeNode)
    showAssessment(replace(assessment, name="N2"), volumeNode)
    showAssessment(replace(assessment, name="N3", nodule=None), volumeNode)

    segmentation = resultNode("segmentation", volumeNode).GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["N1", "N2"]
    for segment in map(segmentation.GetSegment, ("N1", "N2")):
        assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 50
        assert "^Nodule~" in terminology(segment)
    first, *others = rows(volumeNode)
    assert (first["Nodule"], first["Malignancy"], float(first["P(malignant)"])) == (
        "N1",
        "withheld",
        0.7333,
    )
    assert first["Malignancy rests on"] == first["Measurements rest on"] == EVIDENCE_WORDS["reader"]
    assert (first["Subtype"], first["P(IA)"], first["Subtype rests on"]) == (
        "not run",
        "nan",
        EVIDENCE_WORDS["none"],
    )
    assert "Slice thickness or spacing is 3 mm" in first["Checks"]
    assert [row["Nodule"] for row in others] == ["N2", "N3"]
    assert as_json(savedAssessments(volumeNode)["N1"]) == as_json(replace(assessment, nodule=None))
    assert len(folders(volumeNode)) == 1


def test_a_nodule_costs_as_much_json_after_forty_others_as_after_one(loaded, ct, monkeypatch):
    """Else a long run stalls the panel more and more (``Testing/stall.py`` measures how long)."""
    volumeNode, characters = loaded(ct), [0]
    dumps, loads = json.dumps, json.loads

    def dumped(values, **choices) -> str:
        text = dumps(values, **choices)
        characters[-1] += len(text)
        return text

    def read(text, **choices):
        characters[-1] += len(text)
        return loads(text, **choices)

    monkeypatch.setattr(json, "dumps", dumped)
    monkeypatch.setattr(json, "loads", read)
    assessment = replace(made_assessment(ct), nodule=None)
    for number in range(40):
        characters.append(0)
        named = replace(assessment, name=f"N{number}")
        showAssessment(named, volumeNode, summarised=False)
        assert savedAssessments(volumeNode)[named.name].name == named.name
    assert characters[2] and characters[-1] < 1.1 * characters[2]
    assert set(loads(resultNode("text", volumeNode).GetText())) == set(savedAssessments(volumeNode))


def as_json(assessment: Assessment) -> str:
    return json.dumps(assessment.to_dict(), sort_keys=True)


def terminology(segment) -> str:
    tag = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    return str(tag)


def folders(volumeNode) -> set[str]:
    """Names of the subject-hierarchy folders of the CT's results."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    nodes = [resultNode(role, volumeNode) for role in RESULTS if role != "chart data"]
    items = [hierarchy.GetItemByDataNode(node) for node in nodes]
    assert all(items)
    return {hierarchy.GetItemName(hierarchy.GetItemParent(item)) for item in items}


def test_two_cts_keep_their_results_apart(loaded, ct):
    one, other = loaded(ct), loaded(ct)
    for volumeNode in (one, other):
        showAssessment(made_assessment(ct), volumeNode)
    removeAssessment("N1", other)
    assert len(rows(one)) == 1
    assert segment_mask(one).any()
    assert not rows(other)
    assert not folders(one) & folders(other)


def test_fault_46_no_result_bears_the_name_of_the_volume(loaded, ct):
    volumeNode = loaded(ct, "SMITH^JOHN")
    showAssessment(made_assessment(ct), volumeNode)
    nodes = [resultNode(role, volumeNode) for role in RESULTS]
    assert not any("SMITH" in node.GetName() for node in nodes)
    assert "SMITH" not in resultNode("text", volumeNode).GetText()


def test_assessing_again_replaces_the_nodule(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    showAssessment(made_assessment(ct, nodule=None), volumeNode)
    assert not list(resultNode("segmentation", volumeNode).GetSegmentation().GetSegmentIDs())
    assert len(rows(volumeNode)) == 1


def test_fault_42_a_ct_that_changed_meanwhile_shows_nothing(scene, loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    slicer.util.updateVolumeFromArray(volumeNode, ct.hu[:-1])
    with pytest.raises(NoduleRiskError, match="was changed"):
        showAssessment(made_assessment(ct), volumeNode)
    assert not rows(volumeNode)
    assert not savedAssessments(volumeNode)
    scene.RemoveNode(volumeNode)
    with pytest.raises(NoduleRiskError, match="was removed"):
        showAssessment(made_assessment(ct), volumeNode)


def test_a_saved_scene_comes_back(scene, loaded, ct, tmp_path):
    awkward = replace(CHECKS[0], message='A "quoted"\ttabbed\nmessage.')
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct, checks=(awkward,)), volumeNode)
    showAssessment(made_assessment(ct, "N2", checks=(), measurements=()), volumeNode)
    table = rows(volumeNode)
    saved = {name: as_json(one) for name, one in savedAssessments(volumeNode).items()}
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path)
    scene.Clear()
    assert scene.ReadFromMRB(path)

    volumeNode = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert {name: as_json(one) for name, one in savedAssessments(volumeNode).items()} == saved
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    assert rows(volumeNode) == table
    assert table[0]["Malignancy"] == "withheld"
    showAssessment(made_assessment(ct), volumeNode)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert len(folders(volumeNode)) == 1


def test_a_damaged_text_node_is_refused(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    resultNode("text", volumeNode).SetText("{")
    with pytest.raises(NoduleRiskError, match="is damaged"):
        savedAssessments(volumeNode)


# Masks changed by hand


@pytest.fixture
def assessed(loaded, ct):
    """A CT with one nodule assessed; its measurements are those of its mask."""
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    return volumeNode


def ball(ct, radius_mm: float) -> np.ndarray:
    return np.linalg.norm(positions_of(ct) - CENTRE_LPS_MM, axis=-1) <= radius_mm


def volume_of(volumeNode) -> float:
    return value_of(savedAssessments(volumeNode)["N1"].measurements, "volume")


def codes(volumeNode) -> list[str]:
    return [check.code for check in savedAssessments(volumeNode)["N1"].checks]


def test_what_the_networks_drew_is_not_taken_for_hand_drawn(assessed):
    assert handDrawn(assessed, ["N1", "N2"]) == []
    assert remeasure(assessed) == []
    assert savedAssessments(assessed)["N1"].measurements == MEASUREMENTS


@pytest.mark.parametrize("direction", [np.eye(3), OBLIQUE], ids=["straight", "oblique"])
def test_a_corrected_mask_is_measured_again(loaded, direction):
    ct = made_ct(direction, (0.8, 0.8, 1.5))
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    edit(volumeNode, ball(ct, 9))
    assert remeasure(volumeNode) == ["N1"]
    assert volume_of(volumeNode) == pytest.approx(ball(ct, 9).sum() * 0.8 * 0.8 * 1.5, rel=1e-3)
    assert "mask-edited" in codes(volumeNode)
    assert float(rows(volumeNode)[0]["volume (mm³)"]) == pytest.approx(volume_of(volumeNode))
    assert savedAssessments(volumeNode)["N1"].tasks["malignancy"].mean == TASKS["malignancy"].mean
    assert remeasure(volumeNode) == []
    assert handDrawn(volumeNode, ["N1"]) == ["N1"]


def test_an_undone_correction_leaves_no_trace(assessed, ct):
    before, mask = savedAssessments(assessed)["N1"].to_dict(), segment_mask(assessed)
    edit(assessed, ball(ct, 9))
    remeasure(assessed)
    edit(assessed, mask)
    assert remeasure(assessed) == ["N1"]
    assert savedAssessments(assessed)["N1"].to_dict() == before
    assert handDrawn(assessed, ["N1"]) == []


def test_a_deleted_mask_has_no_measurements(assessed):
    resultNode("segmentation", assessed).GetSegmentation().RemoveSegment("N1")
    assert remeasure(assessed) == ["N1"]
    assert savedAssessments(assessed)["N1"].measurements == ()
    assert "mask-edited" in codes(assessed)


def test_a_mask_can_be_drawn_where_the_networks_drew_none(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct, nodule=None), volumeNode)
    assert segmentToEdit("N1", volumeNode).GetSegmentation().GetNumberOfSegments() == 1
    assert handDrawn(volumeNode, ["N1"]) == [] and remeasure(volumeNode) == []
    edit(volumeNode, ball(ct, 9))
    assert remeasure(volumeNode) == ["N1"]
    assert volume_of(volumeNode) == pytest.approx(ball(ct, 9).sum() * 10)


def test_a_kept_mask_is_measured_in_place_of_the_networks(assessed, ct):
    edit(assessed, ball(ct, 9))
    showAssessment(made_assessment(ct), assessed, keepMask=True)
    np.testing.assert_array_equal(segment_mask(assessed), ball(ct, 9))
    assert volume_of(assessed) == pytest.approx(ball(ct, 9).sum() * 10)
    assert handDrawn(assessed, ["N1"]) == ["N1"]


def test_a_mask_drawn_before_the_nodule_was_assessed_is_the_readers(assessed, ct):
    removeAssessment("N1", assessed, keepMask=True)
    assert handDrawn(assessed, ["N1"]) == ["N1"]


def test_a_correction_survives_saving(scene, assessed, ct, tmp_path):
    edit(assessed, ball(ct, 9))
    remeasure(assessed)
    volume = volume_of(assessed)
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    volumeNode = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert handDrawn(volumeNode, ["N1"]) == ["N1"]
    assert remeasure(volumeNode) == []
    assert volume_of(volumeNode) == volume


def test_a_saved_mask_is_still_the_networks(scene, assessed, tmp_path):
    assert scene.WriteToMRB(str(tmp_path / "scene.mrb"))
    scene.Clear()
    assert scene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    volumeNode = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert handDrawn(volumeNode, ["N1"]) == []
    assert remeasure(volumeNode) == []


def test_masks_are_read_with_the_ct_around_them(loaded, placed, stored_away, transformed, ct):
    """Under a transform, too: what comes back lies where the nodule is."""
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    stored_away(volumeNode, markupsNode, rigid())
    transformed(volumeNode, rigid())
    showAssessment(made_assessment(ct), volumeNode)
    crop, assessment = withMask(savedAssessments(volumeNode)["N1"], volumeNode, 10)
    inside = crop.hu[assessment.mask > 0]
    assert (inside == 30).all()
    assert len(inside) == (ct.hu == 30).sum()
    centre = crop.point_of(np.argwhere(assessment.mask).mean(axis=0)[::-1])
    np.testing.assert_allclose(centre, CENTRE_LPS_MM, atol=0.5)


# Colours, and what is left when nodes go


def test_segments_and_points_are_coloured_by_risk(loaded, placed, ct):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM, N2=CENTRE_LPS_MM)
    benign = TASKS | {
        "malignancy": replace(TASKS["malignancy"], mean=(0.9, 0.1), decision="benign")
    }
    for assessment in (
        made_assessment(ct, "N1", checks=()),
        made_assessment(ct, "N2", tasks=benign, checks=()),
    ):
        showAssessment(assessment, volumeNode)
        colourPoints(markupsNode, {assessment.name: assessment})
    segmentation = resultNode("segmentation", volumeNode).GetSegmentation()
    colours = {name: segmentation.GetSegment(name).GetColor() for name in ("N1", "N2")}
    assert colours == {
        "N1": pytest.approx(RISK_COLOURS["last"]),
        "N2": pytest.approx(RISK_COLOURS["first"]),
    }
    assert [markupsNode.GetNthControlPointSelected(index) for index in (0, 1)] == [True, False]
    assert markupsNode.GetDisplayNode().GetColor() == pytest.approx(RISK_COLOURS["first"])


def test_fault_43_results_of_a_removed_ct_are_nobodys(scene, assessed):
    results = [resultNode(role, assessed) for role in RESULTS]
    scene.RemoveNode(assessed)
    detachStrays(scene)
    assert [node.GetNodeReferenceID(VOLUME_ROLE) for node in results] == [None] * len(results)
