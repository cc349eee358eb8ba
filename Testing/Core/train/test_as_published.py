"""Training as both papers' code does it: fixed copies, steps, learning rates, kept networks, and
the figures of an epoch."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from made_nodules import made_background, made_dataset
from nodulerisk.datasets.read import read_dataset
from nodulerisk.networks.build import build_network
from nodulerisk.networks.kinds import EmvCubes
from nodulerisk.tasks import TASKS
from nodulerisk.train.augment import AXIS_ORDERS, emv_copies
from nodulerisk.train.batches import Batches
from nodulerisk.train.epoch_figures import EpochFigures
from nodulerisk.train.fit import KEPT, fit
from nodulerisk.train.module import NetworksInTraining, network_of
from nodulerisk.train.plans.plan import NetworkPlan, Run
from nodulerisk.train.rates import with_l2
from nodulerisk.train.samples import RandomSamples
from nodulerisk.train.start import take_weights
from nodulerisk.train.view import View

RUN = Run(
    *("small", ("made",), ("subtype",), {"small": NetworkPlan("densesharp", 0.125)}),
    balance={"AAH-AIS": 1, "MIA": 1, "IA": 1},
    epochs=1,
    scans=False,
    monitor="accuracy",
    checkpoints="every",
)


def test_emv_s_copies_differ_by_one_change_each():
    copies = emv_copies(np.random.default_rng(0), 12.0)
    assert len(copies) == 16
    assert len(emv_copies(np.random.default_rng(0), 10.0)) == 17  # at most 1 cm: also zoomed
    shifted = [copy for copy in copies if copy.shift_mm.any()]
    assert len(shifted) == 1 and not shifted[0].shift_mm[0]
    assert np.abs(shifted[0].shift_mm).max() <= 6.25  # 10 voxels
    unturned = [copy for copy in copies if np.array_equal(copy.turn, np.eye(3))]
    assert len(unturned) == 2  # the block itself, and the shifted one
    orders = [c for c in copies if any(np.array_equal(c.turn, order) for order in AXIS_ORDERS)]
    assert len(orders) == 7
    angles = [np.rad2deg(np.arctan2(c.turn[2, 1], c.turn[2, 2])) % 360 for c in copies[6:15]]
    assert np.allclose(sorted(angles), np.arange(36, 360, 36))


def test_every_epoch_holds_all_copies_and_the_same():
    nodules = [made_background("a", diameter_mm=8.0), made_background("b", diameter_mm=20.0)]
    first, later = (
        RandomSamples(
            nodules,
            View(EmvCubes, (60, 40, 20), 4),
            ("malignancy",),
            pose="emv-copies",
            scans=False,
            epoch=epoch,
        )
        for epoch in (0, 7)
    )
    assert [nodule.patient for nodule in first.nodules] == ["a"] * 17 + ["b"] * 16
    for index in (0, 5, 16, 32):
        assert torch.equal(first[index]["cube"], later[index]["cube"])


@pytest.mark.parametrize("balance", [None, {"x": 2, "y": 1}])
def test_as_many_steps_as_are_asked(balance):
    groups = ["x"] * 5 + ["y"] * 4
    batches = list(Batches(groups, 3, balance, steps=9, seed=1))
    assert [len(batch) for batch in batches] == [3] * 9
    used = [i for batch in batches for i in batch]
    assert set(used) == set(range(9))
    shares = [
        list(Batches(groups, 3, balance, steps=8, seed=1, process=p, processes=2)) for p in (0, 1)
    ]
    assert [len(share) for share in shares] == [4, 4]


@pytest.mark.parametrize(
    ("patience", "cooldown", "falls"),
    # counted with the callbacks of Keras 2.8 (patience 10) and 2.1.5 (theirs, patience 10 there)
    [(10, 0, [11, 21, 31]), (11, 2, [12, 24, 36]), (3, 0, [4, 7, 10])],
)
def test_the_rate_falls_when_it_falls_in_keras(patience, cooldown, falls):
    run = replace(RUN, patience=patience, cooldown=cooldown, schedule_monitor="loss")
    configured = NetworksInTraining(run, seed=0).configure_optimizers()
    (group,) = configured["optimizer"].param_groups
    assert configured["lr_scheduler"]["monitor"] == "val_loss"
    found, before = [], group["lr"]
    for epoch in range(1, falls[-1] + 1):
        configured["lr_scheduler"]["scheduler"].step(1.0)
        if group["lr"] < before:
            found.append(epoch)
        before = group["lr"]
    assert found == falls


def test_l2_holds_the_convolutions_alone():
    network = build_network("vgg", width=0.125)
    groups = with_l2([{"params": list(network.parameters()), "lr": 1.0}], 0.5)
    held = {p for group in groups if group["weight_decay"] for p in group["params"]}
    convolutions = {m.weight for m in network.modules() if isinstance(m, torch.nn.Conv3d)}
    assert held == convolutions
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


@pytest.mark.parametrize(("clip", "norm"), [(0.0, 1e3), (5.0, 5.0)])
def test_gradients_are_clipped_only_if_the_plan_says_so(clip, norm):
    module = NetworksInTraining(replace(RUN, clip=clip), seed=0)
    parameter = module.networks["small"].head.bias
    parameter.grad = torch.tensor([1e3, 0.0, 0.0])
    module.configure_gradient_clipping(None)
    assert float(parameter.grad.norm()) == pytest.approx(norm, rel=1e-3)


def test_weights_begin_as_keras_begins_them():
    run = replace(RUN, networks={"small": NetworkPlan("densesharp")}, initialisation="glorot")
    weight = network_of(run, "small").stem.weight
    limit = np.sqrt(6 / (27 * 1 + 27 * 32))
    assert 0.9 * limit < float(weight.detach().abs().max()) <= limit


def test_the_figures_of_an_epoch_are_counted_over_all_batches():
    subtype = TASKS["subtype"]
    counted = EpochFigures([subtype], draws_mask=True)
    logits = torch.tensor([[9.0, 0, 0], [0, 9, 0], [0, 0, 9], [0, 0, 0]])
    counted.add_classes(subtype, logits[:2], torch.tensor([0, 2]))
    counted.add_classes(subtype, logits[2:], torch.tensor([2, 2]))
    drawn, marked = torch.zeros(2, 1, 1, 1, 4, dtype=bool), torch.zeros(2, 1, 1, 1, 4, dtype=bool)
    drawn[0, ..., :3], marked[0, ..., 1:] = True, True
    counted.add_mask(drawn, marked)
    found = counted.figures()
    # three are sure, of which two are right; the fourth is of no class at one half
    assert found["subtype_precision"] == pytest.approx(2 / 3)
    assert found["subtype_recall"] == pytest.approx(2 / 4)
    # MIA and IA together reach one half in the fourth
    assert found["subtype_invasive_mia_or_ia_accuracy"] == 1
    assert found["subtype_ia_recall"] == pytest.approx(1 / 3)
    assert (found["mask_precision"], found["mask_recall"]) == pytest.approx((2 / 3, 2 / 3))
    assert "subtype_ia_precision" not in counted.figures()  # begun anew


def test_an_epoch_s_figures_and_networks_are_kept(tmp_path):
    dataset = read_dataset(made_dataset(tmp_path / "eight", 6, 2, 0))
    fit(RUN, dataset.nodules, tmp_path / "run", accelerator="cpu")
    header = (tmp_path / "run/logs/version_0/metrics.csv").read_text().splitlines()[0]
    columns = set(next(csv.reader([header])))
    assert {"accuracy/small", "subtype_recall/small", "mask_recall/small"} <= columns
    assert {"val_subtype_recall/small", "val_mask_recall/small"} <= columns
    kept = sorted((tmp_path / "run" / KEPT).iterdir())
    assert [file.name.split(".accuracy")[0] for file in kept] == ["small.epoch001"]
    plan = NetworkPlan("densesharp", 0.125, init=str(kept[0]))
    start = take_weights(network_of(RUN, "small"), "small", plan, RUN)
    assert not start.left


def test_dice_is_each_cube_s_own_where_the_plan_says_so():
    logits = torch.randn(3, 1, 8, 8, 8, generator=torch.Generator().manual_seed(0))
    masks = (logits + torch.randn(3, 1, 8, 8, 8) > 1).float()
    p = logits.sigmoid()
    axes = (1, 2, 3, 4)
    dice = (2 * (p * masks).sum(axes) + 1) / (p.sum(axes) + masks.sum(axes) + 1)
    run = replace(RUN, dice=1.0, dice_over="nodules")
    loss = NetworksInTraining(run, 0)._mask_loss(logits, masks)
    assert torch.isclose(loss, 1 - dice.mean(), atol=1e-6)
    assert not torch.isclose(NetworksInTraining(RUN, 0)._mask_loss(logits, masks), 0.2 * loss)
