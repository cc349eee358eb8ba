"""The cases of a cohort's table, row by row."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from os.path import normpath
from pathlib import Path
from typing import NamedTuple, get_args

from nodulerisk.clinical.patient import Patient, patient_from
from nodulerisk.cohort.nodules import CohortNodule, Coordinates
from nodulerisk.cohort.table.columns import Columns, Row
from nodulerisk.cohort.table.problems import Problems, quoted
from nodulerisk.ct.points import Position, named_points, slice_number
from nodulerisk.datasets.rows import EVIDENCE, class_index, diameter_mm, number
from nodulerisk.datasets.spelling import patient_key, pseudonym
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS, EvidenceLevel
from nodulerisk.weights.own_tasks import OwnTask

DIAMETERS = ("previous_diameter", "previous_solid_diameter")
COORDINATES: dict[str, Coordinates] = {word: word for word in get_args(Coordinates)}


class Told(NamedTuple):
    """The columns of a case that must be the same in each of its rows."""

    ct: str
    series: str
    earlier: str
    days: str
    patient: int  # see CtCase.patient_id


@dataclass(slots=True)
class Case:
    """A case while its rows are read; ``row`` is the first of them."""

    name: str
    row: int
    told: Told
    nodules: dict[str, CohortNodule] = field(default_factory=dict)  # by the name in lower case
    rows: dict[str, int] = field(default_factory=dict)  # likewise


class Cases:
    """The cases of a table while its rows are read.

    Attributes:
        by_name: the cases, by name in lower case.
        absent: how many rows of LUNA's tables name a CT that is not there.
    """

    def __init__(
        self,
        columns: Columns,
        folder: Path,
        coordinates: Coordinates | None,
        own_tasks: Mapping[str, OwnTask],
        problems: Problems,
    ):
        self.by_name: dict[str, Case] = {}
        self.absent = 0
        self._columns, self._folder, self._own_tasks = columns, folder, own_tasks
        self._asked, self._problems = coordinates, problems
        self._patient_ids: dict[Hashable, int] = {"": 0}

    def add(self, row_number: int, cells: list[str]) -> None:
        """Adds a row; what is wrong with it is a problem."""
        row, by_series = self._columns.row(cells), self._columns.by_series
        if by_series is None:
            self._add(row_number, row)
        elif row["series"] in by_series:
            path = str(by_series[row["series"]].relative_to(self._folder))
            case = _safe(row["series"])
            self._add(row_number, row | {"case": case, "ct": path, "series": ""})
        else:
            self.absent += 1

    def _add(self, row_number: int, row: Row) -> None:
        case, attempt = self._case(row_number, row), self._problems.attempt
        name = self._name(row_number, row["nodule"] or f"N{len(case.nodules) + 1}", "nodule")
        if (key := name.casefold()) in case.nodules:
            words = f"nodule '{name}' of case '{case.name}' is listed twice"
            self._problems.say(row_number, words, case.rows[key])
        said = (row["coordinates"], self._columns.coordinates, self._asked)
        coordinates = attempt(row_number, _coordinates, *said) or "lps"
        case.rows[key] = row_number
        case.nodules[key] = CohortNodule(
            name,
            self._position(row_number, row, coordinates),
            coordinates,
            self._patient(row_number, row),
            self._labels(row_number, row),
            attempt(row_number, _evidence, row["label_evidence"]) or "none",
        )

    def _case(self, row_number: int, row: Row) -> Case:
        name = self._name(row_number, row["case"], "case")
        person = pseudonym(row["patient"])
        key = patient_key(person) if person else ""
        patient = self._patient_ids.setdefault(key, len(self._patient_ids))
        told = Told(_normal(row["ct"]), row["series"], row["earlier"], row["days"], patient)
        case = self.by_name.setdefault(name.casefold(), Case(name, row_number, told))
        if case.name != name:
            words = f"case '{name}' is '{case.name}' in row {case.row}: write both the same way"
            self._problems.say(row_number, words)
        for column, here, there in zip(Told._fields, told, case.told, strict=True):
            if here != there:
                words = f"case '{name}' has another {column} in row {case.row}: a case is one CT"
                self._problems.say(row_number, words, case.row)
        return case

    def _name(self, row_number: int, text: str, column: str) -> str:
        safe = _safe(text or f"row {row_number}")
        if not text:
            self._problems.say(row_number, f"{column} is empty")
        elif safe != text:
            words = f"cannot be used in file names: write {quoted(safe)}"
            self._problems.say(row_number, f"{column} {quoted(text)} {words}")
        return safe

    def _position(self, row_number: int, row: Row, coordinates: Coordinates) -> Position:
        reads = (number, number, slice_number if coordinates == "slice" else number)
        x, y, z = (
            self._problems.attempt(row_number, read, row[axis], axis) or 0.0
            for axis, read in zip("xyz", reads, strict=True)
        )
        return x, y, z

    def _patient(self, row_number: int, row: Row) -> Patient | None:
        told = [(name, row[name]) for name in self._columns.facts if row[name]]
        texts = tuple([self._problems.attempt(row_number, _fact, *one) for one in told])
        if not texts or None in texts:
            return None
        return self._problems.attempt(row_number, _patient, texts)

    def _labels(self, row_number: int, row: Row) -> dict[str, str]:
        found = {
            task: self._problems.attempt(row_number, self._label, task, row[column])
            for column, task in self._columns.labels.items()
            if row[column]
        }
        return {task: name for task, name in found.items() if name is not None}

    def _label(self, task: str, text: str) -> str | None:
        if (own := self._own_tasks.get(task)) is None:
            return _label(task, text)
        index = own.class_index(text)
        return None if index is None else own.classes[index]


def _normal(path: str) -> str:
    """Returns the path without what makes no difference, such as ``./``."""
    return normpath(path.replace("\\", "/")) if path else ""


def _coordinates(
    text: str, of_columns: Coordinates | None, asked: Coordinates | None
) -> Coordinates | None:
    """Returns what the cell, the columns or the user say, who must agree; None: nobody says."""
    found = COORDINATES.get(text.lower())
    if text and found is None:
        raise NoduleRiskError(f"unknown coordinates {quoted(text)}: write {', '.join(COORDINATES)}")
    found = found or of_columns
    if of_columns not in (None, found):
        raise NoduleRiskError(f"coordinates are {found} here, but the columns are {of_columns}")
    if asked and found and asked != found:
        raise NoduleRiskError(
            f"coordinates are {found} here, but {asked} was requested: leave one of the two out"
        )
    return found or asked


def _evidence(text: str) -> EvidenceLevel:
    if text and text.lower() not in EVIDENCE:
        raise NoduleRiskError(f"unknown label_evidence {quoted(text)}: write {', '.join(EVIDENCE)}")
    return EVIDENCE.get(text.lower(), "none")


@lru_cache(100_000)
def _fact(name: str, text: str) -> str:
    """Returns a fact as ``patient_from`` reads it, if it is one; diameters in mm."""
    fact = f"{name}={diameter_mm(name, text) if name in DIAMETERS else text}"
    patient_from([fact])
    return fact


@lru_cache(100_000)
def _patient(texts: tuple[str, ...]) -> Patient:
    return patient_from(texts)


@lru_cache(1000)
def _label(task: str, text: str) -> str:
    return TASKS[task].classes[class_index(task, text)]


@lru_cache(1000)
def _safe(text: str) -> str:
    """Returns the text in a form that may be used as a file name."""
    return named_points([(text, (0.0, 0.0, 0.0))])[0].name
