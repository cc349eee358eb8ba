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

from pathlib import Path

from nodulerisk.datasets.densesharp.arrays import CENTRE, read_arrays
from nodulerisk.datasets.densesharp.rows import (
    COLUMNS,
    NAME,
    diagnosis_of,
    labels_of_row,
    name_of,
    patient_of,
    split_of_row,
    subset_of,
)
from nodulerisk.datasets.nodules import (
    Broken,
    LabelledNodule,
    NoduleDataset,
    equivalent_diameter_mm,
    read_each,
    refuse_leak,
)
from nodulerisk.datasets.rows import (
    Row,
    evidence_in,
    read_table,
    refuse_missing_column,
    refuse_sizes_without_unit,
    repeated,
    size_mm,
)
from nodulerisk.datasets.spelling import first_spellings
from nodulerisk.errors import NoduleRiskError

TABLE, ARCHIVES = "info.csv", "nodule"


def holds_densesharp(folder: Path) -> bool:
    """Whether npz files lie where this format expects them."""
    return any(archives_in(folder))


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
    spelled = first_spellings(map(patient_of, rows))
    rows = [row | {"patient": spelled[patient_of(row)]} for row in rows]
    files = {path.stem: path for path in archives_in(folder)}
    twice = repeated(map(name_of, rows))
    nodules, broken = read_each(rows, name_of, lambda row: _nodule(row, files), twice)
    refuse_leak(nodules)
    unlisted = sorted(files.keys() - set(map(name_of, rows)))
    strays = tuple(Broken(name, f"{table.name} has no row for this file") for name in unlisted)
    return NoduleDataset(folder.resolve().name, nodules, (*broken, *strays), unused=unused)


def archives_in(folder: Path) -> list[Path]:
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


def _nodule(row: Row, files: dict[str, Path]) -> LabelledNodule:
    name = name_of(row)
    if name not in files:
        raise NoduleRiskError("there is no .npz of this name")
    patient, diagnosis = patient_of(row), diagnosis_of(row)
    split, evidence = split_of_row(row, patient), evidence_in(row)
    labels = labels_of_row(row, diagnosis)
    ct, marked = read_arrays(files[name])
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
        fold=int(subset) if (subset := subset_of(row)) else None,
        cells=row,
    )
