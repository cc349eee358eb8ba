"""Exported networks, loaded back and asked: whether they answer as the weight set does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from nodulerisk.engine.engine import TorchBackend, cube_shape
from nodulerisk.errors import OutputError
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

TOLERANCE = 1e-4  # of a probability
CUBES = 2  # a batch that no form was made with

Answers = list[np.ndarray]
Ask = Callable[[Path, str, np.ndarray], Answers]  # folder, network, cubes


def largest_difference(weights: WeightSet, form: str, folder: Path) -> float:
    """Returns how far probabilities and masks of the exported networks are from the weight set's,
    on cubes of noise.

    Args:
        weights: what was exported.
        form: a key of ``ASK``.
        folder: what was written, whole.

    Raises:
        OutputError: a network answers otherwise.
    """
    ours, farthest = TorchBackend(weights, "cpu"), 0.0
    for name, card in weights.networks.items():
        shares = np.random.default_rng(0).random((CUBES, *cube_shape(card)))
        cubes = card.cubes.scaled(shares).astype(np.float32)
        pairs = zip(ours.predict(name, cubes), ASK[form](folder, name, cubes), strict=True)
        differences = [float(np.abs(one - other).max()) for one, other in pairs]
        if not max(differences) <= TOLERANCE:
            raise OutputError(
                f"Network {name}, loaded back as {form}, answers otherwise (by"
                f" {max(differences):.2g}): nothing is exported."
            )
        farthest = max(farthest, *differences)
    return farthest


def _ask_onnx(folder: Path, name: str, cubes: np.ndarray) -> Answers:
    import openvino

    core = openvino.Core()
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(folder / f"{name}.onnx"), "CPU", exact)
    answer = compiled(cubes)
    return [np.array(answer[port]) for port in compiled.outputs]


def _ask_script(file: Path, cubes: np.ndarray) -> Answers:
    with torch.inference_mode():
        answer = torch.jit.load(file)(torch.from_numpy(cubes))
    return [part.numpy() for part in (answer if isinstance(answer, tuple) else (answer,))]


ASK: dict[str, Ask] = {
    "onnx": _ask_onnx,
    "torchscript": lambda folder, name, cubes: _ask_script(folder / f"{name}.ts", cubes),
    "monai-bundle": lambda folder, name, cubes: _ask_script(
        folder / name / "models" / "model.ts", cubes
    ),
    "huggingface": lambda folder, name, cubes: list(
        TorchBackend(load_weight_set(folder), "cpu").predict(name, cubes)
    ),
}
