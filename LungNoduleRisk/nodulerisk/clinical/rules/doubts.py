"""What is in doubt about a nodule that a guideline may rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from nodulerisk.assessment import Assessment
from nodulerisk.checks import (
    CALCIFIED,
    CYSTIC,
    GLASS_LEFT_OUT,
    IRREGULAR_SPACING,
    MASK_AT_EDGE,
    MASK_CUT,
    MASK_UNSTEADY,
    METAL,
    MISSING_SLICES,
    NO_LUNG,
    NO_NODULE,
    NOT_A_NODULE,
    THICK_SLICES,
    CheckKind,
)
from nodulerisk.language.texts import _, joined
from nodulerisk.tasks import PRESENCE, TASKS
from nodulerisk.trust.withhold import withheld

Doubtful = tuple[tuple[CheckKind, str], ...]
ABOUT_THE_NODULE: Doubtful = (
    (NO_LUNG, _("there is hardly any lung around it")),
    (CALCIFIED, _("it may be calcified")),
    (CYSTIC, CYSTIC.withholds),
)
ABOUT_ITS_SIZE: Doubtful = (
    (MASK_UNSTEADY, MASK_UNSTEADY.withholds),
    (MASK_CUT, MASK_CUT.withholds),
    (GLASS_LEFT_OUT, GLASS_LEFT_OUT.withholds),
    (MASK_AT_EDGE, _("it reaches the edge of the CT")),
    (THICK_SLICES, THICK_SLICES.withholds),
    (MISSING_SLICES, _("slices are missing")),
    (IRREGULAR_SPACING, _("the slices are unevenly spaced")),
    (METAL, _("metal or motion may distort it")),
)
NOT_DRAWN_FROM_PATIENTS = {
    "simulated": _("its mask was drawn by a network that only saw simulated nodules"),
    "none": _("there is no evidence for its mask"),
}
NOTHING_THERE = TASKS[PRESENCE].classes[0]


class Doubts(NamedTuple):
    """Reasons, in words, to doubt a nodule.

    Attributes:
        nodule: that it is one, or an ordinary one.
        size: its measurements.
        density: what the networks say of it.
        nothing_there: why no guideline may be computed at all; empty where a nodule was found.
    """

    nodule: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    density: tuple[str, ...] = ()
    nothing_there: str = ""


NO_DOUBTS = Doubts()


def doubts_about(assessment: Assessment) -> Doubts:
    """Returns what is in doubt about an assessed nodule."""
    nodule = tuple(_found(ABOUT_THE_NODULE, assessment))
    size = (*_found(ABOUT_ITS_SIZE, assessment), *_mask(assessment))
    told = (*nodule, *size)
    return Doubts(
        (*nodule, *_presence(assessment, told)),
        size,
        (*_withheld(assessment, "density", told), *_simulated_density(assessment)),
        _why_nothing_is_there(assessment),
    )


def _why_nothing_is_there(assessment: Assessment) -> str:
    if NO_NODULE.among(assessment.checks):
        return NO_NODULE.withholds
    if NOT_A_NODULE.among(assessment.checks):
        return _("what was drawn at the point does not look like a nodule")
    return ""


def _found(kinds: Doubtful, assessment: Assessment) -> Iterator[str]:
    return (words for kind, words in kinds if kind.among(assessment.checks))


def _presence(assessment: Assessment, told: tuple[str, ...]) -> Iterator[str]:
    answer = assessment.tasks.get(PRESENCE)
    if answer is None:
        return
    if answer.decision == NOTHING_THERE:
        yield _("the network found no nodule at the point")
    elif set(withheld(assessment, PRESENCE)) - set(told):
        yield from _withheld(assessment, PRESENCE, told)


def _mask(assessment: Assessment) -> Iterator[str]:
    if assessment.nodule is not None and assessment.nodule.evidence in NOT_DRAWN_FROM_PATIENTS:
        yield NOT_DRAWN_FROM_PATIENTS[assessment.nodule.evidence]


def _simulated_density(assessment: Assessment) -> Iterator[str]:
    density = assessment.tasks.get("density")
    if density is not None and density.evidence == "simulated":
        yield _("its density comes from networks that only saw simulated nodules")


def _withheld(assessment: Assessment, task: str, told: tuple[str, ...]) -> Iterator[str]:
    """Yields that a task's decision is withheld, with the reasons that were not told yet."""
    if task not in assessment.tasks or not (reasons := withheld(assessment, task)):
        return
    further = [reason for reason in reasons if reason not in told]
    said = _("{task} by the networks is withheld").format(task=task)
    yield joined(": ", (said, joined(", ", further))) if further else said
