"""Fixtures for all tests, and the handling of tests that this machine cannot run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from needs import LIBRARIES, SHARED, WHOLE_DATA, how_to_get, lacking, must_be_here

HERE = Path(__file__).parent
os.environ["LUNGNODULERISK_LANGUAGE"] = "en"  # whatever this machine speaks
DRAWING = [HERE / name for name in ("Panel", "Scene", "Web")]  # which Qt and VTK are loaded for
LEFT_OUT = pytest.StashKey[dict[str, list[str]]]()  # tests, or folders of them, and what they lack


@pytest.fixture(scope="session")
def data() -> Path:
    """Testing/Data: everything quick tests need, the same on every machine."""
    return HERE / "Data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The developers' folder of whole data sets beside the checkout, only for slow tests."""
    return SHARED


@pytest.fixture(
    scope="session",
    params=[
        "a handful",
        pytest.param("all", marks=[pytest.mark.slow, pytest.mark.needs(WHOLE_DATA)]),
    ],
)
def lidc_folder(request, data, shared) -> Path:
    """LIDC-IDRI's nodules as slices, with readers' XML files: a handful, and, slow, all of them."""
    return data / "lidc" if request.param == "a handful" else shared / "data" / "lidc"


@pytest.fixture(scope="session")
def expected(lidc_folder, data) -> Callable[[Any, Any], Any]:
    """``expected(of a handful, of all)``: the one for the folder that is read."""
    return lambda handful, every: handful if lidc_folder == data / "lidc" else every


# --- Tests that this machine cannot run


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = {}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if collection_path not in DRAWING or not (missing := lacking(*LIBRARIES)):
        return None
    config.stash[LEFT_OUT][f"all of Testing/{collection_path.name}"] = missing
    return True


@pytest.hookimpl(trylast=True)  # of those that -m and -k have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {item: found for item in items if (found := lacking(*_needs(item)))}
    config.stash[LEFT_OUT] |= {item.nodeid: found for item, found in missing.items()}
    config.hook.pytest_deselected(items=list(missing))
    items[:] = [item for item in items if item not in missing]


def pytest_sessionfinish(session: pytest.Session) -> None:
    left_out = session.config.stash[LEFT_OUT]
    if hasattr(session.config, "workeroutput"):  # in a process of pytest-xdist
        session.config.workeroutput["left out"] = left_out
    elif must_be_here() and any(needs != [WHOLE_DATA] for needs in left_out.values()):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:  # in the process that started it
    node.config.stash[LEFT_OUT] |= getattr(node, "workeroutput", {}).get("left out", {})


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    if left_out := config.stash[LEFT_OUT]:
        terminalreporter.section("left out: not possible on this machine")
        terminalreporter.write_line(_list_of(left_out))


def _needs(item: pytest.Item) -> Iterator[str]:
    for marker in item.iter_markers("needs"):
        yield from marker.args


def _list_of(tests: dict[str, list[str]]) -> str:
    lines = [f"{name}: needs {', '.join(needs)}" for name, needs in tests.items()]
    needs = {need for those in tests.values() for need in those}
    if command := how_to_get(needs):
        lines.append(f"To run the rest too (Debian, Ubuntu): {command}")
    if WHOLE_DATA in needs:
        lines.append(f"{WHOLE_DATA}: whole public data sets, named in Testing/Data/README.md")
    return "\n".join(lines)
