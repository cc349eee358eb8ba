"""A guideline's result for a nodule, and what each guideline asks: nothing is guessed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from nodulerisk.assessment import Measurement
from nodulerisk.clinical.followup import FollowUp, doubling_words
from nodulerisk.clinical.patient import (
    Patient,
    field_words,
    input_words,
    value_words,
    why_not_computed,
)
from nodulerisk.clinical.reported import GIVEN, MEASURED, NETWORKS, density_of, half_up
from nodulerisk.clinical.rules.doubts import NO_DOUBTS, Doubts
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.nodule.measure import value_of

Measurements = tuple[Measurement, ...]
Size = tuple[float, float]  # mean diameter in mm, volume in mm³
DIAMETER, VOLUME = 0, 1
UNITS, DIGITS = ("mm", "mm³"), (1, 0)
FOLLOWED = _("measured on two scans")
BY_THRESHOLD = _("density by threshold alone, which seldom agrees with radiologists")
# Facts that a guideline may ask for without a rule for them: only these values leave nothing out.
HARMLESS = {"cancer": ("none",), "immunosuppression": (False,), "status": ("baseline", "new")}
LYMPH_NODE_KINDS = ("juxtapleural", "perifissural")
OTHER_SHAPE = "other"
AIRWAYS = ("subsegmental airway", "segmental airway")
CYSTS = ("thin-walled cyst", "thick-walled cyst", "multilocular cyst")


def range_words(low: float, high: float, unit: str) -> str:
    """Returns a range of sizes, from 0 or to infinity in words such as ``< 6 mm``."""
    if high == math.inf:
        return f"≥ {low:g} {unit}"
    if not low:
        return f"< {high:g} {unit}"
    return _("{low:g} to < {high:g} {unit}").format(low=low, high=high, unit=unit)


class Decision(NamedTuple):
    """The result (None: the guideline does not apply), the rule that gave it, what to do next."""

    result: str | None
    rule: str
    next_step: str = ""


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
        next_step: what the guideline advises; empty where the result says it.
        not_considered: names of facts that the result leaves out, since they are not known or the
            guideline has no rule for them.
        doubts: in words, why what it rests on is in doubt or withheld.
    """

    name: str
    result: str | None
    used: tuple[str, ...]
    missing: tuple[str, ...]
    rule: str
    source: str
    next_step: str = ""
    not_considered: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def marked(self) -> str:
        """The result, marked where it rests on something in doubt; ``not computed`` without one."""
        if self.result is None:
            return _("not computed")
        return _("{result} (in doubt)").format(result=self.result) if self.doubts else self.result

    @property
    def words(self) -> str:
        """The result with all that a reader must know of it, or why there is no result."""
        if self.result is None:
            return why_not_computed(self.missing, "" if self.missing else self.rule)
        remarks = {
            _("in doubt"): joined(", ", self.doubts),
            _("next"): self.next_step,
            _("not considered"): joined(", ", self.not_considered),
            _("source"): self.source,
        }
        told = [joined(": ", remark) for remark in remarks.items() if remark[1]]
        result = Text("{result} ({rule})").format(result=self.result, rule=self.rule)
        return joined("; ", [result, *told])


class Known:
    """Hands out inputs, and records in words which were used and which were missing, and what is in
    doubt about them."""

    def __init__(
        self,
        measurements: Measurements,
        patient: Patient,
        networks: str | None = None,
        follow_up: FollowUp | None = None,
        doubts: Doubts = NO_DOUBTS,
    ):
        """Takes what is known.

        Args:
            measurements: from ``measure``.
            patient: what the reader says, which comes before what was measured.
            networks: their density type, if they decided one.
            follow_up: the nodule's change since the scan before.
            doubts: about the nodule.
        """
        density, origin = density_of(measurements, networks, patient.density)
        self._values = vars(patient) | {"density": density}
        self._origins = {"density": origin}
        self._measurements, self._doubts = measurements, doubts
        self._doubts_by_origin = {NETWORKS: doubts.density, MEASURED: (BY_THRESHOLD,)}
        self.follow_up = follow_up
        if follow_up is not None:
            self._fill("status", follow_up.growth)
            self._fill("solid_part", follow_up.solid_growth)
            reasons = (follow_up.undatable, *follow_up.caveats)
            self._doubts_by_origin[FOLLOWED] = tuple(filter(None, reasons))
        self.used: list[str] = []
        self.missing: list[str] = []
        self._doubtful: dict[str, None] = dict.fromkeys(doubts.nodule)

    def __call__(self, name: str) -> Any:
        """Returns an input of the patient; None is recorded as missing."""
        value = self.optional(name)
        if value is None:
            self.lacks(field_words(name))
        return value

    def optional(self, name: str) -> Any:
        """Returns an input of the patient; None is not recorded as missing."""
        value = self._values[name]
        if value is not None:
            origin = self._origins.get(name)
            self._note(input_words(field_words(name), value_words(name, value), origin or ""))
            self._doubt(self._doubts_by_origin.get(origin or "", ()))
        return value

    def value(self, name: str) -> Any:
        """Returns an input of the patient without recording that it was used."""
        return self._values[name]

    def lacks(self, *names: str) -> None:
        """Records inputs as missing."""
        self.missing += [name for name in names if name not in self.missing]

    def rounded(self, name: str, digits: int, unit: str) -> float:
        """Returns a measurement, halves rounded up; NaN, and recorded as missing, if there is
        none."""
        value = value_of(self._measurements, name)
        if value is None:
            self.lacks(name)
            return math.nan
        rounded = half_up(value, digits)
        mm = Text("{rounded:g} {unit}").format(rounded=rounded, unit=unit)
        self._note(input_words(name, mm))
        self._doubt(self._doubts.size)
        return rounded

    def size(self, part: str, digits: int) -> Size:
        """Returns mean diameter and volume of the nodule, or of a part of it such as ``solid ``."""
        return self.rounded(f"{part}mean diameter", digits, "mm"), self.rounded(
            f"{part}volume", 0, "mm³"
        )

    def before(self, part: str, by: int) -> float | None:
        """Returns the previous mean diameter (mm) or volume (mm³) of the nodule (``part`` is empty)
        or of its solid component (``solid_``); None: not known."""
        given = self.optional(f"previous_{part}diameter") if by == DIAMETER else None
        change = self.follow_up
        if given is not None or change is None:
            return given
        sizes = {
            "": (change.diameter_mm, change.volume_mm3),
            "solid_": (change.solid_diameter_mm, change.solid_volume_mm3),
        }
        measured = sizes[part][by][0]
        return None if measured is None else half_up(measured, DIGITS[by])

    def doubling_days(self) -> float | None:
        """Returns the volume doubling time, below 0 where the nodule shrank; None: not measured, or
        not beyond what repeated scans of an unchanged nodule may show."""
        days = None if self.follow_up is None else self.follow_up.volume_doubling_days
        if days is not None:
            self._note(input_words(_("volume doubling time"), doubling_words(days), FOLLOWED))
            self._doubt(self._doubts_by_origin[FOLLOWED])
        return days

    def like_a_lymph_node(self) -> bool:
        """Whether it is known to lie at the pleura or a fissure, and to have the shape and margin
        of a lymph node."""
        if self.optional("kind") not in LYMPH_NODE_KINDS or self.optional("spiculation"):
            return False
        return self.optional("shape") not in (None, OTHER_SHAPE)

    def answer(
        self, name: str, decision: Decision | None, source: str, asked: Iterable[str]
    ) -> Guideline:
        """Returns the result.

        Args:
            name: of the guideline.
            decision: None: something is missing.
            source: where the guideline is published.
            asked: facts that may change the result: those that are not known are named beside it.
        """
        if self._doubts.nothing_there:
            return Guideline(name, None, (), (), self._doubts.nothing_there, source)
        result, rule, next_step = decision or Decision(None, "")
        used, missing = tuple(self.used), () if decision else tuple(self.missing)
        if result is None:
            return Guideline(name, None, used, missing, rule, source)
        of_shape = ("shape",) if self._values["kind"] in LYMPH_NODE_KINDS else ()
        left_out = tuple(map(field_words, filter(self._is_open, (*asked, *of_shape))))
        doubts = tuple(self._doubtful)
        return Guideline(name, result, used, (), rule, source, next_step, left_out, doubts)

    def _fill(self, name: str, measured: str | None) -> None:
        """Sets an input that the reader did not give to what was measured."""
        if self._values[name] is None:
            self._values[name] = measured
            self._origins[name] = FOLLOWED
        else:
            self._origins[name] = GIVEN

    def _is_open(self, name: str) -> bool:
        value = self._values[name]
        return value is None or value not in HARMLESS.get(name, (value,))

    def _note(self, words: str) -> None:
        if words not in self.used:
            self.used.append(words)

    def _doubt(self, reasons: Iterable[str]) -> None:
        self._doubtful |= dict.fromkeys(reasons)
