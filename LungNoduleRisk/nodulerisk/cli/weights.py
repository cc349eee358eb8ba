"""``nodulerisk list-weights``, ``show-weights`` and ``import-weights``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nodulerisk.cli.shared import Verbose, echo, errors_in_one_line, progress
from nodulerisk.errors import WeightsError
from nodulerisk.language.texts import Verbatim, _, joined


def list_weights(verbose: Verbose = False) -> None:
    """List the weight sets by name: the bundled ones and your own."""
    with errors_in_one_line(verbose):
        from nodulerisk.weights.store import weight_set_names

        typer.echo("\n".join(weight_set_names()))


def show_weights(
    weights: Annotated[str, typer.Argument(help="Weight set: its name or folder.")] = "open",
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Compute every file's hash again, also where it seems unchanged."
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Show a weight set's card: its networks, and the evidence behind their numbers."""
    with errors_in_one_line(verbose):
        from rich.console import Console

        from nodulerisk.outputs.nodule_tables import weights_view
        from nodulerisk.weights.store import load_weight_set

        Console().print(weights_view(load_weight_set(weights, anew=check)))
    if check:
        echo(_("Every file has the hash that the card gives."))


def import_weights(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with the authors' Keras .h5 files, or of a set that you trained."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the new weight set.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the new weight set; by default among your own sets."),
    ] = None,
    densesharp_evidence: Annotated[
        str,
        typer.Option(
            help="What the DenseSharp file was trained on: pathology, reader, simulated or none."
        ),
    ] = "none",
    verbose: Verbose = False,
) -> None:
    """Put a set that you trained among your own, for the panel and the page; or make one from the
    EMV-3D-CNN or DenseSharp authors' files, whose patent and research-only terms apply."""
    with errors_in_one_line(verbose), progress(1) as show:
        show(_("loading"), None)
        from nodulerisk.tasks import EVIDENCE_LEVELS
        from nodulerisk.weights.import_set import import_set
        from nodulerisk.weights.store import user_set_folder

        if densesharp_evidence not in EVIDENCE_LEVELS:
            raise WeightsError(
                _(
                    "There is no evidence level '{densesharp_evidence}': choose one of"
                    " {evidence_levels}."
                ).format(
                    densesharp_evidence=densesharp_evidence,
                    evidence_levels=joined(", ", map(Verbatim, EVIDENCE_LEVELS)),
                )
            )
        target = out or user_set_folder(name)
        weights = import_set(
            folder, target, name, densesharp_evidence=densesharp_evidence, report=show
        )
    words = _("{name}: {count} networks. Use it with --weights {set}")
    typed = Verbatim(out or name)
    echo(words.format(name=Verbatim(name), count=len(weights.networks), set=typed))
