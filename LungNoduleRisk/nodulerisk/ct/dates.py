"""Days between two scans. Dates help to identify patients, so only their difference leaves this
module."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from pydicom import Dataset, dcmread

from nodulerisk.ct.dicom_files import DicomFile, dicom_files, is_dicom

DATES = ("AcquisitionDate", "StudyDate")  # the first that both scans carry


def days_between(
    before: Path, after: Path, series_uids: tuple[str | None, str | None]
) -> int | None:
    """Returns the days from one DICOM scan to another; None if they do not both carry a date, as
    with any other format.

    Args:
        before, after: folders, zips or files that ``read_ct`` has read.
        series_uids: of the CTs read from them.

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
            dates.append(_dates_in(_header(file)))
    return _days(*dates)


def _days(first: dict[str, date], second: dict[str, date]) -> int | None:
    return next(
        ((second[name] - first[name]).days for name in DATES if name in first and name in second),
        None,
    )


def _dates(path: Path, series_uid: str | None) -> dict[str, date]:
    """Returns the dates in the first file of the series."""
    with dicom_files(path) as files:
        headers = (header for file in files if (header := _header(file)) is not None)
        wanted = series_uid or ""
        return _dates_in(
            next((one for one in headers if one.get("SeriesInstanceUID", "") == wanted), None)
        )


def _dates_in(header: Dataset | None) -> dict[str, date]:
    found = {name: _date(str((header or Dataset()).get(name, ""))) for name in DATES}
    return {name: day for name, day in found.items() if day is not None}


def _header(file: DicomFile) -> Dataset | None:
    with file.open() as stream:
        if not is_dicom(stream):
            return None
        stream.seek(0)
        return dcmread(stream, stop_before_pixels=True, specific_tags=["SeriesInstanceUID", *DATES])


def _date(text: str) -> date | None:
    """Parses a DICOM date (PS3.5 6.2, DA); None if it is not valid."""
    try:
        return datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
