"""The networks against the authors' own Keras code, and the import of its files."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch

from golden import NETWORKS, Golden
from nodulerisk.errors import WeightsError
from nodulerisk.networks.build import build_network
from nodulerisk.networks.keras_files import load_keras_weights

PARAMETERS = {
    "inception": (4443890, 4444147),
    "vgg": (44140494, 44141007),
    "resnet": (33588226, 33588739),
}


@pytest.fixture(scope="module")
def inception_h5(data, tmp_path_factory) -> Path:
    """A whole model, as Keras saved it."""
    path = tmp_path_factory.mktemp("keras") / "inception.h5"
    return Golden("task2_incpt40", data / "golden").write_h5(path)


@pytest.fixture(scope="module")
def densesharp_h5(data, tmp_path_factory) -> Path:
    """Only weights, as Keras saved them."""
    path = tmp_path_factory.mktemp("keras") / "densesharp.h5"
    return Golden("densesharp", data / "golden").write_h5(path)


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_equal_keras(name, data, tmp_path):
    golden = Golden(name, data / "golden")
    differences = golden.differences(golden.network(tmp_path), [0])
    assert len(differences) == (2 if name == "densesharp" else 1)
    assert max(differences) < 2e-5


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_parameter_counts_are_the_published_ones(kind, n_classes):
    network = build_network(kind, n_classes=n_classes)
    assert _count(network) == PARAMETERS[kind][n_classes - 2]


def test_densesharp_has_the_published_parameters_and_densenet_none_of_the_up_path():
    assert _count(build_network("densesharp", n_classes=3)) == 599012
    assert _count(build_network("densenet", n_classes=3)) < 599012


@pytest.mark.parametrize("kind", ["inception", "vgg", "resnet"])
@pytest.mark.parametrize("size", [40, 60, 80])
def test_any_published_size_and_width_gives_probabilities(kind, size):
    network = build_network(kind, input_size=size, n_classes=3, width=0.125)
    with torch.inference_mode():
        answer = network(torch.zeros(2, 3, size, size, size))
    assert answer.shape == (2, 3)
    assert torch.allclose(answer.sum(dim=1), torch.ones(2))
    assert not network.training


@pytest.mark.parametrize(
    ("kind", "n_classes", "top"),
    [("densesharp", 1, 1.0), ("densenet", 1, 1.0), ("densenet", 3, 1.0)],
)
def test_densesharp_family_heads(kind, n_classes, top):
    answer = build_network(kind, n_classes=n_classes, width=0.5)(
        torch.full((2, 1, 32, 32, 32), 128.0)
    )
    probabilities = answer[0] if kind == "densesharp" else answer
    assert probabilities.shape == (2, n_classes)
    assert 0 <= probabilities.min() <= probabilities.max() <= top
    if kind == "densesharp":
        assert answer[1].shape == (2, 1, 32, 32, 32)


def test_both_hdf5_layouts_are_read(inception_h5, densesharp_h5):
    load_keras_weights(build_network("inception", n_classes=2), inception_h5)
    load_keras_weights(build_network("densesharp", n_classes=3), densesharp_h5)


def test_layers_are_taken_by_number_wherever_numbering_starts(inception_h5, tmp_path):
    path = tmp_path / "renumbered.h5"
    with h5py.File(inception_h5) as old, h5py.File(path, "w") as new:
        for name, layer in old["model_weights"].items():
            base, number = (
                (name.rsplit("_", 1) + ["0"])[:2]
                if name[-1].isdigit() and "_" in name
                else (name, "0")
            )
            target = f"{base}_{int(number) + 9}" if base.startswith(("conv3d", "batch")) else name
            old.copy(layer, new.require_group("model_weights"), name=target)
    first = load_keras_weights(build_network("inception"), inception_h5).state_dict()
    second = load_keras_weights(build_network("inception"), path).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_unknown_kind():
    with pytest.raises(ValueError, match="choose one of"):
        build_network("transformer")


def test_fault_33_truncated_h5(densesharp_h5, tmp_path):
    path = tmp_path / "cut.h5"
    path.write_bytes(densesharp_h5.read_bytes()[:100_000])
    with pytest.raises(WeightsError, match="truncated"):
        load_keras_weights(build_network("densesharp", n_classes=3), path)


def test_fault_36_only_arrays_are_read_beside_custom_code(densesharp_h5, tmp_path):
    path = tmp_path / "lambda.h5"
    path.write_bytes(densesharp_h5.read_bytes())
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = (
            '{"class_name": "Lambda", "config": {"function": ["boom", null, null]}}'
        )
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    load_keras_weights(build_network("densesharp", n_classes=3), path)


@pytest.mark.parametrize(
    ("kind", "n_classes", "first_difference"),
    [
        ("vgg", 2, "batch_normalization/gamma"),
        ("inception", 3, "dense/kernel"),
        ("resnet", 2, "batch_normalization"),
    ],
)
def test_fault_38_wrong_network_names_the_first_layer(
    kind, n_classes, first_difference, inception_h5
):
    network = build_network(kind, n_classes=n_classes)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(WeightsError, match=first_difference):
        load_keras_weights(network, inception_h5)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_keras_3_layout_is_refused_by_name(tmp_path):
    path = tmp_path / "new.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers")
    with pytest.raises(WeightsError, match="Keras 3"):
        load_keras_weights(build_network("vgg", width=0.125), path)


def _count(network: torch.nn.Module) -> int:
    statistics = sum(b.numel() for name, b in network.named_buffers() if "running" in name)
    return sum(p.numel() for p in network.parameters()) + statistics


def test_several_answers_from_one_trunk():
    network = build_network("vgg", input_size=40, n_classes=(2, 3), width=0.125)
    x = torch.rand(2, 3, 40, 40, 40)
    with torch.inference_mode():
        answer, logits = network(x), network.logits(x)
    assert network.heads == (2, 3)
    assert torch.allclose(answer[:, :2], logits[:, :2].softmax(dim=1))
    assert torch.allclose(answer[:, 2:], logits[:, 2:].softmax(dim=1))
