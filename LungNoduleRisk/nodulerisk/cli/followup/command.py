"""The command: what was asked for, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nodulerisk.cli import options
from nodulerisk.cli.assess import (
    assessor_of,
    chosen_weights,
    dicom_source,
    fail_if_refused,
    known_patient,
    prepared_folders,
    refuse_to_replace,
)
from nodulerisk.cli.followup.asking import aligned, confirmed_timeline, gaps_of
from nodulerisk.cli.followup.results import (
    assess_scans,
    looked_for,
    print_results,
    write_dicom,
    write_files,
)
from nodulerisk.cli.followup.scans import scan_names
from nodulerisk.cli.named import NamedCT, NamedPoints
from nodulerisk.cli.pacs import at_hand
from nodulerisk.cli.shared import Verbose, errors_in_one_line, progress
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import (
    FOLLOW_UP_JSON_NAME,
    FOLLOW_UP_TABLE_NAME,
    NOT_FOUND_NAMES,
    REPORT_NAME,
    SR_NAME,
)

if TYPE_CHECKING:
    from nodulerisk.clinical.tracks import Track
    from nodulerisk.ct.points import Point
    from nodulerisk.outputs.dicom import EarlierReport

OWN_FILES = (REPORT_NAME, FOLLOW_UP_TABLE_NAME, FOLLOW_UP_JSON_NAME)
NONE = "-"  # in place of a file or a series


def follow_up(
    cts: options.Cts,
    out: options.FollowUpResults,
    points: options.PointsOfEach = None,
    points_before: options.PointsBefore = None,
    points_after: options.PointsAfter = None,
    days: options.Days = None,
    pair: options.NamedPairs = None,
    patient: options.FactsOfLast = None,
    weights: options.Weights = "open",
    device: options.Device = "auto",
    series: options.SeriesOfEach = None,
    series_before: options.SeriesBefore = None,
    series_after: options.SeriesAfter = None,
    yes: options.Yes = False,
    dicom: options.DicomOfEach = False,
    earlier_report: options.EarlierReports = None,
    pacs: options.Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Compare the nodules of two or more chest CTs of a patient: change, doubling times and
    growth."""
    with errors_in_one_line(verbose), ExitStack() as retrieved:
        files = _per_ct(points, (points_before, points_after), cts, "points")
        uids = _per_ct(series, (series_before, series_after), cts, "series")
        asked = [NamedPoints(file=Path(file)).read() if file else [] for file in files]
        tracks = _named_tracks(pair, asked)
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
            scans = [named.scan for named in map(NamedCT, paths, uids)]
        gaps = gaps_of(days, paths, scans)
        with progress(1) as show:
            alignments = [aligned(*two, bool(tracks), show) for two in pairwise(scans)]
        timeline = confirmed_timeline(scans, gaps, asked, tracks, alignments, yes, known)
        with progress(sum(map(len, asked))) as show:
            outcomes = assess_scans(timeline, asked, folders, assessor, show, known)
            show(_("looking where nodules were"), None)
            not_found = looked_for(timeline, assessor)
            show(_("writing the report"), None)
            write_files(timeline, outcomes[-1], not_found, out)
        print_results(timeline, outcomes, not_found, out)
        if dicom:
            write_dicom(timeline, outcomes, sources, reports, out)
    fail_if_refused(chain(*outcomes))


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
        words = _("There are {count} CTs: give --{option} once for each.")
        raise NoduleRiskError(words.format(count=len(cts), option=option))
    values: list[str | None] = [*repeated] if repeated else [None] * len(cts)
    if not repeated and len(cts) == 2:
        values = [*of_two]
    if len(values) != len(cts):
        words = _(
            "There are {count} CTs, but {values} of --{option}: give it once for each, in the same"
            " order."
        )
        raise NoduleRiskError(words.format(count=len(cts), values=len(values), option=option))
    if option == "points" and not any(value and value != NONE for value in values):
        raise NoduleRiskError(_("Say where the nodules are: --points FILE, once per CT."))
    return [None if value == NONE else value for value in values]


def _named_tracks(pairs: list[str] | None, points: list[list[Point]]) -> list[Track]:
    from nodulerisk.clinical.tracks import named_tracks

    return named_tracks(pairs or (), points)


def _folders(out: Path, points: list[list[Point]], inputs: list[Path]) -> list[list[Path]]:
    """Returns the result folders of every scan's points, free of old results (fault 42).

    Raises:
        OutputError: they cannot be written, or an input would be mistaken for an old result and
            removed.
    """
    from nodulerisk.outputs.results import remove_file

    ours = [*(out / name for name in OWN_FILES), *out.glob(NOT_FOUND_NAMES)]
    refuse_to_replace(inputs, ours, out)
    folders = [
        prepared_folders(out / scan, asked, inputs)
        for scan, asked in zip(scan_names(len(points)), points, strict=True)
    ]
    for path in ours:
        remove_file(path)
    return folders


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
    former = (read_earlier(out / scan / SR_NAME) for scan in scan_names(scans))
    return [report for report in (*named.values(), *former) if report is not None]
