"""The program's own words. To all code they are plain English; ``spoken.say`` says them in the
reader's language.

Every sentence that a reader sees is written as

    _("{missing} missing slice(s) were interpolated.").format(missing=2)

so that ``make messages`` finds its template, which translators translate, and so that the values
are still known where it is said. What is in quotes (``'{name}'``), and a value that is
``Verbatim``, is as somebody wrote it, or has to. Files for machines (JSON, CSV, DICOM) never say
any of it: they are the same in every language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import reduce
from string import Formatter
from types import MappingProxyType
from typing import Any

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Text(str):
    """English words whose template and values are remembered.

    Attributes:
        template: what translators translate.
        plural: the template where ``number`` is not 1; empty: the same.
        number: what chooses between the two.
        values: what fills the template; words among them are said, too.
        context: what the words are of, where one English word has several translations.
    """

    template: str
    plural: str
    number: int
    values: Mapping[str, Any]
    context: str = ""

    def __new__(
        cls,
        template: str,
        plural: str = "",
        number: int = 1,
        values: Mapping[str, Any] = NOTHING,
        context: str = "",
    ) -> Text:
        english = plural if plural and number != 1 else template
        text = super().__new__(cls, str.format(english, **values) if values else english)
        text.template, text.plural = str.__str__(template), plural
        text.number, text.values, text.context = number, values, context
        return text

    def format(self, **values: Any) -> Text:  # type: ignore[override]
        """Returns the template filled with these values."""
        return Text(self.template, self.plural, self.number, values, self.context)

    def __reduce__(self) -> tuple[Any, ...]:
        values = dict(self.values)
        return Text, (self.template, self.plural, self.number, values, self.context)


class Verbatim(str):
    """Words that are the same in every language: a name that somebody gave, a path, or what has to
    be typed as it stands."""


def _(template: str) -> str:
    """Returns words that are translated: a Text, which is a ``str`` to all code."""
    return Text(template)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Returns the words for one or for many; ``format`` fills in the count.

    Examples:
        >>> ngettext("{count} nodule", "{count} nodules", 3).format(count=3)
        '3 nodules'
    """
    return Text(singular, plural, count)


def pgettext(context: str, template: str) -> str:
    """Returns words that are translated otherwise than the same words of another context, such as
    ``none`` of a cancer before, and of the warnings."""
    return Text(template, context=context)


LISTS = {
    ", ": _("{first}, {second}"),
    "; ": _("{first}; {second}"),
    ": ": _("{first}: {second}"),
    " and ": _("{first} and {second}"),
    " or ": _("{first} or {second}"),
}


def joined(separator: str, texts: Iterable[str]) -> str:
    """Joins words as ``str.join`` does, so that each can still be said.

    Examples:
        >>> joined("; ", [_("solid"), _("part-solid")])
        'solid; part-solid'
    """
    pair = LISTS.get(separator, Text(f"{{first}}{separator}{{second}}"))
    parts = [*texts]
    return reduce(lambda a, b: pair.format(first=a, second=b), parts) if parts else ""


def message_of(error: BaseException) -> str:
    """Returns an error's message, which is still known where ``str`` would make it plain."""
    first = error.args[0] if error.args else ""
    return first if isinstance(first, Text) else str(error)


class Inflected(Text):
    """Words that begin or end otherwise where they stand; they are said, then changed."""

    def __new__(cls, words: str) -> Inflected:
        inflected = str.__new__(cls, cls.inflect(words))
        inflected.template, inflected.plural, inflected.number = "{words}", "", 1
        inflected.values = {"words": words}
        return inflected

    @staticmethod
    def inflect(words: str) -> str:
        return words

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.values["words"],)


class Clause(Inflected):
    """A sentence within another one: in English without its capital letter and full stop."""

    @staticmethod
    def inflect(words: str) -> str:
        return words[:1].lower() + words[1:].rstrip(".")


class Title(Inflected):
    """A word as a heading: with a capital letter, and never said as another word that has one, such
    as that of a button."""

    @staticmethod
    def inflect(words: str) -> str:
        return words[:1].upper() + words[1:]


def read_back(english: str, templates: Iterable[str]) -> str:
    """Returns words that were read from a file, with the values that they were made of.

    Args:
        english: the words.
        templates: what they may have been made from; if from none of these, they are said as they
            stand.

    Examples:
        >>> read_back("2.5 mm thick", ["{thickest:.3g} mm thick"]).values
        {'thickest': 2.5}
    """
    for template in templates:
        if found := re.fullmatch(_pattern(template), english, re.DOTALL):
            specs = {name: spec or "" for _literal, name, spec, _c in Formatter().parse(template)}
            values = {name: _value(said, specs[name]) for name, said in found.groupdict().items()}
            if (text := Text(template, values=values)) == english:
                return text
    return Text(english)


def _pattern(template: str) -> str:
    """Returns a pattern with a group for each value; one that is named twice must be the same."""
    pattern, seen = "", set()
    for literal, name, _spec, _conversion in Formatter().parse(template):
        pattern += re.escape(literal)
        if name is not None:
            pattern += f"(?P={name})" if name in seen else f"(?P<{name}>.+?)"
            seen.add(name)
    return pattern


def _value(said: str, spec: str) -> Any:
    """Returns the number that was formatted so, else the words, which may be a list."""
    if not spec:
        return joined(", ", said.split(", "))
    return float(said.removesuffix("%")) / (100 if spec.endswith("%") else 1)
