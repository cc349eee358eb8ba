"""The host as tests use it: open the panel, let the event loop run, answer message boxes, save,
load, take pictures."""

from __future__ import annotations

import logging
import os
import sys
import time
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import qt
import slicer

from . import ctk_widgets, markups_place_widget, node_combo_box, ui_loader  # noqa: F401 (into qt, ctk and slicer)
from .application import qSlicerApplication
from .launcher import startPythonThroughLauncher
from .modules import addModule, qSlicerScriptedLoadableModule, unloadWidget
from .window import draw, qSlicerMainWindow

HEARTBEAT_MS = 5
LOOK_FOR_BOX_MS = 10
FOLDER = Path(__file__).parents[1]
MODULE = FOLDER.parents[1] / "LungNoduleRisk"


class Host:
    """One in a process, made by `start`. What callbacks of Qt and VTK raised is in `errors`."""

    def __init__(self):
        self.errors: list[BaseException] = []
        sys.excepthook = self._noteError
        qt.qInstallMessageHandler(noteMessage)
        self.app = qSlicerApplication()
        self.window = qSlicerMainWindow()
        self.window.show()
        self._beats: list[tuple[float, float]] = []
        self._heart = qt.QTimer()
        self._heart.timeout.connect(lambda: self._beats.append(clocks()))
        self.loadModule("SegmentEditor", FOLDER / "minimal" / "modules")
        self.loadModule("LungNoduleRisk", MODULE)
        self.app.startupCompleted.emit()
        self.window.activateWindow()
        self.process(lambda: self.window.isActiveWindow)

    def _noteError(self, kind, error, traceback):
        self.errors.append(error)
        sys.__excepthook__(kind, error, traceback)

    @property
    def scene(self):
        return self.app.mrmlScene()

    def loadModule(self, name: str, folder: Path):
        """Loads a scripted module, as Slicer does when it starts."""
        addModule(qSlicerScriptedLoadableModule(name, folder / f"{name}.py"))

    def openModule(self, name: str = "LungNoduleRisk"):
        """Makes the module's panel, if there is none, and enters it. Its Python widget object comes
        back."""
        slicer.util.selectModule(name)
        return getattr(slicer.modules, name + "Widget")

    def closeModule(self, name: str = "LungNoduleRisk"):
        """Leaves the module and ends its panel, as Slicer does when it quits."""
        slicer.util.selectModule("")
        unloadWidget(self.app.moduleManager().module(name))
        self.process()

    def reload(self, name: str = "LungNoduleRisk"):
        """Does what the button Reload does; the new Python widget object comes back."""
        getattr(slicer.modules, name + "Widget").onReload()
        return getattr(slicer.modules, name + "Widget")

    def clearScene(self):
        """File > Close scene."""
        self.scene.Clear()
        self.process()

    def saveScene(self, path: str | Path):
        """Saves the scene as .mrb."""
        if not slicer.util.saveScene(str(path)):
            raise RuntimeError(f"The scene was not saved to {path}.")

    def loadScene(self, path: str | Path):
        """Opens a saved scene (.mrb) in the place of the current one."""
        slicer.util.loadScene(str(path), {"clear": True})
        self.process()

    def process(self, until=0.0, timeout: float = 10.0):
        """Runs the event loop for some seconds, or until a condition holds; TimeoutError if it does
        not in time (s)."""
        start = time.perf_counter()
        holds = until if callable(until) else lambda: time.perf_counter() - start >= until
        self._processOnce()
        while not holds():
            if callable(until) and time.perf_counter() - start > timeout:
                raise TimeoutError(f"Waited {timeout:g} s in vain.")
            self._processOnce()
            time.sleep(0.001)

    def _processOnce(self):
        self.app.processEvents()
        self.app.sendPostedEvents(None, qt.QEvent.DeferredDelete)

    def inEventLoop(self, function):
        """Calls the function from an event loop, as Slicer calls everything, and gives back what it
        returns or raises.

        Some of Qt works only there: outside, a dialog that is to be deleted later is deleted as
            soon as it opens.
        """
        outcome = Future()
        loop = qt.QEventLoop()

        def call():
            try:
                outcome.set_result(function())
            except BaseException as error:
                outcome.set_exception(error)
            loop.quit()

        qt.QTimer.singleShot(0, call)
        loop.exec()
        return outcome.result()

    def answer(self, buttonText: str, timeout: float = 10.0) -> list[str]:
        """Presses this button of the next message box; the list holds the box's texts once that is
        done."""
        said: list[str] = []
        deadline = time.perf_counter() + timeout

        def look():
            box = self.app.activeModalWidget()
            if isinstance(box, qt.QMessageBox):
                said.extend(
                    text for text in (box.text, box.informativeText, box.detailedText) if text
                )
                press(box, buttonText)
            elif time.perf_counter() < deadline:
                qt.QTimer.singleShot(LOOK_FOR_BOX_MS, look)

        look()
        return said

    def startStallWatch(self):
        self._beats = [clocks()]
        self._heart.start(HEARTBEAT_MS)

    def longestStall(self) -> float:
        """The longest time (s) since `startStallWatch` in which the event loop did not come by."""
        return self._longest(0)

    def longestWork(self) -> float:
        """The longest time (s) of that kind in which this thread had the processor, which other
        programs on the machine do not change."""
        return self._longest(1)

    def _longest(self, clock: int) -> float:
        turns = pairwise([*self._beats, clocks()])
        return max(later[clock] - earlier[clock] for earlier, later in turns)

    def screenshot(self, path: str | Path):
        """Draws the views, and saves a picture of the main window."""
        draw(self.window)
        self.process(0.1)
        self.window.grab().save(str(path))


def clocks() -> tuple[float, float]:
    """Seconds on the wall, and in which this thread had the processor."""
    return time.perf_counter(), time.thread_time()


def press(box, buttonText: str) -> None:
    """Presses the button; where there is none, the box is closed, so that the test goes on, and
    fails."""
    buttons = {button.text.replace("&", ""): button for button in box.buttons()}
    if buttonText in buttons:
        buttons[buttonText].click()
    else:
        box.done(0)
        raise LookupError(
            f"The message box has no {buttonText!r} but {sorted(buttons)}: {box.text}"
        )


def noteMessage(kind, context, message: str) -> None:
    """Qt's own messages, into the log."""
    if "propagateSizeHints" not in message:  # the offscreen platform says so of every window
        level = logging.DEBUG if kind in (qt.QtDebugMsg, qt.QtInfoMsg) else logging.WARNING
        logging.getLogger("qt").log(level, message)


def useSlicersPython() -> None:
    """Brings Slicer's Python code into reach: its own from a checkout ($SLICER_PYTHON_DIR:
    Base/Python), else ours."""
    own = os.environ.get("SLICER_PYTHON_DIR")
    slicer.__path__.append(str(Path(own or FOLDER / "minimal") / "slicer"))
    if own:
        scripted = Path(own).parents[1] / "Modules" / "Scripted"
        sys.path += [str(scripted / name) for name in ("SampleData", "SegmentStatistics")]
    sys.path.append(str(FOLDER / "minimal" / "modules"))


_host: Host | None = None


def start() -> Host:
    """The host of this process; made at the first call."""
    global _host
    if _host is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # on a screen: QT_QPA_PLATFORM=xcb
        useSlicersPython()
        startPythonThroughLauncher()
        _host = Host()
    return _host
