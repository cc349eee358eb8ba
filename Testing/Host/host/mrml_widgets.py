"""Stands in for the widgets of Slicer that show MRML nodes: names, signals and behaviour as in Slicer, looks aside.

Not done: in qMRMLNodeComboBox the item model, menu actions of one's own and editing (there is no module to edit in);
in qSlicerMarkupsPlaceWidget the menus for more options; in qSlicerWebWidget everything but the address, since it loads
nothing.
"""

from __future__ import annotations

import logging
from weakref import WeakMethod

import ctk
import qt
import slicer
import vtk

from .pythonqt import connects, missing

SCENE_EVENTS = slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent
Scene, Node = object, object  # what Signal(...) calls a vtkMRMLScene* and a vtkMRMLNode*


def setting(type_, name: str, default):
    """A Qt property of a widget, whose `_configure` is called after a change."""

    def change(self, value):
        setattr(self, "_" + name, value)
        self._configure()

    return qt.Property(type_, lambda self: getattr(self, "_" + name, default), change)


class Observers:
    """VTK observers that end with the widget they belong to, and do not keep it."""

    def __init__(self, widget):
        self._tags = []
        widget.destroyed.connect(self.clear)

    def add(self, vtkObject, events, method):
        callback = weakly(method)
        if vtkObject is not None:
            self._tags += [(vtkObject, vtkObject.AddObserver(event, callback)) for event in events]

    def clear(self):
        for vtkObject, tag in self._tags:
            vtkObject.RemoveObserver(tag)
        self._tags = []


def weakly(method):
    """A function that calls a method as long as there is its object."""
    reference = WeakMethod(method)

    def call(*arguments):
        if (method := reference()) is not None:
            method(*arguments)

    return call


@connects
class qMRMLWidget(qt.QWidget):
    mrmlSceneChanged = qt.Signal(Scene)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(qMRMLWidget):
    """In Slicer, this one is a sibling of qMRMLWidget."""

    def _moduleLogic(self, name: str):
        return slicer.app.moduleLogic(name)


@connects
class qMRMLNodeComboBox(qt.QWidget):
    currentNodeChanged = qt.Signal(Node)
    currentNodeIDChanged = qt.Signal(str)
    currentNodeRenamed = qt.Signal(str)
    nodeActivated = qt.Signal(Node)
    nodeAdded = qt.Signal(Node)
    nodeAddedByUser = qt.Signal(Node)
    nodeAddedByUserAction = qt.Signal(Node)

    nodeTypes = setting("QStringList", "nodeTypes", [])
    showHidden = setting(bool, "showHidden", False)
    showChildNodeTypes = setting(bool, "showChildNodeTypes", True)
    hideChildNodeTypes = setting("QStringList", "hideChildNodeTypes", [])
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
        self._baseNames, self._labels, self._attributes = {}, {}, []
        self._ids = []
        self._observers, self._nodeObservers = Observers(self), Observers(self)
        self._box = qt.QComboBox(self)
        self._box.activated.connect(self._onActivated)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self.focusProxy = self._box
        self.enabled = False

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
            logging.warning("qMRMLNodeComboBox::setBaseName failed: no node types have been set yet")
        self._baseNames.update(dict.fromkeys(self.nodeTypes, baseName))

    baseName = qt.Property(str, _getBaseName, _setBaseName)

    def setNodeTypeLabel(self, label: str, nodeType: str):
        self._labels[nodeType] = label
        self._configure()

    def nodeTypeLabel(self, nodeType: str) -> str:
        return self._labels.get(nodeType) or self._scene.GetTypeDisplayNameByClassName(nodeType) or "node"

    def addAttribute(self, nodeType: str, attributeName: str, attributeValue=None):
        self._attributes.append((nodeType, attributeName, attributeValue))
        self._configure()

    def addNode(self, nodeType: str = ""):
        nodeType = nodeType or self.nodeTypes[0]
        if nodeType not in self.nodeTypes:
            logging.warning("qMRMLNodeComboBox::addNode() of type %s, which is not among the allowed", nodeType)
            return None
        node = self._scene.CreateNodeByClass(nodeType)
        node.UnRegister(None)
        node.SetName(
            self._scene.GetUniqueNameByString(self._baseNames.get(nodeType) or node.GetDefaultNodeNamePrefix())
        )
        for attributeType, name, value in self._attributes:
            if node.IsA(attributeType):
                node.SetAttribute(name, value or "")
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
        name, confirmed = qt.QInputDialog.getText(self, title, "New name:", qt.QLineEdit.Normal, node.GetName())
        if confirmed and name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def _actions(self) -> list[tuple[str, object]]:
        label = self.nodeTypeLabel(self.nodeTypes[0] if len(self.nodeTypes) == 1 else "")
        return [
            *([(f"Rename current {label}", self.renameCurrentNode)] if self.renameEnabled else []),
            *(
                [(f"Create new {self.nodeTypeLabel(t)}", lambda t=t: self._create(t)) for t in self.nodeTypes]
                if self.addEnabled
                else []
            ),
            *([(f"Delete current {label}", self.removeCurrentNode)] if self.removeEnabled else []),
        ]

    def _create(self, nodeType: str):
        node = self.addNode(nodeType)
        self.setCurrentNode(node)
        self.nodeAddedByUserAction.emit(node)

    def _shows(self, node) -> bool:
        isListed = any(
            node.IsA(type_) if self.showChildNodeTypes else node.GetClassName() == type_ for type_ in self.nodeTypes
        ) and not any(node.IsA(type_) for type_ in self.hideChildNodeTypes)
        return isListed and (self.showHidden or not node.GetHideFromEditors()) and self._hasAttributes(node)

    def _hasAttributes(self, node) -> bool:
        return all(
            node.GetAttribute(name) == value if value is not None else node.GetAttribute(name) is not None
            for nodeType, name, value in self._attributes
            if node.IsA(nodeType)
        )

    def _configure(self, *_):
        """Lists the scene's nodes again."""
        nodes = [] if self._scene is None else slicer.util.getNodesByClass("vtkMRMLNode", self._scene)
        self._nodeObservers.clear()
        for node in nodes:
            if any(node.IsA(type_) for type_ in self.nodeTypes):
                self._nodeObservers.add(node, (vtk.vtkCommand.ModifiedEvent,), self._onNode)
        before, self._shown = self._ids, [node for node in nodes if self._shows(node)]
        self._ids = [node.GetID() for node in self._shown]
        self._fill()
        for node in self._shown:
            if node.GetID() not in before:
                self.nodeAdded.emit(node)
        self._select(self._choose(before))

    def _choose(self, before: list[str]) -> str:
        """The current node as long as it is listed, else, as in Qt's combo box, the one that takes its place."""
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
        if self._shows(node) != (node.GetID() in self._ids) or (row >= 0 and self._box.itemText(row) != node.GetName()):
            self._configure()


class qSlicerMarkupsPlaceWidget(qSlicerWidget):
    """Two buttons: place points of the current node, delete its last one."""

    activeMarkupsPlaceModeChanged = qt.Signal(bool)
    ShowPlaceMultipleMarkupsOption, HidePlaceMultipleMarkupsOption = 0, 1
    ForcePlaceSingleMarkup, ForcePlaceMultipleMarkups = 2, 3

    placeMultipleMarkups = setting(int, "placeMultipleMarkups", 0)
    deleteAllControlPointsOptionVisible = setting(bool, "deleteAllControlPointsOptionVisible", True)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = self._interaction = self._selection = None
        self._wasPlacing = False
        self._observers, self._nodeObservers = Observers(self), Observers(self)
        self._place, self._delete = qt.QToolButton(self), qt.QToolButton(self)
        self._place.text, self._delete.text = "Place a control point", "Delete last"
        self._place.checkable = True
        self._place.toggled.connect(self.setPlaceModeEnabled)
        self._delete.clicked.connect(self.deleteLastPoint)
        self._deleteAll = qt.QAction("Delete all control points", self._delete)
        self._deleteAll.triggered.connect(self.deleteAllPoints)
        self._delete.addAction(self._deleteAll)
        layout = qt.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._place)
        layout.addWidget(self._delete)
        self._configure()

    def setMRMLScene(self, scene):
        super().setMRMLScene(scene)
        self._selection = scene and scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        self._interaction = scene and scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        self._observers.clear()
        for node in (self._selection, self._interaction):
            self._observers.add(node, (vtk.vtkCommand.ModifiedEvent,), self._configure)
        self._configure()

    def interactionNode(self):
        return self._interaction

    def selectionNode(self):
        return self._selection

    def currentNode(self):
        return self._node

    currentMarkupsNode = currentNode

    def setCurrentNode(self, node):
        self._node = node if isinstance(node, slicer.vtkMRMLMarkupsNode) else None
        self._nodeObservers.clear()
        events = ("PointAddedEvent", "PointRemovedEvent", "PointPositionDefinedEvent")
        codes = [getattr(slicer.vtkMRMLMarkupsNode, event) for event in events]
        self._nodeObservers.add(self._node, (vtk.vtkCommand.ModifiedEvent, *codes), self._configure)
        self._configure()

    def placeButton(self):
        return self._place

    def deleteButton(self):
        return self._delete

    def _markupsLogic(self):
        return self._moduleLogic("Markups")

    def _isReady(self) -> bool:
        return None not in (self.mrmlScene(), self._interaction, self._selection, self._node)

    def setCurrentNodeActive(self, active: bool):
        if self._isReady() and active != self.currentNodeActive:
            self._markupsLogic().SetActiveList(self._node if active else None)
            if not active:
                self._interaction.SetCurrentInteractionMode(self._interaction.ViewTransform)

    def _isActive(self) -> bool:
        return (
            self._isReady()
            and self._markupsLogic().GetActiveListID() == self._node.GetID()
            and self._selection.GetActivePlaceNodeClassName() == self._node.GetClassName()
        )

    currentNodeActive = qt.Property(bool, _isActive, setCurrentNodeActive)

    def setPlaceModeEnabled(self, enable: bool):
        if not self._isReady():
            return
        if enable:
            self._startPlacing()
        else:
            self._interaction.SetCurrentInteractionMode(self._interaction.ViewTransform)

    def _startPlacing(self):
        self.setCurrentNodeActive(True)
        if self.placeMultipleMarkups in (self.ForcePlaceSingleMarkup, self.ForcePlaceMultipleMarkups):
            self.setPlaceModePersistency(self.placeMultipleMarkups == self.ForcePlaceMultipleMarkups)
        self._interaction.SetCurrentInteractionMode(self._interaction.Place)

    placeModeEnabled = qt.Property(
        bool,
        lambda self: self._isActive() and self._interaction.GetCurrentInteractionMode() == self._interaction.Place,
        setPlaceModeEnabled,
    )

    def setPlaceModePersistency(self, persistent: bool):
        self._interaction.SetPlaceModePersistence(persistent)

    placeModePersistency = qt.Property(
        bool, lambda self: bool(self._interaction.GetPlaceModePersistence()), setPlaceModePersistency
    )

    def setButtonsVisible(self, visible: bool):
        self._place.visible = self._delete.visible = visible

    buttonsVisible = qt.Property(bool, lambda self: self._place.visible and self._delete.visible, setButtonsVisible)

    def setPlaceMultipleMarkups(self, option: int):
        self.placeMultipleMarkups = option

    def setDeleteAllControlPointsOptionVisible(self, visible: bool):
        self.deleteAllControlPointsOptionVisible = visible

    setDeleteAllMarkupsOptionVisible = setDeleteAllControlPointsOptionVisible

    deleteAllMarkupsOptionVisible = qt.Property(
        bool, lambda self: self.deleteAllControlPointsOptionVisible, setDeleteAllMarkupsOptionVisible
    )

    def deleteLastPoint(self):
        if self._node is not None and self._node.GetNumberOfControlPoints():
            self._node.RemoveNthControlPoint(self._node.GetNumberOfControlPoints() - 1)

    def deleteAllPoints(self):
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    def _configure(self, *_):
        """Shows the nodes' state."""
        placing = self.placeModeEnabled
        self._deleteAll.visible = self.deleteAllControlPointsOptionVisible
        self._place.enabled = self._isReady() and not self._node.GetControlPointPlacementComplete()
        self._delete.enabled = self._isReady() and self._node.GetNumberOfControlPoints() > 0
        blocked = self._place.blockSignals(True)
        self._place.checked = placing
        self._place.blockSignals(blocked)
        if placing != self._wasPlacing:
            self._wasPlacing = placing
            self.activeMarkupsPlaceModeChanged.emit(placing)


class qSlicerWebWidget(qt.QWidget):
    """Remembers the address that it was asked to show."""

    loadFinished = qt.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._url = ""

    def setUrl(self, url: str):
        self._url = url

    url = qt.Property(str, lambda self: self._url, setUrl)


for widget in (qMRMLWidget, qSlicerWidget, qMRMLNodeComboBox, qSlicerMarkupsPlaceWidget, qSlicerWebWidget):
    setattr(slicer, widget.__name__, widget)
for name in ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox"):
    setattr(slicer, name, missing(name))
