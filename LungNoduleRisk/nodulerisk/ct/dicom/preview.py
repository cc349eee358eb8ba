"""A slice of each series, to choose among several by sight."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from nodulerisk.ct.dicom.files import dicom_files
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
                plane = planes[len(planes) // 2]
                hu = hounsfield(stored_frames(plane.file)[plane.frame], plane)
            except CTError:
                continue
            step = max(1, min(hu.shape) // SIDE)
            yield name, hu[::step, ::step]
