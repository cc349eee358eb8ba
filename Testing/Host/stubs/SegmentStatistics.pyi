from SegmentStatisticsPlugins import SegmentStatisticsPluginBase

class SegmentStatisticsLogic:
    @staticmethod
    def registerPlugin(plugin: SegmentStatisticsPluginBase) -> None: ...
