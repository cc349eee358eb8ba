"""What stands over a view's picture: its name, its buttons, and a slice's slider."""

from __future__ import annotations

from functools import partial

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify
from trame_server import Server
from trame_slicer.views import SliceView, ThreeDView

from LungNoduleRiskWeb.session.speaking import shown, vue
from LungNoduleRiskWeb.session.views.moving import zoom
from LungNoduleRiskWeb.session.views.numbers import number
from LungNoduleRiskWeb.session.widgets import SPOKEN
from nodulerisk.language.texts import _

STEP = 1.25  # of the zoom, by a button
PLANES = {"Axial": _("Axial"), "Coronal": _("Coronal"), "Sagittal": _("Sagittal")}


def slice_bar(server: Server, view: SliceView) -> None:
    """A slice view's name and buttons, a slider to scroll by keyboard, and what lies under the
    cursor."""
    name = PLANES[view.get_orientation()]
    with _bar(name, view):
        _slider(server, view, vue(_("{plane} slice, mm"), plane=vue(name)))
    html.Span(f"{{{{ {readout_of(view)} }}}}", v_if=readout_of(view), classes="readout")


def space_bar(_server: Server, view: ThreeDView) -> None:
    """A 3D view's name and buttons."""
    _bar("3D", view)


def readout_of(view: SliceView | ThreeDView) -> str:
    """The page's variable for what lies under the cursor in a view."""
    return f"{view.get_singleton_tag()}_readout"


def _slider(server: Server, view: SliceView, label: str) -> None:
    """Moves the slice, and moves with it."""
    at, reach = (f"{view.get_singleton_tag()}_{what}" for what in ("mm", "reach"))
    state = server.state

    def follow(_view: SliceView) -> None:
        state[reach] = [*view.get_slice_range(), view.get_slice_step()]
        state[at] = view.get_slice_value()

    def move(**said: object) -> None:
        wanted = number(said[at], *view.get_slice_range())
        if wanted is not None:
            view.set_slice_value(wanted)

    state[readout_of(view)] = ""
    follow(view)
    view.modified.connect(follow)
    state.change(at)(move)
    vuetify.VSlider(
        theme="dark",
        v_model=(at,),
        min=(f"{reach}[0]",),
        max=(f"{reach}[1]",),
        step=(f"{reach}[2]",),
        aria_label=(label,),
        hide_details=True,
        density="compact",
        **SPOKEN,
    )


def _bar(name: str, view: SliceView | ThreeDView) -> html.Div:
    bar = html.Div(classes="view-bar")
    with bar:
        html.Span(shown(name), classes="view-name")
        for icon, what, action in (
            ("mdi-magnify-plus-outline", _("Zoom in"), partial(zoom, view, STEP)),
            ("mdi-magnify-minus-outline", _("Zoom out"), partial(zoom, view, 1 / STEP)),
            ("mdi-fit-to-page-outline", _("Show all"), view.reset_view),
        ):
            label = (f"`${{{vue(what)}}} (${{{vue(name)}}})`",)
            said = {"title": label, "aria_label": label, **SPOKEN}
            vuetify.VBtn(
                icon=icon, size="small", variant="text", theme="dark", click=action, **said
            )
    return bar
