"""Moves views, within what can be seen."""

from __future__ import annotations

from trame_slicer.views import SliceView, ThreeDView

SEEN_MM = (2.0, 5000.0)  # the least and the largest width of a slice, or distance of a camera


def turn(view: SliceView, slices: int) -> None:
    """Moves a slice view by so many slices, within the CT."""
    low, high = view.get_slice_range()
    wanted = view.get_slice_value() + slices * view.get_slice_step()
    view.set_slice_value(max(low, min(high, wanted)))


def zoom(view: SliceView | ThreeDView, factor: float) -> None:
    """Shows a view's middle larger (more than 1) or smaller, within bounds."""
    if SEEN_MM[0] <= _seen_mm(view) / factor <= SEEN_MM[1]:
        view.zoom(1 - 1 / factor)
        view.schedule_render()


def _seen_mm(view: SliceView | ThreeDView) -> float:
    if isinstance(view, SliceView):
        return view.get_view_node().GetFieldOfView()[0]
    return view.get_camera_node().GetCamera().GetDistance()
