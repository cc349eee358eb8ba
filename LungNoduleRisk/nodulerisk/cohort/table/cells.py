"""The cells of a cohort's table, whatever file holds them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from nodulerisk.files import table_cells, text_in

BATCH = 10_000  # rows of Parquet read at a time


def cells_of(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the header and the rows that are not empty, as text, with their numbers as a
    spreadsheet counts them.

    Raises:
        OSError, ValueError, csv.Error, pa.ArrowException: the file is no table.
        NoduleRiskError: its numbers are written in two ways.
    """
    if path.suffix.lower() == ".parquet":
        rows = enumerate(_parquet_cells(path), start=1)
        yield from ((number, cells) for number, cells in rows if any(cells))
    else:
        yield from table_cells(text_in(path.read_bytes()))


def _parquet_cells(path: Path) -> Iterator[list[str]]:
    with pq.ParquetFile(path) as file:
        yield file.schema_arrow.names
        for batch in file.iter_batches(BATCH):
            columns = (map(_text, column.to_pylist()) for column in batch.columns)
            yield from map(list, zip(*columns, strict=True))


def _text(value: Any) -> str:
    """Returns a Parquet value as a spreadsheet would show it; NaN, which means missing, becomes
    empty."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value).strip()
