"""What some tests need beyond Python packages: whether it is installed, and its name in Debian."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
SHARED = Path(__file__).parents[2] / "shared"  # the developers' data beside the checkout
WHOLE_DATA = "../shared"  # as a need: all of LIDC-IDRI and whole CTs, which no package has
PROGRAMS = {  # to Debian's packages
    CHROMIUM: "chromium",
    "Orthanc": "orthanc orthanc-dicomweb",
    "dciodvfy": "dicom3tools",
    "dcm2json": "dcmtk",
    "dsrdump": "dcmtk",
    "caddy": "caddy",
    "nginx": "nginx",
}
LIBRARIES = {  # that Qt and VTK load, to Debian's packages
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
}
PACKAGES = PROGRAMS | LIBRARIES
DCMQI = "dcmqi"  # in Python; make test installs it, and those in node:
AXE, OHIF = "axe-core", "@cornerstonejs/adapters"
NODE_PACKAGES = Path(__file__).parent / "Clients" / "node" / "node_modules"


def lacking(*needs: str) -> list[str]:
    """Returns the needs that are not met."""
    return [need for need in needs if not _is_here(need)]


def must_be_here() -> bool:
    """Whether no test may be left out: in CI, and if ``make test`` installs what is missing."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return bool(os.environ.get("CI")) or (is_root and shutil.which("apt-get") is not None)


def how_to_get(needs: set[str]) -> str:
    packages = sorted({PACKAGES[need] for need in needs if need in PACKAGES})
    return f"sudo apt-get install {' '.join(packages)}" if packages else ""


def _is_here(need: str) -> bool:
    if need == WHOLE_DATA:
        return SHARED.is_dir()
    if need == DCMQI:
        return importlib.util.find_spec(need) is not None
    if need in (AXE, OHIF):
        return (NODE_PACKAGES / need).is_dir()
    return _loads(need) if need in LIBRARIES else program(need) is not None


def program(name: str) -> str | None:
    """Returns where a program is, also one that only root has in the path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def _loads(library: str) -> bool:
    try:
        return not sys.platform.startswith("linux") or bool(ctypes.CDLL(library))
    except OSError:
        return False
