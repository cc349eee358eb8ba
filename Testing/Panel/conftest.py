"""The panel in the stand-in host: a scene cleared for each test, the module opened and closed,
clicks as in Slicer."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from host import start
from host.launcher import startPythonThroughLauncher
from LungNoduleRiskLib.sample import THICK
from nodulerisk.language.spoken import say

PYTHON = sys.executable
PICTURES = os.environ.get("NODULERISK_PICTURES")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs each test in an event loop, as Slicer runs all that a user does."""
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    start().inEventLoop(lambda: pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(scope="session")
def running_host():
    return start()


@pytest.fixture(scope="module", autouse=True)
def launched_python(running_host):
    """Python starts through Slicer's launcher here; tests elsewhere start it as they find it."""
    sys.executable = PYTHON
    startPythonThroughLauncher()
    yield
    sys.executable = PYTHON


@pytest.fixture
def host(running_host):
    """The host; what a callback of Qt or VTK raised fails the test, unless the test cleared
    ``host.errors``."""
    yield running_host
    errors, running_host.errors = running_host.errors, []
    assert errors == []


@pytest.fixture
def scene(host):
    """The application's scene, empty but for what Slicer always has in it."""
    host.clearScene()
    yield host.scene
    host.clearScene()


@pytest.fixture
def panel(host, scene):
    """The module's Python widget, opened in the main window as in Slicer."""
    before = our_modules()
    host.closeModule()  # one that a test of another folder has left open
    yield host.openModule()
    host.closeModule()
    if (
        sys.modules["nodulerisk"] is not before["nodulerisk"]
    ):  # it was reloaded; other tests hold the classes of before
        for name in our_modules():
            del sys.modules[name]
        sys.modules.update(before)


@pytest.fixture
def ui(panel):
    return panel.panel.ui


@pytest.fixture
def picture(host):
    """Saves a picture of the main window to look at, where the environment says where to:
    `picture(name)`."""
    return lambda name: host.screenshot(Path(PICTURES) / f"{name}.png") if PICTURES else None


@pytest.fixture
def load(host, ui):
    """Loads a sample by the menu of the button: `load(THIN)`."""

    def load(sample):
        offered = {action.text: action for action in ui.sampleButton.menu().actions()}
        offered[say(sample.said)].trigger()
        host.process(0.3)

    return load


@pytest.fixture
def sample(panel, load):
    """The sample with thick slices; `sample.ct` and `sample.points` are its nodes."""
    load(THICK)
    return panel.panel.parameters


@pytest.fixture
def finished(host, panel):
    """Waits until nothing runs any more."""
    return lambda: host.process(lambda: not panel.panel._background.isBusy, timeout=60)


@pytest.fixture
def assessed(host, sample, ui, finished):
    """The sample's nodule, assessed by the button."""
    ui.assessButton.click()
    finished()
    host.process(0.3)
    return sample


def our_modules() -> dict:
    ours = ("LungNoduleRisk", "LungNoduleRiskLib", "nodulerisk")
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ours}
