from typing import Any

class PyTorchUtilsLogic:
    def installTorch(self, askConfirmation: bool, torchVersionRequirement: str) -> Any: ...
