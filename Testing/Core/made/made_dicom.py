"""Small synthetic CTs: arrays, and DICOM series of them with faults on demand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from nodulerisk.ct.volume import CT

SPACING_MM = (0.7, 0.8, 1.25)  # x, y, z
ORIGIN_LPS_MM = (-10.0, 20.0, -300.0)


def phantom(shape: tuple[int, int, int] = (12, 16, 18)) -> np.ndarray:
    """Lung, soft tissue and air with noise: int16 HU (z, y, x), no two voxels likely the same."""
    random = np.random.default_rng(7)
    hu = random.normal(-850, 30, shape)
    hu[:, shape[1] // 2 :] = random.normal(40, 30, hu[:, shape[1] // 2 :].shape)
    hu[:, :2] = random.normal(-1000, 8, hu[:, :2].shape)
    return hu.astype(np.int16)


def write_series(
    folder: Path,
    hu: np.ndarray,
    *,
    spacing_mm=SPACING_MM,
    origin_lps_mm=ORIGIN_LPS_MM,
    direction=None,
    heights_mm=None,
    change: Callable[[Dataset, int], None] | None = None,
    **header,
) -> list[Path]:
    """Writes one slice per file, feet first, and returns the files.

    ``heights_mm`` replaces the even steps along the normal, ``header`` sets elements in all slices
    (None deletes), and ``change(dataset, k)`` may change slice k in any way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    axes = np.eye(3) if direction is None else np.asarray(direction, float)
    heights = np.arange(len(hu)) * spacing_mm[2] if heights_mm is None else heights_mm
    series = generate_uid()
    files = []
    for k, (plane, height) in enumerate(zip(hu, heights, strict=True)):
        dataset = new_dataset(CTImageStorage, SeriesInstanceUID=series, InstanceNumber=len(hu) - k)
        dataset.ImageOrientationPatient = [*axes[:, 0], *axes[:, 1]]
        dataset.ImagePositionPatient = list(np.asarray(origin_lps_mm) + height * axes[:, 2])
        dataset.PixelSpacing = [spacing_mm[1], spacing_mm[0]]
        dataset.SliceThickness = 1.0
        dataset.ConvolutionKernel = "Br40f"
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
        set_pixels(dataset, plane)
        set_elements(dataset, header)
        if change:
            change(dataset, k)
        files.append(folder / f"slice {k:03d}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    return files


def write_study(ct: CT, folder: Path) -> None:
    """The CT as a series with the identifiers by which DICOM output refers to it."""
    write_series(
        folder,
        ct.hu,
        spacing_mm=ct.spacing_mm,
        origin_lps_mm=ct.origin_lps_mm,
        StudyInstanceUID=generate_uid(),
        FrameOfReferenceUID=generate_uid(),
    )


def write_enhanced(
    path: Path, hu: np.ndarray, *, shared_rescale: bool = True, repeats: int = 1, **header
) -> Path:
    """Writes one multi-frame file (PS3.3 A.38), frames head first; ``repeats`` time points make it
    4D."""
    dataset = new_dataset(
        EnhancedCTImageStorage, SeriesInstanceUID=generate_uid(), InstanceNumber=1
    )
    frames = np.concatenate([hu[::-1]] * repeats)
    set_pixels(dataset, frames)
    rescale = item(RescaleSlope=1, RescaleIntercept=-1024, RescaleType="HU")
    orientation = item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    measures = item(PixelSpacing=[SPACING_MM[1], SPACING_MM[0]], SliceThickness=1.25)
    common = item(PlaneOrientationSequence=[orientation], PixelMeasuresSequence=[measures])
    common.CTReconstructionSequence = Sequence([item(ConvolutionKernel="Br40f")])
    if shared_rescale:
        common.PixelValueTransformationSequence = Sequence([rescale])
    dataset.SharedFunctionalGroupsSequence = Sequence([common])
    groups = []
    for frame in range(len(frames)):
        height = (len(hu) - 1 - frame % len(hu)) * SPACING_MM[2]
        position = item(ImagePositionPatient=list(np.array(ORIGIN_LPS_MM) + (0, 0, height)))
        groups.append(item(PlanePositionSequence=[position]))
        if not shared_rescale:
            groups[-1].PixelValueTransformationSequence = Sequence([rescale])
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    set_elements(dataset, header)
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_enhanced_stacks(
    path: Path, stacks: list[np.ndarray], heights_mm: list[float], apart: str, **header
) -> Path:
    """Writes one multi-frame file of several volumes; ``apart`` is the element that tells them
    apart, StackID, TemporalPositionIndex or ConvolutionKernel."""
    write_enhanced(path, np.concatenate(stacks), **header)
    dataset = dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    del shared.CTReconstructionSequence
    groups = iter(dataset.PerFrameFunctionalGroupsSequence)
    for number in reversed(range(len(stacks))):  # frames lie head first
        for k in reversed(range(len(stacks[number]))):
            group, height = next(groups), heights_mm[number] + k * SPACING_MM[2]
            position = list(np.array(ORIGIN_LPS_MM) + (0, 0, height))
            group.PlanePositionSequence[0].ImagePositionPatient = position
            reconstruction, content = item(ConvolutionKernel="Br40f"), Dataset()
            told = reconstruction if apart == "ConvolutionKernel" else content
            set_elements(told, {apart: [f"B{number}0f", number + 1][told is content]})
            if apart == "StackID":
                content.StackID = str(number + 1)
            group.CTReconstructionSequence = Sequence([reconstruction])
            group.FrameContentSequence = Sequence([content])
    dataset.save_as(path, enforce_file_format=True)
    return path


def new_dataset(sop_class: str, **elements) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "CT"
    dataset.PatientName, dataset.PatientID = "Secret^Name", "SECRET-ID"
    set_elements(dataset, elements)
    return dataset


def item(**elements) -> Dataset:
    dataset = Dataset()
    set_elements(dataset, elements)
    return dataset


def set_elements(dataset: Dataset, elements: dict) -> None:
    for keyword, value in elements.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)


def set_pixels(dataset: Dataset, hu: np.ndarray, intercept: int = -1024) -> None:
    """Stores HU as unsigned 16-bit values; three dimensions become frames."""
    dataset.Rows, dataset.Columns = hu.shape[-2:]
    if hu.ndim == 3:
        dataset.NumberOfFrames = len(hu)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = (
        16,
        16,
        15,
        0,
    )
    dataset.PixelData = (hu.astype(int) - intercept).astype("<u2").tobytes()
