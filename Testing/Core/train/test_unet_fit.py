"""Training the U-Net: it learns, continues after a kill to the same network, and leaves a file that
can be loaded for assessing."""

from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.losses import DiceLoss
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from made_nodules import made_background, made_dataset
from nodulerisk.assess import assess
from nodulerisk.cli import app
from nodulerisk.datasets.read import read_dataset
from nodulerisk.engine.engine import Engine, load_network
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import PRESENCE, TASKS
from nodulerisk.train.unet.batches import Examples, Lungs, batch
from nodulerisk.train.unet.fit import LEARNING_RATE, Settings, Training, fit, learning_rate
from nodulerisk.train.unet.losses import SMOOTH_VOXELS, dice_loss, losses, weighted
from nodulerisk.train.unet.lungs import lung_of_ct, lung_of_nodule
from nodulerisk.train.unet.network import ANSWERS, HelpedUNet, exported
from nodulerisk.train.unet.train import HeldOut
from nodulerisk.weights.card import Evidence, NetworkCard, TaskCard, WeightSet, save_card
from nodulerisk.weights.import_set import import_set
from nodulerisk.weights.store import bundled_root, load_weight_set, sha256_of

TINY = Settings(steps=4, batch=4, width=0.125, side=32, seed=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_dataset(tmp_path_factory.mktemp("data") / "ten")


@pytest.fixture(scope="module")
def lungs(folder) -> Lungs:
    nodules = read_dataset(folder).of_split("train")[:2]
    whole = lung_of_ct(made_background().ct, [], 0, "cpu")
    return Lungs([lung_of_nodule(nodule, i, "cpu") for i, nodule in enumerate(nodules)], [whole])


def test_the_losses_fall_on_cubes_seen_again(lungs, monkeypatch):
    wanted = batch(lungs, ["real", "phantom", "negative", "vessels"], 32, (1,))
    monkeypatch.setattr("nodulerisk.train.unet.fit.batch", lambda *given: wanted)
    monkeypatch.setattr("nodulerisk.train.unet.fit.WARM_UP", 1)
    monkeypatch.setattr("nodulerisk.train.unet.fit.LOG_EVERY", 1)
    training = Training(Settings(steps=30, width=0.125, side=32), "cpu")
    for _ in range(12):
        training.step(lungs)
    first, last = training.log[0], training.log[-1]
    assert last["mask"] < 0.9 * first["mask"] and last["presence"] < first["presence"]


def test_a_killed_run_goes_on_to_the_same_network(lungs, tmp_path):
    def kill(stage: str, done: float | None) -> None:
        if done == 2:
            raise KeyboardInterrupt

    whole = fit(lungs, TINY, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(lungs, TINY, tmp_path / "killed", progress=kill, keep_seconds=0)
    after: list[float | None] = []
    again = fit(lungs, TINY, tmp_path / "killed", progress=lambda _, done: after.append(done))
    assert after == [2, 3]
    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "killed")]
    assert logs[0] == logs[1]


def test_a_run_does_not_go_on_under_other_settings(lungs, tmp_path):
    settings = Settings(steps=1, batch=4, width=0.125, side=32)
    fit(lungs, settings, tmp_path)
    with pytest.raises(NoduleRiskError, match="began with other settings"):
        fit(Lungs(lungs.nodules), settings, tmp_path)


def test_the_learning_rate_rises_and_falls():
    rates = [learning_rate(done, 1000) for done in range(1001)]
    assert rates[0] < 1e-5 > rates[-1] and 0.9 * LEARNING_RATE < max(rates) <= LEARNING_RATE
    assert rates.index(max(rates)) <= 110


# --- Losses


def wanted_of(presence: list[float], helpers: torch.Tensor | None = None) -> Examples:
    count, width = len(presence), sum(ANSWERS.values()) - ANSWERS[PRESENCE]
    masks = torch.zeros(count, 2, 16, 16, 16)
    masks[:, 0, 6:10, 6:10, 6:10] = 1
    return Examples(
        torch.zeros(count, 1, 16, 16, 16),
        masks,
        torch.tensor([[1.0, 0.0]] * count),
        torch.tensor(presence),
        torch.full((count, width), torch.nan) if helpers is None else helpers,
    )


def test_what_is_not_known_teaches_nothing():
    wanted = wanted_of([1.0, float("nan")])
    classes = torch.randn(2, sum(ANSWERS.values()), requires_grad=True)
    masks = torch.randn(2, 2, 16, 16, 16, requires_grad=True)
    parts = losses(classes, masks, wanted)
    assert torch.isclose(parts[PRESENCE], -classes[0, :2].log_softmax(0)[1])
    assert parts["malignancy"] == 0
    weighted(parts).backward()
    assert not classes.grad[1].any() and not classes.grad[0, 2:].any()
    assert masks.grad[:, 0].any() and not masks.grad[:, 1].any()


def test_the_right_mask_costs_nothing():
    wanted = wanted_of([1.0])
    sure = (wanted.masks * 2 - 1) * 30
    classes = torch.zeros(1, sum(ANSWERS.values()))
    assert losses(classes, sure, wanted)["mask"] < 1e-3 < losses(classes, -sure, wanted)["mask"]


# --- The file


def test_the_file_is_the_network_without_its_helpers(tmp_path):
    torch.manual_seed(0)
    helped = HelpedUNet(0.125)
    save_file(exported(helped), tmp_path / "unet.safetensors")
    card = NetworkCard(
        "unet", "unet.safetensors", sha256_of(tmp_path / "unet.safetensors"), (PRESENCE,), 0.125
    )
    none = Evidence("none", "made up")
    tasks = {task: TaskCard(("unet",) if task == PRESENCE else (), none) for task in TASKS}
    tasks[PRESENCE] = TaskCard(("unet",), Evidence("reader", "made up"))
    save_card(
        WeightSet(tmp_path, "made", "1", "none", "nobody", {"unet": card}, tasks, "unet", none)
    )
    kept = load_network(load_weight_set(tmp_path), "unet")
    cube = torch.rand(1, 1, 32, 32, 32) * 2 - 1
    with torch.inference_mode():
        classes, masks = helped.eval().logits(cube)
        presence, mask = kept(cube)
    assert torch.allclose(presence, classes[:, :2].softmax(1), atol=5e-3)
    assert torch.allclose(mask, masks[:, :1].sigmoid(), atol=5e-3)


# --- The command


def test_the_command_trains_and_goes_on(folder, tmp_path):
    sitk.WriteImage(made_background().ct.to_sitk(), str(tmp_path / "lung.nrrd"))
    (tmp_path / "nodules.csv").write_text("x,y,z\n10,10,10\n")
    lung = f"{tmp_path / 'lung.nrrd'}={tmp_path / 'nodules.csv'}"
    out = tmp_path / "unet"
    given = ["train-unet", "--data", str(folder), "--out", str(out), "--device", "cpu"]
    tiny = [*given, "--width", "0.125", "--batch", "4", "--hold-out", "validation", "--lungs", lung]
    result = CliRunner().invoke(app, [*tiny, "--steps", "1"])
    assert result.exit_code == 0, result.output
    assert "Training on 8 nodules and 1 whole CTs" in result.output
    arrays = load_file(out / "unet.safetensors")
    assert {str(array.dtype) for array in arrays.values()} == {"torch.float16"}
    (row,) = csv.DictReader((out / "log.csv").open())
    assert np.isfinite([float(value) for value in row.values()]).all()
    other = CliRunner().invoke(app, [*tiny, "--steps", "2"])
    assert other.exit_code == 2 and "began with other settings" in other.output


def test_a_set_draws_with_it_and_forgets_what_it_knew_of_other_masks(folder, tmp_path):
    import_set(bundled_root() / "open", tmp_path / "mine", "mine")
    given = ["train-unet", "--data", str(folder), "--out", str(tmp_path / "unet"), "--steps", "1"]
    tiny = ["--width", "0.125", "--batch", "4", "--device", "cpu", "--into", str(tmp_path / "mine")]
    result = CliRunner().invoke(app, [*given, *tiny])
    assert result.exit_code == 0, result.output
    weights = load_weight_set(tmp_path / "mine")
    ours, malignancy = weights.tasks[PRESENCE], weights.tasks["malignancy"]
    assert weights.networks[weights.mask_network].width == 0.125 and ours.networks == ("unet",)
    assert weights.mask_evidence == ours.evidence == Evidence("simulated", "not evaluated yet")
    assert malignancy.risk is None and not malignancy.evidence.figures
    ct = made_background().ct
    point = ct.point_of(np.array(ct.hu.shape[::-1]) / 2)
    found = assess(ct, point, weights, networks=Engine(weights, "cpu"))
    assert set(found.tasks[PRESENCE].members) == {"unet"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--hold-out", "7"], "cannot be held out"),
        (["--lungs", "nothing/here"], "no file or folder"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(folder, tmp_path, options, words):
    given = ["train-unet", "--data", str(folder), "--out", str(tmp_path / "unet"), *options]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 2 and words in result.output


def test_a_fold_is_held_out_by_patient(folder, tmp_path):
    nodules = read_dataset(folder).nodules
    table = tmp_path / "folds.csv"
    rows = [f"{nodule.name},{int(i == 0)}" for i, nodule in enumerate(nodules)]
    table.write_text("\n".join(["name,fold", *rows, "lung.zip,1"]), encoding="utf-8")
    held_out = HeldOut("1", table)
    kept = held_out.kept(nodules)
    assert kept and {nodule.patient for nodule in kept} == {
        nodule.patient for nodule in nodules
    } - {nodules[0].patient}
    assert held_out.holds_ct(tmp_path / "lung.zip") and not held_out.holds_ct(tmp_path / "x.zip")
    with pytest.raises(NoduleRiskError, match="does not list"):
        HeldOut("1", _short(table)).kept(nodules)


def _short(table):
    """Returns the table without its second half."""
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join(lines[: len(lines) // 2]), encoding="utf-8")
    return table


def test_the_dice_is_monai_s():
    torch.manual_seed(0)
    logits, masks = torch.randn(3, 2, 8, 8, 8), torch.rand(3, 2, 8, 8, 8).round()
    monai = DiceLoss(
        sigmoid=True, reduction="none", smooth_nr=SMOOTH_VOXELS, smooth_dr=SMOOTH_VOXELS
    )
    torch.testing.assert_close(dice_loss(logits, masks), monai(logits, masks)[..., 0, 0, 0])


def test_training_needs_little_beyond_torch(folder, tmp_path):
    """On a GPU machine: without SimpleITK, MONAI, Lightning and what reads or shows CTs."""
    absent = (
        "SimpleITK monai lightning pydantic pydicom openvino matplotlib plotly highdicom".split()
    )
    code = f"""
import sys
sys.modules.update(dict.fromkeys({absent!r}))
from pathlib import Path
from nodulerisk.train.unet.fit import Settings
from nodulerisk.train.unet.train import train_unet
settings = Settings(steps=1, batch=4, width=0.125, side=32)
train_unet(Path({str(folder)!r}), [], Path({str(tmp_path)!r}), settings=settings, device="cpu")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "mask_head.weight" in load_file(tmp_path / "unet.safetensors")
