"""``nodulerisk assess``: nodules at given points of a CT."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nodulerisk.cli import options
from nodulerisk.cli.named import NamedCT, NamedPoints
from nodulerisk.cli.pacs import at_hand, offer_earlier
from nodulerisk.cli.shared import (
    FAILED,
    Show,
    Verbose,
    echo,
    echo_error,
    errors_in_one_line,
    progress,
)
from nodulerisk.errors import NoduleRiskError, OutputError
from nodulerisk.language.texts import Verbatim, _, joined
from nodulerisk.outputs.style import REPORT_NAME, SEG_NAME, SR_NAME, TABLE_NAME

if TYPE_CHECKING:
    from nodulerisk.assess_points import Assessor
    from nodulerisk.assessment import Assessment
    from nodulerisk.clinical.followup import FollowUp
    from nodulerisk.clinical.patient import Patient
    from nodulerisk.ct.points import Point
    from nodulerisk.ct.volume import CT
    from nodulerisk.engine.engine import Engine
    from nodulerisk.engine.worker import RemoteNetworks
    from nodulerisk.outputs.dicom import DicomSource, EarlierReport
    from nodulerisk.outputs.outcome import Outcome
    from nodulerisk.weights.card import WeightSet

FILES_OF_ALL = (TABLE_NAME, REPORT_NAME, SEG_NAME, SR_NAME)


@dataclass(frozen=True)
class Wanted:
    """What is wanted of every nodule.

    Attributes:
        cascade: run later tasks only if earlier ones are positive.
        stability: also test how far the answers move.
        patient: for scores and guidelines; None: none of them.
        identity: the patient, as the reports name them; None: they do not.
        only_json: no page, picture or mesh.
    """

    cascade: bool = False
    stability: bool = False
    patient: Patient | None = None
    identity: Mapping[str, str] | None = None
    only_json: bool = False


def assess(
    ct: options.Ct,
    out: options.Results,
    point: options.PointTexts = None,
    points: options.PointsFile = None,
    ras: options.Ras = False,
    lps: options.Lps = False,
    weights: options.Weights = "open",
    threshold: options.Thresholds = None,
    cascade: options.Cascade = False,
    stability: options.Stability = False,
    patient: options.Facts = None,
    device: options.Device = "auto",
    series: options.Series = None,
    dicom: options.Dicom = False,
    identity: options.WithIdentity = False,
    only_json: options.OnlyJson = False,
    pacs: options.Pacs = None,
    verbose: Verbose = False,
) -> None:
    """Assess the nodules at given points of a chest CT."""
    with errors_in_one_line(verbose), ExitStack() as retrieved:
        given = NamedPoints(point or (), points, ras, lps)
        path = retrieved.enter_context(at_hand(ct, pacs))
        named = NamedCT(path, series)
        asked = named.points(given)
        thresholds = own_thresholds(threshold)
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
            scan = named.scan_for(given)
            wanted = Wanted(cascade, stability, known, who, only_json)
            outcomes = assess_and_write(scan, asked, folders, assessor, show, wanted)
            if len(asked) > 1 and not only_json:
                show(_("writing the report"), None)
                _write_report(scan, outcomes, out / REPORT_NAME, who)
        report_outcomes(outcomes, out)
        if source is not None:
            write_dicom_files(outcomes, source, out, earlier)
        offer_earlier(ct, pacs)
    fail_if_refused(outcomes)


def own_thresholds(texts: list[str] | None) -> dict[str, float]:
    """Returns the user's thresholds by task, from texts such as ``malignancy=0.3``.

    Raises:
        WeightsError: a text is not understood.
    """
    from nodulerisk.weights.card import thresholds_of

    return thresholds_of(texts or [])


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
        words = _("{said} can only be given for a single nodule: assess the points one by one.")
        raise NoduleRiskError(words.format(said=joined(", ", map(Verbatim, said))))
    return patient


def chosen_weights(name: str, thresholds: dict[str, float]) -> WeightSet:
    """Returns a weight set by its name or folder, with the user's own thresholds.

    Raises:
        WeightsError: it cannot be used, or has no such task.
    """
    from nodulerisk.weights.store import load_weight_set

    return load_weight_set(name).with_thresholds(thresholds)


def assessor_of(weights: WeightSet, device: str, *, several: bool) -> Assessor:
    """Returns one that begins to load its first network while the CT is read; for a single nodule,
    it holds only one network at a time. Networks that run already are used instead."""
    from nodulerisk.assess_points import Assessor

    assessor = Assessor(weights, networks=networks_of(weights, device, several=several))
    assessor.warm_up()
    return assessor


def networks_of(weights: WeightSet, device: str, *, several: bool) -> Engine | RemoteNetworks:
    """Returns those that run already, else an Engine; see ``assessor_of``."""
    from nodulerisk.engine.engine import Engine
    from nodulerisk.engine.running import shared_networks

    return shared_networks(weights) or Engine(weights, device, keep=several)


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
    refuse_to_replace(inputs, ours, out)
    refuse_unwritable(out, len(points))
    for folder in (out, *folders):
        remove_results(folder)
    for name in FILES_OF_ALL:
        remove_file(out / name)
    return folders


def refuse_to_replace(inputs: Iterable[Path], ours: Iterable[Path], out: Path) -> None:
    """Raises OutputError if an input lies where one of our files would be written."""
    if {path.resolve() for path in ours} & {path.resolve() for path in inputs}:
        words = _(
            "{out} holds an input with the name of a result file: choose another folder with --out."
        )
        raise OutputError(words.format(out=out))


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


def assess_and_write(
    ct: CT,
    points: list[Point],
    folders: list[Path],
    assessor: Assessor,
    show: Show,
    wanted: Wanted,
    change_of: Callable[[Assessment], FollowUp | None] | None = None,
) -> list[Outcome]:
    """Assesses every point and writes its results; a refused point does not stop the others (fault
    25). ``change_of`` says how a nodule has changed since earlier scans."""
    from nodulerisk.clinical.advice import NO_ADVICE, advise
    from nodulerisk.nodule.same import is_twin
    from nodulerisk.outputs.results import write_results

    found = assessor.assess_points(
        ct,
        points,
        cascade=wanted.cascade,
        stability=wanted.stability,
        progress=lambda stage, share: show(stage, share * len(points)),
    )
    listed, patient = len(points), wanted.patient
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
            write_results(
                ct, assessment, folder, advice, wanted.identity, only_json=wanted.only_json
            )
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


def fail_if_refused(outcomes: Iterable[Outcome]) -> None:
    """Ends the program with an error code if a point was refused."""
    if any(outcome.assessment is None for outcome in outcomes):
        raise typer.Exit(FAILED)
