"""Two guidelines for a nodule: Lung-RADS v2022 and Fleischner 2017.

Each is a pure function of what is known, says what it used, and is not computed if a required input
is unknown: nothing is guessed. Where a guideline's text leaves a choice, the function's docstring
says what was chosen. Airway nodules, cysts and nodules at the pleura have rules of their own, which
the reader has to apply.

The mean diameter decides. Each guideline also has volume limits; where the nodule's volume falls
into another class than its diameter, the rule says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.patient import Patient, field_words, value_words
from nodulerisk.clinical.reported import GIVEN, density_of, half_up, networks_density
from nodulerisk.nodule.measure import value_of

Measurements = tuple[Measurement, ...]
Size = tuple[float, float]  # mean diameter in mm, volume in mm³
Limits = tuple[tuple[Size, str], ...]  # the first size that the nodule is below decides
Decision = tuple[str | None, str]  # the result, and the rule that gave it
DIAMETER, VOLUME = 0, 1
UNITS = ("mm", "mm³")
FOLLOWED = "measured on two scans"

MM_4, MM_6, MM_8, MM_15, MM_30, ANY = (
    (4, 34),
    (6, 113),
    (8, 268),
    (15, 1767),
    (30, 14137),
    (math.inf, math.inf),
)
LUNG_RADS_SOLID: dict[str, Limits] = {
    "baseline": ((MM_6, "2"), (MM_8, "3"), (MM_15, "4A"), (ANY, "4B")),
    "new": ((MM_4, "2"), (MM_6, "3"), (MM_8, "4A"), (ANY, "4B")),
    "growing": ((MM_8, "4A"), (ANY, "4B")),
}
LUNG_RADS_GLASS: Limits = ((MM_30, "2"), (ANY, "3"))
LUNG_RADS_COMPONENT: dict[str, Limits] = {  # of part-solid nodules, by their solid component
    "baseline": ((MM_6, "3"), (MM_8, "4A"), (ANY, "4B")),
    "new": ((MM_4, "4A"), (ANY, "4B")),
    "growing": ((MM_4, "4A"), (ANY, "4B")),
}
# Part-solid nodules below 6 mm in total.
LUNG_RADS_SMALL = LUNG_RADS_COMPONENT | {
    "baseline": ((ANY, "2"),),
    "new": ((MM_4, "3"), (ANY, "4B")),
}
LUNG_RADS_STABLE = {"1": "1", "2": "2", "3": "2", "4A": "3", "4B": "4B", "4X": "4X"}

FLEISCHNER_CLASSES = ((6, 8), (100, 250))  # mm, mm³: below the one, between, above the other
FLEISCHNER_FROM_AGE = 35
NONE, AT_12 = "no routine follow-up", "optional CT at 12 months"
THEN = ("then consider CT at 18–24 months", "then CT at 18–24 months")
ONE_SOLID, SOLIDS = [
    tuple(f"CT at {months} months, {then}" for then in THEN) for months in ("6–12", "3–6")
]
LARGE_SOLID = "consider CT at 3 months, PET/CT or tissue sampling"
GLASS = "CT at 6–12 months, if it persists every 2 years until 5 years"
PART_SOLID = (
    "CT at 3–6 months, if unchanged with a solid component below 6 mm every year for 5 years"
)
SMALL_SUBSOLIDS = "CT at 3–6 months, if stable consider CT at 2 and 4 years"
SUBSOLIDS = "CT at 3–6 months, then by the most suspicious nodule"
# (density, single) -> the follow-up for each size class; where there are two, at low and high risk
FLEISCHNER: dict[tuple[str, bool], tuple[tuple[str, ...], ...]] = {
    ("solid", True): ((NONE, AT_12), ONE_SOLID, (LARGE_SOLID,)),
    ("solid", False): ((NONE, AT_12), SOLIDS, SOLIDS),
    ("ground glass", True): ((NONE,), (GLASS,), (GLASS,)),
    ("part-solid", True): ((NONE,), (PART_SOLID,), (PART_SOLID,)),
    ("ground glass", False): ((SMALL_SUBSOLIDS,), (SUBSOLIDS,), (SUBSOLIDS,)),
    ("part-solid", False): ((SMALL_SUBSOLIDS,), (SUBSOLIDS,), (SUBSOLIDS,)),
}


@dataclass(frozen=True)
class Guideline:
    """A guideline's result for a nodule.

    Attributes:
        name: with the year.
        result: category or follow-up in words; None: not computed.
        used: the inputs, in words.
        missing: names of the required inputs that are not known.
        rule: what decided, or why the guideline does not apply.
        source: where it is published.
    """

    name: str
    result: str | None
    used: tuple[str, ...]
    missing: tuple[str, ...]
    rule: str
    source: str

    @property
    def words(self) -> str:
        """The result and the rule, or why there is no result."""
        if self.result is None:
            return "not computed: " + (
                f"needs {', '.join(self.missing)}" if self.missing else self.rule
            )
        return f"{self.result} ({self.rule})"


def guidelines(
    assessment: Assessment, patient: Patient, follow_up: FollowUp | None = None
) -> tuple[Guideline, ...]:
    """Returns both for an assessed nodule; its density type comes from ``density_of``.

    Args:
        assessment: of the nodule.
        patient: what is known; what the reader says of the nodule's change comes first.
        follow_up: the nodule's change since the scan before.
    """
    networks = networks_density(assessment)
    return (
        lung_rads(assessment.measurements, patient, networks, follow_up),
        fleischner(assessment.measurements, patient, networks),
    )


def lung_rads(
    measurements: Measurements,
    patient: Patient,
    networks: str | None = None,
    follow_up: FollowUp | None = None,
) -> Guideline:
    """Returns the category 0 to 4X of one nodule.

    Sizes are rounded before they are compared, as the text reports them: to 0.1 mm and 1 mm³.
    Choices: the axes are those of axial slices, though the text allows any plane. Among part-solid
    nodules below 6 mm, a new one whose solid component is 4 mm or more fits two lines and gets the
    higher, 4B; a growing one is classified by its solid component. A growing ground-glass nodule of
    30 mm or more is a 3. A stable nodule gets the category that its previous one becomes at the
    follow-up it called for; 4B and 4X stay until proven benign. Spiculation turns a 3 or 4 into a
    4X.

    Args:
        measurements: from ``measure``.
        patient: what is known.
        networks: their density type, if they decided one.
        follow_up: the nodule's change since the scan before.
    """
    known = _Known(measurements, patient, networks, follow_up)
    return known.answer(
        "Lung-RADS v2022", _lung_rads(known), "ACR Lung-RADS v2022, assessment categories"
    )


def fleischner(
    measurements: Measurements, patient: Patient, networks: str | None = None
) -> Guideline:
    """Returns the follow-up of a nodule found by chance; arguments as in ``lung_rads``.

    Not for screening, known cancer or immunosuppression. Sizes are rounded to whole mm, as the text
    requires, and whole mm³ before they are compared: 6 mm begins at 5.5.
    """
    known = _Known(measurements, patient, networks)
    return known.answer(
        "Fleischner 2017", _fleischner(known), "Radiology 2017;284:228-243, table 1"
    )


class _Known:
    """Hands out inputs, and records in words which were used and which were missing."""

    def __init__(
        self,
        measurements: Measurements,
        patient: Patient,
        networks: str | None,
        follow_up: FollowUp | None = None,
    ):
        density, origin = density_of(measurements, networks, patient.density)
        status = patient.status or (follow_up and follow_up.growth)
        self._values = vars(patient) | {"density": density, "status": status}
        self._origins = {"density": origin, "status": GIVEN if patient.status else FOLLOWED}
        self._measurements = measurements
        self.used: list[str] = []
        self.missing: list[str] = []

    def __call__(self, name: str) -> Any:
        """Returns an input of the patient; None is recorded as missing."""
        value = self.optional(name)
        if value is None:
            self.missing.append(field_words(name))
        return value

    def optional(self, name: str) -> Any:
        """Returns an input of the patient; None is not recorded as missing."""
        value = self._values[name]
        if value is not None:
            note = f" ({self._origins[name]})" if name in self._origins else ""
            self.used.append(f"{field_words(name)} {value_words(value)}{note}")
        return value

    def rounded(self, name: str, digits: int, unit: str) -> float:
        """Returns a measurement, halves rounded up; NaN, and recorded as missing, if there is
        none."""
        value = value_of(self._measurements, name)
        if value is None:
            self.missing.append(name)
            return math.nan
        rounded = half_up(value, digits)
        self.used.append(f"{name} {rounded:g} {unit}")
        return rounded

    def size(self, part: str, digits: int) -> Size:
        """Returns mean diameter and volume of the nodule, or of a part of it such as ``solid ``."""
        return self.rounded(f"{part}mean diameter", digits, "mm"), self.rounded(
            f"{part}volume", 0, "mm³"
        )

    def answer(self, name: str, decision: Decision | None, source: str) -> Guideline:
        result, rule = decision or (None, "")
        return Guideline(name, result, tuple(self.used), tuple(self.missing), rule, source)


def _lung_rads(known: _Known) -> Decision | None:
    if known.optional("incomplete"):
        return "0", "the examination is incomplete"
    if known.optional("benign_pattern"):
        return "1", "benign calcification or fat"
    density, status = known("density"), known("status")
    previous = known("previous") if status == "stable" and density != "ground glass" else None
    whole = known.size("", 1)
    solid = known.size("solid ", 1) if density == "part-solid" else whole
    if known.missing:
        return None
    if status in ("stable", "slowly growing"):
        result, rule = _unchanged(density, status, previous)
    else:
        (result, rule), (other, _) = (
            _by_size(density, status, whole, solid, by) for by in (DIAMETER, VOLUME)
        )
        rule += "" if other == result else f"; by volume {other}"
    if result not in ("3", "4A", "4B"):
        return result, rule
    spiculation = known.optional("spiculation")
    if spiculation:
        return "4X", f"{result} with spiculation: {rule}"
    return result, rule if spiculation is False else f"{rule}; 4X if spiculated"


def _unchanged(density: str, status: str, previous: str | None) -> tuple[str, str]:
    if density == "ground glass":
        return "2", f"{density}, {status}"
    if previous is None:
        return "4B", f"{density}, {status} over several scans"
    return LUNG_RADS_STABLE[previous], f"{density}, {status}, {previous} before"


def _by_size(density: str, status: str, whole: Size, solid: Size, by: int) -> tuple[str, str]:
    if density == "solid":
        return _first(LUNG_RADS_SOLID[status], whole, by, f"solid, {status},")
    if density == "ground glass":
        return _first(LUNG_RADS_GLASS, whole, by, f"ground glass, {status},")
    small = whole[by] < MM_6[by]
    table = (LUNG_RADS_SMALL if small else LUNG_RADS_COMPONENT)[status]
    extent = f"{'<' if small else '≥'} {MM_6[by]} {UNITS[by]}"
    return _first(table, solid, by, f"part-solid, {status}, {extent}, solid component")


def _first(limits: Limits, size: Size, by: int, what: str) -> tuple[str, str]:
    """Returns the result of the first limit that the size is below, and the range of sizes."""
    index = sum(size[by] >= limit[by] for limit, _ in limits)
    limit, result = limits[index]
    low = limits[index - 1][0][by] if index else 0
    return result, f"{what} {_range(low, limit[by])} {UNITS[by]}"


def _range(low: float, high: float) -> str:
    if high == math.inf:
        return f"≥ {low:g}"
    return f"{low:g} to < {high:g}" if low else f"< {high:g}"


def _fleischner(known: _Known) -> Decision | None:
    age = known.optional("age")
    if age is not None and age < FLEISCHNER_FROM_AGE:
        return None, f"it is only for patients of {FLEISCHNER_FROM_AGE} years and older"
    density, nodules = known("density"), known("nodules")
    size = known.size("", 0)
    if known.missing:
        return None
    (found, extent), (other, otherwise) = (_fleischner_class(size, by) for by in (DIAMETER, VOLUME))
    follow_ups = FLEISCHNER[density, nodules == 1][found]
    risk = known("risk") if len(follow_ups) > 1 else "low"
    if risk is None:
        return None
    rule = f"{'single' if nodules == 1 else 'several'}, {density}, {extent}"
    return follow_ups[risk == "high"], rule if found == other else f"{rule}; by volume {otherwise}"


def _fleischner_class(size: Size, by: int) -> tuple[int, str]:
    """Returns 0, 1 or 2 (below, between or above the limits), and the same in words."""
    low, high = FLEISCHNER_CLASSES[by]
    index = int(size[by] >= low) + int(size[by] > high)
    return index, f"{(f'< {low}', f'{low} to {high}', f'> {high}')[index]} {UNITS[by]}"
