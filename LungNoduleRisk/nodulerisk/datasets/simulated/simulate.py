"""Simulated nodules, for the tasks whose labels no public CT carries: invasiveness, IASLC grade and
subtype.

A nodule is drawn from the published looks of its class (``patterns.py``), grown (``growth.py``)
and put into the lung of a real CT (``lung.py``). This shows the workflow and says nothing about a
patient: it learns nothing from pathology but a paper's means.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import center_of_mass

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.datasets.simulated.growth import Growth, grow, inserted, long_axis_mm
from nodulerisk.datasets.simulated.lung import first_with_lung
from nodulerisk.datasets.simulated.patterns import PATTERNS, Look, drawn


class Simulated(NamedTuple):
    """A simulated nodule, with the look that it was grown for and what grew."""

    nodule: LabelledNodule
    look: Look
    growth: Growth


def simulate_nodules(
    backgrounds: Sequence[LabelledNodule], count: int, seed: int
) -> Iterator[LabelledNodule]:
    """Returns the nodules of ``simulate`` alone."""
    return (one.nodule for one in simulate(backgrounds, count, seed))


def simulate(backgrounds: Sequence[LabelledNodule], count: int, seed: int) -> Iterator[Simulated]:
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
) -> Simulated:
    look = drawn(PATTERNS[rng.integers(len(PATTERNS))], rng)
    background, lung = first_with_lung(backgrounds, look.diameter_mm, rng)
    growth = grow(look, lung, rng)
    hu = inserted(growth, lung, background.ct.spacing_mm[2], rng)
    ct = CT(hu, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), background.ct.direction)
    x, y, z = ct.point_of(center_of_mass(growth.mask)[::-1])
    nodule = LabelledNodule(
        name=name,
        patient=background.patient,
        ct=ct,
        centre_lps_mm=(float(x), float(y), float(z)),
        evidence="simulated",
        labels=dict(look.labels),
        marked=growth.mask.astype(np.float32),
        diameter_mm=long_axis_mm(growth.mask),
        split=background.split,
    )
    return Simulated(nodule, look, growth)
