"""NIfTI-1 and NIfTI-2 files, read without ITK, which knows no NIfTI-2 and refuses an sform that was
rounded.

Source: https://nifti.nimh.nih.gov/nifti-1 and nifti-2.
"""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from nodulerisk.ct.volume import (
    refuse_bad_direction,
    refuse_bad_spacing,
    refuse_if_too_large,
    to_hounsfield,
)
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

MAX_HEADER = 16_000_000  # bytes, with its extensions
SINGLE_FILE = {348: b"n+1\0", 540: b"n+2\0\r\n\x1a\n"}  # by header size: its magic
# By header size, which tells NIfTI-1 from NIfTI-2: struct format and offset
FIELDS = {
    348: {"dim": ("8h", 40), "datatype": ("h", 70), "bitpix": ("h", 72), "pixdim": ("8f", 76),
          "vox_offset": ("f", 108), "scl": ("2f", 112), "xyzt_units": ("B", 123),
          "codes": ("2h", 252), "quatern": ("3f", 256), "qoffset": ("3f", 268),
          "srow": ("12f", 280), "magic": ("4s", 344)},
    540: {"dim": ("8q", 16), "datatype": ("h", 12), "bitpix": ("h", 14), "pixdim": ("8d", 104),
          "vox_offset": ("q", 168), "scl": ("2d", 176), "xyzt_units": ("i", 500),
          "codes": ("2i", 344), "quatern": ("3d", 352), "qoffset": ("3d", 376),
          "srow": ("12d", 400), "magic": ("8s", 4)},
}  # fmt: skip
NUMBERS = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4",
           1024: "i8", 1280: "u8"}  # fmt: skip
XFORM_CODES = range(6)  # none, scanner, aligned, Talairach, MNI, another template
UNITS_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 1e-3}  # not said, metre, millimetre, micron
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])[:, None]
AGREES = 3e-3  # of direction cosines: an sform may be rounded to 3 decimals
SPACING_MM = 1e-3  # by which its voxel size may then differ from pixdim
AGREES_MM = 0.1  # of origins
CHUNK = 1 << 20  # bytes
SURPLUS = _("The image file holds more voxels than its header states: its size or start is wrong.")


@dataclass(frozen=True, eq=False)
class NiftiHeader:
    """What a NIfTI header says.

    Attributes:
        size: all dimensions, x first.
        number: the voxels' type.
        offset: of the first voxel, bytes.
        slope, intercept: of the stored values, to HU.
        directions: 3x3, columns: the LPS directions of array axes x, y, z, as far as rounded.
        spacing_mm: voxel size along x, y, z.
        origin_lps_mm: LPS position of voxel (0, 0, 0), mm.
        oriented: whether it says how the patient lies.
    """

    size: tuple[int, ...]
    number: np.dtype
    offset: int
    slope: float
    intercept: float
    directions: np.ndarray
    spacing_mm: np.ndarray
    origin_lps_mm: np.ndarray
    oriented: bool

    @property
    def voxel_bytes(self) -> int:
        return math.prod(self.size) * self.number.itemsize


def read_nifti_header(path: Path) -> NiftiHeader:
    """Reads and checks a header.

    Raises:
        CTError: another format, another kind of voxels, a bad spacing, or fields that contradict
            each other.
        ValueError, struct.error: damaged otherwise.
    """
    with opened(path) as file:
        order, fields = _fields(file.read(540))
    unit = _unit(fields)
    spacing = np.array(fields["pixdim"][1:4]) * unit
    refuse_bad_spacing(spacing)
    directions, origin = _placed(fields, np.array(fields["pixdim"][1:4]))
    slope, intercept = _scaling(*fields["scl"])
    return NiftiHeader(
        size=_size(fields["dim"]),
        number=_number(fields, order),
        offset=_offset(fields),
        slope=slope,
        intercept=intercept,
        directions=directions,
        spacing_mm=spacing,
        origin_lps_mm=origin * unit,
        oriented=any(code > 0 for code in fields["codes"]),
    )


def read_nifti_voxels(path: Path, header: NiftiHeader) -> np.ndarray:
    """Reads HU, int16 (z, y, x), slice by slice.

    Raises:
        CTError: NaN or infinite voxels, or more of them than the header states.
        EOFError: the file is cut short.
    """
    x, y, z = header.size[:3]
    hu = np.empty((z, y, x), np.int16)
    plane = np.empty((y, x), header.number)
    with opened(path) as file:
        file.seek(header.offset)
        for target in hu:
            _fill(file, plane)
            target[:] = _hounsfield(plane, header)
        if len(file.read(plane[0].nbytes)) == plane[0].nbytes:
            raise CTError(SURPLUS)
    return hu


def _hounsfield(stored: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if (header.slope, header.intercept) == (1, 0):
        return to_hounsfield(stored)
    return to_hounsfield(stored.astype(np.float64) * header.slope + header.intercept)


def _fill(file: IO[bytes], target: np.ndarray) -> None:
    left = target.reshape(-1).view(np.uint8).data
    while left:
        count = cast(gzip.GzipFile, file).readinto(left[:CHUNK])
        if not count:
            raise EOFError
        left = left[count:]


def opened(path: Path) -> IO[bytes]:
    """Opens a file that may be compressed, whatever its name says."""
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path) if compressed else path.open("rb"))


def _fields(content: bytes) -> tuple[str, dict[str, tuple]]:
    """Returns the byte order, and the fields of `FIELDS`, each a tuple."""
    for order in "<>":
        length = struct.unpack_from(f"{order}i", content)[0]
        if length in FIELDS:
            fields = {
                name: struct.unpack_from(order + kind, content, at)
                for name, (kind, at) in FIELDS[length].items()
            }
            if fields["magic"] != (SINGLE_FILE[length],):
                raise CTError(
                    _(
                        "The NIfTI file's magic is not that of a single NIfTI file. Save the CT"
                        " again as .nii.gz."
                    )
                )
            return order, fields | {"length": (length,)}
    raise CTError(_("This is not a NIfTI file, whatever its name says."))


def _unit(fields: dict[str, tuple]) -> float:
    unit = UNITS_MM.get(fields["xyzt_units"][0] & 7)
    if unit is None:
        raise CTError(
            _("The NIfTI file's xyzt_units names no unit of length. Export the CT in mm.")
        )
    return unit


def _size(dim: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the dimensions, three or more.

    Raises:
        CTError: 4D, colour, or too many voxels (faults 12 and 45).
    """
    if not 1 <= dim[0] <= 7:
        raise CTError(_("The NIfTI file's dim is damaged. Save the CT again."))
    size = (*dim[1 : dim[0] + 1], 1, 1)[: max(3, dim[0])]
    refuse_if_too_large(max(n, 1) for n in size)
    return size


def _number(fields: dict[str, tuple], order: str) -> np.dtype:
    """Returns the type of the voxels; a colour or complex one is none of numbers."""
    code, bits = fields["datatype"][0], fields["bitpix"][0]
    number = np.dtype(order + NUMBERS.get(code, "V1"))
    if code in NUMBERS and number.itemsize * 8 != bits:
        raise CTError(_("The NIfTI file's datatype and bitpix contradict each other."))
    return number


def _offset(fields: dict[str, tuple]) -> int:
    offset, least = fields["vox_offset"][0], fields["length"][0] + 4
    if offset > MAX_HEADER:
        raise CTError(_("The NIfTI file's header is too long. Save the CT again."))
    if not (offset >= least and offset == int(offset)):
        raise CTError(_("The NIfTI file's vox_offset lies inside its header. Save the CT again."))
    return int(offset)


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    """Returns slope and intercept; a slope that is 0 or not a number means none.

    Raises:
        CTError: programs would not agree on what they mean.
    """
    if slope == 0 or not math.isfinite(slope):
        slope, intercept = 1.0, 0.0 if math.isnan(intercept) else intercept
        if intercept:
            raise CTError(_("The NIfTI file has a scl_inter without a scl_slope. Export it again."))
    if not math.isfinite(intercept):
        raise CTError(_("The NIfTI file's scl_inter is not a number. Export the CT again."))
    return slope, intercept


def _placed(fields: dict[str, tuple], spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns directions (3x3, columns, LPS) and origin (LPS, in the file's unit): of the sform if
    there is one, else of the qform, else none.

    Raises:
        CTError: an unknown code, both are there and differ, or the sform's voxel size is not that
            of pixdim.
    """
    if not all(code in XFORM_CODES for code in fields["codes"]):
        raise CTError(
            _("The NIfTI file's qform_code or sform_code is unknown. Export the CT again.")
        )
    qform, sform = (code > 0 for code in fields["codes"])
    by_quaternion = _qform(fields) if qform else (np.eye(3), np.zeros(3))
    if not sform:
        return by_quaternion
    rows = RAS_TO_LPS * np.reshape(fields["srow"], (3, 4))
    directions, origin = rows[:, :3] / spacing, rows[:, 3]
    if qform and not _agree(directions, by_quaternion[0], origin, by_quaternion[1], fields):
        raise CTError(
            _("The NIfTI file's sform is sheared or disagrees with its qform. Export the CT again.")
        )
    lengths = np.linalg.norm(directions, axis=0)
    refuse_bad_direction(directions / lengths)
    if np.abs((lengths - 1) * spacing).max() * _unit(fields) > SPACING_MM:
        raise CTError(_("The NIfTI file's sform and pixdim differ in voxel size. Export it again."))
    return directions / lengths, origin


def _agree(directions, other, origin, other_origin, fields) -> bool:
    near = AGREES_MM / _unit(fields)
    return np.allclose(directions, other, rtol=0, atol=AGREES) and np.allclose(
        origin, other_origin, rtol=0, atol=near
    )


def _qform(fields: dict[str, tuple]) -> tuple[np.ndarray, np.ndarray]:
    """Returns directions and origin, LPS, of the quaternion.

    Raises:
        CTError: it is none of a rotation.
    """
    b, c, d = fields["quatern"]
    square = b * b + c * c + d * d
    if not square < 1 + AGREES:
        raise CTError(_("The NIfTI file's quatern_b, _c and _d are no rotation. Export it again."))
    a = math.sqrt(max(0.0, 1 - square))
    a, b, c, d = np.array([a, b, c, d]) / math.sqrt(a * a + square)
    rotation = np.array([
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
    ])  # fmt: skip
    rotation[:, 2] *= -1 if fields["pixdim"][0] < 0 else 1
    return RAS_TO_LPS * rotation, RAS_TO_LPS[:, 0] * fields["qoffset"]
