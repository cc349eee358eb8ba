"""What a server that was killed left in the folder for temporary files: patients' CTs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def hold(folder: Path) -> int | None:
    """Marks a folder as in use for as long as this process lives; None: it is another's, or in
    use, or the system is Windows, where nothing can be told."""
    if sys.platform == "win32":
        return None
    with suppress(OSError):
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(held).st_uid == os.getuid():
                return held
        os.close(held)
    return None


def let_go(held: int | None) -> None:
    """Takes the mark of ``hold`` away."""
    if held is not None:
        os.close(held)


def remove(prefix: str) -> None:
    """Deletes the folders of this name that are ours and that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        held = hold(folder)
        if held is not None:
            shutil.rmtree(folder, ignore_errors=True)
            let_go(held)
