"""Measurements of a nodule from its mask, in world units."""

from __future__ import annotations

import numpy as np

from nodulerisk.assessment import Measurement, NoduleMask
from nodulerisk.ct import CT


def measure(nodule: NoduleMask, ct: CT) -> tuple[Measurement, ...]:
    """Volume (mm³), equivalent diameter (mm), mean and SD of HU inside the mask; nothing for an empty mask."""
    if not nodule.region.any():
        return ()
    volume = float(nodule.region.sum() * np.prod(ct.spacing_mm))
    hu = nodule_hu(nodule, ct)
    return (
        Measurement("volume", volume, "mm³", "mask voxels × voxel volume"),
        Measurement("equivalent diameter", (6 * volume / np.pi) ** (1 / 3), "mm", "(6V/π)^(1/3)"),
        Measurement("mean density", float(hu.mean()), "HU", "mean inside the mask"),
        Measurement("density SD", float(hu.std()), "HU", "standard deviation inside the mask"),
    )


def nodule_hu(nodule: NoduleMask, ct: CT) -> np.ndarray:
    """HU of the mask's voxels, int16 (n,)."""
    place = tuple(slice(a, a + n) for a, n in zip(nodule.first_voxel, nodule.region.shape, strict=True))
    return ct.hu[place][nodule.region > 0]


def value_of(measurements: tuple[Measurement, ...], name: str) -> float | None:
    """The named measurement's value; None where it is missing."""
    return next((m.value for m in measurements if m.name == name), None)
