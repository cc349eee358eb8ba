"""The Slicer side of LungNoduleRisk: MRML in ``scene`` and ``results``, what it can do in
``assessing``, ``exporting`` and ``comparing``, Qt in ``widgets``."""

from pathlib import Path


def resource(name: str) -> Path:
    """A file of Resources: the module's own, or the project's, which an installed extension keeps
    beside them."""
    module = Path(__file__).parents[1]
    own = module / "Resources" / name
    return own if own.exists() else module.parent / "Resources" / name
