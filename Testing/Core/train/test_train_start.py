"""A training begins with other weights, in whole or in part, with layers frozen or slower; goes on
for more epochs; and a start that fails blocks nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from golden import Golden
from made_nodules import made_dataset
from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.datasets.read import read_dataset
from nodulerisk.errors import NoduleRiskError, WeightsError
from nodulerisk.evaluation.summary import About
from nodulerisk.train.fit import fit
from nodulerisk.train.module import NetworksInTraining, network_of
from nodulerisk.train.plans.plan import NetworkPlan, Run
from nodulerisk.train.rates import parameter_groups
from nodulerisk.train.settings import SETTINGS
from nodulerisk.train.start import STARTED, take_weights, terms_of, with_starts

NETWORK = NetworkPlan("densenet", 0.125)
RUN = Run("small", ("made",), ("invasiveness",), {"small": NETWORK}, epochs=1, batch=6, scans=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> NoduleDataset:
    return read_dataset(made_dataset(tmp_path_factory.mktemp("data") / "ten", 4, 2, 0))


def having(**network) -> Run:
    return replace(RUN, networks={"small": replace(NETWORK, **network)})


def state_of(module: NetworksInTraining) -> dict[str, torch.Tensor]:
    return module.networks["small"].state_dict()


def test_a_run_begins_with_a_file_by_name_with_frozen_and_slower_layers(made, tmp_path):
    torch.manual_seed(7)
    before = network_of(RUN, "small").state_dict()
    save_file(before, tmp_path / "old.safetensors")
    run = having(
        init=str(tmp_path / "old.safetensors"),
        take=("stem", "stages", "norm"),
        rates={"stages": 0, "stem": 1e-9},
    )
    said: list[str] = []
    after = state_of(fit(run, made.nodules, tmp_path / "run", accelerator="cpu", say=said.append))
    frozen = [key for key in before if key.startswith("stages")]
    assert all(torch.equal(before[key], after[key]) for key in frozen)  # also running means
    assert torch.allclose(before["stem.weight"], after["stem.weight"], atol=1e-8)
    assert not torch.equal(before["norm.weight"], after["norm.weight"])
    assert "not taken: head.weight (not asked for), head.bias (not asked for)" in said[0]
    assert "epoch 1 of 1, val_loss" in said[-1]
    started = json.loads((tmp_path / "run" / STARTED).read_text())["small"]
    assert started["left"].keys() == {"head.weight", "head.bias"}
    assert "old.safetensors" in terms_of(tmp_path / "run")[0]


def test_the_bundled_set_gives_the_layers_that_fit():
    run = Run(
        *("mine", ("made",), ("grade",)),
        {"new": NetworkPlan("inception", 0.5, init="open#inception")},
        sides=(60, 40, 20),
        size=40,
    )
    start = take_weights(network_of(run, "new"), "new", run.networks["new"], run)
    assert start.left["head.1.weight"] == "13 × 128 there, 3 × 128 here" and len(start.left) == 2
    assert "CC BY" in start.terms
    with pytest.raises(WeightsError, match="name one network of open"):
        take_weights(network_of(run, "new"), "new", replace(run.networks["new"], init="open"), run)
    narrow = replace(run, networks={"new": replace(run.networks["new"], width=0.25)})
    with pytest.raises(WeightsError, match="of 338 arrays .* fit .*choose weights of the same"):
        take_weights(network_of(narrow, "new"), "new", narrow.networks["new"], narrow)


def test_a_keras_file_gives_its_layers(data, tmp_path):
    file = Golden("densesharp", data / "golden").write_h5(tmp_path / "densesharp.h5")
    run = having(kind="densesharp", width=1.0, init=str(file))
    start = take_weights(network_of(run, "small"), "small", run.networks["small"], run)
    assert start.left.keys() == {"head.weight", "head.bias"}
    assert start.left["head.bias"] == "3 there, 2 here"


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("weights.ckpt", "pickle"),
        ("nowhere", "no weight set"),
        ("other.safetensors", "0 of .* fit"),
    ],
)
def test_what_cannot_be_begun_with(init, said, tmp_path):
    (tmp_path / "weights.ckpt").write_bytes(b"\x80\x02")
    save_file({"other": torch.zeros(2)}, tmp_path / "other.safetensors")
    run = having(init=str(tmp_path / init) if "." in init else init)
    with pytest.raises(WeightsError, match=said):
        take_weights(network_of(run, "small"), "small", run.networks["small"], run)


def test_more_epochs_are_as_if_there_had_been_more_from_the_start(made, tmp_path):
    said: list[str] = []

    def fitted(epochs: int, folder: str, **other) -> dict[str, torch.Tensor]:
        run, out = replace(RUN, epochs=epochs, keep="last", **other), tmp_path / folder
        return state_of(fit(run, made.nodules, out, accelerator="cpu", say=said.append))

    fitted(1, "on")
    said.clear()
    longer = fitted(2, "on")
    assert len(said) == 1 and "epoch 2 of 2, val_loss" in said[0]
    whole = fitted(2, "whole")
    assert all(torch.equal(longer[key], whole[key]) for key in whole)
    for other in ({"learning_rate": 0.5}, {"schedule": "one-cycle"}):
        with pytest.raises(NoduleRiskError, match="began with other settings"):
            fitted(2, "on", **other)
    with pytest.raises(NoduleRiskError, match="epochs"):
        fitted(1, "on")


def test_a_failed_start_blocks_nothing(made, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(NoduleRiskError, match="no nodule to validate with"):
        fit(replace(RUN, learning_rate=1.0), made.of_split("train"), folder, accelerator="cpu")
    assert not (folder / SETTINGS).exists()
    folder.mkdir(exist_ok=True)
    (folder / SETTINGS).write_text('{"learning_rate": 1.0}')  # of a start killed in its first epoch
    fit(RUN, made.nodules, folder, accelerator="cpu")


def test_layers_of_one_rate_share_a_group():
    network = network_of(RUN, "small")
    groups = parameter_groups([(network, {"stem": 0, "stages": 0.1, "stages.2": 0.5})], 1e-2)
    assert sorted(group["lr"] for group in groups) == pytest.approx([1e-3, 5e-3, 1e-2])


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_a_cpu_trains_in_fp32_alone(made, tmp_path, precision):
    """With torch 2.13, bf16 gradients of small maps came out as NaN, infinite or another network's,
    silently."""
    run = replace(RUN, precision=precision)
    with pytest.raises(NoduleRiskError, match=f"precision {precision} needs a GPU"):
        fit(run, made.nodules, tmp_path, accelerator="cpu")


def test_gradients_are_those_of_the_plain_layout():
    """As training stores arrays, channels last, and as torch does by itself."""
    module = NetworksInTraining(having(kind="densenet"), seed=0)
    module.log_dict = lambda *a, **k: None
    network = module.networks["small"].eval()
    cube = torch.rand(4, 1, 32, 32, 32) * 255
    batch = {"cube": cube, "targets": torch.eye(2).repeat(2, 1)}
    module.training_step(batch).backward()
    trained = [p.grad.clone() for p in network.parameters()]
    plain = network_of(having(kind="densenet"), "small")
    plain.load_state_dict(network.state_dict())
    F.cross_entropy(plain.logits(cube), batch["targets"]).backward()
    for one, other in zip(trained, plain.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad, rtol=1e-3, atol=1e-5)


def test_figures_say_that_the_weights_begun_with_may_have_seen_the_patients():
    about = About(dataset="nodules")
    assert with_starts(about, [RUN]).dataset == "nodules"
    assert "may have learnt" in with_starts(about, [RUN, having(init="open#inception")]).dataset
