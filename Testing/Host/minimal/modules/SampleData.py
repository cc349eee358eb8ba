"""Stands in for Slicer's module SampleData: keeps what is registered. Shows and downloads
nothing."""

from types import SimpleNamespace

import slicer


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str):
        registered("sampleDataSourceCategories")[category] = {"title": title}

    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **source):
        registered("sampleDataSources").setdefault(category, []).append(SimpleNamespace(**source))


def registered(name: str) -> dict:
    return vars(slicer.modules).setdefault(name, {})
