"""Nodules that overlap, in Slicer: in the scene, and in a cohort's file of masks."""

from __future__ import annotations

import numpy as np

from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.display.results import showAssessment
from LungNoduleRiskLib.display.segments import regionOnCt
from made_assessment import CENTRE_LPS_MM, made_assessment, made_ct, sphere_nodule
from nodulerisk.assessment import Assessment
from nodulerisk.ct.volume import CT
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.outputs.segmentation import write_masks


def overlapping(ct: CT) -> list[Assessment]:
    """Two that overlap, and one inside the first."""
    where = {"N1": ((0, 0, 0), 6), "N2": ((5, 2, 0), 6), "N3": ((0, 1, 1), 3)}
    return [
        made_assessment(ct, name, nodule=sphere_nodule(ct, np.add(CENTRE_LPS_MM, offset), radius))
        for name, (offset, radius) in where.items()
    ]


def voxels(segmentationNode, name: str, volumeNode) -> set[tuple[int, ...]]:
    region, first = regionOnCt(segmentationNode, name, volumeNode)
    return {tuple(voxel) for voxel in np.argwhere(region) + first}


def drawn(nodule: Assessment) -> set[tuple[int, ...]]:
    return {tuple(voxel) for voxel in np.argwhere(nodule.mask)}


def test_fault_77_overlapping_nodules_keep_every_voxel_in_the_scene(loaded, placed):
    ct = made_ct()
    nodules, volumeNode = overlapping(ct), loaded(ct)
    placed(**{nodule.name: CENTRE_LPS_MM for nodule in nodules})
    for nodule in nodules:
        showAssessment(nodule, volumeNode)
    segmentationNode = resultNode("segmentation", volumeNode)
    for nodule in nodules:
        assert voxels(segmentationNode, nodule.name, volumeNode) == drawn(nodule)


def test_fault_77_slicer_opens_a_cohorts_masks_with_every_voxel(scene, loaded, tmp_path):
    ct = made_ct()
    nodules, volumeNode = overlapping(ct), loaded(ct)
    write_masks(ct, nodules, tmp_path / "case.seg.nrrd")
    segmentationNode = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    storageNode = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storageNode.SetFileName(str(tmp_path / "case.seg.nrrd"))
    assert storageNode.ReadData(segmentationNode)
    segmentation = segmentationNode.GetSegmentation()
    assert segmentation.GetNumberOfSegments() == len(nodules)
    for index, nodule in enumerate(nodules):
        segment = segmentation.GetNthSegment(index)
        assert segment.GetName() == nodule.name
        np.testing.assert_allclose(segment.GetColor(), risk_colour(nodule))
        found = voxels(segmentationNode, segmentation.GetNthSegmentID(index), volumeNode)
        assert found == drawn(nodule)
