"""Scores and guidelines for a nodule, given what is known of the patient."""

from __future__ import annotations

from dataclasses import dataclass

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.guidelines import Guideline, guidelines
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.scores import ScoreResult, scores


@dataclass(frozen=True)
class Advice:
    """The results of scores and guidelines for a nodule; empty if they were not requested."""

    scores: tuple[ScoreResult, ...] = ()
    guidelines: tuple[Guideline, ...] = ()

    @property
    def computed(self) -> tuple[ScoreResult, ...]:
        """The computed scores, which are shown first."""
        return tuple(score for score in self.scores if score.probability is not None)

    @property
    def not_computed(self) -> tuple[ScoreResult, ...]:
        return tuple(score for score in self.scores if score.probability is None)

    @property
    def others(self) -> tuple[ScoreResult | Guideline, ...]:
        """The results shown below: the guidelines, and the scores that lack an input."""
        return (*self.guidelines, *self.not_computed)


NO_ADVICE = Advice()


def advise(
    assessment: Assessment,
    patient: Patient,
    listed: int | None = None,
    follow_up: FollowUp | None = None,
) -> Advice:
    """Returns scores and guidelines for an assessed nodule; arguments as in ``scores`` and
    ``guidelines``."""
    return Advice(
        scores(assessment, patient, listed), guidelines(assessment, patient, follow_up, listed)
    )
