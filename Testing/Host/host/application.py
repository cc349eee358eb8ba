"""Stands in for qSlicerApplication and what it holds: the MRML scene, the logics, modules, layout
and settings.

Scene and logics are Slicer's own. Not done: readers and writers but for scenes as .mrb, extensions,
translations, the error log, the Python console. Settings go to a file that ends with the process.
"""

from __future__ import annotations

import sys
import tempfile
from types import ModuleType

import qt
import slicer

from . import subject_hierarchy
from .layout import qSlicerLayoutManager
from .modules import LOGICS, Module, addModule, qSlicerModuleManager
from .pythonqt import connects


class qSlicerCoreIOManager:
    """Saves and loads scenes as .mrb, and nothing else."""

    def __init__(self, scene):
        self._scene = scene

    def saveNodes(self, fileType: str, properties: dict, messages=None) -> bool:
        self._refuseOthers(fileType, properties)
        return self._scene.WriteToMRB(properties["fileName"])

    def loadNodes(self, fileType: str, properties: dict, loadedNodes, messages=None) -> bool:
        self._refuseOthers(fileType, properties)
        before = set(slicer.util.getNodesByClass("vtkMRMLNode"))
        loaded = self._scene.ReadFromMRB(properties["fileName"], properties.get("clear", False))
        for node in set(slicer.util.getNodesByClass("vtkMRMLNode")) - before:
            loadedNodes.AddItem(node)
        return loaded

    @staticmethod
    def _refuseOthers(fileType: str, properties: dict):
        if fileType != "SceneFile" or not properties["fileName"].endswith(".mrb"):
            raise NotImplementedError(
                f"The stand-in host reads and writes scenes as .mrb, not {properties}"
            )


class qSlicerCoreCommandOptions:
    """``testingEnabled = True`` has Slicer answer its message boxes by itself."""

    testingEnabled = False


@connects
class qSlicerApplication(qt.QApplication):
    startupCompleted = qt.Signal()
    documentationBaseUrl = "https://slicer.readthedocs.io/"
    applicationLocaleName = "en-US"  # of the settings when it was started

    def __init__(self):
        super().__init__([])
        self.applicationName, self.organizationName = "Slicer", "stand-in host"
        self._folder = tempfile.TemporaryDirectory()
        self.temporaryPath = self._folder.name
        qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
        qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, self.temporaryPath)
        self._options = qSlicerCoreCommandOptions()
        self._moduleManager = qSlicerModuleManager()
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        slicer.app, slicer.mrmlScene, slicer.modules = (
            self,
            self._scene,
            ModuleType("slicer.modules"),
        )
        sys.modules["slicer.modules"] = slicer.modules
        self._fillScene()

    def _fillScene(self):
        """What is in Slicer's scene and modules before the first scripted module."""
        self._files = slicer.vtkMRMLRemoteIOLogic()  # an .mrb is unpacked into its cache
        self._files.GetCacheManager().SetRemoteCacheDirectory(self.temporaryPath)
        self._files.SetMRMLApplicationLogic(self._logic)
        self._files.SetMRMLScene(self._scene)
        self._files.AddDataIOToScene()
        self._logic.SetMRMLScene(self._scene)
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self._scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self._scene, True)
        for name, logic in LOGICS.items():
            self._addModule(name, logic())
        self._layoutManager = qSlicerLayoutManager(self._logic, self._scene)
        subject_hierarchy.follow(self._scene)

    def _addModule(self, name: str, logic):
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(self._scene)
        self._logic.SetModuleLogic(name, logic)
        addModule(Module(name, logic))

    def applicationLogic(self):
        return self._logic

    def mrmlScene(self):
        return self._scene

    def moduleLogic(self, name: str):
        return self._logic.GetModuleLogic(name)

    def layoutManager(self):
        return self._layoutManager

    def moduleManager(self):
        return self._moduleManager

    def coreIOManager(self):
        return qSlicerCoreIOManager(self._scene)

    def settings(self):
        return qt.QSettings()

    userSettings = settings

    def commandOptions(self):
        return self._options

    def testingEnabled(self) -> bool:
        return self._options.testingEnabled

    def pythonConsole(self):
        return None

    def pauseRender(self):
        """Nothing renders."""

    resumeRender = pauseRender

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return self.documentationBaseUrl + moduleName
