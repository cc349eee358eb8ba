"""Worker: an Engine in a child process, kept warm, so that the program that shows the CT neither
loads torch nor freezes.

In both directions a message is one line of JSON, followed by the raw bytes of the arrays it lists.
Only cubes and probabilities travel, never the CT. The child ends when its parent does.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

import numpy as np

from nodulerisk import errors
from nodulerisk.checks import GPU_FAILED, Check, check_from
from nodulerisk.errors import NoduleRiskError, WorkerError
from nodulerisk.language.texts import Text, _, message_of, read_back
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

if TYPE_CHECKING:
    from nodulerisk.engine.engine import (
        Networks,  # needs packages that Slicer installs only at the first assessment
    )

CANCELLED = _("The assessment was cancelled.")
MAX_LINE = 1 << 16  # bytes of a message's JSON
MAX_ARRAYS = 1 << 28  # bytes of its arrays; a nodule's cubes are some megabytes
NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # on Windows: no console beside Slicer's
LAUNCHER_SAYS = "exit abnormally - Report the problem"  # CTK's launcher, of any crash of its child


class RemoteNetworks(ABC):
    """A weight set's networks (see ``engine.Networks``) in another process.

    ``predict`` blocks its thread; ``cancel`` may be called from any other.

    Attributes:
        device: the device in words; empty until it is known.
        checks: what happened on the way that a reader must know (fault 40).
    """

    def __init__(self) -> None:
        self.device = ""
        self.checks: list[Check] = []
        self._cancelled = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``Networks.predict``.

        Raises:
            WorkerError: cancelled, or the other process died.
            NoduleRiskError: what the Engine raised there.
        """
        return self._answer({"network": network}, np.ascontiguousarray(cubes, np.float32))

    def gradcam(self, network: str, cubes: np.ndarray, column: int) -> np.ndarray:
        """See ``gradcam.class_activation``; raises as ``predict`` does."""
        return self._answer(
            {"network": network, "column": column}, np.ascontiguousarray(cubes, np.float32)
        )[0]

    def cancel(self) -> None:
        """Makes the ``predict`` in progress, which ends at once, or the next one raise
        WorkerError."""
        self._cancelled.set()
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Releases the other process; the next ``predict`` starts a new one."""

    @abstractmethod
    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]: ...

    def _take_over(self, state: dict[str, Any]) -> None:
        """Stores what ``state_of`` reported about the networks there."""
        self.device = state["device"]
        found = [check_from(check) for check in state["checks"]]
        self.checks += [check for check in found if check not in self.checks]


class Worker(RemoteNetworks):
    """Networks in a child process; after a cancel or a crash the next call starts a new one.

    If a child dies on a GPU, the CPU is tried once (fault 40).
    """

    def __init__(self, weights: WeightSet, device: str = "auto", *, python: str = ""):
        """``python``: the interpreter of the child, or a launcher of one as Slicer's is (fault 81);
        empty: that of this process."""
        super().__init__()
        self._weights = weights
        self._wanted_device = device
        self._python = python or sys.executable
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None

    def close(self) -> None:
        """Ends the child, if one is running."""
        if self._child is not None:
            _end(self._child)

    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns the answer, from a child on the CPU if one on a GPU died."""
        try:
            return self._ask_child(question, cubes)
        except WorkerError:
            if self._cancelled.is_set():
                self._cancelled.clear()
                raise WorkerError(CANCELLED) from None
            if self._wanted_device == "cpu" or self.device.startswith("CPU"):
                raise
        self.checks.append(GPU_FAILED.check(device=self.device or _("The GPU")))
        self._wanted_device = "cpu"
        return self._ask_child(question, cubes)

    def _ask_child(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        if self._cancelled.is_set():
            raise WorkerError(CANCELLED)
        if self._child is None or self._child.poll() is not None:
            self._start()
        state, arrays = self._ask(question, [cubes])
        self._take_over(state)
        return tuple(arrays)

    def _start(self) -> None:
        package_root = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")]))
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self._child = subprocess.Popen(
            [self._python, "-m", "nodulerisk.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=sys.platform != "win32",
            creationflags=NO_WINDOW,
        )
        if self._cancelled.is_set():  # before there was a child to end
            self.close()
        state, _ = self._ask(
            {"weights": str(self._weights.folder.resolve()), "device": self._wanted_device}
        )
        self.device = state["device"]

    def _ask(
        self, message: dict[str, Any], arrays: Sequence[np.ndarray] = ()
    ) -> tuple[dict, list[np.ndarray]]:
        child = self._child
        assert child is not None and child.stdin is not None and child.stdout is not None
        try:
            _send(child.stdin, message, arrays)
            answer, results = receive(child.stdout)
        except (OSError, EOFError, ValueError) as error:
            raise WorkerError(self._last_words(child)) from error
        raise_refusal(answer)
        return answer, results

    def _last_words(self, child: subprocess.Popen[bytes]) -> str:
        code = _end(child)
        assert self._stderr is not None
        self._stderr.seek(0)
        said = self._stderr.read().decode(errors="replace").strip().splitlines()
        lines = [line for line in said if LAUNCHER_SAYS not in line]
        return _(
            "The process that runs the networks ended unexpectedly (code {code}). Close other"
            " programs if memory is short, and try again."
        ).format(code=f"{code}: {lines[-1]}" if lines else code)


def _end(child: subprocess.Popen[bytes]) -> int:
    """Kills a child with all that it started, and returns its exit code: where the child is a
    launcher, it is its own child that works."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(child.pid)]
        subprocess.run(command, capture_output=True, creationflags=NO_WINDOW)
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)  # its session's, which it leads
    child.kill()
    return child.wait()


def main() -> None:
    """Runs the child: opens a weight set, then answers one request after the other until its parent
    is gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # anything a library prints must stay out of the answers
    requests: queue.Queue[tuple[dict, list[np.ndarray]]] = queue.Queue()
    threading.Thread(target=_read_requests, args=(sys.stdin.buffer, requests), daemon=True).start()
    engine = None
    while True:
        message, arrays = requests.get()
        try:
            if engine is None:
                from nodulerisk.engine.engine import Engine

                engine = Engine(load_weight_set(message["weights"]), message["device"])
                results: tuple[np.ndarray, ...] = ()
            elif "column" in message:
                results = (engine.gradcam(message["network"], arrays[0], message["column"]),)
            else:
                results = engine.predict(message["network"], arrays[0])
            _send(answers, state_of(engine), results)
        except Exception as error:
            _send(answers, refusal(error))


def _read_requests(stream: IO[bytes], requests: queue.Queue) -> None:
    """Feeds the queue; when the parent is gone, the process ends, even in the middle of a
    network."""
    try:
        while True:
            requests.put(receive(stream))
    finally:
        os._exit(0)


# --- Messages


def state_of(networks: Networks) -> dict[str, Any]:
    """Returns what every answer says about the networks besides the arrays."""
    return {"device": networks.device, "checks": [vars(check) for check in networks.checks]}


def refusal(error: Exception) -> dict[str, str]:
    """Returns an error as an answer."""
    message = message_of(error)
    template = message.template if isinstance(message, Text) else ""
    return {"error": type(error).__name__, "message": message, "template": template}


def raise_refusal(answer: dict[str, Any]) -> None:
    """Raises the NoduleRiskError that an answer carries, if any."""
    if "error" in answer:
        words = read_back(answer["message"], [answer.get("template", "")])
        raise getattr(errors, answer["error"], NoduleRiskError)(words)


def packed(message: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> bytes:
    """Returns a message in the form that ``receive`` reads."""
    announced = [{"shape": array.shape, "dtype": array.dtype.str} for array in arrays]
    line = json.dumps(message | {"arrays": announced}).encode() + b"\n"
    return line + b"".join(array.tobytes() for array in arrays)


def _send(stream: IO[bytes], message: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    stream.write(packed(message, arrays))
    stream.flush()


def receive(
    stream: IO[bytes], max_bytes: int = MAX_ARRAYS
) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Reads the next message and its arrays.

    Raises:
        EOFError: the other side is gone, or its line never ends.
        ValueError: not a message, or more than ``max_bytes`` of arrays.
    """
    line = stream.readline(MAX_LINE)
    if not line.endswith(b"\n"):
        raise EOFError
    message = json.loads(line)
    announced = [(array["shape"], np.dtype(array["dtype"])) for array in message.pop("arrays")]
    sizes = [math.prod(shape) * dtype.itemsize for shape, dtype in announced]
    if min(sizes, default=0) < 0 or sum(sizes) > max_bytes:
        raise ValueError(_("The message is too long."))
    return message, [_read_array(stream, *array) for array in announced]


def _read_array(stream: IO[bytes], shape: list[int], dtype: np.dtype) -> np.ndarray:
    wanted = math.prod(shape) * dtype.itemsize
    content = stream.read(wanted)
    if len(content) < wanted:
        raise EOFError
    return np.frombuffer(content, dtype).reshape(shape)


if __name__ == "__main__":
    main()
