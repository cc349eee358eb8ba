"""The page's tools for the chosen nodule: correct its mask, and ask where a network looked."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.correcting import BRUSH_MM, BRUSHES
from LungNoduleRiskWeb.session.speaking import bound
from LungNoduleRiskWeb.session.widgets import SPOKEN, button
from nodulerisk.language.texts import _

BUTTONS = {"Paint": (_("Paint"), "mdi-brush"), "Erase": (_("Erase"), "mdi-eraser-variant")}


def mask_tools(controller: Controller) -> None:
    """Brushes and their size, and the map of where a network looked."""
    with html.Div(classes="row mask-tools"):
        for name in BRUSHES:
            text, icon = BUTTONS[name]
            button(
                text,
                f"brush = brush === '{name}' ? '' : '{name}'",
                icon=icon,
                title=_("Corrects the mask in the slices; Ctrl+Z takes a stroke back"),
                active=(f"brush === '{name}'",),
                aria_pressed=(f"brush === '{name}'",),
                disabled=("!!busy",),
            )
        low, high = BRUSH_MM
        vuetify.VSlider(
            v_model=("brush_mm",),
            v_if="brush",
            min=low,
            max=high,
            step=1,
            aria_label=bound(_("Diameter of the brush, mm")),
            title=bound(_("Diameter of the brush")),
            hide_details=True,
            density="compact",
            **SPOKEN,
        )
        button(
            _("Explain"),
            controller.explaining.explain,
            icon="mdi-eye-outline",
            title=_("Shows where a network looked"),
            disabled=("!!busy",),
        )
        button(
            _("Hide map"), controller.explaining.hide, icon="mdi-eye-off-outline", v_if="explained"
        )
    html.P("{{ explained }}", v_if="explained", classes="basis", id="explained")
