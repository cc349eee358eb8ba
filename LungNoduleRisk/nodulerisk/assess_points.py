"""The one loop over points, used by the terminal, the Slicer module, evaluation and cohorts, and
the ``Assessor``, which keeps a weight set's networks warm for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nodulerisk.assess import Progress, assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point, Points, Position, as_points
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Engine, Networks
from nodulerisk.errors import CTError, NoduleRiskError, PointError
from nodulerisk.language.texts import _, joined
from nodulerisk.nodule.same import told_apart
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.trust.stability import stability as stability_of
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

File = str | Path
Given = TypeVar("Given")


class Assessor:
    """A weight set whose networks stay loaded from one nodule to the next.

    Attributes:
        weights: the weight set.
        networks: an Engine, or whatever else runs it.
    """

    def __init__(
        self,
        weights: WeightSet | File = "open",
        device: str = "auto",
        *,
        thresholds: Mapping[str, float] | None = None,
        networks: Networks | None = None,
    ):
        """Loads the weight set; its networks are loaded when first used.

        Args:
            weights: a set, or its name or folder.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``; unused when ``networks`` are given.
            thresholds: the user's own: see ``WeightSet.with_thresholds``.
            networks: a warm Engine or Worker of the same weights.

        Raises:
            NoduleRiskError: the weights, a threshold or the device cannot be used.
        """
        found = weights if isinstance(weights, WeightSet) else load_weight_set(weights)
        self.weights = found.with_thresholds(thresholds or {})
        self.networks = networks or Engine(self.weights, device)

    def warm_up(self) -> None:
        """Begins to load the network that draws the mask, on a thread of its own: call it before a
        CT is read."""
        if self.weights.mask_network is not None and isinstance(self.networks, Engine):
            self.networks.warm_up(self.weights.mask_network)

    def assess(self, ct: CT | File, point: Point | Position, **choices: Any) -> Assessment:
        """Assesses the nodule at a point, LPS mm; ``choices`` as for ``assess_points``.

        Raises:
            CTError: the CT cannot be read.
            PointError: the point is refused.
        """
        (outcome,) = self.assess_points(_read(ct), as_points([point]), **choices)
        if outcome.assessment is None:
            raise PointError(outcome.refusal)
        return outcome.assessment

    def assess_points(self, ct: CT, points: Sequence[Point], **choices: Any) -> Iterator[Outcome]:
        """Assesses the points of one CT: see the function ``assess_points``, which takes the
        ``choices``."""
        return assess_points(ct, points, self.weights, self.networks, **choices)

    def assess_many(
        self,
        cts: Mapping[str, CT | File] | Sequence[CT | File],
        points: Mapping[str, Points] | Sequence[Points],
        *,
        features: bool = False,
        progress: Progress | None = None,
        **choices: Any,
    ) -> Iterator[Outcome]:
        """Assesses nodules of many CTs, with one of these in memory at a time.

        Args:
            cts: each CT or its file by name; of a sequence, the names are 1, 2, …
            points: the nodules of each, by the same names: a position (x, y, z) in LPS mm, several
                of them, Points, or a file that ``read_points`` takes.
            features: also compute ``pyradiomics_features`` of each mask.
            progress: called with what is being done, and the share of all CTs done, 0..1.
            choices: as for ``assess_points``.

        Yields:
            The outcome of every point as soon as it is known, with the name of its CT. Of a CT that
            cannot be read, every point is refused.

        Raises:
            NoduleRiskError: CTs and points have different names, a file of points cannot be read,
                or whatever ends ``assess_points``.
        """
        scans, given = _by_name(cts), _by_name(points)
        if odd := sorted(scans.keys() ^ given.keys()):
            raise NoduleRiskError(
                _("{odd} needs both a CT and points: name them alike.").format(odd=odd[0])
            )
        listed = {name: as_points(some) for name, some in given.items()}
        for done, (name, scan) in enumerate(scans.items()):
            told = progress and partial(_report, progress, name, done, len(scans))
            for outcome in self._of_case(scan, listed[name], features, told, choices):
                yield replace(outcome, case=name)

    def _of_case(
        self,
        scan: CT | File,
        points: list[Point],
        features: bool,
        progress: Progress | None,
        choices: dict[str, Any],
    ) -> Iterator[Outcome]:
        try:
            ct = _read(scan)
        except CTError as refusal:
            yield from (Outcome(point, refusal=str(refusal)) for point in points)
            return
        for outcome in self.assess_points(ct, points, progress=progress, **choices):
            yield _with_features(outcome, ct) if features else outcome


def _with_features(outcome: Outcome, ct: CT) -> Outcome:
    from nodulerisk.nodule.features import pyradiomics_features  # few runs need it

    nodule = outcome.assessment and outcome.assessment.nodule
    return replace(outcome, features=pyradiomics_features(nodule, ct)) if nodule else outcome


def _read(ct: CT | File) -> CT:
    return ct if isinstance(ct, CT) else read_ct(ct)


def _by_name(given: Mapping[str, Given] | Sequence[Given]) -> dict[str, Given]:
    if isinstance(given, Mapping):
        return dict(given)
    return {str(number): one for number, one in enumerate(given, start=1)}


def assess_points(
    ct: CT,
    points: Sequence[Point],
    weights: WeightSet,
    networks: Networks,
    *,
    cascade: bool = False,
    stability: bool = False,
    progress: Progress | None = None,
    before: Sequence[Assessment] = (),
) -> Iterator[Outcome]:
    """Assesses points one after another.

    A point that cannot be assessed is refused, and the others go on (fault 25). Any other failure,
    such as a damaged weight file, a dead worker or a cancelled run, is not the point's fault and
    ends the loop.

    Args:
        ct: the CT that all points lie on.
        points: their names become the assessments'.
        weights: from ``load_weight_set``; ``with_thresholds`` sets the user's own.
        networks: a warm Engine or Worker of the same weights; a Worker's ``cancel`` ends the loop.
        cascade: see ``assess``.
        stability: also tests how far the answers move: see ``nodulerisk.trust.stability``.
        progress: called with the point's name and stage, and the share of all points done, 0..1.
        before: assessments of further points of this CT.

    Yields:
        Each point's outcome as soon as it is known, without advice, in the order of the points. Of
        several points on one nodule, the later ones have the first one's assessment, flagged (fault
        66).

    Raises:
        NoduleRiskError: any error of ``assess`` or ``stability`` but a PointError.
    """
    steps, known = 2 if stability else 1, [*before]
    for index, point in enumerate(points):
        first, then = (
            progress
            and partial(_report, progress, point.name, steps * index + step, steps * len(points))
            for step in (0, 1)
        )
        try:
            found = assess(
                ct,
                point.lps_mm,
                weights,
                name=point.name,
                networks=networks,
                progress=first,
                cascade=cascade,
            )
            if stability:
                moves = stability_of(ct, found, weights, networks, then)
                found = replace(found, stability=moves)
            found = told_apart(found, known, ct)
        except PointError as refusal:
            yield Outcome(point, refusal=str(refusal))
        else:
            known.append(found)
            yield Outcome(point, found)


def _report(progress: Progress, name: str, done: int, steps: int, stage: str, share: float) -> None:
    """Turns the progress of one step of a point into that of all points."""
    progress(joined(": ", (name, stage)), (done + share) / steps)
