"""A nodule as radiologists report it: its density type, and sizes rounded."""

from __future__ import annotations

import math

from nodulerisk.assessment import Assessment, Measurement
from nodulerisk.language.texts import _
from nodulerisk.nodule.measure import density_type

GIVEN, NETWORKS, MEASURED = _("given"), _("by the networks"), _("measured")
SUBSOLID = ("ground glass", "part-solid")


def density_of(
    measurements: tuple[Measurement, ...], networks: str | None, given: str | None
) -> tuple[str | None, str]:
    """Returns the density type and its origin: the reader; else the networks, which agree with
    radiologists far more often than thresholds do; else the measurement.

    Args:
        measurements: from ``measure``.
        networks: their density type, see ``networks_density``.
        given: the reader's density type.
    """
    if given:
        return given, GIVEN
    return (networks, NETWORKS) if networks else (density_type(measurements), MEASURED)


def networks_density(assessment: Assessment) -> str | None:
    """Returns the networks' density type; None where they decided none."""
    return assessment.tasks["density"].decision if "density" in assessment.tasks else None


def half_up(value: float, digits: int) -> float:
    """Rounds to so many decimals, halves up."""
    return math.floor(value * 10**digits + 0.5 + 1e-9) / 10**digits
