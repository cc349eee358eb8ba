"""The row of tools over the views."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.reading_tools import FREE, SLABS_MM, WINDOWS, ReadingTools
from LungNoduleRiskWeb.session.viewer import LAYOUTS
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, choice, toggle


def reading_bar(tools: ReadingTools) -> None:
    """Layout, window, slab, cine, measuring, masks and reset."""
    with html.Div(classes="reading", role="toolbar", aria_label="Reading", **SPOKEN):
        choice("layout_name", list(LAYOUTS), "Layout")
        choice("window_name", [*WINDOWS, FREE], "Window")
        _hu("window_width", "Width", "Window width in HU; drag in a slice to change it")
        _hu("window_centre", "Level", "Window centre in HU; drag in a slice to change it")
        choice("slab", list(SLABS_MM), "Slab")
        toggle("cine", "mdi-play-speed", "Cine: turns the slices of the view used last")
        toggle(
            "crosshair",
            "mdi-crosshairs",
            "Crosshair: hold the shift key to move all slices with the mouse",
        )
        toggle("measuring", "mdi-ruler", "Measure: click both ends of a length in a slice")
        button("", tools.remove_lengths, icon="mdi-eraser", title="Remove lengths")
        toggle("masks", "mdi-circle-half-full", "Masks")
        vuetify.VSlider(
            v_model=("mask_percent",),
            min=0,
            max=100,
            step=5,
            disabled=("!masks",),
            aria_label="Masks' opacity, percent",
            hide_details=True,
            density="compact",
            classes="opacity",
            **SPOKEN,
        )
        button("", tools.reset, icon="mdi-restore", title="Reset views and window")


def _hu(name: str, label: str, title: str) -> None:
    vuetify.VTextField(
        v_model=(name,),
        label=label,
        title=title,
        inputmode="numeric",
        hide_details=True,
        density="compact",
        classes="hu",
    )
