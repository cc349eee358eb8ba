"""A stand-in for the Qt half of 3D Slicer: real MRML (slicer-core), real widgets (PySide6), and
thin copies between.

It is not 3D Slicer: each file says at its top what it stands in for, and what it does not do.
"""

from . import pythonqt  # first: the imports after it see Qt in PythonQt's manner
from .session import Host, start

__all__ = ["Host", "pythonqt", "start"]
