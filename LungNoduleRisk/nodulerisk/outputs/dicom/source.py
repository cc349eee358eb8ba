"""A CT series without its pixels: what DICOM output refers to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread

from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.dicom.files import DicomFile, ImagePlane, dicom_files
from nodulerisk.ct.dicom.series import can_read, choose_volume, ct_images
from nodulerisk.ct.dicom.slice_stack import stacked
from nodulerisk.ct.dicom.volumes import Volume
from nodulerisk.errors import CTError, OutputError, TiltError
from nodulerisk.language.texts import _, joined
from nodulerisk.outputs.dicom.identity import made_uid

Reference = TypeVar("Reference")

IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
MAY_BE_EMPTY = (
    "PatientID PatientName PatientBirthDate PatientSex AccessionNumber StudyID StudyDate StudyTime"
).split()
RESAMPLED = (
    "The mask does not lie on the voxels of this DICOM series: it belongs to another CT, or to one"
    " that was resampled, as after a tilted gantry. DICOM output needs the assessed series as it"
    " was scanned."
)


@dataclass(frozen=True, eq=False)
class DicomSource:
    """A CT series without its pixels, and the grid on which ``read_ct`` puts its voxels.

    Attributes:
        images: the header of each file, in the order of the slices.
        planes: the image plane of each z index; missing slices have none.
        shape: of the CT, (z, y, x).
        grid: where its voxels lie.
        name: of the volume, as ``read_ct`` takes it.
    """

    images: dict[DicomFile, Dataset]
    planes: dict[int, ImagePlane]
    shape: tuple[int, int, int]
    grid: Grid
    name: str

    @property
    def header(self) -> Dataset:
        """Of the first file."""
        return next(iter(self.images.values()))

    @property
    def series_uid(self) -> str:
        return str(self.header.SeriesInstanceUID)


def read_source(path: str | Path, series_uid: str | None = None) -> DicomSource:
    """Reads what DICOM output needs from a series; the arguments are those of ``read_ct``.

    Raises:
        OutputError: not DICOM.
        CTError: as ``read_ct``, or files lack the identifiers needed to refer to them.
    """
    path = Path(path)
    if not path.exists() or not can_read(path):
        raise OutputError(
            _(
                "DICOM output refers to a DICOM series, and this CT is not one: load its DICOM"
                " folder or .zip."
            )
        )
    return source_of([path], series_uid)


def source_of(paths: Iterable[Path], series_uid: str | None = None) -> DicomSource:
    """Like ``read_source``, but for files that may lie anywhere."""
    with dicom_files(*paths) as files:
        return _source(choose_volume(ct_images(files), series_uid))


def _source(volume: Volume) -> DicomSource:
    try:
        stack = stacked(volume.planes)
    except TiltError:
        raise CTError(RESAMPLED) from None
    by_file = {plane.file: plane for plane in stack.planes}
    orientation = stack.planes[0].orientation
    images = {file: _header(plane, orientation, stack.step_mm) for file, plane in by_file.items()}
    if len(images) > 1 and len(images) < len(volume.planes):
        raise CTError(
            _(
                "The series is split over several multi-frame files: for DICOM output, export"
                " it as a single file."
            )
        )
    return DicomSource(
        images,
        dict(zip(stack.index.tolist(), stack.planes, strict=True)),
        stack.shape,
        Grid(stack.planes[0].position, stack.direction * stack.spacing_mm),
        volume.name,
    )


def _header(plane: ImagePlane, orientation: np.ndarray, step_mm: float) -> Dataset:
    """Returns the whole header of the plane's file, with the geometry where highdicom looks for it,
    the same in every file."""
    header = _full_header(plane.file)
    measures = plane.macro("PixelMeasuresSequence")
    thickness = measures.get("SliceThickness") or step_mm
    if _is_multiframe(header):
        shared = header.SharedFunctionalGroupsSequence[0]
        shared.PixelMeasuresSequence = hd.PixelMeasuresSequence(
            measures.PixelSpacing, thickness, step_mm
        )
        shared.PlaneOrientationSequence = hd.PlaneOrientationSequence(
            "PATIENT", orientation.ravel().tolist()
        )
    else:
        header.SliceThickness, header.SpacingBetweenSlices = thickness, step_mm
        header.ImageOrientationPatient = orientation.ravel().tolist()
    return header


def _full_header(file: DicomFile) -> Dataset:
    """Returns everything but the pixels, with empty or derived values for what de-identification
    may have removed.

    Raises:
        CTError: an identifier is missing.
    """
    with file.open() as stream:
        header = dcmread(stream, stop_before_pixels=True)
    if missing := [keyword for keyword in IDENTIFIERS if not header.get(keyword)]:
        words = _(
            "The series lacks {missing}, which DICOM output needs to refer to it: export it again."
        )
        raise CTError(words.format(missing=joined(", ", missing)))
    for keyword in MAY_BE_EMPTY:
        header.setdefault(keyword, "")
    header.setdefault(
        "FrameOfReferenceUID", made_uid("frame of reference", header.SeriesInstanceUID)
    )
    return header


def _is_multiframe(header: Dataset) -> bool:
    return "PerFrameFunctionalGroupsSequence" in header


def references(
    kind: Callable[..., Reference], planes: Iterable[ImagePlane], source: DicomSource
) -> list[Reference]:
    """Returns references to the images of these planes, with frame numbers if an image holds
    several."""
    frames = defaultdict(list)
    for plane in planes:
        frames[plane.file].append(plane.frame + 1)
    images = [(source.images[file], numbers) for file, numbers in frames.items()]
    return [
        kind(i.SOPClassUID, i.SOPInstanceUID, numbers if _is_multiframe(i) else None)
        for i, numbers in images
    ]
