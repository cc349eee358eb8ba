"""The engine of a cohort: real clusters, workers killed, programs killed, and every nodule once in
the results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cloudpickle
import dask
import numpy as np
import psutil
import pytest
import SimpleITK as sitk
from distributed import Client, LocalCluster, SpecCluster, SubprocessCluster, WorkerPlugin

from made_assessment import CENTRE_LPS_MM, made_ct
from made_weights import made_weights
from nodulerisk.assess import assess
from nodulerisk.clinical.patient import Patient
from nodulerisk.cohort import work
from nodulerisk.cohort.networks import serving_networks
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.run import AHEAD, LOCAL, ClusterError, local_cluster, remote_cluster, run
from nodulerisk.cohort.store import Store
from nodulerisk.cohort.work import Job, assess_case
from nodulerisk.ct.cubes import emv_block
from nodulerisk.ct.read import read_ct
from nodulerisk.engine.engine import Engine
from nodulerisk.engine.queue import NetworkQueue, QueueClosedError
from nodulerisk.errors import CTError, OutputError, WeightsError, WorkerError
from nodulerisk.nodule.same import is_twin, told_apart
from nodulerisk.weights.card import WeightSet

CENTRE = CohortNodule("centre", CENTRE_LPS_MM)
MADE = made_ct()
WORKERS = 2
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import this file


class Incidents(WorkerPlugin):
    """Records which process reads which CT, and causes the incident that the CT's name says."""

    def setup(self, worker: object) -> None:
        read = work.read_ct

        def watched(path: Path, **choices: object) -> object:
            with path.with_suffix(".readers").open("a") as file:
                file.write(f"{os.getpid()}\n")
            if "kills" in path.name:
                os.kill(os.getpid(), signal.SIGKILL)
            if "breaks" in path.name and ("once" not in path.name or len(readers(path)) == 1):
                raise RuntimeError("broken\nhere")
            return read(path, **choices)

        work.read_ct = watched


def readers(ct: Path) -> list[int]:
    """The processes that read a CT, in this order."""
    return [int(line) for line in ct.with_suffix(".readers").read_text().split()]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with local_cluster(WORKERS, dashboard="127.0.0.1:0") as client:
        client.register_plugin(Incidents())
        yield client


@pytest.fixture
def store(tmp_path, weights) -> Iterator[Store]:
    with Store(tmp_path / "out", weights) as store:
        yield store


@pytest.fixture
def case(tmp_path) -> Callable[..., CtCase]:
    """Makes a CT of its own, with a nodule at its centre by default."""
    made = tmp_path / "made.nrrd"
    sitk.WriteImage(MADE.to_sitk(), made)

    def make(name: str, *nodules: CohortNodule) -> CtCase:
        ct = tmp_path / f"{name}.nrrd"
        os.link(made, ct)
        return CtCase(name, ct, nodules or (CENTRE,))

    return make


def cohort(*cases: CtCase) -> Cohort:
    return Cohort("made.csv", cases)


def rows_of(store: Store) -> dict[str, dict]:
    """The row of each case that has one nodule; every case has one row."""
    rows = list(store.rows())
    assert all(count == 1 for count in Counter(row["case"] for row in rows).values())
    return {row["case"]: row for row in rows}


def statuses(store: Store) -> dict[str, str]:
    return {case: row["status"] for case, row in rows_of(store).items()}


def without_times(assessment: dict) -> dict:
    values = json.loads(json.dumps(assessment))
    del values["provenance"]["seconds"], values["provenance"]["made"]
    return values


# --- Results


def test_a_ct_is_read_once_and_its_nodules_results_equal_the_terminals_bit_for_bit(
    client, store, case, tmp_path, weights
):
    x, y, z = CENTRE_LPS_MM
    voxel = tuple(MADE.voxel_of((x + 3, y, z)))
    nodules = (
        replace(CENTRE, patient=Patient(age=62)),
        CohortNodule("same", (-x, -y, z), "ras"),
        CohortNodule("off", voxel, "voxel"),
        CohortNodule("outside", (0.0, 0.0, 0.0)),
    )
    a, b = case("a", *nodules), case("b", *nodules)
    run(cohort(a, b), store, client, masks=tmp_path / "masks")
    assert len(readers(a.ct)) == len(readers(b.ct)) == 1
    ct, engine = read_ct(a.ct), Engine(weights, "cpu")
    points = {"centre": CENTRE_LPS_MM, "same": CENTRE_LPS_MM, "off": ct.point_of(voxel)}
    ours = {
        name: assess(ct, point, weights, name=name, networks=engine)
        for name, point in points.items()
    }
    first = ours["centre"]
    ours = {
        name: told_apart(one, () if one is first else [first], ct) for name, one in ours.items()
    }
    assert [name for name, one in ours.items() if is_twin(one)] == ["same", "off"]
    found = {(row["case"], row["nodule"]): row for row in store.rows()}
    assert set(found) == {(case, nodule.name) for case in "ab" for nodule in nodules}
    for (_, name), row in found.items():
        if name == "outside":
            assert row["status"] == "refused" and row["reason"] and row["assessment"] == ""
        else:
            assert row["status"] == "assessed" and row["attempts"] == 1 and row["seconds"] > 0
            assert without_times(json.loads(row["assessment"])) == without_times(
                ours[name].to_dict()
            )
            assert (row["Lung-RADS v2022"] is None) == (name != "centre")
    masks = sitk.ReadImage(tmp_path / "masks" / "a.seg.nrrd")
    assert masks.GetMetaData("Segment0_Name") == "centre"
    assert not masks.HasMetaDataKey("Segment1_Name")  # one nodule has one mask
    assert (masks.GetOrigin(), masks.GetSpacing()) == (ct.origin_lps_mm, ct.spacing_mm)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(masks), first.mask)


def test_only_what_is_missing_is_added(client, store, case):
    one, two = case("one"), case("two")
    run(cohort(one), store, client)
    told = []
    more = replace(one, nodules=(*one.nodules, CohortNodule("new", CENTRE_LPS_MM)))
    run(
        cohort(more, two),
        store,
        client,
        on_rows=lambda rows: told.extend(row["nodule"] for row in rows),
    )
    run(cohort(more, two), store, client)
    assert sorted(told) == ["centre", "new"] and len(list(store.rows())) == 3
    assert len(readers(one.ct)) == 2 and len(readers(two.ct)) == 1


def test_only_a_window_of_the_table_is_under_way(client, store, tmp_path):
    under_way = []
    many = cohort(*(CtCase(f"{number}", tmp_path / "not there", (CENTRE,)) for number in range(50)))
    run(many, store, client, on_rows=lambda _: under_way.append(len(client.futures)))
    assert len(under_way) == 50 and max(under_way) == AHEAD * WORKERS
    until(
        lambda: (
            not client.futures
            and not client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks))
        )
    )


# --- Failures


def test_fault_48_a_worker_killed_mid_run_costs_no_case(client, store, case):
    cases = [case(f"{number}") for number in range(8)]
    victims: list[int] = []

    def kill_one(rows: list[dict]) -> None:
        if not victims:
            victims.extend(client.run(os.getpid).values())
            os.kill(victims[0], signal.SIGKILL)

    run(cohort(*cases), store, client, on_rows=kill_one)
    assert statuses(store) == {one.case: "assessed" for one in cases}
    # the failure was not theirs
    assert {row["attempts"] for row in rows_of(store).values()} == {1}


def test_fault_48_a_ct_that_cannot_be_completed_is_recorded_and_stops_nothing(
    client, store, case, tmp_path
):
    unreadable = CtCase(
        "unreadable",
        tmp_path / "unreadable.nrrd",
        (CENTRE, CohortNodule("voxel", (1, 2, 3), "voxel")),
    )
    unreadable.ct.write_bytes(b"NRRD0004\nnonsense")
    bad = [case("kills"), case("breaks"), case("breaks once"), unreadable]
    good = [case(f"{number}") for number in range(4)]
    run(cohort(*bad, *good), store, client, retries=1)
    rows = {row["case"]: row for row in store.rows()}
    assert len(list(store.rows())) == 9
    assert {name: row["status"] for name, row in rows.items()} == {
        "kills": "failed",
        "breaks": "failed",
        "breaks once": "assessed",
        "unreadable": "refused",
    } | {one.case: "assessed" for one in good}
    assert (
        "died" in rows["kills"]["reason"]
        and rows["kills"]["attempts"] == len(readers(bad[0].ct)) - 1 == 2
    )
    assert (
        rows["breaks"]["reason"] == "RuntimeError: broken here" and rows["breaks"]["attempts"] == 2
    )
    assert rows["breaks once"]["attempts"] == 2
    with pytest.raises(CTError, match=rows["unreadable"]["reason"]):
        read_ct(unreadable.ct)


def test_fault_48_the_networks_killed_mid_run_cost_no_case(client, store, case):
    killed = []

    def kill_networks(rows: list[dict]) -> None:
        if not killed:
            killed.extend(networks_of(psutil.Process()))
            killed[0].kill()

    cases = [case(f"{number}") for number in range(5)]
    run(cohort(*cases), store, client, on_rows=kill_networks)
    assert killed and statuses(store) == {one.case: "assessed" for one in cases}
    assert {row["attempts"] for row in rows_of(store).values()} == {1}


def networks_of(process: psutil.Process) -> list[psutil.Process]:
    """The children that run networks."""
    living = [
        child
        for child in process.children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    ]
    return [child for child in living if "nodulerisk.engine.worker" in child.cmdline()]


def test_networks_that_die_of_a_nodule_cost_that_nodule(weights, case, monkeypatch):
    asked = []

    def predict(network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        asked.append(network)
        if len(asked) <= work.NETWORK_DEATHS:
            raise WorkerError("died of it")
        return answer(network, cubes)

    with NetworkQueue([str(weights.folder)], "cpu", "key") as queue:
        worker = queue._workers[weights.folder.name]
        answer = worker.predict
        monkeypatch.setattr(worker, "predict", predict)
        first, second = assess_case(
            case("two", CENTRE, CohortNodule("b", CENTRE_LPS_MM)), job(weights, queue)
        )
    assert (first["status"], first["reason"], second["status"]) == (
        "failed",
        "died of it",
        "assessed",
    )


def test_networks_are_found_again_where_they_are_now(weights, case, monkeypatch):
    with NetworkQueue([str(weights.folder)], "cpu", "key") as queue:
        gone = NetworkQueue([str(weights.folder)], "cpu", "key")
        gone._server.server_close()
        places = iter([gone.address, gone.address, queue.address])
        moving = replace(job(weights, queue), networks=lambda: next(places))
        assert assess_case(case("one"), moving)[0]["status"] == "assessed"
        monkeypatch.setattr(work, "PATIENCE_S", 0.1)
        with pytest.raises(QueueClosedError):
            assess_case(case("other"), replace(moving, networks=lambda: gone.address))


def job(weights: WeightSet, queue: NetworkQueue) -> Job:
    return Job(weights, lambda: queue.address, "key")


def test_an_error_common_to_all_cases_ends_the_run_and_is_recorded_for_none(
    client, store, case, weights, tmp_path
):
    (tmp_path / "masks").write_text("a file")
    with pytest.raises(OutputError):
        run(cohort(case("a")), store, client, masks=tmp_path / "masks")
    changed = made_weights(tmp_path / "changed")
    with Store(tmp_path / "other", changed) as other:
        made_weights(changed.folder, seed=1)
        with pytest.raises(WeightsError, match="changed"):
            run(cohort(case("b")), other, client)
        assert not other.done() | store.done()


# --- Interruptions

PROGRAM = """
import sys
import time
from itertools import count
from pathlib import Path
from nodulerisk.cohort.run import local_cluster, run
from nodulerisk.cohort.store import Store
from nodulerisk.cohort.table.read import read_cohort
from nodulerisk.weights.store import load_weight_set

if __name__ == "__main__":
    table, out, weights = sys.argv[1:]
    with (
        Store(out, load_weight_set(weights)) as store,
        local_cluster(1, dashboard="127.0.0.1:0") as client,
    ):
        told = count(1)
        def tell(rows):
            print(rows[0]["case"], flush=True)
            if next(told) == 3:
                time.sleep(600)  # until it is stopped, however late
        run(read_cohort(table), store, client, on_rows=tell)
"""


@pytest.mark.slow
def test_fault_48_a_run_killed_and_then_cancelled_goes_on_where_it_was(
    client, case, weights, tmp_path
):
    cases = [case(f"{number}") for number in range(24)]
    x, y, z = CENTRE_LPS_MM
    lines = [f"{one.case},{one.ct.name},{CENTRE.name},{x},{y},{z}" for one in cases]
    (tmp_path / "table.csv").write_text("\n".join(["case,ct,nodule,x,y,z", *lines]))
    (tmp_path / "program.py").write_text(PROGRAM)
    for stop in (
        lambda program: program.kill(),
        lambda program: os.killpg(program.pid, signal.SIGINT),
    ):
        started_and_stopped(tmp_path, weights, stop)
    with Store(tmp_path / "out", weights) as store:
        assert 6 <= len(store.done()) < len(cases)
        run(cohort(*cases), store, client)
        assert statuses(store) == {one.case: "assessed" for one in cases}


def started_and_stopped(
    folder: Path, weights: WeightSet, stop: Callable[[subprocess.Popen], None]
) -> None:
    """Stops the program after three results; it leaves no process behind."""
    program = subprocess.Popen(
        [
            sys.executable,
            folder / "program.py",
            folder / "table.csv",
            folder / "out",
            weights.folder,
        ],
        env=os.environ | {"PYTHONPATH": str(Path(work.__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert [program.stdout.readline() for _ in range(3)][-1]
    processes = psutil.Process(program.pid).children(recursive=True)
    stop(program)
    program.communicate()
    assert not psutil.wait_procs(processes, timeout=10)[1]


def test_fault_48_workers_that_are_gone_for_good_end_the_run(store, case, monkeypatch):
    monkeypatch.setitem(LOCAL, "distributed.scheduler.no-workers-timeout", "1s")
    with local_cluster(1, dashboard="127.0.0.1:0") as client:
        client.cluster.scale(0)
        until(lambda: not client.nthreads())
        with pytest.raises(ClusterError, match="run the same command again to continue"):
            run(cohort(case("one")), store, client)
    assert not store.done()


# --- Another's cluster


@pytest.mark.parametrize(
    "address", ["tls://127.0.0.1:1", "tcp://127.0.0.1:1", "tcp://127.0.0.1", "nonsense://1:1"]
)
def test_a_scheduler_that_refuses_us_leaves_no_half_open_connection(address):
    threads = threading.active_count()
    with (
        dask.config.set({"distributed.comm.require-encryption": True}),
        pytest.raises(ClusterError, match="certificates"),
        remote_cluster(address),
    ):
        pass
    assert threading.active_count() == threads


def test_a_cluster_with_certificates_is_used_with_those_of_dasks_configuration(client):
    address, ours = client.scheduler.address, client.security
    named = {
        "ca-file": ours.tls_ca_file,
        "client.cert": ours.tls_client_cert,
        "client.key": ours.tls_client_key,
    }
    with (
        dask.config.set({f"distributed.comm.tls.{name}": value for name, value in named.items()}),
        remote_cluster(address) as other,
    ):
        assert len(other.nthreads()) == WORKERS


def test_dasks_own_workers_with_their_one_thread_cut_cubes_as_the_terminal_does():
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        remote_cluster(cluster.scheduler_address) as client,
    ):
        assert client.submit(os.getenv, "OPENBLAS_NUM_THREADS").result() == "1"
        there = client.submit(blocks_of_many_spacings).result()
    for one, other in zip(there, blocks_of_many_spacings(), strict=True):
        np.testing.assert_array_equal(one, other)


def blocks_of_many_spacings() -> list[np.ndarray]:
    """What networks see is cut from these: products of all shapes."""
    spaced = [replace(MADE, spacing_mm=(mm, mm, 2 * mm)) for mm in (0.4, 0.7, 0.9)]
    return [emv_block(ct, ct.point_of(np.array(ct.hu.shape[::-1]) // 2)) for ct in spaced]


# --- Networks on workers that own them


@pytest.fixture
def cluster(monkeypatch) -> Iterator[SpecCluster]:
    """A scheduler and workers that claim to own GPUs, in processes of their own; their loss is
    noticed within seconds."""
    monkeypatch.setenv("PYTHONPATH", str(Path(work.__file__).parents[2]))
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
        suppress(OSError),  # what the cluster says of its lost scheduler
        SubprocessCluster(
            n_workers=2,
            threads_per_worker=1,
            worker_kwargs={"resources": {"networks": 1}},
            dashboard_address=None,
        ) as cluster,
    ):
        yield cluster


@pytest.mark.slow
def test_fault_48_networks_on_workers_which_are_killed_and_then_the_scheduler(cluster, store, case):
    cases, killed = [case(f"{number}") for number in range(6)], []

    def kill_a_worker(rows: list[dict]) -> None:
        if not killed:
            killed.append(networks_of(psutil.Process())[0].parent())
            assert killed[0] != psutil.Process()
            killed[0].kill()

    def kill_the_scheduler(rows: list[dict]) -> None:
        cluster.scheduler.process.kill()

    with remote_cluster(cluster.scheduler_address) as client:
        client.wait_for_workers(2)
        run(cohort(*cases), store, client, on_rows=kill_a_worker)
        assert killed and statuses(store) == {one.case: "assessed" for one in cases}
        until(lambda: not networks_of(psutil.Process()))
        with pytest.raises(ClusterError, match="same command"):
            run(cohort(*cases, *map(case, "abcdef")), store, client, on_rows=kill_the_scheduler)
        assert len(cases) < len(rows_of(store)) < len(cases) + 6


@pytest.mark.slow
def test_fault_48_networks_come_and_go_with_the_workers_that_own_them(cluster, weights):
    cluster.scale(0)
    with (
        remote_cluster(cluster.scheduler_address) as client,
        serving_networks(client, weights, "cpu", None) as (find, _),
    ):

        def asked() -> str:
            """Returns the request that a CT would make now."""
            return client.submit(find, pure=False).result()

        cluster.scale(1)  # a job that has stood in a cluster's line until now
        until(lambda: not is_here(asked()))
        first = asked()
        [owner] = client.run(os.getpid).values()
        # a CT takes the only thread of the next worker before it has networks
        os.kill(owner, signal.SIGKILL)
        until(lambda: (now := asked()) != first and not is_here(now))


def is_here(address: str) -> bool:
    """Whether this process listens there."""
    return int(address.rpartition(":")[2]) in {
        one.laddr.port for one in psutil.Process().net_connections()
    }


def until(happened: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_fault_87_a_corrected_row_and_a_replaced_ct_are_assessed_again(client, store, case):
    one, two, three = case("one"), case("two"), case("three")
    run(cohort(one, two, three), store, client)
    told: list[str] = []
    x, y, z = CENTRE_LPS_MM
    corrected = replace(one, nodules=(CohortNodule("centre", (x + 2, y, z)),))
    labelled = replace(two, nodules=(replace(CENTRE, labels={"malignancy": "benign"}),))
    other = replace(MADE, hu=MADE.hu // 2)
    three.ct.unlink()
    sitk.WriteImage(other.to_sitk(), three.ct)
    again = cohort(corrected, labelled, three)
    run(again, store, client, on_rows=lambda rows: told.extend(row["case"] for row in rows))
    assert sorted(told) == ["one", "three"] and sorted(rows_of(store)) == ["one", "three", "two"]
    assert json.loads(rows_of(store)["one"]["assessment"])["point_lps_mm"][0] == x + 2
