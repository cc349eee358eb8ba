"""Stands in for qMRMLWidget, qSlicerWidget and qSlicerWebWidget, and has what the other widgets of
MRML share.

Not done: in qSlicerWebWidget everything but the address, since it loads nothing. A test that
deletes ``slicer.qSlicerWebWidget`` has a Slicer that was built without it.
"""

from __future__ import annotations

from weakref import WeakMethod

import qt
import slicer

from .pythonqt import connects, missing

MRML = object  # what Signal(...) calls a vtkMRMLScene* and a vtkMRMLNode*


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
    mrmlSceneChanged = qt.Signal(MRML)

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


class qSlicerWebWidget(qt.QWidget):
    """Remembers the address that it was asked to show."""

    loadFinished = qt.Signal(bool)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._url = ""

    def setUrl(self, url: str):
        self._url = url

    url = qt.Property(str, lambda self: self._url, setUrl)


slicer.qMRMLWidget, slicer.qSlicerWidget, slicer.qSlicerWebWidget = (
    qMRMLWidget,
    qSlicerWidget,
    qSlicerWebWidget,
)
for name in (
    "qMRMLRangeWidget",
    "qMRMLSliderWidget",
    "qMRMLSpinBox",
):  # named by Slicer's parameterNodeWrapper
    setattr(slicer, name, missing(name))
