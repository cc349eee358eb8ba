"""The masks of a CT's nodules as one file that Slicer opens as a segmentation (``.seg.nrrd``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodulerisk.assessment import Assessment, NoduleMask, write_image
from nodulerisk.ct.volume import CT, with_geometry
from nodulerisk.outputs.colours import risk_colour


def write_masks(ct: CT, assessments: Sequence[Assessment], path: Path) -> None:
    """Writes the masks on the CT's grid, compressed.

    The first nodule's voxels are 1, the second's 2, and so on; the header says which name each
    number stands for, as Slicer's does (``Segment0_Name``, ``Segment0_LabelValue``). Where nodules
    overlap, the file has several layers, and ``Segment0_Layer`` says which one to look in.

    Raises:
        OutputError: the file cannot be written.
    """
    drawn = [(one, one.nodule) for one in assessments if one.nodule is not None]
    layers, layer_of = _layers([nodule for _, nodule in drawn], ct)
    image = _image(layers, ct)
    image.SetMetaData("Segmentation_ReferenceImageExtentOffset", "0 0 0")
    extent = " ".join(f"0 {n - 1}" for n in image.GetSize())
    for index, ((one, _), layer) in enumerate(zip(drawn, layer_of, strict=True)):
        described = {
            "ID": f"N{index + 1}",
            "Name": one.name,
            "Color": " ".join(map(str, risk_colour(one))),
            "LabelValue": index + 1,
            "Layer": layer,
            "Extent": extent,
        }
        for key, value in described.items():
            image.SetMetaData(f"Segment{index}_{key}", str(value))
    write_image(image, path)


def _layers(nodules: Sequence[NoduleMask], ct: CT) -> tuple[list[np.ndarray], list[int]]:
    """Returns label maps (z, y, x), one at least, in which no nodule lies on another, and each
    nodule's map: the first in which there is room for it."""
    layers = [np.zeros(ct.hu.shape, np.min_scalar_type(len(nodules)))]
    layer_of = []
    for label, nodule in enumerate(nodules, start=1):
        box, inside = nodule.box, nodule.region > 0
        free = (k for k, layer in enumerate(layers) if not layer[box][inside].any())
        layer = next(free, len(layers))
        if layer == len(layers):
            layers.append(np.zeros_like(layers[0]))
        layers[layer][box][inside] = label
        layer_of.append(layer)
    return layers, layer_of


def _image(layers: Sequence[np.ndarray], ct: CT) -> sitk.Image:
    """Returns one layer as a label map, several as the components of its voxels."""
    if len(layers) == 1:
        return with_geometry(sitk.GetImageFromArray(layers[0]), ct)
    return with_geometry(sitk.GetImageFromArray(np.stack(layers, axis=-1), isVector=True), ct)
