"""What Slicer installs is what lies in the module's folder: no list can be forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "LungNoduleRisk"


def listed(variable: str) -> list[str]:
    """The file names that the module's CMakeLists.txt sets a variable to."""
    values = re.search(rf"set\({variable}\s([^)]*)\)", (MODULE / "CMakeLists.txt").read_text(encoding="utf-8"))
    assert values is not None
    return values[1].split()


def present() -> set[str]:
    files = (path.relative_to(MODULE) for path in MODULE.rglob("*") if path.is_file() and path.name != "CMakeLists.txt")
    return {file.as_posix() for file in files if not re.search(r"__pycache__|\.egg-info", str(file))}


@pytest.mark.parametrize("variable", ["MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES"])
def test_no_file_is_listed_twice(variable):
    assert len(listed(variable)) == len(set(listed(variable)))


def test_every_python_file_is_installed():
    assert set(listed("MODULE_PYTHON_SCRIPTS")) == {file for file in present() if file.endswith(".py")}


def test_every_resource_is_installed():
    assert set(listed("MODULE_PYTHON_RESOURCES")) == {file for file in present() if not file.endswith(".py")}
