"""Reads a CT from any supported format: picks the reader by what is at the path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nodulerisk.ct import image_files
from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _


def read_ct(path: str | Path, *, series_uid: str | None = None) -> CT:
    """Reads a chest CT from a file or folder and refuses what cannot be trusted.

    Args:
        path: a folder of DICOM files, a .zip of one, a multi-frame DICOM file, NRRD, NIfTI or
            MetaImage.
        series_uid: which series to read if the DICOM holds several: its SeriesInstanceUID, and
            ``#2`` for the second of several volumes that share it; ignored for other formats.

    Raises:
        CTError: the file cannot be read, or its geometry, intensities or modality cannot be
            trusted.
    """
    path = Path(path)
    if not path.exists():
        raise CTError(
            _(
                "There is no file or folder at this path. Check the spelling, and that the"
                " disk is connected."
            )
        )
    if image_files.can_read(path):
        return _without_padding(image_files.read_image(path))
    from nodulerisk.ct.dicom import series  # needs pydicom, which may not be installed yet

    if series.can_read(path):
        return _without_padding(series.read_dicom(path, series_uid=series_uid))
    raise CTError(
        _(
            "This file is not a supported CT format. Use a DICOM folder or .zip, NRRD,"
            " NIfTI, MHA or MHD; unpack other archives first."
        )
    )


def _without_padding(ct: CT) -> CT:
    """Raises values below air to -1024 HU: scanners write -2000 or -3024 outside their field of
    view, and a spline would ring at that edge (fault 17)."""
    return ct if ct.hu.min() >= AIR_HU else replace(ct, hu=np.maximum(ct.hu, np.int16(AIR_HU)))
