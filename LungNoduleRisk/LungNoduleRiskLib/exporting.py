"""Files of a scene's nodules: the report, DICOM, and training data.

What takes seconds is prepared where the scene may be read, and written on any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.annotations import NO_OWN, OwnTasks, labelledNodules, writeLabels
from LungNoduleRiskLib.comparing import Gone
from LungNoduleRiskLib.display import results
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import Advice
from nodulerisk.clinical.followup import Earlier
from nodulerisk.datasets.densesharp.write import add_densesharp, write_densesharp
from nodulerisk.datasets.own_labels import fed_by_a_column
from nodulerisk.errors import OutputError
from nodulerisk.language.texts import _

if TYPE_CHECKING:
    from nodulerisk.outputs.dicom import DicomSource

PAGE_MM = 40.0  # of the CT around a nodule, for its page


def reportWriter(
    assessments: Sequence[Assessment],
    volumeNode: vtkMRMLScalarVolumeNode,
    adviceFor: Callable[[Assessment], Advice],
    path: Path,
    earlierOf: Callable[[str], Sequence[Earlier]] | None = None,
    readIdentity: Callable[[], dict[str, str]] | None = None,
    gone: Sequence[Gone] = (),
) -> Callable[[], None]:
    """A function that writes the nodules' report (HTML): meshes and slices with the masks as
    they are now, scores and guidelines.

    It takes seconds, and may be called on any thread; it raises OutputError where the file
    cannot be written.

    Args:
        assessments: without their masks.
        volumeNode: their CT.
        adviceFor: what scores and guidelines say of a nodule; what they used of the patient is in
            the report, nothing else of it is kept.
        path: the file.
        earlierOf: a nodule's earlier scans by its name, the oldest first.
        readIdentity: reads what the report is to say about the patient; None: nothing.
        gone: nodules of earlier CTs that this one does not show.
    """
    found = [results.withMask(assessment, volumeNode, PAGE_MM) for assessment in assessments]
    before = {one.name: earlierOf(one.name) if earlierOf else () for _ct, one in found}
    nodules = [(ct, one, adviceFor(one), before[one.name]) for ct, one in found]
    return partial(_writeReport, nodules, path, readIdentity, gone)


def dicomWriter(
    volumeNode: vtkMRMLScalarVolumeNode,
    folder: Path,
    readSource: Callable[[], DicomSource] | None = None,
    adviceFor: Callable[[Assessment], Advice] | None = None,
) -> Callable[[], None]:
    """A function that writes the nodules as DICOM SEG and SR; both name the patient, as the
    series does.

    It takes seconds, and may be called on any thread; it raises OutputError where a file cannot
    be written.

    Args:
        volumeNode: the CT.
        folder: where to.
        readSource: what reads the CT's series (see ``read_source``); None: Slicer's DICOM
            module knows its files.
        adviceFor: what scores and guidelines say of a nodule; None: nothing.

    Raises:
        OutputError: Slicer's DICOM module does not know its files.
        NoduleRiskError: see ``scene.ctFromNode``.
    """
    readSource = readSource or _sourceReader(volumeNode)
    found = results.withMasks(volumeNode, scene.ctFromNode(volumeNode))
    advice = {one.name: adviceFor(one) for one in found} if adviceFor else {}
    return partial(_writeDicom, readSource, found, folder, advice)


def exportNodules(
    volumeNode: vtkMRMLScalarVolumeNode | None,
    markupsNode: vtkMRMLMarkupsFiducialNode | None,
    folder: str | Path,
    patient: str | None = None,
    evidence: str = "reader",
    split: str | None = None,
    ownTasks: OwnTasks = NO_OWN,
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
        ownTasks: those of a weight set (``WeightSet.own_tasks``), whose labels are written too.

    Returns:
        The folder.

    Raises:
        NoduleRiskError: see ``annotations.labelledNodules`` and ``add_densesharp``; nothing was
            written.
        OutputError: the folder holds something else, or cannot be written.
    """
    nodes = scene.selected(volumeNode, markupsNode)
    nodules = labelledNodules(*nodes, patient, evidence, split, ownTasks)
    with (
        TemporaryDirectory() as passing
    ):  # a nodule that the format refuses leaves nothing in the folder
        own = fed_by_a_column(ownTasks)
        return add_densesharp(write_densesharp(nodules, Path(passing), own_tasks=own), Path(folder))


def exportLabels(
    volumeNode: vtkMRMLScalarVolumeNode | None,
    markupsNode: vtkMRMLMarkupsFiducialNode | None,
    path: str | Path,
    patient: str | None = None,
    ownTasks: OwnTasks = NO_OWN,
) -> None:
    """Writes the points' labels as CSV: see ``annotations.writeLabels``."""
    writeLabels(*scene.selected(volumeNode, markupsNode), Path(path), patient, ownTasks)


def _writeReport(
    nodules: Sequence[tuple],
    path: Path,
    readIdentity: Callable[[], dict[str, str]] | None,
    gone: Sequence[Gone],
) -> None:
    # needs packages that are installed at first use
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
    from nodulerisk.outputs.not_found import not_found_at

    identity = readIdentity() if readIdentity else None
    not_found = [
        not_found_at(one.assessment, one.when, one.words, one.ct, one.place, one.laterCt)
        for one in gone
    ]
    write_report([ReportNodule(*nodule) for nodule in nodules], path, identity, not_found=not_found)


def _sourceReader(volumeNode: vtkMRMLScalarVolumeNode) -> Callable[[], DicomSource]:
    files = scene.dicomFiles(volumeNode)
    if not files:
        raise OutputError(
            _(
                "The CT does not come from Slicer's DICOM module: load its series there, and"
                " assess it."
            )
        )

    def readSource() -> DicomSource:
        from nodulerisk.outputs.dicom import (
            source_of,  # needs packages that are installed at first use
        )

        return source_of(files)

    return readSource


def _writeDicom(
    readSource: Callable[[], DicomSource],
    assessments: Sequence[Assessment],
    folder: Path,
    advice: Mapping[str, Advice],
) -> None:
    from nodulerisk.outputs.dicom import (
        write_dicom,  # needs packages that are installed at first use
    )

    write_dicom(assessments, readSource(), folder, advice=advice)
