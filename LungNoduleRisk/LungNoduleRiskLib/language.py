"""The panel's words in Slicer's language."""

from __future__ import annotations

import sys
from typing import Any

import slicer
from slicer.i18n import getContext, translate

from nodulerisk.language.spoken import say, use
from nodulerisk.language.texts import Text

SHOWN = ("text", "toolTip", "accessibleName", "placeholderText")  # the words of a widget


def useSlicersLanguage() -> None:
    """Speaks the language that is chosen in Slicer's settings; a new choice needs a restart."""
    use(slicer.app.applicationLocaleName)


class Words(str):
    """Words in the reader's language; values that fill them are said, too."""

    template: Text

    def __new__(cls, template: Text) -> Words:
        words = super().__new__(cls, say(template))
        words.template = template
        return words

    def format(self, **values: Any) -> str:  # type: ignore[override]
        return say(self.template.format(**values))


def tr(text: str) -> str:
    """Returns words as Slicer's ``tr`` does, by the translation that Slicer has loaded for the file
    that asks; where there is none, as for a module that was added by its folder, by our own
    catalogs."""
    context = getContext(sys._getframe(1).f_code.co_filename)
    return Words(Text(translate(context, text)))


def sayAll(ui: Any) -> None:
    """Says what a .ui file has in English, and Slicer has not translated."""
    for widget in vars(ui).values():
        for name in SHOWN:
            words = getattr(widget, name, "")
            if isinstance(words, str) and (said := say(words)) != words:
                setattr(widget, name, said)
