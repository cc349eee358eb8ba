"""Turns NRRD, NIfTI and MetaImage files into a `CT`.

ITK reads the voxels. It also silently repairs what should be refused (a NIfTI spacing of 0 becomes
1, a sheared sform is replaced by the qform, a cut-off file ends in zeros), so the raw header is
checked first.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodulerisk.checks import ORIENTATION_UNKNOWN, Check
from nodulerisk.ct.volume import (
    CT,
    SKEWED,
    refuse_bad_direction,
    refuse_bad_spacing,
    refuse_if_not_scalar_volume,
    refuse_if_too_large,
)
from nodulerisk.errors import CTError

NIFTI = (".nii", ".nii.gz")
NRRD = (".nrrd", ".nhdr")
META = (".mha", ".mhd")
MAX_TEXT_HEADER = 65536  # bytes
MAX_NIFTI_HEADER = 16_000_000  # bytes, with its extensions
MAX_BYTES = 3_000_000_000  # of voxels: ITK's copy and numpy's are in memory at once

# By header size, which tells NIfTI-1 from NIfTI-2: struct format and offset
NIFTI_FIELDS = {
    348: {"dim": ("8h", 40), "bitpix": ("h", 72), "pixdim": ("8f", 76), "vox_offset": ("f", 108),
          "qform_code": ("h", 252), "sform_code": ("h", 254)},
    540: {"dim": ("8q", 16), "bitpix": ("h", 14), "pixdim": ("8d", 104), "vox_offset": ("q", 168),
          "qform_code": ("i", 344), "sform_code": ("i", 348)},
}  # fmt: skip


def can_read(path: Path) -> bool:
    """Whether the name is an image file's."""
    return path.is_file() and path.name.lower().endswith(NIFTI + NRRD + META)


def read_image(path: Path) -> CT:
    """Reads an image file.

    Raises:
        CTError: damaged, too large, 4D, or with geometry or intensities that cannot be trusted.
    """
    checks = header_checks(path)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with damage_refused():
        reader.ReadImageInformation()
    refuse_unfit(reader)
    with damage_refused():
        ct = CT.from_sitk(reader.Execute())
    return replace(ct, checks=(*checks, *ct.checks))


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turns ITK's errors, which quote the full path, into ones that do not; silences its warnings,
    which also quote it."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise CTError(SKEWED) from None
        raise CTError(
            "The image file is damaged, cut short or not in the format that its name says."
        ) from None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def refuse_unfit(reader: sitk.ImageFileReader) -> None:
    """Raises CTError for problems that the header alone shows, before voxels are allocated."""
    refuse_if_not_scalar_volume(reader)
    refuse_if_too_large(reader.GetSize())
    refuse_bomb(
        math.prod(reader.GetSize())
        * sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
    )
    dimension = reader.GetDimension()
    refuse_bad_spacing(reader.GetSpacing()[:3])
    direction = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    refuse_bad_direction(direction)
    if metadata(reader, "Modality") not in ("", "MET_MOD_CT", "MET_MOD_OTHER", "MET_MOD_UNKNOWN"):
        raise CTError("The file says that it is not a CT. Load the CT.")
    if metadata(reader, "sform_code") not in ("", "0"):
        refuse_conflicting_sform(reader, direction)


def refuse_bomb(size: int) -> None:
    """Raises CTError for more bytes of voxels than a CT has, however small the compressed file
    (fault 45)."""
    if size > MAX_BYTES:
        raise CTError(
            "The image file unpacks to more than a CT would. Save the CT with 16 bits per voxel."
        )


def refuse_conflicting_sform(reader: sitk.ImageFileReader, direction: np.ndarray) -> None:
    """Raises CTError if ITK did not use a NIfTI's sform, because it is sheared or differs from the
    qform."""
    rows = [
        [float(v) for v in metadata(reader, key).split()] for key in ("srow_x", "srow_y", "srow_z")
    ]
    sform_lps = np.diag([-1, -1, 1]) @ np.array(rows)
    used = np.column_stack([direction * reader.GetSpacing()[:3], reader.GetOrigin()[:3]])
    if not np.allclose(sform_lps, used, rtol=1e-4, atol=0.01 * min(reader.GetSpacing()[:3])):
        raise CTError(
            "The NIfTI file's sform is sheared or disagrees with its qform or pixdim. Export the CT"
            " again."
        )


def metadata(reader: sitk.ImageFileReader, key: str) -> str:
    return reader.GetMetaData(key).strip() if reader.HasMetaDataKey(key) else ""


def header_checks(path: Path) -> list[Check]:
    """Checks the raw header for what ITK does not report: a missing spacing or orientation."""
    name = path.name.lower()
    try:
        if name.endswith(NIFTI):
            return nifti_checks(path)
        return nrrd_checks(path) if name.endswith(NRRD) else meta_checks(path)
    except (OSError, EOFError, ValueError, LookupError, OverflowError, zlib.error, struct.error):
        raise CTError("The image file is damaged or cut short, or may not be read.") from None


def nifti_checks(path: Path) -> list[Check]:
    """Checks NIfTI-1 and NIfTI-2: spacing, orientation and all voxels must be present."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as file:
        header = nifti_header(file.read(540))
        refuse_if_too_large(header["dim"][1:4])
        refuse_bad_spacing(header["pixdim"][1:4])
        voxels = math.prod(max(size, 1) for size in header["dim"][1 : header["dim"][0] + 1])
        size, offset = voxels * header["bitpix"][0] // 8, int(header["vox_offset"][0])
        refuse_bomb(size)
        if offset > MAX_NIFTI_HEADER:  # ITK would read all of its extensions
            raise CTError("The NIfTI file's header is too long. Save the CT again.")
        file.seek(offset + size - 1)
        if not file.read(1):
            raise EOFError  # ITK would fill in zeros
    return [] if any(header["qform_code"] + header["sform_code"]) else [ORIENTATION_UNKNOWN.check()]


def nifti_header(content: bytes) -> dict[str, tuple]:
    """Returns the fields of `NIFTI_FIELDS`, each a tuple of numbers."""
    for order in "<>":
        fields = NIFTI_FIELDS.get(struct.unpack_from(f"{order}i", content)[0])
        if fields:
            return {
                name: struct.unpack_from(order + kind, content, at)
                for name, (kind, at) in fields.items()
            }
    raise CTError("This is not a NIfTI file, whatever its name says.")


def nrrd_checks(path: Path) -> list[Check]:
    """Checks NRRD: spacing must be present, and the data must lie in the file or beside it."""
    fields = text_header(path, ":")
    refuse_data_elsewhere(fields.get("data file", fields.get("datafile", "LOCAL")))
    if fields.get("encoding") != "raw" and {"byte skip", "byteskip", "line skip", "lineskip"} & set(
        fields
    ):
        raise CTError(
            "The NRRD file skips a part of its compressed voxels, which may take forever. Save the"
            " CT"
            " again."
        )
    spacing = fields.get("space directions", fields.get("spacings", ""))
    refuse_missing_spacing(spacing, none_allowed=fields.get("dimension") != "3")
    return [] if "space" in fields else [ORIENTATION_UNKNOWN.check()]


def meta_checks(path: Path) -> list[Check]:
    """Checks MetaImage as NRRD."""
    fields = text_header(path, "=")
    refuse_data_elsewhere(fields["elementdatafile"])
    refuse_missing_spacing(fields.get("elementspacing", fields.get("elementsize", "")))
    return (
        []
        if {"transformmatrix", "orientation", "rotation"} & set(fields)
        else [ORIENTATION_UNKNOWN.check()]
    )


def text_header(path: Path, separator: str) -> dict[str, str]:
    """Returns the ``key: value`` or ``key = value`` lines before the voxels; keys in lower case."""
    with path.open("rb") as file:
        start = file.read(MAX_TEXT_HEADER)
    fields = {}
    for line in start.decode("latin-1").split("\n"):
        key, _, value = line.partition(separator)
        fields[key.strip().lower()] = value.strip()
        if not line.strip() or key.strip() == "ElementDataFile":
            return fields
    if len(start) == MAX_TEXT_HEADER:  # the rest was not checked
        raise CTError("The image file's header is too long. Save the CT again.")
    return fields


def refuse_missing_spacing(text: str, none_allowed: bool = False) -> None:
    numbers = text.lower().replace("(", " ").replace(")", " ").replace(",", " ").split()
    if none_allowed:
        numbers = [number for number in numbers if number != "none"]
    try:
        known = bool(numbers) and all(math.isfinite(float(number)) for number in numbers)
    except ValueError:
        known = False
    if not known:
        raise CTError(
            "The voxel spacing is missing or not a number. Export the CT again with its spacing."
        )


def refuse_data_elsewhere(data_file: str) -> None:
    """Refuses a header whose voxels are in another file, unless it lies beside it (fault 45)."""
    data_file = data_file.removeprefix("./")
    if (
        Path(data_file).name != data_file
        or "\\" in data_file
        or data_file.upper().startswith("LIST")
    ):
        raise CTError(
            "The header points to voxels in another folder or in many files. Save the CT as one"
            " file."
        )
