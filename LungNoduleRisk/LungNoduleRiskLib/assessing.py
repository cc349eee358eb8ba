"""Assesses the points of a list on a CT: the same in Slicer, on slicer-core and in the web page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.engine.running import remote_networks
from nodulerisk.engine.worker import CANCELLED, RemoteNetworks
from nodulerisk.errors import NoduleRiskError, WorkerError
from nodulerisk.language.texts import _
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.trust.explain import Explanation, explain
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

Progress = Callable[[str, float], None]


@dataclass
class AssessmentRun:
    """A request, read from the scene, and its outcome: every point ends as an assessment or a
    refusal."""

    volumeNode: vtkMRMLScalarVolumeNode
    markupsNode: vtkMRMLMarkupsFiducialNode
    readCt: Callable[[], CT]
    points: list[Point]
    weights: str | Path
    device: str
    cascade: bool
    stability: bool
    thresholds: Mapping[str, float]
    keptMasks: frozenset[str]
    assessments: list[Assessment] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)  # name of the point -> why
    shown: int = 0  # of the assessments
    summarised: int = 0  # of those
    over: bool = False  # nothing is added any more

    def add(self, outcome: Outcome) -> None:
        """Takes what became of a point."""
        if outcome.assessment is None:
            self.refusals[outcome.point.name] = outcome.refusal
        else:
            self.assessments.append(outcome.assessment)


class SceneAssessor:
    """Assesses the points of a list on a CT and shows the results in the scene.

    ``assess`` blocks. A GUI calls its three parts: ``prepare`` and ``show`` on the main thread,
    since they touch MRML, and ``compute`` on another. The networks stay warm in a child process
    from one run to the next.
    """

    def __init__(self, makeNetworks: Callable[[WeightSet, str], RemoteNetworks] = remote_networks):
        """``makeNetworks`` starts whatever answers for a weight set's networks on a device."""
        self._makeNetworks = makeNetworks
        self._networks: RemoteNetworks | None = None
        self._networksOf: tuple | None = None
        self._cancelled = threading.Event()

    def assess(
        self,
        volumeNode: vtkMRMLScalarVolumeNode | None,
        markupsNode: vtkMRMLMarkupsFiducialNode | None,
        weights: str | Path = "open",
        device: str = "auto",
        progress: Progress | None = None,
        **choices: Any,
    ) -> AssessmentRun:
        """Assesses every point and shows the results; a point that is refused does not stop the
        others.

        Args:
            volumeNode: the CT (vtkMRMLScalarVolumeNode).
            markupsNode: the points, one on each nodule (vtkMRMLMarkupsFiducialNode).
            weights: name or folder of a weight set.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            progress: called with what is being done and the share done, 0..1.
            choices: see ``prepare``.

        Raises:
            NoduleRiskError: see ``prepare`` and ``compute``. The nodules assessed until then are
                shown; of these points nothing from an earlier run is left but masks that were
                changed by hand.
        """
        run = self.prepare(volumeNode, markupsNode, weights, device, **choices)
        try:
            self.compute(run, progress)
        finally:
            self.show(run)
        return run

    def prepare(
        self,
        volumeNode: vtkMRMLScalarVolumeNode | None,
        markupsNode: vtkMRMLMarkupsFiducialNode | None,
        weights: str | Path = "open",
        device: str = "auto",
        cascade: bool = False,
        thresholds: Mapping[str, float] | None = None,
        replaceMasks: bool = False,
        stability: bool = False,
    ) -> AssessmentRun:
        """Removes these points' earlier results, then reads the CT and the points: old results are
        never shown as new (fault 42).

        Args:
            cascade, thresholds: as ``assess`` and ``WeightSet.with_thresholds`` take them.
            stability: also test how stable the answers are: see ``nodulerisk.trust.stability``.
            replaceMasks: redraw masks that were drawn or changed by hand; otherwise they are kept
                and measured.

        Raises:
            NoduleRiskError: see ``scene.ctReader`` and ``scene.pointsLps``.
        """
        volumeNode, markupsNode = scene.selected(volumeNode, markupsNode)
        names = scene.pointNames(markupsNode)
        kept = frozenset() if replaceMasks else frozenset(results.handDrawn(volumeNode, names))
        results.removeAssessments(names, volumeNode, kept)
        self._cancelled.clear()
        readCt, points = scene.ctReader(volumeNode), scene.pointsLps(markupsNode)
        choices = cascade, stability, thresholds or {}, kept
        return AssessmentRun(volumeNode, markupsNode, readCt, points, weights, device, *choices)

    def compute(self, run: AssessmentRun, progress: Progress | None = None) -> None:
        """Fills the run's assessments and refusals; touches no MRML.

        Raises:
            NoduleRiskError: the CT or the weight set does not serve, the networks failed, or the
                run was cancelled.
        """
        try:
            self._compute(run, progress)
        finally:
            run.over = True

    def _compute(self, run: AssessmentRun, progress: Progress | None) -> None:
        # needs packages that are installed only when the user first assesses
        from nodulerisk.assess_points import assess_points

        weights = load_weight_set(run.weights).with_thresholds(run.thresholds)
        networks = self._warm(weights, run.device)
        outcomes = assess_points(
            run.readCt(),
            run.points,
            weights,
            networks,
            cascade=run.cascade,
            stability=run.stability,
            progress=progress,
        )
        for _point in run.points:
            if self._cancelled.is_set():
                raise WorkerError(CANCELLED)
            run.add(next(outcomes))

    def show(self, run: AssessmentRun) -> None:
        """Shows the nodules that the run has assessed since it was last shown."""
        while self.showNext(run):
            pass
        self.summarise(run)

    def showNext(self, run: AssessmentRun) -> bool:
        """Shows one nodule of those, or after the last fills table and chart; False where nothing
        is left to do now."""
        if run.shown == len(run.assessments):
            return run.over and self.summarise(run)
        assessment = run.assessments[run.shown]
        run.shown += 1
        kept = assessment.name in run.keptMasks
        results.showAssessment(assessment, run.volumeNode, keepMask=kept, summarised=False)
        if run.markupsNode.GetScene() is not None:
            results.colourPoints(run.markupsNode, {assessment.name: assessment})
        return True

    def summarise(self, run: AssessmentRun) -> bool:
        """Fills table and chart with what was shown since; whether there was anything."""
        new, run.summarised = run.shown > run.summarised, run.shown
        if new and run.volumeNode.GetScene() is not None:
            results.summarise(run.volumeNode)
        return new

    def explainer(
        self,
        assessment: Assessment,
        volumeNode: vtkMRMLScalarVolumeNode,
        weights: str | Path,
        device: str = "auto",
    ) -> Callable[[], Explanation]:
        """A function that finds where a network looked (see ``explain``); it takes seconds, and can
        be called on any thread.

        Raises:
            NoduleRiskError: see ``scene.ctReader``; when called, also where the nodule was assessed
                by other weights.
        """
        return partial(self._explain, scene.ctReader(volumeNode), assessment, weights, device)

    def cancel(self) -> None:
        """Ends the run under way, from any thread: its ``compute`` raises."""
        self._cancelled.set()
        self.close()

    def close(self) -> None:
        """Ends the child process with the networks; the next run starts a new one."""
        networks, self._networks = self._networks, None
        if networks is not None:
            networks.cancel()

    def _explain(
        self, readCt: Callable[[], CT], assessment: Assessment, weights: str | Path, device: str
    ) -> Explanation:
        weightSet = load_weight_set(weights)  # compares the hashes of what may be a gigabyte
        if assessment.provenance.network_sha256 != weightSet.hashes():
            raise NoduleRiskError(
                _("The nodule was assessed by other weights: choose them, or assess it again.")
            )
        return explain(readCt(), assessment, weightSet, self._warm(weightSet, device))

    def _warm(self, weights: WeightSet, device: str) -> RemoteNetworks:
        """The networks of the last run if they are the ones wanted, otherwise new ones."""
        wanted = (weights.folder, weights.hashes(), device)
        if self._networks is None or self._networksOf != wanted:
            self.close()
            self._networks, self._networksOf = self._makeNetworks(weights, device), wanted
        return self._networks
