"""The catalogs of translations: as the sources are, complete, and with every value in its place."""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter
from typing import get_args, get_type_hints

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo

import messages
import nodulerisk
import translations
from nodulerisk.clinical.patient import Category, Patient, field_words
from nodulerisk.nodule.quantities import QUANTITIES, RADIOMICS

CORE = Path(nodulerisk.__file__).parent
PANEL = CORE.parent / "LungNoduleRiskLib"
OF_THE_SCENE = {"chart.py", "statistics.py", "segments.py"}  # which is the same in every language
PAGE = CORE.with_name("LungNoduleRiskWeb")
SENTENCE = re.compile(r":\d+: [A-Z]\w* [a-z]")  # of what ``unmarked`` found: no code of a template
ROOMS = (
    *("assess.py", "assess_points.py", "assessment.py", "checks.py", "errors.py", "files.py"),
    *("tasks.py", "ct", "nodule", "trust", "clinical", "outputs", "weights", "pacs", "engine"),
    *("cli/followup", "cli/assess.py", "cli/explain.py", "cli/named.py", "cli/networks.py"),
    *("cli/options.py", "cli/pacs.py", "cli/shared.py", "cli/weights.py"),
)
MARKED = {*messages.MARKS, "Text"}  # Text: of values and signs alone, or of what is marked
OPTIONS = {"Option", "Argument", "typer.Option", "typer.Argument"}
NOT_SAID = {"Code", "own_code", "re.compile", *OPTIONS}
SEVERAL_WORDS = re.compile(r"[a-z]{2} [a-z]{2}")
CITED = re.compile(r"^QProgressBar|^[A-Z].* (et al\.|\d{4};|\(November 2022\))")
TYPED = re.compile(r"(?a)--[a-z][a-z-]*|\b\w+=\w+(?:\.\w+)*|\b[A-Za-z]+_\w+(?![^{]*\})")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
# of notebooks and files
FOR_NO_READER = {"explore.py", "sizes.py", "contrast.py", "mesh.py", "pages.py"}
FOR_MACHINES = {  # words of files, headers and other programs
    *("space units", "space directions or space", "space origin", "both scans", "log-odds of "),
    *(
        "multiple disks",
        "ElementSpacing or TransformMatrix",
        "pyjpegls (pip install pyjpegls)",
        " next step",
    ),
    *('pylibjpeg-openjpeg (pip install "nodulerisk[dicom]")', "no doubling time: "),
    *("EMV-3D-CNN authors: personal learning and research only, patent-protected", "out of memory"),
    "DenseSharp weights: as whoever trained them says (its authors' code: Apache-2.0)",
    *("decision withheld", "exit abnormally - Report the problem"),
    # of the scene and its table, which are the same in every language
    *("Lung nodule risk", "Lung nodules", "Lung nodule probabilities", "Lung nodule assessments"),
    *("Lung nodule chart", "Lung nodule chart data", "chart data", "Measurements rest on"),
    *(" rests on", "Demo CT with thin slices", "Demo CT with thick slices"),
    *("LungNoduleRisk developers", '" -m pip install -r "'),
    "ct patient name x_lps y_lps z_lps pathology reader note",
}


@pytest.fixture(scope="module")
def collected() -> Catalog:
    return messages.collected()


def entries(catalog: Catalog) -> set:
    return {(forms(message.id), forms(message.string or "")) for message in catalog if message.id}


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
    assert translated(compiled) == translated(written), "run make messages"


def translated(catalog: Catalog) -> set:
    """Returns the entries with other words than their message's."""
    return {(ids, said) for ids, said in entries(catalog) if all(said) and set(said) - set(ids)}


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_slicer_reads_what_the_translator_wrote(language):
    written = translations.ts_of(messages.read(language), language)
    assert translations.path_of(language).read_bytes() == written, "run make messages"
    assert b"<name>widgets.panel</name>" in written  # as slicer.i18n.getContext has it


def test_every_word_of_the_panels_form_is_collected(collected):
    form = (translations.MODULE / "Resources/UI/LungNoduleRisk.ui").read_text(encoding="utf-8")
    words = {html.unescape(one) for one in re.findall("<string>(.*?)</string>", form)}
    named = {"vtkMRMLScalarVolumeNode", "vtkMRMLMarkupsFiducialNode"}
    assert words - named - {message.id for message in collected} == set()


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_everything_is_translated(language):
    assert messages.missing(messages.read(language)) == []


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_translation_has_every_value_of_its_message(language):
    for message in messages.read(language):
        wanted = {frozenset(values_in(form)) for form in forms(message.id)}
        for form in filter(None, forms(message.string or "")):
            assert frozenset(values_in(form)) in wanted, form


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_translation_names_what_is_typed_as_its_message_does(language):
    for message in filter(lambda one: one.id, messages.read(language)):
        typed = {word for form in forms(message.id) for word in TYPED.findall(form)}
        for form in filter(None, forms(message.string or "")):
            assert typed == {*TYPED.findall(form)}, form


# --- What has to be marked


def spoken_files() -> Iterator[Path]:
    """Yields the files of the rooms in whose words a reader is spoken to."""
    for name in ROOMS:
        room = CORE / name
        files = [room] if room.is_file() else sorted(room.rglob("*.py"))
        yield from (file for file in files if is_for_a_reader(file))
    module = [CORE.parent / "LungNoduleRisk.py", *sorted(PANEL.rglob("*.py"))]
    yield from (file for file in module if file.name not in OF_THE_SCENE)


def is_for_a_reader(path: Path) -> bool:
    of_dicom_files = path.is_relative_to(CORE / "outputs" / "dicom")
    return path.name not in FOR_NO_READER and not of_dicom_files


def unmarked(path: Path, known: set[str]) -> list[str]:
    """Returns the words in a file that a reader may see, and that could not be translated."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exempt = {id(part) for node in ast.walk(tree) for part in not_said(node)}
    return [
        f"{path.name}:{node.lineno}: {node.value}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if SEVERAL_WORDS.search(node.value) and id(node) not in exempt
        if node.value not in known | FOR_MACHINES and not CITED.search(node.value)
    ]


def not_said(node: ast.AST) -> Iterable[ast.AST]:
    """Returns the parts of a node that are marked already, or that no reader sees."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in MARKED | NOT_SAID:
        return ast.walk(node)
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    return [node.value] if isinstance(node, ast.Expr) else ()


@pytest.fixture(scope="module")
def known(collected) -> set[str]:
    """Every message, which is found also where code writes it without a mark."""
    return {form for message in collected if message.id for form in forms(message.id)}


def test_what_a_reader_sees_is_marked(known):
    assert [words for path in spoken_files() for words in unmarked(path, known)] == []


def test_what_the_page_says_is_marked_and_found(known):
    """Babel does not look into f-strings: what is marked there is no message."""
    files = [path for path in PAGE.rglob("*.py") if path.name != "metrics.py"]  # of Prometheus
    words = (one for path in files for one in unmarked(path, known))
    assert [one for one in words if SENTENCE.search(one)] == []
    calls = (one for path in files for one in ast.walk(ast.parse(path.read_text("utf-8"))))
    marked = [one.args[0].value for one in calls if is_mark(one)]
    assert [one for one in marked if one not in known] == []


@pytest.mark.parametrize(
    "code",
    [
        'raise CTError("The file is damaged.")',
        'yield f"{slices} slices are missing"',
        'WORDS = {"thick": "the slices are thick"}',
        'raise CTError(_(f"{slices} slices are missing"))',
    ],
)
def test_a_new_message_without_a_mark_is_found(code, tmp_path):
    (tmp_path / "new.py").write_text(f"def new():\n    {code}\n")
    assert len([*unmarked(tmp_path / "new.py", set()), *f_strings(tmp_path / "new.py")]) == 1


def f_strings(path: Path) -> list[int]:
    """Returns the lines where a value is put into a message before it is looked up."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    marked = (one for one in nodes if isinstance(one, ast.Call) and is_mark(one))
    return [one.lineno for one in marked if any(isinstance(a, ast.JoinedStr) for a in one.args)]


def is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in messages.MARKS


def test_a_mark_takes_plain_words_and_is_not_hidden_by_a_variable():
    for path in [*CORE.rglob("*.py"), *PAGE.rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.Lambda))
        assert f_strings(path) == [], path
        assert [one.lineno for one in functions if hides_the_mark(one)] == [], path


def hides_the_mark(function: ast.FunctionDef | ast.Lambda) -> bool:
    """Whether a function both marks words by ``_`` and has a variable of that name."""
    nodes = [*ast.walk(function)]
    inner = {id(p) for n in nodes if isinstance(n, COMPREHENSIONS) for p in ast.walk(n)}
    names = [n for n in nodes if isinstance(n, ast.Name) and n.id == "_" and id(n) not in inner]
    arguments = [n for n in nodes if isinstance(n, ast.arg) and n.arg == "_"]
    bound = arguments or any(isinstance(name.ctx, ast.Store) for name in names)
    called = (ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call))
    return bool(bound) and "_" in called


@pytest.mark.parametrize("name", ["report", "scan"])
def test_a_page_has_no_words_of_its_own(name):
    text = (CORE / "outputs" / "html" / f"{name}.html.jinja").read_text(encoding="utf-8")
    for code in (r"{% block style %}.*?{% endblock %}", r"{{.*?}}", r"{%.*?%}"):
        text = re.sub(f"(?s){code}", "", text)
    labels = re.findall(r'(?:aria-label|alt|title)="([^"]*)"', text)
    shown = re.sub(r"<[^>]*>", "", text)
    assert set(re.findall(r"[A-Za-z]{2,}", " ".join([shown, *labels]))) <= {"mm"}


def test_words_of_tables_are_marked(known):
    fields = [field_words(name) for name in get_type_hints(Patient)]
    kinds = [get_args(kind)[0] for kind in get_type_hints(Patient).values()]
    values = {value for kind in kinds for value in get_args(kind)} - set(get_args(Category))
    assert {*fields, *values} <= known
    for name, quantity in (QUANTITIES | RADIOMICS).items():
        assert name == "CTR" or {name, quantity.source} <= known | {"(6V/π)^(1/3)"}
