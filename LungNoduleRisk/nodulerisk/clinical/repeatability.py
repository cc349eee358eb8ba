"""How far measurements of an unchanged nodule differ between two scans, by size and density type.

All are 95 % limits, published for repeated scans of the same nodules:

* solid, volume: ±27 % (233 nodules of 98 mm³ on average, 869 at most; Radiology 2009;251:919), and
  for larger ones −12 to +13 %, taken as ±13 % (lung cancers of RIDER, scanned twice within
  minutes; Radiology 2009;252:263);
* subsolid, diameter: ±2.2 mm, and ±1.2 mm for the solid part, in the lung window by one reader (69
  nodules; PMC4747473). No limits for their volumes are known to us; they are taken from those of
  the diameter, for a nodule that keeps its shape.

Those of our own masks were measured on phantoms only (Docs/followup.md). A solid part below 3 mm
is not counted: it may be a vessel or noise, and Fleischner's recommendations do not measure smaller
ones either (Radiology 2017;285:584).
"""

from __future__ import annotations

from dataclasses import dataclass

from nodulerisk.language.texts import _

SMALL_SOLID_MM3 = 869.0
SOLID_VOLUME = 0.27
LARGE_SOLID_VOLUME = 0.13
SUBSOLID_MM = 2.2
SOLID_PART_MM = 1.2
SMALLEST_SOLID_MM = 3.0


@dataclass(frozen=True)
class Limits:
    """The relative changes of a volume (after / before − 1) that an unchanged nodule may show."""

    low: float
    high: float

    def side(self, before: float, after: float) -> int:
        """Returns 1 for growth beyond the limits, −1 for shrinkage beyond them, else 0."""
        change = after / before - 1
        return int(change > self.high) - int(change < self.low)

    @property
    def words(self) -> str:
        """``up to ±27%`` or ``−37% to +50%``."""
        if self.low == -self.high:
            return _("up to ±{high:.0%}").format(high=self.high)
        return _("{low:+.0%} to {high:+.0%}").format(low=self.low, high=self.high)


def volume_limits(diameter_mm: float, volume_mm3: float, subsolid: bool) -> Limits:
    """Returns the limits for a nodule's volume.

    Args:
        diameter_mm, volume_mm3: at the earlier scan.
        subsolid: ground glass or part-solid.

    Examples:
        >>> volume_limits(6, 113, subsolid=False).words, volume_limits(20, 4189, False).words
        ('up to ±27%', 'up to ±13%')
        >>> volume_limits(16, 2145, subsolid=True).words
        '-36% to +47%'
    """
    if subsolid:
        return cubed(diameter_mm, SUBSOLID_MM)
    limit = SOLID_VOLUME if volume_mm3 <= SMALL_SOLID_MM3 else LARGE_SOLID_VOLUME
    return Limits(-limit, limit)


def cubed(diameter_mm: float, limit_mm: float) -> Limits:
    """Returns the limits for a volume, from those of a diameter."""
    shrunk = max(diameter_mm - limit_mm, 0.0)
    return Limits((shrunk / diameter_mm) ** 3 - 1, (1 + limit_mm / diameter_mm) ** 3 - 1)
