"""A nodule as radiologists report it: its density type, and sizes rounded."""

from __future__ import annotations

import math

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.nodule.measure import density_type

GIVEN, NETWORKS, MEASURED = "given", "by the networks", "measured"
SUBSOLID = ("ground glass", "part-solid")


def density_of(
    measurements: tuple[Measurement, ...], networks: str | None, given: str | None
) -> tuple[str | None, str]:
    """The density type and who says so: the reader; else the networks, which agree with
    radiologists far more often than thresholds do; else what was measured.

    Args:
        measurements: from ``measure``.
        networks: their word, see ``networks_density``.
        given: the reader's word.
    """
    if given:
        return given, GIVEN
    return (networks, NETWORKS) if networks else (density_type(measurements), MEASURED)


def networks_density(assessment: Assessment) -> str | None:
    """The networks' word for the density type; None where they have none."""
    return assessment.tasks["density"].decision if "density" in assessment.tasks else None


def half_up(value: float, digits: int) -> float:
    """The value to so many decimals, halves rounded up."""
    return math.floor(value * 10**digits + 0.5 + 1e-9) / 10**digits
