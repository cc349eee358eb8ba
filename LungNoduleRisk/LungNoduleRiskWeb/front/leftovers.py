"""What a server that was killed left in the folder for temporary files: patients' CTs."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

MARK = "held"  # file that is locked on Windows, which locks no folders


def hold(folder: Path) -> int | None:
    """Marks a folder as in use for as long as this process lives; None: it is another's, or in
    use."""
    with suppress(OSError):
        held = _opened(folder)
        with suppress(OSError):
            _lock(held)
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
            shutil.rmtree(folder, ignore_errors=True)  # Windows deletes no file that is open


def _opened(folder: Path) -> int:
    """What is locked of a folder; OSError: it is a link, or another's."""
    if sys.platform == "win32":
        if folder.is_symlink():
            raise NotADirectoryError(folder)
        return os.open(folder / MARK, os.O_RDWR | os.O_CREAT)
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(opened).st_uid != os.getuid():
        os.close(opened)
        raise PermissionError(folder)
    return opened


def _lock(opened: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(opened, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
