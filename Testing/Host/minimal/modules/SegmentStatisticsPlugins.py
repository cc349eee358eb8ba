"""Stands in for the package of Slicer's module SegmentStatistics: the base class of plugins, without their options."""

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
