"""dcmqi, which Slicer reads segmentations and reports with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from needs import DCMQI
from nodulerisk.outputs.colours import risk_colour

pytestmark = pytest.mark.needs(DCMQI)
PROGRAMS = Path(sys.executable).parent


def run(program: str, *arguments) -> None:
    done = subprocess.run([PROGRAMS / program, *arguments], capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert not [word for word in ("error", "absent", "Failed") if word in said], said


@pytest.fixture(scope="module")
def segments(written, tmp_path_factory) -> list[tuple[dict, np.ndarray]]:
    """What it says of each segment, and the segment's voxels on its own grid."""
    folder = tmp_path_factory.mktemp("dcmqi")
    run(
        "segimage2itkimage",
        *("--inputDICOM", written.masks, "--outputDirectory", folder, "--outputType", "nrrd"),
    )
    said = json.loads((folder / "meta.json").read_text(encoding="utf-8"))["segmentAttributes"]
    images = [sitk.ReadImage(folder / f"{n}.nrrd") for n in range(1, len(said) + 1)]
    return [(one, image) for (one,), image in zip(said, images, strict=True)]


def test_every_voxel_of_every_mask_comes_back(written, segments):
    assert len(segments) == 2
    assert (written.stands.mask & written.withheld.mask).any()  # they overlap
    for nodule, (said, image) in zip(written.found, segments, strict=True):
        found = np.argwhere(sitk.GetArrayViewFromImage(image) == said["labelID"])
        places = [image.TransformIndexToPhysicalPoint(v[::-1].tolist()) for v in found]
        expected = [written.ct.point_of(v[::-1]) for v in np.argwhere(nodule.mask)]
        np.testing.assert_allclose(in_order(places), in_order(expected), atol=2e-3)


def in_order(points) -> np.ndarray:
    points = np.round(points, 3) + 0.0
    return points[np.lexsort(points.T)]


def test_segments_say_what_they_are_in_the_colour_of_the_screen(written, segments):
    for nodule, (said, _) in zip(written.found, segments, strict=True):
        assert (said["SegmentLabel"], said["TrackingIdentifier"]) == (nodule.name, nodule.name)
        assert said["TrackingUniqueIdentifier"] == written.uids[nodule.name]
        assert said["SegmentedPropertyTypeCodeSequence"]["CodeMeaning"] == "Nodule"
        shown = 255 * np.array(risk_colour(nodule))
        np.testing.assert_allclose(said["recommendedDisplayRGBValue"], shown, atol=1.5)
    assert "Withheld: every decision (the slices are thick)" in segments[1][0]["SegmentDescription"]


@pytest.fixture(scope="module")
def groups(written, tmp_path_factory) -> dict[str, dict]:
    """The report's measurement groups by tracking identifier."""
    file = tmp_path_factory.mktemp("dcmqi") / "report.json"
    run("tid1500reader", "--inputDICOM", written.report, "--outputMetadata", file)
    said = json.loads(file.read_text(encoding="utf-8"))
    return {group["TrackingIdentifier"]: group for group in said["Measurements"]}


def test_every_measurement_comes_back_with_its_segment(written, groups):
    for number, nodule in enumerate(written.found, start=1):
        group = groups[nodule.name]
        assert group["TrackingUniqueIdentifier"] == written.uids[nodule.name]
        assert group["ReferencedSegment"] == number and group["Finding"]["CodeMeaning"] == "Nodule"
        values = {
            (one["quantity"]["CodeValue"], one["units"]["CodeValue"]): float(one["value"])
            for one in group["measurementItems"]
        }
        for size in nodule.measurements:
            found = values[size.code.value, size.unit_code.value]
            assert found == pytest.approx(size.value, abs=1e-6)


def test_only_decisions_that_stand_come_back(written, groups):
    said = {
        name: {
            one["conceptCode"]["CodeMeaning"]: one["conceptValue"]["CodeMeaning"]
            for one in groups[name]["qualitativeEvaluations"]
            if "CodeMeaning" in one["conceptValue"]
        }
        for name in (written.stands.name, written.withheld.name)
    }
    assert said[written.stands.name]["Malignancy"] == "Malignant"
    assert "Malignancy" not in said[written.withheld.name]
