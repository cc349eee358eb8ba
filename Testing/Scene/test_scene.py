"""The scene: geometry into the core and back, the result nodes, saving and loading. Real MRML (slicer-core)."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
import vtk

from LungNoduleRiskLib.scene import (
    RESULTS,
    ctFromNode,
    pointsLps,
    removeAssessment,
    resultNode,
    savedAssessments,
    showAssessment,
)
from made_assessment import CENTRE_LPS_MM, made_assessment, made_ct
from nodulerisk.assessment import EVIDENCE_WORDS
from nodulerisk.ct import CT, read_ct, to_lps
from nodulerisk.errors import CTError, NoduleRiskError, PointError

SPACING_MM = (2.0, 2.2, 2.5)
OBLIQUE = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix(), (3, 3))
AXES = [np.eye(3)[:, list(order)] * signs for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]
DIRECTIONS = [*AXES, OBLIQUE, OBLIQUE * (1, 1, -1)]


def rigid(x_mm: float = 30, degrees: float = 25) -> np.ndarray:
    """4x4: turns about the third axis and moves."""
    transform = vtk.vtkTransform()
    transform.Translate(x_mm, -12, 7)
    transform.RotateWXYZ(degrees, 0.3, 0.2, 1)
    return slicer.util.arrayFromVTKMatrix(transform.GetMatrix())


def bending():
    """A transform that is not linear."""
    transform = vtk.vtkThinPlateSplineTransform()
    transform.SetBasisToR()
    corners = [(0, 0, 0), (100, 0, 0), (0, 100, 0), (0, 0, 100), (100, 100, 100)]
    for setPoints, shift in ((transform.SetSourceLandmarks, 0), (transform.SetTargetLandmarks, 8)):
        points = vtk.vtkPoints()
        for index, corner in enumerate(corners):
            points.InsertNextPoint(*(v + shift * (index == 4) for v in corner))
        setPoints(points)
    return transform


def assert_same(one: CT, other: CT) -> None:
    np.testing.assert_array_equal(one.hu, other.hu)
    for name in ("spacing_mm", "origin_lps_mm", "direction"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def segment_mask(volumeNode, name: str = "N1") -> np.ndarray:
    """(z, y, x): the segment on the volume's grid, through Slicer's own export."""
    segmentationNode = resultNode("vtkMRMLSegmentationNode", volumeNode)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, name, volumeNode)


def segment_centre_lps(volumeNode, name: str = "N1") -> np.ndarray:
    centre = np.zeros(3)
    resultNode("vtkMRMLSegmentationNode", volumeNode).GetSegmentCenterRAS(name, centre)
    return centre * (-1, -1, 1)


def rows(volumeNode) -> list[dict[str, str]]:
    table = resultNode("vtkMRMLTableNode", volumeNode).GetTable()
    titles = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
    return [
        {title: table.GetValue(row, column).ToString() for column, title in enumerate(titles)}
        for row in range(table.GetNumberOfRows())
    ]


@pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))
def test_fault_10_a_ct_in_the_scene_is_the_ct_in_the_file(scene, tmp_path, direction):
    """Slicer's own reader flips a left-handed file, hence the comparison along the patient's axes."""
    path = str(tmp_path / "ct.nrrd")
    sitk.WriteImage(made_ct(direction, SPACING_MM).to_sitk(), path)
    storageNode = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storageNode.SetFileName(path)
    volumeNode = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert storageNode.ReadData(volumeNode)
    assert_same(to_lps(ctFromNode(volumeNode)), to_lps(read_ct(path)))


@pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))
def test_fault_10_the_ct_and_the_segment_lie_on_the_anatomy(loaded, direction):
    ct = made_ct(direction, SPACING_MM)
    volumeNode = loaded(ct)
    assert_same(ctFromNode(volumeNode), ct)
    showAssessment(made_assessment(ct), volumeNode)
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    np.testing.assert_allclose(segment_centre_lps(volumeNode), CENTRE_LPS_MM, atol=2)


def test_fault_13_linear_transforms_move_ct_points_and_segment(loaded, placed, stored_away, transformed, ct):
    """The CT and the points are stored moved away, and two nested transforms bring them back."""
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    toWorld = rigid() @ rigid(-50, 70)
    stored_away(volumeNode, markupsNode, toWorld)
    for node in (volumeNode, markupsNode):
        transformed(transformed(node, rigid(-50, 70)), rigid())

    assert_same(ctFromNode(volumeNode), ct)
    np.testing.assert_allclose(pointsLps(markupsNode)[0].lps_mm, CENTRE_LPS_MM, atol=1e-9)
    showAssessment(made_assessment(ct), volumeNode)
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    np.testing.assert_allclose(segment_centre_lps(volumeNode), CENTRE_LPS_MM, atol=2)


def test_fault_13_hardening_the_ct_moves_no_segment(loaded, transformed, ct):
    volumeNode = loaded(ct)
    transformed(volumeNode, rigid())
    showAssessment(made_assessment(ct, "N1"), volumeNode)
    volumeNode.HardenTransform()
    assert volumeNode.GetParentTransformNode() is None
    showAssessment(made_assessment(ct, "N2"), volumeNode)
    for name in ("N1", "N2"):
        np.testing.assert_array_equal(segment_mask(volumeNode, name), ct.hu == 30)


def test_fault_13_transforms_that_bend_are_refused(loaded, placed, transformed, ct):
    for node, read in ((loaded(ct), ctFromNode), (placed(N1=CENTRE_LPS_MM), pointsLps)):
        transformed(transformed(node, rigid()), bending())
        with pytest.raises(NoduleRiskError, match="bends space"):
            read(node)


def test_fault_13_a_shearing_transform_is_refused(loaded, transformed, ct):
    volumeNode = loaded(ct)
    shear = np.eye(4)
    shear[0, 2] = 0.2
    transformed(volumeNode, shear)
    with pytest.raises(CTError, match="right angles"):
        ctFromNode(volumeNode)


def test_the_ct_is_a_copy(loaded, ct):
    volumeNode = loaded(ct)
    read = ctFromNode(volumeNode)
    slicer.util.arrayFromVolume(volumeNode)[:] = 0
    np.testing.assert_array_equal(read.hu, ct.hu)


@pytest.mark.parametrize("className", ["vtkMRMLScalarVolumeNode", "vtkMRMLVectorVolumeNode"])
def test_fault_12_a_volume_that_is_no_ct_is_refused(scene, className):
    volumeNode = scene.AddNewNodeByClass(className)
    if className == "vtkMRMLVectorVolumeNode":
        colours = vtk.vtkImageData()
        colours.SetDimensions(4, 4, 4)
        colours.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
        volumeNode.SetAndObserveImageData(colours)
    with pytest.raises(CTError, match="holds no CT"):
        ctFromNode(volumeNode)


def test_points_have_clean_unique_names_and_those_not_placed_are_left_out(placed):
    markupsNode = placed(**{"upper": (1, 2, 3), "Upper": (4, 5, 6), "": (7, 8, 9), "preview": (0, 0, 0)})
    markupsNode.SetNthControlPointLabel(2, "")
    markupsNode.UnsetNthControlPointPosition(3)
    points = pointsLps(markupsNode)
    assert [point.name for point in points] == ["upper", "Upper-2", "N3"]
    assert [point.lps_mm for point in points] == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]


def test_fault_47_labels_become_harmless_names(placed):
    markupsNode = placed(**{'=HYPERLINK("http://x")': (1, 2, 3), "<b>../a\n</b>": (4, 5, 6)})
    assert not set("=<>/\\.\"'\n@") & set("".join(point.name for point in pointsLps(markupsNode)))


def test_no_points_are_refused(placed):
    with pytest.raises(PointError, match="place one"):
        pointsLps(placed())


def test_an_assessment_makes_a_segment_a_row_and_json_in_one_folder(loaded, ct):
    volumeNode = loaded(ct)
    assessment = made_assessment(ct)
    showAssessment(assessment, volumeNode)
    showAssessment(replace(assessment, name="N2"), volumeNode)
    showAssessment(replace(assessment, name="N3", nodule=None), volumeNode)

    segmentation = resultNode("vtkMRMLSegmentationNode", volumeNode).GetSegmentation()
    assert list(segmentation.GetSegmentIDs()) == ["N1", "N2"]
    for segment in map(segmentation.GetSegment, ("N1", "N2")):
        assert segment.GetRepresentation("Closed surface").GetNumberOfPoints() > 50
        assert "^Nodule~" in terminology(segment)
    first, *others = rows(volumeNode)
    assert (first["Nodule"], first["Malignancy"], float(first["P(malignant)"])) == ("N1", "malignant", 0.7333)
    assert first["Malignancy rests on"] == EVIDENCE_WORDS["reader"]
    assert (first["Subtype"], first["P(IA)"], first["Subtype rests on"]) == ("not run", "nan", EVIDENCE_WORDS["none"])
    assert "Slices are 3 mm thick" in first["Checks"]
    assert [row["Nodule"] for row in others] == ["N2", "N3"]
    assert savedAssessments(volumeNode)["N1"] == json.loads(json.dumps(assessment.to_dict()))
    assert len(folders(volumeNode)) == 1


def terminology(segment) -> str:
    tag = vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
    return str(tag)


def folders(volumeNode) -> set[str]:
    """Names of the subject-hierarchy folders of the CT's results."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    nodes = [resultNode(className, volumeNode) for className in RESULTS]
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
    nodes = [resultNode(className, volumeNode) for className in RESULTS]
    assert not any("SMITH" in node.GetName() for node in nodes)
    assert "SMITH" not in resultNode("vtkMRMLTextNode", volumeNode).GetText()


def test_assessing_again_replaces_the_nodule(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    showAssessment(made_assessment(ct, nodule=None), volumeNode)
    assert not list(resultNode("vtkMRMLSegmentationNode", volumeNode).GetSegmentation().GetSegmentIDs())
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
    showAssessment(made_assessment(ct), volumeNode := loaded(ct))
    saved = savedAssessments(volumeNode)
    path = str(tmp_path / "scene.mrb")
    assert scene.WriteToMRB(path)
    scene.Clear()
    assert scene.ReadFromMRB(path)

    volumeNode = scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    assert savedAssessments(volumeNode) == saved
    np.testing.assert_array_equal(segment_mask(volumeNode), ct.hu == 30)
    assert rows(volumeNode)[0]["Malignancy"] == "malignant"
    showAssessment(made_assessment(ct), volumeNode)
    assert scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
    assert len(folders(volumeNode)) == 1


def test_a_damaged_text_node_is_refused(loaded, ct):
    volumeNode = loaded(ct)
    showAssessment(made_assessment(ct), volumeNode)
    resultNode("vtkMRMLTextNode", volumeNode).SetText("{")
    with pytest.raises(NoduleRiskError, match="is damaged"):
        savedAssessments(volumeNode)
