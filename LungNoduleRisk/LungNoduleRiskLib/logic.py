"""What the module can do, without a GUI: the same in Slicer, on slicer-core and in the web page."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from LungNoduleRiskLib import scene
from nodulerisk.assessment import Assessment
from nodulerisk.ct import CT
from nodulerisk.datasets.densesharp_format import add_densesharp, write_densesharp
from nodulerisk.errors import NoduleRiskError, PointError, WorkerError
from nodulerisk.points import Point
from nodulerisk.weights import WeightSet, load_weight_set
from nodulerisk.worker import CANCELLED, Worker

Progress = Callable[[str, float], None]


@dataclass
class Run:
    """What is asked, read from the scene, and what becomes of it: every point ends as an assessment or a refusal."""

    volumeNode: object
    ct: CT
    points: list[Point]
    weights: str | Path
    device: str
    assessments: list[Assessment] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)  # name of the point -> why


class NoduleLogic:
    """Assesses the points of a list on a CT and shows the results in the scene.

    ``assess`` blocks. A GUI calls its three parts: ``prepare`` and ``show`` on the main thread, since they touch MRML,
    and ``compute`` on another. The networks stay warm in a child process from one run to the next.
    """

    def __init__(self, makeNetworks: Callable[[WeightSet, str], Worker] = Worker):
        """``makeNetworks`` starts whatever answers for a weight set's networks on a device."""
        self._makeNetworks = makeNetworks
        self._networks: Worker | None = None
        self._networksOf: tuple | None = None
        self._cancelled = threading.Event()

    def assess(
        self,
        volumeNode,
        markupsNode,
        weights: str | Path = "open",
        device: str = "auto",
        progress: Progress | None = None,
    ) -> Run:
        """Assesses every point and shows the results; a point that is refused does not stop the others.

        Args:
            volumeNode: the CT (vtkMRMLScalarVolumeNode).
            markupsNode: the points, one on each nodule (vtkMRMLMarkupsFiducialNode).
            weights: name or folder of a weight set.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            progress: called with what is being done and the share done, 0..1.

        Raises:
            NoduleRiskError: see ``prepare`` and ``compute``. The nodules assessed until then are shown; of these points
                nothing from an earlier run is left.
        """
        run = self.prepare(volumeNode, markupsNode, weights, device)
        try:
            self.compute(run, progress)
        finally:
            self.show(run)
        return run

    def prepare(self, volumeNode, markupsNode, weights: str | Path = "open", device: str = "auto") -> Run:
        """Reads the CT and the points, once these points' earlier results are gone: none passes for new (fault 42).

        Raises:
            NoduleRiskError: see ``scene.ctFromNode`` and ``scene.pointsLps``.
        """
        _refuseNothing(volumeNode, markupsNode)
        for name in scene.pointNames(markupsNode):
            scene.removeAssessment(name, volumeNode)
        self._cancelled.clear()
        return Run(volumeNode, scene.ctFromNode(volumeNode), scene.pointsLps(markupsNode), weights, device)

    def compute(self, run: Run, progress: Progress | None = None) -> None:
        """Fills the run's assessments and refusals; touches no MRML.

        Raises:
            NoduleRiskError: the weight set does not serve, the networks failed, or the run was cancelled.
        """
        from nodulerisk.assess import assess  # needs packages that are installed only when the user first assesses

        weights = load_weight_set(run.weights)
        networks = self._warm(weights, run.device)
        for index, point in enumerate(run.points):
            if self._cancelled.is_set():
                raise WorkerError(CANCELLED)
            report = partial(_report, progress, point.name, index, len(run.points)) if progress else None
            try:
                run.assessments.append(
                    assess(run.ct, point.lps_mm, weights, name=point.name, networks=networks, progress=report)
                )
            except PointError as error:
                run.refusals[point.name] = str(error)

    def show(self, run: Run) -> None:
        """Shows what the run has assessed so far, be it complete or not."""
        for assessment in run.assessments:
            scene.showAssessment(assessment, run.volumeNode)

    def exportNodules(
        self,
        volumeNode,
        markupsNode,
        folder: str | Path,
        patient: str | None = None,
        evidence: str = "reader",
        split: str | None = None,
    ) -> Path:
        """Writes the nodules with their segments, as they are now, as training data in DenseSharp's format.

        One folder takes the nodules of many CTs, export by export; ``nodulerisk train`` and ``evaluate`` read it. A
        nodule of the same CT and name takes the place of its earlier export.

        Args:
            volumeNode: the CT (vtkMRMLScalarVolumeNode).
            markupsNode: the points (vtkMRMLMarkupsFiducialNode), each with a segment of its name; labels in their
                descriptions, such as ``AIS, part-solid``: see ``scene.labelledNodules``.
            folder: new, empty, or of earlier exports.
            patient: pseudonym, never the name or ID; None: each CT counts as a patient of its own, so give it where a
                patient has several.
            evidence: what the labels rest on: ``reader``, ``pathology`` or ``simulated``.
            split: ``train``, ``validation`` or ``test``; None: by a hash of the patient.

        Returns:
            The folder.

        Raises:
            NoduleRiskError: see ``scene.labelledNodules`` and ``add_densesharp``; nothing was written.
            OutputError: the folder holds something else, or cannot be written.
        """
        _refuseNothing(volumeNode, markupsNode)
        nodules = scene.labelledNodules(volumeNode, markupsNode, patient, evidence, split)
        with TemporaryDirectory() as passing:  # a nodule that the format refuses leaves nothing in the folder
            return add_densesharp(write_densesharp(nodules, Path(passing)), Path(folder))

    def cancel(self) -> None:
        """Ends the run under way, from any thread: its ``compute`` raises."""
        self._cancelled.set()
        self.close()

    def close(self) -> None:
        """Ends the child process with the networks; the next run starts a new one."""
        networks, self._networks = self._networks, None
        if networks is not None:
            networks.cancel()

    def _warm(self, weights: WeightSet, device: str) -> Worker:
        """The networks of the last run if they are these, else new ones."""
        wanted = (weights.folder, weights.hashes(), device)
        if self._networks is None or self._networksOf != wanted:
            self.close()
            self._networks, self._networksOf = self._makeNetworks(weights, device), wanted
        return self._networks


def _refuseNothing(volumeNode, markupsNode) -> None:
    if volumeNode is None or markupsNode is None:
        raise NoduleRiskError("Select a CT and a list of points.")


def _report(progress: Progress, name: str, index: int, count: int, stage: str, share: float) -> None:
    """One nodule's progress as that of the run."""
    progress(f"{name}: {stage}", (index + share) / count)
