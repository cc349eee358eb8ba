"""The Slicer side of LungNoduleRisk: MRML in ``scene`` and ``logic``, Qt in ``widget``; the core is ``nodulerisk``."""
