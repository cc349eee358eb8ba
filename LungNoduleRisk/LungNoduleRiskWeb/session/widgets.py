"""The page's widgets: buttons, choices, sections and lines, each with a name that can be spoken."""

from __future__ import annotations

from collections.abc import Iterable

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

from LungNoduleRiskWeb.session.speaking import bound, shown, titled, vue

# What trame drops unless a widget is told of it.
SPOKEN = {"__properties": ["role", ("aria_label", "aria-label"), ("aria_pressed", "aria-pressed")]}


def section(title: str, **options):
    section = html.Section(**options)
    with section:
        html.H2(shown(title))
    return section


def lines(expression: str, classes: str, title: str = "") -> None:
    with html.Div(v_if=f"{expression}.length", classes=classes):
        if title:
            html.H3(shown(title))
        html.P("{{ line }}", v_for=f"line in {expression}", key="line")


def checks(of: str) -> None:
    with html.Ul(v_if=f"{of} && {of}.checks.length", classes="checks"):
        html.Li(
            "{{ check.text }}",
            v_for=f"check in {of}.checks",
            key="check.text",
            classes=("check.severity",),
        )


def choice(name: str, items: Iterable[str], label: str) -> None:
    vuetify.VSelect(
        v_model=(name,),
        items=titled({str.__str__(one): one for one in items}),
        label=bound(label),
        hide_details=True,
        density="compact",
        classes="choice",
    )


def toggle(name: str, icon: str, title: str, text: str = "") -> None:
    button(
        text,
        click=f"{name} = !{name}",
        icon=icon,
        title=title,
        active=(name,),
        aria_pressed=(name,),
    )


def checkbox(name: str, title: str, label: str, **options) -> None:
    """A checkbox; its title says more."""
    vuetify.VCheckbox(
        v_model=(name,),
        label=bound(label),
        title=bound(title),
        hide_details=True,
        density="compact",
        **options,
    )


def button(text: str, click=None, icon: str = "", title: str = "", **options) -> vuetify.VBtn:
    """A button, which is returned; its name holds the words on it, for those who speak them, and
    says what its icon shows."""
    named = {"title": bound(title or text), "aria_label": _spoken_name(text, title)}
    options = (
        {"variant": "tonal", "size": "small"}
        | named
        | options
        | ({"click": click} if click else {})
    )
    with vuetify.VBtn(**options, **SPOKEN) as made:
        if icon:
            vuetify.VIcon(icon)
        if text:
            html.Span(shown(text))
    return made


def _spoken_name(text: str, title: str) -> str | tuple[str]:
    if text and title:
        return (f"{vue(text)} + ': ' + {vue(title)}",)
    return bound(text or title)
