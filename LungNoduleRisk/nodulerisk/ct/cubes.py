"""Nodule cubes: both published preprocessings, exactly, without resampling the whole CT.

``scipy.ndimage.zoom`` (cubic spline, prefilter and edge handling included) is linear and acts on
each axis alone, so the published chain of resample, central crop and view zoom is one small matrix
per axis, found by zooming the identity. A cube is then three matrix products on the few HU values
around the nodule.

Cubes are indexed z, y, x and run along +S, +P, +L, whatever the CT's own axis order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import zoom

from nodulerisk.ct.volume import CT, to_lps, triple
from nodulerisk.errors import PointError
from nodulerisk.language.texts import _

EMV_SPACING_MM = 0.625
EMV_BLOCK = 100  # voxels: 62.5 mm
EMV_WINDOW_HU = (-1400, 400)
DENSESHARP_SPACING_MM = 1.0
DENSESHARP_SIDE = 32  # voxels: 32 mm
DENSESHARP_WINDOW_HU = (-1024.0, 400.0)
PATIENT_SPACING_MM = 0.75
PATIENT_WINDOW_HU = (-1024.0, 600.0)
NEGLIGIBLE = 1e-14  # spline tails decay into denormals, which slow matrix products tenfold
SLAB_VOXELS = 16_000_000  # of a crop in memory as float32 at once; one of usual spacing has 4
LONGEST_BLOCK = 512  # voxels along a resampled block, at most
OBLIQUE_RAD = 1e-3  # a smaller tilt moves no voxel of a 62.5 mm block by more than 0.05 mm


@dataclass(frozen=True)
class Grid:
    """Where a cube's voxels lie: ``point = origin + axes @ voxel`` with voxel (x, y, z) and LPS
    mm."""

    origin_lps_mm: np.ndarray  # (3,)
    axes: np.ndarray  # (3, 3), columns: the LPS step in mm along x, y, z


def lps_block(ct: CT, point_lps_mm, side_mm: float = 90.0) -> CT:
    """Returns the CT with axes along +L, +P, +S: a view of the same voxels where a flip suffices,
    else a resampled block.

    An oblique CT is resampled (linear, edge values outside) on a straight grid of the same spacing,
    or of one that keeps the block's memory within bounds, through the point.

    Raises:
        PointError: the point lies outside the volume.
    """
    if not ct.contains(point_lps_mm):
        words = _(
            "The point {point} mm (LPS) lies outside the CT: place it inside the volume, and check"
            " whether its coordinates are LPS or RAS."
        )
        raise PointError(words.format(point=np.round(point_lps_mm, 1).tolist()))
    straight = to_lps(ct)
    if np.abs(straight.direction - np.eye(3)).max() < OBLIQUE_RAD:
        return straight
    return _resampled_block(straight, np.asarray(point_lps_mm, float), side_mm)


def emv_grid(ct: CT, point_lps_mm, side: int, size: int, *, scan_order: bool = False) -> Grid:
    """Returns where the voxels of a view of ``emv_views`` lie in the patient; the arguments are
    that view's."""
    block = lps_block(ct, point_lps_mm)
    if scan_order and block.acquisition.head_to_foot:
        block = _head_first(block)
    half = np.array([emv_half_size(spacing) for spacing in block.spacing_mm])
    first, step = np.transpose([_view_axis(spacing, side, size) for spacing in block.spacing_mm])
    corner = _nearest_voxel(block, point_lps_mm)[::-1] - half + first
    return Grid(block.point_of(corner), block.direction * block.spacing_mm * step)


def _resampled_block(ct: CT, point_lps_mm: np.ndarray, side_mm: float) -> CT:
    import SimpleITK as sitk  # here: networks run without it

    spacing = np.maximum(ct.spacing_mm, side_mm / LONGEST_BLOCK)  # bounds the block's memory
    half = np.ceil(side_mm / 2 / spacing).astype(int)
    origin = point_lps_mm - half * spacing
    resample = sitk.ResampleImageFilter()
    resample.SetSize([int(n) for n in 2 * half + 1])
    resample.SetOutputSpacing(spacing.tolist())
    resample.SetOutputOrigin(origin.tolist())
    resample.SetInterpolator(sitk.sitkLinear)
    resample.SetUseNearestNeighborExtrapolator(True)
    image = resample.Execute(ct.to_sitk())
    return CT(
        sitk.GetArrayFromImage(image), triple(spacing), triple(origin), acquisition=ct.acquisition
    )


def emv_views(
    ct: CT,
    point_lps_mm,
    sides: tuple[int, int, int],
    size: int | None = None,
    *,
    scan_order: bool = False,
) -> np.ndarray:
    """The multi-view cubes of EMV-3D-CNN: three concentric cubes as channels, zoomed to one size.

    Args:
        ct: the CT.
        point_lps_mm: the nodule's centre (x, y, z), LPS mm; rounded to the nearest voxel as
            published.
        sides: voxels of the outer, middle and inner cube at 0.625 mm, such as (80, 60, 40).
        size: side of the result in voxels; by default the middle cube's.
        scan_order: z runs from head to foot where the scan's InstanceNumber does, as in the
            authors' own arrays.

    Returns:
        float32 (3, size, size, size), channel by view, then z, y, x; HU window [-1400, 400] as
        [-0.25, 0.75], cubic overshoot kept. Values past the scan's edge repeat the edge voxel.

    Raises:
        PointError: the point lies outside the volume.

    Source: npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z, Methods, and the authors'
    code.
    """
    return views_of(emv_block(ct, point_lps_mm, scan_order=scan_order), sides, size)


def emv_block(ct: CT, point_lps_mm, *, scan_order: bool = False) -> np.ndarray:
    """Returns the block that every view of a nodule is cut from: float32 (100, 100, 100), z, y, x,
    at 0.625 mm; see ``emv_views``."""
    block = lps_block(ct, point_lps_mm)
    if scan_order and block.acquisition.head_to_foot:
        block = _head_first(block)
    centre = _nearest_voxel(block, point_lps_mm)
    spacing = _zyx(block.spacing_mm)
    half = np.array([emv_half_size(s) for s in spacing])
    along_z, *in_plane = (emv_matrix(s) for s in spacing)
    planes = [_apply(_windowed(slab), in_plane) for slab in _slabs(block.hu, centre, half)]
    return _apply(np.concatenate(planes, axis=-1) if len(planes) > 1 else planes[0], [along_z])


def _slabs(hu: np.ndarray, centre: np.ndarray, half: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the edge-padded crop of ``centre`` ± ``half`` (z, y, x) in slabs along z, one if it is
    of usual size: a scan of 0.1 mm would take a gigabyte."""
    planes = max(1, SLAB_VOXELS // int(np.prod(2 * half[1:])))
    first, stop = centre[0] - half[0], centre[0] + half[0]
    for z in range(first, stop, planes):
        low, high = z, min(z + planes, stop)
        yield _edge_padded_crop(
            hu, np.r_[low, (centre - half)[1:]], np.r_[high, (centre + half)[1:]]
        )


def _windowed(hu: np.ndarray) -> np.ndarray:
    """Maps int16 HU to float32 -0.25..0.75, in place after the first copy: fresh memory costs more
    than the arithmetic."""
    low, high = EMV_WINDOW_HU
    values = hu.clip(low, high).astype(np.float32)
    values -= low
    values /= high - low
    values -= 0.25
    return values


def views_of(block: np.ndarray, sides: tuple[int, int, int], size: int | None = None) -> np.ndarray:
    """The three concentric cubes of an ``emv_block``: float32 (3, size, size, size); see
    ``emv_views``."""
    size = sides[1] if size is None else size
    views = np.empty((len(sides), size, size, size), np.float32)
    for view, side in zip(views, sides, strict=True):
        cube = block[(slice((EMV_BLOCK - side) // 2, (EMV_BLOCK + side) // 2),) * 3]
        view[:] = cube if side == size else _apply(cube, [view_matrix(side, size)] * 3)
    return views


def _head_first(block: CT) -> CT:
    top = tuple(block.point_of((0, 0, block.hu.shape[0] - 1)))
    return replace(
        block, hu=block.hu[::-1], origin_lps_mm=top, direction=block.direction * (1, 1, -1)
    )


def emv_half_size(spacing_mm: float) -> int:
    """Half the published crop, voxels: ceil(100 * 0.625 / spacing / 2)."""
    return int(np.ceil(EMV_BLOCK * EMV_SPACING_MM / spacing_mm / 2))


@lru_cache(maxsize=64)
def emv_matrix(spacing_mm: float) -> np.ndarray:
    """Returns one axis of crop -> 0.625 mm -> central 100: float32 (100, crop length)."""
    n = 2 * emv_half_size(spacing_mm)
    resampled = _zoom_matrix(n, round(n * spacing_mm / EMV_SPACING_MM))
    middle = round(len(resampled) / 2)  # Python's banker's rounding, as the authors' code rounds
    return _without_tails(resampled[middle - EMV_BLOCK // 2 : middle + EMV_BLOCK // 2]).astype(
        np.float32
    )


@lru_cache(maxsize=64)
def view_matrix(side: int, size: int) -> np.ndarray:
    """Returns one axis of a view's zoom: float32 (size, side)."""
    return _without_tails(_zoom_matrix(side, size)).astype(np.float32)


def densesharp_cube(ct: CT, point_lps_mm) -> np.ndarray:
    """Returns the DenseSharp input: 32 mm around the point at 1 mm, HU window [-1024, 400] as
    0..255.

    Equal to zooming the whole CT to 1 mm (cubic, int16), windowing, and cropping; 0 outside the
    scan.

    Args:
        ct: the CT.
        point_lps_mm: the nodule's centre (x, y, z), LPS mm.

    Returns:
        uint8 (32, 32, 32), z, y, x.

    Raises:
        PointError: the point lies outside the volume.

    Source: Cancer Research 2018, doi:10.1158/0008-5472.CAN-18-0696, and the authors' code.
    """
    block = lps_block(ct, point_lps_mm)
    axes = _densesharp_axes(block, point_lps_mm)
    crop = block.hu[tuple(slice(axis.start, axis.stop) for axis in axes)].astype(np.float64)
    hu = _apply(crop, [axis.matrix for axis in axes])
    hu = np.trunc(hu + np.copysign(0.5, hu))  # scipy stores int16, halves away from zero
    low, high = DENSESHARP_WINDOW_HU
    grey = np.round((np.clip(hu, low, high) - low) / (high - low) * 255).astype(np.uint8)
    cube = np.zeros((DENSESHARP_SIDE,) * 3, np.uint8)
    cube[tuple(slice(axis.first, axis.first + len(axis.matrix)) for axis in axes)] = grey
    return cube


def densesharp_grid(ct: CT, point_lps_mm) -> Grid:
    """Returns where the voxels of ``densesharp_cube`` lie in the patient: zoom aligns the CT's
    outermost voxel centres."""
    block = lps_block(ct, point_lps_mm)
    axes = _densesharp_axes(block, point_lps_mm)[::-1]  # x, y, z
    steps = np.array([axis.step_mm for axis in axes])
    corner = np.array([axis.corner for axis in axes])
    return Grid(block.origin_lps_mm + block.direction @ (corner * steps), block.direction * steps)


def patient_cube(ct: CT, point_lps_mm, side: int, enlarged: int = 1) -> np.ndarray:
    """Returns a cube whose grid is tied to the point, not to the CT's field of view: cropping the
    CT does not change it.

    Args:
        ct: the CT.
        point_lps_mm: the cube's centre (x, y, z), LPS mm.
        side: voxels.
        enlarged: the voxels are this many times 0.75 mm wide, each the mean of its 0.75 mm voxels.

    Returns:
        float32 (side, side, side), z, y, x: -1..1 for HU -1024..600, interpolated linearly; past
        the scan's edge the edge voxel is repeated.

    Raises:
        PointError: the point lies outside the volume.
    """
    block = lps_block(ct, point_lps_mm, 2 * side * enlarged * PATIENT_SPACING_MM)
    ticks = _ticks_mm(side * enlarged, PATIENT_SPACING_MM)
    centre = block.voxel_of(point_lps_mm)[::-1]
    places = [c + ticks / s for c, s in zip(centre, _zyx(block.spacing_mm), strict=True)]
    cube = _interpolated(block.hu, places)
    cube = cube.reshape(3 * (side, enlarged)).mean(axis=(1, 3, 5))
    low, high = PATIENT_WINDOW_HU
    return ((np.clip(cube, low, high) - low) / (high - low) * 2 - 1).astype(np.float32)


def patient_grid(ct: CT, point_lps_mm, side: int, enlarged: int = 1) -> Grid:
    """Returns where the voxels of ``patient_cube`` lie in the patient; takes the same arguments."""
    block = lps_block(ct, point_lps_mm, 2 * side * enlarged * PATIENT_SPACING_MM)
    step = PATIENT_SPACING_MM * enlarged
    first = _ticks_mm(side, step)[0]
    corner = np.asarray(point_lps_mm, float) + block.direction.sum(axis=1) * first
    return Grid(corner, block.direction * step)


def _ticks_mm(count: int, step_mm: float) -> np.ndarray:
    """Returns this many positions in mm, centred on 0."""
    return (np.arange(count) - (count - 1) / 2) * step_mm


def _interpolated(volume: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Interpolates the volume (z, y, x) linearly at ascending positions (voxels) along each axis:
    float32; past an edge, the edge voxel."""
    inside = [np.clip(at, 0, n - 1) for at, n in zip(places, volume.shape, strict=True)]
    below = [np.minimum(at.astype(int), n - 2) for at, n in zip(inside, volume.shape, strict=True)]
    part = volume[tuple(slice(low[0], low[-1] + 2) for low in below)]
    read = [np.unique([low, low + 1]) for low in below]
    if part.size > SLAB_VOXELS:  # most voxels of a fine scan lie between those that are read
        part = part[np.ix_(*(at - at[0] for at in read))]
    else:
        read = [np.arange(at[0], at[-1] + 1) for at in read]
    part = part.astype(np.float32)
    for axis, (at, low) in enumerate(zip(inside, below, strict=True)):
        share = np.moveaxis((at - low).astype(np.float32)[:, None, None], 0, axis)
        first = np.searchsorted(read[axis], low)
        part = (1 - share) * part.take(first, axis) + share * part.take(first + 1, axis)
    return part


@dataclass(frozen=True)
class _Axis:
    """One axis of the DenseSharp cube: the CT voxels it reads, their weights, and where its voxels
    lie."""

    start: int  # CT voxels [start, stop)
    stop: int
    matrix: np.ndarray  # (rows inside the scan, stop - start)
    first: int  # the first row inside the scan
    corner: int  # index of row 0 in the 1 mm volume; negative outside
    step_mm: float  # distance of neighbouring rows


def _densesharp_axes(block: CT, point_lps_mm) -> list[_Axis]:
    voxel = np.round(block.voxel_of(point_lps_mm), 6)[::-1]
    return [
        _densesharp_axis(n, spacing, centre)
        for n, spacing, centre in zip(block.hu.shape, _zyx(block.spacing_mm), voxel, strict=True)
    ]


def _densesharp_axis(n: int, spacing_mm: float, centre: float) -> _Axis:
    m = max(2, round(n * spacing_mm / DENSESHARP_SPACING_MM))
    corner = int(np.rint(centre * m / n)) - DENSESHARP_SIDE // 2
    first, last = max(corner, 0), min(corner + DENSESHARP_SIDE, m)
    rows = _zoom_matrix(n, m)[first:last]
    used = np.flatnonzero(np.abs(rows).max(axis=0) > NEGLIGIBLE)
    start, stop = int(used[0]), int(used[-1]) + 1
    step = spacing_mm * (n - 1) / (m - 1)
    return _Axis(start, stop, _without_tails(rows[:, start:stop]), first - corner, corner, step)


@lru_cache(maxsize=64)
def _zoom_matrix(n: int, m: int) -> np.ndarray:
    """Returns ``scipy.ndimage.zoom`` of one axis from n to m samples as a float64 (m, n) matrix."""
    return np.eye(n) if n == m else zoom(np.eye(n), (m / n, 1), order=3, mode="nearest")


def _without_tails(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.abs(matrix) > NEGLIGIBLE, matrix, 0)


def _apply(volume: np.ndarray, matrices: list[np.ndarray]) -> np.ndarray:
    """Multiplies the z, y and x axes of a (z, y, x) volume by one matrix each."""
    for matrix in reversed(
        matrices
    ):  # the last axis is consumed and comes back first: nothing is copied on the way
        volume = np.tensordot(matrix, volume, axes=(1, 2))
    return volume


def _edge_padded_crop(volume: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Returns volume[low:high] along every axis; indices past an edge repeat the edge voxel."""
    first = np.clip(low, 0, np.array(volume.shape) - 1)
    last = np.clip(high, 1, volume.shape)
    inside = volume[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    padding = high - low - inside.shape
    before = np.clip(first - low, 0, padding)
    return np.pad(inside, np.stack([before, padding - before], axis=1), mode="edge")


def _nearest_voxel(ct: CT, point_lps_mm) -> np.ndarray:
    """Returns the nearest voxel index (z, y, x), int; float noise is rounded off first so that ties
    are resolved consistently."""
    voxel = np.rint(np.round(ct.voxel_of(point_lps_mm), 6))[::-1].astype(int)
    return np.clip(voxel, 0, np.array(ct.hu.shape) - 1)


def _zyx(spacing_mm) -> list[float]:
    return [round(float(s), 6) for s in reversed(spacing_mm)]


def padded_fraction(ct: CT, point_lps_mm, side_mm: float) -> float:
    """Returns the share (0..1) of an LPS-aligned cube of ``side_mm`` around the point that lies
    outside the CT."""
    ticks = (np.arange(20) + 0.5) / 20 * side_mm - side_mm / 2
    offsets = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    voxels = (
        (np.asarray(point_lps_mm, float) + offsets - ct.origin_lps_mm)
        @ ct.direction
        / ct.spacing_mm
    )
    inside = np.all((voxels >= -0.5) & (voxels <= np.array(ct.hu.shape[::-1]) - 0.5), axis=1)
    return float(1 - inside.mean())


def _view_axis(spacing_mm: float, side: int, size: int) -> tuple[float, float]:
    """Returns the first voxel of a view and the step to the next, in CT voxels of the crop: both
    zooms keep lines straight."""
    positions = emv_matrix(round(spacing_mm, 6)) @ np.arange(2 * emv_half_size(spacing_mm))
    view = view_matrix(side, size) @ positions[(EMV_BLOCK - side) // 2 : (EMV_BLOCK + side) // 2]
    step = view[size // 2] - view[size // 2 - 1]  # at the middle, far from the crop's edges
    return view[size // 2] - step * (size // 2), step
