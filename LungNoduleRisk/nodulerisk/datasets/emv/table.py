"""A table of nodules on whole CTs with their pathology, as EMV-3D-CNN was trained on: one row per
nodule, CSV or TSV.

Required columns, in any order and case, separated by comma, semicolon or tab:

* ``ct`` (or ct_path, path, scan, image): a DICOM folder, a .zip of one, NRRD, NIfTI or MHA, or the
  authors' block of one nodule (.npy, see ``emv_blocks``); relative to the table. ``series_uid`` (or
  series) chooses where there are several series. Without this column, as in LUNA16's and LUNA25's
  tables, the CT lies beside the table or below it and is named by ``seriesuid`` (or
  SeriesInstanceUID); rows whose CT is not there are left out. Without that too, as in the authors'
  own table, it is named by ``ID``.
* the nodule's centre, which of a block is its middle: ``x, y, z`` in mm, LPS unless the column
  ``coordinates`` says ``ras``, ``voxel`` or ``slice``; or ``x_lps, y_lps, z_lps``; ``x_ras, y_ras,
  z_ras``; ``coordX, coordY, coordZ`` (LPS); ``i, j, k`` (voxels from 0 as in ITK and Slicer: k of a
  DICOM series runs along its slice normal, whatever its InstanceNumber); or ``i, j, slice`` (or
  ``x, y, slice``): the pixel from 0 on the image with that InstanceNumber, or in the middle of a
  range of them such as ``30-34``. Where a ``z`` is such a range, every z of the table is a slice.
* ``pathology`` (or diagnosis, label, class, flag): see ``pathology.labels_of``; empty: unknown.

Optional columns:

* ``size_mm`` or ``size_cm`` (or diameter_mm, diameter_cm; size and diameter only where it is clear
  that they are in mm, or the cells say the unit); by default from the mask.
* ``name`` (or an ``ID`` that no other row has), by default the line; ``patient`` (or patient_id), a
  pseudonym: without it each CT counts as a patient of its own.
* ``split``: train, validation or test; by default decided by a hash of the patient.
* ``fold``: of the source's own cross-validation, a whole number; see ``[folds]`` of a plan.
* ``evidence``: pathology (if empty), reader or simulated.
* ``mask`` (or mask_path, segmentation): an image on the CT's grid; the connected part at the centre
  is the nodule.
* one column per task (``malignancy``, ``grade``, ...): the class's name or index; overrides what
  follows from the pathology.
* the authors' ``病理分级``, the grade of an invasive adenocarcinoma, and ``Image.type``, the
  density type.

The columns that are not used are named in the dataset's remarks. One CT or patient spelled in
several ways is one; rows of one nodule that contradict each other are broken cases.

Source of the rules: npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, combinations, starmap
from pathlib import Path
from typing import get_args

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import label

from nodulerisk.ct.points import SLICES, lps_of, slice_number
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.columns import CENTRES, PATIENT, SERIES, Coordinates, centre_columns
from nodulerisk.datasets.emv.blocks import MIDDLE, SUFFIX, read_block
from nodulerisk.datasets.luna import cts_by_name, cts_by_series
from nodulerisk.datasets.nodules import (
    CROP_MM,
    Broken,
    LabelledNodule,
    NoduleDataset,
    box_around,
    cropped,
    equivalent_diameter_mm,
    read_each,
    refuse_leak,
    refuse_two_splits,
    split_of,
)
from nodulerisk.datasets.pathology import (
    CHINESE_DENSITY,
    CHINESE_PATHOLOGY,
    INVASIVE_CANCER,
    OTHER_CANCERS,
    labels_of,
    word_of,
)
from nodulerisk.datasets.rows import (
    LINE,
    SIZES_MM,
    Row,
    Table,
    cell,
    class_index,
    evidence_in,
    fold_in,
    labels_in,
    number,
    read_table,
    refuse_missing_column,
    refuse_sizes_without_unit,
    repeated,
    size_mm,
    split_in,
)
from nodulerisk.datasets.spelling import SAME_MM, ct_key, first_spellings, pseudonym
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import column_name
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import plain_word

CT_PATH = ("ct", "ct_path", "path", "scan", "image")
PATHOLOGY, MASK = (
    ("pathology", "diagnosis", "label", "class", "flag"),
    ("mask", "mask_path", "segmentation"),
)
NAME, SPLIT, EVIDENCE, ID = "name", "split", "evidence", "id"
COORDINATES, HOSPITAL_GRADE, IMAGE_TYPE = "coordinates", "病理分级", "image_type"
COLUMNS = (
    *(CT_PATH, SERIES, PATIENT, PATHOLOGY, MASK, tuple(SIZES_MM)),
    (NAME, ID),
    *((name,) for name in (SPLIT, "fold", EVIDENCE, COORDINATES, HOSPITAL_GRADE, *TASKS)),
    *(tuple(dict.fromkeys(axis)) for axis in zip(*CENTRES, strict=True)),
)
CANCERS_INVASIVE = " (other cancers count as invasive)"  # beside every figure, and on cards
REACH_MM = 5.0  # a mask that begins farther than this from the centre belongs to another nodule


def read_emv_table(path: Path, *, cancers_invasive: bool = False) -> NoduleDataset:
    """Reads all nodules of the table, each with 100 mm of its CT; every CT is read once, and the
    rows of one that fails become broken cases.

    Args:
        path: the table.
        cancers_invasive: whether cancers other than adenocarcinoma count as invasive, and a grade
            of theirs as the grade, as the authors count them; else they have neither label.

    Raises:
        NoduleRiskError: no table, no columns for the CT or the centre, sizes whose unit is not
            clear, a CT of two patients, or a patient in two splits.
    """
    table = read_table(path)
    unused = table.unused(*COLUMNS, *_authors_columns(table))
    rows = _with_density(table.rows, unused)
    remarks: list[str] = []
    if not {*CT_PATH} & table.columns.keys():
        rows, remarks = _with_paths(rows, path)
    refuse_missing_column(rows, CT_PATH, path, "the paths of the CTs")
    if not all(map(_is_block, rows)):
        _refuse_without_centres(rows[0], path)
    refuse_sizes_without_unit(rows, path.name)
    rows = _with_people(_with_names(_with_slices(rows)), path.parent)
    nodules: list[LabelledNodule] = []
    broken: list[Broken] = []
    of_ct: dict[Hashable, list[LabelledNodule]] = {}
    twice = repeated(row[NAME] for row in rows)
    for group in _by_ct(rows, path.parent):
        read, failed = _read_group(group, path.parent, twice, cancers_invasive)
        nodules += read
        broken += failed
        file = ct_key(_file(path.parent, cell(group[0], *CT_PATH)))
        for nodule in read:
            of_ct.setdefault(nodule.ct.acquisition.series_uid or file, []).append(nodule)
    repeats = dict(chain.from_iterable(map(_repeats, of_ct.values())))
    nodules = [nodule for nodule in nodules if nodule.name not in repeats]
    broken += starmap(Broken, repeats.items())
    refuse_leak(nodules)
    place = {row[NAME]: index for index, row in enumerate(rows)}
    return NoduleDataset(
        path.stem + CANCERS_INVASIVE * cancers_invasive,
        tuple(sorted(nodules, key=lambda nodule: place[nodule.name])),
        tuple(sorted(broken, key=lambda case: place[case.name])),
        unused=unused,
        remarks=(*remarks, *_ungraded(rows, cancers_invasive)),
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
        found = with_paths(rows, table)
        left = len(rows) - len(found)
        remark = f"{left} row(s) left out: their CTs do not lie beside the table."
        return found, [remark] if left else []
    if ID not in rows[0]:
        return rows, []
    cts = cts_by_name(table.parent, {row[ID] for row in rows}.__contains__)
    paths = {name: str(path.relative_to(table.parent)) for name, path in cts.items()}
    return [row | {CT_PATH[0]: paths.get(row[ID], row[ID])} for row in rows], []


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
    by_ct = [(group, _patient(group)) for group in _by_ct(rows, folder)]
    spelled = first_spellings(patient for _, patient in by_ct)
    people = {row[LINE]: spelled[patient] for group, patient in by_ct for row in group}
    given = [(people[row[LINE]], split) for row in rows if (split := _split(row))]
    refuse_two_splits(given)
    splits = dict(given)
    return [
        row | {PATIENT[0]: patient, SPLIT: row.get(SPLIT) or splits.get(patient, "")}
        for row in rows
        if (patient := people[row[LINE]])
    ]


def _split(row: Row) -> str | None:
    try:
        return split_in(row)
    except NoduleRiskError:  # the row is a broken case, and says so itself
        return None


def _ungraded(rows: list[Row], cancers_invasive: bool) -> Iterator[str]:
    """Yields a remark on the hospital's grades that are not used."""
    left = [
        row for row in rows if row.get(HOSPITAL_GRADE) and not _is_graded(row, cancers_invasive)
    ]
    if left:
        yield (
            f"The grades of {len(left)} nodule(s) under {HOSPITAL_GRADE} are not used: only"
            " invasive adenocarcinoma has one."
        )


def _is_graded(row: Row, cancers_invasive: bool) -> bool:
    try:
        return _pathology_labels(row, cancers_invasive).get("invasiveness") == 1
    except NoduleRiskError:  # the row is a broken case, and says so itself
        return True


def with_paths(rows: list[Row], table: Path) -> list[Row]:
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


def _is_block(row: Row) -> bool:
    return cell(row, *CT_PATH).lower().endswith(SUFFIX)


def _refuse_without_centres(row: Row, table: Path) -> None:
    if centre_columns(row) is None:
        raise NoduleRiskError(
            f"{table.name} has no columns with the nodules' centres: add x, y, z (LPS mm), x_ras,"
            " y_ras, z_ras or i, j, k."
        )


def _by_ct(rows: list[Row], folder: Path) -> list[list[Row]]:
    """Returns the rows of each CT, however its path is spelled."""
    keys: dict[str, Hashable] = {}
    groups: dict[tuple[Hashable, str], list[Row]] = {}
    for row in rows:
        path = cell(row, *CT_PATH)
        key = keys.setdefault(path, ct_key(_file(folder, path)) if path else "")
        groups.setdefault((key, cell(row, *SERIES)), []).append(row)
    return list(groups.values())


def _read_group(
    rows: list[Row], folder: Path, twice: frozenset[str], cancers_invasive: bool
) -> tuple[tuple[LabelledNodule, ...], tuple[Broken, ...]]:
    """Reads the nodules of one CT."""
    try:
        ct = _ct_of(rows[0], folder)
    except NoduleRiskError as error:
        return (), tuple(Broken(row[NAME], str(error)) for row in rows)
    return read_each(
        rows, lambda row: row[NAME], lambda row: _nodule(row, ct, folder, cancers_invasive), twice
    )


def _ct_of(row: Row, folder: Path) -> CT:
    path = _path(folder, row, *CT_PATH)
    if _is_block(row):
        return read_block(path)
    return read_ct(path, series_uid=cell(row, *SERIES[:2]) or None)


def _repeats(nodules: Sequence[LabelledNodule]) -> Iterator[tuple[str, str]]:
    """Yields the names of nodules of one CT that must not count, and why: all rows of a nodule that
    contradict each other, and all but the first that agree (fault 88)."""
    for index, nodule in enumerate(nodules):
        same = [other for other in nodules if _is_same(nodule, other)]
        if any(_contradicts(*pair) for pair in combinations(same, 2)):
            others = ", ".join(other.name for other in same if other is not nodule)
            yield nodule.name, f"it is the same nodule as {others}, with contradicting labels"
        elif nodules.index(same[0]) < index:
            others = ", ".join(_other_cells(nodule, same[0]))
            differing = f", which has another {others}" if others else ""
            yield nodule.name, f"it is the same nodule as {same[0].name}, listed before{differing}"


def _is_same(one: LabelledNodule, other: LabelledNodule) -> bool:
    return math.dist(one.centre_lps_mm, other.centre_lps_mm) < SAME_MM


def _contradicts(one: LabelledNodule, other: LabelledNodule) -> bool:
    both = one.labels.keys() & other.labels.keys()
    return any(one.labels[task] != other.labels[task] for task in both)


def _other_cells(one: LabelledNodule, other: LabelledNodule) -> Iterator[str]:
    """Yields the columns, of those that may feed an own task, in which two rows differ."""
    for name in one.cells.keys() - {LINE, *chain.from_iterable(COLUMNS)}:
        if one.cells[name] and one.cells[name] != other.cells[name]:
            yield name


def _path(folder: Path, row: Row, *columns: str) -> Path:
    text = cell(row, *columns)
    if not text:
        raise NoduleRiskError(f"the row has no path under '{columns[0]}'")
    return _file(folder, text)


def _file(folder: Path, text: str) -> Path:
    return folder / text.replace("\\", "/")


def _nodule(row: Row, ct: CT, folder: Path, cancers_invasive: bool) -> LabelledNodule:
    patient, centre = cell(row, *PATIENT), _centre(row, ct)
    split, evidence, size = split_in(row), evidence_in(row), size_mm(row)
    labels = _labels(row, cancers_invasive)
    box = box_around(ct, centre, CROP_MM)
    mask = _mask(row, ct, centre, folder)
    if mask is not None and size is None:
        size = equivalent_diameter_mm(mask, ct.spacing_mm)
    return LabelledNodule(
        name=row[NAME],
        patient=patient,
        ct=cropped(ct, box),
        centre_lps_mm=centre,
        evidence=evidence,
        labels=labels,
        marked=None if mask is None else mask[box].astype(np.float32),
        diameter_mm=size,
        split=split or split_of(patient),
        pathology=cell(row, *PATHOLOGY),
        fold=fold_in(row),
        cells=row,
    )


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


def _labels(row: Row, cancers_invasive: bool) -> dict[str, int]:
    pathology = _pathology_labels(row, cancers_invasive)
    labels = pathology | _hospital_grade(row, pathology) | labels_in(row)
    if pathology and "grade" in labels and labels.get("invasiveness") != 1:
        raise NoduleRiskError(
            "only invasive adenocarcinoma has a grade: correct the pathology or leave the grade out"
        )
    return labels


def _pathology_labels(row: Row, cancers_invasive: bool) -> dict[str, int]:
    pathology = cell(row, *PATHOLOGY)
    word = word_of(pathology)
    is_other = plain_word(CHINESE_PATHOLOGY.get(word, word)) in OTHER_CANCERS
    return labels_of(pathology) | (INVASIVE_CANCER if cancers_invasive and is_other else {})


def _hospital_grade(row: Row, pathology: dict[str, int]) -> dict[str, int]:
    """Returns the grade in the authors' own column, if the nodule has one."""
    grade = row.get(HOSPITAL_GRADE)
    if not grade or pathology.get("invasiveness") != 1:
        return {}
    return {"grade": class_index("grade", grade.removesuffix("级"))}


def _centre(row: Row, ct: CT) -> tuple[float, float, float]:
    """Returns the centre in LPS mm."""
    if _is_block(row):
        return triple(ct.point_of(MIDDLE))
    columns = centre_columns({name for name, text in row.items() if text})
    if columns is None:
        raise NoduleRiskError("the row has no centre")
    said = plain_word(cell(row, COORDINATES))
    system = CENTRES[columns] or said or "lps"
    if said not in ("", system):
        raise NoduleRiskError(f"the centre's columns are {system}, but coordinates '{said}'")
    if system not in get_args(Coordinates):
        raise NoduleRiskError(
            f"unknown coordinates '{row[COORDINATES]}': write slice, LPS, RAS or voxel"
        )
    x, y = (number(row[column], column) for column in columns[:2])
    if system == "slice":
        return triple(ct.point_on_image(x, y, slice_number(row[columns[2]], columns[2])))
    z = number(row[columns[2]], columns[2])
    if system == "voxel":
        return triple(ct.point_of((x, y, z)))
    return lps_of((x, y, z), "ras" if system == "ras" else "lps")


def _mask(row: Row, ct: CT, centre_lps_mm, folder: Path) -> np.ndarray | None:
    """Returns bool (z, y, x) on the CT's grid: the connected part at the centre; None: the row
    names no mask."""
    if not cell(row, *MASK):
        return None
    parts, _ = label(_read_mask(_path(folder, row, *MASK), ct), np.ones((3, 3, 3)))
    voxels = np.argwhere(parts)
    if len(voxels) == 0:
        raise NoduleRiskError("the mask is empty")
    distances = np.linalg.norm(
        (voxels[:, ::-1] - ct.voxel_of(centre_lps_mm)) * ct.spacing_mm, axis=1
    )
    if distances.min() > REACH_MM:
        raise NoduleRiskError(f"the mask lies {distances.min():.0f} mm from the centre")
    return parts == parts[tuple(voxels[distances.argmin()])]


def _read_mask(path: Path, ct: CT) -> np.ndarray:
    """Reads a mask, bool (z, y, x); nothing is allocated before the header agrees with the CT."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _refuse_other_grid(reader, ct)
        return sitk.GetArrayFromImage(reader.Execute()) > 0
    except RuntimeError as error:
        raise NoduleRiskError(
            "the mask is missing or cannot be read: save it as NRRD or NIfTI"
        ) from error


def _refuse_other_grid(reader: sitk.ImageFileReader, ct: CT) -> None:
    same = (
        reader.GetSize() == ct.hu.shape[::-1]
        and reader.GetNumberOfComponents() == 1
        and np.allclose(reader.GetSpacing(), ct.spacing_mm, rtol=1e-3)
        and np.allclose(np.reshape(reader.GetDirection(), (3, 3)), ct.direction, atol=1e-3)
        and np.allclose(reader.GetOrigin(), ct.origin_lps_mm, atol=min(ct.spacing_mm) / 10)
    )
    if not same:
        raise NoduleRiskError(
            "the mask is not on the CT's grid: save it with the CT as reference geometry"
        )
