"""Between the MRML scene and the core, and the only place that turns RAS into LPS: x and y change sign, in mm.

For each CT the scene holds one segmentation node (a segment a nodule), one table node (a row a nodule) and one text
node (the assessments as JSON), in one subject-hierarchy folder. The text node is what counts; the table is written from
it. None of these nodes bears the CT's name, which may be the patient's, since node names become file names.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import slicer
import vtk
from scipy.ndimage import center_of_mass
from vtk.util.numpy_support import vtk_to_numpy

from nodulerisk.assessment import EVIDENCE_WORDS, Assessment, NoduleMask
from nodulerisk.ct import CT, triple
from nodulerisk.datasets.emv_table import REACH_MM, labels_in_words
from nodulerisk.datasets.nodules import (
    CROP_MM,
    LabelledNodule,
    box_around,
    cropped,
    equivalent_diameter_mm,
    read_each,
    split_of,
)
from nodulerisk.datasets.rows import evidence_in, split_in
from nodulerisk.errors import CTError, NoduleRiskError, PointError
from nodulerisk.points import Point, named_points
from nodulerisk.weights import TASKS

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
VOLUME_ROLE = "LungNoduleRisk.Volume"  # node reference from a result to its CT
FOLDER = "Lung nodule risk"
NOT_RUN = {"decision": None, "mean": None, "evidence": "none"}  # a task that an older assessment does not name
RESULTS = {
    "vtkMRMLSegmentationNode": "Lung nodules",
    "vtkMRMLTableNode": "Lung nodule probabilities",
    "vtkMRMLTextNode": "Lung nodule assessments",
}
NODULE_IN_LUNG = (  # SNOMED CT, by the DICOM lists that come with Slicer
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^27925004^Nodule~^^~Anatomic codes - DICOM master list~SCT^39607008^Lung~^^"
)
NOT_LINEAR = (
    "The CT or the points are under a transform that bends space; Slicer adds one to a series with uneven or tilted "
    "slices. Harden or remove it in the Transforms module, and assess again."
)


def ctFromNode(volumeNode) -> CT:
    """The CT as it lies in the world, linear parent transforms applied; its voxels are a copy.

    Raises:
        CTError: no voxels, or anything that `CT.from_array` refuses.
        NoduleRiskError: a parent transform is not linear (fault 13).
    """
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfScalarComponents() != 1:
        raise CTError("The selected volume holds no CT: load the CT, or select another volume.")
    ijkToLps = RAS_TO_LPS @ _ijkToWorld(volumeNode)
    axes, origin = ijkToLps[:3, :3], ijkToLps[:3, 3]
    spacing = np.linalg.norm(axes, axis=0)
    return CT.from_array(slicer.util.arrayFromVolume(volumeNode).copy(), spacing, origin, axes / spacing)


def pointNames(markupsNode) -> list[str]:
    """The names that the nodules of a point list have everywhere, in the list's order."""
    return [point.name for point in named_points((label, (0, 0, 0)) for label in _placed(markupsNode).values())]


def pointsLps(markupsNode) -> list[Point]:
    """The points that were placed, LPS mm in the world, linear parent transforms applied.

    Raises:
        PointError: there is none.
        NoduleRiskError: a parent transform is not linear (fault 13).
    """
    placed = _placed(markupsNode)
    if not placed:
        raise PointError("There is no point yet: place one on each nodule.")
    toLps = RAS_TO_LPS @ _toWorld(markupsNode)
    positions = (toLps @ [*markupsNode.GetNthControlPointPosition(index), 1] for index in placed)
    return named_points((label, (x, y, z)) for label, (x, y, z, _) in zip(placed.values(), positions, strict=True))


def showAssessment(assessment: Assessment, volumeNode) -> None:
    """Shows a nodule's assessment in the CT's scene, in place of the earlier one of that name.

    Raises:
        NoduleRiskError: the CT has left the scene or has another size now; the earlier assessment is gone nevertheless.
    """
    if volumeNode.GetScene() is None:
        raise NoduleRiskError("The CT was removed while it was assessed: load it again.")
    removeAssessment(assessment.name, volumeNode)
    if assessment.nodule is not None:
        _addSegment(assessment.name, assessment.nodule, volumeNode)
    _save(savedAssessments(volumeNode) | {assessment.name: assessment.to_dict()}, volumeNode)


def removeAssessment(name: str, volumeNode) -> None:
    """Removes a nodule's segment, row and saved assessment, where there are any."""
    segmentationNode = resultNode("vtkMRMLSegmentationNode", volumeNode)
    if segmentationNode is not None and segmentationNode.GetSegmentation().GetSegment(name) is not None:
        segmentationNode.GetSegmentation().RemoveSegment(name)
    saved = savedAssessments(volumeNode)
    if saved.pop(name, None) is not None:
        _save(saved, volumeNode)


def savedAssessments(volumeNode) -> dict[str, dict]:
    """The CT's assessments by nodule name, each as `Assessment.to_dict` made it.

    Raises:
        NoduleRiskError: the text node was edited into something else.
    """
    textNode = resultNode("vtkMRMLTextNode", volumeNode)
    if textNode is None:
        return {}
    try:
        return json.loads(textNode.GetText())
    except (ValueError, TypeError) as error:
        raise NoduleRiskError(
            f"'{textNode.GetName()}' is damaged: delete it in the Data module, and assess again."
        ) from error


def resultNode(className: str, volumeNode):
    """The CT's result node of a class of ``RESULTS``, or None."""
    nodes = _nodes(className, volumeNode.GetScene())
    return next((node for node in nodes if node.GetNodeReferenceID(VOLUME_ROLE) == volumeNode.GetID()), None)


def labelledNodules(
    volumeNode, markupsNode, patient: str | None = None, evidence: str = "reader", split: str | None = None
) -> list[LabelledNodule]:
    """The nodules of a point list as training data: each with its segment as it is now, edited or drawn by hand.

    A nodule's mask is the segment of the point's name (case does not matter) in the CT's result segmentation; else in
    a segmentation drawn on this CT; else in any other that is no other CT's result. Its labels are the words of the
    point's description in the Markups module, as ``labels_in_words`` takes them: ``AIS, part-solid``; none where that
    is empty. Its centre is the mask's. Its name begins with the patient and a hash of the CT's voxels, so that data of
    many CTs can be joined.

    Args:
        volumeNode: the CT (vtkMRMLScalarVolumeNode).
        markupsNode: the points (vtkMRMLMarkupsFiducialNode).
        patient: pseudonym that splits go by; None: the hash, so that each CT counts as a patient of its own.
        evidence: what the labels rest on: ``reader``, ``pathology`` or ``simulated``.
        split: ``train``, ``validation`` or ``test``; None: by a hash of the patient.

    Raises:
        CTError, PointError: see ``ctFromNode`` and ``pointsLps``.
        NoduleRiskError: a parent transform is not linear, unknown evidence or split; or points that have no segment,
            an empty one or one that lies elsewhere, or an unknown label: all of them are named.
    """
    ct, points = ctFromNode(volumeNode), pointsLps(markupsNode)
    voxelHash = _voxelHash(ct)
    patient = patient or voxelHash
    common = {
        "patient": patient,
        "evidence": evidence_in({"evidence": evidence}),
        "split": split_in({"split": split or ""}) or split_of(patient),
    }
    prefix = "-".join(dict.fromkeys([patient, voxelHash]))
    descriptions = [markupsNode.GetNthControlPointDescription(index) for index in _placed(markupsNode)]
    nodules, refused = read_each(
        zip(points, descriptions, strict=True),
        lambda described: described[0].name,
        lambda described: _labelledNodule(*described, ct, volumeNode, prefix, common),
    )
    if refused:
        reasons = "\n".join(f"{point.name}: {point.reason}." for point in refused)
        raise NoduleRiskError(f"Nothing was exported. Correct these points, or delete them:\n{reasons}")
    return list(nodules)


def _voxelHash(ct: CT) -> str:
    """Names a CT without saying whose it is: the same in every scene, whatever its node, file or DICOM says."""
    return f"ct-{hashlib.sha256(np.ascontiguousarray(ct.hu)).hexdigest()[:12]}"


def _labelledNodule(
    point: Point, description: str, ct: CT, volumeNode, prefix: str, common: dict[str, Any]
) -> LabelledNodule:
    labels, mask = labels_in_words(description), _maskOf(point, ct, volumeNode)
    centre = triple(ct.point_of(center_of_mass(mask)[::-1]))
    box = box_around(ct, centre, CROP_MM)
    return LabelledNodule(
        name=f"{prefix}-{point.name}",
        ct=cropped(ct, box),
        centre_lps_mm=centre,
        labels=labels,
        marked=mask[box].astype(np.float32),
        diameter_mm=equivalent_diameter_mm(mask, ct.spacing_mm),
        pathology=description,
        **common,
    )


def _maskOf(point: Point, ct: CT, volumeNode) -> np.ndarray:
    """bool (z, y, x) on the CT's grid: the segment of a point's name, where the point is."""
    for segmentationNode in _segmentationNodes(volumeNode):
        segmentId = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(point.name)
        if segmentId:
            break
    else:
        raise NoduleRiskError(f"no segment is named '{point.name}': assess the point, or draw a segment of this name")
    mask = _onGridOf(volumeNode, segmentationNode, segmentId)
    voxels = np.argwhere(mask)
    if len(voxels) == 0:
        raise NoduleRiskError("its segment is empty on this CT: draw it")
    offsets_mm = (voxels[:, ::-1] - ct.voxel_of(point.lps_mm)) * ct.spacing_mm
    distance_mm = np.linalg.norm(offsets_mm, axis=1).min()
    if distance_mm > REACH_MM:
        raise NoduleRiskError(f"its segment lies {distance_mm:.0f} mm from the point: it may be another nodule's")
    return mask


def _segmentationNodes(volumeNode) -> list:
    """Where to look for a CT's segments: its result, then what was drawn on it, then all but other CTs' results."""
    drawnOn = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    own = volumeNode.GetID()
    nodes = _nodes("vtkMRMLSegmentationNode", volumeNode.GetScene())
    return sorted(
        (node for node in nodes if node.GetNodeReferenceID(VOLUME_ROLE) in (None, own)),
        key=lambda node: [node.GetNodeReferenceID(role) != own for role in (VOLUME_ROLE, drawnOn)],
    )


def _onGridOf(volumeNode, segmentationNode, segmentId: str) -> np.ndarray:
    """bool (z, y, x): a segment on the CT's grid, by nearest neighbour where its own grid is another.

    As slicer.util.arrayFromSegmentBinaryLabelmap, but that leaves a display node in the scene at each call.
    """
    segmentationNode.CreateBinaryLabelmapRepresentation()  # where the segment is a surface alone
    labelmap, grid, onGrid = (slicer.vtkOrientedImageData() for _ in range(3))
    segmentationNode.GetBinaryLabelmapRepresentation(segmentId, labelmap)
    ijkToSegmentation = vtk.vtkMatrix4x4()
    labelmap.GetImageToWorldMatrix(ijkToSegmentation)
    ijkToRas = _toWorld(segmentationNode) @ slicer.util.arrayFromVTKMatrix(ijkToSegmentation)
    labelmap.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    grid.SetExtent(volumeNode.GetImageData().GetExtent())
    grid.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(_ijkToWorld(volumeNode)))
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(labelmap, grid, onGrid)
    shape = volumeNode.GetImageData().GetDimensions()[::-1]
    return vtk_to_numpy(onGrid.GetPointData().GetScalars()).reshape(shape) > 0


def _nodes(className: str, scene) -> Iterator:
    return (scene.GetNthNodeByClass(index, className) for index in range(scene.GetNumberOfNodesByClass(className)))


def _toWorld(node) -> np.ndarray:
    """4x4, RAS mm: from a node's own coordinates to the world's."""
    transformNode = node.GetParentTransformNode()
    if transformNode is None:
        return np.eye(4)
    if not transformNode.IsTransformToWorldLinear():
        raise NoduleRiskError(NOT_LINEAR)
    return slicer.util.arrayFromTransformMatrix(transformNode, toWorld=True)


def _ijkToWorld(volumeNode) -> np.ndarray:
    """4x4: from voxel indices (x, y, z) to RAS mm in the world."""
    ijkToRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRas)
    return _toWorld(volumeNode) @ slicer.util.arrayFromVTKMatrix(ijkToRas)


def _placed(markupsNode) -> dict[int, str]:
    """Label by index of the control points that have a position; a point being placed has none yet."""
    return {
        index: markupsNode.GetNthControlPointLabel(index)
        for index in range(markupsNode.GetNumberOfControlPoints())
        if markupsNode.GetNthControlPointPositionStatus(index) == markupsNode.PositionDefined
    }


def _addSegment(name: str, nodule: NoduleMask, volumeNode) -> None:
    if volumeNode.GetImageData().GetDimensions() != nodule.ct_shape[::-1]:
        raise NoduleRiskError("The CT was changed while it was assessed: assess it again.")
    if not nodule.region.any():
        return
    segmentationNode = _ensureResultNode("vtkMRMLSegmentationNode", volumeNode)
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.SetTag(segment.GetTerminologyEntryTagName(), NODULE_IN_LUNG)
    # The segmentation keeps the transform that the CT had at first; the CT's may have been hardened since.
    ijkToSegmentation = np.linalg.solve(_toWorld(segmentationNode), _ijkToWorld(volumeNode))
    labelmap = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segment.AddRepresentation(labelmap, _labelmap(nodule, ijkToSegmentation))
    segmentationNode.GetSegmentation().AddSegment(segment, name)
    segmentationNode.CreateClosedSurfaceRepresentation()


def _labelmap(nodule: NoduleMask, ijkToRas: np.ndarray):
    """The mask's non-empty part as a vtkOrientedImageData on the CT's grid."""
    image = slicer.vtkOrientedImageData()
    first, size = nodule.first_voxel[::-1], nodule.region.shape[::-1]
    image.SetExtent([edge for a, n in zip(first, size, strict=True) for edge in (a, a + n - 1)])
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    vtk_to_numpy(image.GetPointData().GetScalars())[:] = nodule.region.ravel()
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(ijkToRas))
    return image


def _save(saved: dict[str, dict], volumeNode) -> None:
    text = json.dumps(saved, indent=2, ensure_ascii=False)
    _ensureResultNode("vtkMRMLTextNode", volumeNode).SetText(text)
    _fillTable(_ensureResultNode("vtkMRMLTableNode", volumeNode), [_row(values) for values in saved.values()])


def _row(values: dict) -> dict[str, str | float]:
    """A nodule's row of the table, by column title; probabilities are NaN where a task was not run."""
    row: dict[str, str | float] = {"Nodule": values["name"]}
    for task, classes in TASKS.items():
        result = values["tasks"].get(task, NOT_RUN)
        row[task.capitalize()] = result["decision"] or "not run"
        row |= {f"P({c})": p for c, p in zip(classes, result["mean"] or [math.nan] * len(classes), strict=True)}
        row[f"{task.capitalize()} rests on"] = EVIDENCE_WORDS[result["evidence"]]
    row["Checks"] = " ".join(check["message"] for check in values["checks"])
    return row


def _fillTable(tableNode, rows: list[dict[str, str | float]]) -> None:
    table = vtk.vtkTable()
    for title, value in rows[0].items() if rows else ():
        column = vtk.vtkStringArray() if isinstance(value, str) else vtk.vtkDoubleArray()
        column.SetName(title)
        for row in rows:
            column.InsertNextValue(row[title])
        table.AddColumn(column)
    tableNode.SetAndObserveTable(table)


def _ensureResultNode(className: str, volumeNode):
    """The CT's result node of a class, added to its folder if there is none yet."""
    node = resultNode(className, volumeNode)
    if node is not None:
        return node
    scene = volumeNode.GetScene()
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = _folder(hierarchy, volumeNode)
    node = scene.AddNewNodeByClass(className, scene.GenerateUniqueName(RESULTS[className]))
    node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
    hierarchy.CreateItem(folder, node)
    if className == "vtkMRMLSegmentationNode":
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
    return node


def _folder(hierarchy, volumeNode) -> int:
    """The subject-hierarchy item of the folder with the CT's results; a new one beside the CT if there are none."""
    for className in RESULTS:
        node = resultNode(className, volumeNode)
        if node is not None:
            return hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    beside = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    return hierarchy.CreateFolderItem(beside, hierarchy.GenerateUniqueItemName(FOLDER))
