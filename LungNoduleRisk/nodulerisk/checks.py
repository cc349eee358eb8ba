"""Every check as one row: what the reader of a result must know about the input or the answer.

To add a check, add a row, and call ``ROW.check()`` where the condition is found. All code about
checks reads these rows. Needs no package: Slicer reads it before any are installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from nodulerisk.language.texts import _, read_back

Severity = Literal["note", "warning"]


@dataclass(frozen=True)
class Check:
    """One named finding that every output shows.

    Attributes:
        code: stable kebab-case name, such as ``thick-slices``.
        severity: ``note`` (for information) or ``warning`` (the numbers may be wrong).
        message: one sentence for the user, without patient identity.
        fault: the row of the project's fault table (Testing/FAULTS.md) that this check covers.
    """

    code: str
    severity: Severity
    message: str
    fault: int

    @property
    def kind(self) -> CheckKind:
        """Its row; for a result of another version with other checks, a row that says no more than
        the check itself."""
        return CHECKS.get(self.code) or CheckKind(
            self.code, self.severity, self.message, self.fault
        )


@dataclass(frozen=True)
class CheckKind:
    """Everything the program knows about a check before it is found.

    Attributes:
        code, severity, fault: of its checks.
        words: their message, a format string for the values given to ``check``.
        withholds: why decisions about the nodule are withheld where it is found; empty: they stand.
        of_mask: it is about the mask, and no longer holds for another one.
    """

    code: str
    severity: Severity
    words: str
    fault: int
    withholds: str = ""
    of_mask: bool = False

    def check(self, **values: Any) -> Check:
        """Returns the finding, with these values in its words."""
        return Check(self.code, self.severity, self.words.format(**values), self.fault)

    def among(self, checks: Iterable[Check]) -> bool:
        """Whether it is among these checks."""
        return any(check.code == self.code for check in checks)


CHECKS: dict[str, CheckKind] = {}  # by code; reasons to withhold are given in this order


def _row(
    code: str,
    severity: Severity,
    words: str,
    fault: int,
    withholds: str = "",
    *,
    of_mask: bool = False,
) -> CheckKind:
    CHECKS[code] = CheckKind(code, severity, words, fault, withholds, of_mask)
    return CHECKS[code]


# --- The nodule. Some withhold decisions: beyond what the networks were published for or tested on.

NO_NODULE = _row(
    "no-nodule",
    "warning",
    _("No nodule was found at the point, so nothing is reported about it."),
    26,
    _("no nodule was found at the point"),
    of_mask=True,
)
TOO_LARGE_TO_DRAW = _row(
    "too-large-to-draw",
    "warning",
    _(
        "Hardly any aerated lung lies around the point: a lesion larger than the {side:.0f} mm"
        " that the mask network sees would not be found."
    ),
    69,
    _("it may be larger than the mask network sees"),
    of_mask=True,
)
NOT_A_NODULE = _row(
    "not-a-nodule",
    "warning",
    _(
        "The structure drawn at the point does not look like a nodule (probability of a"
        " nodule {probability:.2f})."
    ),
    67,
    _("it does not look like a nodule"),
    of_mask=True,
)
MASK_UNSTEADY = _row(
    "mask-unsteady",
    "warning",
    _(
        "The mask depends on where the point lies: a second drawing agrees with a Dice of"
        " only {dice:.2f}."
    ),
    70,
    _("its mask depends on the click"),
    of_mask=True,
)
FLAT = _row(
    "flat",
    "warning",
    _(
        "The structure is flat, {least:.1f} mm thick and {middle:.1f} mm wide: it may be a scar, a"
        " fissure or atelectasis."
    ),
    67,
    _("it is as flat as scars and fissures are"),
    of_mask=True,
)
SIZE_OUT_OF_RANGE = _row(
    "size-out-of-range",
    "warning",
    _(
        "The nodule measures {long_axis:.1f} mm; the networks were published for {low:.0f} to"
        " {high:.0f} mm."
    ),
    30,
    _("its size is outside the published range"),
    of_mask=True,
)
MASK_CUT = _row(
    "mask-cut",
    "warning",
    _(
        "The nodule extends beyond the {side:.0f} mm that the mask network sees, so its mask"
        " is cut off."
    ),
    30,
    _("it extends beyond what the mask network sees"),
    of_mask=True,
)
GLASS_LEFT_OUT = _row(
    "glass-left-out",
    "warning",
    _(
        "Ground glass around the solid part is not in the mask: the size is too small and the"
        " solid share too large."
    ),
    70,
    _("ground glass around it is not in its mask"),
    of_mask=True,
)
TOUCHED = _row(
    "touched",
    "note",
    _(
        "Dense tissue, such as a vessel or the pleura, touches this small nodule ({share:.0%} of"
        " its surface): the mask may hold some of it, and the volume be too large."
    ),
    70,
    of_mask=True,
)
MASK_AT_EDGE = _row(
    "mask-at-edge",
    "warning",
    _("The nodule reaches the edge of the CT, which may show only a part of it."),
    28,
    of_mask=True,
)
THICK_SLICES = _row(
    "thick-slices",
    "warning",
    _(
        "Slice thickness or spacing is {thickest:.3g} mm; the networks were made for thin"
        " slices (1.5 mm)."
    ),
    8,
    _("the slices are thick"),
)
OBLIQUE_SLICES = _row(
    "oblique-slices",
    "note",
    _(
        "The slices are tilted by {degrees:.0f}° against the patient's axial plane, and diameters"
        " are measured in the slices."
    ),
    14,
    of_mask=True,
)
CALCIFIED = _row(
    "calcified",
    "warning",
    _("More than a tenth of the nodule is above 200 HU: it may be calcified."),
    31,
    of_mask=True,
)
CYSTIC = _row(
    "cystic",
    "warning",
    _("More than a tenth of the nodule is below -900 HU: it may be cystic."),
    31,
    _("it may be cystic"),
    of_mask=True,
)
MASK_EDITED = _row(
    "mask-edited",
    "note",
    _(
        "The mask was corrected by hand: sizes and densities come from the corrected mask,"
        " the probabilities from the networks' own mask."
    ),
    42,
    of_mask=True,
)

# --- The point

METAL = _row(
    "metal",
    "warning",
    _("Values above 3000 HU near the nodule: metal or motion may distort it."),
    21,
)
NO_LUNG = _row(
    "no-lung",
    "warning",
    _("There is hardly any lung around the point: a nodule is unlikely here."),
    26,
)
PADDED_IN_PLANE = _row(
    "padded-in-plane",
    "warning",
    _("The block extends beyond the image's edge: {share:.0%} of it is padding."),
    27,
)
POINTS_OF_ANOTHER_SERIES = _row(
    "points-of-another-series",
    "warning",
    _("The table of points names another series than the CT: the point may be of another CT."),
    65,
    _("its point may be of another CT"),
)
MOSTLY_PADDING = _row(
    "mostly-padding",
    "warning",
    _("Most of what the networks look at lies outside the CT ({share:.0%}) and is padding."),
    52,
    _("most of what the networks look at lies outside the CT"),
)
PADDED_IN_Z = _row(
    "padded-in-z",
    "warning",
    _("The block extends beyond the first or last slice: {share:.0%} of it is padding."),
    28,
)

SAME_NODULE = _row(
    "same-nodule",
    "warning",
    _("This point lies on the nodule of {other}: the two are one nodule, with one mask."),
    66,
)

# --- The CT

MISSING_SLICES = _row(
    "missing-slices",
    "warning",
    _("{missing} missing slice(s) were interpolated from their neighbours."),
    1,
)
IRREGULAR_SPACING = _row(
    "irregular-spacing",
    "warning",
    _("Slice spacing varies by up to {percent:.1f} %; sizes along the scan may be off by as much."),
    3,
)
LEFT_OUT_SLICES = _row(
    "left-out-slices",
    "warning",
    _(
        "{slices} image(s) that belong to this CT by place or series were left out: they"
        " differ in {tags}. The CT may be incomplete."
    ),
    55,
)
NUMBER_GAPS = _row(
    "number-gaps",
    "warning",
    _("InstanceNumber skips {missing} number(s): slices of this series may be missing."),
    55,
)
ORIENTATION_UNKNOWN = _row(
    "orientation-unknown",
    "warning",
    _("The file does not give the patient's orientation; left and right may be swapped."),
    10,
)
RESCALE_MISSING = _row(
    "rescale-missing",
    "warning",
    _("RescaleSlope or RescaleIntercept is missing; the values look like HU and were read as HU."),
    16,
)
RESCALE_VARIES = _row(
    "rescale-varies",
    "warning",
    _(
        "RescaleSlope or RescaleIntercept changes within the series, by up to {hu:.0f} HU;"
        " the values fit together and were read as they say."
    ),
    61,
)
LOSSY = _row(
    "lossy-compression",
    "warning",
    _(
        "The images were compressed with loss, {ratio:.0f} to 1: edges and densities may have"
        " changed."
    ),
    63,
)
CLIPPED_INTENSITIES = _row(
    "clipped-intensities",
    "warning",
    _("Values are cut off at {high} HU, as if a display window had been applied."),
    18,
)
INTENSITY_DOUBTFUL = _row(
    "intensity-doubtful",
    "warning",
    _(
        "The darkest values are about {darkest:.0f} HU, and air is at -1000 HU: the values"
        " may be shifted or scaled, and every density wrong."
    ),
    60,
    _("its values may not be Hounsfield units"),
)
CONTRAST = _row(
    "contrast",
    "warning",
    _("Contrast was given: densities are higher than in a CT without contrast."),
    20,
)
KERNEL_UNKNOWN = _row(
    "kernel-unknown", "note", _("The file does not name the reconstruction kernel."), 24
)
SHARP_KERNEL = _row(
    "sharp-kernel",
    "note",
    _("Sharp reconstruction kernel {kernel}: noise and edges are stronger than usual."),
    24,
)

# --- The answers

NETWORK_NAN = _row(
    "network-nan",
    "warning",
    _("Network {network} gave no number: its task is not shown."),
    39,
)
MASK_NAN = replace(NETWORK_NAN, words=_("Network {network} gave no number: it drew no mask."))
ADENOCARCINOMA_ONLY = _row(
    "adenocarcinoma-only",
    "note",
    _("Meaningful only for an adenocarcinoma: {tasks}."),
    30,
)
OWN_THRESHOLD = _row(
    "own-threshold",
    "note",
    _("The {task} threshold was set by the user to {own:.3f}; the card's is {card:.3f}."),
    30,
)
GPU_OUT_OF_MEMORY = _row(
    "gpu-out-of-memory",
    "note",
    _("{device} ran out of memory: the CPU was used instead."),
    40,
)
GPU_FAILED = _row("gpu-failed", "note", _("{device} failed: the CPU was used instead."), 40)


def check_from(values: Mapping[str, Any]) -> Check:
    """Returns a check from its values in a file, or from another process; unknown ones are ignored.

    Raises:
        KeyError, TypeError: the values are damaged.
    """
    kinds = (kind for kind in (*CHECKS.values(), MASK_NAN) if kind.code == values["code"])
    message = read_back(values["message"], [kind.words for kind in kinds])
    return Check(values["code"], values["severity"], message, values["fault"])
