"""Studies and series as archives list them (PS3.18 10.6, DICOM JSON): much may be missing."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import Text, _, joined

SCHEME = "dicomweb://"
UID = re.compile(r"\d+(\.\d+)*")
CHEST = re.compile(r"chest|thora|thx|torax|lung|pulmo|poumon|polmon|pluca|胸|肺|груд|легк")
LOCALIZER = re.compile(r"localizer|scout|topogram|surview|\bloc\b")
OF_STUDY = {  # what is asked of a study, and its tag
    "StudyInstanceUID": "0020000D",
    "StudyDate": "00080020",
    "StudyDescription": "00081030",
    "PatientName": "00100010",
    "PatientID": "00100020",
    "PatientBirthDate": "00100030",
    "AccessionNumber": "00080050",
    "ModalitiesInStudy": "00080061",
    "NumberOfStudyRelatedSeries": "00201206",
}
OF_SERIES = {
    "Modality": "00080060",
    "SeriesInstanceUID": "0020000E",
    "SeriesNumber": "00200011",
    "SeriesDescription": "0008103E",
    "NumberOfSeriesRelatedInstances": "00201209",
    "SliceThickness": "00180050",
}
IMAGE_UID = "00080018"
IMAGE_TYPE = "00080008"
FEWEST_SLICES = 20  # of a CT of the lungs; a localizer or a dose report has fewer
Item = Mapping[str, Any]  # a dataset in DICOM JSON


@dataclass(frozen=True)
class Study:
    """A study, with what tells it from others; empty texts where the archive does not say.

    Attributes:
        date: as 2024-03-01.
        patient_name: as it is written in DICOM, with ``^``.
        series: how many; None: not known.
    """

    uid: str
    date: str
    description: str
    patient_name: str
    patient_id: str
    birth_date: str
    accession: str
    modalities: tuple[str, ...]
    series: int | None

    @property
    def shown_name(self) -> str:
        """The patient's name as people write it."""
        first, *more = self.patient_name.partition("=")[0].split("^")
        return ", ".join(filter(None, (first, " ".join(filter(None, more)))))

    @property
    def is_of_chest(self) -> bool:
        return bool(CHEST.search(plain(self.description)))


@dataclass(frozen=True)
class Series:
    """A CT series.

    Attributes:
        images: how many; None: not known.
        thickness_mm: of its slices; None: not known.
    """

    study_uid: str
    uid: str
    number: str
    description: str
    images: int | None
    thickness_mm: float | None
    is_localizer: bool

    @property
    def address(self) -> str:
        """What ``nodulerisk assess`` takes."""
        return f"{SCHEME}{self.study_uid}/{self.uid}"

    @property
    def words(self) -> str:
        """One line for lists: number, description, thickness and images, as far as known."""
        images = "" if self.images is None else _("{images} images").format(images=self.images)
        thick = "" if self.thickness_mm is None else Text("{mm:g} mm").format(mm=self.thickness_mm)
        return joined(", ", filter(None, (self.number, self.description, thick, images)))


def uids_of(address: str) -> tuple[str, str]:
    """Returns study and series of an address such as ``dicomweb://1.2.3/1.2.3.4``.

    Raises:
        PacsError: it is not of this form.
    """
    study, _slash, series = address.removeprefix(SCHEME).strip("/").partition("/")
    if not (is_uid(study) and is_uid(series)):
        raise PacsError(
            _(
                "A series in the archive is named by two UIDs, dicomweb://STUDY/SERIES:"
                " nodulerisk find lists them."
            )
        )
    return study, series


def is_uid(text: str) -> bool:
    """Whether this is a UID (PS3.5 9.1), which is safe in an address; leading zeros are let pass,
    since archives hold them."""
    return len(text) <= 64 and UID.fullmatch(text) is not None


def studies_in(items: Collection[Item]) -> list[Study]:
    """Returns the studies of an answer, each once: chest CTs first, then other CTs, the newest
    first.

    Raises:
        ValueError: see ``with_uids``.
    """
    listed = with_uids(items, OF_STUDY["StudyInstanceUID"])
    found = {study.uid: study for study in map(study_of, listed)}
    newest_first = sorted(found.values(), key=lambda one: one.date, reverse=True)
    return sorted(newest_first, key=lambda one: (not one.is_of_chest, "CT" not in one.modalities))


def study_of(item: Item) -> Study:
    """Returns the study that an answer or a header is of."""
    return Study(
        uid=text_of(item, OF_STUDY["StudyInstanceUID"]),
        date=_iso(text_of(item, OF_STUDY["StudyDate"])),
        description=text_of(item, OF_STUDY["StudyDescription"]),
        patient_name=text_of(item, OF_STUDY["PatientName"]),
        patient_id=text_of(item, OF_STUDY["PatientID"]),
        birth_date=_iso(text_of(item, OF_STUDY["PatientBirthDate"])),
        accession=text_of(item, OF_STUDY["AccessionNumber"]),
        modalities=tuple(text_of(item, OF_STUDY["ModalitiesInStudy"]).split("\\")),
        series=_count(item, OF_STUDY["NumberOfStudyRelatedSeries"]),
    )


def series_in(study_uid: str, items: Collection[Item]) -> list[Series]:
    """Returns the CT series of an answer, each once.

    Raises:
        ValueError: see ``with_uids``.
    """
    listed = with_uids(items, OF_SERIES["SeriesInstanceUID"])
    found = (series_of(study_uid, item) for item in listed if is_ct(item))
    return list({one.uid: one for one in found}.values())


def with_uids(items: Collection[Item], tag: str) -> list[Item]:
    """Returns those of the items that have a UID of this tag.

    Raises:
        ValueError: none has, so that this is no list of such.
    """
    found = [item for item in items if is_uid(text_of(item, tag))]
    if items and not found:
        raise ValueError(tag)
    return found


def is_ct(item: Item) -> bool:
    """Whether a series is of a CT, or the archive does not say."""
    return text_of(item, OF_SERIES["Modality"]).upper() in ("CT", "")


def with_header(series: Series, image: Item) -> Series:
    """Returns the series with what one of its images says, where the list of series did not."""
    return replace(
        series,
        thickness_mm=series.thickness_mm or _number(image, OF_SERIES["SliceThickness"]),
        is_localizer=series.is_localizer or "LOCALIZER" in text_of(image, IMAGE_TYPE).upper(),
    )


def series_of(study_uid: str, item: Item) -> Series:
    """Returns the series that an answer or a header is of."""
    description = text_of(item, OF_SERIES["SeriesDescription"])
    return Series(
        study_uid=study_uid,
        uid=text_of(item, OF_SERIES["SeriesInstanceUID"]),
        number=text_of(item, OF_SERIES["SeriesNumber"]),
        description=description,
        images=_count(item, OF_SERIES["NumberOfSeriesRelatedInstances"]),
        thickness_mm=_number(item, OF_SERIES["SliceThickness"]),
        is_localizer=bool(LOCALIZER.search(plain(description))),
    )


def proposed(series: Iterable[Series]) -> list[Series]:
    """Returns the series, the most suitable first: slices of the lungs, the thinnest, the most."""
    return sorted(series, key=_suitability)


def _suitability(series: Series) -> tuple[bool, float, int]:
    few = series.images is not None and series.images < FEWEST_SLICES
    thickness = math.inf if series.thickness_mm is None else series.thickness_mm
    return series.is_localizer or few, thickness, -(series.images or 0)


def text_of(item: Item, tag: str) -> str:
    """Returns the values of an element, joined by backslashes as in DICOM; empty: it has none."""
    values = item.get(tag, {}).get("Value") or []
    values = values if isinstance(values, list) else [values]
    return "\\".join(_text(value) for value in values).strip()


def _text(value: Any) -> str:
    if isinstance(value, Mapping):  # a person's name, in up to three scripts
        return "=".join(str(text) for text in value.values())
    return "" if value is None else str(value)


def _count(item: Item, tag: str) -> int | None:
    number = _number(item, tag)
    return None if number is None else int(number)


def _number(item: Item, tag: str) -> float | None:
    try:
        number = float(text_of(item, tag))
    except ValueError:
        return None
    return number if 0 < number < math.inf else None


def _iso(date: str) -> str:
    """Returns a date of DICOM as people write it; others as they are."""
    return re.sub(r"^(\d{4})\.?(\d\d)\.?(\d\d)$", r"\1-\2-\3", date)


def plain(text: str) -> str:
    """Returns a text without accents and case, to compare with."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
