"""A session: what a user has chosen, entered about the patient and is running; the same for panel
and page.

The scene holds the results. All else is in one typed state, which the session alone changes: panel
and page show it, and call the session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib import comparing, exporting, scene, undoing
from LungNoduleRiskLib.assessing import AssessmentRun, SceneAssessor
from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.calipers import Calipers, calipersOf
from LungNoduleRiskLib.display.nodes import detachStrays
from LungNoduleRiskLib.facts import NoduleFacts, Summary, noduleFacts, placeWords, summary
from LungNoduleRiskLib.nodules import SceneNodule, deleteNodule, sceneNodules
from LungNoduleRiskLib.state import CtState, News, SessionState
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.advice import NO_ADVICE, Advice, advise
from nodulerisk.clinical.followup import most_telling
from nodulerisk.clinical.patient import OF_THE_NODULE, Patient, patient_from
from nodulerisk.clinical.registration import Alignment, Pair
from nodulerisk.clinical.timeline import Timeline
from nodulerisk.ct.points import Point, Position
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.nodule.same import is_twin
from nodulerisk.trust.explain import Explanation

if TYPE_CHECKING:
    from nodulerisk.outputs.dicom import DicomSource


class Session:
    """The state and actions of panel and page. Call all but ``compute`` and ``tell`` on the main
    thread."""

    def __init__(self, assessor: SceneAssessor | None = None):
        self._assessor = assessor or SceneAssessor()
        self._state = SessionState()

    # What is chosen

    @property
    def volumeNode(self) -> vtkMRMLScalarVolumeNode | None:
        return self._state.volumeNode

    @property
    def markupsNode(self) -> vtkMRMLMarkupsFiducialNode | None:
        return self._state.markupsNode

    @property
    def nodules(self) -> list[SceneNodule]:
        """As the scene had them at the last ``refresh``."""
        return self._state.nodules

    @property
    def chosen(self) -> SceneNodule | None:
        """The chosen nodule; None where there is none."""
        return next((one for one in self.nodules if one.name == self._state.chosen), None)

    @property
    def selected(self) -> tuple[vtkMRMLScalarVolumeNode, vtkMRMLMarkupsFiducialNode]:
        """The chosen CT and list of points.

        Raises:
            NoduleRiskError: one of them has yet to be chosen.
        """
        return scene.selected(self.volumeNode, self.markupsNode)

    def use(
        self,
        volumeNode: vtkMRMLScalarVolumeNode | None,
        markupsNode: vtkMRMLMarkupsFiducialNode | None,
    ) -> None:
        """Chooses a CT and a list of points; ``refresh`` reads their nodules."""
        if (volumeNode, markupsNode) != (self.volumeNode, self.markupsNode):
            self._state.named = None
        self._state.volumeNode, self._state.markupsNode = volumeNode, markupsNode

    def refresh(self) -> list[str]:
        """Reads the nodules from the scene again. The chosen nodule stays chosen if it is still
        there; otherwise the first is chosen.

        Returns:
            Names of the new nodules, in the order of the list.

        Raises:
            NoduleRiskError: see ``sceneNodules``; there are no nodules then.
        """
        if self.run is None:
            self._followNames()
        state, before = self._state, [one.name for one in self.nodules]
        state.nodules = []
        state.nodules = sceneNodules(state.volumeNode, state.markupsNode)
        names = [one.name for one in state.nodules]
        self._known.keep(set(names))
        if state.chosen not in names:
            state.chosen = next(iter(names), None)
        return [name for name in names if name not in before]

    def choose(self, name: str) -> None:
        """Chooses a nodule.

        Raises:
            NoduleRiskError: there is none of that name.
        """
        self._state.chosen = self._state.nodule(name).name

    def step(self, by: int) -> None:
        """Chooses the next (1) or the previous (-1) nodule; after the last comes the first."""
        names = [one.name for one in self.nodules]
        if names:
            at = names.index(self._state.chosen) if self._state.chosen in names else -by
            self._state.chosen = names[(at + by) % len(names)]

    def position(self) -> Position | None:
        """Where to look at the chosen nodule, LPS mm: in the slice where its mask is measured;
        without a mask, or once its point was moved, at the point. None if no nodule is chosen."""
        nodule = self.chosen
        if nodule is None:
            return None
        calipers = None if nodule.moved else self.calipers()
        if calipers is not None:
            return calipers.middle_lps_mm
        if nodule.index is None:
            return None if nodule.assessment is None else nodule.assessment.centre_lps_mm
        return next((point.lps_mm for point in self.points() if point.name == nodule.name), None)

    def calipers(self) -> Calipers | None:
        """The diameters of the chosen nodule's mask as it is now; None where it has none."""
        nodule = self.chosen
        if nodule is None or nodule.assessment is None or self.volumeNode is None:
            return None
        return calipersOf(nodule.assessment, self.volumeNode)

    def delete(self, name: str) -> None:
        """Removes a nodule's point and its results, and all that is known of it.

        Raises:
            NoduleRiskError: there is none of that name.
        """
        self.refresh()  # a point that was removed since moves the others
        known = self._known.only(name)
        bringBack = deleteNodule(self._state.nodule(name), self.volumeNode, self.markupsNode)
        self._state.did(
            _("deleting {name}").format(name=name),
            partial(undoing.undelete, self._state, name, bringBack, known),
        )
        self._known.keep({one.name for one in self.nodules} - {name})
        self.refresh()

    @property
    def undoable(self) -> str | None:
        """What ``undo`` undoes on the chosen CT and list; None if there is nothing."""
        last = self._state.last
        return None if last is None else last.what

    def undo(self) -> None:
        """Undoes what was done last on the chosen CT and list: placing a point, deleting a nodule,
        or assessing.

        Raises:
            NoduleRiskError: there is nothing to undo, names were changed since, or a mask that was
                changed by hand since would be lost.
        """
        self.refresh()
        last = self._state.last
        if last is None:
            raise NoduleRiskError(_("There is nothing to undo here."))
        last.takeBack()
        self._state.done.remove(last)
        self._state.named = None  # what comes back was not placed
        self.refresh()

    def clear(self) -> None:
        """Cancels the current run and forgets everything: the next CT may be another patient's."""
        if self.run is not None:
            self.cancel()
        self._state = SessionState(run=self.run, news=self.news)

    def forgetRemoved(self) -> None:
        """Forgets the CTs that have left the scene, since others may get their IDs, and ends a run
        on one (fault 43)."""
        if self.run is not None and self.run.volumeNode.GetScene() is None:
            self.cancel()
        mrmlScene, cts = slicer.mrmlScene, self._state.cts
        self._state.cts = {ID: cts[ID] for ID in cts if mrmlScene.GetNodeByID(ID) is not None}
        self._state.done = [one for one in self._state.done if _isThere(one.volumeNode)]
        if not mrmlScene.IsClosing():
            detachStrays(mrmlScene)

    # What is known of nodules

    @property
    def refusals(self) -> Mapping[str, str]:
        """Why the last run refused points, by name."""
        return self._known.refusals

    @property
    def assessments(self) -> list[Assessment]:
        """The nodules' assessments in the order of the list, without masks."""
        return [one.assessment for one in self.nodules if one.assessment is not None]

    @property
    def drawn(self) -> list[Assessment]:
        """The assessments as the networks made them in this session, with their masks."""
        drawn = self._known.drawn
        return [drawn[one.name] for one in self.assessments if one.name in drawn]

    def points(self) -> list[Point]:
        """LPS mm, in the order of the list; none without a list."""
        if self.markupsNode is None or not scene.placed(self.markupsNode):
            return []
        return scene.pointsLps(self.markupsNode)

    def handDrawn(self) -> list[str]:
        """Names of the points whose masks were drawn or changed by hand."""
        if self.volumeNode is None or self.markupsNode is None:
            return []
        return results.handDrawn(self.volumeNode, scene.pointNames(self.markupsNode))

    def summaries(self) -> list[Summary]:
        """One line per nodule."""
        return [summary(one, self.refusals.get(one.name)) for one in self.nodules]

    def places(self) -> dict[str, str]:
        """Where each nodule lies in the CT, by name, as its results say, or else its point; points
        outside are left out, and all where a transform bends space."""
        if self.volumeNode is None:
            return {}
        try:
            found = scene.placesIn(self.volumeNode, self.points())
        except NoduleRiskError:  # said when the user assesses
            found = {}
        assessed = {one.name: one.assessment for one in self.nodules if not one.moved}
        found |= {name: one.place for name, one in assessed.items() if one and one.place}
        return {name: placeWords(place) for name, place in found.items()}

    def facts(self) -> NoduleFacts | None:
        """The chosen nodule's facts, with its mask as it is now; None if no nodule is chosen."""
        nodule, known = self.chosen, self._known
        if nodule is None:
            return None
        advice: Advice | str = NO_ADVICE
        if nodule.assessment is not None and self.volumeNode is not None:
            _ct, assessment = results.withMask(nodule.assessment, self.volumeNode, 0)
            nodule = replace(nodule, assessment=assessment)
            advice = self._adviceOrWhyNot(assessment)
        name = nodule.name
        return noduleFacts(nodule, known.refusals.get(name), advice, known.earlierOf(name))

    # The patient

    @property
    def answers(self) -> dict[str, str]:
        """What the user entered for scores and guidelines, about the patient and the chosen nodule,
        by field."""
        return self._state.answersFor(self._state.chosen or "")

    def answer(self, name: str, text: str) -> None:
        """Stores what the user enters for scores and guidelines; empty: not known.

        Args:
            name: of a field of ``Patient``; those in ``OF_THE_NODULE`` apply to the chosen nodule.
            text: as ``patient_from`` takes it.
        """
        if name not in OF_THE_NODULE:
            self._state.answers[name] = text
        elif self.chosen is not None:
            self._known.answers.setdefault(self.chosen.name, {})[name] = text
            if name == "density":
                self._compareAgain(self.chosen)

    def patientWith(self, name: str) -> Patient:
        """The patient, with what was entered about one of the nodules.

        Raises:
            NoduleRiskError: not a number, or one that nobody can have.
        """
        said = self._state.answersFor(name).items()
        return patient_from(f"{question}={text}" for question, text in said if text.strip())

    def advice(self, assessment: Assessment) -> Advice:
        """What scores and guidelines say of a nodule, given what the user entered and what became
        of it since an earlier scan.

        Raises:
            NoduleRiskError: see ``patientWith``.
        """
        listed = len(self.nodules) - sum(map(is_twin, self.assessments))
        change = most_telling(self._known.earlierOf(assessment.name))
        return advise(assessment, self.patientWith(assessment.name), listed, change)

    # A run

    @property
    def run(self) -> AssessmentRun | None:
        """The current run; None if there is none."""
        return self._state.run

    @property
    def news(self) -> News:
        """The progress of the current run."""
        return self._state.news

    def start(
        self,
        weights: str | Path,
        device: str,
        *,
        cascade: bool = False,
        stability: bool = False,
        thresholds: Mapping[str, float] | None = None,
        replaceMasks: bool = False,
    ) -> None:
        """Reads the scene for a run on all points: see ``SceneAssessor.prepare``. ``compute`` is to
        be called next, on another thread; then ``showNext`` while there is something; then ``end``.

        Raises:
            NoduleRiskError: see ``SceneAssessor.prepare``; what was known of an earlier run is
                gone.
        """
        self._state.did(_("assessing"), undoing.ofRun(self._state))
        self._known.refusals, self._known.earlier, self._known.gone = {}, {}, {}
        self._state.news = News()
        self._state.run = self._assessor.prepare(
            self.volumeNode,
            self.markupsNode,
            weights,
            device,
            cascade=cascade,
            stability=stability,
            thresholds=thresholds,
            replaceMasks=replaceMasks,
        )

    def compute(self) -> None:
        """Does the run's work; for any thread: see ``SceneAssessor.compute``."""
        assert self.run is not None
        self._assessor.compute(self.run, lambda what, share: self._tell(News(what, share)))

    def tell(self, what: str) -> None:
        """Reports, from any thread, what the current run is waiting for."""
        self._tell(News(what, self.news.share))

    def showNext(self) -> bool:
        """Shows one nodule that the run has assessed, or after the last fills table and chart;
        whether there was anything to do.

        Raises:
            NoduleRiskError: see ``results.showAssessment``.
        """
        run = self.run
        if run is None or not self._assessor.showNext(run):
            return False
        shown = run.assessments[run.shown - 1]
        self._state.of(run.volumeNode).drawn[shown.name] = shown
        return True

    def end(self) -> AssessmentRun:
        """Ends the run, once its work is over, and returns it; its refusals are kept."""
        run = self.run
        assert run is not None
        self._state.run = None
        self._assessor.summarise(run)
        if run.volumeNode.GetScene() is not None:
            self._state.of(run.volumeNode).refusals = dict(run.refusals)
        return run

    def cancel(self) -> None:
        """Cancels the current run: its ``compute`` raises; nodules assessed so far are kept."""
        self._assessor.cancel()

    # What takes seconds: prepared here, called on any thread

    def explainer(self, weights: str | Path, device: str) -> Callable[[], Explanation]:
        """A function that finds out where a network looked at the chosen nodule.

        Raises:
            NoduleRiskError: no nodule with an assessment is chosen; see
                ``SceneAssessor.explainer``.
        """
        if self.chosen is None or self.chosen.assessment is None:
            raise NoduleRiskError(_("Choose a nodule that was assessed."))
        return self._assessor.explainer(self.chosen.assessment, self._ct(), weights, device)

    def reportWriter(
        self,
        path: Path,
        name: str | None = None,
        readIdentity: Callable[[], dict[str, str]] | None = None,
    ) -> Callable[[], None]:
        """A function that writes the report of one nodule, or of all: see
        ``exporting.reportWriter``."""
        found = [one for one in self.assessments if name in (None, one.name)]
        known = self._known
        gone = [one for ofOne in known.gone.values() for one in ofOne] if name is None else []
        return exporting.reportWriter(
            found, self._ct(), self.advice, path, known.earlierOf, readIdentity, gone
        )

    def identityReader(self) -> Callable[[], dict[str, str]]:
        """A function that reads who the patient is from the CT's files in Slicer's DICOM module."""
        from nodulerisk.ct.dicom.identity import identity_in  # needs packages

        return partial(identity_in, scene.dicomFiles(self._ct()))

    def dicomWriter(
        self, folder: Path, readSource: Callable[[], DicomSource] | None = None
    ) -> Callable[[], None]:
        """A function that writes DICOM SEG and SR: see ``exporting.dicomWriter``."""
        return exporting.dicomWriter(self._ct(), folder, readSource, self.advice)

    def follow(
        self,
        alignment: Alignment | None,
        earlierNode: vtkMRMLScalarVolumeNode,
        volumeNode: vtkMRMLScalarVolumeNode,
        days: float,
        isOne: Callable[[Pair], bool],
        byName: bool = False,
    ) -> Timeline:
        """Compares the nodules that ``isOne`` confirms, once ``comparing.aligner`` has aligned the
        CTs. What is known of other earlier CTs stays."""
        nodes = earlierNode, volumeNode
        matches = comparing.matches(alignment, *nodes, byName).confirmed(isOne)
        known = self._state.of(volumeNode)
        given = {name: said["density"] for name, said in known.answers.items() if "density" in said}
        timeline = comparing.timeline(alignment, matches, *nodes, days, given)
        known.earlier[earlierNode.GetID()] = comparing.followUps(timeline, earlierNode)
        known.gone[earlierNode.GetID()] = comparing.goneFrom(timeline, *nodes)
        return timeline

    # Of its own

    def _followNames(self) -> None:
        """Renames the results of points that were renamed since; not during a run, which has the
        names of its start."""
        markupsNode, before = self.markupsNode, self._state.named
        now = {} if markupsNode is None else scene.pointIds(markupsNode)
        self._state.named = now
        if before is None:
            return
        for ID, name in now.items():
            if ID not in before:
                self._state.did(
                    _("placing {name}").format(name=name), partial(undoing.unplace, self._state, ID)
                )
            elif before[ID] not in now.values():
                self._rename(before[ID], name)

    def _rename(self, old: str, new: str) -> None:
        if self.volumeNode is not None:
            results.rename(old, new, self.volumeNode)
        self._known.rename(old, new)
        if self._state.chosen == old:
            self._state.chosen = new

    def _compareAgain(self, nodule: SceneNodule) -> None:
        """Compares a nodule with its earlier scan by what the user now calls its density type."""
        name, now = nodule.name, nodule.assessment
        for earlier in self._known.earlier.values():
            if name in earlier and now is not None:
                given = self.answers["density"]
                earlier[name] = comparing.comparedAgain(earlier[name], now, given)

    def _adviceOrWhyNot(self, assessment: Assessment) -> Advice | str:
        try:
            return self.advice(assessment)
        except NoduleRiskError as error:
            return str(error)

    def _ct(self) -> vtkMRMLScalarVolumeNode:
        if self.volumeNode is None:
            raise NoduleRiskError(_("Select a CT."))
        return self.volumeNode

    @property
    def _known(self) -> CtState:
        return self._state.known

    def _tell(self, news: News) -> None:
        self._state.news = news


def _isThere(volumeNode: vtkMRMLScalarVolumeNode | None) -> bool:
    return volumeNode is None or volumeNode.GetScene() is not None
