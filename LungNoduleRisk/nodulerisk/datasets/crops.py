"""Arrays that lie on disk and not in memory: the crops of a large dataset while it is trained on.

Within ``crops_on_disk``, ``kept`` moves an array into a file that is mapped into memory, where the
system may drop it and read it again; a few large files, since each map holds a file open.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nodulerisk.errors import OutputError

FILE_BYTES = 1 << 28
ALIGNMENT = 64  # bytes, of every array
PROCESS = "process"  # file in a store's folder with the number of its process

Place = tuple[int, int, str, tuple[int, ...]]  # file, first byte, type and shape of an array


class Store:
    """The files of one process.

    Attributes:
        folder: where they are made; this user's alone.
        first: the folder of the machine's first process, if this is another one of the same work.
    """

    def __init__(self, folder: Path, first: Path | None):
        self.folder, self.first = folder, first
        self._map, self._used = np.empty(0, np.uint8), 0
        self._maps: list[np.ndarray] = []
        self._files: list[BinaryIO] = []

    def kept(self, array: np.ndarray) -> np.ndarray:
        """Returns the array, in a file."""
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
        path = self.folder / f"{len(self._files)}.crops"
        with _in_words(self.folder):
            file = path.open("w+b")
            self._files.append(file)
            _allocate(file, size)
        self._map = np.asarray(np.memmap(file, np.uint8, "r+", shape=(size,)))
        self._maps.append(self._map)
        with suppress(OSError):
            path.unlink()

    def paths(self) -> list[str]:
        """Returns where other processes of this user find the files, also nameless ones on
        Linux."""
        here = f"/proc/{os.getpid()}/fd"
        return [
            file.name if os.path.exists(file.name) else f"{here}/{file.fileno()}"
            for file in self._files
        ]

    def place_of(self, array: np.ndarray) -> Place | None:
        """Returns where in the files the array is; None if it is elsewhere."""
        start = _address(array)
        for number, whole in enumerate(self._maps):
            first = start - _address(whole)
            if array.flags.c_contiguous and 0 <= first < len(whole):
                return number, first, array.dtype.str, array.shape
        return None

    def close(self) -> None:
        for file in self._files:
            file.close()


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


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


_store: ContextVar[Store | None] = ContextVar("store", default=None)


def current_store() -> Store | None:
    """Returns the store of ``crops_on_disk``; None outside it."""
    return _store.get()


@contextmanager
def crops_on_disk(out: Path) -> Iterator[None]:
    """Within it, datasets keep their arrays in temporary files beside ``out``, whose folder is
    made.

    Raises:
        OutputError: the folder cannot be written, or its disk is full.
    """
    own = _folder(out, number := _number_on_machine())
    with _in_words(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(own, ignore_errors=True)  # of a process that was killed
        own.mkdir(mode=0o700)
        (own / PROCESS).write_text(str(os.getpid()))
    store = Store(own, _folder(out, 0) if number else None)
    before = _store.set(store)
    try:
        yield
    finally:
        _store.reset(before)
        store.close()
        shutil.rmtree(own, ignore_errors=True)


def _folder(out: Path, number: int) -> Path:
    """Returns where a machine's process keeps its crops; disks may be shared by machines."""
    here = hashlib.sha256(f"{socket.gethostname()} {out.absolute()}".encode()).hexdigest()
    return out.parent / f".crops-{here[:16]}-{number}"


def _number_on_machine() -> int:
    """Returns which of the machine's processes this is, as Lightning, torchrun and SLURM say."""
    said = os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", ""))
    return int(said) if said.isdigit() else 0


def kept(array: np.ndarray) -> np.ndarray:
    """Returns the array, on disk within ``crops_on_disk``."""
    store = _store.get()
    return store.kept(array) if store is not None and array.nbytes else array
