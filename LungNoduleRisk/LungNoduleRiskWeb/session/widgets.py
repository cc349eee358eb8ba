"""The page's widgets: buttons, choices, sections and lines, each with a name that can be spoken."""

from __future__ import annotations

from trame.widgets import html
from trame.widgets import vuetify3 as vuetify

# What trame drops unless a widget is told of it.
SPOKEN = {"__properties": ["role", ("aria_label", "aria-label"), ("aria_pressed", "aria-pressed")]}


def section(title: str, **options):
    section = html.Section(**options)
    with section:
        html.H2(title)
    return section


def lines(expression: str, classes: str, title: str = "") -> None:
    with html.Div(v_if=f"{expression}.length", classes=classes):
        if title:
            html.H3(title)
        html.P("{{ line }}", v_for=f"line in {expression}", key="line")


def checks(of: str) -> None:
    with html.Ul(v_if=f"{of} && {of}.checks.length", classes="checks"):
        html.Li(
            "{{ check.text }}",
            v_for=f"check in {of}.checks",
            key="check.text",
            classes=("check.severity",),
        )


def choice(name: str, items: list[str], label: str) -> None:
    vuetify.VSelect(
        v_model=(name,),
        items=(str(items),),
        label=label,
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


def checkbox(name: str, title: str, label: str = "", **options) -> None:
    """A checkbox; without a label its name is one."""
    vuetify.VCheckbox(
        v_model=(name,),
        label=label or name.capitalize(),
        title=title,
        hide_details=True,
        density="compact",
        **options,
    )


def button(text: str, click=None, icon: str = "", title: str = "", **options) -> vuetify.VBtn:
    """A button, which is returned; its name holds the words on it, for those who speak them, and
    says what its icon shows."""
    named = {"title": title or text, "aria_label": ": ".join(filter(None, (text, title)))}
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
            html.Span(text)
    return made
