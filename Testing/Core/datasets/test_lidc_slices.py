"""LIDC-IDRI's nodules as slices, and the labels from the readers' ratings."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from nodulerisk.datasets.lidc.ratings import beliefs_from, labels_from
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import NoduleDataset, refuse_leak
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS

SURE = {
    "malignancy": 5,
    "texture": 5,
    "spiculation": 1,
    "lobulation": 1,
    "margin": 5,
    "calcification": 6,
}


@pytest.fixture(scope="module")
def lidc(lidc_folder) -> NoduleDataset:
    return read_lidc_slices(lidc_folder)


def test_the_real_nodules(lidc, expected):
    assert (len(lidc.nodules), len(lidc.broken)) == (expected(21, 763), 0)
    assert len({n.name for n in lidc.nodules}) == expected(21, 763)
    assert len({n.patient for n in lidc.nodules}) == expected(15, 425)
    assert "doi:10.7937" in lidc.attribution and "Computer Vision Center" in lidc.attribution
    refuse_leak(lidc.nodules)
    for nodule in lidc.nodules[:: expected(1, 5)]:
        assert nodule.evidence == "reader" and nodule.only_own_slices
        assert nodule.ct.hu.shape == nodule.marked.shape and nodule.marked.max() <= 1
        assert nodule.ct.contains(nodule.centre_lps_mm)
        assert -1024 <= nodule.ct.hu.min() < nodule.ct.hu[nodule.mask].mean() < 1500
        assert all(0 <= index < len(TASKS[task].classes) for task, index in nodule.labels.items())
        assert all(sum(belief) == pytest.approx(1) for belief in nodule.beliefs.values())


def test_the_slices_lie_at_the_spacing_of_the_volumes(lidc, expected):
    """The equivalent diameter of the readers' masks is close to the published diameter."""
    ratios = []
    for nodule in lidc.nodules[:: expected(1, 10)]:
        volume = nodule.mask.sum() * np.prod(nodule.ct.spacing_mm)
        ratios.append(float(np.cbrt(6 / np.pi * volume)) / nodule.diameter_mm)
    assert np.median(ratios) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "missing", ["nodules.csv", "slices_nodules.csv", "slices_to_image.csv", "slices.npz"]
)
def test_an_incomplete_folder_is_refused(tmp_path, data, missing):
    for name in {"nodules.csv", "slices_nodules.csv", "slices_to_image.csv"} - {missing}:
        shutil.copy(data / "lidc" / name, tmp_path)
    if missing != "slices.npz":
        (tmp_path / "slices.npz").symlink_to(data / "lidc" / "slices.npz")
    with pytest.raises(NoduleRiskError, match="copy it again"):
        read_lidc_slices(tmp_path)


@pytest.mark.parametrize(
    ("change", "task", "index"),
    [
        ({}, "malignancy", 1),
        ({"malignancy": 2}, "malignancy", 0),
        ({"malignancy": 3}, "malignancy", None),
        ({"texture": 1}, "density", 0),
        ({"texture": 3}, "density", 1),
        ({}, "density", 2),
        ({"spiculation": 3}, "spiculation", 1),
        ({"lobulation": 2}, "lobulation", 0),
        ({"margin": 3}, "margin", 1),
        ({"calcification": 3}, "calcification", 1),
        ({}, "calcification", 0),
    ],
)
def test_labels_from_ratings(change, task, index):
    assert labels_from(SURE | change).get(task) == index


def test_beliefs_follow_the_readers():
    readers = {name: [float(value)] * 4 for name, value in SURE.items()}
    sure = beliefs_from(readers)
    assert (
        sure["malignancy"] == (0, 1)
        and sure["density"] == (0, 0, 1)
        and sure["calcification"] == (1, 0)
    )
    divided = beliefs_from(readers | {"malignancy": [2, 4, 2, 4], "texture": [1, 2]})
    assert divided["malignancy"] == (0.5, 0.5) and divided["density"] == (0.5, 0.5, 0)
    assert beliefs_from({"margin": [3.5]}).keys() == {"margin"}
