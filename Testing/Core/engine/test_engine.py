"""Engines: OpenVINO against torch, device and precision choice, and running out of memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from nodulerisk.engine import engine as engines
from nodulerisk.engine.engine import (
    Engine,
    OpenVINOBackend,
    TorchBackend,
    choose_device,
    choose_precision,
    first_use,
    load_network,
    tf32,
)
from nodulerisk.errors import NoduleRiskError, WeightsError
from nodulerisk.weights.store import sha256_of


@pytest.fixture
def views() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.25, 0.75, (2, 3, 40, 40, 40)).astype(np.float32)


@pytest.mark.parametrize("network", ["inception", "vgg", "resnet"])
def test_openvino_equals_torch(weights, views, network):
    fast, plain = OpenVINOBackend(weights), TorchBackend(weights, "cpu")
    for batch in (views, views[:1]):
        np.testing.assert_allclose(
            fast.predict(network, batch)[0], plain.predict(network, batch)[0], atol=1e-5
        )


def test_densesharp_answers_probabilities_and_mask(weights):
    cubes = np.random.default_rng(0).integers(0, 256, (1, 1, 32, 32, 32)).astype(np.float32)
    fast, plain = (
        Engine(weights, "cpu").predict("densesharp", cubes),
        TorchBackend(weights, "cpu").predict("densesharp", cubes),
    )
    assert [part.shape for part in fast] == [(1, 3), (1, 1, 32, 32, 32)]
    for ours, theirs in zip(fast, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_converted_networks_are_cached_by_hash(weights, views, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "cache_folder", lambda _: tmp_path / "Zwischenablage für Netze")
    first = OpenVINOBackend(weights).predict("inception", views)
    kept = list(tmp_path.rglob("*.xml"))
    assert [path.name.startswith(weights.networks["inception"].sha256[:32]) for path in kept] == [
        True
    ]
    monkeypatch.setattr(
        engines,
        "load_network",
        lambda *_: pytest.fail("torch was used although the cache is warm"),
    )
    np.testing.assert_array_equal(OpenVINOBackend(weights).predict("inception", views)[0], first[0])


def test_what_openvino_compiled_is_cached_and_answers_the_same(
    weights, views, tmp_path, monkeypatch
):
    monkeypatch.setattr(engines, "cache_folder", lambda _: tmp_path)
    one = views[:1]
    first = OpenVINOBackend(weights).predict("vgg", one)[0]
    (kept,) = tmp_path.glob("*.blob")
    again = OpenVINOBackend(weights).predict("vgg", one)[0]
    np.testing.assert_array_equal(again, first)
    os.truncate(kept, kept.stat().st_size // 2)
    np.testing.assert_array_equal(OpenVINOBackend(weights).predict("vgg", one)[0], first)


def test_a_network_is_loaded_while_something_else_is_done(weights, views):
    engine, loaded = Engine(weights, "cpu", keep=False), []
    real = engine._backend._compile
    engine._backend._compile = lambda *asked: (
        loaded.append(threading.current_thread()),
        real(*asked),
    )[1]
    engine.warm_up("vgg")
    engine.predict("vgg", views[:1])
    assert len(loaded) == 1 and loaded[0] is not threading.current_thread()
    engine.warm_up("no such network")  # is said when it is used, not here


def test_the_first_use_ever_says_what_it_prepares(weights, views, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "cache_folder", lambda _: tmp_path)
    engine = Engine(weights, "cpu")
    assert "preparing it for this computer" in first_use(weights, "vgg", engine)
    engine.predict("vgg", views[:1])
    assert first_use(weights, "vgg", engine) == ""
    assert first_use(weights, None, engine) == ""
    engine.device = "CUDA (torch, fp32, TF32 off)"  # which converts nothing
    assert first_use(weights, "resnet", engine) == ""


def test_a_damaged_cache_is_rebuilt(weights, views, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "cache_folder", lambda _: tmp_path)
    first = OpenVINOBackend(weights).predict("vgg", views)
    for batch in (views, views[:1]):
        for path in tmp_path.glob("*.xml"):
            path.write_text("<net")
        again = OpenVINOBackend(weights).predict("vgg", batch)[0]
        np.testing.assert_allclose(again, first[0][: len(batch)], atol=1e-6)


def test_one_network_at_a_time_answers_the_same(weights, views):
    frugal = Engine(weights, "cpu", keep=False)
    for network in ("vgg", "resnet", "vgg"):
        np.testing.assert_array_equal(
            frugal.predict(network, views)[0], Engine(weights, "cpu").predict(network, views)[0]
        )
        assert len(frugal._backend._loaded) == 1


def test_without_openvino_torch_runs(weights, views, monkeypatch):
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    assert Engine(weights, "cpu").device == "CPU (torch, fp32)"


def test_fp32_is_never_tf32(weights, views, monkeypatch):
    def allowed() -> list[bool]:
        return [torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32]

    seen = []
    network = load_network(weights, "vgg")
    network.register_forward_hook(lambda *_: seen.append(allowed()))
    monkeypatch.setattr(engines, "load_network", lambda *_: network)
    with tf32(True):
        TorchBackend(weights, "cpu").predict("vgg", views)
        assert allowed() == [True, True]  # training in the same process chooses for itself
    assert seen == [[False, False]]
    assert TorchBackend(weights, "cuda").name == "CUDA (torch, fp32, TF32 off)"


def test_networks_run_where_only_torch_and_numpy_are(weights):
    code = (
        "import sys\n"
        "absent = ['SimpleITK', 'openvino', 'monai', 'pydicom', 'platformdirs']\n"
        "sys.modules |= dict.fromkeys(absent)\n"
        "import numpy as np\n"
        "from nodulerisk.engine.engine import Engine\n"
        "from nodulerisk.weights.store import load_weight_set\n"
        "engine = Engine(load_weight_set(sys.argv[1]), 'cpu')\n"
        "engine.predict('vgg', np.zeros((1, 3, 40, 40, 40)))\n"
        "print(engine.device)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(weights.folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(engines.__file__).parents[2])},
    )
    assert done.stdout == "CPU (torch, fp32)\n", done.stderr


def test_nothing_calls_home(weights, views, monkeypatch, tmp_path):
    monkeypatch.setattr(engines, "cache_folder", lambda _: tmp_path)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a network call was made"))
    Engine(weights, "cpu").predict("inception", views)
    assert sys.modules["openvino_telemetry"] is None


def test_devices(monkeypatch):
    assert choose_device("cpu") == "cpu"
    with pytest.raises(NoduleRiskError, match="choose auto, cpu"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(NoduleRiskError, match="no cuda device"):
        choose_device("cuda")
    monkeypatch.setattr(engines, "_gpu_possible", lambda: True)
    assert choose_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == "cuda"


@pytest.mark.parametrize(
    ("amx", "drift", "chosen"),
    [(True, 0.004, "bf16"), (True, 0.02, "fp32"), (True, None, "fp32"), (False, 0.0, "fp32")],
)
def test_bf16_only_where_it_is_fast_and_harmless(weights, monkeypatch, amx, drift, chosen):
    monkeypatch.setattr(engines, "has_amx", lambda: amx)
    assert choose_precision("auto", replace(weights, bf16_drift=drift)) == chosen
    assert choose_precision("bf16", weights) == "bf16"
    with pytest.raises(NoduleRiskError, match="precision"):
        choose_precision("int4", weights)


def test_fault_40_gpu_out_of_memory_goes_on_on_the_cpu(weights, views):
    engine = Engine(weights, "cpu")
    exact = engine.predict("vgg", views)[0]

    class FullGPU:
        kind, name = "cuda", "CUDA (torch, fp32, TF32 off)"

        def predict(self, *_):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    engine._backend = FullGPU()
    np.testing.assert_allclose(engine.predict("vgg", views)[0], exact, atol=1e-6)
    assert [check.fault for check in engine.checks] == [40]
    assert engine.device.startswith("CPU")


def test_fault_38_arrays_of_another_network(weights, tmp_path):
    for file in weights.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    other = tmp_path / weights.networks["resnet"].file
    card = replace(weights.networks["vgg"], file=other.name, sha256=sha256_of(other))
    swapped = replace(weights, folder=tmp_path, networks=weights.networks | {"vgg": card})
    with pytest.raises(WeightsError, match="does not fit vgg: features"):
        TorchBackend(swapped, "cpu").predict("vgg", np.zeros((1, 3, 40, 40, 40), np.float32))
