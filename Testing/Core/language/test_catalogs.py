"""The catalogs of translations: as the sources are, complete, and with every value in its place."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo

import messages
import nodulerisk

CORE = Path(nodulerisk.__file__).parent
FINISHED = ["de"]  # languages in which everything has to be translated
SAID = [CORE / name for name in ("checks.py", "tasks.py")]  # what is to be marked there


@pytest.fixture(scope="module")
def collected() -> Catalog:
    return messages.collected()


def entries(catalog: Catalog) -> set:
    return {(message.id, message.string) for message in catalog if message.id}


def values_in(template: str) -> set[str]:
    return {
        f"{name}{'!' if conversion else ''}{conversion or ''}:{spec or ''}"
        for _literal, name, spec, conversion in Formatter().parse(template)
        if name is not None
    }


def forms(string: str | tuple[str, ...]) -> tuple[str, ...]:
    return (string,) if isinstance(string, str) else tuple(string)


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_catalog_has_the_words_of_the_sources(language, collected):
    now = messages.brought_up_to_date(language, collected)
    assert entries(messages.read(language)) == entries(now), "run make messages"


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_what_the_program_reads_is_what_the_translator_wrote(language):
    written = messages.read(language)
    with messages.catalog_path(language).with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    ready = {
        (m.id, m.string) for m in written if m.id and str(m.id) not in messages.missing(written)
    }
    assert entries(compiled) == ready, "run make messages"


@pytest.mark.parametrize("language", FINISHED)
def test_everything_is_translated(language):
    assert messages.missing(messages.read(language)) == []


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_translation_has_every_value_of_its_message(language):
    for message in messages.read(language):
        wanted = {frozenset(values_in(form)) for form in forms(message.id)}
        for form in filter(None, forms(message.string or "")):
            assert frozenset(values_in(form)) in wanted, form


# --- What has to be marked


def unmarked(path: Path) -> list[str]:
    """Returns the sentences in a file that are words for a reader, but could not be translated."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    marked = {id(part) for call in ast.walk(tree) if marks(call) for part in ast.walk(call)}
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    return [
        f"{path.name}:{node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if is_sentence(node) and id(node) not in marked | documents | keys
    ]


def marks(node: ast.AST) -> bool:
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
    return named in ("_", "ngettext", "Code")


def is_sentence(node: ast.AST):
    """Whether it is a text of several words."""
    words = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return words and re.search(r"[A-Za-z] [A-Za-z]", node.value)


@pytest.mark.parametrize("path", SAID, ids=lambda path: path.name)
def test_what_a_reader_sees_is_marked(path):
    assert unmarked(path) == []
