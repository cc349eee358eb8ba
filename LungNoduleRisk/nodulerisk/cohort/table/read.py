"""The table of a cohort: which nodules on which CTs, checked in full before anything runs.

CSV, as spreadsheets save it, or Parquet, one row per nodule. Required columns, in any order and
case:

* ``case``: the CT's name in all results, a pseudonym; rows of one case are nodules of one CT.
* ``ct``: a DICOM folder, a .zip of one, NRRD, NIfTI or MHA; relative to the table. ``series``
  (optional): which SeriesInstanceUID, if there are several.
* ``x``, ``y``, ``z``: a point on the nodule, in mm; LPS unless the column ``coordinates`` says
  ``ras``, ``voxel`` (from 0, as in ITK and Slicer) or ``slice``: a pixel from 0 on the image whose
  InstanceNumber, or the middle of a range such as ``30-34``, z is. Other columns say the system
  themselves: ``i``, ``j``, ``k``; ``x_ras``, ``y_ras``, ``z_ras``; see ``columns.CENTRES``.

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
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from nodulerisk.cohort.nodules import Cohort, Coordinates, CtCase
from nodulerisk.cohort.table.cases import Case, Cases
from nodulerisk.cohort.table.cells import cells_of
from nodulerisk.cohort.table.checks import check_earlier, check_files
from nodulerisk.cohort.table.columns import Columns, read_header
from nodulerisk.cohort.table.problems import CohortError, Problems
from nodulerisk.weights.own_tasks import OwnTask

NO_ROWS = "there are no rows: write a header and a row for each nodule"
NO_CTS = "no CT lies beside the table that is named by a seriesuid of it"
SURPLUS = "there are more cells than in the header: quote cells that contain the separator"


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
    path, skipped = Path(path), Problems()
    while True:
        reading = _read(path, coordinates, own_tasks or {}, skipped.bad.keys())
        bad = reading.problems.bad
        if not skip_bad or not bad or reading.header in bad:
            break
        skipped.bad |= bad
    if bad:
        raise CohortError(path.name, [*skipped.lines, *reading.problems.lines])
    return reading.cohort(path, tuple(skipped.lines))


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


@dataclass
class _Reading:
    """A table that was read; ``header`` is the row of its columns' names."""

    header: int
    columns: Columns
    cases: Cases
    problems: Problems

    def cohort(self, path: Path, skipped: tuple[str, ...]) -> Cohort:
        cases = self.cases.by_name
        finished = tuple(_finished(case, cases, path.parent) for case in cases.values())
        return Cohort(path.name, finished, self.columns.unused, self.cases.absent, skipped)


def _read(
    path: Path, asked: Coordinates | None, own_tasks: Mapping[str, OwnTask], skipped: Set[int]
) -> _Reading:
    """Returns the table with all rows but these, checked.

    Raises:
        CohortError: the file is no table.
    """
    try:
        with _no_search_for_garbage():
            rows = (one for one in cells_of(path) if one[0] not in skipped)
            return _checked(rows, path.parent, asked, own_tasks)
    except OSError as error:
        reason = f"it cannot be read ({error.strerror or 'damaged'}): check the path"
    except (ValueError, csv.Error, pa.ArrowException):
        reason = "it is not a table in UTF-8: save it as 'CSV UTF-8' or Parquet"
    raise CohortError(path.name, [reason])


def _checked(
    rows: Iterator[tuple[int, list[str]]],
    folder: Path,
    asked: Coordinates | None,
    own_tasks: Mapping[str, OwnTask],
) -> _Reading:
    problems, (header, names) = Problems(), next(rows, (1, []))
    columns = read_header(header, names, folder, own_tasks, problems)
    cases = Cases(columns, folder, asked, own_tasks, problems)
    for row_number, cells in rows:
        if len(cells) > len(names):
            problems.say(row_number, SURPLUS)
        elif columns.name_cases:
            cases.add(row_number, cells)
    if cases.absent and not cases.by_name:
        problems.say(header, NO_CTS)
    if not (cases.by_name or problems.bad):
        problems.say(header, NO_ROWS)
    check_files(cases.by_name, folder, problems)
    check_earlier(cases.by_name, problems)
    return _Reading(header, columns, cases, problems)


def _finished(case: Case, cases: Mapping[str, Case], folder: Path) -> CtCase:
    told, nodules = case.told, tuple(case.nodules.values())
    earlier = cases[told.earlier.casefold()].name if told.earlier else None
    days, path = float(told.days) if told.days else None, folder / told.ct
    return CtCase(
        case.name, path, nodules, told.series or None, earlier, days, told.patient, told.ct
    )
