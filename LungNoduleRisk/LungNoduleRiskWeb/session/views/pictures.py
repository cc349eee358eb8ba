"""Views as pictures in a browser.

Each picture has a number, and a press of a button names the picture that was on the screen: the
view is brought back to what that showed, however far it has moved on since.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeAlias

from trame.widgets import html
from trame_client.widgets.core import AbstractElement
from trame_rca import module as trame_rca_module
from trame_rca.schedulers import RcaImageRenderScheduler
from trame_server import Server
from trame_server.utils.asynchronous import create_task
from trame_slicer.rca_view.rca_view_factory import RcaRenderStrategy, RcaWindow
from trame_slicer.views import (
    CursorId,
    IViewFactory,
    NoScheduleRendering,
    SliceView,
    ThreeDView,
    ViewLayout,
    ViewType,
)

from LungNoduleRiskWeb.session.speaking import vue
from LungNoduleRiskWeb.session.views.bars import PLANES
from LungNoduleRiskWeb.session.views.moving import turn, zoom
from LungNoduleRiskWeb.session.views.numbers import number
from LungNoduleRiskWeb.session.views.shown import SliceShown, SpaceShown, shown_by
from nodulerisk.language.texts import _

MOST_PIXELS = 1920 * 1080  # of a view at rest; a CT's slice has a quarter of a million
MOVING_PIXELS = 960 * 540  # of a view that moves
LARGEST = 16_384  # pixels, of a browser's window along a side
LEAST = 10  # pixels along a side; VTK draws nothing smaller
FPS, BLUR_FPS = 30.0, 10.0  # of the view with the mouse, and of the others
MOST_PICTURES = 2**53  # of a session: numbers beyond are not whole in a browser
KEPT = 500  # pictures whose numbers are remembered: what takes longer to be seen is not clicked on
MOST_NOTCHES = 1000  # of a wheel at once
NOTCH_ZOOM = 1.1  # of a 3D view, by a notch
EVENTS = {
    f"{button}Button{what}": f"{button}Button{what}Event"
    for button in ("Left", "Middle", "Right")
    for what in ("Press", "Release")
} | {"MouseMove": "MouseMoveEvent", "Leave": "LeaveEvent"}

View: TypeAlias = SliceView | ThreeDView
Shown: TypeAlias = SliceShown | SpaceShown
# in a picture: shares of its width from the left, and of its height from below
Place: TypeAlias = tuple[float, float]


class Picture:
    """A view as trame's protocol for pictures sees it: an area with a name, which takes sizes and
    events, and sends pictures."""

    def __init__(
        self,
        name: str,
        view: View,
        window: RcaWindow,
        said_of: Callable[[View], dict[str, Any]],
        on_pointed: Callable[[View, Shown, Place | None], None],
        on_pressed: Callable[[View], None],
    ):
        """
        Args:
            name: of the area.
            view: whose pictures these are.
            window: its window.
            said_of: what is written in a picture of the view as it is now: ``said``, words by
                place, and ``scale``.
            on_pointed: told where in a picture the mouse is; None: it left.
            on_pressed: told that a button was pressed, before anything is done.
        """
        self.area_name, self.view, self.window = name, view, window
        self.scheduler = _Scheduler(self)
        self._said_of, self._on_pointed, self._on_pressed = said_of, on_pointed, on_pressed
        self._streamer: Any = None
        self._size = (300.0, 300.0)  # pixels of the browser's screen
        self._drawn = (0, 0)
        self._held: set[str] = set()  # buttons
        self._shown: dict[int, Shown] = {}  # by number, the oldest first

    # What trame's protocol calls

    def set_streamer(self, streamer: Any) -> None:
        self._streamer = streamer

    def update_size(self, _origin: object, size: object) -> None:
        """Takes the area's size in a browser: w, h, and p, its pixels for one of the page."""
        said = size if isinstance(size, Mapping) else {}
        width, height = (number(said.get(side), 1, LARGEST) for side in "wh")
        ratio = number(said.get("p", 1), 0.1, 10)
        if width and height and ratio:
            self._size = (width * ratio, height * ratio)
            self._let_go()  # a page that was loaded again knows of no button
            self.scheduler.schedule_render()

    def on_interaction(self, _origin: object, event: object) -> None:
        """Does what a mouse did; anything that is no event is left."""
        with self.window.state:
            self._do(event if isinstance(event, Mapping) else {})

    def _do(self, said: Mapping[str, Any]) -> None:
        kind = said.get("type")
        shown, place = self._pointed(said)
        if kind == "MouseWheel":
            self._wheel(number(said.get("notches"), -MOST_NOTCHES, MOST_NOTCHES))
        elif kind == "Pinch":
            zoom(self.view, number(said.get("factor"), 0.5, 2.0) or 1.0)
        elif kind == "Leave":
            self._on_pointed(self.view, shown or shown_by(self.view), None)
            self.scheduler.target_fps = BLUR_FPS
            self._invoke("Leave", said, (0.0, 0.0))
        elif isinstance(kind, str) and kind in EVENTS and place:
            self._mouse(kind, said, shown, place)

    def reset(self) -> None: ...

    def video_codecs(self) -> list[dict[str, Any]]:
        return []

    def negotiate_video(self, _codecs: object) -> dict[str, str]:
        return {"error": "not-a-video-stream"}

    # Events

    def _pointed(self, said: Mapping[str, Any]) -> tuple[Shown | None, Place | None]:
        """What the event's picture showed, and where in it the mouse was; None where that is not
        known."""
        across, up = _share(said.get("x"), said.get("w")), _share(said.get("y"), said.get("h"))
        place = None if across is None or up is None else (across, up)
        asked = said.get("picture")  # none: of who knows no pictures
        shown = shown_by(self.view) if asked is None else self._seen(asked)
        return shown, place

    def _seen(self, asked: object) -> Shown | None:
        numbered = number(asked, 0, MOST_PICTURES)
        return None if numbered is None else self._shown.get(int(numbered))

    def shown(self, asked: object) -> Shown:
        """What the picture of this number showed; of one that is not known, what is shown now."""
        return self._seen(asked) or shown_by(self.view)

    def _mouse(self, kind: str, said: Mapping[str, Any], shown: Shown | None, place: Place) -> None:
        self.scheduler.target_fps = FPS
        button = kind.removesuffix("Press").removesuffix("Release")
        if kind.endswith("Release"):
            if button not in self._held:
                return
            self._held.discard(button)
            self.scheduler.schedule_render()  # finer again, once it rests
        elif shown is None:
            return
        elif kind.endswith("Press"):
            self._on_pressed(self.view)
            self.draw_for(moving=True)  # pixels stay as large until the button is let go
            shown.bring_back(self.view)
            self._held.add(button)
            self._invoke("MouseMove", said, place)  # a finger does not move to where it taps
        else:
            self._on_pointed(self.view, shown, place)
        self._invoke(kind, said, place)

    def _let_go(self) -> None:
        for button in tuple(self._held):
            self._mouse(f"{button}Release", {}, None, (0.0, 0.0))

    def _invoke(self, kind: str, said: Mapping[str, Any], place: Place) -> None:
        interactor, (width, height) = self.view.interactor(), self._drawn
        at = int(place[0] * width), int(place[1] * height)
        held = (int(said.get(key) in (1, True)) for key in ("controlKey", "shiftKey"))
        interactor.SetEventInformation(*at, *held)
        interactor.SetAltKey(int(said.get("altKey") in (1, True)))
        getattr(interactor, EVENTS[kind])()
        self.window.show_cursor()

    def _wheel(self, notches: float | None) -> None:
        if notches is None or self._held:
            return
        if isinstance(self.view, SliceView):
            turn(self.view, round(notches))
        else:
            zoom(self.view, NOTCH_ZOOM ** max(-5.0, min(5.0, notches)))

    # Pictures

    def forget(self) -> None:
        """Forgets what the pictures so far showed: no click on them counts any more."""
        self._shown = {}

    def draw_for(self, moving: bool) -> None:
        """Has the view drawn as large as the browser shows it, within bounds; smaller while it
        moves."""
        width, height = self._size
        most = MOVING_PIXELS if moving or self._held else MOST_PIXELS
        share = min(1.0, math.sqrt(most / (width * height)))
        drawn = (max(LEAST, int(width * share)), max(LEAST, int(height * share)))
        if drawn == self._drawn:
            return
        same_shape = _shape(self._drawn) == _shape(self._size)
        shown, self._drawn = shown_by(self.view), drawn
        self.window.process_resize_event(*drawn)
        if same_shape and isinstance(self.view, SliceView):
            shown.bring_back(self.view)  # rounded pixels would change the zoom a little each time

    def number_it(self) -> dict[str, Any]:
        """Remembers what is shown now, and returns what the browser is to know of the picture."""
        numbered = next(_NUMBERS)
        self._shown[numbered] = shown_by(self.view)
        if len(self._shown) > KEPT:
            del self._shown[next(iter(self._shown))]
        return {"picture": numbered, **self._said_of(self.view)}

    def push(self, content: bytes, meta: dict[str, Any]) -> None:
        """Sends a picture."""
        if self._streamer is not None and content:
            self._streamer.push_content(self.area_name, meta, content)


_NUMBERS = count(1)  # of all views' pictures


class _Scheduler(RcaImageRenderScheduler):
    """Draws a picture when something changed: at once, and once more, finer, when it rests."""

    _is_paused = False  # of all views

    def __init__(self, picture: Picture):
        self._picture = picture
        super().__init__(picture.window, push_callback=picture.push, target_fps=BLUR_FPS)

    def schedule_render(self) -> None:
        if not self._is_paused:
            super().schedule_render()

    @contextmanager
    def _paused(self) -> Iterator[None]:
        """No view asks for a picture in the block: a view's other size has all of them drawn, since
        it changes how far the lines of its slice reach in theirs, and so on for ever."""
        _Scheduler._is_paused = True
        try:
            yield
        finally:
            _Scheduler._is_paused = False

    def _render_frame(self, quality: int) -> None:
        with self._paused():
            self._picture.draw_for(moving=quality != self._still_quality)
            drawn = self._rca.img_cols_rows
        meta = self._picture.number_it()

        def encoded() -> tuple[bytes, dict[str, Any], int]:
            content, found, made_ms = self._rca_encoder.encode(*drawn, quality)
            return content, found | meta, made_ms

        loop = asyncio.get_running_loop()
        self._push_queue.put_nowait(loop.run_in_executor(self._encode_pool, encoded))


class _Window(RcaWindow):
    """A view's window; says in the page's state which cursor it wants."""

    def show_cursor(self) -> None:
        cursor = self._vtk_render_window.GetCurrentCursor()
        self.state[self.active_view_cursor] = CursorId.from_vtk_cursor_id(cursor).value


class PictureArea(AbstractElement):
    """The page's side of a ``Picture``: assets/views.js."""

    def __init__(self, name: str, label: str):
        super().__init__("picture-area", name=name, label=(label,))
        self._attr_names += ["name", "label"]


class PictureFactory(IViewFactory):
    """Makes slice views or 3D views, and their pictures."""

    def __init__(
        self,
        server: Server,
        make_view: type[View],
        view_type: ViewType,
        add_to_page: Callable[[Server, View], None],
        **told: Callable,
    ):
        """
        Args:
            server: of the page.
            make_view: its class.
            view_type: which views of a layout it makes.
            add_to_page: builds what stands over the picture.
            told: ``said_of``, ``on_pointed`` and ``on_pressed`` of each ``Picture``.
        """
        super().__init__()
        server.enable_module(trame_rca_module)
        self._server, self._make_view, self._view_type = server, make_view, view_type
        self._add_to_page, self._told = add_to_page, told

    def can_create_view(self, view: Any) -> bool:
        return view.view_type == self._view_type

    def _get_slicer_view(self, view: Picture) -> View:
        return view.view

    def picture(self, name: str) -> Picture | None:
        """The view of this name."""
        return self._views.get(name)

    def pictures(self) -> list[Picture]:
        return list(self._views.values())

    def _create_view(self, view: Any, scene: Any, app_logic: Any) -> Picture:
        name = view.singleton_tag
        quiet = NoScheduleRendering()  # else it is drawn sixty times while it is made
        made: View = self._make_view(scene, app_logic, name, scheduled_render_strategy=quiet)
        made.render_window().SetMultiSamples(0)  # eight samples take six times as long
        made.set_view_properties(view.properties)
        cursor = f"{name}_cursor"
        self._server.state.setdefault(cursor, CursorId.DEFAULT.value)
        window = _Window(made.render_window(), self._server.state, cursor)
        picture = Picture(name, made, window, **self._told)
        with (
            ViewLayout(self._server, template_name=name),
            html.Div(classes="view", style=(f"{{cursor: {cursor}}}",)),
        ):
            PictureArea(name, _label(made))
            self._add_to_page(self._server, made)
        made.set_scheduled_render(RcaRenderStrategy(picture.scheduler))
        create_task(self._register(picture))
        return picture

    async def _register(self, picture: Picture) -> None:
        await self._server.ready
        self._server.root_server.controller.rc_area_register(picture)


def _share(pixels: object, whole: object) -> float | None:
    """Of a side's pixels; None where these are no numbers."""
    part, side = number(pixels, -LARGEST, LARGEST), number(whole, 1, LARGEST)
    return None if part is None or side is None else part / side


def _label(view: View) -> str:
    """As a Vue expression."""
    if isinstance(view, SliceView):
        return vue(_("{plane} view"), plane=vue(PLANES[view.get_orientation()]))
    return vue(_("3D view"))


def _shape(size: tuple[float, float]) -> float:
    """Width by height, to a hundredth."""
    return round(size[0] / size[1], 2) if size[1] else 0.0
