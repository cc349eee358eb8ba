"""What the scans of a patient are called, among the results and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nodulerisk.language.texts import Text, _, joined

if TYPE_CHECKING:
    from nodulerisk.ct.points import Point

TWO = (_("before"), _("after"))  # names of two scans, and of their folders among the results


def scan_names(count: int) -> Sequence[str]:
    """Returns the names of the scans, which are those of their folders."""
    if count == 2:
        return TWO
    return [_("scan {number}").format(number=number) for number in range(1, count + 1)]


def pair_words(
    before: Point, after: Point, scans: tuple[str, str], distance_mm: float = math.nan
) -> str:
    """Returns the names of a nodule at two scans, and how far apart the scans have it."""
    words = Text("{before} {first}, {after} {second}")
    first, second = map(_at, scans)
    names = words.format(before=before.name, first=first, after=after.name, second=second)
    if math.isnan(distance_mm):
        return names
    return joined(": ", (names, _("{mm:.1f} mm apart").format(mm=distance_mm)))


def _at(scan: str) -> str:
    return scan if scan in TWO else _("at {scan}").format(scan=scan)
