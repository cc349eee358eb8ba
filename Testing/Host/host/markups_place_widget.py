"""Stands in for qSlicerMarkupsPlaceWidget, over the real markups logic, interaction node and
selection node.

Not done: the colour button, the menus for visibility and locking, and points that are to be placed
    again (unset).
"""

from __future__ import annotations

import qt
import slicer
import vtk

from .mrml_widgets import Observers, qSlicerWidget, setting


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
            self._observers.add(node, [vtk.vtkCommand.ModifiedEvent], self._configure)
        self._configure()

    def interactionNode(self):
        return self._interaction

    def selectionNode(self):
        return self._selection

    def currentNode(self):
        return self._node if self._node is not None and self._node.GetScene() is not None else None

    currentMarkupsNode = currentNode

    def setCurrentNode(self, node):
        self._node = node if isinstance(node, slicer.vtkMRMLMarkupsNode) else None
        self._nodeObservers.clear()
        events = ("PointAddedEvent", "PointRemovedEvent", "PointPositionDefinedEvent")
        codes = [getattr(slicer.vtkMRMLMarkupsNode, event) for event in events]
        self._nodeObservers.add(self._node, [vtk.vtkCommand.ModifiedEvent, *codes], self._configure)
        self._configure()

    def placeButton(self):
        return self._place

    def deleteButton(self):
        return self._delete

    def _markupsLogic(self):
        return slicer.app.moduleLogic("Markups")

    def _isReady(self) -> bool:
        return None not in (
            self.mrmlScene(),
            self._interaction,
            self._selection,
            self.currentNode(),
        )

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
        if self.placeMultipleMarkups in (
            self.ForcePlaceSingleMarkup,
            self.ForcePlaceMultipleMarkups,
        ):
            self.setPlaceModePersistency(
                self.placeMultipleMarkups == self.ForcePlaceMultipleMarkups
            )
        self._interaction.SetCurrentInteractionMode(self._interaction.Place)

    placeModeEnabled = qt.Property(
        bool,
        lambda self: (
            self._isActive()
            and self._interaction.GetCurrentInteractionMode() == self._interaction.Place
        ),
        setPlaceModeEnabled,
    )

    def setPlaceModePersistency(self, persistent: bool):
        self._interaction.SetPlaceModePersistence(persistent)

    placeModePersistency = qt.Property(
        bool,
        lambda self: bool(self._interaction.GetPlaceModePersistence()),
        setPlaceModePersistency,
    )

    def setButtonsVisible(self, visible: bool):
        self._place.visible = self._delete.visible = visible

    buttonsVisible = qt.Property(
        bool, lambda self: self._place.visible and self._delete.visible, setButtonsVisible
    )

    def setPlaceMultipleMarkups(self, option: int):
        self.placeMultipleMarkups = option

    def setDeleteAllControlPointsOptionVisible(self, visible: bool):
        self.deleteAllControlPointsOptionVisible = visible

    setDeleteAllMarkupsOptionVisible = setDeleteAllControlPointsOptionVisible

    deleteAllMarkupsOptionVisible = qt.Property(
        bool,
        lambda self: self.deleteAllControlPointsOptionVisible,
        setDeleteAllMarkupsOptionVisible,
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


slicer.qSlicerMarkupsPlaceWidget = qSlicerMarkupsPlaceWidget
