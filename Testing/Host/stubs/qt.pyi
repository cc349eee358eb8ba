"""What the module uses of Qt as PythonQt gives it, for mypy alone: properties are attributes."""

from collections.abc import Callable
from typing import Any

class _Signal:
    def connect(self, slot: Callable[..., object]) -> None: ...

class Qt:
    ScrollBarAlwaysOn: Any
    WidgetWithChildrenShortcut: Any

class QObject:
    objectName: str
    def blockSignals(self, block: bool) -> bool: ...
    def setParent(self, parent: QObject | None) -> None: ...
    def setProperty(self, name: str, value: object) -> None: ...

class QWidget(QObject):
    accessibleName: str
    toolTip: str

class QAction(QObject):
    triggered: _Signal

class QMenu(QWidget):
    def __init__(self, parent: QWidget) -> None: ...
    def addAction(self, text: str) -> QAction: ...

class QPushButton(QWidget):
    clicked: _Signal
    enabled: bool

class QLabel(QWidget):
    def __init__(self, text: str) -> None: ...
    def setBuddy(self, buddy: QWidget) -> None: ...

class QDoubleSpinBox(QWidget):
    specialValueText: str
    decimals: int
    maximum: float
    singleStep: float

class QLineEdit(QWidget):
    text: str
    placeholderText: str
    textEdited: _Signal

class QComboBox(QWidget):
    AdjustToMinimumContentsLengthWithIcon: Any
    currentText: str
    currentTextChanged: _Signal
    def addItems(self, texts: list[str]) -> None: ...
    def setCurrentText(self, text: str) -> None: ...

class QProgressBar(QWidget):
    value: int
    format: str
    def setStyleSheet(self, sheet: str) -> None: ...

class QTableWidgetItem:
    def __init__(self, text: str) -> None: ...
    def setToolTip(self, text: str) -> None: ...

class QHeaderView(QWidget):
    Fixed: Any
    ResizeToContents: Any
    Stretch: Any

class QGridLayout:
    def __init__(self, parent: QWidget) -> None: ...
    def setContentsMargins(self, left: int, top: int, right: int, bottom: int) -> None: ...
    def setSpacing(self, spacing: int) -> None: ...
    def setColumnStretch(self, column: int, stretch: int) -> None: ...
    def rowCount(self) -> int: ...
    def addWidget(
        self, widget: QWidget, row: int, column: int, rows: int = ..., columns: int = ...
    ) -> None: ...

class QFormLayout:
    def __init__(self, parent: QWidget) -> None: ...
    def addRow(self, label: str, widget: QWidget) -> None: ...

class QTimer(QObject):
    timeout: _Signal
    def setSingleShot(self, single: bool) -> None: ...
    def start(self, ms: int) -> None: ...
    def stop(self) -> None: ...

class QKeySequence:
    def __init__(self, keys: str) -> None: ...

class QShortcut(QObject):
    activated: _Signal
    context: Any
    enabled: bool
    def __init__(self, keys: QKeySequence, parent: QWidget) -> None: ...

class QUrl:
    @staticmethod
    def fromLocalFile(path: str) -> QUrl: ...
    def toString(self) -> str: ...

class QDesktopServices:
    @staticmethod
    def openUrl(url: QUrl) -> bool: ...

class QFileDialog:
    @staticmethod
    def getExistingDirectory(parent: QWidget, title: str) -> str: ...
    @staticmethod
    def getSaveFileName(parent: QWidget, title: str, folder: str, filters: str) -> Any: ...
