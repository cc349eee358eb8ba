"""The table of a cohort: which nodules on which CTs, checked in full before anything runs.

CSV, as spreadsheets save it, or Parquet, one row per nodule. Required columns, in any order and
case:

* ``case``: the CT's name in all results, a pseudonym; rows of one case are nodules of one CT.
* ``ct``: a DICOM folder, a .zip of one, NRRD, NIfTI or MHA; relative to the table. ``series``
  (optional): which SeriesInstanceUID, if there are several.
* ``x``, ``y``, ``z``: a point on the nodule, in mm; LPS unless the column ``coordinates`` says
  ``ras``, ``voxel`` (from 0, as in ITK and Slicer) or ``slice``: a pixel from 0 on the image whose
  InstanceNumber, or the middle of a range such as ``30-34``, z is. ``x``, ``y``, ``slice`` (or
  ``i``, ``j``, ``slice``) say the same.

Optional columns:

* ``nodule``: its name; by default N1, N2, … within each case.
* what scores and guidelines need to know: columns named like the fields of
  ``clinical.patient.Patient``.
* follow-up: ``earlier``, the case of an earlier CT of the same patient, and ``days`` between the
  two, if the files carry no dates.
* ``patient``: a pseudonym that all CTs of a patient share, so that the evaluation's intervals count
  patients and not CTs. It is used for nothing else, and not kept. CTs linked by ``earlier`` belong
  to one patient even without it.
* for the evaluation: ``label_<task>``, the class known from elsewhere (its name, or its index from
  0; for grades 1, 2 or 3; of an own task of the weight set its name, or one of the task's words),
  and ``label_evidence``, what these labels rest on: pathology, reader or simulated.

LUNA16's and LUNA25's tables (``seriesuid``, ``coordX``, ``coordY``, ``coordZ``) are read too: a
case is a series, and its CT is the file or folder of that name beside the table or below it. Rows
whose CT is not there are left out and counted.

One CT or patient is one, however it is spelled: a CT with two patients, and a nodule with two
labels, are refused. Other columns are not read and not kept, and no error message quotes a path:
both may reveal who a patient is.
"""

from __future__ import annotations

import csv
import gc
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from nodulerisk.clinical.patient import Patient, patient_from
from nodulerisk.ct.image_files import META, NIFTI, NRRD
from nodulerisk.ct.points import Position, lps_of, named_points, slice_number
from nodulerisk.datasets.luna import cts_by_series
from nodulerisk.datasets.rows import EVIDENCE, class_index, known, number
from nodulerisk.datasets.spelling import ct_key, patient_key
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import column_name, table_cells, text_in
from nodulerisk.tasks import TASKS, EvidenceLevel
from nodulerisk.weights.own_tasks import OwnTask

Coordinates = Literal["lps", "ras", "voxel", "slice"]
COORDINATES: dict[str, Coordinates] = {word: word for word in get_args(Coordinates)}
Key = tuple[str, str]  # identifies a result: case, nodule
Row = dict[str, str]
Value = TypeVar("Value")

REQUIRED = ("case", "ct", "x", "y", "z")
# Values for missing columns, so that faults in the other columns are still found.
STAND_INS = {"ct": ".", "x": "0", "y": "0", "z": "0"}
OPTIONAL = ("nodule", "coordinates", "series", "earlier", "days", "patient", "label_evidence")
PATIENT = tuple(field.name for field in fields(Patient))
OF_LUNA = {
    "coordx": "x", "coordy": "y", "coordz": "z", "coord_x": "x", "coord_y": "y", "coord_z": "z",
    "seriesuid": "series", "seriesinstanceuid": "series", "patientid": "patient",
}  # fmt: skip
OF_SLICES = {"i": "x", "j": "y", "slice": "z"}
NAMES = ("case", "ct", "nodule")  # in which NA is a name
LISTED = 50  # problems to list; further ones are counted
LONGEST_QUOTE = 40  # characters
BATCH = 10_000  # rows of Parquet read at a time
# Threads, and files that each checks: a network drive answers slowly, but many requests at once.
READERS, ASKED_FOR = (16, 500)


class CohortError(NoduleRiskError):
    """The table cannot be run; nothing was run.

    Attributes:
        problems: what is wrong, one line each, with its row as a spreadsheet counts rows; at most
            ``LISTED``, and a line that counts the rest.
    """

    def __init__(self, table: str, problems: list[str]):
        super().__init__("\n".join([f"{table} cannot be run yet:", *problems]))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class CohortNodule:
    """A nodule of a case.

    Attributes:
        name: unique in its case, and safe as a file name.
        point: on the nodule, in mm or voxels (x, y, z), as in the table, or column, row and
            InstanceNumber.
        coordinates: of the point.
        patient: what scores and guidelines need to know; None: nothing is given.
        labels: task -> class, where known from elsewhere.
        label_evidence: what the labels rest on; ``none`` if the table does not say.
    """

    name: str
    point: Position
    coordinates: Coordinates = "lps"
    patient: Patient | None = None
    labels: dict[str, str] = field(default_factory=dict)
    label_evidence: EvidenceLevel = "none"


@dataclass(frozen=True, slots=True)
class CtCase:
    """A CT and its nodules.

    Attributes:
        case: its name, unique and safe as a file name.
        series: which SeriesInstanceUID, if there are several; None: there is only one.
        earlier: the case of an earlier CT of the same patient.
        days: between the two; None: taken from the files.
        patient_id: a number that all CTs of a patient share; 0: the table names no patient.
        listed_as: its path as the table has it, without what makes no difference.
    """

    case: str
    ct: Path
    nodules: tuple[CohortNodule, ...]
    series: str | None = None
    earlier: str | None = None
    days: float | None = None
    patient_id: int = 0
    listed_as: str = ""


@dataclass(frozen=True)
class Cohort:
    """The nodules to assess.

    Attributes:
        name: the table's file name.
        cases: in the order of their first rows.
        unused: columns of the table that are not used.
        absent: how many rows of LUNA's tables name a CT that is not there.
        skipped: what was wrong with the rows that were left out on request, a line each.
    """

    name: str
    cases: tuple[CtCase, ...]
    unused: tuple[str, ...] = ()
    absent: int = 0
    skipped: tuple[str, ...] = ()

    @property
    def keys(self) -> Iterator[Key]:
        """The keys of all results to compute."""
        return ((case.case, nodule.name) for case in self.cases for nodule in case.nodules)


def read_cohort(
    path: str | Path,
    coordinates: Coordinates | None = None,
    own_tasks: Mapping[str, OwnTask] | None = None,
    *,
    skip_bad: bool = False,
) -> Cohort:
    """Reads and checks a table; the CTs themselves are not opened.

    Args:
        path: ``.csv`` or ``.parquet``.
        coordinates: what the user says the points are; None: what the table says, or LPS if it says
            nothing.
        own_tasks: of the weight set, whose labels are read too.
        skip_bad: leave out rows that something is wrong with, and both of those that contradict
            each other.

    Raises:
        CohortError: lists everything that is wrong, at once.
    """
    path, own, skipped = Path(path), own_tasks or {}, dict[int, list[str]]()
    while True:
        reading = _read(path, _Reading(path.parent, coordinates, own), skipped.keys())
        if not skip_bad or not reading.bad or reading.header in reading.bad:
            lines = [line for row in sorted(skipped) for line in skipped[row]]
            return reading.cohort(path.name, lines)
        skipped |= reading.bad


def _read(path: Path, reading: _Reading, skipped: Set[int]) -> _Reading:
    """Returns the reading with all rows but these, checked.

    Raises:
        CohortError: the file is no table.
    """
    try:
        with _no_search_for_garbage():
            for row_number, cells in _cells(path):
                if row_number not in skipped:
                    reading.add(row_number, cells)
            reading.check()
            return reading
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or 'damaged'}): check the path"
    except (UnicodeDecodeError, csv.Error, pa.ArrowException):
        reason = "it is not a table in UTF-8: save it as 'CSV UTF-8' or Parquet"
    raise CohortError(path.name, [reason])


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Pauses garbage collection: a table becomes millions of objects, none of them garbage, and
    searching them would take half of the time."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields the header and the rows, as text, with their numbers."""
    if path.suffix.lower() == ".parquet":
        yield from enumerate(_parquet_cells(path), start=1)
    else:
        yield from table_cells(text_in(path.read_bytes()))


def _parquet_cells(path: Path) -> Iterator[list[str]]:
    with pq.ParquetFile(path) as file:
        yield file.schema_arrow.names
        for batch in file.iter_batches(BATCH):
            yield from map(
                list,
                zip(*(map(_text, column.to_pylist()) for column in batch.columns), strict=True),
            )


def _text(value: Any) -> str:
    """Returns a Parquet value as a spreadsheet would show it; NaN, which means missing, becomes
    empty."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


class _Told(NamedTuple):
    """The columns of a case that must be the same in each of its rows."""

    ct: str
    series: str
    earlier: str
    days: str
    patient: int  # see CtCase.patient_id


@dataclass(slots=True)
class _Case:
    """A case while its rows are read; ``row`` is the first of them."""

    name: str
    row: int
    told: _Told
    nodules: dict[str, CohortNodule] = field(default_factory=dict)  # by the name in lower case
    rows: dict[str, int] = field(default_factory=dict)  # likewise


class _Reading:
    """A table being read into a cohort, and everything that is wrong with it."""

    def __init__(
        self, folder: Path, coordinates: Coordinates | None, own_tasks: Mapping[str, OwnTask]
    ):
        self._folder, self._asked, self._own_tasks = folder, coordinates, own_tasks
        self._columns: list[str] = []
        self._default: Coordinates = "lps"
        self._unused: tuple[str, ...] = ()
        self._by_series: dict[str, Path] | None = None  # the CTs of LUNA's series
        self._absent = 0
        self._blank: Row = {}  # values of missing cells
        self._told_of_patients: tuple[str, ...] = ()
        self._labelled: dict[str, str] = {}
        self._cases: dict[str, _Case] = {}
        self._patient_ids: dict[Hashable, int] = {"": 0}
        self.header = 1  # its row
        self.bad: dict[int, list[str]] = {}  # what is wrong, by row; nothing where another row says

    def add(self, row_number: int, cells: list[str]) -> None:
        """Adds the header, then row after row; empty ones are skipped."""
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            return
        if not self._columns:
            self.header = row_number
            self._take_header(row_number, cells)
        elif len(cells) > len(self._columns):
            self._say(
                row_number,
                "there are more cells than in the header: quote cells that contain the separator",
            )
        elif "case" in self._columns or self._by_series is not None:
            self._take_row(row_number, self._blank | dict(zip(self._columns, cells, strict=False)))

    def check(self) -> None:
        """Finds what is wrong between rows, and with files."""
        if self._absent and not self._cases:
            self._say(1, "no CT lies beside the table that is named by a seriesuid of it")
        if not (self._cases or self.bad):
            self._say(1, "there are no rows: write a header and a row for each nodule")
        self._check_files()
        self._check_earlier()

    def cohort(self, table: str, skipped: list[str]) -> Cohort:
        """Returns what was read.

        Raises:
            CohortError: something is wrong with it.
        """
        if self.bad:
            lines = [*skipped, *(line for row in sorted(self.bad) for line in self.bad[row])]
            more = len(lines) - LISTED
            raise CohortError(table, [*lines[:LISTED], *([f"and {more} more"] if more > 0 else [])])
        cases = tuple(map(self._finished, self._cases.values()))
        return Cohort(table, cases, self._unused, self._absent, tuple(skipped))

    def _say(self, row_number: int, words: str, *others: int) -> None:
        """Notes what is wrong with a row; ``others``: rows that are part of it."""
        self.bad.setdefault(row_number, []).append(f"row {row_number}: {words}")
        for other in others:
            self.bad.setdefault(other, [])

    def _try(self, row_number: int, read: Callable[..., Value], *args: Any) -> Value | None:
        """Returns what it reads; None, with one more problem, if it refuses."""
        try:
            return read(*args)
        except NoduleRiskError as error:
            self._say(row_number, str(error).rstrip("."))
            return None

    def _take_header(self, row_number: int, cells: list[str]) -> None:
        plain = [column_name(name) for name in cells]
        of_slices = OF_SLICES if "slice" in plain and "z" not in plain else {}
        self._default = "slice" if of_slices else "lps"
        self._columns = [(OF_LUNA | of_slices).get(name, name) for name in plain]
        if "series" in self._columns and not {"case", "ct", "series"} & set(plain):
            self._by_series = cts_by_series(self._folder)
        labels = label_columns([*TASKS, *self._own_tasks])
        asked = (*REQUIRED, *OPTIONAL, *PATIENT, *labels)
        self._unused = tuple(
            cell for cell, name in zip(cells, self._columns, strict=True) if name not in asked
        )
        given = {*self._columns, *(("case", "ct") if self._by_series is not None else ())}
        missing = [name for name in REQUIRED if name not in given]
        self._blank = dict.fromkeys((*REQUIRED, *OPTIONAL, *self._columns), "")
        self._blank |= {name: text for name, text in STAND_INS.items() if name in missing}
        self._told_of_patients = tuple(name for name in PATIENT if name in self._columns)
        self._labelled = {name: task for name, task in labels.items() if name in self._columns}
        for name in missing:
            self._say(row_number, f"there is no column '{name}'")
        for name in asked:
            if self._columns.count(name) > 1:
                self._say(row_number, f"several columns are called '{name}'")
        for name in self._columns:
            if name.startswith("label_") and name not in asked:
                self._say(
                    row_number,
                    f"{_quoted(name)} is not a label of any task: write {', '.join(labels)} or"
                    " label_evidence",
                )

    def _take_row(self, row_number: int, row: Row) -> None:
        row = {name: text if name in NAMES else known(text) for name, text in row.items()}
        if self._by_series is None:
            self._take_nodule(row_number, row)
        elif row["series"] in self._by_series:
            path = self._by_series[row["series"]].relative_to(self._folder)
            case = _safe(row["series"])
            self._take_nodule(row_number, row | {"case": case, "ct": str(path), "series": ""})
        else:
            self._absent += 1

    def _take_nodule(self, row_number: int, row: Row) -> None:
        case = self._case(row_number, row)
        name = self._name(row_number, row["nodule"] or f"N{len(case.nodules) + 1}", "nodule")
        if name.casefold() in case.nodules:
            first = case.rows[name.casefold()]
            self._say(row_number, f"nodule '{name}' of case '{case.name}' is listed twice", first)
        coordinates = self._try(row_number, _coordinates, row["coordinates"], self._asked)
        coordinates = coordinates or self._default
        case.rows[name.casefold()] = row_number
        case.nodules[name.casefold()] = CohortNodule(
            name,
            self._position(row_number, row, coordinates),
            coordinates,
            self._patient(row_number, row),
            self._labels(row_number, row),
            self._try(row_number, _evidence, row["label_evidence"]) or "none",
        )

    def _case(self, row_number: int, row: Row) -> _Case:
        name = self._name(row_number, row["case"], "case")
        person = patient_key(row["patient"]) if row["patient"] else ""
        patient = self._patient_ids.setdefault(person, len(self._patient_ids))
        told = _Told(_normal(row["ct"]), row["series"], row["earlier"], row["days"], patient)
        case = self._cases.get(name.casefold())
        if case is None:
            case = self._cases[name.casefold()] = _Case(name, row_number, told)
        if case.name != name:
            self._say(
                row_number,
                f"case '{name}' is '{case.name}' in row {case.row}: write both the same way",
            )
        for column, here, there in zip(_Told._fields, told, case.told, strict=True):
            if here != there:
                self._say(
                    row_number,
                    f"case '{name}' has another {column} in row {case.row}: a case is one CT",
                    case.row,
                )
        return case

    def _name(self, row_number: int, text: str, column: str) -> str:
        safe = _safe(text or f"row {row_number}")
        if not text:
            self._say(row_number, f"{column} is empty")
        elif safe != text:
            self._say(
                row_number,
                f"{column} {_quoted(text)} cannot be used in file names: write {_quoted(safe)}",
            )
        return safe

    def _position(self, row_number: int, row: Row, coordinates: Coordinates) -> Position:
        x, y = (self._try(row_number, number, row[axis], axis) or 0.0 for axis in "xy")
        read = slice_number if coordinates == "slice" else number
        return x, y, self._try(row_number, read, row["z"], "z") or 0.0

    def _patient(self, row_number: int, row: Row) -> Patient | None:
        texts = tuple([f"{name}={row[name]}" for name in self._told_of_patients if row[name]])
        fields = [self._try(row_number, _patient, (text,)) for text in texts]
        return _patient(texts) if texts and None not in fields else None

    def _labels(self, row_number: int, row: Row) -> dict[str, str]:
        found = {
            task: self._try(row_number, self._label, task, row[c])
            for c, task in self._labelled.items()
            if row[c]
        }
        return {task: name for task, name in found.items() if name is not None}

    def _label(self, task: str, text: str) -> str | None:
        if (own := self._own_tasks.get(task)) is None:
            return _label(task, text)
        index = own.class_index(text)
        return None if index is None else own.classes[index]

    def _check_files(self) -> None:
        paths = list(dict.fromkeys(map(self._path, self._cases.values())))
        keys = dict(zip(paths, _keys(paths), strict=True))
        of_one: defaultdict[Hashable, list[_Case]] = defaultdict(list)
        for case in self._cases.values():
            key = keys[self._path(case)]
            if not case.told.ct:
                self._say(case.row, "ct is empty", *case.rows.values())
            elif key is None:
                words = "there is no file or folder at the path in ct"
                self._say(case.row, words, *case.rows.values())
            else:
                of_one[key, case.told.series].append(case)
        for cases in of_one.values():
            self._check_people(cases)
            self._check_labels(cases)

    def _check_people(self, cases: list[_Case]) -> None:
        """Gives all cases of one CT the patient that one of them names."""
        naming = next((case for case in cases if case.told.patient), cases[0])
        for case in cases:
            if case.told.patient not in (0, naming.told.patient):
                words = f"case '{case.name}' has the CT of '{naming.name}', but another patient"
                self._say(case.row, words, *case.rows.values(), *naming.rows.values())
            case.told = case.told._replace(patient=naming.told.patient)

    def _check_labels(self, cases: list[_Case]) -> None:
        """Refuses one point of one CT with two labels of a task."""
        firsts: dict[Hashable, tuple[str, int]] = {}
        for case in cases:
            for key, nodule in case.nodules.items():
                row = case.rows[key]
                for task, label in nodule.labels.items():
                    first, first_row = firsts.setdefault((_place(nodule), task), (label, row))
                    if first != label:
                        words = f"the same nodule is {first} in row {first_row}, and {label} here"
                        self._say(row, words, first_row)

    def _check_earlier(self) -> None:
        for case in self._cases.values():
            self._check_pair(case, case.told.earlier, case.told.days)
        pairs = {
            name: {case.told.earlier.casefold()}
            for name, case in self._cases.items()
            if case.told.earlier
        }
        try:
            linked = list(TopologicalSorter(pairs).static_order())
        except CycleError as error:
            case = self._cases[error.args[1][0]]
            self._say(case.row, f"case '{case.name}' would be earlier than itself")
        else:
            self._share_patients(filter(self._cases.__contains__, linked))

    def _check_pair(self, case: _Case, earlier: str, days: str) -> None:
        if days and (count := self._try(case.row, number, days, "days")) is not None and count <= 0:
            self._say(case.row, "days are counted from the earlier CT and must be more than 0")
        if days and not earlier:
            self._say(case.row, "days are given, but no earlier case")
        if not earlier:
            return
        before = self._cases.get(earlier.casefold())
        if before is None:
            self._say(case.row, f"there is no case {_quoted(earlier)}, as named in earlier")
        elif not days and any(
            one.told.ct.lower().endswith(NIFTI + NRRD + META) for one in (before, case)
        ):
            self._say(case.row, "days is empty, and one of the two files carries no date")

    def _share_patients(self, linked: Iterable[str]) -> None:
        """Assigns all CTs linked by ``earlier`` to the patient that one of them names; ``linked``:
        earlier ones first."""
        firsts: dict[str, str] = {}  # each -> the first of these CTs
        naming: dict[str, _Case] = {}  # the first -> one of them that names the patient
        for name in linked:
            case = self._cases[name]
            firsts[name] = firsts.get(case.told.earlier.casefold(), name)
            if case.told.patient:
                self._check_patient(case, naming.setdefault(firsts[name], case))
        for name, first in firsts.items():
            if first in naming:
                case = self._cases[name]
                case.told = case.told._replace(patient=naming[first].told.patient)

    def _check_patient(self, case: _Case, other: _Case) -> None:
        if case.told.patient != other.told.patient:
            words = (
                f"case '{case.name}' has another patient than '{other.name}', which earlier links"
                " it to"
            )
            self._say(case.row, words)

    def _path(self, case: _Case) -> str:
        return os.path.join(self._folder, case.told.ct)

    def _finished(self, case: _Case) -> CtCase:
        told = case.told
        earlier = self._cases[told.earlier.casefold()].name if told.earlier else None
        days = float(told.days) if told.days else None
        path, nodules = Path(self._path(case)), tuple(case.nodules.values())
        series = told.series or None
        return CtCase(case.name, path, nodules, series, earlier, days, told.patient, told.ct)


def _normal(path: str) -> str:
    """Returns the path without what makes no difference, such as ``./``."""
    return os.path.normpath(path.replace("\\", "/")) if path else ""


def _place(nodule: CohortNodule) -> Hashable:
    """Returns what all ways to say one position share, but for voxels and slices."""
    if nodule.coordinates in ("lps", "ras"):
        return "mm", lps_of(nodule.point, "ras" if nodule.coordinates == "ras" else "lps")
    return nodule.coordinates, nodule.point


def _coordinates(text: str, asked: Coordinates | None) -> Coordinates | None:
    found = COORDINATES.get(text.lower())
    if text and found is None:
        raise NoduleRiskError(
            f"unknown coordinates {_quoted(text)}: write {', '.join(COORDINATES)}"
        )
    if asked and found and asked != found:
        raise NoduleRiskError(
            f"coordinates are {found} here, but {asked} was requested: leave one of the two out"
        )
    return found or asked


def _evidence(text: str) -> EvidenceLevel:
    if text and text.lower() not in EVIDENCE:
        raise NoduleRiskError(
            f"unknown label_evidence {_quoted(text)}: write {', '.join(EVIDENCE)}"
        )
    return EVIDENCE.get(text.lower(), "none")


def _keys(paths: list[str]) -> Iterator[Hashable]:
    """Returns what all paths to each file or folder share; None: there is none."""
    some = [paths[start : start + ASKED_FOR] for start in range(0, len(paths), ASKED_FOR)]
    with ThreadPoolExecutor(READERS) as threads:
        yield from chain.from_iterable(threads.map(lambda part: list(map(_key, part)), some))


def _key(path: str) -> Hashable:
    key = ct_key(path)
    return None if isinstance(key, str) else key


@lru_cache(100_000)
def _patient(texts: tuple[str, ...]) -> Patient:
    return patient_from(texts)


def label_columns(tasks: Iterable[str] = TASKS) -> dict[str, str]:
    """Returns the task of each label column."""
    return {f"label_{column_name(task)}": task for task in tasks}


@lru_cache(1000)
def _label(task: str, text: str) -> str:
    return TASKS[task].classes[class_index(task, text)]


@lru_cache(1000)
def _safe(text: str) -> str:
    """Returns the text in a form that may be used as a file name."""
    return named_points([(text, (0.0, 0.0, 0.0))])[0].name


def _quoted(text: str) -> str:
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…")
