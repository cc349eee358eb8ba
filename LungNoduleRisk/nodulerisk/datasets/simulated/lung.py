"""Real lung to grow a nodule in. Arrays are (z, y, x) at 1 mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import binary_dilation, uniform_filter, zoom

from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.datasets.context import with_context, without_nodule
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.errors import NoduleRiskError

CUBE_MM = 80  # DenseSharp's data format
LUNG_HU = (-960.0, -700.0)  # between the air of a trachea and dense lung
SOFT_TISSUE_HU = -300.0  # also the solid component's threshold in the measurements
PLACE_REACH_MM = (3.0, 20.0, 20.0)  # z, y, x around the background's centre, where its CT is real
# at the borders of slices made up by `with_context`, which may come from the opposite side
WRAPPED_PIXELS = 6
MAX_SOFT_SHARE = 0.15  # of the box around the nodule: chest wall and vessels
WALL_MM = 7  # soft tissue thicker than this is not a vessel: the nodule stops there


def first_with_lung(
    backgrounds: Sequence[LabelledNodule], diameter: float, rng: np.random.Generator
) -> tuple[LabelledNodule, np.ndarray]:
    """Returns a background and its cube of lung, float32 (80, 80, 80) HU: the first that has lung,
    counting from a random one."""
    first = int(rng.integers(max(len(backgrounds), 1)))
    for background in (*backgrounds[first:], *backgrounds[:first]):
        lung = lung_cube(background, diameter, rng)
        if lung is not None:
            return background, lung
    raise NoduleRiskError(
        f"None of the {len(backgrounds)} CTs has lung within {PLACE_REACH_MM[1]:.0f} mm of its"
        " centre to simulate a nodule in. Give CTs around nodules in the lung."
    )


def lung_cube(
    background: LabelledNodule, diameter: float, rng: np.random.Generator
) -> np.ndarray | None:
    """Returns lung of the background without its own nodule, float32 (80, 80, 80) HU at 1 mm; None
    if there is none.

    Args:
        background: any CT around its centre.
        diameter: of the nodule to insert, mm, for which there is room around the cube's middle.
        rng: draws the place and what covers the background's own nodule.
    """
    if not background.ct.contains(background.centre_lps_mm):
        return None
    ct = _without_own_nodule(background, rng)
    centre = np.rint(ct.voxel_of(background.centre_lps_mm)[::-1]).astype(int)
    spacing = np.array(ct.spacing_mm[::-1])
    reach = np.ceil((np.array(PLACE_REACH_MM) + CUBE_MM / 2) / spacing).astype(int)
    margin = np.array([0, 1, 1]) * (WRAPPED_PIXELS if background.only_own_slices else 0)
    first, end = (
        np.maximum(centre - reach, margin),
        np.minimum(centre + reach + 1, ct.hu.shape - margin),
    )
    near = ct.hu[tuple(slice(a, b) for a, b in zip(first, end, strict=True))]
    volume = zoom(np.maximum(near, AIR_HU).astype(np.float32), spacing, order=1, mode="nearest")
    place = _lung_place(volume, (centre - first) * spacing, diameter, rng)
    return None if place is None else _cube_around(volume, place)


def _without_own_nodule(background: LabelledNodule, rng: np.random.Generator) -> CT:
    """Returns the background's CT with its nodule covered, continued above and below if it ends
    with the nodule."""
    ct = background.ct
    marked = np.zeros(ct.hu.shape, np.float32) if background.marked is None else background.marked
    outline, angle = marked.max(axis=0) > 0, int(rng.integers(2**31))
    if (
        outline.any()
    ):  # every slice from the same side, so that the patch over the nodule is continuous along z
        covered = [
            without_nodule(slice_hu, outline, np.random.default_rng(angle)) for slice_hu in ct.hu
        ]
        ct = replace(ct, hu=np.stack(covered))
    return with_context(replace(background, ct=ct, marked=np.zeros_like(marked)), rng)[0]


def _lung_place(
    volume: np.ndarray, centre: np.ndarray, diameter: float, rng: np.random.Generator
) -> np.ndarray | None:
    """Returns the index (z, y, x) of a random voxel within reach of the centre with lung around it;
    None: there is none."""
    around = uniform_filter(volume, 5)
    soft = uniform_filter((volume > SOFT_TISSUE_HU).astype(np.float32), round(diameter))
    fits = (around > LUNG_HU[0]) & (around < LUNG_HU[1]) & (soft < MAX_SOFT_SHARE)
    low = np.maximum(np.rint(centre - PLACE_REACH_MM), 0).astype(int)
    high = np.rint(centre + PLACE_REACH_MM).astype(int) + 1
    places = np.argwhere(fits[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    return low + places[rng.integers(len(places))] if len(places) else None


def _cube_around(volume: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Returns (80, 80, 80) voxels around the place; mirrored outside the volume."""
    offsets = np.arange(CUBE_MM) - CUBE_MM // 2

    def mirrored(index: np.ndarray, last: int) -> np.ndarray:
        return last - np.abs(index % (2 * last) - last)

    indices = [
        mirrored(at + offsets, max(size - 1, 1))
        for at, size in zip(place, volume.shape, strict=True)
    ]
    return volume[np.ix_(*indices)]


def wall_of(hu: np.ndarray) -> np.ndarray:
    """Returns a bool mask of soft tissue too thick for a vessel."""
    soft = hu > SOFT_TISSUE_HU
    core = uniform_filter(soft.astype(np.float32), WALL_MM) > 0.95
    return binary_dilation(core, iterations=WALL_MM // 2) & soft
