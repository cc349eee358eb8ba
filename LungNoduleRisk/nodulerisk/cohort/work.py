"""A worker's job for one CT: reads it once, assesses its nodules, and returns the outcome of
each."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nodulerisk.assess_points import assess_points
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import advise
from nodulerisk.cohort.nodules import CohortNodule, CtCase
from nodulerisk.cohort.store import Row, Status
from nodulerisk.ct.points import Point, Position, lps_of
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, triple
from nodulerisk.engine.queue import QueueClosedError, SharedNetworks
from nodulerisk.errors import NoduleRiskError, PointError, WorkerError
from nodulerisk.nodule.same import distinct, is_twin
from nodulerisk.outputs.nodule_tables import outcome_row
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.segmentation import write_masks
from nodulerisk.weights.card import WeightSet

NETWORK_DEATHS = 3  # after so many failures, the nodule is to blame
PATIENCE_S = 120.0  # while the networks are being restarted
POLL_S = 0.5
UNKNOWN: Position = (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Job:
    """The settings that all CTs of a run share.

    Attributes:
        weights: the weight set.
        networks: returns the address of a ``NetworkQueue``; called again when nobody answers there
            any more.
        key: the queue's.
        masks: where to write each CT's masks; None: no masks.
    """

    weights: WeightSet
    networks: Callable[[], str]
    key: str = field(repr=False)  # Dask logs the arguments of failing tasks
    masks: Path | None = None


class MovingNetworks(SharedNetworks):
    """Networks of a `NetworkQueue` that may die and be restarted elsewhere."""

    def __init__(self, job: Job):
        super().__init__(job.weights, address=job.networks(), key=job.key)
        self._find = job.networks

    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns the answer; tries again if the networks seem to have died of something else.

        Raises:
            QueueClosedError: they were gone for too long.
            WorkerError: these cubes make them die.
        """
        deaths, deadline = 0, math.inf
        while True:
            try:
                return super()._answer(question, cubes)
            except QueueClosedError:
                deadline = min(deadline, time.monotonic() + PATIENCE_S)
                if time.monotonic() >= deadline:
                    raise
                time.sleep(POLL_S)
                self.address = self._find()
            except WorkerError:
                deaths += 1
                if deaths == NETWORK_DEATHS:
                    raise


def assess_case(case: CtCase, job: Job) -> list[Row]:
    """Returns one row for each of the CT's nodules, which share its seconds; a refused nodule does
    not stop the others.

    Raises:
        NoduleRiskError: the next CT would fail the same way: the networks are gone, the weights are
            damaged, or the masks' folder cannot be written.
    """
    start = time.perf_counter()
    try:
        ct = read_ct(case.ct, series_uid=case.series)
    except NoduleRiskError as refusal:
        rows = rows_without_ct(case, job.weights, "refused", str(refusal))
    else:
        rows = _rows(ct, case, job)
    seconds = (time.perf_counter() - start) / len(rows)
    return [row | {"seconds": seconds} for row in rows]


def rows_without_ct(case: CtCase, weights: WeightSet, status: Status, reason: str) -> list[Row]:
    """Returns one row for each nodule of a CT that could not be read or completed."""
    points = [Point(nodule.name, _position(nodule, None)) for nodule in case.nodules]
    return [_row(case, weights, status, Outcome(point, refusal=reason)) for point in points]


def _rows(ct: CT, case: CtCase, job: Job) -> list[Row]:
    networks = MovingNetworks(job)
    outcomes: list[tuple[Status, Outcome]] = []
    for nodule in case.nodules:
        before = [one.assessment for _, one in outcomes if one.assessment is not None]
        outcomes.append(_outcome(ct, nodule, job.weights, networks, before))
    outcomes = _advised(case.nodules, outcomes)
    if job.masks is not None:
        found = [outcome.assessment for _, outcome in outcomes if outcome.assessment is not None]
        write_masks(ct, distinct(found), job.masks / f"{case.case}.seg.nrrd")
    return [_row(case, job.weights, *outcome) for outcome in outcomes]


def _row(case: CtCase, weights: WeightSet, status: Status, outcome: Outcome) -> Row:
    found = outcome.assessment
    return outcome_row(outcome) | {
        "case": case.case,
        "nodule": outcome.point.name,
        "status": status,
        "reason": outcome.refusal,
        "seconds": None,
        "weight_set": f"{weights.name} {weights.version}",
        "assessment": "" if found is None else json.dumps(found.to_dict(), ensure_ascii=False),
    }


def _outcome(
    ct: CT,
    nodule: CohortNodule,
    weights: WeightSet,
    networks: SharedNetworks,
    before: Sequence[Assessment],
) -> tuple[Status, Outcome]:
    try:
        point = Point(nodule.name, _position(nodule, ct))
    except PointError as refusal:
        return "refused", Outcome(Point(nodule.name, UNKNOWN), refusal=str(refusal))
    try:
        (outcome,) = assess_points(ct, [point], weights, networks, before=before)
    except QueueClosedError:
        raise
    except WorkerError as error:  # it kills the networks: one nodule must not end a cohort
        return "failed", Outcome(point, refusal=str(error))
    return "refused" if outcome.assessment is None else "assessed", outcome


def _advised(
    nodules: Sequence[CohortNodule], outcomes: Sequence[tuple[Status, Outcome]]
) -> list[tuple[Status, Outcome]]:
    """Returns the outcomes with scores and guidelines, which count every nodule once."""
    twins = sum(one.assessment is not None and is_twin(one.assessment) for _, one in outcomes)
    advised = []
    for nodule, (status, outcome) in zip(nodules, outcomes, strict=True):
        if outcome.assessment is not None and nodule.patient:
            listed = len(nodules) - twins
            advice = advise(outcome.assessment, nodule.patient, listed)
            outcome = replace(outcome, advice=advice)
        advised.append((status, outcome))
    return advised


def _position(nodule: CohortNodule, ct: CT | None) -> Position:
    """Returns where the nodule is, LPS mm; voxel indices and slice numbers need the CT.

    Raises:
        PointError: the CT has no image of this number.
    """
    if nodule.coordinates in ("lps", "ras"):
        return lps_of(nodule.point, "ras" if nodule.coordinates == "ras" else "lps")
    if ct is None:
        return UNKNOWN
    by_slice = nodule.coordinates == "slice"
    return triple(ct.point_on_image(*nodule.point) if by_slice else ct.point_of(nodule.point))
