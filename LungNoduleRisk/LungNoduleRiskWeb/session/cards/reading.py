"""The row of tools over the views."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.reading_tools import FREE, SLABS_MM, WINDOWS, ReadingTools
from LungNoduleRiskWeb.session.speaking import bound
from LungNoduleRiskWeb.session.viewer import LAYOUTS
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, choice, toggle
from nodulerisk.language.texts import _


def reading_bar(tools: ReadingTools) -> None:
    """Layout, window, slab, cine, measuring, masks and reset."""
    with html.Div(classes="reading", role="toolbar", aria_label=bound(_("Reading")), **SPOKEN):
        choice("layout_name", list(LAYOUTS), _("Layout"))
        choice("window_name", [*WINDOWS, FREE], _("Window"))
        _hu("window_width", _("Width"), _("Window width in HU; drag in a slice to change it"))
        _hu("window_centre", _("Level"), _("Window centre in HU; drag in a slice to change it"))
        choice("slab", list(SLABS_MM), _("Slab"))
        toggle("cine", "mdi-play-speed", _("Cine: turns the slices of the view used last"))
        toggle(
            "crosshair",
            "mdi-crosshairs",
            _("Crosshair: hold the shift key to move all slices with the mouse"),
        )
        toggle("measuring", "mdi-ruler", _("Measure: click both ends of a length in a slice"))
        button("", tools.remove_lengths, icon="mdi-eraser", title=_("Remove lengths"))
        toggle("masks", "mdi-circle-half-full", _("Masks"))
        vuetify.VSlider(
            v_model=("mask_percent",),
            min=0,
            max=100,
            step=5,
            disabled=("!masks",),
            aria_label=bound(_("Masks' opacity, percent")),
            hide_details=True,
            density="compact",
            classes="opacity",
            **SPOKEN,
        )
        button("", tools.reset, icon="mdi-restore", title=_("Reset views and window"))


def _hu(name: str, label: str, title: str) -> None:
    vuetify.VTextField(
        v_model=(name,),
        label=bound(label),
        title=bound(title),
        inputmode="numeric",
        hide_details=True,
        density="compact",
        classes="hu",
    )
