"""CTs of tables that name them by SeriesInstanceUID alone, as LUNA16 and LUNA25 do (fault 65)."""

from __future__ import annotations

import re
from pathlib import Path

from nodulerisk.ct.image_files import META, NIFTI, NRRD
from nodulerisk.files import stem_of

UID = re.compile(r"\d+(\.\d+)+")
READABLE = (*META, *NIFTI, *NRRD, ".zip")


def cts_by_series(folder: Path) -> dict[str, Path]:
    """Returns the files and folders that are named by a UID, in the folder or below it, by UID."""
    return {
        name: path
        for path in sorted(folder.rglob("*"))
        if UID.fullmatch(name := path.name if path.is_dir() else stem_of(path))
        and (path.is_dir() or path.name.lower().endswith(READABLE))
    }
