"""Maps of where a network looked, as volumes beside a CT's results."""

from __future__ import annotations

from collections.abc import Collection

import slicer
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene

from LungNoduleRiskLib.display.nodes import ROLE, VOLUME_ROLE, folderOf, isResult, nodesOf
from LungNoduleRiskLib.scene import addMap
from nodulerisk.trust.explain import NOT_EVIDENCE, Explanation

EXPLANATION = "explanation"  # the role of a map
NODULE = "LungNoduleRisk.Nodule"  # node attribute: at which nodule
HEAT = "vtkMRMLColorTableNodeIron"
FAINTEST = 0.2  # fainter parts are not shown


def showExplanation(
    explanation: Explanation, name: str, volumeNode: vtkMRMLScalarVolumeNode
) -> vtkMRMLScalarVolumeNode:
    """Adds where a network looked to the CT's results, as a volume whose name says that it is no
    evidence, in place of what was shown of that nodule; it goes with the nodule's results."""
    removeExplanations([name], volumeNode)
    title = f"{name} {explanation.task} by {explanation.network} ({NOT_EVIDENCE})"
    mapNode = addMap(
        explanation.values, explanation.grid, volumeNode.GetScene().GenerateUniqueName(title)
    )
    mapNode.SetAttribute(ROLE, EXPLANATION)
    mapNode.SetAttribute(NODULE, name)
    mapNode.SetNodeReferenceID(VOLUME_ROLE, volumeNode.GetID())
    displayNode = mapNode.GetDisplayNode()
    displayNode.SetAndObserveColorNodeID(HEAT)
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevelMinMax(0, 1)
    displayNode.SetThreshold(FAINTEST, 1)
    displayNode.SetApplyThreshold(True)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(volumeNode.GetScene())
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(mapNode), folderOf(hierarchy, volumeNode))
    return mapNode


def explanations(scene: vtkMRMLScene) -> list[vtkMRMLScalarVolumeNode]:
    """The maps of where a network looked, of all CTs; they are no CTs."""
    nodes = nodesOf("vtkMRMLScalarVolumeNode", scene)
    return [node for node in nodes if node.GetAttribute(ROLE) == EXPLANATION]


def removeExplanations(names: Collection[str], volumeNode: vtkMRMLScalarVolumeNode) -> None:
    for node in explanations(volumeNode.GetScene()):
        if isResult(EXPLANATION, node, volumeNode) and node.GetAttribute(NODULE) in names:
            volumeNode.GetScene().RemoveNode(node)
