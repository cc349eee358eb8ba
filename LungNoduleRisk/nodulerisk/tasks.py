"""Every task: its classes, and its place in the cascade."""

from __future__ import annotations

TASKS: dict[str, tuple[str, ...]] = {
    "malignancy": ("benign", "malignant"),
    "invasiveness": ("pre-invasive", "invasive"),
    "grade": ("grade 1", "grade 2", "grade 3"),
    "subtype": ("AAH-AIS", "MIA", "IA"),
    # appearance: what a reader would describe
    "density": ("ground glass", "part-solid", "solid"),
    "spiculation": ("not spiculated", "spiculated"),
    "lobulation": ("not lobulated", "lobulated"),
    "margin": ("sharp margin", "ill-defined margin"),
    "calcification": ("not calcified", "calcified"),
}
APPEARANCE = ("density", "spiculation", "lobulation", "margin", "calcification")

# The cascade of the EMV-3D-CNN paper: each step is put to the nodules that the steps before it let
# through.
CASCADE = (("malignancy", *APPEARANCE), ("invasiveness", "subtype"), ("grade",))
LET_THROUGH = {
    "malignancy": ("malignant",),
    "invasiveness": ("invasive", None),
}  # decisions; None: not run
