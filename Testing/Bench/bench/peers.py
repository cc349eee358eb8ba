"""Other ways to run the same networks and to cut the same cubes, as peers of ours."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import SimpleITK as sitk

from bench.benchset import EMV_NETWORKS
from bench.preprocessing import VIEWS, authors_views
from bench.stages import middle_lps_mm
from nodulerisk.checks import Check
from nodulerisk.ct.cubes import EMV_BLOCK, EMV_SPACING_MM, EMV_WINDOW_HU
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import TorchBackend, load_network
from nodulerisk.weights.card import WeightSet

Ways = dict[str, Callable[[CT], list[np.ndarray]]]


class TorchEager(TorchBackend):
    """Uses torch where an Engine would choose OpenVINO."""

    def __init__(self, weights: WeightSet):
        super().__init__(weights, "cpu")
        self.device = f"torch {version('torch')}, eager"
        self.checks: list[Check] = []


class TorchCompiled(TorchEager):
    """The same by torch.compile."""

    def __init__(self, weights: WeightSet):
        super().__init__(weights)
        self.device = f"torch {version('torch')}, torch.compile"

    def _ready_for(self, network: str, count: int) -> Any:
        import torch

        torch._dynamo.config.recompile_limit = 64  # all networks share their class's code
        return self._ready(
            network, lambda: torch.compile(load_network(self._weights, network), dynamic=False)
        )


class MonaiWindow(TorchEager):
    """Masks by MONAI's sliding window, whose one window is the cube; it has no other networks."""

    def __init__(self, weights: WeightSet):
        super().__init__(weights)
        self.device = f"MONAI {version('monai')}, sliding window"

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        import torch
        from monai.inferers import sliding_window_inference

        ready = self._ready_for(network, len(cubes))
        with torch.inference_mode():
            classes, mask = sliding_window_inference(
                torch.from_numpy(cubes), cubes.shape[2:], 1, lambda window: _spread(ready(window))
            )
        return classes[..., 0, 0, 0].numpy(), mask.numpy()


def _spread(answer: tuple[Any, Any]) -> tuple[Any, Any]:
    """Gives probabilities (N, C) the mask's size, as the sliding window wants of every output."""
    classes, mask = answer
    return classes[..., None, None, None].expand(-1, -1, *mask.shape[2:]).clone(), mask


class OnnxRuntime:
    """ONNX files as ``nodulerisk export`` writes them, by onnxruntime."""

    def __init__(self, weights: WeightSet):
        self.device = f"onnxruntime {version('onnxruntime')}"
        self.checks: list[Check] = []
        self._weights = weights
        self._sessions: dict[str, Any] = {}

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        if network not in self._sessions:
            self._sessions[network] = self._session(network)
        return tuple(self._sessions[network].run(None, {"cubes": cubes}))

    def _session(self, network: str) -> Any:
        import onnxruntime

        from nodulerisk.export.forms import write_onnx

        write_onnx(self._weights, network, self._weights.folder)
        path = self._weights.folder / f"{network}.onnx"
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


# engine -> what runs it; MONAI's answers only for networks that draw
PEERS = {
    "torch-fp32": TorchEager,
    "compiled-fp32": TorchCompiled,
    "onnxruntime-fp32": OnnxRuntime,
    "monai-fp32": MonaiWindow,
}
NEEDED = {"onnxruntime-fp32": "onnxruntime", "monai-fp32": "monai"}


def cubes_ways() -> Ways:
    """The nine networks' three tensors around a CT's middle, by other libraries."""
    return {
        f"scipy.ndimage.zoom {version('scipy')}, as published": authors_views,
        f"SimpleITK {version('SimpleITK')}, cubic B-splines": sitk_views,
    }


def sitk_views(ct: CT) -> list[np.ndarray]:
    """Each view resampled from the CT in one step."""
    low, high = EMV_WINDOW_HU
    image = sitk.Cast(ct.to_sitk(), sitk.sitkFloat32)
    image = sitk.Clamp(image, sitk.sitkFloat32, low, high)
    middle = np.array(middle_lps_mm(ct))
    reach = np.ceil(EMV_BLOCK * EMV_SPACING_MM / np.array(ct.spacing_mm)).astype(int)
    first = np.maximum(ct.voxel_of(middle).round().astype(int) - reach, 0)
    last = np.minimum(first + 2 * reach, ct.hu.shape[::-1])
    image = image[tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))]
    found = {}
    for _, _, sides, size in EMV_NETWORKS:
        found[sides, size] = np.stack([_resampled(image, middle, side, size) for side in sides])
    return [(found[view] - low) / (high - low) - 0.25 for view in VIEWS]


def _resampled(image: sitk.Image, middle: np.ndarray, side: int, size: int) -> np.ndarray:
    step = side * EMV_SPACING_MM / size
    corner = (middle - step * (size - 1) / 2).tolist()
    shape, steps = [size] * 3, [step] * 3
    cube = sitk.Resample(
        image, shape, sitk.Transform(), sitk.sitkBSpline, corner, steps, image.GetDirection()
    )
    return sitk.GetArrayFromImage(cube)
