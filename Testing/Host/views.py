"""Slicer's slice views and 3D view of a scene, drawn off screen by Slicer's own displayable
managers."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from plot import pixels

ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
SLICE_MANAGERS = (
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
SPACE_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
)
SPACE = "1"  # the layouts' name of the first 3D view
CAMERA_MM = 500.0  # from what it looks at


class Views:
    """The views "Red", "Yellow", "Green" and "3D" of a scene; to be closed before the scene is let
    go.

    Args:
        scene: vtkMRMLScene; the nodes of views that it lacks are added.
        application: the scene's vtkMRMLApplicationLogic; None: made here, which goes once a scene.
    """

    def __init__(self, scene, application=None):
        self._application = application or _application_logic(scene)
        self._markups = _markups_logic(scene, self._application)
        self._slices = {name: _Slice(name, scene, self._application) for name in ORIENTATIONS}
        self._views = self._slices | {"3D": _Space(scene, self._application)}

    def show(self, volume_node, window: tuple[float, float] = (-600, 1500)) -> None:
        """Shows a volume in the slices, in a window of this centre and width."""
        centre, width = window
        if volume_node.GetDisplayNode() is None:
            volume_node.CreateDefaultDisplayNodes()
        volume_node.GetDisplayNode().SetAutoWindowLevel(False)
        volume_node.GetDisplayNode().SetWindowLevel(width, centre)
        for view in self._slices.values():
            view.logic.GetSliceCompositeNode().SetBackgroundVolumeID(volume_node.GetID())

    def jump(self, ras, across_mm: float = 60.0) -> None:
        """Brings a position (RAS mm) to the middle of every view, with so much of the world from
        top to bottom."""
        for view in self._views.values():
            view.jump(ras, across_mm)

    def render(self, name: str, size: tuple[int, int] = (500, 400)) -> np.ndarray:
        """A view as an RGB picture: uint8 (height, width, 3)."""
        return self._views[name].render(size)

    def close(self) -> None:
        """Lets go of the scene and of the graphics."""
        for view in self._views.values():
            view.close()


class _View:
    """A render window whose contents Slicer's displayable managers make from a view node."""

    def __init__(self, node, factory, managers, *behind):
        self.node = node
        self.renderer = vtk.vtkRenderer()
        for actor in behind:  # added before those of the managers, which are blended over it
            self.renderer.AddViewProp(actor)
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()  # points are drawn by way of it
        self.interactor.SetRenderWindow(self.window)
        for manager in managers:
            if not factory.IsDisplayableManagerRegistered(manager):
                factory.RegisterDisplayableManager(manager)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(factory, self.renderer)
        self.group.SetMRMLDisplayableNode(node)

    def render(self, size) -> np.ndarray:
        self.resize(size)
        self.node.Modified()  # else what a file has brought is drawn at the view's next change only
        self.window.Render()
        return pixels(self.window)

    def resize(self, size) -> None:
        self.interactor.UpdateSize(*size)

    def close(self) -> None:
        self.group.SetMRMLDisplayableNode(None)
        self.window.Finalize()


class _Slice(_View):
    def __init__(self, name, scene, application):
        self.logic = application.GetSliceLogicByLayoutName(name) or _slice_logic(
            name, scene, application
        )
        self.image = vtk.vtkImageMapper()  # of the colours that the slice logic makes
        self.image.SetColorWindow(255)
        self.image.SetColorLevel(127.5)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(self.image)
        self.actor.GetProperty().SetDisplayLocationToBackground()
        factory = _factory(slicer.vtkMRMLSliceViewDisplayableManagerFactory, application)
        super().__init__(self.logic.GetSliceNode(), factory, SLICE_MANAGERS, self.actor)
        self.renderer.GetActiveCamera().ParallelProjectionOn()

    def jump(self, ras, across_mm: float) -> None:
        width, height, _ = self.node.GetDimensions()
        self.node.SetFieldOfView(
            across_mm * width / height, across_mm, self.node.GetFieldOfView()[2]
        )
        self.node.JumpSliceByCentering(*ras)

    def resize(self, size) -> None:
        super().resize(size)
        self.logic.ResizeSliceNode(*size)
        connection = self.logic.GetImageDataConnection()
        self.image.SetInputConnection(connection)
        self.actor.SetVisibility(connection is not None)


class _Space(_View):
    def __init__(self, scene, application):
        factory = _factory(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, application)
        super().__init__(_space_node(scene), factory, SPACE_MANAGERS)

    def jump(self, ras, across_mm: float) -> None:
        camera = self.renderer.GetActiveCamera()
        camera.SetFocalPoint(*ras)
        camera.SetPosition(*np.add(ras, (0, CAMERA_MM, 0)))  # the patient seen from the front
        camera.SetViewUp(0, 0, 1)
        camera.SetViewAngle(np.degrees(2 * np.arctan(across_mm / 2 / CAMERA_MM)))
        self.renderer.ResetCameraClippingRange()


def _application_logic(scene):
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    logic.SetSliceLogics(vtk.vtkCollection())
    logic.SetViewLogics(vtk.vtkCollection())
    return logic


def _markups_logic(scene, application):
    """What makes the widgets that draw points."""
    logic = application.GetModuleLogic("Markups")
    if logic is None:
        logic = slicer.vtkSlicerMarkupsLogic()
        logic.SetMRMLApplicationLogic(application)
        logic.SetMRMLScene(scene)
        application.SetModuleLogic("Markups", logic)
    return logic


def _slice_logic(name, scene, application):
    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application)
    logic.SetMRMLScene(scene)
    node = scene.GetSingletonNode(name, "vtkMRMLSliceNode")
    if node is None:
        logic.AddSliceNode(name).SetOrientation(ORIENTATIONS[name])
    else:
        logic.SetSliceNode(node)
    application.GetSliceLogics().AddItem(logic)
    return logic


def _space_node(scene):
    node = scene.GetSingletonNode(SPACE, "vtkMRMLViewNode")
    if node is None:
        node = slicer.vtkMRMLViewNode()
        node.SetLayoutName(SPACE)
        scene.AddNode(node)
    return node


def _factory(factory_class, application):
    factory = factory_class.GetInstance()
    factory.SetMRMLApplicationLogic(application)
    return factory
