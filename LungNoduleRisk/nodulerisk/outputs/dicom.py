"""Nodules as DICOM: a segmentation (SEG) and a TID 1500 structured report (SR) that refer to the
source series.

Both copy patient and study from the source, as the standard asks: they are written only if the user
wants them.
"""

from __future__ import annotations

import uuid
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import highdicom as hd
import numpy as np
from highdicom import sr
from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.seg import Segmentation, SegmentDescription
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from scipy.ndimage import map_coordinates

from nodulerisk import RESEARCH_USE_ONLY, __version__
from nodulerisk.assessment import Assessment, NoduleMask, TaskResult
from nodulerisk.checks import MASK_EDITED
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.dicom_files import DicomFile, ImagePlane, dicom_files
from nodulerisk.ct.dicom_series import can_read, choose_volume, ct_images
from nodulerisk.ct.dicom_volumes import Volume
from nodulerisk.ct.slice_stack import stacked
from nodulerisk.errors import CTError, OutputError, TiltError
from nodulerisk.files import written_whole
from nodulerisk.nodule.mask import MASK_LEVEL
from nodulerisk.nodule.quantities import OWN_SCHEME, own_code
from nodulerisk.nodule.quantities import Code as PlainCode
from nodulerisk.outputs.style import SEG_NAME, SR_NAME
from nodulerisk.outputs.words import check_words, measured_on, task_basis, withheld_words
from nodulerisk.tasks import Task, task_of

Reference = TypeVar("Reference")

PRODUCT, MANUFACTURER = "LungNoduleRisk", "LungNoduleRisk developers"
# identifies this software, whatever its version
DEVICE_UID = "2.25.40975642210316461045358409419702036479"
UTF_8 = "ISO_IR 192"
# of probability, by which interpolation may miss the surface; an offset of a fifth of a voxel fails
ON_THE_MASK = 0.05
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
    def series_uid(self) -> str:
        return str(next(iter(self.images.values())).SeriesInstanceUID)


def read_source(path: str | Path, series_uid: str | None = None) -> DicomSource:
    """Reads what DICOM output needs from a series; the arguments are those of ``read_ct``.

    Raises:
        OutputError: not DICOM.
        CTError: as ``read_ct``, or files lack the identifiers needed to refer to them.
    """
    path = Path(path)
    if not path.exists() or not can_read(path):
        raise OutputError(
            "DICOM output refers to a DICOM series, and this CT is not one: load its DICOM folder"
            " or .zip."
        )
    return source_of([path], series_uid)


def source_of(paths: Iterable[Path], series_uid: str | None = None) -> DicomSource:
    """Like ``read_source``, but for files that may lie anywhere."""
    with dicom_files(*paths) as files:
        return _source(choose_volume(ct_images(files), series_uid))


def write_dicom(
    assessments: Sequence[Assessment], source: DicomSource, folder: str | Path
) -> list[Path]:
    """Writes ``nodules.sr.dcm`` and, if a mask was drawn, ``nodules.seg.dcm``, replacing earlier
    ones.

    Args:
        assessments: at least one, of the source's CT.
        source: from ``read_source``.
        folder: the destination; created if needed.

    Returns:
        The files written.

    Raises:
        OutputError: the masks do not lie on the source's voxels, its headers violate the standard,
            or the folder cannot be written.
    """
    folder = Path(folder)
    for assessment in assessments:
        _refuse_other_ct(assessment, source)
    with (
        _broken_headers_refused(),
        ExitStack() as files,
    ):  # both are put in place once both are complete
        segmentation = _segmentation(assessments, source)
        made: dict[str, Dataset] = {SR_NAME: _report(assessments, segmentation, source)}
        if segmentation is not None:
            made[SEG_NAME] = segmentation
        for name, dataset in made.items():
            dataset.save_as(files.enter_context(written_whole(folder / name)))
        if segmentation is None:
            (folder / SEG_NAME).unlink(missing_ok=True)
    return [folder / name for name in made]


# --- The source


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
            "The series is split over several multi-frame files: for DICOM output, export it as a"
            " single file."
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
        raise CTError(
            f"The series lacks {', '.join(missing)}, which DICOM output needs to refer to it:"
            " export it again."
        )
    for keyword in MAY_BE_EMPTY:
        header.setdefault(keyword, "")
    header.setdefault("FrameOfReferenceUID", _uid("frame of reference", header.SeriesInstanceUID))
    return header


def _is_multiframe(header: Dataset) -> bool:
    return "PerFrameFunctionalGroupsSequence" in header


def _refuse_other_ct(assessment: Assessment, source: DicomSource) -> None:
    """Raises OutputError unless the assessment is of this series and its mask lies on the series'
    voxels."""
    of_series = assessment.provenance.series_uid in (None, source.name)
    mask = _mask_of(assessment)
    if not of_series or (
        mask and (mask.ct_shape != source.shape or not _overlays(mask, source.grid))
    ):
        raise OutputError(RESAMPLED)


def _mask_of(assessment: Assessment) -> NoduleMask | None:
    """Returns the mask; None if none was drawn or it is empty."""
    nodule = assessment.nodule
    return nodule if nodule is not None and nodule.region.any() else None


def _overlays(mask: NoduleMask, ct_grid: Grid) -> bool:
    """Whether the mask, on the voxels of this grid, lies where its map does."""
    voxels = np.argwhere(mask.region) + mask.first_voxel
    positions = ct_grid.origin_lps_mm[:, None] + ct_grid.axes @ voxels[:, ::-1].T
    in_map = np.linalg.solve(mask.grid.axes, positions - mask.grid.origin_lps_mm[:, None])
    return bool(
        map_coordinates(mask.probability, in_map[::-1], order=1).min() >= MASK_LEVEL - ON_THE_MASK
    )


@contextmanager
def _broken_headers_refused() -> Iterator[None]:
    """Turns what pydicom and highdicom raise for headers that violate the standard into one
    OutputError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote header values, such as the patient's name
            yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise OutputError(
            "The series' headers violate the DICOM standard: export the series again."
        ) from error


# --- The segmentation


def _segmentation(assessments: Sequence[Assessment], source: DicomSource) -> Segmentation | None:
    """Returns one segment per mask, on the source's own image planes; None without masks."""
    found = [(assessment, mask) for assessment in assessments if (mask := _mask_of(assessment))]
    if not found:
        return None
    slices = sorted({z for _, mask in found for z in _slices_of(mask)})
    if not source.planes.keys() >= set(slices):
        raise OutputError(
            "A mask runs through a slice that is missing from the series: export the complete"
            " series."
        )
    return Segmentation(
        source_images=list(source.images.values()),
        pixel_array=_stacked([mask for _, mask in found], slices, source.shape),
        plane_positions=[
            hd.PlanePositionSequence("PATIENT", source.planes[z].position.tolist()) for z in slices
        ],
        segmentation_type="BINARY",
        segment_descriptions=[
            _segment(number, a, source) for number, (a, _) in enumerate(found, start=1)
        ],
        content_label="NODULES",
        content_description=RESEARCH_USE_ONLY,
        **_instance(901),
    )


def _slices_of(mask: NoduleMask) -> range:
    """Returns the z indices that the mask touches."""
    return range(mask.first_voxel[0], mask.first_voxel[0] + len(mask.region))


def _stacked(
    masks: Sequence[NoduleMask], slices: list[int], shape: tuple[int, int, int]
) -> np.ndarray:
    """Returns the masks on these slices only: uint8 (slice, row, column, mask)."""
    # each mask contiguous in memory, which is faster to read
    pixels = np.zeros((len(masks), len(slices), *shape[1:]), np.uint8)
    for plane, mask in zip(pixels, masks, strict=True):
        _, row, column = mask.first_voxel
        _, rows, columns = mask.region.shape
        plane[
            np.searchsorted(slices, _slices_of(mask)), row : row + rows, column : column + columns
        ] = mask.region
    return np.moveaxis(pixels, 0, -1)


def _segment(number: int, assessment: Assessment, source: DicomSource) -> SegmentDescription:
    edited = MASK_EDITED.among(assessment.checks)
    return SegmentDescription(
        segment_number=number,
        segment_label=assessment.name,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Nodule,
        anatomic_regions=[codes.SCT.Lung],
        algorithm_type="SEMIAUTOMATIC" if edited else "AUTOMATIC",
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name=PRODUCT,
            family=codes.cid7162.ArtificialIntelligence,
            version=assessment.provenance.package_version,
            source=MANUFACTURER,
            parameters={"weight set": _weight_set(assessment)},
        ),
        tracking_id=assessment.name,
        tracking_uid=_tracking_uid(assessment, source),
    )


# --- The report


def _report(
    assessments: Sequence[Assessment], segmentation: Segmentation | None, source: DicomSource
) -> sr.Comprehensive3DSR:
    """Returns a report with one measurement group per nodule (TID 1500)."""
    groups = list(_groups(assessments, segmentation, source))
    for assessment, group in zip(assessments, groups, strict=True):
        group[0].ContentSequence.extend(_texts(assessment))
    return sr.Comprehensive3DSR(
        evidence=[*source.images.values(), *([] if segmentation is None else [segmentation])],
        content=sr.MeasurementReport(_observer(), codes.LN.CTUnspecifiedBodyRegion, groups),
        is_complete=True,
        coding_schemes=[
            CodingSchemeIdentificationItem(
                OWN_SCHEME, PRODUCT, responsible_organization=MANUFACTURER
            )
        ],
        **_instance(902),
    )


def _groups(
    assessments: Sequence[Assessment], segmentation: Segmentation | None, source: DicomSource
) -> Iterator[
    sr.MeasurementsAndQualitativeEvaluations | sr.VolumetricROIMeasurementsAndQualitativeEvaluations
]:
    """Returns measurement groups about a nodule's segment (TID 1411) or, without a mask, about the
    image at its centre (TID 1501)."""
    number = 0
    for assessment in assessments:
        content = _group_content(assessment, source)
        if segmentation is not None and (mask := _mask_of(assessment)):
            number += 1
            segment = _referenced_segment(segmentation, number, mask, source)
            yield sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
                referenced_segment=segment, **content
            )
        else:
            images = _references(
                sr.SourceImageForMeasurementGroup, [_plane_at(assessment, source)], source
            )
            yield sr.MeasurementsAndQualitativeEvaluations(source_images=images, **content)


def _referenced_segment(
    segmentation: Segmentation, number: int, mask: NoduleMask, source: DicomSource
) -> sr.ReferencedSegment:
    planes = [source.planes[z] for z in _slices_of(mask)]
    images = _references(sr.SourceImageForSegmentation, planes, source)
    return sr.ReferencedSegment(
        segmentation.SOPClassUID, segmentation.SOPInstanceUID, number, source_images=images
    )


def _group_content(assessment: Assessment, source: DicomSource) -> dict:
    return {
        "tracking_identifier": sr.TrackingIdentifier(
            _tracking_uid(assessment, source), assessment.name
        ),
        "finding_type": codes.SCT.Nodule,
        "finding_category": codes.SCT.MorphologicallyAbnormalStructure,
        "finding_sites": [sr.FindingSite(codes.SCT.Lung)],
        "algorithm_id": sr.AlgorithmIdentification(
            PRODUCT,
            assessment.provenance.package_version,
            [f"weight set {_weight_set(assessment)}"],
        ),
        "measurements": [*_sizes(assessment), *_probabilities(assessment)],
        "qualitative_evaluations": list(_decisions(assessment)),
    }


def _sizes(assessment: Assessment) -> Iterator[sr.Measurement]:
    for size in assessment.measurements:
        yield sr.Measurement(_coded(size.code), size.value, _coded(size.unit_code))


def _probabilities(assessment: Assessment) -> Iterator[sr.Measurement]:
    for name, result in assessment.tasks.items():
        task = task_of(name, result.classes)
        for label, probability in zip(result.classes, result.mean or (), strict=False):
            value = f"{task.own_class_code(label).value}-P"
            concept = own_code(value, f"Probability of {label} ({name})")
            yield sr.Measurement(_coded(concept), probability, codes.UCUM.NoUnits)


def _decisions(assessment: Assessment) -> Iterator[sr.QualitativeEvaluation]:
    for name, result in assessment.tasks.items():
        if result.decision is not None:
            task = task_of(name, result.classes)
            concept, decision = _coded(task.concept), _decision_code(task, result)
            yield sr.QualitativeEvaluation(concept, _coded(decision))


def _decision_code(task: Task, result: TaskResult) -> PlainCode:
    """Returns a standard code only if the networks learnt from patients, since a reader may look at
    nothing else."""
    assert result.decision is not None
    if (
        result.evidence in ("outcome", "pathology", "reader")
        and result.decision in task.class_codes
    ):
        return task.class_codes[result.decision]
    return task.own_class_code(result.decision)


def _texts(assessment: Assessment) -> Iterator[sr.TextContentItem]:
    """Returns the evidence behind the numbers, and the warnings."""
    yield _text(codes.DCM.Comment, RESEARCH_USE_ONLY)
    for name, result in assessment.tasks.items():
        stem = task_of(name, result.classes).stem
        yield _text(
            _coded(own_code(f"{stem}-E", f"Evidence for {name}")),
            f"{result.evidence}: {task_basis(result)}",
        )
    about_mask = _coded(own_code("MASK-E", "Evidence for the mask"))
    yield _text(about_mask, measured_on(assessment))
    for line in (*withheld_words(assessment), *map(check_words, assessment.checks)):
        yield _text(codes.DCM.Comment, line)


def _text(name: Code, value: str) -> sr.TextContentItem:
    return sr.TextContentItem(name, value, sr.RelationshipTypeValues.CONTAINS)


def _plane_at(assessment: Assessment, source: DicomSource) -> ImagePlane:
    """Returns the image plane nearest to the nodule's centre."""
    return min(
        source.planes.values(),
        key=lambda p: abs(p.normal @ (p.position - assessment.centre_lps_mm)),
    )


def _references(
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


def _observer() -> sr.ObservationContext:
    device = sr.DeviceObserverIdentifyingAttributes(DEVICE_UID, PRODUCT, MANUFACTURER, PRODUCT)
    return sr.ObservationContext(sr.ObserverContext(codes.DCM.Device, device))


# --- Codes and identifiers


def _coded(code: PlainCode) -> Code:
    return Code(code.value, code.scheme, code.meaning)


def _weight_set(assessment: Assessment) -> str:
    return f"{assessment.provenance.weight_set} {assessment.provenance.weight_set_version}"


def _tracking_uid(assessment: Assessment, source: DicomSource) -> str:
    """Returns a UID that is the same for the same nodule whenever it is exported."""
    return _uid(
        "nodule", source.series_uid, assessment.name, *(f"{v:.3f}" for v in assessment.point_lps_mm)
    )


def _uid(*words: str) -> str:
    """Returns a UID made from these words (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join([DEVICE_UID, *words])).int}"


def _instance(series_number: int) -> dict:
    """Returns the identifiers of a new instance, alone in a new series numbered beyond a scanner's,
    and the software that made it."""
    return {
        "series_instance_uid": hd.UID(),
        "series_number": series_number,
        "series_description": f"{PRODUCT}, research use only",
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": PRODUCT,
        "software_versions": __version__,
        "device_serial_number": DEVICE_UID,
        "specific_character_set": UTF_8,
    }
