"""A weight set's answers for labelled nodules, kept in a file so that figures can be recomputed
without networks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from nodulerisk.assess import Progress
from nodulerisk.assess_points import Assessor
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.nodules import Broken, LabelledNodule
from nodulerisk.datasets.pathology import CHINESE_PLACE
from nodulerisk.engine.engine import Networks
from nodulerisk.errors import NoduleRiskError, PointError
from nodulerisk.evaluation.masks import MaskFit, dice, mask_fit
from nodulerisk.files import column_name, written_whole
from nodulerisk.tasks import EvidenceLevel
from nodulerisk.weights.calibration import Line, calibrated
from nodulerisk.weights.card import WeightSet

CLICK_MM = 2.0

Answers = dict[str, dict[str, tuple[float, ...]]]  # task -> network -> class probabilities


@dataclass(frozen=True)
class Prediction:
    """The weight set's answers for one nodule clicked at its centre, and what is known about it.

    Attributes:
        name, patient, split, evidence, labels, diameter_mm, readers_dice: as in ``LabelledNodule``.
        members: task -> network -> class probabilities, for a task with a risk model only the
            model's; tasks that were not run are absent.
        thresholds: task -> the card's threshold; None: the most probable class.
        mask: the mask against the nodule's; None without a mask network or a mask to compare with.
        clicks: like ``members``, for every click off the centre.
        click_dice: for every such click, Dice of its mask with that of the centre.
        groups: column of the source's table -> its word, for the columns asked for.
    """

    name: str
    patient: str
    split: str
    evidence: EvidenceLevel
    labels: dict[str, int]
    diameter_mm: float | None = None
    members: Answers = field(default_factory=dict)
    thresholds: dict[str, float | None] = field(default_factory=dict)
    mask: MaskFit | None = None
    clicks: tuple[Answers, ...] = ()
    click_dice: tuple[float, ...] = ()
    readers_dice: float | None = None
    groups: dict[str, str] = field(default_factory=dict)

    def mean(self, task: str) -> np.ndarray | None:
        """Returns class probabilities (C,), the members' plain mean; None if the task was not
        run."""
        return np.mean(list(self.members[task].values()), axis=0) if task in self.members else None

    def recalibrated(self, lines: dict[str, Line]) -> Prediction:
        """Returns what the same networks would answer with these calibration lines on the card,
        which must not have any for these tasks yet."""
        clicks = tuple(_recalibrated(answers, lines) for answers in self.clicks)
        return replace(self, members=_recalibrated(self.members, lines), clicks=clicks)


def predictions(
    weights: WeightSet,
    nodules: Sequence[LabelledNodule],
    networks: Networks,
    clicks: int = 0,
    progress: Progress | None = None,
    by: Sequence[str] = (),
) -> tuple[list[Prediction], list[Broken]]:
    """Assesses every nodule at its centre, and at ``clicks`` points 2 mm off in random directions.

    Refused nodules are returned as broken and the rest go on; any other error ends the evaluation,
    see ``assess_points``. If the data end with the nodule along z, the CT is continued with its
    surroundings (see ``with_context``), always in the same way.

    Args:
        weights: the weight set.
        nodules: what to assess; the place in this sequence determines the directions of the clicks.
        networks: a warm Engine or Worker of the same weights.
        clicks: how many further points per nodule.
        progress: called with the nodule's name and the share done, 0..1.
        by: columns of the source's table to remember.
    """
    answered, broken = [], []
    for index, nodule in enumerate(nodules):
        if progress is not None:
            progress(nodule.name, index / len(nodules))
        try:
            found = _prediction(nodule, weights, networks, _clicks_mm(clicks, index))
            answered.append(replace(found, groups=_groups(nodule, by)))
        except PointError as refusal:
            broken.append(Broken(nodule.name, str(refusal)))
    return answered, broken


def write_predictions(answered: Iterable[Prediction], path: Path) -> None:
    """Writes JSON lines, one per nodule.

    Raises:
        OutputError: the file cannot be written.
    """
    with written_whole(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(prediction)) + "\n" for prediction in answered)


def read_predictions(path: Path) -> list[Prediction]:
    """Reads what ``write_predictions`` wrote.

    Raises:
        NoduleRiskError: the file is missing or has another layout.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return [_prediction_from(json.loads(line)) for line in file]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoduleRiskError(
            f"{path} is not a file of predictions ({error}): evaluate again."
        ) from error


def _prediction(
    nodule: LabelledNodule, weights: WeightSet, networks: Networks, clicks_mm: Iterable[np.ndarray]
) -> Prediction:
    ct, reference = _ct_and_mask(nodule)
    first, *others = _assessments(ct, nodule, weights, networks, clicks_mm)
    return Prediction(
        name=nodule.name,
        patient=nodule.patient,
        split=nodule.split,
        evidence=nodule.evidence,
        labels=nodule.labels,
        diameter_mm=nodule.diameter_mm,
        members=_answers(first),
        thresholds={
            task: result.threshold
            for task, result in first.tasks.items()
            if result.mean is not None
        },
        mask=_fit(first, reference, ct),
        clicks=tuple(_answers(other) for other in others),
        click_dice=tuple(_click_dice(first, others)),
        readers_dice=nodule.readers_dice,
    )


def _groups(nodule: LabelledNodule, by: Sequence[str]) -> dict[str, str]:
    words = {column: nodule.cells.get(column_name(column), "") for column in by}
    return {column: CHINESE_PLACE.get(word, word) for column, word in words.items()}


def _assessments(
    ct: CT,
    nodule: LabelledNodule,
    weights: WeightSet,
    networks: Networks,
    clicks_mm: Iterable[np.ndarray],
) -> Iterator[Assessment]:
    """Yields the assessments at the nodule's centre, then at the clicks off it.

    Raises:
        PointError: one of them is refused.
    """
    centre = np.array(nodule.centre_lps_mm)
    offsets = (np.zeros(3), *clicks_mm)
    assessor = Assessor(weights, networks=networks)
    for offset in offsets:  # one by one: together, points on one nodule would be assessed as one
        yield assessor.assess(ct, Point(nodule.name, triple(centre + offset)))


def _answers(assessment: Assessment) -> Answers:
    return {
        task: result.answers for task, result in assessment.tasks.items() if result.mean is not None
    }


def _recalibrated(answers: Answers, lines: dict[str, Line]) -> Answers:
    return answers | {
        task: {name: tuple(calibrated(p, lines[task]).tolist()) for name, p in members.items()}
        for task, members in answers.items()
        if task in lines
    }


def _ct_and_mask(nodule: LabelledNodule) -> tuple[CT, np.ndarray | None]:
    """Returns the CT, continued if it ends with the nodule, and the readers' mask on its grid.

    Raises:
        PointError: the CT would have to be continued, but the nodule has no mask.
    """
    if nodule.marked is None:
        if nodule.only_own_slices:
            raise PointError("the CT ends with the nodule, and cannot be continued without a mask")
        return nodule.ct, None
    ct, marked = with_context(nodule, np.random.default_rng(0), ("lung",))
    return ct, marked >= 0.5


def _clicks_mm(count: int, index: int) -> list[np.ndarray]:
    """Returns offsets (x, y, z) of 2 mm in random directions, always the same for the nodule at
    this place."""
    directions = np.random.default_rng(index).standard_normal((count, 3))
    return [CLICK_MM * direction / np.linalg.norm(direction) for direction in directions]


def _fit(assessment: Assessment, reference: np.ndarray | None, ct: CT) -> MaskFit | None:
    if assessment.mask is None or reference is None:
        return None
    return mask_fit(assessment.mask > 0, reference, ct.spacing_mm)


def _click_dice(first: Assessment, others: Iterable[Assessment]) -> Iterator[float]:
    if first.mask is not None:
        yield from (
            dice(first.mask > 0, other.mask > 0) for other in others if other.mask is not None
        )


def _prediction_from(values: dict) -> Prediction:
    mask = values["mask"]
    parsed = {
        "members": _answers_from(values["members"]),
        "mask": None if mask is None else MaskFit(**mask),
        "clicks": tuple(_answers_from(answers) for answers in values["clicks"]),
        "click_dice": tuple(values["click_dice"]),
    }
    return Prediction(**values | parsed)


def _answers_from(values: dict) -> Answers:
    return {
        task: {name: tuple(p) for name, p in members.items()} for task, members in values.items()
    }
