"""What a cohort is: CTs and the nodules on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.points import Position
from nodulerisk.tasks import EvidenceLevel

Coordinates = Literal["lps", "ras", "voxel", "slice"]
Key = tuple[str, str]  # identifies a result: case, nodule


@dataclass(frozen=True, slots=True)
class CohortNodule:
    """A nodule of a case.

    Attributes:
        name: unique in its case, and safe as a file name.
        point: on the nodule, in mm or voxels (x, y, z), as in the table, or column, row and
            InstanceNumber.
        coordinates: of the point.
        patient: what scores and guidelines need to know; None: nothing is given.
        labels: task -> class, where known from elsewhere.
        label_evidence: what the labels rest on; ``none`` if the table does not say.
    """

    name: str
    point: Position
    coordinates: Coordinates = "lps"
    patient: Patient | None = None
    labels: dict[str, str] = field(default_factory=dict)
    label_evidence: EvidenceLevel = "none"


@dataclass(frozen=True, slots=True)
class CtCase:
    """A CT and its nodules.

    Attributes:
        case: its name, unique and safe as a file name.
        series: which SeriesInstanceUID, if there are several; None: there is only one.
        earlier: the case of an earlier CT of the same patient.
        days: between the two; None: taken from the files.
        patient_id: a number that all CTs of a patient share; 0: the table names no patient.
        listed_as: its path as the table has it, without what makes no difference.
    """

    case: str
    ct: Path
    nodules: tuple[CohortNodule, ...]
    series: str | None = None
    earlier: str | None = None
    days: float | None = None
    patient_id: int = 0
    listed_as: str = ""


@dataclass(frozen=True)
class Cohort:
    """The nodules to assess.

    Attributes:
        name: the table's file name.
        cases: in the order of their first rows.
        unused: columns of the table that are not used.
        absent: how many rows of LUNA's tables name a CT that is not there.
        skipped: what was wrong with the rows that were left out on request, a line each.
    """

    name: str
    cases: tuple[CtCase, ...]
    unused: tuple[str, ...] = ()
    absent: int = 0
    skipped: tuple[str, ...] = ()

    @property
    def keys(self) -> Iterator[Key]:
        """The keys of all results to compute."""
        return ((case.case, nodule.name) for case in self.cases for nodule in case.nodules)
