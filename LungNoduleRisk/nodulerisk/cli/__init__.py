"""The terminal: ``nodulerisk assess``, ``explain``, ``follow-up``, ``cohort``, ``list-weights``,
``show-weights``, ``import-weights``, ``export``, ``simulate``, ``convert``, ``train``,
``train-unet``, ``fit-risk``, ``evaluate``, ``compare-evaluations``, ``find``, ``push``, ``listen``
and ``networks``, and commands added by other packages, such as ``serve``.

Slow imports are inside the commands, so that ``--help`` and a mistyped option respond at once.
"""

from __future__ import annotations

import gc
import os
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nodulerisk import RESEARCH_USE_ONLY, __version__
from nodulerisk.cli.assess import assess
from nodulerisk.cli.cohort import cohort
from nodulerisk.cli.explain import explain
from nodulerisk.cli.export import export
from nodulerisk.cli.followup.command import follow_up
from nodulerisk.cli.networks import networks
from nodulerisk.cli.pacs import find, listen, push
from nodulerisk.cli.research import (
    compare_evaluations,
    convert,
    evaluate,
    fit_risk,
    simulate,
    train,
    train_unet,
)
from nodulerisk.cli.weights import import_weights, list_weights, show_weights
from nodulerisk.language.spoken import LANGUAGES, is_known, of_the_environment, use


class Program(TyperGroup):
    """The program, whose ``--language`` may also stand after the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        at = next((i for i, text in enumerate(args) if text.startswith("--language")), 0)
        end = at + (1 if "=" in "".join(args[at : at + 1]) else 2)
        return super().parse_args(ctx, [*args[at:end], *args[:at], *args[end:]])


# Matrix products leave idle threads that spin for a while, beside the networks' own: a fifth of a
# short run's CPU time. With this they sleep at once. It must be said before numpy is imported.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")

app = typer.Typer(
    cls=Program,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nodulerisk {__version__}\n{RESEARCH_USE_ONLY}")
        raise typer.Exit


def _speak(wanted: str | None) -> str | None:
    if wanted and not is_known(wanted):
        raise typer.BadParameter(f"choose {', '.join(LANGUAGES)}.")
    use(wanted or of_the_environment())
    return wanted


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
    code: Annotated[
        list[str] | None,
        typer.Option(
            "--trust",
            metavar="PACKAGE.MODULE:FACTORY",
            help="Code that may build networks of a weight set; repeatable.",
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(
            callback=_speak,
            is_eager=True,
            metavar="|".join(LANGUAGES),
            help="Of messages and reports, also after a command; otherwise that of"
            " LUNGNODULERISK_LANGUAGE or LANG.",
        ),
    ] = None,
) -> None:
    """Lung nodule characterisation on CT. Research use only: not a medical device, not for
    diagnosis."""
    # Imports make many objects and no garbage: looking for it takes a sixteenth of a short run.
    gc.set_threshold(50_000, 20, 20)
    if code:
        from nodulerisk.networks.kinds import trust

        for name in code:
            trust(name)


OF_THE_CORE = (
    assess,
    explain,
    follow_up,
    cohort,
    list_weights,
    show_weights,
    import_weights,
    export,
    simulate,
    convert,
    train,
    train_unet,
    fit_risk,
    evaluate,
    compare_evaluations,
    find,
    push,
    listen,
    networks,
)
for command in OF_THE_CORE:
    app.command()(command)
for entry_point in entry_points(group="nodulerisk.commands"):
    app.command()(entry_point.load())
