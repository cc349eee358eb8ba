"""How the classes of simulated nodules look: published means and standard deviations.

230 part-solid nodules with pathology, Iran J Radiol 2018;15(1):e61846: 64 AIS, 77 MIA, 89 IAC. The
classes overlap as they do there: AIS may hold a solid part, and MIA a large one. Lengths are drawn
from gamma distributions, which have no negative values, and HU from normal ones. What was not
published is assumed:

* a larger nodule has a larger solid part (``SIZE_TO_SOLID``);
* where the ground glass is denser, so are the solid part and the whole (``HU_TO_HU``);
* among invasive adenocarcinomas the larger solid part has the higher grade, as loosely as radiomics
  told grade 3 in 529 nodules (AUC 0.81; ``SOLID_TO_GRADE``), and each grade is a third of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.stats import gamma, norm

SIZE_TO_SOLID = 0.7  # correlation of the two, each turned into a normal distribution
HU_TO_HU = 0.8  # correlation of the mean HU with that of each part
SOLID_TO_GRADE = 0.65  # correlation of the solid part and what the grade is a third of
DIAMETER_MM = (5.0, 34.0)  # the cube of lung holds no more
SOLID_ABOVE_GLASS_HU = 100.0
GRADE_LIMITS = norm.ppf([1 / 3, 2 / 3])


class Spread(NamedTuple):
    """A mean and a standard deviation."""

    mean: float
    sd: float

    def length(self, normal: np.ndarray | float) -> np.ndarray:
        """Turns standard normal values into positive ones of this mean and SD (gamma)."""
        shape = (self.mean / self.sd) ** 2
        return gamma.ppf(norm.cdf(normal), shape, scale=self.mean / shape)

    def hu(self, normal: np.ndarray | float) -> np.ndarray | float:
        return self.mean + self.sd * normal


@dataclass(frozen=True)
class Pattern:
    """A class as published; the last four are shares of its nodules."""

    subtype: int
    diameter_mm: Spread
    solid_mm: Spread
    mean_hu: Spread
    glass_hu: Spread
    solid_hu: Spread
    lobulated: float
    spiculated: float
    bronchogram: float
    retracted: float


AIS = Pattern(
    subtype=0,
    diameter_mm=Spread(10.3, 3.1),
    solid_mm=Spread(2.2, 1.3),
    mean_hu=Spread(-575, 116),
    glass_hu=Spread(-681, 97),
    solid_hu=Spread(-348, 118),
    lobulated=0.50,
    spiculated=0.0,
    bronchogram=0.13,
    retracted=0.0,
)
MIA = Pattern(
    subtype=1,
    diameter_mm=Spread(12.1, 5.1),
    solid_mm=Spread(3.9, 2.1),
    mean_hu=Spread(-505, 138),
    glass_hu=Spread(-594, 104),
    solid_hu=Spread(-268, 150),
    lobulated=0.36,
    spiculated=0.09,
    bronchogram=0.16,
    retracted=0.04,
)
IAC = Pattern(
    subtype=2,
    diameter_mm=Spread(16.4, 5.8),
    solid_mm=Spread(9.7, 9.4),
    mean_hu=Spread(-333, 139),
    glass_hu=Spread(-478, 126),
    solid_hu=Spread(-134, 145),
    lobulated=0.66,
    spiculated=0.14,
    bronchogram=0.36,
    retracted=0.36,
)
PATTERNS = (AIS, MIA, IAC)


@dataclass(frozen=True)
class Look:
    """A nodule to grow: sizes are long axes in mm.

    Attributes:
        labels: task -> class.
        solid_mm: of the solid part, at most the diameter.
        mean_hu: of the whole nodule, between the ground glass's and the solid part's.
        bronchogram: an airway runs through it.
        retracted: a line leads to the pleura.
    """

    labels: dict[str, int]
    diameter_mm: float
    solid_mm: float
    mean_hu: float
    glass_hu: float
    solid_hu: float
    lobulated: bool
    spiculated: bool
    bronchogram: bool
    retracted: bool


def drawn(pattern: Pattern, rng: np.random.Generator) -> Look:
    """Draws a nodule of a class."""
    size, solid, grade = _correlated(rng, SIZE_TO_SOLID, SOLID_TO_GRADE)
    diameter = float(np.clip(pattern.diameter_mm.length(size), *DIAMETER_MM))
    whole, in_glass = _correlated(rng, HU_TO_HU)
    in_core = _next(rng, whole, HU_TO_HU)
    glass, core = float(pattern.glass_hu.hu(in_glass)), float(pattern.solid_hu.hu(in_core))
    core = max(core, glass + SOLID_ABOVE_GLASS_HU)
    shares = pattern.lobulated, pattern.spiculated, pattern.bronchogram, pattern.retracted
    return Look(
        _labels(pattern.subtype, grade),
        diameter,
        min(float(pattern.solid_mm.length(solid)), diameter),
        float(np.clip(pattern.mean_hu.hu(whole), glass, core)),
        glass,
        core,
        *(bool(rng.random() < share) for share in shares),
    )


def _correlated(rng: np.random.Generator, *correlations: float) -> list[float]:
    """Returns standard normal values, each correlated with the one before."""
    values = [float(rng.standard_normal())]
    for correlation in correlations:
        values.append(_next(rng, values[-1], correlation))
    return values


def _next(rng: np.random.Generator, value: float, correlation: float) -> float:
    return correlation * value + math.sqrt(1 - correlation**2) * float(rng.standard_normal())


def _labels(subtype: int, grade: float) -> dict[str, int]:
    invasive = subtype == IAC.subtype
    labels = {"subtype": subtype, "invasiveness": int(invasive)}
    return labels | ({"grade": int(np.searchsorted(GRADE_LIMITS, grade))} if invasive else {})
