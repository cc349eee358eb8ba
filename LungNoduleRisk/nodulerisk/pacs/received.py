"""What the receiver has kept: a folder per series, under names that say nothing."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydicom import dcmread

from nodulerisk.pacs.listing import OF_SERIES, OF_STUDY, Series, Study, series_of, study_of


@dataclass(frozen=True)
class ReceivedSeries:
    """A series in the receiver's folder.

    Attributes:
        folder: of its images.
        arrived: when the last of them did, as 2024-03-01 10:11.
    """

    folder: Path
    study: Study
    series: Series
    arrived: str


def series_folder(folder: Path, series_uid: str) -> Path:
    """Returns where the images of a series are kept."""
    return folder / hashlib.sha256(series_uid.encode()).hexdigest()[:32]


def received(folder: Path) -> list[ReceivedSeries]:
    """Returns what a receiver has kept, the newest first; nothing where there is no such folder."""
    folders = [one for one in folder.glob("*") if one.is_dir()]
    return sorted(
        (one for each in folders for one in _described(each)),
        key=lambda one: one.arrived,
        reverse=True,
    )


def _described(folder: Path) -> Iterator[ReceivedSeries]:
    images = list(folder.glob("[!.]*.dcm"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote header values
            header = dcmread(images[0], specific_tags=[*OF_STUDY, *OF_SERIES]).to_json_dict()
        last = max(image.stat().st_mtime for image in images)
    except Exception:  # no image, or being deleted, or whatever a sender wrote into a header
        return
    study = study_of(header)
    series = replace(series_of(study.uid, header), images=len(images))
    arrived = datetime.fromtimestamp(last).strftime("%Y-%m-%d %H:%M")
    yield ReceivedSeries(folder, study, series, arrived)
