"""The published preprocessing as the papers describe it, step by step, beside ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from scipy.ndimage import zoom

from bench.benchset import EMV_NETWORKS
from bench.stages import middle_lps_mm
from bench.timing import timed
from nodulerisk.ct.cubes import densesharp_cube, emv_block, views_of
from nodulerisk.ct.volume import CT

View = tuple[tuple[int, int, int], int]  # the three sides and the size of the result
Way = Callable[[], list[np.ndarray]]
VIEWS: tuple[View, ...] = tuple(dict.fromkeys((sides, size) for _, _, sides, size in EMV_NETWORKS))


@dataclass
class Comparison:
    """Seconds of the authors' way and ours, one value per round, and the largest difference of the
    results.

    Attributes:
        unit: of the difference.
        allowed: the largest difference aimed at.
    """

    unit: str
    allowed: float
    authors: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    difference: float = 0.0

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return median(self.authors) / median(self.ours)

    def add(self, authors: Way, ours: Way) -> None:
        """Runs one round: each once."""
        seconds, wanted = timed(authors)
        self.authors.append(seconds)
        seconds, found = timed(ours)
        self.ours.append(seconds)
        largest = max(
            float(np.abs(a.astype(float) - b).max()) for a, b in zip(wanted, found, strict=True)
        )
        self.difference = max(self.difference, largest)


def views_ways(ct: CT) -> tuple[Way, Way]:
    """The nine networks' inputs: the authors' 27 zooms, and our three tensors; both give the
    three."""
    point = middle_lps_mm(ct)

    def ours() -> list[np.ndarray]:
        block = emv_block(ct, point)
        return [views_of(block, *view) for view in VIEWS]

    return lambda: authors_views(ct), ours


def densesharp_ways(ct: CT) -> tuple[Way, Way]:
    """DenseSharp's cube: the authors' way through the whole CT at 1 mm, and ours."""
    point = middle_lps_mm(ct)
    return lambda: [authors_densesharp_cube(ct)], lambda: [densesharp_cube(ct, point)]


def authors_views(ct: CT) -> list[np.ndarray]:
    """Around the middle voxel: window, crop, resample, then every network's own three zooms (npj
    Digit Med 2023)."""
    block = _authors_block(ct)
    found = {}
    for _, _, sides, size in EMV_NETWORKS:
        cubes = [_central(block, (side,) * 3) for side in sides]
        zoomed = [
            zoom(cube, size / side, order=3, mode="nearest")
            for cube, side in zip(cubes, sides, strict=True)
        ]
        found[sides, size] = np.stack(zoomed)
    return [found[view] for view in VIEWS]


def _authors_block(ct: CT) -> np.ndarray:
    """float64 (100, 100, 100) at 0.625 mm."""
    spacing = np.array(ct.spacing_mm[::-1])
    half = np.ceil(62.5 / spacing / 2).astype(int)
    crop = _between(ct.hu, np.array(ct.hu.shape) // 2 - half, 2 * half)
    values = np.clip((crop + 1400.0) / 1800, 0, 1) - 0.25
    factors = [round(n * s / 0.625) / n for n, s in zip(crop.shape, spacing, strict=True)]
    return _central(zoom(values, factors, order=3, mode="nearest"), (100, 100, 100))


def authors_densesharp_cube(ct: CT) -> np.ndarray:
    """The whole CT at 1 mm, int16; windowed to 0..255; 32³ around the middle (Cancer Research
    2018)."""
    shape = np.array(ct.hu.shape)
    resampled = zoom(ct.hu, np.round(shape * ct.spacing_mm[::-1]) / shape, order=3, mode="nearest")
    grey = np.round((np.clip(resampled, -1024.0, 400.0) + 1024) / 1424 * 255).astype(np.uint8)
    centre = np.rint(shape // 2 * (np.array(grey.shape) / shape)).astype(int)
    return _between(grey, centre - 16, (32, 32, 32))


def _central(cube: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The central part; Python's round decides where the middle of an odd axis lies, as
    published."""
    middle = np.array([round(n / 2) for n in cube.shape])
    return _between(cube, middle - np.array(shape) // 2, shape)


def _between(array: np.ndarray, first: np.ndarray, shape) -> np.ndarray:
    return array[tuple(slice(a, a + n) for a, n in zip(first, shape, strict=True))]
