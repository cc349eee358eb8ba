"""Names of columns that tables of datasets and of cohorts share."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

Coordinates = Literal["lps", "ras", "voxel", "slice"]
Axes = tuple[str, str, str]

SERIES = ("series_uid", "series", "seriesuid", "seriesinstanceuid")
PATIENT = ("patient", "patient_id", "patientid")
# The coordinates of a nodule's centre by the columns that hold it; None: another column says.
CENTRES: dict[Axes, Coordinates | None] = {
    ("x", "y", "z"): None,
    ("x_mm", "y_mm", "z_mm"): None,
    ("x_lps", "y_lps", "z_lps"): "lps",
    ("x_lps_mm", "y_lps_mm", "z_lps_mm"): "lps",
    ("x_ras", "y_ras", "z_ras"): "ras",
    ("x_ras_mm", "y_ras_mm", "z_ras_mm"): "ras",
    ("i", "j", "k"): "voxel",
    ("coordx", "coordy", "coordz"): "lps",  # LUNA16 and LUNA25
    ("coord_x", "coord_y", "coord_z"): "lps",
    ("i", "j", "slice"): "slice",
    ("x", "y", "slice"): "slice",
}


def centre_columns(columns: Collection[str]) -> Axes | None:
    """Returns the first three of these that hold a centre; None: there are none."""
    return next((axes for axes in CENTRES if set(axes) <= {*columns}), None)
