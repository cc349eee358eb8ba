"""What is read in a slice: the words written in its picture, and the HU under the cursor."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib.scene import ijkToWorld, lpsOf, voxelAt
from LungNoduleRiskWeb.session.shown import LETTERS, SliceShown
from nodulerisk.errors import NoduleRiskError


def written(
    shown: SliceShown, slab_mm: float, volume_node: vtkMRMLScalarVolumeNode
) -> dict[str, str]:
    """The words at the edges of a slice's picture, by place: the patient's sides, the slice's
    number and the window."""
    width, centre = window_of(volume_node)
    lines = [_number_words(shown, volume_node), f"W {width:.0f} L {centre:.0f}".replace("-", "−")]
    if slab_mm:
        lines.append(f"MIP {slab_mm:g} mm")
    return {**shown.letters(), "corner": " · ".join(lines)}


def window_of(volume_node: vtkMRMLScalarVolumeNode) -> tuple[float, float]:
    """Width and centre in HU."""
    display_node = volume_node.GetDisplayNode()
    return display_node.GetWindow(), display_node.GetLevel()


def readout(point_ras_mm: np.ndarray, volume_node: vtkMRMLScalarVolumeNode) -> str:
    """HU and coordinates of a position; empty outside the CT."""
    try:
        voxel = voxelAt(volume_node, lpsOf(point_ras_mm))
    except NoduleRiskError:  # a transform bends space
        return ""
    if voxel is None:
        return ""
    x, y, z = (int(index) for index in voxel)
    hu = slicer.util.arrayFromVolume(volume_node)[z, y, x]
    return f"{hu} HU · {_place_words(point_ras_mm)}".replace("-", "−")


def slice_number(shown: SliceShown, volume_node: vtkMRMLScalarVolumeNode) -> tuple[int, int]:
    """The slice's number, counted from 1 along the CT's axis that it crosses, and how many there
    are."""
    to_voxel = np.linalg.inv(ijkToWorld(volume_node))
    axis = int(np.abs(to_voxel[:3, :3] @ shown.plane[:3, 2]).argmax())
    counted: Any = volume_node.GetImageData().GetDimensions()
    return round((to_voxel @ shown.plane[:, 3])[axis]) + 1, counted[axis]


def _number_words(shown: SliceShown, volume_node: vtkMRMLScalarVolumeNode) -> str:
    number, count = slice_number(shown, volume_node)
    return f"Slice {number} of {count}" if 1 <= number <= count else "Beside the CT"


def _place_words(point_ras_mm: np.ndarray) -> str:
    """Such as R 34.2 A 12.1 S 3.0 mm."""
    sides = [
        f"{letters[int(mm < 0)]} {abs(mm):.1f}"
        for letters, mm in zip(LETTERS, point_ras_mm, strict=True)
    ]
    return " ".join(sides) + " mm"
