"""A table of nodules on whole CTs with their pathology, as EMV-3D-CNN was trained on: one row per
nodule, CSV or TSV.

Required columns, in any order and case, separated by comma, semicolon or tab:

* ``ct`` (or ct_path, path, scan, image): a DICOM folder, a .zip of one, NRRD, NIfTI or MHA;
  relative to the table. ``series_uid`` (or series) chooses where there are several series.
  Without this column, as in LUNA16's and LUNA25's tables, the CT lies beside the table or below
  it and is named by ``seriesuid`` (or SeriesInstanceUID); rows whose CT is not there are left out.
* the nodule's centre: ``x, y, z`` in mm, LPS unless the column ``coordinates`` says ``ras`` or
  ``voxel``; or ``x_lps, y_lps, z_lps``; ``x_ras, y_ras, z_ras``; ``coordX, coordY, coordZ`` (LPS);
  ``i, j, k`` (voxels from 0 as in ITK and Slicer: k of a DICOM series runs along its slice normal,
  whatever its InstanceNumber).
* ``pathology`` (or diagnosis, label, class): see ``labels_of``; empty: unknown.

Optional columns:

* ``size_mm`` (or size, diameter_mm, diameter); by default from the mask.
* ``name``, by default the line; ``patient`` (or patient_id), a pseudonym: without it each CT counts
  as a patient of its own.
* ``split``: train, validation or test; by default decided by a hash of the patient.
* ``fold``: of the source's own cross-validation, a whole number; see ``[folds]`` of a plan.
* ``evidence``: pathology (if empty), reader or simulated.
* ``mask`` (or mask_path, segmentation): an image on the CT's grid; the connected part at the centre
  is the nodule.
* one column per task (``malignancy``, ``grade``, ...): the class's name or index; overrides what
  follows from the pathology.

Source of the rules: npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import label

from nodulerisk.ct.points import lps_of
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.luna import cts_by_series
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
    labels_in,
    number,
    plain,
    positive_number,
    read_rows,
    refuse_missing_column,
    repeated,
    split_in,
)
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS

CT_PATH = ("ct", "ct_path", "path", "scan", "image")
SERIES = ("series_uid", "series", "seriesuid", "seriesinstanceuid")
PATIENT = ("patient", "patient_id", "patientid")
PATHOLOGY, MASK = (
    ("pathology", "diagnosis", "label", "class"),
    ("mask", "mask_path", "segmentation"),
)
SIZE = ("size_mm", "size", "diameter_mm", "diameter")
BY_COLUMN = "by the column 'coordinates'"
CENTRES = {
    ("x", "y", "z"): BY_COLUMN,
    ("x_mm", "y_mm", "z_mm"): BY_COLUMN,
    ("x_lps", "y_lps", "z_lps"): "lps",
    ("x_lps_mm", "y_lps_mm", "z_lps_mm"): "lps",
    ("x_ras", "y_ras", "z_ras"): "ras",
    ("x_ras_mm", "y_ras_mm", "z_ras_mm"): "ras",
    ("i", "j", "k"): "voxel",
    ("coordx", "coordy", "coordz"): "lps",  # LUNA16 and LUNA25
    ("coord_x", "coord_y", "coord_z"): "lps",
}
REACH_MM = 5.0  # a mask that begins farther than this from the centre belongs to another nodule


def _labels_by_class(**classes: str) -> dict[str, int]:
    """Returns task -> index of the named class."""
    return {task: TASKS[task].classes.index(name) for task, name in classes.items()}


BENIGN = _labels_by_class(malignancy="benign")
MALIGNANT = _labels_by_class(malignancy="malignant")
PRE_INVASIVE = MALIGNANT | _labels_by_class(invasiveness="pre-invasive")
AAH_AIS = PRE_INVASIVE | _labels_by_class(subtype="AAH-AIS")
MIA = PRE_INVASIVE | _labels_by_class(subtype="MIA")
INVASIVE = MALIGNANT | _labels_by_class(invasiveness="invasive", subtype="IA")
PATHOLOGIES: dict[str, dict[str, int]] = {
    "benign": BENIGN,
    "hamartoma": BENIGN,
    "granuloma": BENIGN,
    "pre-invasive": PRE_INVASIVE,
    "AAH": AAH_AIS,
    "AIS": AAH_AIS,
    "AAH-AIS": AAH_AIS,
    "atypical adenomatous hyperplasia": AAH_AIS,
    "adenocarcinoma in situ": AAH_AIS,
    "MIA": MIA,
    "minimally invasive adenocarcinoma": MIA,
    "invasive adenocarcinoma": INVASIVE,
    "IA": INVASIVE,
    "IAC": INVASIVE,
    "other malignant": MALIGNANT,
    "malignant": MALIGNANT,
    "adenocarcinoma": MALIGNANT,  # in situ or invasive is not stated
    "squamous cell carcinoma": MALIGNANT,
    "small cell carcinoma": MALIGNANT,
    "large cell carcinoma": MALIGNANT,
    "carcinoid": MALIGNANT,
    "lymphoma": MALIGNANT,
    "metastasis": MALIGNANT,
}
# An empty text stands for a grade on its own.
BY_PLAIN_WORD = {plain(word): labels for word, labels in PATHOLOGIES.items()} | {"": INVASIVE}
GRADE = re.compile(r"(?<![a-z])(?:grade[\s_-]*(i{1,3}|[123])|g\s?([123]))(?!\w)", re.IGNORECASE)


def labels_of(pathology: str) -> dict[str, int]:
    """Returns labels by the published rules, whatever the case, spaces and hyphens; a remark after
    ``(``, ``:`` or ``,`` is ignored.

    * benign: malignancy 0.
    * pre-invasive, AAH, AIS, MIA: malignancy 1, invasiveness 0, and the subtype where it is named.
    * invasive adenocarcinoma, IA: malignancy 1, invasiveness 1, subtype IA; ``grade 1`` to ``grade
      3`` (or grade I, G1) after it or on its own gives the grade.
    * other malignant, squamous cell carcinoma, metastasis and the like: malignancy 1 only.

    Raises:
        NoduleRiskError: another word, or a question mark.

    Examples:
        >>> labels_of("AIS")
        {'malignancy': 1, 'invasiveness': 0, 'subtype': 0}
        >>> labels_of("invasive adenocarcinoma, grade 2")
        {'malignancy': 1, 'invasiveness': 1, 'subtype': 2, 'grade': 1}
    """
    if not pathology:
        return {}
    _refuse_doubt(pathology)
    grade = GRADE.search(pathology)
    word = plain(re.split(r"[(:,]", GRADE.sub("", pathology))[0])
    if word not in BY_PLAIN_WORD or not (word or grade):
        raise NoduleRiskError(
            f"unknown pathology '{pathology}': write {', '.join(PATHOLOGIES)} or invasive"
            " adenocarcinoma grade 1, 2, 3"
        )
    if grade is None:
        return BY_PLAIN_WORD[word]
    text = grade[1] or grade[2]
    return BY_PLAIN_WORD[word] | {"grade": int(text) - 1 if text.isdigit() else len(text) - 1}


def _classes() -> dict[str, dict[str, int]]:
    """Returns labels by the names of tasks' classes, if they are not pathologies."""
    return {
        name: {task.name: index}
        for task in TASKS.values()
        for index, name in enumerate(task.classes)
        if not task.numbered and plain(name) not in BY_PLAIN_WORD
    }


def _refuse_doubt(text: str) -> None:
    if "?" in text:
        raise NoduleRiskError(
            f"'{text}' is undecided: leave out what is not decided, and the question mark"
        )


def labels_in_words(text: str) -> dict[str, int]:
    """Returns labels of words separated by commas, each a pathology (``labels_of``) or a class of
    ``TASKS``, such as ``AIS, part-solid``.

    A word that is both counts as the pathology, which says more.

    Raises:
        NoduleRiskError: a word that is neither, two that contradict each other, or a question mark.
    """
    _refuse_doubt(text)
    labels: dict[str, int] = {}
    for word in filter(None, map(str.strip, text.split(","))):
        for task, index in _labels_of_word(word).items():
            if labels.setdefault(task, index) != index:
                raise NoduleRiskError(
                    f"'{word}' contradicts the rest of '{text}': leave out what does not apply"
                )
    return labels


def _labels_of_word(word: str) -> dict[str, int]:
    classes = _classes()
    for name, labels in classes.items():
        if plain(word) == plain(name):
            return labels
    try:
        return labels_of(word)
    except NoduleRiskError as error:
        raise NoduleRiskError(f"{error}, or {', '.join(classes)}") from None


def read_emv_table(table: Path) -> NoduleDataset:
    """Reads all nodules of the table, each with 100 mm of its CT; every CT is read once, and the
    rows of one that fails become broken cases.

    Raises:
        NoduleRiskError: no table, no columns for the CT or the centre, or a patient in two splits.
    """
    rows = read_rows(table)
    if not {*CT_PATH} & rows[0].keys() and {*SERIES} & rows[0].keys():
        rows = with_paths(rows, table)
    refuse_missing_column(rows, CT_PATH, table, "the paths of the CTs")
    _refuse_without_centres(rows[0], table)
    twice = repeated(map(_name, rows))
    nodules: list[LabelledNodule] = []
    broken: list[Broken] = []
    for group in _by_ct(rows):
        read, failed = _read_group(group, table.parent, twice)
        nodules += read
        broken += failed
    refuse_leak(nodules)
    place = {_name(row): index for index, row in enumerate(rows)}
    return NoduleDataset(
        table.stem,
        tuple(sorted(nodules, key=lambda nodule: place[nodule.name])),
        tuple(sorted(broken, key=lambda case: place[case.name])),
    )


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


def _refuse_without_centres(row: Row, table: Path) -> None:
    if not any(set(columns) <= row.keys() for columns in CENTRES):
        raise NoduleRiskError(
            f"{table.name} has no columns with the nodules' centres: add x, y, z (LPS mm), x_ras,"
            " y_ras, z_ras or i, j, k."
        )


def _name(row: Row) -> str:
    return cell(row, "name") or f"line {row[LINE]}"


def _by_ct(rows: list[Row]) -> list[list[Row]]:
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((cell(row, *CT_PATH), cell(row, *SERIES)), []).append(row)
    return list(groups.values())


def _read_group(
    rows: list[Row], folder: Path, twice: frozenset[str]
) -> tuple[tuple[LabelledNodule, ...], tuple[Broken, ...]]:
    """Reads the nodules of one CT."""
    try:
        ct = read_ct(
            _path(folder, rows[0], *CT_PATH), series_uid=cell(rows[0], *SERIES[:2]) or None
        )
    except NoduleRiskError as error:
        return (), tuple(Broken(_name(row), str(error)) for row in rows)
    return read_each(rows, _name, lambda row: _nodule(row, ct, folder), twice)


def _path(folder: Path, row: Row, *columns: str) -> Path:
    text = cell(row, *columns)
    if not text:
        raise NoduleRiskError(f"the row has no path under '{columns[0]}'")
    return folder / text.replace("\\", "/")


def _nodule(row: Row, ct: CT, folder: Path) -> LabelledNodule:
    patient, centre = _patient(row), _centre(row, ct)
    split, evidence, labels, size = (
        split_in(row),
        evidence_in(row),
        _labels(row),
        positive_number(row, *SIZE),
    )
    box = box_around(ct, centre, CROP_MM)
    mask = _mask(row, ct, centre, folder)
    if mask is not None and size is None:
        size = equivalent_diameter_mm(mask, ct.spacing_mm)
    return LabelledNodule(
        name=_name(row),
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
    )


def _patient(row: Row) -> str:
    """Returns the pseudonym, else a hash of the CT's path, which may contain a name."""
    path = cell(row, *CT_PATH) + cell(row, *SERIES)
    return cell(row, *PATIENT) or f"ct-{hashlib.sha256(path.encode()).hexdigest()[:12]}"


def _labels(row: Row) -> dict[str, int]:
    pathology = labels_of(cell(row, *PATHOLOGY))
    labels = pathology | labels_in(row)
    if pathology and "grade" in labels and labels.get("invasiveness") != 1:
        raise NoduleRiskError(
            "only invasive adenocarcinoma has a grade: correct the pathology or leave the grade out"
        )
    return labels


def _centre(row: Row, ct: CT) -> tuple[float, float, float]:
    """Returns the centre in LPS mm."""
    columns = next(
        (columns for columns in CENTRES if all(row.get(column) for column in columns)), None
    )
    if columns is None:
        raise NoduleRiskError("the row has no centre")
    system = (
        CENTRES[columns]
        if CENTRES[columns] != BY_COLUMN
        else plain(cell(row, "coordinates")) or "lps"
    )
    values = np.array([number(row[column], column) for column in columns])
    if system not in ("lps", "ras", "voxel"):
        raise NoduleRiskError(
            f"unknown coordinates '{row['coordinates']}': write LPS, RAS or voxel"
        )
    if system == "voxel":
        return triple(ct.point_of(values))
    return lps_of(triple(values), "ras" if system == "ras" else "lps")


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
