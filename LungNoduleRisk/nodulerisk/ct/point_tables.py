"""Tables of points: as Slicer exports them, as spreadsheets save them, and as LUNA16 and LUNA25 are
distributed (faults 64 and 65)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nodulerisk.errors import PointError
from nodulerisk.files import table_cells
from nodulerisk.language.texts import _

# By what the names of three columns say: the coordinate system; None: nothing, so that it is asked
AXES: dict[tuple[str, str, str], str | None] = {
    ("r", "a", "s"): "ras",
    ("l", "p", "s"): "lps",
    ("xras", "yras", "zras"): "ras",
    ("xlps", "ylps", "zlps"): "lps",
    ("coordx", "coordy", "coordz"): "lps",  # LUNA16: the scan's world, which is LPS
    ("xcoord", "ycoord", "zcoord"): None,
    ("x", "y", "z"): None,
    ("posx", "posy", "posz"): None,
    ("i", "j", "slice"): "slice",  # pixels from 0, on the image with this InstanceNumber
    ("x", "y", "slice"): "slice",
}
NAMES = ("name", "label", "nodule")
SERIES = ("seriesuid", "seriesinstanceuid")
SYSTEM = ("coordinates", "coordinatesystem")
STATUS = ("defined", "positionstatus")
DEFINED = ("", "1", "true", "yes", "defined")
UNDEFINED = ("0", "false", "no", "undefined", "preview", "missing")
KNOWN = {axis for axes in AXES for axis in axes} | {*NAMES, *SERIES, *SYSTEM, *STATUS}


@dataclass(frozen=True)
class PointRow:
    """A row of a table.

    Attributes:
        label: what it calls the point; empty: nothing.
        cells: x, y, z as text, with a decimal point; or column, row and InstanceNumber.
        system: what the table says of its coordinates, in its own word; None: nothing.
        series: the SeriesInstanceUID that the point is of; empty: not said.
    """

    label: str
    cells: tuple[str, str, str]
    system: str | None
    series: str


def plain(column: str) -> str:
    """Returns a column's name without case, blanks and unit: ``Coord X (mm)`` becomes
    ``coordx``."""
    return re.sub(r"[\W_]+", "", re.sub(r"[\W_]mm\W*$", "", column.strip().lower()))


def axes_in(columns: Iterable[str]) -> tuple[str, str, str] | None:
    """Returns the three plain names that hold a position; None: there are none."""
    return next((axes for axes in AXES if set(axes) <= set(columns)), None)


def read_point_rows(text: str) -> Iterator[PointRow]:
    """Reads a table's points, without those that were never placed, and without empty rows.

    Raises:
        PointError: no columns for a position, two for one thing, or a row with surplus cells.
        csv.Error: damaged.
    """
    columns, *rows = [cells for _, cells in table_cells(text)] or [[]]
    names = list(map(plain, columns))
    axes = _axes(names)
    for number, cells in enumerate(rows, start=1):
        if any(cells[len(names) :]):
            words = _(
                "Point {number} has more cells than the header: quote cells that contain the"
                " separator, or separate by semicolons where numbers have a decimal comma."
            )
            raise PointError(words.format(number=number))
        row = dict(zip(names, cells, strict=False))
        if _is_placed(row, number):
            x, y, z = (row.get(axis, "") for axis in axes)
            yield PointRow(
                _first(row, NAMES), (x, y, z), AXES[axes] or _system(row), _first(row, SERIES)
            )


def _axes(names: Sequence[str]) -> tuple[str, str, str]:
    axes = axes_in(names)
    if axes is None:
        raise PointError(
            _(
                "Columns are missing: the table's first line must be x,y,z (mm), with name if"
                " you like; or r,a,s or l,p,s, as Slicer writes; or coordX,coordY,coordZ, as"
                " in LUNA16; or i,j,slice."
            )
        )
    if repeated := [name for name in KNOWN if Counter(names)[name] > 1]:
        words = _("Several columns are called '{repeated}': keep one of them.")
        raise PointError(words.format(repeated=repeated[0]))
    if {"r", "a", "l", "p"} <= set(names):
        raise PointError(_("The table has both r,a,s and l,p,s: keep the columns of one of them."))
    return axes


def _is_placed(row: dict[str, str], number: int) -> bool:
    status = _first(row, STATUS).lower()
    if status not in DEFINED + UNDEFINED:
        words = _("Point {number} is '{status}': write 1 if it is defined, else 0.")
        raise PointError(words.format(number=number, status=status[:20]))
    return status in DEFINED


def _system(row: dict[str, str]) -> str | None:
    return _first(row, SYSTEM).lower() or None


def _first(row: dict[str, str], names: Sequence[str]) -> str:
    return next((row[name] for name in names if row.get(name)), "")
