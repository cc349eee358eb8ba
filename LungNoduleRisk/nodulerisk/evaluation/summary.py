"""The contents of an evaluation: figures with intervals, curves, groups, and their evidence."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from nodulerisk.datasets.nodules import Broken
from nodulerisk.evaluation.bootstrap import Figure
from nodulerisk.evaluation.calibration import ReliabilityBin
from nodulerisk.evaluation.choices import Threshold
from nodulerisk.evaluation.samples import Group
from nodulerisk.tasks import EvidenceLevel
from nodulerisk.weights.calibration import Line

GRID = np.linspace(0, 1, 101)  # 1 - specificity at which the band of a ROC curve is given

Points = tuple[float, ...]


@dataclass(frozen=True)
class RocCurve:
    """The ROC curve of a contrast: x is 1 - specificity, y sensitivity.

    Attributes:
        cuts: the probability from which on each point decides; None: none reaches it.
        low, high: 95 % band of the sensitivity at ``GRID``.
        size_x, size_y: the curve of the diameter alone; empty if it is unknown or meaningless.
        gain: AUC of the networks less that of the diameter; None without both.
        p: DeLong's test of the two against each other; None likewise, and with fewer than two
            nodules of a kind.
    """

    contrast: str
    x: Points
    y: Points
    cuts: tuple[float | None, ...]
    low: Points
    high: Points
    size_x: Points = ()
    size_y: Points = ()
    gain: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class DecisionCurve:
    """Net benefit per nodule at each threshold: of deciding by the networks, and of calling every
    nodule positive."""

    thresholds: Points
    network: Points
    everyone: Points


@dataclass(frozen=True)
class AtThreshold:
    """The rates of a two-class task at a threshold that is not the one that decides."""

    value: float
    source: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class TaskEvaluation:
    """The evaluation of one task.

    Attributes:
        evidence: what the labels rest on; with several kinds, the weakest.
        threshold: what decides, and where it was chosen.
        figures: on the nodules of ``Evaluation.split``.
        confusion: how many nodules have each label (row) and each decision (column).
        reliability: as the set answers.
        line: calibration that fits the validation nodules best; None: too few of them.
        reliability_after_line, figures_after_line: for the same nodules, calibrated by that line.
        at_thresholds: of a two-class task, the rates at thresholds by other rules.
    """

    task: str
    classes: tuple[str, ...]
    evidence: EvidenceLevel
    nodules: int
    patients: int
    threshold: Threshold
    figures: tuple[Figure, ...]
    confusion: tuple[tuple[int, ...], ...]
    rocs: tuple[RocCurve, ...]
    reliability: tuple[ReliabilityBin, ...]
    decision_curve: DecisionCurve | None
    groups: tuple[Group, ...]
    line: Line | None = None
    reliability_after_line: tuple[ReliabilityBin, ...] = ()
    figures_after_line: tuple[Figure, ...] = ()
    at_thresholds: tuple[AtThreshold, ...] = ()


@dataclass(frozen=True)
class MaskPoint:
    """One nodule's mask."""

    name: str
    diameter_mm: float | None
    dice: float
    surface_mm: float | None


@dataclass(frozen=True)
class MaskEvaluation:
    """The mask against the outlines; ``evidence`` says what kind they are."""

    evidence: EvidenceLevel
    nodules: int
    patients: int
    figures: tuple[Figure, ...]
    groups: tuple[Group, ...]
    points: tuple[MaskPoint, ...]


@dataclass(frozen=True)
class About:
    """The evaluated weight set and data.

    Attributes:
        hashes: SHA-256 of the networks, by name.
        broken: cases that could not be read or assessed.
        remarks: what else the user must know about how the data were read and chosen.
        asked: the split that the user asked to count, or ``all``; empty: the data say it.
        shared_patients: how many patients of test nodules also have nodules for training or
            validation: none should.
    """

    weight_set: str = "weight set"
    version: str = ""
    hashes: dict[str, str] = field(default_factory=dict)
    dataset: str = "nodules"
    attribution: str = ""
    broken: tuple[Broken, ...] = ()
    remarks: tuple[str, ...] = ()
    asked: str = ""
    shared_patients: int = 0


@dataclass(frozen=True)
class Evaluation:
    """The whole evaluation; ``dataclasses.asdict`` gives JSON-ready values.

    Attributes:
        split: of the nodules that the figures come from: the one asked for, else ``test``, or
            ``all`` if the data have no test nodules; then training may have seen them.
        validation: how many nodules thresholds and calibration could be chosen on.
        left_out: task -> why it was not evaluated.
    """

    about: About
    split: str
    nodules: int
    patients: int
    validation: int
    tasks: dict[str, TaskEvaluation]
    left_out: dict[str, str]
    mask: MaskEvaluation | None

    @property
    def held_out(self) -> bool:
        """Whether the data or the user say that these nodules are to test on."""
        return bool(self.about.asked) or self.split == "test"
