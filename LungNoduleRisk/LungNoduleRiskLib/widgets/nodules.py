"""The table of nodules: a row a nodule, with its probabilities as bars, what they rest on, and what
must be known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import qt
from slicer.i18n import tr as _

from LungNoduleRiskLib.nodules import SceneNodule
from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.outputs.words import main_answer, main_tasks, measurement_value, task_basis
from nodulerisk.trust.withhold import abstain

SIZE = "long axis"


@dataclass(frozen=True)
class Bar:
    """A task's answer: in words, as a length in percent, and what it rests on."""

    text: str
    percent: int
    badge: str
    basis: str


@dataclass(frozen=True)
class Row:
    """What the table says of a nodule; ``state`` where there are no bars."""

    title: str
    warnings: str = ""
    state: str = ""
    bars: tuple[Bar, ...] = ()


class NodulesTable:
    """Shows nodules in a QTableWidget, and says which one is selected."""

    def __init__(self, table, onSelected: Callable[[], None]):
        self._table = table
        self._nodules: list[SceneNodule] = []
        self._rows: list[Row] = []
        titles = [_("Nodule"), _("Probabilities")]
        table.setColumnCount(len(titles))
        table.setHorizontalHeaderLabels(titles)
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
        table.itemSelectionChanged.connect(onSelected)

    @property
    def selected(self) -> SceneNodule | None:
        row = self._table.currentRow()
        return self._nodules[row] if 0 <= row < len(self._nodules) else None

    @property
    def assessments(self) -> list[Assessment]:
        """Of the nodules shown, in their order."""
        return [nodule.assessment for nodule in self._nodules if nodule.assessment is not None]

    def show(self, nodules: list[SceneNodule], refusals: Mapping[str, str]) -> None:
        """Shows the nodules; the one that was selected stays selected."""
        selected = self.selected.name if self.selected else None
        rows = [_row(nodule, refusals.get(nodule.name)) for nodule in nodules]
        self._table.blockSignals(True)
        self._table.setRowCount(len(rows))
        for index, row in enumerate(rows):
            if index >= len(self._rows) or self._rows[index] != row:
                self._fill(index, row)
        self._table.blockSignals(False)
        self._nodules, self._rows = nodules, rows
        self.select(selected)

    def select(self, name: str | None) -> None:
        """Selects the nodule of that name, where there is one, else the first."""
        names = [nodule.name for nodule in self._nodules]
        row = names.index(name) if name in names else 0 if names else -1
        if row != self._table.currentRow():
            self._table.setCurrentCell(row, 0)

    def step(self, by: int) -> None:
        """Selects the next (1) or the previous (-1) nodule; after the last comes the first."""
        if self._nodules:
            self._table.setCurrentCell((self._table.currentRow() + by) % len(self._nodules), 0)

    def _fill(self, index: int, row: Row) -> None:
        title, state = qt.QTableWidgetItem(row.title), qt.QTableWidgetItem(row.state)
        title.setToolTip(row.warnings)
        self._table.setItem(index, 0, title)
        self._table.setItem(index, 1, state)
        self._table.removeCellWidget(index, 1)
        if row.bars:
            self._table.setCellWidget(index, 1, _barsWidget(row.bars))
        self._table.resizeRowToContents(index)


def _row(nodule: SceneNodule, refusal: str | None) -> Row:
    if nodule.assessment is None:
        state = (
            _("not assessed") if refusal is None else _("refused: {reason}").format(reason=refusal)
        )
        return Row(nodule.name, state=state)
    assessment = nodule.assessment
    warnings = [check.message for check in assessment.checks if check.severity == "warning"]
    sizes = [measurement_value(m) for m in assessment.measurements if m.name == SIZE]
    count = [_("warnings: {count}").format(count=len(warnings))] if warnings else []
    moved = [_("moved: assess again")] if nodule.moved else []
    return Row(
        "\n".join([nodule.name, *sizes, *count, *moved]),
        "\n".join(warnings),
        bars=_bars(assessment),
    )


def _bars(assessment: Assessment) -> tuple[Bar, ...]:
    tasks = main_tasks(assessment)
    return tuple(
        _bar(task, answer, abstain(assessment, name))
        for name, task in tasks.items()
        if (answer := main_answer(task))
    )


def _bar(task: TaskResult, answer: tuple[str, float], doubts: Sequence[str]) -> Bar:
    shown, probability = answer
    badge = task.evidence if task.spread is None else f"{task.evidence}, ±{task.spread:.2f}"
    decision = _("{decision}, withheld").format(decision=task.decision) if doubts else task.decision
    basis = "\n".join([task_basis(task), *doubts])
    return Bar(f"{decision}: p({shown}) {probability:.2f}", round(100 * probability), badge, basis)


def _barsWidget(bars: tuple[Bar, ...]):
    """The bars below each other, each with its evidence beside it."""
    widget = qt.QWidget()
    layout = qt.QGridLayout(widget)
    layout.setContentsMargins(2, 2, 2, 2)
    layout.setSpacing(2)
    layout.setColumnStretch(0, 1)
    for line, bar in enumerate(bars):
        progress = qt.QProgressBar()
        progress.value = bar.percent
        progress.format = bar.text
        progress.accessibleName = f"{bar.text} ({bar.badge})"
        progress.toolTip = bar.basis
        layout.addWidget(progress, line, 0)
        layout.addWidget(qt.QLabel(bar.badge), line, 1)
    return widget
