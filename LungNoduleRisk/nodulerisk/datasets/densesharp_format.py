"""DenseSharp's data format: a cube of 80 mm with its mask for each nodule, and a table of classes
and subsets.

A folder with one CSV table (the authors' ``info.csv``) and, in it or in its subfolder ``nodule``, a
``<name>.npz`` for each row. Every npz holds ``voxel`` and ``seg``, both (80, 80, 80) at 1 mm, z, y,
x along +S, +P, +L, with the nodule's centre at voxel (40, 40, 40). ``voxel`` is the authors' grey
(uint8, the HU window [-1024, 400] as 0..255), or HU (any other number type). ``seg`` is a mask
(above 0.5) or, as floats in 0..1, the share of readers.

What is written here can be read by the authors' code too: grey in ``voxel``, their four words in
``diagnosis``. Their loader looks at no other array and column, so ours stand beside them.

Columns, any order and case, separated by comma, semicolon or tab:

* ``name`` (or nodule, index, id, file): the npz without its suffix.
* ``diagnosis`` (or label, class): AAH, AIS, AAH-AIS, MIA, IA or IAC; empty: unknown. Gives subtype
  and invasiveness.
* ``subset`` (or fold): 0 to 3 train, 4 validation.

Our own additions, all optional:

* ``hu`` in the npz: int16, the cube in HU; it comes before ``voxel``.
* ``pathology``: the diagnosis where the authors have no word for it (AAH-AIS), or another pathology
  (see ``pathology.labels_of``). Where it contradicts the diagnosis, the case is broken.
* ``patient``: pseudonym, by default the name; ``split``: train, validation or test, takes
  precedence over subset; without either, a hash of the patient decides the split.
* ``evidence``: pathology (if empty), reader or simulated; ``diameter_mm`` (or another of
  ``SIZES_MM``), by default that of a ball with the mask's volume.
* one column per task (``malignancy``, ``invasiveness``, ``grade``, ``subtype``, ``density``, ...):
  the class's name or index, empty: unknown. It overrides what follows from the diagnosis.

Source: Cancer Research 2018, doi:10.1158/0008-5472.CAN-18-0696, and the authors' data loader.
"""

from __future__ import annotations

import csv
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from nodulerisk.ct.cubes import DENSESHARP_WINDOW_HU
from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.nodules import (
    DAMAGE,
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
from nodulerisk.datasets.pathology import labels_of
from nodulerisk.datasets.rows import (
    LINE,
    NAMES,
    SIZES_MM,
    Row,
    cell,
    evidence_in,
    labels_in,
    read_rows,
    read_table,
    refuse_missing_column,
    refuse_sizes_without_unit,
    repeated,
    size_mm,
    split_in,
)
from nodulerisk.datasets.spelling import first_spellings, pseudonym
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.files import written_whole
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import OwnTask, plain_word

SIDE = 80  # voxels of 1 mm
CENTRE = SIDE // 2  # the authors' crops use index 40 as the middle
MAX_ARRAY_BYTES = SIDE**3 * 8 + 4096  # float64 and the header of an .npy
LOWEST_HU, HIGHEST_HU = -4096, 32767  # of padding, and of metal
TABLE, ARCHIVES = "info.csv", "nodule"
NAME, DIAGNOSIS, SUBSET = NAMES, ("diagnosis", "label", "class"), ("subset", "fold")
OWN = ("pathology", "patient", "split", "evidence")
COLUMNS = (NAME, DIAGNOSIS, SUBSET, tuple(SIZES_MM), *((name,) for name in (*OWN, *TASKS)))
DIAGNOSES = {"AAH": 0, "AIS": 0, "AAH-AIS": 0, "MIA": 1, "IA": 2}  # index of the task's class
AUTHORS_WORDS = {"AAH-AIS": "AIS", "IA": "IAC"}  # for what they name otherwise; one of their labels
BY_PLAIN_WORD = {plain_word(name): name for name in DIAGNOSES}
INVASIVENESS = (0, 0, 1)  # of each subtype
# What pandas, by which the authors read the table, takes for another number, or for nothing.
NOT_A_NAME = re.compile(r"0\d+|\d+[.eE]\d+|nan?|n/a|null|none|inf(inity)?", re.IGNORECASE)
SUBSETS = {**dict.fromkeys("0123", "train"), "4": "validation"}


def holds_densesharp(folder: Path) -> bool:
    """Whether npz files lie where this format expects them."""
    return any(_archives(folder))


def read_densesharp(folder: Path) -> NoduleDataset:
    """Reads all nodules of the folder; a file that cannot be trusted, or that has no row, is
    reported as broken.

    Raises:
        NoduleRiskError: no table or several, a table without a column of names, or a patient in two
            splits.
    """
    table = _table(folder)
    whole = read_table(table)
    rows, unused = whole.rows, whole.unused(*COLUMNS)
    refuse_missing_column(rows, NAME, table, "the names of the .npz files")
    refuse_sizes_without_unit(rows, table.name)
    spelled = first_spellings(map(_patient, rows))
    rows = [row | {"patient": spelled[_patient(row)]} for row in rows]
    files = {path.stem: path for path in _archives(folder)}
    twice = repeated(map(_name, rows))
    nodules, broken = read_each(rows, _name, lambda row: _nodule(row, files), twice)
    refuse_leak(nodules)
    unlisted = sorted(files.keys() - set(map(_name, rows)))
    strays = tuple(Broken(name, f"{table.name} has no row for this file") for name in unlisted)
    return NoduleDataset(folder.resolve().name, nodules, (*broken, *strays), unused=unused)


def _archives(folder: Path) -> list[Path]:
    """Returns the npz files, without hidden ones, which are half-written or belong to the file
    system."""
    found = [*folder.glob("*.npz"), *(folder / ARCHIVES).glob("*.npz")]
    return sorted(path for path in found if not path.name.startswith("."))


def _table(folder: Path) -> Path:
    tables = [path for path in folder.glob("*.csv") if not path.name.startswith(".")]
    if len(tables) != 1:
        problem = "several .csv tables" if tables else "no .csv table"
        raise NoduleRiskError(
            f"{folder} holds {problem}: keep exactly one, with a row (name, diagnosis, subset) for"
            " each .npz."
        )
    return tables[0]


def _name(row: Row) -> str:
    return cell(row, *NAME).removesuffix(".npz") or f"line {row[LINE]}"


def _patient(row: Row) -> str:
    return pseudonym(cell(row, "patient")) or _name(row)


def _nodule(row: Row, files: dict[str, Path]) -> LabelledNodule:
    name = _name(row)
    if name not in files:
        raise NoduleRiskError("there is no .npz of this name")
    patient, diagnosis = _patient(row), _diagnosis(row)
    split, evidence, labels = _split(row, patient), evidence_in(row), _labels(row, diagnosis)
    ct, marked = _read_arrays(files[name])
    return LabelledNodule(
        name=name,
        patient=patient,
        ct=ct,
        centre_lps_mm=(CENTRE, CENTRE, CENTRE),
        evidence=evidence,
        labels=labels,
        marked=marked,
        diameter_mm=size_mm(row) or equivalent_diameter_mm(marked >= 0.5, ct.spacing_mm),
        split=split,
        pathology=diagnosis or row.get("pathology", ""),
        fold=int(subset) if (subset := _subset(row)) else None,
        cells=row,
    )


def _subset(row: Row) -> str:
    # Spreadsheets and pandas write columns with gaps as floats.
    return cell(row, *SUBSET).removesuffix(".0")


def _split(row: Row, patient: str) -> str:
    subset = _subset(row)
    if subset and subset not in SUBSETS:
        raise NoduleRiskError(f"unknown subset '{subset}': 0 to 3 train, 4 validation")
    return split_in(row) or (SUBSETS[subset] if subset else split_of(patient))


def _diagnosis(row: Row) -> str:
    """Returns one of ``DIAGNOSES``; empty: not known. The column ``subtype`` may hold it too.

    Raises:
        NoduleRiskError: an unknown word, or a pathology of another subtype.
    """
    text = cell(row, *DIAGNOSIS)
    if text and plain_word(text) not in BY_PLAIN_WORD:
        raise NoduleRiskError(f"unknown diagnosis '{text}': write {', '.join(DIAGNOSES)}")
    told = BY_PLAIN_WORD.get(plain_word(text or row.get("subtype", "")), "")
    own = BY_PLAIN_WORD.get(plain_word(row.get("pathology", "")), "")
    if text and own and DIAGNOSES[own] != DIAGNOSES[told]:
        raise NoduleRiskError(f"the pathology is {own}, but the diagnosis {told}: keep one of them")
    return own or told


def _labels(row: Row, diagnosis: str) -> dict[str, int]:
    """Returns the labels from the diagnosis or another pathology, overridden by the tasks' columns.

    Raises:
        NoduleRiskError: unknown words, or a subtype that is not the diagnosis's.
    """
    labels = labels_in(row)
    if diagnosis:
        subtype = DIAGNOSES[diagnosis]
        if labels.setdefault("subtype", subtype) != subtype:
            raise NoduleRiskError(f"the subtype is not that of {diagnosis}: keep one of them")
    else:
        labels = labels_of(row.get("pathology", "")) | labels
    if "subtype" not in labels:
        return labels
    return {"invasiveness": INVASIVENESS[labels["subtype"]]} | labels


def _read_arrays(path: Path) -> tuple[CT, np.ndarray]:
    """Returns the cube as a CT, and the share of readers, float32 (80, 80, 80)."""
    try:
        with zipfile.ZipFile(path) as archive:
            own = "hu.npy" in archive.namelist()
            voxel, seg = _array(archive, "hu" if own else "voxel"), _array(archive, "seg")
    except DAMAGE as error:
        raise NoduleRiskError(
            "the .npz is damaged, or holds pickled objects: save arrays of numbers"
        ) from error
    place = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3)
    return CT.from_array(_hounsfield(voxel), *place, has_context=False), _share(seg)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array, never unpickled; a size that no cube has is refused before anything is
    allocated."""
    if f"{name}.npy" not in archive.namelist():
        raise NoduleRiskError(f"the .npz has no array '{name}'")
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > MAX_ARRAY_BYTES:
        raise NoduleRiskError(f"'{name}' is larger than {SIDE} x {SIDE} x {SIDE} voxels")
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.shape != (SIDE,) * 3 or array.dtype.kind not in "buif":
        raise NoduleRiskError(
            f"'{name}' is {array.dtype} {array.shape}, not numbers of shape {(SIDE,) * 3}"
        )
    return array


def _hounsfield(voxel: np.ndarray) -> np.ndarray:
    """Returns HU from the authors' grey levels or from HU of any number type, with air as the
    lowest value."""
    low, high = DENSESHARP_WINDOW_HU
    if voxel.dtype == np.uint8:
        return np.rint(low + voxel * ((high - low) / 255))
    if voxel.min() >= 0:  # lung surrounds a nodule, and is far below 0 HU
        raise NoduleRiskError(
            f"'voxel' is {voxel.dtype} without values below 0, so not Hounsfield units: save grey"
            " levels as uint8"
        )
    if voxel.min() < LOWEST_HU or voxel.max() > HIGHEST_HU:  # clipping would hide another scale
        raise NoduleRiskError(
            f"'voxel' runs from {voxel.min():g} to {voxel.max():g}, so not Hounsfield units: save"
            " the CT's own values"
        )
    return np.maximum(voxel.astype(np.float64), AIR_HU)


def _share(seg: np.ndarray) -> np.ndarray:
    if not np.isfinite(seg).all():
        raise NoduleRiskError("'seg' has voxels that are not numbers")
    is_share = seg.dtype.kind == "f" and seg.min() >= 0 and seg.max() <= 1
    marked = (seg if is_share else seg > 0.5).astype(np.float32)
    if not (marked >= 0.5).any():
        raise NoduleRiskError("the mask is empty")
    return marked


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
        _write_arrays(nodule, folder / ARCHIVES / f"{name}.npz")
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
    names = set(map(_name, new))
    rows = [row for row in there if _name(row) not in names] + new
    refuse_two_splits((_patient(row), _split(row, _patient(row))) for row in rows)
    for path in _archives(source):
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


def _write_arrays(nodule: LabelledNodule, path: Path) -> None:
    hu, seg = _cubes(nodule)
    with written_whole(path) as partial:
        np.savez_compressed(partial, voxel=_grey(hu), seg=seg, hu=hu)


def _grey(hu: np.ndarray) -> np.ndarray:
    """Returns the authors' grey levels, uint8."""
    low, high = DENSESHARP_WINDOW_HU
    return np.rint((hu.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)


def _cubes(nodule: LabelledNodule) -> tuple[np.ndarray, np.ndarray]:
    """Returns int16 HU and a uint8 mask, (80, 80, 80) at 1 mm around the centre."""
    if nodule.marked is None:
        raise NoduleRiskError(f"{nodule.name} has no mask, which this format needs: draw one.")
    ct, marked = with_context(nodule, np.random.default_rng(list(nodule.name.encode())))
    box = box_around(ct, nodule.centre_lps_mm, SIDE + 20.0)  # a margin for the spline
    ct, mask = cropped(ct, box), marked[box] >= 0.5  # interpolated shares would cut off the rim
    hu = _resampled(ct.hu, ct, nodule.centre_lps_mm, order=3, mode="nearest")
    seg = _resampled(mask, ct, nodule.centre_lps_mm, order=1, mode="constant") >= 0.5
    if not seg.any():
        raise NoduleRiskError(
            f"The mask of {nodule.name} is empty within 40 mm of its centre: draw it again."
        )
    return np.rint(hu).clip(AIR_HU, np.iinfo(np.int16).max).astype(np.int16), seg.astype(np.uint8)


def _resampled(array: np.ndarray, ct: CT, centre_lps_mm, order: int, mode: str) -> np.ndarray:
    """Samples an array on the CT's grid at the cube's voxels: float32 (80, 80, 80)."""
    # CT voxels (x, y, z) per mm along x, y, z
    steps = ct.direction.T / np.array(ct.spacing_mm)[:, None]
    corner = ct.voxel_of(np.array(centre_lps_mm) - CENTRE)
    return affine_transform(
        array.astype(np.float32),
        steps[::-1, ::-1],
        corner[::-1],
        output_shape=(SIDE,) * 3,
        output=np.float32,
        order=order,
        mode=mode,
    )


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
