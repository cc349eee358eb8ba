"""The panel's words for Slicer: which they are, and each language's Qt translation file (.ts) with
those of its catalog.

Slicer looks words up by the file that says them: ``widgets.panel`` for a file of a Python package,
else the file's name, and the name of the widget for a ``.ui`` file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from babel.messages.catalog import Catalog, Message

MODULE = Path(__file__).parents[1] / "LungNoduleRisk"
FOLDER = MODULE / "Resources" / "Translations"
PANEL = ("LungNoduleRisk.py", "LungNoduleRiskLib/widgets/", "Resources/UI/")
LANGUAGES = {"zh_CN": "zh-CN", "de": "de-DE", "es": "es-ES"}  # as Slicer names them
SHOWN = ("text", "toolTip", "accessibleName", "placeholderText")  # the words of a widget


def words_in_ui(file: IO[bytes], *_of_babel: object, **_options: object) -> Iterator[tuple]:
    """Yields the words of a .ui file as Babel's extractors do."""
    for element in ElementTree.parse(file).iter("property"):
        words = element.find("string")
        if words is not None and element.get("name") in SHOWN:
            yield 0, "_", words.text or "", []


def path_of(language: str) -> Path:
    return FOLDER / f"LungNoduleRisk_{LANGUAGES[language]}.ts"


def context_of(file: str) -> str:
    path = MODULE / file
    in_package = path.suffix == ".py" and (path.parent / "__init__.py").exists()
    return f"{path.parent.name}.{path.stem}" if in_package else path.stem


def ts_of(catalog: Catalog, language: str) -> bytes:
    """Returns the language's .ts file: the panel's words of its catalog, by context."""
    name = LANGUAGES[language].replace("-", "_")
    root = ElementTree.Element("TS", version="2.1", language=name, sourcelanguage="en_US")
    by_context: dict[str, list[Message]] = {}
    for message in catalog:
        files = [file for file, _line in message.locations if file.startswith(PANEL)]
        for context in dict.fromkeys(map(context_of, files)):
            by_context.setdefault(context, []).append(message)
    for context, messages in sorted(by_context.items()):
        _add_context(root, context, messages)
    ElementTree.indent(root)
    written = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{written}\n'.encode()


def _add_context(root: ElementTree.Element, name: str, messages: list[Message]) -> None:
    context = ElementTree.SubElement(root, "context")
    ElementTree.SubElement(context, "name").text = name
    for message in sorted(messages, key=lambda one: str(one.id)):
        element = ElementTree.SubElement(context, "message")
        ElementTree.SubElement(element, "source").text = str(message.id)
        translation = ElementTree.SubElement(element, "translation")
        translation.text = str(message.string or "") or None
        if not message.string:
            translation.set("type", "unfinished")
