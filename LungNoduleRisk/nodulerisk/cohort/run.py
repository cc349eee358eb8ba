"""The engine: a Dask task for each CT, and each result written once.

This process hands out CTs, a few ahead of what the workers can take at once, and writes what comes
back, so that neither its memory nor the scheduler's grows with the table. CTs do not travel: only
their paths, the rows, and the nodules' cubes for the networks do.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, as_completed
from distributed.comm import connect
from distributed.scheduler import NoWorkerError
from distributed.security import Security
from distributed.utils import silence_logging_cmgr

from nodulerisk.cohort.inputs import inputs_of
from nodulerisk.cohort.networks import serving_networks
from nodulerisk.cohort.nodules import Cohort, CtCase, Key
from nodulerisk.cohort.store import Store
from nodulerisk.cohort.work import Job, Row, assess_case, rows_without_ct
from nodulerisk.engine.queue import QueueClosedError
from nodulerisk.errors import NoduleRiskError

LOCAL = {
    # messages that Dask remembers, each with everything a task is told
    "distributed.admin.low-level-log-length": 100,
    # nobody else would ever start one here
    "distributed.scheduler.no-workers-timeout": "2 minutes",
    # a CT whose worker died comes back at once, to be retried alone
    "distributed.scheduler.allowed-failures": 0,
    # None of Dask's own settings: with its OMP_NUM_THREADS, matrix products would differ from the
    # terminal's; with its MALLOC_TRIM_THRESHOLD_, every slice would be read into fresh memory, at
    # half the speed.
    "distributed.nanny.pre-spawn-environ": {},
}
MOST_LOOSE = 500  # result files of one CT each, before these are merged
AHEAD = 2  # CTs per thread: one in progress, the next waiting
DIED = (
    "The worker process that had this CT died each time: the CT may need more memory than a worker"
    " has."
)
LOST = (
    "The Dask cluster was lost. Finished results are kept: run the same command again to continue."
)
UNANSWERED = (
    "No Dask scheduler answers at {}: start one there, or check the address and, for tls://, the"
    " certificates in Dask's configuration (distributed.comm.tls)."
)
UNREACHABLE = (
    "The workers cannot reach the networks. Finished results are kept: run the same command again"
    " to continue."
)


class ClusterError(NoduleRiskError):
    """Dask's scheduler cannot be reached, or nothing runs the networks."""


@contextmanager
def local_cluster(
    workers: int, threads: int = 1, *, memory_limit: str = "auto", dashboard: str = "127.0.0.1:8787"
) -> Iterator[Client]:
    """A cluster on this machine, for the duration of the block.

    Args:
        workers: processes that read CTs.
        threads: per process.
        memory_limit: per process, such as ``4GiB``: one that grows beyond it is ended. ``auto``: an
            equal share of this machine's memory.
        dashboard: address to serve Dask's dashboard at; the client's ``dashboard_link`` says where
            it is.
    """
    with dask.config.set(LOCAL):
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            memory_limit=memory_limit,
            dashboard_address=dashboard,
            silence_logs=logging.CRITICAL,  # the outcome of a CT is in its row
            security=True,  # otherwise any user of this machine could run code here
        )
    with cluster, Client(cluster) as client:
        client.register_plugin(_Uninterrupted())
        yield client


class _Uninterrupted(WorkerPlugin):
    """Ctrl-C in a terminal reaches these processes too, but only this process may end them."""

    def setup(self, worker: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _AllThreads(WorkerPlugin):
    """Dask's own workers give a matrix product one thread, with which it rounds otherwise than in
    the terminal."""

    def setup(self, worker: object) -> None:
        import numpy as np  # noqa: F401 - only a library that is loaded can be told
        from threadpoolctl import threadpool_limits

        threadpool_limits(CPU_COUNT, user_api="blas")


@contextmanager
def remote_cluster(address: str) -> Iterator[Client]:
    """A cluster whose scheduler is at an address such as ``tcp://host:8786``; the certificates for
    ``tls://`` are those of Dask's configuration.

    Raises:
        ClusterError: none answers there, or not with these certificates.
    """
    try:
        asyncio.run(_knock(address))
        client = Client(address)
    except (
        OSError,
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # the last two concern certificates
        raise ClusterError(UNANSWERED.format(address)) from error
    with silence_logging_cmgr(logging.CRITICAL), client:
        client.register_plugin(_AllThreads(), name="nodulerisk-threads")
        yield client


async def _knock(address: str) -> None:
    """Raises whatever would keep a client out: a half-open client would hold up this process for
    minutes later."""
    comm = await connect(address, **Security().get_connection_args("client"))
    await comm.close()


def run(
    cohort: Cohort,
    store: Store,
    client: Client,
    *,
    device: str = "auto",
    batch: int | None = None,
    masks: Path | None = None,
    retries: int = 2,
    on_rows: Callable[[Sequence[Row]], None] = lambda rows: None,
) -> None:
    """Assesses every nodule that has no result in the store yet, or one from another point, patient
    or CT; however it was stopped, it continues when called again.

    A CT that cannot be assessed is refused with the reason. One that makes the program fail is
    retried, and one whose worker dies is retried alone at the end, so that no CT fails because of
    its neighbour; what still fails then is ``failed`` with the reason.

    Args:
        cohort: what to assess; workers see the CTs at the same paths as this process.
        store: holds the results; its weight set is used, and every process can see that set's
            folder.
        client: of the cluster.
        device: for the networks.
        batch: see ``NetworkQueue``.
        masks: a folder that gets one file per CT with its nodules' masks, see ``write_masks``;
            None: no masks are written.
        retries: how often to retry a CT.
        on_rows: called with the rows of a CT once they are written.

    Raises:
        NoduleRiskError: the cluster or the networks were lost, the weights or the results' folder
            cannot be used.
    """
    inputs = inputs_of(cohort)
    done = done_of(store, inputs)
    with (
        _loss_refused(client),
        serving_networks(client, store.weights, device, batch) as (find, key),
    ):
        job = Job(store.weights, find, key, masks and masks.absolute())
        one_run = _Dispatcher(client, store, job, retries, on_rows, inputs, done)
        one_run.settle(map(_Try, _left(cohort, done)), alone=False)
        one_run.settle(iter(one_run.suspects), alone=True)


def done_of(store: Store, inputs: Mapping[Key, str]) -> set[Key]:
    """Returns the keys of the results that rest on these inputs."""
    return {key for key, known in store.inputs().items() if inputs.get(key) == known}


def _left(cohort: Cohort, done: set[Key]) -> Iterator[CtCase]:
    """Returns the CTs with a nodule that has no result yet, each with all its nodules, for the file
    of its masks."""
    for case in cohort.cases:
        if any((case.case, nodule.name) not in done for nodule in case.nodules):
            yield replace(case, ct=case.ct.absolute())


@contextmanager
def _loss_refused(client: Client) -> Iterator[None]:
    try:
        yield
    except QueueClosedError as error:
        raise ClusterError(UNREACHABLE) from error
    except NoduleRiskError:
        raise
    except Exception as error:
        if client.status == "running" and not isinstance(error, OSError):
            raise
        raise ClusterError(LOST) from error


@dataclass(frozen=True)
class _Try:
    """One attempt to assess a CT."""

    case: CtCase
    number: int = 1

    def again(self) -> _Try:
        return replace(self, number=self.number + 1)


@dataclass
class _Dispatcher:
    """Hands out CTs until each has its rows.

    Attributes:
        inputs: what every result rests on.
        done: keys of results that existed before.
        suspects: CTs whose worker died, possibly because of another CT on it: they must be retried
            alone.
    """

    client: Client
    store: Store
    job: Job
    retries: int
    on_rows: Callable[[Sequence[Row]], None]
    inputs: Mapping[Key, str]
    done: set[Key]
    suspects: list[_Try] = field(default_factory=list)

    def settle(self, tries: Iterator[_Try], *, alone: bool) -> None:
        """Writes the rows of all CTs but new suspects; ``alone``: one after the other."""
        again: deque[_Try] = deque()
        for one, future in self._settled(
            lambda: again.popleft() if again else next(tries, None), alone
        ):
            error = _error(future)
            if error is None:
                self._write(one, future.result())
            elif isinstance(error, KilledWorker) and not alone:
                self.suspects.append(one)
            elif one.number <= self.retries:
                again.append(one.again())
            else:
                self._write(
                    one, rows_without_ct(one.case, self.job.weights, "failed", _reason(error))
                )

    def _write(self, one: _Try, rows: Iterable[Row]) -> None:
        new = [
            row | {"attempts": one.number, "input_sha256": self.inputs[key]}
            for row in rows
            if (key := (row["case"], row["nodule"])) not in self.done
        ]
        self.store.add(new)
        if self.store.loose >= MOST_LOOSE:
            self.store.gather()
        self.on_rows(new)

    def _settled(
        self, next_try: Callable[[], _Try | None], alone: bool
    ) -> Iterator[tuple[_Try, Future]]:
        """Yields attempts with their futures as they end; the next one is submitted once the last
        was handled."""
        running: dict[Future, _Try] = {}
        ended = as_completed()
        while True:
            room = 1 if alone else max(1, AHEAD * sum(self.client.nthreads().values()))
            while len(running) < room and (one := next_try()):
                future = self.client.submit(assess_case, one.case, self.job, pure=False)
                running[future] = one
                ended.add(future)
            if not running:
                return
            future = next(ended)
            yield running.pop(future), future


def _error(future: Future) -> BaseException | None:
    """Returns why a CT could not be completed.

    Raises:
        NoduleRiskError: the run cannot go on.
    """
    error = None if future.cancelled() else future.exception()
    if future.cancelled() or isinstance(error, NoWorkerError):
        raise ClusterError(LOST)
    if isinstance(error, NoduleRiskError):
        raise error
    return error


def _reason(error: BaseException) -> str:
    if isinstance(error, KilledWorker):
        return DIED
    return " ".join(f"{type(error).__name__}: {error}".split())
