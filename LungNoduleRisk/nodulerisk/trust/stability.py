"""How far an assessment's answers move if its cubes are turned, or its point is clicked slightly
off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256

import numpy as np

from nodulerisk.assess import NetworkCubes, Progress, assess, task_results
from nodulerisk.assessment import Assessment, Interval, Stability, TaskResult
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Networks
from nodulerisk.errors import PointError
from nodulerisk.language.texts import _
from nodulerisk.nodule.mask import mask_dice
from nodulerisk.nodule.radiomics import radiomics
from nodulerisk.weights.card import NOT_ANSWERED, WeightSet

CLICK_MM = 2.0
CLICKS_MM = CLICK_MM * np.concatenate([np.eye(3), -np.eye(3)])  # along and against each axis
# all but the unturned cube
TURNS = [(quarters, mirrored) for mirrored in (False, True) for quarters in range(4)][1:]

Results = dict[str, TaskResult]


def stability(
    ct: CT,
    assessment: Assessment,
    weights: WeightSet,
    networks: Networks,
    progress: Progress | None = None,
) -> Stability:
    """Runs the networks again with the assessment's cubes turned in plane, and at six points 2 mm
    around its own.

    Takes seven calls of every network that answered, and at most seven further assessments;
    networks run only once on each cube, so clicks whose mask has the same centre cost no more than
    their masks. With the open set this takes some 65 calls instead of an assessment's 8, and six
    times as long. Networks should stay loaded (``Engine``'s ``keep``).

    Args:
        ct: the CT that was assessed.
        assessment: by these weights, with the same thresholds.
        weights: from ``load_weight_set``.
        networks: a warm Engine or Worker of the same weights; a Worker's ``cancel`` ends this too.
        progress: called with the stage and the share done, 0..1.

    Raises:
        NoduleRiskError: as in ``assess``, except that clicks outside the CT are left out.
    """
    report = progress or (lambda stage, share: None)
    asked, known = _only_run(weights, assessment), _Remembering(networks)
    turned = list(_turned(ct, assessment, asked, known, report))
    here, *clicked = _clicked(ct, assessment, asked, known, report)
    return Stability(
        turned=_intervals(assessment, turned),
        clicked=_intervals(assessment, [click.tasks for click in clicked]),
        click_dice=tuple(
            mask_dice(here.nodule, click.nodule)
            for click in clicked
            if here.nodule and click.nodule
        ),
    )


def _only_run(weights: WeightSet, assessment: Assessment) -> WeightSet:
    """Returns the weights with only those tasks that the assessment has an answer to."""
    run = {name for name, task in assessment.tasks.items() if task.mean is not None}
    return replace(
        weights,
        tasks={name: t if name in run else NOT_ANSWERED for name, t in weights.tasks.items()},
    )


def _turned(
    ct: CT, assessment: Assessment, weights: WeightSet, networks: Networks, report: Progress
) -> Iterator[Results]:
    cubes = NetworkCubes(ct, np.array(assessment.centre_lps_mm), weights)
    names = sorted({name for task in weights.tasks.values() for name in task.networks})
    traits = {} if assessment.nodule is None else radiomics(assessment.nodule, ct)
    for number, turn in enumerate(TURNS):
        report(
            _("turned cube {number} of {count}").format(number=number + 1, count=len(TURNS)),
            0.3 * number / len(TURNS),
        )
        answers = {
            name: networks.predict(name, turned_cube(cubes.of(name), *turn)[None])[0][0]
            for name in names
        }
        yield task_results(weights.tasks, weights, answers, traits)


def turned_cube(cube: np.ndarray, quarters: int, mirrored: bool) -> np.ndarray:
    """Returns a cube (..., z, y, x) turned about z by this many right angles, then optionally
    mirrored from left to right."""
    turned = np.rot90(cube, quarters, axes=(-2, -1))
    return turned[..., ::-1] if mirrored else turned


def _clicked(
    ct: CT, assessment: Assessment, weights: WeightSet, networks: Networks, report: Progress
) -> Iterator[Assessment]:
    """Yields the assessment at the point itself, for the mask as the networks draw it, then at the
    clicks around it."""
    point = np.array(assessment.point_lps_mm)
    yield assess(ct, point, weights, networks=networks)
    for number, offset in enumerate(CLICKS_MM):
        report(
            _("click {number} of {count}").format(number=number + 1, count=len(CLICKS_MM)),
            0.3 + 0.7 * number / len(CLICKS_MM),
        )
        with suppress(PointError):
            yield assess(ct, point + offset, weights, networks=networks)


def _intervals(assessment: Assessment, further: Sequence[Results]) -> dict[str, Interval]:
    """Returns one interval per task with further answers."""
    answered = {
        task: [results[task] for results in further if results[task].mean]
        for task in assessment.tasks
    }
    return {
        task: _interval(assessment.tasks[task], those) for task, those in answered.items() if those
    }


def _interval(first: TaskResult, further: Sequence[TaskResult]) -> Interval:
    shown = first.classes.index(first.decision) if len(first.classes) > 2 else 1
    probabilities = np.array([result.mean for result in (first, *further)])[:, shown]
    unchanged = np.mean([result.decision == first.decision for result in further])
    return Interval(float(probabilities.min()), float(probabilities.max()), float(unchanged))


class _Remembering:
    """Networks that run only once on each cube."""

    def __init__(self, networks: Networks):
        self.device, self.checks = networks.device, networks.checks
        self._networks = networks
        self._known: dict[tuple[str, bytes], tuple[np.ndarray, ...]] = {}

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``Networks.predict``."""
        key = network, sha256(cubes.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._networks.predict(network, cubes)
        return self._known[key]
