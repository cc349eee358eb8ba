"""What became of a point."""

from __future__ import annotations

from dataclasses import dataclass

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.ct.points import Point


@dataclass(frozen=True, eq=False)
class Outcome:
    """A point with its assessment, or with why it was refused; and what scores and guidelines
    say, if they were asked."""

    point: Point
    assessment: Assessment | None = None
    refusal: str = ""
    advice: Advice = NO_ADVICE
