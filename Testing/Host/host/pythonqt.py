"""Stands in for PythonQt: the modules ``qt`` and ``ctk``, with PySide6's classes in PythonQt's
manner.

PythonQt has a Qt property as an attribute (``label.text = "x"``) beside its methods
(``label.setText("x")``); PySide6 has only the one or the other, chosen for each module by its
``true_property`` feature. Here the modules that Slicer would run get both. Of ctk there is what
Slicer's own Python code and the panel need; the rest is named, and refuses to be made.

Not done: ``obj.connect("signal()", f)`` on more than the classes below, the C++ decorators of
PythonQt (``delete()``, ``findChildren("QToolBar")``), and Qt 5's names.
"""

from __future__ import annotations

import sys
from types import ModuleType

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from shibokensupport import feature

TRUE_PROPERTY = 0x02
IN_PYTHONQTS_MANNER = (
    "host",
    "LungNoduleRisk",
    "LungNoduleRiskLib",
    "SampleData",
    "SegmentStatistics",
    "SegmentStatisticsPlugins",
    "slicer.ScriptedLoadableModule",
    "slicer.i18n",
    "slicer.packaging",
    "slicer.parameterNodeWrapper",
    "slicer.util",
    "Testing.Panel",
)
CTK_CLASSES_MISSING = (
    "ctkCheckBox",
    "ctkCheckablePushButton",
    "ctkColorPickerButton",
    "ctkComboBox",
    "ctkDirectoryButton",
    "ctkDoubleRangeSlider",
    "ctkDoubleSlider",
    "ctkDoubleSpinBox",
    "ctkPathLineEdit",
    "ctkRangeWidget",
    "ctkSliderWidget",
)


class ChooseManner:
    """Sees each import before it happens, and finds nothing itself."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if any(
            name == package or name.startswith(package + ".") for package in IN_PYTHONQTS_MANNER
        ):
            chooseManner(name)


def chooseManner(moduleName: str) -> None:
    """That module will see properties as attributes, whether it is imported already or not."""
    feature.set_selection(TRUE_PROPERTY, moduleName)


def beginChoosing() -> None:
    """PySide6 first reads the source of every module there is; some of torch's do not bear to be
    looked at."""
    hidden = {
        name: sys.modules.pop(name)
        for name in list(sys.modules)
        if name.partition(".")[0] == "torch"
    }
    chooseManner(__name__)
    sys.modules.update(hidden)


def connects(cls: type) -> type:
    """Gives a class ``obj.connect("clicked()", f)``, as Slicer's own Python code still writes for a
    few."""

    def connect(self, signal, slot):
        getattr(self, signal.partition("(")[0]).connect(slot)

    def disconnect(self, signal, slot):
        getattr(self, signal.partition("(")[0]).disconnect(slot)

    cls.connect, cls.disconnect = (
        connect,
        disconnect,
    )  # in the class itself: PySide6 looks for these two nowhere else
    return cls


@connects
class QTimer(QtCore.QTimer):
    pass


@connects
class QPushButton(QtWidgets.QPushButton):
    pass


def missing(name: str) -> type:
    """A class that can be named, as Slicer's code does in comparing types, but not made."""

    def refuse(self, *arguments):
        raise NotImplementedError(f"The stand-in host has no {name}")

    return type(name, (), {"__init__": refuse})


def keepGettersAndSetters(cls: type) -> None:
    """Gives ``setText`` and ``isEnabled`` back to a class whose properties true_property turned
    into attributes."""
    for name, propertyName in dict(cls.__dict__.get("__property_methods__", {})).items():
        accessors = cls.__dict__[propertyName].fget, cls.__dict__[propertyName].fset
        for method in accessors if name != propertyName else ():
            if method is not None and method.__name__ == name:
                setattr(cls, name, method)


def makeQt() -> ModuleType:
    qt = ModuleType("qt", "PySide6's classes in PythonQt's manner.")
    for module in (QtCore, QtGui, QtWidgets, QtUiTools):
        vars(qt).update(
            {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}
        )
    for value in vars(qt).values():
        if isinstance(value, type) and issubclass(value, QtCore.QObject):
            keepGettersAndSetters(value)
    qt.QTimer, qt.QPushButton = QTimer, QPushButton
    QtCore.QObject.name = QtCore.QObject.__dict__["objectName"]
    QtWidgets.QDialog.exec_ = QtWidgets.QDialog.exec
    QtWidgets.QComboBox.currentData = property(
        lambda box: box.itemData(box.currentIndex)
    )  # PySide6 leaves it a method
    QtCore.QObject.className = lambda self: self.metaObject().className()
    return qt


def install() -> None:
    """Makes ``import qt`` and ``import ctk`` work, and the modules imported after it see properties
    as attributes."""
    beginChoosing()
    chooseManner("slicer.util")
    sys.meta_path.insert(0, ChooseManner)
    sys.modules["qt"] = makeQt()
    sys.modules["ctk"] = ModuleType("ctk", "Stand-ins for CTK's widgets.")
    vars(sys.modules["ctk"]).update({name: missing(name) for name in CTK_CLASSES_MISSING})


install()
