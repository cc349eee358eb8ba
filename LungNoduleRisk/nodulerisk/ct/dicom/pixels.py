"""Voxels of DICOM slices as Hounsfield units."""

from __future__ import annotations

import io
import re
import struct
from functools import lru_cache
from itertools import pairwise
from math import isfinite

import numpy as np
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_rescale, get_decoder
from pydicom.uid import HTJ2K as HTJ2KSyntax
from pydicom.uid import (
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from nodulerisk.checks import LOSSY, RESCALE_MISSING, RESCALE_VARIES, Check
from nodulerisk.ct.dicom.files import DicomFile, ImagePlane, numbers, read_dataset
from nodulerisk.ct.dicom.gdcm import add_to_pydicom
from nodulerisk.ct.dicom.slice_stack import SliceStack
from nodulerisk.ct.volume import (
    AIR_HU,
    MAX_VOXELS,
    looks_like_hounsfield,
    refuse_bad_spacing,
    refuse_if_too_large,
    refuse_implausible_place,
    to_hounsfield,
)
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _, joined

FIRST_ITEM = b"\xfe\xff\x00\xe0"  # PS3.5 A.4
JPEG_LS = "pyjpegls (pip install pyjpegls)"
HTJ2K = 'pylibjpeg-openjpeg (pip install "nodulerisk[dicom]")'
DECODERS = {  # the one package to install, by its name
    **dict.fromkeys((JPEGLSLossless, JPEGLSNearLossless), JPEG_LS),
    **dict.fromkeys((HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2KSyntax), HTJ2K),
}
IMAGE_PIXEL = ("BitsAllocated", "BitsStored", "PixelRepresentation")
LOSSY_SYNTAXES = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEG2000, JPEGLSNearLossless, HTJ2KSyntax}
SPAN_HU = (-1000.0, 400.0)  # in which a change of rescale matters
ROUNDING_HU = 2.0
MAX_LOSSY_RATIO = 10.0


def read_pixels(stack: SliceStack) -> np.ndarray:
    """Reads HU, int16, shape (z, y, x); missing slices are zero.

    Raises:
        CTError: there is no decoder, or the pixel data are damaged or inconsistent.
    """
    refuse_too_many(stack)
    refuse_bad_spacing(stack.spacing_mm)
    refuse_implausible_place(stack.shape[:1], [stack.step_mm], stack.planes[0].position)
    refuse_without_decoder(stack.planes)
    hu = np.zeros(stack.shape, np.int16)
    file, frames = None, np.empty(0)
    for k, plane in zip(stack.index, stack.planes, strict=True):
        if plane.file is not file:
            file, frames = plane.file, stored_frames(plane.file)
        hu[k] = hounsfield(frames[plane.frame], plane)
    return hu


def refuse_too_many(stack: SliceStack) -> None:
    """Refuses a series that is larger than the memory allows, by its own name: its files are
    sound."""
    slices, rows, columns = stack.shape
    if slices * rows * columns > MAX_VOXELS:
        raise CTError(
            _(
                "{slices} slices of {columns} x {rows} are more than this program reads at"
                " once ({max_voxels} million voxels). Choose a reconstruction with fewer"
                " slices."
            ).format(slices=slices, columns=columns, rows=rows, max_voxels=MAX_VOXELS // 10**6)
        )


def refuse_without_decoder(planes: list[ImagePlane]) -> None:
    add_to_pydicom()
    for syntax in {plane.header.file_meta.TransferSyntaxUID for plane in planes}:
        try:
            available = get_decoder(syntax).is_available
        except NotImplementedError:
            words = _(
                "Pixels are stored as {name}, which CTs do not use. Export the series uncompressed."
            )
            raise CTError(words.format(name=syntax.name)) from None
        if not available:
            raise CTError(
                _(
                    "Pixels are stored as {name}. Export the series uncompressed, or install"
                    " {decoder}."
                ).format(name=syntax.name, decoder=DECODERS.get(syntax, _("a decoder for pydicom")))
            )


def stored_frames(file: DicomFile) -> np.ndarray:
    """Returns the stored values, shape (frame, row, column)."""
    with file.open() as stream:
        content = stream.read()
    dataset = read_dataset(io.BytesIO(content), content[:2048])
    refuse_incomplete(dataset, file)
    refuse_unknown_coding(dataset)
    refuse_lying_size(dataset)
    # what ``pixel_array`` does besides takes as long as decoding
    frames, _ = get_decoder(dataset.file_meta.TransferSyntaxUID).as_array(dataset, raw=True)
    return frames.reshape(-1, dataset.Rows, dataset.Columns)


def refuse_incomplete(dataset: Dataset, file: DicomFile) -> None:
    """Names what a file lacks of the Image Pixel Module (PS3.3 C.7.6.3)."""
    dataset.setdefault("SamplesPerPixel", 1)
    dataset.setdefault("PhotometricInterpretation", "MONOCHROME2")
    lacking = [keyword for keyword in IMAGE_PIXEL if dataset.get(keyword) is None]
    if not {"PixelData", "FloatPixelData", "DoubleFloatPixelData"} & set(dataset.dir("Pixel")):
        lacking.append("PixelData")
    if lacking:
        words = _("{name} lacks {lacking}. Export the CT series again.")
        raise CTError(words.format(name=file.name, lacking=joined(", ", lacking)))


def refuse_unknown_coding(dataset: Dataset) -> None:
    """Refuses compressed pixels in a file that does not say how they were compressed (fault 57)."""
    encapsulated = bytes(dataset.get("PixelData", b"")[:4]) == FIRST_ITEM
    if encapsulated and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        raise CTError(
            _(
                "The pixels are compressed, but the files lack the TransferSyntaxUID that says"
                " how. Export the series again, uncompressed."
            )
        )


def refuse_lying_size(dataset: Dataset) -> None:
    """Checks that Rows, Columns and frames agree with the pixel data (PS3.5 8, fault 45) before a
    decoder relies on them."""
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    refuse_if_too_large((frames, rows, columns))
    if "PixelData" not in dataset:
        return
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        pixel = int(dataset.BitsAllocated) // 8
        agrees = is_padded(dataset.PixelData, frames * rows * columns * pixel, columns * pixel)
    else:
        stored = generate_frames(dataset.PixelData, number_of_frames=frames)
        agrees = all(jpeg2000_size(frame) in (None, (rows, columns)) for frame in stored)
    if not agrees:
        raise CTError(
            _(
                "Rows and Columns disagree with the pixel data: the file is cut short, damaged"
                " or unsafe."
            )
        )
    refuse_lying_bits(dataset)


def refuse_lying_bits(dataset: Dataset) -> None:
    """Refuses bits that do not end with the highest (PS3.3 C.7.6.3.1): others would be read."""
    stored = int(dataset.BitsStored)
    if int(dataset.get("HighBit", stored - 1)) != stored - 1:
        raise CTError(
            _("BitsStored and HighBit contradict each other. Export the CT series again.")
        )


def is_padded(pixels: bytes, size: int, row: int) -> bool:
    """Whether the pixels have their size, padded to an even length or in excess (PS3.5 8.1.1).

    Excess is one byte over and over, and differs from the end of the image: a constant background
    that goes on would mean that the image has more rows or columns than its header says.
    """
    excess = len(pixels) - size
    if excess in (0, 1):
        return True
    tail = pixels[size:]
    return (
        0 < excess < size
        and tail.count(tail[:1]) == excess
        and pixels[size - row : size].count(tail[:1]) < row
    )


def jpeg2000_size(codestream: bytes) -> tuple[int, int] | None:
    """Returns rows and columns from the SIZ marker (ISO 15444-1 A.5.1), or None for another
    coding."""
    if not codestream.startswith(b"\xff\x4f\xff\x51"):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", codestream, 8)
    return bottom - top, right - left


def hounsfield(stored: np.ndarray, plane: ImagePlane) -> np.ndarray:
    """See ``rescaled``; uses a table of all 16-bit values, a quarter of a slice's pixels: fresh
    memory for every pixel would take four times as long as reading the whole CT."""
    transformation = plane.macro("PixelValueTransformationSequence")
    if stored.dtype.itemsize > 2 or "ModalityLUTSequence" in transformation:
        return rescaled(stored, plane)
    code = np.dtype(f"u{stored.dtype.itemsize}")
    rescale = rescale_of(transformation, plane.file)
    return table_of(stored.dtype, rescale, padding_of(plane))[stored.view(code)]


@lru_cache(maxsize=8)
def table_of(kind: np.dtype, rescale: tuple[float, float], padding: int | None) -> np.ndarray:
    """Returns the HU of every value of one or two bytes, int16, in the order of their bits."""
    every = np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind)
    return without_metal(linear(every, rescale), every, padding)


def rescaled(stored: np.ndarray, plane: ImagePlane) -> np.ndarray:
    """Returns HU as int16 (PS3.3 C.11.1); padding that would look like metal becomes air (fault
    17)."""
    transformation = plane.macro("PixelValueTransformationSequence")
    if "ModalityLUTSequence" in transformation:
        values = apply_rescale(stored, transformation)
    else:
        values = linear(stored, rescale_of(transformation, plane.file))
    return without_metal(values, stored, padding_of(plane))


def linear(stored: np.ndarray, rescale: tuple[float, float]) -> np.ndarray:
    slope, intercept = rescale
    return stored if rescale == (1, 0) else stored.astype(float) * slope + intercept


def without_metal(values: np.ndarray, stored: np.ndarray, padding: int | None) -> np.ndarray:
    if padding is not None:
        values = np.where((stored == padding) & (values > 3071), AIR_HU, values)
    return to_hounsfield(values)


def padding_of(plane: ImagePlane) -> int | None:
    padding = numbers(plane.header, "PixelPaddingValue", plane.file)
    return int(padding[0]) if padding else None


def rescale_of(header: Dataset, file: DicomFile) -> tuple[float, float]:
    """Returns slope and intercept; 1 and 0 where one is missing.

    Raises:
        CTError: the slope is zero, or one is not a finite number.
    """
    slope, intercept = (numbers(header, f"Rescale{name}", file) for name in ("Slope", "Intercept"))
    if not (slope and intercept):
        return 1.0, 0.0
    if not (isfinite(slope[0]) and isfinite(intercept[0])) or slope[0] == 0:
        words = _(
            "RescaleSlope or RescaleIntercept is not a usable number in {name}. Export the CT"
            " again."
        )
        raise CTError(words.format(name=file.name))
    return slope[0], intercept[0]


def rescale_checks(stack: SliceStack, hu: np.ndarray) -> list[Check]:
    """Returns checks if slices lack a rescale, or have different ones.

    Raises:
        CTError: a rescale is missing, and the values do not look like HU (fault 16); or the values
            of neighbours do not fit together by their rescale (fault 61).
    """
    varies = varying_rescale(stack, hu)
    if all(has_rescale(plane.macro("PixelValueTransformationSequence")) for plane in stack.planes):
        return varies
    if not looks_like_hounsfield(hu):
        raise CTError(
            _(
                "RescaleSlope or RescaleIntercept is missing, so the values are not in HU."
                " Export the CT again."
            )
        )
    return [RESCALE_MISSING.check(), *varies]


def varying_rescale(stack: SliceStack, hu: np.ndarray) -> list[Check]:
    """Compares neighbours whose rescale differs: if they are more alike by one and the same
    rescale, one of the two is wrong."""
    groups = [plane.macro("PixelValueTransformationSequence") for plane in stack.planes]
    if any("ModalityLUTSequence" in group for group in groups):
        return []
    rescales = [rescale_of(group, p.file) for group, p in zip(groups, stack.planes, strict=True)]
    if len(set(rescales)) == 1:
        return []
    effect = max(
        abs(change_of(rescales[0], other, value)) for other in set(rescales) for value in SPAN_HU
    )
    if effect <= ROUNDING_HU:
        return []
    for k, (one, other) in enumerate(pairwise(rescales)):
        if one == other:
            continue
        below, above = (hu[stack.index[n]].astype(float) for n in (k, k + 1))
        as_below = (above - other[1]) / other[0] * one[0] + one[1]
        if np.median(np.abs(above - below)) > np.median(np.abs(as_below - below)) + ROUNDING_HU:
            words = _(
                "RescaleSlope or RescaleIntercept changes at {name}, and the slices on either side"
                " do not fit together by it: their values are not in HU. Export the CT again."
            )
            raise CTError(words.format(name=stack.planes[k + 1].file.name))
    return [RESCALE_VARIES.check(hu=effect)]


def change_of(one: tuple[float, float], other: tuple[float, float], hu: float) -> float:
    """Returns by how many HU the same stored value differs under two rescales."""
    stored = (hu - one[1]) / one[0]
    return stored * other[0] + other[1] - hu


def lossy_checks(planes: list[ImagePlane]) -> list[Check]:
    """Returns a check if images were compressed with loss, and strongly (fault 63)."""
    stated = [str(plane.header.get("LossyImageCompressionRatio", "")) for plane in planes]
    ratios = [float(number) for text in set(stated) for number in re.findall(r"\d+\.?\d*", text)]
    ratio = max(*ratios, size_ratio(planes), 0.0)
    return [LOSSY.check(ratio=ratio)] if ratio > MAX_LOSSY_RATIO else []


def size_ratio(planes: list[ImagePlane]) -> float:
    """Returns how much smaller the files are than their pixels, for codings that lose something;
    0 for others."""
    files = {plane.file: plane.header for plane in planes}
    syntaxes = {header.file_meta.TransferSyntaxUID for header in files.values()}
    if not syntaxes <= LOSSY_SYNTAXES:
        return 0.0
    first = planes[0].header
    return len(planes) * 2 * int(first.Rows) * int(first.Columns) / sum(map(size_of, files))


def size_of(file: DicomFile) -> int:
    with file.open() as stream:
        return stream.seek(0, io.SEEK_END)


def has_rescale(header: Dataset) -> bool:
    return "ModalityLUTSequence" in header or (
        "RescaleSlope" in header and "RescaleIntercept" in header
    )


def fill_missing(hu: np.ndarray, index: np.ndarray) -> tuple[int, ...]:
    """Fills slices not in ``index`` linearly between their neighbours, in place, and returns them
    (fault 1)."""
    missing = sorted(set(range(len(hu))) - set(index.tolist()))
    for k in missing:
        below, above = int(index[index < k].max()), int(index[index > k].min())
        share = (k - below) / (above - below)
        hu[k] = np.rint((1 - share) * hu[below] + share * hu[above])
    return tuple(missing)
