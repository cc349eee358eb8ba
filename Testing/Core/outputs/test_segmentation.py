"""The masks of a CT in one file: every voxel of every nodule is kept."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from made_assessment import CENTRE_LPS_MM, made_assessment, sphere_nodule
from nodulerisk.outputs.segmentation import write_masks


def masks_in(path: Path) -> dict[str, np.ndarray]:
    """Each segment's voxels, as the header says where to look for them."""
    image = sitk.ReadImage(path)
    layers = sitk.GetArrayFromImage(image)
    layers = layers[..., None] if image.GetNumberOfComponentsPerPixel() == 1 else layers
    found = {}
    while image.HasMetaDataKey(f"Segment{len(found)}_Name"):
        keys = ("Name", "Layer", "LabelValue")
        name, layer, label = (image.GetMetaData(f"Segment{len(found)}_{key}") for key in keys)
        found[name] = layers[..., int(layer)] == int(label)
    return found


@given(offsets=st.lists(st.tuples(*[st.integers(-8, 8)] * 3), max_size=5))
@settings(max_examples=12, deadline=None)
def test_fault_77_overlapping_nodules_keep_every_voxel(ct, offsets):
    nodules = [
        made_assessment(ct, f"N{n}", nodule=sphere_nodule(ct, np.add(CENTRE_LPS_MM, offset), 4))
        for n, offset in enumerate(offsets)
    ]
    with TemporaryDirectory() as folder:
        write_masks(ct, nodules, Path(folder) / "a.seg.nrrd")
        found = masks_in(Path(folder) / "a.seg.nrrd")
    assert list(found) == [nodule.name for nodule in nodules]
    for nodule in nodules:
        np.testing.assert_array_equal(found[nodule.name], nodule.mask)


def test_nodules_apart_share_one_label_map(ct, tmp_path):
    far = np.add(CENTRE_LPS_MM, (0, 0, 25))
    nodules = [
        made_assessment(ct, "N1"),
        made_assessment(ct, "N2", nodule=sphere_nodule(ct, far)),
        made_assessment(ct, "N3", nodule=None),
    ]
    write_masks(ct, nodules, tmp_path / "a.seg.nrrd")
    image = sitk.ReadImage(tmp_path / "a.seg.nrrd")
    assert (image.GetNumberOfComponentsPerPixel(), image.GetSpacing()) == (1, ct.spacing_mm)
    drawn = nodules[0].mask + 2 * nodules[1].mask
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), drawn)
