"""Which nodules belong together: tables of folds, and lists of names."""

from __future__ import annotations

from pathlib import Path

from nodulerisk.datasets.rows import cell, fold_in, read_rows
from nodulerisk.errors import NoduleRiskError


def read_folds(path: Path) -> dict[str, int]:
    """Reads folds from a table with the columns ``name`` (a nodule's or patient's) and ``fold``.

    Raises:
        NoduleRiskError: the file cannot be read, a fold is not a whole number, or a name has two.
    """
    rows = read_rows(path)
    if not all(cell(row, "name") for row in rows):
        raise NoduleRiskError(f"{path.name} needs a column 'name' with the nodules' names.")
    folds: dict[str, int] = {}
    for row in rows:
        name, fold = cell(row, "name"), fold_in(row)
        if fold is None:
            raise NoduleRiskError(f"The fold of {name} is no whole number, such as 0: correct it.")
        if folds.setdefault(name, fold) != fold:
            raise NoduleRiskError(f"{name} is in the folds {folds[name]} and {fold}: keep one row.")
    return folds


def read_list(path: Path) -> list[str]:
    """Returns the first cells of a text file's lines, without empty ones."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise NoduleRiskError(f"{path} is not a readable list, one name a line.") from error
    cells = (line.replace("\t", ",").replace(";", ",").split(",")[0].strip() for line in lines)
    return [text for text in cells if text]
