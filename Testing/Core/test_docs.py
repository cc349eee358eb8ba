"""The documents are true: links resolve, named files and functions exist, examples run, and the
README is short and shows the real output."""

from __future__ import annotations

import doctest
import importlib
import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.cli import app
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.scores import SCORES, ScoreResult
from nodulerisk.cohort.growth import COLUMNS
from nodulerisk.cohort.store import FIXED
from nodulerisk.cohort.table.columns import OPTIONAL, PATIENT, REQUIRED, label_columns
from nodulerisk.nodule.quantities import QUANTITIES, RADIOMICS
from nodulerisk.outputs.results import RESULT_FILES
from nodulerisk.tasks import EVIDENCE_LEVELS, TASKS
from nodulerisk.weights.card import RiskModel, TaskCard, Term, WeightSet

PROJECT = Path(__file__).parents[2]
CODE = PROJECT / "LungNoduleRisk"
DOCS = PROJECT / "Docs"
WRITTEN_IN = ("*.md", ".github/**/*.md", "Docs/*.md", "Resources/**/*.md", "Testing/**/*.md")
PAPERS = sorted(
    path
    for pattern in WRITTEN_IN
    for path in PROJECT.glob(pattern)
    if "node_modules" not in path.parts
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
CHANGES = re.compile(r"^\| (.+?) \| \[`[^`]+`\]\(\.\./([^)]+)\) \| `(\w+)` \|$", re.MULTILINE)
WHERE = re.compile(r"`(\w+)` in\s+\[[^\]]*\]\(\.\./([^)]+)\)")

CHANGE_REQUESTS = {
    "a new version of Lung-RADS": "clinical/guidelines.py",
    "a further score": "clinical/scores.py",
    "a further warning, or other words for one": "checks.py",
    "another rule for withholding decisions": "trust/withhold.py",
    "the solid component from another HU on": "nodule/measure.py",
    "a further measurement, or its DICOM code": "nodule/quantities.py",
    "a reconstruction kernel that counts as sharp": "ct/volume.py",
    "points from another program's file": "ct/points.py",
    "a dataset in another format": "datasets/read.py",
    "what the DICOM report holds": "outputs/dicom/sr.py",
    "another definition of growth": "clinical/followup.py",
}


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def of_name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def anchors(path: Path) -> set[str]:
    """Returns the headings' anchors, as GitHub and mkdocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text_of(path)), re.MULTILINE)
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in words}


def defines(path: str, name: str) -> bool:
    """Whether a file defines a function, a class, or a constant of this name."""
    definition = rf"^\s*(?:def {name}\(|class {name}\b|{name}\b.* = )"
    return re.search(definition, text_of(PROJECT / path), re.MULTILINE) is not None


def python_in(path: Path) -> str:
    return "\n".join(
        code for language, code in FENCED.findall(text_of(path)) if language == "python"
    )


@pytest.mark.parametrize("paper", PAPERS, ids=of_name)
def test_every_link_leads_to_a_file_and_a_heading(paper):
    for link, anchor in LINK.findall(FENCED.sub("", text_of(paper))):
        target = (paper.parent / link).resolve() if link else paper
        assert target.exists(), f"{link} is not there"
        assert not anchor or anchor in anchors(target), f"{link} has no heading #{anchor}"


def test_the_readme_is_short():
    assert len(text_of(PROJECT / "README.md").split()) <= 900


def skeleton(path: Path) -> dict[str, list]:
    """What a translation keeps: headings, fenced blocks, links, code, table rows, figures."""
    text = text_of(path)
    prose = FENCED.sub("", text)
    links = re.findall(r"\]\(([^)]+)\)", prose)
    return {
        "headings": [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)],
        "blocks": [block for _, block in FENCED.findall(text)],
        "links": [link for link in links if not link.startswith("README")],
        "code": sorted(re.findall(r"`[^`\n]+`", prose)),
        "rows": [row.count("|") for row in re.findall(r"^\|.*$", prose, re.MULTILINE)],
        "figures": sorted(re.findall(r"\d[\d.]*\d", prose)),
    }


def test_the_chinese_readme_says_what_the_english_one_says():
    english = skeleton(PROJECT / "README.md")

    assert skeleton(PROJECT / "README.zh-CN.md") == english
    assert len(english["blocks"]) >= 4 and len(english["headings"]) >= 10


def test_the_readme_shows_what_the_demo_prints(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(PROJECT)
    sample = PROJECT / "Resources" / "SampleData"
    printed = CliRunner().invoke(
        app,
        [
            *("assess", str(sample / "demo-thin-ct.mha")),
            *("--points", str(sample / "demo-thin-point.mrk.json")),
            *("--out", str(tmp_path)),
        ],
    )
    assert printed.exit_code == 0
    shown = next(
        block for _, block in FENCED.findall(text_of(PROJECT / "README.md")) if "N1" in block
    )
    assert words_in(shown.replace("demo-output/thin", "")) == words_in(
        printed.output.replace(str(tmp_path), "")
    )


def words_in(printed: str) -> list[str]:
    """Returns the words, with digits masked, since the last digit of a number depends on the
    processor."""
    return re.sub(r"\d", "0", printed).split()


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=of_name)
def test_every_page_says_first_what_it_is_for(page):
    first = text_of(page).split("\n\n")[1]
    assert first.startswith("This page ")


@pytest.mark.parametrize("paper", [p for p in PAPERS if python_in(p)], ids=of_name)
def test_the_python_of_the_papers_runs(paper, tmp_path, monkeypatch):
    (tmp_path / "Resources").symlink_to(PROJECT / "Resources")
    monkeypatch.chdir(tmp_path)
    exec(compile(python_in(paper), of_name(paper), "exec"), {})


def with_examples() -> list[str]:
    """Returns the core's modules whose docstrings have examples."""
    files = (path for path in (CODE / "nodulerisk").rglob("*.py") if ">>> " in text_of(path))
    return sorted(".".join(path.relative_to(CODE).with_suffix("").parts) for path in files)


@pytest.mark.parametrize("module", with_examples())
def test_the_examples_in_docstrings_are_true(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted and not results.failed


def test_change_requests_lead_to_their_file():
    files = {change: path for change, path, _ in CHANGES.findall(text_of(DOCS / "architecture.md"))}
    assert len(files) >= 20
    for change, path in CHANGE_REQUESTS.items():
        assert files[change] == f"LungNoduleRisk/nodulerisk/{path}"


def test_the_architecture_names_what_is_there():
    page = text_of(DOCS / "architecture.md")
    named = [(path, name) for _, path, name in CHANGES.findall(page)]
    named += [(path, name) for name, path in WHERE.findall(page)]
    assert len(named) > 40
    assert [(path, name) for path, name in named if not defines(path, name)] == []


def test_the_glossary_has_twenty_words():
    glossary = text_of(DOCS / "architecture.md").split("## Glossary")[1].split("\n## ")[0]
    assert glossary.count("\n| ") == 20 + 1  # and the head


def test_the_formats_page_names_every_column():
    page = text_of(DOCS / "formats.md")
    names = {
        *(RESULT_FILES),
        *(EVIDENCE_LEVELS),
        *(field.name for field in fields(ScoreResult)),
        *(score.name for score in SCORES),
        *(field.name for field in fields(Assessment) if field.name != "nodule"),
        *(field.name for field in fields(TaskResult)),
        *(field.name for field in fields(Patient)),
        *(field.name for kind in (TaskCard, RiskModel, Term) for field in fields(kind)),
        *(field.name for field in fields(WeightSet) if field.name not in ("folder", "thresholds")),
        *(FIXED.names),
        *COLUMNS,
        *REQUIRED,
        *OPTIONAL,
        *PATIENT,
        *label_columns(),
        *QUANTITIES,
        *RADIOMICS,
        *TASKS,
    }
    assert sorted(name for name in names if f"`{name}`" not in page) == []


def test_every_package_says_that_it_is_typed():
    packages = {path.parent.name for path in CODE.glob("*/py.typed")}
    assert packages == {"nodulerisk", "LungNoduleRiskLib", "LungNoduleRiskWeb"}
