"""Turns NRRD, NIfTI and MetaImage files into a `CT`.

The raw header is read here, and geometry comes from it. ITK reads the headers of NRRD and MetaImage
too: a file that it read otherwise is refused, naming the field (fault 53). Nothing is allocated
before the geometry is plausible (fault 52).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodulerisk.checks import ORIENTATION_UNKNOWN
from nodulerisk.ct.image_headers import (
    FROM_THE_END,
    ImageHeader,
    read_meta_header,
    read_nrrd_header,
)
from nodulerisk.ct.nifti import SURPLUS, read_nifti_header, read_nifti_voxels
from nodulerisk.ct.volume import (
    CT,
    SINGLE_SLICE,
    SKEWED,
    orthonormal,
    refuse_bad_direction,
    refuse_bad_spacing,
    refuse_if_not_scalar_volume,
    refuse_if_too_large,
    refuse_implausible_place,
    refuse_several_volumes,
)
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

NIFTI = (".nii", ".nii.gz")
NRRD = (".nrrd", ".nhdr")
META = (".mha", ".mhd")
MAX_BYTES = 3_000_000_000  # of voxels: ITK's copy and numpy's are in memory at once
DENSITY = {"raw": 1.0, "compressed": 1 / 1032, "text": 0}  # stored bytes, at least
CUT_SHORT = _("The image file holds fewer voxels than its header states: it is cut short.")
COLOUR = _("This is a colour or vector image, not a CT in Hounsfield units. Load the CT itself.")


def can_read(path: Path) -> bool:
    """Whether the name is an image file's."""
    return path.is_file() and path.name.lower().endswith(NIFTI + NRRD + META)


def read_image(path: Path) -> CT:
    """Reads an image file.

    Raises:
        CTError: damaged, too large, 4D, or with geometry or intensities that cannot be trusted.
    """
    name = path.name.lower()
    with damage_refused():
        if name.endswith(NIFTI):
            return _read_nifti(path)
        if name.endswith(NRRD):
            return _read_by_itk(path, read_nrrd_header(path), "NrrdImageIO")
        return _read_by_itk(path, read_meta_header(path), "MetaImageIO")


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turns ITK's errors, which quote the full path, and those of damaged headers into ones that do
    not; silences ITK's warnings, which also quote it."""
    shown = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise CTError(SKEWED) from None
        raise CTError(
            _("The image file is damaged, cut short or not in the format that its name says.")
        ) from None
    except (OSError, EOFError, ValueError, LookupError, OverflowError, zlib.error, struct.error):
        raise CTError(_("The image file is damaged or cut short, or may not be read.")) from None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(shown)


def _read_nifti(path: Path) -> CT:
    header = read_nifti_header(path)
    if max(header.size[4:], default=1) > 1 or header.number.kind == "V":
        raise CTError(COLOUR)
    refuse_several_volumes(header.size)
    if min(header.size[:3]) < 2:
        raise CTError(SINGLE_SLICE)
    refuse_bomb(header.voxel_bytes)
    place = header.spacing_mm, header.origin_lps_mm, header.directions
    return _ct(header.size[:3], place, header.oriented, lambda: read_nifti_voxels(path, header))


def _read_by_itk(path: Path, header: ImageHeader, reader_name: str) -> CT:
    reader = sitk.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    refuse_if_not_scalar_volume(reader)
    refuse_if_too_large(reader.GetSize())
    if header.modality not in ("", "MET_MOD_CT", "MET_MOD_OTHER", "MET_MOD_UNKNOWN"):
        raise CTError(_("The file says that it is not a CT. Load the CT."))
    refuse_bad_spacing(header.spacing_mm)
    refuse_difference(header, reader)
    size = math.prod(reader.GetSize())
    voxel = sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
    refuse_bomb(size * voxel)
    refuse_other_size(path, header, size * voxel, header.size[0] * voxel)
    place = header.spacing_mm, header.origin_lps_mm, header.axes_mm / header.spacing_mm
    return _ct(header.size, place, header.oriented, lambda: _voxels(path, header, reader))


def _voxels(path: Path, header: ImageHeader, reader: sitk.ImageFileReader) -> np.ndarray:
    """Returns stored values (z, y, x). ITK reads those written as text; of others it takes what it
    gets where the size is wrong, and bytes between header and voxels for voxels (fault 53)."""
    shape = header.size[::-1]
    if header.encoding == "text":
        refuse_other_count(path, header, math.prod(shape))
        return sitk.GetArrayFromImage(reader.Execute()).reshape(shape)
    one = sitk.GetArrayViewFromImage(sitk.Image([1, 1], reader.GetPixelID()))
    number = one.dtype.newbyteorder(">" if header.big_endian else "<")
    return stored_voxels(path, header, math.prod(shape) * one.itemsize).view(number).reshape(shape)


def refuse_other_count(path: Path, header: ImageHeader, count: int) -> None:
    """Raises CTError if voxels are written as text, and there are others than that many."""
    written = len(header.data_path(path).read_bytes()[header.start :].split())
    if written != count:
        raise CTError(CUT_SHORT if written < count else SURPLUS)


def stored_voxels(path: Path, header: ImageHeader, size: int) -> np.ndarray:
    """Returns that many bytes of voxels, unpacked.

    Raises:
        CTError: there are fewer, or more.
        zlib.error: damaged.
    """
    data = header.data_path(path)
    start = data.stat().st_size - size if header.start == FROM_THE_END else header.start
    if header.encoding == "raw":
        return np.fromfile(data, np.uint8, count=size, offset=start)
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)  # zlib or gzip
    with data.open("rb") as file:
        file.seek(start)
        unpacked = unpacking.decompress(file.read(), size + 1)
    if len(unpacked) != size:
        raise CTError(CUT_SHORT if len(unpacked) < size else SURPLUS)
    return np.frombuffer(bytearray(unpacked), np.uint8)


def _ct(size, place, oriented: bool, voxels) -> CT:
    """Returns the CT; its voxels are read only where its geometry is plausible."""
    spacing, origin, directions = place
    refuse_bad_direction(directions)
    refuse_implausible_place(size, spacing, origin)
    checks = () if oriented else (ORIENTATION_UNKNOWN.check(),)
    return CT.from_array(voxels(), spacing, origin, orthonormal(directions), checks=checks)


def refuse_bomb(size: int) -> None:
    """Raises CTError for more bytes of voxels than a CT has, however small the compressed file
    (fault 45)."""
    if size > MAX_BYTES:
        raise CTError(
            _("The image file unpacks to more than a CT would. Save the CT with 16 bits per voxel.")
        )


def refuse_other_size(path: Path, header: ImageHeader, size: int, row: int) -> None:
    """Raises CTError if a file cannot hold that many bytes of voxels, before they are allocated
    (fault 52), or holds more, so that its size or start is wrong (fault 53). Less than a row may
    follow the voxels of a file that begins with the header.

    Args:
        path: of the header.
        header: of the file.
        size, row: bytes of all voxels, and of a row.
    """
    stored = header.data_path(path).stat().st_size - max(header.start, 0)
    refuse_bomb(stored)
    if stored < size * DENSITY[header.encoding]:
        raise CTError(CUT_SHORT)
    tolerated = 0 if header.data_file else row - 1
    from_start = header.encoding == "raw" and header.start != FROM_THE_END
    if from_start and stored - size > tolerated:
        raise CTError(SURPLUS)


def refuse_difference(header: ImageHeader, reader: sitk.ImageFileReader) -> None:
    """Raises CTError, naming the field, if ITK read a geometry that is not the header's (fault 53).

    Units of length, which ITK does not know in these formats, are left out of the comparison.
    """
    dimension = reader.GetDimension()
    directions = np.reshape(reader.GetDirection(), (dimension, dimension))[:3, :3]
    axes = directions * reader.GetSpacing()[:3] * header.unit_mm
    origin = np.array(reader.GetOrigin()[:3]) * header.unit_mm
    near = 1e-3 * float(header.spacing_mm.min())
    agree: Iterable[bool] = (
        reader.GetSize()[:3] == header.size,
        np.allclose(axes, header.axes_mm, rtol=0, atol=near),
        np.allclose(origin, header.origin_lps_mm, rtol=1e-6, atol=near),
    )
    for agrees, name in zip(agree, header.names, strict=True):
        if not agrees:
            words = _(
                "SimpleITK {versionstring} read another '{name}' than the header states. Update"
                " SimpleITK, or export the CT again."
            )
            raise CTError(words.format(versionstring=sitk.Version.VersionString(), name=name))
