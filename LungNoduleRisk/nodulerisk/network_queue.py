"""One set of warm networks for all sessions of the web page, and the line in front of them.

The front process has a `NetworkQueue`; every session asks it through its `SharedNetworks`. A request is a connection:
key and weight set first, then what `nodulerisk.worker` sends its child. Before the answer come lines that tell how many
requests are before this one.
"""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from hmac import compare_digest
from typing import IO, Any

import numpy as np

from nodulerisk.errors import WeightsError, WorkerError
from nodulerisk.weights import WeightSet, load_weight_set
from nodulerisk.worker import (
    CANCELLED,
    RemoteNetworks,
    Worker,
    packed,
    raise_refusal,
    receive,
    refusal,
    state_of,
)

PATIENCE_S = 30.0  # with a session that neither sends nor takes what it should
CLOSED = "The server that runs the networks was stopped: start it, and open the page again."


class NetworkQueue:
    """Runs one request at a time, first come first served, for whoever knows the key.

    A session asks again only when it has its answer, so that sessions take turns: many nodules of one do not hold back
    the single one of another. One that goes away costs the others nothing but an answer under way.

    Attributes:
        address: ``127.0.0.1:port``.
    """

    def __init__(self, weights: Sequence[str], device: str, key: str):
        """Listens; answers inside ``with``, whose end also ends the networks' processes.

        Args:
            weights: the weight sets that sessions may ask for, by name.
            device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
            key: what sessions must know.

        Raises:
            WeightsError: see ``load_weight_set``.
        """
        self._sets = {weight_set.folder.name: weight_set for weight_set in map(load_weight_set, weights)}
        self._workers = {name: Worker(weight_set, device) for name, weight_set in self._sets.items()}
        self._key = key
        self._line = _Line()
        self._server = _Server(("127.0.0.1", 0), lambda connection, *_: self._serve(connection))  # type: ignore[arg-type]
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
            worker.close()  # again: one may just have been starting

    def _serve(self, connection: socket.socket) -> None:
        """One request; whatever is wrong with it is told to who asked."""
        connection.settimeout(PATIENCE_S)
        try:
            answer = self._answer(connection)
        except Exception as error:
            answer = packed(refusal(error))
        with suppress(OSError):  # it went away
            connection.sendall(answer)

    def _answer(self, connection: socket.socket) -> bytes:
        with connection.makefile("rb") as stream:
            worker = self._worker_for(receive(stream, max_bytes=0)[0])
            connection.sendall(packed({}))
            question, [cubes] = receive(stream)
        with self._line.turn(partial(_tell, connection)):
            return _asked(worker, question, cubes)

    def _worker_for(self, hello: dict[str, Any]) -> Worker:
        """The worker that a session may ask, by the key it knows and the weight set it names."""
        if not compare_digest(str(hello["key"]).encode(), self._key.encode()):
            raise WorkerError("The networks answer only the sessions of their own server.")
        weights = self._sets.get(hello["weights"])
        if weights is None:
            raise WeightsError(f"This server does not have the weight set: choose {' or '.join(self._sets)}.")
        if weights.hashes() != hello["hashes"]:
            raise WeightsError("The weight set was changed since the server was started: start the server again.")
        return self._workers[hello["weights"]]


class SharedNetworks(RemoteNetworks):
    """A session's side of a `NetworkQueue`: answers as a Worker does, when it is this session's turn."""

    def __init__(
        self,
        weights: WeightSet,
        device: str = "auto",
        *,
        address: str,
        key: str,
        on_waiting: Callable[[int], None] = lambda before: None,
    ):
        """Connects when first asked.

        Args:
            weights: one that the queue has, too.
            device: not looked at: the queue has chosen.
            address, key: the queue's.
            on_waiting: called on the thread that asks with how many requests are before this one, at first and when
                that changes; last with 0.
        """
        super().__init__()
        host, _, port = address.rpartition(":")
        self._address = host, int(port)
        self._hello = {"key": key, "weights": weights.folder.name, "hashes": weights.hashes()}
        self._on_waiting = on_waiting
        self._connection: socket.socket | None = None

    def close(self) -> None:
        """Leaves the line, or the answer under way."""
        if self._connection is not None:
            with suppress(OSError):  # it is closed already
                self._connection.shutdown(socket.SHUT_RDWR)  # unlike close, wakes the thread that waits for an answer

    def _answer(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        try:
            state, arrays = self._ask(question, cubes)
        except (OSError, EOFError, ValueError):
            if not self._cancelled.is_set():
                raise WorkerError(CLOSED) from None
            self._cancelled.clear()
            raise WorkerError(CANCELLED) from None
        self._take_over(state)
        return tuple(arrays)

    def _ask(self, question: dict[str, Any], cubes: np.ndarray) -> tuple[dict, list[np.ndarray]]:
        with socket.create_connection(self._address) as self._connection, self._connection.makefile("rb") as stream:
            if self._cancelled.is_set():
                raise EOFError  # when there was no connection to shut down yet
            self._connection.sendall(packed(self._hello))
            self._next(stream)
            self._connection.sendall(packed(question, [cubes]))
            return self._next(stream)

    def _next(self, stream: IO[bytes]) -> tuple[dict, list[np.ndarray]]:
        """The next answer; meanwhile says how long the line is."""
        answer, arrays = receive(stream)
        while "waiting" in answer:
            self._on_waiting(answer["waiting"])
            answer, arrays = receive(stream)
        raise_refusal(answer)
        return answer, arrays


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a session that does not hang up must not keep the front from ending


class _Line:
    """Who waits for the networks, in order of arrival; the first has its turn."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._waiting: list[object] = []
        self._open = True

    @contextmanager
    def turn(self, tell: Callable[[int], None]) -> Iterator[None]:
        """Waits for the turn; ``tell`` is called with how many are before, at first and whenever that changes.

        Raises:
            WorkerError: the line was closed.
        """
        ticket = object()
        with self._moved:
            self._waiting.append(ticket)
        try:
            for before in self._places(ticket):
                tell(before)
            yield
        finally:
            with self._moved:
                self._waiting.remove(ticket)
                self._moved.notify_all()

    def close(self) -> None:
        """Sends all away but the one whose turn it is."""
        with self._moved:
            self._open = False
            self._moved.notify_all()

    def wait_until_empty(self) -> None:
        with self._moved:
            self._moved.wait_for(lambda: not self._waiting)

    def _places(self, ticket: object) -> Iterator[int]:
        """How many are before the ticket, whenever that changes, down to 0."""
        before = None
        while before != 0:
            before = self._place_after(before, ticket)
            yield before

    def _place_after(self, last: int | None, ticket: object) -> int:
        with self._moved:
            self._moved.wait_for(lambda: not self._open or self._waiting.index(ticket) != last)
            if not self._open:
                raise WorkerError(CLOSED)
            return self._waiting.index(ticket)


def _tell(connection: socket.socket, before: int) -> None:
    """Tells a session how many are before it; raises EOFError where it went away."""
    connection.setblocking(False)
    with suppress(BlockingIOError):
        if not connection.recv(1, socket.MSG_PEEK):
            raise EOFError
    connection.settimeout(PATIENCE_S)
    connection.sendall(packed({"waiting": before}))


def _asked(worker: Worker, question: dict[str, Any], cubes: np.ndarray) -> bytes:
    """What the worker answers, ready to be sent; it is another session's as soon as the turn is over."""
    if "column" in question:
        results: tuple[np.ndarray, ...] = (worker.gradcam(question["network"], cubes, question["column"]),)
    else:
        results = worker.predict(question["network"], cubes)
    return packed(state_of(worker), results)
