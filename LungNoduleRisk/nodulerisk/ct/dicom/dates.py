"""Days between two scans. Dates help to identify patients, so only their difference leaves this
module."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from pydicom import Dataset

from nodulerisk.ct.dicom.files import DicomFile, dicom_files, read_header
from nodulerisk.ct.dicom.series import choose_volume, ct_images

DATES = ("AcquisitionDate", "StudyDate")  # the first that both scans carry
KEYWORDS = f"SeriesInstanceUID {' '.join(DATES)}"


def days_between(
    before: Path, after: Path, series_uids: tuple[str | None, str | None]
) -> int | None:
    """Returns the days from one DICOM scan to another; None if they do not both carry a date, as
    with any other format.

    Args:
        before, after: folders, zips or files that ``read_ct`` has read.
        series_uids: of the CTs read from them, as their acquisitions name them.

    Raises:
        CTError: a file cannot be read any more.
    """
    first, second = (
        _dates(path, uid) for path, uid in zip((before, after), series_uids, strict=True)
    )
    return _days(first, second)


def days_between_files(before: Path, after: Path) -> int | None:
    """Returns the days from one DICOM file to another, of any series; None as in
    ``days_between``."""
    dates = []
    for path in (before, after):
        with dicom_files(path) as (file,):
            dates.append(_dates_in(read_header(file, KEYWORDS)))
    return _days(*dates)


def _days(first: dict[str, date], second: dict[str, date]) -> int | None:
    return next(
        ((second[name] - first[name]).days for name in DATES if name in first and name in second),
        None,
    )


def _dates(path: Path, series: str | None) -> dict[str, date]:
    """Returns the dates in a file of the series."""
    with dicom_files(path) as files:
        return _dates_in(_header(files, series or ""))


def _dates_in(header: Dataset | None) -> dict[str, date]:
    found = {name: _date(str((header or Dataset()).get(name, ""))) for name in DATES}
    return {name: day for name, day in found.items() if day is not None}


def _header(files: list[DicomFile], series: str) -> Dataset:
    if "#" in series:  # the volumes that share a UID may be of two studies
        return choose_volume(ct_images(files), series).planes[0].header
    headers = (read_header(file, KEYWORDS) for file in files)
    return next((h for h in headers if h and h.get("SeriesInstanceUID", "") == series), Dataset())


def _date(text: str) -> date | None:
    """Parses a DICOM date (PS3.5 6.2, DA); None if it is not valid."""
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
