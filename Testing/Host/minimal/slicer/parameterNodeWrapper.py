"""Stands in for Slicer's ``slicer.parameterNodeWrapper``, whose code it does not copy: a scripted
module's parameters as typed attributes, kept in a vtkMRMLScriptedModuleNode in the same form, so
that scenes go from the one to the other.

Done: str, bool, int, float and MRML node types; the annotations Default, Choice, WithinRange,
Minimum and Maximum; QLineEdit, QCheckBox, QComboBox with Choice, QSpinBox, QDoubleSpinBox and
qMRMLNodeComboBox. Not done: lists, unions, packs, enums, paths and colours; one's own serializers
and connectors.
"""

import typing
from dataclasses import dataclass

import qt
import slicer
import vtk

__all__ = [
    "Choice",
    "Default",
    "Maximum",
    "Minimum",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]


@dataclass
class Default:
    value: object = None


@dataclass
class WithinRange:
    minimum: float
    maximum: float

    def validate(self, value):
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}")


class Minimum(WithinRange):
    def __init__(self, minimum):
        super().__init__(minimum, float("inf"))


class Maximum(WithinRange):
    def __init__(self, maximum):
        super().__init__(float("-inf"), maximum)


@dataclass
class Choice:
    choices: list

    def validate(self, value):
        if value not in self.choices:
            raise ValueError(f"{value!r} is none of {self.choices}")


class Parameter:
    """One typed attribute of a wrapper, stored under its name."""

    def __init__(self, name: str, hint, default):
        self.name = name
        self.type, *self.annotations = typing.get_args(typing.Annotated[hint, None])[:-1]
        annotated = [each.value for each in self.annotations if isinstance(each, Default)]
        self.default = (
            default if default is not None else annotated[0] if annotated else self._emptyValue()
        )
        self.validators = [each for each in self.annotations if hasattr(each, "validate")]

    def _emptyValue(self):
        return None if issubclass(self.type, slicer.vtkMRMLNode) else self.type()

    def __get__(self, wrapper, owner=None):
        return self if wrapper is None else self.read(wrapper.parameterNode)

    def __set__(self, wrapper, value):
        self._validate(value)
        with slicer.util.NodeModify(wrapper.parameterNode):
            self.write(wrapper.parameterNode, value)

    def _validate(self, value):
        isNode = issubclass(self.type, slicer.vtkMRMLNode)
        accepted = (int, float) if self.type is float else self.type
        if not (isNode and value is None) and not isinstance(value, accepted):
            raise TypeError(f"{self.name} is a {self.type.__name__}, not {value!r}")
        for validator in self.validators:
            validator.validate(value)

    def read(self, node):
        if not node.HasParameter(self.name):  # new, or emptied since the scene was closed
            self.write(node, self.default)
        if issubclass(self.type, slicer.vtkMRMLNode):
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        return text == "True" if self.type is bool else self.type(text)

    def write(self, node, value):
        if issubclass(self.type, slicer.vtkMRMLNode):
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value and value.GetID())
        else:
            node.SetParameter(self.name, str(value))

    def choices(self) -> list | None:
        return next((each.choices for each in self.annotations if isinstance(each, Choice)), None)

    def bounds(self) -> WithinRange:
        infinite = WithinRange(float("-inf"), float("inf"))
        return next((each for each in self.annotations if isinstance(each, WithinRange)), infinite)


class Wrapper:
    """What the decorator adds to a class."""

    def __init__(self, parameterNode):
        self.parameterNode = parameterNode
        self._guis = {}
        for parameter in self.allParameters.values():
            parameter.read(parameterNode)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        return self.parameterNode.EndModify(wasModified)

    def Modified(self):
        self.parameterNode.Modified()

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def default(self, name: str):
        return Default(self.allParameters[name].default)

    def getValue(self, name: str):
        return getattr(self, name)

    def setValue(self, name: str, value):
        setattr(self, name, value)

    def connectGui(self, gui) -> int:
        """Binds the child widgets that have the property SlicerParameterName; the number is for
        `disconnectGui`."""
        widgets = (
            gui.findChildren(qt.QWidget) if hasattr(gui, "findChildren") else vars(gui).values()
        )
        named = {widget.property("SlicerParameterName"): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict) -> int:
        connection = GuiConnection(self, mapping)
        self._guis[connection.tag] = connection
        return connection.tag

    def disconnectGui(self, tag: int):
        self._guis.pop(tag).end()


class GuiConnection:
    """Widgets and a parameter node that follow each other."""

    def __init__(self, wrapper, widgets: dict):
        self._wrapper, self._showing = wrapper, False
        unknown = set(widgets) - set(wrapper.allParameters)
        if unknown:
            raise ValueError(f"No parameters are named {sorted(unknown)}")
        self._bound = {
            name: bind(widget, wrapper.allParameters[name]) for name, widget in widgets.items()
        }
        self._show()
        self._slots = {name: lambda *_, name=name: self._take(name) for name in self._bound}
        for name, slot in self._slots.items():
            self._bound[name].changed.connect(slot)
        self.tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show)

    def _show(self, *_):
        if not self._showing:
            self._showing = True
            for name, bound in self._bound.items():
                bound.write(self._wrapper.getValue(name))
            self._showing = False

    def _take(self, name: str):
        if not self._showing:
            self._wrapper.setValue(name, self._bound[name].read())

    def end(self):
        self._wrapper.RemoveObserver(self.tag)
        for name, slot in self._slots.items():
            self._bound[name].changed.disconnect(slot)


@dataclass
class Bound:
    """A widget as a value of its parameter: a signal, and how to read and write."""

    changed: object
    read: typing.Callable
    write: typing.Callable


def bind(widget, parameter: Parameter) -> Bound:
    for widgetType, binder in BINDERS.items():
        if type(widget) is widgetType():
            return binder(widget, parameter)
    raise RuntimeError(f"No way to show {parameter.name} in a {type(widget).__name__}")


def bindText(widget, parameter):
    def write(text):
        if text != widget.text:  # or the cursor would jump to the end while the user types
            widget.text = text

    return Bound(widget.textChanged, lambda: widget.text, write)


def bindCheckBox(widget, parameter):
    return Bound(
        widget.toggled, lambda: widget.checked, lambda value: setattr(widget, "checked", value)
    )


def bindComboBox(widget, parameter):
    choices = parameter.choices()
    widget.clear()
    widget.addItems([str(choice) for choice in choices])
    return Bound(
        widget.currentIndexChanged,
        lambda: choices[widget.currentIndex],
        lambda value: setattr(widget, "currentIndex", choices.index(value)),
    )


def bindSpinBox(widget, parameter):
    bounds = parameter.bounds()
    widget.setRange(max(bounds.minimum, -(2**31)), min(bounds.maximum, 2**31 - 1))
    return Bound(
        widget.valueChanged, lambda: widget.value, lambda value: setattr(widget, "value", value)
    )


def bindDoubleSpinBox(widget, parameter):
    bounds = parameter.bounds()
    widget.setRange(bounds.minimum, bounds.maximum)
    return Bound(
        widget.valueChanged,
        lambda: parameter.type(widget.value),
        lambda value: setattr(widget, "value", value),
    )


def bindNodes(widget, parameter):
    widget.nodeTypes = [parameter.type().GetClassName()]
    return Bound(widget.currentNodeChanged, widget.currentNode, widget.setCurrentNode)


BINDERS = {
    lambda: qt.QLineEdit: bindText,
    lambda: qt.QCheckBox: bindCheckBox,
    lambda: qt.QComboBox: bindComboBox,
    lambda: qt.QSpinBox: bindSpinBox,
    lambda: qt.QDoubleSpinBox: bindDoubleSpinBox,
    lambda: slicer.qMRMLNodeComboBox: bindNodes,
}


def isParameterNodeWrapper(classOrObject) -> bool:
    return hasattr(classOrObject, "allParameters")


def parameterNodeWrapper(cls):
    """Makes a wrapper of a class whose annotated attributes are the parameters."""
    hints = typing.get_type_hints(cls, include_extras=True)
    parameters = {
        name: Parameter(name, hint, getattr(cls, name, None)) for name, hint in hints.items()
    }
    return type(
        cls.__name__,
        (Wrapper, cls),
        {**parameters, "allParameters": parameters, "__module__": cls.__module__},
    )
