"""What the sections share: sizes, precisions, times, and the report."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from bench.benchset import gflop, network_cards, write_bench_set
from nodulerisk.engine.engine import load_network, tf32
from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.networks.layers import Network
from nodulerisk.weights.card import NetworkCard, WeightSet
from nodulerisk.weights.store import load_weight_set

OPEN = Path(__file__).parents[3] / "Resources" / "Weights" / "open"
TRIED, TRIED_SIDE = ("vgg", "simulated_densesharp"), 33  # on the CPU
ENOUGH_S, MOST_RUNS = 0.25, 20  # of one measurement
_WORK: dict[str, float] = {}  # GFLOP of one cube, by the network's file


@dataclass(frozen=True)
class Setting:
    """Where a section runs, and how large.

    Attributes:
        out: folder of the report and of the benchmark set.
        device: ``cuda``, or ``cpu`` for tiny sizes of everything.
    """

    out: Path
    device: str

    @property
    def full(self) -> bool:
        return self.device == "cuda"

    @property
    def width(self) -> float:
        return 1.0 if self.full else 0.02

    @property
    def cards(self) -> dict[str, NetworkCard]:
        """Of the ten published networks."""
        cards = network_cards(self.width)
        if self.full:
            return cards
        return {
            name: replace(card, size=TRIED_SIDE) if card.sides else card
            for name, card in cards.items()
        }

    @property
    def batches(self) -> tuple[int, ...]:
        return (8, 16, 64) if self.full else (2,)

    @property
    def bench_set(self) -> WeightSet:
        """The ten published networks with random weights."""
        return load_weight_set(self.out / "bench-set")

    @property
    def open_set(self) -> WeightSet:
        weights = load_weight_set(OPEN)
        few = {name: weights.networks[name] for name in TRIED}
        return weights if self.full else replace(weights, networks=few)

    def table(self, heading: str, *columns: str) -> Callable[..., None]:
        """Begins a table; returns what writes a row of it to the disk at once."""
        self.write(f"\n## {heading}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n")
        return lambda *cells: self.write(f"| {' | '.join(map(str, cells))} |\n")

    def write(self, text: str) -> None:
        with open(self.out / "gpu.md", "a") as file:
            file.write(text)


@dataclass(frozen=True)
class Mode:
    """A way to compute.

    Attributes:
        rate: the precision of the matrix product that it is held against.
        dtype: of autocast.
        channels_last: the layout of weights and maps.
        search: whether cuDNN tries its algorithms out before.
    """

    rate: str
    dtype: torch.dtype | None = None
    channels_last: bool = False
    search: bool = False

    @contextmanager
    def arithmetic(self, device: str) -> Iterator[None]:
        before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, self.search
        try:
            with (
                tf32(self.rate == "TF32"),
                torch.inference_mode(),
                torch.autocast(device, self.dtype, enabled=self.dtype is not None),
            ):
                yield
        finally:
            torch.backends.cudnn.benchmark = before

    def laid_out(self, what):
        """Returns a network or cubes in this mode's layout."""
        layout = torch.channels_last_3d if self.channels_last else torch.contiguous_format
        return what.to(memory_format=layout)


LAST = "bf16, channels last, searched"
MODES = {
    "fp32": Mode("fp32"),
    "TF32": Mode("TF32"),
    "bf16": Mode("bf16", torch.bfloat16),
    "fp16": Mode("fp16", torch.float16),
    "bf16, channels last": Mode("bf16", torch.bfloat16, True),
    LAST: Mode("bf16", torch.bfloat16, True, True),
}


def prepare(setting: Setting) -> None:
    """Says what the card is, and writes the ten networks."""
    row = setting.table("Machine", "what", "which")
    cuda = setting.full
    row("card", torch.cuda.get_device_name() if cuda else "none: a trial at tiny sizes on the CPU")
    row("its memory", f"{torch.cuda.mem_get_info()[1] / 2**30:.0f} GiB" if cuda else "-")
    cudnn = torch.backends.cudnn.version()
    row("torch, CUDA, cuDNN", f"{torch.__version__}, {torch.version.cuda}, {cudnn}")
    row("Python, system", f"{platform.python_version()}, {platform.platform()}")
    row("CPU threads", torch.get_num_threads())
    folder = setting.out / "bench-set"
    folder.mkdir(exist_ok=True)
    write_bench_set(folder, setting.cards, lambda: None)


def networks(weights: WeightSet) -> Iterator[tuple[str, Network, NetworkCard]]:
    """Yields each network of a set, on the CPU."""
    for name, card in weights.networks.items():
        yield name, load_network(weights, name), card


def cubes_for(card: NetworkCard, count: int) -> Tensor:
    """float32 (count, channels, S, S, S): smooth noise, as the network sees HU."""
    kind = NETWORKS[card.kind].cubes
    coarse = torch.rand(
        min(count, 8), kind.channels, 8, 8, 8, generator=torch.Generator().manual_seed(card.size)
    )
    smooth = torch.nn.functional.interpolate(coarse, (card.size,) * 3, mode="trilinear")
    return kind.scaled(smooth).repeat(-(-count // 8), 1, 1, 1, 1)[:count]


def answers(network: Network, cubes: Tensor) -> list[np.ndarray]:
    """Returns the probabilities, and the mask if there is one."""
    answer = network(cubes)
    return [
        part.float().cpu().numpy() for part in (answer if isinstance(answer, tuple) else (answer,))
    ]


def seconds_of(work: Callable[[], object], device: str) -> float:
    """Returns the median of some runs, after two to warm up."""
    for _ in range(2):
        work()
    times: list[float] = []
    while not times or (sum(times) < ENOUGH_S and len(times) < MOST_RUNS):
        _finish(device)
        start = time.perf_counter()
        work()
        _finish(device)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def _finish(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def product_rates(setting: Setting) -> dict[str, float]:
    """Returns the GFLOP/s of a large matrix product in every precision, and writes them."""
    side = 8192 if setting.full else 256
    row = setting.table("Matrix products", "precision", f"TFLOP/s at {side}²")
    kinds = {
        "fp32": (torch.float32, False),
        "TF32": (torch.float32, True),
        "bf16": (torch.bfloat16, False),
        "fp16": (torch.float16, False),
    }
    rates = {}
    for name, (dtype, rounded) in kinds.items():
        a, b = torch.rand(2, side, side, device=setting.device).to(dtype)
        with tf32(rounded):
            seconds = seconds_of(lambda a=a, b=b: a @ b, setting.device)  # type: ignore[misc]
        rates[name] = 2e-9 * side**3 / seconds
        row(name, f"{rates[name] / 1000:.3g}")
    return rates


def attempt(work: Callable[[], str]) -> str:
    """Returns the cell, or what went wrong in a few words; frees the card's memory after that."""
    try:
        return work()
    except Exception as error:
        words = f"{type(error).__name__}: {error}".splitlines()[0]
    gc.collect()
    torch.cuda.empty_cache()
    return words[:120].replace("|", "/")


def work_of(card: NetworkCard) -> float:
    """GFLOP of one cube."""
    if card.file not in _WORK:
        _WORK[card.file] = gflop(card)
    return _WORK[card.file]
