"""The header of a cohort's table: what its columns are, and what is not one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from nodulerisk.clinical.patient import Patient
from nodulerisk.cohort.nodules import Coordinates
from nodulerisk.cohort.table.problems import Problems, quoted
from nodulerisk.datasets import columns as shared
from nodulerisk.datasets.luna import cts_by_series
from nodulerisk.datasets.rows import known
from nodulerisk.files import column_name
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import OwnTask

Row = dict[str, str]
REQUIRED = ("case", "ct", "x", "y", "z")
# Values for missing columns, so that faults in the other columns are still found.
STAND_INS = {"ct": ".", "x": "0", "y": "0", "z": "0"}
OPTIONAL = ("nodule", "coordinates", "series", "earlier", "days", "patient", "label_evidence")
PATIENT = tuple(field.name for field in fields(Patient))
NAMES = ("case", "ct", "nodule")  # in which NA is a name


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes:
        names: of all columns, as they are known here.
        coordinates: of all points, if the columns say them.
        unused: those that are not used, as written.
        facts: those about the patient.
        labels: label columns -> tasks.
        by_series: the CTs by series, of LUNA's tables; None: the table names cases and CTs.
        blank: a row without any cell.
    """

    names: list[str]
    coordinates: Coordinates | None
    unused: tuple[str, ...]
    facts: tuple[str, ...]
    labels: dict[str, str]
    by_series: dict[str, Path] | None
    blank: Row

    @property
    def name_cases(self) -> bool:
        """Whether the rows say of which CT they are."""
        return "case" in self.names or self.by_series is not None

    def row(self, cells: list[str]) -> Row:
        """Returns the cells by column; empty where a value is missing."""
        told = zip(self.names, cells, strict=False)
        return self.blank | {name: text if name in NAMES else known(text) for name, text in told}


def read_header(
    row_number: int,
    cells: list[str],
    folder: Path,
    own_tasks: Mapping[str, OwnTask],
    problems: Problems,
) -> Columns:
    """Returns the columns of a table in the folder; what is wrong with them is a problem."""
    plain = [column_name(name) for name in cells]
    axes = shared.centre_columns(plain)
    names = _known_names(plain, axes)
    of_luna = "series" in names and not {"case", "ct", "series"} & {*plain}
    labels = label_columns([*TASKS, *own_tasks])
    asked = (*REQUIRED, *OPTIONAL, *PATIENT, *labels)
    given = {*names, *(("case", "ct") if of_luna else ())}
    missing = [name for name in REQUIRED if name not in given]
    for name in missing if cells else ():
        problems.say(row_number, f"there is no column '{name}'")
    for name in asked:
        if names.count(name) > 1:
            problems.say(row_number, f"several columns are called '{name}'")
    for name in names:
        if name.startswith("label_") and name not in asked:
            words = f"write {', '.join(labels)} or label_evidence"
            problems.say(row_number, f"{quoted(name)} is not a label of any task: {words}")
    return Columns(
        names,
        shared.CENTRES[axes] if axes else None,
        tuple(cell for cell, name in zip(cells, names, strict=True) if name not in asked),
        tuple(name for name in PATIENT if name in names),
        {name: task for name, task in labels.items() if name in names},
        cts_by_series(folder) if of_luna else None,
        dict.fromkeys((*REQUIRED, *OPTIONAL, *names), "")
        | {name: text for name, text in STAND_INS.items() if name in missing},
    )


def _known_names(plain: list[str], axes: shared.Axes | None) -> list[str]:
    """Returns the columns' names, with those of other tables under the ones that are used here."""
    here = dict(zip(axes or (), "xyz", strict=False))
    for name, others in (("series", shared.SERIES), ("patient", shared.PATIENT)):
        here |= {other: name for other in others if other in plain and name not in plain}
    return [here.get(name, name) for name in plain]


def label_columns(tasks: Iterable[str] = TASKS) -> dict[str, str]:
    """Returns the task of each label column."""
    return {f"label_{column_name(task)}": task for task in tasks}
