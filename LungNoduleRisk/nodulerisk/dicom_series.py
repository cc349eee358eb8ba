"""DICOM files into a `CT`: one series, its slices ordered by position, everything checked before voxels are read.

Nothing in a zip is written to disk. A DICOMDIR is never followed: the files are found by looking at them.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, pairwise
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_rescale, get_decoder

from nodulerisk.checks import Check
from nodulerisk.ct import (
    CT,
    SINGLE_SLICE,
    Acquisition,
    looks_like_hounsfield,
    refuse_bad_direction,
    refuse_bad_spacing,
    refuse_if_too_large,
    to_hounsfield,
)
from nodulerisk.errors import CTError, SeveralSeriesError

MAX_FILES = 20_000
MAX_UNPACKED_BYTES = 4_000_000_000
MAX_RATIO = 200  # a slice packs 1.3 to 5 times; deflate reaches 1032
MAX_CONSECUTIVE_MISSING = 5
REGULAR, TOLERABLE = 0.01, 0.10  # deviation of slice steps from the median: silent, flagged, refused beyond
DEFLATED = b"1.2.840.10008.1.2.1.99"
CONE_BEAM = re.compile(r"CBCT|CONE.?BEAM|DYNACT|ON-BOARD IMAGER", re.IGNORECASE)
CONTRAST_WORDS = re.compile(r"\b(post|with|w)\b[\s/-]*(iv\s+)?contrast", re.IGNORECASE)
HEADER = (  # all that is read ahead of the pixels: who the patient is, is not
    "ImageType Modality ManufacturerModelName StudyDescription SeriesDescription ProtocolName ScanOptions "
    "RequestedProcedureDescription ImageComments ContrastBolusAgent ContrastBolusAgentSequence SliceThickness "
    "ConvolutionKernel SeriesInstanceUID InstanceNumber ImagePositionPatient ImageOrientationPatient SamplesPerPixel "
    "NumberOfFrames Rows Columns PixelSpacing PixelRepresentation PixelPaddingValue RescaleIntercept RescaleSlope "
    "RescaleType ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
)
DAMAGED = "A DICOM file is damaged or cut short. Export or copy the series again."


@dataclass(frozen=True)
class DicomFile:
    """A file in a folder or a member of a zip."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, eq=False)
class Slice:
    """One image plane (PS3.3 C.7.6.2): a whole file, or a frame of a multi-frame file.

    Attributes:
        position: LPS mm of the first voxel's centre.
        orientation: shape (2, 3), the LPS directions along a row and down a column.
    """

    file: DicomFile
    header: Dataset
    frame: int
    position: np.ndarray
    orientation: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        return np.cross(*self.orientation)

    def macro(self, sequence: str) -> Dataset:
        """The frame's functional group (PS3.3 C.7.6.16), or the header itself in a single-frame file."""
        return functional_group(self.header, self.frame, sequence)


def can_read(path: Path) -> bool:
    """Whether this is a folder, a zip or a DICOM file."""
    if path.is_dir() or path.suffix.lower() == ".zip":
        return True
    if not path.is_file():
        return False
    with damage_refused(), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path, *, series_uid: str | None = None) -> CT:
    """Reads the one CT volume in a folder, a zip or a multi-frame file.

    Args:
        path: a folder (searched with its subfolders), a .zip, or one file.
        series_uid: the SeriesInstanceUID to read where there are several.

    Raises:
        CTError: no CT, several to choose from, an unsafe zip, or a series that cannot be trusted.
    """
    with dicom_files(path) as files:
        return volume(choose_series(ct_slices(files), series_uid))


def acquisition_in(paths: Sequence[Path]) -> Acquisition:
    """What files of one series say of the scan, for voxels that another program read; its first and last will do.

    Raises:
        CTError: damaged files, not CT, or not in Hounsfield units (fault 19).
    """
    with dicom_files(*paths) as files:
        slices = ct_slices(files)
        if not slices:
            raise CTError("The series is a localizer, not a CT volume. Choose the CT series.")
        refuse_not_ct(slices[0])
        return acquisition_of(slices)


# --- Files


@contextmanager
def dicom_files(*paths: Path) -> Iterator[list[DicomFile]]:
    """The files of folders, zips and single files, while they may be read; what is damaged is refused meanwhile."""
    with damage_refused(), ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote header values, which may name the patient
        found = (zip_members(stack, path) if path.suffix.lower() == ".zip" else files_in(path) for path in paths)
        yield [file for files in found for file in files]


def files_in(path: Path) -> list[DicomFile]:
    """The file itself, or all files of a folder and its subfolders."""
    found = [path] if path.is_file() else list(islice(path.rglob("*"), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise CTError(f"The folder holds more than {MAX_FILES} files. Choose the folder of the one CT series.")
    return [DicomFile(file.name, partial(open_binary, file)) for file in sorted(found) if file.is_file()]


def open_binary(path: Path) -> IO[bytes]:
    return path.open("rb")


def zip_members(stack: ExitStack, path: Path) -> list[DicomFile]:
    """The files of a zip, to be read in memory one by one.

    Raises:
        CTError: not a zip, encrypted, or made to fill the memory or to escape its folder (fault 45).
    """
    try:
        refuse_long_directory(path)
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError):
        raise CTError("The .zip is damaged or cut short. Make it again.") from None
    members = archive.infolist()
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
        raise CTError("The .zip unpacks to too much. Zip only the folder of the one CT series.")
    for member in members:
        refuse_unsafe_member(member)
    return [
        DicomFile(PurePosixPath(member.filename).name, partial(archive.open, member))
        for member in members
        if not member.is_dir()
    ]


def refuse_long_directory(path: Path) -> None:
    """``ZipFile`` reads the list of members whole, so the length that it will believe is looked at first (fault 45)."""
    with path.open("rb") as file:
        record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if record and record[zipfile._ECD_SIZE] > MAX_FILES * 500:  # type: ignore[attr-defined]
        raise CTError("The .zip unpacks to too much. Zip only the folder of the one CT series.")


def refuse_unsafe_member(member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member.filename)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise CTError("The .zip holds links or names that lead outside its folder. Zip the CT's folder again.")
    if member.file_size > 16_000_000 and member.file_size > MAX_RATIO * member.compress_size:
        raise CTError("The .zip holds a file that unpacks to far more than a CT would. Zip the CT's folder again.")
    if member.flag_bits & 1:
        raise CTError("The .zip is encrypted. Unpack it and open the folder.")


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turns whatever pydicom, zipfile or a decoder raises on a damaged file into one refusal."""
    try:
        yield
    except CTError:
        raise
    except MemoryError:
        raise CTError("There is not enough memory to read this CT. Close other programs and try again.") from None
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise CTError("A DICOM file cannot be read from the disk or the .zip. Copy the series again.") from None
    except Exception:
        raise CTError(DAMAGED) from None


# --- Headers


def ct_slices(files: list[DicomFile]) -> list[Slice]:
    """Every CT image plane of the files, without localizers.

    Raises:
        CTError: no DICOM images, another modality (fault 19), or a damaged file.
    """
    headers = [(file, header) for file in files if (header := read_header(file)) is not None and "Rows" in header]
    if not headers:
        raise CTError("No DICOM images were found here. Choose the folder or .zip that holds the CT series.")
    modalities = {str(header.get("Modality", "unknown")) for _, header in headers}
    if "CT" not in modalities:
        raise CTError(f"The images are {', '.join(sorted(modalities))}, not CT. Choose a CT series.")
    slices: list[Slice] = []
    for file, header in headers:
        if header.get("Modality") == "CT" and header.get("SamplesPerPixel", 1) == 1 and not is_localizer(header):
            slices += planes(file, header)
    return slices


def read_header(file: DicomFile) -> Dataset | None:
    """The header without pixels, or None where the file is not DICOM (PS3.10 7.1)."""
    if file.name.upper() == "DICOMDIR":
        return None
    with file.open() as stream:
        start = stream.read(2048)
        if start[128:132] != b"DICM":
            return None
        if DEFLATED in start:  # pydicom would inflate it whole, however large
            raise CTError("A DICOM file is stored deflated. Export the series uncompressed.")
        stream.seek(0)
        return dcmread(stream, stop_before_pixels=True, specific_tags=HEADER.split())


def is_localizer(header: Dataset) -> bool:
    return "LOCALIZER" in str(header.get("ImageType", ""))


def planes(file: DicomFile, header: Dataset) -> Iterator[Slice]:
    """The planes of one file; those without a position are no part of a volume."""
    placed = len(header.get("PerFrameFunctionalGroupsSequence", None) or [header])
    if placed != int(header.get("NumberOfFrames", None) or 1):
        return
    for frame in range(placed):
        position = functional_group(header, frame, "PlanePositionSequence").get("ImagePositionPatient")
        orientation = functional_group(header, frame, "PlaneOrientationSequence").get("ImageOrientationPatient")
        if position and orientation:
            axes = np.array(orientation, float).reshape(2, 3)
            yield Slice(file, header, frame, np.array(position, float).reshape(3), axes)


def functional_group(header: Dataset, frame: int, sequence: str) -> Dataset:
    """Per frame, else shared by all frames, else the header of a single-frame file (PS3.3 C.7.6.16)."""
    per_frame, shared = (header.get(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared"))
    for groups in (per_frame and per_frame[frame], shared and shared[0]):
        if groups and groups.get(sequence):
            return groups[sequence][0]
    return header


# --- The series


def choose_series(slices: list[Slice], series_uid: str | None) -> list[Slice]:
    """The one volume, or the one axial volume beside reformats (fault 7).

    Raises:
        CTError: none.
        SeveralSeriesError: several, which it lists.
    """
    groups = defaultdict(list)
    for plane in slices:
        header = plane.header
        facing = int(np.argmax(np.abs(plane.normal)))
        groups[str(header.get("SeriesInstanceUID", "")), header.Rows, header.Columns, facing].append(plane)
    volumes = {key: group for key, group in groups.items() if is_volume(group)}
    if not volumes:
        raise CTError(SINGLE_SLICE)
    chosen = [group for (uid, *_), group in volumes.items() if series_uid in (None, uid)]
    axial = [group for (uid, *_, facing), group in volumes.items() if series_uid in (None, uid) and facing == 2]
    for candidates in (chosen, axial):
        if len(candidates) == 1:
            return candidates[0]
    series = {uid: summary(group) for (uid, *_), group in volumes.items()}
    listing = "\n".join(f"  {uid or '(no UID)'}: {said}" for uid, said in series.items())
    problem = "There are several CT series" if chosen else "No CT series has this SeriesInstanceUID"
    raise SeveralSeriesError(f"{problem}. Choose one of these (in the terminal: --series UID):\n{listing}", series)


def is_volume(group: list[Slice]) -> bool:
    """Whether the slices differ in position: localizers and bolus tracking do not."""
    heights = [plane.position @ plane.normal for plane in group]
    return not np.ptp(heights) <= 0.01  # a position that is not a number is refused later, by name


def summary(group: list[Slice]) -> str:
    said = acquisition_of(group)
    thickness = f"{said.slice_thickness_mm:g} mm" if said.slice_thickness_mm else "thickness unknown"
    return f"{len(group)} slices, {thickness}, kernel {said.kernel or 'unknown'}"


def volume(slices: list[Slice]) -> CT:
    """The CT of one series' slices."""
    refuse_not_ct(slices[0])
    pixel_spacing = common_pixel_spacing(slices)
    direction = common_direction(slices)
    normal = direction[:, 2]
    slices = sorted(slices, key=lambda plane: plane.position @ normal)
    refuse_shear(slices, normal, min(pixel_spacing))
    index, step, checks = slice_grid(slices, np.array([plane.position @ normal for plane in slices]))
    hu = read_pixels(slices, index)
    filled = fill_missing(hu, index)
    return CT.from_array(
        hu,
        (pixel_spacing[1], pixel_spacing[0], step),
        slices[0].position,
        direction,
        acquisition=acquisition_of(slices),
        checks=(*checks, *rescale_checks(slices, hu)),
        filled_slices=filled,
    )


def refuse_not_ct(plane: Slice) -> None:
    """Cone-beam CT has no modality of its own: known by its device or scan names, as far as they tell (fault 19)."""
    words = ("ManufacturerModelName", "ScanOptions", "ImageType", "SeriesDescription", "ProtocolName")
    if CONE_BEAM.search(" ".join(str(plane.header.get(word, "")) for word in words)):
        raise CTError("This is a cone-beam CT, whose values are not Hounsfield units. Choose a diagnostic CT series.")
    units = plane.macro("PixelValueTransformationSequence").get("RescaleType") or "HU"  # PS3.3 C.11.1.1.2
    if units not in ("HU", "US"):
        raise CTError("The series is not in Hounsfield units (a spectral or derived map). Choose the CT images.")


def acquisition_of(slices: list[Slice]) -> Acquisition:
    """What the first slice's header says of the scan, and the direction of counting."""
    plane = slices[0]
    thickness = plane.macro("PixelMeasuresSequence").get("SliceThickness")
    kernel = plane.macro("CTReconstructionSequence").get("ConvolutionKernel")
    if kernel and not isinstance(kernel, str):
        kernel = "/".join(kernel)
    return Acquisition(
        modality="CT",
        series_uid=str(plane.header.get("SeriesInstanceUID", "")) or None,
        slice_thickness_mm=float(thickness) if thickness else None,
        kernel=kernel or None,
        contrast=contrast_given(plane.header),
        head_to_foot=head_to_foot(slices),
    )


def contrast_given(header: Dataset) -> bool | None:
    """By ContrastBolusAgent (PS3.3 C.7.6.4), else by what the descriptions say; None where neither tells."""
    agent = str(header.get("ContrastBolusAgent", None) or "").strip().upper()
    if agent:
        return agent not in ("NO", "NONE", "N")
    words = ("StudyDescription", "SeriesDescription", "ProtocolName", "RequestedProcedureDescription", "ImageComments")
    described = any(CONTRAST_WORDS.search(str(header.get(word, ""))) for word in words)
    return True if described or header.get("ContrastBolusAgentSequence") else None


def head_to_foot(slices: list[Slice]) -> bool | None:
    """Whether InstanceNumber, or the frame number within a file, grows towards the feet."""
    heights = {(plane.header.get("InstanceNumber"), plane.frame): plane.position[2] for plane in slices}
    if len(heights) < len(slices) or any(number is None for number, _ in heights):
        return None
    towards_head = heights[max(heights)] - heights[min(heights)]
    return None if abs(towards_head) < 0.01 else bool(towards_head < 0)


# --- Geometry


def common_pixel_spacing(slices: list[Slice]) -> tuple[float, float]:
    """Row and column spacing, mm (PS3.3 10.7.1.3).

    Raises:
        CTError: missing, zero or negative, or not the same in every slice (fault 15).
    """
    spacings = {tuple(plane.macro("PixelMeasuresSequence").get("PixelSpacing", None) or ()) for plane in slices}
    if () in spacings or len(spacings) > 1:
        raise CTError("PixelSpacing is missing or differs between slices. Export the CT series again.")
    down, along = (float(value) for value in spacings.pop())
    refuse_bad_spacing((down, along))
    return down, along


def common_direction(slices: list[Slice]) -> np.ndarray:
    """Columns: along a row, down a column, and the slice normal; 3x3, LPS (PS3.3 C.7.6.2.1.1).

    Raises:
        CTError: not orthonormal, or the slices are not parallel (fault 9).
    """
    along, down = slices[0].orientation
    direction = np.column_stack([along, down, slices[0].normal])
    refuse_bad_direction(direction)
    if not all(np.allclose(plane.orientation, (along, down), rtol=0, atol=1e-3) for plane in slices):
        raise CTError("The slices of this series are not parallel. Choose a series of parallel slices.")
    if not np.all(np.isfinite([plane.position for plane in slices])):
        raise CTError("A slice's position is not a number. Export the CT series again.")
    return direction


def refuse_shear(slices: list[Slice], normal: np.ndarray, pixel_mm: float) -> None:
    """Slices must be stacked along their normal; a tilted gantry shifts each against the last (fault 4)."""
    offsets = np.array([plane.position for plane in slices]) - slices[0].position
    sideways = offsets - np.outer(offsets @ normal, normal)
    if np.linalg.norm(sideways, axis=1).max() > pixel_mm / 2:
        raise CTError(
            "The slices are shifted against each other, as with a tilted gantry. "
            "Correct the tilt at the scanner or resample the series, then load it again."
        )


def slice_grid(slices: list[Slice], heights: np.ndarray) -> tuple[np.ndarray, float, list[Check]]:
    """Which slice of a regular grid each slice is, the grid's step in mm, and the findings.

    Raises:
        CTError: repeated positions (fault 2), irregular spacing (fault 3), or too many missing slices (fault 1).
    """
    steps = np.diff(heights)
    typical = float(np.median(steps))
    refuse_repeats(slices, steps)
    jumps = np.maximum(np.rint(steps / typical), 1).astype(int)
    index = np.concatenate([[0], np.cumsum(jumps)])
    step = float((heights[-1] - heights[0]) / index[-1])
    deviation = float(np.abs(steps / typical - jumps).max())
    drift = float(np.abs((heights - heights[0]) / step - index).max())
    if deviation > TOLERABLE or drift > 0.5:
        raise CTError(f"Slice spacing varies by {100 * deviation:.0f} %. Reconstruct an evenly spaced series.")
    missing = int(index[-1]) + 1 - len(slices)
    if jumps.max() - 1 > MAX_CONSECUTIVE_MISSING or missing > max(1, index[-1] // 10):
        raise CTError(f"{missing} slices of the series are missing. Export the complete series again.")
    return index, step, spacing_checks(missing, deviation)


def refuse_repeats(slices: list[Slice], steps: np.ndarray) -> None:
    repeated = [pair for pair, step in zip(pairwise(slices), steps, strict=True) if step < 0.01]
    if repeated:
        first, second = sorted(plane.file.name for plane in repeated[0])
        raise CTError(
            f"{len(repeated)} slices lie where another does, the first in {first} and {second}: "
            "copies, or several phases in one series (4D). Keep one slice for each position."
        )


def spacing_checks(missing: int, deviation: float) -> list[Check]:
    checks = []
    if missing:
        message = f"{missing} missing slice(s) were filled in between their neighbours."
        checks.append(Check("missing-slices", "warning", message, 1))
    if deviation > REGULAR:
        message = f"Slice spacing varies by up to {100 * deviation:.1f} %; sizes along the scan are off by as much."
        checks.append(Check("irregular-spacing", "warning", message, 3))
    return checks


# --- Voxels


def read_pixels(slices: list[Slice], index: np.ndarray) -> np.ndarray:
    """HU, int16, shape (z, y, x); missing slices are zero.

    Raises:
        CTError: no decoder, damaged or lying pixel data.
    """
    shape = (int(index[-1]) + 1, int(slices[0].header.Rows), int(slices[0].header.Columns))
    refuse_if_too_large(shape)
    refuse_without_decoder(slices)
    hu = np.zeros(shape, np.int16)
    file, frames = None, np.empty(0)
    for k, plane in zip(index, slices, strict=True):
        if plane.file is not file:
            file, frames = plane.file, stored_frames(plane.file)
        hu[k] = hounsfield(frames[plane.frame], plane)
    return hu


def refuse_without_decoder(slices: list[Slice]) -> None:
    for syntax in {plane.header.file_meta.TransferSyntaxUID for plane in slices}:
        try:
            missing = [] if (decoder := get_decoder(syntax)).is_available else decoder.missing_dependencies
        except NotImplementedError:
            raise CTError(f"Pixels are stored as {syntax.name}, which is not a CT's. Export uncompressed.") from None
        if missing:
            packages = " or ".join(missing)
            raise CTError(f"Pixels are stored as {syntax.name}. Export uncompressed, or install one of: {packages}.")


def stored_frames(file: DicomFile) -> np.ndarray:
    """Stored values, shape (frame, row, column)."""
    with file.open() as stream:
        dataset = dcmread(io.BytesIO(stream.read()))
    refuse_lying_size(dataset)
    return dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)


def refuse_lying_size(dataset: Dataset) -> None:
    """Rows, Columns and frames must agree with the pixel data (PS3.5 8, fault 45), before a decoder believes either."""
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
        raise CTError("Rows and Columns disagree with the pixel data: the file is cut short, damaged or unsafe.")


def jpeg2000_size(codestream: bytes) -> tuple[int, int] | None:
    """Rows and columns by the SIZ marker (ISO 15444-1 A.5.1), or None for another coding."""
    if not codestream.startswith(b"\xff\x4f\xff\x51"):
        return None
    right, bottom, left, top = struct.unpack_from(">4I", codestream, 8)
    return bottom - top, right - left


def hounsfield(stored: np.ndarray, plane: Slice) -> np.ndarray:
    """See ``rescaled``; by a table of all values that 16 bits can hold, which are a quarter of a slice's pixels: fresh
    memory for every pixel would take four times as long as reading the whole CT does."""
    if stored.dtype.itemsize > 2:
        return rescaled(stored, plane)
    code = np.dtype(f"u{stored.dtype.itemsize}")
    every = np.arange(1 << 8 * code.itemsize, dtype=code).view(stored.dtype)
    return rescaled(every, plane)[stored.view(code)]


def rescaled(stored: np.ndarray, plane: Slice) -> np.ndarray:
    """HU as int16 (PS3.3 C.11.1), with padding that would read as metal turned to air (fault 17)."""
    transformation = plane.macro("PixelValueTransformationSequence")
    values = apply_rescale(stored, transformation)
    padding = plane.header.get("PixelPaddingValue")
    if padding is not None:
        values = np.where((stored == padding) & (values > 3071), -1024, values)
    return to_hounsfield(values)


def rescale_checks(slices: list[Slice], hu: np.ndarray) -> list[Check]:
    """Finds slices without a rescale.

    Raises:
        CTError: there are such slices, and the values do not look like HU (fault 16).
    """
    if all(has_rescale(plane.macro("PixelValueTransformationSequence")) for plane in slices):
        return []
    if not looks_like_hounsfield(hu):
        raise CTError("RescaleSlope or RescaleIntercept is missing, so the values are not in HU. Export the CT again.")
    message = "RescaleSlope or RescaleIntercept is missing; the values look like HU and were taken as such."
    return [Check("rescale-missing", "warning", message, 16)]


def has_rescale(header: Dataset) -> bool:
    return "ModalityLUTSequence" in header or ("RescaleSlope" in header and "RescaleIntercept" in header)


def fill_missing(hu: np.ndarray, index: np.ndarray) -> tuple[int, ...]:
    """Fills slices not in ``index`` linearly between their neighbours, in place, and returns them (fault 1)."""
    missing = sorted(set(range(len(hu))) - set(index.tolist()))
    for k in missing:
        below, above = int(index[index < k].max()), int(index[index > k].min())
        share = (k - below) / (above - below)
        hu[k] = np.rint((1 - share) * hu[below] + share * hu[above])
    return tuple(missing)
