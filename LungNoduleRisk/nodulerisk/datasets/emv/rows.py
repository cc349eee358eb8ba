"""The rows of a table, with what they leave to be understood: the CT's path, the nodule's name, the
patient and the split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterator
from pathlib import Path

from nodulerisk.ct.points import SLICES
from nodulerisk.datasets.columns import CENTRES, PATIENT, SERIES, centre_columns
from nodulerisk.datasets.emv.blocks import SUFFIX
from nodulerisk.datasets.luna import cts_by_name, cts_by_series
from nodulerisk.datasets.nodules import refuse_two_splits
from nodulerisk.datasets.pathology import CHINESE_DENSITY
from nodulerisk.datasets.rows import (
    LINE,
    SIZES_MM,
    Row,
    Table,
    cell,
    refuse_missing_column,
    refuse_sizes_without_unit,
    split_in,
)
from nodulerisk.datasets.spelling import ct_key, first_spellings, pseudonym
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import column_name
from nodulerisk.tasks import TASKS

CT_PATH = ("ct", "ct_path", "path", "scan", "image")
PATHOLOGY = ("pathology", "diagnosis", "label", "class", "flag")
MASK = ("mask", "mask_path", "segmentation")
NAME, SPLIT, ID = "name", "split", "id"
COORDINATES, HOSPITAL_GRADE, IMAGE_TYPE = "coordinates", "病理分级", "image_type"
COLUMNS = (
    *(CT_PATH, SERIES, PATIENT, PATHOLOGY, MASK, tuple(SIZES_MM)),
    (NAME, ID),
    *((name,) for name in (SPLIT, "fold", "evidence", COORDINATES, HOSPITAL_GRADE, *TASKS)),
    *(tuple(dict.fromkeys(axis)) for axis in zip(*CENTRES, strict=True)),
)


def completed(table: Table, path: Path) -> tuple[list[Row], tuple[str, ...], list[str]]:
    """Returns the rows of the table at this path, each with a CT, a name, a patient and, where one
    is given for its patient, a split; the columns that are not used; and remarks.

    Raises:
        NoduleRiskError: no columns for the CT or the centre, sizes whose unit is not clear, a CT of
            two patients, or a patient in two splits.
    """
    unused = table.unused(*COLUMNS, *_authors_columns(table))
    rows = _with_density(table.rows, unused)
    remarks: list[str] = []
    if not {*CT_PATH} & table.columns.keys():
        rows, remarks = _with_paths(rows, path)
    refuse_missing_column(rows, CT_PATH, path, "the paths of the CTs")
    if not all(map(is_block, rows)):
        _refuse_without_centres(rows[0], path)
    refuse_sizes_without_unit(rows, path.name)
    return _with_people(_with_names(_with_slices(rows)), path.parent), unused, remarks


def by_ct(rows: list[Row], folder: Path) -> list[list[Row]]:
    """Returns the rows of each CT, however its path is spelled."""
    keys: dict[str, Hashable] = {}
    groups: dict[tuple[Hashable, str], list[Row]] = {}
    for row in rows:
        path = cell(row, *CT_PATH)
        key = keys.setdefault(path, ct_key(file_at(folder, path)) if path else "")
        groups.setdefault((key, cell(row, *SERIES)), []).append(row)
    return list(groups.values())


def path_in(folder: Path, row: Row, *columns: str) -> Path:
    """Returns the path under one of the columns.

    Raises:
        NoduleRiskError: there is none.
    """
    text = cell(row, *columns)
    if not text:
        raise NoduleRiskError(f"the row has no path under '{columns[0]}'")
    return file_at(folder, text)


def file_at(folder: Path, text: str) -> Path:
    """Returns a path as tables write it, with either slash, relative to the table's folder."""
    return folder / text.replace("\\", "/")


def is_block(row: Row) -> bool:
    """Whether the row's CT is one of the authors' blocks."""
    return cell(row, *CT_PATH).lower().endswith(SUFFIX)


def _refuse_without_centres(row: Row, table: Path) -> None:
    if centre_columns(row) is None:
        raise NoduleRiskError(
            f"{table.name} has no columns with the nodules' centres: add x, y, z (LPS mm), x_ras,"
            " y_ras, z_ras or i, j, k."
        )


def _authors_columns(table: Table) -> Iterator[tuple[str, ...]]:
    """Yields those of the authors' columns that mean what they mean there: the ID that names the
    CT, and the density type, where it holds nothing else."""
    if not {*CT_PATH, *SERIES} & table.columns.keys():
        yield (ID,)
    words = {row.get(IMAGE_TYPE, "") for row in table.rows} - {""}
    if words and words <= CHINESE_DENSITY.keys():
        yield (IMAGE_TYPE,)


def _with_density(rows: list[Row], unused: tuple[str, ...]) -> list[Row]:
    if IMAGE_TYPE in map(column_name, unused):
        return rows
    words = CHINESE_DENSITY | {"": ""}
    return [row | {"density": row.get("density") or words[row.get(IMAGE_TYPE, "")]} for row in rows]


def _with_paths(rows: list[Row], table: Path) -> tuple[list[Row], list[str]]:
    """Returns the rows with the paths of CTs that the table names by series or ID, and a remark on
    those that were left out."""
    if {*SERIES} & rows[0].keys():
        found = _of_series(rows, table)
        left = len(rows) - len(found)
        remark = f"{left} row(s) left out: their CTs do not lie beside the table."
        return found, [remark] if left else []
    if ID not in rows[0]:
        return rows, []
    cts = cts_by_name(table.parent, {row[ID] for row in rows}.__contains__)
    paths = {name: str(path.relative_to(table.parent)) for name, path in cts.items()}
    return [row | {CT_PATH[0]: paths.get(row[ID], row[ID])} for row in rows], []


def _of_series(rows: list[Row], table: Path) -> list[Row]:
    """Returns the rows whose CT lies beside the table or below it, named by its series, with its
    path.

    Raises:
        NoduleRiskError: there is none.
    """
    cts = cts_by_series(table.parent)
    found = [
        row | _malignancy_in(row) | {CT_PATH[0]: str(cts[uid].relative_to(table.parent))}
        for row in rows
        if (uid := cell(row, *SERIES)) in cts
    ]
    if not found:
        raise NoduleRiskError(
            f"{table.name} names CTs by their series, and none of them lies beside it: put each"
            " beside it, named by its SeriesInstanceUID, or add a column 'ct' with the paths."
        )
    return found


def _malignancy_in(row: Row) -> Row:
    """Returns LUNA25's label, 0 or 1, as what it means."""
    if row.get("label") not in ("0", "1"):
        return {}
    return {"label": "", "malignancy": TASKS["malignancy"].classes[int(row["label"])]}


def _with_names(rows: list[Row]) -> list[Row]:
    """Names every row: by its name, else by an ID of its own, else by its line."""
    ids = Counter(row.get(ID, "") for row in rows)
    own = [row.get(ID, "") if ids[row.get(ID, "")] == 1 else "" for row in rows]
    return [
        row | {NAME: cell(row, NAME) or one or f"line {row[LINE]}"}
        for row, one in zip(rows, own, strict=True)
    ]


def _with_slices(rows: list[Row]) -> list[Row]:
    """Says of every row of a table in which a z is a range of slices that its z is one."""
    if not any(SLICES.fullmatch(row.get("z", "")) for row in rows):
        return rows
    return [row | {COORDINATES: cell(row, COORDINATES) or "slice"} for row in rows]


def _with_people(rows: list[Row], folder: Path) -> list[Row]:
    """Gives every row its patient, and the split that is given for that patient.

    Raises:
        NoduleRiskError: a CT of two patients, or a patient in two splits.
    """
    groups = [(group, _patient(group)) for group in by_ct(rows, folder)]
    spelled = first_spellings(patient for _, patient in groups)
    people = {row[LINE]: spelled[patient] for group, patient in groups for row in group}
    given = [(people[row[LINE]], split) for row in rows if (split := _split(row))]
    refuse_two_splits(given)
    splits = dict(given)
    return [
        row | {PATIENT[0]: patient, SPLIT: row.get(SPLIT) or splits.get(patient, "")}
        for row in rows
        if (patient := people[row[LINE]])
    ]


def _patient(rows: list[Row]) -> str:
    """Returns the pseudonym of a CT's rows, else a hash of its path, which may contain a name.

    Raises:
        NoduleRiskError: they give several.
    """
    given: dict[str, str] = {}
    for row in rows:
        given.setdefault(pseudonym(cell(row, *PATIENT)), row[LINE])
    given.pop("", None)
    different = list(dict.fromkeys(first_spellings(given).values()))
    if len(different) > 1:
        raise NoduleRiskError(
            f"One CT is of two patients, {different[0]} in line {given[different[0]]} and"
            f" {different[1]} in line {given[different[1]]}: correct the path or the patient."
        )
    path = cell(rows[0], *CT_PATH) + cell(rows[0], *SERIES)
    return (different or [f"ct-{hashlib.sha256(path.encode()).hexdigest()[:12]}"])[0]


def _split(row: Row) -> str | None:
    try:
        return split_in(row)
    except NoduleRiskError:  # the row is a broken case, and says so itself
        return None
