"""The golden arrays: what the authors' own Keras code answered for recorded weights and inputs."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

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


@dataclass(frozen=True)
class Golden:
    """One recorded network."""

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

    def write_h5(self, path: Path) -> Path:
        """The authors' HDF5 layout of this network's recorded weights."""
        spec = importlib.util.spec_from_file_location("keras_h5", self.folder / "keras_h5.py")
        assert spec is not None
        assert spec.loader is not None
        keras_h5 = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(keras_h5)
        keras_h5.write(self.name, str(path))
        return path

    def network(self, tmp_path: Path) -> nn.Module:
        network = build_network(self.kind, input_size=self.size, n_classes=self.n_classes)
        return load_keras_weights(network, self.write_h5(tmp_path / f"{self.name}.h5"))

    def arrays(self, what: str) -> np.ndarray:
        """Keras's ``prob`` or ``mask`` (channels first)."""
        with np.load(self.folder / "nets.npz") as recorded:
            array = recorded[f"{self.name}_{what}"]
        return np.moveaxis(array, -1, 1) if array.ndim == 5 else array

    def inputs(self) -> np.ndarray:
        """float32 (3, channels, S, S, S)."""
        with np.load(self.folder / "nets.npz") as recorded:
            if self.name == "densesharp":
                return np.moveaxis(recorded["in_densesharp"], -1, 1).astype(np.float32)
            return recorded[f"in_{self.size}"].astype(np.float32)
