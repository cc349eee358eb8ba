"""``nodulerisk cohort``: assesses every nodule of a table of CTs exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nodulerisk.cli import options
from nodulerisk.cli.assess import chosen_weights, own_thresholds
from nodulerisk.cli.shared import FAILED, Verbose, errors_in_one_line
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import COHORT_TABLE_NAME, GROWTH_NAME, MASKS_NAME, SUMMARY_NAME

if TYPE_CHECKING:
    from distributed import Client

    from nodulerisk.cohort.nodules import Cohort, Coordinates
    from nodulerisk.cohort.store import Row, Store
    from nodulerisk.weights.card import WeightSet

NEEDED = ("distributed", "pyarrow")
OnRows = Callable[[Sequence["Row"]], None]


def cohort(
    table: options.Table,
    out: options.CohortResults,
    coordinates: options.System = None,
    weights: options.Weights = "open",
    threshold: options.Thresholds = None,
    device: options.DeviceOfNetworks = "auto",
    batch: options.Batch = None,
    workers: options.Workers = 2,
    memory: options.Memory = "auto",
    scheduler: options.Scheduler = None,
    dashboard: options.Dashboard = "127.0.0.1:8787",
    masks: options.Masks = False,
    skip_bad: options.SkipBad = False,
    retries: options.Retries = 2,
    verbose: Verbose = False,
) -> None:
    """Assess every nodule of a table of CTs, exactly once, on this machine or on a Dask cluster."""
    with errors_in_one_line(verbose):
        _refuse_without_extra()
        from nodulerisk.cohort.growth import write_growth
        from nodulerisk.cohort.run import run
        from nodulerisk.cohort.store import Store
        from nodulerisk.cohort.summary import write_summary

        weight_set = chosen_weights(weights, own_thresholds(threshold))
        asked = _read(table, coordinates, weight_set, skip_bad)
        with Store(out, weight_set) as store:
            total, done = _say(asked, store)
            with (
                _cluster(scheduler, workers, memory, dashboard) as client,
                _progress(total, done) as on_rows,
            ):
                typer.echo(f"Dashboard: {client.dashboard_link}")
                if not client.nthreads():
                    typer.echo("No worker has joined the cluster yet; waiting for one.")
                folder = out / MASKS_NAME if masks else None
                run(
                    asked,
                    store,
                    client,
                    device=device,
                    batch=batch,
                    masks=folder,
                    retries=retries,
                    on_rows=on_rows,
                )
            store.compact()
            store.export_csv(out / COHORT_TABLE_NAME)
            found = write_summary(store, asked, out / SUMMARY_NAME)
            write_growth(asked, store, out / GROWTH_NAME)
    typer.echo(f"{_counted(found)}. Results: {out}")
    if found["failed"] or found["refused"]:
        raise typer.Exit(FAILED)


def _read(
    table: Path, coordinates: Coordinates | None, weights: WeightSet, skip_bad: bool
) -> Cohort:
    """Returns the table; prints every problem with it on a line of its own."""
    from nodulerisk.cohort.table.problems import CohortError
    from nodulerisk.cohort.table.read import read_cohort

    try:
        return read_cohort(table, coordinates, weights.own_tasks, skip_bad=skip_bad)
    except CohortError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        words = _(
            "{name} cannot be run yet: fix the problems above, or leave the bad rows out by"
            " --skip-bad, and start again."
        )
        raise NoduleRiskError(words.format(name=table.name)) from error


def _refuse_without_extra() -> None:
    if any(find_spec(name) is None for name in NEEDED):
        raise NoduleRiskError(_("Cohorts need more packages: pip install 'nodulerisk[cohort]'."))


def _say(asked: Cohort, store: Store) -> tuple[int, int]:
    """Prints what is to be done, what is done already, and remarks on the folder and the table.

    Returns:
        How many nodules there are, and how many of them are done.
    """
    from nodulerisk.cohort.inputs import inputs_of
    from nodulerisk.cohort.run import done_of

    inputs = inputs_of(asked)
    total, done = len(inputs), len(done_of(store, inputs))
    typer.echo(f"{total} nodules on {len(asked.cases)} CTs; {done} already done.")
    if again := len(inputs.keys() & store.done()) - done:
        typer.echo(f"{again} to be done again: their rows or CTs have changed.")
    if asked.unused:
        typer.echo(f"Unused columns: {', '.join(asked.unused)}.")
    for problem in asked.skipped:
        typer.echo(f"Left out: {problem}", err=True)
    if asked.absent:
        typer.echo(f"{asked.absent} row(s) left out: their CTs do not lie beside the table.")
    for remark in store.remarks:
        typer.echo(remark, err=True)
    return total, done


def _cluster(
    scheduler: str | None, workers: int, memory: str, dashboard: str
) -> AbstractContextManager[Client]:
    from nodulerisk.cohort.run import local_cluster, remote_cluster

    if scheduler is not None:
        return remote_cluster(scheduler)
    return local_cluster(workers, memory_limit=memory, dashboard=dashboard)


@contextmanager
def _progress(total: int, done: int) -> Iterator[OnRows]:
    """Returns one line: how many nodules are done, how many failed, the rate, and the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[found]}"),
    )
    console, counts = Console(stderr=True), Counter[str]()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total, completed=done, rate="", found="")

        def on_rows(rows: Sequence[Row]) -> None:
            counts.update(row["status"] for row in rows)
            speed = bar.tasks[0].speed
            rate = f"{speed:.1f} nodules/s" if speed else ""
            bar.update(task, advance=len(rows), rate=rate, found=_counted(counts))

        yield on_rows


def _counted(counts: Counter[str]) -> str:
    from nodulerisk.cohort.store import STATUSES

    return ", ".join(f"{counts[status]} {status}" for status in STATUSES)
