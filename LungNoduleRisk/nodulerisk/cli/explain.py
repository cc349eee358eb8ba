"""``nodulerisk explain``: shows where a network looked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nodulerisk.cli import options
from nodulerisk.cli.assess import chosen_weights, networks_of
from nodulerisk.cli.named import NamedCT
from nodulerisk.cli.shared import Verbose, echo, errors_in_one_line, progress
from nodulerisk.language.texts import Text, _


def explain(
    ct: Annotated[
        Path, typer.Argument(help="DICOM folder or .zip, NRRD, NIfTI or MetaImage file.")
    ],
    point: Annotated[str, typer.Option(metavar="X,Y,Z", help="A point on the nodule.")],
    out: Annotated[Path, typer.Option(help="Folder for gradcam.nrrd and gradcam.png.")],
    ras: Annotated[
        bool,
        typer.Option(
            "--ras", help="The point is in RAS coordinates, as Slicer shows it; the default is LPS."
        ),
    ] = False,
    task: Annotated[
        str | None,
        typer.Option(
            help="Task whose decision to explain; by default malignancy, else the first answered."
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="Network to explain; by default the one nearest to the ensemble."),
    ] = None,
    weights: options.Weights = "open",
    device: options.Device = "auto",
    series: options.Series = None,
    verbose: Verbose = False,
) -> None:
    """Show which regions supported a decision (Grad-CAM): an explanation, not evidence."""
    with errors_in_one_line(verbose), progress(1) as show:
        show(_("loading"), None)
        from nodulerisk.assess import assess
        from nodulerisk.ct.points import parse_point
        from nodulerisk.outputs.explanation import (
            EXPLANATION_FILES,
            explanation_title,
            write_explanation,
        )
        from nodulerisk.outputs.results import refuse_unwritable, remove_file
        from nodulerisk.trust.explain import NOT_EVIDENCE
        from nodulerisk.trust.explain import explain as explain_nodule

        where, weight_set = parse_point(point, "ras" if ras else "lps"), chosen_weights(weights, {})
        refuse_unwritable(out, 1)
        for name in EXPLANATION_FILES:
            remove_file(out / name)
        networks = networks_of(weight_set, device, several=False)
        scan = NamedCT(ct, series).scan
        found = assess(scan, where, weight_set, networks=networks, progress=show)
        show(_("finding where the network looked"), None)
        explanation = explain_nodule(scan, found, weight_set, networks, network, task)
        write_explanation(scan, found, explanation, out)
    said = Text("{title} ({remark})")
    echo(said.format(title=explanation_title(explanation), remark=NOT_EVIDENCE))
