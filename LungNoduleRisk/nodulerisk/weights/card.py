"""A weight set's card: which networks answer which task, with what thresholds and evidence.

Cards are read without torch, so that Slicer can show them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nodulerisk.errors import WeightsError
from nodulerisk.files import written_whole
from nodulerisk.language.texts import Verbatim, _, joined, message_of
from nodulerisk.networks.kinds import CUBES, Cubes, kind_of
from nodulerisk.nodule.quantities import RADIOMICS
from nodulerisk.tasks import EVIDENCE_LEVELS, TASKS, EvidenceLevel, Task, two_class_tasks
from nodulerisk.weights.own_tasks import OwnTask, own_tasks_from, values_of

LARGEST_ARGUMENT = 4096
LOG_ODDS = "log-odds of "  # prefix of a task's name: an input of risk models
OVERSTATED = _("mean probability minus share observed")  # the figure's name


@dataclass(frozen=True)
class Evidence:
    """The evidence behind a task's numbers.

    Attributes:
        level: ``pathology``, ``reader``, ``simulated`` or ``none``.
        data, labels: which data and labels trained and tested it, in words; for ``none``, why the
            task is not run.
        nodules, patients: how many were held out.
        figures: held-out figures, name -> [value, low, high] with a 95 % interval.
    """

    level: EvidenceLevel
    data: str = ""
    labels: str = ""
    nodules: int = 0
    patients: int = 0
    figures: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class NetworkCard:
    """One network file: how to build it, what to feed it, and its hash.

    Attributes:
        kind: as in ``kind_of``.
        width, sees, arguments: as for ``build_network``.
        mask: a factory's network also gives a mask, as no kind of ours needs to say.
        file, sha256: in the set's folder.
        tasks: the tasks it answers, in the order of its probabilities.
        sides: for EMV networks, the cubes in voxels of 0.625 mm, outer first; None if the network
            sees one cube.
        size: side of the input.
        own_tasks: the set's own, which are written only once, in its own entry.
    """

    kind: str
    file: str
    sha256: str
    tasks: tuple[str, ...]
    width: float = 1.0
    sides: tuple[int, int, int] | None = None
    size: int = 32
    sees: str | None = None
    mask: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)
    own_tasks: dict[str, OwnTask] = field(default_factory=dict)

    @property
    def cubes(self) -> type[Cubes]:
        """The cubes that it sees."""
        return CUBES[self.sees] if self.sees else kind_of(self.kind).cubes

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of classes of each task."""
        known = TASKS | self.own_tasks
        return tuple(len(known[task].classes) for task in self.tasks)

    def columns(self, task: str) -> slice:
        """Returns which of its probabilities answer the task."""
        index = self.tasks.index(task)
        start = sum(self.heads[:index])
        return slice(start, start + self.heads[index])

    @property
    def draws_mask(self) -> bool:
        return self.mask or kind_of(self.kind).draws_mask


@dataclass(frozen=True)
class Term:
    """One input of a risk model and its weight: coefficient × (input, clipped − mean) / sd.

    Attributes:
        low, high: the range that the model was fitted on, to which the input is clipped.
        mean, sd: of the clipped inputs that it was fitted on.
        coefficient: log-odds per standard deviation.
    """

    low: float
    high: float
    mean: float
    sd: float
    coefficient: float


@dataclass(frozen=True)
class RiskModel:
    """A logistic regression that answers a task of two classes in place of its networks' mean.

    Attributes:
        terms: by the input's name: a key of ``RADIOMICS``, or ``log-odds of TASK``, the logit of
            the last class's probability from TASK's networks.
        intercept: log-odds where every input is at its mean.
        calibration: slope and offset of the line that calibrates its log-odds; (1, 0) changes
            nothing.
        left_out: what was tried as one more term but is not used: name -> AUC gained with it, as
            [value, low, high] with a 95 % interval.
    """

    terms: dict[str, Term]
    intercept: float
    calibration: tuple[float, float] = (1.0, 0.0)
    left_out: dict[str, list[float]] = field(default_factory=dict)

    def log_odds(self, inputs: Mapping[str, Any]) -> Any:
        """Returns the log-odds of the last class before calibration, from an input for every term:
        numbers, or arrays (n,)."""
        return self.intercept + sum(
            term.coefficient * (np.clip(inputs[name], term.low, term.high) - term.mean) / term.sd
            for name, term in self.terms.items()
        )

    @property
    def calibrated(self) -> RiskModel:
        """The same model with its calibration in the coefficients: they are log-odds of what is
        shown."""
        slope, offset = self.calibration
        terms = {
            name: replace(term, coefficient=slope * term.coefficient)
            for name, term in self.terms.items()
        }
        return replace(
            self, terms=terms, intercept=slope * self.intercept + offset, calibration=(1.0, 0.0)
        )

    def probability(self, inputs: Mapping[str, Any]) -> Any:
        """Returns the calibrated probability (0..1) of the last class; numbers or arrays as in
        ``log_odds``."""
        slope, offset = self.calibration
        return 1 / (1 + np.exp(-(slope * self.log_odds(inputs) + offset)))


@dataclass(frozen=True)
class TaskCard:
    """A task: its networks (none: not run), its evidence, and how their probabilities become a
    decision.

    Attributes:
        networks: names of the members.
        threshold: calibrated probability of the last class from which it is decided for; None: the
            most probable class wins.
        calibration: the line of ``calibrated``, applied to every member; None: no calibration.
        risk: the model whose probability is shown and decides; None: the networks' mean does.
        size: the model of the volume alone, fitted on the same nodules; None: not known.
        further_evidence: what else its answers were held against, such as other patients or
            pathology; nothing was learnt or chosen there.
    """

    networks: tuple[str, ...]
    evidence: Evidence
    threshold: float | None = None
    calibration: tuple[float, ...] | None = None
    risk: RiskModel | None = None
    size: RiskModel | None = None
    further_evidence: tuple[Evidence, ...] = ()

    @property
    def overstated(self) -> float | None:
        """How much higher its probabilities were, on average, than the share observed among
        patients that nothing was learnt from; None: not known."""
        figures = (one.figures.get(OVERSTATED) for one in self.further_evidence)
        return next((value for value, *_interval in filter(None, figures)), None)


NOT_ANSWERED = TaskCard((), Evidence("none", _("this weight set has no network for it")))


@dataclass(frozen=True)
class WeightSet:
    """A verified card; ``folder`` holds the files.

    Attributes:
        networks: by name.
        tasks: by task name, every key of ``table``.
        mask_network: name of the network that draws the mask; None: no mask.
        mask_evidence: what the mask rests on.
        mask_reflected: the mask is the mean over the cube and its in-plane reflections.
        bf16_drift: how far bf16 moved a probability on real nodules; None: not measured.
        scan_order: cubes follow the scan's InstanceNumber order along z (as the EMV authors do), if
            it is known.
        own_tasks: those of its tasks that are no rows of ``TASKS``.
        thresholds: the user's own, by task, which replace the card's; see ``with_thresholds``. Not
            part of the card.
    """

    folder: Path
    name: str
    version: str
    licence: str
    attribution: str
    networks: dict[str, NetworkCard]
    tasks: dict[str, TaskCard]
    mask_network: str | None = None
    mask_evidence: Evidence = Evidence("none")
    mask_reflected: bool = False
    scan_order: bool = False
    bf16_drift: float | None = None
    own_tasks: dict[str, OwnTask] = field(default_factory=dict)
    thresholds: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> dict[str, Task]:
        """Every task that it may be asked: the rows of ``TASKS`` and its own."""
        return TASKS | self.own_tasks

    def threshold(self, task: str) -> float | None:
        """Returns the probability from which the last class is decided for: the user's own
        threshold, else the card's, else the task's; None: the most probable class wins."""
        return self.thresholds.get(task, self.card_threshold(task))

    def card_threshold(self, task: str) -> float | None:
        """Returns the same without the user's own."""
        given = self.tasks[task].threshold
        return self.table[task].threshold if given is None else given

    def with_thresholds(self, thresholds: Mapping[str, float]) -> WeightSet:
        """Returns the set with the user's own thresholds for two-class tasks, such as
        ``{"malignancy": 0.3}``.

        Raises:
            WeightsError: no task of two classes has this name, or the value is not within 0..1.
        """
        for task, value in thresholds.items():
            if task not in (known := two_class_tasks(self.table)):
                names = joined(", ", map(Verbatim, known))
                words = _("There is no threshold for '{task}': choose one of {names}.")
                raise WeightsError(words.format(task=task, names=names))
            if not 0 <= value <= 1:
                words = _("The {task} threshold must be between 0 and 1, but it is {value:g}.")
                raise WeightsError(words.format(task=Verbatim(task), value=value))
        return replace(self, thresholds={**self.thresholds, **thresholds})

    def hashes(self) -> dict[str, str]:
        return {name: network.sha256 for name, network in self.networks.items()}


def thresholds_of(texts: Iterable[str]) -> dict[str, float]:
    """Returns thresholds by task, from texts such as ``malignancy=0.3``.

    Raises:
        WeightsError: not of this form.
    """
    try:
        return {
            task: float(value)
            for task, value in (map(str.strip, text.split("=")) for text in texts)
        }
    except ValueError as error:
        raise WeightsError(
            _("This is not a threshold: write TASK=VALUE, such as malignancy=0.3.")
        ) from error


def save_card(weights: WeightSet) -> None:
    """Writes ``card.json`` into the set's folder."""
    with written_whole(weights.folder / "card.json") as partial:
        partial.write_text(json.dumps(card_values(weights), indent=2) + "\n", encoding="utf-8")


def card_values(weights: WeightSet) -> dict[str, Any]:
    """Returns what the card holds, as JSON-ready values; own tasks only if there are some."""
    values = asdict(replace(weights, own_tasks={}))
    del values["folder"], values["thresholds"], values["own_tasks"]
    for network in values["networks"].values():
        del network["own_tasks"]
    own = {name: values_of(task) for name, task in weights.own_tasks.items()}
    return values | ({"own_tasks": own} if own else {})


def weight_set_from(values: dict, folder: Path) -> WeightSet:
    try:
        own = own_tasks_from(values.get("own_tasks", {}))
        table = TASKS | own
        networks = {
            name: _network_from(network, own) for name, network in values["networks"].items()
        }
        named = {
            name: _task_from(name, task, networks, table)
            for name, task in values["tasks"].items()
            if name in table
        }
        tasks = dict.fromkeys(table, NOT_ANSWERED) | named
        mask_network = values.get("mask_network")
        if mask_network is not None and not networks[mask_network].draws_mask:
            raise ValueError(
                _("{mask_network} draws no mask").format(mask_network=Verbatim(mask_network))
            )
        return WeightSet(
            folder=folder,
            name=str(values["name"]),
            version=str(values["version"]),
            licence=str(values["licence"]),
            attribution=str(values["attribution"]),
            networks=networks,
            tasks=tasks,
            mask_network=mask_network,
            mask_evidence=_evidence_from(values["mask_evidence"]),
            mask_reflected=bool(values.get("mask_reflected", False)),
            scan_order=bool(values.get("scan_order", False)),
            bf16_drift=values.get("bf16_drift"),
            own_tasks=own,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        words = _("The card of weight set '{name}' is not valid ({error}): import the set again.")
        raise WeightsError(words.format(name=folder.name, error=message_of(error))) from error


def _network_from(values: dict, own: dict[str, OwnTask]) -> NetworkCard:
    sides, tasks = values.get("sides"), tuple(values["tasks"])
    unknown = [task for task in tasks if task not in TASKS | own]
    if unknown:
        raise ValueError(_("unknown task {unknown}").format(unknown=Verbatim(unknown[0])))
    kind_of(values["kind"])
    if values.get("sees") not in (None, *CUBES):
        raise ValueError(_("unknown cubes {values}").format(values=Verbatim(values["sees"])))
    _refuse_huge([values.get("width", 1), values.get("arguments", {})])
    return NetworkCard(
        **{
            **values,
            "tasks": tasks,
            "sides": None if sides is None else tuple(int(s) for s in sides),
            "own_tasks": {task: own[task] for task in tasks if task in own},
        }
    )


def _refuse_huge(value: Any) -> None:
    """Raises ValueError for a number that no network's recipe needs: it would only fill memory."""
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, (dict, list)):
        for part in parts:
            _refuse_huge(part)
    elif isinstance(value, (int, float)) and not abs(value) <= LARGEST_ARGUMENT:
        raise ValueError(_("{value} is too large for a network's recipe").format(value=value))


def _task_from(
    task: str, values: dict, networks: dict[str, NetworkCard], table: dict[str, Task]
) -> TaskCard:
    names = tuple(values["networks"])
    for name in names:
        if name not in networks or task not in networks[name].tasks:
            words = _("no network {name} that answers {task}")
            raise ValueError(words.format(name=Verbatim(name), task=Verbatim(task)))
    evidence, calibration = _evidence_from(values["evidence"]), values.get("calibration")
    if evidence.level not in table[task].evidence:
        words = _("{task} cannot rest on {level} evidence")
        raise ValueError(words.format(task=Verbatim(task), level=Verbatim(evidence.level)))
    line = None if calibration is None else tuple(float(number) for number in calibration)
    risk, size = (_risk_from(task, values.get(model), table) for model in ("risk", "size"))
    further = tuple(map(_evidence_from, values.get("further_evidence", ())))
    return TaskCard(names, evidence, values.get("threshold"), line, risk, size, further)


def _risk_from(task: str, values: dict | None, table: dict[str, Task]) -> RiskModel | None:
    if values is None:
        return None
    if task not in two_class_tasks(table):
        words = _("{task} does not have the two classes that a risk model needs")
        raise ValueError(words.format(task=Verbatim(task)))
    slope, offset = (_finite(number) for number in values["calibration"])
    return RiskModel(
        terms={name: _term_from(name, term, table) for name, term in values["terms"].items()},
        intercept=_finite(values["intercept"]),
        calibration=(slope, offset),
        left_out={name: [*map(_finite, gain)] for name, gain in values["left_out"].items()},
    )


def _term_from(name: str, values: dict, table: dict[str, Task]) -> Term:
    if name not in (*RADIOMICS, *(f"{LOG_ODDS}{task}" for task in table)):
        raise ValueError(_("a risk model has the unknown term {name}").format(name=Verbatim(name)))
    term = Term(**{key: _finite(number) for key, number in values.items()})
    if not (term.low <= term.high and term.sd > 0):
        raise ValueError(
            _("the range or spread of the term {name} is impossible").format(name=Verbatim(name))
        )
    return term


def _finite(number: float) -> float:
    if not np.isfinite(number):
        raise ValueError(_("{number} is not a number").format(number=number))
    return float(number)


def _evidence_from(values: dict) -> Evidence:
    evidence = Evidence(**values)
    if evidence.level not in EVIDENCE_LEVELS:
        raise ValueError(_("unknown evidence level {level}").format(level=Verbatim(evidence.level)))
    return evidence
