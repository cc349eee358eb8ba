"""The benchmark's report says what was measured; a quick run without Keras goes through. No time is
tested."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.__main__ import main
from bench.benchset import gflop, network_cards, write_keras
from bench.measurements import KERAS, OUR_BF16, OUR_FP32, TORCH, Measurements
from bench.preprocessing import Comparison, densesharp_ways, views_ways
from bench.speed_report import NO_KERAS, aims, markdown
from bench.stages import synthetic_ct
from nodulerisk.networks.build import build_network
from nodulerisk.networks.keras_files import load_keras_weights

WORK = {"grade_vgg80": 300.0, "subtype_densesharp32": 10.0}  # GFLOP


def seconds(vgg: float, densesharp: float) -> dict[int, dict[str, list[float]]]:
    return {1: {"grade_vgg80": [vgg, vgg, 9.0], "subtype_densesharp32": [densesharp] * 3}}


@pytest.fixture
def found() -> Measurements:
    """Keras 3.1 s, torch 2.1 s, OpenVINO 1.0 s (fp32) and 0.2 s (bf16); 300 GFLOP/s in fp32, 3000
    in bf16."""
    return Measurements(
        machine={"Processor": "made up"},
        full_width=True,
        gflop=WORK,
        seconds={
            KERAS: seconds(3.0, 0.1),
            TORCH: seconds(2.0, 0.1),
            OUR_FP32: seconds(0.96, 0.04),
            OUR_BF16: seconds(0.18, 0.02),
        },
        reference=KERAS,
        differences={TORCH: 1e-6, OUR_FP32: 2e-6, OUR_BF16: 0.007},
        products={"fp32": [300.0] * 40 + [1.0], "bf16": [3000.0]},
        preprocessing={
            "views": Comparison("of 1.0", 1e-6, authors=[1.2], ours=[0.01], difference=5e-7)
        },
        stages={"read": [0.5], "total": [2.0]},
        stages_ct="a made-up CT",
        cold={
            OUR_FP32: [{"seconds": 4.5, "read_seconds": 1.0, "peak_mb": 900.0}],
            KERAS: [{"seconds": 22.0, "peak_mb": 3000.0}],
        },
        one_at_a_time_mb={OUR_FP32: 750.0, KERAS: 1600.0},
    )


def test_figures_are_medians_and_ratios(found):
    assert found.total_ms(OUR_FP32) == pytest.approx(1000)
    assert found.gain(OUR_FP32) == pytest.approx(3.1)
    assert found.share(OUR_FP32, "grade_vgg80") == pytest.approx(300 / 0.96 / 300)
    assert found.share(OUR_BF16) == pytest.approx(310 / 0.2 / 3000)


def test_report_shows_every_aim_and_whether_it_was_met(found):
    verdicts = {aim.what: aim.met for aim in aims(found)}
    assert verdicts["fp32 against Keras, one nodule"]
    assert verdicts["cold start, without reading the CT"]
    assert verdicts["grade vgg80³, bf16, of the matrix-product rate"] is False
    text = markdown(found)
    assert "| fp32 against Keras, one nodule | ≥ 2.5 | 3.1 | met |" in text
    assert "| **ours: OpenVINO bf16** | 200 | 15.5 | 52 % | – | 7e-03 |" in text
    assert "1/120" in text
    assert NO_KERAS not in text


def test_without_keras_the_report_says_so(found):
    del found.seconds[KERAS], found.cold[KERAS]
    text = markdown(replace(found, reference=TORCH))
    assert text.count(NO_KERAS) == 2
    assert "| fp32 against Keras, one nodule | ≥ 2.5 | – | – |" in text


def test_without_amx_bf16_is_not_measured(found):
    del found.seconds[OUR_BF16]
    assert "no AMX" in markdown(found)


def test_operations_are_the_published_ones():
    """PUBLISHED_SYSTEMS: 631 GFLOP of EMV and 10.6 of DenseSharp."""
    work = {name: gflop(card) for name, card in network_cards().items()}
    assert sum(work.values()) == pytest.approx(631 + 10.6, rel=0.01)
    assert work["grade_vgg80"] == pytest.approx(315, rel=0.01)
    assert work["subtype_densesharp32"] == pytest.approx(10.6, rel=0.01)


@pytest.mark.parametrize("ways", [views_ways, densesharp_ways])
def test_our_preprocessing_equals_the_published_one(ways):
    comparison = Comparison("", 1e-6)
    comparison.add(*ways(synthetic_ct((30, 128, 128))))
    assert comparison.difference <= comparison.allowed


@pytest.mark.parametrize("kind", ["inception", "resnet", "densesharp"])
def test_keras_file_holds_the_same_weights(kind, tmp_path):
    network, other = (build_network(kind, width=0.125) for _ in range(2))
    write_keras(network, tmp_path / "network.h5")
    load_keras_weights(other, tmp_path / "network.h5")
    loaded = other.state_dict()
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(loaded[name], values)


@pytest.mark.slow
def test_quick_run_without_keras(tmp_path, capsys):
    main(["--quick", "--out", str(tmp_path / "bench.md")])
    text = (tmp_path / "bench.md").read_text(encoding="utf-8")
    assert "its figures are meaningless" in text
    assert text.count(NO_KERAS) == 3
    raw = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert raw["differences"][OUR_FP32] < 1e-4
    assert raw["preprocessing"]["DenseSharp cube"]["difference"] == 0
    assert "Speed" in capsys.readouterr().out
