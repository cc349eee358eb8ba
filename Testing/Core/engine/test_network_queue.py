"""The queue in front of the networks: real sockets, threads and processes, and small networks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest

from made_assessment import CENTRE_LPS_MM, made_ct
from made_weights import made_weights
from nodulerisk.assess import assess
from nodulerisk.engine.queue import NetworkQueue, SharedNetworks, _Request
from nodulerisk.engine.worker import Worker, packed, receive
from nodulerisk.errors import NoduleRiskError, WeightsError, WorkerError
from nodulerisk.weights.card import WeightSet

KEY = "the sessions' key"
VIEWS = np.random.default_rng(0).normal(size=(1, 3, 40, 40, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> WeightSet:
    return made_weights(tmp_path_factory.mktemp("weights") / "made")


@pytest.fixture
def queue(weights) -> Iterator[NetworkQueue]:
    with NetworkQueue([str(weights.folder)], "cpu", KEY) as queue:
        yield queue


@pytest.fixture
def session(queue, weights) -> Callable[..., SharedNetworks]:
    """What opens a session of the queue."""
    return lambda **choices: SharedNetworks(
        weights, "auto", **{"address": queue.address, "key": KEY} | choices
    )


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


@contextmanager
def busy(queue: NetworkQueue) -> Iterator[None]:
    """Somebody's long turn."""
    with queue._line.turn(_Request(queue._workers["made"], {}, VIEWS), lambda before: None):
        yield


def until(happened: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def stalled(queue: NetworkQueue) -> Iterator[None]:
    """The networks take as long as the block does."""
    child = psutil.Process(child_of(queue).pid)
    child.suspend()
    yield
    if child.is_running():
        child.resume()


def child_of(queue: NetworkQueue) -> subprocess.Popen:
    return queue._workers["made"]._child


# --- Answers


def test_answers_equal_a_workers_bit_for_bit(weights, session):
    shared = session()
    with Worker(weights, "cpu") as worker:
        np.testing.assert_array_equal(
            shared.gradcam("vgg", VIEWS, 1), worker.gradcam("vgg", VIEWS, 1)
        )
        ours, theirs = (
            assess(made_ct(), CENTRE_LPS_MM, weights, networks=n) for n in (shared, worker)
        )
    assert ours.tasks == theirs.tasks and ours.checks == theirs.checks
    np.testing.assert_array_equal(ours.mask, theirs.mask)
    assert shared.device == worker.device and shared.device.startswith("CPU")


def test_errors_arrive_as_they_are_and_cost_nothing(session, weights, tmp_path):
    with pytest.raises(NoduleRiskError, match="no-such-network"):
        session().predict("no-such-network", VIEWS)
    session().predict("vgg", VIEWS)
    broken = made_weights(tmp_path / "broken")
    with NetworkQueue([str(broken.folder)], "cpu", KEY) as queue:
        (broken.folder / "vgg.safetensors").write_bytes(b"damaged")
        with pytest.raises(WeightsError, match="vgg.safetensors"):
            SharedNetworks(broken, address=queue.address, key=KEY).predict("vgg", VIEWS)


# --- Batches


@pytest.fixture
def runs(queue, monkeypatch) -> list[int]:
    """How many cubes each run of a network got."""
    worker, runs = queue._workers["made"], []
    predict = worker.predict
    monkeypatch.setattr(
        worker, "predict", lambda name, cubes: runs.append(len(cubes)) or predict(name, cubes)
    )
    return runs


def asked_together(queue, session, threads, *questions: tuple[str, np.ndarray]) -> list[Future]:
    """The questions' answers, asked in this order while somebody else has the turn."""
    asked = []
    with busy(queue):
        for number, question in enumerate(questions, start=2):
            asked.append(threads.submit(session().predict, *question))
            until(lambda number=number: len(queue._line._waiting) == number)
    return asked


def test_who_waits_for_the_same_network_is_answered_together(queue, session, threads, runs):
    queue._batch = 3
    cubes = [
        np.random.default_rng(seed).normal(size=(seed, 3, 40, 40, 40)).astype(np.float32)
        for seed in (1, 2, 3, 4)
    ]
    questions = [
        ("vgg", cubes[0]),
        ("resnet", VIEWS),
        ("vgg", cubes[1]),
        ("vgg", cubes[2]),
        ("vgg", cubes[3]),
    ]
    answers = [future.result()[0] for future in asked_together(queue, session, threads, *questions)]
    assert runs == [1 + 2 + 3, 1, 4]
    for (network, asked), answer in zip(questions, answers, strict=True):
        np.testing.assert_allclose(answer, session().predict(network, asked)[0], atol=1e-6)


def test_on_a_cpu_everyone_is_answered_alone(queue, session, threads, runs):
    for future in asked_together(queue, session, threads, *[("vgg", VIEWS)] * 3):
        future.result()
    assert runs == [1, 1, 1]


def test_a_question_that_cannot_be_answered_spoils_no_others(queue, session, threads, runs):
    queue._batch = 3
    good, bad = asked_together(queue, session, threads, ("vgg", VIEWS), ("vgg", VIEWS[:, :2]))
    with pytest.raises(NoduleRiskError):
        bad.result()
    assert good.result()[0].shape == (1, 2)


def test_told_last_that_nobody_is_before_also_when_answered_with_another(queue, session, threads):
    told: list[int] = []
    queue._batch = 2
    with busy(queue):
        first = threads.submit(session().predict, "vgg", VIEWS)
        until(lambda: len(queue._line._waiting) == 2)
        second = threads.submit(session(on_waiting=told.append).predict, "vgg", VIEWS)
        until(lambda: told == [2])
    first.result(), second.result()
    assert told[-1] == 0


# --- Refusals


@pytest.mark.parametrize("key", ["", "another", "the sessions' keys", "schlüssel"])
def test_who_does_not_know_the_key_is_refused(queue, session, key):
    with pytest.raises(WorkerError, match="own server"):
        session(key=key).predict("vgg", VIEWS)
    assert child_of(queue) is None


def test_other_weight_sets_are_refused(queue, weights, tmp_path):
    def ask(weight_set: WeightSet) -> None:
        SharedNetworks(weight_set, address=queue.address, key=KEY).predict("vgg", VIEWS)

    with pytest.raises(WeightsError, match="choose made"):
        ask(made_weights(tmp_path / "other"))
    with pytest.raises(WeightsError, match="changed"):
        ask(made_weights(tmp_path / "made", seed=1))
    assert child_of(queue) is None


def answer_to(queue: NetworkQueue, *messages: bytes) -> dict:
    """What the queue answers last to messages as they are."""
    host, port = queue.address.split(":")
    with (
        socket.create_connection((host, int(port))) as connection,
        connection.makefile("rb") as stream,
    ):
        for message in messages:
            connection.sendall(message)
            answer, _ = receive(stream)
        return answer


def test_a_path_is_no_name_of_a_weight_set(queue, weights):
    hello = {"key": KEY, "weights": str(weights.folder), "hashes": weights.hashes()}
    assert answer_to(queue, packed(hello))["error"] == "WeightsError"


@pytest.mark.parametrize(
    "message",
    [b"\x16\x03\x01 TLS\n", b"[]\n", b"{}\n", b'"' + bytes(70_000), packed({"key": KEY}, [VIEWS])],
    ids=["not JSON", "not a message", "empty", "no end of line", "arrays before the key"],
)
def test_fault_45_what_is_no_request_is_refused(queue, session, message):
    assert "error" in answer_to(queue, message)
    session().predict("vgg", VIEWS)


@pytest.mark.parametrize("shape", [[1 << 40], [-1], [1 << 20, 1 << 20]])
def test_fault_45_arrays_that_would_fill_the_memory_are_not_read(queue, weights, shape):
    hello = {"key": KEY, "weights": "made", "hashes": weights.hashes()}
    question = packed({"network": "vgg"}).replace(
        b"[]", f'[{{"shape": {shape}, "dtype": "<f4"}}]'.encode()
    )
    assert "too long" in answer_to(queue, packed(hello), question)["message"]


# --- The line


def test_first_come_first_served_and_told_how_many_are_before(queue, session, threads):
    told: dict[str, list[int]] = {"first": [], "second": []}
    order = []

    def ask(name: str) -> None:
        session(on_waiting=told[name].append).predict("vgg", VIEWS)
        order.append(name)

    with busy(queue):
        first = threads.submit(ask, "first")
        until(lambda: told["first"] == [1])
        second = threads.submit(ask, "second")
        until(lambda: told["second"] == [2])
    first.result(), second.result()
    assert told == {"first": [1, 0], "second": [2, 1, 0]}
    assert order == ["first", "second"]


def test_many_nodules_of_one_do_not_hold_back_the_one_of_another(session, threads):
    answered = []
    many = session()
    session().predict("vgg", VIEWS)

    def ask_often() -> None:
        for _ in range(30):
            answered.append(many.predict("vgg", np.repeat(VIEWS, 8, axis=0)))

    run = threads.submit(ask_often)
    until(lambda: len(answered) > 2)
    before = len(answered)
    session().predict("vgg", VIEWS)
    assert len(answered) - before <= 2 and not run.done()
    run.result()


def test_fault_43_cancel_while_waiting(queue, session, threads):
    told: list[int] = []
    leaving = session(on_waiting=told.append)
    with busy(queue):
        left = threads.submit(leaving.predict, "vgg", VIEWS)
        until(lambda: told == [1])
        staying = threads.submit(session().predict, "vgg", VIEWS)
        leaving.cancel()
        with pytest.raises(WorkerError, match="cancelled"):
            left.result(timeout=1)
    assert staying.result()[0].shape == (1, 2)
    assert leaving.predict("vgg", VIEWS)[0].shape == (1, 2)


def test_fault_43_cancel_while_running_ends_the_wait_but_not_the_networks(queue, session, threads):
    leaving, told = session(), []
    leaving.predict("vgg", VIEWS)
    child = child_of(queue).pid
    with stalled(queue):
        running = threads.submit(leaving.predict, "vgg", VIEWS)
        until(lambda: len(queue._line._waiting) == 1)
        staying = threads.submit(session(on_waiting=told.append).predict, "vgg", VIEWS)
        until(lambda: told == [1])
        leaving.cancel()
        with pytest.raises(WorkerError, match="cancelled"):
            running.result(timeout=1)
    assert staying.result()[0].shape == (1, 2)
    assert leaving.predict("vgg", VIEWS)[0].shape == (1, 2)
    assert child_of(queue).pid == child


def test_fault_43_cancel_between_two_networks_is_not_lost(session):
    shared = session()
    shared.cancel()
    with pytest.raises(WorkerError, match="cancelled"):
        shared.predict("vgg", VIEWS)
    shared.predict("vgg", VIEWS)


def test_fault_43_a_session_that_died_while_waiting_is_skipped(queue, session, weights, threads):
    program = (
        "import numpy as np\nfrom nodulerisk.engine.queue import SharedNetworks\nfrom"
        " nodulerisk.weights.store import load_weight_set\nshared ="
        f" SharedNetworks(load_weight_set({str(weights.folder)!r}), address={queue.address!r},"
        f" key={KEY!r})\nshared.predict('vgg', np.zeros((1, 3, 40, 40, 40), np.float32))\n"
    )
    path = str(Path(__file__).parents[3] / "LungNoduleRisk")
    with busy(queue):
        dying = subprocess.Popen(
            [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}
        )
        until(lambda: len(queue._line._waiting) == 2)
        dying.kill()
        dying.wait()
    until(lambda: not queue._line._waiting)
    assert child_of(queue) is None  # nothing was run for it
    session().predict("vgg", VIEWS)


def test_fault_43_networks_killed_mid_run_cost_one_answer(queue, session, threads):
    unlucky, told = session(), []
    unlucky.predict("vgg", VIEWS)
    with stalled(queue):
        running = threads.submit(unlucky.predict, "vgg", VIEWS)
        until(lambda: len(queue._line._waiting) == 1)
        waiting = threads.submit(session(on_waiting=told.append).predict, "vgg", VIEWS)
        until(lambda: told == [1])
        child_of(queue).kill()
        with pytest.raises(WorkerError, match="ended unexpectedly"):
            running.result()
        assert waiting.result()[0].shape == (1, 2)
    assert unlucky.predict("vgg", VIEWS)[0].shape == (1, 2)


def test_fault_43_the_end_of_the_front_leaves_no_process_and_nobody_waiting(weights, threads):
    def ask() -> Future:
        return threads.submit(
            SharedNetworks(weights, address=queue.address, key=KEY).predict, "vgg", VIEWS
        )

    others = psutil.Process().children()  # of other tests
    with NetworkQueue([str(weights.folder)], "cpu", KEY) as queue:
        ask().result()
        child_of(queue).send_signal(signal.SIGSTOP)
        asked = [ask(), ask()]
        until(lambda: len(queue._line._waiting) == 2)
    for answer in (*asked, ask()):
        with pytest.raises(WorkerError):
            answer.result(timeout=5)
    assert set(psutil.Process().children()) <= set(others)
