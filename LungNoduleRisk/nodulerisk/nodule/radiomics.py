"""Radiomics: the few numbers of a nodule's shape and density that its risk model is fitted on.

All but the volume are computed at 1 mm, whatever the voxel size, so that one model serves thin and
thick slices. ``RADIOMICS`` in ``quantities`` has their definitions; PyRadiomics gives the same
values for those it has (Testing/Core/nodule/test_radiomics.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.volume import AIR_HU, CT, axis_order

STEP_MM = 1.0
CORE_DEPTH = 0.6  # of the largest depth below the surface
BORDER_MM = 1.0
CALCIUM_HU = 200.0


@dataclass(frozen=True, eq=False)
class Patch:
    """A nodule at 1 mm, its axial slices along the first axis.

    Attributes:
        hu: float64 (slice, row, column).
        inside: bool, the same shape; never empty.
    """

    hu: np.ndarray
    inside: np.ndarray


def radiomics(nodule: NoduleMask, ct: CT) -> dict[str, float]:
    """Returns everything in ``RADIOMICS``, finite; nothing for an empty mask.

    Args:
        nodule: the mask.
        ct: the CT, or a crop of it, on whose grid the mask lies.
    """
    if not nodule.region.any():
        return {}
    patch = patch_of(nodule, ct)
    largest = largest_slice(patch.inside)
    values = patch.hu[patch.inside]
    return {
        "log volume": float(np.log(nodule.region.sum() * np.prod(ct.spacing_mm))),
        "log axial area": float(np.log(largest.sum() * STEP_MM**2)),
        "axial elongation": elongation(largest),
        "core minus border": core_minus_border(patch),
        "calcified fraction": float((values >= CALCIUM_HU).mean()),
    }


def patch_of(nodule: NoduleMask, ct: CT) -> Patch:
    """Returns the nodule's box at 1 mm, interpolated linearly along the CT's own axes around its
    middle.

    A voxel is inside where the interpolated mask is at least one half or, for a mask too small for
    that, where it is largest. Oblique scans keep the planes that lie nearest to axial.
    """
    spacing = np.array(ct.spacing_mm[::-1])
    ticks = [
        _ticks(first, count, mm)
        for first, count, mm in zip(nodule.first_voxel, nodule.region.shape, spacing, strict=True)
    ]
    voxels = np.stack(np.meshgrid(*ticks, indexing="ij"))
    share = _interpolated(np.pad(nodule.region > 0, 1), voxels, np.array(nodule.first_voxel) - 1)
    inside = share >= min(0.5, share.max())
    axial = 2 - axis_order(ct.direction)[0][2]
    return Patch(
        np.moveaxis(_hu_at(ct, voxels), axial, 0),
        np.moveaxis(inside, axial, 0),
    )


def largest_slice(inside: np.ndarray) -> np.ndarray:
    """Returns the largest slice (row, column) of a mask (slice, row, column); the most elongated of
    equals."""
    slices = (one for one in inside if one.any())
    return max(slices, key=lambda one: (one.sum(), -elongation(one)))


def elongation(one: np.ndarray) -> float:
    """Returns minor / major axis length of a slice's mask, 0 (a line) to 1 (round, or a single
    voxel).

    The axes are four times the square roots of the covariance's eigenvalues; their ratio is IBSI
    Q3CK, here in one plane.
    """
    voxels = np.argwhere(one)
    minor, major = np.linalg.eigvalsh(np.cov(voxels.T, bias=True)) if len(voxels) > 1 else (1, 1)
    return float(np.sqrt(max(minor, 0) / major))


def core_minus_border(patch: Patch) -> float:
    """Returns the mean HU of the core less that of the border; 0 if a nodule is too small to have
    both."""
    depth = distance_transform_edt(np.pad(patch.inside, 1), STEP_MM)[1:-1, 1:-1, 1:-1]
    core = depth >= CORE_DEPTH * depth.max()
    border = patch.inside & (depth <= BORDER_MM)
    return float(patch.hu[core].mean() - patch.hu[border].mean())


def _ticks(first: int, count: int, spacing_mm: float) -> np.ndarray:
    """Returns voxel indices 1 mm apart over ``count`` voxels from the first, symmetric about the
    middle."""
    half = np.ceil(count * spacing_mm / 2 / STEP_MM)
    middle = first + (count - 1) / 2
    return middle + np.arange(-half, half + 1) * STEP_MM / spacing_mm


def _hu_at(ct: CT, voxels: np.ndarray) -> np.ndarray:
    """Returns HU at voxel indices (3, ...), with padding as air; past the CT's edge its last
    voxel."""
    low = np.maximum(np.floor(voxels.min(axis=(1, 2, 3))).astype(int), 0)
    high = np.ceil(voxels.max(axis=(1, 2, 3))).astype(int) + 1
    crop = ct.hu[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return _interpolated(np.maximum(crop, AIR_HU), voxels, low)


def _interpolated(values: np.ndarray, voxels: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Interpolates linearly in an array whose first voxel has the index ``first``."""
    at = voxels - first[:, None, None, None]
    return map_coordinates(values.astype(float), at, order=1, mode="nearest")
