"""The table of nodules: one row per nodule, with its probabilities as bars, the evidence behind
them and the number of warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from types import MappingProxyType
from typing import Any

import qt

from LungNoduleRiskLib.facts import Answer, Summary
from LungNoduleRiskLib.language import tr as _
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import Text, joined
from nodulerisk.tasks import DEMONSTRATION

SIZE = "long axis"
HATCHED = (  # a demonstration's bar
    "QProgressBar { text-align: center; color: black; background: white;"
    " border: 1px solid #8b949d; }"
    "QProgressBar::chunk { background: qlineargradient(spread: repeat, x1: 0, y1: 0, x2: 0.03,"
    " y2: 0.3, stop: 0 #cbd1d7, stop: 0.5 #cbd1d7, stop: 0.51 #f1f3f5, stop: 1 #f1f3f5); }"
)


class NodulesTable:
    """Shows nodules in a QTableWidget, and tells which one the user selects."""

    def __init__(self, table: Any, onSelected: Callable[[str], None]):
        """``onSelected`` is told the nodule's name."""
        self._table, self._onSelected = table, onSelected
        self._rows: list[Summary] = []
        self._places: dict[str, str] = {}
        titles = [_("Nodule"), _("Probabilities")]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.verticalHeader().hide()
        # else it takes room from words after their lines were counted
        table.setVerticalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOn)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.itemSelectionChanged.connect(self._onSelectionChanged)

    def show(
        self,
        rows: list[Summary],
        selected: str | None,
        places: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Shows the nodules, each with where it lies, and one of them selected."""
        self._table.blockSignals(True)
        self._fitNames(qt.QHeaderView.Fixed)  # else each row that is filled measures all
        self._table.setRowCount(len(rows))
        new = [index for index, row in enumerate(rows) if not self._isShown(index, row, places)]
        for index in new:
            self._fill(index, rows[index], places.get(rows[index].name, ""))
        self._fitNames(qt.QHeaderView.ResizeToContents)
        for index in new:
            self._table.resizeRowToContents(index)
        self._table.blockSignals(False)
        self._rows, self._places = rows, dict(places)
        self.select(selected)

    def select(self, name: str | None) -> None:
        """Selects the nodule of that name, if there is one."""
        names = [row.name for row in self._rows]
        row = names.index(name) if name in names else -1
        if row != self._table.currentRow():
            self._table.setCurrentCell(row, 0)

    def _onSelectionChanged(self) -> None:
        row = self._table.currentRow()
        if 0 <= row < len(self._rows):
            self._onSelected(self._rows[row].name)

    def _fitNames(self, mode: Any) -> None:
        self._table.horizontalHeader().setSectionResizeMode(0, mode)

    def _isShown(self, index: int, row: Summary, places: Mapping[str, str]) -> bool:
        same = index < len(self._rows) and self._rows[index] == row
        return same and self._places.get(row.name, "") == places.get(row.name, "")

    def _fill(self, index: int, row: Summary, place: str) -> None:
        title, state = qt.QTableWidgetItem(_title(row, place)), qt.QTableWidgetItem(_state(row))
        title.setToolTip("\n".join(map(say, row.warnings)))
        self._table.setItem(index, 0, title)
        self._table.setItem(index, 1, state)
        self._table.removeCellWidget(index, 1)
        if row.answers:
            self._table.setCellWidget(index, 1, _barsWidget(row.answers))


def _title(row: Summary, place: str) -> str:
    sizes = [row.sizes[SIZE]] if SIZE in row.sizes else []
    count = [_("warnings: {count}").format(count=len(row.warnings))] if row.warnings else []
    moved = [_("moved: assess again")] if row.moved else []
    return "\n".join(map(say, filter(None, [row.name, *sizes, place, *count, *moved])))


def _state(row: Summary) -> str:
    """The text of a row without bars."""
    if row.assessed:
        return "" if row.answers else say(row.notRun)
    if row.refusal is None:
        return _("not assessed")
    return _("refused: {reason}").format(reason=row.refusal)


def _barsWidget(answers: Sequence[Answer]) -> qt.QWidget:
    """The answers as bars below each other, each with its evidence beside it."""
    widget = qt.QWidget()
    layout = qt.QGridLayout(widget)
    layout.setContentsMargins(2, 2, 2, 2)
    layout.setSpacing(2)
    layout.setColumnStretch(0, 1)
    for title, group in groupby(answers, lambda one: DEMONSTRATION if one.demonstration else ""):
        if title:
            layout.addWidget(qt.QLabel(say(title)), layout.rowCount(), 0, 1, 2)
        for answer in group:
            badge, line = _badge(answer), layout.rowCount()
            layout.addWidget(_bar(answer, badge), line, 0)
            layout.addWidget(qt.QLabel(badge), line, 1)
    return widget


def _bar(answer: Answer, badge: str) -> qt.QProgressBar:
    bar = qt.QProgressBar()
    bar.value = round(100 * answer.probability)
    bar.format = say(joined(": ", filter(None, (answer.said, answer.shown))))
    bar.accessibleName = f"{bar.format} ({badge})"
    bar.toolTip = "\n".join(map(say, [answer.basis, *answer.withheld]))
    if answer.demonstration:
        bar.setStyleSheet(HATCHED)
    return bar


def _badge(answer: Answer) -> str:
    spread = "" if answer.spread is None else Text("±{spread:.2f}").format(spread=answer.spread)
    return say(joined(", ", filter(None, (answer.evidence, spread))))
