"""Readers' annotations of nodules: labels in the points' descriptions, and their export as training
data.

The description of a control point is where it is kept, so that Slicer shows it, saves it and lets
it be edited: ``AIS, part-solid | reader: A | note: subtle``.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import center_of_mass
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib.display.nodes import segmentationNodes
from LungNoduleRiskLib.display.segments import regionOnCt
from LungNoduleRiskLib.scene import ctFromNode, placed, pointsLps
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.emv.masks import REACH_MM
from nodulerisk.datasets.nodules import (
    CROP_MM,
    LabelledNodule,
    box_around,
    cropped,
    equivalent_diameter_mm,
    read_each,
    split_of,
)
from nodulerisk.datasets.own_labels import fed_by_a_column, without_own_words
from nodulerisk.datasets.pathology import labels_in_words
from nodulerisk.datasets.rows import evidence_in, split_in
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import FORMULA_STARTS, inert, written_whole
from nodulerisk.language.texts import _, joined
from nodulerisk.tasks import TASKS
from nodulerisk.weights.own_tasks import OwnTask

UNSURE = "unsure"
GRADES = [f"IA {grade}" for grade in TASKS["grade"].classes]
LABELS = ("benign", "AAH", "AIS", "MIA", "IA", *GRADES, UNSURE)
OwnTasks = Mapping[str, OwnTask]
NO_OWN: OwnTasks = {}
PARTS = re.compile(
    r"(?P<label>.*?)(?:\| *reader:(?P<reader>[^|]*))?(?:\| *note:(?P<note>.*))?", re.DOTALL
)


@dataclass(frozen=True)
class Annotation:
    """A reader's annotation of a nodule.

    Attributes:
        label: one of ``LABELS``, or other words that ``labels_in_words`` takes, also of own tasks,
            such as ``EGFR: mutated``; empty: nothing said.
        reader: who says so, a pseudonym.
        note: anything.
    """

    label: str = ""
    reader: str = ""
    note: str = ""

    @classmethod
    def of(cls, description: str) -> Annotation:
        parts = PARTS.fullmatch(description)
        assert parts is not None  # every text matches
        return cls(**{name: (value or "").strip() for name, value in parts.groupdict().items()})

    def __str__(self) -> str:
        reader = self.reader.replace("|", " ")
        parts = [self.label, reader and f"reader: {reader}", self.note and f"note: {self.note}"]
        return " | ".join([parts[0], *filter(None, parts[1:])]).strip()

    def labels(self, ownTasks: OwnTasks = NO_OWN) -> dict[str, int]:
        """Index of the class by task; none where the reader is not sure.

        Raises:
            NoduleRiskError: words that are no label.
        """
        words, own = self.words(ownTasks)
        return labels_in_words(words) | own

    def words(self, ownTasks: OwnTasks = NO_OWN) -> tuple[str, dict[str, int]]:
        """The words of no own task, and the index of the class by own task; none where the reader
        is not sure.

        Raises:
            NoduleRiskError: see ``without_own_words``.
        """
        return ("", {}) if self.isUnsure else without_own_words(self.label, ownTasks)

    @property
    def isUnsure(self) -> bool:
        return self.label.casefold() == UNSURE


def labelsOf(ownTasks: OwnTasks) -> list[str]:
    """All labels to choose from: ``LABELS``, and those of own tasks, such as ``EGFR: mutated``.
    An own task that merges other labels has none, since its answer follows from them."""
    own = fed_by_a_column(ownTasks).values()
    return [*LABELS, *(f"{task.name}: {label}" for task in own for label in task.classes)]


def annotationOf(markupsNode: vtkMRMLMarkupsFiducialNode, index: int) -> Annotation:
    """The annotation of the list's control point."""
    return Annotation.of(markupsNode.GetNthControlPointDescription(index))


def annotate(markupsNode: vtkMRMLMarkupsFiducialNode, index: int, annotation: Annotation) -> None:
    """Writes an annotation into the description of the list's control point."""
    markupsNode.SetNthControlPointDescription(index, str(annotation))


def labelledNodules(
    volumeNode: vtkMRMLScalarVolumeNode,
    markupsNode: vtkMRMLMarkupsFiducialNode,
    patient: str | None = None,
    evidence: str = "reader",
    split: str | None = None,
    ownTasks: OwnTasks = NO_OWN,
) -> list[LabelledNodule]:
    """The nodules of a point list as training data: each with its segment as it is now, edited or
    drawn by hand.

    A nodule's mask is the segment of the point's name (case does not matter) in the CT's result
    segmentation; else in a segmentation drawn on this CT; else in any other that is no other CT's
    result. Its labels are those of the point's ``Annotation``; none where nothing is said. Its
    centre is the mask's. Its name begins with the patient and a hash of the CT's voxels, so that
    data of many CTs can be joined.

    Args:
        volumeNode: the CT (vtkMRMLScalarVolumeNode).
        markupsNode: the points (vtkMRMLMarkupsFiducialNode).
        patient: pseudonym that splits go by; None: the hash, so that each CT counts as a patient of
            its own.
        evidence: what the labels rest on: ``reader``, ``pathology`` or ``simulated``.
        split: ``train``, ``validation`` or ``test``; None: by a hash of the patient.
        ownTasks: of a weight set, that annotations may name.

    Raises:
        CTError, PointError: see ``ctFromNode`` and ``pointsLps``.
        NoduleRiskError: a parent transform is not linear, unknown evidence or split; or points that
            have no segment, an empty one or one that lies elsewhere, or an unknown label: all of
            them are named.
    """
    ct, points = ctFromNode(volumeNode), pointsLps(markupsNode)
    voxelHash = _voxelHash(ct)
    patient = _pseudonym(patient) or voxelHash
    common = {
        "patient": patient,
        "evidence": evidence_in({"evidence": evidence}),
        "split": split_in({"split": split or ""}) or split_of(patient),
    }
    prefix = "-".join(dict.fromkeys([patient, voxelHash]))
    annotations = [annotationOf(markupsNode, index) for index in placed(markupsNode)]
    nodules, refused = read_each(
        zip(points, annotations, strict=True),
        lambda annotated: annotated[0].name,
        lambda annotated: _labelledNodule(*annotated, ownTasks, ct, volumeNode, prefix, common),
    )
    if refused:
        reasons = (joined(": ", (point.name, point.reason)) for point in refused)
        words = _("Nothing was exported. Correct these points, or delete them:\n{reasons}.")
        raise NoduleRiskError(words.format(reasons=joined(".\n", reasons)))
    return list(nodules)


def _pseudonym(patient: str | None) -> str:
    """Refuses one that a spreadsheet would change: tables and file names spell it alike (fault
    79)."""
    if patient and patient.startswith(FORMULA_STARTS):
        words = _(
            "The pseudonym must not begin with {first}, which spreadsheets read as a formula:"
            " write it otherwise."
        )
        raise NoduleRiskError(words.format(first=patient[0]))
    return patient or ""


def writeLabels(
    volumeNode: vtkMRMLScalarVolumeNode,
    markupsNode: vtkMRMLMarkupsFiducialNode,
    path: Path,
    patient: str | None = None,
    ownTasks: OwnTasks = NO_OWN,
) -> None:
    """Writes the points' annotations as CSV, with the columns of an EMV table (see
    ``datasets.pathology``).

    Columns: ``ct`` (a hash of its voxels: put the CT's path there to train on the table),
    ``patient``, ``name``, ``x_lps``, ``y_lps``, ``z_lps`` (mm), ``pathology`` (the label; empty:
    unsure or nothing said), ``reader``, ``note``, and the column of each own task that is fed by
    one.

    Raises:
        CTError, PointError: see ``ctFromNode`` and ``pointsLps``.
        OutputError: the file cannot be written.
        NoduleRiskError: an own task's word is not understood.
    """
    own = fed_by_a_column(ownTasks)
    voxelHash = _voxelHash(ctFromNode(volumeNode))
    with (
        written_whole(path) as partial,
        partial.open("w", newline="", encoding="utf-8-sig") as file,
    ):
        writer = csv.writer(file)
        columns = "ct patient name x_lps y_lps z_lps pathology reader note".split()
        writer.writerow([*columns, *(task.column for task in own.values())])
        for point, index in zip(pointsLps(markupsNode), placed(markupsNode), strict=True):
            said = annotationOf(markupsNode, index)
            label, found = said.words(own)
            where = [round(value, 3) for value in point.lps_mm]
            row: list[str | float] = [
                voxelHash,
                _pseudonym(patient) or voxelHash,
                point.name,
                *where,
                label,
                said.reader,
                said.note,
                *(task.classes[found[n]] if n in found else "" for n, task in own.items()),
            ]
            writer.writerow([inert(value) for value in row])


def _voxelHash(ct: CT) -> str:
    """Names a CT without saying whose it is: the same in every scene, whatever its node, file or
    DICOM says."""
    return f"ct-{hashlib.sha256(np.ascontiguousarray(ct.hu).data).hexdigest()[:12]}"


def _labelledNodule(
    point: Point,
    annotation: Annotation,
    ownTasks: OwnTasks,
    ct: CT,
    volumeNode: vtkMRMLScalarVolumeNode,
    prefix: str,
    common: dict[str, Any],
) -> LabelledNodule:
    labels, mask = annotation.labels(ownTasks), _maskOf(point, ct, volumeNode)
    centre = triple(ct.point_of(center_of_mass(mask)[::-1]))
    box = box_around(ct, centre, CROP_MM)
    return LabelledNodule(
        name=f"{prefix}-{point.name}",
        ct=cropped(ct, box),
        centre_lps_mm=centre,
        labels=labels,
        marked=mask[box].astype(np.float32),
        diameter_mm=equivalent_diameter_mm(mask, ct.spacing_mm),
        pathology=annotation.words(ownTasks)[0],
        **common,
    )


def _maskOf(point: Point, ct: CT, volumeNode: vtkMRMLScalarVolumeNode) -> np.ndarray:
    """bool (z, y, x) on the CT's grid: the segment of a point's name, where the point is."""
    for segmentationNode in segmentationNodes(volumeNode):
        segmentId = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(point.name)
        if segmentId:
            break
    else:
        words = _("no segment is named '{name}': assess the point, or draw a segment of this name")
        raise NoduleRiskError(words.format(name=point.name))
    region, first = regionOnCt(segmentationNode, segmentId, volumeNode)
    if not region.any():
        raise NoduleRiskError(_("its segment is empty on this CT: draw it"))
    offsets_mm = (
        (np.argwhere(region) + first)[:, ::-1] - ct.voxel_of(point.lps_mm)
    ) * ct.spacing_mm
    distance_mm = np.linalg.norm(offsets_mm, axis=1).min()
    if distance_mm > REACH_MM:
        words = _("its segment lies {distance:.0f} mm from the point: it may be another nodule's")
        raise NoduleRiskError(words.format(distance=distance_mm))
    mask = np.zeros(ct.hu.shape, bool)
    mask[tuple(slice(a, a + n) for a, n in zip(first, region.shape, strict=True))] = region
    return mask
