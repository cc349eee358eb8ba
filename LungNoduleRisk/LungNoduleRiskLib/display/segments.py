"""Nodule masks as segments, and back: drawn by the networks, or by hand in the Segment Editor."""

from __future__ import annotations

import hashlib
from itertools import product

import numpy as np
import slicer
import vtk
from slicer import (
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkOrientedImageData,
    vtkSegment,
)
from vtk.util.numpy_support import vtk_to_numpy

from LungNoduleRiskLib.scene import ctPart, ijkToWorld, toWorld
from nodulerisk.assessment import NoduleMask, trimmed
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.mask import hand_mask
from nodulerisk.tasks import EvidenceLevel

NODULE_IN_LUNG = (  # SNOMED CT, by the DICOM lists that come with Slicer
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered"
    " Structure~SCT^27925004^Nodule~^^~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
)
DRAWN_BY_HAND: EvidenceLevel = "reader"
Voxel = tuple[int, int, int]  # index z, y, x


def addSegment(
    segmentationNode: vtkMRMLSegmentationNode,
    name: str,
    nodule: NoduleMask,
    volumeNode: vtkMRMLScalarVolumeNode,
    colour: tuple[float, float, float],
) -> None:
    """Adds the mask as a segment of that name and ID; nothing where the mask is empty."""
    if not nodule.region.any():
        return
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segment = newSegment(name, colour)
    # The segmentation keeps the transform that the CT had at first; the CT's may have been hardened
    # since.
    ijkToSegmentation = np.linalg.solve(toWorld(segmentationNode), ijkToWorld(volumeNode))
    labelmap = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment.AddRepresentation(labelmap, _labelmap(nodule, ijkToSegmentation))
    segmentationNode.GetSegmentation().AddSegment(segment, name)
    segmentationNode.CreateClosedSurfaceRepresentation()


def newSegment(name: str, colour: tuple[float, float, float]) -> vtkSegment:
    """An empty vtkSegment that says it is a nodule in the lung."""
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetColor(*colour)
    segment.SetTag(segment.GetTerminologyEntryTagName(), NODULE_IN_LUNG)
    return segment


def regionOnCt(
    segmentationNode: vtkMRMLSegmentationNode, segmentId: str, volumeNode: vtkMRMLScalarVolumeNode
) -> tuple[np.ndarray, Voxel]:
    """A segment on the CT's grid, by nearest neighbour where its own is another: uint8 (z, y, x)
    without empty rims.

    As slicer.util.arrayFromSegmentBinaryLabelmap, but that covers the whole CT, and leaves a
    display node in the scene.

    Returns:
        The region and the index (z, y, x) of its first voxel on the CT; empty where nothing lies on
        the CT.
    """
    labelmap = _labelmapInWorld(segmentationNode, segmentId)
    low, high = _box(labelmap, volumeNode)
    if labelmap.IsEmpty() or (low >= high).any():
        return trimmed(np.zeros((1, 1, 1), np.uint8))
    grid, onGrid = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    grid.SetExtent([edge for a, b in zip(low, high, strict=True) for edge in (int(a), int(b) - 1)])
    grid.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToWorld(volumeNode)))
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        labelmap, grid, onGrid
    )
    values = vtk_to_numpy(onGrid.GetPointData().GetScalars()).reshape((high - low)[::-1]) > 0
    region, offset = trimmed(values)
    x, y, z = (int(v) for v in low)
    return region, (z + offset[0], y + offset[1], x + offset[2])


def segmentOnCt(
    segmentationNode: vtkMRMLSegmentationNode,
    segmentId: str,
    volumeNode: vtkMRMLScalarVolumeNode,
    marginMm: float = 5.0,
    evidence: EvidenceLevel = DRAWN_BY_HAND,
) -> tuple[CT, NoduleMask]:
    """A segment as the core takes masks, with the CT around it, so that nothing large is copied.

    Returns:
        The part of the CT within ``marginMm`` of the segment, and the mask on it, which may be
        empty.
    """
    region, first = regionOnCt(segmentationNode, segmentId, volumeNode)
    ct, low = ctPart(volumeNode, first, np.add(first, region.shape), marginMm)
    z, y, x = (int(v) for v in np.subtract(first, low))
    return ct, hand_mask(region, (z, y, x), ct, evidence)


def fingerprint(segmentationNode: vtkMRMLSegmentationNode, segmentId: str) -> str:
    """The same while a segment's voxels are the same, so that a mask changed by hand is noticed."""
    labelmap = _labelmapOf(segmentationNode, segmentId)
    if labelmap.IsEmpty():
        return ""
    x, _, y, _, z, _ = labelmap.GetExtent()
    region, first = trimmed(
        vtk_to_numpy(labelmap.GetPointData().GetScalars()).reshape(labelmap.GetDimensions()[::-1])
    )
    place = np.add(first, (z, y, x)) if region.any() else np.zeros(0)
    return hashlib.sha256(place.astype(np.int64).tobytes() + (region > 0).tobytes()).hexdigest()[
        :16
    ]


def _labelmap(nodule: NoduleMask, ijkToRas: np.ndarray) -> vtkOrientedImageData:
    """The mask's non-empty part as a vtkOrientedImageData on the CT's grid."""
    image = slicer.vtkOrientedImageData()
    first, size = nodule.first_voxel[::-1], nodule.region.shape[::-1]
    image.SetExtent([edge for a, n in zip(first, size, strict=True) for edge in (a, a + n - 1)])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = nodule.region.ravel()
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    return image


def _labelmapOf(segmentationNode: vtkMRMLSegmentationNode, segmentId: str) -> vtkOrientedImageData:
    """The segment alone as a vtkOrientedImageData."""
    segmentationNode.CreateBinaryLabelmapRepresentation()  # where the segment is a surface alone
    labelmap = slicer.vtkOrientedImageData()
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, labelmap)
    return labelmap


def _labelmapInWorld(
    segmentationNode: vtkMRMLSegmentationNode, segmentId: str
) -> vtkOrientedImageData:
    """The same with the segmentation's parent transforms applied."""
    labelmap = _labelmapOf(segmentationNode, segmentId)
    ijkToSegmentation = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(ijkToSegmentation)
    ijkToRas = toWorld(segmentationNode) @ slicer.util.arrayFromVTKMatrix(ijkToSegmentation)
    labelmap.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    return labelmap


def _box(
    labelmap: vtkOrientedImageData, volumeNode: vtkMRMLScalarVolumeNode
) -> tuple[np.ndarray, np.ndarray]:
    """The CT's voxels (x, y, z) that the labelmap may touch: from, and up to but without."""
    extent = np.reshape(labelmap.GetExtent(), (3, 2))
    corners = np.array([[*corner, 1] for corner in product(*(extent + (-0.5, 0.5)))]).T
    labelmapToRas = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(labelmapToRas)
    inCt = np.linalg.solve(
        ijkToWorld(volumeNode), slicer.util.arrayFromVTKMatrix(labelmapToRas) @ corners
    )[:3]
    size = volumeNode.GetImageData().GetDimensions()
    low = np.clip(np.floor(inCt.min(axis=1)).astype(int), 0, size)
    return low, np.clip(np.ceil(inCt.max(axis=1)).astype(int) + 1, 0, size)
