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

import math
from collections.abc import Hashable, Iterator, Sequence
from itertools import chain, combinations, starmap
from pathlib import Path
from typing import get_args

import numpy as np

from nodulerisk.ct.points import lps_of, slice_number
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.columns import CENTRES, PATIENT, SERIES, Coordinates, centre_columns
from nodulerisk.datasets.emv.blocks import MIDDLE, read_block
from nodulerisk.datasets.emv.labels import labels_of_row, ungraded
from nodulerisk.datasets.emv.masks import mask_at
from nodulerisk.datasets.emv.rows import (
    COLUMNS,
    COORDINATES,
    CT_PATH,
    NAME,
    PATHOLOGY,
    by_ct,
    completed,
    file_at,
    is_block,
    path_in,
)
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
    split_of,
)
from nodulerisk.datasets.rows import (
    LINE,
    Row,
    cell,
    evidence_in,
    fold_in,
    number,
    read_table,
    repeated,
    size_mm,
    split_in,
)
from nodulerisk.datasets.spelling import SAME_MM, ct_key
from nodulerisk.errors import NoduleRiskError
from nodulerisk.weights.own_tasks import plain_word

CANCERS_INVASIVE = " (other cancers count as invasive)"  # beside every figure, and on cards


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
    rows, unused, remarks = completed(read_table(path), path)
    nodules: list[LabelledNodule] = []
    broken: list[Broken] = []
    of_ct: dict[Hashable, list[LabelledNodule]] = {}
    twice = repeated(row[NAME] for row in rows)
    for group in by_ct(rows, path.parent):
        read, failed = _read_group(group, path.parent, twice, cancers_invasive)
        nodules += read
        broken += failed
        file = ct_key(file_at(path.parent, cell(group[0], *CT_PATH)))
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
        remarks=(*remarks, *ungraded(rows, cancers_invasive)),
    )


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
    path = path_in(folder, row, *CT_PATH)
    if is_block(row):
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


def _nodule(row: Row, ct: CT, folder: Path, cancers_invasive: bool) -> LabelledNodule:
    patient, centre = cell(row, *PATIENT), _centre(row, ct)
    split, evidence, size = split_in(row), evidence_in(row), size_mm(row)
    labels = labels_of_row(row, cancers_invasive)
    box = box_around(ct, centre, CROP_MM)
    mask = mask_at(row, ct, centre, folder)
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


def _centre(row: Row, ct: CT) -> tuple[float, float, float]:
    """Returns the centre in LPS mm."""
    if is_block(row):
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
