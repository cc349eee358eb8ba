"""Nodules as DICOM: a segmentation (SEG) and a TID 1500 structured report (SR) that refer to the
source series.

Both copy patient and study from the source, as the standard asks: they are written only if the user
wants them.
"""

from nodulerisk.outputs.dicom.source import DicomSource, read_source, source_of
from nodulerisk.outputs.dicom.tracking import EarlierReport, along, read_earlier, tracked
from nodulerisk.outputs.dicom.write import write_dicom

__all__ = [
    "DicomSource",
    "EarlierReport",
    "along",
    "read_earlier",
    "read_source",
    "source_of",
    "tracked",
    "write_dicom",
]
