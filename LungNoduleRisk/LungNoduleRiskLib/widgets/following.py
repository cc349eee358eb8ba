"""The section for follow-up: how each nodule has changed since an earlier CT."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import slicer
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _

from LungNoduleRiskLib import comparing
from LungNoduleRiskLib.parameters import Parameters
from LungNoduleRiskLib.session import Session
from nodulerisk.clinical.registration import Alignment, Matches, Pair
from nodulerisk.errors import NoduleRiskError


class Following:
    """Aligns two CTs, and compares the nodules that the user confirms to be the same."""

    def __init__(self, session: Session, do: Callable, say: Callable, onCompared: Callable):
        """``do`` is the panel's; ``onCompared`` is called once the nodules were compared."""
        self._session, self._do, self._say, self._onCompared = session, do, say, onCompared

    def compare(self, chosen: Parameters) -> None:
        """Starts the alignment; the rest follows once it is done."""
        nodes = chosen.earlier, chosen.ct, chosen.days
        align = partial(comparing.aligner, *nodes)
        self._do(
            align, _("Aligning the lungs…"), lambda alignment: self._onAligned(alignment, *nodes)
        )

    def _onAligned(
        self,
        alignment: Alignment,
        earlierNode: vtkMRMLScalarVolumeNode,
        volumeNode: vtkMRMLScalarVolumeNode,
        days: float,
    ) -> None:
        try:
            nodes = alignment, earlierNode, volumeNode
            self._say(_matchWords(self._session.follow(*nodes, days, _isOneNodule)))
        except NoduleRiskError as error:
            self._say(str(error))
        self._onCompared()


def _matchWords(matches: Matches) -> str:
    words = _("{pairs} nodules compared; only on the earlier CT: {gone}; only now: {new}.")
    gone, new = (
        ", ".join(point.name for point in points) or _("none")
        for points in (matches.gone, matches.new)
    )
    return words.format(pairs=len(matches.pairs), gone=gone, new=new)


def _isOneNodule(pair: Pair) -> bool:
    question = _(
        "{before} on the earlier CT and {after} on this one lie {distance:.1f} mm apart once the"
        " lungs are aligned. Are they the same nodule?"
    ).format(before=pair.before.name, after=pair.after.name, distance=pair.distance_mm)
    return slicer.util.confirmYesNoDisplay(question)
