"""Simulated nodules, for the tasks whose labels no public CT carries: invasiveness, IASLC grade and
subtype.

A nodule of known growth pattern is grown into the lung of a real CT. This shows the workflow and
says nothing about a patient: it assumes that the classes look like their textbook descriptions, and
learns nothing from pathology.

* **AAH-AIS**: ground glass alone (lepidic growth), round, hardly lobulated.
* **MIA**: ground glass around a solid (invasive) component of at most 5 mm, in one to three
  islands.
* **IA**: a solid component above 5 mm. From grade 1 (mostly lepidic) to grade 3 (high-grade
  patterns) the solid share (CTR), lobulation and spiculation grow. Neighbouring grades overlap in
  each of them, and the sizes of all overlap.

A body is an ellipsoid whose radius varies smoothly over the sphere; notches separate its lobes. The
solid part is an off-centre cluster inside it, cut to the long axis of its class, so that the labels
are exactly right for the masks made. Spicules taper outwards and are no part of the mask, as they
are left out of a measured diameter. Tissue fills the air of the lung: vessels stay visible through
ground glass. Edges are blurred along z according to the CT's slice thickness.

Every range is in ``PATTERNS``; values are drawn from it uniformly. Arrays are (z, y, x) at 1 mm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    center_of_mass,
    gaussian_filter,
    gaussian_filter1d,
    label,
    uniform_filter,
    zoom,
)
from scipy.spatial.distance import pdist

from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.datasets.context import with_context, without_nodule
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.errors import NoduleRiskError

Range = tuple[float, float]

CUBE_MM = 80  # DenseSharp's data format
INVASIVE_MM = 5.0  # the solid component's long axis that separates MIA from IA

TISSUE_HU = 60.0  # lung without any air
LUNG_HU = (-960.0, -700.0)  # between the air of a trachea and dense lung
SOFT_TISSUE_HU = -300.0  # also the solid component's threshold in the measurements
PLACE_REACH_MM = (3.0, 20.0, 20.0)  # z, y, x around the background's centre, where its CT is real
# at the borders of slices made up by `with_context`, which may come from the opposite side
WRAPPED_PIXELS = 6
MAX_SOFT_SHARE = 0.15  # of the box around the nodule: chest wall and vessels
WALL_MM = 7  # soft tissue thicker than this is not a vessel: the nodule stops there
MIN_CONTRAST_HU = 120.0  # ground glass above the lung around it

ELONGATION: Range = (0.85, 1.2)  # of each axis of the ellipsoid
WAVINESS: Range = (0.04, 0.11)  # slow change of the radius, as a share of it
GLASS_EDGE_MM: Range = (1.5, 3.5)
SOLID_EDGE_MM: Range = (1.2, 2.2)
GLASS_TEXTURE_HU: Range = (25.0, 60.0)  # SD
SPICULE_MM: Range = (0.7, 1.2)  # half a spicule's width where it leaves the surface


@dataclass(frozen=True)
class GrowthPattern:
    """The appearance of a class: ranges (low, high).

    Attributes:
        labels: task -> class.
        diameter_mm: long axis of the whole nodule in an axial slice.
        glass_hu: mean of the ground glass.
        solid_hu: mean of the solid component.
        solid_ratio: CTR, the solid component's long axis / the nodule's, before ``solid_mm`` limits
            it; (0, 0): no solid component.
        solid_mm: the solid component's long axis in an axial slice.
        islands: foci that the solid component grows from; the high end is excluded.
        lobulation: depth of the notches between lobes, as a share of the radius.
        spicules: how many; the high end is excluded.
        spicule_mm: their length.
    """

    labels: dict[str, int]
    diameter_mm: Range
    glass_hu: Range
    solid_hu: Range = (-120.0, 30.0)
    solid_ratio: Range = (0.0, 0.0)
    solid_mm: Range = (0.0, 0.0)
    islands: tuple[int, int] = (1, 2)
    lobulation: Range = (0.0, 0.06)
    spicules: tuple[int, int] = (0, 1)
    spicule_mm: Range = (2.0, 4.0)


def _invasive(grade: int) -> dict[str, int]:
    return {"subtype": 2, "invasiveness": 1, "grade": grade}


AAH_AIS = GrowthPattern(
    {"subtype": 0, "invasiveness": 0}, diameter_mm=(4, 20), glass_hu=(-700, -520)
)
MIA = GrowthPattern(
    {"subtype": 1, "invasiveness": 0},
    diameter_mm=(8, 22),
    glass_hu=(-680, -480),
    solid_ratio=(0.15, 0.5),
    solid_mm=(3.0, 4.9),
    islands=(1, 4),
    lobulation=(0.0, 0.10),
)
GRADES = (
    GrowthPattern(
        _invasive(0),
        diameter_mm=(10, 28),
        glass_hu=(-660, -440),
        solid_hu=(-100, 30),
        solid_ratio=(0.3, 0.6),
        solid_mm=(5.5, CUBE_MM),
        islands=(2, 5),
        lobulation=(0.02, 0.12),
        spicules=(0, 3),
    ),
    GrowthPattern(
        _invasive(1),
        diameter_mm=(9, 28),
        glass_hu=(-620, -400),
        solid_hu=(-60, 40),
        solid_ratio=(0.5, 0.85),
        solid_mm=(5.5, CUBE_MM),
        islands=(2, 6),
        lobulation=(0.08, 0.22),
        spicules=(0, 10),
        spicule_mm=(2.0, 6.0),
    ),
    GrowthPattern(
        _invasive(2),
        diameter_mm=(8, 28),
        glass_hu=(-560, -350),
        solid_hu=(-30, 50),
        solid_ratio=(0.8, 1.1),
        solid_mm=(5.5, CUBE_MM),
        islands=(2, 6),
        lobulation=(0.16, 0.34),
        spicules=(8, 24),
        spicule_mm=(3.0, 10.0),
    ),
)
PATTERNS = (AAH_AIS, MIA, *GRADES)


def simulate_nodules(
    backgrounds: Sequence[LabelledNodule], count: int, seed: int
) -> Iterator[LabelledNodule]:
    """Grows nodules into real lung; the n-th depends only on the seed and the backgrounds, not on
    ``count``.

    Args:
        backgrounds: provide the lung; a marked nodule is covered first, and slices that end with it
            are continued.
        count: how many; on average a third of each subtype and, among invasive ones, of each grade.
        seed: 0 or more.

    Returns:
        Nodules whose CT is 80x80x80 voxels of 1 mm with the nodule around voxel (40, 40, 40); with
        mask, labels and long axis, and the patient and split of their background.

    Raises:
        NoduleRiskError: none of the backgrounds has lung to grow a nodule in.
    """
    for index in range(count):
        yield _simulated(backgrounds, np.random.default_rng((seed, index)), f"sim-{index:06d}")


def _simulated(
    backgrounds: Sequence[LabelledNodule], rng: np.random.Generator, name: str
) -> LabelledNodule:
    subtype = rng.integers(3)
    pattern = PATTERNS[subtype] if subtype < 2 else GRADES[rng.integers(3)]
    diameter = rng.uniform(*pattern.diameter_mm)
    background, lung = _first_with_lung(backgrounds, diameter, rng)
    growth = grow(pattern, diameter, lung, rng)
    hu = inserted(growth, lung, background.ct.spacing_mm[2], rng)
    ct = CT(hu, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), background.ct.direction)
    x, y, z = ct.point_of(center_of_mass(growth.mask)[::-1])
    return LabelledNodule(
        name=name,
        patient=background.patient,
        ct=ct,
        centre_lps_mm=(float(x), float(y), float(z)),
        evidence="simulated",
        labels=dict(pattern.labels),
        marked=growth.mask.astype(np.float32),
        diameter_mm=long_axis_mm(growth.mask),
        split=background.split,
    )


# --- the lung to grow in ---


def _first_with_lung(
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


# --- the nodule ---


@dataclass(frozen=True, eq=False)
class Growth:
    """A nodule to insert, on the grid of its cube of lung, (80, 80, 80).

    Attributes:
        mask: bool, the nodule without its spicules.
        solid: bool, its solid component.
        cover: float32, the share (0..1) of each voxel that the nodule or a spicule takes.
        target_hu: float32, HU to reach where the cover is 1.
    """

    mask: np.ndarray
    solid: np.ndarray
    cover: np.ndarray
    target_hu: np.ndarray


def grow(
    pattern: GrowthPattern, diameter: float, lung: np.ndarray, rng: np.random.Generator
) -> Growth:
    """Grows a nodule of this pattern and long axis (mm) at the middle of the lung cube; it stops at
    the chest wall."""
    half = int(0.75 * diameter + pattern.spicule_mm[1]) + 4
    box = (slice(CUBE_MM // 2 - half, CUBE_MM // 2 + half),) * 3
    offsets = _offsets(half)
    room = ~_wall(lung[box])
    depth = _body(offsets, diameter / 2, rng.uniform(*pattern.lobulation), rng)
    depth -= _level(np.where(room, depth, -np.inf), diameter, longer=False)
    mask = largest_part((depth > 0) & room)
    inside = _solid_depth(pattern, offsets, mask, rng)
    spicules = _spicules(pattern, offsets, depth, rng)
    solidity = np.maximum(_ramp(inside / rng.uniform(*SOLID_EDGE_MM)), spicules)
    edge = GLASS_EDGE_MM if solidity[mask].mean() < 0.5 else SOLID_EDGE_MM
    cover = np.maximum(_ramp(depth / rng.uniform(*edge)), spicules)
    texture = _smooth_noise(offsets.shape[1:], 1.8, rng) * rng.uniform(*GLASS_TEXTURE_HU)
    glass = max(rng.uniform(*pattern.glass_hu), _lung_hu(lung) + MIN_CONTRAST_HU) + texture
    target = glass + solidity * (rng.uniform(*pattern.solid_hu) - glass)
    return Growth(*(_in_cube(part, box) for part in (mask, mask & (inside > 0), cover, target)))


def _in_cube(part: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    cube = np.zeros((CUBE_MM,) * 3, part.dtype)
    cube[box] = part
    return cube


def _offsets(half: int) -> np.ndarray:
    """Returns float32 (3, 2 half, 2 half, 2 half): z, y, x in mm from the middle voxel."""
    axis = np.arange(-half, half, dtype=np.float32)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"))


def _wall(hu: np.ndarray) -> np.ndarray:
    """Returns a bool mask of soft tissue too thick for a vessel."""
    soft = hu > SOFT_TISSUE_HU
    core = uniform_filter(soft.astype(np.float32), WALL_MM) > 0.95
    return binary_dilation(core, iterations=WALL_MM // 2) & soft


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
    pattern: GrowthPattern, offsets: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns the depth (mm) of every voxel inside the solid component, which ends at the mask;
    -inf: there is none."""
    if pattern.solid_ratio[1] == 0:
        return np.full(mask.shape, -np.inf, np.float32)
    axis = long_axis_mm(mask)
    wanted = np.clip(rng.uniform(*pattern.solid_ratio) * axis, *pattern.solid_mm)
    centre = _point_within(0.25 * axis, rng)
    foci = [
        centre + _point_within(0.5 * wanted + 1, rng) for _ in range(rng.integers(*pattern.islands))
    ]
    depth = np.max(
        [-np.sqrt(((offsets - f[:, None, None, None]) ** 2).sum(axis=0)) for f in foci], axis=0
    )
    depth += _smooth_noise(mask.shape, 1.5, rng) * 0.7
    longer = pattern.solid_mm[0] > INVASIVE_MM
    return depth - _level(np.where(mask, depth, -np.inf), min(wanted, axis - 0.1), longer)


def _point_within(radius: float, rng: np.random.Generator) -> np.ndarray:
    """Draws a point in the ball, float32 (3,), more likely near the centre."""
    step = rng.standard_normal(3)
    return (step / np.linalg.norm(step) * rng.uniform(0, radius)).astype(np.float32)


def _level(depth: np.ndarray, axis_mm: float, longer: bool) -> float:
    """Returns the level above which the largest part of a field has this long axis: just
    ``longer``, or at most as long.

    Args:
        depth: any field (z, y, x); voxels at -inf are not counted.
        axis_mm: shorter than the part made of all finite voxels.
        longer: which side of ``axis_mm`` to end on: the returned level was measured, so this holds
            exactly.
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
    return below if longer else above


def _spicules(
    pattern: GrowthPattern, offsets: np.ndarray, depth: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Returns the float32 cover (0..1) of lines that leave the surface outwards, bend a little and
    taper."""
    shell = (depth < 1) & (depth > -pattern.spicule_mm[1])
    points, height = offsets[:, shell], -depth[shell]
    cover = np.zeros(len(height), np.float32)
    for _ in range(rng.integers(*pattern.spicules)):
        direction, bend = (_point_within(1, rng) for _ in range(2))
        direction /= np.linalg.norm(direction)
        # share of its length that is left: 1 at the surface, 0 at the tip
        left = 1 - height / rng.uniform(*pattern.spicule_mm)
        curved = points - bend[:, None] * np.maximum(height, 0) * 0.4
        along = direction @ curved
        beside = np.sqrt(np.maximum((curved**2).sum(axis=0) - along**2, 0))
        line = np.clip(rng.uniform(*SPICULE_MM) * left + 0.5 - beside, 0, 1) * np.clip(
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


# --- the nodule in the lung ---


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
