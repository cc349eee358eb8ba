"""Synthetic context above and below a nodule whose data end with it, for training and testing on
such data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import LabelledNodule

CONTEXT_MM = 32.0  # half the widest published view
LUNG_HU = -850
KINDS = ("lung", "flat", "edge", "reflect")
WITHOUT_NODULE = ("lung", "flat")  # where the data, and so the mask, end with the nodule


def with_context(
    nodule: LabelledNodule, rng: np.random.Generator, kinds: Sequence[str] = ("lung",)
) -> tuple[CT, np.ndarray]:
    """Continues the nodule's CT and the share of readers who marked each voxel above and below.

    A CT that extends beyond the nodule is returned as it is. The kind is drawn for each side, so
    that a network cannot learn one kind: ``lung`` (the end slice without its nodule, drifting in
    plane as vessels do), ``flat`` (noise at lung density), ``edge`` or ``reflect``.

    Args:
        nodule: with a mask.
        rng: draws the kinds and the synthetic voxels.
        kinds: of ``KINDS``.

    Returns:
        The CT, and float32 (z, y, x) on its grid.
    """
    ct, marked = nodule.ct, nodule.marked
    if marked is None:
        raise ValueError(f"{nodule.name} has no mask")
    if not nodule.only_own_slices:
        return ct, marked
    count = int(np.ceil(CONTEXT_MM / ct.spacing_mm[2]))
    below = _context(ct.hu, marked, count, ct.spacing_mm, str(rng.choice(kinds)), rng)
    above = _context(ct.hu[::-1], marked[::-1], count, ct.spacing_mm, str(rng.choice(kinds)), rng)
    empty = np.zeros((count, *marked.shape[1:]), np.float32)
    hu = np.concatenate([below[::-1], ct.hu, above])
    longer = CT(hu, ct.spacing_mm, tuple(ct.point_of((0, 0, -count))), ct.direction, ct.acquisition)
    return longer, np.concatenate([empty, marked, empty])


def _context(hu, marked, count: int, spacing, kind: str, rng: np.random.Generator) -> np.ndarray:
    """Returns ``count`` slices that continue the stack before its first slice, the nearest
    first."""
    if kind == "edge":
        return np.repeat(hu[:1], count, axis=0)
    if kind == "reflect":
        return np.pad(hu, ((count, 0), (0, 0), (0, 0)), mode="reflect")[:count][::-1]
    if kind == "flat":
        noise = gaussian_filter(rng.standard_normal((count, *hu.shape[1:])), 1) * 150
        return (LUNG_HU + rng.uniform(-50, 100) + noise).astype(np.int16)
    clean = without_nodule(hu[0], (marked > 0).any(axis=0), rng)
    drift = (
        np.cumsum(rng.normal(0, 0.25, 2) + rng.normal(0, 0.3, (count, 2)), axis=0)
        * spacing[2]
        / spacing[0]
    )
    return np.stack(
        [np.roll(clean, tuple(np.rint(shift).astype(int)), axis=(0, 1)) for shift in drift]
    )


def without_nodule(
    slice_hu: np.ndarray, outline: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns the slice (y, x) with its nodule (bool, dilated here) covered by what lies beside
    it."""
    hole = binary_dilation(outline, iterations=3)
    reach = int(np.sqrt(hole.sum())) + 8
    angle = rng.uniform(0, 2 * np.pi)
    shift = (int(reach * np.sin(angle)), int(reach * np.cos(angle)))
    blend = gaussian_filter(hole.astype(np.float32), 1.5)
    return (slice_hu * (1 - blend) + np.roll(slice_hu, shift, axis=(0, 1)) * blend).astype(np.int16)
