"""A training plan: a TOML file that says what to train on which data, and how.

::

    name = "mine"
    version = "1.0"
    licence = "all rights reserved"
    data = { hospital = "nodules" }        # a name for each dataset, and its folder or table here

    [[runs]]                               # networks trained side by side on the same batches
    name = "malignancy"
    data = ["hospital"]
    tasks = ["malignancy"]
    networks = { inception = { kind = "inception" } }
    sides = [80, 60, 40]
    size = 60
    epochs = 200

Everything else has a default: the published value, if both papers agree; see ``Run``. ``[tasks]``
holds tasks of your own, or ``tasks`` names a file of them; see ``nodulerisk.own_tasks``.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from nodulerisk.errors import NoduleRiskError
from nodulerisk.networks.kinds import NETWORKS, Cubes
from nodulerisk.own_tasks import OwnTask, own_tasks_from, read_own_tasks
from nodulerisk.tasks import TASKS, Task

CHOICES = {
    "pose": ("none", "emv", "densesharp", "free"),
    "optimiser": ("adam", "adamw"),
    "schedule": ("constant", "plateau", "one-cycle"),
    "monitor": ("loss", "accuracy", "dice"),
    "keep": ("best", "last"),
    "precision": ("32", "16-mixed", "bf16-mixed"),
}


@dataclass(frozen=True)
class NetworkPlan:
    """Kind and width as for ``build_network``."""

    kind: str
    width: float = 1.0


@dataclass(frozen=True)
class Run:
    """Networks trained side by side on the same batches.

    Attributes:
        name: of the run and its folder.
        data: names of the plan's datasets.
        tasks: what every network of the run answers; each is learnt from the nodules whose label is
            known.
        networks: by name.
        sides, size: for EMV networks, the cubes in voxels of 0.625 mm; DenseSharp has none.
        pose: ``none``, ``emv`` and ``densesharp`` (as published) or ``free``; see
            ``nodulerisk.train.augment``.
        scans: whether noise, kernel and slice thickness vary.
        beside: share of samples beside the nodule, for the mask.
        epochs, batch: ``batch`` counts samples per process.
        balance: samples per batch of each pathology (such as ``{AAH = 3, AIS = 5, MIA = 8, IA =
            8}``) or class of the first task, instead of ``batch``; an epoch ends when the largest
            group is used up.
        optimiser, learning_rate, weight_decay: L2 in ``adam``, decoupled in ``adamw``.
        schedule: ``plateau`` multiplies the rate by ``factor`` after ``patience`` epochs without
            improvement.
        stop_after: epochs without improvement after which the run ends; 0: never.
        monitor: the validation figure that counts as improvement and selects the best checkpoint.
        keep: the best checkpoint's weights or the last's.
        task_weights: factor on a task's cross-entropy (1).
        dice, mask_cross_entropy: factors on the mask's losses.
        precision: ``32``, ``16-mixed`` or ``bf16-mixed``.
        own_tasks: the plan's own among its tasks, by name.
    """

    name: str
    data: tuple[str, ...]
    tasks: tuple[str, ...]
    networks: dict[str, NetworkPlan]
    sides: tuple[int, int, int] | None = None
    size: int = 32
    pose: str = "free"
    scans: bool = True
    beside: float = 0.0
    epochs: int = 200
    batch: int = 15
    balance: dict[str, int] = field(default_factory=dict)
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "plateau"
    factor: float = 0.5
    patience: int = 10
    stop_after: int = 0
    monitor: str = "loss"
    keep: str = "best"
    task_weights: dict[str, float] = field(default_factory=dict)
    dice: float = 0.2
    mask_cross_entropy: float = 0.0
    precision: str = "32"
    own_tasks: dict[str, OwnTask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, choices in CHOICES.items():
            if getattr(self, key) not in choices:
                raise ValueError(
                    f"{key} is '{getattr(self, key)}': choose one of {', '.join(choices)}"
                )
        unknown = [task for task in self.tasks if task not in self.table]
        if unknown or not self.tasks:
            raise ValueError(f"tasks must be some of {', '.join(self.table)}")
        kinds = {plan.kind for plan in self.networks.values()}
        if not kinds or not kinds <= set(NETWORKS):
            raise ValueError(f"networks must be of the kinds {', '.join(NETWORKS)}")
        one_cube = any(not NETWORKS[kind].cubes.concentric for kind in kinds)
        if one_cube and (len(kinds) > 1 or self.sides is not None):
            raise ValueError(
                "DenseSharp sees a different cube than EMV networks: give it a run of its own,"
                " without sides"
            )
        if not one_cube and self.sides is None:
            raise ValueError("EMV networks need sides, such as [80, 60, 40]")

    @property
    def mode(self) -> Literal["min", "max"]:
        """Which way ``monitor`` gets better."""
        return "min" if self.monitor == "loss" else "max"

    @property
    def table(self) -> dict[str, Task]:
        """Every task that it may have: the rows of ``TASKS`` and its own."""
        return TASKS | self.own_tasks

    @property
    def heads(self) -> tuple[int, ...]:
        """The number of classes of each task."""
        return tuple(len(self.table[task].classes) for task in self.tasks)

    @property
    def cubes(self) -> type[Cubes]:
        """The kind of cube that its networks see."""
        first = next(iter(self.networks.values()))
        return NETWORKS[first.kind].cubes

    @property
    def draws_mask(self) -> bool:
        return any(NETWORKS[plan.kind].draws_mask for plan in self.networks.values())


@dataclass(frozen=True)
class Plan:
    """The work of ``nodulerisk train``.

    Attributes:
        name, version, licence: of the weight set.
        data: dataset name -> folder or table.
        runs: one after the other.
        seed: of all random draws.
        members: task -> the networks whose mean answers it; by default all that were trained on it.
        own_tasks: by name, also those that no run learns.
    """

    name: str
    version: str
    licence: str
    data: dict[str, Path]
    runs: tuple[Run, ...]
    seed: int = 0
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    own_tasks: dict[str, OwnTask] = field(default_factory=dict)

    def on(self, data: dict[str, Path]) -> Plan:
        """Returns the plan with these datasets in place of its own with the same names.

        Raises:
            NoduleRiskError: a name that is not in the plan.
        """
        for name in data:
            if name not in self.data:
                raise NoduleRiskError(
                    f"The plan has no data '{name}', only {', '.join(self.data)}."
                )
        return replace(self, data=self.data | data)


def read_plan(path: Path) -> Plan:
    """Reads a plan; its relative data paths are relative to the file's folder.

    Raises:
        NoduleRiskError: the file cannot be read, or has an unknown entry.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NoduleRiskError(f"{path} is not a readable TOML file: {error}") from error
    try:
        return _plan_from(values, path.parent)
    except (KeyError, TypeError, ValueError) as error:
        raise NoduleRiskError(f"{path.name}: {_said(error)}.") from error


def _said(error: Exception) -> str:
    return f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)


def _plan_from(values: dict[str, Any], folder: Path) -> Plan:
    own = _own_tasks(values.pop("tasks", {}), folder)
    runs = tuple(_run_from(run, own) for run in values.pop("runs"))
    data = {name: folder / place for name, place in values.pop("data").items()}
    for run in runs:
        missing = [name for name in run.data if name not in data]
        if missing or not run.data:
            raise ValueError(f"run {run.name}: data must be some of {', '.join(data)}")
    names = [name for run in runs for name in run.networks]
    if len(set(names)) < len(names) or len({run.name for run in runs}) < len(runs):
        raise ValueError("every run and every network needs a name of its own")
    for task in TASKS | own:
        if len({run.data for run in runs if task in run.tasks}) > 1:
            raise ValueError(f"{task} must be learnt from the same data in all its runs")
    members = {task: tuple(found) for task, found in values.pop("members", {}).items()}
    for task, found in members.items():
        if not set(found) <= {name for run in runs if task in run.tasks for name in run.networks}:
            raise ValueError(f"members of {task} must be networks that are trained on it")
    read = {"data": data, "runs": runs, "members": members, "own_tasks": own}
    return _made(Plan, values | read)


def _own_tasks(values: Any, folder: Path) -> dict[str, OwnTask]:
    """Returns the tasks of a table, or of the file that is named."""
    if isinstance(values, str):
        return read_own_tasks(folder / values)
    return own_tasks_from(values)


def _run_from(values: dict[str, Any], own: dict[str, OwnTask]) -> Run:
    networks = {name: _made(NetworkPlan, network) for name, network in values["networks"].items()}
    tuples = {key: tuple(values[key]) for key in ("data", "tasks", "sides") if key in values}
    known, asked = TASKS | own, values.get("tasks", ())
    if not {*asked} <= known.keys():
        raise ValueError(f"tasks must be some of {', '.join(known)}")
    own = {name: task for name, task in own.items() if name in asked}
    return _made(Run, values | tuples | {"networks": networks, "own_tasks": own})


def _made(kind: type, values: dict[str, Any]):
    unknown = set(values) - {f.name for f in fields(kind)}
    if unknown:
        raise ValueError(f"'{min(unknown)}' is not understood")
    return kind(**values)
