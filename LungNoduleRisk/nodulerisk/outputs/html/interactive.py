"""A nodule's figures for the screen: a mesh that turns, slices that zoom."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from nodulerisk.assessment import NoduleMask
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _
from nodulerisk.outputs.mesh import Mesh, nodule_mesh
from nodulerisk.outputs.slices import FIELD_MM, LUNG_WINDOW_HU, TICKS_MM, Slice
from nodulerisk.outputs.style import CALIPER, CONTOUR, GREY, SURFACE

STEP_SIZES = (1, 2, 3)
LIGHT = {
    "lighting": {
        "ambient": 0.45,
        "diffuse": 0.8,
        "specular": 0.25,
        "roughness": 0.5,
        "fresnel": 0.1,
    },
    "lightposition": {"x": -200, "y": -400, "z": 400},
}
TURN_FRAMES = 72  # of 5 degrees
HEIGHT = 360  # pixels


def mesh_figure(nodule: NoduleMask) -> go.Figure:
    """The mesh in mm from the corner of its map, with a menu for its detail and a button to rotate
    it."""
    figure = go.Figure(layout={"height": HEIGHT, "margin": dict.fromkeys("lrtb", 0)})
    for step_size in STEP_SIZES:
        mesh = nodule_mesh(nodule, step_size)
        x, y, z = (mesh.vertices_lps_mm - nodule.grid.origin_lps_mm.astype(np.float32)).T
        i, j, k = mesh.faces.T
        look = {
            "color": SURFACE,
            "visible": step_size == 1,
            "flatshading": False,
            "hoverinfo": "skip",
        }
        figure.add_mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, **LIGHT, **look)
    figure.update_layout(
        scene={"aspectmode": "data", "camera": _camera(-60), **_directions()},
        updatemenus=[_detail(), _turn()],
    )
    figure.frames = [
        go.Frame(layout={"scene": {"camera": _camera(-60 + 360 * n / TURN_FRAMES)}})
        for n in range(1, TURN_FRAMES + 1)
    ]
    return figure


def surfaces_figure(surfaces: Mapping[str, Mesh]) -> go.Figure:
    """Named meshes in one scene, in mm from their common corner, the first one translucent."""
    figure = go.Figure(layout={"height": 2 * HEIGHT, "margin": dict.fromkeys("lrtb", 0)})
    shown = {name: mesh for name, mesh in surfaces.items() if len(mesh.faces)}
    corners = [mesh.vertices_lps_mm.min(axis=0) for mesh in shown.values()]
    for number, (name, mesh) in enumerate(shown.items()):
        x, y, z = (mesh.vertices_lps_mm - np.min(corners, axis=0)).T
        i, j, k = mesh.faces.T
        look = {"color": SURFACE, "opacity": 1.0} if number else {"color": GREY, "opacity": 0.25}
        figure.add_mesh3d(
            x=x,
            y=y,
            z=z,
            i=i,
            j=j,
            k=k,
            name=say(name),
            showlegend=True,
            hoverinfo="name",
            **look,
            **LIGHT,
        )
    scene = {"aspectmode": "data", "camera": _camera(-90), **_directions()}
    return figure.update_layout(scene=scene, legend={"x": 0.01, "y": 0.99})


def slices_figure(slices: list[Slice]) -> go.Figure:
    """The slices side by side, in mm from the nodule's centre, with the HU under the pointer."""
    figure = make_subplots(
        1, len(slices), horizontal_spacing=0.02, subplot_titles=[say(s.plane.name) for s in slices]
    )
    for column, picture in enumerate(slices, start=1):
        _add_slice(figure, picture, column)
    half = FIELD_MM / 2
    figure.update_xaxes(range=(-half, half), constrain="domain", visible=False)
    figure.update_yaxes(
        range=(half, -half), constrain="domain", constraintoward="top", visible=False
    )
    figure.update_layout(height=HEIGHT, margin={"l": 0, "r": 0, "t": 28, "b": 0}, showlegend=False)
    return figure


def _add_slice(figure: go.Figure, picture: Slice, column: int) -> None:
    place = {"row": 1, "col": column}
    low, high = LUNG_WINDOW_HU
    hu = np.rint(picture.hu).astype(np.int16)
    hover = "%{z} HU<extra></extra>"
    grey = {"colorscale": "gray", "zmin": low, "zmax": high, "showscale": False, "zsmooth": "best"}
    figure.add_heatmap(x=TICKS_MM, y=TICKS_MM, z=hu, hovertemplate=hover, **grey, **place)
    for outline in picture.outlines:
        x, y = outline.T
        figure.add_scatter(
            x=x, y=y, mode="lines", line={"color": CONTOUR, "width": 2}, hoverinfo="skip", **place
        )
    for ends in picture.calipers:
        x, y = ends.T
        line = {"color": CALIPER, "width": 1.5}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, hoverinfo="skip", **place)
    edge = 0.94 * FIELD_MM / 2
    look = {"showarrow": False, "font_color": "white", "bgcolor": "rgba(0,0,0,.4)"}
    for letter, (x, y) in zip(
        picture.plane.edges, ((-edge, 0), (edge, 0), (0, -edge), (0, edge)), strict=True
    ):
        figure.add_annotation(x=x, y=y, text=letter, **look, **place)
    figure.update_yaxes(scaleanchor=f"x{column}", **place)


def _directions() -> dict:
    titles = {"xaxis": "R – L", "yaxis": "A – P", "zaxis": "I – S"}
    return {axis: {"title": title, "showticklabels": False} for axis, title in titles.items()}


def _camera(degrees: float) -> dict:
    """Returns a camera that looks at the mesh from a direction around the patient's long axis; -90
    degrees is the patient's front."""
    angle = math.radians(degrees)
    return {"eye": {"x": 2.4 * math.cos(angle), "y": 2.4 * math.sin(angle), "z": 0.9}}


def _detail() -> dict:
    """Returns the menu entry that shows the mesh of one step size."""
    buttons = [
        {
            "label": say(_("Mesh, step {step}").format(step=step)),
            "method": "restyle",
            "args": [{"visible": [step == s for s in STEP_SIZES]}],
        }
        for step in STEP_SIZES
    ]
    return {"buttons": buttons, "x": 0.01, "xanchor": "left", "y": 0.99, "yanchor": "top"}


def _turn() -> dict:
    play = {
        "frame": {"duration": 60, "redraw": True},
        "transition": {"duration": 0},
        "fromcurrent": True,
    }
    stop = {"frame": {"duration": 0, "redraw": False}, "mode": "immediate"}
    buttons = [
        {"label": say(_("Turn")), "method": "animate", "args": [None, play]},
        {"label": say(_("Stop")), "method": "animate", "args": [[None], stop]},
    ]
    place = {"x": 0.99, "xanchor": "right", "y": 0.99, "yanchor": "top", "direction": "right"}
    return {"type": "buttons", "buttons": buttons, **place}
