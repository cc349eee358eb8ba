"""DICOM output: a segmentation and a report that other programs read, about the source's own voxels
(fault 46)."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.path import Path as MplPath
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from made_assessment import made_assessment, made_ct, sphere_nodule
from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_enhanced, write_series
from made_shapes import SAGITTAL
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import (
    Assessment,
    Provenance,
    TaskResult,
    load_assessment,
    save_assessment,
)
from nodulerisk.checks import CHECKS, CYSTIC, NO_NODULE, NOT_A_NODULE, Check
from nodulerisk.cli import app
from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import patient_from
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.dicom.files import DicomFile
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError, NoduleRiskError, OutputError
from nodulerisk.language.spoken import speaking
from nodulerisk.nodule.measure import measure
from nodulerisk.nodule.same import told_apart
from nodulerisk.outputs.dicom import DicomSource, read_source, tracked, write_dicom
from nodulerisk.outputs.dicom.sr import OHIF_CALIPERS
from nodulerisk.outputs.style import NO_RISK_KNOWN, RISK_COLOURS, SEG_NAME, SR_NAME

DEMO = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"
HU = phantom((20, 30, 34))
NOTHING = (NO_NODULE, NOT_A_NODULE)
WITHHOLDING = [c for c in CHECKS.values() if c.withholds and c not in NOTHING]
ANGLE = np.radians(25)
OBLIQUE = np.array(
    [[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]]
)
FEET_LAST = np.diag([1.0, -1.0, -1.0])


def header(**changes) -> dict:
    """Returns what a scanner writes about patient and study."""
    return {
        "StudyInstanceUID": generate_uid(),
        "FrameOfReferenceUID": generate_uid(),
        "PatientName": "Secret^Name",
        "PatientID": "SECRET-ID",
        "PatientBirthDate": "19500102",
        "PatientSex": "F",
        "StudyDate": "20200304",
        "StudyTime": "101112",
        "StudyID": "S1",
        "AccessionNumber": "A1",
        "Manufacturer": "Maker",
        "SpecificCharacterSet": "ISO_IR 100",
    } | changes


@pytest.fixture
def series(tmp_path) -> Callable[..., Path]:
    """Writes a series and returns its folder."""

    def write(change=None, direction=None, spacing_mm=SPACING_MM, **changes) -> Path:
        folder = tmp_path / f"series {generate_uid()}"
        made = {"direction": direction, "change": change, "spacing_mm": spacing_mm}
        write_series(folder, HU, **made, **header(**changes))
        return folder

    return write


def assessed(ct: CT, **changes) -> Assessment:
    """A made assessment whose mask is a sphere at the CT's centre."""
    centre = ct.point_of((np.array(ct.hu.shape[::-1]) - 1) / 2)
    made = made_assessment(ct, nodule=sphere_nodule(ct, centre), centre_lps_mm=tuple(centre))
    return replace(
        made,
        point_lps_mm=tuple(centre + 1),
        provenance=replace(made.provenance, series_uid=ct.acquisition.series_uid),
        **changes,
    )


def in_order(points: np.ndarray) -> np.ndarray:
    points = np.round(points, 3) + 0.0
    return points[np.lexsort(points.T)]


def positions_by_pydicom(path: Path, segment: int = 1) -> np.ndarray:
    """LPS positions of a segment's voxels, by the standard's formula for each frame (PS3.3
    C.7.6.2.1.1)."""
    seg = dcmread(path)
    shared = seg.SharedFunctionalGroupsSequence[0]
    along, down = np.reshape(
        shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)
    ).astype(float)
    row_step, column_step = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    found = []
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)
    for pixels, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        if of_frame(group, shared) == segment:
            rows, columns = np.nonzero(pixels)
            corner = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
            found.append(
                corner + np.outer(columns * column_step, along) + np.outer(rows * row_step, down)
            )
    return in_order(np.concatenate(found))


def of_frame(group: Dataset, shared: Dataset) -> int:
    identified = group if "SegmentIdentificationSequence" in group else shared
    return identified.SegmentIdentificationSequence[0].ReferencedSegmentNumber


def positions_by_highdicom(path: Path, segment: int = 1) -> np.ndarray:
    volume = hd.seg.segread(path).get_volume(segment_numbers=[segment], combine_segments=True)
    return in_order(volume.map_indices_to_reference(np.argwhere(volume.array)))


def positions_on_ct(assessment: Assessment, ct: CT) -> np.ndarray:
    return in_order(np.array([ct.point_of(voxel[::-1]) for voxel in np.argwhere(assessment.mask)]))


def read_report(path: Path) -> tuple[hd.sr.MeasurementReport, list]:
    content = hd.sr.srread(path).content
    return content, content.get_volumetric_roi_measurement_groups()


def about_points(report: hd.sr.MeasurementReport) -> list:
    """The groups of nodules without a mask: of those about images, what is no caliper."""
    groups = report.get_image_measurement_groups()
    return [group for group in groups if not group.tracking_identifier.startswith(OHIF_CALIPERS)]


def texts_of(group) -> list[str]:
    return [item.value for item in group[0].ContentSequence if item.ValueType == "TEXT"]


def codes_in(dataset: Dataset) -> list[Code]:
    """Every code anywhere in a dataset."""
    return [
        Code(item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning)
        for element in dataset.iterall()
        if element.VR == "SQ"
        for item in element.value
        if "CodeMeaning" in item and "CodeValue" in item
    ]


def words_in(dataset: Dataset) -> list[str]:
    """Every text and every code's meaning."""
    texts = [e.value for e in dataset.iterall() if e.keyword in ("TextValue", "SegmentDescription")]
    return [*texts, *(code.meaning for code in codes_in(dataset))]


def validated(path: Path) -> str:
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True)
    return done.stdout + done.stderr


# --- The same voxels


@pytest.mark.parametrize(
    "direction", [None, OBLIQUE, FEET_LAST], ids=["straight", "oblique", "feet last"]
)
def test_segmentation_overlays_the_same_voxels(series, tmp_path, direction):
    assert_overlays(series(direction=direction), tmp_path)


def test_segmentation_overlays_the_frames_of_a_multiframe_file(tmp_path):
    assert_overlays(write_enhanced(tmp_path / "ct.dcm", HU, **header()), tmp_path)


def test_segmentation_overlays_a_multiframe_file_that_repeats_its_geometry_in_each_frame(tmp_path):
    dataset = dcmread(write_enhanced(tmp_path / "ct.dcm", HU, **header()))
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for group in dataset.PerFrameFunctionalGroupsSequence:
        group.PlaneOrientationSequence = shared.PlaneOrientationSequence
        group.PixelMeasuresSequence = shared.PixelMeasuresSequence
    del shared.PlaneOrientationSequence, shared.PixelMeasuresSequence
    dataset.save_as(tmp_path / "ct.dcm")
    assert_overlays(tmp_path / "ct.dcm", tmp_path)


def test_segmentation_overlays_slices_whose_orientations_differ_by_rounding(series, tmp_path):
    def turn(dataset, k):
        dataset.ImageOrientationPatient = [1, k * 1e-6, 0, -k * 1e-6, 1, 0]

    assert_overlays(series(change=turn), tmp_path)


def test_segmentation_overlays_a_zip_with_files_in_any_order(series, tmp_path):
    files = sorted(series().iterdir(), key=lambda path: path.name[-5:])
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for file in files:
            archive.write(file, file.name)
    assert_overlays(tmp_path / "ct.zip", tmp_path)


def test_segmentation_overlays_a_series_with_a_slice_missing_elsewhere(series, tmp_path):
    folder = series()
    (folder / "slice 002.dcm").unlink()
    assert_overlays(folder, tmp_path)


def assert_overlays(source: Path, out: Path) -> None:
    ct = read_ct(source)
    assessment = assessed(ct)
    write_dicom([assessment], read_source(source), out / "out")
    expected = positions_on_ct(assessment, ct)
    np.testing.assert_allclose(positions_by_pydicom(out / "out" / SEG_NAME), expected, atol=2e-3)
    np.testing.assert_allclose(positions_by_highdicom(out / "out" / SEG_NAME), expected, atol=2e-3)


def test_each_frame_names_the_image_that_it_lies_on(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    heights = {
        str(file.SOPInstanceUID): file.ImagePositionPatient[2]
        for file in map(dcmread, folder.iterdir())
    }
    for group in dcmread(tmp_path / SEG_NAME).PerFrameFunctionalGroupsSequence:
        image = group.DerivationImageSequence[0].SourceImageSequence[0]
        height = heights[image.ReferencedSOPInstanceUID]
        assert height == pytest.approx(group.PlanePositionSequence[0].ImagePositionPatient[2])
        assert image.SpatialLocationsPreserved == "YES"


def test_two_nodules_that_overlap_and_one_without_a_mask(series, tmp_path):
    folder = series()
    ct = read_ct(folder)
    low = ct.point_of((16, 14, 5))
    first = assessed(ct)
    unmasked = assessed(ct, name="N2")
    unmasked = replace(
        unmasked, nodule=replace(unmasked.nodule, region=np.zeros((0, 0, 0), np.uint8))
    )
    second = replace(
        assessed(ct, name="N3"), nodule=sphere_nodule(ct, low, 5), centre_lps_mm=tuple(low)
    )
    write_dicom([first, unmasked, second], read_source(folder), tmp_path)
    for number, nodule in enumerate((first, second), start=1):
        expected = positions_on_ct(nodule, ct)
        np.testing.assert_allclose(
            positions_by_pydicom(tmp_path / SEG_NAME, number), expected, atol=2e-3
        )
        np.testing.assert_allclose(
            positions_by_highdicom(tmp_path / SEG_NAME, number), expected, atol=2e-3
        )
    report, groups = read_report(tmp_path / SR_NAME)
    referenced = {
        g.tracking_identifier: g.referenced_segment[0].referenced_segment_numbers for g in groups
    }
    assert referenced == {"N1": [1], "N3": [2]}
    assert [g.tracking_identifier for g in about_points(report)] == ["N2"]


def test_mask_on_one_slice_keeps_the_distance_between_slices(series, tmp_path):
    folder = series()
    assessment = assessed(read_ct(folder))
    z, y, x = assessment.nodule.first_voxel
    flat = replace(
        assessment.nodule, region=assessment.nodule.region[4:5], first_voxel=(z + 4, y, x)
    )
    write_dicom([replace(assessment, nodule=flat)], read_source(folder), tmp_path)
    shared = dcmread(tmp_path / SEG_NAME).SharedFunctionalGroupsSequence[0]
    assert shared.PixelMeasuresSequence[0].SpacingBetweenSlices == SPACING_MM[2]


def test_saved_assessment_can_be_exported_later(series, tmp_path):
    folder = series()
    ct = read_ct(folder)
    save_assessment(assessed(ct), ct, tmp_path / "N1")
    write_dicom([load_assessment(tmp_path / "N1")], read_source(folder), tmp_path)
    np.testing.assert_allclose(
        positions_by_pydicom(tmp_path / SEG_NAME), positions_on_ct(assessed(ct), ct), atol=2e-3
    )


# --- What they say


def test_both_files_say_the_same_in_every_language(series, tmp_path):
    folder = series()
    found, source = assessed(read_ct(folder)), read_source(folder)
    for language in ("en", "de", "zh_CN"):
        with speaking(language):
            write_dicom([found], source, tmp_path / language)
    for name in (SEG_NAME, SR_NAME):
        english = words_in(dcmread(tmp_path / "en" / name))
        assert english
        for language in ("de", "zh_CN"):
            assert words_in(dcmread(tmp_path / language / name)) == english


def test_segment_says_what_it_is_and_what_drew_it(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder), name="結節 1")], read_source(folder), tmp_path)
    segment = dcmread(tmp_path / SEG_NAME).SegmentSequence[0]
    assert (segment.SegmentLabel, segment.TrackingID) == ("結節 1", "結節 1")
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "27925004"
    assert segment.AnatomicRegionSequence[0].CodeValue == "39607008"
    assert (segment.SegmentAlgorithmType, segment.SegmentAlgorithmName) == (
        "AUTOMATIC",
        "LungNoduleRisk",
    )
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmVersion, algorithm.AlgorithmParameters) == (
        "0.1.0",
        "weight set=open 1.0",
    )


def test_corrected_mask_is_semiautomatic(series, tmp_path):
    folder = series()
    edited = Check("mask-edited", "note", "The mask was corrected by hand.", 30)
    write_dicom([assessed(read_ct(folder), checks=(edited,))], read_source(folder), tmp_path)
    assert dcmread(tmp_path / SEG_NAME).SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"


def test_repeated_exports_track_the_same_nodule_in_new_objects(series, tmp_path):
    folder = series()
    assessment, source = assessed(read_ct(folder)), read_source(folder)
    for out in ("first", "second"):
        write_dicom([assessment], source, tmp_path / out)
    write_dicom([replace(assessment, name="N2")], source, tmp_path / "other")
    segs = [dcmread(tmp_path / out / SEG_NAME) for out in ("first", "second", "other")]
    first, second, other = [seg.SegmentSequence[0].TrackingUID for seg in segs]
    assert first == second != other
    assert (
        len({seg.SOPInstanceUID for seg in segs})
        == len({seg.SeriesInstanceUID for seg in segs})
        == 3
    )
    _, [group] = read_report(tmp_path / "first" / SR_NAME)
    assert (group.tracking_uid, group.tracking_identifier) == (first, "N1")


def test_report_holds_every_number_and_what_it_rests_on(series, tmp_path):
    folder = series()
    assessment = assessed(read_ct(folder))
    write_dicom([assessment], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    numbers = {
        (m.name.scheme_designator, m.name.value): (m.value, m.unit.value)
        for m in group.get_measurements()
    }
    for size in assessment.measurements:
        assert numbers.pop((size.code.scheme, size.code.value)) == (
            pytest.approx(size.value),
            size.unit_code.value,
        )
    assert {name for name, _ in numbers} == {"99LNR"} and {
        unit for _, unit in numbers.values()
    } == {"1"}
    asked = [task for task in assessment.tasks.values() if task.mean]
    assert [value for value, _ in numbers.values()] == pytest.approx(
        [p for task in asked for p in task.mean]
    )
    texts = texts_of(group)
    assert RESEARCH_USE_ONLY in texts
    assert "reader: radiologists' suspicion, not pathology; networks differ by up to 0.09" in texts
    assert "none: no public CT carries these labels: import DenseSharp" in texts
    assert all(any(check.message in text for text in texts) for check in assessment.checks)


def decisions_of(group) -> dict[str, Code]:
    return {
        e.name.meaning: e.value
        for e in group.get_qualitative_evaluations()
        if e.name.value != "276214006"
    }


def test_decisions_that_stand_have_standard_codes(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder), checks=())], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    decisions = decisions_of(group)
    found = {name: (code.scheme_designator, code.value) for name, code in decisions.items()}
    assert found == {
        "Malignancy": ("SCT", "21594007"),
        "density": ("RADLEX", "RID50151"),
        "spiculation": ("DCM", "112136"),
    }


def test_fault_76_what_rests_on_simulated_nodules_has_numbers_alone(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder), checks=())], read_source(folder), tmp_path)
    report, [group] = read_report(tmp_path / SR_NAME)
    numbers = {m.name.value: m.value for m in group.get_measurements()}
    assert [numbers[f"GRA-{k}-D"] for k in range(3)] == pytest.approx([0.15, 0.6, 0.25])
    said = words_in(dcmread(tmp_path / SR_NAME))
    for label in ("pre-invasive", "grade 1", "grade 2", "grade 3"):
        assert not [words for words in said if label in words.lower()]
    assert [text for text in texts_of(group) if text.startswith("Demonstration: trained on sim")]


@pytest.mark.parametrize("reason", WITHHOLDING, ids=lambda c: c.code)
def test_fault_76_a_withheld_decision_has_no_code_but_its_reasons(series, tmp_path, reason):
    folder = series()
    check = Check(reason.code, reason.severity, "said elsewhere", reason.fault)
    write_dicom([assessed(read_ct(folder), checks=(check,))], read_source(folder), tmp_path)
    report, [group] = read_report(tmp_path / SR_NAME)
    codes = {code.value for code in codes_in(dcmread(tmp_path / SR_NAME))}
    assert decisions_of(group) == {} and not codes & {"21594007", "30807003", "RID50151", "112136"}
    segment = dcmread(tmp_path / SEG_NAME).SegmentSequence[0]
    for said in (" ".join(texts_of(group)), segment.SegmentDescription):
        assert f"Withheld: every decision ({reason.withholds})" in said
    assert {m.name.value: m.value for m in group.get_measurements()}["MAL-1-P"] == 0.7333


def test_fault_76_only_the_withheld_decisions_lack_their_codes(series, tmp_path):
    folder = series()
    found = assessed(read_ct(folder), checks=())
    at_odds = replace(found.tasks["malignancy"], members={"small": (0.7, 0.3), "large": (0.2, 0.8)})
    found = replace(found, tasks=found.tasks | {"malignancy": at_odds})
    write_dicom([found], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    assert decisions_of(group).keys() == {"density", "spiculation"}
    assert "Withheld: malignancy (the networks disagree)" in texts_of(group)


@pytest.mark.parametrize("check", [NO_NODULE.check(), NOT_A_NODULE.check(probability=0.1)])
@pytest.mark.parametrize("mask", ["empty", "none", "drawn"])
def test_fault_68_no_nodule_is_no_finding(series, tmp_path, check, mask):
    folder = series()
    ct = read_ct(folder)
    found = assessed(ct, checks=(check,))
    nothing = {"empty": found.nodule.emptied(), "none": None, "drawn": found.nodule}[mask]
    presence = TaskResult(("no nodule", "nodule"), (0.9, 0.1), {}, "no nodule", 0.5, "reader")
    found = replace(found, nodule=nothing, tasks=found.tasks | {"presence": presence})
    beside = replace(assessed(ct, checks=(), name="N2"))
    write_dicom([found], read_source(folder), tmp_path / "alone")
    dataset = dcmread(tmp_path / "alone" / SR_NAME)
    assert not {"27925004", "121071", "276214006"} & {c.value for c in codes_in(dataset)}
    [group] = read_report(tmp_path / "alone" / SR_NAME)[0].get_image_measurement_groups()
    assert decisions_of(group) == {}
    numbers = {m.name.value: m.value for m in group.get_measurements()}
    assert numbers == {"PRE-0-P": 0.9, "PRE-1-P": 0.1}
    classes = [c for task in found.tasks.values() if task is not presence for c in task.classes]
    assert not [w for w in words_in(dataset) for label in classes if label in w.lower()]
    assert f"Warning: {check.message}" in texts_of(group)
    assert not (tmp_path / "alone" / SEG_NAME).exists()
    write_dicom([found, beside], read_source(folder), tmp_path / "both")
    assert len(dcmread(tmp_path / "both" / SEG_NAME).SegmentSequence) == 1


def test_report_refers_to_segment_and_source_images(series, tmp_path):
    folder = series()
    assessment = assessed(read_ct(folder))
    write_dicom([assessment], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    segment, *images = group.referenced_segment
    assert segment.referenced_sop_instance_uid == dcmread(tmp_path / SEG_NAME).SOPInstanceUID
    in_series = {dcmread(file).SOPInstanceUID for file in folder.iterdir()}
    referenced = {image.referenced_sop_instance_uid for image in images}
    assert (
        len(referenced) == len(images) == len(assessment.nodule.region) and referenced < in_series
    )


def test_without_masks_there_is_a_report_alone(series, tmp_path):
    folder = series()
    assessment, source = assessed(read_ct(folder)), read_source(folder)
    assert len(write_dicom([assessment], source, tmp_path / "out")) == 2
    written = write_dicom([replace(assessment, nodule=None)], source, tmp_path / "out")
    assert written == list((tmp_path / "out").iterdir()) == [tmp_path / "out" / SR_NAME]
    report, groups = read_report(written[0])
    [group] = report.get_image_measurement_groups()
    assert not groups and group.source_images[0].referenced_sop_instance_uid in {
        dcmread(file).SOPInstanceUID for file in folder.iterdir()
    }


@pytest.mark.needs("dciodvfy", "dsrdump")
@pytest.mark.parametrize("multiframe", [False, True], ids=["single frames", "multi-frame"])
def test_other_programs_find_no_error(series, tmp_path, multiframe):
    source = write_enhanced(tmp_path / "ct.dcm", HU, **header()) if multiframe else series()
    ct = read_ct(source)
    unmasked = replace(assessed(ct, name="N2"), nodule=None)
    standing = assessed(ct, checks=())
    for path in write_dicom([standing, unmasked], read_source(source), tmp_path / "out"):
        assert "Error" not in validated(path)
    dumped = subprocess.run(
        ["dsrdump", "+Pc", "+Pl", tmp_path / "out" / SR_NAME], capture_output=True, text=True
    )
    assert dumped.returncode == 0 and not {"E:", "F:"} & set(dumped.stderr.split())
    assert '(21594007,SCT,"Malignant")' in dumped.stdout and RESEARCH_USE_ONLY in dumped.stdout


@pytest.mark.needs("dciodvfy")
def test_validator_notices_an_error(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    damaged = dcmread(tmp_path / SEG_NAME)
    del damaged.SegmentSequence[0].SegmentedPropertyTypeCodeSequence
    damaged.save_as(tmp_path / "damaged.dcm")
    assert "Error" in validated(tmp_path / "damaged.dcm")


# --- Where it lies


def ends_lps(measurement, folder: Path) -> np.ndarray:
    """A measurement's ends, by the standard's formula (PS3.3 C.7.6.2.1.1, C.18.6.1.1)."""
    [where] = measurement.referenced_coordinates
    if where.ValueType == "SCOORD3D":
        return np.reshape(where.GraphicData, (-1, 3)).astype(float)
    reference = where.ContentSequence[0].ReferencedSOPSequence[0]
    images = {str(i.SOPInstanceUID): i for i in map(dcmread, folder.iterdir())}
    image = images[reference.ReferencedSOPInstanceUID]
    along, down = np.reshape(image.ImageOrientationPatient, (2, 3)).astype(float)
    columns, rows = np.reshape(where.GraphicData, (-1, 2)).astype(float).T - 0.5
    row_step, column_step = map(float, image.PixelSpacing)
    corner = np.array(image.ImagePositionPatient, float)
    return corner + np.outer(columns * column_step, along) + np.outer(rows * row_step, down)


def calipers_of(path: Path) -> dict[str, list]:
    """By the tracking identifier: the measurements whose ends are known."""
    groups = hd.sr.srread(path).content.get_image_measurement_groups()
    return {
        group.tracking_identifier: group.get_measurements()
        for group in groups
        if group.tracking_identifier.startswith(OHIF_CALIPERS)
    }


@pytest.mark.parametrize(
    "direction", [None, OBLIQUE, FEET_LAST, SAGITTAL], ids=["straight", "oblique", "feet", "side"]
)
def test_axes_run_as_long_as_they_measure_on_the_image_or_across_images(
    series, tmp_path, direction
):
    folder = series(direction=direction)
    ct = read_ct(folder)
    found = assessed(ct)
    found = replace(found, measurements=measure(found.nodule, ct))
    write_dicom([found], read_source(folder), tmp_path)
    [(name, axes)] = calipers_of(tmp_path / SR_NAME).items()
    assert name == "Cornerstone3DTools@^0.1.0:Bidirectional:N1"
    assert [axis.name.meaning for axis in axes] == ["Long Axis", "Short Axis"]
    mask = positions_on_ct(found, ct)
    for axis, size in zip(axes, found.measurements[:2], strict=True):
        ends = ends_lps(axis, folder)
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(size.value, abs=1e-3)
        assert axis.value == pytest.approx(size.value)
        assert np.linalg.norm(mask - ends[:, None], axis=-1).min(axis=1).max() < 1
    kinds = {axis.referenced_coordinates[0].ValueType for axis in axes}
    assert kinds == ({"SCOORD3D"} if direction is SAGITTAL else {"SCOORD"})


def test_axes_name_the_frame_of_a_multiframe_file(tmp_path):
    path = write_enhanced(tmp_path / "ct.dcm", HU, **header())
    write_dicom([assessed(read_ct(path))], read_source(path), tmp_path)
    [axes] = calipers_of(tmp_path / SR_NAME).values()
    image = axes[0].referenced_coordinates[0].ContentSequence[0].ReferencedSOPSequence[0]
    assert image.ReferencedSOPInstanceUID == dcmread(path).SOPInstanceUID
    assert image.ReferencedFrameNumber == 11  # frames run head first


def test_centre_and_outline_are_where_the_nodule_is(series, tmp_path):
    folder = series()
    ct = read_ct(folder)
    found = assessed(ct)
    write_dicom([found], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    items = {item.name.meaning: item for item in group[0].ContentSequence}
    np.testing.assert_allclose(items["Center"].GraphicData, found.centre_lps_mm, atol=1e-3)
    columns, rows = np.reshape(items["Outline"].GraphicData, (-1, 2)).T - 0.5
    assert (columns[0], rows[0]) == (columns[-1], rows[-1])
    widest = max(found.mask, key=lambda one: one.sum())
    border = MplPath(np.stack([columns, rows], axis=1))
    drawn = [border.contains_point((x, y)) for y, x in np.ndindex(widest.shape)]
    np.testing.assert_array_equal(np.reshape(drawn, widest.shape), widest)


@pytest.mark.parametrize(
    ("x", "origin", "side"),
    [
        (-90, -200, "Right"),
        (90, -200, "Left"),
        (-20, -200, None),  # near the midline
        (290, 0, "Left"),
        (110, 0, None),  # the field's middle is not on the scanner's axis
    ],
)
def test_side_is_said_where_the_position_tells_it(series, tmp_path, x, origin, side):
    folder = series(spacing_mm=(9.5, 9.5, 1.25), origin_lps_mm=(origin, 20.0, -300.0))
    found = replace(assessed(read_ct(folder)), nodule=None, centre_lps_mm=(x, 30.0, -290.0))
    write_dicom([found], read_source(folder), tmp_path)
    [group] = read_report(tmp_path / SR_NAME)[0].get_image_measurement_groups()
    [site] = group.finding_sites
    assert site.value.meaning == "Lung"
    assert (site.laterality and site.laterality.meaning) == side


def test_no_side_is_said_of_a_narrow_field(series, tmp_path):
    folder = series(origin_lps_mm=(-110.0, 20.0, -300.0))
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    assert group.finding_sites[0].laterality is None


def test_fault_66_two_points_on_one_nodule_are_one_finding_with_one_segment(series, tmp_path):
    folder = series()
    ct = read_ct(folder)
    first = assessed(ct, checks=())
    twin = told_apart(assessed(ct, name="N2"), [first], ct)
    write_dicom([first, twin], read_source(folder), tmp_path)
    assert [s.SegmentLabel for s in dcmread(tmp_path / SEG_NAME).SegmentSequence] == ["N1"]
    report, [group] = read_report(tmp_path / SR_NAME)
    assert group.tracking_identifier == "N1" and about_points(report) == []
    assert [text for text in texts_of(group) if text.startswith("Warning: N2: This point lies on")]
    write_dicom([twin], read_source(folder), tmp_path)  # the first point was deleted
    assert [s.SegmentLabel for s in dcmread(tmp_path / SEG_NAME).SegmentSequence] == ["N2"]


# --- Which is which


def uids_in(path: Path) -> dict[str, str]:
    groups = hd.sr.srread(path).content.get_volumetric_roi_measurement_groups()
    return {group.tracking_identifier: group.tracking_uid for group in groups}


@given(shift=st.tuples(*[st.floats(-0.01, 0.01)] * 3))
@settings(max_examples=15, deadline=None)
def test_fault_32_a_slightly_moved_click_is_the_same_finding(shift):
    ct = made_ct()
    source = bare_source(ct)
    found = made_assessment(ct)
    moved = replace(
        found,
        point_lps_mm=tuple(np.add(found.point_lps_mm, shift)),
        centre_lps_mm=tuple(np.add(found.centre_lps_mm, shift)),
    )
    assert tracked([found], source) == tracked([moved], source)


def bare_source(ct: CT) -> DicomSource:
    """A source without files: what tracking UIDs are made from."""
    header = Dataset()
    header.SeriesInstanceUID, header.FrameOfReferenceUID, header.StudyInstanceUID = (
        "1.2.3",
        "1.2.4",
        "1.2.5",
    )
    grid = Grid(np.array(ct.origin_lps_mm), ct.direction * ct.spacing_mm)
    return DicomSource({DicomFile("", open): header}, {}, ct.hu.shape, grid, "1.2.3")


def test_fault_32_a_report_that_replaces_one_keeps_its_tracking_uids(series, tmp_path):
    folder = series()
    ct, source = read_ct(folder), read_source(folder)
    first, low = assessed(ct), tuple(ct.point_of((16, 14, 5)))
    second = replace(assessed(ct, name="N2"), nodule=sphere_nodule(ct, low, 4), centre_lps_mm=low)
    write_dicom([first, second], source, tmp_path)
    before = uids_in(tmp_path / SR_NAME)
    clicked = tuple(np.add(first.centre_lps_mm, (1.5, -1.0, 0.5)))
    again = [replace(second, name="A"), replace(first, name="B", centre_lps_mm=clicked)]
    write_dicom(again, source, tmp_path)
    assert uids_in(tmp_path / SR_NAME) == {"A": before["N2"], "B": before["N1"]}


def test_neighbours_do_not_share_the_tracking_uid_of_one_earlier_finding(series, tmp_path):
    folder = series()
    ct, source = read_ct(folder), read_source(folder)
    first = assessed(ct)
    write_dicom([first], source, tmp_path)
    beside = replace(first, name="N2", centre_lps_mm=tuple(np.add(first.centre_lps_mm, (3, 0, 0))))
    nearer = replace(first, name="N3", centre_lps_mm=tuple(np.add(first.centre_lps_mm, (1, 0, 0))))
    before = uids_in(tmp_path / SR_NAME)
    write_dicom([beside, nearer], source, tmp_path)
    now = uids_in(tmp_path / SR_NAME)
    assert now["N3"] == before["N1"] != now["N2"]
    aside = replace(first, centre_lps_mm=tuple(np.add(first.centre_lps_mm, (6, 0, 0))))
    write_dicom([first], source, tmp_path / "again")
    write_dicom([aside, nearer], source, tmp_path / "again")  # the name went to a neighbour
    now = uids_in(tmp_path / "again" / SR_NAME)
    assert now["N3"] == before["N1"] != now["N1"]


def test_two_findings_of_one_name_far_apart_are_two(series, tmp_path):
    folder = series()
    ct, source = read_ct(folder), read_source(folder)
    found = assessed(ct)
    far = replace(found, centre_lps_mm=tuple(np.add(found.centre_lps_mm, (0, 0, 60))))
    assert tracked([found], source) != tracked([far], source)


def test_a_later_scan_takes_over_the_tracking_uid(series, tmp_path):
    before, after = series(), series()
    first = assessed(read_ct(before))
    uids = tracked([first], read_source(before))
    later = [assessed(read_ct(after), name="R1"), assessed(read_ct(after), name="R2")]
    write_dicom(later, read_source(after), tmp_path, handed_on={"R1": uids["N1"]})
    found = uids_in(tmp_path / SR_NAME)
    assert found["R1"] == uids["N1"] != found["R2"]
    segments = dcmread(tmp_path / SEG_NAME).SegmentSequence
    assert [segment.TrackingUID for segment in segments] == list(found.values())


def test_a_later_report_of_the_study_names_the_one_before(series, tmp_path):
    folder = series()
    found, source = assessed(read_ct(folder)), read_source(folder)
    write_dicom([found], source, tmp_path)
    first = dcmread(tmp_path / SR_NAME)
    assert "PredecessorDocumentsSequence" not in first
    write_dicom([found], source, tmp_path)
    [study] = dcmread(tmp_path / SR_NAME).PredecessorDocumentsSequence
    assert study.StudyInstanceUID == first.StudyInstanceUID
    [reported] = study.ReferencedSeriesSequence
    assert reported.SeriesInstanceUID == first.SeriesInstanceUID
    [named] = reported.ReferencedSOPSequence
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID


@pytest.mark.parametrize("left", ["another study", "no report", "damaged"])
def test_what_is_no_report_of_the_study_is_no_predecessor(series, tmp_path, left):
    folder, other = series(), series()
    if left == "another study":
        write_dicom([assessed(read_ct(other))], read_source(other), tmp_path)
    elif left == "no report":
        shutil.copy(next(folder.iterdir()), tmp_path / SR_NAME)
    else:
        (tmp_path / SR_NAME).write_bytes(b"\0" * 128 + b"DICM" + b"nothing")
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    predecessors = dcmread(tmp_path / SR_NAME).get("PredecessorDocumentsSequence", ())
    assert bool(predecessors) == (left == "no report")


# --- What readers list


def test_series_say_when_they_were_made_and_what_they_are(series, tmp_path):
    folder = series()
    started = datetime.now().replace(microsecond=0)
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    made = [dcmread(tmp_path / name) for name in (SEG_NAME, SR_NAME)]
    assert [one.SeriesDescription for one in made] == [
        "LungNoduleRisk masks, research use only",
        "LungNoduleRisk report, research use only",
    ]
    for one in made:
        when = datetime.strptime(one.SeriesDate + one.SeriesTime[:6], "%Y%m%d%H%M%S")
        assert started <= when <= datetime.now()
    assert made[0].BodyPartExamined == "CHEST"
    assert str(made[0].ContentCreatorName) == "LungNoduleRisk^Software"


@pytest.mark.parametrize(
    ("decision", "colour"),
    [("malignant", RISK_COLOURS["last"]), ("benign", RISK_COLOURS["first"])],
)
def test_segments_have_the_colour_of_the_screen(series, tmp_path, decision, colour):
    folder = series()
    found = assessed(read_ct(folder), checks=())
    malignancy = replace(found.tasks["malignancy"], decision=decision, members={})
    stands = replace(found, tasks=found.tasks | {"malignancy": malignancy})
    withheld = replace(stands, name="N2", checks=(CYSTIC.check(),))
    write_dicom([stands, withheld], read_source(folder), tmp_path)
    segments = dcmread(tmp_path / SEG_NAME).SegmentSequence
    for segment, shown in zip(segments, (colour, NO_RISK_KNOWN), strict=True):
        lab = hd.color.CIELabColor.from_dicom_value(segment.RecommendedDisplayCIELabValue)
        np.testing.assert_allclose(lab.to_rgb(), 255 * np.array(shown), atol=1.5)


def test_guidelines_and_scores_are_in_the_report_in_words(series, tmp_path):
    folder = series()
    found = assessed(read_ct(folder), checks=())
    patient = patient_from(["age=62", "sex=female", "status=baseline", "nodules=1", "risk=high"])
    advice = advise(found, patient)
    write_dicom([found], read_source(folder), tmp_path, advice={"N1": advice})
    _, [group] = read_report(tmp_path / SR_NAME)
    said = {i.name.meaning: i.value for i in group[0].ContentSequence if i.ValueType == "TEXT"}
    for one in (*advice.guidelines, *advice.scores):
        assert said[one.name] == one.words


# --- Patient and study


def test_patient_and_study_are_those_of_the_source(series, tmp_path):
    folder = series(PatientName="Grün^Jörg")
    source = dcmread(next(folder.iterdir()))
    for path in write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path):
        made = dcmread(path)
        assert str(made.PatientName) == "Grün^Jörg" and made.PatientID == "SECRET-ID"
        assert (
            made.StudyInstanceUID == source.StudyInstanceUID and made.StudyDate == source.StudyDate
        )
        assert made.SeriesInstanceUID != source.SeriesInstanceUID


@pytest.mark.filterwarnings("default")
def test_fault_46_identity_is_neither_in_file_names_nor_in_what_is_said(
    series, tmp_path, recwarn, capfd, caplog
):
    odd = series(PatientName="Secret without carets")
    broken = series(PatientName="Secret", PatientBirthDate="SECRET")
    recwarn.clear()
    caplog.clear()
    with pytest.raises(OutputError, match="violate the DICOM standard") as refusal:
        write_dicom([assessed(read_ct(broken))], read_source(broken), tmp_path)
    assert not list(tmp_path.glob("*.dcm"))
    written = write_dicom([assessed(read_ct(odd))], read_source(odd), tmp_path)
    assert {path.name for path in written} == {SEG_NAME, SR_NAME}
    said = [
        str(refusal.value),
        caplog.text,
        *capfd.readouterr(),
        *(str(w.message) for w in recwarn),
    ]
    assert "secret" not in "".join(said).lower()


@pytest.mark.needs("dciodvfy")
def test_deidentified_series_without_empty_elements_will_do(series, tmp_path):
    bare = dict.fromkeys(header(), None) | {"StudyInstanceUID": generate_uid()}
    folder = series(**bare)
    source = read_source(folder)
    written = write_dicom([assessed(read_ct(folder))], source, tmp_path)
    frame = dcmread(tmp_path / SEG_NAME).FrameOfReferenceUID
    assert frame == next(iter(read_source(folder).images.values())).FrameOfReferenceUID
    assert all("Error" not in validated(path) for path in written)


# --- Refusals


def test_only_dicom_has_dicom_output(tmp_path):
    (tmp_path / "ct.nrrd").write_text("NRRD0004")
    for path in ("ct.nrrd", "missing"):
        with pytest.raises(OutputError, match="DICOM series"):
            read_source(tmp_path / path)


def test_series_without_identifiers_is_refused(series):
    with pytest.raises(CTError, match="lacks StudyInstanceUID"):
        read_source(series(StudyInstanceUID=None))


def test_tilted_gantry_is_refused_with_the_reason(series):
    def tilt(dataset, k):
        dataset.ImagePositionPatient = list(
            np.array(ORIGIN_LPS_MM) + (0, 0.3 * k, SPACING_MM[2] * k)
        )

    with pytest.raises(CTError, match="tilted gantry"):
        read_source(series(change=tilt))


def moved(assessment: Assessment, mm: float) -> Assessment:
    grid = assessment.nodule.grid
    shifted = Grid(grid.origin_lps_mm + (mm, 0, 0), grid.axes)
    return replace(assessment, nodule=replace(assessment.nodule, grid=shifted))


def of_other_series(assessment: Assessment) -> Assessment:
    return replace(
        assessment, provenance=Provenance("open", "1.0", {}, "0.1.0", "cpu", series_uid="1.2.3")
    )


def of_other_shape(assessment: Assessment) -> Assessment:
    return replace(assessment, nodule=replace(assessment.nodule, ct_shape=(99, 30, 34)))


@pytest.mark.parametrize(
    "change", [of_other_series, of_other_shape, lambda assessment: moved(assessment, 0.7)]
)
def test_mask_that_does_not_lie_on_the_series_voxels_is_refused(series, tmp_path, change):
    folder = series()
    with pytest.raises(OutputError, match="does not lie on the voxels"):
        write_dicom([change(assessed(read_ct(folder)))], read_source(folder), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_fault_01_mask_through_a_missing_slice_is_refused(series, tmp_path):
    folder = series()
    (folder / "slice 010.dcm").unlink()
    with pytest.raises(OutputError, match="slice that is missing from the series"):
        write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)


def test_fault_44_unwritable_folder(series, tmp_path):
    folder = series()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NoduleRiskError, match="cannot be written"):
        write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path / "file")


# --- From the terminal


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_terminal_writes_dicom_when_asked(weights, tmp_path):
    common = ("--weights", weights.folder, "--out", tmp_path)
    assert run("assess", DEMO, "--point", "-81,-192,-192", *common, "--dicom").exit_code == 0
    expected = positions_on_ct(load_assessment(tmp_path), read_ct(DEMO))
    np.testing.assert_allclose(positions_by_pydicom(tmp_path / SEG_NAME), expected, atol=2e-3)
    _, [group] = read_report(tmp_path / SR_NAME)
    assert group.tracking_identifier == "N1"


def test_a_second_run_in_the_terminal_refers_to_the_first(weights, tmp_path):
    common = ("--weights", weights.folder, "--out", tmp_path, "--dicom", "--patient", "age=62")
    reports = []
    for point in ("-81,-192,-192", "-81.01,-192,-192"):
        assert run("assess", DEMO, "--point", point, *common).exit_code == 0
        reports.append((dcmread(tmp_path / SR_NAME), uids_in(tmp_path / SR_NAME)))
    (first, tracked_first), (second, tracked_second) = reports
    [study] = second.PredecessorDocumentsSequence
    named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert tracked_first == tracked_second
    assert {"Lung-RADS v2022", "Fleischner 2017"} <= {c.meaning for c in codes_in(second)}


def test_fault_42_terminal_leaves_no_dicom_of_an_earlier_run(weights, tmp_path):
    for name in (SEG_NAME, SR_NAME):
        (tmp_path / name).write_text("of an earlier run")
    outside = run(
        "assess", DEMO, "--point", "900,0,0", "--weights", weights.folder, "--out", tmp_path
    )
    assert outside.exit_code == 2 and not list(tmp_path.glob("*.dcm"))


def test_terminal_refuses_dicom_of_other_formats_before_it_assesses(weights, tmp_path):
    (tmp_path / "ct.nrrd").write_text("NRRD0004")
    done = run(
        "assess", tmp_path / "ct.nrrd", "--point", "0,0,0", "--dicom", "--out", tmp_path / "out"
    )
    assert done.exit_code == 2 and done.stderr.startswith(
        "Error: DICOM output refers to a DICOM series"
    )


def test_fault_49_results_refer_to_the_volume_that_was_assessed(tmp_path):
    """Two acquisitions under one SeriesInstanceUID: each has results of its own."""
    shared = header(SeriesInstanceUID=generate_uid())
    for number in (1, 2):
        folder = tmp_path / "scan" / str(number)
        heights = (number - 1) / 2 + np.arange(len(HU))
        write_series(folder, HU, heights_mm=heights, AcquisitionNumber=number, **shared)
    names = [f"{shared['SeriesInstanceUID']}#{number}" for number in (1, 2)]
    found = assessed(read_ct(tmp_path / "scan", series_uid=names[1]))
    written = write_dicom([found], read_source(tmp_path / "scan", names[1]), tmp_path / "out")
    referenced = {
        str(image.ReferencedSOPInstanceUID)
        for path in written
        if path.name == SEG_NAME
        for image in dcmread(path).ReferencedSeriesSequence[0].ReferencedInstanceSequence
    }
    own = {str(dcmread(file).SOPInstanceUID) for file in (tmp_path / "scan" / "2").iterdir()}
    assert referenced and referenced <= own
    with pytest.raises(OutputError, match="another CT"):
        write_dicom([found], read_source(tmp_path / "scan", names[0]), tmp_path / "out")
