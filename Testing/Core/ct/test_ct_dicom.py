"""DICOM series: fault rows 1 to 7, 11, 12 and 45."""

from __future__ import annotations

import shutil
import stat
import tracemalloc
import zipfile

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1

from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_enhanced, write_series
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError

HEIGHTS_MM = np.arange(12) * SPACING_MM[2]


def codes(ct: CT) -> set[str]:
    return {check.code for check in ct.checks}


def assert_is_phantom(ct: CT) -> None:
    np.testing.assert_array_equal(ct.hu, phantom())
    np.testing.assert_allclose(ct.spacing_mm, SPACING_MM, atol=1e-6)
    np.testing.assert_allclose(ct.origin_lps_mm, ORIGIN_LPS_MM, atol=1e-6)
    np.testing.assert_allclose(ct.direction, np.eye(3), atol=1e-6)


def zipped(path, files) -> zipfile.ZipFile:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, f"a folder/{file.name}")
    return path


def test_a_sound_series_has_no_findings(tmp_path):
    write_series(tmp_path / "Grüße 1", phantom())
    ct = read_ct(tmp_path)
    assert_is_phantom(ct)
    assert ct.checks == () and ct.filled_slices == ()
    assert ct.acquisition.head_to_foot is True and ct.acquisition.kernel == "Br40f"


def test_a_zip_reads_as_its_folder(tmp_path):
    files = write_series(tmp_path / "series", phantom())
    (tmp_path / "series" / "notes.txt").write_text("beside the slices")
    assert_is_phantom(
        read_ct(zipped(tmp_path / "a zip é.zip", [*files, tmp_path / "series" / "notes.txt"]))
    )


def test_jpeg2000_without_series_uid(data):
    ct = read_ct(data / "dicom_jpeg2000_abdomen")
    assert ct.hu.shape == (3, 512, 512) and ct.hu.min() == -1024
    np.testing.assert_allclose(ct.spacing_mm, (0.9765625, 0.9765625, 2.0))
    assert ct.acquisition.series_uid is None and {"thick-slices", "contrast"} <= codes(ct)


def test_fault_01_missing_slice_is_filled_and_flagged(tmp_path):
    write_series(tmp_path, phantom())[4].unlink()
    ct = read_ct(tmp_path)
    assert ct.filled_slices == (4,) and "missing-slices" in codes(ct)
    np.testing.assert_array_equal(np.delete(ct.hu, 4, axis=0), np.delete(phantom(), 4, axis=0))
    np.testing.assert_allclose(ct.hu[4], (phantom()[3] + phantom()[5].astype(float)) / 2, atol=0.5)


@pytest.mark.parametrize(
    ("slices", "missing"), [(12, [3, 7]), (90, range(20, 26))], ids=["a sixth", "six in a row"]
)
def test_fault_01_too_many_missing(tmp_path, slices, missing):
    files = write_series(tmp_path, phantom((slices, 16, 18)))
    for k in missing:
        files[k].unlink()
    with pytest.raises(CTError, match="missing"):
        read_ct(tmp_path)


def test_fault_02_repeated_position_names_the_files(tmp_path):
    files = write_series(tmp_path, phantom())
    copy = dcmread(files[5])
    copy.PixelData = bytes(len(copy.PixelData))  # the very same file would be counted once
    copy.save_as(tmp_path / "copy of 5.dcm")
    with pytest.raises(CTError, match=r"copy of 5\.dcm and slice 005\.dcm") as refusal:
        read_ct(tmp_path)
    assert str(tmp_path) not in str(refusal.value)


@pytest.mark.parametrize("share", [0.05, 0.09])
def test_fault_03_irregular_spacing_is_flagged(tmp_path, share):
    heights = HEIGHTS_MM + (np.arange(12) > 5) * share * SPACING_MM[2]
    write_series(tmp_path, phantom(), heights_mm=heights)
    assert "irregular-spacing" in codes(read_ct(tmp_path))


@pytest.mark.parametrize("share", [0.15, 0.5])
def test_fault_03_irregular_spacing_is_refused(tmp_path, share):
    heights = HEIGHTS_MM + (np.arange(12) > 5) * share * SPACING_MM[2]
    write_series(tmp_path, phantom(), heights_mm=heights)
    with pytest.raises(CTError, match="varies"):
        read_ct(tmp_path)


def test_fault_03_two_spacings_that_drift_apart(tmp_path):
    steps = np.repeat([1.0, 1.09], 20)
    write_series(
        tmp_path, phantom((41, 16, 18)), heights_mm=np.concatenate([[0], np.cumsum(steps)])
    )
    with pytest.raises(CTError, match="varies"):
        read_ct(tmp_path)


def test_fault_04_gantry_tilt(tmp_path):
    def tilt(dataset, k):
        dataset.GantryDetectorTilt = 15
        dataset.ImagePositionPatient[1] += k * SPACING_MM[2] * np.tan(np.radians(15))

    write_series(tmp_path, phantom(), change=tilt)
    with pytest.raises(CTError, match="tilted gantry"):
        read_ct(tmp_path)


def test_fault_05_negative_spacing_between_slices(tmp_path):
    write_series(tmp_path, phantom(), SpacingBetweenSlices=-1.25)
    assert_is_phantom(read_ct(tmp_path))


def test_fault_06_single_slice(tmp_path):
    file = write_series(tmp_path, phantom()[:1])[0]
    for path in (tmp_path, file):
        with pytest.raises(CTError, match="one slice"):
            read_ct(path)


def test_fault_06_no_positions(tmp_path):
    write_series(tmp_path, phantom(), ImagePositionPatient=None)
    with pytest.raises(CTError, match="positions"):
        read_ct(tmp_path)


def test_fault_07_localizer_is_left_out(tmp_path):
    coronal = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    write_series(tmp_path / "ct", phantom())
    write_series(tmp_path / "scout", phantom()[:3], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    write_series(tmp_path / "unmarked scout", phantom()[:1], direction=coronal)
    write_series(tmp_path / "bolus tracking", phantom()[:5], heights_mm=np.zeros(5))
    write_series(tmp_path / "coronal reformat", phantom(), direction=coronal)
    write_series(tmp_path / "pet", phantom(), Modality="PT")
    assert_is_phantom(read_ct(tmp_path))


def test_fault_07_several_series(tmp_path):
    write_series(tmp_path / "soft", phantom(), SeriesInstanceUID="1.2.3")
    write_series(
        tmp_path / "lung", phantom()[:6], SeriesInstanceUID="1.2.4", ConvolutionKernel="Bl57"
    )
    for chosen in (None, "9.9"):
        with pytest.raises(CTError, match="--series") as refusal:
            read_ct(tmp_path, series_uid=chosen)
        assert "1.2.3: 12 slices, 1 mm, kernel Br40f" in str(refusal.value)
        assert "1.2.4: 6 slices, 1 mm, kernel Bl57" in str(refusal.value)
        assert "ecret" not in str(refusal.value)
    assert_is_phantom(read_ct(tmp_path, series_uid="1.2.3"))


def test_fault_09_skewed_or_unparallel_dicom(tmp_path):
    write_series(tmp_path / "skewed", phantom(), ImageOrientationPatient=[1, 0, 0, 0.1, 0.995, 0])
    with pytest.raises(CTError, match="right angles"):
        read_ct(tmp_path / "skewed")

    def turn_last(dataset, k):
        if k == 11:
            dataset.ImageOrientationPatient = [
                np.cos(0.1),
                np.sin(0.1),
                0,
                -np.sin(0.1),
                np.cos(0.1),
                0,
            ]

    write_series(tmp_path / "turned", phantom(), change=turn_last)
    with pytest.raises(CTError, match="parallel"):
        read_ct(tmp_path / "turned")


def test_fault_11_reverse_order(tmp_path):
    def count_from_feet(dataset, k):
        dataset.InstanceNumber = k + 1

    write_series(tmp_path, phantom()[::-1], heights_mm=HEIGHTS_MM[::-1])
    assert_is_phantom(read_ct(tmp_path))
    assert read_ct(tmp_path).acquisition.head_to_foot is False
    write_series(tmp_path, phantom(), change=count_from_feet)
    assert read_ct(tmp_path).acquisition.head_to_foot is False


@pytest.mark.parametrize("shared_rescale", [True, False])
def test_fault_12_enhanced_multiframe(tmp_path, shared_rescale):
    path = write_enhanced(tmp_path / "enhanced.dcm", phantom(), shared_rescale=shared_rescale)
    for place in (path, tmp_path):
        ct = read_ct(place)
        assert_is_phantom(ct)
        assert (
            ct.acquisition.kernel == "Br40f"
            and ct.acquisition.head_to_foot is True
            and ct.checks == ()
        )


def test_fault_12_four_dimensional_multiframe(tmp_path):
    with pytest.raises(CTError, match="4D"):
        read_ct(write_enhanced(tmp_path / "gated.dcm", phantom(), repeats=2))


@pytest.mark.parametrize("frames", [12, 2_000_000_000])
def test_fault_12_frames_without_positions(tmp_path, frames):
    write_enhanced(
        tmp_path / "frames.dcm",
        phantom(),
        NumberOfFrames=frames,
        PerFrameFunctionalGroupsSequence=None,
    )
    with pytest.raises(CTError, match="positions"):
        read_ct(tmp_path)


def test_pixels_without_a_decoder_name_the_package(tmp_path):
    def compress(dataset, _):
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.PixelData = encapsulate([b"\xff\xd8 not really \xff\xd9"])
        dataset["PixelData"].is_undefined_length = True

    write_series(tmp_path, phantom(), change=compress)
    with pytest.raises(CTError, match="pylibjpeg-libjpeg|damaged"):
        read_ct(tmp_path)


@pytest.mark.parametrize("rows", [8, 17, 65535])
def test_fault_45_lying_rows(tmp_path, rows):
    write_series(tmp_path, phantom(), Rows=rows)
    with pytest.raises(CTError, match="disagree|million"):
        read_ct(tmp_path)


def test_fault_45_absurd_size_is_not_allocated(tmp_path):
    tracemalloc.start()
    write_series(tmp_path, phantom(), Rows=65535, Columns=65535)
    with pytest.raises(CTError, match="million voxels"):
        read_ct(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()


def test_fault_45_lying_rows_in_jpeg2000(data, tmp_path):
    for file in sorted((data / "dicom_jpeg2000_abdomen").iterdir()):
        dataset = dcmread(file)
        assert dataset.file_meta.TransferSyntaxUID == JPEG2000Lossless
        dataset.Rows = 256
        dataset.save_as(tmp_path / file.name)
    with pytest.raises(CTError, match="disagree"):
        read_ct(tmp_path)


@pytest.mark.parametrize("kept", [400, 1100, -100])
def test_truncated_slice_is_refused(tmp_path, kept):
    for file in write_series(tmp_path, phantom()):
        file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(CTError) as refusal:
        read_ct(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "name", ["../../outside.dcm", "/etc/outside.dcm", "C:\\outside.dcm", "a/..\\..\\outside.dcm"]
)
def test_fault_45_zip_slip(tmp_path, name):
    path = zipped(tmp_path / "ct.zip", write_series(tmp_path / "series", phantom()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, b"x")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CTError, match="outside"):
        read_ct(path)
    assert sorted(tmp_path.rglob("*")) == before


def test_fault_45_zip_link(tmp_path):
    link = zipfile.ZipInfo("link.dcm")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(CTError, match="links"):
        read_ct(tmp_path / "ct.zip")


def test_fault_45_zip_bomb(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", bytes(30_000_000))
    with pytest.raises(CTError, match="unpacks to far more"):
        read_ct(tmp_path / "bomb.zip")


def test_fault_45_zip_of_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr("nodulerisk.ct.dicom.files.MAX_FILES", 5)
    files = write_series(tmp_path / "series", phantom())
    with pytest.raises(CTError, match="too much"):
        read_ct(zipped(tmp_path / "ct.zip", files))
    with pytest.raises(CTError, match="more than 5 files"):
        read_ct(tmp_path / "series")


def test_fault_45_zip_whose_list_fills_the_memory(tmp_path):
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        for number in range(250):
            archive.writestr(zipfile.ZipInfo(f"{number:050000}"), b"")
    with pytest.raises(CTError, match="too much"):
        read_ct(tmp_path / "ct.zip")


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_truncated_zip_is_refused(tmp_path, kept):
    path = zipped(tmp_path / "ct.zip", write_series(tmp_path / "series", phantom()))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(CTError, match="zip"):
        read_ct(path)


def test_fault_45_dicomdir_is_never_followed(tmp_path):
    files = write_series(tmp_path, phantom())
    shutil.copy(files[0], tmp_path / "DICOMDIR")  # if it were read, its slice would be there twice
    assert_is_phantom(read_ct(tmp_path))


def test_refusals_do_not_name_the_patient(tmp_path):
    write_series(tmp_path / "Secret Name", phantom(), Rows=17)
    with pytest.raises(CTError) as refusal:
        read_ct(tmp_path / "Secret Name")
    assert "ecret" not in str(refusal.value) and "SECRET" not in str(refusal.value)


@pytest.mark.parametrize("change", [{"BitsStored": 1}, {"BitsStored": 12}, {"HighBit": 11}])
def test_fault_53_bits_that_contradict_each_other(tmp_path, change):
    write_series(tmp_path, phantom(), **change)
    with pytest.raises(CTError, match="BitsStored and HighBit"):
        read_ct(tmp_path)
