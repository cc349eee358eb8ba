"""The answers of the authors' own Keras code for weights and inputs that are regenerated here.

The weights are drawn from the same seeds as for Keras: normal kernels of the recorded scale, with
biases and batch normalisation far enough from Keras's initial values that none can be left out
unnoticed. If every network here is far off after an update of numpy, its ``default_rng`` draws
other numbers than it did.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from nodulerisk.ct.cubes import emv_views
from nodulerisk.ct.volume import CT
from nodulerisk.networks.build import build_network
from nodulerisk.networks.keras_files import load_keras_weights

SIDES = {40: (60, 40, 20), 60: (80, 60, 40), 80: (100, 80, 60)}
KINDS = {"incpt": "inception", "vgg": "vgg", "res": "resnet"}
NETWORKS = [
    *(
        f"task{t}_{k}"
        for t, ks in ((1, ("incpt60", "vgg40", "res60")), (2, ("incpt40", "vgg60", "res40")))
        for k in ks
    ),
    *("task3_incpt60", "task3_vgg80", "task3_res40", "densesharp"),
]
ORIGIN_LPS_MM = (-50.0, 20.0, -300.0)  # arbitrary: recorded positions are in voxels

DRAWN: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "gamma": lambda rng, shape: rng.uniform(0.8, 1.2, shape),
    "beta": lambda rng, shape: 0.05 * rng.standard_normal(shape),
    "moving_mean": lambda rng, shape: 0.1 * rng.standard_normal(shape),
    "moving_variance": lambda rng, shape: rng.uniform(0.5, 1.5, shape),
    "bias": lambda rng, shape: 0.05 * rng.standard_normal(shape),
}


@dataclass(frozen=True)
class Golden:
    """One recorded network; ``folder`` is Testing/Data/golden."""

    name: str
    folder: Path

    @property
    def kind(self) -> str:
        return "densesharp" if self.name == "densesharp" else KINDS[self.name.split("_")[1][:-2]]

    @property
    def size(self) -> int:
        return 32 if self.name == "densesharp" else int(self.name[-2:])

    @property
    def n_classes(self) -> int:
        return 2 if self.name.startswith(("task1", "task2")) else 3

    @cached_property
    def _layers(self) -> dict[str, Any]:
        return json.loads((self.folder / "keras_layers.json").read_text())[self.name]

    def weights(self) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
        """Each layer's name and float32 arrays, in the order in which they are drawn."""
        rng = np.random.default_rng(self._layers["seed"])
        for layer in self._layers["layers"]:
            drawn = {weight["name"]: self._draw(rng, weight) for weight in layer["weights"]}
            yield layer["name"], {name: array.astype(np.float32) for name, array in drawn.items()}

    def _draw(self, rng: np.random.Generator, weight: dict[str, Any]) -> np.ndarray:
        if "value" in weight:
            return np.array(weight["value"], float)
        if "scale" in weight:
            return rng.standard_normal(weight["shape"]) * weight["scale"]
        drawn = DRAWN[weight["name"]](rng, weight["shape"])
        if weight["name"] == "gamma" and self._layers["neg_gamma"]:
            drawn[6::7] *= -1
        return drawn

    def write_h5(self, path: Path) -> Path:
        """Writes the authors' HDF5 file of this network: a whole model, or only weights."""
        weights = dict(self.weights())
        with h5py.File(path, "w") as file:
            group = file
            if self._layers["full_model"]:
                file.attrs["model_config"] = file.attrs["training_config"] = "{}"
                file["optimizer_weights/iteration:0"] = 0
                group = file.create_group("model_weights")
            group.attrs["layer_names"] = [name.encode() for name in self._layers["file_order"]]
            group.create_group("top_level_model_weights").attrs["weight_names"] = []
            for layer in self._layers["file_order"]:
                _write_layer(group.create_group(layer), layer, weights.get(layer, {}))
        return path

    def network(self, tmp_path: Path) -> nn.Module:
        network = build_network(self.kind, input_size=self.size, n_classes=self.n_classes)
        return load_keras_weights(network, self.write_h5(tmp_path / f"{self.name}.h5"))

    def inputs(self) -> np.ndarray:
        """float32 (3, channels, S, S, S): two nodules and noise."""
        if self.name == "densesharp":
            recorded = load(self.folder / "nets.npz")["in_densesharp"]
            return np.moveaxis(recorded, -1, 1).astype(np.float32)
        nodules = [self._views("A", 0), self._views("B", 1)]
        # as it was given to Keras
        given = np.stack([*nodules, _noise(self.size)]).astype(np.float16)
        return given.astype(np.float32)

    def _views(self, volume: str, index: int) -> np.ndarray:
        ct, point = golden_nodule(load(self.folder / "preproc.npz"), volume, index)
        return emv_views(ct, point, SIDES[self.size])

    def differences(self, network: nn.Module, inputs: list[int]) -> list[float]:
        """Returns the largest difference from Keras of the probabilities, and of DenseSharp's mask,
        over the inputs with these numbers."""
        with torch.inference_mode():
            answer = network(torch.from_numpy(self.inputs()[inputs]))
        recorded = load(self.folder / "nets.npz")
        if self.name != "densesharp":
            return [_largest(answer.numpy() - recorded[f"{self.name}_prob"][inputs])]
        probabilities, mask = (part.numpy() for part in answer)
        mask = np.moveaxis(mask, 1, -1)[:, ::2, ::2, ::2]
        return [
            _largest(probabilities - recorded["densesharp_prob"][inputs]),
            _largest(mask - recorded["densesharp_mask_sub"][inputs]),
        ]


@cache
def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as arrays:
        return dict(arrays)


def golden_nodule(
    recorded: dict[str, np.ndarray], volume: str, index: int
) -> tuple[CT, np.ndarray]:
    """One of the volumes that the authors' preprocessing was run on, and a centre in LPS mm."""
    spacing = tuple(recorded[f"{volume}_spacing_zyx"][::-1])
    ct = CT(recorded[f"{volume}_vol"], spacing, ORIGIN_LPS_MM)
    return ct, ct.point_of(recorded[f"{volume}_centers_zyx"][index][::-1])


def _write_layer(group: h5py.Group, layer: str, weights: dict[str, np.ndarray]) -> None:
    group.attrs["weight_names"] = [f"{layer}/{name}:0".encode() for name in weights]
    for name, array in weights.items():
        group[f"{layer}/{name}:0"] = array


def _noise(size: int) -> np.ndarray:
    """Three channels of smooth noise in the range of a view, (3, S, S, S)."""
    rng = np.random.default_rng(77 + size)
    smooth = [
        gaussian_filter(rng.standard_normal((size,) * 3), sigma, mode="wrap")
        for sigma in (5, 3, 1.5)
    ]
    return np.clip([0.25 + 0.3 * channel / channel.std() for channel in smooth], -0.25, 0.75)


def _largest(difference: np.ndarray) -> float:
    return float(np.abs(difference).max())
