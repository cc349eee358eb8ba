"""A nodule's facts and a weight set's card as rich text, as Qt shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from LungNoduleRiskLib.facts import AssessmentFacts, BarFacts, NoduleFacts, TaskFacts
from LungNoduleRiskLib.language import tr as _
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import Text, joined
from nodulerisk.outputs import words
from nodulerisk.tasks import DEMONSTRATION, title_of
from nodulerisk.weights.card import WeightSet


def noduleHtml(facts: NoduleFacts) -> str:
    """A nodule's facts as rich text."""
    parts = [f"<h3>{escape(facts.name)}</h3>", *map(_paragraph, facts.state)]
    if facts.found is not None:
        parts += _assessment(facts.found)
    if facts.earlier is not None:
        parts.append(_heading(_("Since {when}").format(when=facts.earlier.when)))
        parts.append(_list(facts.earlier.lines))
    if facts.overTime:
        parts.append(_heading(_("Over all scans")))
        parts.append(_list(facts.overTime))
    return "".join([*parts, f"<p><b>{escape(say(RESEARCH_USE_ONLY))}</b></p>"])


def cardHtml(weights: WeightSet) -> str:
    """A weight set's card: for every task, and for the mask, what answers it, its evidence and its
    held-out figures."""
    rows = [
        (name, words.answering_words(task), evidence)
        for name, task in weights.tasks.items()
        for evidence in (task.evidence, *task.further_evidence)
    ]
    rows.append(("mask", weights.mask_network or "", weights.mask_evidence))
    parts = [f"<h3>{escape(weights.name)} {escape(weights.version)}</h3>"]
    parts += [_paragraph(weights.licence), _paragraph(weights.attribution)]
    for name, answered_by, evidence in rows:
        figures = [
            joined(": ", (figure, words.figure_words(values)))
            for figure, values in evidence.figures.items()
        ]
        held_out = _("{nodules} nodules, {patients} patients held out").format(
            nodules=evidence.nodules, patients=evidence.patients
        )
        own = weights.own_tasks.get(name)  # whose classes the reader cannot know
        lines = [
            joined(", ", own.classes) if own else "",
            evidence.level,
            evidence.data,
            evidence.labels,
            held_out if evidence.nodules else "",
            *figures,
        ]
        parts += [
            _heading(title_of(name)),
            _paragraph(answered_by),
            _list(filter(None, lines)),
        ]
    return "".join([*parts, f"<p><b>{escape(say(RESEARCH_USE_ONLY))}</b></p>"])


def _assessment(found: AssessmentFacts) -> Iterator[str]:
    yield _paragraph(found.headline)
    if found.scores:
        yield _heading(_("Scores"))
        yield _list(_("{name}: {words}; from {basis}").format(**vars(one)) for one in found.scores)
    yield _list([*found.withheld, *(check.text for check in found.checks)])
    if found.stability:
        yield _heading(_("Stability")) + _list(found.stability)
    for task in found.tasks:
        yield _heading(task.title) + _task(task)
    if found.appearance:
        seen = Text("{seen} ({basis})").format(
            seen=joined(", ", found.appearance), basis=found.appearanceBasis
        )
        yield _heading(_("Appearance")) + _paragraph(seen)
    yield _heading(_("Measurements")) + _paragraph(found.measuredOn)
    yield _list(
        Text("{name}: {value} ({source})").format(**vars(one)) for one in found.measurements
    )
    yield _heading(_("Guidelines")) + _list(
        joined(": ", (one.name, one.words)) for one in found.guidelines
    )
    if found.demonstrations:
        yield _paragraph(DEMONSTRATION)
    for task in found.demonstrations:
        yield _paragraph(task.title) + _task(task)
    yield _paragraph(found.position)
    yield _paragraph(found.provenance)


def _task(task: TaskFacts) -> str:
    return _paragraph(task.basis) + _list(map(_bar, task.bars))


def _bar(bar: BarFacts) -> str:
    """One line per class: the probability, and every network's own answer."""
    threshold = (
        "" if bar.threshold is None else _("; threshold {value:.2f}").format(value=bar.threshold)
    )
    members = Text(" ({members})").format(members=bar.members) if bar.members else ""
    words = Text("{label} {mean:.2f}{threshold}{members}")
    return words.format(label=bar.label, mean=bar.mean, threshold=threshold, members=members)


def _heading(text: str) -> str:
    return f"<h4>{escape(say(text))}</h4>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(say(text))}</p>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(say(line))}</li>" for line in lines) + "</ul>"
