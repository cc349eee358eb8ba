"""Arrays that lie on disk and not in memory: the crops of a large dataset while it is trained on.

Within ``crops_on_disk``, ``kept`` moves an array into a file that is mapped into memory, where the
system may drop it and read it again; a few large files, since each map holds a file open.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nodulerisk.errors import OutputError

FILE_BYTES = 1 << 28
ALIGNMENT = 64  # bytes, of every array


class _Store:
    def __init__(self, folder: Path):
        self._folder = folder
        self._map, self._used, self._files = np.empty(0, np.uint8), 0, 0

    def kept(self, array: np.ndarray) -> np.ndarray:
        start = -(-self._used // ALIGNMENT) * ALIGNMENT
        if start + array.nbytes > len(self._map):
            self._begin(max(array.nbytes, FILE_BYTES))
            start = 0
        self._used = start + array.nbytes
        place = self._map[start : self._used].view(array.dtype).reshape(array.shape)
        place[...] = array
        return place

    def _begin(self, size: int) -> None:
        """Begins a new file; it is nameless from the start where the system allows that, so that
        not even a kill leaves it behind."""
        path = self._folder / f"{self._files}.crops"
        with _in_words(self._folder), path.open("wb") as file:
            _allocate(file, size)
        self._map = np.asarray(np.memmap(path, np.uint8, "r+", shape=(size,)))
        self._files += 1
        with suppress(OSError):
            path.unlink()


def _allocate(file: BinaryIO, size: int) -> None:
    """Takes the space now: to write into a map of a full disk would end the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:
        file.write(bytes(size))


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"Nodules cannot be kept in {folder} while training ({error.strerror}): choose an --out"
            " on a disk with free space that you may write to."
        ) from error


_store: ContextVar[_Store | None] = ContextVar("store", default=None)


@contextmanager
def crops_on_disk(folder: Path) -> Iterator[None]:
    """Within it, datasets keep their arrays in temporary files in the folder, which is made.

    Raises:
        OutputError: the folder cannot be written, or its disk is full.
    """
    with _in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(
            prefix=".crops-", dir=folder, ignore_cleanup_errors=True
        )
    with place:
        before = _store.set(_Store(Path(place.name)))
        try:
            yield
        finally:
            _store.reset(before)


def kept(array: np.ndarray) -> np.ndarray:
    """Returns the array, on disk within ``crops_on_disk``."""
    store = _store.get()
    return store.kept(array) if store is not None and array.nbytes else array
