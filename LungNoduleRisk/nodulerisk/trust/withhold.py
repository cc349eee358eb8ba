"""What may be said of an answer: the class decided on, or only its probability, and why.

``Assessment.stated`` asks here, and every output asks ``Assessment.stated``.

**Near the threshold.** Of the risk model's 485 cross-validated decisions on LIDC-IDRI (set 2.2.0,
``make evidence``) 90 % are right, with a 95 % interval of 86 to 93. Within 0.2 of the threshold,
68 % (56 to 78) of 77 are; of the other 408, 94 % (91 to 96). Within 0.1 it is 77 % of 30, within
0.15 66 % of 56. The margin was chosen on these decisions. Networks' means have none: see below.

**Disagreement and stability** were measured with the open set 1.0.0, whose networks' mean decided
malignancy then: on 626 decisions (malignancy and appearance) about 114 validation nodules, and also
on 934 decisions about 170 test nodules, which had been looked at before. The share of wrong
decisions was, with 95 % intervals,

* where the networks disagree 29 % (19 to 38) on validation, elsewhere 8 %; on test 39 % (30 to 47)
  and 8 %;
* where a turned cube or a click 2 mm off changes the decision 25 % (12 to 40) on validation,
  elsewhere 10 %; on test 44 % (34 to 54) and 9 %.

Of malignancy on test (84 nodules) 86 % are right (77 to 94) where nothing is withheld; 93 % (87 to
98) of the 83 % on which the networks agree; 96 % (91 to 100) of the 81 % on which they are also
stable. On validation, they disagree on 3 of the 56 nodules, too few to tell.

Not used, since on validation their error rate is hardly higher than elsewhere: networks' means
within the card's calibration error of the threshold (17 %, 4 to 35; in nearly all of these the
networks disagree), and calcified nodules (2 %, 0 to 7). The checks that withhold mark cases that
are rare or absent among those nodules: no error rate is known for them. One is known to cost
something: all 26 of the 485 decisions that the size's check withholds are right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from nodulerisk.checks import CHECKS, NO_NODULE, NOT_A_NODULE, Check
from nodulerisk.language.texts import _
from nodulerisk.tasks import DEMONSTRATED, FIRST_TASK, NO_PRESENCE, EvidenceLevel

MARGIN = 0.2  # a risk model's probability so near to the threshold decides nothing


@dataclass(frozen=True)
class Statement:
    """What an output may say of a task's answer besides its probabilities.

    Attributes:
        decision: the class to name; None where none may be named: the task was not run, its
            decision is withheld, or it is a demonstration.
        reasons: why the decision is withheld, in words; empty where it stands, and where nothing
            was decided.
        demonstration: the answer rests on no patient: it is shown apart, as a number.
    """

    decision: str | None
    reasons: tuple[str, ...] = ()
    demonstration: bool = False

    @property
    def withheld(self) -> bool:
        return bool(self.reasons)


class Answered(Protocol):
    """What is asked of a ``TaskResult``."""

    @property
    def decision(self) -> str | None: ...
    @property
    def evidence(self) -> EvidenceLevel: ...
    @property
    def disagree(self) -> bool: ...
    @property
    def margin(self) -> float | None: ...


class Repeated(Protocol):
    """What is asked of an ``Interval``."""

    @property
    def unchanged(self) -> float: ...


class Stated(Protocol):
    """What is asked of an ``Assessment``."""

    def stated(self, task: str) -> Statement: ...


def withheld(assessment: Stated, task: str = FIRST_TASK) -> tuple[str, ...]:
    """Returns why a task's decision is withheld, in words; empty if it stands, or if nothing was
    decided."""
    return assessment.stated(task).reasons


def statement(
    answer: Answered, checks: Iterable[Check], moved: Mapping[str, Repeated | None]
) -> Statement:
    """Returns what may be said of an answer.

    Args:
        answer: the task's.
        checks: the assessment's.
        moved: the task's answers over repeated runs, by a key of ``MOVED``; None: not tested.
    """
    if answer.decision is None:
        return Statement(None)
    reasons = (
        *_about_the_nodule(answer, [*checks]),
        *_about_the_answer(answer),
        *_about_repeated_runs(moved),
    )
    demonstration = answer.evidence in DEMONSTRATED
    named = None if reasons or demonstration else answer.decision
    return Statement(named, reasons, demonstration)


MOVED = {
    "turned": _("it changes when the image is turned"),
    "clicked": _("it changes with a click 2 mm off"),
}


def _about_the_nodule(answer: Answered, checks: list[Check]) -> Iterator[str]:
    said = (NO_NODULE, NOT_A_NODULE) if answer.decision == NO_PRESENCE else ()
    for kind in CHECKS.values():
        if kind.withholds and kind not in said and kind.among(checks):
            yield kind.withholds


def _about_the_answer(answer: Answered) -> Iterator[str]:
    if answer.evidence == "none":
        yield _("there is no evidence for it")
    if answer.disagree:
        yield _("the networks disagree")
    if answer.margin is not None and answer.margin < MARGIN:
        yield _("its probability is too near to the threshold")


def _about_repeated_runs(moved: Mapping[str, Repeated | None]) -> Iterator[str]:
    for kind, words in MOVED.items():
        found = moved.get(kind)
        if found is not None and found.unchanged < 1:
            yield words
