"""The real worker process: answers, cancelling, death, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_assessment import CENTRE_LPS_MM, made_ct
from nodulerisk.assess import assess
from nodulerisk.engine.engine import Engine
from nodulerisk.engine.worker import Worker
from nodulerisk.errors import NoduleRiskError, WeightsError, WorkerError

VIEWS = np.zeros((1, 3, 40, 40, 40), np.float32)


@pytest.fixture
def worker(weights):
    with Worker(weights, "cpu") as worker:
        yield worker


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def ended(pid: int, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def keep_asking(worker: Worker) -> None:
    while True:
        worker.predict("resnet", np.repeat(VIEWS, 64, axis=0))


def test_answers_equal_the_engine(weights, worker):
    ct = made_ct()
    here = assess(ct, CENTRE_LPS_MM, weights, networks=Engine(weights, "cpu"))
    there = assess(ct, CENTRE_LPS_MM, weights, networks=worker)
    assert there.tasks == here.tasks
    np.testing.assert_array_equal(there.mask, here.mask)
    assert worker.device == here.provenance.device


def test_errors_of_the_child_arrive_as_they_are(weights, worker, tmp_path):
    with pytest.raises(NoduleRiskError):
        worker.predict("no-such-network", VIEWS)
    worker.predict("vgg", VIEWS)  # and it goes on
    (tmp_path / "card.json").write_text("{}")
    with (
        Worker(replace(weights, folder=tmp_path), "cpu") as broken,
        pytest.raises(WeightsError, match="card"),
    ):
        broken.predict("vgg", VIEWS)


def test_fault_43_cancel_ends_the_child_and_the_next_run_works(worker):
    worker.predict("vgg", VIEWS)
    child = worker._child.pid
    os.kill(child, signal.SIGSTOP)  # it answers nothing any more
    threading.Timer(0.3, worker.cancel).start()
    with pytest.raises(WorkerError, match="cancelled"):
        keep_asking(worker)
    assert ended(child)
    assert worker.predict("vgg", VIEWS)[0].shape == (1, 2)


def test_fault_43_cancel_between_two_networks_is_not_lost(worker):
    worker.predict("vgg", VIEWS)
    worker.cancel()
    with pytest.raises(WorkerError, match="cancelled"):
        worker.predict("vgg", VIEWS)
    worker.predict("vgg", VIEWS)


def test_fault_43_killed_child_costs_one_run(worker):
    worker.predict("vgg", VIEWS)
    threading.Timer(0.2, worker._child.kill).start()
    with pytest.raises(WorkerError, match="ended unexpectedly"):
        keep_asking(worker)
    worker.predict("vgg", VIEWS)


def test_fault_43_child_ends_with_its_parent(weights):
    parent = (
        "import json, numpy as np, os, sys\n"
        "from nodulerisk.weights.store import load_weight_set\n"
        "from nodulerisk.engine.worker import Worker\n"
        f"worker = Worker(load_weight_set({str(weights.folder)!r}), 'cpu')\n"
        "worker.predict('vgg', np.zeros((1, 3, 40, 40, 40), np.float32))\n"
        "print(worker._child.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    path = str(Path(__file__).parents[3] / "LungNoduleRisk")
    done = subprocess.run(
        [sys.executable, "-c", parent],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ended(int(json.loads(done.stdout)))


def test_fault_40_a_child_that_dies_on_the_gpu_is_tried_on_the_cpu(weights, monkeypatch):
    with Worker(weights, "auto") as worker:
        start = worker._start

        def die_unless_cpu():
            start()
            if worker._wanted_device != "cpu":
                worker.device = "CUDA (torch, fp32, TF32 off)"
                worker._child.kill()

        monkeypatch.setattr(worker, "_start", die_unless_cpu)
        assert worker.predict("vgg", VIEWS)[0].shape == (1, 2)
        assert [check.fault for check in worker.checks] == [40]
        assert worker.device.startswith("CPU")
