"""What a picture of a view shows: enough to find a position in it, and to bring the view back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
from trame_slicer.views import SliceView, ThreeDView

Vector = tuple[float, ...]
LETTERS = ("RL", "AP", "SI")  # of each axis of RAS: where it is positive, and negative
OBLIQUE = 0.3  # the least share of an axis in a direction that is worth a letter


@dataclass(frozen=True)
class SliceShown:
    """A slice as a picture shows it.

    Attributes:
        slice_to_ras: of the slice node, 16 numbers row by row.
        field_of_view_mm: width, height and depth.
        origin_mm: of the picture's middle in the slice.
    """

    slice_to_ras: Vector
    field_of_view_mm: Vector
    origin_mm: Vector

    @classmethod
    def by(cls, view: SliceView) -> SliceShown:
        """What a view shows now."""
        node = view.get_view_node()
        matrix = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())
        return cls(tuple(matrix.flat), tuple(node.GetFieldOfView()), tuple(node.GetXYZOrigin()))

    def bring_back(self, view: SliceView) -> None:
        """Has a view show this again."""
        if self == SliceShown.by(view):
            return
        node = view.get_view_node()
        was = node.StartModify()
        node.GetSliceToRAS().DeepCopy(self.slice_to_ras)
        node.SetFieldOfView(*self.field_of_view_mm)
        node.SetXYZOrigin(*self.origin_mm)
        node.UpdateMatrices()
        node.EndModify(was)

    @property
    def plane(self) -> np.ndarray:
        """Axes and middle of the slice in RAS mm, (4, 4)."""
        return np.array(self.slice_to_ras).reshape(4, 4)

    def ras(self, across: float, up: float) -> np.ndarray:
        """RAS mm, (3,), of a place in the picture, in shares of its width from the left and of its
        height from below."""
        (width, height, _), (x, y, _) = self.field_of_view_mm, self.origin_mm
        place = (across - 0.5) * width + x, (up - 0.5) * height + y, 0.0, 1.0
        return (self.plane @ place)[:3]

    def letters(self) -> dict[str, str]:
        """The patient's sides at the picture's edges, such as R at the left."""
        right, up = self.plane[:3, 0], self.plane[:3, 1]
        edges = {"left": -right, "right": right, "top": up, "bottom": -up}
        return {edge: _letters(direction) for edge, direction in edges.items()}


@dataclass(frozen=True)
class SpaceShown:
    """A 3D view as a picture shows it: where its camera stands (RAS mm)."""

    position: Vector
    focal_point: Vector
    view_up: Vector
    view_angle: float

    @classmethod
    def by(cls, view: ThreeDView) -> SpaceShown:
        """What a view shows now."""
        camera = view.get_camera_node().GetCamera()
        place = camera.GetPosition(), camera.GetFocalPoint(), camera.GetViewUp()
        return cls(*place, camera.GetViewAngle())

    def bring_back(self, view: ThreeDView) -> None:
        """Has a view show this again."""
        if self == SpaceShown.by(view):
            return
        node = view.get_camera_node()
        camera = node.GetCamera()
        camera.SetPosition(self.position)
        camera.SetFocalPoint(self.focal_point)
        camera.SetViewUp(self.view_up)
        camera.SetViewAngle(self.view_angle)
        node.ResetClippingRange()
        view.schedule_render()


def shown_by(view: SliceView | ThreeDView) -> SliceShown | SpaceShown:
    """What a view shows now."""
    return SliceShown.by(view) if isinstance(view, SliceView) else SpaceShown.by(view)


def _letters(direction: np.ndarray) -> str:
    """Where a direction of RAS points to, the main axis first: A, or AR where it is oblique."""
    axes = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(
        LETTERS[axis][int(direction[axis] < 0)] for axis in axes if abs(direction[axis]) >= OBLIQUE
    )
