"""Stands in for qSlicerSubjectHierarchyPluginLogic: new data nodes get an item in the real subject
hierarchy.

Not done: the plugins that decide which nodes (here: a list of classes), and the tree that shows the
    items.
"""

from __future__ import annotations

import slicer
import vtk

SHOWN = (
    "vtkMRMLMarkupsNode",
    "vtkMRMLModelNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLTransformNode",
    "vtkMRMLVolumeNode",
)


def follow(scene) -> None:
    """Keeps the subject hierarchy of a scene, as long as there is the scene."""
    for event, callback in (
        (scene.NodeAddedEvent, onNodeAdded),
        (scene.NodeAboutToBeRemovedEvent, onNodeAboutToBeRemoved),
        (scene.EndImportEvent, onImportEnded),
        (scene.EndCloseEvent, hierarchyOf),
    ):
        scene.AddObserver(event, callback)


@vtk.calldata_type(vtk.VTK_OBJECT)
def onNodeAdded(scene, event, node):
    if not scene.IsImporting():
        addItem(scene, node)


@vtk.calldata_type(vtk.VTK_OBJECT)
def onNodeAboutToBeRemoved(scene, event, node):
    if not scene.IsClosing() and not node.IsA("vtkMRMLSubjectHierarchyNode"):
        hierarchy = hierarchyOf(scene)
        item = hierarchy.GetItemByDataNode(node)
        if item:
            hierarchy.RemoveItem(item, False, False)


def onImportEnded(scene, event):
    for node in slicer.util.getNodesByClass("vtkMRMLNode", scene):
        if not hierarchyOf(scene).GetItemByDataNode(node):
            addItem(scene, node)


def addItem(scene, node) -> None:
    if not node.GetHideFromEditors() and any(node.IsA(name) for name in SHOWN):
        hierarchy = hierarchyOf(scene)
        hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def hierarchyOf(scene, event=None):
    """The scene's one hierarchy: what was imported is merged into it, and after closing there is a
    new one."""
    return slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
