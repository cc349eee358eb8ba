"""What is read in a slice: the words written in its picture, and the HU under the cursor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib.scene import gridLps, ijkToWorld, lpsOf, lpsOfVoxel, placesIn, voxelAt
from LungNoduleRiskWeb.session.views.shown import LETTERS, SliceShown
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import axis_order, triple
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _

LENGTHS_MM = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True)
class Numbering:
    """How a CT's slices are counted: as its series counts its images, and as the list of nodules
    says it.

    Attributes:
        axis: of the CT's array, x, y, z, along which its slices follow one another.
        first, last: numbers of the slices at both of its ends.
    """

    axis: int
    first: int
    last: int

    @classmethod
    def of(cls, volume_node: vtkMRMLScalarVolumeNode) -> Numbering:
        axis = axis_order(gridLps(volume_node)[2])[0][2]
        end = np.zeros(3)
        end[axis] = volume_node.GetImageData().GetDimensions()[axis] - 1
        corners = (lpsOfVoxel(triple(index), volume_node) for index in (np.zeros(3), end))
        ends = [Point(str(number), corner) for number, corner in enumerate(corners)]
        found = placesIn(volume_node, ends)
        return cls(axis, *(found[one.name].slice_number for one in ends))

    def words(self, axis: int, index: int, count: int) -> str:
        """Of the slice at an index along an axis of the CT's array."""
        if not 0 <= index < count:
            return _("Beside the CT")
        if axis != self.axis:
            return _("Slice {number} of {last}").format(number=index + 1, last=count)
        low, high = sorted((self.first, self.last))
        number = self.first + index * (1 if self.last >= self.first else -1)
        last = high if low == 1 else f"{low}–{high}"
        return _("Slice {number} of {last}").format(number=number, last=last)


def written(
    shown: SliceShown, slab_mm: float, volume_node: vtkMRMLScalarVolumeNode, numbering: Numbering
) -> dict[str, str]:
    """The words at the edges of a slice's picture, by place: the patient's sides, the slice's
    number and the window."""
    width, centre = window_of(volume_node)
    words = say(numbering.words(*slice_index(shown, volume_node)))
    window = say(_("W {width:.0f} L {centre:.0f}").format(width=width, centre=centre))
    lines = [words, window.replace("-", "−")]
    if slab_mm:
        lines.append(f"MIP {slab_mm:g} mm")
    return {**shown.letters(), "corner": " · ".join(lines)}


def scale(shown: SliceShown) -> tuple[float, str]:
    """A round length in a slice's picture: its share of the width, a third at most, and in
    words."""
    width_mm = shown.field_of_view_mm[0]
    length = max((one for one in LENGTHS_MM if one <= width_mm / 3), default=LENGTHS_MM[0])
    return length / width_mm, f"{length} mm" if length < 10 else f"{length // 10} cm"


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
    words = _("{hu} HU · {place}").format(hu=hu, place=_place_words(point_ras_mm))
    return say(words).replace("-", "−")


def slice_index(shown: SliceShown, volume_node: vtkMRMLScalarVolumeNode) -> tuple[int, int, int]:
    """The axis of the CT's array that a slice crosses, its index along that, and how many there
    are."""
    to_voxel = np.linalg.inv(ijkToWorld(volume_node))
    axis = int(np.abs(to_voxel[:3, :3] @ shown.plane[:3, 2]).argmax())
    index = round((to_voxel @ shown.plane[:, 3])[axis])
    return axis, index, volume_node.GetImageData().GetDimensions()[axis]


def _place_words(point_ras_mm: np.ndarray) -> str:
    """Such as R 34.2 A 12.1 S 3.0 mm."""
    sides = [
        f"{letters[int(mm < 0)]} {abs(mm):.1f}"
        for letters, mm in zip(LETTERS, point_ras_mm, strict=True)
    ]
    return " ".join(sides) + " mm"
