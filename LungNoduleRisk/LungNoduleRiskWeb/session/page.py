"""The page: Vuetify widgets over the controller's state; what it says of nodules is
the session's."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import get_args, get_type_hints

from trame.ui.vuetify3 import VAppLayout
from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskLib import resource
from LungNoduleRiskWeb.session.archiving import Archiving
from LungNoduleRiskWeb.session.cards.archive import archive_card, finding_dialog, sending_dialog
from LungNoduleRiskWeb.session.cards.cts import ct_card, losing_dialog
from LungNoduleRiskWeb.session.cards.follow_up import follow_card
from LungNoduleRiskWeb.session.cards.help import help_dialog
from LungNoduleRiskWeb.session.cards.mask import mask_tools
from LungNoduleRiskWeb.session.cards.reading import reading_bar
from LungNoduleRiskWeb.session.controller import SYSTEMS, Controller
from LungNoduleRiskWeb.session.downloads import FILES
from LungNoduleRiskWeb.session.notices import BUSY
from LungNoduleRiskWeb.session.speaking import SpeakingServer, all_words, bound, shown, titled, vue
from LungNoduleRiskWeb.session.viewer import Viewer
from LungNoduleRiskWeb.session.widgets import (
    SPOKEN,
    button,
    checkbox,
    checks,
    choice,
    lines,
    section,
    toggle,
)
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.clinical.patient import HELP, OF_THE_NODULE, Patient, field_words, value_words
from nodulerisk.language.spoken import LANGUAGES
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import REPORT_NAME, TABLE_NAME
from nodulerisk.tasks import DEMONSTRATION

ASSETS = Path(__file__).parent / "assets"
TITLE = "LungNoduleRisk"  # never a file's name, nor a patient's
DOWNLOADS = {
    REPORT_NAME: _("Report: all nodules, for screen and paper"),
    TABLE_NAME: _("Table (CSV)"),
    "nodules.json": _("Assessments (JSON)"),
    "results.zip": _("Masks, meshes, pages and pictures (zip)"),
    "dicom.zip": _("DICOM SEG and SR (they name the patient, as the CT does)"),
    "scene.mrb": _("Scene for 3D Slicer (MRB)"),
}
assert DOWNLOADS.keys() == FILES.keys()
IN_SCRIPTS = {  # what assets/page.js says itself
    "empty": _("There is no file in what was dropped."),
    "busy": BUSY,
    "sent": _("{share} % of {size} sent"),
    "all_sent": _("{size} sent: the server reads the CT…"),
    "unreadable": _(
        "'{file}' cannot be read, such as a link to a file that is gone: take it out, and try"
        " again."
    ),
    "cut_off": _("The upload was cut off: try again."),
    "cancelled": _("The upload was cancelled."),
}
OF_VUETIFY = {"close": _("Close"), "open": _("Open"), "noDataText": _("No data")}


def build_page(
    server: SpeakingServer, controller: Controller, viewer: Viewer, archiving: Archiving
) -> None:
    """Builds the page of a session."""
    server.trigger("step")(controller.step)
    server.trigger("undo")(controller.undo)
    server.enable_module(
        {
            "serve": {"lnr": str(ASSETS)},
            "scripts": ["lnr/views.js", "lnr/page.js", "lnr/idle.js"],
            "styles": ["lnr/page.css"],
            "vue_use": ["lnr_views"],
        }
    )
    server.state.trame__title = TITLE
    server.state.trame__favicon = _data_uri(resource("Icons/LungNoduleRisk.png"))
    with VAppLayout(server) as layout:
        layout.root.theme = ("dark ? 'dark' : 'light'",)
        known = ", ".join(f"{name}: {vue(words)}" for name, words in OF_VUETIFY.items())
        with vuetify.VLocaleProvider(
            locale=("language",), messages=(f"{{[language]: {{{known}}}}}",)
        ):
            _contents(controller, viewer, archiving, layout)
    server.state.update({"words": all_words(), "in_scripts": IN_SCRIPTS})


def _contents(
    controller: Controller, viewer: Viewer, archiving: Archiving, layout: VAppLayout
) -> None:
    """What the page holds, from its bar to its dialogs."""
    _bar(controller)
    with vuetify.VMain(), html.Div(classes="room"):
        with html.Div(
            classes="views", role="region", aria_label=bound(_("Slices and 3D view")), **SPOKEN
        ):
            reading_bar(controller.reading)
            with html.Div(classes="pictures"):
                viewer.fill(layout)
        with html.Aside(classes="panel", aria_label=bound(_("Nodules and results")), **SPOKEN):
            with html.Div(classes="told"):
                html.P(shown(RESEARCH_USE_ONLY), classes="research", role="note", **SPOKEN)
                _message()
            ct_card(controller)
            archive_card(archiving)
            _nodules_section(controller)
            follow_card(controller.following)
            _facts_section(controller)
            _downloads_section()
            _patient_section()
    _report_dialog()
    losing_dialog(controller.scans)
    finding_dialog(archiving)
    sending_dialog(archiving)
    help_dialog()


def _bar(controller: Controller) -> None:
    with vuetify.VAppBar(density="compact"):
        vuetify.VAppBarTitle(TITLE, tag="h1")
        vuetify.VSpacer()
        _languages()
        toggle("dark", "mdi-theme-light-dark", _("Dark"))
        button("", "helping = true", icon="mdi-keyboard-outline", title=_("Keys and mouse"))
        button(
            _("End session"),
            controller.end,
            icon="mdi-exit-to-app",
            title=_("Deletes what was uploaded"),
        )


def _languages() -> None:
    """The languages, each by its own name."""
    with (
        button("", icon="mdi-translate", title=_("Language")),
        vuetify.VMenu(activator="parent"),
        vuetify.VList(),
    ):
        for name, own in LANGUAGES.items():
            tag = name.replace("_", "-")
            vuetify.VListItem(
                title=own,
                lang=tag,
                active=(f"language === '{tag}'",),
                click=f"language = '{tag}'; utils.lnr.remember('{tag}')",
                __properties=["lang"],
            )


def _message() -> None:
    """The message line and the progress of what is being done."""
    vuetify.VAlert(
        "{{ message }}",
        v_if="message",
        type=("is_error ? 'error' : 'info'",),
        density="compact",
        variant="tonal",
        closable=True,
        role=("is_error ? 'alert' : 'status'",),
        click_close="message = ''",
        **SPOKEN,
    )
    with html.Div(v_if="busy", classes="busy", role="status", **SPOKEN):
        html.Span("{{ busy }}")
        vuetify.VProgressLinear(
            model_value=("percent",), indeterminate=("!running || !percent",), height=6
        )


def _nodules_section(controller: Controller) -> None:
    with section(_("Nodules"), v_if="ct", id="nodules"):
        _placing_row(controller)
        _typing_row(controller)
        html.P(
            shown(_("Press Place, then click on each nodule in a slice; or type its coordinates.")),
            v_if="!nodules.length",
        )
        chosen = "{chosen: row.name === selected}"
        with (
            html.Ul(classes="nodules"),
            html.Li(v_for="row in nodules", key="row.name", classes=(chosen,)),
        ):
            _nodule_row(controller)
        _assessing_row(controller)


def _placing_row(controller: Controller) -> None:
    with html.Div(classes="row"):
        toggle(
            "placing",
            "mdi-map-marker-plus-outline",
            _("Place points: click each nodule in a slice"),
            _("Place"),
        )
        button(
            _("Where slices meet"),
            (controller.add_point_where_slices_meet, "[utils.lnr.shown()]"),
            icon="mdi-crosshairs-gps",
            title=_("Adds a point where the three slices meet, which their sliders move"),
        )
        button(
            "",
            controller.undo,
            icon="mdi-undo",
            title=_("Undo (Ctrl+Z)"),
            disabled=("!!busy || !(undoable || brush)",),
        )


def _typing_row(controller: Controller) -> None:
    in_voxels = vue(_("x, y, z (from 0)"))
    with html.Div(classes="row"):
        vuetify.VTextField(
            v_model=("coordinates",),
            label=(f"system === 'voxel' ? {in_voxels} : 'x, y, z (mm)'",),
            name="coordinates",
            hide_details=True,
            density="compact",
            enter=controller.add_typed_point,
            __events=[("enter", "keydown.enter.prevent")],
        )
        choice("system", SYSTEMS, _("Coordinates"))
        button(_("Add"), controller.add_typed_point, disabled=("!coordinates",))


def _assessing_row(controller: Controller) -> None:
    with html.Div(classes="row"):
        button(
            _("Assess"),
            controller.assess,
            icon="mdi-play",
            color="primary",
            variant="flat",
            disabled=("!nodules.length || !!busy",),
            id="assess",
        )
        if len(controller.weight_sets) > 1:
            choice("weights", controller.weight_sets, _("Weights"))
        button(_("Cancel"), controller.cancel, icon="mdi-stop", disabled=("!running",), id="cancel")
        checkbox(
            "stability",
            _("Assesses each nodule turned and with the point 2 mm off, too: 7 times as long"),
            _("Stability"),
        )
        checkbox(
            "cascade",
            _("Runs later tasks only if earlier ones are positive: malignant, then invasive"),
            _("Cascade"),
        )


def _nodule_row(controller: Controller) -> None:
    with html.Button(
        type="button",
        classes="nodule",
        click=(controller.select, "[row.name]"),
        aria_pressed=("row.name === selected",),
        **SPOKEN,
    ):
        html.B("{{ row.name }}")
        html.Span("{{ row.sizes }}", classes="sizes")
        html.Span("{{ row.place }}", v_if="row.place", classes="place")
        _answers("!answer.demonstration")
        html.Span(
            shown(DEMONSTRATION),
            v_if="row.answers.some(answer => answer.demonstration)",
            classes="demonstration",
        )
        _answers("answer.demonstration")
        html.Span("{{ row.warned }}", v_if="row.warned", classes="warning")
        html.Span("{{ line }}", v_for="line in row.state", key="line", classes="state")
    with html.Div(classes="nodule-actions"):
        button(
            "",
            click=(
                "report_url = 'report?nodule=' + encodeURIComponent(row.name) + '&at=' + Date.now()"
            ),
            v_if="row.answers.length",
            icon="mdi-cube-scan",
            title=_("Interactive mesh and slices"),
        )
        button(
            "",
            click=(controller.delete, "[row.name]"),
            icon="mdi-delete-outline",
            title=_("Delete the point and its results"),
            disabled=("!!busy",),
        )


def _answers(which: str) -> None:
    """The answers at a glance for which this is true, one a line."""
    html.Span(
        "{{ answer.said && answer.said + ': ' }}{{ answer.shown }} · {{ answer.evidence_said }}",
        v_for=f"answer in row.answers.filter(answer => {which})",
        key="answer.shown",
        classes=("['answer', {demonstration: answer.demonstration}]",),
        title=("answer.withheld.join('; ')",),
    )


def _facts_section(controller: Controller) -> None:
    with section("{{ facts.name }}", v_if="facts", id="facts"):
        html.P("{{ facts.headline }}")
        mask_tools(controller)
        with html.Div(v_if="facts.scores.length", classes="scores"):
            html.H3(shown(_("Scores")))
            with html.Div(v_for="one in facts.scores", key="one.name"):
                html.B("{{ one.name }}: {{ one.words }}")
                html.P("{{ one.basis }}", classes="basis")
        lines("facts.withheld", "withheld")
        with html.Div(v_if="facts.earlier", classes="earlier"):
            since = vue(_("Since {date}"), date="facts.earlier.when")
            html.H3(f"{{{{ {since} }}}}")
            html.P("{{ line }}", v_for="line in facts.earlier.lines", key="line")
        lines("facts.over_time", "earlier", _("Over all scans"))
        _tasks("facts.tasks")
        lines("facts.stability", "stability", _("Stability"))
        with html.Div(v_if="facts.appearance.length"):
            html.H3(shown(_("Appearance")))
            html.P("{{ facts.looks }}")
            html.P("{{ facts.appearanceBasis }}", classes="basis")
        checks("facts")
        html.H3(shown(_("Measurements")))
        html.P("{{ facts.measuredOn }}", classes="basis")
        with (
            html.Table(classes="measurements"),
            html.Tr(v_for="one in facts.measurements", key="one.name"),
        ):
            html.Td("{{ one.name }}", title=("one.source",))
            html.Td("{{ one.value }}")
        with html.Div(v_if="facts.demonstrations.length", classes="demonstration"):
            html.P(shown(DEMONSTRATION))
            _tasks("facts.demonstrations")
        html.H3(shown(_("Guidelines, and scores that were not computed")))
        with html.P(v_for="one in facts.guidelines", key="one.name"):
            html.B("{{ one.name }}: ")
            html.Span("{{ one.words }}")
        html.P("{{ facts.position }} · {{ facts.provenance }}", classes="basis")
        html.P(shown(RESEARCH_USE_ONLY), classes="basis")


def _tasks(of: str) -> None:
    with html.Div(v_for=f"task in {of}", key="task.title", classes="task"):
        html.H3("{{ task.title }}")
        with html.Div(v_for="bar in task.bars", key="bar.label"):
            _bar_of_probability()
        html.P("{{ task.basis }}", classes="basis")


def _downloads_section() -> None:
    with section(
        _("Downloads"), v_if="nodules.some(row => row.answers.length) && !busy", id="downloads"
    ):
        button(
            _("Open report"),
            "report_url = 'report?at=' + Date.now()",
            icon="mdi-file-document-outline",
        )
        checkbox(
            "identity",
            _("As the DICOM series does; otherwise nothing identifies the patient"),
            _("Name the patient in reports"),
            v_if="ct.dicom",
        )
        with html.Ul(classes="downloads"):
            for name, words in DOWNLOADS.items():
                with html.Li(v_if=("ct.dicom" if name == "dicom.zip" else "true")):
                    html.A(shown(words), href=f"download/{name}", download=name)


def _bar_of_probability() -> None:
    """The probability as a bar, the networks' range over it, and a tick at the threshold; the same
    in words."""
    mean, low, high, threshold = (
        f"utils.lnr.fixed(bar.{which}, language)" for which in ("mean", "low", "high", "threshold")
    )
    limit = vue(_("threshold {value}"), value=threshold)
    networks = vue(_("{answer}, networks {low} to {high}"), answer="said", low=low, high=high)
    said = f"[`${{bar.label}}: ${{{mean}}}`].map(said => bar.members ? {networks} : said)[0]"
    with html.Div(classes="bar", role="img", aria_label=(said,), title=("bar.members",), **SPOKEN):
        html.Div(classes=("['fill', task.evidence]",), style=("{width: 100 * bar.mean + '%'}",))
        html.Div(
            classes="range",
            style=("{left: 100 * bar.low + '%', width: 100 * (bar.high - bar.low) + '%'}",),
        )
        html.Div(
            classes="threshold",
            v_if="bar.threshold !== null",
            style=("{left: 100 * bar.threshold + '%'}",),
        )
        html.Span(
            f"{{{{ bar.label }}}} {{{{ {mean} }}}}"
            f"{{{{ bar.members && ` (${{{low}}}–${{{high}}})` }}}}",
            classes="bar-words",
        )
        html.Span(f"{{{{ {limit} }}}}", v_if="bar.threshold !== null", classes="bar-threshold")


def _patient_section() -> None:
    """The patient's details for scores and guidelines, one field each; empty if not known."""
    with section(_("For scores and guidelines"), v_if="facts"):
        html.P(
            shown(_("Kept in this session only, and never with an assessment.")), classes="basis"
        )
        with html.Div(classes="fields"):
            for name, hint in get_type_hints(Patient).items():
                _patient_field(name, get_args(hint)[0])


def _patient_field(name: str, kind) -> None:
    choices = ("yes", "no") if kind is bool else get_args(kind)
    label = f"utils.lnr.capital({vue(field_words(name))})"
    if name in OF_THE_NODULE:
        label = vue(_("{field} (this nodule)"), field=label)
    options = {
        "v_model": (f"patient_{name}",),
        "label": (label,),
        "hide_details": True,
        "density": "compact",
        "title": bound(HELP.get(name, "")),
    }
    if choices:
        vuetify.VSelect(
            items=titled({"": ""} | {one: value_words(name, one) for one in choices}), **options
        )
    else:
        vuetify.VTextField(inputmode="decimal", **options)


def _report_dialog() -> None:
    """A report over the page, alone in its frame."""
    shut = "report_url = ''"
    with (
        vuetify.VDialog(model_value=("!!report_url",), fullscreen=True, update_modelValue=shut),
        vuetify.VCard(),
    ):
        with vuetify.VToolbar(density="compact"):
            vuetify.VToolbarTitle(shown(_("Report")))
            button(_("Close"), shut, icon="mdi-close")
        html.Iframe(
            src=("report_url",), sandbox="allow-scripts", classes="report", title=bound(_("Report"))
        )


def _data_uri(path: Path) -> str:
    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"
