"""Helpers shared by tests of the scene: transforms, and what a scene shows of a nodule."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from LungNoduleRiskLib.display.nodes import resultNode
from made_assessment import RADIUS_MM

OBLIQUE = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix(), (3, 3))


class BallNetworks:
    """Draws a ball in the cube's middle and finds every nodule malignant."""

    checks: list = []

    def __init__(self, weights, device):
        self.device = device
        self.cancelled = False

    def predict(self, network: str, cubes: np.ndarray):
        if network != "densesharp":
            return (np.array([[0.2, 0.8]], np.float32),)
        z, y, x = np.indices((32, 32, 32)) - 15.5
        ball = x * x + y * y + z * z <= RADIUS_MM**2
        return np.full((1, 3), 1 / 3, np.float32), ball[None, None].astype(np.float32)

    def cancel(self):
        self.cancelled = True


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


def segment_mask(volumeNode, name: str = "N1") -> np.ndarray:
    """(z, y, x): the segment on the volume's grid, through Slicer's own export."""
    segmentationNode = resultNode("segmentation", volumeNode)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, name, volumeNode)


def segment_centre_lps(volumeNode, name: str = "N1") -> np.ndarray:
    centre = np.zeros(3)
    resultNode("segmentation", volumeNode).GetSegmentCenterRAS(name, centre)
    return centre * (-1, -1, 1)


def rows(volumeNode) -> list[dict[str, str]]:
    table = resultNode("table", volumeNode).GetTable()
    titles = [table.GetColumnName(column) for column in range(table.GetNumberOfColumns())]
    return [
        {title: table.GetValue(row, column).ToString() for column, title in enumerate(titles)}
        for row in range(table.GetNumberOfRows())
    ]


def edit(volumeNode, mask: np.ndarray, name: str = "N1", segmentationNode=None) -> None:
    """Gives a segment other voxels (z, y, x on the CT's grid), as the Segment Editor does."""
    segmentationNode = segmentationNode or resultNode("segmentation", volumeNode)
    segmentId = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(name)
    slicer.util.updateSegmentBinaryLabelmapFromArray(
        mask.astype(np.uint8), segmentationNode, segmentId, volumeNode
    )
