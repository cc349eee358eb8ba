"""Which slices are one volume: fault rows 49, 50, 55 and 56."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from made_dicom import (
    ORIGIN_LPS_MM,
    SPACING_MM,
    phantom,
    write_enhanced,
    write_enhanced_stacks,
    write_series,
)
from nodulerisk.ct.dicom.dates import days_between
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError, SeveralSeriesError

STEP_MM = SPACING_MM[2]
UID = "1.2.3"
ONE_SERIES = {"SeriesInstanceUID": UID, "StudyInstanceUID": "1.2", "FrameOfReferenceUID": "1.4"}
CORONAL = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])


def moved(hu: np.ndarray) -> np.ndarray:
    """The anatomy after a breath."""
    return np.roll(hu, 3, axis=1)


def codes(ct: CT) -> set[str]:
    return {check.code for check in ct.checks}


def words(ct: CT) -> str:
    return " ".join(check.message for check in ct.checks)


def write(folder: Path, hu: np.ndarray, height_mm: float = 0, **header) -> list[Path]:
    """Writes slices of the one series at this height."""
    change = header.pop("change", None)
    heights = height_mm + np.arange(len(hu)) * STEP_MM
    return write_series(folder, hu, heights_mm=heights, change=change, **(ONE_SERIES | header))


def by_gdcm(files: list[Path]) -> sitk.Image:
    """The files of one volume as another reader reads them."""
    ordered = sorted(files, key=lambda file: float(dcmread(file).ImagePositionPatient[2]))
    return sitk.ReadImage([str(file) for file in ordered], imageIO="GDCMImageIO")


def assert_is(ct: CT, files: list[Path]) -> None:
    """HU equal voxel by voxel, positions to 0.01 mm."""
    image = by_gdcm(files)
    np.testing.assert_array_equal(ct.hu, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(ct.origin_lps_mm, image.GetOrigin(), atol=0.01)
    np.testing.assert_allclose(ct.spacing_mm, image.GetSpacing(), atol=1e-4)


def assert_told_apart(
    folder: Path, parts: list[list[Path]], said: list[str], others: int = 0
) -> None:
    """Nothing is merged, each volume is listed with what tells it apart, and each can be chosen.
    After these parts, so many others are listed."""
    for asked in (None, UID):
        with pytest.raises(SeveralSeriesError, match="several") as refusal:
            read_ct(folder, series_uid=asked)
        names = [f"{UID}#{k}" for k in range(1, len(parts) + 1 + others)]
        assert list(refusal.value.series) == names
        assert "ecret" not in str(refusal.value) and "SECRET" not in str(refusal.value)
    listed = list(refusal.value.series.items())[: len(parts)]
    for (name, text), files, part in zip(listed, parts, said, strict=True):
        assert part in text and f"{name}: {text}" in str(refusal.value)
        ct = read_ct(folder, series_uid=name)
        assert ct.acquisition.series_uid == name
        assert_is(ct, files)


TOLD_APART = {
    "acquisitions": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, "acquisition {}"),
    "kernels": ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}, "kernel B{3,7}0f"),
    "a kernel, and none": ({"ConvolutionKernel": None}, {"ConvolutionKernel": "B70f"}, "kernel"),
    "stacks": ({"StackID": "1"}, {"StackID": "2"}, "stack {}"),
    "time points": (
        {"TemporalPositionIdentifier": 1},
        {"TemporalPositionIdentifier": 2},
        "time point {}",
    ),
    "cardiac phases": (
        {"NominalPercentageOfCardiacPhase": 35.0},
        {"NominalPercentageOfCardiacPhase": 75.0},
        "heart phase % {35,75}.0",
    ),
    "inspiration and expiration": (
        {"SeriesDescription": "EXP"},
        {"SeriesDescription": "INSP"},
        "{EXP,INSP}",
    ),
    "energies": ({"KVP": 80}, {"KVP": 140}, "kV {80,140}"),
    "keV": (
        {"ImageComments": "MonoE 40 keV"},
        {"ImageComments": "MonoE 70 keV"},
        "MonoE {4,7}0 keV",
    ),
    "before and after contrast": (
        {"ContrastBolusAgent": None},
        {"ContrastBolusAgent": "Iomeron"},
        "contrast agent",
    ),
    "a derived reformat": (
        {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]},
        "/",
    ),
    "series numbers": ({"SeriesNumber": 9}, {"SeriesNumber": 10}, "series number {9,10}"),
    "irradiation events": (
        {"IrradiationEventUID": "1.9"},
        {"IrradiationEventUID": "1.8"},
        "scan {}",
    ),
    "times": ({"AcquisitionTime": "120000"}, {"AcquisitionTime": "120500"}, "scan {}"),
    "prone and supine": ({"PatientPosition": "HFP"}, {"PatientPosition": "HFS"}, "HF"),
}


def texts(pattern: str) -> list[str]:
    """``{a,b}`` stands for a in the first volume and b in the second, ``{}`` for 1 and 2."""
    one, two = (
        re.sub(r"\{(.*?)\}", lambda found: (found[1] or "1,2").split(",")[k], pattern)  # noqa: B023
        for k in (0, 1)
    )
    return [one, two]


@pytest.mark.parametrize("offset_mm", [0, STEP_MM / 2, STEP_MM / 3], ids=["same", "half", "third"])
@pytest.mark.parametrize("kind", TOLD_APART)
def test_fault_49_two_volumes_under_one_uid(tmp_path, kind, offset_mm):
    first, second, pattern = TOLD_APART[kind]
    if "ImageType" in first and offset_mm:
        pattern = "/"
    one = write(tmp_path / "b", phantom(), **first)
    two = write(tmp_path / "a", moved(phantom()), offset_mm, **second)
    if kind == "irradiation events":  # in the order of their values
        one, two = two, one
    assert_told_apart(tmp_path, [one, two], texts(pattern))


def test_fault_49_kernels_of_two_phases(tmp_path):
    """Four volumes, told apart by two elements."""
    parts, said = [], []
    for k, kernel in enumerate(["Bf40", "Bl57"]):
        for phase in (1, 2):
            parts.append(
                write(
                    tmp_path / f"{k}{phase}",
                    np.roll(phantom(), 4 * k + phase, axis=1),
                    ConvolutionKernel=kernel,
                    TemporalPositionIdentifier=phase,
                )
            )
            said.append(f"kernel {kernel}, time point {phase}")
    assert_told_apart(tmp_path, parts, said)


def test_fault_49_ten_heart_phases_in_one_folder(tmp_path):
    for phase in range(10):
        write(
            tmp_path / str(phase),
            np.roll(phantom(), phase, axis=1),
            NominalPercentageOfCardiacPhase=10.0 * phase,
        )
    with pytest.raises(SeveralSeriesError, match="heart phase % 90.0") as refusal:
        read_ct(tmp_path)
    assert len(refusal.value.series) == 10
    np.testing.assert_array_equal(
        read_ct(tmp_path, series_uid=f"{UID}#4").hu, np.roll(phantom(), 3, axis=1)
    )


def test_fault_49_numbered_one_after_the_other(tmp_path):
    """Nothing but InstanceNumber tells the two apart."""

    def count_on(dataset, k):
        dataset.InstanceNumber = 24 - k

    one = write(tmp_path / "a", phantom())
    two = write(tmp_path / "b", moved(phantom()), STEP_MM / 2, change=count_on)
    assert_told_apart(tmp_path, [one, two], ["images 1 to 12", "images 13 to 24"])


def test_fault_49_told_apart_by_a_private_element_or_the_folder(tmp_path):
    def energy(kev):
        def set_energy(dataset, _):
            dataset.private_block(0x0053, "MAKER", create=True).add_new(1, "LO", f"{kev} keV")

        return set_energy

    one = write(tmp_path / "scan" / "a", phantom(), change=energy(40))
    two = write(tmp_path / "scan" / "b", moved(phantom()), change=energy(70))
    assert_told_apart(tmp_path / "scan", [one, two], ["part 1", "part 2"])
    for number, file in enumerate([*one, *two]):
        shutil.copy(file, (tmp_path / f"{number}.dcm"))
    shutil.rmtree(tmp_path / "scan")
    assert_told_apart(
        tmp_path,
        [
            [tmp_path / f"{k}.dcm" for k in range(12)],
            [tmp_path / f"{k}.dcm" for k in range(12, 24)],
        ],
        ["part 1", "part 2"],
    )


def test_fault_49_interleaved_without_anything_to_tell_apart(tmp_path):
    write(tmp_path, phantom())
    for k, file in enumerate(write(tmp_path / "b", moved(phantom()), STEP_MM / 2)):
        file.rename(tmp_path / f"second {k}.dcm")
    (tmp_path / "b").rmdir()
    with pytest.raises(CTError, match="share their InstanceNumber"):
        read_ct(tmp_path)


def test_fault_49_interleaved_and_numbered_as_one(tmp_path):
    """No header tells the two apart: the anatomy does."""

    def anatomy(k):
        y, x = np.mgrid[:64, :64]
        wall = np.hypot(y - 32 - k, x - 32) > 24
        return np.where(wall, 40, -850)

    noise = np.random.default_rng(1).normal(0, 15, (24, 64, 64))
    hu = np.array([anatomy(8 * (k % 2)) for k in range(24)]) + noise
    write(tmp_path / "moved", hu.astype(np.int16))
    with pytest.raises(CTError, match="one after next"):
        read_ct(tmp_path / "moved")
    still = np.array([anatomy(k // 4) for k in range(24)]) + noise
    write(tmp_path / "still", still.astype(np.int16))
    assert read_ct(tmp_path / "still").checks == ()


def test_fault_49_two_spellings_of_one_value_split_nothing(tmp_path):
    def spell(dataset, k):
        dataset.KVP = "120" if k < 6 else "120.0"
        dataset.SliceThickness = "1" if k % 2 else "1.000"
        dataset.PatientName = "Secret^Name" if k < 6 else "Secret^Name^^^"
        dataset.PixelSpacing = ["0.8", "0.7"] if k % 3 else ["0.8000001", "0.7"]

    files = write(tmp_path, phantom(), change=spell)
    ct = read_ct(tmp_path)
    assert_is(ct, files)
    assert ct.checks == ()


def test_fault_49_a_volume_with_a_missing_slice(tmp_path):
    one = write(tmp_path / "a", phantom(), AcquisitionNumber=1)
    two = write(tmp_path / "b", moved(phantom()), STEP_MM / 2, AcquisitionNumber=2)
    one.pop(5).unlink()
    ct = read_ct(tmp_path, series_uid=f"{UID}#1")
    assert ct.filled_slices == (5,) and "missing-slices" in codes(ct)
    assert_is(read_ct(tmp_path, series_uid=f"{UID}#2"), two)


def test_fault_49_overlapping_acquisitions(tmp_path):
    """Chest and abdomen, whose ranges overlap by three slices."""
    one = write(tmp_path / "a", phantom(), AcquisitionNumber=1)
    two = write(tmp_path / "b", moved(phantom()), 9 * STEP_MM, AcquisitionNumber=2)
    assert_told_apart(tmp_path, [one, two], ["acquisition 1", "acquisition 2"])


@pytest.mark.parametrize("height_mm", [0, STEP_MM / 2, 12 * STEP_MM + 30], ids=str)
def test_fault_49_two_slices_of_another_acquisition(tmp_path, height_mm):
    """They are no reason to refuse the rest."""
    one = write(tmp_path / "a", phantom(), AcquisitionNumber=1)
    two = write(tmp_path / "b", moved(phantom())[:2], height_mm, AcquisitionNumber=2)
    assert_told_apart(tmp_path, [one], ["acquisition 1"], others=1)
    for file in two[1:]:
        file.unlink()
    ct = read_ct(tmp_path)
    assert_is(ct, one)
    assert "differ in AcquisitionNumber" in words(ct) and "1 image(s)" in words(ct)


def test_fault_49_acquisitions_with_a_gap_between(tmp_path):
    one = write(tmp_path / "a", phantom(), AcquisitionNumber=0)
    two = write(tmp_path / "b", phantom(), 12 * STEP_MM + 20, AcquisitionNumber=1)
    assert_told_apart(tmp_path, [one, two], ["acquisition 0", "acquisition 1"])


def test_fault_49_a_map_of_another_unit(tmp_path):
    one = write(tmp_path / "a", phantom(), RescaleType="HU")
    write(tmp_path / "b", phantom(), STEP_MM / 2, RescaleType="Z_EFF")
    assert_told_apart(tmp_path, [one], ["values in HU"], others=1)
    with pytest.raises(CTError, match="in Z_EFF"):
        read_ct(tmp_path, series_uid=f"{UID}#2")


@pytest.mark.parametrize("slices_each", [1, 4], ids=["step and shoot", "rotations"])
def test_fault_49_acquisitions_along_one_volume_stay_one(tmp_path, slices_each):
    def count(dataset, k):
        dataset.AcquisitionNumber = 1 + k // slices_each
        dataset.AcquisitionTime = f"12000{k // slices_each}"

    files = write(tmp_path, phantom((9, 16, 18)), change=count)
    ct = read_ct(tmp_path)
    assert_is(ct, files)
    assert ct.checks == () and ct.acquisition.series_uid == UID


def test_fault_49_two_kernels_along_the_patient_are_two_volumes(tmp_path):
    one = write(tmp_path / "a", phantom((6, 16, 18)), ConvolutionKernel="B30f")
    two = write(tmp_path / "b", phantom((6, 16, 18)), 6 * STEP_MM, ConvolutionKernel="B70f")
    assert_told_apart(tmp_path, [one, two], ["kernel B30f", "kernel B70f"])


@pytest.mark.parametrize(
    "header",
    [{"XRayTubeCurrent": 100}, {"ContentTime": "120000"}, {"Exposure": 9}, {"TriggerTime": 1.0}],
    ids=lambda header: next(iter(header)),
)
def test_fault_49_what_varies_from_slice_to_slice_splits_nothing(tmp_path, header):
    def vary(dataset, k):
        for keyword, value in header.items():
            setattr(dataset, keyword, f"{float(value) + k:.0f}")

    files = write(tmp_path, phantom(), change=vary)
    assert_is(read_ct(tmp_path), files)


def test_fault_49_scrambled_numbers_split_nothing(tmp_path):
    def scramble(dataset, k):
        dataset.InstanceNumber = 1 + (5 * k) % 12

    files = write(tmp_path, phantom(), change=scramble)
    assert_is(read_ct(tmp_path), files)


def test_fault_49_two_fields_of_view(tmp_path):
    def zoom(dataset, _):
        dataset.PixelSpacing = [0.4, 0.35]

    def shift(dataset, _):
        dataset.ImagePositionPatient[0] += 40

    one = write(tmp_path / "a", phantom())
    two = write(tmp_path / "b", moved(phantom()), change=zoom)
    assert_told_apart(tmp_path, [one, two], ["pixel spacing 1", "pixel spacing 2"])
    shutil.rmtree(tmp_path / "b")
    two = write(tmp_path / "b", moved(phantom()), change=shift)
    assert_told_apart(tmp_path, [one, two], ["field of view 1", "field of view 2"])


def test_fault_49_reformats_and_localizers_under_one_uid(tmp_path):
    files = write(tmp_path / "ct", phantom())
    write_series(tmp_path / "coronal", phantom(), direction=CORONAL, **ONE_SERIES)
    write(tmp_path / "scout", phantom()[:3], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(tmp_path / "unmarked scout", phantom()[:1], direction=CORONAL, **ONE_SERIES)
    ct = read_ct(tmp_path)
    assert_is(ct, files)
    assert ct.checks == () and ct.acquisition.series_uid == f"{UID}#1"


@pytest.mark.parametrize("apart", ["StackID", "TemporalPositionIndex", "ConvolutionKernel"])
@pytest.mark.parametrize("offset_mm", [0, STEP_MM / 2])
def test_fault_49_stacks_in_a_multiframe_file(tmp_path, apart, offset_mm):
    path = write_enhanced_stacks(
        tmp_path / "stacks.dcm",
        [phantom(), moved(phantom())],
        [0, offset_mm],
        apart,
        SeriesInstanceUID=UID,
    )
    with pytest.raises(SeveralSeriesError, match="several volumes") as refusal:
        read_ct(path)
    assert list(refusal.value.series) == [f"{UID}#1", f"{UID}#2"]
    for k, hu in enumerate([phantom(), moved(phantom())]):
        ct = read_ct(path, series_uid=f"{UID}#{k + 1}")
        np.testing.assert_array_equal(ct.hu, hu)
        np.testing.assert_allclose(
            ct.origin_lps_mm, np.array(ORIGIN_LPS_MM) + (0, 0, k * offset_mm), atol=0.01
        )


def test_fault_49_time_points_of_a_multiframe_file_in_a_row(tmp_path):
    path = write_enhanced(tmp_path / "4d.dcm", phantom(), repeats=2, SeriesInstanceUID=UID)
    with pytest.raises(SeveralSeriesError, match="4D.*\n.*frames 1 to 12\n.*frames 13 to 24"):
        read_ct(path)


def test_fault_49_two_multiframe_files_of_one_series(tmp_path):
    for name, hu in (("a", phantom()), ("b", moved(phantom()))):
        write_enhanced(tmp_path / f"{name}.dcm", hu, SeriesInstanceUID=UID)
    with pytest.raises(SeveralSeriesError):
        read_ct(tmp_path)
    np.testing.assert_array_equal(read_ct(tmp_path, series_uid=f"{UID}#2").hu, moved(phantom()))


def test_fault_07_only_localizers(tmp_path):
    write(tmp_path, phantom(), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    with pytest.raises(CTError, match="scouts"):
        read_ct(tmp_path)


def test_fault_49_copies_are_counted_once(tmp_path):
    files = write(tmp_path / "a", phantom())
    shutil.copytree(tmp_path / "a", tmp_path / "copies")
    ct = read_ct(tmp_path)
    assert_is(ct, files)
    assert ct.checks == ()


def test_fault_49_a_series_sent_again_with_new_uids(tmp_path):
    one = write(tmp_path / "first", phantom())
    two = write(tmp_path / "again", phantom())
    assert_told_apart(tmp_path, [two, one], ["part 1", "part 2"])
    for file in two:
        file.rename(tmp_path / "first" / f"again {file.name}")
    with pytest.raises(CTError, match=r"again slice 000\.dcm and slice 000\.dcm"):
        read_ct(tmp_path)


SHARED = {
    "patients": ({"PatientID": "SECRET-1"}, {"PatientID": "SECRET-2"}, "patient {}"),
    "names": ({"PatientName": "Secret^A"}, {"PatientName": "Secret^B"}, "patient {}"),
    "studies": ({"StudyInstanceUID": "1.2"}, {"StudyInstanceUID": "1.3"}, "study {}"),
    "frames": ({"FrameOfReferenceUID": "1.4"}, {"FrameOfReferenceUID": "1.5"}, "reference {}"),
    "a frame, and none": ({"FrameOfReferenceUID": None}, {}, "reference {}"),
}


@pytest.mark.parametrize("height_mm", [0, STEP_MM / 2, 12 * STEP_MM], ids=["same", "half", "next"])
@pytest.mark.parametrize("kind", SHARED)
def test_fault_50_a_uid_shared(tmp_path, kind, height_mm):
    first, second, pattern = SHARED[kind]
    one = write(tmp_path / "z", phantom(), **first)
    two = write(tmp_path / "y", moved(phantom()), height_mm, **second)
    assert_told_apart(tmp_path, [one, two], texts(pattern))


@pytest.mark.parametrize("uid", [None, ""])
@pytest.mark.parametrize("kind", SHARED)
def test_fault_50_no_uid(tmp_path, kind, uid):
    first, second, _ = SHARED[kind]
    none = {"SeriesInstanceUID": uid}
    one = write(tmp_path / "z", phantom(), STEP_MM / 2, **(first | none))
    two = write(tmp_path / "y", moved(phantom()), **(second | none))
    with pytest.raises(SeveralSeriesError) as refusal:
        read_ct(tmp_path)
    assert list(refusal.value.series) == ["unnamed#1", "unnamed#2"]
    assert_is(read_ct(tmp_path, series_uid="unnamed#1"), one)
    assert_is(read_ct(tmp_path, series_uid="unnamed#2"), two)


def test_fault_50_no_uid_beside_a_series_that_has_one(tmp_path):
    one = write(tmp_path / "a", phantom(), SeriesInstanceUID=None)
    two = write(tmp_path / "b", moved(phantom()))
    with pytest.raises(SeveralSeriesError):
        read_ct(tmp_path)
    assert_is(read_ct(tmp_path, series_uid="unnamed#1"), one)
    assert_is(read_ct(tmp_path, series_uid=UID), two)


def test_fault_50_the_date_is_that_of_the_volume_chosen(tmp_path):
    write(tmp_path / "z", phantom(), StudyInstanceUID="1.2", StudyDate="20200101")
    write(tmp_path / "a", phantom(), StudyInstanceUID="1.3", StudyDate="20200131")
    assert days_between(tmp_path, tmp_path, (f"{UID}#1", f"{UID}#2")) == 30


def test_fault_56_two_matrix_sizes(tmp_path):
    small = phantom((10, 12, 18))
    one = write(tmp_path / "a", small)
    two = write(tmp_path / "b", phantom())
    assert_told_apart(tmp_path, [one, two], ["12 x 18", "16 x 18"])


LEFT_OUT = {
    "SeriesInstanceUID": {"SeriesInstanceUID": "1.2.9"},
    "StudyInstanceUID": {"StudyInstanceUID": "1.9"},
    "FrameOfReferenceUID": {"FrameOfReferenceUID": "1.9"},
    "Modality": {"Modality": "OT"},
    "ConvolutionKernel": {"ConvolutionKernel": "B70f"},
    "the patient": {"PatientID": "SECRET-9"},
    "ImagePositionPatient": {"ImagePositionPatient": None},
}


@pytest.mark.parametrize("slices", [1, 2, 3])
@pytest.mark.parametrize("tag", LEFT_OUT)
def test_fault_55_end_slices_left_out_are_counted(tmp_path, tag, slices):
    def differ(dataset, k):
        if k >= 15 - slices:
            for keyword, value in LEFT_OUT[tag].items():
                if value is None:
                    del dataset[keyword]
                else:
                    setattr(dataset, keyword, value)

    files = write(tmp_path, phantom((15, 16, 18)), change=differ)
    ct = read_ct(tmp_path)
    assert_is(ct, files[: 15 - slices])
    assert "left-out-slices" in codes(ct)
    assert f"{slices} image(s)" in words(ct) and f"differ in {tag}" in words(ct)


@pytest.mark.parametrize("at", ["head", "feet"])
def test_fault_55_end_slices_of_another_size(tmp_path, at):
    height = 12 * STEP_MM if at == "head" else -2 * STEP_MM
    files = write(tmp_path / "a", phantom())
    write(
        tmp_path / "b",
        phantom((2, 12, 18)),
        height,
        change=lambda d, k: setattr(d, "InstanceNumber", 20 + k),
    )
    ct = read_ct(tmp_path)
    assert_is(ct, files)
    assert "2 image(s)" in words(ct) and "differ in Rows" in words(ct)


def test_fault_55_a_slice_left_out_in_the_middle(tmp_path):
    def differ(dataset, k):
        if k == 5:
            dataset.FrameOfReferenceUID = "1.9"

    write(tmp_path, phantom(), change=differ)
    assert {"missing-slices", "left-out-slices"} <= codes(read_ct(tmp_path))


def test_fault_55_gaps_in_the_numbers(tmp_path):
    """Every second slice was exported: evenly spaced, and yet not the whole series."""
    for file in write(tmp_path, phantom())[::2]:
        file.unlink()
    ct = read_ct(tmp_path)
    assert "number-gaps" in codes(ct) and "skips 5" in words(ct)


def test_fault_55_numbers_of_other_volumes_are_no_gaps(tmp_path):
    def odd(dataset, k):
        dataset.InstanceNumber = 2 * k + 1

    def even(dataset, k):
        dataset.InstanceNumber = 2 * k + 2

    write(tmp_path / "a", phantom(), AcquisitionNumber=1, change=odd)
    write(tmp_path / "b", phantom(), STEP_MM / 2, AcquisitionNumber=2, change=even)
    assert read_ct(tmp_path, series_uid=f"{UID}#1").checks == ()


def test_fault_55_other_series_beside_it_are_not_left_out(tmp_path):
    write(tmp_path / "a", phantom())
    write(tmp_path / "pet", phantom(), 12 * STEP_MM, Modality="PT", SeriesInstanceUID="1.2.8")
    write_series(tmp_path / "bolus", phantom()[:5], heights_mm=np.zeros(5))
    assert read_ct(tmp_path, series_uid=UID).checks == ()


def test_stray_pixel_spacing_names_the_slice(tmp_path):
    def zoom(dataset, k):
        if k == 7:
            dataset.PixelSpacing = [0.4, 0.4]

    write(tmp_path, phantom(), change=zoom)
    with pytest.raises(CTError, match=r"1 of 12 slices.*slice 007\.dcm: 0.4 x 0.4 mm instead of"):
        read_ct(tmp_path)
