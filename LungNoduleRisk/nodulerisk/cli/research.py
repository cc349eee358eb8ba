"""``nodulerisk simulate``, ``convert``, ``train``, ``train-unet``, ``fit-risk``, ``evaluate`` and
``compare-evaluations``: your own weight sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.cli.shared import Verbose, errors_in_one_line, late_progress, progress
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.outputs.style import OUTCOMES

if TYPE_CHECKING:
    from nodulerisk.datasets.nodules import LabelledNodule

SHEET = 60  # nodules that the contact sheet is chosen from


def simulate(
    backgrounds: Annotated[
        Path, typer.Argument(help="Dataset with the lungs to put the nodules into.")
    ],
    out: Annotated[
        Path, typer.Argument(help="New folder for the simulated nodules (DenseSharp format).")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many nodules.")] = 900,
    seed: Annotated[int, typer.Option(help="Nodule i depends only on the seed and i.")] = 1,
    verbose: Verbose = False,
) -> None:
    """Make simulated nodules with masks, subtypes and grades: they show the workflow, and say
    nothing about patients."""
    with errors_in_one_line(verbose), progress(count) as show:
        show("loading", None)
        from nodulerisk.datasets.densesharp.write import write_densesharp
        from nodulerisk.datasets.read import keep_attribution, read_dataset
        from nodulerisk.datasets.simulated.features import Row, features_of, write_features
        from nodulerisk.datasets.simulated.sheet import contact_sheet
        from nodulerisk.datasets.simulated.simulate import simulate

        lungs = read_dataset(backgrounds)
        features: list[Row] = []
        shown: list[LabelledNodule] = []

        def nodules() -> Iterator[LabelledNodule]:
            for made in simulate(lungs.nodules, count, seed):
                features.append(features_of(made))
                if len(shown) < SHEET:
                    shown.append(made.nodule)
                yield made.nodule

        write_densesharp(nodules(), out, progress=lambda done: show("nodules", done))
        keep_attribution(lungs, out)
        show("contact sheet", None)
        contact_sheet(shown, out / "sheet.png")
        write_features(features, out / "features")
    typer.echo(
        f"{count} simulated nodules: {out}; look at {out / 'sheet.png'} and {out / 'features'}"
    )


def convert(
    dataset: Annotated[Path, typer.Argument(help="Folder or table of labelled nodules.")],
    out: Annotated[Path, typer.Argument(help="New folder.")],
    to: Annotated[
        Literal["densesharp", "emv"],
        typer.Option(
            help="densesharp: cubes of 80 mm with masks (.npz); emv: the EMV-3D-CNN authors' blocks"
            " (.npy)."
        ),
    ] = "densesharp",
    verbose: Verbose = False,
) -> None:
    """Write labelled nodules in the format of one of the two papers' code."""
    with errors_in_one_line(verbose):
        from nodulerisk.datasets.densesharp.write import write_densesharp
        from nodulerisk.datasets.emv.blocks import write_blocks
        from nodulerisk.datasets.read import keep_attribution, read_dataset, said_of

        found = read_dataset(dataset)
        for line in said_of(found):
            typer.echo(line, err=True)
        write = write_densesharp if to == "densesharp" else write_blocks
        write(found.nodules, out)
        keep_attribution(found, out)
    typer.echo(f"{len(found.nodules)} nodules: {out}")


def train(
    config: Annotated[
        Path,
        typer.Option(help="Training plan (.toml); the papers' plans are in Resources/Training."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the new weight set; an unfinished training in it is continued."
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Path of one of the plan's datasets; repeatable."),
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Fit only this run of the plan, then stop.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu, gpu or mps.")] = "auto",
    devices: Annotated[
        int | None, typer.Option(min=1, help="Devices (or CPU processes) per machine.")
    ] = None,
    nodes: Annotated[int, typer.Option(min=1, help="Machines.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare samples.")] = 0,
    logger: Annotated[
        list[str] | None,
        typer.Option(
            help="Where figures go: csv, tensorboard, mlflow or wandb; repeatable; the first two by"
            " default."
        ),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Train a weight set: fit its networks, calibrate and evaluate them, and fill in its card."""
    with errors_in_one_line(verbose):
        from nodulerisk.train.loggers import USUAL
        from nodulerisk.train.plans.plan import read_plan
        from nodulerisk.train.train import train_set

        plan = read_plan(config).on(dict(_named(text) for text in data or ()))
        machine = {
            "accelerator": accelerator,
            "devices": devices or "auto",
            "nodes": nodes,
            "workers": workers,
            "loggers": logger or USUAL,
        }
        with late_progress(1) as show:  # Lightning has bars of its own
            made = train_set(plan, out, only=only, say=typer.echo, progress=show, **machine)
    if made:
        typer.echo(f"{plan.name} {plan.version}: use it with --weights {out}")


def fit_risk(
    weights: Annotated[str, typer.Argument(help="Weight set: its name or folder.")],
    dataset: Annotated[Path, typer.Argument(help="Folder or table of labelled nodules.")],
    task: Annotated[str, typer.Option(help="A task with two classes.")] = "malignancy",
    term: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="An input of the model; repeatable. By default, four inputs."
        ),
    ] = None,
    extra: Annotated[
        Path | None,
        typer.Option(
            help="Table of log-odds from networks that were not trained on the nodule: name, and"
            " tasks."
        ),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(help="Table of the folds to hold out: name, fold."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    verbose: Verbose = False,
) -> None:
    """Fit a logistic model on shape and density, and one on the volume alone, and put both on the
    weight set's card with their cross-validated figures."""
    with errors_in_one_line(verbose):
        from rich.console import Console

        from nodulerisk.datasets.folds import read_folds
        from nodulerisk.datasets.own_labels import with_own_labels
        from nodulerisk.datasets.read import read_dataset
        from nodulerisk.engine.engine import Engine
        from nodulerisk.outputs.nodule_tables import risk_view
        from nodulerisk.train.risk import fit as risk
        from nodulerisk.weights.card import save_card
        from nodulerisk.weights.store import load_weight_set

        weight_set = load_weight_set(weights)
        nodules = with_own_labels(read_dataset(dataset), weight_set.own_tasks)
        with progress(1) as show:
            fitted = risk.fit_risk(
                weight_set,
                nodules,
                Engine(weight_set, device),
                task=task,
                terms=term or risk.TERMS,
                extra=risk.read_extra(extra, weight_set.table) if extra else None,
                folds=read_folds(folds) if folds else None,
                progress=show,
            )
        save_card(fitted)
        Console().print(risk_view(fitted.tasks[task]))
    typer.echo(f"The {task} models are now on the card of {fitted.folder}")


def train_unet(
    data: Annotated[Path, typer.Option(help="Dataset of nodules with readers' outlines.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the network; an unfinished training in it is continued.")
    ],
    lungs: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CT[=POINTS]",
            help="A whole CT from which to learn places without a nodule, with a list of its"
            " nodules.",
        ),
    ] = None,
    hold_out: Annotated[
        str, typer.Option(help="Held out of training: a fold of --folds, else a split; or nobody.")
    ] = "test",
    folds: Annotated[
        Path | None, typer.Option(help="Table of the folds of nodules and CTs: name, fold.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(help="Weight set that shall draw with it from then on: its name or folder."),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser.")] = 2500,
    batch: Annotated[int, typer.Option(min=4, help="Cubes per step.")] = 34,
    width: Annotated[float, typer.Option(min=0.125, help="Factor on the channels.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all random draws.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    verbose: Verbose = False,
) -> None:
    """Train the network that draws the mask and says whether it is a nodule at all."""
    with errors_in_one_line(verbose):
        from nodulerisk.train.unet.fit import Settings
        from nodulerisk.train.unet.train import train_unet as train
        from nodulerisk.weights.store import load_weight_set

        weights = load_weight_set(into) if into else None
        with progress(steps) as show:
            file = train(
                data,
                lungs or (),
                out,
                settings=Settings(steps, batch, width, seed=seed),
                hold_out=hold_out,
                folds=folds,
                into=weights,
                device=device,
                say=typer.echo,
                progress=show,
            )
    typer.echo(f"The network: {file}; its log: {out / 'log.csv'}")
    if weights:
        typer.echo(f"It is in {weights.folder}: fit-risk fits malignancy to its masks.")


def evaluate(
    weights: Annotated[str, typer.Argument(help="Weight set: its name or folder.")],
    dataset: Annotated[Path, typer.Argument(help="Folder or table of labelled nodules.")],
    out: Annotated[Path, typer.Option(help="Folder for the report and its tables.")],
    split: Annotated[
        Literal["all", "train", "validation", "test"] | None,
        typer.Option(
            help="Count only the nodules of this split, and choose nothing on others; all: every"
            " nodule, of data that the set was not trained on."
        ),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN", help="A column of the table to give figures by; repeatable."
        ),
    ] = None,
    cancers_invasive: Annotated[
        bool,
        typer.Option(
            "--cancers-invasive",
            help="Cancers other than adenocarcinoma count as invasive, as the EMV-3D-CNN authors"
            " count them.",
        ),
    ] = False,
    clicks: Annotated[
        int, typer.Option(min=0, help="Further clicks 2 mm off, to test whether the class flips.")
    ] = 2,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    verbose: Verbose = False,
) -> None:
    """Evaluate a weight set on labelled nodules: figures with intervals, and a report."""
    with errors_in_one_line(verbose):
        from nodulerisk.datasets.own_labels import with_own_labels
        from nodulerisk.datasets.read import read_dataset
        from nodulerisk.engine.engine import Engine
        from nodulerisk.evaluation.study import evaluate_dataset
        from nodulerisk.weights.store import load_weight_set

        weight_set = load_weight_set(weights)
        nodules = with_own_labels(
            read_dataset(dataset, cancers_invasive=cancers_invasive), weight_set.own_tasks
        )
        with progress(1) as show:
            found = evaluate_dataset(
                weight_set,
                nodules,
                Engine(weight_set, device),
                out,
                clicks,
                show,
                split=split,
                by=by or (),
            )
    for remark in found.about.remarks:
        typer.echo(remark)
    for case in found.about.broken:
        typer.echo(f"Left out: {case.name}: {case.reason}", err=True)
    typer.echo(f"Report: {out / 'evaluation.html'}")


def compare_evaluations(
    first: Annotated[Path, typer.Argument(help="Folder of an evaluation.")],
    second: Annotated[Path, typer.Argument(help="Folder of another set's, on the same nodules.")],
    out: Annotated[Path, typer.Option(help="Table to write (.csv).")],
    verbose: Verbose = False,
) -> None:
    """Test whether two weight sets differ on the same nodules: AUC by DeLong, decisions by
    McNemar."""
    with errors_in_one_line(verbose):
        from nodulerisk.evaluation.paired import compare_predictions, write_comparison
        from nodulerisk.evaluation.predictions import read_predictions

        ours, theirs = (read_predictions(folder / OUTCOMES) for folder in (first, second))
        found = compare_predictions(ours, theirs)
        write_comparison(found, out)
    for one in found:
        difference, low, high = one.difference
        p = "unknown" if one.delong_p is None else f"{one.delong_p:.3f}"
        typer.echo(
            f"{one.task}, {one.contrast}: AUC {one.auc[0]:.3f} and {one.auc[1]:.3f}, difference"
            f" {difference:+.3f} ({low:+.3f} to {high:+.3f}), DeLong p {p}; McNemar p"
            f" {one.mcnemar_p:.3f}; {one.nodules} nodules"
        )
    typer.echo(f"{RESEARCH_USE_ONLY}\nTable: {out}")


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise NoduleRiskError(
            _("'{text}' is not NAME=PATH, such as lidc=/data/LIDC.").format(text=text)
        )
    return name, Path(path)
