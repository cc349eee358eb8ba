from typing import Any

class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataCategory(category: str, title: str) -> None: ...
    @staticmethod
    def registerCustomSampleDataSource(**options: Any) -> None: ...
