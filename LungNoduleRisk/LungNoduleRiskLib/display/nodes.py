"""A CT's result nodes in the scene: one of each role, which refers to the CT, in one folder of the
subject hierarchy.

None of them bears the CT's name, which may be the patient's, since node names become file names.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import slicer
from slicer import vtkMRMLNode, vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSubjectHierarchyNode

VOLUME_ROLE = "LungNoduleRisk.Volume"  # node reference from a result to its CT
ROLE = "LungNoduleRisk.Role"  # node attribute: which of the results
FOLDER = "Lung nodule risk"
RESULTS = {  # by role: class and name
    "segmentation": ("vtkMRMLSegmentationNode", "Lung nodules"),
    "table": ("vtkMRMLTableNode", "Lung nodule probabilities"),
    "text": ("vtkMRMLTextNode", "Lung nodule assessments"),
    "chart": ("vtkMRMLPlotChartNode", "Lung nodule chart"),
    "chart data": ("vtkMRMLTableNode", "Lung nodule chart data"),
}
FILL = 0.2  # opacity of masks in slices: the nodule's texture shows through


def resultNode(role: str, volumeNode: vtkMRMLScalarVolumeNode) -> Any:
    """The CT's result node of a role of ``RESULTS``, or None."""
    nodes = nodesOf(RESULTS[role][0], volumeNode.GetScene())
    return next((node for node in nodes if isResult(role, node, volumeNode)), None)


def segmentationNodes(volumeNode: vtkMRMLScalarVolumeNode) -> list:
    """Where to look for a CT's segments: its result, then what was drawn on it, then all but other
    CTs' results."""
    drawnOn = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()
    own = volumeNode.GetID()
    nodes = nodesOf("vtkMRMLSegmentationNode", volumeNode.GetScene())
    return sorted(
        (node for node in nodes if node.GetNodeReferenceID(VOLUME_ROLE) in (None, own)),
        key=lambda node: [node.GetNodeReferenceID(role) != own for role in (VOLUME_ROLE, drawnOn)],
    )


def ensureResultNode(role: str, volumeNode: vtkMRMLScalarVolumeNode) -> Any:
    """The CT's result node of a role, added to its folder if there is none yet."""
    node = resultNode(role, volumeNode)
    if node is not None:
        return node
    scene, (className, name) = volumeNode.GetScene(), RESULTS[role]
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    folder = folderOf(hierarchy, volumeNode)
    node = scene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(scene.GenerateUniqueName(name))
    node.SetHideFromEditors(
        role == "chart data"
    )  # before it is added, so that it is listed nowhere
    node.SetAttribute(ROLE, role)
    scene.AddNode(node)
    node.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
    if not node.GetHideFromEditors():
        hierarchy.CreateItem(folder, node)
    if role == "segmentation":
        node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        node.CreateDefaultDisplayNodes()
        node.GetDisplayNode().SetOpacity2DFill(FILL)
    return node


def folderOf(hierarchy: vtkMRMLSubjectHierarchyNode, volumeNode: vtkMRMLScalarVolumeNode) -> int:
    """The subject-hierarchy item of the folder with the CT's results; a new one beside the CT if
    there are none."""
    for role in RESULTS:
        node = resultNode(role, volumeNode)
        if node is not None:
            return hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))
    volumeItem = hierarchy.GetItemByDataNode(volumeNode)
    beside = hierarchy.GetItemParent(volumeItem) if volumeItem else hierarchy.GetSceneItemID()
    return hierarchy.CreateFolderItem(beside, hierarchy.GenerateUniqueItemName(FOLDER))


def detachStrays(scene: vtkMRMLScene) -> None:
    """Detaches the results whose CT was removed: another CT may get its ID, and would be taken
    for theirs."""
    for className in {"vtkMRMLScalarVolumeNode", *(name for name, _name in RESULTS.values())}:
        for node in nodesOf(className, scene):
            if node.GetNodeReferenceID(VOLUME_ROLE) and node.GetNodeReference(VOLUME_ROLE) is None:
                node.RemoveNodeReferenceIDs(VOLUME_ROLE)


def isResult(role: str, node: vtkMRMLNode, volumeNode: vtkMRMLScalarVolumeNode) -> bool:
    return (
        node.GetAttribute(ROLE) == role
        and node.GetNodeReferenceID(VOLUME_ROLE) == volumeNode.GetID()
    )


def nodesOf(className: str, scene: vtkMRMLScene) -> Iterator:
    return (
        scene.GetNthNodeByClass(index, className)
        for index in range(scene.GetNumberOfNodesByClass(className))
    )
