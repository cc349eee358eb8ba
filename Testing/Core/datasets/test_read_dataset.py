"""Every format is recognised by its files."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from made_assessment import CENTRE_LPS_MM
from made_lidc import ball, nodule, series, xml
from nodulerisk.datasets.read import keep_attribution, read_dataset
from nodulerisk.errors import NoduleRiskError


def test_lidc_slices(lidc_folder, expected):
    dataset = read_dataset(lidc_folder)  # beside them lie XML files and tables
    assert len(dataset.nodules) == expected(21, 763) and dataset.name == "LIDC-IDRI"
    assert all(n.only_own_slices for n in dataset.nodules)


def test_densesharp(tmp_path):
    voxel = np.full((80, 80, 80), -850)
    voxel[36:44, 36:44, 36:44] = 30
    np.savez(tmp_path / "a.npz", voxel=voxel, seg=voxel > 0)
    (tmp_path / "info.csv").write_text("name,diagnosis,subset\na,IA,0\n")
    dataset = read_dataset(str(tmp_path))
    assert [n.labels["subtype"] for n in dataset.nodules] == [2]


@pytest.mark.parametrize("name", ["nodules.csv", "nodules.TSV"])
def test_emv_table(tmp_path, ct, name):
    sitk.WriteImage(ct.to_sitk(), str(tmp_path / "ct.nrrd"))
    x, y, z = CENTRE_LPS_MM
    (tmp_path / name).write_text(f"ct\tx\ty\tz\tpathology\nct.nrrd\t{x}\t{y}\t{z}\tAIS\n")
    assert [n.labels["subtype"] for n in read_dataset(tmp_path / name).nodules] == [0]


def test_lidc_download(tmp_path):
    series(tmp_path / "LIDC-IDRI-0777" / "1" / "2")
    (tmp_path / "LIDC-IDRI-0777" / "1" / "2" / "069.xml").write_text(
        xml(nodule(ball((7, 30, 40), 8)))
    )
    assert [n.patient for n in read_dataset(tmp_path).nodules] == ["LIDC-IDRI-0777"]


def test_anything_else_is_refused_with_the_formats(tmp_path):
    (tmp_path / "notes.xml").write_text("<notes/>")
    (tmp_path / "readme.txt").write_text("nothing here")
    for path in (tmp_path, tmp_path / "readme.txt"):
        with pytest.raises(
            NoduleRiskError, match=r"\.csv or \.tsv.*DenseSharp.*LIDC-IDRI.*slices\.npz"
        ):
            read_dataset(path)
    with pytest.raises(NoduleRiskError, match="check the path"):
        read_dataset(tmp_path / "gone")


def test_damaged_slices_are_refused(tmp_path):
    np.savez(tmp_path / "slices.npz", image=np.zeros(3))
    with pytest.raises(NoduleRiskError, match="not a complete folder of LIDC slices"):
        read_dataset(tmp_path)


def test_datasets_are_read_and_written_without_torch():
    """Slicer writes its annotations through these modules in its own process."""
    program = "import sys, nodulerisk.datasets.read; sys.exit('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0


def test_what_the_licence_requires_goes_on_to_what_is_made_of_the_data(lidc_folder, tmp_path):
    test_densesharp(tmp_path)
    assert read_dataset(tmp_path).attribution == ""
    keep_attribution(read_dataset(lidc_folder), tmp_path)
    assert "doi:10.7937" in read_dataset(tmp_path).attribution
