"""What a header says and what is read: fault rows 51 to 54, over files written without ITK.

Every case ends in the same CT (voxels equal, positions to 0.01 mm) or a refusal that names the
field. nibabel and pynrrd say independently what the files hold.
"""

from __future__ import annotations

import gzip
import struct

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk

from made_dicom import ORIGIN_LPS_MM, SPACING_MM, phantom, write_series
from made_images import LPS_TO_RAS, numbers, vector, write_meta, write_nifti, write_nrrd
from nodulerisk.ct import image_files
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError


def turned(*angles: float) -> np.ndarray:
    return np.reshape(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix(), (3, 3))


STRAIGHT, OBLIQUE = np.eye(3), turned(0.2, -0.1, 0.3)
MIRRORED = OBLIQUE * (1, 1, -1)
DIRECTIONS = {"straight": STRAIGHT, "oblique": OBLIQUE, "mirrored": MIRRORED}
WRITERS = {"ct.nrrd": write_nrrd, "ct.mha": write_meta, "ct.nii": write_nifti}


def made_ct(direction=STRAIGHT, spacing_mm=SPACING_MM) -> CT:
    return CT(phantom(), spacing_mm, ORIGIN_LPS_MM, direction)


def assert_same(one: CT, other: CT, within_mm: float = 0.01) -> None:
    """The voxels are equal, and no corner lies farther away than this."""
    np.testing.assert_array_equal(one.hu, other.hu)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in one.hu.shape[::-1]])).reshape(3, -1).T
    for corner in corners:
        assert np.abs(one.point_of(corner) - other.point_of(corner)).max() < within_mm


def refused(path, words: str) -> None:
    with pytest.raises(CTError, match=words) as refusal:
        read_ct(path)
    assert "\n" not in str(refusal.value) and str(path.parent) not in str(refusal.value)


def edited_nifti(path, *edits):
    content = bytearray(path.read_bytes())
    for offset, form, *values in edits:
        struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)
    return path


# --- Units of length


UNITS = [("mm", 1), ("cm", 10), ("m", 1000), ("meter", 1000), ("um", 1e-3), ("micron", 1e-3)]


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize(("unit", "mm"), UNITS)
def test_fault_51_nrrd_space_units(tmp_path, unit, mm, direction):
    ct = made_ct(direction)
    stated = " ".join([f'"{unit}"'] * 3)
    path = write_nrrd(tmp_path / "ct.nrrd", ct, unit_mm=mm, space_units=stated)
    header = nrrd.read_header(str(path))
    axes = np.array(header["space directions"]).T * mm
    np.testing.assert_allclose(axes, ct.direction * ct.spacing_mm)
    assert_same(read_ct(path), ct)


@pytest.mark.parametrize("unit", ["inch", "furlong", "pixel"])
def test_fault_51_units_that_are_no_known_length(tmp_path, unit):
    stated = f'"{unit}" "{unit}" "{unit}"'
    refused(write_nrrd(tmp_path / "ct.nrrd", made_ct(), space_units=stated), "space units")
    refused(write_meta(tmp_path / "ct.mha", made_ct(), DistanceUnits=unit), "DistanceUnits")


def test_fault_51_units_that_differ_by_axis(tmp_path):
    path = write_nrrd(tmp_path / "ct.nrrd", made_ct(), space_units='"mm" "mm" "cm"')
    refused(path, "space units")


@pytest.mark.parametrize(("unit", "mm"), [("mm", 1), ("cm", 10), ("um", 1e-3)])
def test_fault_51_units_of_nrrd_axes_and_of_metaimage(tmp_path, unit, mm):
    ct = made_ct()
    spacing = numbers(np.divide(SPACING_MM, mm))
    path = write_nrrd(
        tmp_path / "ct.nrrd",
        ct,
        space=None,
        space_directions=None,
        space_origin=None,
        spacings=spacing,
        units=" ".join([f'"{unit}"'] * 3),
    )
    np.testing.assert_allclose(read_ct(path).spacing_mm, SPACING_MM)
    path = write_meta(tmp_path / "ct.mha", ct, unit_mm=mm, DistanceUnits=unit)
    assert_same(read_ct(path), ct)


FORMS = [(1, 0), (0, 1), (1, 1), (1, 2), (0, 3), (2, 4), (4, 1)]


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize(("qform", "sform"), FORMS)
@pytest.mark.parametrize(("unit", "mm"), [("mm", 1), ("meter", 1000), ("micron", 1e-3)])
def test_fault_51_nifti_xyzt_units(tmp_path, unit, mm, qform, sform, direction):
    ct = made_ct(direction)
    forms = {"qform": qform, "sform": sform}
    path = write_nifti(tmp_path / "ct.nii.gz", ct, unit=unit, unit_mm=mm, **forms)
    affine = LPS_TO_RAS @ nibabel.load(path).affine[:3] * mm
    read = read_ct(path)
    assert_same(read, ct)
    np.testing.assert_allclose(affine[:, :3], read.direction * read.spacing_mm, atol=1e-4)
    np.testing.assert_allclose(affine[:, 3], read.origin_lps_mm, atol=0.01)


@pytest.mark.parametrize("code", [4, 5, 6, 7])
def test_fault_51_nifti_units_that_are_no_length(tmp_path, code):
    path = edited_nifti(write_nifti(tmp_path / "ct.nii", made_ct()), (123, "B", code))
    refused(path, "xyzt_units")


# --- Plausible geometry


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("spacing_mm", "plausible"),
    [((0.1, 0.1, 0.1), True), ((0.9, 0.9, 10.0), True), ((0.08, 0.08, 0.08), False),
     ((0.7, 0.7, 0.05), False), ((0.7, 0.7, 12.0), False), ((700, 800, 1250), False),
     ((7e-4, 8e-4, 1.25e-3), False)],
)  # fmt: skip
def test_fault_52_spacing(tmp_path, name, spacing_mm, plausible):
    ct, mm = made_ct(), np.array(spacing_mm)
    object.__setattr__(ct, "spacing_mm", tuple(map(float, mm)))
    path = WRITERS[name](tmp_path / name, ct)
    if plausible:
        assert_same(read_ct(path), ct)
    else:
        refused(path, "spacing is .* mm, and a CT's lies between 0.1 and 10 mm")


@pytest.mark.parametrize(("pixel_mm", "step_mm"), [(0.05, 1), (15, 1), (0.7, 0.05), (0.7, 20)])
def test_fault_52_spacing_of_dicom(tmp_path, pixel_mm, step_mm):
    write_series(tmp_path, phantom(), spacing_mm=(pixel_mm, pixel_mm, step_mm))
    with pytest.raises(CTError, match="spacing"):
        read_ct(tmp_path)


@pytest.mark.parametrize("name", WRITERS)
def test_fault_52_origin_and_extent(tmp_path, name):
    far = made_ct()
    object.__setattr__(far, "origin_lps_mm", (-10.0, 20.0, -300_000.0))
    refused(WRITERS[name](tmp_path / name, far), "10 m away")
    long = CT(np.resize(phantom(), (12, 16, 18)), (0.7, 0.8, 9.0), ORIGIN_LPS_MM)
    object.__setattr__(long, "hu", np.resize(phantom(), (230, 16, 18)))
    refused(WRITERS[name](tmp_path / name, long), r"2.07 m long")


@pytest.mark.parametrize(
    ("name", "changes"),
    [("ct.nrrd", {"sizes": "900 900 900"}), ("ct.mha", {"DimSize": "900 900 900"}),
     ("ct.nrrd", {"sizes": "900 900 900", "encoding": "gzip"})],
)  # fmt: skip
def test_fault_52_sizes_that_lie_take_no_memory(tmp_path, name, changes, monkeypatch):
    monkeypatch.setattr(sitk.ImageFileReader, "Execute", _never)
    refused(WRITERS[name](tmp_path / name, made_ct(), **changes), "cut short")


def _never(reader):
    raise AssertionError("voxels were allocated")


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
def test_fault_52_nifti_sizes_that_lie(tmp_path, name):
    path = write_nifti(tmp_path / "ct.nii", made_ct())
    (tmp_path / name).write_bytes(edited_nifti(path, (40, "<4h", 3, 900, 900, 900)).read_bytes())
    refused(tmp_path / name, "cut short")


# --- The header against what was read


SPACES = {
    "left-posterior-superior": STRAIGHT,
    "LPS": STRAIGHT,
    "right-anterior-superior": LPS_TO_RAS,
    "RAS": LPS_TO_RAS,
    "left-anterior-superior": np.diag([1.0, -1, 1]),
    "LAS": np.diag([1.0, -1, 1]),
}


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_fault_53_nrrd_spaces(tmp_path, space, direction, encoding):
    ct = made_ct(direction)
    path = tmp_path / "ct.nrrd"
    write_nrrd(path, ct, to_space=SPACES[space], space=space, encoding=encoding)
    values, _ = nrrd.read(str(path))
    np.testing.assert_array_equal(values.T, ct.hu)
    read = read_ct(path)
    assert_same(read, ct)
    assert "orientation-unknown" not in [check.code for check in read.checks]


@pytest.mark.parametrize("space", ["scanner-xyz", "3D-right-handed", "3D-left-handed", None])
def test_fault_53_nrrd_space_of_no_patient_is_flagged(tmp_path, space):
    stated = {"space": space} if space else {"space": None, "space_dimension": "3"}
    path = write_nrrd(tmp_path / "ct.nrrd", made_ct(), **stated)
    assert "orientation-unknown" in [check.code for check in read_ct(path).checks]


def test_fault_53_a_library_that_mirrors_a_space_is_refused(tmp_path, monkeypatch):
    """As SimpleITK 2.4.0 to 2.5.2 did with left-anterior-superior."""
    monkeypatch.setattr(
        sitk.ImageFileReader, "GetDirection", lambda reader: (1.0, 0, 0, 0, 1, 0, 0, 0, -1)
    )
    refused(write_nrrd(tmp_path / "ct.nrrd", made_ct()), "space directions or space")
    refused(write_meta(tmp_path / "ct.mha", made_ct()), "TransformMatrix")
    monkeypatch.setattr(sitk.ImageFileReader, "GetOrigin", lambda reader: (0.0, 0.0, 0.0))
    monkeypatch.undo()


@pytest.mark.parametrize(("method", "value", "fields"), [
    ("GetOrigin", (0.0, 0.0, 0.0), ("space origin", "Offset")),
    ("GetSpacing", (1.0, 1.0, 1.0), ("space directions", "ElementSpacing")),
])  # fmt: skip
def test_fault_53_another_place_than_the_headers_is_refused(
    tmp_path, monkeypatch, method, value, fields
):
    monkeypatch.setattr(sitk.ImageFileReader, method, lambda reader: value)
    refused(write_nrrd(tmp_path / "ct.nrrd", made_ct()), fields[0])
    refused(write_meta(tmp_path / "ct.mha", made_ct()), fields[1])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"space_origin": None}, "space origin"),
        ({"space_origin": "none"}, "damaged|position"),
        ({"axis_mins": "0 0 0"}, "axismins"),
        ({"space_directions": None}, "spacing is missing"),
        ({"Space": "RAS"}, "space"),  # twice
        ({"space": "right-up"}, "damaged"),
        ({"space_origin": "(-10.0,20.0,1 1 1)"}, "damaged"),
        ({"space_origin": "(-10.0,20.0)"}, "damaged"),
        ({"space_origin": "-10.0 20.0 -300.0"}, "damaged"),
        ({"line_skip": "1"}, "skips lines"),
        ({"byte_skip": "-2"}, "damaged"),
    ],
)
def test_fault_53_nrrd_fields(tmp_path, changes, words):
    refused(write_nrrd(tmp_path / "ct.nrrd", made_ct(), **changes), words)


def test_fault_53_key_value_pairs_and_comments_are_no_nrrd_fields(tmp_path):
    path = write_nrrd(tmp_path / "ct.nrrd", made_ct())
    lines = b"encoding: raw\nspace:=left-anterior-superior\n# space: LAS\nspace units:=cm\n"
    path.write_bytes(path.read_bytes().replace(b"encoding: raw\n", lines))
    assert_same(read_ct(path), made_ct())


def test_fault_53_detached_headers(tmp_path):
    ct = made_ct(OBLIQUE)
    content = write_nrrd(tmp_path / "ct.nhdr", ct, data_file="voxels.raw").read_bytes()
    header, voxels = content.split(b"\n\n", maxsplit=1)
    (tmp_path / "ct.nhdr").write_bytes(header + b"\n")
    (tmp_path / "voxels.raw").write_bytes(voxels)
    assert_same(read_ct(tmp_path / "ct.nhdr"), ct)
    content = write_meta(tmp_path / "ct.mhd", ct).read_bytes()
    header = content[: -len(voxels)].replace(b"LOCAL", b"voxels.raw")
    (tmp_path / "ct.mhd").write_bytes(header)
    assert_same(read_ct(tmp_path / "ct.mhd"), ct)
    (tmp_path / "voxels.raw").write_bytes(voxels[:-2])
    refused(tmp_path / "ct.mhd", "cut short")
    refused(tmp_path / "ct.nhdr", "cut short")


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("changes", [
    {},
    {"Offset": None, "Position": numbers(ORIGIN_LPS_MM)},
    {"Offset": None, "Origin": numbers(ORIGIN_LPS_MM)},
    {"Position": numbers(ORIGIN_LPS_MM)},
    {"ElementSize": "9 9 9"},  # of the detector, not the distance
    {"ElementSpacing": None, "ElementSize": numbers(SPACING_MM)},
    {"AnatomicalOrientation": "???"},
    {"Modality": "MET_MOD_CT"},
    {"Comment": "a key of one's own"},
])  # fmt: skip
def test_fault_53_metaimage_keys_that_are_right(tmp_path, changes, direction):
    ct = made_ct(direction)
    assert_same(read_ct(write_meta(tmp_path / "ct.mha", ct, **changes)), ct)


@pytest.mark.parametrize("alias", ["Orientation", "Rotation"])
def test_fault_53_metaimage_matrix_by_its_other_names(tmp_path, alias):
    ct = made_ct(OBLIQUE)
    matrix = {"TransformMatrix": None, alias: numbers(OBLIQUE.T)}
    assert_same(read_ct(write_meta(tmp_path / "ct.mha", ct, **matrix)), ct)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Offset": None}, "Offset"),
        ({"Offset": None, "offset": "1 2 3"}, "spells 'Offset' as 'offset'"),
        ({"ElementSpacing": None, "elementspacing": "1 1 1"}, "ElementSpacing"),
        ({"TransformMatrix": None, "TRANSFORMMATRIX": numbers(OBLIQUE)}, "TransformMatrix"),
        ({"BinaryDataByteOrderMSB": None, "binarydatabyteordermsb": "True"}, "MSB"),
        ({"Position": "1 2 3"}, "Offset and Position differ"),
        ({"Origin": "1 2 3"}, "Offset and Origin differ"),
        ({"Orientation": numbers(OBLIQUE)}, "TransformMatrix and Orientation differ"),
        ({"AnatomicalOrientation": "LPS"}, "AnatomicalOrientation"),
        ({"AnatomicalOrientation": "RAS"}, "AnatomicalOrientation"),
        ({"AnatomicalOrientation": "ARI"}, "AnatomicalOrientation"),
        ({"ElementToIntensityFunctionOffset": "-1024"}, "ElementToIntensityFunctionOffset"),
        ({"ElementToIntensityFunctionSlope": "2"}, "ElementToIntensityFunctionSlope"),
        ({"Modality": "MET_MOD_MR"}, "not a CT"),
        ({"ElementSpacing": "1 1"}, "damaged"),
        ({"ElementSpacing": "1 1 1 1"}, "damaged"),
        ({"Offset": "1 2 3 4"}, "damaged"),
        ({"HeaderSize": "-2"}, "damaged"),
        ({"NDims": "2"}, "damaged|one slice"),
    ],
)
def test_fault_53_metaimage_keys_that_are_wrong(tmp_path, changes, words):
    refused(write_meta(tmp_path / "ct.mha", made_ct(), **changes), words)


@pytest.mark.parametrize("form", ["ct.mha", "ct.nrrd"])
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_fault_53_what_simpleitk_writes_compressed(tmp_path, form, direction):
    """Its AnatomicalOrientation agrees with its matrix."""
    ct = made_ct(direction)
    sitk.WriteImage(ct.to_sitk(), str(tmp_path / form), useCompression=True)
    assert_same(read_ct(tmp_path / form), ct)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("slope", [None, (1.0, -1024.0), (0.5, -300.0)])
def test_fault_53_nifti_versions_and_slopes(tmp_path, version, name, slope):
    ct = made_ct(OBLIQUE)
    path = write_nifti(tmp_path / name, ct, version=version, slope=slope)
    np.testing.assert_array_equal(np.rint(np.asarray(nibabel.load(path).dataobj)).T, ct.hu)
    assert_same(read_ct(path), ct)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("order", "<>")
def test_fault_53_nifti_number_types_and_byte_orders(tmp_path, dtype, order):
    kind = np.dtype(order + dtype)
    offset = {"u": 1100, "i": 0, "f": 0}[kind.kind]
    scale = 16 if kind.itemsize == 1 else 1
    stored = np.rint((phantom().astype(int) + offset) / scale).astype(kind)
    header = nibabel.Nifti1Header(endianness=order)
    header.set_data_dtype(kind)
    image = nibabel.Nifti1Image(stored.T, np.diag([-0.7, -0.8, 1.25, 1]), header)
    image.header.set_slope_inter(scale, -offset)
    nibabel.save(image, tmp_path / "ct.nii")
    expected = np.rint(np.asarray(nibabel.load(tmp_path / "ct.nii").dataobj)).T
    np.testing.assert_array_equal(read_ct(tmp_path / "ct.nii").hu, np.maximum(expected, -1024))


@pytest.mark.parametrize(("edits", "words"), [
    ([(344, "4s", b"ni1\0")], "magic"),
    ([(344, "4s", b"n+2\0")], "magic"),
    ([(344, "4s", b"\0\0\0\0")], "magic"),
    ([(344, "4s", b"n+1 ")], "magic"),
    ([(108, "<f", 0.0)], "vox_offset"),
    ([(108, "<f", 348.0)], "vox_offset"),
    ([(108, "<f", 352.5)], "vox_offset"),
    ([(108, "<f", float("nan"))], "vox_offset"),
    ([(112, "<2f", 0.0, 5.0)], "scl_inter"),
    ([(112, "<2f", 1.0, float("nan"))], "scl_inter"),
    ([(112, "<2f", 1.0, float("inf"))], "scl_inter"),
    ([(72, "<h", 8)], "bitpix"),
    ([(70, "<h", 128)], "colour"),
    ([(40, "<h", 9)], "dim"),
    ([(256, "<f", 2.0)], "quatern"),
    ([(256, "<f", float("nan"))], "quatern"),
    ([(80, "<f", 0.702)], "pixdim"),
    ([(252, "<2h", 0, 383)], "sform_code"),
    ([(252, "<2h", -4096, 1)], "qform_code"),
])  # fmt: skip
def test_fault_53_nifti_fields(tmp_path, edits, words):
    refused(edited_nifti(write_nifti(tmp_path / "ct.nii", made_ct()), *edits), words)


@pytest.mark.parametrize("slope", [(0.0, 0.0), (float("nan"), 0.0), (float("nan"),) * 2])
def test_fault_53_nifti_without_a_slope(tmp_path, slope):
    path = edited_nifti(write_nifti(tmp_path / "ct.nii", made_ct()), (112, "<2f", *slope))
    np.testing.assert_array_equal(np.asarray(nibabel.load(path).dataobj).T, phantom())
    assert_same(read_ct(path), made_ct())


CODES = [(q, s) for q in (1, 2, 3, 4) for s in (1, 2, 3, 4)]


@pytest.mark.parametrize(("qform", "sform"), CODES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_fault_53_nifti_sform_that_mirrors_the_qform(tmp_path, qform, sform, axis):
    """Programs differ in which of the two they use."""
    path = write_nifti(tmp_path / "ct.nii", made_ct(), qform=qform, sform=sform)
    content = path.read_bytes()
    at = 280 + 4 * (4 * axis + axis)
    edited_nifti(path, (at, "<f", -struct.unpack_from("<f", content, at)[0]))
    refused(path, "sform .* disagrees with its qform")


def test_fault_53_nifti_sform_with_another_voxel_size_than_pixdim(tmp_path):
    path = write_nifti(tmp_path / "ct.nii", made_ct(), qform=0)
    refused(edited_nifti(path, (76 + 12, "<f", 2.5)), "sform and pixdim")


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("other", WRITERS)
def test_fault_53_a_file_of_another_format_than_its_name(tmp_path, name, other):
    if name == other:
        return
    content = WRITERS[other](tmp_path / other, made_ct()).read_bytes()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CTError):
        read_ct(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("ct.nrrd", {"sizes": "17 16 12"}), ("ct.nrrd", {"sizes": "18 16 11"}),
     ("ct.nrrd", {"sizes": "17 16 12", "encoding": "gzip"}), ("ct.mha", {"DimSize": "17 16 12"}),
     ("ct.mha", {"DimSize": "18 15 12"})],
)  # fmt: skip
def test_fault_53_more_voxels_than_the_header_states(tmp_path, name, changes):
    """They would be read as rows or slices that begin in one another."""
    refused(WRITERS[name](tmp_path / name, made_ct(), **changes), "more voxels")


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize(("at", "size"), [(42, 17), (44, 15), (46, 11)])
def test_fault_53_more_voxels_than_the_nifti_header_states(tmp_path, name, at, size):
    path = write_nifti(tmp_path / "ct.nii", made_ct())
    content = edited_nifti(path, (at, "<h", size)).read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    refused(tmp_path / name, "more voxels")


SKIPPED = [(8, "HeaderSize = 8"), (8, "HeaderSize = -1"), (0, "HeaderSize = 0"), (0, "Name = x")]


@pytest.mark.parametrize(("more", "line"), SKIPPED)
def test_fault_53_voxels_behind_a_foreign_header(tmp_path, more, line):
    content = write_meta(tmp_path / "ct.mhd", made_ct()).read_bytes()
    header = content[: content.index(b"ElementDataFile")]
    lines = [line.encode(), b"ElementDataFile = ct.raw", b""]
    (tmp_path / "ct.mhd").write_bytes(header + b"\n".join(lines))
    (tmp_path / "ct.raw").write_bytes(bytes(more) + made_ct().hu.tobytes())
    assert_same(read_ct(tmp_path / "ct.mhd"), made_ct())
    (tmp_path / "ct.raw").write_bytes(bytes(more + 8) + made_ct().hu.tobytes())
    if "-1" not in line:
        refused(tmp_path / "ct.mhd", "more voxels")


ENCODED = {
    "ascii": lambda hu: " ".join(map(str, hu.ravel())).encode(),
    "gzip": lambda hu: gzip.compress(hu.astype("<i2").tobytes()),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_fault_53_nrrd_encodings(tmp_path, encoding):
    content = write_nrrd(tmp_path / "ct.nrrd", made_ct(), encoding=encoding).read_bytes()
    header = content.split(b"\n\n")[0]
    (tmp_path / "ct.nrrd").write_bytes(header + b"\n\n" + ENCODED[encoding](made_ct().hu))
    assert_same(read_ct(tmp_path / "ct.nrrd"), made_ct())


@pytest.mark.parametrize(("size", "words"), [("18 15 12", "more"), ("18 17 12", "fewer")])
@pytest.mark.parametrize("encoding", ENCODED)
def test_fault_53_encoded_voxels_of_another_size(tmp_path, encoding, size, words):
    path = write_nrrd(tmp_path / "ct.nrrd", made_ct(), encoding=encoding, sizes=size)
    header = path.read_bytes().split(b"\n\n")[0]
    path.write_bytes(header + b"\n\n" + ENCODED[encoding](made_ct().hu))
    refused(path, words)


def test_fault_53_an_encoding_that_is_not_read_is_named(tmp_path):
    for encoding in ("bzip2", "hex", "zrl"):
        path = write_nrrd(tmp_path / "ct.nrrd", made_ct(), encoding=encoding)
        refused(path, f"encoding '{encoding}'")


@pytest.mark.parametrize(("more", "field"), [(5, "5"), (5, "-1"), (0, "0")])
def test_fault_53_nrrd_byte_skip(tmp_path, more, field):
    content = write_nrrd(tmp_path / "ct.nrrd", made_ct(), byte_skip=field).read_bytes()
    header, voxels = content.split(b"\n\n", maxsplit=1)
    (tmp_path / "ct.nrrd").write_bytes(header + b"\n\n" + bytes(more) + voxels)
    assert_same(read_ct(tmp_path / "ct.nrrd"), made_ct())


@pytest.mark.parametrize(("name", "change"), [
    ("ct.nrrd", {"endian": "big"}),
    ("ct.mha", {"BinaryDataByteOrderMSB": "True"}),
    ("ct.mha", {"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"}),
])  # fmt: skip
def test_fault_53_byte_orders(tmp_path, name, change):
    swapped = made_ct()
    object.__setattr__(swapped, "hu", swapped.hu.byteswap())
    assert_same(read_ct(WRITERS[name](tmp_path / name, swapped, **change)), made_ct())


def with_line_ends_of_windows(path, end: bytes):
    content = path.read_bytes()
    at = content.index(end) + len(end)
    path.write_bytes(content[:at].replace(b"\n", b"\r\n") + content[at:])
    return path


def test_fault_53_line_ends_of_windows(tmp_path):
    for name, end in (("ct.nrrd", b"\n\n"), ("ct.mha", b"LOCAL\n")):
        path = with_line_ends_of_windows(WRITERS[name](tmp_path / name, made_ct()), end)
        assert_same(read_ct(path), made_ct())


@pytest.mark.parametrize("size", ["17 16 12", "18 16 11", "18 17 12", "18 16 13"])
def test_fault_53_compressed_voxels_of_another_size_than_the_header_states(tmp_path, size):
    """ITK reads them as rows that begin in one another, or fills up with zeros."""
    sitk.WriteImage(made_ct().to_sitk(), str(tmp_path / "ct.mha"), useCompression=True)
    content = (tmp_path / "ct.mha").read_bytes()
    (tmp_path / "ct.mha").write_bytes(content.replace(b"18 16 12", size.encode()))
    refused(tmp_path / "ct.mha", "voxels than")


# --- Rounded directions


@pytest.mark.parametrize("decimals", [3, 4])
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("forms", [{"qform": 0, "sform": 1}, {"qform": 1, "sform": 2}])
def test_fault_54_sform_rounded_on_an_oblique_scan(tmp_path, decimals, seed, forms):
    angles = np.random.default_rng(seed).uniform(-0.5, 0.5, 3)
    ct = made_ct(turned(*angles), spacing_mm=(0.55, 0.55, 1.25) if seed % 2 else SPACING_MM)
    path = write_nifti(tmp_path / "ct.nii.gz", ct, decimals=decimals, **forms)
    read = read_ct(path)
    np.testing.assert_allclose(read.direction.T @ read.direction, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(read.direction, ct.direction, atol=2e-3)
    assert_same(read, ct, within_mm=0.03)


@pytest.mark.parametrize("decimals", [3, 4])
def test_fault_54_rounded_nrrd_and_metaimage(tmp_path, decimals):
    ct = made_ct(OBLIQUE)
    axes = (OBLIQUE * SPACING_MM).T.round(decimals)
    directions = " ".join(map(vector, axes))
    path = write_nrrd(tmp_path / "ct.nrrd", ct, space_directions=directions)
    assert_same(read_ct(path), ct, within_mm=0.03)
    matrix = numbers(OBLIQUE.T.round(decimals))
    assert_same(read_ct(write_meta(tmp_path / "ct.mha", ct, TransformMatrix=matrix)), ct, 0.03)


def test_fault_54_a_shear_beyond_rounding_is_refused(tmp_path):
    sheared = OBLIQUE @ np.array([[1, 0, 0.005], [0, 1, 0], [0, 0, 1]])
    directions = " ".join(map(vector, (sheared * SPACING_MM).T))
    refused(write_nrrd(tmp_path / "a.nrrd", made_ct(), space_directions=directions), "right angles")


def test_image_files_know_every_format_that_is_tried_here():
    assert {"." + name.split(".")[1] for name in WRITERS} < {
        *image_files.NIFTI,
        *image_files.NRRD,
        *image_files.META,
    }
