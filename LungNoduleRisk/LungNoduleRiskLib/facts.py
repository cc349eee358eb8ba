"""A nodule's facts as plain data that panel and page show alike: every number with the evidence
behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from LungNoduleRiskLib.nodules import SceneNodule
from nodulerisk.assessment import Assessment, Place
from nodulerisk.checks import Check, Severity
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.clinical.course import course_of
from nodulerisk.clinical.followup import Earlier
from nodulerisk.clinical.scores import ScoreResult
from nodulerisk.ct.volume import CT
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.outputs import words
from nodulerisk.tasks import DEMONSTRATION, EvidenceLevel

MEMBER = Text("{network} {p:.2f}")


@dataclass(frozen=True)
class CheckFacts:
    """A check in words."""

    severity: Severity
    text: str


@dataclass(frozen=True)
class CtFacts:
    """A CT's size, and the checks made when it was read; nothing about the patient."""

    text: str
    dicom: bool
    checks: list[CheckFacts]


@dataclass(frozen=True)
class Answer:
    """A task's answer at a glance.

    Attributes:
        said: what may be said besides the number: a class or ``decision withheld``; empty for a
            demonstration.
        withheld: why the decision is withheld; empty where it stands.
        demonstration: it rests on no patient, and is shown below the others.
        shown: the probabilities with their classes, such as ``p(malignant) 0.73``; after the title
            of an own task, whose classes need not say what they are of.
        probability: 0..1, of the last of two classes, of more classes of the most probable.
        evidence: behind the probability.
        spread: how far the networks differ; None where one network answers.
        basis: evidence, spread and what the volume alone says, in words.
    """

    said: str
    withheld: list[str]
    demonstration: bool
    shown: str
    probability: float
    evidence: EvidenceLevel
    spread: float | None
    basis: str


@dataclass(frozen=True)
class Summary:
    """A nodule's line in a list.

    Attributes:
        name: of the nodule.
        placed: it has a point in the list.
        assessed: it has results.
        moved: its point was moved since.
        refusal: why the last run refused its point; None where it did not.
        state: in words, why results are missing or old.
        sizes: its measurements in words, by name.
        answers: one per main task that was run.
        notRun: why none was, such as that there is no nodule at the point.
        warnings: in words.
    """

    name: str
    placed: bool
    assessed: bool
    moved: bool
    refusal: str | None
    state: list[str]
    sizes: dict[str, str]
    answers: list[Answer]
    notRun: str
    warnings: list[str]


@dataclass(frozen=True)
class BarFacts:
    """A class's probability as the task's ``mean`` has it, the networks' range and each one's
    answer (empty where a risk model asks none), and the threshold."""

    label: str
    mean: float
    threshold: float | None
    low: float
    high: float
    members: str


@dataclass(frozen=True)
class TaskFacts:
    """What may be said of a task, and its probabilities, with the evidence behind them."""

    title: str
    basis: str
    evidence: EvidenceLevel
    bars: list[BarFacts]


@dataclass(frozen=True)
class MeasuredFacts:
    """A measurement in words."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class ScoreFacts:
    """A score's probability, with the inputs and the patients behind it."""

    name: str
    words: str
    basis: str


@dataclass(frozen=True)
class GuidelineFacts:
    """A guideline's advice, or why a score was not computed."""

    name: str
    words: str


@dataclass(frozen=True)
class AssessmentFacts:
    """Everything known of an assessed nodule; ``demonstrations`` are the tasks that rest on no
    patient."""

    name: str
    headline: str
    scores: list[ScoreFacts]
    withheld: list[str]
    checks: list[CheckFacts]
    stability: list[str]
    tasks: list[TaskFacts]
    demonstrations: list[TaskFacts]
    appearance: list[str]
    appearanceBasis: str
    measuredOn: str
    measurements: list[MeasuredFacts]
    guidelines: list[GuidelineFacts]
    position: str
    provenance: str


@dataclass(frozen=True)
class EarlierFacts:
    """When the nodule was seen before, and what became of it since."""

    when: str
    lines: list[str]


@dataclass(frozen=True)
class NoduleFacts:
    """How a nodule stands, what was found, why scores and guidelines could not be asked, and what
    became of it since the last earlier scan and over all scans, where there are more than two."""

    name: str
    state: list[str]
    found: AssessmentFacts | None
    notAdvised: str
    earlier: EarlierFacts | None
    overTime: list[str] = field(default_factory=list)


def ctFacts(ct: CT) -> CtFacts:
    """A CT's facts."""
    size = " × ".join(str(count) for count in ct.hu.shape[::-1])
    spacing = " × ".join(f"{mm:.3g}" for mm in ct.spacing_mm)
    text = _("{size} voxels of {spacing} mm").format(size=size, spacing=spacing)
    return CtFacts(text, ct.acquisition.series_uid is not None, _checks(ct.checks))


def summary(nodule: SceneNodule, refusal: str | None) -> Summary:
    """A nodule's line in a list.

    Args:
        nodule: of the scene.
        refusal: why the last run refused its point.
    """
    found = nodule.assessment
    return Summary(
        nodule.name,
        nodule.index is not None,
        found is not None,
        nodule.moved,
        refusal,
        stateWords(nodule, refusal),
        {m.name: words.measurement_value(m) for m in found.measurements} if found else {},
        _answers(found) if found else [],
        _notRun(found) if found else "",
        [c.message for c in found.checks if c.severity == "warning"] if found else [],
    )


def noduleFacts(
    nodule: SceneNodule,
    refusal: str | None = None,
    advice: Advice | str = NO_ADVICE,
    earlier: Sequence[Earlier] = (),
) -> NoduleFacts:
    """A nodule's facts.

    Args:
        nodule: its assessment with its mask as it is now.
        refusal: why the last run refused its point.
        advice: what scores and guidelines say of it, or why they could not be asked.
        earlier: the nodule at earlier scans, the oldest first.
    """
    said, notAdvised = (NO_ADVICE, advice) if isinstance(advice, str) else (advice, "")
    return NoduleFacts(
        nodule.name,
        stateWords(nodule, refusal),
        None if nodule.assessment is None else _assessmentFacts(nodule.assessment, said),
        notAdvised,
        _earlierFacts(earlier[-1]) if earlier else None,
        [] if nodule.assessment is None else _overTime(earlier, nodule.assessment),
    )


def placeWords(place: Place) -> str:
    """Where a nodule lies in the CT, such as ``right lung, slice 12``."""
    where = _("slice {number}").format(number=place.slice_number)
    return joined(", ", (words.LUNGS[place.side], where)) if place.side else where


def stateWords(nodule: SceneNodule, refusal: str | None = None) -> list[str]:
    """Why a nodule's results are missing or old, in words; empty if they are neither."""
    found = []
    if refusal is not None:
        found.append(_("Refused: {reason}").format(reason=refusal))
    elif nodule.assessment is None:
        found.append(_("Not assessed yet."))
    if nodule.moved:
        found.append(
            _("The point was moved since: these results are for its old position. Assess again.")
        )
    if nodule.index is None:
        found.append(_("Its point was deleted or renamed, or is in another list."))
    return found


def _answers(assessment: Assessment) -> list[Answer]:
    tasks = words.main_tasks(assessment).items()
    return [_answer(assessment, name, task.mean) for name, task in tasks if task.mean is not None]


def _notRun(assessment: Assessment) -> str:
    tasks = words.main_tasks(assessment).values()
    return next((task.note for task in tasks if task.mean is None), "")


def _answer(assessment: Assessment, name: str, mean: Sequence[float]) -> Answer:
    task, stated = assessment.tasks[name], assessment.stated(name)
    return Answer(
        said=stated.decision or ("" if stated.demonstration else _("decision withheld")),
        withheld=list(stated.reasons),
        demonstration=stated.demonstration,
        shown=words.named_probability_words(assessment, name),
        probability=mean[-1] if len(mean) == 2 else max(mean),
        evidence=task.evidence,
        spread=task.spread,
        basis=words.task_basis(task),
    )


def _assessmentFacts(assessment: Assessment, advice: Advice) -> AssessmentFacts:
    groups = words.task_groups(assessment)
    return AssessmentFacts(
        name=assessment.name,
        headline=joined("; ", words.headline(assessment, advice)),
        scores=[_scoreFacts(one) for one in advice.computed],
        withheld=words.withheld_words(assessment),
        checks=_checks(assessment.checks),
        stability=words.stability_words(assessment),
        tasks=[_taskFacts(assessment, name) for name in groups.get("", ())],
        demonstrations=[_taskFacts(assessment, name) for name in groups.get(DEMONSTRATION, ())],
        appearance=words.appearance_words(assessment),
        appearanceBasis=words.appearance_basis(assessment),
        measuredOn=words.measured_on(assessment),
        measurements=[MeasuredFacts(*one) for one in words.measured_words(assessment)],
        guidelines=[GuidelineFacts(one.name, one.words) for one in advice.others],
        position=words.position_words(assessment.point_lps_mm),
        provenance=words.provenance_words(assessment.provenance),
    )


def _scoreFacts(score: ScoreResult) -> ScoreFacts:
    used = joined(", ", (one.words for one in score.inputs))
    basis = Text("{used}. {population}").format(used=used, population=score.population)
    return ScoreFacts(score.name, score.words, basis)


def _taskFacts(assessment: Assessment, name: str) -> TaskFacts:
    task = assessment.tasks[name]
    bars = [
        BarFacts(
            Text("p({label})").format(label=bar.label),
            bar.mean,
            bar.threshold,
            min(bar.members.values(), default=bar.mean),
            max(bar.members.values(), default=bar.mean),
            joined(", ", (MEMBER.format(network=one, p=p) for one, p in bar.members.items())),
        )
        for bar in words.task_bars(task)
    ]
    return TaskFacts(
        words.task_title(assessment, name), words.task_basis(task), task.evidence, bars
    )


def _earlierFacts(earlier: Earlier) -> EarlierFacts:
    unmeasured = [earlier.remark or _("It was not measured in both scans.")]
    return EarlierFacts(earlier.when, earlier.follow_up.lines if earlier.follow_up else unmeasured)


def _overTime(earlier: Sequence[Earlier], now: Assessment) -> list[str]:
    course = course_of(earlier, now)
    return [] if course is None or len(course.points) < 3 else course.lines


def _checks(checks: Iterable[Check]) -> list[CheckFacts]:
    return [CheckFacts(check.severity, words.check_words(check)) for check in checks]
