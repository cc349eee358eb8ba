"""One of our engines in a process of its own: ``python -m bench.child ENGINE serve|cold|memory
FOLDER``.

``serve`` answers JSON lines; ``cold`` assesses one nodule and ``memory`` runs one network at a
time, then both say how much memory they held at most. FOLDER is a benchmark set (``benchset``) and,
but for ``memory``, holds job.json: the CT and the point.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from bench.machine import peak_mb
from bench.timing import timed
from nodulerisk.assess import assess
from nodulerisk.ct.read import read_ct
from nodulerisk.engine.engine import Engine, Networks
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

PRODUCT_SIDE = 2048
PRODUCTS = 3


def engine_for(name: str, weights: WeightSet, *, keep: bool = True) -> Networks:
    """``openvino-fp32``, ``openvino-bf16`` or one of ``peers.PEERS``, on the CPU."""
    library, precision = name.split("-")
    if library == "openvino":
        return Engine(weights, "cpu", precision, keep=keep)
    from bench.peers import PEERS  # imports torch, which ours does without

    return PEERS[name](weights)


class Server:
    """The requests that a parent can send."""

    def __init__(self, engine: str, folder: Path):
        self.weights = load_weight_set(folder)
        self.engine = engine_for(engine, self.weights)

    def predict(self, network: str, batch: int) -> dict:
        """Seconds of one forward pass, and its class probabilities."""
        cubes = input_cubes(self.weights, network, batch)
        seconds, answer = timed(lambda: self.engine.predict(network, cubes))
        return {"seconds": seconds, "probabilities": answer[0].tolist()}

    def product(self, precision: str) -> dict:
        """GFLOP/s of a few 2048³ matrix products in ``fp32`` or ``bf16``, by torch and by
        OpenVINO."""
        ways = (_torch_product(precision), _openvino_product(precision))
        seconds = [timed(way)[0] for _ in range(PRODUCTS) for way in ways]
        return {"gflops": [2e-9 * PRODUCT_SIDE**3 / one for one in seconds]}

    def stages(self) -> dict[str, float]:
        """Seconds of each stage of one assessment by a warm engine."""
        from bench.stages import stage_seconds

        return stage_seconds(*job(self.weights.folder), self.weights, self.engine)


@cache
def _torch_product(precision: str) -> Callable[[], object]:
    import torch

    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = torch.rand(2, PRODUCT_SIDE, PRODUCT_SIDE).to(dtype)
    return lambda: a @ b


@cache
def _openvino_product(precision: str) -> Callable[[], object]:
    """With a constant factor, as a network's weights are; run once, which packs it."""
    import openvino
    from openvino import opset13 as operations

    a, b = np.random.default_rng(0).random((2, PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    given = operations.parameter(a.shape, np.float32)
    product = operations.matmul(given, operations.constant(b), False, False)
    hints = {"INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision]}
    compiled = openvino.Core().compile_model(openvino.Model([product], [given]), "CPU", hints)
    compiled(a)
    return lambda: compiled(a)


def input_cubes(weights: WeightSet, network: str, batch: int) -> np.ndarray:
    """float32 (batch, channels, S, S, S)."""
    cubes = np.load(weights.folder / f"input-{weights.networks[network].size}.npy", mmap_mode="r")
    return cubes[:batch].astype(np.float32)


def job(folder: Path) -> tuple[str, list[float]]:
    """The CT's path and the point (x, y, z), LPS mm."""
    values = json.loads((folder / "job.json").read_text())
    return values["ct"], values["point_lps_mm"]


def serve(engine: str, folder: Path) -> None:
    server = Server(engine, folder)
    say({"name": server.engine.device})
    for line in sys.stdin:
        request = json.loads(line)
        say(getattr(server, request.pop("do"))(**request))


def cold(engine: str, folder: Path) -> None:
    """Everything a first nodule needs: imports, weights verified, CT read, networks loaded, one
    assessment."""
    weights = load_weight_set(folder)
    path, point = job(folder)
    read, ct = timed(lambda: read_ct(path))
    # as the terminal does
    assess(ct, point, weights, networks=engine_for(engine, weights, keep=False))
    say({"read_seconds": read, "peak_mb": peak_mb()})


def memory(engine: str, folder: Path) -> None:
    """Runs each network in turn and keeps none."""
    weights = load_weight_set(folder)
    for network in weights.networks:
        engine_for(engine, weights).predict(network, input_cubes(weights, network, 1))
    say({"peak_mb": peak_mb()})


def say(answer: dict) -> None:
    print(json.dumps(answer), file=ANSWERS, flush=True)


if __name__ == "__main__":
    ANSWERS = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # anything that libraries print is not an answer
    {"serve": serve, "cold": cold, "memory": memory}[sys.argv[2]](sys.argv[1], Path(sys.argv[3]))
