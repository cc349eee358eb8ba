"""``nodulerisk networks``: the networks, once for all programs of this user."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

import typer

from nodulerisk.cli.shared import Verbose, echo, errors_in_one_line, until_stopped
from nodulerisk.language.texts import _


def networks(
    file: Annotated[
        Path, typer.Argument(help="Where programs find them, as a path: a file is written there.")
    ],
    weights: Annotated[
        list[str] | None,
        typer.Option(help="Weight set: its name or folder; repeatable. By default open."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    verbose: Verbose = False,
) -> None:
    """Run the networks for the panel, the page and the terminal of this user until Ctrl-C."""
    with errors_in_one_line(verbose):
        from nodulerisk.engine.queue import NetworkQueue
        from nodulerisk.engine.running import VARIABLE, announced

        key = secrets.token_urlsafe(32)
        with (
            NetworkQueue(weights or ["open"], device, key) as queue,
            announced(queue.address, key, file),
        ):
            start = _("Start whatever shall use these networks with {variable}={file}")
            echo(start.format(variable=VARIABLE, file=file.resolve()))
            echo(_("Ctrl-C ends them."))
            until_stopped()
