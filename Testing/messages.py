"""make messages: collects the program's own words from the sources into each language's catalog,
compiles the catalogs, and writes the panel's words as Slicer reads them.

A word that is new has no translation yet; one that is no longer used is left out. A translator
fills in ``nodulerisk/language/locale/LANGUAGE/LC_MESSAGES/nodulerisk.po``; the ``.mo`` file beside
it is what the program reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from nodulerisk.language.spoken import DOMAIN, LANGUAGES, LOCALE
from translations import path_of, ts_of, words_in_ui

SOURCES = Path(__file__).parents[1] / "LungNoduleRisk"
READERS = [
    ("**.py", "python"),
    ("**.jinja", "jinja2"),
    ("**.ui", words_in_ui),
]
MARKS = {"_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}  # which arguments are our words
TRANSLATED = [language for language in LANGUAGES if language != "en"]


def catalog_path(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def collected() -> Catalog:
    """Returns the words in the sources, with the files that they are from."""
    found = Catalog()
    for file, _line, words, comments, context in extract_from_dir(
        SOURCES,
        READERS,
        keywords=MARKS,
        comment_tags=("For translators:",),
        strip_comment_tags=True,
    ):
        found.add(words, None, [(file, 0)], auto_comments=comments, context=context)
    return found


def read(language: str) -> Catalog:
    with catalog_path(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN, abort_invalid=True)


def brought_up_to_date(language: str, found: Catalog) -> Catalog:
    """Returns the language's catalog with the words in the sources, and no others."""
    catalog = read(language)
    catalog.update(found, no_fuzzy_matching=True, update_creation_date=False)
    return catalog


def missing(catalog: Catalog) -> list[str]:
    """Returns the words without a translation that is ready."""
    return [
        str(message.id)
        for message in catalog
        if message.id and (message.fuzzy or not message.string or "" in [*message.string])
    ]


def files(catalog: Catalog) -> Iterator[tuple[str, bytes]]:
    """Yields suffix and content of the files of a catalog."""
    for suffix, write, options in (
        (".po", write_po, {"include_lineno": False, "sort_by_file": True, "ignore_obsolete": True}),
        (".mo", write_mo, {}),
    ):
        content = BytesIO()
        write(content, catalog, **options)
        yield suffix, content.getvalue()


def main() -> None:
    found = collected()
    for language in TRANSLATED:
        catalog = brought_up_to_date(language, found)
        for suffix, content in files(catalog):
            catalog_path(language).with_suffix(suffix).write_bytes(content)
        path_of(language).write_bytes(ts_of(catalog, language))
        print(f"{language}: {len(catalog)} messages, {len(missing(catalog))} not translated")


if __name__ == "__main__":
    main()
