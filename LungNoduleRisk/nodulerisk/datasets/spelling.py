"""One patient, one CT and one nodule, however a table spells them (fault 88)."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

SAME_MM = 0.3  # two centres that differ by less, as after rounding, are of one nodule
# What tables write for a patient who is not named.
NOBODY = {
    "nan",
    "none",
    "unknown",
    "unclear",
    "anonymous",
    "anonymized",
    "anonymised",
    "不详",
    "未知",
}


def pseudonym(text: str) -> str:
    """Returns a cell's pseudonym; empty if it names nobody: rows that say ``unknown`` are of many
    patients."""
    return "" if not re.search(r"\w", text) or text.casefold() in NOBODY else text


def patient_key(text: str) -> tuple[str, ...]:
    """Returns what all spellings of a pseudonym share: letters without case or width, and numbers
    without leading zeros, or the ``.0`` that a spreadsheet adds.

    Examples:
        >>> patient_key("P-04") == patient_key("p 4") == patient_key("P4.0")
        True
        >>> patient_key("P-1-1") == patient_key("P11")
        False
    """
    text = re.sub(r"(?<=\d)\.0+$", "", unicodedata.normalize("NFKC", text).casefold().strip())
    parts = re.findall(r"\d+|[^\W\d_]+", text)
    return tuple(part.lstrip("0") or "0" if part.isdecimal() else part for part in parts) or (text,)


def ct_key(path: str | Path) -> tuple[int, int] | str:
    """Returns what all paths to one file or folder share: links, ``.`` and ``..``, case where the
    disk ignores it; the path if nothing is there."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a path that no file can have
        return os.path.normpath(path)
    return found.st_dev, found.st_ino


def first_spellings(patients: Iterable[str]) -> dict[str, str]:
    """Returns every pseudonym's first spelling."""
    first: dict[tuple[str, ...], str] = {}
    return {patient: first.setdefault(patient_key(patient), patient) for patient in patients}
