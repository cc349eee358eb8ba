"""Turns DICOM files into a `CT`: one series, its slices ordered by position, everything checked
before voxels are read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from pydicom import Dataset

from nodulerisk.ct.dicom_files import (
    DicomFile,
    ImagePlane,
    damage_refused,
    dicom_files,
    functional_group,
    is_dicom,
    read_header,
)
from nodulerisk.ct.dicom_pixels import fill_missing, read_pixels, rescale_checks
from nodulerisk.ct.slice_stack import stacked
from nodulerisk.ct.volume import CT, SINGLE_SLICE, Acquisition
from nodulerisk.errors import CTError, SeveralSeriesError

CONE_BEAM = re.compile(r"CBCT|CONE.?BEAM|DYNACT|ON-BOARD IMAGER", re.IGNORECASE)
CONTRAST_WORDS = re.compile(r"\b(post|with|w)\b[\s/-]*(iv\s+)?contrast", re.IGNORECASE)


def can_read(path: Path) -> bool:
    """Whether this is a folder, a zip or a DICOM file."""
    if path.is_dir() or path.suffix.lower() == ".zip":
        return True
    if not path.is_file():
        return False
    with damage_refused(), path.open("rb") as file:
        return is_dicom(file)


def read_dicom(path: Path, *, series_uid: str | None = None) -> CT:
    """Reads the one CT volume in a folder, a zip or a multi-frame file.

    Args:
        path: a folder (searched with its subfolders), a .zip, or one file.
        series_uid: the SeriesInstanceUID to read if there are several.

    Raises:
        CTError: no CT, several to choose from, an unsafe zip, or a series that cannot be trusted.
    """
    with dicom_files(path) as files:
        return volume(choose_series(ct_planes(files), series_uid))


def acquisition_in(paths: Sequence[Path]) -> Acquisition:
    """Returns what the files of one series say about the scan, for voxels that another program
    read; the first and last file suffice.

    Raises:
        CTError: damaged files, not CT, or not in Hounsfield units (fault 19).
    """
    with dicom_files(*paths) as files:
        planes = ct_planes(files)
        if not planes:
            raise CTError("The series is a localizer, not a CT volume. Choose the CT series.")
        refuse_not_ct(planes[0])
        return acquisition_of(planes)


# --- Headers


def ct_planes(files: list[DicomFile]) -> list[ImagePlane]:
    """Returns every CT image plane of the files, without localizers.

    Raises:
        CTError: no DICOM images, another modality (fault 19), or a damaged file.
    """
    headers = [
        (file, header)
        for file in files
        if (header := read_header(file)) is not None and "Rows" in header
    ]
    if not headers:
        raise CTError(
            "No DICOM images were found here. Choose the folder or .zip that holds the CT series."
        )
    modalities = {str(header.get("Modality", "unknown")) for _, header in headers}
    if "CT" not in modalities:
        raise CTError(
            f"The images are {', '.join(sorted(modalities))}, not CT. Choose a CT series."
        )
    planes: list[ImagePlane] = []
    for file, header in headers:
        if (
            header.get("Modality") == "CT"
            and header.get("SamplesPerPixel", 1) == 1
            and not is_localizer(header)
        ):
            planes += planes_of(file, header)
    return planes


def is_localizer(header: Dataset) -> bool:
    return "LOCALIZER" in str(header.get("ImageType", ""))


def planes_of(file: DicomFile, header: Dataset) -> Iterator[ImagePlane]:
    """Returns the planes of one file; those without a position are not part of a volume."""
    placed = len(header.get("PerFrameFunctionalGroupsSequence", None) or [header])
    if placed != int(header.get("NumberOfFrames", None) or 1):
        return
    for frame in range(placed):
        position = functional_group(header, frame, "PlanePositionSequence").get(
            "ImagePositionPatient"
        )
        orientation = functional_group(header, frame, "PlaneOrientationSequence").get(
            "ImageOrientationPatient"
        )
        if position and orientation:
            axes = np.array(orientation, float).reshape(2, 3)
            yield ImagePlane(file, header, frame, np.array(position, float).reshape(3), axes)


# --- The series


def choose_series(planes: list[ImagePlane], series_uid: str | None) -> list[ImagePlane]:
    """Returns the only volume, or the only axial volume beside reformats (fault 7).

    Raises:
        CTError: there is none.
        SeveralSeriesError: there are several, which it lists.
    """
    groups = defaultdict(list)
    for plane in planes:
        header = plane.header
        facing = int(np.argmax(np.abs(plane.normal)))
        groups[
            str(header.get("SeriesInstanceUID", "")), header.Rows, header.Columns, facing
        ].append(plane)
    volumes = {key: group for key, group in groups.items() if is_volume(group)}
    if not volumes:
        raise CTError(SINGLE_SLICE)
    chosen = [group for (uid, *_), group in volumes.items() if series_uid in (None, uid)]
    axial = [
        group
        for (uid, *_, facing), group in volumes.items()
        if series_uid in (None, uid) and facing == 2
    ]
    for candidates in (chosen, axial):
        if len(candidates) == 1:
            return candidates[0]
    series = {uid: summary(group) for (uid, *_), group in volumes.items()}
    listing = "\n".join(f"  {uid or '(no UID)'}: {said}" for uid, said in series.items())
    problem = "There are several CT series" if chosen else "No CT series has this SeriesInstanceUID"
    raise SeveralSeriesError(
        f"{problem}. Choose one of these (in the terminal: --series UID):\n{listing}", series
    )


def is_volume(group: list[ImagePlane]) -> bool:
    """Whether the slices differ in position: localizers and bolus tracking do not."""
    heights = [plane.position @ plane.normal for plane in group]
    # a position that is not a number is refused later, with a message of its own
    return not np.ptp(heights) <= 0.01


def summary(group: list[ImagePlane]) -> str:
    said = acquisition_of(group)
    thickness = (
        f"{said.slice_thickness_mm:g} mm" if said.slice_thickness_mm else "thickness unknown"
    )
    return f"{len(group)} slices, {thickness}, kernel {said.kernel or 'unknown'}"


def volume(planes: list[ImagePlane]) -> CT:
    """Returns the CT of one series' planes."""
    refuse_not_ct(planes[0])
    stack = stacked(planes)
    hu = read_pixels(stack)
    filled = fill_missing(hu, stack.index)
    return CT.from_array(
        hu,
        stack.spacing_mm,
        stack.planes[0].position,
        stack.direction,
        acquisition=acquisition_of(stack.planes),
        checks=(*stack.checks, *rescale_checks(stack.planes, hu)),
        filled_slices=filled,
    )


def refuse_not_ct(plane: ImagePlane) -> None:
    """Refuses cone-beam CT, which has no modality of its own: it is recognised by device or scan
    names where they tell (fault 19)."""
    words = (
        "ManufacturerModelName",
        "ScanOptions",
        "ImageType",
        "SeriesDescription",
        "ProtocolName",
    )
    if CONE_BEAM.search(" ".join(str(plane.header.get(word, "")) for word in words)):
        raise CTError(
            "This is a cone-beam CT, whose values are not Hounsfield units. Choose a diagnostic CT"
            " series."
        )
    # PS3.3 C.11.1.1.2
    units = plane.macro("PixelValueTransformationSequence").get("RescaleType") or "HU"
    if units not in ("HU", "US"):
        raise CTError(
            "The series is not in Hounsfield units (a spectral or derived map). Choose the CT"
            " images."
        )


def acquisition_of(planes: list[ImagePlane]) -> Acquisition:
    """Returns what the first slice's header says about the scan, and the direction of counting."""
    plane = planes[0]
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
        head_to_foot=head_to_foot(planes),
        series_number=_whole_number(plane.header.get("SeriesNumber")),
        first_image=min(_image_numbers(planes), default=None),
    )


def _image_numbers(planes: list[ImagePlane]) -> list[int]:
    """Returns the InstanceNumber of every image of its own; none for frames within a file, which
    are counted from 1."""
    numbers = [_whole_number(plane.header.get("InstanceNumber")) for plane in planes]
    known = [number for number in numbers if number is not None]
    return known if len(set(known)) == len(planes) else []


def _whole_number(value: object) -> int | None:
    return int(value) if isinstance(value, int) else None


def contrast_given(header: Dataset) -> bool | None:
    """Whether contrast was given, from ContrastBolusAgent (PS3.3 C.7.6.4), else from the
    descriptions; None if neither tells."""
    agent = str(header.get("ContrastBolusAgent", None) or "").strip().upper()
    if agent:
        return agent not in ("NO", "NONE", "N")
    words = (
        "StudyDescription",
        "SeriesDescription",
        "ProtocolName",
        "RequestedProcedureDescription",
        "ImageComments",
    )
    described = any(CONTRAST_WORDS.search(str(header.get(word, ""))) for word in words)
    return True if described or header.get("ContrastBolusAgentSequence") else None


def head_to_foot(planes: list[ImagePlane]) -> bool | None:
    """Whether InstanceNumber, or the frame number within a file, grows towards the feet."""
    heights = {
        (plane.header.get("InstanceNumber"), plane.frame): plane.position[2] for plane in planes
    }
    if len(heights) < len(planes) or any(number is None for number, _ in heights):
        return None
    towards_head = heights[max(heights)] - heights[min(heights)]
    return None if abs(towards_head) < 0.01 else bool(towards_head < 0)
