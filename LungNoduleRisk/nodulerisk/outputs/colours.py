"""The colour of a nodule: the same on the screen and in files."""

from __future__ import annotations

from nodulerisk.assessment import Assessment
from nodulerisk.outputs.style import NO_RISK_KNOWN, RANKS, RISK_COLOURS, Rgb
from nodulerisk.outputs.words import main_tasks
from nodulerisk.tasks import TASKS


def risk_colour(assessment: Assessment) -> Rgb:
    """Returns that of the class decided on in the first task that rests on patients; blue where
    there is none, or its decision is withheld. Own tasks have none: the order of their classes need
    not be one of risk."""
    answered = [
        name
        for name, task in main_tasks(assessment).items()
        if task.mean is not None and name in TASKS
    ]
    first = next((one for one in answered if not assessment.stated(one).demonstration), None)
    if first is None:
        return NO_RISK_KNOWN
    classes = assessment.tasks[first].classes
    ranks = dict(zip(classes, RANKS[len(classes)], strict=True))
    return RISK_COLOURS.get(ranks.get(assessment.stated(first).decision or "", ""), NO_RISK_KNOWN)
