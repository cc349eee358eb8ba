"""Stands in for Slicer's module SegmentEditor: chooses what is edited, in the real node. Edits
nothing."""

import qt
import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget


class SegmentEditor(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        parent.title = "Segment Editor"


class SegmentEditorWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        self.editor = qMRMLSegmentEditorWidget()
        self.layout.addWidget(self.editor)


class qMRMLSegmentEditorWidget(qt.QLabel):
    @property
    def _node(self):
        return (
            slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
            or self._makeNode()
        )

    @staticmethod
    def _makeNode():
        node = slicer.vtkMRMLSegmentEditorNode()
        node.SetSingletonTag("SegmentEditor")
        return slicer.mrmlScene.AddNode(node)

    def setSegmentationNode(self, node):
        self._node.SetAndObserveSegmentationNode(node)

    def setSourceVolumeNode(self, node):
        self._node.SetAndObserveSourceVolumeNode(node)

    def setCurrentSegmentID(self, segmentID: str):
        self._node.SetSelectedSegmentID(segmentID)

    def segmentationNode(self):
        return self._node.GetSegmentationNode()

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode()

    def currentSegmentID(self) -> str:
        return self._node.GetSelectedSegmentID()
