"""dicom3tools: dciodvfy checks files against the standard."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from pydicom import dcmread

from nodulerisk.outputs.dicom import read_earlier, write_dicom

pytestmark = pytest.mark.needs("dciodvfy")
OWN_CODES = "Warning - Unrecognized defined term <99LNR> for value 1 of attribute"  # as is allowed


def complaints(path: Path) -> set[str]:
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    lines = (done.stdout + done.stderr).splitlines()
    return {line for line in lines if line[:5] in ("Error", "Warni") and OWN_CODES not in line}


def test_report_and_masks_keep_the_standard(written):
    assert complaints(written.report) == complaints(written.masks) == set()


def test_a_report_with_a_predecessor_keeps_the_standard(written, tmp_path):
    earlier = read_earlier(written.report)
    assert earlier is not None
    for path in write_dicom([*written.found], written.source, tmp_path, earlier=earlier):
        assert complaints(path) == set()
    assert "PredecessorDocumentsSequence" in dcmread(tmp_path / written.report.name)


def test_what_violates_it_is_noticed(written, tmp_path):
    damaged = dcmread(written.masks)
    del damaged.SegmentSequence[0].SegmentLabel
    damaged.save_as(tmp_path / "damaged.dcm")
    [complaint] = complaints(tmp_path / "damaged.dcm")
    assert complaint.startswith("Error") and "SegmentLabel" in complaint
