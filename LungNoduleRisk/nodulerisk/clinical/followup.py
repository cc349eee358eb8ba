"""The change of a nodule between two scans: differences, doubling times and growth, beside what
repeated scans of an unchanged nodule may show.

Volume decides whether a nodule changed, beyond the limits of ``repeatability``; its diameter stands
beside it. Growth by Lung-RADS is defined by diameters. Pure arithmetic: the caller makes sure that
both sets of measurements are of the same nodule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.checks import NO_NODULE
from nodulerisk.clinical.conditions import caveats, is_cut
from nodulerisk.clinical.repeatability import (
    SMALLEST_SOLID_MM,
    SOLID_PART_MM,
    SUBSOLID_MM,
    Limits,
    cubed,
    volume_limits,
)
from nodulerisk.clinical.reported import SUBSOLID, density_of, half_up, networks_density
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import Text, _, joined, pgettext
from nodulerisk.nodule.measure import value_of

Measurements = tuple[Measurement, ...]
Known = tuple[float | None, float | None]  # before and after; None: not measured
# The names that Lung-RADS and ``Patient.status`` use.
Growth = Literal["stable", "slowly growing", "growing"]
SolidGrowth = Literal["new", "growing", "slowly growing", "stable"]
Change = Literal["grown", "shrunk", "within repeatability"]
BY_MOST: tuple[SolidGrowth, ...] = ("new", "growing", "slowly growing", "stable")
TWELVE_MONTHS_DAYS = 366
LUNG_RADS_GROWTH_MM = 1.5
BTS_GROWTH = 0.25
FAST_DAYS, SLOW_DAYS = 400, 600
CHANGES: dict[int, Change] = {1: "grown", 0: "within repeatability", -1: "shrunk"}
CHANGES_IN_WORDS = (_("grown"), _("within repeatability"), _("shrunk"))  # to be translated
CUT_MASK = _("the mask is cut")
MOSTLY_SOLID = 0.5  # a solid nodule of 5 mm has 0.7 of its mask above the threshold, or more
CALLED_SOLID = _(
    "the networks call it solid, but less than half of its volume is: it is followed as subsolid"
)
NOT_FOUND_BEFORE = _("Not found at the earlier scan: no nodule was drawn at its point.")
NOT_FOUND_AFTER = _("Not found at the later scan: no nodule was drawn at its point.")
NO_TIME = _("none: {reason}")
NOT_FOUND = {  # by whether it was not found before, and after
    (True, False): NOT_FOUND_BEFORE,
    (False, True): NOT_FOUND_AFTER,
    (True, True): _(
        "It was not measured in both scans: no nodule was drawn at its point in either."
    ),
}


@dataclass(frozen=True)
class FollowUp:
    """A nodule at two scans.

    Attributes:
        days: between the scans.
        diameter_mm, volume_mm3, mass_mg: before and after; the diameter is the mean diameter.
        subsolid: ground glass or part-solid at one of them.
        solid_diameter_mm, solid_volume_mm3: of the solid component, 0 where there is none.
        caveats: what makes the scans less comparable, in words.
        undatable: why there is no doubling time, in words, such as a cut mask; empty: there is one.
    """

    days: float
    diameter_mm: tuple[float, float]
    volume_mm3: tuple[float, float]
    mass_mg: tuple[float, float]
    subsolid: bool
    solid_diameter_mm: Known = (None, None)
    solid_volume_mm3: Known = (None, None)
    caveats: tuple[str, ...] = ()
    undatable: str = ""

    @property
    def limits(self) -> Limits:
        """The changes of its volume that an unchanged nodule may show."""
        return volume_limits(self.diameter_mm[0], self.volume_mm3[0], self.subsolid)

    @property
    def change(self) -> Change:
        """What became of the volume."""
        return CHANGES[self.limits.side(*self.volume_mm3)]

    @property
    def change_by_diameter(self) -> Change:
        """What became of the mean diameter: changed by over 1.5 mm, or for subsolid nodules by over
        2.2 mm."""
        return CHANGES[_side(increase(*self.diameter_mm), self._diameter_limit)]

    @property
    def volume_doubling_days(self) -> float | None:
        """None within repeatability, or if ``undatable``; below 0: days to halve."""
        return self._doubling(*self.volume_mm3)

    @property
    def mass_doubling_days(self) -> float | None:
        """As of the volume; the mass is judged by the volume's limits."""
        return self._doubling(*self.mass_mg)

    @property
    def growth(self) -> Growth:
        """Growth of the whole nodule by Lung-RADS v2022: growing, if over 1.5 mm within twelve
        months; slowly growing, if over 1.5 mm, but at no more than 1.5 mm in twelve months."""
        return growth_of(increase(*self.diameter_mm), self.days)

    @property
    def solid_growth(self) -> SolidGrowth | None:
        """The same of a subsolid nodule's solid component, or ``new``; None for other nodules, and
        where there was none of 3 mm at either scan. It grows too where its volume does so beyond
        repeatability, judged by the diameter of the ball of its volume: the longest axis may be
        that of a vessel."""
        before, after = self.solid_diameter_mm
        if not self.subsolid or before is None or after is None:
            return None
        if max(before, after) < SMALLEST_SOLID_MM:
            return None
        if before <= SOLID_PART_MM < increase(before, after):
            return "new"
        both = growth_of(increase(before, after), self.days), self._solid_growth_by_volume
        return min(both, key=BY_MOST.index)

    @property
    def _solid_growth_by_volume(self) -> Growth:
        (diameter, _), (before, after) = self.solid_diameter_mm, self.solid_volume_mm3
        if not diameter or not before or not after:
            return "stable"
        if cubed(diameter, SOLID_PART_MM).side(before, after) <= 0:
            return "stable"
        balls = ((6 * volume / math.pi) ** (1 / 3) for volume in (before, after))
        return growth_of(increase(*balls), self.days)

    @property
    def solid_change(self) -> Change | None:
        """What became of the solid component's volume; None as for ``solid_growth``."""
        (diameter, _), (before, after) = self.solid_diameter_mm, self.solid_volume_mm3
        if self.solid_growth is None or before is None or after is None:
            return None
        if not diameter or not before:
            return CHANGES[int(after > 0)]
        return CHANGES[cubed(diameter, SOLID_PART_MM).side(before, after)]

    @property
    def solid_part_grows(self) -> bool:
        """Whether a solid component is new or growing, however slowly."""
        return self.solid_growth not in (None, "stable")

    @property
    def is_grown_by_bts(self) -> bool:
        """Growth by the British Thoracic Society, 2015: a quarter of the volume or more."""
        return self.volume_mm3[1] >= (1 + BTS_GROWTH) * self.volume_mm3[0]

    @property
    def lines(self) -> list[str]:
        """Describes everything, one line per fact; a new or growing solid part comes first."""
        solid = [] if self.solid_growth is None else [self._solid_words()]
        return [
            *(solid if self.solid_part_grows else []),
            self._diameter_words(),
            self._volume_words(),
            _("volume doubling time: {time}").format(time=self._doubling_words(*self.volume_mm3)),
            _("mass doubling time: {time}").format(time=self._doubling_words(*self.mass_mg)),
            *([] if self.solid_part_grows else solid),
            joined(": ", ("Lung-RADS v2022", self._lung_rads_words())),
            _("BTS 2015: {growth} (growth: volume +{share:.0%} or more)").format(
                growth=self._bts_words(), share=BTS_GROWTH
            ),
            *self.disagreements,
            *self.caveats,
        ]

    @property
    def headline(self) -> str:
        """What matters most, in one line: a new or growing solid part, else the volume."""
        if self.solid_part_grows:
            return self._solid_words()
        doubling = self._doubling_words(*self.volume_mm3)
        return _("{volume}, volume doubling time {time}").format(
            volume=self._volume_words(), time=doubling
        )

    @property
    def disagreements(self) -> tuple[str, ...]:
        """Says where the diameter and the volume, or the solid part and the whole, do not tell the
        same."""
        said = []
        if self.change != self.change_by_diameter:
            by_diameter: str = self.change_by_diameter
            if by_diameter == CHANGES[0]:
                by_diameter = _("within ±{limit:g} mm").format(limit=self._diameter_limit)
            said.append(
                _(
                    "diameter and volume disagree: {by_volume} by volume, but by diameter"
                    " {by_diameter}; the volume decides"
                ).format(by_volume=self.change, by_diameter=by_diameter)
            )
        if self.solid_part_grows and self.change == "shrunk":
            said.append(
                _(
                    "the solid part grew while the whole shrank: see whether the later mask leaves"
                    " out ground glass"
                )
            )
        return tuple(said)

    @property
    def _diameter_limit(self) -> float:
        return SUBSOLID_MM if self.subsolid else LUNG_RADS_GROWTH_MM

    def _diameter_words(self) -> str:
        before, after = self.diameter_mm
        template = (
            _(
                "mean diameter: {before:.1f} → {after:.1f} mm ({change:+.1f} mm; unchanged: up to"
                " ±{limit} mm)"
            )
            if self.subsolid
            else _("mean diameter: {before:.1f} → {after:.1f} mm ({change:+.1f} mm)")
        )
        change, limit = after - before, SUBSOLID_MM
        return template.format(before=before, after=after, change=change, limit=limit)

    def _volume_words(self) -> str:
        before, after = self.volume_mm3
        return _(
            "volume: {before:.0f} → {after:.0f} mm³ ({share:+.0%}; unchanged: {limits}): {change}"
        ).format(
            before=before,
            after=after,
            share=after / before - 1,
            limits=self.limits.words,
            change=self.change,
        )

    def _doubling(self, before: float, after: float) -> float | None:
        if self.undatable or not self.limits.side(before, after):
            return None
        return doubling_days(before, after, self.days)

    def _doubling_words(self, before: float, after: float) -> str:
        if self.undatable:
            return NO_TIME.format(reason=self.undatable)
        if before != after and not self.limits.side(before, after):
            return NO_TIME.format(reason="within repeatability")
        return doubling_words(doubling_days(before, after, self.days))

    def _solid_words(self) -> str:
        before, after = self.solid_diameter_mm
        assert before is not None and after is not None
        is_new = self.solid_growth == "new"
        is_stable = growth_of(increase(before, after), self.days) == "stable"
        unlike = self.solid_change == "grown" and is_stable and not is_new
        though = _(", by its volume, which grew beyond repeatability") if unlike else ""
        volumes = " → ".join("–" if v is None else f"{v:.0f}" for v in self.solid_volume_mm3)
        template = _(
            "{what}: {before} → {after:.1f} mm ({change:+.1f} mm; unchanged: up to ±{limit} mm),"
            " {volumes} mm³: {growth}{though}"
        )
        return template.format(
            what=_("new solid part") if is_new else _("solid part"),
            before=pgettext("a solid part", "none")
            if before <= SOLID_PART_MM
            else Text("{mm:.1f}").format(mm=before),
            after=after,
            change=after - before,
            limit=SOLID_PART_MM,
            volumes=volumes,
            growth=self.solid_growth,
            though=though,
        )

    def _lung_rads_words(self) -> str:
        what: str = self.growth
        if self.solid_part_grows:
            what = _("solid part {solid}, the whole {whole}").format(
                solid=self.solid_growth, whole=self.growth
            )
        return _("{what} (growing: over {limit} mm within 12 months)").format(
            what=what, limit=LUNG_RADS_GROWTH_MM
        )

    def _bts_words(self) -> str:
        if self.is_grown_by_bts:
            within = self.change == "within repeatability"
            return _("growth, but within repeatability") if within else _("growth")
        if self.solid_part_grows:
            return _("no growth, but the solid part is {growth}").format(growth=self.solid_growth)
        return _("no growth")


@dataclass(frozen=True, eq=False)
class Earlier:
    """A nodule at an earlier scan.

    Attributes:
        when: in words, such as ``183 days before``.
        assessment: of that scan.
        follow_up: its change until the later scan; None where it was not measured in both.
        days: before the later scan; None: not known.
        ct: that scan, or a part of it around the nodule, to show it; None: it is not shown.
        remark: why there is no ``follow_up``.
    """

    when: str
    assessment: Assessment
    follow_up: FollowUp | None
    days: float | None = None
    ct: CT | None = None
    remark: str = ""


def earlier_scan(
    before: Assessment,
    after: Assessment,
    days: float,
    given: str | None = None,
    ct: CT | None = None,
    undatable: str = "",
) -> Earlier:
    """Returns a nodule at an earlier scan with its change, or with why it is not known; arguments
    as in ``followed`` and ``Earlier``."""
    when = _("{days:g} days before").format(days=days)
    try:
        change = followed(before, after, days, given, undatable)
    except NoduleRiskError as refusal:
        return Earlier(when, before, None, days, ct, str(refusal))
    return Earlier(when, before, change, days, ct)


def most_telling(earlier: Sequence[Earlier]) -> FollowUp | None:
    """Returns the change from which a guideline takes the nodule's status: that with the most
    growth, of the solid part before the whole, else the last; None if none is known.

    Args:
        earlier: the nodule at earlier scans, the oldest first.
    """
    known = [one.follow_up for one in reversed(earlier) if one.follow_up is not None]
    return min(known, key=_rank, default=None)


def _rank(change: FollowUp) -> tuple[int, int]:
    return BY_MOST.index(change.solid_growth or "stable"), BY_MOST.index(change.growth)


def follow_up(before: Measurements, after: Measurements, days: float, subsolid: bool) -> FollowUp:
    """Compares two scans of a nodule.

    Args:
        before, after: from ``measure``, of the same nodule.
        days: between the scans.
        subsolid: ground glass or part-solid.

    Raises:
        NoduleRiskError: the scans are not in order of time, or the nodule was not measured in both.
    """
    if not 0 < days < math.inf:
        raise NoduleRiskError(
            _("The scans are not in order: the later one must be from a later day.")
        )

    def pair(name: str) -> tuple[float, float]:
        first, second = value_of(before, name), value_of(after, name)
        if not first or not second or min(first, second) <= 0:
            words = _("The {name} was not measured in both scans: assess the nodule in both.")
            raise NoduleRiskError(words.format(name=name))
        return first, second

    def of_solid(name: str) -> Known:
        return value_of(before, f"solid {name}"), value_of(after, f"solid {name}")

    return FollowUp(
        days,
        pair("mean diameter"),
        pair("volume"),
        pair("mass"),
        subsolid,
        of_solid("mean diameter"),
        of_solid("volume"),
    )


def followed(
    before: Assessment,
    after: Assessment,
    days: float,
    given: str | None = None,
    undatable: str = "",
) -> FollowUp:
    """Compares a nodule's assessments. It is subsolid if the reader says so, or else if it was at
    either scan by ``density_of``, or if less than half of its volume was solid: the networks call
    some part-solid nodules solid.

    Args:
        before, after: of the same nodule.
        days: between the scans.
        given: the density type at the later scan according to the reader.
        undatable: why there is no doubling time, beside cut masks.

    Raises:
        NoduleRiskError: see ``follow_up``; a nodule that one of the scans does not show is named.
    """
    missing = NO_NODULE.among(before.checks), NO_NODULE.among(after.checks)
    if any(missing):
        raise NoduleRiskError(NOT_FOUND[missing])
    change = follow_up(
        before.measurements, after.measurements, days, _is_subsolid(before, after, given)
    )
    called_solid = any(
        _density(one) == "solid" and _is_mostly_glass(one) for one in (before, after)
    )
    unlike = (CALLED_SOLID,) if called_solid and not given else ()
    cut = CUT_MASK if is_cut(before) or is_cut(after) else ""
    return replace(change, caveats=(*unlike, *caveats(before, after)), undatable=undatable or cut)


def _is_subsolid(before: Assessment, after: Assessment, given: str | None) -> bool:
    if given:
        return given in SUBSOLID
    return any(_density(one) in SUBSOLID or _is_mostly_glass(one) for one in (before, after))


def _density(assessment: Assessment) -> str | None:
    return density_of(assessment.measurements, networks_density(assessment), None)[0]


def _is_mostly_glass(assessment: Assessment) -> bool:
    solid, whole = (value_of(assessment.measurements, name) for name in ("solid volume", "volume"))
    return bool(solid is not None and whole and solid < MOSTLY_SOLID * whole)


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
        return NO_TIME.format(reason=_("it shrank"))
    if math.isinf(days):
        return NO_TIME.format(reason=_("unchanged"))
    if days < FAST_DAYS:
        words = _("{days:.0f} days (below {fast})")
    elif days > SLOW_DAYS:
        words = _("{days:.0f} days (over {slow})")
    else:
        words = _("{days:.0f} days ({fast} to {slow})")
    return words.format(days=days, fast=FAST_DAYS, slow=SLOW_DAYS)


def growth_of(increase_mm: float, days: float) -> Growth:
    """Returns the growth of a diameter by Lung-RADS v2022; over more than twelve months, the
    increase in twelve months counts.

    Examples:
        >>> growth_of(2.0, days=180), growth_of(2.0, days=730), growth_of(12.0, days=380)
        ('growing', 'slowly growing', 'growing')
    """
    if increase_mm <= LUNG_RADS_GROWTH_MM:
        return "stable"
    years = max(days / TWELVE_MONTHS_DAYS, 1)
    return "growing" if increase_mm / years > LUNG_RADS_GROWTH_MM else "slowly growing"


def increase(before_mm: float, after_mm: float) -> float:
    """Returns the increase of a diameter in mm, from diameters as Lung-RADS reports them: to 0.1
    mm, halves rounded up."""
    return round(half_up(after_mm, 1) - half_up(before_mm, 1), 1)


def _side(change: float, limit: float) -> int:
    return int(change > limit) - int(change < -limit)
