"""Training on every data format: from the original files to a network trained for one step."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk
import torch

import made_lidc
from made_assessment import CENTRE_LPS_MM, made_ct
from made_nodules import made_dataset
from nodulerisk.datasets.nodules import split_of
from nodulerisk.datasets.read import read_dataset
from nodulerisk.train.fit import fit
from nodulerisk.train.module import NetworksInTraining
from nodulerisk.train.plans.plan import NetworkPlan, Run


def emv_table(folder: Path) -> Path:
    """A nodule each of six patients, on CTs alike."""
    for i in range(6):
        sitk.WriteImage(made_ct().to_sitk(), str(folder / f"ct{i}.nrrd"))
    pathologies = [
        "benign",
        "MIA",
        "invasive adenocarcinoma grade 2",
        "metastasis",
        "AIS",
        "benign",
    ]
    x, y, z = CENTRE_LPS_MM
    rows = [
        f"p{i},ct{i}.nrrd,{x},{y},{z},12,{pathology},{'train' if i < 4 else 'validation'}"
        for i, pathology in enumerate(pathologies)
    ]
    table = folder / "nodules.csv"
    table.write_text("\n".join(["patient,ct,x,y,z,size_mm,pathology,split", *rows]))
    return table


def lidc_download(folder: Path) -> Path:
    """A CT with a nodule and its readers' XML for each of five patients, whose splits depend on
    their public names."""
    patients = [f"LIDC-IDRI-{i:04d}" for i in range(1, 60)]
    train = [p for p in patients if split_of(p) == "train"][:4]
    for number, patient in enumerate(
        [*train, next(p for p in patients if split_of(p) == "validation")]
    ):
        uid = f"1.2.840.99.{number + 1}"
        made_lidc.series(folder / patient, uid, patient)
        outlined = made_lidc.nodule(made_lidc.ball((7, 30, 40), 8), malignancy=1 + number)
        (folder / patient / "readers.xml").write_text(made_lidc.xml(outlined, outlined, uid=uid))
    return folder


@pytest.mark.parametrize("make", [made_dataset, emv_table, lidc_download])
def test_a_network_learns_from(make, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    dataset = read_dataset(make(data))
    assert not dataset.broken
    tasks = ("invasiveness",) if make is made_dataset else ("malignancy",)
    networks = {"small": NetworkPlan("inception", 0.125)}
    run = Run("run", ("data",), tasks, networks, sides=(60, 40, 20), size=20, epochs=1, batch=2)
    before = NetworksInTraining(run, seed=0).state_dict()
    after = fit(run, dataset.nodules, tmp_path / "run", accelerator="cpu").state_dict()
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(before[key], after[key]) for key in before if key.endswith("weight"))
