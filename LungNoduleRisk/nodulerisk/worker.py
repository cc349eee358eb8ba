"""Worker: an Engine in a child process, kept warm: the program that shows the CT never loads torch nor freezes.

Both ways a message is one line of JSON, followed by the raw bytes of the arrays it announces. Only cubes and
probabilities travel, never the CT. The child ends when its parent does.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

import numpy as np

from nodulerisk import errors
from nodulerisk.checks import Check
from nodulerisk.errors import NoduleRiskError, WorkerError
from nodulerisk.weights import WeightSet, load_weight_set

CANCELLED = "The assessment was cancelled."


class Worker:
    """Answers for a weight set's networks (see ``engine.Networks``) from a child process.

    ``predict`` blocks its thread; ``cancel`` may be called from any other. After a cancel or a crash the next call
    starts a new child.

    Attributes:
        device: what runs the networks, in words; empty until the child has started.
        checks: what happened on the way that a reader must know (fault 40).
    """

    def __init__(self, weights: WeightSet, device: str = "auto", *, python: str = sys.executable):
        self.device = ""
        self.checks: list[Check] = []
        self._weights = weights
        self._wanted_device = device
        self._python = python
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._cancelled = threading.Event()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``Networks.predict``. A child that dies on a GPU is tried once more on the CPU (fault 40).

        Raises:
            WorkerError: cancelled, or the child died.
            NoduleRiskError: what the Engine raised in the child.
        """
        return self._answer({"network": network}, cubes)

    def gradcam(self, network: str, cubes: np.ndarray, column: int) -> np.ndarray:
        """See ``gradcam.class_activation``; raises as ``predict`` does."""
        return self._answer({"network": network, "column": column}, cubes)[0]

    def cancel(self) -> None:
        """Ends the child at once; the ``predict`` under way, or the next one, raises WorkerError."""
        self._cancelled.set()
        self.close()

    def close(self) -> None:
        """Ends the child, if one is running."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """The answer, from a child on the CPU where one on a GPU died."""
        try:
            return self._ask_child(question, cubes)
        except WorkerError:
            if self._cancelled.is_set():
                self._cancelled.clear()
                raise WorkerError(CANCELLED) from None
            if self._wanted_device == "cpu" or self.device.startswith("CPU"):
                raise
        self.checks.append(
            Check("gpu-failed", "note", f"{self.device or 'The GPU'} failed: the CPU was used instead.", 40)
        )
        self._wanted_device = "cpu"
        return self._ask_child(question, cubes)

    def _ask_child(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        if self._cancelled.is_set():
            raise WorkerError(CANCELLED)
        if self._child is None or self._child.poll() is not None:
            self._start()
        answer, arrays = self._ask(question, [np.ascontiguousarray(cubes, np.float32)])
        self.device = answer["device"]
        found = [Check(**check) for check in answer["checks"]]
        self.checks += [check for check in found if check not in self.checks]
        return tuple(arrays)

    def _start(self) -> None:
        package_root = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            [self._python, "-m", "nodulerisk.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=os.environ | {"PYTHONPATH": path},
        )
        answer, _ = self._ask({"weights": str(self._weights.folder.resolve()), "device": self._wanted_device})
        self.device = answer["device"]

    def _ask(self, message: dict[str, Any], arrays: list[np.ndarray] | None = None) -> tuple[dict, list[np.ndarray]]:
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        try:
            _send(child.stdin, message, arrays or [])
            answer, results = _receive(child.stdout)
        except (OSError, EOFError, ValueError) as error:
            raise WorkerError(self._last_words(child)) from error
        if "error" in answer:
            raise getattr(errors, answer["error"], NoduleRiskError)(answer["message"])
        return answer, results

    def _last_words(self, child: subprocess.Popen[bytes]) -> str:
        child.kill()
        code = child.wait()
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return (
            f"The process that runs the networks ended unexpectedly (code {code}{': ' + lines[-1] if lines else ''}). "
            "Close other programs if memory is short, and try again."
        )


def main() -> None:
    """The child: opens a weight set, then answers one request after the other until its parent is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get among the answers
    requests: queue.Queue[tuple[dict, list[np.ndarray]]] = queue.Queue()
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    engine = None
    while True:
        message, arrays = requests.get()
        try:
            if engine is None:
                from nodulerisk.engine import Engine

                engine = Engine(load_weight_set(message["weights"]), message["device"])
                results: tuple[np.ndarray, ...] = ()
            elif "column" in message:
                results = (engine.gradcam(message["network"], arrays[0], message["column"]),)
            else:
                results = engine.predict(message["network"], arrays[0])
            _send(answers, {"device": engine.device, "checks": [vars(check) for check in engine.checks]}, results)
        except Exception as error:
            _send(answers, {"error": type(error).__name__, "message": str(error)}, [])


def _read_requests(stream: IO[bytes], requests: queue.Queue) -> None:
    """Feeds the queue; when the parent is gone, in the midst of a network even, the process ends."""
    try:
        while True:
            requests.put(_receive(stream))
    finally:
        os._exit(0)


def _send(stream: IO[bytes], message: dict[str, Any], arrays) -> None:
    announced = [{"shape": array.shape, "dtype": array.dtype.str} for array in arrays]
    stream.write(json.dumps(message | {"arrays": announced}).encode() + b"\n")
    for array in arrays:
        stream.write(np.ascontiguousarray(array).tobytes())
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Raises EOFError when the other side is gone."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    return message, [_read_array(stream, **announced) for announced in message.pop("arrays")]


def _read_array(stream: IO[bytes], shape: list[int], dtype: str) -> np.ndarray:
    wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
    content = stream.read(wanted)
    if len(content) < wanted:
        raise EOFError
    return np.frombuffer(content, dtype).reshape(shape)


if __name__ == "__main__":
    main()
