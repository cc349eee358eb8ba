"""First-order and shape features of a nodule under PyRadiomics' names, for tables that are compared
with other groups'.

They are PyRadiomics' definitions with its defaults: the CT's own voxels, nothing resampled, bins of
25 HU. Its two longest axes lie in the array's planes, not the patient's.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import pdist
from skimage.measure import marching_cubes, mesh_surface_area

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.volume import CT

BIN_HU = 25.0
PLANES = {"Slice": 0, "Column": 1, "Row": 2}  # the array axis that each plane lies across


def pyradiomics_features(nodule: NoduleMask, ct: CT) -> dict[str, float]:
    """Returns 18 first-order and 14 shape features, such as ``original_firstorder_Mean``; mm and
    HU; nothing for an empty mask.

    Args:
        nodule: the mask.
        ct: the CT, or a crop of it, on whose grid the mask lies.

    Source: van Griethuysen et al., Cancer Research 2017;77:e104. Equal to PyRadiomics 3.0.1, but
    for ragged masks, whose mesh (volume, area, sphericity) it closes otherwise where voxels touch
    at an edge only.
    """
    inside = nodule.region > 0
    if not inside.any():
        return {}
    hu = ct.hu[nodule.box][inside].astype(float)
    voxel_mm3 = float(np.prod(ct.spacing_mm))
    shape = _shape(inside, np.array(ct.spacing_mm[::-1]))
    return {
        **{f"original_firstorder_{name}": value for name, value in _first_order(hu).items()},
        "original_firstorder_TotalEnergy": float((hu**2).sum()) * voxel_mm3,
        **{f"original_shape_{name}": value for name, value in shape.items()},
    }


def _first_order(hu: np.ndarray) -> dict[str, float]:
    low, quarter, middle, three_quarters, high = np.percentile(hu, (10, 25, 50, 75, 90))
    most = hu[(hu >= low) & (hu <= high)]
    off, sd = hu - hu.mean(), hu.std()
    shares = _shares(hu)
    values = {
        "10Percentile": low,
        "90Percentile": high,
        "Energy": (hu**2).sum(),
        "Entropy": -(shares * np.log2(shares)).sum(),
        "InterquartileRange": three_quarters - quarter,
        "Kurtosis": (off**4).mean() / sd**4 if sd else 0,
        "Maximum": hu.max(),
        "MeanAbsoluteDeviation": np.abs(off).mean(),
        "Mean": hu.mean(),
        "Median": middle,
        "Minimum": hu.min(),
        "Range": np.ptp(hu),
        "RobustMeanAbsoluteDeviation": np.abs(most - most.mean()).mean(),
        "RootMeanSquared": np.sqrt((hu**2).mean()),
        "Skewness": (off**3).mean() / sd**3 if sd else 0,
        "Uniformity": (shares**2).sum(),
        "Variance": sd**2,
    }
    return {name: float(value) for name, value in values.items()}


def _shares(hu: np.ndarray) -> np.ndarray:
    """Returns the share of voxels in each bin that holds any; a bin starts at a multiple of its
    width."""
    _, counts = np.unique(np.floor(hu / BIN_HU), return_counts=True)
    return counts / hu.size


def _shape(inside: np.ndarray, spacing_mm: np.ndarray) -> dict[str, float]:
    """Returns the features of a mask (z, y, x) with this spacing."""
    vertices, faces, *_ = marching_cubes(
        np.pad(inside, 1).astype(np.float32), 0.5, spacing=tuple(spacing_mm), method="lorensen"
    )
    area, volume = float(mesh_surface_area(vertices, faces)), _enclosed(vertices, faces)
    least, minor, major = _axis_lengths(np.argwhere(inside) * spacing_mm)
    across = {
        f"Maximum2DDiameter{name}": _diameter_in_planes(vertices, axis)
        for name, axis in PLANES.items()
    }
    return across | {
        "Elongation": minor / major if major else 1.0,
        "Flatness": least / major if major else 1.0,
        "LeastAxisLength": least,
        "MajorAxisLength": major,
        "Maximum3DDiameter": _diameter(vertices),
        "MeshVolume": volume,
        "MinorAxisLength": minor,
        "Sphericity": float((36 * np.pi * volume**2) ** (1 / 3) / area),
        "SurfaceArea": area,
        "SurfaceVolumeRatio": area / volume,
        "VoxelVolume": float(inside.sum() * spacing_mm.prod()),
    }


def _enclosed(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Returns the volume of a closed mesh, mm³."""
    a, b, c = np.moveaxis(vertices.astype(float)[faces], 1, 0)
    return float(abs(np.einsum("ij,ij->", a, np.cross(b, c))) / 6)


def _axis_lengths(places_mm: np.ndarray) -> tuple[float, float, float]:
    """Returns the axes of the ellipsoid with these voxels' spread, the shortest first, mm."""
    spread = np.linalg.eigvalsh(np.cov(places_mm.T, bias=True)) if len(places_mm) > 1 else (0, 0, 0)
    least, minor, major = (float(4 * np.sqrt(max(one, 0))) for one in spread)
    return least, minor, major


def _diameter_in_planes(vertices: np.ndarray, axis: int) -> float:
    """Returns the largest distance of two vertices in one plane across an axis, mm."""
    at = vertices[:, axis].round(3)
    planes = (np.delete(vertices[at == one], axis, axis=1) for one in np.unique(at))
    return max(map(_diameter, planes))


def _diameter(vertices: np.ndarray) -> float:
    """Returns the largest distance of two vertices, mm."""
    try:
        ends = vertices[ConvexHull(vertices).vertices]
    except (QhullError, ValueError):  # too few, or all on a line
        ends = vertices
    return float(pdist(ends).max(initial=0))
