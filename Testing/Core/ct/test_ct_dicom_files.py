"""DICOM as archives, scanners and other programs store it: fault rows 57, 58 and 59."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_series
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.errors import CTError


def assert_is_phantom(ct: CT) -> None:
    np.testing.assert_array_equal(ct.hu, phantom())
    np.testing.assert_allclose(ct.spacing_mm, SPACING_MM, atol=1e-6)
    np.testing.assert_allclose(ct.origin_lps_mm, ORIGIN_LPS_MM, atol=0.01)


def assert_read_as_gdcm(ct: CT, files: list[Path]) -> None:
    image = sitk.ReadImage([str(file) for file in files], imageIO="GDCMImageIO")
    np.testing.assert_array_equal(ct.hu, np.maximum(sitk.GetArrayFromImage(image), AIR_HU))
    np.testing.assert_allclose(ct.origin_lps_mm, image.GetOrigin(), atol=0.01)


def rewritten(files: list[Path], change) -> list[Path]:
    for file in files:
        dataset = dcmread(file)
        change(dataset, file)
    return files


# --- Row 57: no prefix, no meta information


def bare(syntax) -> callable:
    """Saves as old archives do: the header alone."""

    def save(dataset: Dataset, file: Path) -> None:
        plain = Dataset()
        plain.update({element.tag: element for element in dataset})
        implicit, little = syntax.is_implicit_VR, syntax.is_little_endian
        if not little:
            plain.PixelData = np.frombuffer(plain.PixelData, "<u2").astype(">u2").tobytes()
        plain.save_as(file, implicit_vr=implicit, little_endian=little)

    return save


def without_prefix(dataset: Dataset, file: Path) -> None:
    file.write_bytes(file.read_bytes()[132:])


def without_syntax(dataset: Dataset, file: Path) -> None:
    del dataset.file_meta.TransferSyntaxUID
    dataset.save_as(file, implicit_vr=False, little_endian=True, enforce_file_format=False)


def said(**header) -> callable:
    def save(dataset: Dataset, file: Path) -> None:
        for keyword, value in header.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(file)

    return save


READ = {
    "implicit": bare(ImplicitVRLittleEndian),
    "explicit": bare(ExplicitVRLittleEndian),
    "big endian": bare(ExplicitVRBigEndian),
    "meta information without prefix": without_prefix,
    "no transfer syntax": without_syntax,
    "lower case": said(Modality="ct"),
    "blanks": said(Modality="CT "),
    "no modality": said(Modality=None),
    "empty modality": said(Modality=""),
    "Hounsfield": said(RescaleType="Hounsfield"),
    "hu": said(RescaleType="hu"),
    "no rescale type": said(RescaleType=""),
}


@pytest.mark.parametrize("ending", [".dcm", ".IMA", ""])
@pytest.mark.parametrize("kind", READ)
def test_fault_57_read_as_other_readers_do(tmp_path, kind, ending):
    files = rewritten(write_series(tmp_path / "series", phantom()), READ[kind])
    (tmp_path / "series" / "notes.txt").write_text("beside the slices " * 20)
    for k, file in enumerate(files):
        file.rename(tmp_path / "series" / f"{k:03d}{ending}")
    assert_is_phantom(read_ct(tmp_path / "series"))
    assert_is_phantom(read_ct(zipped(tmp_path / "ct.zip", tmp_path / "series")))


@pytest.mark.parametrize("kind", ["implicit", "explicit"])
def test_fault_57_read_as_gdcm_reads_it(tmp_path, kind):
    files = rewritten(write_series(tmp_path, phantom()), READ[kind])
    assert_read_as_gdcm(read_ct(tmp_path), files)


@pytest.mark.parametrize(
    "own",
    [["SeriesInstanceUID"], ["StudyInstanceUID"], ["SeriesInstanceUID", "FrameOfReferenceUID"]],
)
def test_fault_57_a_uid_for_each_slice(tmp_path, own):
    def own_uids(dataset, k):
        for keyword in own:
            setattr(dataset, keyword, f"1.2.{k + 1}")

    write_series(tmp_path, phantom(), change=own_uids)
    with pytest.raises(CTError, match=f"12 slices has its own {' and '.join(own)}"):
        read_ct(tmp_path)


def test_fault_57_compressed_without_saying_how(tmp_path):
    def compress(dataset, file):
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
        dataset.save_as(file)
        content = file.read_bytes()
        assert content.count(JPEGLosslessSV1.encode()) == 1
        file.write_bytes(content[:128] + b"DICM" + content[content.index(b"\x08\x00") :])

    rewritten(write_series(tmp_path, phantom()), compress)
    with pytest.raises(CTError, match="TransferSyntaxUID"):
        read_ct(tmp_path)


# What a header should not say, and what the refusal calls it.
ODD = {
    "ImagePositionPatient": ("a\\b\\c", "ImagePositionPatient is not a number in slice"),
    "ImageOrientationPatient": ("1\\0\\0", "positions"),
    "PixelSpacing": ("wide", "PixelSpacing is not a number in slice"),
    "RescaleSlope": ("one", "RescaleSlope is not a number in slice"),
    "RescaleIntercept": ("1e999", "RescaleIntercept"),
    "NumberOfFrames": ("one", "NumberOfFrames is not a number in slice"),
}


@pytest.mark.parametrize("keyword", ODD)
def test_fault_57_values_that_are_no_numbers_are_named(tmp_path, keyword):
    value, words = ODD[keyword]

    def spoil(dataset, file):
        dataset.pop(keyword, None)
        dataset.add_new(keyword, "LO", value.split("\\"))
        dataset.save_as(file)

    rewritten(write_series(tmp_path, phantom()), spoil)
    with pytest.raises(CTError, match=words):
        read_ct(tmp_path)


@pytest.mark.parametrize("vr", ["LO", "UN", "UT"])
def test_fault_57_odd_vrs(tmp_path, vr):
    def change_vrs(dataset, file):
        for keyword in ("ImagePositionPatient", "PixelSpacing", "RescaleSlope", "InstanceNumber"):
            value = dataset[keyword].value
            values = [value] if isinstance(value, int | float | str) else list(value)
            text = "\\".join(map(str, values))
            tag = dataset[keyword].tag
            del dataset[keyword]
            dataset.add_new(tag, vr, text.encode() if vr == "UN" else text)
        dataset.save_as(file)

    rewritten(write_series(tmp_path, phantom()), change_vrs)
    assert_is_phantom(read_ct(tmp_path))


def test_fault_57_missing_vrs(tmp_path):
    """Explicit by its transfer syntax, and yet written without VRs."""

    def write_implicitly(dataset, file):
        bare(ImplicitVRLittleEndian)(dataset, file)
        header = file.read_bytes()
        dataset.save_as(file)
        content = file.read_bytes()
        meta = 144 + struct.unpack("<I", content[140:144])[0]
        file.write_bytes(content[:meta] + header)

    rewritten(write_series(tmp_path, phantom()), write_implicitly)
    assert_is_phantom(read_ct(tmp_path))


def test_fault_57_what_lies_there_instead_is_named(tmp_path):
    write_series(tmp_path / "ct", phantom())
    shutil.make_archive(str(tmp_path / "folder" / "ct"), "zip", tmp_path / "ct")
    with pytest.raises(CTError, match=r"\.zip files. Choose the file itself"):
        read_ct(tmp_path / "folder")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "slice.dcm.gz").write_bytes(bytes(200))
    with pytest.raises(CTError, match=r"\.gz files. Unpack them first"):
        read_ct(tmp_path / "packed")
    report = {"Rows": None, "Modality": "SR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}
    write_series(tmp_path / "report", phantom()[:1], **report)
    with pytest.raises(CTError, match="hold no images"):
        read_ct(tmp_path / "report")


@pytest.mark.parametrize("keyword", ["PixelData", "BitsStored", "PixelRepresentation"])
def test_fault_57_what_a_file_lacks_is_named(tmp_path, keyword):
    write_series(tmp_path, phantom(), **{keyword: None})
    with pytest.raises(CTError, match=rf"slice \d+\.dcm lacks {keyword}"):
        read_ct(tmp_path)


def test_fault_55_57_a_last_slice_that_was_not_copied_whole(tmp_path):
    files = write_series(tmp_path, phantom())
    whole = files[-1].read_bytes()
    files[-1].write_bytes(whole[:300])
    with pytest.raises(CTError, match=r"slice 011\.dcm is a CT image without Rows"):
        read_ct(tmp_path)
    for content in (bytes(len(whole)), b""):
        files[-1].write_bytes(content)
        (tmp_path / "._slice 011.dcm").write_bytes(b"\0\5\x16\7" * 40)
        [check] = read_ct(tmp_path).checks
        assert check.code == "left-out-slices" and "1 image(s)" in check.message


def test_fault_57_other_files_that_begin_like_numbers(tmp_path):
    write_series(tmp_path, phantom())
    (tmp_path / "index").write_bytes(struct.pack("<4I", 2, 5, 8, 5) * 40)
    assert_is_phantom(read_ct(tmp_path))


# --- Row 58: compressed pixels

LOSSY = {JPEGExtended12Bit: ["dcmcjpeg", "+ee"]}
ENCODERS = {  # of dcmtk, with their options
    JPEGLossless: ["dcmcjpeg", "+el"],
    JPEGLosslessSV1: ["dcmcjpeg", "+e1"],
    JPEGLSLossless: ["dcmcjpls", "+el"],
    RLELossless: ["dcmcrle"],
    DeflatedExplicitVRLittleEndian: ["dcmconv", "+td"],
    ExplicitVRBigEndian: ["dcmconv", "+tb"],
}


def compressed(files: list[Path], syntax, **header) -> list[Path]:
    for file in files:
        subprocess.run([*(ENCODERS | LOSSY)[syntax], file, file], check=True, capture_output=True)
        assert dcmread(file).file_meta.TransferSyntaxUID == syntax
    return files


@pytest.mark.needs("dcmcjpeg", "dcmcjpls", "dcmcrle", "dcmconv")
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda syntax: syntax.name)
def test_fault_58_coded_pixels(tmp_path, syntax, signed):
    def store_signed(dataset, k):
        if signed:
            dataset.PixelRepresentation, dataset.RescaleIntercept = 1, 0
            dataset.PixelData = phantom()[k].astype("<i2").tobytes()

    folder = tmp_path / "series"
    files = compressed(write_series(folder, phantom(), change=store_signed), syntax)
    assert_is_phantom(read_ct(folder))
    assert_read_as_gdcm(read_ct(folder), files)
    assert_is_phantom(read_ct(zipped(tmp_path / "ct.zip", folder)))


@pytest.mark.needs("dcmcjpeg")
@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGExtended12Bit], ids=lambda s: s.name)
def test_fault_58_twelve_bits(tmp_path, syntax):
    def store_twelve_bits(dataset, _):
        dataset.BitsStored, dataset.HighBit = 12, 11

    files = compressed(write_series(tmp_path, phantom(), change=store_twelve_bits), syntax)
    assert_read_as_gdcm(read_ct(tmp_path), files)


@pytest.mark.needs("dcmcjpeg")
@pytest.mark.parametrize("syntax", [JPEGLossless, JPEGLosslessSV1, JPEG2000Lossless])
def test_fault_58_without_any_further_package(tmp_path, data, monkeypatch, syntax):
    """What is installed by default reads them: the GDCM of SimpleITK."""
    decoder = get_decoder(syntax)
    read_ct(data / "dicom_jpeg2000_abdomen")  # adds the decoder
    only = {"SimpleITK": decoder._available["SimpleITK"]}
    monkeypatch.setattr(decoder, "_available", only)
    if syntax == JPEG2000Lossless:
        ct = read_ct(data / "dicom_jpeg2000_abdomen")
        assert_read_as_gdcm(ct, sorted((data / "dicom_jpeg2000_abdomen").iterdir())[::-1])
    else:
        compressed(write_series(tmp_path, phantom()), syntax)
        assert_is_phantom(read_ct(tmp_path))


@pytest.mark.parametrize(
    ("syntax", "package"), [(HTJ2KLossless, "pylibjpeg-openjpeg"), (JPEGLSLossless, "pyjpegls")]
)
def test_fault_58_the_one_package_to_install(tmp_path, monkeypatch, syntax, package):
    def claim(dataset, _):
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].is_undefined_length = True

    monkeypatch.setattr(get_decoder(syntax), "_available", {})
    write_series(tmp_path, phantom(), change=claim)
    with pytest.raises(CTError, match=f"install {package}"):
        read_ct(tmp_path)


def test_fault_58_htj2k(tmp_path, data):
    """Three slices of the phantom, coded by OpenJPH."""

    def code(dataset, k):
        dataset.file_meta.TransferSyntaxUID = HTJ2KLossless
        dataset.PixelData = encapsulate([(data / "htj2k" / f"{k}.j2c").read_bytes()])
        dataset["PixelData"].is_undefined_length = True

    hu = phantom((3, 16, 18))
    write_series(tmp_path, hu, change=code)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, hu)


def test_fault_45_58_deflated_bomb(tmp_path):
    def blow_up(dataset, file):
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        dataset.ImageComments = " " * 9000
        dataset.save_as(file)
        content = file.read_bytes()
        meta = 144 + struct.unpack("<I", content[140:144])[0]
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        bomb = packer.compress(zlib.decompress(content[meta:], -zlib.MAX_WBITS))
        bomb += packer.compress(bytes(40_000_000)) + packer.flush()
        file.write_bytes(content[:meta] + bomb)

    rewritten(write_series(tmp_path, phantom()), blow_up)
    with pytest.raises(CTError, match="deflated DICOM file unpacks to far more"):
        read_ct(tmp_path)


# --- Row 59: padding, zips, links, many slices


def zipped(path: Path, *folders: Path, method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for folder in folders:
            for file in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
                archive.write(file, f"a folder/{file.name}")
    return path


@pytest.mark.parametrize("padding", [1, 2, 3, 36, 64, 130, 500])
def test_fault_59_padding_after_the_pixels(tmp_path, padding):
    def pad(dataset, _):
        dataset.PixelData += bytes(padding + padding % 2)

    files = write_series(tmp_path, phantom(), change=pad)
    assert_read_as_gdcm(read_ct(tmp_path), files)
    assert_is_phantom(read_ct(tmp_path))


@pytest.mark.parametrize("columns", [16, 17])
def test_fault_45_59_columns_that_lie_are_not_padding(tmp_path, columns):
    """The background goes on after what the header takes for the end of the image."""
    hu = phantom()
    hu[:, -4:] = -1024
    write_series(tmp_path, hu, Columns=columns)
    with pytest.raises(CTError, match="disagree"):
        read_ct(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_fault_59_other_zips(tmp_path, method):
    write_series(tmp_path / "series", phantom())
    assert_is_phantom(read_ct(zipped(tmp_path / "ct.zip", tmp_path / "series", method=method)))


@pytest.mark.parametrize(
    ("number", "name"), [(9, "Deflate64"), (93, "Zstandard"), (77, "method 77")]
)
def test_fault_59_a_zip_that_python_cannot_unpack_is_named(tmp_path, number, name):
    write_series(tmp_path / "series", phantom())
    path = zipped(tmp_path / "ct.zip", tmp_path / "series")
    content = path.read_bytes().replace(b"PK\1\2", b"\0\0\0\0")
    for mark, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        content = bytearray(path.read_bytes() if mark == b"PK\3\4" else content)
        start = content.find(mark)
        while start >= 0:
            content[start + at : start + at + 2] = struct.pack("<H", number)
            start = content.find(mark, start + 4)
        content = bytes(content)
    path.write_bytes(content)
    with pytest.raises(CTError, match=f"packed with {name}"):
        read_ct(path)


def test_fault_59_a_zip_in_a_zip(tmp_path):
    write_series(tmp_path / "series", phantom())
    inner = zipped(tmp_path / "inner.ZIP", tmp_path / "series")
    assert_is_phantom(read_ct(zipped(tmp_path / "outer.zip", inner)))


def test_fault_45_59_zips_in_zips_are_bounded(tmp_path):
    path = zipped(tmp_path / "0.zip", write_series(tmp_path / "series", phantom())[0])
    for depth in range(1, 5):
        path = zipped(tmp_path / f"{depth}.zip", path)
    with pytest.raises(CTError, match="too much"):
        read_ct(path)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.dcm", bytes(30_000_000))
    with pytest.raises(CTError, match="unpacks to far more"):
        read_ct(zipped(tmp_path / "outer.zip", tmp_path / "bomb.zip"))


def test_fault_59_linked_folders_and_files(tmp_path):
    files = write_series(tmp_path / "store" / "series", phantom())
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "ct").symlink_to(tmp_path / "store" / "series")
    (tmp_path / "linked" / "again").symlink_to(tmp_path / "store" / "series")
    (tmp_path / "store" / "series" / "round").symlink_to(tmp_path / "linked")
    (tmp_path / "linked" / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "one by one").mkdir()
    for file in files:
        (tmp_path / "one by one" / file.name).symlink_to(file)
        os.link(file, tmp_path / "one by one" / f"hard {file.name}")
    for place in ("linked", "store", "one by one"):
        ct = read_ct(tmp_path / place)
        assert_is_phantom(ct)
        assert ct.checks == ()


@pytest.mark.slow
def test_fault_59_3000_slices(tmp_path):
    hu = np.tile(phantom((12, 8, 8)), (250, 1, 1))
    write_series(tmp_path, hu, spacing_mm=(0.7, 0.7, 0.3))
    np.testing.assert_array_equal(read_ct(tmp_path).hu, hu)


def test_fault_59_more_slices_than_fit_are_refused_by_their_own_name(tmp_path, monkeypatch):
    monkeypatch.setattr("nodulerisk.ct.dicom.pixels.MAX_VOXELS", 3000)
    write_series(tmp_path, phantom())
    with pytest.raises(CTError, match="12 slices of 18 x 16 are more than this program reads"):
        read_ct(tmp_path)
