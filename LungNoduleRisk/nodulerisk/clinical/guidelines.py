"""The guidelines for a nodule: Lung-RADS v2022, Fleischner 2017 and the British Thoracic Society's,
2015.

Each is a pure function of what is known, says what it used and what is in doubt about that, and is
not computed if a required input is unknown: nothing is guessed. Where a guideline's text leaves a
choice, the function's docstring says what was chosen.
"""

from __future__ import annotations

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.reported import networks_density
from nodulerisk.clinical.rules.bts import bts
from nodulerisk.clinical.rules.doubts import doubts_about
from nodulerisk.clinical.rules.fleischner import fleischner
from nodulerisk.clinical.rules.guideline import Guideline
from nodulerisk.clinical.rules.lung_rads import lung_rads
from nodulerisk.clinical.scores import scores

__all__ = ["Guideline", "bts", "fleischner", "guidelines", "lung_rads"]


def guidelines(
    assessment: Assessment,
    patient: Patient,
    follow_up: FollowUp | None = None,
    listed: int | None = None,
) -> tuple[Guideline, ...]:
    """Returns all for an assessed nodule; its density type comes from ``density_of``. Where no
    nodule was found, none is computed.

    Args:
        assessment: of the nodule.
        patient: what is known; what the reader says of a change comes before what was measured.
        follow_up: the nodule's change since the scan before.
        listed: how many nodules are in this one's list; ``patient.nodules`` takes precedence.
    """
    found = (
        assessment.measurements,
        patient,
        networks_density(assessment),
        follow_up,
        doubts_about(assessment),
    )
    known = {score.name: score for score in scores(assessment, patient, listed)}
    return lung_rads(*found), fleischner(*found), bts(*found, known)
