"""Stands in for Slicer's ``slicer.ScriptedLoadableModule``, whose code it does not copy: the four
base classes.

Not done: the developer's section of the panel (reload and test buttons), the link to the
    documentation, screenshots.
"""

import importlib
import logging
import unittest
from pathlib import Path

import qt
import slicer

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


def nameWithout(suffix: str, instance) -> str:
    return type(instance).__name__.removesuffix(suffix)


class ScriptedLoadableModule:
    def __init__(self, parent):
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title, parent.categories, parent.dependencies, parent.contributors = "", [], [], []
        for icon in Path(self.resourcePath("Icons")).glob(self.moduleName + ".*"):
            parent.icon = qt.QIcon(str(icon))
        slicer.selfTests = {**getattr(slicer, "selfTests", {}), self.moduleName: self.runTest}

    def resourcePath(self, filename: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / filename)

    def runTest(self, msec: int = 100, **kwargs):
        module = importlib.import_module(type(self).__module__)
        test = getattr(module, self.moduleName + "Test")()
        test.messageDelay = msec
        test.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = nameWithout("Widget", self)
        self.developerMode = False
        self.parent = parent or self._makeParent()
        self.layout = self.parent.layout()
        if not parent:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect(
            "moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded
        )

    def _makeParent(self):
        parent = slicer.qMRMLWidget()
        parent.setLayout(qt.QVBoxLayout())
        parent.setMRMLScene(slicer.mrmlScene)
        return parent

    def resourcePath(self, filename: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        pass

    def cleanup(self):
        pass

    def _onModuleAboutToBeUnloaded(self, moduleName: str):
        if moduleName == self.moduleName:
            self.cleanup()
            manager = slicer.app.moduleManager()
            manager.disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = nameWithout("Logic", self)
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The module's own node in the scene, made when there is none."""
        node = next(iter(self.getAllParameterNodes()), None) or slicer.mrmlScene.AddNode(
            self.createParameterNode()
        )
        node.SetAttribute("ModuleName", self.moduleName)  # it goes when the scene is closed
        return node

    def getAllParameterNodes(self) -> list:
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if self._isOurs(node)]

    def _isOurs(self, node) -> bool:
        return (
            node.GetAttribute("ModuleName") == self.moduleName
            or node.GetSingletonTag() == self.moduleName
        )

    def createParameterNode(self):
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.messageDelay = 100

    def delayDisplay(self, message: str, requestedDelay=None, msec=None):
        slicer.util.delayDisplay(message, self.messageDelay)

    def runTest(self):
        """Slicer runs no method by itself: each module says which."""
        logging.warning("No test is defined in " + type(self).__name__)
