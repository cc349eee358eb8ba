"""Labelled nodules, and lungs without any, for tests of training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.densesharp.write import write_densesharp
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.datasets.simulated.simulate import simulate_nodules

LUNG_HU, WALL_HU, VESSEL_HU = -860, 60, 20


def made_lung(wall_mm: int = 12) -> np.ndarray:
    """float32 (80, 80, 80) HU: noisy lung, a vessel 4 mm thick along x and a chest wall at high
    y."""
    hu = np.random.default_rng(5).normal(LUNG_HU, 20, (80, 80, 80)).astype(np.float32)
    hu[42:46, 40:44, :] = VESSEL_HU
    hu[:, 80 - wall_mm :, :] = WALL_HU
    return hu


def made_background(patient: str = "made", split: str = "train", **fields) -> LabelledNodule:
    """A CT with lung, at 1 mm, without a nodule."""
    ct = fields.pop("ct", CT(made_lung().astype(np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)))
    centre = tuple(float(v) for v in ct.point_of((np.array(ct.hu.shape[::-1]) - 1) / 2))
    return LabelledNodule(f"{patient}-1", patient, ct, centre, "reader", split=split, **fields)


def made_dataset(folder: Path, train: int = 6, validation: int = 2, test: int = 2) -> Path:
    """A folder of simulated nodules in DenseSharp's format, two patients per split."""
    nodules = []
    for split, count in (("train", train), ("validation", validation), ("test", test)):
        lungs = [made_background(f"{split}-{i}", split) for i in range(2)]
        made = simulate_nodules(lungs, count, seed=len(split))
        nodules += [replace(nodule, name=f"{split}-{nodule.name}") for nodule in made]
    return write_densesharp(nodules, folder)
