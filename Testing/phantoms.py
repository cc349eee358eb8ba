"""Prints what is measured of phantoms put into real lung, end to end: ``make phantoms``.

Spheres of known size, solid or ground glass, are rendered into a chest CT without nodules, blurred
as a scanner blurs and with noise of their own, clicked up to 1 mm off and assessed. The truth is
the sphere's volume, which blurring keeps. ``python Testing/phantoms.py [--lung CT] [--weights
SET]``; without a CT of your own the bundled one of 3 mm serves, interpolated to each grid.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.ndimage import (
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    uniform_filter1d,
    zoom,
)

from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import AIR_HU, CT, to_lps, triple
from nodulerisk.engine.engine import Engine
from nodulerisk.nodule.measure import value_of
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

BUNDLED = Path(__file__).parent / "Data" / "chest_crop_no_nodule_3mm.nii.gz"
GRIDS = {"0.7 × 0.7 × 1 mm": (0.7, 0.7, 1.0), "1.5 mm": (1.5, 1.5, 1.5)}  # x, y, z
DENSITIES_HU = {"solid": 30.0, "ground glass": -600.0}
DIAMETERS_MM = (4, 5, 6, 8, 10, 15, 20, 25, 30, 36, 45, 60)
FINER = 5  # samples of a voxel along each axis
PSF_MM = 0.55
NOISE_HU = 20.0
TISSUE_HU = -400
WALL_MM = 9.0  # tissue as thick is no vessel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lung", type=Path, default=BUNDLED)
    parser.add_argument("--weights", default="open")
    parser.add_argument("--places", type=int, default=3)
    arguments = parser.parse_args()
    weights = load_weight_set(arguments.weights)
    lung = to_lps(read_ct(arguments.lung))
    rows = list(table(lung, weights, arguments.places))
    print(f"Weight set {weights.name} {weights.version}. Volume against truth: median (range).\n")
    print("| true diameter |", " | ".join(f"{d}, {g}" for d in DENSITIES_HU for g in GRIDS), "|")
    print("|---" * (1 + len(DENSITIES_HU) * len(GRIDS)) + "|")
    print("\n".join(rows))


def table(lung: CT, weights: WeightSet, places: int) -> Iterator[str]:
    """One row of Markdown per diameter."""
    engine = Engine(weights)
    hosts = [on_grid(lung, spacing) for spacing in GRIDS.values()]
    for diameter in track(DIAMETERS_MM, "phantoms"):
        cells = [
            cell((assessed(h, hu, diameter, weights, engine, n) for n in range(places)), diameter)
            for hu in DENSITIES_HU.values()
            for h in hosts
        ]
        yield f"| {diameter} mm | " + " | ".join(cells) + " |"


def cell(found: Iterable[Assessment], diameter_mm: float) -> str:
    """How far the measured volumes are from the truth, and how many phantoms had none."""
    truth = np.pi / 6 * diameter_mm**3
    volumes = [value_of(assessment.measurements, "volume") for assessment in found]
    bias = [volume / truth - 1 for volume in volumes if volume]
    missed = len(volumes) - len(bias)
    if not bias:
        return "not found"
    spread = f"{np.median(bias):+.0%} ({min(bias):+.0%} to {max(bias):+.0%})"
    return f"{spread}; {missed} of {len(volumes)} not found" if missed else spread


def assessed(
    host: CT, hu: float, diameter_mm: float, weights: WeightSet, engine: Engine, place: int
) -> Assessment:
    """The assessment of one phantom, always at the same place and clicked at the same point."""
    rng = np.random.default_rng(place)
    places = places_for(host, diameter_mm)
    centre = places[place % len(places)] + rng.uniform(-0.5, 0.5, 3)
    ct = with_sphere(host, centre, diameter_mm, hu, rng)
    point = ct.point_of(centre[::-1]) + rng.uniform(-1, 1, 3)
    return assess(ct, point, weights, networks=engine)


def on_grid(lung: CT, spacing_mm: tuple[float, float, float]) -> CT:
    """The lung on another grid, with the noise that interpolation took from it."""
    factors = np.array(lung.spacing_mm[::-1]) / spacing_mm[::-1]
    smooth = zoom(lung.hu.astype(np.float32), factors, order=1)
    noise = gaussian_filter(np.random.default_rng(1).standard_normal(smooth.shape), (0, 0.7, 0.7))
    hu = np.maximum(np.rint(smooth + 30 * noise), AIR_HU).astype(np.int16)
    return replace(lung, hu=hu, spacing_mm=triple(spacing_mm))


def places_for(host: CT, diameter_mm: float) -> np.ndarray:
    """Voxels (n, 3; z, y, x) in lung where a sphere of this size touches no wall, in an order that
    is the same on every run; the deepest one alone where none is so deep."""
    steps = np.array(host.spacing_mm[::-1])
    thick = np.ceil(WALL_MM / steps).astype(int)
    walls = binary_opening(host.hu > TISSUE_HU, np.ones(thick))
    depth = distance_transform_edt(np.pad(~walls, 1), sampling=steps)[1:-1, 1:-1, 1:-1]
    needed = min(diameter_mm / 2 + 1, depth.max())
    return np.random.default_rng(0).permutation(np.argwhere(depth >= needed))


def with_sphere(
    host: CT, centre: np.ndarray, diameter_mm: float, hu: float, rng: np.random.Generator
) -> CT:
    """The host with a sphere around a voxel (z, y, x), sampled finely, then blurred."""
    steps = np.array(host.spacing_mm[::-1])
    reach = diameter_mm / 2 + 4
    low = np.maximum(np.floor(centre - reach / steps).astype(int), 0)
    high = np.minimum(np.ceil(centre + reach / steps).astype(int) + 1, host.hu.shape)
    ticks = [
        ((np.arange(a * FINER, b * FINER) + 0.5) / FINER - 0.5 - c) * step
        for a, b, c, step in zip(low, high, centre, steps, strict=True)
    ]
    z, y, x = np.meshgrid(*ticks, indexing="ij", sparse=True)
    inside = (z**2 + y**2 + x**2 <= (diameter_mm / 2) ** 2).astype(np.float32)
    seen = uniform_filter1d(gaussian_filter(inside, PSF_MM / steps * FINER), FINER, axis=0)
    share = seen[(slice(FINER // 2, None, FINER),) * 3]
    noise = gaussian_filter(rng.standard_normal(share.shape), (0, 0.7, 0.7))
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    values = host.hu.astype(np.float32)
    sphere = hu + noise / noise.std() * NOISE_HU
    values[part] = values[part] * (1 - share) + sphere * share
    return replace(host, hu=np.rint(values).astype(np.int16))


if __name__ == "__main__":
    main()
