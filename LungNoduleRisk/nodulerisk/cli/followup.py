"""``nodulerisk follow-up``: compares nodules between the scans of a patient."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodulerisk.cli.assess import (
    asked_points,
    assess_and_write,
    assessor_of,
    chosen_weights,
    dicom_source,
    known_patient,
    prepared_folders,
    read_scan,
    report_outcomes,
    write_dicom_files,
)
from nodulerisk.cli.pacs import Pacs, at_hand
from nodulerisk.cli.shared import FAILED, Show, Verbose, echo, errors_in_one_line, progress
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.outputs.style import (
    FOLLOW_UP_JSON_NAME,
    FOLLOW_UP_TABLE_NAME,
    NOT_FOUND_NAMES,
    REPORT_NAME,
    SR_NAME,
)

if TYPE_CHECKING:
    from nodulerisk.assess_points import Assessor
    from nodulerisk.assessment import Assessment
    from nodulerisk.clinical.followup import FollowUp
    from nodulerisk.clinical.patient import Patient
    from nodulerisk.clinical.registration import Alignment, Matches, Pair
    from nodulerisk.clinical.timeline import Step, Timeline
    from nodulerisk.clinical.tracks import Track
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.volume import CT
    from nodulerisk.outputs.dicom import DicomSource, EarlierReport
    from nodulerisk.outputs.not_found import NotFound
    from nodulerisk.outputs.outcome import Outcome

TWO = (_("before"), _("after"))  # names of two scans, and of their folders among the results
OWN_FILES = (REPORT_NAME, FOLLOW_UP_TABLE_NAME, FOLLOW_UP_JSON_NAME)
NONE = "-"  # in place of a file or a series


def follow_up(
    cts: Annotated[
        list[str],
        typer.Argument(
            help="The CTs of a patient, the oldest first: DICOM folder or .zip, NRRD, NIfTI or"
            " MetaImage file; or dicomweb://STUDY/SERIES of the archive, as find lists it."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    points: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Nodules of a CT: .mrk.json, .fcsv or .csv (LPS); - for none. Once per CT, in the"
            " order of the CTs.",
        ),
    ] = None,
    points_before: Annotated[
        str | None, typer.Option(metavar="FILE", help="Of two CTs: nodules of the earlier one.")
    ] = None,
    points_after: Annotated[
        str | None, typer.Option(metavar="FILE", help="Of two CTs: nodules of the later one.")
    ] = None,
    days: Annotated[
        list[float] | None,
        typer.Option(
            help="Days from a CT to the next, once for each; by default from their DICOM dates."
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NAME",
            help="Points that are one nodule, a name for each CT, - where it has none; repeatable."
            " Other points are paired by position.",
        ),
    ] = None,
    patient: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What scores and guidelines need to know, as for assess; the growth is measured;"
            " repeatable.",
        ),
    ] = None,
    weights: Annotated[str, typer.Option(help="Weight set: its name or folder.")] = "open",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    series: Annotated[
        list[str] | None,
        typer.Option(
            help="Which series, if there are several: its UID, or UID#2 as the list names it;"
            " - if there is one. Once per CT."
        ),
    ] = None,
    series_before: Annotated[
        str | None, typer.Option(help="Of two CTs: the series of the earlier one.")
    ] = None,
    series_after: Annotated[
        str | None, typer.Option(help="Of two CTs: the series of the later one.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Accept every proposed pair as the same nodule.")
    ] = False,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Also write DICOM (SEG and SR) of every scan; a nodule has one tracking UID at all"
            " scans. Like the CTs, these files hold the patient's name and ID.",
        ),
    ] = False,
    earlier_report: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="With --dicom: an SR of one of the scans, written before; its nodules keep their"
            " tracking UIDs. Repeatable.",
        ),
    ] = None,
    pacs: Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Compare the nodules of two or more chest CTs of a patient: change, doubling times and
    growth."""
    with errors_in_one_line(verbose), ExitStack() as retrieved:
        files = _per_ct(points, (points_before, points_after), cts, "points")
        uids = _per_ct(series, (series_before, series_after), cts, "series")
        asked = [asked_points(None, Path(file), False, False) if file else [] for file in files]
        named = _named(pair, asked)
        known = known_patient(patient, len(asked[-1]))
        paths = [retrieved.enter_context(at_hand(ct, pacs)) for ct in cts]
        inputs = [*paths, *(Path(file) for file in files if file), *(earlier_report or ())]
        reports = _earlier_reports(earlier_report or [], out, len(cts)) if dicom else []
        folders = _folders(out, asked, inputs)
        with progress(1) as show:
            show(_("loading"), None)
            sources = [*map(dicom_source, paths, uids)] if dicom else []
            assessor = assessor_of(chosen_weights(weights, {}), device, several=True)
            show(_("reading the CTs"), None)
            scans = [read_scan(ct, uid) for ct, uid in zip(paths, uids, strict=True)]
        gaps = _gaps(days, paths, scans)
        with progress(1) as show:
            alignments = [_aligned(*two, bool(named), show) for two in pairwise(scans)]
        timeline = _timeline(scans, gaps, asked, named, alignments, yes, known)
        with progress(sum(map(len, asked))) as show:
            outcomes = _assess_scans(timeline, asked, folders, assessor, show, known)
            show(_("looking where nodules were"), None)
            not_found = _looked_for(timeline, assessor)
            show(_("writing the report"), None)
            _write_report(timeline, outcomes[-1], not_found, out)
            _write_tables(timeline, out)
        _print(timeline, outcomes, not_found, out)
        if dicom:
            _write_dicom(timeline, outcomes, sources, reports, out)
    if any(outcome.assessment is None for scan in outcomes for outcome in scan):
        raise typer.Exit(FAILED)


def _per_ct(
    repeated: list[str] | None,
    of_two: tuple[str | None, str | None],
    cts: Sequence[str],
    option: str,
) -> list[str | None]:
    """Returns an option's value for every CT; None where it has none.

    Raises:
        NoduleRiskError: there are fewer than two CTs, or more or fewer values than CTs.
    """
    if len(cts) < 2:
        raise NoduleRiskError(_("There is one CT: name two or more, the oldest first."))
    if repeated and any(of_two):
        raise NoduleRiskError(
            _("Give --{option} once per CT, or --{option}-before and -after.").format(option=option)
        )
    if not repeated and len(cts) > 2 and (option == "points" or any(of_two)):
        raise NoduleRiskError(
            _("There are {count} CTs: give --{option} once for each.").format(
                count=len(cts), option=option
            )
        )
    values: list[str | None] = [*repeated] if repeated else [None] * len(cts)
    if not repeated and len(cts) == 2:
        values = [*of_two]
    if len(values) != len(cts):
        raise NoduleRiskError(
            _(
                "There are {count} CTs, but {values} of --{option}: give it once for each, in"
                " the same order."
            ).format(count=len(cts), values=len(values), option=option)
        )
    if option == "points" and not any(value and value != NONE for value in values):
        raise NoduleRiskError(_("Say where the nodules are: --points FILE, once per CT."))
    return [None if value == NONE else value for value in values]


def _named(pairs: list[str] | None, points: list[list[Point]]) -> list[Track]:
    from nodulerisk.clinical.tracks import named_tracks

    return named_tracks(pairs or (), points)


def _scan_names(count: int) -> Sequence[str]:
    """Returns the names of the scans, which are those of their folders."""
    return (
        TWO
        if count == 2
        else [_("scan {number}").format(number=number) for number in range(1, count + 1)]
    )


def _folders(out: Path, points: list[list[Point]], inputs: list[Path]) -> list[list[Path]]:
    """Returns the result folders of every scan's points, free of old results (fault 42).

    Raises:
        OutputError: they cannot be written, or an input would be mistaken for an old result and
            removed.
    """
    from nodulerisk.outputs.results import remove_file

    ours = [*(out / name for name in OWN_FILES), *out.glob(NOT_FOUND_NAMES)]
    if {path.resolve() for path in ours} & {path.resolve() for path in inputs}:
        raise OutputError(
            _(
                "{out} holds an input with the name of a result file: choose another folder"
                " with --out."
            ).format(out=out)
        )
    folders = [
        prepared_folders(out / scan, asked, inputs)
        for scan, asked in zip(_scan_names(len(points)), points, strict=True)
    ]
    for path in ours:
        remove_file(path)
    return folders


def _gaps(given: list[float] | None, cts: Sequence[Path], scans: Sequence[CT]) -> list[float]:
    """Returns the days from each scan to the next: as given, else from their dates, else asked.

    Raises:
        NoduleRiskError: not known, not one for each, or not more than 0.
    """
    if given and len(given) != len(cts) - 1:
        raise NoduleRiskError(
            _("There are {count} CTs: give --days {steps} times, from each CT to the next.").format(
                count=len(cts), steps=len(cts) - 1
            )
        )
    days: Sequence[float | None] = given or [None] * (len(cts) - 1)
    return [
        _days(one, *paths, *two)
        for one, paths, two in zip(days, pairwise(cts), pairwise(scans), strict=True)
    ]


def _asked_days(before: Path, after: Path) -> str:
    return _("Days from {before} to {after}").format(before=before.name, after=after.name)


def _days(given: float | None, before: Path, after: Path, first: CT, second: CT) -> float:
    from nodulerisk.ct.dicom.dates import days_between

    uids = first.acquisition.series_uid, second.acquisition.series_uid
    dated = days_between(before, after, uids)
    days = given if given is not None else dated
    if days is None and _can_ask():
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


def _aligned(before: CT, after: CT, may_fail: bool, show: Show) -> Alignment | None:
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


def _timeline(
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
    names = list(pairwise(_scan_names(len(scans))))
    _show_proposals(proposals, alignments, names)
    if any(one.pairs for one in proposals) and not yes and not _can_ask():
        raise NoduleRiskError(
            _(
                "These pairs need confirmation, and there is no terminal to ask: check them,"
                " then run again with --yes."
            )
        )
    matches = [
        one if yes else one.confirmed(partial(_ask, scans=two))
        for one, two in zip(proposals, names, strict=True)
    ]
    if not named and any(p.pairs for p in proposals) and not any(m.pairs for m in matches):
        raise NoduleRiskError(
            _("No nodule is in both scans: check the points, or assess each scan on its own.")
        )
    days = [sum(gaps[:number]) for number in range(len(scans))]
    density = known.density if known else None
    given = {point.name: density for point in points[-1]} if density else {}
    return Timeline(scans, days, alignments, matches, others, named, given)


def _proposed(before: list[Point], after: list[Point], alignment: Alignment | None) -> Matches:
    from nodulerisk.clinical.registration import Matches, proposed

    if alignment is None:
        return Matches((), tuple(before), tuple(after))
    return proposed(before, after, alignment)


def _show_proposals(
    proposals: list[Matches], alignments: list[Alignment | None], names: list[tuple[str, str]]
) -> None:
    for proposal, alignment, scans in zip(proposals, alignments, names, strict=True):
        between = (
            ""
            if scans == TWO
            else Text(" ({first}, {second})").format(first=scans[0], second=scans[1])
        )
        if alignment is None:
            words = _("The lungs do not match{between}: only the pairs you named are compared.")
            echo(words.format(between=between))
            continue
        words = _(
            "Lungs aligned{between}, correlation {correlation:.2f}. Proposed as the same nodule:"
        )
        echo(words.format(between=between, correlation=alignment.correlation))
        for pair in proposal.pairs:
            typer.echo(f"  {say(_pair_words(pair, scans))}")


def _pair_words(pair: Pair, scans: tuple[str, str]) -> str:
    names = _names(pair.before, pair.after, scans)
    return joined(": ", (names, _("{mm:.1f} mm apart").format(mm=pair.distance_mm)))


def _names(before: Point, after: Point, scans: tuple[str, str]) -> str:
    words = Text("{before} {first}, {after} {second}")
    first, second = map(_at, scans)
    return words.format(before=before.name, first=first, after=after.name, second=second)


def _at(scan: str) -> str:
    return scan if scan in TWO else _("at {scan}").format(scan=scan)


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _ask(pair: Pair, scans: tuple[str, str]) -> bool:
    try:
        asked = _("{pair}. Same nodule?").format(pair=_pair_words(pair, scans))
        return typer.confirm(say(asked))
    except typer.Abort:
        raise KeyboardInterrupt from None


def _assess_scans(
    timeline: Timeline,
    points: list[list[Point]],
    folders: list[list[Path]],
    assessor: Assessor,
    show: Show,
    known: Patient | None,
) -> list[list[Outcome]]:
    """Assesses the nodules of every scan; those of the last get scores and guidelines."""
    outcomes: list[list[Outcome]] = []
    last = len(points) - 1
    for scan, (asked, places) in enumerate(zip(points, folders, strict=True)):
        found = assess_and_write(
            timeline.ct(scan),
            asked,
            places,
            assessor,
            _onward(show, sum(map(len, outcomes))),
            patient=known if scan == last else None,
            change_of=partial(_change, timeline, scan),
        )
        outcomes.append(found)
    return outcomes


def _change(timeline: Timeline, scan: int, assessment: Assessment) -> FollowUp | None:
    """Takes note of an assessment, and returns how its nodule has changed."""
    from nodulerisk.clinical.followup import most_telling

    timeline.assessments[scan][assessment.name] = assessment
    track = timeline.track(scan, assessment.name)
    return most_telling(timeline.earlier(track, scan))


def _onward(show: Show, done: int) -> Show:
    """Reports progress of steps that come after those already done."""
    return lambda stage, more: show(stage, None if more is None else done + more)


def _looked_for(timeline: Timeline, assessor: Assessor) -> list[tuple[Step, NotFound]]:
    """Looks for the nodules that a later scan does not show, where they would be."""
    from nodulerisk.outputs.not_found import not_found

    names = _scan_names(len(timeline.cts))
    return [
        (step, not_found(timeline, step, names, _seen(timeline, step, assessor)))
        for track in timeline.tracks
        for step in timeline.steps(track)
        if step.is_not_found
    ]


def _seen(timeline: Timeline, step: Step, assessor: Assessor) -> Outcome | None:
    """Returns what is at the place where a nodule was; None if the place is not known, or has a
    point that was assessed."""
    from nodulerisk.ct.points import Point

    place = timeline.place(step)
    if place is None or step.before is None or step.after is not None:
        return None
    there = [Point(step.before.name, place)]
    return next(assessor.assess_points(timeline.ct(step.scans[1]), there))


def _write_report(
    timeline: Timeline,
    outcomes: list[Outcome],
    not_found: list[tuple[Step, NotFound]],
    out: Path,
) -> None:
    """Writes the nodules of the last scan with the earlier ones beside them, and pictures of where
    others were looked for."""
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
    from nodulerisk.outputs.not_found import not_found_png

    last = len(timeline.cts) - 1
    ct = timeline.ct(last)
    nodules = [
        ReportNodule(
            ct,
            o.assessment,
            o.advice,
            timeline.earlier(timeline.track(last, o.point.name), last),
        )
        for o in outcomes
        if o.assessment
    ]
    write_report(
        nodules,
        out / REPORT_NAME,
        refusals={o.point.name: o.refusal for o in outcomes if o.assessment is None},
        not_found=[found for _, found in not_found],
    )
    for step, found in not_found:
        not_found_png(found, out / _picture_name(step, timeline))


def _write_tables(timeline: Timeline, out: Path) -> None:
    from nodulerisk.outputs.follow_up_files import write_follow_up

    write_follow_up(timeline, out / FOLLOW_UP_TABLE_NAME, out / FOLLOW_UP_JSON_NAME)


def _earlier_reports(given: list[Path], out: Path, scans: int) -> list[EarlierReport]:
    """Returns the DICOM reports of the scans written before: those named, and those of an earlier
    run.

    Raises:
        OutputError: a named one cannot be read.
    """
    from nodulerisk.outputs.dicom import read_earlier

    named = {path: read_earlier(path) for path in given}
    if unread := [path for path, report in named.items() if report is None]:
        raise OutputError(
            _("{unread} is not a DICOM report of measurements (SR).").format(unread=unread[0])
        )
    former = (read_earlier(out / scan / SR_NAME) for scan in _scan_names(scans))
    return [report for report in (*named.values(), *former) if report is not None]


def _write_dicom(
    timeline: Timeline,
    outcomes: list[list[Outcome]],
    sources: list[DicomSource],
    reports: list[EarlierReport],
    out: Path,
) -> None:
    """Writes every scan's nodules as DICOM; a nodule keeps the tracking UID of its first scan."""
    from nodulerisk.outputs.dicom import along, tracked

    found = [[one.assessment for one in scan if one.assessment] for scan in outcomes]
    earlier = [next((r for r in reports if r.is_of(source)), None) for source in sources]
    tracks = [[p.name if p else None for p in track.points] for track in timeline.tracks]
    uids = along(tracks, [*map(tracked, found, sources, earlier)])
    folders = [out / scan for scan in _scan_names(len(sources))]
    for written in zip(outcomes, sources, folders, earlier, uids, strict=True):
        write_dicom_files(*written)


def _picture_name(step: Step, timeline: Timeline) -> str:
    scan = "" if len(timeline.cts) == 2 else f"-scan-{step.scans[1] + 1}"
    return NOT_FOUND_NAMES.replace("*", f"{step.before.name if step.before else ''}{scan}")


def _print(
    timeline: Timeline,
    outcomes: list[list[Outcome]],
    not_found: list[tuple[Step, NotFound]],
    out: Path,
) -> None:
    names = _scan_names(len(timeline.cts))
    for scan, of_scan in zip(names, outcomes, strict=True):
        echo("")
        echo(
            _("The scan {scan}").format(scan=scan)
            if scan in TWO
            else _("Scan {number}").format(number=names.index(scan) + 1)
        )
        report_outcomes(of_scan, out / scan)
    looked_for = {
        (step.scans, step.before): _("{words} Picture: {name}").format(
            words=found.words, name=_picture_name(step, timeline)
        )
        for step, found in not_found
    }
    for track in timeline.tracks:
        for step in timeline.steps(track):
            more = looked_for.get((step.scans, step.before), "")
            _print_facts(_heading(step, names), [*_lines(step), *([more] if more else [])])
        course = timeline.course(track)
        if course is not None and len(course.points) > 2:
            _print_facts(_("{name} over all scans").format(name=track.name), course.lines)
    echo(_("Results: {out}").format(out=out))


def _print_facts(heading: str, lines: Sequence[str]) -> None:
    typer.echo(f"\n{say(heading)}")
    for line in lines:
        typer.echo(f"  {say(line)}")


def _heading(step: Step, names: Sequence[str]) -> str:
    first, second = (names[scan] for scan in step.scans)
    if step.before is None or step.after is None:
        point, only, other = (
            (step.after, second, first) if step.before is None else (step.before, first, second)
        )
        assert point is not None
        which = {
            TWO[0]: _("in the earlier scan only"),
            TWO[1]: _("in the later scan only"),
        }
        elsewhere = _("in {scan}, not in {other}").format(scan=only, other=other)
        return joined(": ", (point.name, which.get(only, elsewhere)))
    said = _names(step.before, step.after, (first, second))
    if not math.isnan(step.distance_mm):
        said = joined(": ", (said, _("{mm:.1f} mm apart").format(mm=step.distance_mm)))
    if step.earlier is None:
        return said
    return joined(", ", (said, _("{days:g} days").format(days=step.earlier.days)))


def _lines(step: Step) -> list[str]:
    """Describes the change of a nodule, or says what became of it."""
    if step.earlier is not None and step.earlier.follow_up is not None:
        return step.earlier.follow_up.lines
    return [step.remark] if step.remark else []
