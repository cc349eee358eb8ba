"""Where a cohort's networks run: on Dask workers that own a GPU or, while there are none, in the
process that runs the cohort."""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from distributed import Client, Future, KilledWorker, Variable, get_worker
from distributed.comm import get_address_host
from distributed.utils import get_ip

from nodulerisk.engine.queue import CLOSED, NetworkQueue, QueueClosedError
from nodulerisk.weights.card import WeightSet

RESOURCE = (
    "networks"  # a worker with a GPU is started with this: dask worker … --resources networks=1
)
START_S = 120.0
LOOKUP_S = 10.0
POLL_S = 1.0


@contextmanager
def serving_networks(
    client: Client, weights: WeightSet, device: str, batch: int | None
) -> Iterator[tuple[Callable[[], str], str]]:
    """Runs a ``NetworkQueue`` on every worker that has ``RESOURCE``, as such workers come and go,
    and one in this process, which is used while there are none.

    Args:
        client: of the cluster.
        weights: in a folder that every process can see.
        device, batch: see ``NetworkQueue``.

    Yields:
        A function that gives a task the address of a queue, and the queues' key. The function
        raises QueueClosedError if nobody waits for the task any more.

    Raises:
        NoduleRiskError: the networks cannot be started.
    """
    folder, key = str(weights.folder.resolve()), secrets.token_urlsafe(32)
    # The address at which workers reach this process.
    host = get_ip(get_address_host(client.scheduler_info()["address"]))
    with (
        NetworkQueue([folder], device, key, batch=batch, host=host) as own,
        _Servers(client, own.address, folder, device, key, batch) as name,
    ):
        yield partial(published, name), key


def _owners(client: Client) -> set[str]:
    """Returns the addresses of the workers that have the resource."""
    workers = client.scheduler_info(n_workers=-1)["workers"]
    return {address for address, worker in workers.items() if RESOURCE in worker["resources"]}


class NetworkServer:
    """A Dask actor: networks on its worker, until nobody needs it any more, or the process that ran
    the cohort is gone."""

    address = ""  # of the queue

    def __init__(self, folder: str, device: str, key: str, batch: int | None):
        queue = NetworkQueue(
            [folder], device, key, batch=batch, host=get_address_host(get_worker().address)
        )
        self.address = queue.__enter__().address
        weakref.finalize(self, _close_aside, queue)


def _close_aside(queue: NetworkQueue) -> None:
    """Closes on a separate thread: Dask releases actors on a thread that must not wait."""
    threading.Thread(target=queue.__exit__).start()


class _Servers:
    """A server on each worker that has the resource, as such workers come and go; a Dask variable
    holds their addresses, or that of this process's own queue: a CT that waited for a server could
    occupy the very thread that must start it."""

    def __init__(self, client: Client, own: str, *settings: object):
        self._client, self._own, self._settings = client, [own], settings
        self._servers: dict[str, Future] = {}  # by the worker's address
        self._name = f"networks-{secrets.token_hex(8)}"
        self._addresses: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_tending, daemon=True)

    def __enter__(self) -> str:
        """Returns the variable's name, once the servers are running.

        Raises:
            NoduleRiskError: a server cannot be started.
        """
        self._tend()
        try:
            for server in self._servers.values():
                server.result(timeout=START_S)
        except (TimeoutError, KilledWorker) as error:
            raise QueueClosedError(CLOSED) from error
        self._tend()
        self._thread.start()
        return self._name

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._servers.clear()
        Variable(self._name, self._client).delete()

    def _keep_tending(self) -> None:
        while not self._over.wait(POLL_S):
            with suppress(
                Exception
            ):  # a worker died, or the cluster was lost, which the run reports
                self._tend()

    def _tend(self) -> None:
        """Starts servers where there are none, and publishes those that are ready."""
        owners = _owners(self._client)
        for address in self._servers.keys() - owners:
            del self._servers[address]
        for address in owners - self._servers.keys():
            self._servers[address] = self._start(address)
        ready = [
            server.result().address
            for server in self._servers.values()
            if server.status == "finished"
        ]
        addresses = ready or self._own
        if addresses != self._addresses:
            Variable(self._name, self._client).set(addresses)
            self._addresses = addresses

    def _start(self, address: str) -> Future:
        return self._client.submit(
            NetworkServer, *self._settings, actor=True, workers=[address], pure=False, priority=1
        )


def published(name: str) -> str:
    """Returns, within a task, the address of one of the published queues.

    Raises:
        QueueClosedError: nobody waits for the task any more.
    """
    if not _is_wanted():
        raise QueueClosedError(CLOSED)
    try:
        return secrets.choice(Variable(name).get(timeout=LOOKUP_S))
    except TimeoutError as error:
        raise QueueClosedError(CLOSED) from error


def _is_wanted() -> bool:
    """Whether anybody still waits for the calling task."""
    worker = get_worker()
    task = worker.state.tasks.get(worker.get_current_task())
    return task is not None and task.state != "cancelled"
