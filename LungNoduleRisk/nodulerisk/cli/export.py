"""``nodulerisk export``: a weight set's networks for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nodulerisk.cli.shared import Verbose, errors_in_one_line, progress
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import Verbatim, _


def export(
    weights: Annotated[str, typer.Argument(help="Weight set: its name or folder.")],
    out: Annotated[Path, typer.Option(help="New folder for the networks and their model card.")],
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX files.")] = False,
    torchscript: Annotated[
        bool, typer.Option("--torchscript", help="As TorchScript files, for torch.jit.load.")
    ] = False,
    monai_bundle: Annotated[
        bool, typer.Option("--monai-bundle", help="As MONAI bundles, one per network.")
    ] = False,
    huggingface: Annotated[
        bool,
        typer.Option(
            "--huggingface",
            help="As a repository for Hugging Face: safetensors and a model card; nothing is"
            " uploaded.",
        ),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Export a weight set's networks, each with its licence and evidence. The set's own terms still
    apply."""
    with errors_in_one_line(verbose):
        forms = {
            "onnx": onnx,
            "torchscript": torchscript,
            "monai-bundle": monai_bundle,
            "huggingface": huggingface,
        }
        chosen = [form for form, asked in forms.items() if asked]
        if len(chosen) != 1:
            raise NoduleRiskError(
                _("Choose one form: --{forms}.").format(forms=Verbatim(", --".join(forms)))
            )
        with progress(1) as show:
            show(_("loading"), None)
            from nodulerisk.export.forms import export as write
            from nodulerisk.weights.store import load_weight_set

            weight_set = load_weight_set(weights)
            difference = write(weight_set, chosen[0], out, show)
    typer.echo(
        f"{weight_set.name} as {chosen[0]}: {out}\n"
        f"Loaded back, its networks answer as the set's do, within {difference:.0e}.\n"
        f"Licence: {weight_set.licence}"
    )
