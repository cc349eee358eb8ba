"""The engines as child processes: one process each, so that none disturbs another's threads and
memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nodulerisk.errors import NoduleRiskError

IMPORTABLE = (Path(__file__).parents[1], Path(__file__).parents[3] / "LungNoduleRisk")
KERAS_REFERENCE = Path(__file__).with_name("keras_reference.py")


@dataclass(frozen=True)
class Contestant:
    """An engine and the command that serves it; ``mode`` and the benchmark set's folder are
    appended."""

    name: str
    command: tuple[str, ...]

    def command_for(self, mode: str, folder: Path) -> list[str]:
        return [*self.command, mode, str(folder)]


def ours(engine: str) -> Contestant:
    """See ``bench.child.engine_for``."""
    return Contestant(engine, (sys.executable, "-m", "bench.child", engine))


def keras(python: Path) -> Contestant:
    """The published networks in Keras, run by a Python that has TensorFlow."""
    return Contestant("keras", (str(python), str(KERAS_REFERENCE)))


class Child:
    """A running contestant that answers one JSON line with another."""

    def __init__(self, contestant: Contestant, mode: str, folder: Path):
        self.name = contestant.name
        self._log: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(
            contestant.command_for(mode, folder),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=_environment(folder),
        )
        # they are pipes
        assert self._process.stdin is not None and self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout

    def ask(self, **request) -> dict:
        """Sends a request and waits for its answer.

        Raises:
            NoduleRiskError: the process ended; shows the end of what it wrote.
        """
        try:
            print(json.dumps(request), file=self._requests, flush=True)
        except OSError:
            pass  # it has ended; hear() says why
        return self.hear()

    def hear(self) -> dict:
        """The next answer."""
        line = self._answers.readline()
        if not line:
            self._log.seek(0)
            raise NoduleRiskError(
                f"The {self.name} process ended: {self._log.read()[-2000:].strip()}"
            )
        return json.loads(line)

    def close(self) -> None:
        """Ends the process and waits for it."""
        self._requests.close()
        self._process.wait()
        self._answers.close()
        self._log.close()


@contextmanager
def serving(contestants: list[Contestant], folder: Path) -> Iterator[dict[str, Child]]:
    """The contestants' processes, warm, by name; ended with the block."""
    children = {contestant.name: Child(contestant, "serve", folder) for contestant in contestants}
    try:
        yield children
    finally:
        for child in children.values():
            child.close()


def run_once(contestant: Contestant, mode: str, folder: Path) -> dict[str, float]:
    """Runs ``cold`` or ``memory`` in a fresh process: its answer and ``seconds`` from start to
    answer."""
    start = time.perf_counter()
    child = Child(contestant, mode, folder)
    try:
        return child.hear() | {"seconds": time.perf_counter() - start}
    finally:
        child.close()


def _environment(folder: Path) -> dict[str, str]:
    """Ours, with the packages importable and the cache of converted networks in the benchmark's
    folder."""
    path = os.pathsep.join([*map(str, IMPORTABLE), *filter(None, [os.environ.get("PYTHONPATH")])])
    return os.environ | {
        "PYTHONPATH": path,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
