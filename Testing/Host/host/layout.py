"""Stands in for qSlicerLayoutManager: the real nodes and logics of the views of a layout.

Not done: the views themselves. Nothing draws, so that cameras and slices move only where code moves
    them.
"""

from __future__ import annotations

import qt
import slicer
import vtk


class qMRMLSliceWidget:
    def __init__(self, logic):
        self._logic = logic

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()


class qMRMLThreeDWidget:
    def __init__(self, viewNode):
        self._viewNode = viewNode

    def mrmlViewNode(self):
        return self._viewNode


class qSlicerLayoutManager(qt.QObject):
    layoutChanged = qt.Signal(int)

    def __init__(self, applicationLogic, scene):
        super().__init__()
        self._applicationLogic = applicationLogic
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(applicationLogic)
        self._logic.SetMRMLScene(scene)
        applicationLogic.SetSliceLogics(vtk.vtkCollection())
        applicationLogic.SetViewLogics(vtk.vtkCollection())
        self._shown = None
        self._logic.GetLayoutNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._update)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def layoutLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._logic.GetMRMLScene()

    def setLayout(self, layout: int):
        self._logic.GetLayoutNode().SetViewArrangement(layout)

    layout = qt.Property(
        int, lambda self: self._logic.GetLayoutNode().GetViewArrangement(), setLayout
    )

    def _update(self, *_):
        """Gives the views of the layout what they need, whoever chose it."""
        self._addSliceLogics()
        self._addCameras()
        shown = list(self._logic.GetViewNodes())
        for node in self._viewNodes("vtkMRMLAbstractViewNode"):
            node.SetMappedInLayout(node in shown)
        if self.layout != self._shown:
            self._shown = self.layout
            self.layoutChanged.emit(self.layout)

    def _addSliceLogics(self):
        for node in self._viewNodes("vtkMRMLSliceNode"):
            if self._applicationLogic.GetSliceLogic(node) is None:
                logic = slicer.vtkMRMLSliceLogic()
                logic.SetMRMLApplicationLogic(self._applicationLogic)
                logic.SetMRMLScene(self.mrmlScene())
                logic.SetSliceNode(node)
                self.mrmlSliceLogics().AddItem(logic)

    def _addCameras(self):
        """A camera for each 3D view, which Slicer's views make themselves."""
        for viewNode in self._viewNodes("vtkMRMLViewNode"):
            if (
                self.mrmlScene().GetSingletonNode(viewNode.GetLayoutName(), "vtkMRMLCameraNode")
                is None
            ):
                camera = self.mrmlScene().AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
                camera.SetLayoutName(viewNode.GetLayoutName())

    def mrmlSliceLogics(self):
        return self._applicationLogic.GetSliceLogics()

    def sliceViewNames(self) -> list[str]:
        return [logic.GetSliceNode().GetLayoutName() for logic in self.mrmlSliceLogics()]

    def sliceWidget(self, name: str):
        logic = self._applicationLogic.GetSliceLogicByLayoutName(name)
        return logic and qMRMLSliceWidget(logic)

    threeDViewCount = qt.Property(int, lambda self: len(self._viewNodes("vtkMRMLViewNode")))
    plotViewCount = qt.Property(int, lambda self: len(self._viewNodes("vtkMRMLPlotViewNode")))

    def threeDWidget(self, index: int):
        return qMRMLThreeDWidget(self._viewNodes("vtkMRMLViewNode")[index])

    def activeMRMLPlotViewNode(self):
        return next(
            (node for node in self._viewNodes("vtkMRMLPlotViewNode") if node.IsMappedInLayout()),
            None,
        )

    def _viewNodes(self, className: str) -> list:
        return slicer.util.getNodesByClass(className, self.mrmlScene())

    def resetSliceViews(self):
        for logic in self.mrmlSliceLogics():
            logic.FitSliceToBackground()
