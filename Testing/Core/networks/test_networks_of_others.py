"""Networks by name, by entry point and by code: what the user has named is built, what a stranger's
card names is not even imported; and DenseSharp's own arguments."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from nodulerisk.cli import app
from nodulerisk.engine.engine import load_network
from nodulerisk.errors import WeightsError
from nodulerisk.networks import kinds
from nodulerisk.networks.build import build_network, outlined
from nodulerisk.networks.densesharp import DenseLayer
from nodulerisk.networks.kinds import TRUSTED, trust
from nodulerisk.weights.store import load_weight_set

CODE = """
from pathlib import Path
from torch import nn

Path(__file__).with_name("imported").touch()

def make(*, in_channels, n_classes, size, hidden=4):
    pooled = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten())
    return nn.Sequential(nn.Conv3d(in_channels, hidden, 3), pooled, nn.Linear(hidden, n_classes))
"""


@pytest.fixture
def code(tmp_path, monkeypatch) -> str:
    """Code that leaves a file when it is imported; nobody has named it."""
    monkeypatch.setenv(TRUSTED, "")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "strange_networks.py").write_text(CODE)
    monkeypatch.delitem(sys.modules, "strange_networks", raising=False)
    return "strange_networks:make"


def recipe(weights, folder, **entries):
    """The small set in another folder, with other entries in a network's recipe."""
    shutil.copytree(weights.folder, folder)
    card = json.loads((folder / "card.json").read_text())
    card["networks"]["vgg"].update(entries)
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_code_that_only_a_card_names_is_not_imported(weights, tmp_path, code):
    folder = recipe(weights, tmp_path / "theirs", kind=code)
    with pytest.raises(WeightsError, match=f"--trust {code}"):
        load_weight_set(folder)
    card = replace(weights.networks["vgg"], kind=code)
    by_hand = replace(weights, networks=weights.networks | {"vgg": card})
    with pytest.raises(WeightsError, match="must not run code"):
        load_network(by_hand, "vgg")
    shown = CliRunner().invoke(app, ["show-weights", str(folder)])
    assert shown.exit_code == 2 and "must not run code" in shown.output
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ({"kind": "os:system", "arguments": {"command": "touch ran"}}, "must not run code"),
        ({"kind": "nowhere"}, "unknown kind nowhere"),
        ({"kind": "../vgg"}, "unknown kind"),
        ({"kind": ["vgg"]}, "not valid"),
        ({"width": 1e9}, "too large"),
        ({"width": float("nan")}, "too large"),
        ({"arguments": {"k": [1, {"deep": 10**9}]}}, "too large"),
        ({"sees": "os.path"}, "unknown cubes"),
    ],
)
def test_a_hostile_recipe_is_refused(weights, tmp_path, monkeypatch, entries, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=said):
        load_weight_set(recipe(weights, tmp_path / "theirs", **entries))
    assert not (tmp_path / "ran").exists()


def test_code_that_the_user_names_is_built(code, tmp_path):
    trust(code)
    network = build_network(code, input_size=8, n_classes=3, sees="emv", arguments={"hidden": 5})
    assert (tmp_path / "imported").exists()
    assert network(torch.rand(2, 3, 8, 8, 8)).sum(dim=1).allclose(torch.ones(2))
    trust("nowhere_to_be_found:make")
    with pytest.raises(ValueError, match="cannot be imported"):
        build_network("nowhere_to_be_found:make")


def test_an_installed_package_has_named_its_own(code, monkeypatch):
    installed = {"theirs": EntryPoint("theirs", code, kinds.GROUP)}
    monkeypatch.setattr(
        kinds, "entry_points", lambda group, name: [e for e in [installed.get(name)] if e]
    )
    assert build_network("theirs", input_size=8)(torch.rand(1, 1, 8, 8, 8)).shape == (1, 2)
    with pytest.raises(ValueError, match="unknown kind elsewhere"):
        build_network("elsewhere")


@pytest.mark.parametrize(
    ("kind", "size", "sees", "arguments"),
    [
        ("monai-densenet121", 40, "emv", {"init_features": 8, "block_config": [2, 2, 2, 2]}),
        ("monai-seresnet50", 40, "emv", {"layers": [1, 1, 1, 1]}),
        ("monai-segresnet", 32, "densesharp", {"init_filters": 8, "blocks_down": [1, 1, 1, 1]}),
        ("monai-swinunetr", 64, "patient", {"feature_size": 12}),
    ],
)
def test_monai_s_networks_by_name(kind, size, sees, arguments):
    network = outlined(kind, input_size=size, n_classes=(2, 3), sees=sees, arguments=arguments)
    cube = torch.empty(2, network.cubes.channels, *(size,) * 3, device="meta")
    answer = network.train()(cube)
    classes, *mask = answer if isinstance(answer, tuple) else (answer,)
    assert classes.shape == network.class_logits(cube).shape == (2, 5)
    assert [m.shape for m in mask] == [(2, 1, size, size, size)] * kinds.NETWORKS[kind].draws_mask
    with pytest.raises(ValueError, match="pickles"):
        build_network(kind, input_size=size, arguments={"pretrained": True})


def test_densesharp_s_own_arguments():
    network = build_network(
        "densesharp",
        width=0.25,
        arguments={
            **{"k": 32, "bottleneck": 2, "compression": 4, "first_layer": 64},
            **{"down_structure": [1, 2, 3], "dropout_rate": 0.1, "first_scale": [255, 0]},
        },
    )
    assert [len(stage) for stage in network.stages] == [1, 3, 4]  # a transition from the second on
    assert network.stem.out_channels == 16 and network.block_channels[0] == 16 + 8
    torch.manual_seed(0)
    assert len(_shares_left_out(network.train())) == 6  # after each layer's 1³ convolution
    assert all(0.01 < share < 0.3 for share in _shares_left_out(network))
    assert _shares_left_out(network.eval()) == [0] * 6
    white = torch.full((1, 1, 32, 32, 32), 255.0)
    seen = []
    network.stem.register_forward_hook(lambda layer, inputs, output: seen.append(inputs[0]))
    network(white)
    assert seen[0].eq(1).all()


def _shares_left_out(network: nn.Module) -> list[float]:
    """Returns the share of channels that each dense layer's second part gets as zeros."""
    shares: list[float] = []

    def look(_layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        shares.append(float((inputs[0].abs().amax((2, 3, 4)) == 0).float().mean()))

    layers = [layer for layer in network.modules() if isinstance(layer, DenseLayer)]
    hooks = [layer[3].register_forward_pre_hook(look) for layer in layers]
    network(torch.rand(8, 1, 32, 32, 32) * 255)
    for hook in hooks:
        hook.remove()
    return shares


def test_one_sigmoid_stands_for_two_classes():
    network = build_network("densenet", n_classes=2, width=0.25, arguments={"output_size": 1})
    cube = torch.rand(2, 1, 32, 32, 32) * 255
    logits = network.logits(cube)
    assert network.head.out_features == 1 and logits[:, 0].eq(0).all()
    torch.testing.assert_close(network(cube)[:, 1], torch.sigmoid(logits[:, 1]))
    with pytest.raises(ValueError, match="output_size 1 does not fit 3 classes"):
        build_network("densenet", n_classes=3, arguments={"output_size": 1})
