"""A view's pictures without a browser: what they say, and events that no mouse sends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import slicer
import vtk

from LungNoduleRiskLib.sample import THICK, loadSample
from LungNoduleRiskWeb.session import reading_tools
from LungNoduleRiskWeb.session.controller import plain
from LungNoduleRiskWeb.session.reading_tools import ReadingTools
from LungNoduleRiskWeb.session.viewer import Viewer
from LungNoduleRiskWeb.session.views.numbers import number, typed_number
from LungNoduleRiskWeb.session.views.pictures import MOST_PIXELS, MOVING_PIXELS, Picture
from LungNoduleRiskWeb.session.views.reading import Numbering
from LungNoduleRiskWeb.session.views.shown import SliceShown
from nodulerisk.ct.points import parse_point

ABSURD = (math.nan, math.inf, -math.inf, 1e308, -(10**400), 10**400, "1", None, [], {}, True)
SIZE = {"w": 400, "h": 300, "p": 1}


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    from trame_server import Server

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mrmlScene", "modules"):  # they are those of others' tests, too
            patch.setattr(slicer, name, getattr(slicer, name, None), raising=False)
        server = Server()
        made = Viewer(server)
        server.state.ready()
        made.points = loadSample(THICK)[1]
        made.show_ct(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0])
        yield made
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


@pytest.fixture
def axial(viewer) -> Picture:
    picture = next(one for one in viewer._pictures if one.area_name == "Red")
    picture.update_size("", SIZE)
    picture.view.reset_view()
    picture.draw_for(moving=False)
    return picture


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "x": 200, "y": 150, "w": 400, "h": 300} | more


def test_only_numbers_within_bounds_are_numbers():
    assert number(3, 0, 5) == 3.0 and typed_number("\N{MINUS SIGN}600", -1000, 0) == -600.0
    assert [number(value, -1e6, 1e6) for value in ABSURD] == [None] * len(ABSURD)
    assert typed_number("nan", -1e6, 1e6) is None and typed_number("wide", -1e6, 1e6) is None


@pytest.mark.parametrize(
    "typed",
    [
        "-81.5, 192, 3",
        "(−81.5; 192; 3)",
        "[-81.5 192 3]",
        "–81,5; 192; 3",
        " −81.5\t192\t3",
        "<－81.5, 192, 3>",
        "{—81.5, 192, 3}",
    ],
)
def test_coordinates_are_read_as_people_write_them(typed):
    assert parse_point(plain(typed)) == (-81.5, 192.0, 3.0)


@pytest.mark.parametrize("absurd", ABSURD, ids=str)
def test_absurd_numbers_in_events_move_nothing_and_end_nothing(axial, absurd):
    before, drawn = SliceShown.by(axial.view), axial.window.render_window.GetSize()
    kinds = "LeftButtonPress", "MouseMove", "LeftButtonRelease", "MouseWheel", "Pinch", absurd
    for kind in kinds:
        for field in ("x", "y", "w", "h", "picture", "notches", "factor", "shiftKey"):
            one = event(kind, notches=absurd, factor=absurd) | {field: absurd}
            axial.on_interaction("", one)
    for wrong in (absurd, {"type": absurd}, {}):
        axial.on_interaction("", wrong)
    for field in SIZE:
        axial.update_size("", SIZE | {field: absurd})
        axial.draw_for(moving=False)
    axial.update_size("", SIZE)
    axial.draw_for(moving=False)
    assert SliceShown.by(axial.view) == before
    assert axial.window.render_window.GetSize() == drawn


def test_fault_84_a_press_brings_back_what_its_picture_showed(axial):
    seen = axial.number_it()["picture"]
    was = SliceShown.by(axial.view)
    for much in (7, -3):
        axial.on_interaction("", event("MouseWheel", notches=much))
    axial.view.zoom_in()
    assert SliceShown.by(axial.view) != was
    axial.on_interaction("", event("LeftButtonPress", picture=seen))
    assert SliceShown.by(axial.view) == was
    axial.on_interaction("", event("LeftButtonRelease", picture=seen))


def test_fault_84_where_slices_meet_is_where_the_pictures_met(viewer, axial):
    seen, met = axial.number_it()["picture"], viewer.where_slices_meet({})
    axial.on_interaction("", event("MouseWheel", notches=5))
    assert viewer.where_slices_meet({"Red": seen}) == pytest.approx(met)
    assert viewer.where_slices_meet({}) != pytest.approx(met)


def test_a_press_on_a_picture_that_is_not_known_does_nothing(axial):
    before = SliceShown.by(axial.view)
    axial.on_interaction("", event("LeftButtonPress", picture=10**9))
    axial.on_interaction("", event("MouseWheel", notches=1))  # no button is held
    assert SliceShown.by(axial.view) != before


def test_drawing_is_bounded_and_the_zoom_stays(axial):
    axial.update_size("", {"w": 3841, "h": 2163, "p": 1})
    axial.draw_for(moving=False)
    axial.view.reset_view()
    before = SliceShown.by(axial.view).field_of_view_mm
    for moving, most in ((True, MOVING_PIXELS), (False, MOST_PIXELS)) * 20:
        axial.draw_for(moving=moving)
        assert math.prod(axial.view.render_window().GetSize()) <= most
    assert SliceShown.by(axial.view).field_of_view_mm == pytest.approx(before, rel=1e-9)
    assert axial.view.render_window().GetMultiSamples() == 0


def test_no_pinching_leads_where_nothing_can_be_seen(viewer, axial):
    for view in (axial, next(one for one in viewer._pictures if one.area_name == "ThreeD")):
        for factor in (2.0, 0.5):
            for _ in range(60):
                view.on_interaction("", event("Pinch", factor=factor))
    assert 2 <= SliceShown.by(axial.view).field_of_view_mm[0] <= 5000


def test_the_words_in_a_picture(axial):
    words = axial.number_it()["said"]
    assert {words[edge] for edge in ("left", "right", "top", "bottom")} == {"R", "L", "A", "P"}
    assert words["left"] == "R" and words["top"] == "A"
    assert "of 38–93" in words["corner"] and "W 1500 L −600" in words["corner"]


def test_the_scale_is_as_long_as_it_says(axial):
    """Also once the picture is zoomed; a third of its width at most."""
    for factor in (1.0, 0.25, 0.25):
        axial.view.zoom(1 - factor)
        share, words = axial.number_it()["scale"]
        number_of, unit = words.split()
        millimetres = float(number_of) * {"mm": 1, "cm": 10}[unit]
        width_mm = SliceShown.by(axial.view).field_of_view_mm[0]
        assert share * width_mm == pytest.approx(millimetres) and 0.1 < share <= 1 / 3


@pytest.mark.parametrize(
    ("first", "last", "at", "words"),
    [
        (1, 56, (2, 26, 56), "Slice 27 of 56"),
        (97, 42, (2, 26, 56), "Slice 71 of 42–97"),
        (1, 56, (0, 26, 256), "Slice 27 of 256"),
        (1, 56, (2, -1, 56), "Beside the CT"),
    ],
)
def test_slices_are_counted_as_the_series_counts(first, last, at, words):
    assert Numbering(2, first, last).words(*at) == words


def test_the_hu_under_the_cursor_are_the_cts(viewer, axial):
    """At a voxel that is found from the picture by hand."""
    shown = SliceShown.by(axial.view)
    axial.on_interaction("", event("MouseMove", x=260, y=180))
    said = viewer._state["Red_readout"]
    volume_node = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[0]
    matrix = vtk.vtkMatrix4x4()
    volume_node.GetRASToIJKMatrix(matrix)
    ras = shown.ras(260 / 400, 180 / 300)
    x, y, z = np.rint((slicer.util.arrayFromVTKMatrix(matrix) @ [*ras, 1])[:3]).astype(int)
    hu = slicer.util.arrayFromVolume(volume_node)[z, y, x]
    assert said.startswith(f"{hu} HU".replace("-", "−"))
    axial.on_interaction("", event("Leave"))
    assert viewer._state["Red_readout"] == ""


def test_cine_does_not_keep_a_session_that_its_user_has_left(viewer, monkeypatch):
    monkeypatch.setattr(reading_tools, "CINE_S", 0)
    monkeypatch.setattr(reading_tools, "MOST_CINE", 3)
    [volume_node] = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    tools = ReadingTools(viewer._state, viewer, SimpleNamespace(volumeNode=volume_node))
    viewer._state.cine = True
    asyncio.get_event_loop().run_until_complete(asyncio.wait_for(tools._turn_on(), 20))
    assert viewer._state.cine is False


def test_drawing_finer_or_coarser_asks_for_no_other_picture_of_any_view(viewer, axial):
    """Else large views are drawn for ever, and their session is never idle."""
    axial.update_size("", {"w": 3840, "h": 2160, "p": 1})
    asked = [one.scheduler._request_event for one in viewer._pictures]

    async def draw(quality: int) -> None:
        for one in asked:
            one.clear()
        axial.scheduler._render_frame(quality)

    for quality in (50, 90, 50):  # moving, resting, moving
        before = axial.view.render_window().GetSize()
        asyncio.get_event_loop().run_until_complete(draw(quality))
        assert axial.view.render_window().GetSize() != before
        assert not any(one.is_set() for one in asked)
    axial.view.schedule_render()
    assert any(one.is_set() for one in asked)
