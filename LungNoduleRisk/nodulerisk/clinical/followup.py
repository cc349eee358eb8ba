"""The change of a nodule between two scans: differences, doubling times and growth, beside what
repeated scans of an unchanged nodule may show.

Pure arithmetic: the caller makes sure that both sets of measurements are of the same nodule.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.clinical.reported import SUBSOLID, density_of, half_up, networks_density
from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.measure import value_of

Measurements = tuple[Measurement, ...]
# The names that Lung-RADS and ``Patient.status`` use.
Growth = Literal["stable", "slowly growing", "growing"]
TWELVE_MONTHS_DAYS = 366
LUNG_RADS_GROWTH_MM = 1.5
BTS_GROWTH = 0.25
FAST_DAYS, SLOW_DAYS = 400, 600
VOLUME_REPEATABILITY = 0.27  # differences that an unchanged nodule may show; PMC4747473
SUBSOLID_REPEATABILITY_MM = 2.2


@dataclass(frozen=True)
class FollowUp:
    """A nodule at two scans.

    Attributes:
        days: between the scans.
        diameter_mm, volume_mm3, mass_mg: before and after; the diameter is the mean diameter.
        subsolid: ground glass or part-solid.
    """

    days: float
    diameter_mm: tuple[float, float]
    volume_mm3: tuple[float, float]
    mass_mg: tuple[float, float]
    subsolid: bool

    @property
    def volume_doubling_days(self) -> float:
        return doubling_days(*self.volume_mm3, self.days)

    @property
    def mass_doubling_days(self) -> float:
        return doubling_days(*self.mass_mg, self.days)

    @property
    def growth(self) -> Growth:
        """Growth by Lung-RADS v2022: growing, if over 1.5 mm within twelve months; slowly growing,
        if over 1.5 mm in a longer time."""
        if _tenths(self.diameter_mm[1]) - _tenths(self.diameter_mm[0]) <= 10 * LUNG_RADS_GROWTH_MM:
            return "stable"
        return "growing" if self.days <= TWELVE_MONTHS_DAYS else "slowly growing"

    @property
    def is_grown_by_bts(self) -> bool:
        """Growth by the British Thoracic Society, 2015: a quarter of the volume or more."""
        return self.volume_mm3[1] >= (1 + BTS_GROWTH) * self.volume_mm3[0]

    @property
    def lines(self) -> list[str]:
        """Describes everything, one line per fact."""
        repeats_mm = f"; unchanged: up to ±{SUBSOLID_REPEATABILITY_MM} mm" if self.subsolid else ""
        repeats = f"; unchanged: up to ±{VOLUME_REPEATABILITY:.0%}"
        (d, d_after), (v, v_after) = self.diameter_mm, self.volume_mm3
        return [
            f"mean diameter: {d:.1f} → {d_after:.1f} mm ({d_after - d:+.1f} mm{repeats_mm})",
            f"volume: {v:.0f} → {v_after:.0f} mm³ ({v_after / v - 1:+.0%}{repeats})",
            f"volume doubling time: {doubling_words(self.volume_doubling_days)}",
            f"mass doubling time: {doubling_words(self.mass_doubling_days)}",
            (
                f"Lung-RADS v2022: {self.growth} (growing: over {LUNG_RADS_GROWTH_MM} mm within 12"
                " months)"
            ),
            (
                f"BTS 2015: {'growth' if self.is_grown_by_bts else 'no growth'} (growth: volume"
                f" +{BTS_GROWTH:.0%} or more)"
            ),
        ]


@dataclass(frozen=True, eq=False)
class Earlier:
    """A nodule at an earlier scan.

    Attributes:
        when: in words, such as ``183 days before``.
        assessment: of that scan.
        follow_up: its change until the later scan; None where it was not measured in both.
    """

    when: str
    assessment: Assessment
    follow_up: FollowUp | None


def follow_up(before: Measurements, after: Measurements, days: float, subsolid: bool) -> FollowUp:
    """Compares two scans of a nodule.

    Args:
        before, after: from ``measure``, of the same nodule.
        days: between the scans.
        subsolid: ground glass or part-solid.

    Raises:
        NoduleRiskError: the scans are not in order of time, or the nodule was not measured in both.
    """
    if days <= 0:
        raise NoduleRiskError("The scans are not in order: the later one must be from a later day.")

    def pair(name: str) -> tuple[float, float]:
        first, second = value_of(before, name), value_of(after, name)
        if not first or not second or min(first, second) <= 0:
            raise NoduleRiskError(
                f"The {name} was not measured in both scans: assess the nodule in both."
            )
        return first, second

    return FollowUp(days, pair("mean diameter"), pair("volume"), pair("mass"), subsolid)


def followed(
    before: Assessment, after: Assessment, days: float, given: str | None = None
) -> FollowUp:
    """Compares a nodule's assessments; ``density_of`` decides whether it is subsolid.

    Args:
        before, after: of the same nodule.
        days: between the scans.
        given: the density type at the later scan according to the reader.

    Raises:
        NoduleRiskError: see ``follow_up``.
    """
    density, _ = density_of(after.measurements, networks_density(after), given)
    return follow_up(before.measurements, after.measurements, days, density in SUBSOLID)


def doubling_days(before: float, after: float, days: float) -> float:
    """Δt · ln 2 / ln(after / before); infinite where nothing changed, negative (halving) where it
    shrank.

    Examples:
        >>> doubling_days(before=100, after=400, days=90)
        45.0
        >>> doubling_days(before=100, after=50, days=90)
        -90.0
    """
    growth = math.log(after / before)
    return days * math.log(2) / growth if growth else math.inf


def doubling_words(days: float) -> str:
    """``245 days (below 400)``; with the classes of the British Thoracic Society."""
    if days < 0:
        return "none: it shrank"
    if math.isinf(days):
        return "none: unchanged"
    limits = f"below {FAST_DAYS}" if days < FAST_DAYS else f"{FAST_DAYS} to {SLOW_DAYS}"
    return f"{days:.0f} days ({f'over {SLOW_DAYS}' if days > SLOW_DAYS else limits})"


def _tenths(mm: float) -> int:
    """Returns a diameter as Lung-RADS reports it: to 0.1 mm, halves rounded up."""
    return round(10 * half_up(mm, 1))
