"""What to look for in an archive: matching that archives of every make understand (PS3.4 C.2.2.2),
narrowed here where they cannot."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase

from nodulerisk.errors import PacsError
from nodulerisk.language.texts import _
from nodulerisk.pacs.listing import Study, plain

PATTERN = re.compile(r"[\^*?=\\]")  # a name that says itself how it is to be matched
DAY = r"(\d{8}|\d{4}-\d\d-\d\d)?"
DATES = re.compile(rf"{DAY}(?:\s*(-|–|\.\.|to)\s*{DAY})?")
MAY_BE_ACCENTED = "[aceinou]"
NOT_A_DATE = _("This is not a date: write 2024-03-01, or 2024-03-01 - 2024-03-31.")


@dataclass(frozen=True)
class Wanted:
    """What is known of the studies that are looked for; empty: anything.

    Attributes:
        name: of the patient: words in any order, with or without accents, or a pattern of DICOM's
            such as ``GR?N^J*``.
        patient_id: exactly, or with wildcards.
        date: 2024-03-01, or a range: 2024-03-01 - 2024-03-31; open where a day is left out.
        accession: exactly, or with wildcards.
    """

    name: str = ""
    patient_id: str = ""
    date: str = ""
    accession: str = ""

    @property
    def queries(self) -> list[dict[str, str]]:
        """What to ask for CT studies: the second where the first finds none.

        Raises:
            PacsError: the date cannot be read.
        """
        names = dict.fromkeys((_asked_name(self.name), _asked_name(self.name, MAY_BE_ACCENTED)))
        return [self._query(name) for name in names]

    def _query(self, name: str) -> dict[str, str]:
        asked = {
            "PatientName": name,
            "PatientID": self.patient_id.strip(),
            "StudyDate": _asked_date(self.date),
            "AccessionNumber": self.accession.strip(),
            "ModalitiesInStudy": "CT",
        }
        return {keyword: value for keyword, value in asked.items() if value}

    def chosen(self, studies: Iterable[Study]) -> list[Study]:
        """Returns those of the studies that are wanted: names are asked for more widely than
        meant, and archives may ignore what they do not match by."""
        return [one for one in studies if self._is_wanted(one)]

    def _is_wanted(self, study: Study) -> bool:
        return (
            _may_be_ct(study)
            and _is_named(study.patient_name, self.name)
            and _fits(study.patient_id, self.patient_id)
            and _fits(study.accession, self.accession)
            and _is_dated(study.date, self.date)
        )


def _may_be_ct(study: Study) -> bool:
    return "CT" in study.modalities or not any(study.modalities)


def _is_named(name: str, wanted: str) -> bool:
    if PATTERN.search(wanted):
        pattern = plain(wanted).strip().rstrip("^")
        return any(fnmatchcase(group.rstrip("^"), pattern) for group in plain(name).split("="))
    return all(re.search(_loosely(word), plain(name)) for word in _words(wanted))


def _fits(value: str, wanted: str) -> bool:
    """Whether a value is as wanted, as far as the archive says."""
    return not value or not wanted.strip() or fnmatchcase(value, wanted.strip())


def _is_dated(date: str, wanted: str) -> bool:
    first, dash, last = _range(wanted)
    day = date.replace("-", "")
    return not day or (first or day) <= day <= (last or (day if dash else first or day))


def _words(name: str) -> list[str]:
    return name.replace(",", " ").split()


def _asked_name(name: str, wider: str = "") -> str:
    """Returns a pattern that every archive understands: of words the longest, since archives want
    them in DICOM's order; with wildcards also for the letters ``wider``."""
    if PATTERN.search(name):
        return _widened(name.strip())
    if not (words := _words(name)):
        return ""
    longest = _widened(max(words, key=len))
    return f"*{longest[0]}{re.sub(wider, '*', longest[1:]) if wider else longest[1:]}*"


def _widened(text: str) -> str:
    """Returns a text with wildcards for all but plain letters, if it has such: not all archives
    ignore accents, and Orthanc's plugin does not understand what an address must escape."""
    return re.sub(r"[^A-Za-z0-9_.*?-]+", "*", text) if re.search("[A-Za-z]", text) else text


def _loosely(word: str) -> str:
    """A regular expression that also takes Mueller for Müller."""
    return re.sub(r"(\\\*)+", ".{0,3}", re.escape(plain(_widened(word))))


def _asked_date(text: str) -> str:
    """Returns a date or a range as DICOM writes them (PS3.4 C.2.2.2.5)."""
    return "".join(_range(text))


def _range(text: str) -> tuple[str, str, str]:
    """Returns first day, dash and last day, as DICOM writes them and empty where they are left out.

    Raises:
        PacsError: it is neither a day nor a range.
    """
    match = DATES.fullmatch(text.strip())
    if match is None or (match[2] and not (match[1] or match[3])):
        raise PacsError(NOT_A_DATE)
    try:
        first, last = _day(match[1]), _day(match[3])
    except ValueError:
        raise PacsError(NOT_A_DATE) from None
    if first and last and first > last:
        raise PacsError(_("The range of dates ends before it begins."))
    return first, "-" if match[2] else "", last


def _day(text: str | None) -> str:
    return datetime.strptime(text.replace("-", ""), "%Y%m%d").strftime("%Y%m%d") if text else ""
