"""DICOM files in folders and zips, and their headers; files in a zip are read in memory.

A DICOMDIR is never followed: files are recognised by their content.
"""

from __future__ import annotations

import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import STANDARD_VR

from nodulerisk.ct.dicom.zip_files import MAX_RATIO, is_zip, zip_members
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

MAX_FILES = 20_000
CT_IMAGES = (CTImageStorage, EnhancedCTImageStorage)
DEFLATED = b"1.2.840.10008.1.2.1.99"
HEADER = (  # everything read before the pixels; the patient is compared, and never shown
    "SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID PatientID"
    " PatientName PatientBirthDate ImageType Modality StudyDate AcquisitionDate AcquisitionTime"
    " ManufacturerModelName StudyDescription SeriesDescription SeriesNumber ProtocolName"
    " ScanOptions RequestedProcedureDescription PerformedProcedureStepDescription"
    " RequestAttributesSequence ImageComments DerivationDescription ContrastBolusAgent"
    " ContrastBolusAgentSequence ContrastBolusVolume ContrastBolusTotalDose ContrastFlowRate"
    " KVP PatientPosition IrradiationEventUID SliceThickness ConvolutionKernel FilterType"
    " ReconstructionAlgorithm AcquisitionNumber InstanceNumber StackID TemporalPositionIdentifier"
    " TemporalPositionIndex TriggerTime NominalPercentageOfCardiacPhase"
    " NominalPercentageOfRespiratoryPhase MonoenergeticEnergyEquivalent"
    " ImagePositionPatient ImageOrientationPatient SamplesPerPixel NumberOfFrames Rows Columns"
    " PixelSpacing PixelRepresentation PixelPaddingValue RescaleIntercept RescaleSlope RescaleType"
    " ModalityLUTSequence LossyImageCompression LossyImageCompressionRatio"
    " SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
)
# by whether the VRs are implicit, and the bytes little-endian
UNCOMPRESSED: dict[Any, UID] = {
    (True, True): ImplicitVRLittleEndian,
    (False, True): ExplicitVRLittleEndian,
    (False, False): ExplicitVRBigEndian,
}
DAMAGED = _("A DICOM file is damaged or cut short. Export or copy the series again.")


@dataclass(frozen=True)
class DicomFile:
    """A file in a folder or a member of a zip."""

    name: str
    open: Callable[[], IO[bytes]]
    folder: str = ""


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
        (ax, ay, az), (bx, by, bz) = self.orientation.tolist()  # np.cross takes ten times as long
        return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])

    def macro(self, sequence: str) -> Dataset:
        """The frame's functional group (PS3.3 C.7.6.16), or the header itself in a single-frame
        file."""
        return functional_group(self.header, self.frame, sequence)

    def numbers(self, sequence: str, keyword: str, count: int) -> tuple[float, ...]:
        """Returns an element of a functional group as so many numbers.

        Raises:
            CTError: it is missing, or something else.
        """
        found = numbers(self.macro(sequence), keyword, self.file)
        if len(found) != count:
            words = _("{keyword} is missing or incomplete in {name}. Export the CT series again.")
            raise CTError(words.format(keyword=keyword, name=self.file.name))
        return found


@contextmanager
def dicom_files(*paths: Path) -> Iterator[list[DicomFile]]:
    """Yields the files of folders, zips and single files while they can be read; damaged ones are
    refused meanwhile."""
    with damage_refused(), ExitStack() as stack, warnings.catch_warnings():
        # pydicom's warnings quote header values, which may name the patient
        warnings.simplefilter("ignore")
        found = (
            files_of_zip(stack, path) if is_zip(path.name) else files_in(path) for path in paths
        )
        yield [file for files in found for file in files]


def files_in(path: Path) -> list[DicomFile]:
    """Returns the file itself, or all files of a folder, its subfolders and the folders it links
    to."""
    found = [path] if path.is_file() else list(islice(walked(path), MAX_FILES + 1))
    if len(found) > MAX_FILES:
        words = _(
            "The folder holds more than {max_files} files. Choose the folder of the one CT series."
        )
        raise CTError(words.format(max_files=MAX_FILES))
    return [
        DicomFile(file.name, partial(open_binary, file), str(file.parent))
        for file in sorted(found)
        if file.is_file()
    ]


def files_of_zip(stack: ExitStack, path: Path) -> list[DicomFile]:
    """Returns the files of a zip, to be read in memory one by one; see ``zip_members``."""
    return [
        DicomFile(name.name, partial(archive.open, member), str(name.parent))
        for archive, member in zip_members(stack, path, MAX_FILES)
        if (name := PurePosixPath(member.filename))
    ]


def walked(folder: Path) -> Iterator[Path]:
    """Yields the files of each folder once, since links may run in circles."""
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse_folder):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in names)


def refuse_folder(_error: OSError) -> None:
    raise CTError(
        _(
            "A folder of this CT cannot be opened. Ask for the right to read it, or copy"
            " the series to a folder of yours."
        )
    )


def open_binary(path: Path) -> IO[bytes]:
    return path.open("rb")


@contextmanager
def damage_refused() -> Iterator[None]:
    """Turns whatever pydicom, zipfile or a decoder raises for a damaged file into a CTError."""
    try:
        yield
    except CTError:
        raise
    except MemoryError:
        raise CTError(
            _("There is not enough memory to read this CT. Close other programs and try again.")
        ) from None
    except (OSError, zipfile.BadZipFile, zlib.error):
        raise CTError(
            _("A DICOM file cannot be read from the disk or the .zip. Copy the series again.")
        ) from None
    except Exception:
        raise CTError(DAMAGED) from None


def is_dicom(stream: IO[bytes]) -> bool:
    """Whether a file begins like DICOM; reads its first 132 bytes."""
    return starts_as_dicom(stream.read(132))


def starts_as_dicom(start: bytes) -> bool:
    """Whether there is the prefix of PS3.10 7.1, or, as in old archives, the first element of a
    header without one."""
    return start[128:132] == b"DICM" or starts_as_header(start)


def starts_as_header(start: bytes) -> bool:
    """Whether the first element is one of group 0002 or 0008 with a known VR, or of group 0008
    with a short length (PS3.5 7.1)."""
    if len(start) < 132:
        return False
    for order in "<>":
        group, element, length = struct.unpack(f"{order}HHI", start[:8])
        if group in (2, 8) and element < 0x1200:
            has_vr = start[4:6].decode("latin-1") in STANDARD_VR
            return has_vr or (group == 8 and 0 < length < 1024)
    return False


def read_header(file: DicomFile, keywords: str = HEADER) -> Dataset | None:
    """Returns these elements of a file, or None if it is not DICOM (PS3.10 7.1)."""
    if file.name.upper() == "DICOMDIR":
        return None
    with file.open() as stream:
        start = stream.read(2048)  # the file meta information lies here
        if not starts_as_dicom(start[:132]):
            return None
        stream.seek(0)
        return read_dataset(stream, start, stop_before_pixels=True, specific_tags=keywords.split())


def read_dataset(stream: IO[bytes], start: bytes, **options: Any) -> Dataset:
    """As ``dcmread``, also without the prefix or the file meta information, and with the transfer
    syntax by which the header was read where none is stated.

    Args:
        start: the first bytes of the stream, which stands at its beginning.
    """
    if DEFLATED in start:
        refuse_deflate_bomb(stream, start)
    dataset = dcmread(stream, force=True, **options)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = UNCOMPRESSED[dataset.original_encoding]
    return dataset


def read_whole_header(file: DicomFile) -> Dataset:
    """Returns every element but the pixels."""
    with file.open() as stream:
        start = stream.read(2048)
        stream.seek(0)
        return read_dataset(stream, start, stop_before_pixels=True)


def numbers(header: Dataset, keyword: str, file: DicomFile) -> tuple[float, ...]:
    """Returns an element's numbers; none if it is missing or empty.

    Raises:
        CTError: it holds something else.
    """
    try:
        value = header.get(keyword)
        if isinstance(value, str):  # of a VR that has one value
            value = MultiValue(str, value.split("\\")) if "\\" in value else value
        if isinstance(value, MultiValue):
            return tuple(map(float, value))
        return () if value is None or value == "" else (float(value),)
    except (TypeError, ValueError, OverflowError):
        words = _("{keyword} is not a number in {name}. Export the CT series again.")
        raise CTError(words.format(keyword=keyword, name=file.name)) from None


def modality_of(header: Dataset) -> str:
    """Returns the modality in capitals; a CT image without one is a CT all the same."""
    said = str(header.get("Modality", None) or "").strip().upper()
    return said or ("CT" if header.get("SOPClassUID") in CT_IMAGES else "unknown")


def is_ct(header: Dataset) -> bool:
    return modality_of(header) == "CT"


def refuse_deflate_bomb(stream: IO[bytes], start: bytes) -> None:
    """Checks to what a deflated file inflates, because pydicom inflates it whole, however large
    (fault 45)."""
    stream.seek(144 + int.from_bytes(start[140:144], "little"))  # PS3.10 7.1: after group 0002
    deflated, inflate, size = stream.read(), zlib.decompressobj(-zlib.MAX_WBITS), 0
    limit = max(16_000_000, MAX_RATIO * len(deflated))
    while deflated and not inflate.eof:
        size += len(inflate.decompress(deflated, 1_000_000))
        deflated = inflate.unconsumed_tail
        if size > limit:
            raise CTError(
                _(
                    "A deflated DICOM file unpacks to far more than a CT would. Export the series"
                    " again."
                )
            )
    stream.seek(0)


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
