"""Turns a mask network's map into the nodule's mask on the CT's own grid."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, label, map_coordinates

from nodulerisk.assessment import NoduleMask, trimmed
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT
from nodulerisk.tasks import EvidenceLevel

MASK_LEVEL = 0.5  # probability at the nodule's surface: for mask, mesh and outlines alike
# Axes of a (z, y, x) cube to reflect, the first entry none.
REFLECTIONS: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (1, 2))
REACH_MM = 5.0  # a nodule that begins farther than this from the point is another one


def nodule_mask(
    probability: np.ndarray, grid: Grid, ct: CT, point_lps_mm, evidence: EvidenceLevel
) -> NoduleMask:
    """Returns the mask of the nodule at the point: empty if the map shows none within 5 mm.

    Args:
        probability: float32 (z, y, x), the network's map.
        grid: where its voxels lie.
        ct: the CT on whose grid the mask is wanted.
        point_lps_mm: the user's point (x, y, z), LPS mm.
        evidence: what the mask network rests on.
    """
    alone = _component_at(probability, grid, point_lps_mm)
    region, first = _on_ct_grid(alone, grid, ct)
    part, offset = trimmed(region)
    z, y, x = (int(a + b) for a, b in zip(first, offset, strict=True))
    return NoduleMask(part, (z, y, x), ct.hu.shape, alone, grid, evidence)


def hand_mask(
    region: np.ndarray,
    first_voxel: tuple[int, int, int],
    ct: CT,
    evidence: EvidenceLevel = "reader",
) -> NoduleMask:
    """Returns a mask that was drawn or corrected by hand; its map is the mask itself, on the CT's
    own grid.

    Args:
        region: bool or uint8 (z, y, x), a part of the CT's grid, not 0 in the nodule; may be empty.
        first_voxel: index (z, y, x) of region[0, 0, 0] in the CT.
        ct: the CT, or a crop of it that ``first_voxel`` counts from.
        evidence: what the mask rests on.
    """
    part, offset = trimmed(region > 0)
    z, y, x = (int(a + b) for a, b in zip(first_voxel, offset, strict=True))
    grid = Grid(ct.point_of((x - 1, y - 1, z - 1)), ct.direction * ct.spacing_mm)
    return NoduleMask(
        part, (z, y, x), ct.hu.shape, np.pad(part, 1).astype(np.float32), grid, evidence
    )


def centroid_lps_mm(nodule: NoduleMask) -> np.ndarray:
    """Returns the LPS position in mm of the centre of mass of the map's part above 0.5."""
    voxels = np.argwhere(nodule.probability >= MASK_LEVEL).mean(axis=0)
    return nodule.grid.origin_lps_mm + nodule.grid.axes @ voxels[::-1]


def touches_cube_edge(nodule: NoduleMask) -> bool:
    """Whether the nodule extends beyond the cube that the network saw."""
    inside = nodule.probability >= MASK_LEVEL
    return bool(any(inside.take(end, axis).any() for axis in range(3) for end in (0, -1)))


def touches_ct_edge(nodule: NoduleMask) -> bool:
    """Whether the mask reaches the CT's outermost voxels."""
    low = np.array(nodule.first_voxel)
    beyond = low + nodule.region.shape
    return bool(nodule.region.any() and ((low == 0) | (beyond == nodule.ct_shape)).any())


def mask_dice(first: NoduleMask, second: NoduleMask) -> float:
    """Returns 2 |A and B| / (|A| + |B|) of two masks on one CT; 1 if both are empty."""
    total = int(first.region.sum()) + int(second.region.sum())
    low = np.maximum(first.first_voxel, second.first_voxel)
    ends = [np.add(mask.first_voxel, mask.region.shape) for mask in (first, second)]
    high = np.maximum(np.minimum(*ends), low)
    shared = [
        mask.region[tuple(slice(a, b) for a, b in zip(low - start, high - start, strict=True))] > 0
        for mask, start in ((m, np.array(m.first_voxel)) for m in (first, second))
    ]
    return 2 * int((shared[0] & shared[1]).sum()) / total if total else 1.0


def _component_at(probability: np.ndarray, grid: Grid, point_lps_mm) -> np.ndarray:
    """Returns the map with every connected part zeroed but the one nearest to the point."""
    parts, count = label(probability >= MASK_LEVEL)
    if count == 0:
        return np.zeros_like(probability)
    voxels = np.argwhere(parts)
    positions = grid.origin_lps_mm + voxels[:, ::-1] @ grid.axes.T
    distances = np.linalg.norm(positions - point_lps_mm, axis=1)
    nearest = int(np.argmin(distances))
    if distances[nearest] > REACH_MM:
        return np.zeros_like(probability)
    chosen = parts == parts[tuple(voxels[nearest])]
    rim = binary_dilation(chosen)  # keeps the slope at the surface, so that contours stay smooth
    return np.where(
        rim, np.where(chosen, probability, np.minimum(probability, MASK_LEVEL - 1e-3)), 0
    )


def _on_ct_grid(probability: np.ndarray, grid: Grid, ct: CT) -> tuple[np.ndarray, tuple[int, ...]]:
    """Interpolates the map at the CT's voxels (linearly, so that thick slices show no stair-steps)
    and thresholds it at 0.5.

    Returns:
        bool (z, y, x) around the map, and the index of its first voxel.
    """
    shape = np.array(probability.shape)
    corners = np.array(np.meshgrid(*((-1, n) for n in shape[::-1]), indexing="ij")).reshape(3, -1)
    in_ct = np.stack([ct.voxel_of(grid.origin_lps_mm + grid.axes @ corner) for corner in corners.T])
    size = np.array(ct.hu.shape[::-1])
    low = np.clip(np.floor(in_ct.min(axis=0)).astype(int), 0, size)
    high = np.clip(np.ceil(in_ct.max(axis=0)).astype(int) + 1, 0, size)
    # x, y, z
    voxels = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij")
    )
    step = np.linalg.solve(grid.axes, ct.direction * ct.spacing_mm)  # one CT voxel in map voxels
    start = np.linalg.solve(grid.axes, np.asarray(ct.origin_lps_mm) - grid.origin_lps_mm)
    in_map = np.einsum("ij,jxyz->ixyz", step, voxels) + start[:, None, None, None]
    values = map_coordinates(probability, in_map[::-1], order=1, mode="constant", cval=0.0)
    return (values >= MASK_LEVEL).transpose(2, 1, 0), tuple(int(v) for v in low[::-1])
