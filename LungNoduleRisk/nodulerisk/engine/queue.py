"""One set of warm networks for many processes, and the line in front of them.

One process has a `NetworkQueue`; every other process (a session of the web page, a worker of a
cohort) uses it through its `SharedNetworks`. A request is a connection: key and weight set first,
then what `nodulerisk.engine.worker` sends its child. Before the answer come lines that tell how
many requests are ahead of this one.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest
from typing import IO, Any

import numpy as np

from nodulerisk.engine.worker import (
    CANCELLED,
    RemoteNetworks,
    Worker,
    packed,
    raise_refusal,
    receive,
    refusal,
    state_of,
)
from nodulerisk.errors import WeightsError, WorkerError
from nodulerisk.language.texts import Verbatim, _, joined
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

PATIENCE_S = 30.0  # for a session that neither sends nor receives what it should
GPU_BATCH = 16  # nodules
CLOSED = _("The program that runs the networks was stopped: start it again.")


class QueueClosedError(WorkerError):
    """There is no longer a queue at the address."""


class NetworkQueue:
    """Runs one request at a time, first come first served, for anyone who knows the key.

    A session sends the next request only after it has its answer, so sessions take turns: many
    nodules of one do not hold up the single nodule of another. A session that disconnects costs the
    others at most the time of one answer. On a GPU, requests for the same network are answered
    together.

    Attributes:
        address: ``host:port``.
    """

    def __init__(
        self,
        weights: Sequence[str],
        device: str,
        key: str,
        *,
        batch: int | None = None,
        host: str = "127.0.0.1",
    ):
        """Starts listening; answers inside ``with``, whose end also ends the networks' processes.

        Args:
            weights: the weight sets that sessions may use, by name.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            key: what sessions must know.
            batch: how many requests are answered together at most; None: ``GPU_BATCH``, and on the
                CPU 1.
            host: this machine's name or address, by which sessions reach it.

        Raises:
            WeightsError: see ``load_weight_set``.
        """
        self._sets = {
            weight_set.folder.name: weight_set for weight_set in map(load_weight_set, weights)
        }
        self._workers = {
            name: Worker(weight_set, device) for name, weight_set in self._sets.items()
        }
        self._key = key
        self._batch = batch
        self._line = _Line()
        self._server = _Server((host, 0), lambda connection, *_: self._serve(connection))  # type: ignore[arg-type]
        self.address = "{}:{}".format(*self._server.server_address)

    def __enter__(self) -> NetworkQueue:
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._line.close()
        for worker in self._workers.values():
            worker.cancel()
        self._line.wait_until_empty()
        for worker in self._workers.values():
            worker.close()  # once more: one may just have been starting

    def _serve(self, connection: socket.socket) -> None:
        """Serves one request; any error is reported to the sender."""
        connection.settimeout(PATIENCE_S)
        try:
            answer = self._answer(connection)
        except Exception as error:
            answer = packed(refusal(error))
        with suppress(OSError):  # it disconnected
            connection.sendall(answer)

    def _answer(self, connection: socket.socket) -> bytes:
        with connection.makefile("rb") as stream:
            worker = self._worker_for(receive(stream, max_bytes=0)[0])
            connection.sendall(packed({}))
            question, [cubes] = receive(stream)
        request = _Request(worker, question, cubes)
        with self._line.turn(request, partial(_tell, connection)):
            if not request.with_another:
                _answer_all(self._line.together(request, self._most(worker)))
            return request.answer.result()

    def _most(self, worker: Worker) -> int:
        """How many requests are answered together at most.

        On a CPU a batch takes as long as its nodules one by one, and changes some probabilities in
        their eighth digit (OpenVINO by up to 1e-8, torch by up to 1e-6), but answers there must
        equal the terminal's to the last bit.
        """
        on_gpu = worker.device and not worker.device.startswith("CPU")
        return self._batch or (GPU_BATCH if on_gpu else 1)

    def _worker_for(self, hello: dict[str, Any]) -> Worker:
        """Returns the worker that a session may use, given its key and weight set."""
        if not compare_digest(str(hello["key"]).encode(), self._key.encode()):
            raise WorkerError(_("The networks only serve sessions of their own server."))
        weights = self._sets.get(hello["weights"])
        if weights is None:
            words = _("This server does not have the weight set: choose {sets}.")
            raise WeightsError(words.format(sets=joined(" or ", map(Verbatim, self._sets))))
        if weights.hashes() != hello["hashes"]:
            raise WeightsError(
                _("The weight set was changed after the server was started: restart the server.")
            )
        return self._workers[hello["weights"]]


class SharedNetworks(RemoteNetworks):
    """A session's side of a `NetworkQueue`: answers like a Worker, when it is this session's turn.

    Attributes:
        address: the queue's.
    """

    def __init__(
        self,
        weights: WeightSet,
        device: str = "auto",
        *,
        address: str,
        key: str,
        on_waiting: Callable[[int], None] = lambda before: None,
    ):
        """Connects on first use.

        Args:
            weights: one that the queue also has.
            device: ignored, since the queue has chosen.
            address, key: the queue's.
            on_waiting: called on the calling thread with the number of requests ahead of this one,
                at first and when that changes; finally with 0.
        """
        super().__init__()
        self.address = address
        self._hello = {"key": key, "weights": weights.folder.name, "hashes": weights.hashes()}
        self._on_waiting = on_waiting
        self._connection: socket.socket | None = None

    def close(self) -> None:
        """Leaves the line, or abandons the answer in progress."""
        if self._connection is not None:
            with suppress(OSError):  # it is closed already
                # unlike close, this wakes the thread that waits for an answer
                self._connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            state, arrays = self._ask(question, cubes)
        except (OSError, EOFError, ValueError):
            if not self._cancelled.is_set():
                raise QueueClosedError(CLOSED) from None
            self._cancelled.clear()
            raise WorkerError(CANCELLED) from None
        self._take_over(state)
        return tuple(arrays)

    def _ask(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[dict, list[np.ndarray]]:
        host, _, port = self.address.rpartition(":")
        with (
            socket.create_connection((host, int(port))) as self._connection,
            self._connection.makefile("rb") as stream,
        ):
            if self._cancelled.is_set():
                raise EOFError  # if there was no connection to shut down yet
            self._connection.sendall(packed(self._hello))
            self._next(stream)
            self._connection.sendall(packed(question, [cubes]))
            return self._next(stream)

    def _next(self, stream: IO[bytes]) -> tuple[dict, list[np.ndarray]]:
        """Returns the next answer; meanwhile reports how long the line is."""
        answer, arrays = receive(stream)
        while "waiting" in answer:
            self._on_waiting(answer["waiting"])
            answer, arrays = receive(stream)
        raise_refusal(answer)
        return answer, arrays


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a session that does not disconnect must not keep the front from ending


@dataclass(eq=False)
class _Request:
    """One request and its answer.

    Attributes:
        with_another: it is answered together with another request.
        answer: None until it is there.
    """

    worker: Worker
    question: dict[str, Any]
    cubes: np.ndarray
    with_another: bool = False
    answer: Future[bytes] = field(default_factory=Future)

    def goes_with(self, other: _Request) -> bool:
        """Whether one run of a network can answer both."""
        same = self.worker is other.worker and self.question == other.question
        return (
            same and self.cubes.shape[1:] == other.cubes.shape[1:] and "column" not in self.question
        )


class _Line:
    """The requests waiting for the networks, in order of arrival; the first has its turn."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._waiting: list[_Request] = []
        self._open = True

    @contextmanager
    def turn(self, request: _Request, tell: Callable[[int], None]) -> Iterator[None]:
        """Waits for the turn; ``tell`` is called with the number of requests ahead, at first and
        whenever it changes.

        Raises:
            WorkerError: the line was closed.
        """
        with self._moved:
            self._waiting.append(request)
        try:
            for before in self._places(request):
                tell(before)
            yield
        finally:
            with self._moved:
                self._waiting.remove(request)
                self._moved.notify_all()

    def together(self, first: _Request, most: int) -> list[_Request]:
        """Returns the first request and those for the same network, whose turn it then is too."""
        with self._moved:
            others = [one for one in self._waiting if one is not first and one.goes_with(first)][
                : most - 1
            ]
            for other in others:
                other.with_another = True
            self._moved.notify_all()
            return [first, *others]

    def close(self) -> None:
        """Dismisses all requests but the one whose turn it is."""
        with self._moved:
            self._open = False
            self._moved.notify_all()

    def wait_until_empty(self) -> None:
        with self._moved:
            self._moved.wait_for(lambda: not self._waiting)

    def _places(self, request: _Request) -> Iterator[int]:
        """Yields how many requests are ahead, whenever that changes, down to 0."""
        before = None
        while before != 0:
            before = self._place_after(before, request)
            yield before

    def _place_after(self, last: int | None, request: _Request) -> int:
        with self._moved:
            self._moved.wait_for(lambda: not self._open or self._place(request) != last)
            if not self._open:
                raise WorkerError(CLOSED)
            return self._place(request)

    def _place(self, request: _Request) -> int:
        return 0 if request.with_another else self._waiting.index(request)


def _tell(connection: socket.socket, before: int) -> None:
    """Tells a session how many requests are ahead; raises EOFError if it disconnected."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        if not connection.recv(1, socket.MSG_PEEK):
            raise EOFError
    connection.settimeout(PATIENCE_S)
    connection.sendall(packed({"waiting": before}))


def _answer_all(requests: Sequence[_Request]) -> None:
    """Gives each request the networks' answer for its cubes, or the reason why there is none."""
    try:
        answers = _asked(
            requests[0].worker, requests[0].question, [request.cubes for request in requests]
        )
    except Exception as error:
        for request in requests:
            request.answer.set_exception(error)
        return
    for request, answer in zip(requests, answers, strict=True):
        request.answer.set_result(answer)


def _asked(worker: Worker, question: dict[str, Any], cubes: Sequence[np.ndarray]) -> list[bytes]:
    """Returns the worker's answer for each request, ready to be sent; the worker serves others as
    soon as the turn is over."""
    if "column" in question:
        return [
            packed(
                state_of(worker),
                [worker.gradcam(question["network"], cubes[0], question["column"])],
            )
        ]
    results = worker.predict(question["network"], np.concatenate(cubes))
    ends = np.cumsum([len(one) for one in cubes])[:-1]
    parts = zip(*(np.split(result, ends) for result in results), strict=True)
    return [packed(state_of(worker), part) for part in parts]
