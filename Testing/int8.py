"""What int8 by NNCF and bf16 would do to the bundled networks' answers, on real nodules of LIDC.

``python Testing/int8.py`` (``pip install nncf``; needs ../shared) prints a row for each network:
how much less CPU time it takes, how far a probability moves at most, and how many classes flip.
int8 is calibrated on a third of the nodules' cubes and judged on the others.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

import nncf
import numpy as np
import openvino

from nodulerisk.assess import assess
from nodulerisk.ct.read import read_ct
from nodulerisk.engine.engine import Engine, converted
from nodulerisk.errors import NoduleRiskError
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

LIDC = Path(__file__).parents[2] / "shared" / "data" / "lidc"
RUNS = 15
Answer = Callable[[np.ndarray], list[np.ndarray]]


class Remembering(Engine):
    """An engine that keeps what its networks were asked.

    Attributes:
        cubes: network -> cubes (channels, S, S, S).
    """

    def __init__(self, weights: WeightSet):
        super().__init__(weights, "cpu", "fp32")
        self.cubes: dict[str, list[np.ndarray]] = {name: [] for name in weights.networks}

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        self.cubes[network].extend(np.asarray(cubes, np.float32))
        return super().predict(network, cubes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-n", type=int, default=90, help="nodules")
    nncf.set_log_level("ERROR")
    weights = load_weight_set("open")
    engine = Remembering(weights)
    look_at(drawn_nodules(parser.parse_args().n), weights, engine)
    print("| network | cubes | arithmetic | faster by | largest change | flipped | least Dice |")
    print("|---|---|---|---|---|---|---|")
    for name, cubes in engine.cubes.items():
        calibrating, judging = cubes[: len(cubes) // 3], cubes[len(cubes) // 3 :]
        model = converted(weights, name)
        exact = compiled(model, "f32")
        others = {"bf16": compiled(model, "bf16"), "int8": int8(model, calibrating)}
        for arithmetic, other in others.items():
            cells = compared(exact, other, judging)
            print(f"| {name} | {len(judging)} | {arithmetic} | {' | '.join(cells)} |", flush=True)


def drawn_nodules(count: int) -> Iterable[dict[str, str]]:
    """Rows of LIDC's table, drawn by lot."""
    with open(LIDC / "nodules.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return (rows[n] for n in np.random.default_rng(22).permutation(len(rows))[:count])


def look_at(nodules: Iterable[dict[str, str]], weights: WeightSet, engine: Engine) -> None:
    """Assesses nodules, but for those that are refused."""
    for nodule in nodules:
        point = [float(nodule[f"coord{axis}"]) for axis in "XYZ"]
        try:
            assess(read_ct(LIDC / "image" / nodule["file"]), point, weights, networks=engine)
        except NoduleRiskError as refusal:
            print(f"{nodule['file']}: {refusal}")


def int8(model: openvino.Model, cubes: list[np.ndarray]) -> Answer:
    dataset = nncf.Dataset([cube[None] for cube in cubes])
    return compiled(nncf.quantize(model, dataset, subset_size=len(cubes)), "f32")


def compiled(model: openvino.Model, precision: str) -> Answer:
    hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    network: Any = openvino.Core().compile_model(model, "CPU", hints)

    def answer(cube: np.ndarray) -> list[np.ndarray]:
        found = network(cube[None])
        return [np.array(found[port]) for port in network.outputs]

    return answer


def compared(exact: Answer, other: Answer, cubes: list[np.ndarray]) -> list[str]:
    """The cells of a row: faster by, largest change, classes flipped, least Dice of two masks."""
    pairs = [(exact(cube), other(cube)) for cube in cubes]
    change = max(np.abs(a[0] - b[0]).max() for a, b in pairs)
    flipped = sum(((a[0] > 0.5) != (b[0] > 0.5)).any() for a, b in pairs)
    masks = [(a[1] > 0.5, b[1] > 0.5) for a, b in pairs if len(a) > 1 and (a[1] > 0.5).any()]
    dice = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in masks]
    faster = cpu_s(exact, cubes[0]) / cpu_s(other, cubes[0])
    least = f"{min(dice):.2f}" if dice else ""
    return [f"{faster:.1f} ×", f"{change:.3f}", str(flipped), least]


def cpu_s(answer: Answer, cube: np.ndarray) -> float:
    """Median of some runs."""
    times = []
    for _ in range(RUNS):
        start = time.process_time()
        answer(cube)
        times.append(time.process_time() - start)
    return median(times)


if __name__ == "__main__":
    main()
