"""Assesses the nodules of all scans; writes and prints what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nodulerisk.cli.assess import Wanted, assess_and_write, report_outcomes, write_dicom_files
from nodulerisk.cli.followup.scans import TWO, pair_words, scan_names
from nodulerisk.cli.shared import Show, echo
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _, joined
from nodulerisk.outputs.style import (
    FOLLOW_UP_JSON_NAME,
    FOLLOW_UP_TABLE_NAME,
    NOT_FOUND_NAMES,
    REPORT_NAME,
)

if TYPE_CHECKING:
    from nodulerisk.assess_points import Assessor
    from nodulerisk.assessment import Assessment
    from nodulerisk.clinical.followup import FollowUp
    from nodulerisk.clinical.patient import Patient
    from nodulerisk.clinical.timeline import Step, Timeline
    from nodulerisk.ct.points import Point
    from nodulerisk.outputs.dicom import DicomSource, EarlierReport
    from nodulerisk.outputs.not_found import NotFound
    from nodulerisk.outputs.outcome import Outcome


def assess_scans(
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
            Wanted(patient=known if scan == last else None),
            partial(_change, timeline, scan),
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


def looked_for(timeline: Timeline, assessor: Assessor) -> list[tuple[Step, NotFound]]:
    """Looks for the nodules that a later scan does not show, where they would be."""
    from nodulerisk.outputs.not_found import not_found

    names = scan_names(len(timeline.cts))
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


def write_files(
    timeline: Timeline, outcomes: list[Outcome], not_found: list[tuple[Step, NotFound]], out: Path
) -> None:
    """Writes the report, of the nodules of the last scan with the earlier ones beside them, the
    pictures of where others were looked for, and the tables."""
    from nodulerisk.outputs.follow_up_files import write_follow_up
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
    from nodulerisk.outputs.not_found import not_found_png

    last = len(timeline.cts) - 1
    ct = timeline.ct(last)
    nodules = [
        ReportNodule(
            ct, o.assessment, o.advice, timeline.earlier(timeline.track(last, o.point.name), last)
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
    write_follow_up(timeline, out / FOLLOW_UP_TABLE_NAME, out / FOLLOW_UP_JSON_NAME)


def write_dicom(
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
    folders = [out / scan for scan in scan_names(len(sources))]
    for written in zip(outcomes, sources, folders, earlier, uids, strict=True):
        write_dicom_files(*written)


def _picture_name(step: Step, timeline: Timeline) -> str:
    scan = "" if len(timeline.cts) == 2 else f"-scan-{step.scans[1] + 1}"
    return NOT_FOUND_NAMES.replace("*", f"{step.before.name if step.before else ''}{scan}")


def print_results(
    timeline: Timeline,
    outcomes: list[list[Outcome]],
    not_found: list[tuple[Step, NotFound]],
    out: Path,
) -> None:
    names = scan_names(len(timeline.cts))
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
        which = {TWO[0]: _("in the earlier scan only"), TWO[1]: _("in the later scan only")}
        elsewhere = _("in {scan}, not in {other}").format(scan=only, other=other)
        return joined(": ", (point.name, which.get(only, elsewhere)))
    said = pair_words(step.before, step.after, (first, second), step.distance_mm)
    if step.earlier is None:
        return said
    return joined(", ", (said, _("{days:g} days").format(days=step.earlier.days)))


def _lines(step: Step) -> list[str]:
    """Describes the change of a nodule, or says what became of it."""
    if step.earlier is not None and step.earlier.follow_up is not None:
        return step.earlier.follow_up.lines
    return [step.remark] if step.remark else []
