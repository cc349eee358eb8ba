"""Prints the measurements of phantoms in real lung, end to end: ``make phantoms``.

Nodules of known volume are rendered into a chest CT without nodules, blurred like a scanner and
with noise of their own, clicked up to 1 mm off and assessed. One table is of spheres by size, the
other changes one thing at a time: shape, attachment, voxels, kernel, noise. Rows are printed as
they come; ``python Testing/phantoms.py [--only attached] [--lung CT] [--weights SET]`` measures a
part. Without a CT of your own the bundled one of 3 mm serves, interpolated to each grid.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.ndimage import (
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    uniform_filter1d,
    zoom,
)

from nodulerisk.assess import assess
from nodulerisk.checks import MASK_AT_EDGE, MASK_CUT, MASK_UNSTEADY, TOUCHED
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import AIR_HU, CT, to_lps, triple
from nodulerisk.engine.engine import Engine
from nodulerisk.nodule.measure import value_of
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

BUNDLED = Path(__file__).parent / "Data" / "chest_crop_no_nodule_3mm.nii.gz"
THIN = "0.7 × 0.7 × 1 mm"
GRIDS = {  # x, y, z
    THIN: (0.7, 0.7, 1.0),
    "1.5 mm": (1.5, 1.5, 1.5),
    "0.6 mm": (0.6, 0.6, 0.6),
    "0.7 × 0.7 × 2.5 mm": (0.7, 0.7, 2.5),
    "2.5 mm": (2.5, 2.5, 2.5),
}
DENSITIES_HU = {"solid": 30.0, "ground glass": -600.0, "part-solid": -600.0}
CORE_SHARE = 0.5  # of a part-solid nodule's diameter
SHAPES = {"sphere": (1, 1, 1), "ellipsoid": (1.5, 1, 1 / 1.5)}  # half axes, of the sphere's
VESSEL_MM, VESSEL_BEYOND_MM = 2.0, 10.0  # its radius, and how far it goes on at each end
WALL_DEPTH = 0.5  # a nodule at the wall has its middle so many radii from it
KERNELS = {"soft": 1.0, "standard": 0.0, "sharp": -1.5}  # share of smoothing; below 0 it sharpens
KERNEL_MM = 0.8
ADDED_NOISE_HU = {"standard": 0.0, "40 HU more": 40.0}  # standard deviation, in all of the CT
SIZE_COLUMNS = [(d, g) for d in ("solid", "ground glass") for g in (THIN, "1.5 mm")]
DIAMETERS_MM = (4, 5, 6, 8, 10, 15, 20, 25, 30, 36, 45, 60)
FINER = 5  # samples of a voxel along each axis
PSF_MM = 0.55
NOISE_HU = 20.0
TISSUE_HU = -400
WALL_MM = 9.0  # tissue as thick is no vessel
LEAK = 1.5  # times the true volume
LEAK_CHECKS = {kind.code for kind in (MASK_AT_EDGE, MASK_CUT, MASK_UNSTEADY, TOUCHED)}


@dataclass(frozen=True)
class Phantom:
    """A made nodule, and how it is scanned.

    Attributes:
        diameter_mm: of the sphere of its volume.
        density: of DENSITIES_HU.
        voxels: of GRIDS.
        shape: of SHAPES; which axis is the longest is drawn by lot.
        attached: ``no``, ``vessel``, which passes at its surface, or ``wall``, which cuts it.
        kernel: of KERNELS.
        noise: of ADDED_NOISE_HU.
    """

    diameter_mm: float
    density: str = "solid"
    voxels: str = THIN
    shape: str = "sphere"
    attached: str = "no"
    kernel: str = "standard"
    noise: str = "standard"

    @property
    def half_axes_mm(self) -> np.ndarray:
        return self.diameter_mm / 2 * np.array(SHAPES[self.shape])


STANDARD = (
    Phantom(8),
    Phantom(15),
    Phantom(10, "ground glass"),
    Phantom(15, "ground glass"),
    Phantom(15, "part-solid"),
)
VARIED: dict[str, tuple] = {
    "attached": ("vessel", "wall"),
    "shape": ("ellipsoid",),
    "kernel": ("soft", "sharp"),
    "noise": ("40 HU more",),
    "voxels": tuple(grid for grid in GRIDS if grid != THIN),
}


Rows = dict[str, tuple[Phantom, ...]]


class Measured(NamedTuple):
    """A phantom's volume against the truth; None where none was found.

    Attributes:
        ratio: measured to true.
        checked: a check says that the mask may be wrong.
    """

    ratio: float | None
    checked: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lung", type=Path, default=BUNDLED)
    parser.add_argument("--weights", default="open")
    parser.add_argument("--places", type=int, default=4)
    parser.add_argument("--only", choices=("size", "nothing", *VARIED), help="what varies")
    arguments = parser.parse_args()
    weights = load_weight_set(arguments.weights)
    trial = Trial(to_lps(read_ct(arguments.lung)), weights, arguments.places)
    print(f"Weight set {weights.name} {weights.version}. Volume against truth: median (range).")
    if arguments.only in (None, "size"):
        columns = [f"{density}, {grid}" for density, grid in SIZE_COLUMNS]
        print_table(["true diameter", *columns], size_rows(), trial)
    if arguments.only != "size":
        columns = [f"{phantom.density}, {phantom.diameter_mm:g} mm" for phantom in STANDARD]
        print_table(["changed", *columns], varied_rows(arguments.only), trial)


def size_rows() -> Rows:
    """Free spheres of every size, by density and grid."""
    return {f"{mm} mm": tuple(Phantom(mm, d, g) for d, g in SIZE_COLUMNS) for mm in DIAMETERS_MM}


def varied_rows(only: str | None = None) -> Rows:
    """The standard phantoms, then each with one thing changed."""
    rows = {"nothing": STANDARD} if only in (None, "nothing") else {}
    for factor, values in VARIED.items():
        for value in values if only in (None, factor) else ():
            changed = tuple(replace(standard, **{factor: value}) for standard in STANDARD)
            rows[f"{factor}: {value}"] = changed
    return rows


def print_table(header: list[str], rows: Rows, trial: Trial) -> None:
    """Prints Markdown, every row once it is measured."""
    print("\n|", " | ".join(header), "|")
    print("|---" * len(header) + "|")
    for name, phantoms in rows.items():
        print(f"| {name} |", " | ".join(cell(trial.measured(p)) for p in phantoms), "|", flush=True)


def cell(found: Iterable[Measured]) -> str:
    """Describes how far the measured volumes are from the truth, how many phantoms had no volume,
    and how many leaks no check told of."""
    found = list(found)
    bias = [one.ratio - 1 for one in found if one.ratio]
    missed = len(found) - len(bias)
    if not bias:
        return "not found"
    words = [f"{np.median(bias):+.0%} ({min(bias):+.0%} to {max(bias):+.0%})"]
    leaks = sum((one.ratio or 0) > LEAK and not one.checked for one in found)
    words += [f"{missed} of {len(found)} not found"] if missed else []
    words += [f"{leaks} leaked unsaid"] if leaks else []
    return "; ".join(words)


class Trial:
    """Measures phantoms in one lung, always at the same places and clicked at the same points."""

    def __init__(self, lung: CT, weights: WeightSet, places: int):
        self._weights, self._engine, self._places = weights, Engine(weights), places
        self._host = cache(lambda grid: Host(on_grid(lung, GRIDS[grid])))

    def measured(self, phantom: Phantom) -> Iterator[Measured]:
        """Yields what was measured at each place."""
        for place in range(self._places):
            yield self._measured(phantom, place)

    def _measured(self, phantom: Phantom, place: int) -> Measured:
        host, rng = self._host(phantom.voxels), np.random.default_rng(place)
        centre = host.place_of(phantom, place) + rng.uniform(-0.5, 0.5, 3)
        ct, truth = with_phantom(host, centre, phantom, rng)
        point = ct.point_of(centre[::-1]) + rng.uniform(-1, 1, 3)
        scan = scanned(ct, phantom, rng)
        assessment = assess(scan, point, self._weights, networks=self._engine)
        volume = value_of(assessment.measurements, "volume")
        checked = any(check.code in LEAK_CHECKS for check in assessment.checks)
        return Measured(volume / truth if volume else None, checked)


def on_grid(lung: CT, spacing_mm: tuple[float, float, float]) -> CT:
    """The lung on another grid, with the noise that interpolation took from it."""
    factors = np.array(lung.spacing_mm[::-1]) / spacing_mm[::-1]
    smooth = zoom(lung.hu.astype(np.float32), factors, order=1)
    noise = gaussian_filter(np.random.default_rng(1).standard_normal(smooth.shape), (0, 0.7, 0.7))
    hu = np.maximum(np.rint(smooth + 30 * noise), AIR_HU).astype(np.int16)
    return replace(lung, hu=hu, spacing_mm=triple(spacing_mm))


@dataclass(frozen=True, eq=False)
class Host:
    """Lung on one grid to put phantoms into."""

    ct: CT

    @cached_property
    def walls(self) -> np.ndarray:
        """Where the chest wall, the mediastinum and the diaphragm are."""
        thick = np.ceil(WALL_MM / np.array(self.ct.spacing_mm[::-1])).astype(int)
        return binary_opening(self.ct.hu > TISSUE_HU, np.ones(thick))

    @cached_property
    def depth_mm(self) -> np.ndarray:
        """How far every voxel lies from the walls and from the CT's edge."""
        steps = np.array(self.ct.spacing_mm[::-1])
        return distance_transform_edt(np.pad(~self.walls, 1), sampling=steps)[1:-1, 1:-1, 1:-1]

    def place_of(self, phantom: Phantom, number: int) -> np.ndarray:
        """A voxel (z, y, x) for a phantom, the same on every run."""
        if phantom.attached == "wall":
            return self.place_at_wall(phantom.diameter_mm, number)
        return self.place(2 * phantom.half_axes_mm.max(), number)

    def place_at_wall(self, diameter_mm: float, number: int) -> np.ndarray:
        """A voxel (z, y, x), away from the CT's edge, where a wall cuts a sphere of this size."""
        depth, size = WALL_DEPTH * diameter_mm / 2, min(self.ct.spacing_mm)
        near = abs(self.depth_mm - depth) <= size / 2
        margin = np.ceil((diameter_mm + 5) / np.array(self.ct.spacing_mm[::-1])).astype(int)
        inner = tuple(slice(m, -m) for m in margin)
        places = np.argwhere(near[inner]) + margin
        return places[np.random.default_rng(number).integers(len(places))]

    def place(self, diameter_mm: float, number: int) -> np.ndarray:
        """A voxel (z, y, x) where a sphere of this size touches no wall, the same on every run; the
        deepest one where none is so deep."""
        needed = min(diameter_mm / 2 + 1, self.depth_mm.max())
        places = np.argwhere(self.depth_mm >= needed)
        return places[np.random.default_rng(number).integers(len(places))]


def with_phantom(
    host: Host, centre: np.ndarray, phantom: Phantom, rng: np.random.Generator
) -> tuple[CT, float]:
    """The host with a phantom around a voxel (z, y, x), and the phantom's volume in mm³; what would
    lie in a wall that it is attached to is no part of it."""
    ct, half_axes = host.ct, phantom.half_axes_mm
    if phantom.shape != "sphere":
        half_axes = rng.permutation(half_axes)
    if phantom.attached == "vessel":
        ct = with_vessel(ct, centre, half_axes, rng)
    ct = with_body(ct, centre, half_axes, DENSITIES_HU[phantom.density], rng)
    if phantom.density == "part-solid":
        ct = with_body(ct, centre, CORE_SHARE * half_axes, DENSITIES_HU["solid"], rng)
    if phantom.attached != "wall":
        return ct, 4 / 3 * np.pi * float(np.prod(half_axes))
    part, share = rendered(host.ct, centre, half_axes)
    outside = float(share[~host.walls[part]].sum() * np.prod(ct.spacing_mm))
    return replace(ct, hu=np.where(host.walls, host.ct.hu, ct.hu)), outside


def with_vessel(
    host: CT, centre: np.ndarray, half_axes_mm: np.ndarray, rng: np.random.Generator
) -> CT:
    """A vessel along x whose middle lies on the nodule's surface."""
    at = centre + [0, half_axes_mm[1] / host.spacing_mm[1], 0]
    vessel = np.array([VESSEL_MM, VESSEL_MM, half_axes_mm[2] + VESSEL_BEYOND_MM])
    return with_body(host, at, vessel, DENSITIES_HU["solid"], rng)


def with_sphere(
    host: CT, centre: np.ndarray, diameter_mm: float, hu: float, rng: np.random.Generator
) -> CT:
    """The host with a sphere around a voxel (z, y, x)."""
    return with_body(host, centre, np.full(3, diameter_mm / 2), hu, rng)


def with_body(
    host: CT, centre: np.ndarray, half_axes_mm: np.ndarray, hu: float, rng: np.random.Generator
) -> CT:
    """The host with an ellipsoid (half axes along z, y, x) around a voxel (z, y, x)."""
    part, share = rendered(host, centre, half_axes_mm)
    noise = gaussian_filter(rng.standard_normal(share.shape), (0, 0.7, 0.7))
    values = host.hu.astype(np.float32)
    body = hu + noise / noise.std() * NOISE_HU
    values[part] = values[part] * (1 - share) + body * share
    return replace(host, hu=np.rint(values).astype(np.int16))


def rendered(
    ct: CT, centre: np.ndarray, half_axes_mm: np.ndarray
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The part of the CT around an ellipsoid, and the share of each of its voxels that is filled,
    sampled finely, then blurred."""
    steps = np.array(ct.spacing_mm[::-1])
    reach = half_axes_mm + 4
    low = np.maximum(np.floor(centre - reach / steps).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach / steps).astype(int) + 1, ct.hu.shape)
    ticks = [
        ((np.arange(a * FINER, b * FINER) + 0.5) / FINER - 0.5 - c) * step / half
        for a, b, c, step, half in zip(low, high, centre, steps, half_axes_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*ticks, indexing="ij", sparse=True)
    inside = (z**2 + y**2 + x**2 <= 1).astype(np.float32)
    seen = uniform_filter1d(gaussian_filter(inside, PSF_MM / steps * FINER), FINER, axis=0)
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return part, seen[(slice(FINER // 2, None, FINER),) * 3]


def scanned(ct: CT, phantom: Phantom, rng: np.random.Generator) -> CT:
    """The CT with the phantom's kernel and noise: slices made smoother or sharper."""
    hu = ct.hu.astype(np.float32)
    if smoothing := KERNELS[phantom.kernel]:
        in_plane = KERNEL_MM / np.array(ct.spacing_mm[1::-1])
        hu += smoothing * (gaussian_filter(hu, (0, *in_plane)) - hu)
    if added := ADDED_NOISE_HU[phantom.noise]:
        noise = gaussian_filter(rng.standard_normal(hu.shape), (0, 0.7, 0.7))
        hu += added * noise / noise.std()
    return replace(ct, hu=np.maximum(np.rint(hu), AIR_HU).astype(np.int16))


if __name__ == "__main__":
    main()
