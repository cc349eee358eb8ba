"""Stands in for CTK's ctkCollapsibleButton and ctkMessageBox.

Not done: the looks of the header (alignments, frames, heights), a child that is shown while its
button is collapsed, and the message box's "Don't show this message again".
"""

from __future__ import annotations

import ctk
import qt

from .pythonqt import connects

HEADER_PIXELS = 24


@connects
class ctkCollapsibleButton(qt.QAbstractButton):
    """A header that shows and hides the widgets below it."""

    contentsCollapsed = qt.Signal(bool)

    def __init__(self, *textAndParent):
        super().__init__(
            next((each for each in textAndParent if isinstance(each, qt.QWidget)), None)
        )
        self.text = next((each for each in textAndParent if isinstance(each, str)), "")
        self.checkable = True
        self.checked = True
        self._folded = []
        self.setContentsMargins(0, HEADER_PIXELS, 0, 0)
        self.toggled.connect(self._collapse)

    def _setCollapsed(self, collapsed: bool):
        self.checked = not collapsed

    collapsed = qt.Property(bool, lambda self: not self.checked, _setCollapsed)

    def _collapse(self, expanded: bool):
        if expanded:
            self._unfold()
        else:
            self._fold()
        self.contentsCollapsed.emit(not expanded)

    def _fold(self):
        shown = [
            child for child in self.children() if child.isWidgetType() and not child.isHidden()
        ]
        for child in shown:
            child.hide()
        self._folded += shown

    def _unfold(self):
        for child in self._folded:
            child.show()
        self._folded = []

    def showEvent(self, event):
        if self.collapsed:
            self._fold()
        super().showEvent(event)

    def hitButton(self, position) -> bool:
        return position.y() < HEADER_PIXELS

    def paintEvent(self, event):
        painter = qt.QStylePainter(self)
        option = qt.QStyleOptionButton()
        option.initFrom(self)
        option.rect = qt.QRect(0, 0, self.width, HEADER_PIXELS)
        painter.drawControl(qt.QStyle.CE_PushButtonBevel, option)
        painter.drawText(
            option.rect, qt.Qt.AlignVCenter, f"  {'▸' if self.collapsed else '▾'}  {self.text}"
        )


class ctkMessageBox(qt.QMessageBox):
    """A message box; the real one can also be silenced."""


ctk.ctkCollapsibleButton = ctkCollapsibleButton
ctk.ctkMessageBox = ctkMessageBox
