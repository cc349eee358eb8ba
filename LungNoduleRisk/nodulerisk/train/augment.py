"""Augmentation of training samples: the pose that a sample is cut in, and the scanner it could have
come from.

Every geometric augmentation of both papers is a linear map of the cube's sampling grid, so a sample
is always cut from the CT in a single interpolation. Scanner effects (noise, kernel, slice
thickness) are applied to the HU before that, by MONAI's transforms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from monai.transforms import (
    Compose,
    RandGaussianNoise,
    RandGaussianSharpen,
    RandGaussianSmooth,
    RandomizableTransform,
    RandShiftIntensity,
)
from torch import Tensor

from nodulerisk.ct.cubes import DENSESHARP_SPACING_MM, EMV_SPACING_MM

NO_BLUR, BLUR = (0.01, 0.02), (0.3, 0.9)  # voxels along z (which MONAI calls x), and in plane
SMALL_MM = 10.0  # EMV-3D-CNN zooms nodules up to this size
AXIS_ORDERS = [np.eye(3)[list(order)] for order in permutations(range(3))]
ZOOM = np.diag([1, 1 / 1.5, 1 / 1.5])


@dataclass(frozen=True)
class Pose:
    """A cube's offset (z, y, x) in mm from its centre becomes ``turn @ offset + shift_mm`` in the
    CT."""

    turn: np.ndarray  # (3, 3)
    shift_mm: np.ndarray  # (3,)


DrawPose = Callable[[np.random.Generator, float | None], Pose]


def straight(rng: np.random.Generator, diameter_mm: float | None) -> Pose:
    """No augmentation."""
    return Pose(np.eye(3), np.zeros(3))


def emv_pose(rng: np.random.Generator, diameter_mm: float | None) -> Pose:
    """Draws EMV-3D-CNN's augmentation: axis permutation, rotation about z by 36°, in-plane shift of
    10 voxels, zoom of small nodules.

    Source: npj Digital Medicine 2023, doi:10.1038/s41746-023-00866-z, Methods; they store copies
    with one change each (``emv_copies``), here one of all combinations is drawn.
    """
    turn = AXIS_ORDERS[rng.integers(6)] @ _rotation(1, 2, np.deg2rad(36) * rng.integers(10))
    if diameter_mm is not None and diameter_mm <= SMALL_MM and rng.random() < 0.5:
        turn = ZOOM @ turn
    return Pose(turn, EMV_SPACING_MM * np.array([0, *rng.integers(-10, 11, 2)]))


def emv_copies(rng: np.random.Generator, diameter_mm: float | None) -> list[Pose]:
    """Returns the copies of a nodule that EMV-3D-CNN's code stores, one change each: 6 axis
    permutations, 9 rotations about z, an in-plane shift of up to 10 voxels, and the zoom of a small
    nodule."""
    turns = [*AXIS_ORDERS, *(_rotation(1, 2, np.deg2rad(36) * step) for step in range(1, 10))]
    if diameter_mm is not None and diameter_mm <= SMALL_MM:
        turns.append(ZOOM)
    shift_mm = EMV_SPACING_MM * np.array([0, *rng.uniform(-10, 10, 2)])
    return [*(Pose(turn, np.zeros(3)) for turn in turns), Pose(np.eye(3), shift_mm)]


def densesharp_pose(rng: np.random.Generator, diameter_mm: float | None) -> Pose:
    """Draws DenseSharp's augmentation: rotations by 90° and reflections, centre shifts of up to 3
    voxels along every axis.

    Source: Cancer Research 2018, doi:10.1158/0008-5472.CAN-18-0696.
    """
    return Pose(
        AXIS_ORDERS[rng.integers(6)] * rng.choice([-1, 1], 3),
        DENSESHARP_SPACING_MM * rng.integers(-3, 4, 3).astype(float),
    )


def free_pose(rng: np.random.Generator, diameter_mm: float | None) -> Pose:
    """Draws any rotation about z, tilts of some 15°, reflections, 7 % of scale, and the 1.2 mm by
    which a click is off."""
    tilts = _rotation(0, 2, rng.normal(0, 0.26)) @ _rotation(0, 1, rng.normal(0, 0.26))
    turn = _rotation(1, 2, rng.uniform(-np.pi, np.pi)) @ tilts * rng.choice([-1, 1], 3)
    return Pose(turn * np.exp(rng.normal(0, 0.07)), rng.normal(0, 1.2, 3))


POSES: dict[str, DrawPose] = {
    "none": straight,
    "emv": emv_pose,
    "densesharp": densesharp_pose,
    "free": free_pose,
}
# all of these are in every epoch
COPIES: dict[str, Callable[[np.random.Generator, float | None], list[Pose]]] = {
    "emv-copies": emv_copies
}


def _rotation(a: int, b: int, angle: float) -> np.ndarray:
    """Returns the rotation of axis a towards axis b."""
    turn = np.eye(3)
    turn[[a, a, b, b], [a, b, a, b]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return turn


class RandThickSlices(RandomizableTransform):
    """Simulates thicker slices: every slice of (1, z, y, x) HU becomes a weighted mean with its
    neighbours."""

    def __call__(self, hu: Tensor) -> Tensor:
        self.randomize(None)
        if not self._do_transform or hu.shape[1] < 3:
            return hu
        neighbours = self.R.uniform(0.1, 0.33)
        thick = hu.clone()
        thick[:, 1:-1] = (1 - 2 * neighbours) * hu[:, 1:-1] + neighbours * (hu[:, :-2] + hu[:, 2:])
        return thick


def other_scans() -> Compose:
    """Returns transforms that show the same nodule as from another scanner: (1, z, y, x) HU float32
    -> the same."""
    return Compose(
        [
            RandThickSlices(0.3),
            RandGaussianSmooth(prob=0.15, sigma_x=NO_BLUR, sigma_y=BLUR, sigma_z=BLUR),
            RandGaussianSharpen(prob=0.15, alpha=(0.3, 1.0)),
            RandGaussianNoise(prob=0.3, std=40),
            RandShiftIntensity(offsets=25, prob=0.8),
        ]
    )
