"""Tables of nodules: CSV or TSV files with one row per nodule, and the columns that all formats
share."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nodulerisk.datasets.nodules import SPLITS
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import NOTICE, column_name, table_cells, text_in
from nodulerisk.tasks import TASKS, EvidenceLevel
from nodulerisk.weights.own_tasks import plain_word

Row = dict[str, str]
LINE = "#line"  # never a header: headers keep only letters, digits and underscores
NAMES = ("name", "nodule", "index", "id", "file")
# What R, pandas and spreadsheets write for a value that is not there.
MISSING = ("na", "n/a", "#n/a", "<na>", "null", "-", "–", "—")
SIZES_MM: dict[str, float | None] = {  # mm of one unit; None: the column does not say
    "size_mm": 1.0,
    "size_cm": 10.0,
    "size": None,
    "diameter_mm": 1.0,
    "diameter_cm": 10.0,
    "diameter": None,
}
UNITS_MM = {"mm": 1.0, "毫米": 1.0, "cm": 10.0, "厘米": 10.0}
SIZE = re.compile(rf"(.*?)\s*({'|'.join(UNITS_MM)})?", re.IGNORECASE)
# Sizes of the nodules that such tables list. Without a unit, smaller numbers look like cm, and in
# a table without any as large as the last, all do.
SMALLEST_MM, SURELY_MM = 3.0, 6.0
POSSIBLE_MM = (1.0, 200.0)  # beyond, the unit is wrong
EVIDENCE: dict[str, EvidenceLevel] = {
    "pathology": "pathology",
    "reader": "reader",
    "simulated": "simulated",
}


@dataclass(frozen=True)
class Table:
    """A table's rows, and its columns' names as written, by their plain names.

    Attributes:
        name: the file's.
        rows: with plain names (``CT path`` is ``ct_path``), cells without spaces around them;
            ``row[LINE]`` is the line in the file.
        columns: plain name -> every name as written that becomes it.
    """

    name: str
    rows: list[Row]
    columns: dict[str, list[str]]

    def unused(self, *wanted: tuple[str, ...]) -> tuple[str, ...]:
        """Returns the names, as written, of the columns that say something and are not asked.

        Args:
            wanted: for each thing to know, the columns that may say it, the first that does first.

        Raises:
            NoduleRiskError: two columns have the name of one that is asked.
        """
        filled = {name for row in self.rows for name, text in row.items() if text}
        asked = {next(filter(row.get, names), "") for row in self.rows for names in wanted}
        for name in asked & self.columns.keys():
            if len(self.columns[name]) > 1:
                raise NoduleRiskError(
                    f"Several columns of {self.name} are called '{name}': keep one of them."
                )
        others = [self.columns[name] for name in self.columns if name in filled - asked]
        return tuple(name for names in others for name in names if name not in ("", NOTICE))


def read_table(path: Path) -> Table:
    """Reads a table as spreadsheets save it: see ``text_in`` and ``table_cells``. What stands for a
    missing value (``NA``) becomes empty.

    Raises:
        NoduleRiskError: no such file, not a text table, no rows, or a row with more cells than the
            header.
    """
    try:
        header, *lines = [*table_cells(text_in(path.read_bytes()))] or [(0, [])]
    except OSError as error:
        raise NoduleRiskError(
            f"{path.name} cannot be read ({error.strerror}): check the path."
        ) from error
    except (ValueError, csv.Error) as error:
        raise NoduleRiskError(
            f"{path.name} is not a table of text: save it as 'CSV UTF-8'."
        ) from error
    if not lines:
        raise NoduleRiskError(f"{path.name} has no rows: write a header and a row for each nodule.")
    names = [column_name(name) for name in header[1]]
    columns: dict[str, list[str]] = {}
    for name, written in zip(names, header[1], strict=True):
        columns.setdefault(name, []).append(written)
    return Table(path.name, [_row(names, cells, line, path) for line, cells in lines], columns)


def read_rows(path: Path) -> list[Row]:
    """Reads a table and returns all cells of its rows; see ``read_table``."""
    return read_table(path).rows


def known(text: str) -> str:
    """Returns a cell's text; empty if it stands for a missing value."""
    return "" if text.lower() in MISSING else text


def refuse_missing_column(
    rows: list[Row], columns: tuple[str, ...], table: Path, holds: str
) -> None:
    """Raises NoduleRiskError if the table has none of the columns; the message names the first one
    and what it holds."""
    if not any(column in rows[0] for column in columns):
        raise NoduleRiskError(f"{table.name} has no column '{columns[0]}' with {holds}: add it.")


def _row(names: list[str], cells: list[str], line: int, path: Path) -> Row:
    if any(cells[len(names) :]):  # every cell after the surplus one would be taken for another
        raise NoduleRiskError(
            f"Line {line} of {path.name} has more cells than the header: quote cells that contain"
            " the separator."
        )
    filled = [*cells, *[""] * (len(names) - len(cells))]
    row = dict(zip(names, filled, strict=False))
    return {key: text if key in NAMES else known(text) for key, text in row.items()} | {
        LINE: str(line)
    }


def cell(row: Row, *columns: str) -> str:
    """Returns the first of the columns that exists and is not empty, else an empty text."""
    return next((row[column] for column in columns if row.get(column)), "")


def size_mm(row: Row) -> float | None:
    """Returns a size in mm, in the unit of the cell, such as ``0.9 cm``, else of the column, else
    mm; None if there is none.

    Raises:
        NoduleRiskError: not a number, or of no nodule.
    """
    column = next((column for column in SIZES_MM if row.get(column)), None)
    if column is None:
        return None
    text, unit = _split_size(row[column])
    value = number(text, column) * (unit or SIZES_MM[column] or 1.0)
    if value <= 0:
        raise NoduleRiskError(f"{column} '{row[column]}' is not positive")
    if not POSSIBLE_MM[0] <= value <= POSSIBLE_MM[1]:
        raise NoduleRiskError(f"{column} '{row[column]}' is no nodule's size: check the unit")
    return value


def diameter_mm(column: str, text: str) -> str:
    """Returns a diameter of its column in mm, from mm or cm as the cell says.

    Raises:
        NoduleRiskError: it does not say, and the number looks like cm.
    """
    digits, unit = _split_size(text)
    if unit is None and (small := _without_unit(text)) and float(small) < SMALLEST_MM:
        raise NoduleRiskError(f"{column} '{text}' has no unit: write {text} mm or {text} cm")
    return digits if unit is None else f"{number(digits, column) * unit:g}"


def refuse_sizes_without_unit(rows: list[Row], table: str) -> None:
    """Asks for the unit of sizes that may be cm.

    Raises:
        NoduleRiskError: neither the column nor the cells say the unit, and the numbers may be cm.
    """
    for column in (column for column, mm in SIZES_MM.items() if mm is None):
        bare = [text for row in rows if (text := _without_unit(row.get(column, "")))]
        sizes = [float(text) for text in bare]
        if sizes and (min(sizes) < SMALLEST_MM or max(sizes) < SURELY_MM):
            raise NoduleRiskError(
                f"{table} has sizes under '{column}' without a unit, such as"
                f" {min(bare, key=float)}: call the column {column}_cm if they are in cm, or"
                f" {column}_mm if they are in mm."
            )


def _split_size(text: str) -> tuple[str, float | None]:
    """Returns the number's text, and the mm of its unit; None: it has none."""
    found = SIZE.fullmatch(text)
    digits, unit = found.groups() if found else (text, None)
    return digits, None if unit is None else UNITS_MM[unit.lower()]


def _without_unit(text: str) -> str:
    """Returns a positive number that stands without a unit; empty: it is none."""
    digits, unit = _split_size(text)
    try:
        return digits if unit is None and 0 < float(digits) < math.inf else ""
    except ValueError:
        return ""


def number(text: str, what: str) -> float:
    """Returns a finite number with a decimal point.

    Raises:
        NoduleRiskError: anything else; ``what`` names the cell.
    """
    try:
        value = math.nan if "_" in text else float(text)  # Python alone reads 1_0 as 10
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NoduleRiskError(f"{what} '{text}' is not a number: write it with a decimal point")
    return value


def split_in(row: Row) -> str | None:
    """Returns the ``split`` column: train, validation or test; None if it is empty.

    Raises:
        NoduleRiskError: another word.
    """
    text = cell(row, "split")
    if not text:
        return None
    word = {"training": "train", "val": "validation", "valid": "validation", "testing": "test"}.get(
        plain_word(text), plain_word(text)
    )
    if word not in SPLITS:
        raise NoduleRiskError(f"unknown split '{text}': write {', '.join(SPLITS)}")
    return word


def fold_in(row: Row) -> int | None:
    """Returns the ``fold`` column; None if it is not a whole number."""
    text = cell(row, "fold").removesuffix(".0")
    return int(text) if text.isdecimal() else None


def evidence_in(row: Row) -> EvidenceLevel:
    """Returns the ``evidence`` column: pathology if it is empty.

    Raises:
        NoduleRiskError: another word than pathology, reader or simulated.
    """
    text = cell(row, "evidence")
    if text and plain_word(text) not in EVIDENCE:
        raise NoduleRiskError(f"unknown evidence '{text}': write {', '.join(EVIDENCE)}")
    return EVIDENCE[plain_word(text) or "pathology"]


def labels_in(row: Row) -> dict[str, int]:
    """Returns labels from the columns named like tasks, each a class's name or index, empty for
    unknown.

    A bare number in a numbered task's column, such as ``grade``, is the grade (1, 2, 3), not an
    index.

    Raises:
        NoduleRiskError: no such class.
    """
    return {task: class_index(task, row[task]) for task in TASKS if row.get(task)}


def class_index(task: str, text: str) -> int:
    """Returns the index of a class of the task, given by name or index.

    Raises:
        NoduleRiskError: no such class, or a sign or question mark beside it.
    """
    first = 1 if TASKS[task].numbered else 0
    known = {str(index): index - first for index in range(first, first + len(TASKS[task].classes))}
    known |= {plain_word(name): index for index, name in enumerate(TASKS[task].classes)}
    if plain_word(text) not in known:
        raise NoduleRiskError(
            f"unknown {task} '{text}': write {', '.join(TASKS[task].classes)}, or leave it empty"
        )
    return known[plain_word(text)]


def repeated(names: Iterable[str]) -> frozenset[str]:
    """Returns the names that occur more than once."""
    return frozenset(name for name, count in Counter(names).items() if count > 1)
