"""The wording of results in pictures, pages and tables: the same words and digits everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nodulerisk.assessment import Assessment, Measurement, Provenance, TaskResult
from nodulerisk.checks import MASK_EDITED, NO_NODULE, TOO_LARGE_TO_DRAW, Check
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.clinical.guidelines import Guideline
from nodulerisk.language.texts import Text, Verbatim, _, joined, pgettext
from nodulerisk.nodule.measure import SOLID_HU, SOLID_SHARE, density_type
from nodulerisk.tasks import (
    DEMONSTRATION,
    EVIDENCE_WORDS,
    FIRST_TASK,
    NO_PRESENCE,
    TASKS,
    in_group,
    level_words,
    task_of,
)
from nodulerisk.weights.card import LOG_ODDS, TaskCard

AT_A_GLANCE = ("long axis", "volume")  # the measurements that a line or a header has room for
DENSITY = _("density by threshold")  # neither the networks' density type nor a reader's
DENSITY_SOURCE = _(
    "solid from {share:.0%} of the volume in one part above {hu:.0f} HU; ground glass without"
).format(share=SOLID_SHARE, hu=SOLID_HU)

MASK_WORDS = {
    "outcome": _("learnt from nodules of proven outcome"),
    "pathology": _("learnt from outlines on resected nodules"),
    "reader": _("learnt from radiologists' outlines"),
    "simulated": _("learnt from simulated nodules"),
    "none": _("of unknown evidence"),
}
NO_CHECKS = pgettext("checks", "none")
LUNGS = {"left": _("left lung"), "right": _("right lung")}
PROBABILITY = Text("{p:.2f}")
NOTABLE = 0.05  # a mean error of probabilities that a reader has to know


@dataclass(frozen=True)
class ClassProbability:
    """The probability (0..1) of one class: the mean, the members behind it, and the decision
    threshold."""

    label: str
    mean: float
    members: dict[str, float]
    threshold: float | None


def main_tasks(assessment: Assessment) -> dict[str, TaskResult]:
    """Returns the tasks with bars of their own, all but presence and those of appearance; the
    demonstrations last."""
    others = (*in_group("presence"), *in_group("appearance"))
    names = [name for name in assessment.tasks if name not in others]
    names.sort(key=lambda name: assessment.stated(name).demonstration)
    return {name: assessment.tasks[name] for name in names}


def task_groups(assessment: Assessment) -> dict[str, list[str]]:
    """Returns the main tasks' names by the heading of their group: first those that rest on
    patients, without a heading, then the demonstrations; a group without tasks is left out."""
    groups: dict[str, list[str]] = {}
    for name in main_tasks(assessment):
        demonstration = assessment.stated(name).demonstration
        groups.setdefault(DEMONSTRATION if demonstration else "", []).append(name)
    return groups


def appearance_words(assessment: Assessment) -> list[str]:
    """Returns the appearance in words, such as ``solid 0.93`` or ``spiculated (0.44, threshold
    0.09)``; where no class may be named, ``p(spiculated) 0.44``, and that it is withheld."""
    names = [name for name, task in _appearance(assessment).items() if task.mean]
    withheld = [name for name in names if assessment.stated(name).decision is None]
    every = len(withheld) == len(names)
    said = [
        _("{words} (withheld)").format(words=words) if name in withheld and not every else words
        for name in names
        for words in [_appearance_words(assessment, name)]
    ]
    return [*said, _("all withheld")] if withheld and every else said


def _appearance_words(assessment: Assessment, name: str) -> str:
    task, stated = assessment.tasks[name], assessment.stated(name)
    assert task.mean is not None
    if stated.decision is None:
        return probability_words(task)
    shown = task.mean[task.classes.index(stated.decision)]
    values = {"decision": stated.decision, "p": task.mean[-1], "threshold": task.threshold}
    if task.threshold is None or shown >= 0.5:
        return Text("{decision} {shown:.2f}").format(shown=shown, **values)
    if stated.decision == task.classes[-1]:
        return _("{decision} ({p:.2f}, threshold {threshold:.2f})").format(**values)
    words = _("{decision} ({p:.2f} for {last}, threshold {threshold:.2f})")
    return words.format(last=task.classes[-1], **values)


def appearance_basis(assessment: Assessment) -> str:
    """Returns what the appearance's numbers rest on."""
    levels = [task.evidence for task in _appearance(assessment).values()]
    found = dict.fromkeys(EVIDENCE_WORDS[level] for level in levels if level != "none")
    return joined("; ", found)


def _appearance(assessment: Assessment) -> dict[str, TaskResult]:
    names = in_group("appearance")
    return {name: assessment.tasks[name] for name in names if name in assessment.tasks}


def task_bars(task: TaskResult) -> list[ClassProbability]:
    """Returns one bar per class; for two classes, only the last. None if the task was not run."""
    if task.mean is None:
        return []
    shown = range(len(task.classes)) if len(task.classes) > 2 else [1]
    members = [{name: p[i] for name, p in task.members.items()} for i in range(len(task.classes))]
    return [
        ClassProbability(Text(task.classes[i]), task.mean[i], members[i], task.threshold)
        for i in shown
    ]


def number_words(task: TaskResult) -> str:
    """Returns a task's probabilities, such as ``0.73`` of the last of two classes, or
    ``0.15/0.60/0.25`` of three; empty if it was not run."""
    return joined("/", (PROBABILITY.format(p=bar.mean) for bar in task_bars(task)))


def probability_words(task: TaskResult) -> str:
    """Returns the probabilities with the classes that they are of, such as ``p(malignant) 0.73``;
    so written, a class is no decision. Empty if the task was not run."""
    labels = joined("/", (bar.label for bar in task_bars(task)))
    words = Text("p({labels}) {numbers}")
    return words.format(labels=labels, numbers=number_words(task)) if labels else ""


def named_probability_words(assessment: Assessment, name: str) -> str:
    """Returns the same after the title of an own task: its classes may be no more than yes and
    no."""
    task = assessment.tasks[name]
    title = "" if name in TASKS else task_of(name, task.classes).title
    return joined(" ", (title, probability_words(task))) if title else probability_words(task)


def stated_words(assessment: Assessment, name: str) -> str:
    """Returns what may be said of a task: ``malignant``; ``0.99, decision withheld: the slices are
    thick``; ``not run``; for a demonstration nothing but its numbers."""
    task, stated = assessment.tasks[name], assessment.stated(name)
    if stated.decision is not None:
        return Text(stated.decision)
    if task.mean is None:
        return _("not run")
    if stated.demonstration:
        return number_words(task)
    return _("{numbers}, decision withheld: {reasons}").format(
        numbers=number_words(task), reasons=joined("; ", stated.reasons)
    )


def short_words(assessment: Assessment, name: str) -> str:
    """Returns the same in a word: the class decided on, ``withheld``, ``demonstration`` or ``not
    run``."""
    stated = assessment.stated(name)
    if stated.decision is not None:
        return Text(stated.decision)
    if assessment.tasks[name].mean is None:
        return _("not run")
    return _("demonstration") if stated.demonstration else _("withheld")


def task_title(assessment: Assessment, name: str) -> str:
    """Returns a title such as ``Malignancy: malignant`` or ``Subtype: not run``; a demonstration's
    is only its name."""
    title = task_of(name, assessment.tasks[name].classes).title
    demonstration = assessment.stated(name).demonstration
    return title if demonstration else joined(": ", (title, stated_words(assessment, name)))


def task_basis(task: TaskResult) -> str:
    """Returns what the task's numbers rest on, or why there are none."""
    if task.mean is None:
        return task.note or EVIDENCE_WORDS["none"]
    spread = _("networks differ by up to {spread:.2f}").format(spread=task.spread or 0.0)
    said = [EVIDENCE_WORDS[task.evidence], overstated_words(task), by_volume_words(task)]
    said += [input_words(task), "" if task.spread is None else spread]
    return joined("; ", filter(None, said))


def overstated_words(task: TaskResult) -> str:
    """Returns how far the probabilities were off on other patients, such as ``on other patients too
    high by 0.09 on average``; empty if that is little or not known."""
    if task.overstated is None or abs(task.overstated) < NOTABLE:
        return ""
    high, low = (
        _("on other patients too high by {difference:.2f} on average"),
        _("on other patients too low by {difference:.2f} on average"),
    )
    return (high if task.overstated > 0 else low).format(difference=abs(task.overstated))


def by_volume_words(task: TaskResult) -> str:
    """Returns what the volume alone would say, such as ``by volume alone 0.78``; empty if it is not
    known."""
    if task.by_volume is None:
        return ""
    return _("by volume alone {p:.2f}").format(p=task.by_volume)


def input_words(task: TaskResult) -> str:
    """Returns the inputs of a risk model, such as ``risk model of log axial area 4.7, …``; empty
    without a model."""
    one = Text("{name} {value:.4g}")
    inputs = (one.format(name=_term(name), value=value) for name, value in task.inputs.items())
    return _("risk model of {inputs}").format(inputs=joined(", ", inputs)) if task.inputs else ""


def answering_words(task: TaskCard) -> str:
    """Returns what answers a task: the networks' names, or ``risk model of log axial area, …`` in
    their place."""
    if task.risk is None:
        return ", ".join(task.networks)
    return _("risk model of {inputs}").format(inputs=joined(", ", map(_term, task.risk.terms)))


def _term(name: str) -> str:
    if not name.startswith(LOG_ODDS):
        return name
    return _("log-odds of {task}").format(task=name.removeprefix(LOG_ODDS))


def headline(assessment: Assessment, advice: Advice = NO_ADVICE) -> list[str]:
    """Returns what a reader wants to know first, a phrase each: what it is, where it lies, its
    category and what to do, how likely it is to be malignant, and why a decision is withheld."""
    found = [*_kind_words(assessment), place_words(assessment, advice)]
    found += [_category_words(one) for one in advice.guidelines if one.result is not None]
    if FIRST_TASK in assessment.tasks and assessment.tasks[FIRST_TASK].mean is not None:
        found.append(_first_words(assessment))
    return [words for words in found if words]


def _kind_words(assessment: Assessment) -> list[str]:
    """``solid nodule (by threshold), 12.1 × 11.9 mm``, or that there is none."""
    if NO_NODULE.among(assessment.checks):
        said = (NO_NODULE, TOO_LARGE_TO_DRAW)
        return [kind.withholds for kind in said if kind.among(assessment.checks)]
    sizes = {m.name: m.value for m in assessment.measurements}
    if not {"long axis", "short axis"} <= sizes.keys():
        return [_("nodule, not measured")]
    density = density_type(assessment.measurements)
    kind = _("{density} nodule (by threshold)").format(density=density) if density else _("nodule")
    size = Text("{long:.1f} × {short:.1f} mm")
    axes = size.format(long=sizes["long axis"], short=sizes["short axis"])
    return [joined(", ", (kind, axes))]


def place_words(assessment: Assessment, advice: Advice = NO_ADVICE) -> str:
    """Returns where it lies, as far as known: ``left lung, upper lobe, series 4, slice
    28``."""
    place = assessment.place
    parts = [LUNGS[place.side] if place and place.side else "", _lobe_words(advice)]
    if place is not None:
        series = _("series {number}").format(number=place.series)
        parts.append("" if place.series is None else series)
        parts.append(_("slice {number}").format(number=place.slice_number))
    return joined(", ", filter(None, parts))


def _lobe_words(advice: Advice) -> str:
    given = [i.value for score in advice.scores for i in score.inputs if i.name == "upper_lobe"]
    return (_("upper lobe") if given[0] else _("not in an upper lobe")) if given else ""


def _category_words(guideline: Guideline) -> str:
    said = joined("; ", filter(None, (guideline.marked, guideline.next_step)))
    return joined(": ", (guideline.name, said))


def _first_words(assessment: Assessment) -> str:
    """``malignancy: 0.99, decision withheld: the slices are thick (radiologists' suspicion, not
    pathology; on other patients too high by 0.09 on average; by volume alone 0.99)``."""
    task, stated = assessment.tasks[FIRST_TASK], assessment.stated(FIRST_TASK)
    known = EVIDENCE_WORDS[task.evidence], overstated_words(task), by_volume_words(task)
    basis = joined("; ", filter(None, known))
    said = stated_words(assessment, FIRST_TASK)
    said = joined(" ", (said, number_words(task))) if stated.decision else said
    return Text("{task}: {said} ({basis})").format(task=FIRST_TASK, said=said, basis=basis)


def withheld_words(assessment: Assessment) -> list[str]:
    """Returns which decisions are withheld, one line per reason: ``Withheld: malignancy, margin
    (the networks disagree)``."""
    decided = [name for name in assessment.tasks if _is_decided(assessment, name)]
    by_reason: dict[str, list[str]] = {}
    for name in decided:
        for reason in assessment.stated(name).reasons:
            by_reason.setdefault(reason, []).append(name)
    names = {
        r: _("every decision") if len(tasks) == len(decided) else joined(", ", tasks)
        for r, tasks in by_reason.items()
    }
    words = _("Withheld: {tasks} ({reason})")
    return [words.format(tasks=tasks, reason=reason) for reason, tasks in names.items()]


def _is_decided(assessment: Assessment, name: str) -> bool:
    """Whether a decision was made that an output would name if nothing spoke against it."""
    decision = assessment.tasks[name].decision
    return decision not in (None, NO_PRESENCE) and not assessment.stated(name).demonstration


def stability_words(assessment: Assessment) -> list[str]:
    """Returns how far the main tasks' probabilities move: ``Malignancy (reader): 0.71–0.75 turned,
    0.73–0.73 with clicks``."""
    if (found := assessment.stability) is None:
        return []
    kinds = {
        _("{low:.2f}–{high:.2f} turned"): found.turned,
        _("{low:.2f}–{high:.2f} with clicks 2 mm off"): found.clicked,
    }
    title = Text("{title} ({evidence})")
    lines = {
        title.format(
            title=task_of(name, task.classes).title, evidence=level_words(task.evidence)
        ): [
            words.format(low=intervals[name].low, high=intervals[name].high)
            for words, intervals in kinds.items()
            if name in intervals
        ]
        for name, task in main_tasks(assessment).items()
    }
    return [joined(": ", (title, joined(", ", said))) for title, said in lines.items() if said]


def measurement_value(measurement: Measurement) -> str:
    """Formats a value: whole numbers from 100, else one decimal; two for ratios."""
    digits = 2 if not measurement.unit else 0 if abs(measurement.value) >= 100 else 1
    template = Text(
        f"{{value:.{digits}f}} {{unit}}".removesuffix("" if measurement.unit else " {unit}")
    )
    return template.format(value=measurement.value, unit=measurement.unit)


def measured_words(assessment: Assessment) -> list[tuple[str, str, str]]:
    """Returns name, value and source of everything measured, the density type last."""
    measured = assessment.measurements
    numbers = [(_(m.name), measurement_value(m), _(m.source)) for m in measured]
    density = density_type(measured)
    return [*numbers, (DENSITY, _(density), DENSITY_SOURCE)] if density else numbers


def measured_on(assessment: Assessment) -> str:
    """Returns what the measurements rest on."""
    if assessment.nodule is None:
        return _("no mask was drawn")
    if not assessment.nodule.region.any():
        return NO_NODULE.withholds
    if MASK_EDITED.among(assessment.checks):
        return _("on the mask, corrected by hand")
    return _("on the mask, {learnt}").format(learnt=MASK_WORDS[assessment.nodule.evidence])


def check_words(check: Check) -> str:
    """Returns ``Warning: …`` or ``Note: …``."""
    words = _("Warning: {message}") if check.severity == "warning" else _("Note: {message}")
    return words.format(message=check.message)


def figure_words(numbers: Sequence[float]) -> str:
    """Formats a figure as ``0.914 (0.867–0.959)``; without an interval, only the value."""
    value, *interval = (Text("{number:.3f}").format(number=number) for number in numbers)
    words = Text("{value} ({interval})")
    return words.format(value=value, interval=joined("–", interval)) if interval else value


def position_words(point_lps_mm) -> str:
    """Formats a position as ``-81.0, -192.0, -192.0 mm (LPS)``."""
    x, y, z = map(float, point_lps_mm)
    return Text("{x:.1f}, {y:.1f}, {z:.1f} mm (LPS)").format(x=x, y=y, z=z)


def provenance_words(provenance: Provenance) -> str:
    """Describes the provenance in one line; the assessment's JSON file has the rest."""
    said = _("Weight set {name} {version}, nodulerisk {package}, on {device}").format(
        name=Verbatim(provenance.weight_set),
        version=provenance.weight_set_version,
        package=provenance.package_version,
        device=provenance.device,
    )
    return joined(", ", filter(None, (said, made_words(provenance))))


def made_words(provenance: Provenance) -> str:
    """Returns when the numbers were computed, such as ``2026-11-26 22:53 UTC``; empty if it is not
    known."""
    if provenance.made is None:
        return ""
    return f"{provenance.made[:16].replace('T', ' ')} UTC"
