"""The nodule's measurements as a plugin of Slicer's Segment Statistics module, for any segment on a
CT."""

from __future__ import annotations

import logging
from typing import Any

import slicer
from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

from nodulerisk.errors import NoduleRiskError
from nodulerisk.nodule.quantities import QUANTITIES, UNITS, Code


class LungNoduleSegmentStatisticsPlugin(SegmentStatisticsPluginBase):
    """Measures what is ticked in its options: nothing at first, since the next user's segments may
    lie on an MR."""

    def __init__(self) -> None:
        super().__init__()
        self.name = self.title = "Lung Nodule"
        self.keys = [name.replace(" ", "_") for name in QUANTITIES]

    def computeStatistics(self, segmentID: str) -> dict[str, float]:
        keys = self.getRequestedKeys()
        measured = self._measured(segmentID) if keys else {}
        return {key: measured[key] for key in keys if key in measured}

    def getMeasurementInfo(self, key: str) -> Any:
        if key not in self.keys:
            return None
        name = key.replace("_", " ")
        title, quantity = name[0].upper() + name[1:], QUANTITIES[name]
        return self.createMeasurementInfo(
            name=title,
            title=title,
            description=f"{title} of the segment on the CT, as Lung Nodule Risk reports it.",
            units=quantity.unit,
            quantityDicomCode=self._entry(quantity.code),
            unitsDicomCode=self._entry(UNITS[quantity.unit]),
        )

    def _measured(self, segmentID: str) -> dict[str, float]:
        """Every measurement by key; none where the segment is empty on the CT, or the volume is no
        CT."""
        from LungNoduleRiskLib.display.segments import (
            segmentOnCt,  # only now: Slicer registers plugins at its start
        )
        from nodulerisk.nodule.measure import measure

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
        return {
            measurement.name.replace(" ", "_"): measurement.value
            for measurement in measure(nodule, ct)
        }

    def _node(self, parameter: str) -> Any:
        return slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter(parameter))

    def _entry(self, code: Code) -> str:
        return self.createCodedEntry(code.value, code.scheme, code.meaning, returnAsString=True)


def registerStatistics() -> None:
    """Offers the plugin in Slicer's Segment Statistics module."""
    from SegmentStatistics import SegmentStatisticsLogic

    SegmentStatisticsLogic.registerPlugin(LungNoduleSegmentStatisticsPlugin())
