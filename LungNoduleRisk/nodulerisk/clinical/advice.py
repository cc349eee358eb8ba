"""What scores and guidelines say of a nodule, by what is known of the patient."""

from __future__ import annotations

from dataclasses import dataclass

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.guidelines import Guideline, guidelines
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.scores import ScoreResult, scores


@dataclass(frozen=True)
class Advice:
    """What scores and guidelines say of a nodule; empty where they were not asked."""

    scores: tuple[ScoreResult, ...] = ()
    guidelines: tuple[Guideline, ...] = ()

    @property
    def computed(self) -> tuple[ScoreResult, ...]:
        """The scores that stand first."""
        return tuple(score for score in self.scores if score.probability is not None)

    @property
    def not_computed(self) -> tuple[ScoreResult, ...]:
        return tuple(score for score in self.scores if score.probability is None)

    @property
    def others(self) -> tuple[ScoreResult | Guideline, ...]:
        """What stands below: the guidelines, and the scores that say what they need."""
        return (*self.guidelines, *self.not_computed)


NO_ADVICE = Advice()


def advise(assessment: Assessment, patient: Patient, listed: int | None = None) -> Advice:
    """What both say of an assessed nodule; arguments as in ``scores``."""
    return Advice(scores(assessment, patient, listed), guidelines(assessment, patient))
