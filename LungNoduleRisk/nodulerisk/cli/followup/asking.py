"""What the user is asked, unless the command line says it: the days from each scan to the next,
and which nodules are the same."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nodulerisk.cli.followup.scans import TWO, pair_words, scan_names
from nodulerisk.cli.shared import Show, echo
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import Text, _

if TYPE_CHECKING:
    from nodulerisk.clinical.patient import Patient
    from nodulerisk.clinical.registration import Alignment, Matches, Pair
    from nodulerisk.clinical.timeline import Timeline
    from nodulerisk.clinical.tracks import Track
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.volume import CT


def gaps_of(given: list[float] | None, cts: Sequence[Path], scans: Sequence[CT]) -> list[float]:
    """Returns the days from each scan to the next: as given, else from their dates, else asked.

    Raises:
        NoduleRiskError: not known, not one for each, or not more than 0.
    """
    if given and len(given) != len(cts) - 1:
        words = _("There are {count} CTs: give --days {steps} times, from each CT to the next.")
        raise NoduleRiskError(words.format(count=len(cts), steps=len(cts) - 1))
    days: Sequence[float | None] = given or [None] * (len(cts) - 1)
    return [
        _days(one, *paths, *two)
        for one, paths, two in zip(days, pairwise(cts), pairwise(scans), strict=True)
    ]


def _days(given: float | None, before: Path, after: Path, first: CT, second: CT) -> float:
    from nodulerisk.ct.dicom.dates import days_between

    uids = first.acquisition.series_uid, second.acquisition.series_uid
    dated = days_between(before, after, uids)
    days = given if given is not None else dated
    if days is None and can_ask():
        days = typer.prompt(say(_asked_days(before, after)), type=float)
    if days is None:
        raise NoduleRiskError(
            _(
                "The files do not give the dates of both scans: give the days between them"
                " with --days."
            )
        )
    if not 0 < days < math.inf:
        raise NoduleRiskError(
            _(
                "The later CT was not made on a later day: name the earlier one first, or give"
                " the days between them with --days."
            )
        )
    if dated is not None and dated < 0:
        raise NoduleRiskError(
            _(
                "By their DICOM dates, the CT named first was made on a later day: name the"
                " earlier one first."
            )
        )
    return days


def _asked_days(before: Path, after: Path) -> str:
    return _("Days from {before} to {after}").format(before=before.name, after=after.name)


def can_ask() -> bool:
    return sys.stdin.isatty()


def aligned(before: CT, after: CT, may_fail: bool, show: Show) -> Alignment | None:
    """Aligns two scans; None where the lungs do not match and the user named pairs.

    Raises:
        NoduleRiskError: the lungs do not match.
    """
    from nodulerisk.clinical.registration import align

    try:
        return align(before, after, show)
    except NoduleRiskError as refusal:
        if may_fail:
            return None
        raise NoduleRiskError(
            _("{refusal} Or name the pairs with --pair NAME=NAME.").format(refusal=str(refusal))
        ) from refusal


def confirmed_timeline(
    scans: list[CT],
    gaps: list[float],
    points: list[list[Point]],
    named: list[Track],
    alignments: list[Alignment | None],
    yes: bool,
    known: Patient | None,
) -> Timeline:
    """Returns the scans' nodules once the user has confirmed which are the same.

    Raises:
        NoduleRiskError: the user agreed to none of the proposals, or there is nobody to ask.
    """
    from nodulerisk.clinical.timeline import Timeline

    taken = {id(point) for track in named for point in track.points}
    others = [[point for point in scan if id(point) not in taken] for scan in points]
    proposals = [
        _proposed(*two, alignment)
        for two, alignment in zip(pairwise(others), alignments, strict=True)
    ]
    names = list(pairwise(scan_names(len(scans))))
    _show_proposals(proposals, alignments, names)
    matches = proposals if yes else _confirmed(proposals, names)
    if not named and any(p.pairs for p in proposals) and not any(m.pairs for m in matches):
        raise NoduleRiskError(
            _("No nodule is in both scans: check the points, or assess each scan on its own.")
        )
    days = [sum(gaps[:number]) for number in range(len(scans))]
    density = known.density if known else None
    given = {point.name: density for point in points[-1]} if density else {}
    return Timeline(scans, days, alignments, matches, others, named, given)


def _confirmed(proposals: list[Matches], names: list[tuple[str, str]]) -> list[Matches]:
    """Asks the user about each pair.

    Raises:
        NoduleRiskError: there is nobody to ask.
    """
    if any(one.pairs for one in proposals) and not can_ask():
        raise NoduleRiskError(
            _(
                "These pairs need confirmation, and there is no terminal to ask: check them,"
                " then run again with --yes."
            )
        )
    asked = zip(proposals, names, strict=True)
    return [one.confirmed(partial(_ask, scans=two)) for one, two in asked]


def _proposed(before: list[Point], after: list[Point], alignment: Alignment | None) -> Matches:
    from nodulerisk.clinical.registration import Matches, proposed

    if alignment is None:
        return Matches((), tuple(before), tuple(after))
    return proposed(before, after, alignment)


def _show_proposals(
    proposals: list[Matches], alignments: list[Alignment | None], names: list[tuple[str, str]]
) -> None:
    for proposal, alignment, scans in zip(proposals, alignments, names, strict=True):
        named = Text(" ({first}, {second})").format(first=scans[0], second=scans[1])
        between = "" if scans == TWO else named
        if alignment is None:
            words = _("The lungs do not match{between}: only the pairs you named are compared.")
            echo(words.format(between=between))
            continue
        words = _(
            "Lungs aligned{between}, correlation {correlation:.2f}. Proposed as the same nodule:"
        )
        echo(words.format(between=between, correlation=alignment.correlation))
        for pair in proposal.pairs:
            typer.echo(f"  {say(_words(pair, scans))}")


def _ask(pair: Pair, scans: tuple[str, str]) -> bool:
    try:
        asked = _("{pair}. Same nodule?").format(pair=_words(pair, scans))
        return typer.confirm(say(asked))
    except typer.Abort:
        raise KeyboardInterrupt from None


def _words(pair: Pair, scans: tuple[str, str]) -> str:
    return pair_words(pair.before, pair.after, scans, pair.distance_mm)
