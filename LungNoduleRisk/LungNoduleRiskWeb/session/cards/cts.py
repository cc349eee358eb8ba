"""The page's card of the CTs: open one, choose among several, and what the shown one is."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskLib.sample import SAMPLES
from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.scans import Scans
from LungNoduleRiskWeb.session.speaking import bound, shown, vue
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, checkbox, checks, section
from nodulerisk.language.texts import _


def ct_card(controller: Controller) -> None:
    """Where CTs are opened, and what is known of the shown one."""
    with section(_("Chest CT")):
        _open(controller.scans)
        _series(controller.scans)
        _opened(controller.scans)
        html.P("{{ ct.text }}", v_if="ct", id="ct-text")
        html.P("{{ line }}", v_for="line in about", key="line", classes="about")
        checkbox(
            "who",
            _("Shows what the DICOM files say of patient and series, on this page alone"),
            _("Say whose CT this is"),
            v_if="ct && ct.dicom",
        )
        checks("ct")


def _open(scans: Scans) -> None:
    with html.Div(id="drop", classes=("['drop', {slim: ct}]",)):
        html.P(
            shown(
                _("Drop a DICOM folder, zip, NRRD or NIfTI file anywhere on the page, or choose:")
            ),
            v_if="!ct",
        )
        with html.Div(classes="row"):
            for text, name, icon in (
                (_("Folder"), "folder", "mdi-folder-open-outline"),
                (_("File"), "file", "mdi-file-outline"),
            ):
                button(text, icon=icon, id=f"choose-{name}", disabled=("!!busy",))
            _samples(scans)
        with html.Div(id="sending", hidden=True, role="status", **SPOKEN):
            html.Progress(id="sent", max=1, value=0, aria_label=bound(_("Upload")), **SPOKEN)
            html.Span("", id="sent-words")
            html.Img(src=("arriving",), v_if="arriving", alt=bound(_("A slice that has arrived")))
            button(_("Cancel upload"), icon="mdi-stop", id="cancel-upload")


def _samples(scans: Scans) -> None:
    """Opens the first demonstration CT, or one from a menu."""
    free = {"disabled": ("!!busy",)}
    button(
        _("Sample"),
        (scans.open_sample, "[true]"),
        icon="mdi-school-outline",
        title=SAMPLES[0].said,
        **free,
    )
    with (
        button("", icon="mdi-menu-down", title=_("Choose a demonstration CT"), **free),
        vuetify.VMenu(activator="parent"),
        vuetify.VList(),
    ):
        for index, sample in enumerate(SAMPLES):
            vuetify.VListItem(
                title=bound(sample.said), click=(scans.open_sample, f"[true, {index}]")
            )


def _series(scans: Scans) -> None:
    """Those of an upload that holds several."""
    with (
        html.Ul(v_if="series.length", classes="series", aria_label=bound(_("Series")), **SPOKEN),
        html.Li(v_for="one in series", key="one.uid"),
    ):
        html.Img(src=("one.seen",), v_if="one.seen", alt="")
        button(
            "{{ one.text }}",
            (scans.open_series, "[one.uid]"),
            title=_("Open this series"),
            aria_label=(vue(_("Open this series: {series}"), series="one.text"),),
        )


def _opened(scans: Scans) -> None:
    """The CTs that are open, where there are several."""
    with (
        html.Ul(
            v_if="scans.length > 1", classes="scans", aria_label=bound(_("Open CTs")), **SPOKEN
        ),
        html.Li(v_for="(text, index) in scans", key="index"),
    ):
        button(
            "{{ text }}",
            (scans.choose, "[index]"),
            title=_("Show this CT"),
            aria_label=(vue(_("Show this CT: {ct}"), ct="text"),),
            active=("index === scan",),
            aria_pressed=("index === scan",),
            disabled=("!!busy",),
        )


def losing_dialog(scans: Scans) -> None:
    """Asks before points and results are lost."""
    keep = (scans.answer, "['keep']")
    with (
        vuetify.VDialog(
            model_value=("!!asking",), max_width=520, update_modelValue=keep, v_if="asking"
        ),
        vuetify.VCard(title=bound(_("Points would be lost"))),
    ):
        with vuetify.VCardText():
            html.P("{{ asking }}")
            html.P(shown(_("Beside it, for follow-up, both stay open.")))
        with vuetify.VCardActions(classes="answers"):
            button(_("Keep what is open"), keep)
            button(_("Open beside"), (scans.answer, "['beside']"))
            button(_("Open instead"), (scans.answer, "['instead']"), color="error")
