"""The page's tools for reading: layout, window, slab, cine, masks and measuring."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

import slicer
from trame_server.state import State
from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.calipers import AXIS, showCalipers
from LungNoduleRiskLib.display.nodes import FILL, segmentationNodes
from LungNoduleRiskLib.scene import WINDOWS_HU
from LungNoduleRiskLib.session import Session
from LungNoduleRiskWeb.session.viewer import LAYOUTS, Viewer
from LungNoduleRiskWeb.session.views.numbers import number, typed_number
from LungNoduleRiskWeb.session.views.reading import window_of
from nodulerisk.language.texts import Text, _

WINDOWS: dict[str, tuple[int, int]] = {
    Text(name.capitalize()): window for name, window in WINDOWS_HU.items()
}
FREE = _("Free")  # any other window
SLABS_MM = {_("Slices"): 0.0, "MIP 5 mm": 5.0, "MIP 10 mm": 10.0, "MIP 20 mm": 20.0}
CINE_S = 0.1  # a slice
MOST_CINE = 3000  # slices, five minutes: it would keep a session that its user has left
WIDTHS_HU, CENTRES_HU = (1, 10_000), (-5_000, 5_000)
FIRST_WINDOW = str.__str__(next(iter(WINDOWS)))


@dataclass(frozen=True)
class ReadingState:
    """The initial state of the tools, by the names in the page."""

    layout_name: str = str.__str__(next(iter(LAYOUTS)))
    window_name: str = FIRST_WINDOW
    window_width: Any = WINDOWS[FIRST_WINDOW][0]
    window_centre: Any = WINDOWS[FIRST_WINDOW][1]
    slab: str = str.__str__(next(iter(SLABS_MM)))
    cine: bool = False
    crosshair: bool = True
    masks: bool = True
    mask_percent: float = 100 * FILL
    measuring: bool = False


class ReadingTools:
    """Does what the page's tools ask for. A page can be made to say anything: what is no choice and
    no number is left."""

    def __init__(self, state: State, viewer: Viewer, session: Session):
        self._state, self._viewer, self._session = state, viewer, session
        self._line: Any = None  # that is being placed
        self._state.update(asdict(ReadingState()))
        viewer.on_pressed = self.stop_cine
        for names, does in (
            (("layout_name",), self._show_layout),
            (("crosshair",), self.show_crosshair),
            (("window_name",), self._show_named_window),
            (("window_width", "window_centre"), self._show_typed_window),
            (("slab",), self._show_slab),
            (("cine",), self._play),
            (("masks", "mask_percent"), self.show_masks),
            (("measuring",), self._measure),
        ):
            state.change(*names)(lambda does=does, **_: does())

    def show_ct(self, volume_node: Any) -> None:
        """Shows a CT that was just opened, with the tools as they are."""
        self._show_named_window()
        self._show_slab()
        self._viewer.on_window_changed(volume_node, self._say_window)
        self._say_window()

    def reset(self) -> None:
        """Shows the whole CT again, in the first window, as slices."""
        start = ReadingState()
        self._state.update({"window_name": start.window_name, "slab": start.slab, "cine": False})
        self._show_named_window()
        self._viewer.show_all()

    def show_crosshair(self) -> None:
        self._viewer.show_crosshair(bool(self._state.crosshair))

    def show_masks(self) -> None:
        """Shows or hides the nodules' masks and meshes."""
        volume_node = self._session.volumeNode
        percent = number(self._state.mask_percent, 0, 100)
        if volume_node is None:
            return
        if percent is not None:
            results.setMaskOpacity(volume_node, percent / 100)
        for node in segmentationNodes(volume_node):
            if node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(bool(self._state.masks))
        self.show_calipers()

    def show_calipers(self) -> None:
        """The chosen nodule's diameters, where its mask is shown."""
        showCalipers(self._session.calipers() if self._state.masks else None)

    # Layout and window

    def _show_layout(self) -> None:
        if self._state.layout_name in LAYOUTS:
            self._viewer.show_layout(self._state.layout_name)

    def _show_named_window(self) -> None:
        window = WINDOWS.get(str(self._state.window_name))
        if window is not None:
            self._show_window(*window)

    def _show_typed_window(self) -> None:
        width = typed_number(self._state.window_width, *WIDTHS_HU)
        centre = typed_number(self._state.window_centre, *CENTRES_HU)
        if width is not None and centre is not None:
            self._show_window(width, centre)

    def _show_window(self, width: float, centre: float) -> None:
        volume_node = self._session.volumeNode
        if volume_node is not None and window_of(volume_node) != (width, centre):
            volume_node.GetDisplayNode().SetWindowLevel(width, centre)

    def _say_window(self) -> None:
        """A window may be dragged, too."""
        volume_node = self._session.volumeNode
        if volume_node is None:
            return
        now = window_of(volume_node)
        named = next((name for name, window in WINDOWS.items() if window == now), FREE)
        width, centre = (round(hu) for hu in now)
        self._state.update({"window_name": named, "window_width": width, "window_centre": centre})

    # Slabs and cine

    def _show_slab(self) -> None:
        thickness_mm = SLABS_MM.get(str(self._state.slab))
        if thickness_mm is not None:
            self._viewer.show_slab(thickness_mm)

    def stop_cine(self) -> None:
        """A press means the slice that was seen, and stays there."""
        self._state.cine = False

    def _play(self) -> None:
        if self._state.cine is True and self._session.volumeNode is not None:
            create_task(self._turn_on())

    async def _turn_on(self) -> None:
        for _turn in range(MOST_CINE):
            if self._state.cine is not True or self._session.volumeNode is None:
                return
            with self._state:
                self._viewer.turn_on()
            await asyncio.sleep(CINE_S)
        with self._state:
            self.stop_cine()

    # Measuring

    def _measure(self) -> None:
        """Starts placing a line of two points, whose length the views show, or stops it."""
        volume_node = self._session.volumeNode
        if self._state.measuring is True and volume_node is not None:
            self._state.placing = False
            self._line = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", "Length")
            self._line.CreateDefaultDisplayNodes()
            self._viewer.mark_points(self._line)
            self._line.AddObserver(
                self._line.PointPositionDefinedEvent, lambda *_: self._on_measured()
            )
            self._viewer.place(self._line)
        elif self._line is not None:
            self._viewer.place(None)
            self._drop_unfinished()

    def _on_measured(self) -> None:
        if self._line is not None and self._line.GetNumberOfDefinedControlPoints() == 2:
            self._line = None
            self._state.measuring = False
            self._viewer.place(None)

    def _drop_unfinished(self) -> None:
        if self._line is not None and self._line.GetScene() is not None:
            slicer.mrmlScene.RemoveNode(self._line)
        self._line = None

    def remove_lengths(self) -> None:
        """Removes all lengths that the user measured."""
        self._state.measuring = False
        for node in slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode"):
            if not node.GetAttribute(AXIS):
                slicer.mrmlScene.RemoveNode(node)
