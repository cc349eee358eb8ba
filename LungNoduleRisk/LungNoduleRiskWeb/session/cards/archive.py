"""The archive's part of the page: the dialog of studies, earlier CTs, and the dialog of sending."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.archiving import Archiving
from LungNoduleRiskWeb.session.speaking import bound, shown, vue
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, section
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.language.texts import _

COLUMNS = {
    "date": _("Date"),
    "name": _("Patient"),
    "id": _("ID"),
    "description": _("Study"),
    "accession": _("Accession"),
}


def archive_card(archiving: Archiving) -> None:
    """Where CTs of the archive are found, and results are sent."""
    with section(_("Archive"), v_if="archive || receives", id="archive"):
        with html.Div(classes="row"):
            button(
                _("Find a CT"),
                archiving.show,
                icon="mdi-database-search-outline",
                disabled=("!!busy",),
            )
            button(
                _("Send results"),
                archiving.ask_to_send,
                v_if="archive",
                icon="mdi-database-arrow-up-outline",
                title=_("Shows first what is sent, and where to"),
                disabled=("!!busy || !ct?.dicom || !nodules.some(row => row.answers.length)",),
            )
        with html.Div(v_if="ct && earlier_studies.length"):
            html.P(shown(_("The archive has earlier CTs of this patient, to compare with:")))
            with (
                html.Ul(aria_label=bound(_("Earlier CTs")), **SPOKEN),
                html.Li(v_for="one in earlier_studies", key="one.uid"),
            ):
                button(
                    "{{ one.text }}",
                    (archiving.retrieve_earlier, "[one.uid]"),
                    title=_("Retrieve the earlier CT"),
                    aria_label=(vue(_("Retrieve the earlier CT: {study}"), study="one.text"),),
                    disabled=("!!busy",),
                )


def finding_dialog(archiving: Archiving) -> None:
    """Searches the archive, and lists what it has and what was received."""
    with (
        vuetify.VDialog(
            model_value=("finding",),
            max_width=1100,
            update_modelValue=archiving.hide,
            persistent=("!!busy",),
            aria_label=bound(_("Find a CT")),
            **SPOKEN,
        ),
        vuetify.VCard(title=bound(_("Find a CT")), classes="finding"),
    ):
        with vuetify.VCardText():
            with html.Div(v_if="archive"):
                html.P("{{ archive }}", classes="basis")
                _search(archiving)
            _said()
            with html.Div(v_if="busy", role="status", **SPOKEN):
                html.Span("{{ busy }}")
                vuetify.VProgressLinear(
                    model_value=("retrieved",), indeterminate=("!retrieved",), height=6
                )
            _studies(archiving)
            _received(archiving)
        with vuetify.VCardActions():
            button(_("Cancel"), archiving.cancel, v_if="busy", icon="mdi-stop")
            button(_("Close"), archiving.hide)


def _search(archiving: Archiving) -> None:
    with html.Div(
        classes="row",
        role="search",
        enter=archiving.search,
        __events=[("enter", "keydown.enter")],
        **SPOKEN,
    ):
        for name, label, kind in (
            ("name", _("Patient's name"), "text"),
            ("id", _("Patient ID"), "text"),
            ("from", _("From"), "date"),
            ("to", _("To"), "date"),
            ("accession", _("Accession"), "text"),
        ):
            vuetify.VTextField(
                v_model=(f"find_{name}",),
                label=bound(label),
                type=kind,
                persistent_placeholder=True,
                autocomplete="off",
                hide_details=True,
                density="compact",
            )
        button(_("Search"), archiving.search, icon="mdi-magnify", disabled=("!!busy",))


def _said() -> None:
    html.P(
        "{{ message }}",
        v_if="message",
        role=("is_error ? 'alert' : 'status'",),
        classes=("{warning: is_error}",),
        **SPOKEN,
    )


def _studies(archiving: Archiving) -> None:
    with html.Div(v_if="studies.length", classes="wide"), html.Table(classes="studies"):
        with html.Thead(), html.Tr():
            for words in COLUMNS.values():
                html.Th(shown(words), scope="col")
            html.Th(shown(_("Series")), scope="col")
        with html.Tbody(), html.Tr(v_for="one in studies", key="one.uid"):
            for name in COLUMNS:
                html.Td(f"{{{{ one.{name} }}}}")
            with html.Td():
                _series(archiving)


def _series(archiving: Archiving) -> None:
    """Those of the study of this row, the proposed one marked."""
    proposed = vue(_("proposed"))
    series = f"each.text + (index ? '' : ' · ' + {proposed})"
    button(
        _("Show"),
        (archiving.choose, "[one.uid]"),
        v_if="one.uid !== study",
        aria_label=(vue(_("Show the series of {study}"), study="`${one.date} ${one.name}`"),),
        disabled=("!!busy",),
    )
    with html.Div(v_else=True), html.Div(v_for="(each, index) in study_series", key="each.uid"):
        button(
            f"{{{{ {series} }}}}",
            (archiving.retrieve, "[one.uid, each.uid]"),
            title=_("Retrieve this series"),
            aria_label=(vue(_("Retrieve {series}"), series=series),),
            icon="mdi-download-outline",
            disabled=("!!busy",),
        )


def _received(archiving: Archiving) -> None:
    with html.Div(v_if="receives"):
        html.H3(shown(_("Received")))
        html.P(shown(_("Nothing has been received.")), v_if="!received.length")
        with (
            html.Ul(aria_label=bound(_("Received CTs")), **SPOKEN),
            html.Li(v_for="(text, index) in received", key="index"),
        ):
            button(
                "{{ text }}",
                (archiving.open_received, "[index]"),
                title=_("Open this CT"),
                aria_label=(vue(_("Open {ct}"), ct="text"),),
                disabled=("!!busy",),
            )


def sending_dialog(archiving: Archiving) -> None:
    """What is about to be sent, where to, and whose it is."""
    with (
        vuetify.VDialog(
            model_value=("!!sending.length",),
            max_width=620,
            update_modelValue=archiving.keep,
            persistent=("!!busy",),
            aria_label=bound(_("Send to the archive?")),
            **SPOKEN,
        ),
        vuetify.VCard(title=bound(_("Send to the archive?"))),
    ):
        with vuetify.VCardText():
            html.P("{{ line }}", v_for="line in sending", key="line")
            html.P(shown(RESEARCH_USE_ONLY))
            html.P(shown(_("What is sent stays in the archive.")))
            _said()
            html.P("{{ busy }}", v_if="busy", role="status", **SPOKEN)
        with vuetify.VCardActions():
            button(_("Cancel"), archiving.keep, title=_("Sends nothing"), disabled=("!!busy",))
            button(_("Send"), archiving.send, color="primary", variant="flat", disabled=("!!busy",))
