"""Geometry of a CT: fault rows 9, 10, 14, 15, and the same CT through every file format."""

from __future__ import annotations

import gzip
import struct
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_series
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.errors import CTError

OBLIQUE = sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3)
ROTATION = np.reshape(OBLIQUE.GetMatrix(), (3, 3))


def made_ct(direction=None) -> CT:
    return CT(phantom(), SPACING_MM, ORIGIN_LPS_MM, np.eye(3) if direction is None else direction)


def assert_same(one: CT, other: CT) -> None:
    np.testing.assert_array_equal(one.hu, other.hu)
    for name in ("spacing_mm", "origin_lps_mm", "direction"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)


def written(path, ct: CT):
    sitk.WriteImage(ct.to_sitk(), str(path))
    return path


def edited(path, old: bytes, new: bytes):
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))
    return path


def edited_nifti(path, *edits):
    content = bytearray(path.read_bytes())
    for offset, form, *values in edits:
        struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "name", ["ct.nrrd", "ct.nhdr", "ct.nii", "ct.nii.gz", "ct.mha", "ct.mhd", "Größe 1 é.nii.gz"]
)
@pytest.mark.parametrize("direction", [np.eye(3), ROTATION], ids=["straight", "oblique"])
def test_every_image_format_gives_the_same_ct(tmp_path, name, direction):
    ct = made_ct(direction)
    assert_same(read_ct(written(tmp_path / name, ct)), ct)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz"])
def test_real_dicom_zip_equals_its_image_files(data, tmp_path, name):
    ct = read_ct(data / "cptac_lscc_C3N-00247_nodule.zip")
    assert ct.hu.shape == (25, 120, 120)
    assert ct.acquisition.head_to_foot and ct.acquisition.kernel == "B70f"
    assert {"thick-slices", "contrast", "sharp-kernel"} == {check.code for check in ct.checks}
    np.testing.assert_allclose(ct.point_of((60, 60, 12)), (-81, -192, -192), atol=0.6)
    assert_same(read_ct(written(tmp_path / name, ct)), ct)


def test_rounded_floats_and_small_files(data):
    ct = made_ct()
    image = sitk.Cast(ct.to_sitk(), sitk.sitkFloat64) + 0.3
    np.testing.assert_array_equal(CT.from_sitk(image).hu, ct.hu)
    assert read_ct(data / "chest_crop_no_nodule_3mm.nii.gz").hu.shape == (56, 51, 61)


def test_fault_09_skewed_direction():
    with pytest.raises(CTError, match="right angles"):
        made_ct(np.array([[1, 0, 0.02], [0, 1, 0], [0, 0, 1]]))


def test_fault_09_skewed_nrrd(tmp_path):
    path = edited(written(tmp_path / "ct.nrrd", made_ct()), b"(0,0,1.25)", b"(0.3,0,1.2)")
    with pytest.raises(CTError, match="right angles"):
        read_ct(path)


def test_fault_09_skewed_mha(tmp_path):
    path = edited(
        written(tmp_path / "ct.mha", made_ct()),
        b"Matrix = 1 0 0 0 1 0 0",
        b"Matrix = 1 0 0 0 1 0 0.3",
    )
    with pytest.raises(CTError, match="right angles"):
        read_ct(path)


@pytest.mark.parametrize(
    ("qform", "reason"), [(0, "right angles"), (1, "sform")], ids=["alone", "beside a qform"]
)
def test_fault_09_skewed_nifti_sform(tmp_path, qform, reason):
    path = written(tmp_path / "ct.nii", made_ct())
    with pytest.raises(CTError, match=reason):
        read_ct(edited_nifti(path, (252, "<h", qform), (280 + 8, "<f", 0.3)))


def test_fault_10_orientation_unknown_is_flagged(tmp_path):
    path = edited_nifti(written(tmp_path / "ct.nii", made_ct()), (252, "<2h", 0, 0))
    assert "orientation-unknown" in [check.code for check in read_ct(path).checks]


@settings(max_examples=60, deadline=None)
@given(
    order=st.sampled_from(list(permutations(range(3)))),
    flips=st.sampled_from(list(product((1, -1), repeat=3))),
)
def test_fault_10_all_48_axis_orders_and_flips(order, flips):
    straight = made_ct(ROTATION)
    assert_same(to_lps(rearranged(straight, order, flips)), to_lps(straight))


def rearranged(ct: CT, order, flips) -> CT:
    """The same anatomy with array axis x, y, z taken from old axis ``order[0..2]``, and flipped
    where -1."""
    first = [
        0 if flip > 0 else ct.hu.shape[2 - axis] - 1
        for axis, flip in zip(order, flips, strict=True)
    ]
    voxel = np.zeros(3)
    voxel[list(order)] = first
    hu = ct.hu.transpose([2 - order[2], 2 - order[1], 2 - order[0]])[
        :: flips[2], :: flips[1], :: flips[0]
    ]
    spacing = tuple(ct.spacing_mm[axis] for axis in order)
    return CT(hu, spacing, tuple(ct.point_of(voxel)), ct.direction[:, list(order)] * flips)


@pytest.mark.parametrize("direction", [np.diag([-1.0, -1, 1]), ROTATION], ids=["prone", "oblique"])
def test_fault_14_oblique_and_prone_dicom(tmp_path, direction):
    write_series(tmp_path, phantom(), direction=direction)
    assert_same(read_ct(tmp_path), made_ct(direction))


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), float("inf")])
def test_fault_15_bad_spacing(tmp_path, spacing):
    with pytest.raises(CTError, match="spacing"):
        CT(phantom(), (0.7, 0.8, spacing), ORIGIN_LPS_MM)
    path = edited_nifti(written(tmp_path / "ct.nii", made_ct()), (76 + 12, "<f", spacing))
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("ct.nii", "ct.nii.gz"):
        with pytest.raises(CTError, match="spacing"):
            read_ct(tmp_path / name)


@pytest.mark.parametrize("vector", [b"(0,0,0)", b"(nan,nan,nan)", b"(0,0,nan)", b"none"])
def test_fault_15_bad_spacing_nrrd(tmp_path, vector):
    path = edited(written(tmp_path / "ct.nrrd", made_ct()), b"(0,0,1.25)", vector)
    with pytest.raises(CTError, match="spacing"):
        read_ct(path)


@pytest.mark.parametrize(
    "text", [b"Spacing = 1 1 0\n", b"Spacing = 1 1 -1\n", b"Spacing = 1 1 nan\n", b"X = 1\n"]
)
def test_fault_15_bad_spacing_mha(tmp_path, text):
    path = written(tmp_path / "ct.mha", made_ct())
    line = next(
        line for line in path.read_bytes().split(b"\n") if line.startswith(b"ElementSpacing")
    )
    with pytest.raises(CTError, match="spacing"):
        read_ct(edited(path, line + b"\n", b"Element" + text))


@pytest.mark.parametrize("spacing", [[0, 0.7], [-0.8, 0.7], None])
def test_fault_15_bad_spacing_dicom(tmp_path, spacing):
    write_series(tmp_path, phantom(), PixelSpacing=spacing)
    with pytest.raises(CTError, match=r"(?i)spacing"):
        read_ct(tmp_path)


def test_fault_12_four_dimensions_and_colour(tmp_path):
    image = made_ct().to_sitk()
    for name in ("ct.nii", "ct.nrrd"):
        sitk.WriteImage(sitk.JoinSeries([image, image]), str(tmp_path / name))
        with pytest.raises(CTError, match="4D"):
            read_ct(tmp_path / name)
        sitk.WriteImage(sitk.Compose(image, image, image), str(tmp_path / name))
        with pytest.raises(CTError, match="colour"):
            read_ct(tmp_path / name)


def test_fault_12_single_time_point_is_three_dimensional(tmp_path):
    ct = made_ct()
    sitk.WriteImage(sitk.JoinSeries([ct.to_sitk()]), str(tmp_path / "ct.nrrd"))
    assert_same(read_ct(tmp_path / "ct.nrrd"), ct)


@pytest.mark.parametrize("name", ["ct.nii", "ct.nrrd", "ct.mha"])
def test_fault_06_single_slice_image(tmp_path, name):
    image = made_ct().to_sitk()
    for single in (image[:, :, 3:4], image[:, :, 3]):
        sitk.WriteImage(single, str(tmp_path / name))
        with pytest.raises(CTError, match="one slice"):
            read_ct(tmp_path / name)


@pytest.mark.parametrize(("name", "old", "new"), [
    ("ct.nrrd", b"sizes: 18 16 12", b"sizes: 100000 100000 1000"),
    ("ct.mha", b"DimSize = 18 16 12", b"DimSize = 100000 100000 1000"),
])  # fmt: skip
def test_fault_45_enormous_header(tmp_path, name, old, new):
    with pytest.raises(CTError, match="million voxels"):
        read_ct(edited(written(tmp_path / name, made_ct()), old, new))


def test_fault_45_enormous_nifti(tmp_path):
    path = edited_nifti(written(tmp_path / "ct.nii", made_ct()), (42, "<3h", 30000, 30000, 30000))
    with pytest.raises(CTError, match="million voxels"):
        read_ct(path)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii.gz", "ct.mha"])
def test_fault_45_bomb(tmp_path, name):
    sitk.WriteImage(
        sitk.Image([200, 200, 200], sitk.sitkFloat64), str(tmp_path / name), useCompression=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nodulerisk.ct.image_files.MAX_BYTES", 63_000_000)
        with pytest.raises(CTError, match="more than a CT would"):
            read_ct(tmp_path / name)


def test_fault_45_nifti_extension_bomb(tmp_path):
    path = edited_nifti(
        written(tmp_path / "ct.nii", made_ct()), (108, "<f", 2e9), (348, "<3i", 1, 1_900_000_000, 6)
    )
    with pytest.raises(CTError, match="too long"):
        read_ct(path)


@pytest.mark.parametrize("skip", [b"byte skip: -1", b"line skip: 1000000000"])
def test_fault_45_nrrd_that_skips_for_ever(tmp_path, skip):
    path = tmp_path / "ct.nrrd"
    sitk.WriteImage(made_ct().to_sitk(), str(path), useCompression=True)
    with pytest.raises(CTError, match="skips"):
        read_ct(edited(path, b"encoding: gzip", b"encoding: gzip\n" + skip))


@pytest.mark.parametrize("target", [b"/etc/hostname", b"../ct.raw", b"LIST"])
def test_fault_45_header_points_elsewhere(tmp_path, target):
    path = edited(
        written(tmp_path / "ct.mhd", made_ct()),
        b"ElementDataFile = ct.raw",
        b"ElementDataFile = " + target,
    )
    with pytest.raises(CTError, match="another folder"):
        read_ct(path)
    path = edited(
        written(tmp_path / "ct.nhdr", made_ct()), b"data file: ct.raw", b"data file: " + target
    )
    with pytest.raises(CTError, match="another folder"):
        read_ct(path)


def test_fault_45_header_with_a_hidden_data_path_is_refused(tmp_path):
    path = written(tmp_path / "ct.mhd", made_ct())
    with pytest.raises(CTError):
        read_ct(edited(path, b"ElementDataFile = ct.raw", b"ElementDataFile : /etc/hostname"))
    path = written(tmp_path / "ct.nhdr", made_ct())
    with pytest.raises(CTError, match="too long"):
        read_ct(
            edited(path, b"data file: ct.raw", b"# " + 70000 * b"-" + b"\ndata file: /etc/hostname")
        )


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nii", "ct.nii.gz", "ct.mha"])
@pytest.mark.parametrize("kept", [0, 3, 300, 0.5, 0.9])
def test_truncated_image_file_is_refused_in_one_line(tmp_path, name, kept):
    path = written(tmp_path / name, made_ct())
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept < 1 else kept])
    with pytest.raises(CTError) as refusal:
        read_ct(path)
    assert "\n" not in str(refusal.value) and str(tmp_path) not in str(refusal.value)


def test_missing_empty_and_other_paths_are_refused_in_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("not a CT")
    (tmp_path / "ct.nii.gz").write_text("not a CT")
    (tmp_path / "ct.zip").write_text("not a CT")
    (tmp_path / "empty folder").mkdir()
    for name in ("gone.nii", "notes.txt", "ct.nii.gz", "ct.zip", "empty folder", ""):
        with pytest.raises(CTError) as refusal:
            read_ct(tmp_path / name)
        assert "\n" not in str(refusal.value) and str(tmp_path) not in str(refusal.value)
