"""What a session knows beside the scene, which holds the results; the session alone changes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode

from LungNoduleRiskLib.assessing import AssessmentRun
from LungNoduleRiskLib.comparing import Gone
from LungNoduleRiskLib.nodules import SceneNodule
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import Earlier
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

UNDO_STEPS = 20


@dataclass(frozen=True)
class News:
    """The current step of a run, and the share done, 0..1."""

    what: str = ""
    share: float = 0.0


@dataclass
class CtState:
    """Facts about a CT's nodules, by name, that the scene does not hold.

    Attributes:
        refusals: why the last run refused the nodule's point.
        earlier: the nodules at earlier scans, by the ID of the CT and by name.
        gone: nodules of the earlier scans alone, by the ID of the CT.
        answers: what the user entered about this nodule for scores and guidelines, by field.
        drawn: the assessment as the networks made it, with its mask.
    """

    refusals: dict[str, str] = field(default_factory=dict)
    earlier: dict[str, dict[str, Earlier]] = field(default_factory=dict)
    gone: dict[str, list[Gone]] = field(default_factory=dict)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    drawn: dict[str, Assessment] = field(default_factory=dict)

    def keep(self, names: set[str]) -> None:
        """Forgets all other nodules: a new one may get the name of one that is gone."""
        known: list[dict] = [self.refusals, self.answers, self.drawn, *self.earlier.values()]
        for byName in known:
            for gone in byName.keys() - names:
                del byName[gone]

    def rename(self, old: str, new: str) -> None:
        """Keeps what is known of a nodule that has another name now."""
        known: list[dict] = [self.refusals, self.answers, self.drawn, *self.earlier.values()]
        for byName in known:
            if old in byName:
                byName[new] = byName.pop(old)
        if new in self.drawn:
            self.drawn[new] = replace(self.drawn[new], name=new)

    def only(self, name: str) -> CtState:
        """What is known of one nodule."""

        def one(byName: dict) -> dict:
            return {name: byName[name]} if name in byName else {}

        earlier = {ID: one(byName) for ID, byName in self.earlier.items()}
        return CtState(
            one(self.refusals), earlier, answers=one(self.answers), drawn=one(self.drawn)
        )

    def add(self, other: CtState) -> None:
        """Takes what is known of other nodules."""
        self.refusals |= other.refusals
        self.answers |= other.answers
        self.drawn |= other.drawn
        for ID, byName in other.earlier.items():
            self.earlier.setdefault(ID, {}).update(byName)

    def earlierOf(self, name: str) -> list[Earlier]:
        """A nodule at earlier scans, the oldest first."""
        found = [byName[name] for byName in self.earlier.values() if name in byName]
        return sorted(found, key=lambda earlier: -(earlier.days or 0))


@dataclass(frozen=True)
class Done:
    """What the user did, and can undo.

    Attributes:
        what: in words, such as ``deleting N1``.
        volumeNode, markupsNode: the CT and the list that were chosen.
        takeBack: makes scene and session as they were before; raises ``NoduleRiskError`` where
            that cannot be.
    """

    what: str
    volumeNode: vtkMRMLScalarVolumeNode | None
    markupsNode: vtkMRMLMarkupsFiducialNode | None
    takeBack: Callable[[], object]


@dataclass
class SessionState:
    """All that a session knows beside the scene.

    Attributes:
        volumeNode: the chosen CT.
        markupsNode: the chosen list of points.
        nodules: as the scene had them when it was last read.
        named: name of each point by its ID, of the list that was chosen then; None: not read yet.
        chosen: name of the chosen nodule.
        answers: what the user entered about the patient for scores and guidelines, by field.
        cts: by ID of the volume node.
        run: the one under way.
        news: of that run; written by its thread.
        done: what can be undone, the last at the end.
    """

    volumeNode: vtkMRMLScalarVolumeNode | None = None
    markupsNode: vtkMRMLMarkupsFiducialNode | None = None
    nodules: list[SceneNodule] = field(default_factory=list)
    named: dict[str, str] | None = None
    chosen: str | None = None
    answers: dict[str, str] = field(default_factory=dict)
    cts: dict[str, CtState] = field(default_factory=dict)
    run: AssessmentRun | None = None
    news: News = News()
    done: list[Done] = field(default_factory=list)

    @property
    def known(self) -> CtState:
        """What is known of the chosen CT; nothing where none is chosen."""
        return CtState() if self.volumeNode is None else self.of(self.volumeNode)

    def of(self, volumeNode: vtkMRMLScalarVolumeNode) -> CtState:
        return self.cts.setdefault(volumeNode.GetID(), CtState())

    def nodule(self, name: str) -> SceneNodule:
        """The nodule of a name.

        Raises:
            NoduleRiskError: there is none.
        """
        found = next((one for one in self.nodules if one.name == name), None)
        if found is None:
            raise NoduleRiskError(_("This nodule is no longer there."))
        return found

    def answersFor(self, name: str) -> dict[str, str]:
        """What the user entered about the patient and one of the nodules, by field."""
        return self.answers | self.known.answers.get(name, {})

    def did(self, what: str, takeBack: Callable[[], object]) -> None:
        """Notes what the user did on the chosen CT and list, and how to undo it."""
        done = Done(what, self.volumeNode, self.markupsNode, takeBack)
        self.done = [*self.done, done][-UNDO_STEPS:]

    @property
    def last(self) -> Done | None:
        """What was done last on the chosen CT and list."""
        nodes = self.volumeNode, self.markupsNode
        done = reversed(self.done)
        return next((one for one in done if (one.volumeNode, one.markupsNode) == nodes), None)
