"""The published networks in Keras: the yardstick of ``make bench``, run by a virtual environment
with TensorFlow 2.15.

Written from the papers' description (npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z;
Cancer Research 2018, doi:10.1158/0008-5472.CAN-18-0696), layer by layer as Keras users write it; no
line is the authors'. EMV networks are channels-first, as published; DenseSharp is channels-last.

* ``python keras_reference.py serve FOLDER`` answers {"network", "batch"} lines until the input ends
* ``python keras_reference.py cold FOLDER`` loads all networks, predicts once with each: peak memory
* ``python keras_reference.py memory FOLDER`` does the same, one network at a time

FOLDER is a benchmark set as ``bench`` writes it: networks.json, Keras HDF5 weights, input-*.npy.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# otherwise only on some Intel processors, and Conv3D without it knows no channels first
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
ANSWERS = os.fdopen(os.dup(1), "w")  # answers go here; what TensorFlow prints goes to stderr
os.dup2(2, 1)

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow import keras  # noqa: E402
from tensorflow.keras import layers  # noqa: E402

FIRST = {"data_format": "channels_first"}
LAST = {"data_format": "channels_last"}
# the weights come from a file
HE = {"kernel_initializer": "zeros", "kernel_regularizer": keras.regularizers.l2(1e-4)}
# in the order Keras holds them
WEIGHTS = ("gamma", "beta", "moving_mean", "moving_variance", "kernel", "bias")


def scaled(channels: int, width: float) -> int:
    """Channels times the width factor, a multiple of 8, as nodulerisk scales them; width 1 is as
    published."""
    return max(8, 8 * round(channels * width / 8))


def conv(x, channels: int, kernel: int, stride: int = 1, activation: str | None = "relu"):
    return layers.Conv3D(channels, kernel, stride, "same", activation=activation, **FIRST, **HE)(x)


def norm(x):
    return layers.BatchNormalization(axis=1)(x)


def pool(x, stride: int):
    return layers.MaxPooling3D(3, stride, "same", **FIRST)(x)


def inception(size: int, classes: int, width: float) -> keras.Model:
    """Convolution, ReLU, normalisation; nine four-branch blocks, each followed by pooling, down to
    one voxel."""
    c16, c32, c64, c96, c128, c192 = (scaled(c, width) for c in (16, 32, 64, 96, 128, 192))
    image = x = keras.Input((3, size, size, size))
    x = pool(norm(conv(x, c64, 7, 2)), 2)
    x = pool(norm(conv(x, c192, 3)), 2)
    for _ in range(9):
        single = norm(conv(x, c64, 1))
        triple = norm(conv(norm(conv(x, c96, 1)), c128, 3))
        quintuple = norm(conv(norm(conv(x, c16, 1)), c32, 5))
        pooled = norm(conv(pool(x, 1), c32, 1))
        x = pool(layers.concatenate([single, triple, quintuple, pooled], axis=1), 2)
    x = layers.Flatten(**FIRST)(layers.Dropout(0.5)(x))
    return keras.Model(image, layers.Dense(classes, "softmax")(x))


def vgg(size: int, classes: int, width: float) -> keras.Model:
    """Five stages: normalisation once, two or three convolutions, pooling."""
    image = x = keras.Input((3, size, size, size))
    for channels, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        x = norm(x)
        for _ in range(convolutions):
            x = conv(x, scaled(channels, width), 3)
        x = layers.MaxPooling3D(2, **FIRST)(x)
    x = layers.GlobalAveragePooling3D(**FIRST)(layers.Dropout(0.5)(x))
    return keras.Model(image, layers.Dense(classes, "softmax")(x))


def resnet(size: int, classes: int, width: float) -> keras.Model:
    """Eight blocks with a convolved shortcut; only the seventh has stride 2."""
    image = x = keras.Input((3, size, size, size))
    x = pool(conv(x, scaled(64, width), 7, 2), 2)
    for index, published in enumerate((64, 64, 128, 128, 256, 256, 512, 512)):
        channels, stride = scaled(published, width), 2 if index == 6 else 1
        main = norm(conv(norm(x), channels, 3, stride))
        main = norm(conv(main, channels, 3, activation=None))
        shortcut = norm(conv(norm(x), channels, 1, stride))
        x = layers.ReLU()(layers.add([main, shortcut]))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling3D(**FIRST)(x))
    return keras.Model(image, layers.Dense(classes, "softmax")(x))


def densesharp(size: int, classes: int, width: float) -> keras.Model:
    """Three dense blocks of four layers, and an up path that adds them up to the mask."""
    growth, channels = scaled(16, width), scaled(32, width)
    image = keras.Input((size, size, size, 1))
    x = layers.Conv3D(channels, 3, padding="same", **LAST)(layers.Rescaling(1 / 128, -1)(image))
    blocks = []
    for index in range(3):
        if index:
            channels = x.shape[-1] // 2
            x = layers.AveragePooling3D(2, **LAST)(_norm_relu_conv(x, channels, 1))
        for _ in range(4):
            bottleneck = _norm_relu_conv(x, 4 * growth, 1, use_bias=False)
            x = layers.concatenate([_norm_relu_conv(bottleneck, growth, 3), x])
        blocks.append(x)
    deep = layers.GlobalAveragePooling3D(**LAST)(layers.ReLU()(layers.BatchNormalization()(x)))
    for block in reversed(blocks[:-1]):
        x = layers.add([block, layers.Conv3DTranspose(block.shape[-1], 2, 2, **LAST)(x)])
    mask = layers.Conv3D(1, 1, activation="sigmoid", name="seg", **LAST)(x)
    return keras.Model(image, [layers.Dense(classes, "softmax", name="clf")(deep), mask])


def _norm_relu_conv(x, channels: int, kernel: int, **options):
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Conv3D(channels, kernel, padding="same", **options, **LAST)(x)


KINDS = {"inception": inception, "vgg": vgg, "resnet": resnet, "densesharp": densesharp}


def load_weights(model: keras.Model, path: Path) -> None:
    """Fills a network from a Keras 2 HDF5 file: layers of one kind by the number at the end of
    their names."""
    with h5py.File(path) as file:
        root = file.get("model_weights", file)
        found = {name: _arrays(root[name]) for name in root}
    stored = sorted(
        (name for name in found if found[name]), key=lambda n: (_kind(n, found[n]), _number(n))
    )
    held = {
        layer: {w.name.split("/")[-1].split(":")[0]: w for w in layer.weights}
        for layer in model.layers
    }
    wanted = sorted(
        (n for n in held if held[n]), key=lambda n: (_kind(n.name, held[n]), _number(n.name))
    )
    for layer, name in zip(wanted, stored, strict=True):
        layer.set_weights([found[name][key] for key in WEIGHTS if key in found[name]])


def _arrays(group: h5py.Group) -> dict[str, np.ndarray]:
    arrays = {}
    group.visititems(
        lambda path, item: (
            arrays.update({path.split("/")[-1].split(":")[0]: item[()]})
            if isinstance(item, h5py.Dataset)
            else None
        )
    )
    return arrays


def _kind(name: str, arrays: dict) -> str:
    if "moving_mean" in arrays:
        return "norm"
    return (
        "dense"
        if len(arrays["kernel"].shape) == 2
        else "transpose"
        if "transpose" in name
        else "conv"
    )


def _number(name: str) -> float:
    number = re.search(r"_(\d+)$", name)
    return int(number[1]) if number else float("inf") if name in ("seg", "clf") else 0


class Networks:
    """The benchmark set's networks, loaded when first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.cards = {
            card["name"]: card for card in json.loads((folder / "networks.json").read_text())
        }
        self.models: dict[str, keras.Model] = {}

    def predict(self, name: str, batch: int) -> dict:
        """Seconds of one ``predict`` and its class probabilities."""
        card = self.cards[name]
        if name not in self.models:
            self.models[name] = KINDS[card["kind"]](card["size"], sum(card["heads"]), card["width"])
            load_weights(self.models[name], self.folder / card["keras_file"])
        cubes = np.load(self.folder / card["input"])[:batch].astype(np.float32)
        cubes = cubes if card["kind"] != "densesharp" else np.moveaxis(cubes, 1, -1)
        start = time.perf_counter()
        answer = self.models[name].predict(cubes, batch_size=batch, verbose=0)
        seconds = time.perf_counter() - start
        probabilities = answer[0] if isinstance(answer, list) else answer
        return {"seconds": seconds, "probabilities": probabilities.tolist()}


def peak_mb() -> float:
    """The most memory this process has held, MB."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def say(**values) -> None:
    print(json.dumps(values), file=ANSWERS, flush=True)


def main(mode: str, folder: Path) -> None:
    networks = Networks(folder)
    if mode == "serve":
        say(name=f"tf.keras of TensorFlow {tf.__version__}")
        for line in sys.stdin:
            request = json.loads(line)
            say(**networks.predict(request["network"], request["batch"]))
        return
    for name in networks.cards:
        networks.predict(name, 1)
        if mode == "memory":
            networks.models.clear()
            keras.backend.clear_session()
    say(peak_mb=peak_mb())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
