"""The comparison of two checkouts finds differences, and accepts those that are allowed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import generate_uid

from compare import first_difference, known_uids, verdict
from made_dicom import phantom, write_series


def written(folder: Path, name: str, content: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


def difference(tmp_path: Path, name: str, *contents: str) -> str:
    both = (written(tmp_path / str(n), name, content) for n, content in enumerate(contents))
    return first_difference(*both, set())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("a.json", '{"p": 0.5, "seconds": {"mask": 1}}', '{"seconds": {"mask": 2}, "p": 0.5}'),
        ("a.csv", "p,seconds\n0.5,1\n", "p,seconds\n0.5,2\n"),
        ("a.txt", "Done in 3.5 s.", "Done in 4 s."),
        ("a.html", "<p>2024-01-01 12:00</p>", "<p>2025-02-03 13:14</p>"),
    ],
)
def test_times_may_differ(tmp_path, name, old, new):
    assert difference(tmp_path, name, old, new) == ""


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("a.json", '{"p": [0.5]}', '{"p": [0.6]}', ".p[0]"),
        ("a.json", '{"p": 1}', '{"p": 1, "q": 2}', "'q'"),
        ("a.csv", "p,q\n1,2\n", "q,p\n2,1\n", "row 0"),
        ("a.txt", "same\nold", "same\nnew", "line 1"),
        ("a.ply", "old", "new", "bytes"),
    ],
)
def test_values_may_not_differ(tmp_path, name, old, new, where):
    assert where in difference(tmp_path, name, old, new)


def test_one_voxel_is_found(tmp_path):
    paths = [tmp_path / name for name in ("old.nrrd", "new.nrrd")]
    for value, path in enumerate(paths):
        hu = np.zeros((3, 4, 5), np.int16)
        hu[1, 2, 3] = value
        sitk.WriteImage(sitk.GetImageFromArray(hu), str(path))
    assert first_difference(*paths, set()).startswith("voxels")


def test_identifiers_made_anew_may_differ_and_those_of_the_inputs_may_not(tmp_path):
    source, *_ = write_series(tmp_path / "inputs", phantom())
    known, copy = known_uids(tmp_path / "inputs"), tmp_path / "copy.dcm"

    def changed(keyword: str, value: str) -> str:
        dataset = dcmread(source)
        dataset.ClinicalTrialSeriesID = "made"
        dataset.TrackingUID = generate_uid()
        dataset.save_as(tmp_path / "old.dcm")
        setattr(dataset, keyword, value)
        dataset.save_as(copy)
        return first_difference(tmp_path / "old.dcm", copy, known)

    assert changed("TrackingUID", generate_uid()) == ""
    assert changed("SeriesInstanceUID", generate_uid()).startswith("/SeriesInstanceUID")
    assert changed("Rows", 99).startswith("/Rows")


def test_a_missing_file_is_a_difference(tmp_path, capsys):
    path = written(tmp_path, "a.json", json.dumps({}))
    assert verdict({"a": path, "b": path}, {"a": path}, set()) == 1
    assert capsys.readouterr().out == (
        "identical  a\nDIFFERS    b: only of the old\n1 of 2 files differ.\n"
    )
    assert verdict({"a": path}, {"a": path}, set()) == 0
