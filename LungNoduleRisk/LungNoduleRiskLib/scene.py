"""CTs and points between the MRML scene and the core, and the only place that turns RAS into LPS: x
and y change sign.

All in mm, in the world: linear parent transforms are applied.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer import (
    vtkMRMLCameraNode,
    vtkMRMLMarkupsFiducialNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLTransformableNode,
)

from nodulerisk.assessment import Place
from nodulerisk.checks import Check
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.points import Point, named_points
from nodulerisk.ct.volume import CT, Acquisition, to_hounsfield, triple
from nodulerisk.errors import CTError, NoduleRiskError, PointError
from nodulerisk.language.texts import _
from nodulerisk.nodule.place import place_on

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# node attribute: what the reader of a CT found beside its voxels and grid
READING = "LungNoduleRisk.Reading"
LUNG_WINDOW_HU = (1500, -600)  # width, centre
WINDOWS_HU: dict[str, tuple[int, int]] = {
    _("lung"): LUNG_WINDOW_HU,
    _("mediastinum"): (400, 40),
    _("bone"): (1800, 400),
}
CAMERA_MM = 150.0  # from a nodule to the camera
POINT_LABELS = "N%d"
OF_A_POINT = "Description", "Selected", "Visibility", "Locked"  # beside its place and label
Coordinates = Sequence[float] | np.ndarray  # x, y, z
VoxelIndex = np.ndarray | tuple[int, int, int]  # z, y, x
NOT_LINEAR = _(
    "The CT or the points are under a transform that bends space; Slicer adds one to a series with"
    " uneven or tilted slices. Harden or remove it in the Transforms module, and assess again."
)


def ctFromNode(volumeNode: vtkMRMLScalarVolumeNode) -> CT:
    """The CT as it lies in the world; its voxels are a copy. See ``ctReader``."""
    return ctReader(volumeNode)()


def ctReader(volumeNode: vtkMRMLScalarVolumeNode) -> Callable[[], CT]:
    """A function that reads the CT as it lies now; call it on any thread, since a large CT takes a
    second to copy and check.

    Raises:
        CTError: no voxels; when called, anything that ``CT.from_array`` refuses, and several
            volumes of a DICOM series that Slicer loaded as one (fault 49).
        NoduleRiskError: a parent transform is not linear (fault 13).
    """
    image = volumeNode.GetImageData()
    if image is None or image.GetNumberOfScalarComponents() != 1:
        raise CTError(_("The selected volume holds no CT: load the CT, or select another volume."))
    spacing, origin, direction = gridLps(volumeNode)
    # a view, which keeps the voxels though the node be removed
    voxels = slicer.util.arrayFromVolume(volumeNode)
    said = volumeNode.GetAttribute(READING)
    files = [] if said else dicomFiles(volumeNode)
    grid = triple(spacing), triple(origin), direction
    return lambda: CT.from_array(
        voxels.copy(), *grid, **(_readingIn(said) if said else _saidIn(files))
    )


def ctPart(
    volumeNode: vtkMRMLScalarVolumeNode, low: VoxelIndex, high: VoxelIndex, marginMm: float
) -> tuple[CT, np.ndarray]:
    """The part of the CT from one voxel (z, y, x) up to, but without, another, and a margin in mm
    on all sides.

    Returns:
        A copy of the part, and its first voxel (z, y, x).

    Raises:
        CTError: voxels that are not numbers.
    """
    spacing, origin, direction = gridLps(volumeNode)
    values = slicer.util.arrayFromVolume(volumeNode)
    margin = np.ceil(marginMm / spacing[::-1]).astype(int)
    first = np.clip(np.asarray(low) - margin, 0, np.array(values.shape) - 1)
    beyond = np.clip(np.asarray(high) + margin, first + 1, values.shape)
    hu = to_hounsfield(values[tuple(map(slice, first, beyond))].copy())
    return (
        CT(hu, triple(spacing), triple(origin + direction @ (first[::-1] * spacing)), direction),
        first,
    )


def ctAround(
    volumeNode: vtkMRMLScalarVolumeNode, point_lps_mm: Coordinates, marginMm: float
) -> CT | None:
    """A copy of the CT around a position; None if it lies outside."""
    voxel = voxelAt(volumeNode, point_lps_mm)
    if voxel is None:
        return None
    return ctPart(volumeNode, voxel[::-1], voxel[::-1] + 1, marginMm)[0]


def voxelAt(volumeNode: vtkMRMLScalarVolumeNode, point_lps_mm: Coordinates) -> np.ndarray | None:
    """The voxel (x, y, z) at a position; None outside the volume."""
    ras, size = rasOf(point_lps_mm), volumeNode.GetImageData().GetDimensions()
    voxel = np.rint(np.linalg.solve(ijkToWorld(volumeNode), [*ras, 1])[:3]).astype(int)
    return None if (voxel < 0).any() or (voxel >= size).any() else voxel


def addCt(ct: CT, name: str = "CT") -> vtkMRMLScalarVolumeNode:
    """Adds a CT to the scene, in the lung window: a vtkMRMLScalarVolumeNode."""
    volumeNode = addMap(ct.hu, Grid(np.array(ct.origin_lps_mm), ct.direction * ct.spacing_mm), name)
    displayNode = volumeNode.GetDisplayNode()
    displayNode.SetAutoWindowLevel(False)
    displayNode.SetWindowLevel(*LUNG_WINDOW_HU)
    volumeNode.SetAttribute(READING, _reading(ct))
    return volumeNode


def addMap(values: np.ndarray, grid: Grid, name: str) -> vtkMRMLScalarVolumeNode:
    """Adds values (z, y, x) on a grid to the scene as a vtkMRMLScalarVolumeNode."""
    ijkToLps = np.eye(4)
    ijkToLps[:3] = np.column_stack([grid.axes, grid.origin_lps_mm])
    volumeNode = slicer.util.addVolumeFromArray(values, RAS_TO_LPS @ ijkToLps, name)
    volumeNode.CreateDefaultDisplayNodes()
    return volumeNode


def addPointsNode(name: str = "Nodules") -> vtkMRMLMarkupsFiducialNode:
    """Adds an empty list of points to the scene, labelled N1, N2, ... as they are placed."""
    markupsNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    markupsNode.CreateDefaultDisplayNodes()
    markupsNode.SetControlPointLabelFormat(POINT_LABELS)
    return markupsNode


def addPoint(markupsNode: vtkMRMLMarkupsFiducialNode, point: Point) -> None:
    """Adds a point, LPS mm in the world, to a list."""
    markupsNode.AddControlPointWorld(vtk.vtkVector3d(*rasOf(point.lps_mm)), point.name)


def takeOutPoint(markupsNode: vtkMRMLMarkupsFiducialNode, index: int) -> Callable[[], None]:
    """Removes a control point, and returns a function that puts it back in its place."""
    place = vtk.vtkVector3d(*markupsNode.GetNthControlPointPosition(index))
    label = markupsNode.GetNthControlPointLabel(index)
    kept = {what: getattr(markupsNode, f"GetNthControlPoint{what}")(index) for what in OF_A_POINT}
    markupsNode.RemoveNthControlPoint(index)

    def putBack() -> None:
        at = min(index, markupsNode.GetNumberOfControlPoints())
        markupsNode.InsertControlPoint(at, place, label)
        for what, value in kept.items():
            getattr(markupsNode, f"SetNthControlPoint{what}")(at, value)

    return putBack


def pointIds(markupsNode: vtkMRMLMarkupsFiducialNode) -> dict[str, str]:
    """Name of each placed point by its ID, which stays when the point is renamed or moved."""
    names = zip(placed(markupsNode), pointNames(markupsNode), strict=True)
    return {markupsNode.GetNthControlPointID(index): name for index, name in names}


def placesIn(volumeNode: vtkMRMLScalarVolumeNode, points: Sequence[Point]) -> dict[str, Place]:
    """Where points lie in a CT, by name, as an assessment says it (see ``place_on``); points
    outside are left out."""
    if volumeNode.GetImageData() is None:
        return {}
    spacing, origin, direction = gridLps(volumeNode)
    shape = volumeNode.GetImageData().GetDimensions()[::-1]
    grid = shape, triple(origin), direction * spacing, _counting(volumeNode)
    inside = [one for one in points if voxelAt(volumeNode, one.lps_mm) is not None]
    return {one.name: place_on(*grid, one.lps_mm) for one in inside}


def lookAt(cameraNode: vtkMRMLCameraNode, point_ras_mm: Sequence[float]) -> None:
    """From the side it looked from before, at a distance that shows a nodule."""
    camera = cameraNode.GetCamera()
    away = camera.GetDirectionOfProjection()
    camera.SetFocalPoint(point_ras_mm)
    camera.SetPosition(
        [value - CAMERA_MM * part for value, part in zip(point_ras_mm, away, strict=True)]
    )
    cameraNode.ResetClippingRange()


def selected(
    volumeNode: vtkMRMLScalarVolumeNode | None, markupsNode: vtkMRMLMarkupsFiducialNode | None
) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLMarkupsFiducialNode]:
    """The CT and the list of points.

    Raises:
        NoduleRiskError: one of them has yet to be selected.
    """
    if volumeNode is None or markupsNode is None:
        raise NoduleRiskError(_("Select a CT and a list of points."))
    return volumeNode, markupsNode


def pointNames(markupsNode: vtkMRMLMarkupsFiducialNode) -> list[str]:
    """The names that the nodules of a point list have everywhere, in the list's order."""
    return [
        point.name
        for point in named_points((label, (0, 0, 0)) for label in placed(markupsNode).values())
    ]


def pointsLps(markupsNode: vtkMRMLMarkupsFiducialNode) -> list[Point]:
    """The points that were placed, LPS mm.

    Raises:
        PointError: there is none.
        NoduleRiskError: a parent transform is not linear (fault 13).
    """
    labels = placed(markupsNode)
    if not labels:
        raise PointError(_("There is no point yet: place one on each nodule."))
    toLps = RAS_TO_LPS @ toWorld(markupsNode)
    positions = (toLps @ [*markupsNode.GetNthControlPointPosition(index), 1] for index in labels)
    return named_points(
        (label, (x, y, z))
        for label, (x, y, z, _one) in zip(labels.values(), positions, strict=True)
    )


def placed(markupsNode: vtkMRMLMarkupsFiducialNode) -> dict[int, str]:
    """Label by index of the control points that have a position; a point being placed has none
    yet."""
    return {
        index: markupsNode.GetNthControlPointLabel(index)
        for index in range(markupsNode.GetNumberOfControlPoints())
        if markupsNode.GetNthControlPointPositionStatus(index) == markupsNode.PositionDefined
    }


def _reading(ct: CT) -> str:
    """A CT's acquisition, checks and filled slices as JSON; nothing about the patient."""
    checks = [asdict(check) for check in ct.checks]
    return json.dumps(
        {"acquisition": asdict(ct.acquisition), "checks": checks, "filled_slices": ct.filled_slices}
    )


def _readingIn(said: str) -> dict[str, Any]:
    values = json.loads(said)
    checks = [Check(**check) for check in values["checks"]]
    return {**values, "acquisition": Acquisition(**values["acquisition"]), "checks": checks}


def dicomFiles(volumeNode: vtkMRMLScalarVolumeNode) -> list[Path]:
    """The files of a series that Slicer's DICOM module loaded; none where it came otherwise, or
    they are gone."""
    return _filesOf(_instancesOf(volumeNode))


def _instancesOf(volumeNode: vtkMRMLScalarVolumeNode) -> list[str]:
    return (volumeNode.GetAttribute("DICOM.instanceUIDs") or "").split()


def _filesOf(instances: Sequence[str]) -> list[Path]:
    database = getattr(slicer, "dicomDatabase", None)
    files = (
        [database.fileForInstance(instance) for instance in instances]
        if database is not None
        else []
    )
    return [Path(file) for file in files if file and Path(file).is_file()]


def _saidIn(files: list[Path]) -> dict[str, Any]:
    from nodulerisk.ct.dicom.series import (
        acquisition_in,  # needs a pydicom that may have yet to be installed
    )

    if not files:
        return {}
    acquisition, checks = acquisition_in(files)
    return {"acquisition": acquisition, "checks": checks}


def _counting(volumeNode: vtkMRMLScalarVolumeNode) -> Acquisition:
    """How the CT's series counts its slices, by the first and the last: Slicer loads a series in
    the order in which its slices lie. Unknown where its files or the packages do not serve, which
    is said when the user assesses."""
    said = volumeNode.GetAttribute(READING)
    if said:
        return _readingIn(said)["acquisition"]
    first, *others = _instancesOf(volumeNode) or [""]
    try:
        return _countingIn(*_filesOf([first, *others[-1:]]))
    except (CTError, ImportError):
        return Acquisition()


@lru_cache(maxsize=32)
def _countingIn(*files: Path) -> Acquisition:
    return _saidIn(list(files)).get("acquisition", Acquisition())


def gridLps(volumeNode: vtkMRMLScalarVolumeNode) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spacing (3,), origin (3,) and direction (3, 3; one column per axis x, y, z) of a volume, LPS
    mm."""
    ijkToLps = RAS_TO_LPS @ ijkToWorld(volumeNode)
    axes = ijkToLps[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    return spacing, ijkToLps[:3, 3], axes / spacing


def toWorld(node: vtkMRMLTransformableNode) -> np.ndarray:
    """4x4, RAS mm: from a node's own coordinates to the world's."""
    transformNode = node.GetParentTransformNode()
    if transformNode is None:
        return np.eye(4)
    if not transformNode.IsTransformToWorldLinear():
        raise NoduleRiskError(NOT_LINEAR)
    return slicer.util.arrayFromTransformMatrix(transformNode, toWorld=True)


def ijkToWorld(volumeNode: vtkMRMLScalarVolumeNode) -> np.ndarray:
    """4x4: from voxel indices (x, y, z) to RAS mm in the world."""
    ijkToRas = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(ijkToRas)
    return toWorld(volumeNode) @ slicer.util.arrayFromVTKMatrix(ijkToRas)


def lpsOf(point_ras_mm: Coordinates) -> tuple[float, float, float]:
    """A position of Slicer in the core's coordinates."""
    return rasOf(point_ras_mm)  # x and y change sign, either way


def lpsOfVoxel(
    voxel: Sequence[float], volumeNode: vtkMRMLScalarVolumeNode
) -> tuple[float, float, float]:
    """LPS mm in the world of a voxel (x, y, z) of a volume, counted from 0."""
    return lpsOf((ijkToWorld(volumeNode) @ [*voxel, 1])[:3])


def rasOf(point_lps_mm: Coordinates) -> tuple[float, float, float]:
    """A position of the core in Slicer's coordinates."""
    x, y, z = point_lps_mm
    return -x, -y, z
