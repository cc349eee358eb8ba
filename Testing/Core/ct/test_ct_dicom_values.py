"""What DICOM headers say about values and contrast: fault rows 61, 62 and 63."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import JPEG2000

from made_dicom import item, phantom, write_series
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.errors import CTError


def codes(ct: CT) -> set[str]:
    return {check.code for check in ct.checks}


# --- Row 61: a rescale that changes within the series


def restored(slope, intercept):
    """Stores slices by their own rescale, so that the HU stay as they are."""

    def store(dataset, k):
        own_slope, own_intercept = slope(k), intercept(k)
        stored = np.rint((phantom()[k].astype(float) - own_intercept) / own_slope)
        dataset.RescaleSlope, dataset.RescaleIntercept = own_slope, own_intercept
        dataset.PixelData = stored.astype("<u2").tobytes()

    return store


CHANGES = {  # slope and intercept of slice k, and what HU they leave
    "one intercept": lambda k: (1, -1024 + 1000 * (k == 5)),
    "half the series at +1024": lambda k: (1, -1024 + 1024 * (k > 5)),
    "an intercept 50 HU off": lambda k: (1, -1024 + 50 * (k == 5)),
    "a slope of 2": lambda k: (1 + (k == 5), -1024),
    "slopes that grow": lambda k: (1 + 0.1 * k, -1024),
    "the first slice": lambda k: (1, -1024 + 300 * (k == 0)),
    "the last slice": lambda k: (1, -1024 + 300 * (k == 11)),
    "minus": lambda k: (-1 if k == 5 else 1, -1024),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_fault_61_a_rescale_that_changes_wrongly_is_refused(tmp_path, kind):
    def change(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = CHANGES[kind](k)

    write_series(tmp_path, phantom(), change=change)
    with pytest.raises(CTError, match=r"changes at slice \d{3}\.dcm"):
        read_ct(tmp_path)


@pytest.mark.parametrize("missing", ["RescaleSlope", "RescaleIntercept"])
def test_fault_61_a_rescale_that_one_slice_lacks(tmp_path, missing):
    def change(dataset, k):
        if k == 5:
            del dataset[missing]

    write_series(tmp_path, phantom(), change=change)
    with pytest.raises(CTError, match=r"changes at slice 00[56]\.dcm"):
        read_ct(tmp_path)


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_fault_61_a_rescale_that_changes_rightly_is_flagged(tmp_path, slope):
    write_series(
        tmp_path,
        phantom(),
        change=restored(lambda k: slope if k > 5 else 1, lambda k: -1024 - 100 * (k > 8)),
    )
    ct = read_ct(tmp_path)
    np.testing.assert_allclose(ct.hu, phantom(), atol=slope)
    assert "rescale-varies" in codes(ct)


def test_fault_61_rounding_is_no_change(tmp_path):
    def change(dataset, k):
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + 1e-6 * k, -1024 + 0.1 * (k % 2)

    write_series(tmp_path, phantom(), change=change)
    ct = read_ct(tmp_path)
    np.testing.assert_allclose(ct.hu, phantom(), atol=1)
    assert ct.checks == ()


@pytest.mark.parametrize(("slope", "intercept"), [(0, -1024), ("nan", -1024), (1, "inf")])
def test_fault_61_a_rescale_that_is_no_number(tmp_path, slope, intercept):
    write_series(tmp_path, phantom(), RescaleSlope=slope, RescaleIntercept=intercept)
    with pytest.raises(CTError, match=r"not a usable number in slice \d{3}\.dcm"):
        read_ct(tmp_path)


@pytest.mark.parametrize("units", ["mgml", "Z_EFF", "ED", "HU_MOD", "keV"])
def test_units_that_are_not_hounsfield_are_named(tmp_path, units):
    write_series(tmp_path, phantom(), RescaleType=units)
    with pytest.raises(CTError, match=f"in {units} "):
        read_ct(tmp_path)


# --- Row 62: contrast

WITH = """
CONTRAST ENHANCED|+C|C+|CHEST +C|Thorax C+|CHEST_C+_1MM|CT CHEST W CONTRAST|
CHEST W/CONTRAST|W CONT|CHEST W IV CONTRAST|CT CHEST W|POST-CONTRAST|CECT|CTPA|
CT ANGIO CHEST|ARTERIAL PHASE|VENOUS 1.0|IV+|CHEST W/WO|CT CHEST W/O & W|
with and without contrast|胸部增强|增强CT|胸部平扫+增强|动脉期|造影CT|胸部強化|
Thorax mit KM|nach KM|Thorax mit i.v. KM|THORAX_KM_1.0|CT Thorax mit Kontrastmittel|
con contraste|TORAX CON CIV|TC TORAX C/C|contrastado|avec injection|TDM thorax injecté|
avec produit de contraste|com contraste|con mdc|met contrast
"""
WITHOUT = """
NO CONTRAST|W/O|CHEST W/O|CHEST W/O CONTRAST|CT CHEST WO CONTRAST|CHEST W/OUT CONTRAST|
NON-CONTRAST|NONCONTRAST|NON CON|UNENHANCED|NON ENHANCED|NON-CONTRAST ENHANCED|
without IV contrast|NCCT|IV-|no IV contrast|no iodinated contrast|CONTRAST: NONE|
no contrast given|C-|CHEST C-|CHEST -C|平扫|胸部平扫|非增强|無增強|単純CT|ohne KM|
Thorax ohne Kontrastmittel|Thorax nativ|sin contraste|sin CIV|TORAX S/C|sans injection|
non injecté|sans contraste|sem contraste|senza mdc|senza mezzo di contrasto
"""
NEITHER = """
CHEST|LUNG 1.0|HIGH CONTRAST|EDGE ENHANCED|C-SPINE|C+A+P|Lung window|THORAX-CT|LUNG W|
CONTROL|W/ ASiR
"""


def listed(texts: str) -> list[str]:
    return [text for text in texts.replace("\n", "").split("|") if text]


def is_contrast(folder, **header) -> bool:
    write_series(folder, phantom()[:3], SpecificCharacterSet="ISO_IR 192", **header)
    return "contrast" in codes(read_ct(folder))


def in_request(text: str) -> dict:
    return {"RequestAttributesSequence": [item(ScheduledProcedureStepDescription=text)]}


@pytest.mark.parametrize("text", listed(WITH))
def test_fault_62_words_for_contrast(tmp_path, text):
    assert is_contrast(tmp_path / "a", SeriesDescription=text)
    assert is_contrast(tmp_path / "b", **in_request(text))


@pytest.mark.parametrize("text", listed(WITHOUT) + listed(NEITHER))
def test_fault_62_words_for_none(tmp_path, text):
    assert not is_contrast(tmp_path / "a", SeriesDescription=text)
    assert not is_contrast(tmp_path / "b", **in_request(text))


ELEMENTS = {
    "volume": ({"ContrastBolusVolume": 80}, True),
    "no volume": ({"ContrastBolusVolume": 0}, False),
    "empty volume": ({"ContrastBolusVolume": ""}, False),
    "dose": ({"ContrastBolusTotalDose": 30}, True),
    "flow": ({"ContrastFlowRate": 3}, True),
    "agent": ({"ContrastBolusAgent": "Omnipaque 350"}, True),
    "agent NO": ({"ContrastBolusAgent": "NO"}, False),
    "agent none": ({"ContrastBolusAgent": "None"}, False),
    "agent ohne": ({"ContrastBolusAgent": "ohne"}, False),
    "agent 无": ({"ContrastBolusAgent": "无"}, False),
    "procedure code": (
        {
            "RequestAttributesSequence": [
                item(RequestedProcedureCodeSequence=[item(CodeMeaning="CT chest with contrast")])
            ]
        },
        True,
    ),
    "the series says no, the study yes": (
        {"SeriesDescription": "NON CON 1.25", "StudyDescription": "CT CHEST W CONTRAST"},
        False,
    ),
    "the series says nothing, the study yes": (
        {"SeriesDescription": "LUNG", "StudyDescription": "CT CHEST W CONTRAST"},
        True,
    ),
    "the study without": ({"StudyDescription": "CT CHEST W/O CONTRAST"}, False),
    "comments": ({"ImageComments": "contrast enhanced"}, True),
    "performed step": ({"PerformedProcedureStepDescription": "THORAX +C"}, True),
}


@pytest.mark.parametrize("kind", ELEMENTS)
def test_fault_62_elements_that_say_it(tmp_path, kind):
    header, given = ELEMENTS[kind]
    assert is_contrast(tmp_path, **header) is given


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
@pytest.mark.parametrize(("text", "given"), [("胸部增强", True), ("胸部平扫", False)])
def test_fault_62_chinese_without_its_character_set(tmp_path, encoding, text, given):
    def write_bytes(dataset, _):
        dataset.add_new("SeriesDescription", "UN", text.encode(encoding))

    write_series(tmp_path, phantom()[:3], change=write_bytes)
    assert ("contrast" in codes(read_ct(tmp_path))) is given


# --- Row 63: compression with loss


@pytest.mark.parametrize(
    ("ratio", "flagged"), [("30:1", True), (30, True), ([4, 12], True), (8, False), (None, False)]
)
def test_fault_63_strong_compression_with_loss(tmp_path, ratio, flagged):
    def state(dataset, _):
        if ratio is not None:
            vr = "LO" if isinstance(ratio, str) else "DS"
            dataset.add_new("LossyImageCompressionRatio", vr, ratio)

    write_series(tmp_path, phantom(), LossyImageCompression="01", change=state)
    ct = read_ct(tmp_path)
    assert ("lossy-compression" in codes(ct)) is flagged


def test_fault_63_in_one_slice(tmp_path):
    def compress(dataset, k):
        if k == 8:
            dataset.LossyImageCompressionRatio = 25

    write_series(tmp_path, phantom(), change=compress)
    [check] = read_ct(tmp_path).checks
    assert check.code == "lossy-compression" and "25 to 1" in check.message


def test_fault_63_without_a_stated_ratio(tmp_path):
    """What a lossy coding made of the pixels tells how much was lost."""
    rows = np.linspace(-1000, 100, 128).astype(int)
    hu = np.repeat(np.repeat(rows[None, :, None], 4, axis=0), 128, axis=2)

    def code(dataset, k):
        dataset.compress(
            JPEG2000, (hu[k] + 1024).astype("<u2"), j2k_cr=[40], encoding_plugin="pylibjpeg"
        )

    write_series(tmp_path, hu, change=code)
    assert "lossy-compression" in codes(read_ct(tmp_path))
