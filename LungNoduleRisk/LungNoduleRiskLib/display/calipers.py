"""The chosen nodule's diameters, as lines in the views on the slice where they were measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene

from LungNoduleRiskLib.display.results import withMask
from LungNoduleRiskLib.scene import rasOf
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Position
from nodulerisk.ct.volume import triple
from nodulerisk.nodule.measure import axes_lps_mm
from nodulerisk.outputs.style import CALIPER
from nodulerisk.tasks import EvidenceLevel

AXES = "long axis", "short axis"
AXIS = "LungNoduleRisk.Axis"  # node attribute: which of them
COLOUR = [int(CALIPER[at : at + 2], 16) / 255 for at in (1, 3, 5)]
GLYPH = 1.0  # size, % of the view


class Calipers(NamedTuple):
    """A nodule's diameters, in the slice where its mask is measured.

    Attributes:
        nodule: its name.
        ends_lps_mm: of the long and the short axis: (2, 2, 3).
        evidence: behind the mask.
    """

    nodule: str
    ends_lps_mm: np.ndarray
    evidence: EvidenceLevel

    @property
    def middle_lps_mm(self) -> Position:
        """The middle of the long axis."""
        return triple(self.ends_lps_mm[0].mean(axis=0))


def calipersOf(assessment: Assessment, volumeNode: vtkMRMLScalarVolumeNode) -> Calipers | None:
    """The diameters of a nodule's mask as it is now; None without a mask."""
    ct, assessment = withMask(assessment, volumeNode, 0)
    ends = axes_lps_mm(assessment.nodule, ct)
    if assessment.nodule is None or not len(ends):
        return None
    return Calipers(assessment.name, ends, assessment.nodule.evidence)


def showCalipers(calipers: Calipers | None) -> None:
    """Draws a nodule's diameters, in place of another's; None: draws none."""
    if calipers is None:
        for axis in AXES:
            _hide(axis)
        return
    for axis, pair in zip(AXES, calipers.ends_lps_mm, strict=True):
        _draw(axis, calipers.nodule, pair, calipers.evidence)


def _draw(axis: str, nodule: str, pair_lps_mm: np.ndarray, evidence: EvidenceLevel) -> None:
    """Shows a line with its length at one end, where the labels of two that cross lie apart."""
    node, ras = _line(axis) or _newLine(axis), [rasOf(end) for end in pair_lps_mm]
    node.SetName(f"{nodule} {axis}")
    node.SetDisplayVisibility(True)
    _place(node, ras)
    node.SetNthControlPointLabel(0, "")
    length_mm = np.linalg.norm(np.subtract(*pair_lps_mm))
    node.SetNthControlPointLabel(1, f"{length_mm:.1f} mm ({evidence})")


def _place(node: Any, ras: list[tuple[float, float, float]]) -> None:
    """Nothing where the line lies there already."""
    there = [
        node.GetNthControlPointPositionWorld(n) for n in range(node.GetNumberOfControlPoints())
    ]
    if len(there) == len(ras) and np.allclose(there, ras):
        return
    node.RemoveAllControlPoints()
    for end in ras:
        node.AddControlPointWorld(vtk.vtkVector3d(*end))


def _hide(axis: str) -> None:
    node = _line(axis)
    if node is not None:
        node.SetDisplayVisibility(False)


def _line(axis: str) -> Any:
    lines = slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")
    return next((line for line in lines if line.GetAttribute(AXIS) == axis), None)


def _newLine(axis: str) -> Any:
    """Not saved, since the mask has all that it says, and listed nowhere."""
    node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLMarkupsLineNode")
    node.UnRegister(None)
    node.SetAttribute(AXIS, axis)
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    node.SetLocked(True)
    with _samePlacing(slicer.mrmlScene):
        slicer.mrmlScene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    displayNode = node.GetDisplayNode()
    displayNode.SetSaveWithScene(False)
    displayNode.SetColor(*COLOUR)
    displayNode.SetSelectedColor(*COLOUR)
    displayNode.SetGlyphScale(GLYPH)
    displayNode.SetPointLabelsVisibility(True)
    displayNode.SetPropertiesLabelVisibility(False)
    displayNode.SetVisibility3D(False)
    return node


@contextmanager
def _samePlacing(scene: vtkMRMLScene) -> Iterator[None]:
    """Keeps the list into which points are placed: Slicer places into each new one."""
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    if selection is None:
        yield
        return
    before = selection.GetActivePlaceNodeClassName(), selection.GetActivePlaceNodeID()
    yield
    selection.SetActivePlaceNodeClassName(before[0])
    selection.SetActivePlaceNodeID(before[1])
