"""How near the card comes to the CPU's answers, and how fast."""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from gpu_bench.measuring import (
    LAST,
    MODES,
    OPEN,
    Mode,
    Setting,
    answers,
    attempt,
    cubes_for,
    networks,
    product_rates,
    seconds_of,
    work_of,
)
from nodulerisk.engine.engine import Engine, TorchBackend
from nodulerisk.engine.worker import Worker
from nodulerisk.networks.layers import Network
from nodulerisk.weights.store import load_weight_set

COMPARED = 2  # cubes
COMPILED = ("subtype_densesharp32", "grade_vgg80", "malignancy_inception60", "unet")


def parity(setting: Setting) -> None:
    """The largest difference from fp32 on the CPU in torch: of probabilities / of the mask."""
    engine = Engine(setting.open_set, setting.device)
    row = setting.table(
        f"Largest difference from the CPU (torch, fp32); engine: {engine.device}",
        "network",
        "the engine",
        *MODES,
    )
    for weights in (setting.open_set, setting.bench_set):
        engine, cpu = Engine(weights, setting.device), TorchBackend(weights, "cpu")
        for name, network, card in networks(weights):
            cubes = cubes_for(card, COMPARED)
            right = cpu.predict(name, cubes.numpy())
            found = attempt(lambda: _apart(engine.predict(name, cubes.numpy()), right))  # noqa: B023
            network.to(setting.device)
            row(name, found, *_drifts(network, cubes.to(setting.device), right, setting))


def _drifts(network: Network, cubes: Tensor, right, setting: Setting) -> Iterable[str]:
    for mode in MODES.values():

        def drift(mode: Mode = mode) -> str:
            with mode.arithmetic(setting.device):
                return _apart(answers(mode.laid_out(network), mode.laid_out(cubes)), right)

        yield attempt(drift)


def _apart(found, right) -> str:
    return " / ".join(f"{np.abs(a - b).max():.1e}" for a, b in zip(found, right, strict=True))


def one(setting: Setting) -> None:
    """Products, and one nodule by the ten networks."""
    rates = product_rates(setting)
    row = _speed_table(setting, "One nodule")
    loaded = [(name, net.to(setting.device), card) for name, net, card in _all(setting)]
    ten = setting.bench_set.networks
    for mode_name in MODES:
        total = 0.0
        for name, network, card in loaded:
            seconds = _measure(row, setting, name, network, card, mode_name, 1, rates)
            total += seconds if name in ten else 0.0
        row(f"**all {len(ten)}**", mode_name, 1, f"**{1000 * total:.4g}**", "", "", "")


def batches(setting: Setting) -> None:
    """Many nodules at once; network by network, the largest first."""
    rates = product_rates(setting)
    row = _speed_table(setting, "Batches")
    for name, network, card in sorted(_all(setting), key=lambda one: -work_of(one[2])):
        network.to(setting.device)
        for count in setting.batches:
            for mode_name in MODES:
                _measure(row, setting, name, network, card, mode_name, count, rates)
        network.cpu()


def _all(setting: Setting):
    """The ten networks, and the bundled set's mask network."""
    yield from networks(setting.bench_set)
    yield from (one for one in networks(setting.open_set) if one[0] == "unet")


def _speed_table(setting: Setting, heading: str):
    return setting.table(
        heading,
        "network",
        "arithmetic",
        "batch",
        "ms",
        "nodules/s",
        "of the product's rate",
        "GiB at most",
    )


def _measure(row, setting, name, network, card, mode_name, count, rates) -> float:
    """Writes one row; returns the seconds of the batch, NaN if it failed."""
    mode, seconds = MODES[mode_name], float("nan")

    def timed() -> str:
        nonlocal seconds
        cubes = mode.laid_out(cubes_for(card, count).to(setting.device))
        laid = mode.laid_out(network)
        if setting.full:
            torch.cuda.reset_peak_memory_stats()
        with mode.arithmetic(setting.device):
            seconds = seconds_of(lambda: laid(cubes), setting.device)
        return f"{1000 * seconds:.4g}"

    cell = attempt(timed)
    share = count * work_of(card) / seconds / rates[mode.rate]
    peak = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if setting.full else "-"
    row(name, mode_name, count, cell, f"{count / seconds:.4g}", f"{share:.0%}", peak)
    return seconds


def click(setting: Setting) -> None:
    """From a click on a CT in memory to the mask over it and all answers of the bundled set."""
    row = setting.table("A click", "CT", "on", "ms", "of which the networks")
    row(attempt(lambda: " | ".join(_clicked(setting))))


def _clicked(setting: Setting) -> Iterable[str]:
    from bench.stages import middle_lps_mm, synthetic_ct  # they need SimpleITK
    from bench.timing import Timed
    from nodulerisk.assess import assess

    shape = (300, 512, 512) if setting.full else (60, 128, 128)
    ct, weights = synthetic_ct(shape, (0.7, 0.7, 1.0)), load_weight_set(OPEN)
    with Worker(weights, setting.device) as worker:
        networks = Timed(worker, of=weights.networks)

        def assessed() -> float:
            networks.seconds = 0.0
            assess(ct, middle_lps_mm(ct), weights, networks=networks)
            return networks.seconds

        seconds = seconds_of(assessed, setting.device)
        return str(shape), worker.device, f"{1000 * seconds:.4g}", f"{1000 * assessed():.4g}"


def compiled(setting: Setting) -> None:
    """torch.compile and CUDA graphs against the same, eager."""
    mode = MODES[LAST]
    row = setting.table(
        f"Eager, as a CUDA graph and compiled, ms ({LAST})",
        *("network", "batch", "eager", "CUDA graph", "torch.compile", "compiled in s"),
    )
    for name, network, card in _all(setting):
        if name in COMPILED[: None if setting.full else 1]:
            laid = mode.laid_out(network.to(setting.device))
            for count in (1, 8) if setting.full else (1,):
                cubes = mode.laid_out(cubes_for(card, count).to(setting.device))
                with mode.arithmetic(setting.device):
                    row(name, count, *_three_ways(laid, cubes, setting))


def _three_ways(network: Network, cubes: Tensor, setting: Setting) -> Iterable[str]:
    def ms(work) -> str:
        return f"{1000 * seconds_of(work, setting.device):.4g}"

    yield attempt(lambda: ms(lambda: network(cubes)))
    yield attempt(lambda: ms(_graph(network, cubes).replay)) if setting.full else "needs CUDA"
    fast = torch.compile(network, dynamic=False, backend="inductor" if setting.full else "eager")
    start = time.perf_counter()
    cell = attempt(lambda: f"{fast(cubes)[0].shape and time.perf_counter() - start:.1f}")
    yield attempt(lambda: ms(lambda: fast(cubes)))
    yield cell


def _graph(network: Network, cubes: Tensor) -> torch.cuda.CUDAGraph:
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):  # what is set up on first use must not be captured
        for _ in range(3):
            network(cubes)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(cubes)
    return graph
