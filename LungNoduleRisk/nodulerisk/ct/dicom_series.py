"""DICOM files into a `CT`: one series, its slices ordered by position, everything checked before
voxels are read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from pydicom import Dataset

from nodulerisk.checks import IRREGULAR_SPACING, MISSING_SLICES, Check
from nodulerisk.ct.dicom_files import (
    DicomFile,
    ImagePlane,
    damage_refused,
    dicom_files,
    functional_group,
    read_header,
)
from nodulerisk.ct.dicom_pixels import fill_missing, read_pixels, rescale_checks
from nodulerisk.ct.volume import (
    CT,
    SINGLE_SLICE,
    Acquisition,
    refuse_bad_direction,
    refuse_bad_spacing,
)
from nodulerisk.errors import CTError, SeveralSeriesError

MAX_CONSECUTIVE_MISSING = 5
REGULAR, TOLERABLE = (
    0.01,
    0.10,
)  # deviation of slice steps from the median: silent, flagged, refused beyond
CONE_BEAM = re.compile(r"CBCT|CONE.?BEAM|DYNACT|ON-BOARD IMAGER", re.IGNORECASE)
CONTRAST_WORDS = re.compile(r"\b(post|with|w)\b[\s/-]*(iv\s+)?contrast", re.IGNORECASE)


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
    """What files of one series say of the scan, for voxels that another program read; its first and
    last will do.

    Raises:
        CTError: damaged files, not CT, or not in Hounsfield units (fault 19).
    """
    with dicom_files(*paths) as files:
        slices = ct_slices(files)
        if not slices:
            raise CTError("The series is a localizer, not a CT volume. Choose the CT series.")
        refuse_not_ct(slices[0])
        return acquisition_of(slices)


# --- Headers


def ct_slices(files: list[DicomFile]) -> list[ImagePlane]:
    """Every CT image plane of the files, without localizers.

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
    slices: list[ImagePlane] = []
    for file, header in headers:
        if (
            header.get("Modality") == "CT"
            and header.get("SamplesPerPixel", 1) == 1
            and not is_localizer(header)
        ):
            slices += planes(file, header)
    return slices


def is_localizer(header: Dataset) -> bool:
    return "LOCALIZER" in str(header.get("ImageType", ""))


def planes(file: DicomFile, header: Dataset) -> Iterator[ImagePlane]:
    """The planes of one file; those without a position are no part of a volume."""
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


def choose_series(slices: list[ImagePlane], series_uid: str | None) -> list[ImagePlane]:
    """The one volume, or the one axial volume beside reformats (fault 7).

    Raises:
        CTError: none.
        SeveralSeriesError: several, which it lists.
    """
    groups = defaultdict(list)
    for plane in slices:
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
    return not np.ptp(heights) <= 0.01  # a position that is not a number is refused later, by name


def summary(group: list[ImagePlane]) -> str:
    said = acquisition_of(group)
    thickness = (
        f"{said.slice_thickness_mm:g} mm" if said.slice_thickness_mm else "thickness unknown"
    )
    return f"{len(group)} slices, {thickness}, kernel {said.kernel or 'unknown'}"


def volume(slices: list[ImagePlane]) -> CT:
    """The CT of one series' slices."""
    refuse_not_ct(slices[0])
    pixel_spacing = common_pixel_spacing(slices)
    direction = common_direction(slices)
    normal = direction[:, 2]
    slices = sorted(slices, key=lambda plane: plane.position @ normal)
    refuse_shear(slices, normal, min(pixel_spacing))
    index, step, checks = slice_grid(
        slices, np.array([plane.position @ normal for plane in slices])
    )
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


def refuse_not_ct(plane: ImagePlane) -> None:
    """Cone-beam CT has no modality of its own: known by its device or scan names, as far as they
    tell (fault 19)."""
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
    units = (
        plane.macro("PixelValueTransformationSequence").get("RescaleType") or "HU"
    )  # PS3.3 C.11.1.1.2
    if units not in ("HU", "US"):
        raise CTError(
            "The series is not in Hounsfield units (a spectral or derived map). Choose the CT"
            " images."
        )


def acquisition_of(slices: list[ImagePlane]) -> Acquisition:
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
    """By ContrastBolusAgent (PS3.3 C.7.6.4), else by what the descriptions say; None where neither
    tells."""
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


def head_to_foot(slices: list[ImagePlane]) -> bool | None:
    """Whether InstanceNumber, or the frame number within a file, grows towards the feet."""
    heights = {
        (plane.header.get("InstanceNumber"), plane.frame): plane.position[2] for plane in slices
    }
    if len(heights) < len(slices) or any(number is None for number, _ in heights):
        return None
    towards_head = heights[max(heights)] - heights[min(heights)]
    return None if abs(towards_head) < 0.01 else bool(towards_head < 0)


# --- Geometry


def common_pixel_spacing(slices: list[ImagePlane]) -> tuple[float, float]:
    """Row and column spacing, mm (PS3.3 10.7.1.3).

    Raises:
        CTError: missing, zero or negative, or not the same in every slice (fault 15).
    """
    spacings = {
        tuple(plane.macro("PixelMeasuresSequence").get("PixelSpacing", None) or ())
        for plane in slices
    }
    if () in spacings or len(spacings) > 1:
        raise CTError(
            "PixelSpacing is missing or differs between slices. Export the CT series again."
        )
    down, along = (float(value) for value in spacings.pop())
    refuse_bad_spacing((down, along))
    return down, along


def common_direction(slices: list[ImagePlane]) -> np.ndarray:
    """Columns: along a row, down a column, and the slice normal; 3x3, LPS (PS3.3 C.7.6.2.1.1).

    Raises:
        CTError: not orthonormal, or the slices are not parallel (fault 9).
    """
    along, down = slices[0].orientation
    direction = np.column_stack([along, down, slices[0].normal])
    refuse_bad_direction(direction)
    if not all(
        np.allclose(plane.orientation, (along, down), rtol=0, atol=1e-3) for plane in slices
    ):
        raise CTError(
            "The slices of this series are not parallel. Choose a series of parallel slices."
        )
    if not np.all(np.isfinite([plane.position for plane in slices])):
        raise CTError("A slice's position is not a number. Export the CT series again.")
    return direction


def refuse_shear(slices: list[ImagePlane], normal: np.ndarray, pixel_mm: float) -> None:
    """Slices must be stacked along their normal; a tilted gantry shifts each against the last
    (fault 4)."""
    offsets = np.array([plane.position for plane in slices]) - slices[0].position
    sideways = offsets - np.outer(offsets @ normal, normal)
    if np.linalg.norm(sideways, axis=1).max() > pixel_mm / 2:
        raise CTError(
            "The slices are shifted against each other, as with a tilted gantry. "
            "Correct the tilt at the scanner or resample the series, then load it again."
        )


def slice_grid(
    slices: list[ImagePlane], heights: np.ndarray
) -> tuple[np.ndarray, float, list[Check]]:
    """Which slice of a regular grid each slice is, the grid's step in mm, and the findings.

    Raises:
        CTError: repeated positions (fault 2), irregular spacing (fault 3), or too many missing
            slices (fault 1).
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
        raise CTError(
            f"Slice spacing varies by {100 * deviation:.0f} %. Reconstruct an evenly spaced series."
        )
    missing = int(index[-1]) + 1 - len(slices)
    if jumps.max() - 1 > MAX_CONSECUTIVE_MISSING or missing > max(1, index[-1] // 10):
        raise CTError(
            f"{missing} slices of the series are missing. Export the complete series again."
        )
    return index, step, spacing_checks(missing, deviation)


def refuse_repeats(slices: list[ImagePlane], steps: np.ndarray) -> None:
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
        checks.append(MISSING_SLICES.check(missing=missing))
    if deviation > REGULAR:
        checks.append(IRREGULAR_SPACING.check(percent=100 * deviation))
    return checks


# --- Voxels
