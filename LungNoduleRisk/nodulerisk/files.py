"""Writing files whole or not at all, tables that spreadsheets open as they are, and text in
whatever encoding it was saved."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.language.texts import _

NOTICE = "research_use_only"  # the field, key or column that holds it
PARTIAL = ".partial-"  # begins the name of a file that is being written
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
SEPARATORS = ",;\t"
DECIMAL = re.compile(r"[-+]?\d+([.,])\d+")
NOT_TEXT = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how Excel's own files begin


def cache_folder(of: str) -> Path:
    """Returns this user's folder of what can be made again; it may not be there yet."""
    from platformdirs import user_cache_path

    return user_cache_path("nodulerisk") / of


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary path beside ``path`` (same suffix) that takes its place when the block
    succeeds.

    Raises:
        OutputError: the folder is read-only, the disk is full, or the name is impossible; nothing
            is left behind.
    """
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        os.replace(partial, path)
    except (OSError, RuntimeError) as error:  # SimpleITK raises RuntimeError
        words = _(
            "{path} cannot be written ({reason}): choose a folder with free space that you may"
            " write to."
        )
        raise OutputError(words.format(path=path, reason=_reason(error))) from error
    finally:
        partial.unlink(missing_ok=True) if path.parent.is_dir() else None


@contextmanager
def folder_written_whole(target: Path) -> Iterator[Path]:
    """Gives a temporary folder beside ``target`` that takes its place when the block succeeds.

    Raises:
        OutputError: it exists already, or cannot be written; nothing is left behind.
    """
    if target.exists():
        words = _("{target} already exists: delete it first, or choose another folder.")
        raise OutputError(words.format(target=target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
            folder = Path(partial) / "whole"
            folder.mkdir()
            yield folder
            shutil.move(folder, target)
    except OSError as error:
        words = _("{target} cannot be written ({reason}): choose another folder with --out.")
        raise OutputError(words.format(target=target, reason=error.strerror)) from error


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__


def inert(value: str | float | None) -> str | float | None:
    """Turns text that a spreadsheet would run as a formula into plain text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def text_in(content: bytes) -> str:
    """Returns text that was saved as UTF-8, as UTF-16, or by Excel in China (GBK) or the West.

    Raises:
        ValueError: none of these.
    """
    if content.startswith(NOT_TEXT):
        raise ValueError("a workbook")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    if b"\0" in content:  # every other byte of UTF-16 without a mark
        return content.decode("utf-16-be" if content[:1] == b"\0" else "utf-16-le")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030" if _is_chinese(content) else "cp1252")


def _is_chinese(content: bytes) -> bool:
    """Whether at least half of what is not ASCII is common Chinese characters in GBK; accented
    Latin letters, which stand beside ASCII ones, would be rare characters there."""
    try:
        foreign = [char.encode("gbk") for char in content.decode("gb18030") if not char.isascii()]
    except ValueError:
        return False
    common = [pair for pair in foreign if 0xA1 <= pair[0] <= 0xD7 and pair[-1] >= 0xA1]
    return 2 * len(common) >= len(foreign)


def table_cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yields the number, as a spreadsheet counts, and the cells of every row that is not empty.

    They are separated by what Excel names in a first line such as ``sep=;``, else by the comma,
    semicolon or tab that the first row has most of. Where that is no comma, decimal commas become
    points.

    Raises:
        csv.Error: damaged.
        NoduleRiskError: a column has both decimal commas and decimal points, so that one of them
            may separate thousands.

    Examples:
        >>> list(table_cells("name;mm\\nA;1,5"))
        [(1, ['name', 'mm']), (2, ['A', '1.5'])]
    """
    lines = io.StringIO(text, newline=None)
    first = next((line for line in lines if line.strip()), "")
    named = re.fullmatch(r'"?sep=(.)"?', first.strip(), re.IGNORECASE)
    separator = named[1] if named else max(SEPARATORS, key=first.count)
    if not named:
        lines.seek(0)
    marks: dict[int, str] = {}
    for number, cells in enumerate(csv.reader(lines, delimiter=separator, strict=True), start=1):
        stripped = [cell.strip().replace("\N{MINUS SIGN}", "-") for cell in cells]
        if any(stripped):
            yield number, stripped if separator == "," else _pointed(stripped, marks)


def _pointed(cells: list[str], marks: dict[int, str]) -> list[str]:
    """Returns a row with decimal points; ``marks``: the decimal mark of each column so far."""
    for column, cell in enumerate(cells):
        found = DECIMAL.fullmatch(cell)
        if found and marks.setdefault(column, found[1]) != found[1]:
            raise NoduleRiskError(
                _(
                    "One column has both decimal commas and decimal points, such as {cell}: write"
                    " its numbers alike, without separators of thousands."
                ).format(cell=cell)
            )
    return [cell.replace(",", ".") if DECIMAL.fullmatch(cell) else cell for cell in cells]


def column_name(header: str) -> str:
    """Returns a table's header as its columns are known by.

    Examples:
        >>> column_name("CT"), column_name("upper lobe"), column_name("PD-L1")
        ('ct', 'upper_lobe', 'pd_l1')
    """
    return re.sub(r"\W+", "_", header.strip().lower()).strip("_")


def stem_of(path: Path) -> str:
    """Returns a file's name without its suffix; dots of a UID are none.

    Examples:
        >>> stem_of(Path("1.3.6.1.4.mhd")), stem_of(Path("scan.nii.gz")), stem_of(Path("1.3.6"))
        ('1.3.6.1.4', 'scan', '1.3.6')
    """
    return re.sub(r"(\.nii)?\.[A-Za-z]\w*$", "", path.name)


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
