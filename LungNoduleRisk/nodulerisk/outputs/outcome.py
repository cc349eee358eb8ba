"""The outcome of a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.ct.points import Point


@dataclass(frozen=True, eq=False)
class Outcome:
    """A point with its assessment or the reason for its refusal, and scores and guidelines, if
    requested.

    Attributes:
        case: the name of its CT, where there are several.
        features: of the mask, by PyRadiomics' names, if requested.
    """

    point: Point
    assessment: Assessment | None = None
    refusal: str = ""
    advice: Advice = NO_ADVICE
    case: str = ""
    features: Mapping[str, float] = field(default_factory=dict)
