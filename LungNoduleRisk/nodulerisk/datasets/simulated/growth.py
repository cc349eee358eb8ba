"""The body of a simulated nodule, and how it is put into lung.

A body is an ellipsoid whose radius varies smoothly over the sphere; notches separate its lobes. The
solid part is an off-centre cluster inside it, cut to its long axis, in a haze that thins outwards
until the nodule's mean HU is reached. Spicules taper outwards, a line may lead to the pleura, and
an airway may run through it; spicules and line are no part of the mask, as they are left out of a
measured diameter. Tissue fills the air of the lung: vessels stay visible through ground glass.
Edges are blurred along z according to the CT's slice thickness. Arrays are (z, y, x) at 1 mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, gaussian_filter1d, label
from scipy.optimize import brentq
from scipy.spatial.distance import pdist

from nodulerisk.ct.volume import AIR_HU
from nodulerisk.datasets.simulated.lung import CUBE_MM, LUNG_HU, wall_of
from nodulerisk.datasets.simulated.patterns import Look

Range = tuple[float, float]

TISSUE_HU = 60.0  # lung without any air
MIN_CONTRAST_HU = 60.0  # ground glass above the lung around it

ELONGATION: Range = (0.85, 1.2)  # of each axis of the ellipsoid
WAVINESS: Range = (0.04, 0.11)  # slow change of the radius, as a share of it
# depth of the notches between lobes, as a share of the radius
LOBULATION: dict[bool, Range] = {False: (0.0, 0.06), True: (0.14, 0.34)}
ISLANDS = (1, 5)  # foci that the solid part grows from; the high end is excluded
EDGE_MM: Range = (1.2, 3.0)
HAZE_MM: Range = (0.3, 60.0)  # around the solid part, until only ground glass is left
TEXTURE_HU: Range = (25.0, 60.0)  # SD
SPICULES = (8, 24)  # the high end is excluded
SPICULE_MM: Range = (3.0, 10.0)
SPICULE_HALF_MM: Range = (0.7, 1.2)  # half a spicule's width where it leaves the surface
LINE_HALF_MM = 1.0
AIRWAY_MM: Range = (0.8, 1.5)  # radius of an airway that runs through


@dataclass(frozen=True, eq=False)
class Growth:
    """A nodule to insert, on the grid of its cube of lung, (80, 80, 80).

    Attributes:
        mask: bool, the nodule without its spicules.
        solid: bool, its solid part.
        cover: float32, the share (0..1) of each voxel that the nodule or a spicule takes.
        target_hu: float32, HU to reach where the cover is 1.
    """

    mask: np.ndarray
    solid: np.ndarray
    cover: np.ndarray
    target_hu: np.ndarray


def grow(look: Look, lung: np.ndarray, rng: np.random.Generator) -> Growth:
    """Grows a nodule at the middle of the lung cube; it stops at the chest wall."""
    half = _half_box(look)
    box = (slice(CUBE_MM // 2 - half, CUBE_MM // 2 + half),) * 3
    offsets, wall = _offsets(half), wall_of(lung[box])
    depth = _body(offsets, look.diameter_mm / 2, rng.uniform(*LOBULATION[look.lobulated]), rng)
    depth -= _level(np.where(wall, -np.inf, depth), look.diameter_mm)
    mask = largest_part((depth > 0) & ~wall)
    inside = _solid_depth(look.solid_mm, offsets, mask, rng)
    lines = np.zeros(mask.shape, np.float32)
    if look.spiculated:
        lines = _spicules(offsets, depth, rng)
    if look.retracted and wall.any():
        lines = np.maximum(lines, _line_to(wall, offsets))
    cover = _ramp(depth / rng.uniform(*EDGE_MM))
    if look.bronchogram:
        cover *= _beside_airway(offsets, 0.2 * look.diameter_mm, rng)
    target = _target_hu(look, inside, mask, cover, _lung_hu(lung))
    target += _smooth_noise(mask.shape, 1.8, rng) * rng.uniform(*TEXTURE_HU)
    target = np.where(lines > cover, look.solid_hu, target)
    parts = (mask, mask & (inside > 0), np.maximum(cover, lines), target.astype(np.float32))
    return Growth(*(_in_cube(part, box) for part in parts))


def _half_box(look: Look) -> int:
    """Returns half the side of the box to work in: the whole cube, if a line may lead out of it."""
    reach = SPICULE_MM[1] if look.spiculated else 0
    whole = CUBE_MM // 2
    return whole if look.retracted else min(int(0.75 * look.diameter_mm + reach) + 4, whole)


def _target_hu(
    look: Look, inside: np.ndarray, mask: np.ndarray, cover: np.ndarray, lung_hu: float
) -> np.ndarray:
    """Returns the HU of the tissue: solid where ``inside`` is positive, and thinning out around
    that until the mean over the mask, lung at its edge included, is the wanted one (or the nearest
    that a haze can reach)."""
    glass = max(look.glass_hu, lung_hu + MIN_CONTRAST_HU)

    def tissue(haze_mm: float) -> np.ndarray:
        return glass + np.clip(1 + inside / haze_mm, 0, 1) * (look.solid_hu - glass)

    def excess(haze_mm: float) -> float:
        filled = lung_hu + cover[mask] * (tissue(haze_mm)[mask] - lung_hu)
        return float(filled.mean()) - look.mean_hu

    low, high = HAZE_MM
    if excess(low) >= 0:
        return tissue(low)
    return tissue(high if excess(high) <= 0 else brentq(excess, low, high, xtol=0.05))


def _line_to(wall: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Returns the cover (0..1) of a line from the middle to the nearest voxel of the wall."""
    places = offsets[:, wall]
    end = places[:, np.argmin((places**2).sum(axis=0))]
    share = np.clip(np.tensordot(end, offsets, 1) / max(float(end @ end), 1.0), 0, 1)
    away = np.sqrt(((offsets - share * end[:, None, None, None]) ** 2).sum(axis=0))
    return np.clip(LINE_HALF_MM + 0.5 - away, 0, 1).astype(np.float32)


def _beside_airway(offsets: np.ndarray, off_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Returns what an airway leaves of each voxel (0..1): a straight tube that passes the middle
    within ``off_mm``."""
    direction = _point_within(1, rng)
    direction /= np.linalg.norm(direction)
    moved = offsets - _point_within(off_mm, rng)[:, None, None, None]
    along = np.tensordot(direction, moved, 1)
    away = np.sqrt(np.maximum((moved**2).sum(axis=0) - along**2, 0))
    return np.clip(away - rng.uniform(*AIRWAY_MM) + 0.5, 0, 1)


def _in_cube(part: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    cube = np.zeros((CUBE_MM,) * 3, part.dtype)
    cube[box] = part
    return cube


def _offsets(half: int) -> np.ndarray:
    """Returns float32 (3, 2 half, 2 half, 2 half): z, y, x in mm from the middle voxel."""
    axis = np.arange(-half, half, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))


def _body(
    offsets: np.ndarray, radius: float, lobulation: float, rng: np.random.Generator
) -> np.ndarray:
    """Draws a body and returns the depth (mm) of every voxel below its surface; negative
    outside."""
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    stretched = np.tensordot((turn * rng.uniform(*ELONGATION, 3)).astype(np.float32), offsets, 1)
    distance = np.sqrt((stretched**2).sum(axis=0)) + 1e-3
    direction = stretched / distance
    waves = rng.uniform(*WAVINESS) * _waves(direction, 1.5, rng)
    lobes = lobulation * np.minimum(np.abs(_waves(direction, 2.5, rng)) - 0.7, 0.7)
    return radius * np.maximum(1 + waves + lobes, 0.4) - distance


def _waves(direction: np.ndarray, detail: float, rng: np.random.Generator) -> np.ndarray:
    """Returns a smooth random field over the sphere (unit vectors (3, ...)), SD about 1; more
    detail means more hills."""
    count = 8
    turns = rng.normal(0, detail, (count, 3)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
    return (
        sum(
            np.cos(np.tensordot(turn, direction, 1) + phase)
            for turn, phase in zip(turns, phases, strict=True)
        )
        / 2
    )


def _solid_depth(
    solid_mm: float, offsets: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns the depth (mm) of every voxel inside the solid part, which ends at the mask; one
    shorter than half a voxel fills none."""
    if solid_mm < 0.5:
        return np.full(mask.shape, -float(CUBE_MM), np.float32)
    axis = long_axis_mm(mask)
    centre = _point_within(0.25 * axis, rng)
    foci = [centre + _point_within(0.5 * solid_mm + 1, rng) for _ in range(rng.integers(*ISLANDS))]
    depth = np.max(
        [-np.sqrt(((offsets - f[:, None, None, None]) ** 2).sum(axis=0)) for f in foci], axis=0
    )
    depth += _smooth_noise(mask.shape, 1.5, rng) * 0.7
    return depth - _level(
        np.where(mask, depth, -np.inf), min(solid_mm + 0.5, axis - 0.1)
    )  # to the nearest mm


def _point_within(radius: float, rng: np.random.Generator) -> np.ndarray:
    """Draws a point in the ball, float32 (3,), more likely near the centre."""
    step = rng.standard_normal(3)
    return (step / np.linalg.norm(step) * rng.uniform(0, radius)).astype(np.float32)


def _level(depth: np.ndarray, axis_mm: float) -> float:
    """Returns the level above which the largest part of a field is at most so long (mm).

    Args:
        depth: any field (z, y, x); voxels at -inf are not counted.
        axis_mm: shorter than the part made of all finite voxels.
    """
    finite = depth[np.isfinite(depth)]
    # at above, one voxel is left
    below, above = (float(finite.min()) - 1, float(np.partition(finite, -2)[-2]))
    while above - below > 0.02:
        middle = (below + above) / 2
        if long_axis_mm(largest_part(depth > middle)) > axis_mm:
            below = middle
        else:
            above = middle
    return above


def _spicules(offsets: np.ndarray, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the float32 cover (0..1) of lines that leave the surface outwards, bend a little and
    taper."""
    shell = (depth < 1) & (depth > -SPICULE_MM[1])
    points, height = offsets[:, shell], -depth[shell]
    cover = np.zeros(len(height), np.float32)
    for _ in range(rng.integers(*SPICULES)):
        direction, bend = (_point_within(1, rng) for _ in range(2))
        direction /= np.linalg.norm(direction)
        # share of its length that is left: 1 at the surface, 0 at the tip
        left = 1 - height / rng.uniform(*SPICULE_MM)
        curved = points - bend[:, None] * np.maximum(height, 0) * 0.4
        along = direction @ curved
        beside = np.sqrt(np.maximum((curved**2).sum(axis=0) - along**2, 0))
        line = np.clip(rng.uniform(*SPICULE_HALF_MM) * left + 0.5 - beside, 0, 1) * np.clip(
            3 * left, 0, 1
        )
        cover = np.maximum(cover, np.where(along > 0, line, 0))
    return _placed(cover, shell)


def _placed(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    field = np.zeros(where.shape, np.float32)
    field[where] = values
    return field


def _ramp(x: np.ndarray) -> np.ndarray:
    """A step from 0 below -1/2 to 1 above 1/2, smooth in between."""
    t = np.clip(x + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Returns smooth float32 noise of SD 1."""
    noise = gaussian_filter(rng.standard_normal(shape, np.float32), sigma, mode="wrap")
    return noise / noise.std()


def largest_part(region: np.ndarray) -> np.ndarray:
    """Returns the largest connected part of a region, bool (z, y, x); voxels that touch at corners
    are connected."""
    parts, count = label(region, np.ones((3, 3, 3)))
    return parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]) if count > 1 else region


def long_axis_mm(region: np.ndarray) -> float:
    """Returns the longest in-plane diameter over all axial slices of a bool region at 1 mm, outer
    face to outer face; 0 if empty."""
    edge = region & ~binary_erosion(region, np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]]))
    slices = [np.argwhere(plane) for plane in edge if plane.any()]
    return max((1.0 + max(pdist(points), default=0.0) for points in slices), default=0.0)


def inserted(
    growth: Growth, lung: np.ndarray, slice_mm: float, rng: np.random.Generator
) -> np.ndarray:
    """Returns the lung with the nodule: int16 (80, 80, 80) HU, unchanged beyond the nodule and its
    blur.

    Tissue replaces air: the lung's mean rises to the target, and a vessel stays as bright as it
    was. Noise is added for the noise that is lost with the air.

    Args:
        growth: on the lung's grid.
        lung: float32 HU.
        slice_mm: distance between the slices that the lung was read from.
        rng: draws the noise.
    """
    mean = _lung_hu(lung)
    filled = growth.cover * (np.clip(growth.target_hu, mean, TISSUE_HU) - mean) / (TISSUE_HU - mean)
    filled = gaussian_filter1d(filled, slice_mm / 2.355, axis=0, truncate=2)  # FWHM to SD
    lost = _noise_hu(lung) * np.sqrt(1 - (1 - filled) ** 2)
    hu = lung + filled * (TISSUE_HU - lung) + lost * _smooth_noise(lung.shape, 0.5, rng)
    return np.rint(np.clip(hu, AIR_HU, np.iinfo(np.int16).max)).astype(np.int16)


def _lung_hu(lung: np.ndarray) -> float:
    """Returns the median HU of the lung around the middle of its cube."""
    near = lung[20:-20, 20:-20, 20:-20]
    return float(np.median(near[near < LUNG_HU[1]]))


def _noise_hu(lung: np.ndarray) -> float:
    """Returns the SD of the noise between vessels, from the median of what a small blur removes."""
    near = lung[20:-20, 20:-20, 20:-20]
    rest = (near - gaussian_filter(near, 1))[near < LUNG_HU[1]]
    return 1.4826 * float(np.median(np.abs(rest)))
