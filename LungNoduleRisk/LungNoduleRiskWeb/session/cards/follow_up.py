"""The page's card of follow-up: the earlier CT, the days between, which nodules are the same."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.following import Following
from LungNoduleRiskWeb.session.speaking import bound, shown
from LungNoduleRiskWeb.session.widgets import SPOKEN, button, checkbox, section
from nodulerisk.language.texts import _


def follow_card(following: Following) -> None:
    """Compares the shown CT with an earlier one that is open beside it."""
    with section(_("Follow-up"), v_if="scans.length > 1", id="follow-up"):
        html.P(
            shown(_("Assess the nodules of both CTs, show the later one, and compare.")),
            classes="basis",
        )
        with html.Div(classes="row"):
            vuetify.VSelect(
                v_model=("earlier",),
                items=(
                    "scans.map((text, index) => ({title: text, value: index}))"
                    ".filter(one => one.value !== scan)",
                ),
                label=bound(_("Earlier CT")),
                hide_details=True,
                density="compact",
            )
            vuetify.VTextField(
                v_model=("days",),
                label=bound(_("Days between")),
                inputmode="numeric",
                hide_details=True,
                density="compact",
            )
        with html.Div(classes="row"):
            button(
                _("Compare"),
                following.compare,
                icon="mdi-compare-horizontal",
                disabled=("!!busy || earlier === null || earlier === scan",),
            )
            checkbox(
                "by_name",
                _("Nodules of one name are one, where the lungs cannot be aligned"),
                _("Pair by name"),
            )
        _pairs(following)


def _pairs(following: Following) -> None:
    """What may be the same nodule, for the user to say."""
    with html.Div(
        v_if="pairs.length", id="pairs", role="group", aria_label=bound(_("Pairs")), **SPOKEN
    ):
        html.P(shown(_("Which are the same nodule?")))
        with html.Div(v_for="pair in pairs", key="pair.text"):
            vuetify.VCheckbox(
                v_model=("pair.same",), label=("pair.text",), hide_details=True, density="compact"
            )
        button(_("Compare these"), (following.confirm, "[pairs.map(pair => pair.same)]"))
