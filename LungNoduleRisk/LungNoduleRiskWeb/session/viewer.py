"""Slicer's scene and views in this process, without Slicer: trame-slicer draws them and sends them
to the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import slicer
from trame_server import Server
from trame_slicer.core import LayoutManager, SegmentationEditor, SlicerApp
from trame_slicer.segmentation.paint_effect_parameters import BrushDiameterMode
from trame_slicer.views import (
    Layout,
    LayoutDirection,
    SliceView,
    ThreeDView,
    ViewLayoutDefinition,
    ViewType,
)
from undo_stack import UndoStack
from vtkmodules.vtkCommonCore import VTK_IMAGE_SLAB_MAX, vtkCommand

from LungNoduleRiskLib.scene import lookAt, rasOf
from LungNoduleRiskWeb.session.views.bars import readout_of, slice_bar, space_bar
from LungNoduleRiskWeb.session.views.moving import turn
from LungNoduleRiskWeb.session.views.pictures import Picture, PictureFactory, Place, Shown, View
from LungNoduleRiskWeb.session.views.reading import Numbering, readout, scale, written
from LungNoduleRiskWeb.session.views.shown import SliceShown
from nodulerisk.errors import OutputError
from nodulerisk.language.texts import _

AXIAL, CORONAL, SAGITTAL = (
    ViewLayoutDefinition.axial_view(),
    ViewLayoutDefinition.coronal_view(),
    ViewLayoutDefinition.sagittal_view(),
)
SPACE = ViewLayoutDefinition.threed_view()
LAYOUTS = {
    _("Four views"): Layout(
        LayoutDirection.Horizontal,
        [
            Layout(LayoutDirection.Vertical, [AXIAL, SAGITTAL]),
            Layout(LayoutDirection.Vertical, [SPACE, CORONAL]),
        ],
    ),
    _("Axial"): Layout(LayoutDirection.Vertical, [AXIAL]),
    _("3D"): Layout(LayoutDirection.Vertical, [SPACE]),
}
OVER = 0.5  # opacity of a map over the CT

STROKES = 20  # of a brush, that can be undone
MARK_PERCENT = 2.0  # size of a point's cross, of the view's


class Viewer:
    """The scene, three slice views and a 3D view, which follow one another."""

    def __init__(self, server: Server):
        self._app = SlicerApp()
        self.scene = self._app.scene
        _stand_in_for_slicer(self._app)
        self._state = server.state
        self._volume_node: Any = None
        self._numbering = Numbering(2, 1, 1)
        self._last: SliceView | None = None  # that a button was pressed in
        self._watched: list[Any] = []  # nodes
        self.on_pressed: Callable[[], None] = lambda: None  # called before a press does anything
        told: dict[str, Any] = {
            "said_of": self._said_of,
            "on_pointed": self._on_pointed,
            "on_pressed": self._on_pressed,
        }
        self._factories = [
            PictureFactory(server, SliceView, ViewType.SLICE_VIEW, slice_bar, **told),
            PictureFactory(server, ThreeDView, ViewType.THREE_D_VIEW, space_bar, **told),
        ]
        for factory in self._factories:
            self._app.view_manager.register_factory(factory)
        self._layouts = LayoutManager(self.scene, self._app.view_manager, server)
        self._layouts.register_layout_dict(LAYOUTS)
        self.show_layout(next(iter(LAYOUTS)))

    def fill(self, layout) -> None:
        """Puts the views where the page is being built."""
        self._layouts.initialize_layout_grid(layout)

    def show_layout(self, name: str) -> None:
        """Shows one of ``LAYOUTS``."""
        self._layouts.set_layout(name)

    def show_ct(self, volume_node) -> None:
        """Shows a CT in the slices, all of it."""
        for view in (
            self._app.view_manager.get_views()
        ):  # anew, since closing a scene takes a view's marker away
            view.set_orientation_marker(slicer.vtkMRMLAbstractViewNode.OrientationMarkerTypeAxes)
        for view in self._slices:
            view.set_background_volume_id(volume_node.GetID())
            view.reset_view()
        self._volume_node, self._numbering = volume_node, Numbering.of(volume_node)
        self._crosshair.SetCrosshairRAS(*self.where_slices_meet({}))
        self._drag_windows()

    def show_all(self) -> None:
        """Shows the whole CT again in every view."""
        for view in self._app.view_manager.get_views():
            view.reset_view()

    def draw_anew(self) -> None:
        """Sends every view's picture again, as after another language was chosen."""
        for view in self._app.view_manager.get_views():
            view.schedule_render()

    def show_slab(self, thickness_mm: float) -> None:
        """Shows the brightest voxels of slabs of slices, or single slices (0)."""
        for view in self._slices:
            view.set_slab_type(VTK_IMAGE_SLAB_MAX)
            view.set_slab_thickness(thickness_mm or 1.0)
            view.set_slab_enabled(bool(thickness_mm))
            view.schedule_render()

    def turn_on(self) -> None:
        """Shows the next slice in the slice view that was used last; after the last the first."""
        view = self._last or self._slices[0]
        at = view.get_slice_value()
        turn(view, 1)
        if view.get_slice_value() == at:
            view.set_slice_value(view.get_slice_range()[0])

    def show_crosshair(self, shown: bool) -> None:
        """Crosshair and slice intersections; with the shift key pressed the mouse moves all slices
        to where it is."""
        node = self._crosshair
        node.SetCrosshairMode(node.ShowBasic if shown else node.NoCrosshair)
        node.SetCrosshairBehavior(node.OffsetJumpSlice)
        self.draw_anew()

    def jump(self, point_lps_mm) -> None:
        """Brings a position (LPS mm) to the middle of every view."""
        ras = rasOf(point_lps_mm)
        for view in self._slices:
            view.get_view_node().JumpSliceByCentering(*ras)
        for view in self._app.view_manager.get_threed_views():
            lookAt(view.get_camera_node(), ras)
            view.schedule_render()
        self._crosshair.SetCrosshairRAS(ras)

    def where_slices_meet(self, pictures: Mapping[str, object]) -> np.ndarray:
        """RAS mm, (3,).

        Args:
            pictures: number of the picture on the screen, by the view's name; the slices of others
                are those that are shown now.
        """
        seen = [picture.shown(pictures.get(picture.area_name)) for picture in self._pictures]
        planes = [shown.plane for shown in seen if isinstance(shown, SliceShown)]
        normals, places = (
            np.array([plane[:3, 2] for plane in planes]),
            np.array([plane[:3, 3] for plane in planes]),
        )
        return np.linalg.solve(normals, (normals * places).sum(axis=1))

    def mark_points(self, markups_node) -> None:
        """Has points drawn as small, thin crosses, which do not cover the nodule."""
        display_node = markups_node.GetDisplayNode()
        display_node.SetGlyphTypeFromString("Cross2D")
        display_node.SetGlyphScale(MARK_PERCENT)

    def place(self, markups_node) -> None:
        """Starts placing points by clicks in the views; None: stops it, and dragging in a slice
        changes the window again."""
        if markups_node is not None:
            once = markups_node.IsA("vtkMRMLMarkupsLineNode")
            self._app.markups_logic.place_node(markups_node, persistent=not once)
        else:
            self._app.markups_logic.disable_place_mode()
            self._drag_windows()

    def _drag_windows(self) -> None:
        node = self._app.markups_logic.interaction_node
        node.SetCurrentInteractionMode(node.AdjustWindowLevel)

    @property
    def mask_editor(self) -> SegmentationEditor:
        """Segment Editor, of whose strokes the last 20 can be undone."""
        editor = self._app.segmentation_editor
        if editor.undo_stack is None:
            editor.set_undo_stack(UndoStack(undo_limit=STROKES))
        return editor

    def brush_with(self, brush: Any, diameter_mm: float) -> None:
        """Has the left button paint in the slices with a ball of this diameter."""
        self._app.markups_logic.disable_place_mode()
        brush.set_use_sphere_brush(True)
        brush.set_brush_diameter(diameter_mm, BrushDiameterMode.Absolute)

    def show_over(self, map_node) -> None:
        """Shows a map over the CT in the slices; None: the CT alone."""
        for view in self._slices:
            view.set_foreground_volume_id(map_node and map_node.GetID())
            view.set_foreground_opacity(OVER)

    def on_points_changed(self, markups_node, slot: Callable[[], None]) -> None:
        """Has a function called whenever a point is placed, moved, renamed or removed."""
        events = "PointPositionDefinedEvent", "PointModifiedEvent", "PointRemovedEvent"
        self._watch(markups_node, [getattr(markups_node, event) for event in events], slot)

    def on_window_changed(self, volume_node, slot: Callable[[], None]) -> None:
        """Has a function called whenever a CT's window changes, as by dragging."""
        self._watch(volume_node.GetDisplayNode(), [vtkCommand.ModifiedEvent], slot)

    def _watch(self, node, events: Sequence[int], slot: Callable[[], None]) -> None:
        """Once, however often a CT is shown."""
        if node not in self._watched:
            self._watched.append(node)
            for event in events:
                node.AddObserver(event, lambda *_: slot())

    def clear(self) -> None:
        """Removes the CT and all that belongs to it; the views stay, and no click on what they
        showed counts any more."""
        self._volume_node = self._last = None
        self._watched.clear()
        self.scene.Clear(False)
        for picture in self._pictures:
            picture.forget()

    def write_scene(self, path: Path) -> None:
        """Writes the scene (.mrb).

        Raises:
            OutputError: it cannot be written.
        """
        if not self._app.io_manager.write_scene(path):
            raise OutputError(_("The scene cannot be written: the server's disk may be full."))

    def _said_of(self, view: View) -> dict[str, Any]:
        if self._volume_node is None or not isinstance(view, SliceView):
            return {"said": {}, "scale": None}
        slab_mm = view.get_slab_thickness() if view.is_slab_enabled() else 0.0
        shown = SliceShown.by(view)
        said = written(shown, slab_mm, self._volume_node, self._numbering)
        return {"said": said, "scale": scale(shown)}

    def _on_pointed(self, view: View, shown: Shown, place: Place | None) -> None:
        """Says what lies under the cursor in the picture that the user saw."""
        if not isinstance(shown, SliceShown):
            return
        said = ""
        if place is not None and self._volume_node is not None:
            said = readout(shown.ras(*place), self._volume_node)
        self._state[readout_of(view)] = said

    def _on_pressed(self, view: View) -> None:
        if isinstance(view, SliceView):
            self._last = view
        self.on_pressed()

    @property
    def _pictures(self) -> list[Picture]:
        return [picture for factory in self._factories for picture in factory.pictures()]

    @property
    def _crosshair(self):
        return self.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")

    @property
    def _slices(self) -> list[SliceView]:
        return self._app.view_manager.get_slice_views()


def _stand_in_for_slicer(app: SlicerApp) -> None:
    """Gives ``slicer.util`` what it asks the application for."""
    logics = {"segmentations": app.segmentations_logic, "volumes": app.volumes_logic}
    slicer.mrmlScene = app.scene
    modules = {
        name: SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()
    }
    slicer.modules = SimpleNamespace(**modules)
