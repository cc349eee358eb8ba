"""When a decision is withheld, and why. The probability is shown all the same.

What each rule is worth was read on LIDC-IDRI with the open set 1.0.0, whose networks' mean decided
malignancy then: on 626 decisions (malignancy and appearance) about 114 validation nodules, and
beside them on 934 about 170 test nodules, which were looked at before: the set's figures come from
them. Wrong were, with 95 % intervals,

* where the networks disagree 29 % (19 to 38) on validation, elsewhere 8 %; on test 39 % (30 to 47)
    and 8 %;
* where a turned cube or a click 2 mm off is decided otherwise 25 % (12 to 40) on validation,
  elsewhere 10 %; on test 44 % (34 to 54) and 9 %.

Of malignancy on test (84 nodules) 86 % are right (77 to 94) where nothing is withheld; 93 % (87 to
98) of the 83 % on which the networks agree; 96 % (91 to 100) of the 81 % on which they also hold
still. On validation the 56 nodules hold 3 on which they disagree, too few to say.

Not used, since on validation they err hardly more than the rest: probabilities within the card's
calibration error of the threshold (17 %, 4 to 35, and nearly all are networks that disagree), and
calcified nodules (2 %, 0 to 7). The checks that withhold mark what those nodules hardly hold, or
not at all: no error rate is known for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodulerisk.assessment import Assessment
from nodulerisk.checks import CHECKS
from nodulerisk.tasks import FIRST_TASK


def withheld(assessment: Assessment, task: str = FIRST_TASK) -> tuple[str, ...]:
    """Why a task's decision is withheld, in words; none where it stands, or where nothing was
    decided."""
    result = assessment.tasks[task]
    if result.decision is None:
        return ()
    return (*_about_the_nodule(assessment), *_about_the_answer(assessment, task))


def _about_the_nodule(assessment: Assessment) -> Iterator[str]:
    for kind in CHECKS.values():
        if kind.withholds and kind.among(assessment.checks):
            yield kind.withholds


def _about_the_answer(assessment: Assessment, task: str) -> Iterator[str]:
    result = assessment.tasks[task]
    if result.evidence == "none":
        yield "there is no evidence for it"
    if result.disagree:
        yield "the networks disagree"
    if assessment.stability is None:
        return
    unstable = {
        "it changes when the image is turned": assessment.stability.turned,
        "it changes with a click 2 mm off": assessment.stability.clicked,
    }
    yield from (
        words
        for words, intervals in unstable.items()
        if task in intervals and intervals[task].unchanged < 1
    )
