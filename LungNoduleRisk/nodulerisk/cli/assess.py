"""``nodulerisk assess``: nodules at given points of a CT."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nodulerisk.cli.shared import FAILED, Show, Verbose, echo_error, errors_in_one_line, progress
from nodulerisk.errors import NoduleRiskError, OutputError, PointError, WeightsError

if TYPE_CHECKING:
    from nodulerisk.outputs.results import Outcome
    from nodulerisk.points import Point
    from nodulerisk.weights import WeightSet

CSV_NAME = "nodules.csv"


def assess(
    ct: Annotated[Path, typer.Argument(help="DICOM folder or .zip, NRRD, NIfTI or MetaImage file.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; with several points, a folder a nodule in it.")],
    point: Annotated[list[str] | None, typer.Option(metavar="X,Y,Z", help="A point on a nodule; repeatable.")] = None,
    points: Annotated[Path | None, typer.Option(help="Slicer markups (.mrk.json, .fcsv) or a .csv with x,y,z.")] = None,
    ras: Annotated[bool, typer.Option("--ras", help="The points are RAS, as Slicer shows them.")] = False,
    lps: Annotated[bool, typer.Option("--lps", help="The points are LPS, as in DICOM (the default).")] = False,
    weights: Annotated[str, typer.Option(help="Weight set: its name or folder.")] = "open",
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="TASK=VALUE", help="Your own threshold, such as malignancy=0.3; repeatable."),
    ] = None,
    cascade: Annotated[
        bool,
        typer.Option("--cascade", help="Ask further only of what was decided malignant, then invasive; saves time."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    series: Annotated[str | None, typer.Option(help="SeriesInstanceUID, where the folder holds several.")] = None,
    verbose: Verbose = False,
) -> None:
    """Assess the nodules at given points of a chest CT."""
    with errors_in_one_line(verbose):
        asked = _asked_points(point, points, ras, lps)
        thresholds = _thresholds(threshold or [])
        folders = _prepared_folders(out, asked, [ct, *([points] if points else [])])
        with progress(len(asked)) as show:
            show("loading", None)
            weight_set = _weight_set(weights, thresholds)
            outcomes = _assess_points(ct, series, asked, folders, weight_set, device, cascade, show)
        _report(outcomes, out)
    if any(outcome.assessment is None for outcome in outcomes):
        raise typer.Exit(FAILED)


def _asked_points(texts: list[str] | None, file: Path | None, ras: bool, lps: bool) -> list[Point]:
    """The points of the command line.

    Raises:
        PointError: none, both kinds, both coordinate systems, or not readable.
    """
    from nodulerisk.points import named_points, parse_point, read_points

    if ras and lps:
        raise PointError("The points are either LPS or RAS: leave out --ras or --lps.")
    if bool(texts) == bool(file):
        raise PointError("Say where the nodules are: --point X,Y,Z (repeatable) or --points FILE.")
    if file is not None:
        return read_points(file, "ras" if ras else "lps" if lps else None)
    return named_points(("", parse_point(text, "ras" if ras else "lps")) for text in texts or ())


def _thresholds(texts: list[str]) -> dict[str, float]:
    """Thresholds by task, from texts such as ``malignancy=0.3``.

    Raises:
        WeightsError: not of this form.
    """
    try:
        return {task: float(value) for task, value in (text.split("=") for text in texts)}
    except ValueError as error:
        raise WeightsError("This is no threshold: write TASK=VALUE, such as malignancy=0.3.") from error


def _weight_set(name: str, thresholds: dict[str, float]) -> WeightSet:
    from nodulerisk.weights import load_weight_set

    return load_weight_set(name).with_thresholds(thresholds)


def _prepared_folders(out: Path, points: list[Point], inputs: list[Path]) -> list[Path]:
    """The points' result folders: writable, and free of old results (fault 42).

    Raises:
        OutputError: they cannot be written, or an input would be taken for an old result and removed.
    """
    from nodulerisk.outputs.results import RESULT_FILES, refuse_unwritable, remove_file, remove_results

    folders = [out] if len(points) == 1 else [out / point.name for point in points]
    ours = {out / CSV_NAME} | {folder / name for folder in (out, *folders) for name in RESULT_FILES}
    if {path.resolve() for path in ours} & {path.resolve() for path in inputs}:
        raise OutputError(f"{out} holds an input whose name is that of a result: choose another folder with --out.")
    refuse_unwritable(out, len(points))
    for folder in (out, *folders):
        remove_results(folder)
    remove_file(out / CSV_NAME)
    return folders


def _assess_points(
    ct_path: Path,
    series: str | None,
    points: list[Point],
    folders: list[Path],
    weights: WeightSet,
    device: str,
    cascade: bool,
    show: Show,
) -> list[Outcome]:
    """Assesses every point and writes its results; a refused point does not stop the others (fault 25)."""
    from nodulerisk.assess import assess as assess_nodule
    from nodulerisk.ct import read_ct
    from nodulerisk.engine import Engine
    from nodulerisk.outputs.results import Outcome, write_results

    networks = Engine(weights, device, keep=len(points) > 1)
    show("reading the CT", None)
    ct = read_ct(ct_path, series_uid=series)
    outcomes = []
    for number, (point, folder) in enumerate(zip(points, folders, strict=True)):
        report = partial(_show_stage, show, point.name, number)
        try:
            found = assess_nodule(
                ct, point.lps_mm, weights, name=point.name, networks=networks, progress=report, cascade=cascade
            )
        except NoduleRiskError as refusal:
            outcomes.append(Outcome(point, refusal=str(refusal)))
            continue
        report("writing", 1)
        write_results(ct, found, folder)
        outcomes.append(Outcome(point, found))
    return outcomes


def _show_stage(show: Show, name: str, points_done: int, stage: str, share: float) -> None:
    show(f"{name}: {stage}", points_done + share)


def _report(outcomes: list[Outcome], out: Path) -> None:
    """The CSV file, the table, and a line a refused point on stderr."""
    from rich.console import Console

    from nodulerisk.outputs.tables import results_view, write_csv

    write_csv(outcomes, out / CSV_NAME)
    Console().print(results_view(outcomes))
    typer.echo(f"Results: {out}")
    for outcome in outcomes:
        if outcome.assessment is None:
            echo_error(f"{outcome.point.name}: {outcome.refusal}")
