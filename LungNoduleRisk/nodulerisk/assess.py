"""The main job: one nodule from a point on a CT to mask and probabilities."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain

import numpy as np

from nodulerisk import __version__
from nodulerisk.assessment import (
    DECIDED,
    NO_NUMBER,
    NOT_DECIDED,
    NOT_KNOWN,
    Assessment,
    Provenance,
    TaskResult,
    decided,
)
from nodulerisk.checks import (
    ADENOCARCINOMA_ONLY,
    MASK_NAN,
    MASK_UNSTEADY,
    NETWORK_NAN,
    NO_NODULE,
    NOT_A_NODULE,
    OWN_THRESHOLD,
    TOO_LARGE_TO_DRAW,
    Check,
)
from nodulerisk.ct.volume import CT, triple
from nodulerisk.engine.engine import Engine, Networks, first_use
from nodulerisk.language.texts import _, joined
from nodulerisk.networks.kinds import Cubes
from nodulerisk.nodule.drawing import Drawing, draw, is_amid_tissue, widest_mm
from nodulerisk.nodule.findings import (
    block_checks,
    nodule_checks,
    refuse_missing_slices,
    surroundings_checks,
)
from nodulerisk.nodule.measure import measure
from nodulerisk.nodule.place import place_of
from nodulerisk.nodule.radiomics import radiomics
from nodulerisk.tasks import NO_PRESENCE, PRESENCE, Task, cascade_steps
from nodulerisk.weights.calibration import TINY, calibrated
from nodulerisk.weights.card import LOG_ODDS, WeightSet

Progress = Callable[[str, float], None]
STEADY_DICE = 0.8  # of two looks at one nodule, below which its mask is not to be relied on


def assess(
    ct: CT,
    point_lps_mm: Sequence[float] | np.ndarray,
    weights: WeightSet,
    device: str = "auto",
    *,
    name: str = "N1",
    networks: Networks | None = None,
    progress: Progress | None = None,
    cascade: bool = False,
) -> Assessment:
    """Assesses the nodule at a point.

    The mask network draws the nodule around the point and says whether it is one; if it is not, no
    other network runs. The cubes are cut around the mask's centroid, so that a click slightly off
    gives the same answer. Each task's networks answer, and their plain mean is the ensemble's
    answer, unless the task's card has a risk model.

    Args:
        ct: the CT.
        point_lps_mm: a point on the nodule (x, y, z), LPS mm.
        weights: from ``load_weight_set``.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; unused when ``networks`` are given.
        name: the user's label of the nodule.
        networks: a warm Engine or Worker of the same weights, for several nodules.
        progress: called with the stage and the share done, 0..1.
        cascade: runs invasiveness and subtype only if the nodule is decided malignant, and grade
            only if it is also decided invasive, and own tasks in their steps; networks that no
            remaining task needs are not run.

    Returns:
        The assessment; tasks that were not run say why.

    Raises:
        PointError: the point lies outside the CT, or a slice is missing near it.
        NoduleRiskError: the device or the weights cannot be used.
    """
    stages, table = _Stages(progress), weights.table
    with stages(_("checks"), 0.0):
        checks = [*ct.checks, *block_checks(ct, point_lps_mm)]
        refuse_missing_slices(ct, point_lps_mm)
    with stages(_("weights"), 0.05):
        networks = networks or Engine(weights, device, keep=False)
    with stages(_("mask"), 0.1, first_use(weights, weights.mask_network, networks)):
        drawing = draw(ct, np.asarray(point_lps_mm, float), weights, networks)
        presence = _presence(drawing, weights)
        if presence.decision == NO_PRESENCE:
            drawing = drawing.emptied(point_lps_mm)
        nodule, centre = drawing.nodule, drawing.centre_lps_mm
        traits = {} if nodule is None else radiomics(nodule, ct)
    with stages(_("networks"), 0.2):
        refuse_missing_slices(ct, centre)
        questions = _Questions(ct, centre, weights, networks, stages.report)
        if drawing.is_empty:
            found = {name: _not_run(task, NO_NODULE.withholds) for name, task in table.items()}
        else:
            found = _ask_tasks(questions, weights, cascade, traits)
        found[PRESENCE] = presence
        tasks = {name: found[name] for name in weights.tasks}
    with stages(_("measurements"), 0.95):
        measurements = measure(nodule, ct) if nodule is not None else ()
        checks += nodule_checks(nodule, measurements, ct)
        checks += surroundings_checks(nodule, measurements, ct)
        checks += _drawing_checks(drawing, presence)
        if drawing.is_empty and is_amid_tissue(ct, point_lps_mm):
            checks.append(TOO_LARGE_TO_DRAW.check(side=widest_mm(weights)))
        failed_mask = weights.mask_network if nodule is None else None
        checks += _answer_checks(tasks, questions.answers, failed_mask, table)
        checks += _threshold_checks(tasks, weights)
    return Assessment(
        name=name,
        point_lps_mm=triple(point_lps_mm),
        centre_lps_mm=triple(centre),
        tasks=tasks,
        nodule=nodule,
        measurements=measurements,
        checks=tuple(checks + networks.checks),
        provenance=_provenance(ct, weights, networks, stages.seconds),
        place=place_of(ct, centre),
    )


def _presence(drawing: Drawing, weights: WeightSet) -> TaskResult:
    """Whether it is a nodule at all, by the pass that drew it."""
    networks = weights.tasks[PRESENCE].networks
    if drawing.answer is not None:
        return task_result(PRESENCE, weights, dict.fromkeys(networks, drawing.answer))
    why = NO_NUMBER.format(network=networks[0]) if networks else _("no network draws the nodule")
    return _not_run(weights.table[PRESENCE], why)


def _ask_tasks(
    questions: _Questions, weights: WeightSet, cascade: bool, traits: dict[str, float]
) -> dict[str, TaskResult]:
    """Returns every task's result but the presence's; a network runs only once a task needs it. For
    ``traits`` see ``task_results``."""
    results: dict[str, TaskResult] = {}
    table = weights.table
    steps = tuple(cascade_steps(table))
    for step in steps if cascade else (tuple(chain(*steps)),):
        if why := _barred(results, table):
            results |= {task: _not_run(table[task], why) for task in step}
            continue
        questions.ask(name for task in step for name in weights.tasks[task].networks)
        results |= task_results(step, weights, questions.answers, traits)
    return results


def _barred(results: dict[str, TaskResult], table: dict[str, Task]) -> str | None:
    """Why the following steps are not run; None if they are."""
    for task, result in results.items():
        passing = table[task].lets_through
        if passing is not None and result.decision not in passing:
            if result.decision:
                return DECIDED.format(decision=result.decision)
            return NOT_DECIDED.format(task=task)
    return None


def _members(
    task: str, weights: WeightSet, answers: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns the class probabilities of every network of the task, calibrated as the card says."""
    card = weights.tasks[task]
    members = {name: answers[name][weights.networks[name].columns(task)] for name in card.networks}
    if card.calibration is None:
        return members
    return {name: calibrated(p, card.calibration) for name, p in members.items()}


def task_results(
    tasks: Iterable[str],
    weights: WeightSet,
    answers: dict[str, np.ndarray],
    traits: dict[str, float],
) -> dict[str, TaskResult]:
    """Returns the tasks' results from their networks, or from the card's risk models where it has
    any.

    Args:
        tasks: their names; a risk model is given the log-odds of these tasks only.
        weights: the weight set.
        answers: class probabilities (C,) by network.
        traits: ``radiomics`` of the nodule; empty without a mask or a nodule.
    """
    said = {task: task_result(task, weights, answers) for task in tasks}
    inputs = traits | {LOG_ODDS + task: _log_odds(r.mean) for task, r in said.items() if r.mean}
    return {task: _modelled(task, r, weights, inputs) for task, r in said.items()}


def _log_odds(probabilities: Sequence[float]) -> float:
    last = np.clip(probabilities[-1], TINY, 1 - TINY)
    return float(np.log(last / (1 - last)))


def _modelled(
    task: str, said: TaskResult, weights: WeightSet, inputs: dict[str, float]
) -> TaskResult:
    """Adds what the card's models say; a task whose risk model lacks an input is not run."""
    card, threshold = weights.tasks[task], weights.threshold(task)
    size, risk = card.size, card.risk
    if size is not None and inputs.keys() >= size.terms.keys():
        said = replace(said, by_volume=float(size.probability(inputs)))
    if risk is None:
        return said
    if missing := [name for name in risk.terms if name not in inputs]:
        return _not_run(weights.table[task], _why_missing(missing[0], said))
    last = float(risk.probability(inputs))
    return replace(
        said,
        mean=(1 - last, last),
        members=said.members if LOG_ODDS + task in risk.terms else {},
        decision=said.classes[decided((1 - last, last), threshold)],
        threshold=threshold,
        evidence=card.evidence.level,
        note=card.evidence.labels,
        inputs={name: inputs[name] for name in risk.terms},
        overstated=card.overstated,
    )


def _why_missing(term: str, said: TaskResult) -> str:
    if term.startswith(LOG_ODDS):
        return said.note if said.mean is None else NOT_KNOWN.format(term=term)
    return _("it is computed from the nodule's mask, and no mask was drawn at the point")


def task_result(task: str, weights: WeightSet, answers: dict[str, np.ndarray]) -> TaskResult:
    """Returns the plain mean of the members and the decision; a task without networks, or with NaN
    among them, is not run."""
    row, card = weights.table[task], weights.tasks[task]
    members, threshold = _members(task, weights, answers), weights.threshold(task)
    broken = [name for name, member in members.items() if not np.isfinite(member).all()]
    if broken or not members:
        note = NO_NUMBER.format(network=broken[0]) if broken else card.evidence.data
        return _not_run(row, note)
    mean = np.mean(list(members.values()), axis=0)
    return TaskResult(
        classes=row.classes,
        mean=tuple(float(p) for p in mean),
        members={name: tuple(float(p) for p in member) for name, member in members.items()},
        decision=row.classes[decided(mean, threshold)],
        threshold=threshold,
        evidence=card.evidence.level,
        note=card.evidence.labels,
    )


def _not_run(task: Task, why: str) -> TaskResult:
    return TaskResult(task.classes, None, {}, None, None, "none", why)


def _drawing_checks(drawing: Drawing, presence: TaskResult) -> Iterator[Check]:
    """Findings about how the mask was drawn (faults 67 and 70)."""
    if presence.mean is not None and presence.decision == NO_PRESENCE:
        yield NOT_A_NODULE.check(probability=presence.mean[-1])
    if drawing.steadiness is not None and drawing.steadiness < STEADY_DICE:
        yield MASK_UNSTEADY.check(dice=drawing.steadiness)


def _answer_checks(
    tasks: dict[str, TaskResult],
    answers: dict[str, np.ndarray],
    failed_mask: str | None,
    table: dict[str, Task],
) -> Iterator[Check]:
    """Checks on networks whose answer is not a number (fault 39), and on what the other answers are
    about."""
    for name, probabilities in answers.items():
        if not np.isfinite(probabilities).all():
            yield NETWORK_NAN.check(network=name)
    if failed_mask is not None:
        yield MASK_NAN.check(network=failed_mask)
    of_cancer = [name for name, task in table.items() if task.adenocarcinoma_only]
    if adenocarcinoma := [name for name in of_cancer if tasks[name].mean is not None]:
        yield ADENOCARCINOMA_ONLY.check(tasks=joined(", ", adenocarcinoma))


def _threshold_checks(tasks: dict[str, TaskResult], weights: WeightSet) -> Iterator[Check]:
    """Checks on decisions made by the user's own thresholds instead of the card's."""
    for task, own in weights.thresholds.items():
        card = weights.card_threshold(task)
        card = 0.5 if card is None else card  # of two classes, the larger wins
        if tasks[task].mean is not None and own != card:
            yield OWN_THRESHOLD.check(task=task, own=own, card=card)


def _provenance(
    ct: CT, weights: WeightSet, networks: Networks, seconds: dict[str, float]
) -> Provenance:
    return Provenance(
        weight_set=weights.name,
        weight_set_version=weights.version,
        network_sha256=weights.hashes(),
        package_version=__version__,
        device=networks.device,
        seconds={stage: round(value, 4) for stage, value in seconds.items()},
        series_uid=ct.acquisition.series_uid,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        technique=ct.technique,
    )


class _Questions:
    """Runs networks on one nodule, each only once.

    Attributes:
        answers: class probabilities (C,) by network.
    """

    def __init__(
        self, ct: CT, centre: np.ndarray, weights: WeightSet, networks: Networks, report: Progress
    ):
        self.answers: dict[str, np.ndarray] = {}
        self._weights, self._networks, self._report = weights, networks, report
        self._count = len({name for task in weights.tasks.values() for name in task.networks})
        self._cubes = NetworkCubes(ct, centre, weights)

    def ask(self, names: Iterable[str]) -> None:
        """Runs those that have not run yet; the mask network is still loaded, so it comes first."""
        mask_network, new = self._weights.mask_network, set(names) - set(self.answers)
        for name in sorted(new, key=lambda name: (name != mask_network, name)):
            done = len(self.answers)
            once = first_use(self._weights, name, self._networks)
            stage = _("network {done} of {count}{once}").format(
                done=done + 1, count=self._count, once=once
            )
            self._report(stage, 0.2 + 0.75 * done / self._count)
            self.answers[name] = self._networks.predict(name, self._cubes.of(name)[None])[0][0]


class NetworkCubes:
    """The cubes that networks see around one point; networks of one view share its cube."""

    def __init__(self, ct: CT, centre_lps_mm: np.ndarray, weights: WeightSet):
        self._ct, self._centre, self._weights = ct, centre_lps_mm, weights
        self._of_kind: dict[type[Cubes], Cubes] = {}
        self._cut: dict[tuple, np.ndarray] = {}

    def of(self, network: str) -> np.ndarray:
        """float32 or uint8 (channels, S, S, S)."""
        card = self._weights.networks[network]
        view = card.cubes, card.sides, card.size
        if view not in self._cut:
            self._cut[view] = self._cubes(card.cubes).cut(card.sides, card.size)
        return self._cut[view]

    def _cubes(self, kind: type[Cubes]) -> Cubes:
        """Returns the same cubes at each call: what the cubes of a kind share is cut once."""
        if kind not in self._of_kind:
            scan_order = self._weights.scan_order
            self._of_kind[kind] = kind(self._ct, self._centre, scan_order=scan_order)
        return self._of_kind[kind]


class _Stages:
    """Times the stages and reports them."""

    def __init__(self, progress: Progress | None):
        self.report: Progress = progress or (lambda stage, share: None)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str, share: float, more: str = "") -> Iterator[None]:
        self.report(joined("", (stage, more)), share)
        start = time.perf_counter()
        yield
        self.seconds[stage] = time.perf_counter() - start
