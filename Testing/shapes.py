"""Prints the measurements of shapes of known size: ``PYTHONPATH=Testing/Core/made python
Testing/shapes.py``.

Each shape is drawn in three directions, with voxels of 0.5 to 0.9 mm in slices 0.6 to 2.5 mm apart,
in the middle and slightly off; the table gives the mean and the range of the measurements beside
the truth.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from made_assessment import positions_of
from made_shapes import OBLIQUE, SAGITTAL, SOLID_HU, ellipsoid
from nodulerisk.nodule.measure import measure

GLASS_HU = -600
VOXELS_MM, SLICES_MM, OFF_MM = (0.5, 0.7, 0.9), (0.6, 1.25, 2.5), ((0, 0, 0), (0.2, -0.3, 0.4))
SHAPES = {  # semi-axes, and the radius of a solid core in ground glass
    "sphere, 6 mm": ((3, 3, 3), None),
    "sphere, 20 mm": ((10, 10, 10), None),
    "ellipsoid, 16 × 12 × 8 mm, upright": ((8, 6, 4), None),
    "ground glass, 20 mm, solid core of 8 mm": ((10, 10, 10), 4),
}
MEASURED = ("long axis", "short axis", "volume", "equivalent diameter", "solid long axis", "CTR")


def truths(semi_mm, core_mm) -> dict[str, float]:
    """Returns the true values of upright shapes, whose widest axial section is the one through the
    middle."""
    long, short = 2 * max(semi_mm[:2]), 2 * min(semi_mm[:2])
    volume = 4 / 3 * np.pi * np.prod(semi_mm)
    solid = long if core_mm is None else 2 * core_mm
    return dict(
        zip(
            MEASURED,
            (long, short, volume, 2 * np.prod(semi_mm) ** (1 / 3), solid, solid / long),
            strict=True,
        )
    )


def measured(semi_mm, core_mm, voxel_mm, slice_mm, direction, off_mm) -> dict[str, float]:
    spacing = [voxel_mm] * 3
    spacing[0 if direction is SAGITTAL else 2] = slice_mm
    turn = direction if direction is OBLIQUE else None  # along the scan's own slices
    nodule, ct = ellipsoid(semi_mm, turn, tuple(spacing), direction, off_mm, SOLID_HU)
    if core_mm is not None:
        shell = (nodule.on_ct() > 0) & (
            np.linalg.norm(positions_of(ct) - off_mm, axis=-1) > core_mm
        )
        ct.hu[shell] = GLASS_HU
    return {m.name: m.value for m in measure(nodule, ct)}


def main() -> None:
    print("| shape | measure | truth | measured: mean (range) |\n|---|---|---|---|")
    for title, (semi_mm, core_mm) in SHAPES.items():
        settings = product(VOXELS_MM, SLICES_MM, (np.eye(3), SAGITTAL, OBLIQUE), OFF_MM)
        found = [measured(semi_mm, core_mm, *setting) for setting in settings]
        for name, truth in truths(semi_mm, core_mm).items():
            values = [one[name] for one in found]
            print(
                f"| {title} | {name} | {truth:.4g} | {np.mean(values):.4g} ({min(values):.4g} to"
                f" {max(values):.4g}) |"
            )


if __name__ == "__main__":
    main()
