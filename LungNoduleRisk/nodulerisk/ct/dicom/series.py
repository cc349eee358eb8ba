"""Turns DICOM files into a `CT`: one volume, its slices ordered by position, everything checked
before voxels are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag

from nodulerisk.checks import Check
from nodulerisk.ct.dicom.attributes import stored
from nodulerisk.ct.dicom.contrast import contrast_given
from nodulerisk.ct.dicom.files import (
    CT_IMAGES,
    DicomFile,
    ImagePlane,
    damage_refused,
    dicom_files,
    functional_group,
    is_ct,
    is_dicom,
    modality_of,
    numbers,
    read_header,
)
from nodulerisk.ct.dicom.left_out import is_remainder, left_out_checks, number_checks
from nodulerisk.ct.dicom.pixels import fill_missing, lossy_checks, read_pixels, rescale_checks
from nodulerisk.ct.dicom.slice_stack import SliceStack, stacked
from nodulerisk.ct.dicom.volumes import MIN_SLICES, Planes, Volume, are_twins, volumes_in
from nodulerisk.ct.volume import AIR_HU, CT, SINGLE_SLICE, Acquisition
from nodulerisk.errors import CTError, SeveralSeriesError
from nodulerisk.language.texts import Text, _, joined

CONE_BEAM = re.compile(r"CBCT|CONE.?BEAM|DYNACT|ON-BOARD IMAGER", re.IGNORECASE)
HOUNSFIELD = re.compile(r"H\.?U\.?|US|HOUNSFIELD( UNITS?)?", re.IGNORECASE)  # PS3.3 C.11.1.1.2
IMAGE_TYPE = Tag("ImageType")
COARSE = 64  # pixels along a side, by which slices are compared
MIN_INTERLEAVED = 8  # slices of a CT
UNLIKE = 1.15  # times the difference; in a CT the next slice is never the less alike
IMAGE_FILES = (".zip", ".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
PACKED_FILES = (".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz")


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
        series_uid: which series to read if there are several: a SeriesInstanceUID, and ``#2`` for
            the second of several volumes that share it.

    Raises:
        CTError: no CT, several to choose from, an unsafe zip, or a series that cannot be trusted.
    """
    with dicom_files(path) as files:
        images = ct_images(files)
        return read_volume(choose_volume(images, series_uid), images)


def acquisition_in(paths: Sequence[Path]) -> tuple[Acquisition, list[Check]]:
    """Returns what the files of one volume say about the scan, and the findings that need no
    voxels, for voxels that another program read.

    Raises:
        CTError: damaged files, not CT, not in Hounsfield units (fault 19), or several volumes that
            the other program took for one (fault 49).
    """
    with dicom_files(*paths) as files:
        images = ct_images(files)
        if not images.planes:
            raise CTError(_("The series is a localizer, not a CT volume. Choose the CT series."))
        if len(images.volumes) > 1:
            words = _(
                "This volume was loaded from several volumes, which are not one CT:{listing}\nLoad"
                " one of them alone: in the DICOM module, tick Advanced, press Examine and choose"
                " it, or load a folder that holds only its files."
            )
            raise CTError(words.format(listing=listing(images.volumes)))
        refuse_not_ct(images.planes[0])
        return acquisition_of(images.planes), lossy_checks(images.planes)


# --- Headers


@dataclass(frozen=True, eq=False)
class Images:
    """The images of some files.

    Attributes:
        planes: of CT, but localizers.
        others: planes of another modality.
        unplaced: headers of CT images without a position.
        broken: how many files are DICOM by their name alone.
    """

    planes: Planes
    others: Planes
    unplaced: list[Dataset]
    broken: int

    def add(self, file: DicomFile, header: Dataset) -> None:
        planes = list(planes_of(file, header))
        if not is_ct(header):
            self.others.extend(planes)
        elif planes:
            self.planes.extend(planes)
        else:
            self.unplaced.append(header)

    @property
    def volumes(self) -> list[Volume]:
        return self._parts[0]

    @property
    def rest(self) -> Planes:
        """CT planes of no volume."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[list[Volume], Planes]:
        return volumes_in(self.planes)


def ct_images(files: list[DicomFile]) -> Images:
    """Returns the images of the files.

    Raises:
        CTError: no DICOM images, another modality (fault 19), or a damaged file.
    """
    headers = [(file, header) for file in files if (header := read_header(file)) is not None]
    pictures = [(file, header) for file, header in headers if is_image(file, header)]
    if not pictures:
        raise CTError(what_else(files, bool(headers)))
    modalities = {modality_of(header) for _, header in pictures}
    if "CT" not in modalities:
        words = _("The images are {modalities}, not CT. Choose a CT series.")
        raise CTError(words.format(modalities=joined(", ", sorted(modalities))))
    images = Images([], [], [], named_dicom(files) - named_dicom(file for file, _ in headers))
    for file, header in pictures:
        if header.get("SamplesPerPixel", 1) == 1 and not is_localizer(header):
            images.add(file, header)
    return images


def is_image(file: DicomFile, header: Dataset) -> bool:
    """Whether a file holds an image.

    Raises:
        CTError: it should, but does not.
    """
    if "Rows" in header and "Columns" in header:
        return True
    if header.get("SOPClassUID", header.file_meta.get("MediaStorageSOPClassUID")) in CT_IMAGES:
        words = _(
            "{name} is a CT image without Rows and Columns: it is cut short or damaged. Export or"
            " copy the series again."
        )
        raise CTError(words.format(name=file.name))
    return False


def named_dicom(files: Iterable[DicomFile]) -> int:
    """Returns how many names are those of DICOM images, and not of macOS's notes on one."""
    names = (file.name.lower() for file in files)
    return sum(name.endswith((".dcm", ".ima", ".dicom")) and name[:2] != "._" for name in names)


def what_else(files: list[DicomFile], has_dicom: bool) -> str:
    """Says what a folder or zip without DICOM images holds instead."""
    if has_dicom:
        return _(
            "The DICOM files here hold no images, but reports, contours or the like."
            " Choose the folder or .zip that holds the CT series."
        )
    names = [file.name.lower() for file in files]
    for ending in (*IMAGE_FILES, *PACKED_FILES):
        if any(name.endswith(ending) for name in names):
            advice = (
                _("Choose the file itself") if ending in IMAGE_FILES else _("Unpack them first")
            )
            return _("No DICOM images were found here, but {ending} files. {advice}.").format(
                ending=ending, advice=advice
            )
    if names == ["dicomdir"]:
        return _("A DICOMDIR is only a list of files. Choose the folder that it lies in.")
    return _("No DICOM images were found here. Choose the folder or .zip that holds the CT series.")


def is_localizer(header: Dataset) -> bool:
    return "LOCALIZER" in stored(header, IMAGE_TYPE).upper()


def planes_of(file: DicomFile, header: Dataset) -> Iterator[ImagePlane]:
    """Returns the planes of one file; those without a position are not part of a volume."""
    placed = len(header.get("PerFrameFunctionalGroupsSequence", None) or [header])
    if (placed,) != (numbers(header, "NumberOfFrames", file) or (1,)):
        return
    for frame in range(placed):
        position = numbers(
            functional_group(header, frame, "PlanePositionSequence"), "ImagePositionPatient", file
        )
        orientation = numbers(
            functional_group(header, frame, "PlaneOrientationSequence"),
            "ImageOrientationPatient",
            file,
        )
        if len(position) == 3 and len(orientation) == 6:
            axes = np.array(orientation).reshape(2, 3)
            yield ImagePlane(file, header, frame, np.array(position), axes)


# --- The volume


def choose_volume(images: Images, name: str | None) -> Volume:
    """Returns the only volume, or the only axial volume beside reformats (fault 7).

    Args:
        name: a SeriesInstanceUID, or a volume's name; None: there is only one.

    Raises:
        CTError: there is none.
        SeveralSeriesError: there are several, which it lists.
    """
    volumes = images.volumes
    if not volumes:
        raise CTError(why_no_volume(images))
    if name is None:
        offered = [v for v in volumes if not any(is_remainder(v, other) for other in volumes)]
    else:
        offered = [v for v in volumes if name in (v.name, v.identity.uid)]
    axial = [volume for volume in offered if volume.identity.facing == "axial"]
    for candidates in (offered, axial):
        if len(candidates) == 1:
            return candidates[0]
    problem = (
        _("No CT series has this SeriesInstanceUID")
        if not offered
        else _("One series holds several volumes (4D, or several acquisitions or reconstructions)")
        if len({volume.identity.uid for volume in offered}) == 1
        else _("There are several CT series")
    )
    listed = offered or volumes
    raise SeveralSeriesError(
        _("{problem}. Choose one of these (in the terminal: --series NAME):{listing}").format(
            problem=problem, listing=listing(listed)
        ),
        {volume.name: summary(volume) for volume in listed},
    )


def listing(volumes: list[Volume]) -> str:
    lines = (joined(": ", (f"\n  {volume.name}", summary(volume))) for volume in volumes)
    return joined("", lines)


def summary(volume: Volume) -> str:
    said = acquisition_of(volume.planes)
    mm = said.slice_thickness_mm
    thickness = Text("{mm:g} mm").format(mm=mm) if mm else _("thickness unknown")
    text = _("{count} slices, {thickness}, kernel {kernel}").format(
        count=len(volume.planes), thickness=thickness, kernel=said.kernel or _("unknown")
    )
    return joined("; ", [text, joined(", ", volume.apart)]) if volume.apart else text


def why_no_volume(images: Images) -> str:
    """Says why the images make no volume."""
    if not images.planes and not images.unplaced:
        return _(
            "The CT images here are localizers (scouts) or pictures in colour, not a CT"
            " volume. Choose the CT series."
        )
    if images.planes and not any(plane.normal.any() for plane in images.planes):
        return _("ImageOrientationPatient gives no directions. Export the CT series again.")
    if len(images.planes) < MIN_SLICES:
        return SINGLE_SLICE
    differing = [
        keyword
        for keyword in ("SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID", "PatientID")
        if len({plane.header.get(keyword) for plane in images.planes}) == len(images.planes)
    ]
    if not differing:
        return SINGLE_SLICE
    return _(
        "Each of the {count} slices has its own {differing}, so that nothing says they"
        " are one series. Export the series again, or de-identify it with one UID for"
        " the whole series."
    ).format(count=len(images.planes), differing=joined(" and ", differing))


def read_volume(volume: Volume, images: Images) -> CT:
    """Returns the CT of one volume; the other images say whether it is complete."""
    refuse_not_ct(volume.planes[0])
    refuse_twins(volume)
    stack = stacked(volume.planes)
    hu = read_pixels(stack)
    rescale = rescale_checks(stack, hu)
    refuse_interleaved(hu, stack.index)
    filled = fill_missing(hu, stack.index)
    unnamed = not volume.identity.uid and len(images.volumes) == 1
    acquisition = acquisition_of(stack.planes)
    ct = CT.from_array(
        hu,
        stack.spacing_mm,
        stack.planes[0].position,
        stack.direction,
        acquisition=replace(acquisition, series_uid=None if unnamed else volume.name),
        checks=(
            *stack.checks,
            *left_out_checks(volume, beside(volume, images), images.unplaced, images.broken),
            *number_checks(volume, images.planes, len(filled)),
            *rescale,
            *lossy_checks(stack.planes),
        ),
        filled_slices=filled,
    )
    return replace(ct, image_numbers=_image_places(stack))


def _image_places(stack: SliceStack) -> dict[int, int]:
    """Returns the z index of every image by its number, if they have numbers of their own."""
    frames = [plane.frame + 1 for plane in stack.planes]
    alone = len(set(frames)) == len(frames)  # of one file
    numbers = _image_numbers(stack.planes) or (frames if alone else [])
    return dict(zip(numbers, stack.index.tolist(), strict=False))


def beside(volume: Volume, images: Images) -> Planes:
    """Returns the image planes that no volume to choose from holds."""
    remainders = [other for other in images.volumes if is_remainder(other, volume)]
    return [
        *images.rest,
        *images.others,
        *(plane for other in remainders for plane in other.planes),
    ]


def refuse_twins(volume: Volume) -> None:
    """Refuses two acquisitions half a step apart that nothing but their numbers tells apart (fault
    49)."""
    if are_twins(volume.planes):
        raise CTError(
            _(
                "Neighbouring slices share their InstanceNumber: two acquisitions or"
                " reconstructions seem to lie between each other, and nothing tells them"
                " apart. Export each of them as a series of its own."
            )
        )


def refuse_interleaved(hu: np.ndarray, index: np.ndarray) -> None:
    """Refuses two volumes half a step apart that no header tells apart: each slice looks like the
    one after next, and not like its neighbour, because the patient moved in between (fault 49)."""
    if len(index) < MIN_INTERLEAVED:
        return
    step = max(1, min(hu.shape[1:]) // COARSE)
    coarse = hu[:, ::step, ::step][index].astype(np.float32).clip(AIR_HU, 200)
    next_slice, next_but_one = (np.abs(coarse[k:] - coarse[:-k]).mean(axis=(1, 2)) for k in (1, 2))
    pairs = np.minimum(next_slice[:-1], next_slice[1:])  # both neighbours of a slice in between
    if np.median(pairs) > UNLIKE * np.median(next_but_one):
        raise CTError(
            _(
                "Every slice looks like the one after next, and unlike its neighbours: two"
                " acquisitions or phases seem to lie between each other. Export each of them"
                " as a series of its own."
            )
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
            _(
                "This is a cone-beam CT, whose values are not Hounsfield units. Choose a"
                " diagnostic CT series."
            )
        )
    units = str(plane.macro("PixelValueTransformationSequence").get("RescaleType") or "HU")
    if not HOUNSFIELD.fullmatch(units.strip()):
        raise CTError(
            _(
                "The series is not in Hounsfield units but in {units} (RescaleType): a"
                " spectral or derived map. Choose the CT images."
            ).format(units=units[:16])
        )


def acquisition_of(planes: list[ImagePlane]) -> Acquisition:
    """Returns what the first slice's header says about the scan, and the direction of counting."""
    plane = planes[0]
    thickness = numbers(plane.macro("PixelMeasuresSequence"), "SliceThickness", plane.file)
    kernel = plane.macro("CTReconstructionSequence").get("ConvolutionKernel")
    if kernel and not isinstance(kernel, str):
        kernel = "/".join(map(str, kernel))
    return Acquisition(
        modality="CT",
        series_uid=str(plane.header.get("SeriesInstanceUID", "")) or None,
        slice_thickness_mm=thickness[0] if thickness and thickness[0] else None,
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


def head_to_foot(planes: list[ImagePlane]) -> bool | None:
    """Whether InstanceNumber, or the frame number within a file, grows towards the feet."""
    heights = {
        (plane.header.get("InstanceNumber"), plane.frame): plane.position[2] for plane in planes
    }
    if len(heights) < len(planes) or any(number is None for number, _ in heights):
        return None
    towards_head = heights[max(heights)] - heights[min(heights)]
    return None if abs(towards_head) < 0.01 else bool(towards_head < 0)
