"""The measurements of a nodule: units, definitions, and DICOM codes.

Needs no package: Slicer reads it before any are installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from nodulerisk.language.texts import _


@dataclass(frozen=True)
class Code:
    """A DICOM coded concept; the schemes are SCT (SNOMED CT), DCM, UCUM, and 99LNR for concepts
    that none of them names."""

    value: str
    scheme: str
    meaning: str


OWN_SCHEME = "99LNR"


class Quantity(NamedTuple):
    """A measurement without its name and value; ``unit`` is a key of ``UNITS``."""

    unit: str
    source: str
    code: Code


UNITS: dict[str, Code] = {  # as shown -> as in DICOM
    "mm": Code("mm", "UCUM", "millimeter"),
    "mm³": Code("mm3", "UCUM", "cubic millimeter"),
    "HU": Code("[hnsf'U]", "UCUM", "Hounsfield unit"),
    "mg": Code("mg", "UCUM", "milligram"),
    "": Code("{ratio}", "UCUM", "ratio"),
}


def own_code(value: str, meaning: str) -> Code:
    """Returns the code of a concept that no public scheme names."""
    return Code(value, OWN_SCHEME, meaning)


QUANTITIES: dict[str, Quantity] = {
    _("long axis"): Quantity(
        "mm",
        _("longest diameter in the axial slice of largest area; Fleischner 2017"),
        Code("103339001", "SCT", "Long axis"),
    ),
    _("short axis"): Quantity(
        "mm",
        _("longest perpendicular to the long axis, same slice"),
        Code("103340004", "SCT", "Short axis"),
    ),
    _("mean diameter"): Quantity(
        "mm",
        _("(long + short axis) / 2; Lung-RADS v2022"),
        own_code("MeanDiameter", "Mean of long and short axis"),
    ),
    _("volume"): Quantity(
        "mm³", _("mask voxels × voxel volume"), Code("118565006", "SCT", "Volume")
    ),
    _("equivalent diameter"): Quantity(
        "mm", "(6V/π)^(1/3)", own_code("EquivDiameter", "Diameter of the sphere of equal volume")
    ),
    _("mean density"): Quantity(
        "HU",
        _("mean inside the mask"),
        Code("112181", "DCM", "Mean Attenuation Coefficient"),
    ),
    _("density SD"): Quantity(
        "HU",
        _("standard deviation inside the mask"),
        Code("112183", "DCM", "Standard Deviation of Attenuation Coefficient"),
    ),
    _("mass"): Quantity(
        "mg", _("volume × (mean HU + 1000) / 1000"), Code("118538004", "SCT", "Mass")
    ),
    _("solid long axis"): Quantity(
        "mm",
        _("of the solid component: its largest part"),
        own_code("SolidLongAxis", "Long axis of the solid component"),
    ),
    _("solid mean diameter"): Quantity(
        "mm",
        _("(long + short axis) / 2 of the solid component"),
        own_code("SolidMeanDiam", "Mean of long and short axis of the solid component"),
    ),
    _("solid volume"): Quantity(
        "mm³",
        _("of the solid component: its largest part"),
        own_code("SolidVolume", "Volume of the solid component"),
    ),
    "CTR": Quantity(
        "",
        _("solid / whole long axis; JCOG0201"),
        own_code("CTR", "Consolidation to tumor ratio of long axes"),
    ),
}

# The inputs of risk models, with the codes of the Image Biomarker Standardisation Initiative
# (Radiology 2020;295:328-338) for the quantities that it names.
RADIOMICS: dict[str, Quantity] = {
    _("log volume"): Quantity(
        "",
        _("natural logarithm of the volume in mm³"),
        own_code("LogVolume", "Logarithm of the volume"),
    ),
    _("log axial area"): Quantity(
        "",
        _("natural logarithm of the area in mm² of the axial slice where the nodule is largest"),
        own_code("LogAxialArea", "Logarithm of the largest axial area"),
    ),
    _("axial elongation"): Quantity(
        "",
        _("minor / major axis length in that slice, 1 where it is round; IBSI Q3CK in its plane"),
        own_code("AxialElongation", "Elongation of the largest axial slice"),
    ),
    _("core minus border"): Quantity(
        "HU",
        _(
            "mean of the voxels at 60 % or more of the largest depth less that of those"
            " within 1 mm of the surface; means by IBSI Q4LE"
        ),
        own_code("CoreMinusBorder", "Mean attenuation of the core less that of the border"),
    ),
    _("calcified fraction"): Quantity(
        "",
        _("share of the voxels at 200 HU or more; a point of IBSI's intensity-volume histogram"),
        own_code("CalcifiedFraction", "Share of the volume at 200 HU or more"),
    ),
}
