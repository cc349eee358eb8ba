"""``nodulerisk follow-up``: compares nodules between two scans of a patient."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cli.assess import (
    asked_points,
    assess_and_write,
    chosen_weights,
    prepared_folders,
    read_scan,
    report_outcomes,
)
from nodulerisk.cli.shared import FAILED, Show, Verbose, errors_in_one_line, progress
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.outputs.style import FOLLOW_UP_JSON_NAME, FOLLOW_UP_TABLE_NAME, REPORT_NAME

if TYPE_CHECKING:
    from nodulerisk.assessment import Assessment
    from nodulerisk.clinical.followup import FollowUp
    from nodulerisk.clinical.registration import Alignment, Matches, Pair
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.volume import CT
    from nodulerisk.outputs.outcome import Outcome
    from nodulerisk.weights.card import WeightSet

SCANS = ("before", "after")  # the scans' folders among the results
OWN_FILES = (REPORT_NAME, FOLLOW_UP_TABLE_NAME, FOLLOW_UP_JSON_NAME)
Row = dict[str, str | float | bool | None]


@dataclass(frozen=True, eq=False)
class Compared:
    """A nodule at both scans: its change, or in ``remark`` why that is not known."""

    pair: Pair
    before: Assessment | None
    follow_up: FollowUp | None
    remark: str = ""


def follow_up(
    before: Annotated[
        Path,
        typer.Argument(help="Earlier CT: DICOM folder or .zip, NRRD, NIfTI or MetaImage file."),
    ],
    after: Annotated[Path, typer.Argument(help="Later CT of the same patient.")],
    points_before: Annotated[
        Path, typer.Option(help="Nodules of the earlier CT: .mrk.json, .fcsv or .csv (LPS).")
    ],
    points_after: Annotated[Path, typer.Option(help="Nodules of the later CT.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    days: Annotated[
        float | None,
        typer.Option(help="Days between the scans; by default from their DICOM dates."),
    ] = None,
    weights: Annotated[str, typer.Option(help="Weight set: its name or folder.")] = "open",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    series_before: Annotated[
        str | None,
        typer.Option(
            help="Which series, if there are several: its UID, or UID#2 as the list names it."
        ),
    ] = None,
    series_after: Annotated[
        str | None,
        typer.Option(
            help="Which series, if there are several: its UID, or UID#2 as the list names it."
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept every proposed pair as the same nodule.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Compare the nodules of two chest CTs of a patient: change, doubling times and growth."""
    with errors_in_one_line(verbose):
        from nodulerisk.clinical.registration import align, proposed

        points = [
            asked_points(None, file, ras=False, lps=False) for file in (points_before, points_after)
        ]
        folders = _folders(out, points, [before, after, points_before, points_after])
        with progress(1) as show:
            show("loading", None)
            weight_set = chosen_weights(weights, {})
            show("reading the CTs", None)
            cts = [read_scan(before, series_before), read_scan(after, series_after)]
            days = _days(days, before, after, cts)
            alignment = align(cts[0], cts[1], show)
        matches = _confirmed(proposed(points[0], points[1], alignment), alignment, yes)
        with progress(sum(map(len, points))) as show:
            outcomes = _assess_scans(cts, points, folders, weight_set, device, show)
            show("writing the report", None)
            compared = [_compared(pair, outcomes, days) for pair in matches.pairs]
            _write_report(cts[1], outcomes[1], compared, days, out / REPORT_NAME)
            _write_tables(compared, matches, alignment, days, out)
        _print(outcomes, compared, matches, days, out)
    if any(outcome.assessment is None for scan in outcomes for outcome in scan):
        raise typer.Exit(FAILED)


def _folders(out: Path, points: list[list[Point]], inputs: list[Path]) -> list[list[Path]]:
    """Returns the result folders of both scans' points, free of old results (fault 42).

    Raises:
        OutputError: they cannot be written, or an input would be mistaken for an old result and
            removed.
    """
    from nodulerisk.outputs.results import remove_file

    ours = [out / name for name in OWN_FILES]
    if {path.resolve() for path in ours} & {path.resolve() for path in inputs}:
        raise OutputError(
            f"{out} holds an input with the name of a result file: choose another folder with"
            " --out."
        )
    folders = [
        prepared_folders(out / scan, asked, inputs)
        for scan, asked in zip(SCANS, points, strict=True)
    ]
    for path in ours:
        remove_file(path)
    return folders


def _days(given: float | None, before: Path, after: Path, cts: Sequence[CT]) -> float:
    """Returns the days between the scans: as given, else from their dates.

    Raises:
        NoduleRiskError: not known, or not more than 0.
    """
    from nodulerisk.ct.dates import days_between

    uids = cts[0].acquisition.series_uid, cts[1].acquisition.series_uid
    days = days_between(before, after, uids) if given is None else given
    if days is None:
        raise NoduleRiskError(
            "The files do not give the dates of both scans: give the days between them with --days."
        )
    if not 0 < days < math.inf:
        raise NoduleRiskError(
            "The later CT was not made on a later day: name the earlier one first, or give the days"
            " between them with --days."
        )
    return days


def _confirmed(proposal: Matches, alignment: Alignment, yes: bool) -> Matches:
    """Returns the pairs that the user confirms as the same nodule.

    Raises:
        NoduleRiskError: there are none, or there is nobody to ask.
    """
    typer.echo(
        f"Lungs aligned, correlation {alignment.correlation:.2f}. Proposed as the same nodule:"
    )
    for pair in proposal.pairs:
        typer.echo(f"  {_pair_words(pair)}")
    if proposal.pairs and not yes and not _can_ask():
        raise NoduleRiskError(
            "These pairs need confirmation, and there is no terminal to ask: check them, then run"
            " again with --yes."
        )
    matches = proposal if yes else proposal.confirmed(_ask)
    if not matches.pairs:
        raise NoduleRiskError(
            "No nodule is in both scans: check the points, or assess each scan on its own."
        )
    return matches


def _pair_words(pair: Pair) -> str:
    return f"{pair.before.name} before, {pair.after.name} after: {pair.distance_mm:.1f} mm apart"


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _ask(pair: Pair) -> bool:
    try:
        return typer.confirm(f"{_pair_words(pair)}. Same nodule?")
    except typer.Abort:
        raise KeyboardInterrupt from None


def _assess_scans(
    cts: list[CT],
    points: list[list[Point]],
    folders: list[list[Path]],
    weights: WeightSet,
    device: str,
    show: Show,
) -> list[list[Outcome]]:
    """Assesses the nodules of both scans."""
    outcomes: list[list[Outcome]] = []
    for ct, asked, places in zip(cts, points, folders, strict=True):
        onward = _onward(show, sum(map(len, outcomes)))
        outcomes.append(assess_and_write(ct, asked, places, weights, device, onward))
    return outcomes


def _onward(show: Show, done: int) -> Show:
    """Reports progress of steps that come after those already done."""
    return lambda stage, more: show(stage, None if more is None else done + more)


def _compared(pair: Pair, outcomes: list[list[Outcome]], days: float) -> Compared:
    from nodulerisk.clinical.followup import followed

    first, second = _found(pair.before, outcomes[0]), _found(pair.after, outcomes[1])
    if first is None or second is None:
        return Compared(pair, first, None, "It was not assessed in both scans.")
    try:
        change = followed(first, second, days)
    except NoduleRiskError as refusal:
        return Compared(pair, first, None, str(refusal))
    return Compared(pair, first, change)


def _found(point: Point, outcomes: list[Outcome]) -> Assessment | None:
    return next(outcome.assessment for outcome in outcomes if outcome.point is point)


def _write_report(
    ct: CT, outcomes: list[Outcome], compared: list[Compared], days: float, path: Path
) -> None:
    """Writes the nodules of the later scan; those in both have the earlier one beside them."""
    from nodulerisk.clinical.followup import Earlier
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report

    earlier = {
        one.pair.after: [Earlier(f"{days:g} days before", one.before, one.follow_up)]
        for one in compared
        if one.before is not None
    }
    nodules = [
        ReportNodule(ct, o.assessment, earlier=earlier.get(o.point, ()))
        for o in outcomes
        if o.assessment
    ]
    write_report(
        nodules, path, refusals={o.point.name: o.refusal for o in outcomes if o.assessment is None}
    )


def _write_tables(
    compared: list[Compared], matches: Matches, alignment: Alignment, days: float, out: Path
) -> None:
    """Writes ``follow-up.csv``, one row per nodule, and ``follow-up.json``, the same with the
    alignment.

    Columns: ``status`` (``both scans``, ``gone`` or ``new``: among the points of one scan alone);
    ``before``, ``after`` (names of the points); ``distance_mm`` (between them after alignment);
    ``days``; ``mean_diameter_before_mm`` to ``mass_after_mg``; ``volume_doubling_days`` and
    ``mass_doubling_days`` (below 0: days to halve; empty: unchanged); ``lung_rads_growth`` (stable,
    slowly growing or growing); ``bts_growth`` (volume +25 % or more); ``remark`` (why a nodule was
    not compared). In JSON, ``before_to_after_lps_mm`` is the alignment's 4x4 matrix.

    Raises:
        OutputError: a file cannot be written.
    """
    from nodulerisk.files import inert, written_whole

    rows = [*(_row(one, days) for one in compared), *_unmatched_rows(matches)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    with (
        written_whole(out / FOLLOW_UP_TABLE_NAME) as partial,
        partial.open("w", newline="", encoding="utf-8-sig") as file,
    ):
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({column: inert(value) for column, value in row.items()} for row in rows)
    everything = {
        "research_use_only": RESEARCH_USE_ONLY,
        "days": days,
        "correlation": alignment.correlation,
        "before_to_after_lps_mm": alignment.matrix.tolist(),
        "nodules": rows,
    }
    with written_whole(out / FOLLOW_UP_JSON_NAME) as partial:
        partial.write_text(json.dumps(everything, indent=2, ensure_ascii=False), encoding="utf-8")


def _row(one: Compared, days: float) -> Row:
    row: Row = {
        "status": "both scans",
        "before": one.pair.before.name,
        "after": one.pair.after.name,
    }
    row |= {"distance_mm": round(one.pair.distance_mm, 2), "days": days}
    if (change := one.follow_up) is None:
        return row | {"remark": one.remark}
    sizes = {
        "mean_diameter_{}_mm": change.diameter_mm,
        "volume_{}_mm3": change.volume_mm3,
        "mass_{}_mg": change.mass_mg,
    }
    row |= {
        name.format(scan): value
        for name, both in sizes.items()
        for scan, value in zip(SCANS, both, strict=True)
    }
    return row | {
        "volume_doubling_days": _finite(change.volume_doubling_days),
        "mass_doubling_days": _finite(change.mass_doubling_days),
        "lung_rads_growth": change.growth,
        "bts_growth": change.is_grown_by_bts,
    }


def _finite(days: float) -> float | None:
    return days if math.isfinite(days) else None


def _unmatched_rows(matches: Matches) -> list[Row]:
    gone: list[Row] = [{"status": "gone", "before": point.name} for point in matches.gone]
    return gone + [{"status": "new", "after": point.name} for point in matches.new]


def _print(
    outcomes: list[list[Outcome]],
    compared: list[Compared],
    matches: Matches,
    days: float,
    out: Path,
) -> None:
    for scan, of_scan in zip(SCANS, outcomes, strict=True):
        typer.echo(f"\nThe scan {scan}")
        report_outcomes(of_scan, out / scan)
    for line in _lines(compared, matches, days):
        typer.echo(line)
    typer.echo(f"Results: {out}")


def _lines(compared: list[Compared], matches: Matches, days: float) -> Iterator[str]:
    """Describes the change of every nodule."""
    for one in compared:
        yield f"\n{_pair_words(one.pair)}, {days:g} days"
        yield from (
            f"  {line}" for line in (one.follow_up.lines if one.follow_up else [one.remark])
        )
    for point in matches.gone:
        yield f"\n{point.name}: in the earlier scan only"
    for point in matches.new:
        yield f"\n{point.name}: in the later scan only"
