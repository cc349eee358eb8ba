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
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nodulerisk.errors import PointError

Coordinates = Literal["lps", "ras"]
Position = tuple[float, float, float]

FCSV_COLUMNS = (  # unchanged since Slicer 4
    "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
)
COORDINATE_SYSTEMS: dict[str, Coordinates] = {"lps": "lps", "1": "lps", "ras": "ras", "0": "ras"}
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


def read_points(path: str | Path, coordinates: Coordinates | None = None) -> list[Point]:
    """Reads the points of a Slicer markups file (``.mrk.json``, ``.fcsv``) or a table (``.csv``),
    in the file's order.

    Args:
        path: markups say themselves whether they are LPS or RAS; a table has a header with the
            columns x, y, z in mm and, optionally, name or label.
        coordinates: what the user says the file holds; None: what the file says, or LPS for a
            table.

    Raises:
        PointError: no such file, another format, damaged, no points, a position that is not three
            finite numbers, or ``coordinates`` that contradict the file.
    """
    path = Path(path)
    readers = {".json": _read_markups, ".fcsv": _read_fcsv, ".csv": _read_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PointError(
            f"'{path.name}' is not a list of points: use Slicer markups (.mrk.json, .fcsv) or a"
            " .csv"
            " table."
        )
    try:
        labelled = list(reader(path.read_text(encoding="utf-8-sig"), coordinates))
    except OSError as error:
        raise PointError(
            f"'{path.name}' cannot be read ({error.strerror}): check the path."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        raise PointError(
            f"'{path.name}' is damaged or has another layout: save the points again."
        ) from error
    if not labelled:
        raise PointError(
            f"'{path.name}' holds no points: place a point on each nodule and save it again."
        )
    return named_points(labelled)


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


def _read_markups(text: str, asked: Coordinates | None) -> Iterator[tuple[str, Position]]:
    """Reads the point lists of a markups JSON file; lines, curves and regions do not mark
    nodules."""
    for markup in json.loads(text)["markups"]:
        if markup.get("type", "Fiducial") != "Fiducial":
            continue
        coordinates = _agreed(markup.get("coordinateSystem", "LPS"), asked)
        if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM", "millimeter"]):
            raise PointError(
                "The points are not in mm: save them from a Slicer scene whose length unit is mm."
            )
        for control in markup["controlPoints"]:
            if control.get("positionStatus", "defined") == "defined":
                label = control.get("label", "")
                yield (
                    label,
                    _position(control["position"], coordinates, f"The position of {label!r}"),
                )


def _read_fcsv(text: str, asked: Coordinates | None) -> Iterator[tuple[str, Position]]:
    """Reads Slicer's older point lists: comment lines with the coordinate system and the columns,
    then one line per point."""
    header = dict(re.findall(r"^#\s*(\w[\w ]*?)\s*=\s*(.*?)\s*$", text, re.MULTILINE))
    # Slicer's default here is RAS
    coordinates = _agreed(header.get("CoordinateSystem", asked or "RAS"), asked)
    columns = header.get("columns", FCSV_COLUMNS).split(",")
    rows = csv.DictReader([line for line in text.splitlines() if not line.startswith("#")], columns)
    return _rows(rows, coordinates)


def _read_table(text: str, asked: Coordinates | None) -> Iterator[tuple[str, Position]]:
    rows = csv.DictReader(text.splitlines())
    rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
    if not {"x", "y", "z"} <= set(rows.fieldnames):
        raise PointError(
            "Columns are missing: the table's first line must be x,y,z (mm), with name if you like."
        )
    return _rows(rows, asked or "lps")


def _rows(rows: csv.DictReader, coordinates: Coordinates) -> Iterator[tuple[str, Position]]:
    for number, row in enumerate(rows, start=1):
        position = _position([row["x"], row["y"], row["z"]], coordinates, f"Point {number}")
        yield row.get("name") or row.get("label") or "", position


def _agreed(in_file: str, asked: Coordinates | None) -> Coordinates:
    """Returns the file's coordinate system, if it is known and not contradicted."""
    found = COORDINATE_SYSTEMS.get(in_file.lower())
    if found is None:
        raise PointError(f"The points are in '{in_file}' coordinates: save them as LPS or RAS.")
    if asked is not None and asked != found:
        raise PointError(
            f"The file says its points are {found.upper()}, not {asked.upper()}: leave out"
            f" --{asked}."
        )
    return found


def _position(values: Sequence, coordinates: Coordinates, what: str) -> Position:
    try:
        x, y, z = (float(value) for value in values)
    except (ValueError, TypeError):
        x = y = z = math.nan
    if not all(map(math.isfinite, (x, y, z))):
        raise PointError(f"{what} is not three numbers: give x,y,z in mm, such as -81,-192,-192.")
    return lps_of((x, y, z), coordinates)


def lps_of(position: Position, coordinates: Coordinates) -> Position:
    """Returns a position in mm as LPS."""
    x, y, z = position
    return (x, y, z) if coordinates == "lps" else (-x, -y, z)


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
