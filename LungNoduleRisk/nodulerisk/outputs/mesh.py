"""Surfaces as closed triangle meshes: a nodule's, or that of anything denser than a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.measure import marching_cubes

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT, INT16
from nodulerisk.files import written_whole
from nodulerisk.nodule.mask import MASK_LEVEL


@dataclass(frozen=True, eq=False)
class Mesh:
    """A closed surface; its faces are counter-clockwise seen from outside.

    Attributes:
        vertices_lps_mm: float32 (n, 3), x, y, z, LPS mm.
        faces: int32 (m, 3), indices of vertices.
    """

    vertices_lps_mm: np.ndarray
    faces: np.ndarray

    @property
    def volume_mm3(self) -> float:
        """The enclosed volume; positive where the faces look outward."""
        a, b, c = np.moveaxis(self.vertices_lps_mm.astype(float)[self.faces], 1, 0)
        return float(
            np.einsum("ij,ij->", a - self._middle, np.cross(b - self._middle, c - self._middle)) / 6
        )

    @property
    def _middle(self) -> np.ndarray:
        return self.vertices_lps_mm.mean(axis=0, dtype=float) if len(self.faces) else np.zeros(3)


def nodule_mesh(nodule: NoduleMask, step_size: int = 1, threshold: float = MASK_LEVEL) -> Mesh:
    """Returns the surface where the nodule's probability map is 0.5, closed at the map's edges.

    Args:
        nodule: its ``probability`` (z, y, x) and ``grid`` are used.
        step_size: voxels of 1 mm per step; larger is coarser and faster.
        threshold: another probability for the surface.

    Returns:
        The mesh; without faces if the map stays below the threshold or the nodule is smaller than a
        step.
    """
    return surface(nodule.probability, nodule.grid, threshold, step_size)


def ct_mesh(ct: CT, threshold_hu: float, step_size: int = 1) -> Mesh:
    """Returns the surface of everything denser than a threshold in HU, closed at the CT's edges;
    ``step_size`` in voxels."""
    grid = Grid(np.array(ct.origin_lps_mm), ct.direction * ct.spacing_mm)
    return surface(ct.hu, grid, threshold_hu, step_size, outside=INT16.min)


def surface(
    values: np.ndarray, grid: Grid, level: float, step_size: int = 1, outside: float = 0
) -> Mesh:
    """Returns where a volume (z, y, x) on a grid crosses a level; without faces if it never does.

    ``outside``, below the level, is what lies beyond the volume: it closes the surface there.
    """
    # a border, one step wide
    padded = np.pad(values, step_size, constant_values=outside)
    try:
        vertices_zyx, faces, *_ = marching_cubes(
            padded, level, step_size=step_size, allow_degenerate=False
        )
    except (ValueError, RuntimeError):  # skimage: the level is outside the data; no surface found
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    voxels = vertices_zyx[:, ::-1] - step_size
    vertices = grid.origin_lps_mm + voxels @ grid.axes.T
    return _facing_outward(Mesh(vertices.astype(np.float32), faces.astype(np.int32)))


def write_ply(mesh: Mesh, path: Path) -> None:
    """Writes binary little-endian PLY: float x, y, z (LPS mm) and triangles.

    Raises:
        OutputError: the file cannot be written.
    """
    faces = np.empty(len(mesh.faces), [("n", "u1"), ("vertices", "<i4", 3)])
    faces["n"], faces["vertices"] = 3, mesh.faces
    header = (
        f"ply\nformat binary_little_endian 1.0\ncomment {RESEARCH_USE_ONLY}\ncomment coordinates:"
        f" LPS, mm\nelement vertex {len(mesh.vertices_lps_mm)}\nproperty float x\nproperty float"
        f" y\nproperty float z\nelement face {len(faces)}\nproperty list uchar int"
        " vertex_indices\nend_header\n"
    )
    with written_whole(path) as partial:
        partial.write_bytes(
            header.encode("ascii") + mesh.vertices_lps_mm.astype("<f4").tobytes() + faces.tobytes()
        )


def _facing_outward(mesh: Mesh) -> Mesh:
    """Returns the mesh with its faces flipped if they all face inward (a mirrored grid, or the
    opposite winding)."""
    return mesh if mesh.volume_mm3 >= 0 else Mesh(mesh.vertices_lps_mm, mesh.faces[:, ::-1])
