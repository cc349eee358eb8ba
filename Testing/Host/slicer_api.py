"""Writes slicer_api.json: the names of Slicer's and CTK's Qt classes that Python code reaches, read
from the headers.

Those are what PythonQt shows: properties, signals, public slots, Q_INVOKABLE methods, values of
registered enums, and the methods that Slicer adds in "PythonQtDecorators". With two checkouts:
``python slicer_api.py Slicer CTK``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

CORE, GUI, MRML = "Base/QTCore", "Base/QTGUI", "Libs/MRML/Widgets"
SCRIPTED_MODULE = f"{CORE}/qSlicerAbstractCoreModule", f"{GUI}/qSlicerScriptedLoadableModule"
MODULE_WIDGET = (
    f"{GUI}/qSlicerWidget",
    f"{GUI}/qSlicerAbstractModuleWidget",
    f"{GUI}/qSlicerScriptedLoadableModuleWidget",
)
HEADERS = {  # by class, its own and those of its bases outside Qt
    "ctkCollapsibleButton": ("Libs/Widgets/ctkCollapsibleButton",),
    "ctkMessageBox": ("Libs/Widgets/ctkMessageBox",),
    "qMRMLNodeComboBox": (f"{MRML}/qMRMLNodeComboBox",),
    "qMRMLSegmentEditorWidget": (
        f"{MRML}/qMRMLWidget",
        "Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget",
    ),
    "qMRMLSliceWidget": (f"{MRML}/qMRMLWidget", f"{MRML}/qMRMLSliceWidget"),
    "qMRMLSortFilterProxyModel": (f"{MRML}/qMRMLSortFilterProxyModel",),
    "qMRMLThreeDWidget": (f"{MRML}/qMRMLWidget", f"{MRML}/qMRMLThreeDWidget"),
    "qMRMLWidget": (f"{MRML}/qMRMLWidget",),
    "qSlicerApplication": (f"{CORE}/qSlicerCoreApplication", f"{GUI}/qSlicerApplication"),
    "qSlicerCoreCommandOptions": (f"{CORE}/qSlicerCoreCommandOptions",),
    "qSlicerCoreIOManager": (f"{CORE}/qSlicerCoreIOManager",),
    "qSlicerLayoutManager": (f"{MRML}/qMRMLLayoutManager", f"{GUI}/qSlicerLayoutManager"),
    "qSlicerMainWindow": ("Base/QTApp/qSlicerMainWindow",),
    "qSlicerMarkupsPlaceWidget": (
        f"{GUI}/qSlicerWidget",
        "Modules/Loadable/Markups/Widgets/qSlicerMarkupsPlaceWidget",
    ),
    "qSlicerModuleFactoryManager": (
        f"{CORE}/qSlicerAbstractModuleFactoryManager",
        f"{CORE}/qSlicerModuleFactoryManager",
    ),
    "qSlicerModuleManager": (f"{CORE}/qSlicerModuleManager",),
    "qSlicerModuleSelectorToolBar": (f"{GUI}/qSlicerModuleSelectorToolBar",),
    "qSlicerScriptedLoadableModule": SCRIPTED_MODULE,
    "qSlicerScriptedLoadableModuleWidget": MODULE_WIDGET,
    "qSlicerWebWidget": (f"{GUI}/qSlicerWebWidget",),
    "qSlicerWidget": (f"{GUI}/qSlicerWidget",),
}
DECORATORS = (
    f"{CORE}/qSlicerBaseQTCorePythonQtDecorators.h",
    f"{GUI}/qSlicerBaseQTGUIPythonQtDecorators.h",
)
DECORATED = {  # the base that Slicer adds methods to, by the class that has them
    "qSlicerApplication": "qSlicerCoreApplication",
    "qSlicerScriptedLoadableModule": "qSlicerAbstractModule",
    "qSlicerScriptedLoadableModuleWidget": "qSlicerAbstractModuleWidget",
}
METHOD = re.compile(r"^\s*(?:[\w:<>,*&]+\s+)+[*&]*(\w+)\s*\(", re.MULTILINE)
ACCESS = re.compile(r"^\s*((?:public|protected|private)(?: slots)?|signals)\s*:", re.MULTILINE)


def reachable(header: str, className: str) -> set[str]:
    """The names in a class of a C++ header that PythonQt shows."""
    code = re.sub(
        r"//.*|/\*.*?\*/", "", header.replace("Q_SLOTS", "slots").replace("Q_SIGNALS", "signals")
    )
    body = re.search(
        rf"class\s+\w*\s*{className}\b[^;{{]*\{{(.*?)^\}};", code, re.DOTALL | re.MULTILINE
    ).group(1)
    names = set(re.findall(r"Q_PROPERTY\(\s*[^)]*?(\w+)\s+READ", body))
    names.update(re.findall(r"Q_INVOKABLE[^;{]*?(\w+)\s*\(", body))
    _, *sections = ACCESS.split(body)
    for access, section in zip(sections[::2], sections[1::2], strict=True):
        names.update(METHOD.findall(section) if access in ("public slots", "signals") else ())
    for enum in re.findall(r"Q_ENUMS?\((\w+)\)", body):
        values = re.search(rf"enum\s+{enum}\s*\{{(.*?)\}}", body, re.DOTALL)
        names.update(
            re.findall(r"(\w+)\s*(?:=[^,]*)?(?:,|$)", values.group(1).strip()) if values else ()
        )
    return names


def decorated(header: str, className: str) -> set[str]:
    """The names that a header of decorators adds to a class."""
    return set(re.findall(rf"\bstatic_{className}_(\w+)", header)) | set(
        re.findall(rf"(\w+)\(\s*{className}\s*\*", header)
    )


def extract(slicer: Path, ctk: Path) -> dict[str, list[str]]:
    decorators = [(slicer / path).read_text() for path in DECORATORS]
    classes = {}
    for className, headers in HEADERS.items():
        root = ctk if className.startswith("ctk") else slicer
        names = [
            reachable((root / f"{header}.h").read_text(), Path(header).name) for header in headers
        ]
        names += [
            decorated(header, DECORATED[className])
            for header in decorators
            if className in DECORATED
        ]
        classes[className] = sorted(set.union(*names))
    return classes


def commit(checkout: Path) -> str:
    return subprocess.check_output(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], text=True
    ).strip()


if __name__ == "__main__":
    slicer, ctk = map(Path, sys.argv[1:])
    api = {
        "commits": {"Slicer": commit(slicer), "CTK": commit(ctk)},
        "classes": extract(slicer, ctk),
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(api, indent=1) + "\n")
