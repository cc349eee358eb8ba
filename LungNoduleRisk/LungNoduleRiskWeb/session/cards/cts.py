"""The page's card of the CTs: open one, choose among several, and what the shown one is."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskLib.sample import SAMPLES
from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.scans import Scans
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, checkbox, checks, section


def ct_card(controller: Controller) -> None:
    """Where CTs are opened, and what is known of the shown one."""
    with section("Chest CT"):
        _open(controller.scans)
        _series(controller.scans)
        _opened(controller.scans)
        html.P("{{ ct.text }}", v_if="ct", id="ct-text")
        html.P("{{ line }}", v_for="line in about", key="line", classes="about")
        checkbox(
            "who",
            "Shows what the DICOM files say of patient and series, on this page alone",
            "Say whose CT this is",
            v_if="ct && ct.dicom",
        )
        checks("ct")


def _open(scans: Scans) -> None:
    with html.Div(id="drop", classes=("['drop', {slim: ct}]",)):
        html.P(
            "Drop a DICOM folder, zip, NRRD or NIfTI file anywhere on the page, or choose:",
            v_if="!ct",
        )
        with html.Div(classes="row"):
            for name, icon in (("Folder", "mdi-folder-open-outline"), ("File", "mdi-file-outline")):
                button(name, icon=icon, id=f"choose-{name.lower()}", disabled=("!!busy",))
            _samples(scans)
        with html.Div(id="sending", hidden=True, role="status", **SPOKEN):
            html.Progress(id="sent", max=1, value=0, aria_label="Upload", **SPOKEN)
            html.Span("", id="sent-words")
            html.Img(src=("arriving",), v_if="arriving", alt="A slice that has arrived")
            button("Cancel upload", icon="mdi-stop", id="cancel-upload")


def _samples(scans: Scans) -> None:
    """Opens the first demonstration CT, or one from a menu."""
    free = {"disabled": ("!!busy",)}
    button(
        "Sample",
        (scans.open_sample, "[true]"),
        icon="mdi-school-outline",
        title=SAMPLES[0].said,
        **free,
    )
    with (
        button("", icon="mdi-menu-down", title="Choose a demonstration CT", **free),
        vuetify.VMenu(activator="parent"),
        vuetify.VList(),
    ):
        for index, sample in enumerate(SAMPLES):
            vuetify.VListItem(title=sample.said, click=(scans.open_sample, f"[true, {index}]"))


def _series(scans: Scans) -> None:
    """Those of an upload that holds several."""
    with (
        html.Ul(v_if="series.length", classes="series", aria_label="Series", **SPOKEN),
        html.Li(v_for="one in series", key="one.uid"),
    ):
        html.Img(src=("one.seen",), v_if="one.seen", alt="")
        button(
            "{{ one.text }}",
            (scans.open_series, "[one.uid]"),
            title="Open this series",
            aria_label=("`Open this series: ${one.text}`",),
        )


def _opened(scans: Scans) -> None:
    """The CTs that are open, where there are several."""
    with (
        html.Ul(v_if="scans.length > 1", classes="scans", aria_label="Open CTs", **SPOKEN),
        html.Li(v_for="(text, index) in scans", key="index"),
    ):
        button(
            "{{ text }}",
            (scans.choose, "[index]"),
            title="Show this CT",
            aria_label=("`Show this CT: ${text}`",),
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
        vuetify.VCard(title="Points would be lost"),
    ):
        with vuetify.VCardText():
            html.P(
                "Opening {{ asking.what }} instead removes {{ asking.lost }} and what was found"
                " there."
            )
            html.P("Beside it, for follow-up, both stay open.")
        with vuetify.VCardActions(classes="answers"):
            button("Keep what is open", keep)
            button("Open beside", (scans.answer, "['beside']"))
            button("Open instead", (scans.answer, "['instead']"), color="error")
