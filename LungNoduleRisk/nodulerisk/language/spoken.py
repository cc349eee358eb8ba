"""The reader's language: chosen once by the process, and spoken where a person reads.

Terminal, reports, pictures, page and panel call ``say``; nothing else does, so that results and
their files are the same in every language. Needs no package: the catalogs are gettext's.
"""

from __future__ import annotations

import gettext
import os
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from numbers import Number
from pathlib import Path
from string import Formatter
from typing import Any
from unicodedata import east_asian_width

from nodulerisk.language.texts import Clause, Text, Title, Verbatim

LANGUAGES = {"en": "English", "zh_CN": "简体中文", "de": "Deutsch", "es": "Español"}
VARIABLES = ("LUNGNODULERISK_LANGUAGE", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
LOCALE = Path(__file__).parent / "locale"
DOMAIN = "nodulerisk"
DECIMAL_COMMA = ("de", "es")
SWAPPED = str.maketrans(".,", ",.")
QUOTED = re.compile(r"'\{(\w+)\}'")

_language = "en"
_meanwhile: ContextVar[str] = ContextVar("meanwhile", default="")  # of one thread or task


def use(wanted: str) -> None:
    """Speaks the one of ``LANGUAGES`` that is nearest from now on, everywhere in this process."""
    global _language
    _language = nearest(wanted)


def language() -> str:
    """Returns the language in force, such as ``zh_CN``."""
    return _meanwhile.get() or _language


@contextmanager
def speaking(wanted: str) -> Iterator[None]:
    """Speaks another language for a while, in this thread or task alone."""
    before = _meanwhile.set(nearest(wanted))
    try:
        yield
    finally:
        _meanwhile.reset(before)


def nearest(wanted: str) -> str:
    """Returns the one of ``LANGUAGES`` for a locale, a browser's list of languages, or a name such
    as ``zh-Hans``; English if there is none.

    Examples:
        >>> nearest("de_AT.UTF-8"), nearest("fr-FR,es;q=0.8,en;q=0.5"), nearest("C"), nearest("zh")
        ('de', 'es', 'en', 'zh_CN')
    """
    return next(_known(wanted), "en")


def is_known(wanted: str) -> bool:
    """Whether a locale, or one of a list of languages, is one of ours, whatever its region."""
    return any(_known(wanted))


def _known(wanted: str) -> Iterator[str]:
    ours = {name[:2]: name for name in LANGUAGES}
    for tag in re.split("[,:]", wanted.lower()):
        if (name := re.split("[-_.@;]", tag.strip())[0]) in ours:
            yield ours[name]


def of_the_environment() -> str:
    """Returns the language that the environment asks for, as gettext reads it, but for our own
    variable, which comes first."""
    return nearest(next(filter(None, map(os.environ.get, VARIABLES)), "en"))


def say(words: str) -> str:
    """Returns words in the language in force; what is not the program's own stays as it is.

    Args:
        words: a Text, or plain words that a catalog may know.
    """
    if language() == "en" or not words or isinstance(words, Verbatim):
        return words
    text = words if isinstance(words, Text) else Text(words)
    said = _filled(text) if text.values else _word(text)
    if isinstance(text, Title):
        return Title.inflect(said)
    return said.rstrip(".。") if isinstance(text, Clause) else said


@cache
def _catalog(name: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE, [name])


def lines(words: str, columns: int, **options: Any) -> list[str]:
    """Returns words in the language in force, wrapped; characters as wide as two count twice.

    Args:
        words: as for ``say``.
        columns: the width of a line, in narrow characters.
        options: of ``textwrap.wrap``.
    """
    said = say(words)
    is_wide = any(east_asian_width(character) in "WF" for character in said)
    return textwrap.wrap(said, columns // 2 if is_wide else columns, **options)


def _filled(text: Text) -> str:
    """Returns the translated template with its values; what stands in quotes is not translated."""
    quoted = {name: Verbatim(text.values[name]) for name in QUOTED.findall(text.template)}
    return _FORMATTER.vformat(_translated(text), (), {**text.values, **quoted})


def _translated(text: Text) -> str:
    catalog = _catalog(language())
    if text.plural:
        return catalog.ngettext(text.template, text.plural, text.number)
    if text.context:
        return catalog.pgettext(text.context, text.template)
    return catalog.gettext(text.template)


def _word(text: Text) -> str:
    """Returns words without values; a title, such as ``Malignancy``, is found by its word."""
    found = _translated(text)
    if found != text.template or text.template[0].islower():
        return found
    small = text.template[0].lower() + text.template[1:]
    found = _catalog(language()).gettext(small)
    return text.template if found == small else found[0].upper() + found[1:]


class _SpokenFormatter(Formatter):
    """Fills templates with values as the reader's language writes them."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, str):
            return format(say(value), format_spec)
        written = format(value, format_spec)
        return _number(written) if isinstance(value, Number) else written


def _number(written: str) -> str:
    """Returns a number with the decimal mark, and the space before ``%``, of the language."""
    if language() not in DECIMAL_COMMA:
        return written
    return written.translate(SWAPPED).replace("%", "\N{NO-BREAK SPACE}%")


_FORMATTER = _SpokenFormatter()
