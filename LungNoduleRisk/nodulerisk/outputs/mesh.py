"""The nodule's surface as a closed triangle mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.measure import marching_cubes

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import NoduleMask
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


def nodule_mesh(nodule: NoduleMask, step_size: int = 1) -> Mesh:
    """Returns the surface where the nodule's probability map is 0.5, closed at the map's edges.

    Args:
        nodule: its ``probability`` (z, y, x) and ``grid`` are used.
        step_size: voxels of 1 mm per step; larger is coarser and faster.

    Returns:
        The mesh; without faces if the map stays below 0.5 or the nodule is smaller than a step.
    """
    # a border of zeros, one step wide, closes the surface
    probability = np.pad(nodule.probability, step_size)
    try:
        vertices_zyx, faces, *_ = marching_cubes(
            probability, MASK_LEVEL, step_size=step_size, allow_degenerate=False
        )
    except (ValueError, RuntimeError):  # skimage: the level is outside the data; no surface found
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    voxels = vertices_zyx[:, ::-1] - step_size
    vertices = nodule.grid.origin_lps_mm + voxels @ nodule.grid.axes.T
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
