"""Stands in for qMRMLNodeComboBox: the nodes of some types in the scene, to choose one of them.

Not done: filtering by attributes and excluded types, labels of one's own, menu actions, editing,
    and the item model.
"""

from __future__ import annotations

import logging
from functools import partial

import qt
import slicer
import vtk

from .mrml_widgets import MRML, Observers, setting
from .pythonqt import connects

SCENE_EVENTS = slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent


class qMRMLSortFilterProxyModel(qt.QObject):
    """Of a selector, which nodes it leaves out."""

    hiddenNodeIDs = setting("QStringList", "hiddenNodeIDs", [])

    def __init__(self, selector):
        super().__init__(selector)
        self._configure = selector._configure


@connects
class qMRMLNodeComboBox(qt.QWidget):
    currentNodeChanged = qt.Signal(MRML)
    currentNodeIDChanged = qt.Signal(str)
    currentNodeRenamed = qt.Signal(str)
    nodeActivated = qt.Signal(MRML)
    nodeAdded = qt.Signal(MRML)
    nodeAddedByUser = qt.Signal(MRML)
    nodeAddedByUserAction = qt.Signal(MRML)

    nodeTypes = setting("QStringList", "nodeTypes", [])
    showHidden = setting(bool, "showHidden", False)
    showChildNodeTypes = setting(bool, "showChildNodeTypes", True)
    noneEnabled = setting(bool, "noneEnabled", False)
    noneDisplay = setting(str, "noneDisplay", "None")
    addEnabled = setting(bool, "addEnabled", True)
    removeEnabled = setting(bool, "removeEnabled", True)
    renameEnabled = setting(bool, "renameEnabled", False)
    selectNodeUponCreation = setting(bool, "selectNodeUponCreation", True)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None
        self._requestedID = ""
        self._currentID = ""
        self._baseNames = {}
        self._shown, self._ids = [], []
        self._observers, self._nodeObservers = Observers(self), Observers(self)
        self._box = qt.QComboBox(self)
        self._box.activated.connect(self._onActivated)
        self._filter = qMRMLSortFilterProxyModel(self)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.focusProxy = self._box
        self.enabled = False

    sizeAdjustPolicy = qt.Property(
        object,
        lambda self: self._box.sizeAdjustPolicy,
        lambda self, policy: self._box.setSizeAdjustPolicy(policy),
    )

    def sortFilterProxyModel(self):
        return self._filter

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is self._scene:
            return
        self._scene = scene
        self._observers.clear()
        self._observers.add(scene, SCENE_EVENTS, self._configure)
        self._ids = []
        self._configure()
        self.setCurrentNodeID(self._requestedID or self._currentID)
        self.enabled = scene is not None

    def currentNode(self):
        return self._scene.GetNodeByID(self._currentID) if self._scene and self._currentID else None

    def setCurrentNode(self, node):
        self.setCurrentNodeID(node.GetID() if node else "")

    def setCurrentNodeID(self, nodeID: str):
        if self._scene is None:
            self._requestedID = nodeID
            return
        self._requestedID = ""
        self._select(nodeID if nodeID in self._ids else "")

    currentNodeID = qt.Property(str, lambda self: self._currentID, setCurrentNodeID)

    def setCurrentNodeIndex(self, index: int):
        self._select(self._ids[index] if 0 <= index < len(self._ids) else "")

    def nodeCount(self) -> int:
        return len(self._ids)

    def nodeFromIndex(self, index: int):
        return self._scene.GetNodeByID(self._ids[index]) if 0 <= index < len(self._ids) else None

    def _getBaseName(self) -> str:
        return self._baseNames.get(self.nodeTypes[0], "") if self.nodeTypes else ""

    def _setBaseName(self, baseName: str):
        if not self.nodeTypes:
            logging.warning(
                "qMRMLNodeComboBox::setBaseName failed: no node types have been set yet"
            )
        self._baseNames.update(dict.fromkeys(self.nodeTypes, baseName))

    baseName = qt.Property(str, _getBaseName, _setBaseName)

    def nodeTypeLabel(self, nodeType: str) -> str:
        return self._scene.GetTypeDisplayNameByClassName(nodeType) or "node"

    def addNode(self, nodeType: str = ""):
        nodeType = nodeType or self.nodeTypes[0]
        if nodeType not in self.nodeTypes:
            logging.warning(
                "qMRMLNodeComboBox::addNode() of type %s, which is not among the allowed", nodeType
            )
            return None
        node = self._scene.CreateNodeByClass(nodeType)
        node.UnRegister(None)
        baseName = self._baseNames.get(nodeType) or node.GetDefaultNodeNamePrefix()
        node.SetName(self._scene.GetUniqueNameByString(baseName))
        node = self._scene.AddNode(node)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self):
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {self.nodeTypeLabel(node.GetClassName())}"
        name, confirmed = qt.QInputDialog.getText(
            self, title, "New name:", qt.QLineEdit.Normal, node.GetName()
        )
        if confirmed and name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def _actions(self) -> list[tuple[str, object]]:
        """The entries below the nodes, and what they do."""
        label = self.nodeTypeLabel(self.nodeTypes[0] if len(self.nodeTypes) == 1 else "")
        rename = [(f"Rename current {label}", self.renameCurrentNode)]
        create = [
            (f"Create new {self.nodeTypeLabel(each)}", partial(self._create, each))
            for each in self.nodeTypes
        ]
        delete = [(f"Delete current {label}", self.removeCurrentNode)]
        return rename * self.renameEnabled + create * self.addEnabled + delete * self.removeEnabled

    def _create(self, nodeType: str):
        node = self.addNode(nodeType)
        self.setCurrentNode(node)
        self.nodeAddedByUserAction.emit(node)

    def _isOfType(self, node) -> bool:
        return any(node.IsA(type_) for type_ in self.nodeTypes)

    def _shows(self, node) -> bool:
        isListed = (
            self._isOfType(node)
            if self.showChildNodeTypes
            else node.GetClassName() in self.nodeTypes
        )
        isHidden = node.GetHideFromEditors() and not self.showHidden
        return isListed and not isHidden and node.GetID() not in self._filter.hiddenNodeIDs

    def _configure(self, *_):
        """Lists the scene's nodes again."""
        nodes = (
            [] if self._scene is None else slicer.util.getNodesByClass("vtkMRMLNode", self._scene)
        )
        self._nodeObservers.clear()
        for node in nodes:
            if self._isOfType(node):
                self._nodeObservers.add(node, [vtk.vtkCommand.ModifiedEvent], self._onNode)
        before, self._shown = self._ids, [node for node in nodes if self._shows(node)]
        self._ids = [node.GetID() for node in self._shown]
        self._fill()
        for node in self._shown:
            if node.GetID() not in before:
                self.nodeAdded.emit(node)
        self._select(self._choose(before))

    def _choose(self, before: list[str]) -> str:
        """The current node as long as it is listed, else, as in Qt's combo box, the one that takes
        its place."""
        if self._currentID in self._ids:
            return self._currentID
        if self._currentID in before:
            return (self._ids[before.index(self._currentID) :] or self._ids[-1:] or [""])[0]
        hasOnlyNodes = not (self.noneEnabled or (self._scene and self._actions()))
        return self._ids[0] if hasOnlyNodes and self._ids and not before else ""

    def _fill(self):
        blocked = self._box.blockSignals(True)
        self._box.clear()
        if self.noneEnabled and self._scene:
            self._box.addItem(self.noneDisplay, "")
        for node in self._shown:
            self._box.addItem(node.GetName() or "", node.GetID())
        actions = self._actions() if self._scene else []
        if actions:
            self._box.insertSeparator(self._box.count)
        for text, action in actions:
            self._box.addItem(text, action)
        self._showCurrent()
        self._box.blockSignals(blocked)

    def _showCurrent(self):
        rows = [row for row in range(self._box.count) if self._box.itemData(row) == self._currentID]
        self._box.currentIndex = rows[0] if rows else -1

    def _select(self, nodeID: str):
        changed, self._currentID = nodeID != self._currentID, nodeID
        self._showCurrent()
        if changed:
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(nodeID)

    def _onActivated(self, row: int):
        chosen = self._box.itemData(row)
        self._showCurrent()
        if callable(chosen):
            chosen()
        else:
            self._select(chosen)
            self.nodeActivated.emit(self.currentNode())

    def _onNode(self, node, event):
        row = self._box.findData(node.GetID())
        if self._shows(node) != (node.GetID() in self._ids) or (
            row >= 0 and self._box.itemText(row) != node.GetName()
        ):
            self._configure()


slicer.qMRMLNodeComboBox = qMRMLNodeComboBox
