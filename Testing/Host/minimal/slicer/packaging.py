"""Stands in for Slicer's ``slicer.packaging``, whose code it does not copy: says what is missing,
asks, installs.

Not done: requirements with extras are checked for their own package alone; packages left out
(``skip_packages``), a progress dialog, and installing in the background.
"""

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path

import slicer
from packaging.requirements import Requirement


def load_requirements(path: str | Path) -> list[Requirement]:
    lines = (line.strip() for line in Path(path).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _requirements(given) -> list[Requirement]:
    given = (
        given.split() if isinstance(given, str) else given if isinstance(given, list) else [given]
    )
    return [each if isinstance(each, Requirement) else Requirement(each) for each in given]


def _isMet(requirement: Requirement) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return version(requirement.name) in requirement.specifier
    except PackageNotFoundError:
        return False


def pip_check(req) -> bool:
    """Whether the requirement, or each of a list, is installed in a version that will do."""
    return all(_isMet(requirement) for requirement in _requirements(req))


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Installs what is missing. RuntimeError if the user refuses, CalledProcessError if pip
    fails."""
    missing = [
        requirement for requirement in _requirements(requirements) if not _isMet(requirement)
    ]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return
    question = f"{len(missing)} Python packages need to be installed. Continue?"
    title = f"{requester or 'Slicer'} - Install Python Packages"
    names = "\n".join(str(requirement) for requirement in missing)
    if prompt_install and not slicer.util.confirmOkCancelDisplay(
        question, title, detailedText=names
    ):
        raise RuntimeError("User declined package installation")
    before = _loaded()
    pip_install([str(requirement) for requirement in missing], constraints)
    if prompt_restart:
        _offerRestart(before)


def _loaded() -> dict[str, str]:
    """The version of each installed package of which something is loaded."""
    importlib.invalidate_caches()
    modules = packages_distributions().items()
    return {name: version(name) for key, names in modules if key in sys.modules for name in names}


def _offerRestart(before: dict[str, str]):
    """Slicer goes on with what asked for the packages, also where it is about to restart."""
    updated = [name for name, number in _loaded().items() if before.get(name) != number]
    question = f"{len(updated)} updated packages were loaded. Would you like to restart now?"
    if updated and slicer.util.confirmYesNoDisplay(question, detailedText="\n".join(updated)):
        slicer.util.restart()


def pip_install(requirements: str | list[str], constraints=None, **unused):
    names = requirements.split() if isinstance(requirements, str) else requirements
    constrained = ["-c", str(constraints)] if constraints else []
    subprocess.run([sys.executable, "-m", "pip", "install", *names, *constrained], check=True)
