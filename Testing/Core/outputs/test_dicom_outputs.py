"""DICOM output: a segmentation and a report that other programs read, about the source's own voxels
(fault 46)."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from typer.testing import CliRunner

from made_assessment import made_assessment, sphere_nodule
from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_enhanced, write_series
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, Provenance, load_assessment, save_assessment
from nodulerisk.checks import Check
from nodulerisk.cli import app
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError, NoduleRiskError, OutputError
from nodulerisk.outputs.dicom import read_source, write_dicom
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

DEMO = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"
HU = phantom((20, 30, 34))
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

    def write(change=None, direction=None, **changes) -> Path:
        folder = tmp_path / f"series {generate_uid()}"
        write_series(folder, HU, direction=direction, change=change, **header(**changes))
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


def texts_of(group) -> list[str]:
    return [item.value for item in group[0].ContentSequence if item.ValueType == "TEXT"]


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
    assert [g.tracking_identifier for g in report.get_image_measurement_groups()] == ["N2"]


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


def test_decisions_have_standard_codes_unless_they_are_of_simulated_evidence(series, tmp_path):
    folder = series()
    write_dicom([assessed(read_ct(folder))], read_source(folder), tmp_path)
    _, [group] = read_report(tmp_path / SR_NAME)
    decisions = {
        e.name.meaning: e.value
        for e in group.get_qualitative_evaluations()
        if e.name.value != "276214006"
    }
    found = {name: (code.scheme_designator, code.value) for name, code in decisions.items()}
    assert found == {
        "Malignancy": ("SCT", "21594007"),
        "density": ("RADLEX", "RID50151"),
        "spiculation": ("DCM", "112136"),
        "invasiveness": ("99LNR", "INV-0"),
        "grade": ("99LNR", "GRA-1"),
    }
    assert decisions["grade"].meaning == "grade 2"


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
    for path in write_dicom([assessed(ct), unmasked], read_source(source), tmp_path / "out"):
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
