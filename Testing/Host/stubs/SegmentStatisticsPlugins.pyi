from typing import Any

class SegmentStatisticsPluginBase:
    name: str
    title: str
    keys: list[str]
    def getRequestedKeys(self) -> list[str]: ...
    def getParameterNode(self) -> Any: ...
    @staticmethod
    def createMeasurementInfo(
        name: str,
        title: str,
        description: str,
        units: str,
        quantityDicomCode: str,
        unitsDicomCode: str,
    ) -> Any: ...
    @staticmethod
    def createCodedEntry(value: str, scheme: str, meaning: str, returnAsString: bool) -> str: ...
