"""The panel's views elsewhere in the application: slices, 3D view, chart, Segment Editor, web
page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskLib.display.results import segmentToEdit
from LungNoduleRiskLib.scene import WINDOWS_HU, lookAt

OVER = 0.5  # opacity of a map over the CT


def jumpTo(ras: tuple[float, float, float]) -> None:
    """Centres the slices on a position, and turns the 3D views' cameras to it."""
    slicer.modules.markups.logic().JumpSlicesToLocation(*ras, True)
    cameras = slicer.modules.cameras.logic()
    for viewNode in slicer.util.getNodesByClass("vtkMRMLViewNode"):
        cameraNode = cameras.GetViewActiveCameraNode(viewNode)
        if cameraNode is not None:
            lookAt(cameraNode, ras)


def showCt(volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Shows the CT in the slices."""
    slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)


def setWindow(volumeNode: vtkMRMLScalarVolumeNode, width: float, centre: float) -> None:
    """Shows a CT in a window, in HU."""
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(width, centre)


def windowOf(volumeNode: vtkMRMLScalarVolumeNode) -> str:
    """The name of the usual window in which a CT is shown; empty where it is another."""
    displayNode = volumeNode.GetDisplayNode()
    shown = displayNode and (displayNode.GetWindow(), displayNode.GetLevel())
    return next((name for name, window in WINDOWS_HU.items() if window == shown), "")


def showOver(mapNode: vtkMRMLScalarVolumeNode) -> None:
    """Shows a map over the CT in the slices."""
    slicer.util.setSliceViewerLayers(foreground=mapNode, foregroundOpacity=OVER)


def showChart(volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Shows the chart of the CT's nodules in a layout with a plot."""
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalPlotView)
    slicer.modules.plots.logic().ShowChartInLayout(resultNode("chart", volumeNode))


def editMask(name: str, volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Opens the Segment Editor on the nodule's segment, an empty one where it has none."""
    segmentationNode = segmentToEdit(name, volumeNode)
    slicer.util.selectModule("SegmentEditor")
    editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
    editor.setSegmentationNode(segmentationNode)
    editor.setSourceVolumeNode(volumeNode)
    editor.setCurrentSegmentID(name)


def openPage(path: Path) -> Any:
    """Opens a page in Slicer's web view, or in the browser; returns the web view, which closes when
    it is no longer referenced."""
    url = qt.QUrl.fromLocalFile(str(path))
    if not hasattr(slicer, "qSlicerWebWidget"):  # Slicer was built without it
        qt.QDesktopServices.openUrl(url)
        return None
    view = slicer.qSlicerWebWidget()
    view.url = url.toString()
    view.show()
    return view
