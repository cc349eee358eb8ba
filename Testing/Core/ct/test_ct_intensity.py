"""Intensities of a CT: fault rows 16 to 20, 22 to 24 and 60, and the thick slices of row 8."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from made_dicom import phantom, set_pixels, write_series
from needs import WHOLE_DATA
from nodulerisk.ct.dicom.files import DicomFile, ImagePlane
from nodulerisk.ct.dicom.pixels import hounsfield, rescaled
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, with_geometry
from nodulerisk.errors import CTError

SAMPLE = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"


def codes(ct: CT) -> set[str]:
    return {check.code for check in ct.checks}


def from_values(values: np.ndarray, spacing_mm=(0.7, 0.7, 1.0)) -> CT:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing_mm)
    return CT.from_sitk(image)


@pytest.mark.parametrize(
    ("z_mm", "thickness", "flagged"), [(1, 1, False), (2.5, 2, False), (3, 1, True), (2, 5, True)]
)
def test_fault_08_thick_slices(tmp_path, z_mm, thickness, flagged):
    write_series(tmp_path, phantom(), spacing_mm=(0.7, 0.8, z_mm), SliceThickness=thickness)
    assert ("thick-slices" in codes(read_ct(tmp_path))) is flagged


def test_fault_16_rescale_missing(tmp_path):
    write_series(tmp_path, phantom(), RescaleIntercept=None)
    with pytest.raises(CTError, match="Rescale"):
        read_ct(tmp_path)


def test_fault_16_rescale_missing_but_plainly_hounsfield(tmp_path):
    def store_signed(dataset, k):
        dataset.PixelRepresentation = 1
        dataset.PixelData = phantom()[k].astype("<i2").tobytes()

    write_series(tmp_path, phantom(), RescaleIntercept=None, RescaleSlope=None, change=store_signed)
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, phantom())
    assert "rescale-missing" in codes(ct)


def test_rescale_of_each_slice_is_its_own(tmp_path):
    def store_with_own_slope(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = 0.5, -1500 + k
        dataset.PixelData = ((phantom()[k].astype(int) + 1500 - k) * 2).astype("<u2").tobytes()

    write_series(tmp_path, phantom(), change=store_with_own_slope)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, phantom())


@pytest.mark.parametrize("padding", [-2000, -3024])
def test_fault_17_padding(tmp_path, padding):
    hu = phantom()
    hu[:, :3, :3] = padding

    def store_signed(dataset, k):
        dataset.PixelRepresentation, dataset.RescaleIntercept, dataset.PixelPaddingValue = (
            1,
            0,
            padding,
        )
        dataset.PixelData = hu[k].astype("<i2").tobytes()

    write_series(tmp_path, hu, change=store_signed)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, np.maximum(hu, -1024))


def test_fault_17_padding_above_all_tissue_becomes_air(tmp_path):
    hu = phantom().astype(int)
    hu[:, :3, :3] = 63535 - 1024
    write_series(tmp_path, hu, PixelPaddingValue=63535)
    ct = read_ct(tmp_path)
    assert (ct.hu[:, :3, :3] == -1024).all() and ct.hu.max() < 1000


@given(
    dtype=st.sampled_from(["u1", "i1", "<u2", "<i2", ">u2", ">i2", "<u4"]),
    slope=st.sampled_from([1, 0.5, -2.25, 1.000061]),
    intercept=st.sampled_from([0, -1024, -8192, 3.5]),
    padding=st.sampled_from([None, 0, 100, 4000]),
)
def test_the_table_of_all_stored_values_says_what_each_pixel_is(dtype, slope, intercept, padding):
    limits = np.iinfo(dtype)
    stored = (
        np.random.default_rng(0)
        .integers(limits.min, limits.max, (7, 9), np.int64, endpoint=True)
        .astype(dtype)
    )
    stored[0, :2], stored[1, :2] = (limits.min, limits.max), min(padding or 0, limits.max)
    header = Dataset()
    header.RescaleSlope, header.RescaleIntercept = slope, intercept
    if padding is not None:
        header.add_new("PixelPaddingValue", "US", padding)
    plane = ImagePlane(
        DicomFile("nowhere", Path("nowhere").open), header, 0, np.zeros(3), np.eye(3)[:2]
    )
    np.testing.assert_array_equal(hounsfield(stored, plane), rescaled(stored, plane))


def test_fault_17_values_beyond_int16_are_clipped():
    values = phantom().astype(np.float32)
    values[0, 0, :2] = -1e6, 1e6
    assert from_values(values).hu[0, 0, :2].tolist() == [-32768, 32767]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_fault_18_windowed_image(kind):
    grey = np.clip((phantom() + 1000) / 8, 0, 255).astype(kind)
    with pytest.raises(CTError, match="not Hounsfield"):
        from_values(grey)


def test_fault_18_windowed_dicom(tmp_path):
    write_series(tmp_path, np.clip((phantom() + 1000) // 8, 0, 255))
    with pytest.raises(CTError, match="not Hounsfield"):
        read_ct(tmp_path)


def test_fault_18_clipped_values_are_flagged():
    assert "clipped-intensities" in codes(from_values(phantom().clip(-1350, 50)))
    assert "clipped-intensities" not in codes(from_values(phantom()))


@pytest.mark.parametrize("modality", ["MR", "PT", "XA"])
def test_fault_19_other_modality(tmp_path, modality):
    write_series(tmp_path, phantom(), Modality=modality)
    with pytest.raises(CTError, match=f"{modality}, not CT"):
        read_ct(tmp_path)


def test_fault_19_cone_beam(tmp_path):
    write_series(tmp_path, phantom(), ScanOptions="CBCT")
    with pytest.raises(CTError, match="cone-beam"):
        read_ct(tmp_path)


def test_fault_19_spectral_map(tmp_path):
    write_series(tmp_path, phantom(), RescaleType="Z_EFF")
    with pytest.raises(CTError, match="Hounsfield"):
        read_ct(tmp_path)


@pytest.mark.parametrize(("header", "flagged"), [
    ({"ContrastBolusAgent": "Iohexol"}, True),
    ({"StudyDescription": "CT CHEST W IV CONTRAST"}, True),
    ({"ContrastBolusAgent": ""}, False),
    ({"ContrastBolusAgent": "NONE"}, False),
    ({"StudyDescription": "CT CHEST W/O CONTRAST"}, False),
    ({"StudyDescription": "CT chest without contrast"}, False),
])  # fmt: skip
def test_fault_20_contrast(tmp_path, header, flagged):
    write_series(tmp_path, phantom(), **header)
    assert ("contrast" in codes(read_ct(tmp_path))) is flagged


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_fault_22_nan_or_infinite(tmp_path, value):
    values = phantom().astype(np.float32)
    values[5, 5, 5] = value
    with pytest.raises(CTError, match="NaN or infinite"):
        from_values(values)
    sitk.WriteImage(sitk.GetImageFromArray(values), str(tmp_path / "ct.nrrd"))
    with pytest.raises(CTError, match="NaN or infinite"):
        read_ct(tmp_path / "ct.nrrd")


@pytest.mark.parametrize("value", [0, -1000])
def test_fault_23_constant_volume(tmp_path, value):
    values = np.full((4, 5, 6), value, np.int16)
    with pytest.raises(CTError, match="same value"):
        from_values(values)
    write_series(tmp_path, values)
    with pytest.raises(CTError, match="same value"):
        read_ct(tmp_path)


@pytest.mark.parametrize(
    "kernel", ["B70f", "B60s", "Br64d", "Bl57", "I70f", "BONE", "LUNG", "EDGE", "YD", "D", "FC51"]
)
def test_fault_24_sharp_kernel(tmp_path, kernel):
    write_series(tmp_path, phantom(), ConvolutionKernel=kernel)
    ct = read_ct(tmp_path)
    assert ct.acquisition.kernel == kernel
    assert "sharp-kernel" in codes(ct)


@pytest.mark.parametrize(
    "kernel", ["B30f", "Br40d", "I31f", "STANDARD", "SOFT", "DETAIL", "B", "FC13", ["Br38f", "3"]]
)
def test_fault_24_smooth_kernel(tmp_path, kernel):
    write_series(tmp_path, phantom(), ConvolutionKernel=kernel)
    assert not codes(read_ct(tmp_path)) & {"sharp-kernel", "kernel-unknown"}


def test_fault_24_unknown_kernel(tmp_path):
    write_series(tmp_path, phantom(), ConvolutionKernel=None)
    assert "kernel-unknown" in codes(read_ct(tmp_path))
    assert "kernel-unknown" in codes(from_values(phantom()))


def test_colour_images_in_the_folder_are_left_out(tmp_path):
    def make_colour(dataset, k):
        set_pixels(dataset, phantom()[k])
        dataset.SamplesPerPixel = 3

    write_series(tmp_path / "ct", phantom())
    write_series(tmp_path / "dose report", phantom()[:1], change=make_colour)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, phantom())


# --- Values that are not Hounsfield units, in a CT of real size (fault 60)


@pytest.fixture(scope="session")
def demo() -> CT:
    return read_ct(SAMPLE)


SHIFTED = {  # what becomes of HU where a program forgets, repeats or inverts something
    "left at +1024": lambda hu: hu + 1024,
    "left at +1000": lambda hu: hu + 1000,
    "intercept applied twice": lambda hu: hu - 1024,
    "intercept of -8192": lambda hu: hu - 7168,
    "slope -1": lambda hu: -(hu + 1024) - 1024,
    "slope -1 without intercept": lambda hu: -(hu + 1024),
    "inverted": lambda hu: -hu,
    "inverted within 12 bits": lambda hu: 2047 - hu,
    "slope 0.001": lambda hu: (hu + 1024) * 0.001 - 1024,
    "slope 0.1": lambda hu: (hu + 1024) * 0.1 - 1024,
    "slope 0.5": lambda hu: (hu + 1024) * 0.5 - 1024,
    "slope 2": lambda hu: (hu + 1024) * 2 - 1024,
    "halved": lambda hu: hu * 0.5,
    "doubled": lambda hu: hu * 2,
    "ten times": lambda hu: hu * 10,
    "a tenth": lambda hu: hu * 0.1,
    "12 bits without a sign": lambda hu: hu + 2048,
    "4096 added": lambda hu: hu + 4096,
    "4096 taken away": lambda hu: hu - 4096,
    "500 added": lambda hu: hu + 500,
    "500 taken away": lambda hu: hu - 500,
    "negative values wrapped": lambda hu: np.where(hu < 0, hu + 65536, hu),
    "bytes swapped": lambda hu: hu.astype(np.int16).byteswap(),
    "attenuation in 1/m": lambda hu: (hu + 1000) * 0.02,
    "8 bits": lambda hu: np.clip((hu + 1350) / 6, 0, 255),
}
DOUBTFUL = {  # a fifth off, which no voxel alone betrays
    "a fifth too small": lambda hu: hu * 0.8,
    "200 added": lambda hu: hu + 200,
    "100 added": lambda hu: hu + 100,
}


@pytest.mark.parametrize("shift", SHIFTED)
def test_fault_60_not_hounsfield_units(demo, shift):
    values = SHIFTED[shift](demo.hu.astype(float)).astype(np.float32)
    with pytest.raises(CTError, match="not Hounsfield units"):
        from_values(values, demo.spacing_mm)


@pytest.mark.parametrize("shift", SHIFTED)
def test_fault_60_padding_hides_nothing(demo, shift):
    values = SHIFTED[shift](demo.hu.astype(float)).astype(np.float32)
    values[:, :, : values.shape[2] // 4] = -3024
    with pytest.raises(CTError, match="not Hounsfield units"):
        from_values(values, demo.spacing_mm)


@pytest.mark.parametrize("shift", DOUBTFUL)
def test_fault_60_doubtful_values_are_flagged_and_withhold_decisions(demo, shift):
    ct = from_values(DOUBTFUL[shift](demo.hu.astype(np.float32)), demo.spacing_mm)
    (check,) = (check for check in ct.checks if check.code == "intensity-doubtful")
    assert check.kind.withholds


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.mha", "ct.nii.gz"])
@pytest.mark.parametrize("shift", ["left at +1024", "intercept applied twice", "slope -1"])
def test_fault_60_from_any_image_format(tmp_path, demo, name, shift):
    values = SHIFTED[shift](demo.hu.astype(int)).astype(np.int16)
    image = with_geometry(sitk.GetImageFromArray(values), demo)
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(CTError, match="not Hounsfield units"):
        read_ct(tmp_path / name)


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (1, -2048), (-1, -1024), (0.001, -1024)])
def test_fault_60_from_dicom(tmp_path, demo, slope, intercept):
    hu = demo.hu[:, ::3, ::3]
    spacing = demo.spacing_mm[0] * 3, demo.spacing_mm[1] * 3, demo.spacing_mm[2]
    write_series(tmp_path, hu, spacing_mm=spacing, RescaleSlope=slope, RescaleIntercept=intercept)
    with pytest.raises(CTError, match="not Hounsfield units"):
        read_ct(tmp_path)


def test_fault_60_calm_on_the_demo_and_its_crops(demo):
    """Any crop with a tenth of air or lung, padded or not."""
    random = np.random.default_rng(3)
    calm = 0
    for _ in range(300):
        size = random.integers(8, 50, 3)
        low = [random.integers(0, n - s) for n, s in zip(demo.hu.shape, size, strict=True)]
        crop = demo.hu[tuple(slice(a, a + s) for a, s in zip(low, size, strict=True))].copy()
        if np.mean(crop < -600) < 0.1:
            continue
        for padding in (None, -2000, -3024):
            if padding:
                crop[:, :, 0] = padding
            assert "intensity-doubtful" not in codes(from_values(crop, demo.spacing_mm))
        calm += 1
    assert calm > 200


@pytest.mark.parametrize("noise_hu", [0, 50, 100])
def test_fault_60_calm_on_noise_and_on_wide_fields_of_view(demo, noise_hu):
    """Half of the image is air around the patient, whose noise reaches below -1024 HU."""
    wide = np.full((*demo.hu.shape[:2], 2 * demo.hu.shape[2]), -1000.0, np.float32)
    wide[:, :, : demo.hu.shape[2]] = demo.hu
    wide += np.random.default_rng(4).normal(0, noise_hu, wide.shape)
    assert "intensity-doubtful" not in codes(from_values(wide, demo.spacing_mm))
    shifted = codes(from_values(wide - 100, demo.spacing_mm)) if noise_hu == 0 else set()
    assert ("intensity-doubtful" in shifted) is (noise_hu == 0)


def test_fault_60_calm_on_every_small_real_ct(data):
    small = [data / "chest_crop_no_nodule_3mm.nii.gz", data / "cptac_lscc_C3N-00247_nodule.zip"]
    for path in (*small, data / "dicom_jpeg2000_abdomen", SAMPLE):
        assert "intensity-doubtful" not in codes(read_ct(path))


@pytest.mark.slow
@pytest.mark.needs(WHOLE_DATA)
def test_fault_60_calm_on_every_real_ct_at_hand(shared):
    files = [
        path
        for kind in ("*.nii.gz", "*.mha")
        for path in sorted((shared / "data").rglob(kind))
        if "mask" not in path.name and path.parent.name != "mask"
    ]
    files += [shared / "data" / "cptac_lscc_C3N-00247_chest_ct.zip"]
    files += [shared / "data" / "lung_pet_ct_dx", shared / "data" / "dicom_jpeg2000_abdomen"]
    assert len(files) > 790
    flagged = [path.name for path in files if "intensity-doubtful" in codes(read_ct(path))]
    assert flagged == []
