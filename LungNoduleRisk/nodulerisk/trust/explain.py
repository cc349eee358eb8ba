"""Where the networks looked, as a volume on the patient: an explanation, not evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import Verbatim, _, joined
from nodulerisk.tasks import FIRST_TASK, task_of
from nodulerisk.weights.card import NetworkCard, WeightSet

NOT_EVIDENCE = _("explanation, not evidence; research use only")


class Explainer(Protocol):
    """An Engine here, or a Worker in a child process, of the weight set."""

    def gradcam(self, network: str, cubes: np.ndarray, column: int) -> np.ndarray:
        """See ``gradcam.class_activation``."""
        ...


@dataclass(frozen=True, eq=False)
class Explanation:
    """The regions that supported the class that a task was decided for.

    Attributes:
        network, task, label: the explained network, task and class.
        values: float32 (z, y, x), the largest 1; relative, so not comparable between nodules; all 0
            if nothing supported the class. Says nothing about whether the class is right.
        grid: where the values lie.
        views: how many views of the nodule share the map. For the three views of an EMV network it
            has the middle one's scale: regions seen in the outer or inner view really lie farther
            from the centre or nearer to it.
    """

    network: str
    task: str
    label: str
    values: np.ndarray
    grid: Grid
    views: int


def explain(
    ct: CT,
    assessment: Assessment,
    weights: WeightSet,
    networks: Explainer,
    network: str | None = None,
    task: str | None = None,
) -> Explanation:
    """Returns Grad-CAM of one network for the class decided on, around the assessment's centre.

    Takes two forward and backward passes on the CPU, and two more for every member whose map is all
    0: seconds.

    Args:
        ct: the CT that was assessed.
        assessment: by these weights.
        weights: from ``load_weight_set``.
        networks: an Engine or Worker of the same weights.
        network: one that answers the task; None: the member whose answer lies nearest to the
            ensemble's, among those whose map is not all 0.
        task: one that was run; None: malignancy or, where it was not run, the first main task that
            was.

    Raises:
        NoduleRiskError: the task was not run, no such network answers it, or MONAI is not
            installed.
    """
    task = task or _first(assessment)
    result = assessment.tasks.get(task)
    if result is None or result.decision is None:
        raise NoduleRiskError(
            _("There is no result of {task} to explain: {reason}.").format(
                task=task, reason=_("it is unknown") if result is None else result.note
            )
        )
    names = [network] if network else _nearest_first(task, result, weights)
    if not names:
        raise NoduleRiskError(
            _("No network answers {task}: the inputs of its risk model explain it.").format(
                task=task
            )
        )
    for name in names:
        card = _card(weights, name, task)
        column = card.columns(task).start + result.classes.index(result.decision)
        cube, grid = _cube(ct, assessment.centre_lps_mm, card, weights.scan_order)
        values = networks.gradcam(name, cube[None], column)
        if values.any():
            break
    return Explanation(name, task, result.decision, values, grid, len(cube))


def _first(assessment: Assessment) -> str:
    run = [
        name
        for name, result in assessment.tasks.items()
        if result.decision is not None and task_of(name, result.classes).group == "main"
    ]
    return FIRST_TASK if FIRST_TASK in run else next(iter(run), FIRST_TASK)


def _nearest_first(task: str, result: TaskResult, weights: WeightSet) -> list[str]:
    """Returns the members' names, nearest first to the probability shown; for a risk model that
    uses none of them, the task's networks as on the card."""
    mean, members = np.array(result.mean), result.members
    if not members:
        return list(weights.tasks[task].networks)
    return sorted(members, key=lambda name: np.abs(mean - members[name]).sum())


def _card(weights: WeightSet, name: str, task: str) -> NetworkCard:
    able = {name: card for name, card in weights.networks.items() if task in card.tasks}
    if name not in able:
        raise NoduleRiskError(
            _("No network '{name}' answers {task}: choose one of {able}.").format(
                name=name, task=Verbatim(task), able=joined(", ", map(Verbatim, able))
            )
        )
    return able[name]


def _cube(ct: CT, centre_lps_mm, card: NetworkCard, scan_order: bool) -> tuple[np.ndarray, Grid]:
    """Returns the network's cube, float32 (channels, S, S, S), and where its voxels lie; for three
    views, the middle one's."""
    cubes = card.cubes(ct, centre_lps_mm, scan_order=scan_order)
    cube = cubes.cut(card.sides, card.size).astype(np.float32)
    return cube, cubes.grid(card.sides, card.size)
