"""Where a nodule lies, as spatial coordinates of a report (SCOORD, SCOORD3D)."""

from __future__ import annotations

import numpy as np
from highdicom import sr
from pydicom import Sequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from skimage.measure import find_contours

from nodulerisk.assessment import NoduleMask
from nodulerisk.nodule.measure import Axis, drawn_axes
from nodulerisk.nodule.place import side_of
from nodulerisk.outputs.dicom.source import DicomSource, references
from nodulerisk.outputs.dicom.tracking import TrackedNodule

Coordinates = sr.CoordinatesForMeasurement | sr.CoordinatesForMeasurement3D
FIRST_PIXEL = 0.5  # the centre of an image's first pixel (PS3.3 C.18.6.1.1)
CENTRE = codes.DCM.Center
SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}


def axes(mask: NoduleMask, source: DicomSource) -> tuple[Coordinates, Coordinates]:
    """Returns where long and short axis run: on the image, or in space where they run across
    several images, as in a sagittal reformat."""
    long, short = _drawn(mask, source)
    return _coordinates(long, mask, source), _coordinates(short, mask, source)


def outline(mask: NoduleMask, source: DicomSource) -> sr.ScoordContentItem:
    """Returns the mask's outline on the image on which the axes were measured."""
    z = _slice_of_axes(mask, source)
    contours = find_contours(np.pad(mask.region[z], 1).astype(float), 0.5)
    rows_columns = max(contours, key=len) - 1 + mask.first_voxel[1:]
    return _on_image(
        codes.DCM.Outline, "POLYLINE", rows_columns[:, ::-1], mask.first_voxel[0] + z, source
    )


def centre_on_image(nodule: TrackedNodule, source: DicomSource) -> sr.ScoordContentItem:
    """Returns the nodule's centre on the nearest image."""
    z, row_column = _nearest(nodule, source)
    return _on_image(CENTRE, "POINT", row_column[None, ::-1], z, source)


def centre_for_measurement(
    nodule: TrackedNodule, source: DicomSource
) -> sr.CoordinatesForMeasurement:
    """Returns the same as what a number is about."""
    z, row_column = _nearest(nodule, source)
    return sr.CoordinatesForMeasurement(
        "POINT", row_column[None, ::-1] + FIRST_PIXEL, _image(z, source)
    )


def centre_in_space(nodule: TrackedNodule, source: DicomSource) -> sr.Scoord3DContentItem:
    """Returns the nodule's centre, LPS mm, in the source's frame of reference."""
    return sr.Scoord3DContentItem(
        CENTRE,
        "POINT",
        np.array([nodule.assessment.centre_lps_mm]),
        source.header.FrameOfReferenceUID,
        relationship_type=sr.RelationshipTypeValues.CONTAINS,
    )


def image_of(nodule: TrackedNodule, source: DicomSource) -> int:
    """Returns the z index of the image on which the nodule is shown."""
    mask = nodule.mask
    if mask is None:
        return _nearest(nodule, source)[0]
    return mask.first_voxel[0] + _slice_of_axes(mask, source)


def laterality(nodule: TrackedNodule, source: DicomSource) -> Code | None:
    """Returns the side of the body as ``side_of`` finds it."""
    x, grid = nodule.assessment.centre_lps_mm[0], source.grid
    side = side_of(x, grid.origin_lps_mm[0], grid.axes[0], source.shape)
    return None if side is None else SIDES[side]


def _drawn(mask: NoduleMask, source: DicomSource) -> tuple[Axis, Axis]:
    spacing = np.linalg.norm(source.grid.axes, axis=0)
    drawn = drawn_axes(mask.region, source.grid.axes / spacing, spacing)
    assert drawn is not None  # the mask is not empty
    return drawn


def _slice_of_axes(mask: NoduleMask, source: DicomSource) -> int:
    """Returns its z index in the mask's region; where the axes run across images, that of the
    largest area."""
    slices = {float(z) for axis in _drawn(mask, source) for z in axis.ends[:, 0]}
    return int(slices.pop()) if len(slices) == 1 else int(mask.region.sum(axis=(1, 2)).argmax())


def _coordinates(axis: Axis, mask: NoduleMask, source: DicomSource) -> Coordinates:
    ends = axis.ends + mask.first_voxel
    first, last = ends[:, 0]
    if first == last:
        points = ends[:, :0:-1] + FIRST_PIXEL
        return sr.CoordinatesForMeasurement("POLYLINE", points, _image(int(first), source))
    in_space = source.grid.origin_lps_mm + ends[:, ::-1] @ source.grid.axes.T
    frame = source.header.FrameOfReferenceUID
    return sr.CoordinatesForMeasurement3D("POLYLINE", in_space, frame)


def _nearest(nodule: TrackedNodule, source: DicomSource) -> tuple[int, np.ndarray]:
    """Returns the z index of the image nearest to the centre, and the centre's row and column."""
    from_first = np.subtract(nodule.assessment.centre_lps_mm, source.grid.origin_lps_mm)
    column, row, z = np.linalg.solve(source.grid.axes, from_first)
    return min(source.planes, key=lambda there: abs(there - z)), np.array([row, column])


def _on_image(
    name: Code, kind: str, columns_rows: np.ndarray, z: int, source: DicomSource
) -> sr.ScoordContentItem:
    item = sr.ScoordContentItem(
        name, kind, columns_rows + FIRST_PIXEL, relationship_type=sr.RelationshipTypeValues.CONTAINS
    )
    item.ContentSequence = Sequence([_image(z, source)])
    return item


def _image(z: int, source: DicomSource) -> sr.SourceImageForRegion:
    return references(sr.SourceImageForRegion, [source.planes[z]], source)[0]
