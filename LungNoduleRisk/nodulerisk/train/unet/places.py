"""Places without a nodule: clicks that a reader or a detector might set by mistake."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import (
    binary_closing,
    binary_dilation,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    label,
)

# How often a cube without a nodule shows each kind: most false clicks are on vessels.
KIND_SHARES = {"vessel": 0.5, "pleura": 0.2, "airway": 0.1, "lung": 0.12, "tissue": 0.08}
AIR_HU = -500  # lung and air are below
DENSE_HU = {"vessel": -550, "pleura": -600, "tissue": -200}  # from which HU on
AERATED_HU = (-950, -700)
AIRWAY_HU, AIRWAY_WALL_HU = -960, -700
IN_PLANE_BLUR = 0.6  # pixels: noise alone must not count as a vessel
LEAST_LUNG_MM2 = 400  # smaller patches of air in a slice are trachea or bowel
OPEN_AIR_HU = -960  # patches that are as thin lie around the patient
WHOLE_BODY_MM = 250  # slices this wide show all of the body; what is outside of it is no lung
TABLE_STEPS = 3  # voxels of opening, which part the body from the table
CLOSING_MM = 6  # vessels up to twice as wide belong to the lung
NEAR_PLEURA_MM = 4


def places_without_nodule(
    hu: np.ndarray,
    spacing_mm: np.ndarray,
    avoid: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Returns voxels to click on, by kind.

    Args:
        hu: (z, y, x).
        spacing_mm: z, y, x.
        avoid: bool (z, y, x), too near to a nodule.
        count: at most this many of a kind.
        rng: chooses among them.

    Returns:
        kind -> int (n, 3), z, y, x; absent kinds are left out.
    """
    found = {kind: np.argwhere(where & ~avoid) for kind, where in _kinds(hu, spacing_mm).items()}
    return {kind: rng.permutation(voxels)[:count] for kind, voxels in found.items() if len(voxels)}


def _kinds(hu: np.ndarray, spacing_mm: np.ndarray) -> dict[str, np.ndarray]:
    smooth = gaussian_filter(hu.astype(np.float32), (0, IN_PLANE_BLUR, IN_PLANE_BLUR))
    lung = lungs_of(smooth, spacing_mm)
    depth_mm = distance_transform_edt(lung, sampling=spacing_mm)
    inside = depth_mm > NEAR_PLEURA_MM
    low, high = AERATED_HU
    return {
        "vessel": inside & (smooth > DENSE_HU["vessel"]),
        "pleura": lung & ~inside & (smooth > DENSE_HU["pleura"]),
        "airway": lung
        & (smooth < AIRWAY_HU)
        & binary_dilation(smooth > AIRWAY_WALL_HU, iterations=2),
        "lung": inside & (smooth > low) & (smooth < high),
        "tissue": ~lung & (smooth > DENSE_HU["tissue"]),
    }


def lungs_of(hu: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Returns a bool mask (z, y, x) of the lungs with their vessels, closed slice by slice."""
    return np.stack([_lungs_in_slice(one, spacing_mm[1:]) for one in hu])


def _lungs_in_slice(hu: np.ndarray, pixel_mm: np.ndarray) -> np.ndarray:
    patches = label(hu < AIR_HU)[0]
    if hu.shape[1] * pixel_mm[1] >= WHOLE_BODY_MM:
        patches = patches * _body_in_slice(hu)
    pixels = np.bincount(patches.ravel())
    mean_hu = np.bincount(patches.ravel(), weights=hu.ravel()) / pixels.clip(min=1)
    lungs = (pixels * np.prod(pixel_mm) > LEAST_LUNG_MM2) & (mean_hu > OPEN_AIR_HU)
    lungs[0] = False  # what is no air
    radius = max(1, round(CLOSING_MM / float(pixel_mm[0])))
    closed = binary_closing(np.pad(lungs[patches], radius), iterations=radius)
    return closed[radius:-radius, radius:-radius]


def _body_in_slice(hu: np.ndarray) -> np.ndarray:
    """bool (y, x): the largest dense piece, and what it encloses."""
    pieces = label(binary_opening(hu > AIR_HU, iterations=TABLE_STEPS))[0]
    pixels = np.bincount(pieces.ravel())
    pixels[0] = 0
    return binary_fill_holes(pieces == pixels.argmax())
