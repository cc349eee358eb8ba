"""Reads the authors' Keras HDF5 weights with h5py alone: arrays only, nothing in the file is ever
executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn

from nodulerisk.errors import WeightsError
from nodulerisk.language.texts import _

# A layer's kind is recognised by words in its Keras name, or else by the rank of its kernel.
_PARAMETERS = {
    nn.BatchNorm3d: {
        "gamma": "weight",
        "beta": "bias",
        "moving_mean": "running_mean",
        "moving_variance": "running_var",
    },
    nn.Conv3d: {"kernel": "weight", "bias": "bias"},
    nn.ConvTranspose3d: {"kernel": "weight", "bias": "bias"},
    nn.Linear: {"kernel": "weight", "bias": "bias"},
}


def load_keras_weights(network: nn.Module, path: str | Path) -> nn.Module:
    """Fills a network with the weights of a Keras 2 HDF5 file, full model or weights only.

    Layers of one kind are ordered by the number at the end of their Keras names (conv3d_1), not in
    file order.

    Args:
        network: built by ``build_network`` with the file's kind, class count and width 1.0.
        path: the ``.h5`` file.

    Returns:
        The same network, filled; unchanged when the file is refused.

    Raises:
        WeightsError: not HDF5, damaged, in Keras 3 layout, or of another network; names the first
            layer that differs.
    """
    try:
        with h5py.File(path, "r") as file:
            arrays = dict(
                _matched_arrays(network, _keras_layers(file, Path(path).name), Path(path).name)
            )
    except OSError as error:
        words = _(
            "{name} cannot be read as HDF5: it is missing, truncated or in another format. Copy it"
            " again from its source."
        )
        raise WeightsError(words.format(name=Path(path).name)) from error
    network.load_state_dict(arrays, strict=False)
    return network


def keras_classes(path: Path) -> int:
    """Returns the number of outputs of the last dense layer of a Keras 2 HDF5 file.

    Raises:
        WeightsError: it cannot be read, or has no dense layer.
    """
    try:
        with h5py.File(path, "r") as file:
            layers = _keras_layers(file, path.name)
            dense = [name for name, arrays in layers.items() if _kind(name, arrays) is nn.Linear]
            return int(layers[max(dense, key=_number)]["kernel"].shape[1])
    except (OSError, ValueError) as error:
        words = _("{name} is not a Keras 2 HDF5 file with a dense layer: copy it again.")
        raise WeightsError(words.format(name=path.name)) from error


def layer_names(path: Path) -> list[str]:
    """Returns the names of all layers that hold arrays in a Keras 2 HDF5 file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with h5py.File(path, "r") as file:
            return list(_keras_layers(file, path.name))
    except OSError as error:
        raise WeightsError(
            _("{name} cannot be read as HDF5: copy it again.").format(name=path.name)
        ) from error


def _keras_layers(file: h5py.File, name: str) -> dict[str, dict[str, h5py.Dataset]]:
    """Returns {layer name: {parameter name: dataset}} for every layer that holds arrays."""
    if "layers" in file or "_layer_checkpoint_dependencies" in file:
        words = _(
            "{name} is a Keras 3 '.weights.h5' file: load it in Keras and save it again with"
            " model.save('name.h5')."
        )
        raise WeightsError(words.format(name=name))
    root = file.get("model_weights", file)
    layers: dict[str, dict[str, h5py.Dataset]] = {}
    for layer in root:
        if root.get(layer, getlink=True).__class__ is not h5py.HardLink or not isinstance(
            root[layer], h5py.Group
        ):
            continue  # a link may point into another file
        found: dict[str, h5py.Dataset] = {}

        def collect(path: str, item, found=found) -> None:
            if isinstance(item, h5py.Dataset) and not item.external:
                found[path.rsplit("/", 1)[-1].split(":")[0]] = item

        root[layer].visititems(collect)
        if found:
            layers[layer] = found
    return layers


def _kind(name: str, arrays: dict[str, h5py.Dataset]) -> type[nn.Module] | None:
    if "moving_mean" in arrays:
        return nn.BatchNorm3d
    rank = len(arrays["kernel"].shape) if "kernel" in arrays else 0
    if rank == 5:
        return nn.ConvTranspose3d if "transpose" in name else nn.Conv3d
    return nn.Linear if rank == 2 else None


def _number(name: str) -> float:
    """Returns the number that Keras appended to a layer's name: 0 if there is none; the author's
    own names ('seg') come last."""
    number = re.search(r"_(\d+)$", name)
    if number:
        return int(number[1])
    is_first = name in ("conv3d", "conv3d_transpose", "batch_normalization", "dense")
    return 0 if is_first else float("inf")


def _matched_arrays(
    network: nn.Module, layers: dict, file_name: str
) -> Iterator[tuple[str, Tensor]]:
    """Pairs torch parameters with Keras arrays, kind by kind, in Keras's numbering."""
    for kind, parameters in _PARAMETERS.items():
        ours = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, kind)]
        theirs = sorted(
            (name for name, arrays in layers.items() if _kind(name, arrays) is kind), key=_number
        )
        for (our_name, our_layer), their_name in zip(ours, theirs, strict=False):
            for keras_name, torch_name in parameters.items():
                expected = getattr(our_layer, torch_name)
                dataset = layers[their_name].get(keras_name)
                if expected is not None or dataset is not None:
                    yield (
                        f"{our_name}.{torch_name}",
                        _array(dataset, expected, kind, f"{their_name}/{keras_name}", file_name),
                    )
        if len(ours) != len(theirs):
            odd = (
                theirs[len(ours)]
                if len(theirs) > len(ours)
                else _("(missing, for {ours})").format(ours=ours[len(theirs)][0])
            )
            raise WeightsError(
                _(
                    "{file_name} is for another network: it has {theirs} {kind} layers where {ours}"
                    " are needed; the first that differs is {odd}."
                ).format(
                    file_name=file_name,
                    theirs=len(theirs),
                    kind=kind.__name__,
                    ours=len(ours),
                    odd=odd,
                )
            )


def _array(
    dataset: h5py.Dataset | None, expected: Tensor | None, kind: type, name: str, file_name: str
) -> Tensor:
    """Returns one Keras array in torch's axis order; shapes are compared before anything is
    read."""
    shape = _torch_shape(dataset.shape, kind) if dataset is not None else None
    needed = tuple(expected.shape) if expected is not None else None
    if shape != needed:
        words = _(
            "{file_name} is for another network, class count or width: its layer {name} has shape"
            " {shape}, needed {needed}."
        )
        raise WeightsError(words.format(file_name=file_name, name=name, shape=shape, needed=needed))
    array = np.asarray(dataset, dtype=np.float32)
    if not np.isfinite(array).all():
        words = _(
            "{file_name} is damaged: its layer {name} holds NaN or infinite values. Copy it again."
        )
        raise WeightsError(words.format(file_name=file_name, name=name))
    return torch.from_numpy(np.ascontiguousarray(array.transpose(_axes(array.ndim))))


def _axes(rank: int) -> tuple[int, ...]:
    """Turns Keras kernels (z, y, x, in, out) and (in, out) into torch's (out, in, z, y, x) and
    (out, in).

    A transposed convolution is (z, y, x, out, in) in Keras and (in, out, z, y, x) in torch: the
    same permutation.
    """
    return {5: (4, 3, 0, 1, 2), 2: (1, 0), 1: (0,)}[rank]


def _torch_shape(shape: tuple[int, ...], kind: type) -> tuple[int, ...] | None:
    return tuple(shape[axis] for axis in _axes(len(shape))) if len(shape) in (5, 2, 1) else None
