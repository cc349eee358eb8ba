"""Table nodes that survive saving and loading."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import vtk
from slicer import vtkMRMLTableNode

NOT_ESCAPED = str.maketrans('"\t\r\n', "'   ")  # Slicer's table files escape nothing
NOTHING = "-"  # an empty cell may shift its row when it is read


def fillTable(tableNode: vtkMRMLTableNode, columns: Mapping[str, Sequence[str | float]]) -> None:
    """Fills a table node again, with columns of text or numbers by title."""
    table = vtk.vtkTable()
    for title, values in columns.items():
        isText = any(isinstance(value, str) for value in values)
        column = vtk.vtkStringArray() if isText else vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(
                value.translate(NOT_ESCAPED) or NOTHING if isinstance(value, str) else value
            )
        table.AddColumn(column)
    tableNode.SetAndObserveTable(table)
    for title in columns:  # else all columns are text when a saved scene is loaded
        tableNode.SetColumnType(title, table.GetColumnByName(title).GetDataType())


def asText(tableNode: vtkMRMLTableNode) -> str:
    """The table as lines of cells with tabs between, its titles first; numbers with four digits."""
    table = tableNode.GetTable()
    columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
    rows = [
        [_cell(column.GetValue(row)) for column in columns]
        for row in range(table.GetNumberOfRows())
    ]
    return "\n".join("\t".join(row) for row in [[column.GetName() for column in columns], *rows])


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return NOTHING if math.isnan(value) else f"{value:.4g}"
