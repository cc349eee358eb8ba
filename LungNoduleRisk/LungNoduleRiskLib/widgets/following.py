"""The section for follow-up: how each nodule has changed since earlier CTs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import slicer
from slicer import vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import comparing, scene
from LungNoduleRiskLib.language import tr as _
from LungNoduleRiskLib.parameters import BY_NAME, Parameters
from LungNoduleRiskLib.session import Session
from nodulerisk.clinical.registration import Alignment, Pair
from nodulerisk.clinical.timeline import Step, Timeline
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import joined


class Following:
    """Aligns two CTs, and compares the nodules that the user confirms to be the same."""

    def __init__(self, session: Session, do: Callable, say: Callable, onCompared: Callable):
        """``do`` is the panel's; ``onCompared`` is called once the nodules were compared."""
        self._session, self._do, self._say, self._onCompared = session, do, say, onCompared
        self._dated: tuple[str, ...] = ()  # IDs of the CTs whose days were filled in

    def fillDays(self, chosen: Parameters) -> None:
        """Fills in the days between newly chosen CTs from their DICOM dates, if they have any."""
        if chosen.earlier is None or chosen.ct is None:
            return
        IDs = chosen.earlier.GetID(), chosen.ct.GetID()
        if IDs == self._dated:
            return
        self._dated = IDs
        days = comparing.daysBetween(chosen.earlier, chosen.ct)
        if days is not None and days > 0:
            chosen.days = days

    def compare(self, chosen: Parameters) -> None:
        """Starts the alignment; the rest follows once it is done."""
        self.fillDays(chosen)
        nodes, byName = (chosen.earlier, chosen.ct, chosen.days), chosen.pairing == BY_NAME
        align = partial(comparing.aligner, *nodes, byName)
        self._do(
            align,
            _("Aligning the lungs…"),
            lambda alignment: self._onAligned(alignment, *nodes, byName),
        )

    def _onAligned(
        self,
        alignment: Alignment | None,
        earlierNode: vtkMRMLScalarVolumeNode,
        volumeNode: vtkMRMLScalarVolumeNode,
        days: float,
        byName: bool,
    ) -> None:
        try:
            nodes = alignment, earlierNode, volumeNode
            self._say(_words(self._session.follow(*nodes, days, _isOneNodule, byName)))
        except NoduleRiskError as error:
            self._say(str(error))
        self._onCompared()


def _words(timeline: Timeline) -> str:
    steps = [step for track in timeline.tracks for step in timeline.steps(track)]
    by = {status: [s for s in steps if s.status == status] for status in ("both scans", "new")}
    gone = [_goneWords(timeline, step) for step in steps if step.status == "gone"]
    new = [step.after.name for step in by["new"] if step.after is not None]
    said = comparing.COMPARED.format(
        count=len(by["both scans"]),
        gone=", ".join(gone) or _("none"),
        new=", ".join(new) or _("none"),
    )
    remarks = [step.remark for step in steps if step.status in ("merged", "split")]
    remarks += [
        joined(": ", (_name(step), step.remark)) for step in by["both scans"] if step.is_not_found
    ]
    return " ".join([say(said), *map(_sentence, remarks)])


def _sentence(remark: str) -> str:
    said = say(remark)
    return said if said.endswith((".", "。")) else f"{said}."


def _goneWords(timeline: Timeline, step: Step) -> str:
    """The nodule's name, and where to look for it, in Slicer's coordinates."""
    place = timeline.place(step)
    if place is None:
        return _name(step)
    x, y, z = scene.rasOf(place)
    words = _("{name} (look for it at R {x:.0f}, A {y:.0f}, S {z:.0f} mm)")
    return words.format(name=_name(step), x=x, y=y, z=z)


def _name(step: Step) -> str:
    point = step.before if step.after is None else step.after
    return "" if point is None else point.name


def _isOneNodule(pair: Pair) -> bool:
    if math.isnan(pair.distance_mm):
        question = _(
            "The lungs of the two CTs do not match. Is {before} on the earlier CT the same nodule"
            " as {after} on this one?"
        )
    else:
        question = _(
            "{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once"
            " the lungs are aligned. Are they the same nodule?"
        )
    return slicer.util.confirmYesNoDisplay(
        question.format(before=pair.before.name, after=pair.after.name, distance=pair.distance_mm)
    )
