"""Stands in for Slicer's module SegmentStatistics: keeps what is registered. Computes nothing."""


class SegmentStatisticsLogic:
    registeredPlugins = []

    @staticmethod
    def registerPlugin(plugin):
        if type(plugin) not in SegmentStatisticsLogic.registeredPlugins:
            SegmentStatisticsLogic.registeredPlugins.append(type(plugin))
