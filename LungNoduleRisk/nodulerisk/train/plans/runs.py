"""What a training plan holds: its keys, their kinds and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from nodulerisk.errors import NoduleRiskError
from nodulerisk.networks.kinds import CUBES, Cubes, kind_of
from nodulerisk.tasks import TASKS, Task

STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
# Names become those of files and folders, and parts of a torch module.
Name = Annotated[str, Field(pattern=r"^\w[\w-]*$", max_length=80)]
Names = Annotated[tuple[str, ...], Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Factor = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Monitor = Literal["loss", "accuracy", "dice"]
Side = Annotated[int, Field(ge=2, le=512)]


@dataclass(frozen=True, config=STRICT)
class NetworkPlan:
    """A network, as ``build_network`` makes it.

    Attributes:
        kind: of ``NETWORKS``, an entry point, or ``package.module:factory``.
        width: factor on the channels of our own kinds.
        sees: of ``CUBES``, for MONAI's networks and factories.
        mask: a factory of your own also gives a mask.
        arguments: more arguments of the kind.
        init: weights to start from: a weight set, by name or folder, if need be with the network
            in it (``open#inception``), a safetensors file, or a Keras file of the authors.
        take: layers, such as ``features``, to take from there; by default all that fit.
        rates: factors on the learning rate of layers, such as ``{ features = 0.1 }``; 0 freezes.
    """

    kind: str
    width: Annotated[float, Field(gt=0, le=16)] = 1.0
    sees: Literal["emv", "densesharp", "patient"] | None = None
    mask: bool = False
    arguments: dict[str, Any] = Field(default_factory=dict)
    init: str | None = None
    take: tuple[str, ...] = ()
    rates: dict[str, Factor] = Field(default_factory=dict)

    @property
    def cubes(self) -> type[Cubes]:
        """The cubes that it sees."""
        return CUBES[self.sees] if self.sees else kind_of(self.kind).cubes

    @property
    def draws_mask(self) -> bool:
        return self.mask or kind_of(self.kind).draws_mask


def mode_of(monitor: Monitor) -> Literal["min", "max"]:
    """Returns which way a validation figure gets better."""
    return "min" if monitor == "loss" else "max"


@dataclass(frozen=True, config=STRICT)
class Run:
    """Networks trained side by side on the same batches.

    Attributes:
        name: of the run and its folder.
        data: names of the plan's datasets.
        tasks: what every network of the run answers; each is learnt from the nodules whose label is
            known.
        networks: by name.
        sides, size: for EMV networks, the cubes in voxels of 0.625 mm; DenseSharp has none.
        pose: ``none``, ``densesharp`` (as published), ``free``, ``emv`` (one of all combinations of
            theirs), or ``emv-copies`` (all their 16 or 17 fixed copies of each nodule in every
            epoch); see ``nodulerisk.train.augment``.
        scans: whether noise, kernel and slice thickness vary.
        beside: share of samples beside the nodule, for the mask.
        epochs, batch: ``batch`` counts samples per process.
        balance: samples per batch of each pathology (such as ``{AAH = 3, AIS = 5, MIA = 8, IA =
            8}``) or class of the first task, instead of ``batch``.
        steps: ``all``: an epoch ends when every sample is used up, with ``balance`` the largest
            group; ``nodules``: after as many batches as there are nodules to train on.
        initialisation: of our own kinds: ``he``, ``he-uniform`` or ``glorot`` (uniform).
        optimiser, learning_rate, weight_decay: L2 of the convolutions' weights in ``adam``, as in
            Keras; decoupled and of all in ``adamw``.
        clip: what the norm of a network's gradient is limited to; 0: nothing.
        schedule: ``plateau`` multiplies the rate by ``factor`` after ``patience`` epochs without
            improvement of ``schedule_monitor`` (by default ``monitor``). Of the ``cooldown`` epochs
            after that, only the last counts again, as in Keras.
        stop_after: epochs without improvement after which the run ends; 0: never.
        monitor: the validation figure that counts as improvement and selects the best checkpoint.
        keep: the best checkpoint's weights or the last's.
        checkpoints: nothing but the ``best`` and the last, or also the networks of every
            ``improving`` epoch, or of ``every`` epoch.
        task_weights: factor on a task's cross-entropy (1).
        dice, mask_cross_entropy: factors on the mask's losses.
        dice_over: ``batch``: one Dice of all its cubes, also those without a nodule; ``nodules``:
            the mean of each cube's.
        precision: ``32``, ``16-mixed`` or ``bf16-mixed``.
        own_tasks: the plan's own among its tasks, by name; not a key of the file.
    """

    name: Name
    data: Names
    tasks: Names
    networks: Annotated[dict[Name, NetworkPlan], Field(min_length=1)]
    sides: tuple[Side, Side, Side] | None = None
    size: Side = 32
    pose: Literal["none", "emv", "emv-copies", "densesharp", "free"] = "free"
    scans: bool = True
    beside: Annotated[float, Field(ge=0, le=1)] = 0.0
    epochs: Count = 200
    batch: Count = 15
    balance: dict[str, Count] = Field(default_factory=dict)
    steps: Literal["all", "nodules"] = "all"
    initialisation: Literal["he", "he-uniform", "glorot"] = "he"
    optimiser: Literal["adam", "adamw"] = "adam"
    learning_rate: Positive = 1e-3
    weight_decay: Factor = 0.0
    clip: Factor = 5.0
    schedule: Literal["constant", "plateau", "one-cycle"] = "plateau"
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(ge=0)] = 10
    cooldown: Annotated[int, Field(ge=0)] = 0
    schedule_monitor: Monitor | None = None
    stop_after: Annotated[int, Field(ge=0)] = 0
    monitor: Monitor = "loss"
    keep: Literal["best", "last"] = "best"
    checkpoints: Literal["best", "improving", "every"] = "best"
    task_weights: dict[str, Factor] = Field(default_factory=dict)
    dice: Factor = 0.2
    mask_cross_entropy: Factor = 0.0
    dice_over: Literal["batch", "nodules"] = "batch"
    precision: Literal["32", "16-mixed", "bf16-mixed"] = "32"
    own_tasks: dict[str, Any] = Field(default_factory=dict)

    @property
    def mode(self) -> Literal["min", "max"]:
        """Which way ``monitor`` gets better."""
        return mode_of(self.monitor)

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
        return next(iter(self.networks.values())).cubes

    @property
    def draws_mask(self) -> bool:
        return any(plan.draws_mask for plan in self.networks.values())

    @property
    def samples(self) -> int:
        """How many samples make a batch."""
        return sum(self.balance.values()) or self.batch


@dataclass(frozen=True, config=STRICT)
class Folds:
    """Cross-validation by patient: every fold is once the test, the next one then the validation.

    Attributes:
        count: how many, made alike in classes and sizes, if no others are given.
        own: the datasets' own folds: DenseSharp's ``subset``, or a table's ``fold``.
        table: a table with the columns name (a nodule's or patient's) and fold.
        ship: the set that is made of them: ``ensemble`` of all, one fold's by its number, or
            ``all``: none but those of the folds.
    """

    count: Annotated[int, Field(ge=3, le=100)] = 5
    own: bool = False
    table: Path | None = None
    ship: Literal["ensemble", "all"] | Annotated[int, Field(ge=0)] = "ensemble"

    @property
    def makes_new(self) -> bool:
        """Whether ``count`` counts: no others are given."""
        return not self.own and self.table is None


@dataclass(frozen=True, config=STRICT)
class Plan:
    """The work of ``nodulerisk train``.

    Attributes:
        name, version, licence: of the weight set.
        data: dataset name -> folder or table.
        runs: one after the other.
        seed: of all random draws.
        members: task -> the networks whose mean answers it; by default all that were trained on it.
        folds: cross-validation, in place of the datasets' splits.
        splits: ``train``, ``test`` and perhaps ``validation`` -> a list of nodules or patients, one
            a line, in place of the datasets' splits. Without validation, a fifth of train is.
        cancers_invasive: whether cancers other than adenocarcinoma count as invasive, as the
            EMV-3D-CNN authors count them; else they have no such label.
        own_tasks: by name, also those that no run learns; from the file's ``tasks``.
    """

    name: Annotated[str, Field(min_length=1)]
    version: str
    licence: str
    data: Annotated[dict[str, Path], Field(min_length=1)]
    runs: Annotated[tuple[Run, ...], Field(min_length=1)]
    seed: Annotated[int, Field(ge=0)] = 0
    members: dict[str, Names] = Field(default_factory=dict)
    folds: Folds | None = None
    splits: dict[Literal["train", "validation", "test"], Path] = Field(default_factory=dict)
    cancers_invasive: bool = False
    own_tasks: dict[str, Any] = Field(default_factory=dict)

    def on(self, data: Mapping[str, Path]) -> Plan:
        """Returns the plan with these datasets in place of its own with the same names.

        Raises:
            NoduleRiskError: a name that is not in the plan.
        """
        for name in data:
            if name not in self.data:
                raise NoduleRiskError(
                    f"The plan has no data '{name}', only {', '.join(self.data)}."
                )
        return replace(self, data={**self.data, **data})
