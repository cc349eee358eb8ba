"""Keys that step through the nodules, and keys of their list."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt
import slicer

STEPS = {"Alt+Up": -1, "Alt+Down": 1}
STEPS_IN = "LungNoduleRisk", "SegmentEditor"  # the modules in which the steps' keys act


class Shortcuts:
    """The steps' keys act anywhere in the main window, but only in the modules that show nodules:
    others have uses of their own for them. The list's keys act while it has the focus."""

    def __init__(
        self,
        panel: qt.QWidget,
        table: qt.QWidget,
        step: Callable[[int], None],
        ofList: Mapping[str, Callable[[], None]],
    ):
        """``table``: the list of nodules; ``step`` takes 1 or -1; ``ofList``: what its keys do."""
        window = slicer.util.mainWindow() or panel
        self._steps = [_shortcut(keys, window, _by(by, step)) for keys, by in STEPS.items()]
        self._ofList = [_shortcut(keys, table, slot) for keys, slot in ofList.items()]
        for shortcut in self._ofList:
            shortcut.context = qt.Qt.WidgetWithChildrenShortcut
        if slicer.util.mainWindow() is not None:
            slicer.util.moduleSelector().connect("moduleSelected(QString)", self.onModule)
            self.onModule(slicer.util.selectedModule())

    def onModule(self, name: str) -> None:
        for shortcut in self._steps:
            shortcut.enabled = name in STEPS_IN

    def close(self) -> None:
        if slicer.util.mainWindow() is not None:
            slicer.util.moduleSelector().disconnect("moduleSelected(QString)", self.onModule)
        for shortcut in self._steps:
            shortcut.setParent(None)


def _by(by: int, step: Callable[[int], None]) -> Callable[[], None]:
    return lambda: step(by)


def _shortcut(keys: str, parent: qt.QWidget, slot: Callable[[], None]) -> qt.QShortcut:
    shortcut = qt.QShortcut(qt.QKeySequence(keys), parent)
    shortcut.activated.connect(slot)
    return shortcut
