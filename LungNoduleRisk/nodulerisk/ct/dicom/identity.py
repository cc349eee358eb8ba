"""Who the patient is: read only where the user asks for it, and kept nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nodulerisk.ct.dicom.files import dicom_files
from nodulerisk.ct.dicom.series import can_read, choose_volume, ct_images
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

LABELS = {
    "PatientName": _("Patient"),
    "PatientID": _("Patient ID"),
    "PatientBirthDate": _("Born"),
    "StudyDate": _("Study date"),
    "SeriesDescription": _("Series"),
}


def identity_in(paths: Sequence[Path], series_uid: str | None = None) -> dict[str, str]:
    """Returns what a series says about its patient, by labels for a report.

    Args:
        paths: a folder, a .zip or a file, or the files of one series.
        series_uid: as for ``read_ct``.

    Raises:
        CTError: not DICOM; see ``read_dicom``.
    """
    if not paths or not all(path.exists() and can_read(path) for path in paths[:1]):
        raise CTError(_("Only DICOM says who the patient is: leave out the identity."))
    with dicom_files(*paths) as files:
        header = choose_volume(ct_images(files), series_uid).planes[0].header
    said = {label: str(header.get(keyword) or "") for keyword, label in LABELS.items()}
    return {label: text for label, text in said.items() if text}
