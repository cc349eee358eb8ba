"""DICOM files in folders and zips, and their headers; nothing in a zip is written to disk.

A DICOMDIR is never followed: files are recognised by their content.
"""

from __future__ import annotations

import re
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np
from pydicom import Dataset, dcmread

from nodulerisk.errors import CTError

MAX_FILES = 20_000
MAX_UNPACKED_BYTES = 4_000_000_000
MAX_RATIO = 200  # a slice compresses 1.3 to 5 times; deflate reaches 1032
DEFLATED = b"1.2.840.10008.1.2.1.99"
HEADER = (  # everything read before the pixels; the patient's identity is not
    "ImageType Modality ManufacturerModelName StudyDescription SeriesDescription ProtocolName"
    " ScanOptions RequestedProcedureDescription ImageComments ContrastBolusAgent"
    " ContrastBolusAgentSequence SliceThickness ConvolutionKernel SeriesInstanceUID SeriesNumber"
    " InstanceNumber"
    " ImagePositionPatient ImageOrientationPatient SamplesPerPixel NumberOfFrames Rows Columns"
    " PixelSpacing PixelRepresentation PixelPaddingValue RescaleIntercept RescaleSlope RescaleType"
    " ModalityLUTSequence SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
)
DAMAGED = "A DICOM file is damaged or cut short. Export or copy the series again."


@dataclass(frozen=True)
class DicomFile:
    """A file in a folder or a member of a zip."""

    name: str
    open: Callable[[], IO[bytes]]


@dataclass(frozen=True, eq=False)
class ImagePlane:
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
        """The frame's functional group (PS3.3 C.7.6.16), or the header itself in a single-frame
        file."""
        return functional_group(self.header, self.frame, sequence)


@contextmanager
def dicom_files(*paths: Path) -> Iterator[list[DicomFile]]:
    """Yields the files of folders, zips and single files while they can be read; damaged ones are
    refused meanwhile."""
    with damage_refused(), ExitStack() as stack, warnings.catch_warnings():
        # pydicom's warnings quote header values, which may name the patient
        warnings.simplefilter("ignore")
        found = (
            zip_members(stack, path) if path.suffix.lower() == ".zip" else files_in(path)
            for path in paths
        )
        yield [file for files in found for file in files]


def files_in(path: Path) -> list[DicomFile]:
    """Returns the file itself, or all files of a folder and its subfolders."""
    found = [path] if path.is_file() else list(islice(path.rglob("*"), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        raise CTError(
            f"The folder holds more than {MAX_FILES} files. Choose the folder of the one CT series."
        )
    return [
        DicomFile(file.name, partial(open_binary, file)) for file in sorted(found) if file.is_file()
    ]


def open_binary(path: Path) -> IO[bytes]:
    return path.open("rb")


def zip_members(stack: ExitStack, path: Path) -> list[DicomFile]:
    """Returns the files of a zip, to be read in memory one by one.

    Raises:
        CTError: not a zip, encrypted, or crafted to fill the memory or to escape its folder (fault
            45).
    """
    try:
        refuse_long_directory(path)
        archive = stack.enter_context(zipfile.ZipFile(path))
    except (zipfile.BadZipFile, OSError):
        raise CTError("The .zip is damaged or cut short. Create it again.") from None
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
    """Checks the stated length of the list of members first, because ``ZipFile`` reads the whole
    list (fault 45)."""
    with path.open("rb") as file:
        record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if record and record[zipfile._ECD_SIZE] > MAX_FILES * 500:  # type: ignore[attr-defined]
        raise CTError("The .zip unpacks to too much. Zip only the folder of the one CT series.")


def refuse_unsafe_member(member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename.replace("\\", "/"))
    outside = name.is_absolute() or ".." in name.parts or re.match(r"[A-Za-z]:", member.filename)
    if outside or stat.S_ISLNK(member.external_attr >> 16):
        raise CTError(
            "The .zip holds links or names that lead outside its folder. Zip the CT's folder again."
        )
    if member.file_size > 16_000_000 and member.file_size > MAX_RATIO * member.compress_size:
        raise CTError(
            "The .zip holds a file that unpacks to far more than a CT would. Zip the CT's folder"
            " again."
        )
    if member.flag_bits & 1:
        raise CTError("The .zip is encrypted. Unpack it and open the folder.")


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turns whatever pydicom, zipfile or a decoder raises for a damaged file into a CTError."""
    try:
        yield
    except CTError:
        raise
    except MemoryError:
        raise CTError(
            "There is not enough memory to read this CT. Close other programs and try again."
        ) from None
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise CTError(
            "A DICOM file cannot be read from the disk or the .zip. Copy the series again."
        ) from None
    except Exception:
        raise CTError(DAMAGED) from None


def is_dicom(stream: IO[bytes]) -> bool:
    """Whether a file begins like DICOM (PS3.10 7.1); reads its first 132 bytes."""
    return stream.read(132)[128:] == b"DICM"


def read_header(file: DicomFile) -> Dataset | None:
    """Returns the header without pixels, or None if the file is not DICOM (PS3.10 7.1)."""
    if file.name.upper() == "DICOMDIR":
        return None
    with file.open() as stream:
        if not is_dicom(stream):
            return None
        start = stream.read(1916)  # the file meta information lies here
        if DEFLATED in start:  # pydicom would inflate it whole, however large
            raise CTError("A DICOM file is stored deflated. Export the series uncompressed.")
        stream.seek(0)
        return dcmread(stream, stop_before_pixels=True, specific_tags=HEADER.split())


def functional_group(header: Dataset, frame: int, sequence: str) -> Dataset:
    """Returns the frame's own group, else the one shared by all frames, else the header of a
    single-frame file (PS3.3 C.7.6.16)."""
    per_frame, shared = (
        header.get(f"{kind}FunctionalGroupsSequence") for kind in ("PerFrame", "Shared")
    )
    for groups in (per_frame and per_frame[frame], shared and shared[0]):
        if groups and groups.get(sequence):
            return groups[sequence][0]
    return header
