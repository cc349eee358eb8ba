"""What the module can do, without a GUI: the same in Slicer, on slicer-core and in the web page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from LungNoduleRiskLib import annotations, results, scene
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import Advice
from nodulerisk.clinical.followup import Earlier, followed
from nodulerisk.clinical.registration import Alignment, Matches, align, proposed
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.densesharp_format import add_densesharp, write_densesharp
from nodulerisk.engine.worker import CANCELLED, RemoteNetworks, Worker
from nodulerisk.errors import NoduleRiskError, OutputError, PointError, WorkerError
from nodulerisk.trust.explain import Explanation, explain
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

if TYPE_CHECKING:
    from nodulerisk.outputs.dicom import DicomSource

Progress = Callable[[str, float], None]
MOVED_MM = 0.1  # a point farther than this from where it was assessed was moved
PAGE_MM = 40.0  # of the CT around a nodule, for its page


@dataclass
class Run:
    """What is asked, read from the scene, and what becomes of it: every point ends as an assessment
    or a refusal."""

    volumeNode: object
    markupsNode: object
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


@dataclass(frozen=True)
class Nodule:
    """A nodule as the scene has it: a point, an assessment, or both.

    Attributes:
        name: of the point.
        index: of the control point; None where the point was deleted after it was assessed.
        assessment: without its mask; None where it was not assessed yet.
        moved: the point was moved since.
    """

    name: str
    index: int | None
    assessment: Assessment | None
    moved: bool = False


def remarks(nodule: Nodule, refusal: str | None = None) -> list[str]:
    """What stands between a nodule and its results; ``refusal``: why the last run refused its
    point."""
    found = []
    if refusal is not None:
        found.append(f"Refused: {refusal}")
    elif nodule.assessment is None:
        found.append("Not assessed yet.")
    if nodule.moved:
        found.append("The point was moved since: these results are of where it was. Assess again.")
    if nodule.index is None:
        found.append("Its point was deleted or renamed, or is in another list.")
    return found


class NoduleLogic:
    """Assesses the points of a list on a CT and shows the results in the scene.

    ``assess`` blocks. A GUI calls its three parts: ``prepare`` and ``show`` on the main thread,
    since they touch MRML, and ``compute`` on another. The networks stay warm in a child process
    from one run to the next.
    """

    def __init__(self, makeNetworks: Callable[[WeightSet, str], RemoteNetworks] = Worker):
        """``makeNetworks`` starts whatever answers for a weight set's networks on a device."""
        self._makeNetworks = makeNetworks
        self._networks: RemoteNetworks | None = None
        self._networksOf: tuple | None = None
        self._cancelled = threading.Event()

    def assess(
        self,
        volumeNode,
        markupsNode,
        weights: str | Path = "open",
        device: str = "auto",
        progress: Progress | None = None,
        **choices,
    ) -> Run:
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
        volumeNode,
        markupsNode,
        weights: str | Path = "open",
        device: str = "auto",
        cascade: bool = False,
        thresholds: Mapping[str, float] | None = None,
        replaceMasks: bool = False,
        stability: bool = False,
    ) -> Run:
        """Looks at the CT and the points, once these points' earlier results are gone: none passes
        for new (fault 42).

        Args:
            cascade, thresholds: as ``assess`` and ``WeightSet.with_thresholds`` take them.
            stability: how far the answers move is found out, too: see ``nodulerisk.stability``.
            replaceMasks: masks that were drawn or changed by hand are drawn anew; else they stay,
                and are measured.

        Raises:
            NoduleRiskError: see ``scene.ctReader`` and ``scene.pointsLps``.
        """
        _refuseNothing(volumeNode, markupsNode)
        names = scene.pointNames(markupsNode)
        kept = frozenset() if replaceMasks else frozenset(results.handDrawn(volumeNode, names))
        results.removeAssessments(names, volumeNode, kept)
        self._cancelled.clear()
        readCt, points = scene.ctReader(volumeNode), scene.pointsLps(markupsNode)
        choices = cascade, stability, thresholds or {}, kept
        return Run(volumeNode, markupsNode, readCt, points, weights, device, *choices)

    def compute(self, run: Run, progress: Progress | None = None) -> None:
        """Fills the run's assessments and refusals; touches no MRML.

        Raises:
            NoduleRiskError: the CT or the weight set does not serve, the networks failed, or the
                run was cancelled.
        """
        from nodulerisk.assess import (
            assess,  # needs packages that are installed only when the user first assesses
        )
        from nodulerisk.trust.stability import stability

        weights = load_weight_set(run.weights).with_thresholds(run.thresholds)
        networks = self._warm(weights, run.device)
        ct = run.readCt()
        for index, point in enumerate(run.points):
            if self._cancelled.is_set():
                raise WorkerError(CANCELLED)
            report = (
                partial(_report, progress, point.name, index, len(run.points)) if progress else None
            )
            options = {
                "name": point.name,
                "networks": networks,
                "cascade": run.cascade,
                "progress": report,
            }
            try:
                found = assess(ct, point.lps_mm, weights, **options)
                moved = stability(ct, found, weights, networks, report) if run.stability else None
                run.assessments.append(replace(found, stability=moved))
            except PointError as error:
                run.refusals[point.name] = str(error)

    def show(self, run: Run) -> None:
        """Shows what the run has assessed since it was last shown, be it complete or not."""
        while self.showNext(run):
            pass

    def showNext(self, run: Run) -> bool:
        """Shows one nodule of those; False where there is none."""
        if run.shown == len(run.assessments):
            return False
        assessment = run.assessments[run.shown]
        run.shown += 1
        results.showAssessment(
            assessment, run.volumeNode, keepMask=assessment.name in run.keptMasks
        )
        if run.markupsNode.GetScene() is not None:
            results.colourPoint(run.markupsNode, assessment)
        return True

    def nodules(self, volumeNode, markupsNode) -> list[Nodule]:
        """Every point of the list, then what was assessed on the CT and has no point in it any
        more.

        Raises:
            NoduleRiskError: see ``scene.pointsLps`` and ``results.savedAssessments``.
        """
        saved = results.savedAssessments(volumeNode) if volumeNode is not None else {}
        indices = scene.placed(markupsNode) if markupsNode is not None else {}
        points = scene.pointsLps(markupsNode) if indices else []
        listed = [
            Nodule(point.name, index, saved.get(point.name), _moved(point, saved.get(point.name)))
            for point, index in zip(points, indices, strict=True)
        ]
        names = {nodule.name for nodule in listed}
        return listed + [
            Nodule(name, None, assessment)
            for name, assessment in saved.items()
            if name not in names
        ]

    def delete(self, nodule: Nodule, volumeNode, markupsNode) -> None:
        """Removes a nodule's point and its results."""
        if nodule.index is not None:
            markupsNode.RemoveNthControlPoint(nodule.index)
        if volumeNode is not None:
            results.removeAssessment(nodule.name, volumeNode)

    def reportWriter(
        self,
        assessments: Sequence[Assessment],
        volumeNode,
        adviceFor: Callable[[Assessment], Advice],
        path: Path,
        earlier: Mapping[str, Earlier] | None = None,
    ) -> Callable[[], None]:
        """What writes the nodules' report (HTML): meshes and slices with their masks as they are
        now, scores and guidelines.

        It takes seconds, and may be called on any thread; it raises OutputError where the file
        cannot be written.

        Args:
            assessments: without their masks.
            volumeNode: their CT.
            adviceFor: what scores and guidelines say of a nodule; what they used of the patient is
                in the report, nothing else of it is kept.
            path: the file.
            earlier: the nodules at an earlier scan, by name: see ``followUps``.
        """
        found = [results.withMask(assessment, volumeNode, PAGE_MM) for assessment in assessments]
        before = {name: [one] for name, one in (earlier or {}).items()}
        nodules = [(ct, one, adviceFor(one), before.get(one.name, ())) for ct, one in found]
        return partial(_writeReport, nodules, path)

    def aligner(self, earlierNode, volumeNode, days: float) -> Callable[[], Alignment]:
        """What aligns the lungs of two CTs; it takes seconds, and may be called on any thread (see
        ``align``).

        Raises:
            NoduleRiskError: there is nothing to compare, or the days between are not known; see
                ``scene.ctReader``.
        """
        _refuseNoComparison(earlierNode, volumeNode, days)
        readers = scene.ctReader(earlierNode), scene.ctReader(volumeNode)
        return lambda: align(*(read() for read in readers))

    def matches(self, alignment: Alignment, earlierNode, volumeNode) -> Matches:
        """The assessed nodules of two CTs that may be one, by their places."""
        return proposed(*(_placesOf(node) for node in (earlierNode, volumeNode)), alignment)

    def followUps(
        self, matches: Matches, earlierNode, volumeNode, days: float
    ) -> dict[str, Earlier]:
        """The nodules that are at both scans, by the name each has now, with what became of it."""
        before, after = results.savedAssessments(earlierNode), results.savedAssessments(volumeNode)
        pairs = [(before[pair.before.name], after[pair.after.name]) for pair in matches.pairs]
        return {now.name: _earlier(once, now, days) for once, now in pairs}

    def explainer(
        self, assessment: Assessment, volumeNode, weights: str | Path, device: str = "auto"
    ) -> Callable[[], Explanation]:
        """What finds out where a network looked (see ``explain``); it takes seconds, and may be
        called on any thread.

        Raises:
            NoduleRiskError: see ``scene.ctReader``; when called, also where the nodule was assessed
                by other weights.
        """
        return partial(self._explain, scene.ctReader(volumeNode), assessment, weights, device)

    def dicomWriter(
        self, volumeNode, folder: Path, readSource: Callable[[], DicomSource] | None = None
    ) -> Callable[[], None]:
        """What writes the nodules as DICOM, SEG and SR; both name the patient, as the series does.

        It takes seconds, and may be called on any thread; it raises OutputError where a file cannot
        be written.

        Args:
            volumeNode: the CT.
            folder: where to.
            readSource: what reads the CT's series (see ``read_source``); None: Slicer's DICOM
                module knows its files.

        Raises:
            OutputError: it does not.
            NoduleRiskError: see ``scene.ctFromNode``.
        """
        readSource = readSource or _sourceReader(volumeNode)
        return partial(
            _writeDicom,
            readSource,
            results.withMasks(volumeNode, scene.ctFromNode(volumeNode)),
            folder,
        )

    def exportNodules(
        self,
        volumeNode,
        markupsNode,
        folder: str | Path,
        patient: str | None = None,
        evidence: str = "reader",
        split: str | None = None,
    ) -> Path:
        """Writes the nodules with their segments, as they are now, as training data in DenseSharp's
        format.

        One folder takes the nodules of many CTs, export by export; ``nodulerisk train`` and
        ``evaluate`` read it. A nodule of the same CT and name takes the place of its earlier
        export.

        Args:
            volumeNode: the CT (vtkMRMLScalarVolumeNode).
            markupsNode: the points (vtkMRMLMarkupsFiducialNode), each with a segment of its name;
                labels in their descriptions, such as ``AIS, part-solid``: see
                ``annotations.labelledNodules``.
            folder: new, empty, or of earlier exports.
            patient: pseudonym, never the name or ID; None: each CT counts as a patient of its own,
                so give it where a patient has several.
            evidence: what the labels rest on: ``reader``, ``pathology`` or ``simulated``.
            split: ``train``, ``validation`` or ``test``; None: by a hash of the patient.

        Returns:
            The folder.

        Raises:
            NoduleRiskError: see ``annotations.labelledNodules`` and ``add_densesharp``; nothing was
                written.
            OutputError: the folder holds something else, or cannot be written.
        """
        _refuseNothing(volumeNode, markupsNode)
        nodules = annotations.labelledNodules(volumeNode, markupsNode, patient, evidence, split)
        with (
            TemporaryDirectory() as passing
        ):  # a nodule that the format refuses leaves nothing in the folder
            return add_densesharp(write_densesharp(nodules, Path(passing)), Path(folder))

    def exportLabels(
        self, volumeNode, markupsNode, path: str | Path, patient: str | None = None
    ) -> None:
        """Writes what is said of the points as CSV: see ``annotations.writeLabels``."""
        _refuseNothing(volumeNode, markupsNode)
        annotations.writeLabels(volumeNode, markupsNode, Path(path), patient)

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
                "The nodule was assessed by other weights: choose them, or assess it again."
            )
        return explain(readCt(), assessment, weightSet, self._warm(weightSet, device))

    def _warm(self, weights: WeightSet, device: str) -> RemoteNetworks:
        """The networks of the last run if they are these, else new ones."""
        wanted = (weights.folder, weights.hashes(), device)
        if self._networks is None or self._networksOf != wanted:
            self.close()
            self._networks, self._networksOf = self._makeNetworks(weights, device), wanted
        return self._networks


def _refuseNoComparison(earlierNode, volumeNode, days: float) -> None:
    if earlierNode is None or volumeNode is None or earlierNode is volumeNode:
        raise NoduleRiskError("Select the earlier CT to compare with.")
    if not all(results.savedAssessments(node) for node in (earlierNode, volumeNode)):
        raise NoduleRiskError(
            "Assess the nodules of both CTs first: select each as the chest CT, and assess it."
        )
    if days <= 0:
        raise NoduleRiskError("Say how many days lie between the two CTs.")


def _placesOf(volumeNode) -> list[Point]:
    saved = results.savedAssessments(volumeNode)
    return [Point(name, assessment.centre_lps_mm) for name, assessment in saved.items()]


def _earlier(once: Assessment, now: Assessment, days: float) -> Earlier:
    """The nodule at the earlier scan, and what became of it where both were measured."""
    when = f"{days:g} days before"
    try:
        return Earlier(when, once, followed(once, now, days))
    except NoduleRiskError:  # one of them has no mask
        return Earlier(when, once, None)


def _writeReport(nodules: Sequence[tuple], path: Path) -> None:
    from nodulerisk.outputs.report import (  # needs packages that are installed at first use
        ReportNodule,
        write_report,
    )

    write_report([ReportNodule(*nodule) for nodule in nodules], path)


def _sourceReader(volumeNode) -> Callable[[], DicomSource]:
    files = scene.dicomFiles(volumeNode)
    if not files:
        raise OutputError(
            "The CT does not come from Slicer's DICOM module: load its series there, and assess it."
        )

    def readSource() -> DicomSource:
        from nodulerisk.outputs.dicom import (
            source_of,  # needs packages that are installed at first use
        )

        return source_of(files)

    return readSource


def _writeDicom(
    readSource: Callable[[], DicomSource], assessments: Sequence[Assessment], folder: Path
) -> None:
    from nodulerisk.outputs.dicom import (
        write_dicom,  # needs packages that are installed at first use
    )

    write_dicom(assessments, readSource(), folder)


def _refuseNothing(volumeNode, markupsNode) -> None:
    if volumeNode is None or markupsNode is None:
        raise NoduleRiskError("Select a CT and a list of points.")


def _moved(point: Point, assessment: Assessment | None) -> bool:
    return assessment is not None and bool(
        np.linalg.norm(np.subtract(point.lps_mm, assessment.point_lps_mm)) > MOVED_MM
    )


def _report(
    progress: Progress, name: str, index: int, count: int, stage: str, share: float
) -> None:
    """One nodule's progress as that of the run."""
    progress(f"{name}: {stage}", (index + share) / count)
