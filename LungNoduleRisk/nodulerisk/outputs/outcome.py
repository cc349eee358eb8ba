"""What became of a point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.guidelines import Guideline
from nodulerisk.ct.points import Point


@dataclass(frozen=True, eq=False)
class Outcome:
    """A point with its assessment, or with why it was refused; and what guidelines say, if they
    were asked."""

    point: Point
    assessment: Assessment | None = None
    refusal: str = ""
    advice: Sequence[Guideline] = ()
