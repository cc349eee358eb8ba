"""The measurements of one benchmark run, and the figures computed from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

import numpy as np

from bench.preprocessing import Comparison

OUR_FP32, OUR_BF16, TORCH, KERAS = "openvino-fp32", "openvino-bf16", "torch-fp32", "keras"


@dataclass
class Measurements:
    """Raw values, one per round wherever there is a list.

    Attributes:
        machine: what it was measured on, in words, by heading; one heading is added for each
            engine.
        full_width: False for a quick run with narrow networks, whose figures are meaningless.
        gflop: billions of operations of one forward pass, by network.
        seconds: engine -> batch size -> network -> seconds of the whole batch.
        differences: engine -> largest difference (0..1) of a class probability from
            ``reference``'s.
        products: ``fp32`` and ``bf16`` -> GFLOP/s of 2048³ matrix products by torch and OpenVINO.
        peers: engine in words -> network -> seconds of one nodule; ours among them.
        peers_apart: engine in words -> largest difference of a class probability from ours.
        cubes: library in words -> seconds for the EMV views of one nodule; ours among them.
        preprocessing: by what is made.
        stages: stage of one assessment -> seconds, on the CT that ``stages_ct`` names.
        cold: engine -> ``seconds``, ``peak_mb`` and for ours ``read_seconds`` of a fresh process's
            first nodule.
        one_at_a_time_mb: engine -> peak memory (MB) of a process that holds one network at a time.
    """

    machine: dict[str, str]
    full_width: bool
    gflop: dict[str, float]
    seconds: dict[str, dict[int, dict[str, list[float]]]] = field(default_factory=dict)
    reference: str = TORCH
    differences: dict[str, float] = field(default_factory=dict)
    products: dict[str, list[float]] = field(default_factory=dict)
    peers: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    peers_apart: dict[str, float] = field(default_factory=dict)
    cubes: dict[str, list[float]] = field(default_factory=dict)
    preprocessing: dict[str, Comparison] = field(default_factory=dict)
    stages: dict[str, list[float]] = field(default_factory=dict)
    stages_ct: str = ""
    cold: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    one_at_a_time_mb: dict[str, float] = field(default_factory=dict)

    @property
    def largest_vgg(self) -> str:
        """The VGG with the most work: VGG 80³, half of all."""
        return max((name for name in self.gflop if "vgg" in name), key=self.gflop.__getitem__)

    def network_ms(self, engine: str, network: str, batch: int = 1) -> float:
        """Median milliseconds per nodule."""
        return median(self.seconds[engine][batch][network]) / batch * 1e3

    def total_ms(self, engine: str, batch: int = 1) -> float:
        """Milliseconds per nodule, all networks."""
        return sum(self.network_ms(engine, network, batch) for network in self.gflop)

    def gain(self, engine: str, batch: int = 1) -> float | None:
        """How many times faster than Keras; None if Keras was not measured."""
        return (
            self.total_ms(KERAS, batch) / self.total_ms(engine, batch)
            if KERAS in self.seconds
            else None
        )

    def product_rate(self, precision: str) -> float:
        """This machine's matrix-product rate, GFLOP/s: the 95th percentile, since other work can
        only slow it down."""
        return float(np.percentile(self.products[precision], 95))

    def share(self, engine: str, network: str | None = None, batch: int = 1) -> float | None:
        """Operations per second of a network (None: of all) as a share of the matrix-product rate
        in its precision."""
        precision = "bf16" if engine.endswith("bf16") else "fp32"
        if precision not in self.products:
            return None
        names = self.gflop if network is None else [network]
        seconds = sum(self.network_ms(engine, name, batch) for name in names) / 1e3
        return sum(self.gflop[name] for name in names) / seconds / self.product_rate(precision)

    def cold_value(self, engine: str, value: str) -> float | None:
        """Median of a cold start's ``seconds``, ``peak_mb`` or ``read_seconds``; None if it was not
        measured."""
        found = [run[value] for run in self.cold.get(engine, []) if value in run]
        return median(found) if found else None
