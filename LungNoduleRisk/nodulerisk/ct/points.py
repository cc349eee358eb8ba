"""Points: where the user marks nodules, from the command line, Slicer markups or a table.

A point's name becomes the name of its results folder, so labels are made safe here, once.
"""

from __future__ import annotations

import csv
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any, Literal

from nodulerisk.ct.point_tables import PointRow, read_point_rows
from nodulerisk.ct.volume import CT, triple
from nodulerisk.errors import PointError
from nodulerisk.files import text_in
from nodulerisk.language.texts import Verbatim, _, joined

Coordinates = Literal["lps", "ras"]
Position = tuple[float, float, float]

FCSV_COLUMNS = (  # unchanged since Slicer 4
    "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
)
SLICES = re.compile(r"(\d+)\s*[-–—~至]\s*(\d+)")  # a range of InstanceNumbers
SLICE = "slice"
COORDINATE_SYSTEMS: dict[str, Coordinates] = {"lps": "lps", "1": "lps", "ras": "ras", "0": "ras"}
FCSV_DEFINED = "2"  # vtkMRMLMarkupsNode::PositionDefined
TABLES = (".csv", ".tsv")
LONGEST_NAME = 60  # characters; at most 240 bytes of the 255 that file systems allow
# What starts like a formula; 12E4; 1-2, 2024-01-31
NOT_TEXT = re.compile(r"[-+]|\d+E[+-]?\d+$|\d{1,4}-\d{1,2}(-\d{1,4})?$", re.IGNORECASE)
WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)


@dataclass(frozen=True)
class Point:
    """A nodule to assess: a name that is safe as a folder name, and its position (x, y, z), LPS
    mm."""

    name: str
    lps_mm: Position

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", Verbatim(self.name))


# A file, one position (x, y, z) in LPS mm or Point, or several.
Points = str | Path | Point | Position | Iterable[Point | Position]


def parse_point(text: str, coordinates: Coordinates = "lps") -> Position:
    """Parses ``x,y,z`` in mm into an LPS position in mm.

    Raises:
        PointError: not three finite numbers.

    Examples:
        >>> parse_point("-81, -192, -192")
        (-81.0, -192.0, -192.0)
        >>> parse_point("81, 192, -192", "ras")
        (-81.0, -192.0, -192.0)
    """
    return _position(text.split(","), coordinates, repr(text))


def read_points(
    path: str | Path,
    coordinates: Coordinates | None = None,
    *,
    series: str | None = None,
    ct: CT | None = None,
) -> list[Point]:
    """Reads the points of a Slicer markups file (``.mrk.json``, ``.fcsv``) or a table (``.csv``,
    ``.tsv``), in the file's order; those that Slicer calls undefined or missing are left out.

    Args:
        path: markups say themselves whether they are LPS or RAS; a table by its columns l, p, s or
            r, a, s, or it has x, y, z in mm. See ``point_tables``.
        coordinates: what the user says the file holds; None: what the file says, or LPS for a
            table.
        series: the SeriesInstanceUID of the CT; only its rows of a table with such a column count,
            as in LUNA16; None: all rows, if they are of one series.
        ct: where the slices of a table lie that counts them; see ``counts_slices``.

    Raises:
        PointError: no such file, another format, damaged, no points, a position that is not three
            finite numbers, ``coordinates`` that contradict the file, or points of several series.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    readers = {".json": _read_markups, ".fcsv": _read_fcsv}
    if suffix not in (*readers, *TABLES):
        words = _(
            "'{name}' is not a list of points: use Slicer markups (.mrk.json, .fcsv) or a .csv"
            " table."
        )
        raise PointError(words.format(name=path.name))
    with _damage_refused(path):
        text = text_in(path.read_bytes())
        if suffix in TABLES:
            labelled = list(_read_table(text, coordinates, series, ct))
        else:
            labelled = list(readers[suffix](text, coordinates))
    if not labelled:
        words = _("'{name}' holds no points: place a point on each nodule and save it again.")
        raise PointError(words.format(name=path.name))
    return named_points(labelled)


def series_in(path: Path) -> list[str]:
    """Returns the SeriesInstanceUIDs that a table of points names, without repeats; none of another
    file.

    Raises:
        PointError: the table cannot be read.
    """
    return list(dict.fromkeys(row.series for row in _rows_of(path) if row.series))


def counts_slices(path: Path) -> bool:
    """Whether a table gives positions by slice numbers, which only the CT can place.

    Raises:
        PointError: the table cannot be read.
    """
    return any(row.system == SLICE for row in _rows_of(path))


def _rows_of(path: Path) -> list[PointRow]:
    """Returns the rows of a table; none of another file."""
    if path.suffix.lower() not in TABLES:
        return []
    with _damage_refused(path):
        return list(read_point_rows(text_in(path.read_bytes())))


@contextmanager
def _damage_refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        words = _("'{name}' cannot be read ({reason}): check the path.")
        raise PointError(words.format(name=path.name, reason=error.strerror)) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error) as error:
        words = _("'{name}' is damaged or has another layout: save the points again.")
        raise PointError(words.format(name=path.name)) from error


def named_points(labelled: Iterable[tuple[str, Position]]) -> list[Point]:
    """Returns points from labels and LPS positions; names are unique and safe as folder names;
    points without a label become N1, N2, …"""
    points: list[Point] = []
    taken: set[str] = set()
    for number, (label, position) in enumerate(labelled, start=1):
        name = _unique(_safe_name(label) or f"N{number}", taken)
        taken.add(name.casefold())  # Windows and macOS do not distinguish case
        points.append(Point(name, position))
    return points


def as_points(given: Points) -> list[Point]:
    """Returns Points from whatever a program has: see ``Points``.

    Raises:
        PointError: a file that ``read_points`` refuses, or not three finite numbers.
    """
    if isinstance(given, str | Path):
        return read_points(given)
    if isinstance(given, Point):
        given = [given]
    several: list[Any] = list(given)
    if several and isinstance(several[0], Real):
        several = [several]
    return named_points(
        (one.name, one.lps_mm)
        if isinstance(one, Point)
        else ("", _position(one, "lps", _("The position {one}").format(one=one)))
        for one in several
    )


def _read_markups(text: str, asked: Coordinates | None) -> Iterator[tuple[str, Position]]:
    """Reads the point lists of a markups JSON file; lines, curves and regions do not mark
    nodules."""
    for markup in json.loads(text)["markups"]:
        if markup.get("type", "Fiducial") != "Fiducial":
            continue
        coordinates = _agreed(markup.get("coordinateSystem", "LPS"), asked)
        if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM", "millimeter"]):
            raise PointError(
                _(
                    "The points are not in mm: save them from a Slicer scene whose length unit is"
                    " mm."
                )
            )
        for control in markup["controlPoints"]:
            if control.get("positionStatus", "defined") == "defined":
                label = control.get("label") or ""
                yield (
                    label,
                    _position(
                        control["position"],
                        coordinates,
                        _("The position of {label!r}").format(label=label),
                    ),
                )


def _read_fcsv(text: str, asked: Coordinates | None) -> Iterator[tuple[str, Position]]:
    """Reads Slicer's older point lists: comment lines with the coordinate system and the columns,
    then one line per point."""
    header = dict(re.findall(r"^#\s*(\w[\w ]*?)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    # Slicer's default here is RAS
    coordinates = _agreed(header.get("CoordinateSystem", asked or "RAS"), asked)
    columns = [name.strip() for name in header.get("columns", FCSV_COLUMNS).split(",")]
    rows = csv.DictReader([line for line in text.splitlines() if not line.startswith("#")], columns)
    for number, row in enumerate(rows, start=1):
        unnamed = row.get(None) or [FCSV_DEFINED, "0"]  # since Slicer 5: status and "auto-created"
        if len(unnamed) != 2:
            raise PointError(
                _("Point {number} has too many cells: save the points again.").format(number=number)
            )
        status = unnamed[0]
        if int(status or FCSV_DEFINED) == int(FCSV_DEFINED):
            position = _position(
                [row[axis] for axis in "xyz"],
                coordinates,
                _("Point {number}").format(number=number),
            )
            yield row.get("label") or "", position


def _read_table(
    text: str, asked: Coordinates | None, series: str | None, ct: CT | None
) -> Iterator[tuple[str, Position]]:
    rows = _of_series(list(read_point_rows(text)), series)
    for number, row in enumerate(rows, start=1):
        if row.system == SLICE:
            yield row.label, _on_image(row, _("Point {number}").format(number=number), ct)
            continue
        coordinates = _agreed(row.system, asked) if row.system else asked or "lps"
        yield (
            row.label,
            _position(row.cells, coordinates, _("Point {number}").format(number=number)),
        )


def _on_image(row: PointRow, what: str, ct: CT | None) -> Position:
    if ct is None:
        raise PointError(_("The table counts slices, which only the CT places: give x,y,z in mm."))
    column, line, number = row.cells
    x, y, _z = _position((column, line, 0), "lps", what)
    return triple(ct.point_on_image(x, y, slice_number(number, joined(": ", (what, _("slice"))))))


def _of_series(rows: list[PointRow], series: str | None) -> list[PointRow]:
    """Returns the rows of that series, if they say of which they are.

    Raises:
        PointError: they are of several, and none is the one, or which is the one is not known.
    """
    own = [row for row in rows if row.series == series]
    if own:
        return own
    if len({row.series for row in rows}) > 1:
        raise PointError(
            _(
                "The table holds points of several CTs, and no row names this one: its column"
                " seriesuid must hold the CT's SeriesInstanceUID, or the CT's file be named by"
                " it."
            )
        )
    return rows


def _agreed(in_file: str, asked: Coordinates | None) -> Coordinates:
    """Returns the file's coordinate system, if it is known and not contradicted."""
    found = COORDINATE_SYSTEMS.get(in_file.lower())
    if found is None:
        words = _("The points are in '{in_file}' coordinates: save them as LPS or RAS.")
        raise PointError(words.format(in_file=in_file))
    if asked is not None and asked != found:
        words = _("The file says its points are {found}, not {wanted}: leave out --{asked}.")
        raise PointError(words.format(found=found.upper(), wanted=asked.upper(), asked=asked))
    return found


def _position(values: Sequence, coordinates: Coordinates, what: str) -> Position:
    try:
        x, y, z = (float(value) for value in values)
    except (ValueError, TypeError):
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        words = _("{what} is not three numbers: give x,y,z in mm, such as -81,-192,-192.")
        raise PointError(words.format(what=what))
    return lps_of((x, y, z), coordinates)


def lps_of(position: Position, coordinates: Coordinates) -> Position:
    """Returns a position in mm as LPS."""
    x, y, z = position
    return (x, y, z) if coordinates == "lps" else (-x, -y, z)


def slice_number(text: str, what: str) -> float:
    """Returns an InstanceNumber, or the middle of a range of them.

    Raises:
        PointError: neither; ``what`` names the cell.

    Examples:
        >>> slice_number("31", "slice"), slice_number("30-34", "slice")
        (31.0, 32.0)
    """
    ends = SLICES.fullmatch(text.strip()) or re.fullmatch(r"((\d+)(?:\.0+)?)", text.strip())
    if ends is None:
        words = _("{what} '{text}' is no slice number: write one, or a range such as 30-34")
        raise PointError(words.format(what=what, text=text))
    return (float(ends[1]) + float(ends[2])) / 2


def _safe_name(label: str) -> str:
    """Keeps letters of any script, digits, spaces and ``-+()``; drops separators, dots, quotes and
    control characters; no spreadsheet reads it as anything but text (fault 79)."""
    name = re.sub(r"[^\w +()-]", "_", unicodedata.normalize("NFC", str(label).strip()))[
        :LONGEST_NAME
    ].strip()
    return _as_text(f"{name}_" if WINDOWS_DEVICE.match(name) else name)


def _as_text(name: str) -> str:
    """Returns the name; with ``_`` before it where a spreadsheet would make a formula, a number or
    a date of it: one spelling in tables, files and folders."""
    return f"_{name}" if NOT_TEXT.match(name) else name


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 1
    while unique.casefold() in taken:
        number += 1
        unique = _as_text(f"{name}-{number}")
    return unique
