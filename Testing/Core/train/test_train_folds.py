"""Folds by patient, from one command to one report and one set; splits by lists; crops on disk; and
networks of others all the way to an assessment."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from made_nodules import made_background, made_dataset
from nodulerisk.assess import assess
from nodulerisk.cli import app
from nodulerisk.datasets import sharing
from nodulerisk.datasets.crops import crops_on_disk
from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.datasets.read import read_dataset
from nodulerisk.datasets.sharing import made_once
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.predictions import read_predictions
from nodulerisk.outputs.style import OUTCOMES
from nodulerisk.train.folds import parts_of, patient_folds, split_by_lists, stratified
from nodulerisk.train.plans.plan import Folds, NetworkPlan, Plan, Run
from nodulerisk.train.train import _read
from nodulerisk.weights.store import load_weight_set

PLAN = """
name = "mine"
version = "1"
licence = "none"
data = {{ made = "{data}" }}
{more}
[[runs]]
name = "small"
data = ["made"]
tasks = ["invasiveness"]
networks = {{ small = {network} }}
size = {size}
epochs = 1
batch = 3
"""
FACTORY = """
from torch import nn

def make(*, in_channels, n_classes, size):
    return Both(in_channels, n_classes)

class Both(nn.Module):
    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.features = nn.Conv3d(in_channels, 4, 3, padding=1)
        self.classes, self.mask = nn.Linear(4, n_classes), nn.Conv3d(4, 1, 1)

    def forward(self, x):
        features = self.features(x).relu()
        return self.classes(features.mean((2, 3, 4))), self.mask(features)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return made_dataset(tmp_path_factory.mktemp("data") / "six", 2, 2, 2)


def trained(folder: Path, out: Path, network: str, more: str = "", size: int = 32):
    """Trains by the command, and returns what it said."""
    plan = out.parent / "plan.toml"
    plan.write_text(PLAN.format(data=folder.as_posix(), network=network, more=more, size=size))
    given = ["train", "--config", str(plan), "--out", str(out), "--accelerator", "cpu"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_folds_become_one_report_and_an_ensemble(tmp_path):
    folder, out = made_dataset(tmp_path / "eighteen", 6, 6, 6), tmp_path / "set"
    said = trained(folder, out, '{ kind = "densenet", width = 0.125 }', "[folds]\ncount = 3")
    assert "Fold 2 (3 of 3)" in said and "Out-of-fold report" in said
    nodules = {nodule.name: nodule.patient for nodule in read_dataset(folder).nodules}
    answered = read_predictions(out / "evaluation" / "made" / OUTCOMES)
    assert sorted(o.name for o in answered) == sorted(nodules)  # each once
    for fold in range(3):
        own = read_predictions(out / "folds" / str(fold) / "evaluation" / "made" / OUTCOMES)
        tested = {o.patient for o in own if o.split == "test"}
        assert tested and tested.isdisjoint(o.patient for o in own if o.split == "validation")
        assert load_weight_set(out / "folds" / str(fold)).name == f"mine-fold{fold}"
    weights = load_weight_set(out)
    assert weights.tasks["invasiveness"].networks == ("fold0_small", "fold1_small", "fold2_small")
    evidence = weights.tasks["invasiveness"].evidence
    assert evidence.nodules == len(nodules) and "not tested" in evidence.data
    background = made_background()
    found = assess(background.ct, background.centre_lps_mm, weights, "cpu")
    assert len(found.tasks["invasiveness"].answers) == 3


def test_code_of_the_user_is_trained_and_assessed_with(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("NODULERISK_NETWORKS", "")
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_networks.py").write_text(FACTORY)
    out = tmp_path / "set"
    network = '{ kind = "my_networks:make", sees = "patient", mask = true }'
    trained(folder, out, network, size=16)
    weights = load_weight_set(out)
    card = weights.networks["small"]
    assert (card.kind, card.sees, card.mask, card.size) == ("my_networks:make", "patient", True, 16)
    assert weights.mask_network == "small"
    background = made_background()
    found = assess(background.ct, background.centre_lps_mm, weights, "cpu")
    assert found.nodule is not None


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_monai_s_network_is_trained_and_assessed_with(folder, tmp_path):
    out = tmp_path / "set"
    network = """{ kind = "monai-densenet121", sees = "densesharp",
  arguments = { init_features = 4, growth_rate = 4, block_config = [1, 1, 1, 1] } }"""
    trained(folder, out, network.replace("\n", ""))
    weights = load_weight_set(out)
    assert weights.networks["small"].arguments["growth_rate"] == 4
    background = made_background()
    found = assess(background.ct, background.centre_lps_mm, weights, "cpu")
    assert found.tasks["invasiveness"].mean is not None


# --- Which fold


def plan_of(**folds) -> Plan:
    run = Run("r", ("d",), ("malignancy",), {"n": NetworkPlan("densenet")})
    return Plan("p", "1", "none", {"d": Path("d")}, (run,), folds=Folds(**folds))


def many(count: int = 120) -> NoduleDataset:
    rng = np.random.default_rng(0)
    nodule = made_background()
    nodules = [
        replace(
            nodule,
            name=f"n{i}",
            patient=f"p{i // 2}",
            labels={"malignancy": int(i < count // 4)},
            diameter_mm=float(rng.uniform(4, 30)),
            fold=(i // 2) % 5,
        )
        for i in range(count)
    ]
    return NoduleDataset("many", tuple(nodules))


def test_folds_share_classes_and_sizes_by_patient():
    nodules = many().nodules
    folds = stratified(nodules, ["malignancy"], 5)
    malignant = Counter(folds[n.patient] for n in nodules if n.labels["malignancy"])
    assert set(malignant.values()) == {6}
    large = Counter(folds[n.patient] for n in nodules if (n.diameter_mm or 0) > 20)
    assert max(large.values()) <= min(large.values()) + 6
    assert folds == stratified(nodules[::-1], ["malignancy"], 5)


def test_folds_of_the_source_or_of_a_table(tmp_path):
    data = {"d": many()}
    assert patient_folds(plan_of(own=True), data)["p7"] == 2
    table = tmp_path / "folds.csv"
    table.write_text("name,fold\n" + "".join(f"p{i},{i % 3}\n" for i in range(60)))
    assert patient_folds(plan_of(table=table), data)["p7"] == 1
    with table.open("a") as file:
        file.write("n14,2\n")  # of p7
    with pytest.raises(NoduleRiskError, match="Patient p7 is in the folds 2 and 1"):
        patient_folds(plan_of(table=table), data)
    lacking = replace(many(), nodules=(replace(many().nodules[0], fold=None),))
    with pytest.raises(NoduleRiskError, match="n0 has no fold"):
        patient_folds(plan_of(own=True), {"d": lacking})
    with pytest.raises(NoduleRiskError, match="60 patients, too few for 61 folds"):
        parts_of(plan_of(count=61), data, Path("out"))


def test_a_patient_under_two_spellings_is_in_one_fold():
    shouted = [replace(n, patient=n.patient.upper()) for n in many(30).nodules]
    data = {"d": many(30), "e": NoduleDataset("shouted", tuple(shouted))}
    for part in parts_of(plan_of(count=3), data, Path("out")):
        split_of: dict[str, str] = {}
        for nodule in (n for dataset in part.data.values() for n in dataset.nodules):
            assert split_of.setdefault(nodule.patient.lower(), nodule.split) == nodule.split


def test_densesharp_s_subsets_are_its_folds(folder, tmp_path):
    rows = list(csv.DictReader((folder / "info.csv").open()))
    assert {n.fold for n in read_dataset(folder).nodules} <= {0, 4, None}
    assert {row["subset"] for row in rows} <= {"0", "4", ""}


def test_lists_of_ids_split_the_data(tmp_path):
    (tmp_path / "train.txt").write_text("\ufeffp0\np1,12\np2\np3\n\np4\np5\np6\np7\np8\np9\n")
    (tmp_path / "test.txt").write_text("n20\nn21\n")
    lists = {split: tmp_path / f"{split}.txt" for split in ("train", "test")}
    said: list[str] = []
    dataset = split_by_lists({"d": many(30)}, lists, said.append)["d"]
    assert {n.patient for n in dataset.of_split("test")} == {"p10"}
    assert len({n.patient for n in dataset.of_split("validation")}) == 2
    assert said == ["many: 8 nodules are in no list and are left out."]
    (tmp_path / "test.txt").write_text("p0\n")
    with pytest.raises(NoduleRiskError, match="p0 is in the lists of train and test"):
        split_by_lists({"d": many(30)}, lists, said.append)


def test_nodules_are_counted_as_the_lists_split_them(folder, tmp_path):
    names = sorted(nodule.name for nodule in read_dataset(folder).nodules)
    parts = {"train": names[:3], "validation": names[3:5], "test": names[5:]}
    for split, listed in parts.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(listed))
    lists = {split: tmp_path / f"{split}.txt" for split in parts}
    plan = replace(plan_of(), data={"d": folder}, folds=None, splits=lists)
    said: list[str] = []
    _read(plan, plan.runs, said.append)
    assert said[-1] == f"{folder.name}: 3 train, 2 validation, 1 test"


# --- Crops


def test_crops_lie_on_disk_and_are_the_same(folder, tmp_path):
    plain = read_dataset(folder)
    with crops_on_disk(tmp_path / "set"):
        mapped = read_dataset(folder)
        for one, other in zip(plain.nodules, mapped.nodules, strict=True):
            assert np.array_equal(one.ct.hu, other.ct.hu)
            assert np.array_equal(one.marked, other.marked)
            assert not other.ct.hu.flags.owndata and not other.marked.flags.owndata
        files = {id(_bottom(n.ct.hu)) for n in mapped.nodules}
        assert len(files) == 1  # not an open file for each
    assert not list(tmp_path.iterdir())


def _bottom(array: np.ndarray) -> object:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array


ANOTHER = """
import sys
import time
from pathlib import Path
from nodulerisk.datasets.crops import crops_on_disk
from nodulerisk.datasets.read import read_dataset
from nodulerisk.datasets.sharing import made_once

def read():
    print("cut")
    return read_dataset(sys.argv[1])

with crops_on_disk(Path(sys.argv[2])):
    for nodule in made_once("data", read).nodules:
        is_map = not nodule.ct.hu.flags.owndata and nodule.ct.hu.flags.writeable
        print(nodule.name, int(nodule.ct.hu.sum()), float(nodule.marked.sum()), is_map)
"""


def test_processes_share_the_crops_that_the_first_has_cut(folder, tmp_path):
    """Also where the other begins before: it waits."""
    cut: list[NoduleDataset] = []

    def read() -> NoduleDataset:
        cut.append(read_dataset(folder))
        return cut[-1]

    out = tmp_path / "set"
    another = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, str(folder), str(out)],
        env=os.environ | {"LOCAL_RANK": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    with crops_on_disk(out):
        made_once("validation", list)
        while len(list(tmp_path.iterdir())) < 2:  # the other has begun
            time.sleep(0.05)
        made_once("data", read)
        said, _ = another.communicate()
    told = [f"{n.name} {int(n.ct.hu.sum())} {float(n.marked.sum())} True" for n in cut[0].nodules]
    assert said.splitlines() == told  # and not "cut"
    assert not list(tmp_path.iterdir())
    with crops_on_disk(out):
        made_once("data", read)
    assert len(cut) == 2  # what is gone is not asked for


def test_crops_of_a_killed_process_are_not_waited_for(tmp_path, monkeypatch):
    """Nor are those in a folder into which others may write, nor bytes of another file."""
    monkeypatch.setattr(sharing, "PATIENCE_SECONDS", 0.0)
    out = tmp_path / "set"
    with crops_on_disk(out):
        made_once("data", lambda: "of the first")
        (folder,) = tmp_path.iterdir()
        monkeypatch.setenv("LOCAL_RANK", "1")
        with crops_on_disk(out):
            assert made_once("data", lambda: "own") == "of the first"
            folder.chmod(0o777)
            assert made_once("data", lambda: "own") == "own"
            folder.chmod(0o700)
            told = next(file for file in folder.iterdir() if file.name != "process")
            words = told.read_text()
            told.write_text(words.replace('"sha256": "', '"sha256": "0'))
            assert made_once("data", lambda: "own") == "own"
            told.write_text(words)
            with subprocess.Popen([sys.executable, "-c", ""]) as ended:
                pass
            (folder / "process").write_text(str(ended.pid))
            assert made_once("data", lambda: "own") == "own"
