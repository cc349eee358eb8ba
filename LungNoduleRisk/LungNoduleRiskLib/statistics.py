"""The nodule's measurements as a plugin of Slicer's Segment Statistics module, for any segment on a CT."""

from __future__ import annotations

import logging
from typing import NamedTuple

import slicer
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

from nodulerisk.errors import NoduleRiskError

Code = tuple[str, str, str]  # value, coding scheme, meaning

UNITS: dict[str, Code] = {
    "mm³": ("mm3", "UCUM", "cubic millimeter"),
    "mm": ("mm", "UCUM", "millimeter"),
    "HU": ("[hnsf'U]", "UCUM", "Hounsfield unit"),
}
VOLUME: Code = ("118565006", "SCT", "Volume")
DIAMETER: Code = ("81827009", "SCT", "Diameter")
ATTENUATION: Code = ("112031", "DCM", "Attenuation Coefficient")
VOXEL_SUM: Code = ("126030", "DCM", "Sum of segmented voxel volumes")
CALCULATED: Code = ("258090004", "SCT", "Calculated")
MEAN: Code = ("373098007", "SCT", "Mean")
STANDARD_DEVIATION: Code = ("386136009", "SCT", "Standard Deviation")


class Coded(NamedTuple):
    """What DICOM calls a measurement; ``unit`` is a key of ``UNITS``."""

    unit: str
    quantity: Code
    method: Code | None = None
    derivation: Code | None = None


CODES = {  # by the name that nodulerisk.measure gives it
    "volume": Coded("mm³", VOLUME, method=VOXEL_SUM),
    "equivalent diameter": Coded("mm", DIAMETER, derivation=CALCULATED),
    "mean density": Coded("HU", ATTENUATION, derivation=MEAN),
    "density SD": Coded("HU", ATTENUATION, derivation=STANDARD_DEVIATION),
}


class LungNoduleSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
    """Measures what is ticked in its options: nothing at first, since the next user's segments may lie on an MR."""

    def __init__(self):
        super().__init__()
        self.name = self.title = "Lung Nodule"
        self.keys = [name.replace(" ", "_") for name in CODES]

    def computeStatistics(self, segmentID):
        keys = self.getRequestedKeys()
        measured = self._measured(segmentID) if keys else {}
        return {key: measured[key] for key in keys if key in measured}

    def getMeasurementInfo(self, key):
        if key not in self.keys:
            return None
        name = key.replace("_", " ")
        title, coded = name[0].upper() + name[1:], CODES[name]
        return self.createMeasurementInfo(
            name=title,
            title=title,
            description=f"{title} of the segment on the CT, as Lung Nodule Risk reports it.",
            units=coded.unit,
            quantityDicomCode=self._entry(coded.quantity),
            unitsDicomCode=self._entry(UNITS[coded.unit]),
            measurementMethodDicomCode=self._entry(coded.method),
            derivationDicomCode=self._entry(coded.derivation),
        )

    def _measured(self, segmentID) -> dict[str, float]:
        """Every measurement by key; none where the segment is empty on the CT, or the volume is no CT."""
        from LungNoduleRiskLib.segments import segmentOnCt  # only now: Slicer registers plugins at its start
        from nodulerisk.measure import measure

        segmentationNode, volumeNode = self._node("Segmentation"), self._node("ScalarVolume")
        if volumeNode is None:
            return {}
        try:
            onCt = segmentOnCt(segmentationNode, segmentID, volumeNode)
        except NoduleRiskError as error:
            logging.warning("%s: %s", self.name, error)
            return {}
        if onCt is None:
            return {}
        ct, nodule = onCt
        return {measurement.name.replace(" ", "_"): measurement.value for measurement in measure(nodule, ct)}

    def _node(self, parameter: str):
        return slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter(parameter))

    def _entry(self, code: Code | None) -> str | None:
        return self.createCodedEntry(*code, returnAsString=True) if code else None


def registerStatistics() -> None:
    """Offers the plugin in Slicer's Segment Statistics module."""
    from SegmentStatistics import SegmentStatisticsLogic

    SegmentStatisticsLogic.registerPlugin(LungNoduleSegmentStatisticsPlugin())
