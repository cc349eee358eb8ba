"""Engine: runs a weight set's networks, fast.

The networks stay plain torch modules. On CUDA and MPS torch runs them; on a CPU OpenVINO does if it
is installed: it optimises the graph by itself. Converted networks are cached by the file's hash, so
that later starts need no torch at all, and what OpenVINO compiled of them beside them, so that they
need not compile again.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Protocol

import numpy as np

from nodulerisk.checks import GPU_OUT_OF_MEMORY, Check
from nodulerisk.errors import NoduleRiskError, WeightsError
from nodulerisk.files import cache_folder, written_whole
from nodulerisk.language.texts import Verbatim, _, joined, message_of
from nodulerisk.networks.kinds import recipe_of
from nodulerisk.weights.card import NetworkCard, WeightSet
from nodulerisk.weights.store import read_arrays

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
OPENVINO = "CPU (OpenVINO"  # how the name of its device begins
BF16_TOLERANCE = 0.01  # how far bf16 may move a probability before fp32 is kept

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # openvino then uses its own silent stub


class Networks(Protocol):
    """Anything that runs a weight set's networks: an Engine here, a Worker in a child process."""

    device: str
    checks: list[Check]

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """float32 (N, channels, S, S, S) -> probabilities (N, C), and, for a network that draws a
        mask, the mask (N, 1, S, S, S)."""
        ...


class Engine:
    """Runs networks in this process.

    Attributes:
        device: the device in words, such as ``CPU (OpenVINO, fp32)``.
        checks: what happened on the way that a reader must know (fault 40).
    """

    def __init__(
        self,
        weights: WeightSet,
        device: str = "auto",
        precision: str = "auto",
        *,
        keep: bool = True,
    ):
        """Chooses the device; networks are loaded when first used.

        Args:
            weights: from ``load_weight_set``.
            device: one of ``DEVICES``.
            precision: one of ``PRECISIONS``; on a GPU always fp32.
            keep: keep networks loaded for the next nodule; otherwise only one at a time is loaded,
                which takes a third of the memory.

        Raises:
            NoduleRiskError: an unknown device or precision, or one that this machine does not have.
        """
        self.weights = weights
        self._precision, self._keep = precision, keep
        self.checks: list[Check] = []
        self._use(choose_device(device))

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``Networks.predict``. If GPU memory runs out, tries the CPU once and says so (fault
        40)."""
        cubes = np.ascontiguousarray(cubes, dtype=np.float32)
        try:
            return self._backend.predict(network, cubes)
        except (RuntimeError, MemoryError) as error:
            if self._backend.kind == "cpu" or "out of memory" not in str(error).lower():
                raise
        self.checks.append(GPU_OUT_OF_MEMORY.check(device=self.device))
        self._use("cpu")
        return self._backend.predict(network, cubes)

    def warm_up(self, network: str) -> None:
        """Begins to load a network, for one cube at a time, on another thread, so that a CT can be
        read meanwhile. What goes wrong is said when it is first used."""
        Thread(target=self._backend.warm_up, args=(network,)).start()

    def gradcam(self, network: str, cubes: np.ndarray, column: int) -> np.ndarray:
        """See ``gradcam.class_activation``; uses torch on the CPU, whatever else runs the
        networks."""
        from nodulerisk.networks.gradcam import class_activation

        return class_activation(load_network(self.weights, network), cubes, column)

    def _use(self, device: str) -> None:
        fast_cpu = device == "cpu" and importlib.util.find_spec("openvino") is not None
        self._backend: Backend
        if fast_cpu:
            self._backend = OpenVINOBackend(self.weights, self._precision, keep=self._keep)
        else:
            self._backend = TorchBackend(self.weights, device, keep=self._keep)
        self.device = self._backend.name


def choose_device(device: str = "auto") -> str:
    """Returns ``cuda``, ``mps`` or ``cpu``: the requested one or, for ``auto``, the first that this
    machine has.

    Raises:
        NoduleRiskError: the name is unknown or the machine has no such device.
    """
    if device not in DEVICES:
        raise NoduleRiskError(
            _("Unknown device '{device}': choose {devices}.").format(
                device=device, devices=joined(", ", map(Verbatim, DEVICES))
            )
        )
    if device == "cpu" or (device == "auto" and not _gpu_possible()):
        return "cpu"
    import torch

    present = [
        name
        for name, available in (
            ("cuda", torch.cuda.is_available()),
            ("mps", torch.backends.mps.is_available()),
        )
        if available
    ]
    if device != "auto" and device not in present:
        words = _(
            "This machine has no {device} device that torch can use: choose --device cpu or auto."
        )
        raise NoduleRiskError(words.format(device=device))
    return device if device != "auto" else (present + ["cpu"])[0]


def _gpu_possible() -> bool:
    """Cheap signs of a GPU, so that a CPU run need not import torch to look for one."""
    return (
        sys.platform == "darwin"
        or Path("/proc/driver/nvidia").exists()
        or Path("/dev/dxg").exists()
        or (sys.platform == "win32")
    )


class Backend(ABC):
    """Runs the networks of a weight set; ``keep`` as for Engine."""

    kind: str
    name: str

    def __init__(self, weights: WeightSet, *, keep: bool = True):
        self._weights = weights
        self._keep = keep
        self._loaded: dict[Any, Any] = {}
        self._loading = Lock()

    @abstractmethod
    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        """See ``Networks.predict``."""

    def warm_up(self, network: str) -> None:
        """See ``Engine.warm_up``."""
        with suppress(Exception):
            self._ready_for(network, 1)

    @abstractmethod
    def _ready_for(self, network: str, count: int) -> Any:
        """Returns the network, ready for so many cubes at once."""

    def _ready(self, key, load: Callable[[], Any]):
        """Returns what ``load`` gives for the key, loaded only once while it is kept."""
        with self._loading:
            if key not in self._loaded:
                if not self._keep:
                    self._loaded.clear()
                self._loaded[key] = load()
            return self._loaded[key]


class TorchBackend(Backend):
    """Plain torch in fp32 on CUDA, MPS or the CPU; never in TF32, which cuDNN would use unasked."""

    def __init__(self, weights: WeightSet, device: str, *, keep: bool = True):
        super().__init__(weights, keep=keep)
        self.kind = device
        precision = "fp32, TF32 off" if device == "cuda" else "fp32"
        self.name = f"{device.upper()} (torch, {precision})"

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        import torch

        ready = self._ready_for(network, len(cubes))
        with torch.inference_mode(), tf32(False):
            answer = ready(torch.from_numpy(cubes).to(self.kind))
        return tuple(
            part.float().cpu().numpy()
            for part in (answer if isinstance(answer, tuple) else (answer,))
        )

    def _ready_for(self, network: str, count: int) -> Any:
        return self._ready(network, lambda: load_network(self._weights, network).to(self.kind))


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Within it, CUDA convolutions and matrix products of fp32 may round their factors to TF32's 10
    bits, or may not; afterwards as before."""
    import torch

    switches: tuple[Any, ...] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = allowed
        yield
    finally:
        for switch, was in zip(switches, before, strict=True):
            switch.allow_tf32 = was


class OpenVINOBackend(Backend):
    """OpenVINO on the CPU; one compiled model per network and batch size."""

    kind = "cpu"

    def __init__(self, weights: WeightSet, precision: str = "auto", *, keep: bool = True):
        super().__init__(weights, keep=keep)
        self._precision = choose_precision(precision, weights)
        self.name = f"{OPENVINO}, {self._precision})"
        self._running = Lock()

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        compiled = self._ready_for(network, len(cubes))
        with self._running:  # a compiled network refuses a second cube while it runs
            answer = compiled(cubes)
            return tuple(np.array(answer[port]) for port in compiled.outputs)

    def _ready_for(self, network: str, count: int) -> Any:
        return self._ready((network, count), lambda: self._compile(network, count))

    def _compile(self, network: str, count: int) -> Any:
        precision = {"fp32": "f32", "bf16": "bf16"}[self._precision]
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
        if count == 1:
            return _compiled_for_one(self._weights, network, hints)
        model = converted(self._weights, network)
        model.reshape([count, *cube_shape(self._weights.networks[network])])
        return _core().compile_model(model, "CPU", hints)


@lru_cache(maxsize=1)
def _core():
    import openvino

    return openvino.Core()


def choose_precision(precision: str, weights: WeightSet) -> str:
    """Returns bf16 if the CPU has AMX tiles and the card says that bf16 moves no probability by
    more than 0.01; else fp32.

    Raises:
        NoduleRiskError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise NoduleRiskError(
            _("Unknown precision '{precision}': choose {precisions}.").format(
                precision=precision, precisions=joined(", ", map(Verbatim, PRECISIONS))
            )
        )
    if precision != "auto":
        return precision
    drift = weights.bf16_drift
    return "bf16" if has_amx() and drift is not None and drift <= BF16_TOLERANCE else "fp32"


def has_amx() -> bool:
    """Whether this CPU multiplies bf16 matrices in tiles (known on Linux; elsewhere fp32 is
    used)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "amx_bf16" in cpuinfo.read_text()


def load_network(weights: WeightSet, name: str):
    """Returns a network of the set as a torch module in eval mode with its weights.

    Raises:
        WeightsError: the arrays do not fit the network named on the card; names the first that
            differs.
    """
    import torch

    from nodulerisk.networks.build import build_network

    card = weights.networks[name]
    try:
        network = build_network(
            card.kind, input_size=card.size, n_classes=card.heads, **recipe_of(card)
        )
    except (ValueError, TypeError) as error:
        raise WeightsError(
            _("Network {name} of '{set}' cannot be built: {error}.").format(
                name=name, set=weights.name, error=message_of(error)
            )
        ) from error
    arrays = read_arrays(weights.folder, card)
    needed = {
        key: value
        for key, value in network.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    for key, value in needed.items():
        if key not in arrays or arrays[key].shape != tuple(value.shape):
            found = arrays[key].shape if key in arrays else "missing"
            raise WeightsError(
                _("{file} does not fit {kind}: {key} is {found}, needed {shape}.").format(
                    file=card.file, kind=card.kind, key=key, found=found, shape=tuple(value.shape)
                )
            )
    network.load_state_dict({key: torch.from_numpy(arrays[key]) for key in needed}, strict=False)
    return network.eval()


def cube_shape(card: NetworkCard) -> tuple[int, ...]:
    """Returns (channels, S, S, S) of one cube that the network sees."""
    return (card.cubes.channels, *(card.size,) * 3)


def first_use(weights: WeightSet, name: str | None, networks: Networks) -> str:
    """Returns what to say of a network that OpenVINO has never run on this computer, and must
    convert first, which takes seconds; else nothing."""
    if name is None or not networks.device.startswith(OPENVINO):
        return ""
    with suppress(importlib.metadata.PackageNotFoundError):  # it runs on another computer
        if not converted_file(weights.networks[name]).exists():
            return _(": preparing it for this computer, only this once")
    return ""


def converted_file(card: NetworkCard) -> Path:
    """Returns where the network is cached, converted for one cube at a time."""
    version = importlib.metadata.version("openvino").split("-")[0]
    return cache_folder("openvino") / f"{card.sha256[:32]}-{card.size}x1-{version}.xml"


def _compiled_for_one(weights: WeightSet, name: str, hints: dict[str, str]) -> Any:
    """Returns the network compiled for one cube; OpenVINO keeps that in its own cache, by the
    converted file's path and time."""
    path = converted_file(weights.networks[name])
    model = None if path.exists() else converted(weights, name)
    try:
        return _core().compile_model(path, "CPU", hints | {"CACHE_DIR": str(path.parent)})
    except RuntimeError:  # the cache is damaged, or could not be written
        return _core().compile_model(model or converted(weights, name), "CPU", hints)


def converted(weights: WeightSet, name: str):
    """Returns a network as an OpenVINO model for one cube, from the cache or converted and
    cached."""
    card = weights.networks[name]
    path = converted_file(card)
    if path.exists():
        try:
            return _core().read_model(path)
        except RuntimeError:
            pass  # a damaged cache is rebuilt
    model = _convert(load_network(weights, name), card)
    _keep(model, path)
    return model


def _convert(network, card: NetworkCard):
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    cubes = torch.zeros(1, *cube_shape(card))
    unchecked = {"check_trace": False}  # the verification would run the network twice more
    with warnings.catch_warnings(), torch.no_grad():
        # tracing warns that it fixes the padding for this input size, which is intended
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(network, example_input=cubes, trace_kwargs=unchecked)
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    model.reshape(list(cubes.shape))
    return model


def _keep(model, path: Path) -> None:
    import openvino

    try:
        with written_whole(path) as partial:
            openvino.save_model(model, partial, compress_to_fp16=False)
            # weights first: there must be no .xml without them
            partial.with_suffix(".bin").replace(path.with_suffix(".bin"))
    except NoduleRiskError:
        pass  # without a cache the next start is slower, nothing else
