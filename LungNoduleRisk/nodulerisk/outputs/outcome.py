"""The outcome of a point."""

from __future__ import annotations

from dataclasses import dataclass

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.ct.points import Point


@dataclass(frozen=True, eq=False)
class Outcome:
    """A point with its assessment or the reason for its refusal, and scores and guidelines, if
    requested."""

    point: Point
    assessment: Assessment | None = None
    refusal: str = ""
    advice: Advice = NO_ADVICE
