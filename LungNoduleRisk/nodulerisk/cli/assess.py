"""``nodulerisk assess``: nodules at given points of a CT."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodulerisk.cli.pacs import Pacs, at_hand, offer_earlier
from nodulerisk.cli.shared import (
    FAILED,
    Series,
    Show,
    Verbose,
    echo,
    echo_error,
    errors_in_one_line,
    progress,
)
from nodulerisk.errors import NoduleRiskError, OutputError, PointError
from nodulerisk.files import stem_of
from nodulerisk.language.texts import Verbatim, _, joined
from nodulerisk.outputs.style import REPORT_NAME, SEG_NAME, SR_NAME, TABLE_NAME

if TYPE_CHECKING:
    from nodulerisk.assess_points import Assessor
    from nodulerisk.assessment import Assessment
    from nodulerisk.clinical.followup import FollowUp
    from nodulerisk.clinical.patient import Patient
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.volume import CT
    from nodulerisk.outputs.dicom import DicomSource, EarlierReport
    from nodulerisk.outputs.outcome import Outcome
    from nodulerisk.weights.card import WeightSet

FILES_OF_ALL = (TABLE_NAME, REPORT_NAME, SEG_NAME, SR_NAME)


def assess(
    ct: Annotated[
        str,
        typer.Argument(
            help="DICOM folder or .zip, NRRD, NIfTI or MetaImage file; or dicomweb://STUDY/SERIES"
            " of the archive, as find lists it."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder for the results; with several points, it gets one subfolder per nodule."
        ),
    ],
    point: Annotated[
        list[str] | None, typer.Option(metavar="X,Y,Z", help="A point on a nodule; repeatable.")
    ] = None,
    points: Annotated[
        Path | None, typer.Option(help="Slicer markups (.mrk.json, .fcsv) or a .csv with x,y,z.")
    ] = None,
    ras: Annotated[
        bool, typer.Option("--ras", help="The points are in RAS coordinates, as Slicer shows them.")
    ] = False,
    lps: Annotated[
        bool,
        typer.Option("--lps", help="The points are in LPS coordinates, as in DICOM (the default)."),
    ] = False,
    weights: Annotated[str, typer.Option(help="Weight set: its name or folder.")] = "open",
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK=VALUE", help="Your own threshold, such as malignancy=0.3; repeatable."
        ),
    ] = None,
    cascade: Annotated[
        bool,
        typer.Option(
            "--cascade",
            help="Run later tasks only if earlier ones are positive (malignant, then invasive);"
            " saves time.",
        ),
    ] = False,
    stability: Annotated[
        bool,
        typer.Option(
            "--stability",
            help="Test stability: run again with turned cubes and clicks 2 mm off; takes seven"
            " times as long.",
        ),
    ] = False,
    patient: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help=(
                "What scores and guidelines need to know, such as age=62, sex=female,"
                " smoking=former or status=baseline; repeatable."
            ),
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    series: Series = None,
    dicom: Annotated[
        bool,
        typer.Option(
            "--dicom",
            help="Also write DICOM (SEG and SR); like the CT, these files hold the patient's name"
            " and ID.",
        ),
    ] = False,
    identity: Annotated[
        bool,
        typer.Option(
            "--identity",
            help="Name the patient, as the DICOM series does, in the reports; otherwise nothing"
            " does.",
        ),
    ] = False,
    only_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Write only assessment.json, its masks and the table: no page, picture or mesh;"
            " takes two thirds of the time.",
        ),
    ] = False,
    pacs: Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Assess the nodules at given points of a chest CT."""
    with errors_in_one_line(verbose), ExitStack() as retrieved:
        refuse_unclear_points(point, points, ras, lps)
        path = retrieved.enter_context(at_hand(ct, pacs))
        listed = _listed_series(points)
        named = _named_by(path, series)
        unnamed = len(listed) > 1 and not set(listed) & set(named)
        if unnamed or _counts_slices(points):  # only the CT says which rows are its, and where
            scan = read_scan(path, series)
            named += [scan.acquisition.series_uid or ""]
        else:
            scan = None
        own = next((uid for uid in named if uid in listed), None)
        asked = asked_points(point, points, ras, lps, series=own, ct=scan)
        from nodulerisk.weights.card import thresholds_of

        thresholds = thresholds_of(threshold or [])
        known = known_patient(patient, len(asked))
        earlier = earlier_report(out) if dicom else None  # before old results are removed
        folders = prepared_folders(out, asked, [path, *([points] if points else [])])
        with progress(len(asked)) as show:
            show(_("loading"), None)
            source = dicom_source(path, series) if dicom else None
            who = identity_of(path, series) if identity else None
            weight_set = chosen_weights(weights, thresholds)
            assessor = assessor_of(weight_set, device, several=stability or len(asked) > 1)
            show(_("reading the CT"), None)
            scan = of_listed_series(scan or read_scan(path, series), listed, named)
            outcomes = assess_and_write(
                scan,
                asked,
                folders,
                assessor,
                show,
                cascade=cascade,
                stability=stability,
                patient=known,
                identity=who,
                only_json=only_json,
            )
            if len(asked) > 1 and not only_json:
                show(_("writing the report"), None)
                _write_report(scan, outcomes, out / REPORT_NAME, who)
        report_outcomes(outcomes, out)
        if source is not None:
            write_dicom_files(outcomes, source, out, earlier)
        offer_earlier(ct, pacs)
    if any(outcome.assessment is None for outcome in outcomes):
        raise typer.Exit(FAILED)


def asked_points(
    texts: list[str] | None,
    file: Path | None,
    ras: bool,
    lps: bool,
    series: str | None = None,
    ct: CT | None = None,
) -> list[Point]:
    """Returns the points given on the command line; of a table that names series, those of one; of
    one that counts slices, where they lie in the CT.

    Raises:
        PointError: no points, both options, both coordinate systems, or an unreadable file.
    """
    from nodulerisk.ct.points import named_points, parse_point, read_points

    refuse_unclear_points(texts, file, ras, lps)
    if file is not None:
        return read_points(file, "ras" if ras else "lps" if lps else None, series=series, ct=ct)
    return named_points(("", parse_point(text, "ras" if ras else "lps")) for text in texts or ())


def refuse_unclear_points(texts: list[str] | None, file: Path | None, ras: bool, lps: bool) -> None:
    """Raises PointError for no points, both options, or both coordinate systems."""
    if ras and lps:
        raise PointError(_("The points cannot be both LPS and RAS: leave out --ras or --lps."))
    if bool(texts) == bool(file):
        raise PointError(
            _("Say where the nodules are: --point X,Y,Z (repeatable) or --points FILE.")
        )


def _listed_series(file: Path | None) -> list[str]:
    from nodulerisk.ct.points import series_in

    return series_in(file) if file is not None else []


def _counts_slices(file: Path | None) -> bool:
    from nodulerisk.ct.points import counts_slices

    return file is not None and counts_slices(file)


def _named_by(ct: Path, series: str | None) -> list[str]:
    """Returns what the command line may name the CT's series by: the option, and the file's
    name."""
    return [*([series.partition("#")[0]] if series else []), stem_of(ct)]


def of_listed_series(scan: CT, listed: list[str], named: list[str]) -> CT:
    """Adds a check if the points' table names another series than the CT does (fault 65)."""
    from nodulerisk.checks import POINTS_OF_ANOTHER_SERIES

    uid = scan.acquisition.series_uid
    if not listed or uid is None or {uid, *named} & set(listed):
        return scan
    return replace(scan, checks=(*scan.checks, POINTS_OF_ANOTHER_SERIES.check()))


def known_patient(texts: list[str] | None, points: int) -> Patient | None:
    """Returns the patient for scores and guidelines; None if nothing was given.

    Raises:
        NoduleRiskError: not understood, or about a single nodule where there are several.
    """
    from nodulerisk.clinical.patient import OF_THE_NODULE, patient_from

    if not texts:
        return None
    patient = patient_from(texts)
    if points > 1 and (
        said := [name for name in OF_THE_NODULE if getattr(patient, name) is not None]
    ):
        raise NoduleRiskError(
            _("{said} can only be given for a single nodule: assess the points one by one.").format(
                said=joined(", ", map(Verbatim, said))
            )
        )
    return patient


def chosen_weights(name: str, thresholds: dict[str, float]) -> WeightSet:
    from nodulerisk.weights.store import load_weight_set

    return load_weight_set(name).with_thresholds(thresholds)


def assessor_of(weights: WeightSet, device: str, *, several: bool) -> Assessor:
    """Returns one that begins to load its first network while the CT is read; for a single nodule,
    it holds only one network at a time. Networks that run already are used instead."""
    from nodulerisk.assess_points import Assessor
    from nodulerisk.engine.engine import Engine
    from nodulerisk.engine.running import shared_networks

    networks = shared_networks(weights) or Engine(weights, device, keep=several)
    assessor = Assessor(weights, networks=networks)
    assessor.warm_up()
    return assessor


def prepared_folders(out: Path, points: list[Point], inputs: list[Path]) -> list[Path]:
    """Returns the points' result folders: writable, and free of old results (fault 42).

    Raises:
        OutputError: they cannot be written, or an input would be mistaken for an old result and
            removed.
    """
    from nodulerisk.outputs.results import (
        RESULT_FILES,
        refuse_unwritable,
        remove_file,
        remove_results,
    )

    folders = [out] if len(points) == 1 else [out / point.name for point in points]
    ours = {out / name for name in FILES_OF_ALL}
    ours |= {folder / name for folder in (out, *folders) for name in RESULT_FILES}
    if {path.resolve() for path in ours} & {path.resolve() for path in inputs}:
        raise OutputError(
            _(
                "{out} holds an input with the name of a result file: choose another folder"
                " with --out."
            ).format(out=out)
        )
    refuse_unwritable(out, len(points))
    for folder in (out, *folders):
        remove_results(folder)
    for name in FILES_OF_ALL:
        remove_file(out / name)
    return folders


def earlier_report(out: Path) -> EarlierReport | None:
    """Returns the DICOM report of an earlier run, which the new one will refer to."""
    from nodulerisk.outputs.dicom import read_earlier

    return read_earlier(out / SR_NAME)


def dicom_source(ct: Path, series: str | None) -> DicomSource:
    from nodulerisk.outputs.dicom import read_source

    return read_source(ct, series)


def write_dicom_files(
    outcomes: list[Outcome],
    source: DicomSource,
    out: Path,
    earlier: EarlierReport | None,
    handed_on: dict[str, str] | None = None,
) -> None:
    """Writes the assessed nodules as DICOM, if there are any."""
    from nodulerisk.outputs.dicom import write_dicom

    if found := [outcome.assessment for outcome in outcomes if outcome.assessment is not None]:
        advice = {outcome.point.name: outcome.advice for outcome in outcomes}
        write_dicom(found, source, out, advice=advice, earlier=earlier, handed_on=handed_on)


def identity_of(ct: Path, series: str | None) -> dict[str, str]:
    from nodulerisk.ct.dicom.identity import identity_in

    return identity_in([ct], series)


def read_scan(path: Path, series: str | None) -> CT:
    from nodulerisk.ct.read import read_ct

    return read_ct(path, series_uid=series)


def assess_and_write(
    ct: CT,
    points: list[Point],
    folders: list[Path],
    assessor: Assessor,
    show: Show,
    *,
    cascade: bool = False,
    stability: bool = False,
    patient: Patient | None = None,
    change_of: Callable[[Assessment], FollowUp | None] | None = None,
    identity: Mapping[str, str] | None = None,
    only_json: bool = False,
) -> list[Outcome]:
    """Assesses every point and writes its results; a refused point does not stop the others (fault
    25). ``change_of`` says how a nodule has changed since earlier scans."""
    from nodulerisk.clinical.advice import NO_ADVICE, advise
    from nodulerisk.nodule.same import is_twin
    from nodulerisk.outputs.results import write_results

    found = assessor.assess_points(
        ct,
        points,
        cascade=cascade,
        stability=stability,
        progress=lambda stage, share: show(stage, share * len(points)),
    )
    listed = len(points)
    if patient:  # scores count every nodule once, so all have to be known first
        every = [*found]
        listed -= sum(one.assessment is not None and is_twin(one.assessment) for one in every)
        found = iter(every)
    outcomes = []
    for number, (outcome, folder) in enumerate(zip(found, folders, strict=True), start=1):
        if (assessment := outcome.assessment) is not None:
            show(_("{name}: writing").format(name=outcome.point.name), number)
            change = change_of(assessment) if change_of else None
            advice = advise(assessment, patient, listed, change) if patient else NO_ADVICE
            outcome = replace(outcome, advice=advice)
            write_results(ct, assessment, folder, advice, identity, only_json=only_json)
        outcomes.append(outcome)
    return outcomes


def _write_report(
    ct: CT, outcomes: list[Outcome], path: Path, identity: Mapping[str, str] | None
) -> None:
    """Writes one page with all nodules and the refused points."""
    from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report

    nodules = [
        ReportNodule(ct, o.assessment, o.advice) for o in outcomes if o.assessment is not None
    ]
    refusals = {o.point.name: o.refusal for o in outcomes if o.assessment is None}
    write_report(nodules, path, identity, refusals)


def report_outcomes(outcomes: list[Outcome], out: Path) -> None:
    """Writes the CSV file, prints the table, and reports each refused point on stderr."""
    from rich.console import Console

    from nodulerisk.outputs.nodule_tables import results_view, write_csv

    write_csv(outcomes, out / TABLE_NAME)
    Console().print(results_view(outcomes))
    echo(_("Results: {out}").format(out=out))
    for outcome in outcomes:
        if outcome.assessment is None:
            echo_error(joined(": ", (outcome.point.name, outcome.refusal)))
