"""Crops that the processes of one machine share while they train together.

Whoever started them (Lightning, torchrun or a SLURM step), the first cuts and tells in its store's
folder where the arrays lie; the others wait and map its files.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from nodulerisk.datasets.crops import PROCESS, Place, Store, current_store
from nodulerisk.files import written_whole

PATIENCE_SECONDS = 120.0  # for the first process to begin
LOOK_SECONDS = 0.2

Made = TypeVar("Made")


def made_once(key: str, make: Callable[[], Made]) -> Made:
    """Returns what ``make`` returns, with arrays on disk within ``crops_on_disk``: made by the
    machine's first process, under the same key.

    A process makes its own if the first is not there, or if the system has no path to its files.
    """
    store = current_store()
    if store is not None and store.first is not None:
        with suppress(LookupError, OSError):
            return _from_first(store.first, key)
    made = make()
    if store is not None and store.first is None:
        _tell(store, key, made)
    return made


class _Pickler(pickle.Pickler):
    """Writes of the arrays in a store only their places."""

    def __init__(self, file: io.BytesIO, store: Store):
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


def _tell(store: Store, key: str, made: object) -> None:
    """Says where others find it: the words in the same files as the arrays, so that they leave
    nothing behind either."""
    file = io.BytesIO()
    _Pickler(file, store).dump(made)
    words = file.getvalue()
    place = store.place_of(store.kept(np.frombuffer(words, np.uint8)))
    told = {"words": place, "sha256": _hash(words), "paths": store.paths()}
    with written_whole(_told(store.folder, key)) as partial:
        partial.write_text(json.dumps(told), encoding="utf-8")


def _told(folder: Path, key: str) -> Path:
    return folder / _hash(key.encode())


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _from_first(folder: Path, key: str) -> Any:
    """Waits for what the first process makes, as long as it runs.

    Raises:
        LookupError: it has not begun, or has ended.
        OSError: it has no path to its files.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while (running := _runs(folder)) or time.monotonic() < until:
        if running and _told(folder, key).exists():
            return _mapped(json.loads(_told(folder, key).read_text(encoding="utf-8")))
        if running:
            until = 0.0  # once it has begun, it is not waited for longer than it runs
        time.sleep(LOOK_SECONDS)
    raise LookupError(key)


def _runs(folder: Path) -> bool:
    """Whether a process of this user runs that has made the folder, where nobody else may write."""
    if sys.platform == "win32":
        return False
    try:
        status = folder.stat()
        os.kill(int((folder / PROCESS).read_text()), 0)
    except (OSError, ValueError):
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _mapped(told: dict[str, Any]) -> Any:
    """Unpickles what a process of this user, which still runs, holds open: no file of anybody's."""
    number, first, _dtype, (size,) = told["words"]
    with open(told["paths"][number], "rb") as file:
        file.seek(first)
        words = file.read(size)
    if _hash(words) != told["sha256"]:
        raise LookupError("another process has the number of the one that told it")
    return _Unpickler(io.BytesIO(words), told["paths"]).load()
