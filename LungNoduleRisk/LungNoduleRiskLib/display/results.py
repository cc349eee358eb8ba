"""A CT's results in the scene: a segment, a table row, bars of the chart and a saved assessment for
every nodule.

The text node with the assessments as JSON is what counts; table and chart are written from it. A
mask that was changed by hand is never removed or replaced unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import slicer
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from LungNoduleRiskLib.display.chart import showChart
from LungNoduleRiskLib.display.explanations import removeExplanations
from LungNoduleRiskLib.display.nodes import FILL, ensureResultNode, resultNode
from LungNoduleRiskLib.display.rows import columnsOf, rowOf
from LungNoduleRiskLib.display.saved import Entry, entriesIn, textOf
from LungNoduleRiskLib.display.segments import (
    DRAWN_BY_HAND,
    addSegment,
    fingerprint,
    newSegment,
    regionOnCt,
    segmentOnCt,
)
from LungNoduleRiskLib.display.tables import asText, fillTable
from LungNoduleRiskLib.scene import ctPart, ijkToWorld, placed, pointNames, rasOf
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.nodule.findings import remeasured
from nodulerisk.nodule.mask import hand_mask
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.outputs.style import NO_RISK_KNOWN, RISK_COLOURS
from nodulerisk.tasks import FIRST_TASK, TASKS, EvidenceLevel


def showAssessment(
    assessment: Assessment,
    volumeNode: vtkMRMLScalarVolumeNode,
    keepMask: bool = False,
    summarised: bool = True,
) -> None:
    """Shows a nodule's assessment in the CT's scene, in place of the earlier one of that name.

    Args:
        assessment: with the mask as the networks drew it.
        volumeNode: the CT.
        keepMask: where the nodule has a segment it stays, and is measured in place of the networks'
            mask.
        summarised: also fill table and chart; else ``summarise`` is to be called after the last of
            many nodules, since both are filled as a whole.

    Raises:
        NoduleRiskError: the CT has left the scene or has another size now; the earlier assessment
            is gone nevertheless.
    """
    if volumeNode.GetScene() is None:
        raise NoduleRiskError(_("The CT was removed while it was assessed: load it again."))
    name, entries = assessment.name, _entries(volumeNode)
    entries.pop(name, None)
    if not keepMask:
        _removeSegments([name], volumeNode)
    try:
        entries[name] = _entryOf(assessment, volumeNode)
    finally:
        _write(entries, volumeNode)
        if summarised:
            summarise(volumeNode)


def summarise(volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Fills the CT's table and chart from its assessments, where there are any."""
    if resultNode("text", volumeNode) is None:
        return
    entries = _entries(volumeNode)
    assessments = {name: entry.assessment for name, entry in entries.items()}
    rows = [rowOf(entry.assessment, entry.maskEvidence) for entry in entries.values()]
    fillTable(ensureResultNode("table", volumeNode), columnsOf(rows))
    showChart(
        assessments, *(ensureResultNode(role, volumeNode) for role in ("chart", "chart data"))
    )


def removeAssessment(
    name: str, volumeNode: vtkMRMLScalarVolumeNode, keepMask: bool = False
) -> None:
    """Removes a nodule's saved assessment, row and bars, and its segment unless that is to stay."""
    removeAssessments([name], volumeNode, [name] if keepMask else [])


def takeOut(name: str, volumeNode: vtkMRMLScalarVolumeNode) -> Callable[[], None]:
    """Removes a nodule's results, and returns a function that puts them back."""
    bringBack = keeper([name], volumeNode)
    removeAssessment(name, volumeNode)
    return bringBack


def keeper(names: Collection[str], volumeNode: vtkMRMLScalarVolumeNode) -> Callable[[], None]:
    """A function that brings nodules' results back as they are now, in place of what they have
    then; it raises ``NoduleRiskError`` where a mask that was changed by hand since would be lost.
    """
    entries = {name: one for name, one in _entries(volumeNode).items() if name in names}
    copies = {name: _segmentCopy(name, volumeNode) for name in names}
    segments = {name: segment for name, segment in copies.items() if segment is not None}
    prints = {
        name: entries[name].measured if name in entries else _fingerprintOf(name, volumeNode)
        for name in segments
    }
    return partial(_putBack, names, entries, segments, prints, volumeNode)


def rename(old: str, new: str, volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Gives a nodule's results another name; nothing where that has results already."""
    entries = _entries(volumeNode)
    if new in entries or _segmentationWith(new, volumeNode) is not None:
        return
    _renameSegment(old, new, volumeNode)
    removeExplanations([old], volumeNode)  # whose name says another's now
    if old in entries:
        renamed = {new: entries[old].named(new)}
        _save(
            {
                key: one
                for name, entry in entries.items()
                for key, one in (renamed if name == old else {name: entry}).items()
            },
            volumeNode,
        )


def removeAssessments(
    names: Collection[str], volumeNode: vtkMRMLScalarVolumeNode, keptMasks: Collection[str] = ()
) -> None:
    """The same for many nodules at once."""
    removeExplanations(names, volumeNode)
    _removeSegments([name for name in names if name not in keptMasks], volumeNode)
    entries = _entries(volumeNode)
    left = {name: entry for name, entry in entries.items() if name not in names}
    if len(left) < len(entries):
        _save(left, volumeNode)


def savedAssessments(volumeNode: vtkMRMLScalarVolumeNode) -> dict[str, Assessment]:
    """The CT's assessments by nodule name, without their masks (see ``withMask``).

    Raises:
        NoduleRiskError: the text node was edited into something else.
    """
    try:
        return {name: entry.assessment for name, entry in _entries(volumeNode).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(volumeNode) from error


def withMask(
    assessment: Assessment, volumeNode: vtkMRMLScalarVolumeNode, marginMm: float
) -> tuple[CT, Assessment]:
    """The part of the CT around the nodule, and the assessment with its segment as it is now, where
    there is one."""
    segmentationNode = _segmentationWith(assessment.name, volumeNode)
    if segmentationNode is None:
        voxel = _voxelAt(assessment.centre_lps_mm, volumeNode)
        return ctPart(volumeNode, voxel, voxel + 1, marginMm)[0], replace(assessment, nodule=None)
    evidence = _entries(volumeNode)[assessment.name].maskEvidence or DRAWN_BY_HAND
    ct, nodule = segmentOnCt(segmentationNode, assessment.name, volumeNode, marginMm, evidence)
    return ct, replace(assessment, nodule=nodule)


def withMasks(volumeNode: vtkMRMLScalarVolumeNode, ct: CT) -> list[Assessment]:
    """All of the CT's assessments with their segments as they are now, on the whole CT (see
    ``scene.ctFromNode``)."""
    entries = _entries(volumeNode)
    return [
        replace(assessment, nodule=_maskOn(ct, name, volumeNode, entries[name].maskEvidence))
        for name, assessment in savedAssessments(volumeNode).items()
    ]


def handDrawn(volumeNode: vtkMRMLScalarVolumeNode, names: Collection[str]) -> list[str]:
    """Those of the nodules whose segment is not empty, and not as the networks drew it."""
    drawn = {name: entry.drawn for name, entry in _entries(volumeNode).items()}
    return [name for name in names if _fingerprintOf(name, volumeNode) not in ("", drawn.get(name))]


def segmentToEdit(name: str, volumeNode: vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
    """The CT's segmentation node with a segment of the nodule, a new and empty one where it has
    none."""
    segmentationNode = ensureResultNode("segmentation", volumeNode)
    if _segmentationWith(name, volumeNode) is None:
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        segmentationNode.GetSegmentation().AddSegment(newSegment(name, NO_RISK_KNOWN), name)
    return segmentationNode


def remeasure(volumeNode: vtkMRMLScalarVolumeNode) -> list[str]:
    """Measures again the nodules whose segments have changed since, and returns their names."""
    entries = _entries(volumeNode)
    now = {name: _fingerprintOf(name, volumeNode) for name in entries}
    changed = [name for name, found in now.items() if found != entries[name].measured]
    for name in changed:
        entries[name] = _remeasured(entries[name], now[name], volumeNode)
    if changed:
        _save(entries, volumeNode)
    return changed


def maskOpacity(volumeNode: vtkMRMLScalarVolumeNode) -> float:
    """How much the CT's masks cover in the slices, 0..1."""
    segmentationNode = resultNode("segmentation", volumeNode)
    return (
        FILL if segmentationNode is None else segmentationNode.GetDisplayNode().GetOpacity2DFill()
    )


def setMaskOpacity(volumeNode: vtkMRMLScalarVolumeNode, opacity: float) -> None:
    """Nothing where the CT has no masks."""
    segmentationNode = resultNode("segmentation", volumeNode)
    if segmentationNode is not None:
        segmentationNode.GetDisplayNode().SetOpacity2DFill(opacity)


def tableText(volumeNode: vtkMRMLScalarVolumeNode) -> str:
    """The CT's table as lines with tabs, below what it may be used for; empty without results."""
    tableNode = resultNode("table", volumeNode)
    return "" if tableNode is None else f"{RESEARCH_USE_ONLY}\n{asText(tableNode)}"


def colourPoints(
    markupsNode: vtkMRMLMarkupsFiducialNode, assessments: Mapping[str, Assessment | None]
) -> None:
    """Colours points by their assessments, by name: of a list's points Slicer colours the selected
    and the others, no single ones.

    A point decided benign is not selected, and has the first class's colour; all others look
    suspicious, also where that decision is withheld.
    """
    benign, *_worse = TASKS[FIRST_TASK].classes
    markupsNode.CreateDefaultDisplayNodes()
    displayNode = markupsNode.GetDisplayNode()
    displayNode.SetColor(*RISK_COLOURS["first"])
    displayNode.SetSelectedColor(*RISK_COLOURS["last"])
    for index, name in zip(placed(markupsNode), pointNames(markupsNode), strict=True):
        if name in assessments:
            markupsNode.SetNthControlPointSelected(index, _decision(assessments[name]) != benign)


def _decision(assessment: Assessment | None) -> str | None:
    """What may be said of the first task."""
    if assessment is None or FIRST_TASK not in assessment.tasks:
        return None
    return assessment.stated(FIRST_TASK).decision


def _entryOf(assessment: Assessment, volumeNode: vtkMRMLScalarVolumeNode) -> Entry:
    """Adds the networks' mask, and gives what is to be saved; where a segment has stayed it is
    measured instead."""
    kept = _segmentationWith(assessment.name, volumeNode) is not None
    if not kept:
        _addMask(assessment, volumeNode)
    found = _fingerprintOf(assessment.name, volumeNode)
    entry = Entry.of(assessment, None if kept else found)
    return _remeasured(entry, found, volumeNode) if kept else entry


def _renameSegment(old: str, new: str, volumeNode: vtkMRMLScalarVolumeNode) -> None:
    """Puts a copy in the segment's place: a segment keeps its ID, by which we know it."""
    segmentationNode = _segmentationWith(old, volumeNode)
    if segmentationNode is None:
        return
    segmentation, segment = segmentationNode.GetSegmentation(), _segmentCopy(old, volumeNode)
    segment.SetName(new)
    segmentation.RemoveSegment(old)
    segmentation.AddSegment(segment, new)


def _putBack(
    names: Collection[str],
    entries: dict[str, Entry],
    segments: dict[str, Any],
    prints: dict[str, str | None],
    volumeNode: vtkMRMLScalarVolumeNode,
) -> None:
    byHand = handDrawn(volumeNode, names)
    lost = [name for name in byHand if _fingerprintOf(name, volumeNode) != prints.get(name)]
    if lost:
        words = _("These masks were changed by hand since, and would be lost: {names}.")
        raise NoduleRiskError(words.format(names=", ".join(lost)))
    removeAssessments(names, volumeNode)
    for name, segment in segments.items():
        segmentToEdit(name, volumeNode).GetSegmentation().GetSegment(name).DeepCopy(segment)
    if entries:
        _save(_entries(volumeNode) | entries, volumeNode)


def _segmentCopy(name: str, volumeNode: vtkMRMLScalarVolumeNode) -> Any:
    """A copy of the nodule's segment; None where it has none."""
    segmentationNode = _segmentationWith(name, volumeNode)
    if segmentationNode is None:
        return None
    segment = slicer.vtkSegment()
    segment.DeepCopy(segmentationNode.GetSegmentation().GetSegment(name))
    return segment


def _voxelAt(point_lps_mm: Sequence[float], volumeNode: vtkMRMLScalarVolumeNode) -> np.ndarray:
    """The CT's voxel (z, y, x) at a position."""
    i, j, k, _one = np.linalg.solve(ijkToWorld(volumeNode), [*rasOf(point_lps_mm), 1])
    return np.rint([k, j, i]).astype(int)


def _removeSegments(names: Collection[str], volumeNode: vtkMRMLScalarVolumeNode) -> None:
    for name in names:
        segmentationNode = _segmentationWith(name, volumeNode)
        if segmentationNode is not None:
            segmentationNode.GetSegmentation().RemoveSegment(name)


def _addMask(assessment: Assessment, volumeNode: vtkMRMLScalarVolumeNode) -> None:
    nodule = assessment.nodule
    if nodule is None:
        return
    if volumeNode.GetImageData().GetDimensions() != nodule.ct_shape[::-1]:
        raise NoduleRiskError(_("The CT was changed while it was assessed: assess it again."))
    segmentationNode = ensureResultNode("segmentation", volumeNode)
    addSegment(segmentationNode, assessment.name, nodule, volumeNode, risk_colour(assessment))


def _segmentationWith(
    name: str, volumeNode: vtkMRMLScalarVolumeNode
) -> vtkMRMLSegmentationNode | None:
    """The CT's segmentation node if it has a segment of the nodule, else None."""
    segmentationNode = resultNode("segmentation", volumeNode)
    if segmentationNode is None or segmentationNode.GetSegmentation().GetSegment(name) is None:
        return None
    return segmentationNode


def _maskOn(
    ct: CT, name: str, volumeNode: vtkMRMLScalarVolumeNode, evidence: EvidenceLevel | None
) -> NoduleMask | None:
    """The nodule's segment on the whole CT, where it has one."""
    segmentationNode = _segmentationWith(name, volumeNode)
    if segmentationNode is None:
        return None
    return hand_mask(*regionOnCt(segmentationNode, name, volumeNode), ct, evidence or DRAWN_BY_HAND)


def _fingerprintOf(name: str, volumeNode: vtkMRMLScalarVolumeNode) -> str:
    """Empty where the nodule has no segment, as where that is empty."""
    segmentationNode = _segmentationWith(name, volumeNode)
    return "" if segmentationNode is None else fingerprint(segmentationNode, name)


def _remeasured(entry: Entry, found: str, volumeNode: vtkMRMLScalarVolumeNode) -> Entry:
    """The entry with its segment's measurements; the networks' own where the segment is as they
    drew it again."""
    if found == entry.drawn:
        return entry.asDrawn
    assessment = entry.assessment
    segmentationNode = _segmentationWith(assessment.name, volumeNode)
    nodule: NoduleMask | None = None
    if segmentationNode is None:
        ct, _same = withMask(assessment, volumeNode, 0)
    else:
        ct, nodule = segmentOnCt(segmentationNode, assessment.name, volumeNode)
    return entry.remeasured(remeasured(assessment, ct, nodule), found)


def _entries(volumeNode: vtkMRMLScalarVolumeNode) -> dict[str, Entry]:
    """What is saved of the CT's nodules, by name."""
    textNode = resultNode("text", volumeNode)
    if textNode is None:
        return {}
    try:
        return entriesIn(textNode.GetText())
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(volumeNode) from error


def _damaged(volumeNode: vtkMRMLScalarVolumeNode) -> NoduleRiskError:
    name = resultNode("text", volumeNode).GetName()
    words = _("'{name}' is damaged: delete it in the Data module, and assess again.")
    return NoduleRiskError(words.format(name=name))


def _save(entries: dict[str, Entry], volumeNode: vtkMRMLScalarVolumeNode) -> None:
    _write(entries, volumeNode)
    summarise(volumeNode)


def _write(entries: dict[str, Entry], volumeNode: vtkMRMLScalarVolumeNode) -> None:
    ensureResultNode("text", volumeNode).SetText(textOf(entries))
