"""Tables of nodules: CSV or TSV files with one row per nodule, and the columns that all formats
share."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from nodulerisk.datasets.nodules import SPLITS
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS, EvidenceLevel

Row = dict[str, str]
LINE = "#line"  # never a header: headers keep only letters, digits and underscores
DELIMITERS = ",;\t"
EVIDENCE: dict[str, EvidenceLevel] = {
    "pathology": "pathology",
    "reader": "reader",
    "simulated": "simulated",
}


def read_rows(table: Path) -> list[Row]:
    """Reads the rows of a UTF-8 table, separated by comma, semicolon or tab, whichever occurs most
    in its header.

    Headers are read in lower case with underscores (``CT path`` is ``ct_path``), cells are stripped
    of surrounding spaces, and ``row[LINE]`` is the line in the file. Rows without any text are
    skipped.

    Raises:
        NoduleRiskError: no such file, not UTF-8 text, no rows, or a row with more cells than the
            header.
    """
    try:
        with open(table, newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max(DELIMITERS, key=header.count), strict=True)
            rows = [_row(cells, reader.line_num, table) for cells in reader]
    except OSError as error:
        raise NoduleRiskError(
            f"{table.name} cannot be read ({error.strerror}): check the path."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise NoduleRiskError(
            f"{table.name} is not a table in UTF-8: save it as 'CSV UTF-8'."
        ) from error
    rows = [row for row in rows if any(text for key, text in row.items() if key != LINE)]
    if not rows:
        raise NoduleRiskError(
            f"{table.name} has no rows: write a header and a row for each nodule."
        )
    return rows


def refuse_missing_column(
    rows: list[Row], columns: tuple[str, ...], table: Path, holds: str
) -> None:
    """Raises NoduleRiskError if the table has none of the columns; the message names the first one
    and what it holds."""
    if not any(column in rows[0] for column in columns):
        raise NoduleRiskError(f"{table.name} has no column '{columns[0]}' with {holds}: add it.")


def _row(cells: dict, line: int, table: Path) -> Row:
    if None in cells:  # every cell after the surplus one would be read as its neighbour's
        raise NoduleRiskError(
            f"Line {line} of {table.name} has more cells than the header: quote cells that contain"
            " the separator."
        )
    named = {
        re.sub(r"\W+", "_", key.strip().lower()).strip("_"): (text or "").strip()
        for key, text in cells.items()
    }
    return named | {LINE: str(line)}


def cell(row: Row, *columns: str) -> str:
    """Returns the first of the columns that exists and is not empty, else an empty text."""
    return next((row[column] for column in columns if row.get(column)), "")


def positive_number(row: Row, *columns: str) -> float | None:
    """Returns a size in mm; None if the cell is empty.

    Raises:
        NoduleRiskError: not a positive, finite number.
    """
    text = cell(row, *columns)
    if not text:
        return None
    value = number(text, columns[0])
    if value <= 0:
        raise NoduleRiskError(f"{columns[0]} '{text}' is not positive")
    return value


def number(text: str, what: str) -> float:
    """Returns a finite number with a decimal point.

    Raises:
        NoduleRiskError: anything else; ``what`` names the cell.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NoduleRiskError(f"{what} '{text}' is not a number: write it with a decimal point")
    return value


def plain(text: str) -> str:
    """Keeps only letters and digits, in lower case, so that ``Pre-invasive`` and ``pre invasive``
    are the same."""
    return re.sub(r"[\W_]+", "", text.casefold())


def split_in(row: Row) -> str | None:
    """Returns the ``split`` column: train, validation or test; None if it is empty.

    Raises:
        NoduleRiskError: another word.
    """
    text = cell(row, "split")
    if not text:
        return None
    word = {"training": "train", "val": "validation", "valid": "validation", "testing": "test"}.get(
        plain(text), plain(text)
    )
    if word not in SPLITS:
        raise NoduleRiskError(f"unknown split '{text}': write {', '.join(SPLITS)}")
    return word


def fold_in(row: Row) -> int | None:
    """Returns the ``fold`` column; None if it is empty.

    Raises:
        NoduleRiskError: not a whole number.
    """
    text = cell(row, "fold").removesuffix(".0")
    if text and not text.isdecimal():
        raise NoduleRiskError(f"unknown fold '{text}': write a whole number, such as 0")
    return int(text) if text else None


def evidence_in(row: Row) -> EvidenceLevel:
    """Returns the ``evidence`` column: pathology if it is empty.

    Raises:
        NoduleRiskError: another word than pathology, reader or simulated.
    """
    text = cell(row, "evidence")
    if text and plain(text) not in EVIDENCE:
        raise NoduleRiskError(f"unknown evidence '{text}': write {', '.join(EVIDENCE)}")
    return EVIDENCE[plain(text) or "pathology"]


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
    """Returns the index of a class of the task, given by name or index."""
    words = [plain(name) for name in TASKS[task].classes]
    known = {str(index): index for index in range(len(words))} | {
        word: index for index, word in enumerate(words)
    }
    if TASKS[task].numbered:
        known = {
            word.removeprefix(prefix): i
            for i, word in enumerate(words)
            for prefix in ("", plain(task))
        }
    if plain(text) not in known:
        raise NoduleRiskError(
            f"unknown {task} '{text}': write {', '.join(TASKS[task].classes)}, or leave it empty"
        )
    return known[plain(text)]


def repeated(names: Iterable[str]) -> frozenset[str]:
    """Returns the names that occur more than once."""
    return frozenset(name for name, count in Counter(names).items() if count > 1)
