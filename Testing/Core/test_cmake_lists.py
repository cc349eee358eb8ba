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

import jsonschema
import pytest

PROJECT = Path(__file__).parents[2]
MODULE = PROJECT / "LungNoduleRisk"
NOT_INSTALLED = r"^LungNoduleRiskWeb|__pycache__|\.egg-info"
ENTRY = {  # what the index accepts: Slicer's slicer-extension-catalog-entry-schema-v1.0.1.json
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(
            ["$schema", "category", "scm_url", "scm_revision", "build_subdirectory"],
            {"type": "string"},
        ),
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "enabled": {"type": "boolean"},
        "tier": {"enum": [1, 3, 5]},
    },
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


def entry() -> dict:
    path = PROJECT / "Resources" / "ExtensionsIndex" / "LungNoduleRisk.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_index_of_extensions_accepts_the_entry():
    jsonschema.validate(entry(), ENTRY)
    assert re.fullmatch(
        r"https://.*/slicer-extension-catalog-entry-schema-v1\.0\.1\.json#", entry()["$schema"]
    )


@pytest.mark.parametrize("wrong", [{"tier": 2}, {"name": "x"}, {"build_dependencies": "PyTorch"}])
def test_the_index_of_extensions_accepts_no_other(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(entry() | wrong, ENTRY)


def test_the_description_of_the_extension_is_two_sentences(extension):
    sentences = re.findall(r"[.!?](?: |$)", extension["DESCRIPTION"])
    assert len(sentences) == 2 and "Research use only" in extension["DESCRIPTION"]


def test_the_extension_carries_its_own_licence():
    """Slicer's build names its own where ours is not named after its file was included."""
    text = (PROJECT / "CMakeLists.txt").read_text(encoding="utf-8")
    _, after = text.split("include(${Slicer_USE_FILE})")
    before_packing, _ = after.split("include(${Slicer_EXTENSION_CPACK})")
    for what, file in (("LICENSE", "LICENSE.txt"), ("README", "README.md")):
        named = f"set(EXTENSION_{what}_FILE ${{CMAKE_CURRENT_SOURCE_DIR}}/{file})"
        assert named in before_packing and (PROJECT / file).is_file()
