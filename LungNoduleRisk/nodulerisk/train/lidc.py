"""LIDC-IDRI nodules as 128x128-pixel slices with every reader's outline (CC BY 3.0, doi:10.7937/K9/TCIA.2015.LO9QL9SX).

Reads a folder with ``slices.npz``, ``slices_nodules.csv``, ``slices_to_image.csv`` and ``nodules.csv``. The slices
reach only as far as the nodule, so what lies above and below has to be made up: ``with_context``.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation, center_of_mass, gaussian_filter

from nodulerisk.ct import CT

CONTEXT_MM = 30.0  # more than half the diagonal of the 37.5 mm cube that the networks see
LUNG_HU = -850


@dataclass(frozen=True, eq=False)
class LidcNodule:
    """One nodule.

    Attributes:
        name, patient: public LIDC identifiers.
        hu: int16 (z, y, x), about 90 mm in plane, z just past the nodule.
        mask: bool (z, y, x), the readers' majority.
        spacing_mm: along x, y, z.
        suspicion: mean of the readers' malignancy ratings, 1..5.
        rating: the consensus rating, 1..5.
        diameter_mm: as LIDC gives it.
        split: train, validation or test, by patient.
    """

    name: str
    patient: str
    hu: np.ndarray
    mask: np.ndarray
    spacing_mm: tuple[float, float, float]
    suspicion: float
    rating: int
    diameter_mm: float
    split: str

    @property
    def malignant(self) -> bool | None:
        """Rating 4-5 against 1-2; 3 is undecided."""
        return None if self.rating == 3 else self.rating > 3

    @property
    def centroid(self) -> np.ndarray:
        """Index (z, y, x) of the mask's centre of mass."""
        return np.array(center_of_mass(self.mask))


def split_of(patient: str) -> str:
    """train 65 %, validation 15 %, test 20 % of patients, by a hash: the same on every machine."""
    share = int(hashlib.sha256(patient.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return "train" if share < 0.65 else "validation" if share < 0.80 else "test"


def read_lidc(folder: Path) -> list[LidcNodule]:
    """All nodules of the folder whose majority mask is not empty."""
    archive = np.load(folder / "slices.npz")
    index, slope, intercept = archive["index"], archive["hu_slope"], archive["hu_intercept"]
    image, packed = archive["image"], archive["masks_packed"]
    consensus = {row["file"].split(".")[0]: row for row in _rows(folder / "nodules.csv")}
    files = {(row["patient"], row["nodule"]): row["voi"] for row in _rows(folder / "slices_to_image.csv")}
    nodules = []
    for row in _rows(folder / "slices_nodules.csv"):
        patient, number = row["patient"], int(row["nodule"])
        chosen = np.flatnonzero((index[:, 0] == int(patient[-4:])) & (index[:, 1] == number))
        chosen = chosen[np.argsort(index[chosen, 2])]
        hu = image[chosen] * slope[chosen, None, None] + intercept[chosen, None, None]
        readers = np.unpackbits(packed[chosen], axis=-1).sum(axis=1) / max(int(row["n_readers"]), 1)
        if (readers >= 0.5).any():
            agreed = consensus[files[patient, row["nodule"]]]
            nodules.append(
                LidcNodule(
                    name=files[patient, row["nodule"]],
                    patient=patient,
                    hu=np.rint(hu).astype(np.int16),
                    mask=readers >= 0.5,
                    spacing_mm=(float(row["spacing_xy"]), float(row["spacing_xy"]), float(row["dz"])),
                    suspicion=float(row["mal_mean"]),
                    rating=int(agreed["Malignancy_value"]),
                    diameter_mm=float(agreed["diameter_mm"]),
                    split=split_of(patient),
                )
            )
    return nodules


def with_context(nodule: LidcNodule, rng: np.random.Generator, kinds: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The nodule's slices with made-up ones above and below: hu and mask, (z, y, x).

    Each side draws its kind, so that a network cannot learn one: ``lung`` (the end slice without its nodule, drifting
    in plane as vessels do), ``edge``, ``reflect`` or ``flat`` (noise at lung density).
    """
    count = int(np.ceil(CONTEXT_MM / nodule.spacing_mm[2]))
    below = _context(nodule.hu, nodule.mask, count, nodule.spacing_mm, str(rng.choice(kinds)), rng)
    above = _context(nodule.hu[::-1], nodule.mask[::-1], count, nodule.spacing_mm, str(rng.choice(kinds)), rng)
    empty = np.zeros((count, *nodule.mask.shape[1:]), bool)
    return np.concatenate([below[::-1], nodule.hu, above]), np.concatenate([empty, nodule.mask, empty])


def ct_of(nodule: LidcNodule) -> tuple[CT, np.ndarray, np.ndarray]:
    """The nodule as a CT with drawn-once lung context, its mask on that grid, and its centre (LPS mm): to evaluate."""
    hu, mask = with_context(nodule, np.random.default_rng(0), ("lung",))
    ct = CT(hu, nodule.spacing_mm, (0.0, 0.0, 0.0))
    return ct, mask, ct.point_of(center_of_mass(mask)[::-1])


def _context(hu, mask, count: int, spacing, kind: str, rng: np.random.Generator) -> np.ndarray:
    """``count`` slices that continue the stack before its first slice, the nearest first."""
    if kind == "edge":
        return np.repeat(hu[:1], count, axis=0)
    if kind == "reflect":
        return np.pad(hu, ((count, 0), (0, 0), (0, 0)), mode="reflect")[:count][::-1]
    if kind == "flat":
        noise = gaussian_filter(rng.standard_normal((count, *hu.shape[1:])), 1) * 150
        return (LUNG_HU + rng.uniform(-50, 100) + noise).astype(np.int16)
    clean = _without_nodule(hu[0], mask.any(axis=0), rng)
    drift = np.cumsum(rng.normal(0, 0.25, 2) + rng.normal(0, 0.3, (count, 2)), axis=0) * spacing[2] / spacing[0]
    return np.stack([np.roll(clean, tuple(np.rint(shift).astype(int)), axis=(0, 1)) for shift in drift])


def _without_nodule(slice_hu: np.ndarray, outline: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The slice with its nodule covered by what lies beside it."""
    hole = binary_dilation(outline, iterations=3)
    reach = int(np.sqrt(hole.sum())) + 8
    angle = rng.uniform(0, 2 * np.pi)
    shift = (int(reach * np.sin(angle)), int(reach * np.cos(angle)))
    blend = gaussian_filter(hole.astype(np.float32), 1.5)
    return (slice_hu * (1 - blend) + np.roll(slice_hu, shift, axis=(0, 1)) * blend).astype(np.int16)


def _rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
