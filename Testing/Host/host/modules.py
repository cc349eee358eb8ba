"""Stands in for Slicer's modules and their manager: C++ modules are their real logic alone;
scripted ones are complete.

Not done: the modules' panels in C++, their dependencies, file readers and writers of scripted
    modules.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import qt
import slicer

from .mrml_widgets import qSlicerWidget
from .pythonqt import chooseManner, connects

LOGICS = {
    "Cameras": slicer.vtkSlicerCamerasModuleLogic,
    "Colors": slicer.vtkMRMLColorLogic,
    "Markups": slicer.vtkSlicerMarkupsLogic,
    "Models": slicer.vtkSlicerModelsLogic,
    "Plots": slicer.vtkSlicerPlotsLogic,
    "Segmentations": slicer.vtkSlicerSegmentationsModuleLogic,
    "SubjectHierarchy": slicer.vtkSlicerSubjectHierarchyModuleLogic,
    "Tables": slicer.vtkSlicerTablesLogic,
    "Texts": slicer.vtkSlicerTextsLogic,
    "Transforms": slicer.vtkSlicerTransformLogic,
    "VolumeRendering": slicer.vtkSlicerVolumeRenderingLogic,
    "Volumes": slicer.vtkSlicerVolumesLogic,
}


class Module:
    """A C++ module: its logic, without a panel."""

    def __init__(self, name: str, logic):
        self.name, self._logic = name, logic

    def logic(self):
        return self._logic

    def widgetRepresentation(self):
        return None


class qSlicerScriptedLoadableModule(qt.QObject):
    """The parent of a module's Python class, to write its title and texts on."""

    def __init__(self, name: str, path: Path):
        super().__init__()
        self.name, self.path = name, str(path)
        self.title = self.helpText = self.acknowledgementText = ""
        self.categories, self.dependencies, self.contributors = [], [], []
        self.hidden, self.icon = False, qt.QIcon()
        self._representation = None
        self._load(path)

    def _load(self, path: Path):
        if str(path.parent) not in sys.path:
            sys.path.append(str(path.parent))
        chooseManner(self.name)
        spec = importlib.util.spec_from_file_location(self.name, path)
        python = sys.modules[self.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(python)
        setattr(slicer.modules, self.name + "Instance", getattr(python, self.name)(self))

    def widgetRepresentation(self):
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self)
        return self._representation


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The parent of a module's Python widget class, to lay out the panel in."""

    def __init__(self, module: qSlicerScriptedLoadableModule):
        super().__init__()
        self._module = module
        self.objectName = module.name + "ModuleWidget"
        self.windowTitle = module.title
        qt.QVBoxLayout(self)
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def self(self):
        return getattr(slicer.modules, self._module.name + "Widget")

    def reload(self):
        name = self._module.name + "Widget"
        setattr(slicer.modules, name, getattr(sys.modules[self._module.name], name)(self))
        try:
            self.self().setup()
        except Exception:  # into the log: the panel stays, as far as it was set up
            sys.excepthook(*sys.exc_info())


class qSlicerModuleFactoryManager:
    def __init__(self, modules: dict):
        self._modules = modules

    def loadedModuleNames(self) -> list[str]:
        return sorted(self._modules)


@connects
class qSlicerModuleManager(qt.QObject):
    moduleAboutToBeUnloaded = qt.Signal(str)

    def __init__(self):
        super().__init__()
        self._modules = {}

    def module(self, name: str):
        return self._modules.get(name)

    def factoryManager(self):
        return qSlicerModuleFactoryManager(self._modules)


def addModule(module) -> None:
    """Makes a module known to the application."""
    slicer.app.moduleManager()._modules[module.name] = module
    setattr(slicer.modules, module.name.lower(), module)


def unloadWidget(module: qSlicerScriptedLoadableModule) -> None:
    """Ends a module's panel, if there is one; the next `widgetRepresentation` is new."""
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(module.name)
    if module._representation is not None:
        module._representation.deleteLater()
        module._representation = None
        delattr(slicer.modules, module.name + "Widget")


for cls in (qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget):
    setattr(slicer, cls.__name__, cls)
