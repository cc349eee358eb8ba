"""Writing files whole or not at all, and tables that spreadsheets open as they are."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.errors import OutputError

NOTICE = "research_use_only"  # the field, key or column that holds it
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` (same suffix) that takes its place when the block
    succeeds.

    Raises:
        OutputError: the folder is read-only, the disk is full, or the name is impossible; nothing
            is left behind.
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # SimpleITK raises RuntimeError
        raise OutputError(
            f"{path} cannot be written ({_reason(error)}): choose a folder with free space that"
            " you may write to."
        ) from error
    finally:
        partial.unlink(missing_ok=True) if path.parent.is_dir() else None


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__


def inert(value: str | float | None) -> str | float | None:
    """Turns text that a spreadsheet would run as a formula into plain text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str | float | None]]
) -> None:
    """Writes a CSV file in UTF-8 with a byte order mark; the last column is the notice.

    Text that a spreadsheet would read as a formula starts with ``'``.

    Raises:
        OutputError: the file cannot be written.
    """
    with (
        written_whole(path) as partial,
        partial.open("w", newline="", encoding="utf-8-sig") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(map(inert, (*columns, NOTICE)))
        for row in rows:
            values = (row.get(column) for column in columns)
            writer.writerow((*map(inert, values), RESEARCH_USE_ONLY))
