"""The page's help on keys and mouse."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.speaking import bound, shown
from LungNoduleRiskWeb.session.widgets import button
from nodulerisk.language.texts import _

KEYS = {
    "P": _("place points, or stop it"),
    "A": _("assess"),
    _("Esc"): _("cancel"),
    "J, K": _("next and previous nodule"),
    _("Ctrl+Z"): _("undo placing, deleting, assessing, or a stroke of the brush"),
    "?": _("this help"),
    _("Arrows, Page up, Page down"): _("turn the slices of the view with the focus"),
}
MOUSE = {
    _("Wheel"): _("turn the slices; with Ctrl zoom"),
    _("Left button"): _("drag a point; elsewhere drag the window: level up and down, width across"),
    _("Middle button"): _("move the picture"),
    _("Right button"): _("zoom"),
    _("Shift"): _("hold it to move all slices to the mouse"),
    _("One finger"): _("turns the slices; places and drags points while Place is on"),
    _("Two fingers"): _("zoom and move"),
}


def help_dialog() -> None:
    """What keys, mouse and fingers do."""
    shut = "helping = false"
    with (
        vuetify.VDialog(v_model=("helping", False), max_width=560),
        vuetify.VCard(title=bound(_("Keys and mouse"))),
    ):
        with vuetify.VCardText(), html.Table(classes="keys"):
            for what, does in (KEYS | MOUSE).items():
                with html.Tr():
                    html.Th(shown(what), scope="row")
                    html.Td(shown(does))
        with vuetify.VCardActions():
            button(_("Close"), shut)
