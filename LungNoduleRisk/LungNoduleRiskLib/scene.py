"""Between the MRML scene and the core, and the only place that turns RAS into LPS: x and y change sign, in mm.

For each CT the scene holds one segmentation node (a segment a nodule), one table node (a row a nodule) and one text
node (the assessments as JSON), in one subject-hierarchy folder. The text node is what counts; the table is written from
it. None of these nodes bears the CT's name, which may be the patient's, since node names become file names.
"""

from __future__ import annotations

import json
import math

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from nodulerisk.assessment import EVIDENCE_WORDS, Assessment, NoduleMask
from nodulerisk.ct import CT
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
    scene = volumeNode.GetScene()
    nodes = (scene.GetNthNodeByClass(i, className) for i in range(scene.GetNumberOfNodesByClass(className)))
    return next((node for node in nodes if node.GetNodeReferenceID(VOLUME_ROLE) == volumeNode.GetID()), None)


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
