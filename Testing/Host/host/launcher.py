"""Stands in for PythonSlicer, which is ``sys.executable`` in Slicer: a launcher whose child is the
Python that does the work.

Not done: the libraries and variables that CTK's launcher sets for its child.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

# A shell waits for its last command only where another follows it; the words are the launcher's.
LAUNCHER = """#!/bin/sh
"{python}" "$@"
status=$?
[ $status -gt 128 ] && echo "error: [{python}] exit abnormally - Report the problem." >&2
exit $status
"""
_folder = tempfile.TemporaryDirectory()  # as long as the process


def startPythonThroughLauncher() -> None:
    """Makes ``sys.executable`` a launcher. What it starts knows by a variable whose it is."""
    launcher = Path(_folder.name) / "PythonSlicer"
    launcher.write_text(LAUNCHER.format(python=sys.executable))
    launcher.chmod(0o755)
    sys.executable = str(launcher)
    os.environ["NODULERISK_HOST"] = str(os.getpid())
