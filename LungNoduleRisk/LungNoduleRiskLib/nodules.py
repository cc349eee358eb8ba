"""The nodules of a scene: the points of a list, and what was assessed at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Point

MOVED_MM = 0.1  # a point farther than this from where it was assessed was moved


@dataclass(frozen=True)
class SceneNodule:
    """A nodule as the scene has it: a point, an assessment, or both.

    Attributes:
        name: of the point.
        index: of the control point; None where the point was deleted after it was assessed.
        assessment: without its mask; None where it was not assessed yet.
        moved: the point was moved since.
    """

    name: str
    index: int | None
    assessment: Assessment | None
    moved: bool = False


def sceneNodules(
    volumeNode: vtkMRMLScalarVolumeNode | None, markupsNode: vtkMRMLMarkupsFiducialNode | None
) -> list[SceneNodule]:
    """Every point of the list, then what was assessed on the CT and has no point in it any more.

    Raises:
        NoduleRiskError: see ``scene.pointsLps`` and ``results.savedAssessments``.
    """
    saved = results.savedAssessments(volumeNode) if volumeNode is not None else {}
    indices = scene.placed(markupsNode) if markupsNode is not None else {}
    points = scene.pointsLps(markupsNode) if markupsNode is not None and indices else []
    listed = [
        SceneNodule(point.name, index, saved.get(point.name), _moved(point, saved.get(point.name)))
        for point, index in zip(points, indices, strict=True)
    ]
    names = {nodule.name for nodule in listed}
    return listed + [
        SceneNodule(name, None, assessment)
        for name, assessment in saved.items()
        if name not in names
    ]


def deleteNodule(
    nodule: SceneNodule,
    volumeNode: vtkMRMLScalarVolumeNode | None,
    markupsNode: vtkMRMLMarkupsFiducialNode | None,
) -> Callable[[], object]:
    """Removes a nodule's point and its results, and returns a function that brings them back, in
    the nodes that are still in the scene."""
    putBack: list[tuple[vtkMRMLNode, Callable[[], None]]] = []
    if nodule.index is not None and markupsNode is not None:
        putBack.append((markupsNode, scene.takeOutPoint(markupsNode, nodule.index)))
    if volumeNode is not None:
        putBack.append((volumeNode, results.takeOut(nodule.name, volumeNode)))
    return lambda: [put() for node, put in putBack if node.GetScene() is not None]


def _moved(point: Point, assessment: Assessment | None) -> bool:
    return assessment is not None and bool(
        np.linalg.norm(np.subtract(point.lps_mm, assessment.point_lps_mm)) > MOVED_MM
    )
