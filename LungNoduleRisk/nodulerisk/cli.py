"""The terminal: ``nodulerisk assess``, ``show-weights`` and ``import-weights``.

What computes is imported inside the commands, so that ``--help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from nodulerisk import RESEARCH_USE_ONLY, __version__
from nodulerisk.errors import NoduleRiskError, OutputError, PointError, WeightsError

if TYPE_CHECKING:
    from nodulerisk.outputs.results import Outcome
    from nodulerisk.points import Point

FAILED, CANCELLED = 2, 130
CSV_NAME = "nodules.csv"

Show = Callable[[str, float | None], None]  # a stage, and how many points are done; None: not known
Verbose = Annotated[bool, typer.Option("--verbose", help="Show where an error came from.")]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nodulerisk {__version__}\n{RESEARCH_USE_ONLY}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Lung nodule characterisation on CT. Research use only: not a medical device, not for diagnosis."""


@app.command()
def assess(
    ct: Annotated[Path, typer.Argument(help="DICOM folder or .zip, NRRD, NIfTI or MetaImage file.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; with several points, a folder a nodule in it.")],
    point: Annotated[list[str] | None, typer.Option(metavar="X,Y,Z", help="A point on a nodule; repeatable.")] = None,
    points: Annotated[Path | None, typer.Option(help="Slicer markups (.mrk.json, .fcsv) or a .csv with x,y,z.")] = None,
    ras: Annotated[bool, typer.Option("--ras", help="The points are RAS, as Slicer shows them.")] = False,
    lps: Annotated[bool, typer.Option("--lps", help="The points are LPS, as in DICOM (the default).")] = False,
    weights: Annotated[str, typer.Option(help="Weight set: its name or folder.")] = "open",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    series: Annotated[str | None, typer.Option(help="SeriesInstanceUID, where the folder holds several.")] = None,
    verbose: Verbose = False,
) -> None:
    """Assess the nodules at given points of a chest CT."""
    with _errors_in_one_line(verbose):
        asked = _asked_points(point, points, ras, lps)
        folders = _prepared_folders(out, asked, [ct, *([points] if points else [])])
        with _progress(len(asked)) as show:
            outcomes = _assess_points(ct, series, asked, folders, weights, device, show)
        _report(outcomes, out)
    if any(outcome.assessment is None for outcome in outcomes):
        raise typer.Exit(FAILED)


@app.command()
def show_weights(
    weights: Annotated[str, typer.Argument(help="Weight set: its name or folder.")] = "open", verbose: Verbose = False
) -> None:
    """Show a weight set's card: its networks, and the evidence behind their numbers."""
    with _errors_in_one_line(verbose):
        from rich.console import Console

        from nodulerisk.outputs.tables import weights_view
        from nodulerisk.weights import load_weight_set

        Console().print(weights_view(load_weight_set(weights)))


@app.command()
def import_weights(
    folder: Annotated[Path, typer.Argument(help="Folder with the authors' Keras .h5 files.")],
    name: Annotated[str, typer.Option(help="Name of the new weight set.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the new weight set; else beside the others.")] = None,
    densesharp_evidence: Annotated[
        str, typer.Option(help="What a DenseSharp file was trained on: pathology, reader, simulated or none.")
    ] = "none",
    verbose: Verbose = False,
) -> None:
    """Make a weight set of the EMV-3D-CNN or DenseSharp authors' files. Their patent and research-only terms apply."""
    with _errors_in_one_line(verbose), _progress(1) as show:
        show("loading", None)
        from nodulerisk.assessment import EVIDENCE_LEVELS
        from nodulerisk.weights import weights_root
        from nodulerisk.weights_import import import_keras

        if densesharp_evidence not in EVIDENCE_LEVELS:
            raise WeightsError(
                f"There is no evidence '{densesharp_evidence}': choose one of {', '.join(EVIDENCE_LEVELS)}."
            )
        target = out or weights_root() / name
        weights = import_keras(folder, target, name, densesharp_evidence=densesharp_evidence, report=show)
    typer.echo(f"{name}: {len(weights.networks)} networks. Use it with --weights {out or name}")


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
    ct_path: Path, series: str | None, points: list[Point], folders: list[Path], weights: str, device: str, show: Show
) -> list[Outcome]:
    """Assesses every point and writes its results; a refused point does not stop the others (fault 25)."""
    show("loading", None)
    from nodulerisk.assess import assess as assess_nodule
    from nodulerisk.ct import read_ct
    from nodulerisk.engine import Engine
    from nodulerisk.outputs.results import Outcome, write_results
    from nodulerisk.weights import load_weight_set

    weight_set = load_weight_set(weights)
    networks = Engine(weight_set, device, keep=len(points) > 1)
    show("reading the CT", None)
    ct = read_ct(ct_path, series_uid=series)
    outcomes = []
    for number, (point, folder) in enumerate(zip(points, folders, strict=True)):
        report = partial(_show_stage, show, point.name, number)
        try:
            found = assess_nodule(ct, point.lps_mm, weight_set, name=point.name, networks=networks, progress=report)
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
            _echo_error(f"{outcome.point.name}: {outcome.refusal}")


@contextmanager
def _progress(points: int) -> Iterator[Show]:
    """A progress bar on the terminal, gone when done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)

        def show(stage: str, done: float | None) -> None:
            total = None if done is None else points
            progress.update(task, description=stage, completed=done or 0, total=total)

        yield show


@contextmanager
def _errors_in_one_line(verbose: bool) -> Iterator[None]:
    """Turns errors into one line on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("Cancelled.", err=True)
        raise typer.Exit(CANCELLED) from None
    except NoduleRiskError as error:
        _fail(str(error), verbose)
    except MemoryError:
        _fail("There is not enough memory: close other programs, or crop the CT around the nodules.", verbose)
    except Exception as error:
        _fail(f"This should not happen ({type(error).__name__}): run again with --verbose and report it.", verbose)


def _fail(message: str, verbose: bool) -> NoReturn:
    if verbose:
        traceback.print_exc()
    _echo_error(message)
    raise typer.Exit(FAILED)


def _echo_error(message: str) -> None:
    typer.echo(f"Error: {' '.join(message.split())}", err=True)


if __name__ == "__main__":
    app()
