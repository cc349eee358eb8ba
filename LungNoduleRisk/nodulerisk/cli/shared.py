"""Shared by the commands: the progress bar, and errors in one line."""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Annotated, NoReturn

import typer

from nodulerisk.errors import NoduleRiskError, SeveralFaultsError
from nodulerisk.language.spoken import say
from nodulerisk.language.texts import _

FAILED, CANCELLED = 2, 130

Show = Callable[[str, float | None], None]  # a stage, and how many steps are done; None: not known
Verbose = Annotated[bool, typer.Option("--verbose", help="Show where an error comes from.")]


@contextmanager
def progress(steps: int) -> Iterator[Show]:
    """A progress bar on the terminal that disappears when done."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def show(stage: str, done: float | None) -> None:
            total = None if done is None else steps
            bar.update(task, description=say(stage), completed=done or 0, total=total)

        yield show


@contextmanager
def late_progress(steps: int) -> Iterator[Show]:
    """A progress bar that appears with the first report; until then, something else uses the
    terminal."""
    with ExitStack() as bar:
        started = cache(lambda: bar.enter_context(progress(steps)))
        yield lambda stage, done: started()(stage, done)


@contextmanager
def errors_in_one_line(verbose: bool) -> Iterator[None]:
    """Turns errors into one line on stderr, or one for each of several faults, and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        echo(_("Cancelled."), err=True)
        raise typer.Exit(CANCELLED) from None
    except SeveralFaultsError as error:
        _fail(error.heading, verbose, error.faults)
    except NoduleRiskError as error:
        _fail(str(error), verbose)
    except MemoryError:
        _fail(
            _(
                "There is not enough memory: close other programs, or crop the CT around the"
                " nodules."
            ),
            verbose,
        )
    except Exception as error:
        _fail(
            _("This should not happen ({kind}): run again with --verbose and report it.").format(
                kind=type(error).__name__
            ),
            verbose,
        )


def _fail(message: str, verbose: bool, faults: Sequence[str] = ()) -> NoReturn:
    if verbose:
        traceback.print_exc()
    echo_error(message)
    for fault in faults:
        typer.echo(f"  {' '.join(say(fault).split())}", err=True)
    raise typer.Exit(FAILED)


def echo_error(message: str) -> None:
    said = say(_("Error: {message}").format(message=message))
    typer.echo(" ".join(said.split()), err=True)


def echo(words: str, *, err: bool = False) -> None:
    """Prints words in the reader's language."""
    typer.echo(say(words), err=err)


def until_stopped() -> None:
    """Waits for Ctrl-C, or for the signal by which services are stopped: also where a shell started
    us in the background, with Ctrl-C ignored."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()
