"""Stands in for the package of Slicer's module SegmentStatistics: what a plugin uses of its base
class, no options."""

import slicer


class SegmentStatisticsPluginBase:
    def __init__(self):
        self.name, self.title, self.keys, self.defaultKeys = "", "", [], []
        self.parameterNode = None

    @staticmethod
    def createCodedEntry(codeValue, codingScheme, codeMeaning, returnAsString=False):
        entry = slicer.vtkCodedEntry()
        entry.SetValueSchemeMeaning(codeValue, codingScheme, codeMeaning)
        return entry.GetAsString() if returnAsString else entry

    @staticmethod
    def createMeasurementInfo(
        name,
        title,
        description,
        units,
        quantityDicomCode=None,
        unitsDicomCode=None,
        measurementMethodDicomCode=None,
        derivationDicomCode=None,
    ):
        codes = {
            "DICOM.QuantityCode": quantityDicomCode,
            "DICOM.UnitsCode": unitsDicomCode,
            "DICOM.MeasurementMethodCode": measurementMethodDicomCode,
            "DICOM.DerivationCode": derivationDicomCode,
        }
        info = {"name": name, "title": title, "description": description, "units": units}
        return info | {kind: code for kind, code in codes.items() if code}

    def toLongKey(self, key):
        return f"{type(self).__name__}.{key}"

    def setParameterNode(self, parameterNode):
        self.parameterNode = parameterNode
        for key in self.keys:
            if not parameterNode.GetParameter(self.toLongKey(key) + ".enabled"):
                parameterNode.SetParameter(
                    self.toLongKey(key) + ".enabled", str(key in self.defaultKeys)
                )

    def getParameterNode(self):
        return self.parameterNode

    def getRequestedKeys(self):
        enabled = self.parameterNode.GetParameter
        return [key for key in self.keys if enabled(self.toLongKey(key) + ".enabled") == "True"]
