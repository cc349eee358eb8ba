"""A slice of each series, to choose among several by sight."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from nodulerisk.ct.dicom.files import ImagePlane, dicom_files
from nodulerisk.ct.dicom.pixels import hounsfield, stored_frames
from nodulerisk.ct.dicom.series import choose_volume, ct_images
from nodulerisk.errors import CTError

SIDE = 96  # pixels, at least


def previews(path: Path, names: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the middle slice of each volume with its name: HU, shape (row, column), of every few
    pixels. What cannot be read is left out; whoever opens it is told why.

    Args:
        path: a folder or a .zip.
        names: of volumes, as ``SeveralSeriesError`` lists them.

    Raises:
        CTError: there are no CT images.
    """
    with dicom_files(path) as files:
        images = ct_images(files)
        for name in names:
            try:
                planes = choose_volume(images, name).planes
                seen = _seen(planes[len(planes) // 2])
            except CTError:
                continue
            yield name, seen


def slice_in(file: Path) -> np.ndarray | None:
    """A slice of a single file, as ``previews`` gives it; None: there is none that can be read."""
    with suppress(CTError), dicom_files(file) as files:
        return next((_seen(plane) for plane in ct_images(files).planes), None)
    return None


def _seen(plane: ImagePlane) -> np.ndarray:
    """HU of every few pixels."""
    hu = hounsfield(stored_frames(plane.file)[plane.frame], plane)
    step = max(1, min(hu.shape) // SIDE)
    return hu[::step, ::step]
