"""Nodules written as a folder of cubes with their table, as ``read`` describes it."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from nodulerisk.datasets.densesharp.arrays import write_arrays
from nodulerisk.datasets.densesharp.read import ARCHIVES, TABLE, archives_in, holds_densesharp
from nodulerisk.datasets.densesharp.rows import BY_PLAIN_WORD, name_of, patient_of, split_of_row
from nodulerisk.datasets.nodules import LabelledNodule, refuse_two_splits
from nodulerisk.datasets.rows import LINE, Row, read_rows
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.files import written_whole
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import OwnTask, plain_word

AUTHORS_WORDS = {"AAH-AIS": "AIS", "IA": "IAC"}  # for what they name otherwise; one of their labels
# What pandas, by which the authors read the table, takes for another number, or for nothing.
NOT_A_NAME = re.compile(r"0\d+|\d+[.eE]\d+|nan?|n/a|null|none|inf(inity)?", re.IGNORECASE)


def write_densesharp(
    nodules: Iterable[LabelledNodule],
    folder: Path,
    *,
    progress: Callable[[int], None] | None = None,
    own_tasks: Mapping[str, OwnTask] | None = None,
) -> Path:
    """Writes nodules in this format: ``nodule/<name>.npz`` with grey levels, HU and a mask, and
    finally ``info.csv``.

    The CT is resampled to 1 mm by a cubic spline, its edge repeated where it ends. Nodules whose CT
    ends with them are continued first (``with_context``). Beliefs are not kept, nor pathologies
    that are not diagnoses here. Names and patients are written in characters that every file system
    accepts.

    Args:
        nodules: each with a mask; read one by one, so they need not fit into memory.
        folder: new or empty.
        progress: called with the number of nodules written so far.
        own_tasks: whose labels are written too, each in the task's column.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds nodules already, or cannot be written.
        NoduleRiskError: there are no nodules, or one has no mask; no table is written then.
    """
    if holds_densesharp(folder) or any(folder.glob("*.csv")):
        raise OutputError(
            f"{folder} already holds nodules or a table, maybe half-written: choose an empty"
            " folder."
        )
    rows: list[dict[str, str]] = []
    taken: set[str] = set()
    for nodule in nodules:
        name = _free_name(nodule.name, taken)
        write_arrays(nodule, folder / ARCHIVES / f"{name}.npz")
        rows.append(_own_cells(nodule, own_tasks or {}) | _row_of(nodule, name))
        if progress:
            progress(len(rows))
    if not rows:
        raise NoduleRiskError("There are no nodules to write: annotate or choose at least one.")
    _write_table(rows, folder / TABLE)
    return folder


def add_densesharp(source: Path, folder: Path) -> Path:
    """Adds the nodules that ``write_densesharp`` wrote into one folder to those of another, so that
    data grow CT by CT.

    A nodule with the same name in the folder is replaced. The table is written last: archives that
    an interruption left without a row are reported when the folder is read, and adding again
    completes it.

    Args:
        source: not changed.
        folder: new, empty, or with nodules from ``write_densesharp`` or this function.

    Returns:
        The folder.

    Raises:
        OutputError: the folder holds other tables or .npz files, or cannot be written.
        NoduleRiskError: the source has no table, or a patient would be in two splits; the folder is
            not changed.
    """
    there, new = _rows_there(folder), read_rows(source / TABLE)
    names = set(map(name_of, new))
    rows = [row for row in there if name_of(row) not in names] + new
    refuse_two_splits((patient_of(row), split_of_row(row, patient_of(row))) for row in rows)
    for path in archives_in(source):
        with written_whole(folder / ARCHIVES / path.name) as partial:
            shutil.copyfile(path, partial)
    _write_table(rows, folder / TABLE)
    return folder


def _rows_there(folder: Path) -> list[Row]:
    """Returns the rows of a folder that nodules may be added to; none if it is empty or does not
    exist."""
    tables = [path.name for path in folder.glob("*.csv") if not path.name.startswith(".")]
    if not tables and not holds_densesharp(folder):
        return []
    if tables != [TABLE] or not holds_densesharp(folder):
        raise OutputError(
            f"{folder} holds other data, or nodules that were half-written: choose an empty folder,"
            f" or one that nodules were exported to, with {TABLE} as its only table."
        )
    return read_rows(folder / TABLE)


def _safe(text: str) -> str:
    """Returns text that file systems and spreadsheets accept as a plain name."""
    name = re.sub(r"[^\w.-]+", "_", text).strip("._-") or "nodule"
    return f"n_{name}" if NOT_A_NAME.fullmatch(name) else name


def _free_name(name: str, taken: set[str]) -> str:
    """Returns a safe name; adds a number if it would otherwise differ from another only in case or
    unsafe characters."""
    safe = free = _safe(name)
    number = 2
    while free.casefold() in taken:
        free, number = f"{safe}_{number}", number + 1
    taken.add(free.casefold())
    return free


def _own_cells(nodule: LabelledNodule, tasks: Mapping[str, OwnTask]) -> dict[str, str]:
    return {
        task.column: task.classes[nodule.labels[name]] if name in nodule.labels else ""
        for name, task in tasks.items()
    }


def _row_of(nodule: LabelledNodule, name: str) -> dict[str, str]:
    def class_name(task: str) -> str:
        return TASKS[task].classes[nodule.labels[task]] if task in nodule.labels else ""

    words = map(plain_word, nodule.pathology.split(","))
    pathology = next(filter(None, map(BY_PLAIN_WORD.get, words)), class_name("subtype"))
    return {
        "name": name,
        "diagnosis": AUTHORS_WORDS.get(pathology, pathology),
        "pathology": pathology,
        "subset": {"train": "0", "validation": "4"}.get(nodule.split, ""),
        "patient": _safe(nodule.patient),
        "split": nodule.split,
        "evidence": nodule.evidence,
        "diameter_mm": "" if nodule.diameter_mm is None else f"{nodule.diameter_mm:.3f}",
        **{task: class_name(task) for task in TASKS if task != "subtype"},
    }


def _write_table(rows: list[Row], path: Path) -> None:
    columns = dict.fromkeys(column for row in rows for column in row if column != LINE)
    with written_whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(columns), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
