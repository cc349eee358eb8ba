"""When a decision is withheld, and why. The probability is still shown.

The effect of each rule was measured on LIDC-IDRI with the open set 1.0.0, whose networks' mean
decided malignancy then: on 626 decisions (malignancy and appearance) about 114 validation nodules,
and also on 934 decisions about 170 test nodules, which had been looked at before: the set's figures
come from them. The share of wrong decisions was, with 95 % intervals,

* where the networks disagree 29 % (19 to 38) on validation, elsewhere 8 %; on test 39 % (30 to 47)
  and 8 %;
* where a turned cube or a click 2 mm off changes the decision 25 % (12 to 40) on validation,
  elsewhere 10 %; on test 44 % (34 to 54) and 9 %.

Of malignancy on test (84 nodules) 86 % are right (77 to 94) where nothing is withheld; 93 % (87 to
98) of the 83 % on which the networks agree; 96 % (91 to 100) of the 81 % on which they are also
stable. On validation, they disagree on 3 of the 56 nodules, too few to tell.

Not used, since on validation their error rate is hardly higher than elsewhere: probabilities within
the card's calibration error of the threshold (17 %, 4 to 35; in nearly all of these the networks
disagree), and calcified nodules (2 %, 0 to 7). The checks that withhold mark cases that are rare or
absent among those nodules: no error rate is known for them.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodulerisk.assessment import Assessment
from nodulerisk.checks import CHECKS
from nodulerisk.tasks import FIRST_TASK


def withheld(assessment: Assessment, task: str = FIRST_TASK) -> tuple[str, ...]:
    """Returns why a task's decision is withheld, in words; empty if it stands, or if nothing was
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
