"""The mesh is closed, faces outward, lies where the nodule is and has its volume."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct, sphere_nodule
from nodulerisk.ct.cubes import Grid
from nodulerisk.errors import OutputError
from nodulerisk.outputs.mesh import Mesh, ct_mesh, nodule_mesh, write_ply

SPHERE_MM3 = 4 / 3 * np.pi * RADIUS_MM**3


def is_closed(mesh: Mesh) -> bool:
    """Every edge belongs to two faces, which run along it in opposite directions."""
    directed = Counter(
        (int(a), int(b))
        for face in mesh.faces
        for a, b in zip(face, np.roll(face, -1), strict=True)
    )
    return bool(directed) and all(n == 1 and directed[b, a] == 1 for (a, b), n in directed.items())


@pytest.fixture(scope="module")
def nodule():
    return sphere_nodule(made_ct())


@pytest.mark.parametrize("step_size", [1, 2, 3])
def test_mesh_is_closed_and_faces_outward(nodule, step_size):
    mesh = nodule_mesh(nodule, step_size)
    assert is_closed(mesh)
    assert mesh.volume_mm3 > 0


def test_mesh_has_the_volume_and_the_place_of_the_sphere(nodule):
    mesh = nodule_mesh(nodule)
    assert mesh.volume_mm3 == pytest.approx(SPHERE_MM3, rel=0.03)
    distance = np.linalg.norm(mesh.vertices_lps_mm - np.array(CENTRE_LPS_MM), axis=1)
    np.testing.assert_allclose(distance, RADIUS_MM, atol=0.1)


def test_mirrored_and_stretched_grid_still_faces_outward(nodule):
    mirrored = replace(nodule, grid=Grid(nodule.grid.origin_lps_mm, np.diag([-1.0, 2.0, 1.0])))
    mesh = nodule_mesh(mirrored)
    assert is_closed(mesh)
    assert mesh.volume_mm3 == pytest.approx(2 * SPHERE_MM3, rel=0.03)


@pytest.mark.parametrize("step_size", [1, 2, 3])
@pytest.mark.parametrize("side", [30, 31, 32])
def test_nodule_that_fills_its_map_is_closed_at_the_edges(nodule, step_size, side):
    full = replace(nodule, probability=np.ones((side, side, side), np.float32))
    assert is_closed(nodule_mesh(full, step_size))


def test_a_higher_threshold_encloses_less(nodule):
    inner, outer = (nodule_mesh(nodule, threshold=level).volume_mm3 for level in (0.9, 0.5))
    assert 0 < inner < outer


@pytest.mark.parametrize("step_size", [1, 2])
def test_a_cts_surface_is_closed_where_the_scan_ends_and_lies_where_it_is(step_size):
    ct = made_ct()
    mesh = ct_mesh(ct, -2000, step_size)  # everything: the box of the scan
    assert is_closed(mesh)
    ends = [ct.point_of(corner) for corner in ((0, 0, 0), np.array(ct.hu.shape[::-1]) - 1)]
    reach = step_size * max(ct.spacing_mm)
    np.testing.assert_allclose(mesh.vertices_lps_mm.min(axis=0), ends[0], atol=reach)
    np.testing.assert_allclose(mesh.vertices_lps_mm.max(axis=0), ends[1], atol=reach)


@pytest.mark.parametrize("map_of", [np.zeros, lambda shape: np.full(shape, 0.4)])
def test_empty_map_gives_an_empty_mesh(nodule, map_of):
    mesh = nodule_mesh(replace(nodule, probability=map_of((32, 32, 32)).astype(np.float32)))
    assert len(mesh.faces) == 0
    assert mesh.volume_mm3 == 0


def test_ply_holds_the_mesh_and_says_what_it_is(nodule, tmp_path):
    mesh = nodule_mesh(nodule)
    write_ply(mesh, tmp_path / "mesh.ply")
    header, _, body = (tmp_path / "mesh.ply").read_bytes().partition(b"end_header\n")
    assert b"Research use only" in header
    assert b"LPS, mm" in header
    vertices = np.frombuffer(body, "<f4", mesh.vertices_lps_mm.size).reshape(-1, 3)
    faces = np.frombuffer(body, [("n", "u1"), ("v", "<i4", 3)], offset=vertices.nbytes)
    np.testing.assert_array_equal(vertices, mesh.vertices_lps_mm)
    np.testing.assert_array_equal(faces["v"], mesh.faces)


def test_fault_44_mesh_is_refused_where_no_folder_can_be(nodule, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_ply(nodule_mesh(nodule), tmp_path / "file" / "mesh.ply")
