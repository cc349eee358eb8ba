"""Undoes what the user did in a session: placing a point, deleting a nodule, assessing.

Slicer's own undo does not serve: it is off, it is the whole application's, and asks that all nodes
that refer to each other take part, up to the CT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from LungNoduleRiskLib import scene
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.nodules import deleteNodule
from LungNoduleRiskLib.state import CtState, SessionState
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _


def unplace(state: SessionState, ID: str) -> None:
    """Undoes placing a point; whoever removed it since has done that already.

    Raises:
        NoduleRiskError: there is more of it than a point by now.
    """
    name = (state.named or {}).get(ID)
    if name is None:
        return
    nodule = state.nodule(name)
    if nodule.assessment is not None or _isDrawn(name, state):
        words = _("{name} has results or a mask by now: delete it instead.")
        raise NoduleRiskError(words.format(name=name))
    deleteNodule(nodule, state.volumeNode, state.markupsNode)


def undelete(
    state: SessionState, name: str, bringBack: Callable[[], object], known: CtState
) -> None:
    """Undoes deleting a nodule."""
    if name in [one.name for one in state.nodules]:
        words = _("There is another nodule '{name}' now: rename it first.")
        raise NoduleRiskError(words.format(name=name))
    bringBack()
    state.known.add(known)
    state.chosen = name


def ofRun(state: SessionState) -> Callable[[], None]:
    """A function that undoes the run that starts now, whether it ends or is cancelled."""
    volumeNode, markupsNode = scene.selected(state.volumeNode, state.markupsNode)
    named, known = scene.pointIds(markupsNode), CtState(gone=dict(state.known.gone))
    known.add(state.known)
    bringBack = results.keeper(list(named.values()), volumeNode)
    return partial(_bringBackResults, state, named, bringBack, known)


def _bringBackResults(
    state: SessionState, named: dict[str, str], bringBack: Callable[[], None], known: CtState
) -> None:
    """Undoes assessing: results as they were before, or none."""
    now = state.named or {}
    renamed = [name for ID, name in named.items() if now.get(ID, name) != name]
    if renamed:
        words = _("Renamed since: {names}. Give these points their names back.")
        raise NoduleRiskError(words.format(names=", ".join(renamed)))
    bringBack()
    volumeNode, markupsNode = scene.selected(state.volumeNode, state.markupsNode)
    saved = results.savedAssessments(volumeNode)
    results.colourPoints(markupsNode, {name: saved.get(name) for name in named.values()})
    state.cts[volumeNode.GetID()] = replace(known, answers=state.known.answers)


def _isDrawn(name: str, state: SessionState) -> bool:
    """Whether a nodule's mask was drawn or changed by hand."""
    ct = state.volumeNode
    return ct is not None and bool(results.handDrawn(ct, [name]))
