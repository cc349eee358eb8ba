"""Voxels of DICOM slices as Hounsfield units."""

from __future__ import annotations

import io
import struct

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_rescale, get_decoder

from nodulerisk.checks import RESCALE_MISSING, Check
from nodulerisk.ct.dicom_files import DicomFile, ImagePlane
from nodulerisk.ct.slice_stack import SliceStack
from nodulerisk.ct.volume import looks_like_hounsfield, refuse_if_too_large, to_hounsfield
from nodulerisk.errors import CTError


def read_pixels(stack: SliceStack) -> np.ndarray:
    """Reads HU, int16, shape (z, y, x); missing slices are zero.

    Raises:
        CTError: there is no decoder, or the pixel data are damaged or inconsistent.
    """
    refuse_if_too_large(stack.shape)
    refuse_without_decoder(stack.planes)
    hu = np.zeros(stack.shape, np.int16)
    file, frames = None, np.empty(0)
    for k, plane in zip(stack.index, stack.planes, strict=True):
        if plane.file is not file:
            file, frames = plane.file, stored_frames(plane.file)
        hu[k] = hounsfield(frames[plane.frame], plane)
    return hu


def refuse_without_decoder(planes: list[ImagePlane]) -> None:
    for syntax in {plane.header.file_meta.TransferSyntaxUID for plane in planes}:
        try:
            missing = (
                []
                if (decoder := get_decoder(syntax)).is_available
                else decoder.missing_dependencies
            )
        except NotImplementedError:
            raise CTError(
                f"Pixels are stored as {syntax.name}, which CTs do not use. Export the series"
                " uncompressed."
            ) from None
        if missing:
            packages = " or ".join(missing)
            raise CTError(
                f"Pixels are stored as {syntax.name}. Export the series uncompressed, or install"
                f" one of: {packages}."
            )


def stored_frames(file: DicomFile) -> np.ndarray:
    """Returns the stored values, shape (frame, row, column)."""
    with file.open() as stream:
        dataset = dcmread(io.BytesIO(stream.read()))
    refuse_lying_size(dataset)
    return dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)


def refuse_lying_size(dataset: Dataset) -> None:
    """Checks that Rows, Columns and frames agree with the pixel data (PS3.5 8, fault 45) before a
    decoder relies on them."""
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    refuse_if_too_large((frames, rows, columns))
    if "PixelData" not in dataset:
        return
    if not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        expected = frames * rows * columns * int(dataset.BitsAllocated) // 8
        agrees = len(dataset.PixelData) - expected in (0, 1)  # padded to even length
    else:
        stored = generate_frames(dataset.PixelData, number_of_frames=frames)
        agrees = all(jpeg2000_size(frame) in (None, (rows, columns)) for frame in stored)
    if not agrees:
        raise CTError(
            "Rows and Columns disagree with the pixel data: the file is cut short, damaged or"
            " unsafe."
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
    if stored.dtype.itemsize > 2:
        return rescaled(stored, plane)
    code = np.dtype(f"u{stored.dtype.itemsize}")
    every = np.arange(1 << 8 * code.itemsize, dtype=code).view(stored.dtype)
    return rescaled(every, plane)[stored.view(code)]


def rescaled(stored: np.ndarray, plane: ImagePlane) -> np.ndarray:
    """Returns HU as int16 (PS3.3 C.11.1); padding that would look like metal becomes air (fault
    17)."""
    transformation = plane.macro("PixelValueTransformationSequence")
    values = apply_rescale(stored, transformation)
    padding = plane.header.get("PixelPaddingValue")
    if padding is not None:
        values = np.where((stored == padding) & (values > 3071), -1024, values)
    return to_hounsfield(values)


def rescale_checks(planes: list[ImagePlane], hu: np.ndarray) -> list[Check]:
    """Returns a check if slices lack a rescale.

    Raises:
        CTError: there are such slices, and the values do not look like HU (fault 16).
    """
    if all(has_rescale(plane.macro("PixelValueTransformationSequence")) for plane in planes):
        return []
    if not looks_like_hounsfield(hu):
        raise CTError(
            "RescaleSlope or RescaleIntercept is missing, so the values are not in HU. Export the"
            " CT again."
        )
    return [RESCALE_MISSING.check()]


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
