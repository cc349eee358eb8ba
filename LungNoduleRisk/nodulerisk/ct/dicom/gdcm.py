"""Compressed pixels by the GDCM inside SimpleITK, as a plugin of pydicom's decoders: JPEG Lossless
and the older JPEGs need no package beyond those that are installed anyway."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import SimpleITK as sitk
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import (
    JPEG2000,
    CTImageStorage,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    generate_uid,
)

NAME = "SimpleITK"
SYNTAXES = (
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1),
    *(JPEG2000Lossless, JPEG2000),
)
DECODER_DEPENDENCIES = dict.fromkeys(SYNTAXES, ("SimpleITK",))  # asked for by pydicom


def is_available(uid: str) -> bool:
    """Whether this decoder reads the transfer syntax; pydicom asks."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Returns the stored values of one frame. GDCM reads files only: the frame is wrapped in one
    that says nothing about the patient."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "frame.dcm")
        wrapped(src, runner).save_as(path, enforce_file_format=True)
        image = sitk.ReadImage(str(path), imageIO="GDCMImageIO")
    sign = "i" if runner.pixel_representation else "u"
    values = sitk.GetArrayViewFromImage(image)
    return values.astype(f"<{sign}{runner.bits_allocated // 8}").tobytes()


def wrapped(src: bytes, runner: DecodeRunner) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = runner.transfer_syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.Rows, dataset.Columns = runner.rows, runner.columns
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = runner.bits_allocated, runner.bits_stored
    dataset.HighBit = runner.bits_stored - 1
    dataset.PixelRepresentation = runner.pixel_representation
    dataset.PixelData = encapsulate([src])
    return dataset


def add_to_pydicom() -> None:
    """Lets pydicom use this decoder where its own are not installed."""
    for syntax in SYNTAXES:
        decoder = get_decoder(syntax)
        if NAME not in decoder.available_plugins:
            decoder.add_plugin(NAME, (__name__, decode_frame.__name__))
