"""Arrays that lie on disk and not in memory: the crops of a large dataset while it is trained on.

Within ``crops_on_disk``, ``kept`` moves an array into a file that is mapped into memory, where the
system may drop it and read it again; a few large files, since each map holds a file open.

``made_once`` cuts the crops of several processes once: the processes that Lightning starts for
further devices map the files of the one that started them.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from nodulerisk.errors import OutputError

FILE_BYTES = 1 << 28
ALIGNMENT = 64  # bytes, of every array
SHARED = "NODULERISK_CROPS"  # environment variable: where a process's crops are, for its children

Made = TypeVar("Made")
Place = tuple[int, int, str, tuple[int, ...]]  # file, first byte, type and shape of an array


class _Store:
    def __init__(self, folder: Path):
        self._folder = folder
        self._map, self._used = np.empty(0, np.uint8), 0
        self._maps: list[np.ndarray] = []
        self._files: list[BinaryIO] = []

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
        path = self._folder / f"{len(self._files)}.crops"
        with _in_words(self._folder):
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


class _Pickler(pickle.Pickler):
    """Writes of the arrays in a store only their places."""

    def __init__(self, file: io.BytesIO, store: _Store):
        super().__init__(file)
        self._store = store

    def persistent_id(self, obj: Any) -> Place | None:
        is_stored = isinstance(obj, np.ndarray) and obj.nbytes
        return self._store.place_of(obj) if is_stored else None


class _Unpickler(pickle.Unpickler):
    """Reads what another process's ``_Pickler`` wrote; changes of the arrays stay here."""

    def __init__(self, file: io.BytesIO, paths: list[str]):
        super().__init__(file)
        self._maps = [np.asarray(np.memmap(path, np.uint8, "c")) for path in paths]

    def persistent_load(self, pid: Place) -> np.ndarray:
        number, first, dtype, shape = pid
        return np.ndarray(shape, dtype, self._maps[number].data, first)


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
    with place, closing(_Store(Path(place.name))) as store:
        before, told = _store.set(store), os.environ.get(SHARED)
        try:
            yield
        finally:
            _store.reset(before)
            if told is None:
                os.environ.pop(SHARED, None)


def kept(array: np.ndarray) -> np.ndarray:
    """Returns the array, on disk within ``crops_on_disk``."""
    store = _store.get()
    return store.kept(array) if store is not None and array.nbytes else array


def made_once(make: Callable[[], Made]) -> Made:
    """Returns what ``make`` returns, with arrays on disk within ``crops_on_disk``: made by this
    process, or by the one that started it with the same call, before it did."""
    told = json.loads(os.environ.get(SHARED, "{}"))
    if told and told["process"] != os.getpid():
        with suppress(OSError):  # nameless files, where the system has no path to them
            return _from_another(told)
    made = make()
    if not told and (store := _store.get()) is not None:
        os.environ[SHARED] = json.dumps(_for_others(made, store))
    return made


def _for_others(made: object, store: _Store) -> dict[str, Any]:
    """Returns where another process finds it: the words in the same files as the arrays, so that
    they leave nothing behind either."""
    file = io.BytesIO()
    _Pickler(file, store).dump(made)
    words = store.place_of(store.kept(np.frombuffer(file.getbuffer(), np.uint8)))
    return {"process": os.getpid(), "paths": store.paths(), "words": words}


def _from_another(told: dict[str, Any]) -> Any:
    """Unpickles what a process of this user, which still runs, holds open: no file of anybody's."""
    number, first, _dtype, (size,) = told["words"]
    with open(told["paths"][number], "rb") as file:
        file.seek(first)
        words = file.read(size)
    return _Unpickler(io.BytesIO(words), told["paths"]).load()
