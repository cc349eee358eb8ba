"""Makes demo-chest-ct.zip: ``python Resources/SampleData/crop.py CPTAC.zip``, the DICOM series as
downloaded from TCIA.

Keeps the voxels around the nodule unchanged, with the header elements that the program reads and no
others.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid
from tqdm import tqdm

COLUMNS, ROWS, SLICES = (
    slice(10, 266),
    slice(60, 316),
    slice(6, 62),
)  # of 512, 512 and 99, slices from the feet up
KEPT = (
    "SOPClassUID Modality Manufacturer ManufacturerModelName StudyDescription SeriesDescription KVP"
    " SliceThickness ConvolutionKernel ImagePositionPatient ImageOrientationPatient SamplesPerPixel"
    " PhotometricInterpretation PixelSpacing BitsAllocated BitsStored HighBit PixelRepresentation"
    " RescaleIntercept RescaleSlope RescaleType"
).split()
SERIES = generate_uid(entropy_srcs=["LungNoduleRisk demo series"])


def cropped(source: Dataset) -> Dataset:
    """One slice with its in-plane crop; ImagePositionPatient moves along."""
    result = Dataset()
    for keyword in KEPT:
        if keyword in source:
            setattr(result, keyword, getattr(source, keyword))
    result.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    result.DerivationDescription = "In-plane crop of a CPTAC-LSCC slice, voxels unchanged"
    result.PatientName = result.PatientID = ""
    result.StudyInstanceUID = generate_uid(entropy_srcs=["LungNoduleRisk demo study"])
    result.SeriesInstanceUID = SERIES
    result.SOPInstanceUID = generate_uid(entropy_srcs=[source.SOPInstanceUID, "crop"])
    result.InstanceNumber = source.InstanceNumber
    row, column = float(source.PixelSpacing[0]), float(source.PixelSpacing[1])
    position = np.array(source.ImagePositionPatient, float)
    axes = np.array(source.ImageOrientationPatient, float).reshape(2, 3)
    position += axes[0] * COLUMNS.start * column + axes[1] * ROWS.start * row
    result.ImagePositionPatient = [f"{v:.9g}" for v in position]
    pixels = np.ascontiguousarray(source.pixel_array[ROWS, COLUMNS])
    result.Rows, result.Columns = pixels.shape
    result.PixelData = pixels.tobytes()
    result.file_meta = Dataset()
    result.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    return result


def main() -> None:
    with zipfile.ZipFile(sys.argv[1]) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        slices = [
            dcmread(io.BytesIO(archive.read(name)), force=True) for name in tqdm(names, "reading")
        ]
    slices = [s for s in slices if "ImagePositionPatient" in s]
    slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
    target = Path(__file__).with_name("demo-chest-ct.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for index, source in enumerate(tqdm(slices[SLICES], "writing")):
            content = io.BytesIO()
            cropped(source).save_as(content, enforce_file_format=True)
            archive.writestr(
                zipfile.ZipInfo(f"demo-chest-ct/{index:03d}.dcm"),
                content.getvalue(),
                zipfile.ZIP_DEFLATED,
                9,
            )


if __name__ == "__main__":
    main()
