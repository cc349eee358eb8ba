"""CTs of tables that name them by SeriesInstanceUID alone, as LUNA16 and LUNA25 do (fault 65)."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nodulerisk.ct.image_files import META, NIFTI, NRRD
from nodulerisk.files import stem_of

READABLE = (*META, *NIFTI, *NRRD, ".zip")


def cts_by_series(folder: Path, series: Collection[str]) -> dict[str, Path]:
    """Returns the CTs of these series that lie in the folder or below it: files or folders named by
    the SeriesInstanceUID."""
    wanted = set(series) - {""}
    return {
        name: path
        for path in sorted(folder.rglob("*"))
        if (name := path.name if path.is_dir() else stem_of(path)) in wanted
        and (path.is_dir() or path.name.lower().endswith(READABLE))
    }
