"""How well a mask agrees with the readers' outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt


@dataclass(frozen=True)
class MaskFit:
    """A mask against its reference.

    Attributes:
        dice: 0..1; 0 where no mask was drawn.
        surface_mm: mean distance between the two surfaces, both ways; None where one of the masks
            is empty.
        hausdorff95_mm: 95th percentile of those distances, the larger of both ways; None likewise.
        precision: share of the mask that lies in the reference; None likewise.
        recall: share of the reference that lies in the mask; None likewise.
    """

    dice: float
    surface_mm: float | None = None
    hausdorff95_mm: float | None = None
    precision: float | None = None
    recall: float | None = None

    @property
    def found(self) -> bool:
        """Whether the mask overlaps the reference at all."""
        return self.dice > 0


def mask_fit(
    mask: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float]
) -> MaskFit:
    """Compares two masks, bool (z, y, x) on one grid whose voxel size along x, y, z is
    ``spacing_mm``."""
    there, back = surface_distances_mm(mask, reference, spacing_mm)
    if not there.size:
        return MaskFit(dice(mask, reference))
    common = float((mask & reference).sum())
    return MaskFit(
        dice(mask, reference),
        float(np.concatenate([there, back]).mean()),
        float(max(np.percentile(there, 95), np.percentile(back, 95))),
        common / float(mask.sum()),
        common / float(reference.sum()),
    )


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Returns 2 |A and B| / (|A| + |B|) of two bool arrays; 1 if both are empty.

    Examples:
        >>> dice(np.array([True, True, False]), np.array([False, True, False]))
        0.6666666666666666
    """
    total = int(first.sum() + second.sum())
    return float(2 * (first & second).sum() / total) if total else 1.0


def surface_distances_mm(
    first: np.ndarray, second: np.ndarray, spacing_mm: tuple[float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the distances in mm of every surface voxel to the nearest surface voxel of the other
    mask, each way.

    The arrays are empty if one of the masks is. A surface voxel is one with a face on the outside.
    """
    if not (first.any() and second.any()):
        return np.zeros(0), np.zeros(0)
    part = _bounds(first | second)
    first, second = (_surface(np.pad(mask[part], 1)) for mask in (first, second))
    zyx = spacing_mm[::-1]
    to_first, to_second = (
        distance_transform_edt(~surface, sampling=zyx) for surface in (first, second)
    )
    return to_second[first], to_first[second]


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~binary_erosion(mask)


def _bounds(mask: np.ndarray) -> tuple[slice, ...]:
    """Returns the smallest box that holds the mask."""
    return tuple(slice(int(i.min()), int(i.max()) + 1) for i in np.nonzero(mask))
