"""What goes wrong on a card, for real, and how the engine goes on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from gpu_bench.measuring import Setting, attempt, cubes_for
from nodulerisk.engine.engine import Engine, TorchBackend
from nodulerisk.engine.worker import Worker

VGG = "grade_vgg80"
LEFT_FREE = 64 << 20  # bytes, of which the networks' weights alone need more
TURNS = 20


def faults(setting: Setting) -> None:
    """No memory left; a child killed between two nodules, and in the middle of one."""
    row = setting.table(
        "When it goes wrong",
        *("what", "goes on, on", "checks", "largest difference from the CPU", "s"),
    )
    cubes = cubes_for(setting.bench_set.networks[VGG], 1).numpy()
    right = TorchBackend(setting.bench_set, "cpu").predict(VGG, cubes)[0]

    def outcome(what: str, networks, work) -> None:
        start = time.perf_counter()
        cell = attempt(lambda: f"{np.abs(work() - right).max():.1e}")
        codes = ", ".join(check.code for check in networks.checks) or "none"
        row(what, networks.device, codes, cell, f"{time.perf_counter() - start:.1f}")

    engine = Engine(setting.bench_set, setting.device)
    hog = _all_memory() if setting.full else None
    outcome("card's memory full", engine, lambda: engine.predict(VGG, cubes)[0])
    del hog
    torch.cuda.empty_cache()
    with Worker(setting.bench_set, setting.device) as worker:
        outcome("first nodule of a child", worker, lambda: worker.predict(VGG, cubes)[0])
        _kill(worker)
        worker._child.wait()  # type: ignore[union-attr]
        outcome("child killed between nodules", worker, lambda: worker.predict(VGG, cubes)[0])
        threading.Timer(0.5, _kill, [worker]).start()
        outcome("child killed at work", worker, lambda: _until_killed(worker, cubes))


def _all_memory() -> list[torch.Tensor]:
    """Takes the card's memory but for ``LEFT_FREE``."""
    torch.cuda.init()
    free = torch.cuda.mem_get_info()[0]
    return [torch.empty(max(free - LEFT_FREE, 0), dtype=torch.uint8, device="cuda")]


def _kill(worker: Worker) -> None:
    assert worker._child is not None
    worker._child.kill()


def _until_killed(worker: Worker, cubes: np.ndarray) -> np.ndarray:
    """Asks again and again for more than a second: the kill comes in between."""
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        answer = worker.predict(VGG, cubes)[0]
    return answer


def sharing(setting: Setting) -> None:
    """From a cube to mask and probabilities by the bundled set in a child: what a click waits for
    once the cubes are cut; alone, and while another process uses the card too."""
    row = setting.table(
        "The bundled set in a child, from cubes to answers",
        *("processes", "on", "checks", "nodules/s of each", "largest difference between them"),
    )
    weights = setting.open_set
    questions = {name: cubes_for(card, 1).numpy() for name, card in weights.networks.items()}

    def turns(worker: Worker) -> tuple[float, np.ndarray]:
        start, count = time.perf_counter(), TURNS if setting.full else 2
        for _ in range(count):
            found = [worker.predict(*question)[0].ravel() for question in questions.items()]
        return count / (time.perf_counter() - start), np.concatenate(found)

    with Worker(weights, setting.device) as one, Worker(weights, setting.device) as two:
        for worker in (one, two):
            turns(worker)
        rate, alone = turns(one)
        row(1, one.device, len(one.checks), f"{rate:.4g}", "-")
        with ThreadPoolExecutor(2) as pool:
            (first, a), (second, b) = pool.map(turns, (one, two))
        apart = max(np.abs(a - b).max(), np.abs(a - alone).max())
        checks = len(one.checks) + len(two.checks)
        row(2, two.device, checks, f"{first:.4g} and {second:.4g}", f"{apart:.1e}")
