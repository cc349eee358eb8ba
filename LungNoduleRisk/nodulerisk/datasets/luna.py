"""CTs of tables that name them without a path: by SeriesInstanceUID, as LUNA16 and LUNA25 do (fault
65), or by a number of their own, as the EMV-3D-CNN authors do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from nodulerisk.ct.image_files import META, NIFTI, NRRD
from nodulerisk.files import stem_of

UID = re.compile(r"\d+(\.\d+)+")
READABLE = (*META, *NIFTI, *NRRD, ".zip", ".npy")


def cts_by_series(folder: Path) -> dict[str, Path]:
    """Returns the files and folders that are named by a UID, in the folder or below it, by UID."""
    return cts_by_name(folder, UID.fullmatch)


def cts_by_name(folder: Path, fits: Callable[[str], object]) -> dict[str, Path]:
    """Returns the files and folders whose names, without a suffix, fit, in the folder or below it,
    by name; of several, the one that lies highest."""
    found = sorted(folder.rglob("*"), key=lambda path: (-len(path.parts), path))
    return {
        name: path
        for path in found
        if fits(name := path.name if path.is_dir() else stem_of(path))
        and (path.is_dir() or path.name.lower().endswith(READABLE))
    }
