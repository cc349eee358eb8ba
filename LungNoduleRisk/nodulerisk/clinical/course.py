"""A nodule over any number of scans: its growth curve, and one doubling time for all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.conditions import is_cut
from nodulerisk.clinical.followup import (
    BY_MOST,
    CUT_MASK,
    NO_TIME,
    Earlier,
    Growth,
    doubling_words,
    growth_of,
    increase,
)
from nodulerisk.clinical.repeatability import volume_limits
from nodulerisk.language.texts import _, ngettext
from nodulerisk.nodule.measure import value_of

Z95 = 1.96  # standard deviations on either side of 95 %


@dataclass(frozen=True)
class TimePoint:
    """A nodule at one scan.

    Attributes:
        days: since the first scan.
        diameter_mm, volume_mm3: of the whole nodule; the diameter is the mean diameter.
        solid_diameter_mm: of its solid component, 0 where there is none; None: not measured.
        cut: its mask is cut, so that the sizes are too small.
    """

    days: float
    diameter_mm: float
    volume_mm3: float
    solid_diameter_mm: float | None = None
    cut: bool = False


@dataclass(frozen=True)
class Course:
    """A nodule at two scans or more, as far as it was measured.

    The doubling time comes from the straight line of least squares through the logarithms of the
    volumes. Its standard error is that of the measurements' repeatability, so that two scans are
    judged as in ``FollowUp``.

    Attributes:
        points: the oldest first.
        subsolid: ground glass or part-solid at one of the scans.
        undatable: why there is no doubling time, in words; empty: there is one.
    """

    points: tuple[TimePoint, ...]
    subsolid: bool = False
    undatable: str = ""

    @property
    def trend(self) -> tuple[float, float] | None:
        """The line's slope per day and its value at the first scan, natural logarithms of mm³; None
        if ``undatable``."""
        if self.undatable:
            return None
        days, logs = self._whole()
        slope, start = np.polyfit(days, logs, 1)
        return float(slope), float(start)

    @property
    def spread(self) -> float:
        """How far the logarithm of one measured volume may lie from the line, on 95 of 100
        scans."""
        first = self.points[0]
        limits = volume_limits(first.diameter_mm, first.volume_mm3, self.subsolid)
        return math.log1p(limits.high) / math.sqrt(2)

    @property
    def doubling_range_days(self) -> tuple[float, float] | None:
        """The doubling times (below 0: halving) between which the true one lies, as far as
        measurements repeat; None within repeatability, or if ``undatable``."""
        if self.trend is None:
            return None
        days, _ = self._whole()
        slope, _ = self.trend
        error = self.spread / math.sqrt(((days - days.mean()) ** 2).sum())
        if abs(slope) <= error:
            return None
        fast, slow = sorted((abs(slope) + error, abs(slope) - error), reverse=True)
        sign = math.copysign(math.log(2), slope)
        return sign / fast, sign / slow

    @property
    def volume_doubling_days(self) -> float | None:
        """By regression; None within repeatability, or if ``undatable``; below 0: days to halve."""
        if self.trend is None or self.doubling_range_days is None:
            return None
        return math.log(2) / self.trend[0]

    @property
    def is_steady(self) -> bool:
        """Whether every volume lies as near to the line as measurements repeat."""
        if self.trend is None:
            return True
        days, logs = self._whole()
        slope, start = self.trend
        return bool((np.abs(logs - start - slope * days) <= self.spread).all())

    @property
    def growth(self) -> Growth:
        """By Lung-RADS v2022: the most that any two of the scans show."""
        found = {
            growth_of(increase(a.diameter_mm, b.diameter_mm), b.days - a.days)
            for a, b in combinations(self.points, 2)
        }
        return min(found, key=BY_MOST.index)

    @property
    def lines(self) -> list[str]:
        """Describes it, one line per fact."""
        first, last = self.points[0], self.points[-1]
        lines = [
            _("{count} scans in {days:g} days: volume {volumes} mm³").format(
                count=len(self.points),
                days=last.days - first.days,
                volumes=" → ".join(f"{point.volume_mm3:.0f}" for point in self.points),
            ),
            _("volume doubling time by regression: {time}").format(time=self._doubling_words()),
            _("Lung-RADS v2022, any two of the scans: {growth}").format(growth=self.growth),
        ]
        if not self.is_steady:
            lines.append(
                _(
                    "the volumes do not follow one doubling time: some lie farther from the curve"
                    " than measurements repeat"
                )
            )
        if left_out := sum(point.cut for point in self.points):
            lines.append(
                ngettext(
                    "left out of the regression, since the mask is cut: {left_out} scan",
                    "left out of the regression, since the mask is cut: {left_out} scans",
                    left_out,
                ).format(left_out=left_out)
            )
        return lines

    def _whole(self) -> tuple[np.ndarray, np.ndarray]:
        """Days and logarithms of the volumes of the scans whose mask is not cut."""
        whole = [point for point in self.points if not point.cut]
        days, volumes = np.array([(point.days, point.volume_mm3) for point in whole]).T
        return days, np.log(volumes)

    def _doubling_words(self) -> str:
        if self.undatable:
            return NO_TIME.format(reason=self.undatable)
        between = self.doubling_range_days
        if self.volume_doubling_days is None or between is None:
            return NO_TIME.format(reason="within repeatability")
        words = doubling_words(self.volume_doubling_days)
        if self.volume_doubling_days < 0:
            return words
        return _("{time}; {low:.0f} to {high:.0f} days as far as measurements repeat").format(
            time=words, low=between[0], high=between[1]
        )


def course_of(earlier: Sequence[Earlier], now: Assessment) -> Course | None:
    """Returns a nodule's course; None if it was measured at fewer than two scans.

    Args:
        earlier: the nodule at earlier scans, the oldest first.
        now: the nodule at the last scan.
    """
    dated = [(-one.days, one.assessment) for one in earlier if one.days is not None]
    points = [
        point for days, one in (*dated, (0.0, now)) if (point := _point(days, one)) is not None
    ]
    if len(points) < 2:
        return None
    start = points[0].days
    shifted = tuple(
        TimePoint(p.days - start, p.diameter_mm, p.volume_mm3, p.solid_diameter_mm, p.cut)
        for p in points
    )
    changes = [one.follow_up for one in earlier if one.follow_up is not None]
    reasons = [one.undatable for one in changes if one.undatable not in ("", CUT_MASK)]
    too_few = CUT_MASK if sum(not point.cut for point in shifted) < 2 else ""
    return Course(shifted, any(one.subsolid for one in changes), next(iter(reasons), too_few))


def _point(days: float, assessment: Assessment) -> TimePoint | None:
    diameter, volume, solid = (
        value_of(assessment.measurements, name)
        for name in ("mean diameter", "volume", "solid mean diameter")
    )
    if not diameter or not volume:
        return None
    return TimePoint(days, diameter, volume, solid, is_cut(assessment))
