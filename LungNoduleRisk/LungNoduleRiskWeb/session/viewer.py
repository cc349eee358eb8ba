"""Slicer's scene and views in this process, without Slicer: trame-slicer draws them and sends them
to the page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import slicer
from trame.widgets import html
from trame.widgets import vuetify3 as vuetify
from trame_server import Server
from trame_slicer.app.logic.slice_view_logic import connect_slice_view_slider_to_state
from trame_slicer.core import LayoutManager, SlicerApp
from trame_slicer.rca_view import RemoteSliceViewFactory, RemoteThreeDViewFactory, RemoteViewFactory
from trame_slicer.views import Layout, LayoutDirection, SliceView, ThreeDView, ViewLayoutDefinition

from LungNoduleRiskLib.scene import LUNG_WINDOW_HU, lookAt, rasOf
from nodulerisk.errors import OutputError

WINDOWS_HU = {"Lung": LUNG_WINDOW_HU, "Mediastinum": (400, 40)}  # width, centre
AXIAL, CORONAL, SAGITTAL = (
    ViewLayoutDefinition.axial_view(),
    ViewLayoutDefinition.coronal_view(),
    ViewLayoutDefinition.sagittal_view(),
)
SPACE = ViewLayoutDefinition.threed_view()
LAYOUTS = {
    "Four views": Layout(
        LayoutDirection.Horizontal,
        [
            Layout(LayoutDirection.Vertical, [AXIAL, SAGITTAL]),
            Layout(LayoutDirection.Vertical, [SPACE, CORONAL]),
        ],
    ),
    "Axial": Layout(LayoutDirection.Vertical, [AXIAL]),
    "3D": Layout(LayoutDirection.Vertical, [SPACE]),
}
# What trame drops unless a widget is told of it.
SPOKEN = {"__properties": ["role", ("aria_label", "aria-label"), ("aria_pressed", "aria-pressed")]}
MOST_PIXELS = 3840 * 2160  # of a view; each takes some 100 bytes
BLUR_FPS = 10.0  # of views without the mouse


class Viewer:
    """The scene, three slice views and a 3D view, which follow one another."""

    def __init__(self, server: Server):
        self._app = SlicerApp()
        self.scene = self._app.scene
        _stand_in_for_slicer(self._app)
        for factory, ui in ((_SliceViews, _slice_view_ui), (_SpaceViews, _space_view_ui)):
            self._app.view_manager.register_factory(
                factory(server, populate_view_ui_f=ui, blur_fps=BLUR_FPS)
            )
        self._layouts = LayoutManager(self.scene, self._app.view_manager, server)
        self._layouts.register_layout_dict(LAYOUTS)
        for view in self._app.view_manager.get_views():
            _let_fingers_point(view)
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
            view.set_ruler(slicer.vtkMRMLAbstractViewNode.RulerTypeThin)
            view.set_background_volume_id(volume_node.GetID())
            view.reset_view()
        self._crosshair.SetCrosshairRAS(*self.where_slices_meet())

    def show_window(self, volume_node, name: str) -> None:
        """Shows a CT in one of ``WINDOWS_HU``."""
        volume_node.GetDisplayNode().SetWindowLevel(*WINDOWS_HU[name])

    def show_crosshair(self, shown: bool) -> None:
        """Crosshair and slice intersections; with the shift key pressed the mouse moves all slices
        to where it is."""
        node = self._crosshair
        node.SetCrosshairMode(node.ShowBasic if shown else node.NoCrosshair)
        node.SetCrosshairBehavior(node.OffsetJumpSlice)
        for view in self._app.view_manager.get_views():
            view.schedule_render()

    def jump(self, point_lps_mm) -> None:
        """Brings a position (LPS mm) to the middle of every view."""
        ras = rasOf(point_lps_mm)
        for view in self._slices:
            view.get_view_node().JumpSliceByCentering(*ras)
        for view in self._app.view_manager.get_threed_views():
            lookAt(view.get_camera_node(), ras)
            view.schedule_render()
        self._crosshair.SetCrosshairRAS(ras)

    def where_slices_meet(self) -> np.ndarray:
        """RAS mm, (3,)."""
        planes = [
            slicer.util.arrayFromVTKMatrix(view.get_view_node().GetSliceToRAS())
            for view in self._slices
        ]
        normals, places = (
            np.array([plane[:3, 2] for plane in planes]),
            np.array([plane[:3, 3] for plane in planes]),
        )
        return np.linalg.solve(normals, (normals * places).sum(axis=1))

    def place(self, markups_node, on: bool) -> None:
        """Starts or stops placing points by clicks in the views."""
        if on:
            self._app.markups_logic.place_node(markups_node, persistent=True)
        else:
            self._app.markups_logic.disable_place_mode()

    def on_points_changed(self, markups_node, slot: Callable[[], None]) -> None:
        """Has a function called whenever a point is placed, moved, renamed or removed."""
        for event in (
            markups_node.PointPositionDefinedEvent,
            markups_node.PointModifiedEvent,
            markups_node.PointRemovedEvent,
        ):
            markups_node.AddObserver(event, lambda *_: slot())

    def clear(self) -> None:
        """Removes the CT and all that belongs to it; the views stay."""
        self.scene.Clear(False)

    def write_scene(self, path: Path) -> None:
        """Writes the scene (.mrb).

        Raises:
            OutputError: it cannot be written.
        """
        if not self._app.io_manager.write_scene(path):
            raise OutputError("The scene cannot be written: the server's disk may be full.")

    @property
    def _crosshair(self):
        return self.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")

    @property
    def _slices(self) -> list[SliceView]:
        return self._app.view_manager.get_slice_views()


class _Bounded(RemoteViewFactory):
    """Makes views that are drawn no larger than a large screen, whatever size a browser names."""

    def _create_view(self, *asked):
        view = super()._create_view(*asked)
        view.view_adapter.max_pixel_count = MOST_PIXELS
        return view


class _SliceViews(_Bounded, RemoteSliceViewFactory): ...


class _SpaceViews(_Bounded, RemoteThreeDViewFactory): ...


def _stand_in_for_slicer(app: SlicerApp) -> None:
    """Gives ``slicer.util`` what it asks the application for."""
    logics = {"segmentations": app.segmentations_logic, "volumes": app.volumes_logic}
    slicer.mrmlScene = app.scene
    modules = {
        name: SimpleNamespace(logic=lambda logic=logic: logic) for name, logic in logics.items()
    }
    slicer.modules = SimpleNamespace(**modules)


def _let_fingers_point(view: SliceView | ThreeDView) -> None:
    """A mouse moves to where it clicks, a finger does not; Slicer's widgets take no click without a
    move before it."""
    first = 100.0  # priority
    view.interactor().AddObserver(
        "LeftButtonPressEvent", lambda interactor, _: interactor.MouseMoveEvent(), first
    )


def _slice_view_ui(server: Server, _view_id: str, view: SliceView) -> None:
    """A slice view's name and buttons, and a slider to scroll by keyboard."""
    slider = connect_slice_view_slider_to_state(server, view)
    name = view.get_orientation()
    with _view_bar(name, view):
        vuetify.VSlider(
            theme="dark",
            v_model=(slider.name.value,),
            min=(slider.name.min_value,),
            max=(slider.name.max_value,),
            step=(slider.name.step,),
            aria_label=f"{name} slice, mm",
            hide_details=True,
            density="compact",
            **SPOKEN,
        )


def _space_view_ui(_server: Server, _view_id: str, view: ThreeDView) -> None:
    _view_bar("3D", view)


def _view_bar(name: str, view: SliceView | ThreeDView) -> html.Div:
    bar = html.Div(classes="view-bar")
    with bar:
        html.Span(name, classes="view-name")
        for icon, what, action in (
            ("mdi-magnify-plus-outline", "Zoom in", view.zoom_in),
            ("mdi-magnify-minus-outline", "Zoom out", view.zoom_out),
            ("mdi-fit-to-page-outline", "Show all", view.reset_view),
        ):
            label = f"{what} ({name})"
            said = {"title": label, "aria_label": label, **SPOKEN}
            vuetify.VBtn(
                icon=icon, size="small", variant="text", theme="dark", click=action, **said
            )
    return bar
