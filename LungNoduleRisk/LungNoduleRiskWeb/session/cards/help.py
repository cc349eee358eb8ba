"""The page's help on keys and mouse."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.widgets import button

KEYS = {
    "P": "place points, or stop it",
    "A": "assess",
    "Esc": "cancel",
    "J, K": "next and previous nodule",
    "Ctrl+Z": "undo placing, deleting, assessing, or a stroke of the brush",
    "?": "this help",
    "Arrows, Page up, Page down": "turn the slices of the view with the focus",
}
MOUSE = {
    "Wheel": "turn the slices; with Ctrl zoom",
    "Left button": "drag a point; elsewhere drag the window: level up and down, width across",
    "Middle button": "move the picture",
    "Right button": "zoom",
    "Shift": "hold it to move all slices to the mouse",
    "One finger": "turns the slices; places and drags points while Place is on",
    "Two fingers": "zoom and move",
}


def help_dialog() -> None:
    """What keys, mouse and fingers do."""
    shut = "helping = false"
    with (
        vuetify.VDialog(v_model=("helping", False), max_width=560),
        vuetify.VCard(title="Keys and mouse"),
    ):
        with vuetify.VCardText(), html.Table(classes="keys"):
            for what, does in (KEYS | MOUSE).items():
                with html.Tr():
                    html.Th(what, scope="row")
                    html.Td(does)
        with vuetify.VCardActions():
            button("Close", shut)
