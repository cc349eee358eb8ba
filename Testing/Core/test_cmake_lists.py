"""Slicer installs exactly the files in the module's folder, and Slicer's extensions index is told
the truth.

The web page is not installed: it runs without Slicer.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
MODULE = PROJECT / "LungNoduleRisk"
NOT_INSTALLED = r"^LungNoduleRiskWeb|__pycache__|\.egg-info"
SCHEMA_REQUIRES = {"$schema", "category", "scm_url"}
SCHEMA_KNOWS = {
    "scm_revision",
    "scm_type",
    "build_dependencies",
    "build_subdirectory",
    "enabled",
    "tier",
}


def listed(variable: str) -> list[str]:
    """Returns the file names that the module's CMakeLists.txt assigns to a variable."""
    values = re.search(
        rf"set\({variable}\s([^)]*)\)", (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    )
    assert values is not None
    return values[1].split()


def present() -> set[str]:
    files = (
        path.relative_to(MODULE)
        for path in MODULE.rglob("*")
        if path.is_file() and path.name != "CMakeLists.txt"
    )
    return {file.as_posix() for file in files if not re.search(NOT_INSTALLED, str(file))}


def copied() -> list[str]:
    """Returns what the module's CMakeLists.txt copies from the project's folder into the module's
    Resources."""
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.findall(r"\$\{LungNoduleRisk_SOURCE_DIR\}/(\S+)", text)


@pytest.fixture
def extension() -> dict[str, str]:
    """The project's name and EXTENSION_... variables in its CMakeLists.txt."""
    text = (PROJECT / "CMakeLists.txt").read_text(encoding="utf-8")
    return dict(re.findall(r'set\(EXTENSION_(\w+) "(.*)"\)', text)) | {
        "NAME": re.search(r"project\((\w+)\)", text)[1]
    }


@pytest.mark.parametrize("variable", ["MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"])
def test_no_file_is_listed_twice(variable):
    assert len(listed(variable)) == len(set(listed(variable)))


def test_every_python_file_is_installed():
    assert set(listed("MODULE_PYTHON_SCRIPTS")) == {
        file for file in present() if file.endswith(".py")
    }


def test_every_resource_is_installed():
    assert set(listed("MODULE_PYTHON_RESOURCES")) == {
        file for file in present() if not file.endswith(".py")
    }


def test_an_installed_module_finds_what_is_copied_from_the_project(tmp_path):
    installed = tmp_path / "LungNoduleRiskLib" / "__init__.py"
    installed.parent.mkdir()
    shutil.copy(MODULE / "LungNoduleRiskLib" / "__init__.py", installed)
    spec = importlib.util.spec_from_file_location("installed", installed)
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    for name in copied():
        assert (PROJECT / name).exists()
        (tmp_path / name).mkdir(parents=True)
        assert library.resource(Path(name).name) == tmp_path / name
    assert {Path(name).name for name in copied()} == {"Weights", "SampleData", "requirements.txt"}


def test_the_index_of_extensions_agrees_with_the_project(extension):
    (path,) = (PROJECT / "Resources" / "ExtensionsIndex").iterdir()
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == f"{extension['NAME']}.json"
    assert entry["category"] == extension["CATEGORY"]
    assert entry["build_dependencies"] == extension["DEPENDS"].split()
    assert entry["scm_url"] == extension["HOMEPAGE"]


def test_the_index_of_extensions_has_the_keys_of_its_schema():
    entry = json.loads(
        (PROJECT / "Resources" / "ExtensionsIndex" / "LungNoduleRisk.json").read_text(
            encoding="utf-8"
        )
    )
    assert set(entry) >= SCHEMA_REQUIRES and set(entry) <= SCHEMA_REQUIRES | SCHEMA_KNOWS
    assert re.fullmatch(
        r"https://.*/slicer-extension-catalog-entry-schema-v1\.0\.1\.json#", entry["$schema"]
    )
    assert 1 <= entry["tier"] <= 5
