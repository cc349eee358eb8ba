"""Stands in for PythonQt's QUiLoader: a .ui file with Slicer's own widgets in it.

Connections of the .ui are made by name, without overloads. A class, signal or slot that is not
there is an error here, where Qt Designer's loader puts another in its place or prints a warning.
"""

from __future__ import annotations

from xml.etree import ElementTree

import ctk
import qt
import slicer


class QUiLoader(qt.QUiLoader):
    def load(self, file, parent=None):
        tree = ElementTree.fromstring(bytes(file.readAll()))
        connections = tree.findall("connections/connection")
        for element in tree.findall("connections"):
            tree.remove(element)
        for element in tree.iter("widget"):
            widgetClass(element.get("class"))
        buffer = qt.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(qt.QIODevice.ReadOnly)
        widget = super().load(buffer, parent)
        for element in connections:
            connect(widget, **{part.tag: part.text for part in element if part.tag != "hints"})
        return widget

    def createWidget(self, className, parent=None, name=""):
        cls = widgetClass(className)
        if cls.__module__.startswith("PySide6"):
            return super().createWidget(className, parent, name)
        widget = cls(parent)
        widget.objectName = name
        return widget


def widgetClass(className: str) -> type:
    for module in (qt, ctk, slicer):
        if hasattr(module, className):
            return getattr(module, className)
    raise NotImplementedError(f"The stand-in host has no {className}")


def connect(widget, sender: str, signal: str, receiver: str, slot: str) -> None:
    getattr(named(widget, sender), methodName(signal)).connect(
        getattr(named(widget, receiver), methodName(slot))
    )


def methodName(signature: str) -> str:
    return signature.partition("(")[0]


def named(widget, objectName: str):
    return widget if widget.objectName == objectName else slicer.util.findChild(widget, objectName)


qt.QUiLoader = QUiLoader
