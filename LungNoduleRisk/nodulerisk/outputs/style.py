"""How results look, and the names of their files.

Imports nothing, so that the terminal's help stays fast.
"""

from __future__ import annotations

# --- Colours

INK, FAINT = "#1c2733", "#5d6b78"  # text
ALARM, WARNING = "#b00020", "#9a4a00"
CALIPER = "#35d0ff"
CONTOUR, SURFACE, STILL_SURFACE = "#ffb000", "#f2a65a", "#f2b25c"  # of the mask
RULE, TRACK = "#d5dbe1", "#eef1f4"  # lines, and the track of a bar
DARK = {  # what a page has in place of the colours of these names where the user prefers dark ones
    "INK": "#e6ebf0",
    "FAINT": "#a9b4bf",
    "ALARM": "#ff9aa5",
    "WARNING": "#ffb87a",
    "RULE": "#3d4853",
    "TRACK": "#29323b",
    "VIOLET": "#c3aef5",
    "GREEN": "#6fd0ac",
    "BLUE": "#8dbcf0",
    "PAPER": "#151a20",
}
VIOLET, GREEN, BLUE, GREY = "#6b3fa0", "#1b7f5c", "#2f6fb2", "#a3abb3"
EVIDENCE_COLOURS: dict[str, str] = {
    "outcome": VIOLET,
    "pathology": GREEN,
    "reader": BLUE,
    "simulated": GREY,
    "none": GREY,
}
Rgb = tuple[float, float, float]  # 0..1
RISK_COLOURS: dict[str, Rgb] = {  # of a task's classes, by rank; Okabe and Ito's
    "first": (0.0, 0.62, 0.45),
    "middle": (0.90, 0.62, 0.0),
    "last": (0.84, 0.37, 0.0),
}
RANKS = {2: ("first", "last"), 3: ("first", "middle", "last")}  # by the number of classes
NO_RISK_KNOWN: Rgb = (0.34, 0.71, 0.91)
# Of an own task's classes, whose order need not be one of risk: shades from light to dark.
OWN_COLOURS: dict[str, Rgb] = {
    f"class {number}": (0.87 - 0.08 * number, 0.89 - 0.08 * number, 0.96 - 0.05 * number)
    for number in range(1, 11)
}


# --- Files

MASK_NIFTI_NAME, MESH_NAME, PAGE_NAME, PICTURE_NAME = (  # of one nodule
    "mask.nii.gz",
    "mesh.ply",
    "nodule.html",
    "nodule.png",
)
TABLE_NAME, REPORT_NAME = "nodules.csv", "report.html"  # of all nodules of a CT
SEG_NAME, SR_NAME = "nodules.seg.dcm", "nodules.sr.dcm"
EXPLANATION_FILES = ("gradcam.nrrd", "gradcam.png")
FOLLOW_UP_TABLE_NAME, FOLLOW_UP_JSON_NAME = "follow-up.csv", "follow-up.json"
NOT_FOUND_NAMES = "not-found-*.png"  # of nodules that a later scan does not show
COHORT_TABLE_NAME, GROWTH_NAME, SUMMARY_NAME, MASKS_NAME = (
    "cohort.csv",
    "growth.csv",
    "summary.html",
    "masks",
)
OUTCOMES = "outcomes.jsonl"  # of these, the predictions
EVALUATION_FILES = (
    *("evaluation.html", "figures.csv", "figures.md", "nodules.csv", OUTCOMES),
    *("curves.csv", "plots"),
)
