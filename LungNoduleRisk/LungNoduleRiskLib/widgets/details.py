"""What is known of a nodule, in words (rich text as Qt shows it)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from slicer.i18n import tr as _

from LungNoduleRiskLib.logic import Nodule, remarks
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, TaskResult
from nodulerisk.clinical.advice import NO_ADVICE, Advice
from nodulerisk.clinical.followup import Earlier
from nodulerisk.clinical.scores import ScoreResult
from nodulerisk.outputs import words
from nodulerisk.weights.card import WeightSet


def noduleHtml(
    nodule: Nodule,
    refusal: str | None = None,
    advice: Advice = NO_ADVICE,
    earlier: Earlier | None = None,
) -> str:
    """Every number of the nodule, what it rests on, what must be known about it, what became of it
    since an earlier scan, and what scores and guidelines say."""
    parts = [f"<h3>{escape(nodule.name)}</h3>", *map(_paragraph, remarks(nodule, refusal))]
    if nodule.assessment is not None:
        parts += _assessment(nodule.assessment, advice)
    if earlier is not None:
        parts += _followUp(earlier)
    return "".join([*parts, f"<p><b>{escape(RESEARCH_USE_ONLY)}</b></p>"])


def cardHtml(weights: WeightSet) -> str:
    """A weight set's card: for every task, and for the mask, its networks, evidence and held-out
    figures."""
    rows = [(name, task.networks, task.evidence) for name, task in weights.tasks.items()]
    rows.append(("mask", [weights.mask_network or ""], weights.mask_evidence))
    parts = [f"<h3>{escape(weights.name)} {escape(weights.version)}</h3>"]
    parts += [_paragraph(weights.licence), _paragraph(weights.attribution)]
    for name, networks, evidence in rows:
        figures = [
            f"{figure}: {words.figure_words(values)}" for figure, values in evidence.figures.items()
        ]
        held_out = _("{nodules} nodules, {patients} patients held out").format(
            nodules=evidence.nodules, patients=evidence.patients
        )
        lines = [
            evidence.level,
            evidence.data,
            evidence.labels,
            held_out if evidence.nodules else "",
            *figures,
        ]
        parts += [
            _heading(name.capitalize()),
            _paragraph(", ".join(networks)),
            _list(filter(None, lines)),
        ]
    return "".join([*parts, f"<p><b>{escape(RESEARCH_USE_ONLY)}</b></p>"])


def _assessment(assessment: Assessment, advice: Advice) -> Iterator[str]:
    if advice.computed:
        yield _heading(_("Scores")) + _list(map(_score, advice.computed))
    yield _list([*words.abstain_words(assessment), *map(words.check_words, assessment.checks)])
    if moved := words.stability_words(assessment):
        yield _heading(_("Stability")) + _list(moved)
    for name, task in words.main_tasks(assessment).items():
        yield (
            _heading(words.task_title(name, task))
            + _paragraph(words.task_basis(task))
            + _bars(task)
        )
    if seen := ", ".join(words.appearance_words(assessment)):
        yield _heading(_("Appearance")) + _paragraph(
            f"{seen} ({words.appearance_basis(assessment)})"
        )
    yield _heading(_("Measurements")) + _paragraph(words.measured_on(assessment))
    yield _list(
        f"{name}: {value} ({source})" for name, value, source in words.measured_words(assessment)
    )
    yield _heading(_("Guidelines")) + _list(f"{one.name}: {one.words}" for one in advice.others)
    yield _paragraph(words.position_words(assessment.point_lps_mm))
    yield _paragraph(words.provenance_words(assessment.provenance))


def _score(score: ScoreResult) -> str:
    used = ", ".join(one.words for one in score.inputs)
    return f"{score.name}: {score.words}; {_('from')} {used}; {score.population}"


def _followUp(earlier: Earlier) -> Iterator[str]:
    yield _heading(_("Since {when}").format(when=earlier.when))
    yield _list(
        earlier.follow_up.lines if earlier.follow_up else [_("It was not measured in both scans.")]
    )


def _bars(task: TaskResult) -> str:
    """A line a class: the mean, and every network's own answer."""
    lines = []
    for bar in words.task_bars(task):
        members = ", ".join(f"{name} {p:.2f}" for name, p in bar.members.items())
        threshold = (
            ""
            if bar.threshold is None
            else _("; threshold {value:.2f}").format(value=bar.threshold)
        )
        lines.append(f"{bar.label} {bar.mean:.2f}{threshold} ({members})")
    return _list(lines)


def _heading(text: str) -> str:
    return f"<h4>{escape(text)}</h4>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
