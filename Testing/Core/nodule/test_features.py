"""The features under PyRadiomics' names have PyRadiomics' values."""

from __future__ import annotations

import json

import numpy as np
import pytest

from made_assessment import CENTRE_LPS_MM
from made_shapes import shaded
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.features import pyradiomics_features
from nodulerisk.nodule.mask import hand_mask

SHAPES = (
    ((6, 6, 6), (0.7, 0.7, 1.0)),
    ((9, 5, 4), (0.6, 0.6, 1.25)),
    ((7, 4, 6), (0.8, 0.8, 2.5)),
)
MESH = ("MeshVolume", "SurfaceArea", "SurfaceVolumeRatio", "Sphericity")


@pytest.fixture(scope="module")
def golden(data) -> dict[str, dict[str, float]]:
    """What PyRadiomics 3.0.1 says of ``shaded``, by its semi-axes, and of a ragged one."""
    return json.loads((data / "golden" / "pyradiomics.json").read_text())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_feature_is_that_of_pyradiomics(shape, golden):
    assert pyradiomics_features(*shaded(*shape)) == pytest.approx(golden[str(shape[0])], rel=1e-6)


def test_of_a_ragged_mask_only_the_mesh_differs(golden):
    nodule, ct = shaded(*SHAPES[0])
    ragged = nodule.on_ct() & (np.random.default_rng(0).random(ct.hu.shape) < 0.8)
    found = pyradiomics_features(hand_mask(ragged, (0, 0, 0), ct), ct)
    wanted = golden["ragged"]
    meshless = {name for name in wanted if not name.endswith(MESH)}
    assert len(wanted) - len(meshless) == len(MESH)
    for name in meshless:
        assert found[name] == pytest.approx(wanted[name], rel=1e-6), name


@pytest.mark.parametrize("voxels", [[], [(5, 5, 5)], [(5, 5, 5), (5, 5, 6)]], ids=len)
def test_the_smallest_masks_have_finite_features(voxels):
    ct = CT(np.full((10, 10, 10), 7, np.int16), (1.0, 1.0, 1.0), CENTRE_LPS_MM)
    mask = np.zeros(ct.hu.shape, np.uint8)
    for voxel in voxels:
        mask[voxel] = 1
    found = pyradiomics_features(hand_mask(mask, (0, 0, 0), ct), ct)
    assert len(found) == (32 if voxels else 0)
    assert np.isfinite(list(found.values())).all()
