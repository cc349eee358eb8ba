"""An evaluation from beginning to end: predictions, their figures, and the files that show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nodulerisk.assess import Progress
from nodulerisk.datasets.nodules import Broken, NoduleDataset
from nodulerisk.datasets.read import remarks_of
from nodulerisk.engine.engine import Networks
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.bootstrap import Figure, kept
from nodulerisk.evaluation.choices import (
    chosen_calibration,
    chosen_thresholds,
    threshold_for,
    validation_sample,
)
from nodulerisk.evaluation.curves import write_curves_csv, write_plots
from nodulerisk.evaluation.figure_tables import (
    write_figures_csv,
    write_figures_markdown,
    write_nodules_csv,
)
from nodulerisk.evaluation.html.evaluation_page import write_page
from nodulerisk.evaluation.predictions import Prediction, predictions, write_predictions
from nodulerisk.evaluation.samples import (
    MaskSample,
    mask_sample,
    task_sample,
    weakest_evidence,
    with_mask,
    with_task,
)
from nodulerisk.evaluation.summary import (
    About,
    Evaluation,
    MaskEvaluation,
    MaskPoint,
    TaskEvaluation,
)
from nodulerisk.evaluation.task_figures import at_thresholds, evaluate_task
from nodulerisk.files import column_name
from nodulerisk.outputs.style import EVALUATION_FILES
from nodulerisk.tasks import TASKS, Task
from nodulerisk.weights.card import WeightSet

MOST_GROUPS = 20  # of a column


def evaluate_dataset(
    weights: WeightSet,
    dataset: NoduleDataset,
    networks: Networks,
    out: Path,
    clicks: int = 0,
    progress: Progress | None = None,
    *,
    split: str | None = None,
    by: Sequence[str] = (),
) -> Evaluation:
    """Assesses the data's validation and test nodules (all nodules, if there are none for test) and
    writes the evaluation.

    Args:
        weights: the weight set.
        dataset: labelled nodules; those of own tasks too.
        networks: a warm Engine or Worker of the same weights.
        out: folder for ``EVALUATION_FILES``.
        clicks: at how many points 2 mm off the centre to assess each nodule as well.
        progress: called with the nodule's name and the share done, 0..1.
        split: count only the nodules of this split, or of ``all``, and choose nothing on others.
        by: columns of the data's table, for whose words there are figures too.

    Raises:
        NoduleRiskError: no nodule could be assessed, or there is no such column.
        OutputError: the folder cannot be written.
    """
    refuse_unknown_columns(by, dataset)
    groups = set(map(column_name, by))
    whole = replace(
        dataset, unused=tuple(n for n in dataset.unused if column_name(n) not in groups)
    )
    dataset = whole.counted(split) if split else whole
    test = dataset.of_split("test")
    nodules = (*dataset.of_split("validation"), *test) if test else dataset.nodules
    answered, broken = predictions(weights, nodules, networks, clicks, progress, by)
    if not answered:
        raise NoduleRiskError(
            f"No nodule of {dataset.name} could be assessed: {(*dataset.broken, *broken)[:1]}"
        )
    grouped = {column_name(column) for column in by}
    unused = tuple(name for name in whole.unused if column_name(name) not in grouped)
    remarks = (
        *remarks_of(replace(whole, unused=unused)),
        *_remarks_on(split, len(whole.nodules), len(nodules)),
    )
    described = replace(about(weights, dataset, broken), remarks=remarks, asked=split or "")
    evaluation = evaluate(answered, described, weights.table)
    write_evaluation(evaluation, answered, out, weights.table)
    return evaluation


def _remarks_on(split: str | None, there: int, assessed: int) -> Iterator[str]:
    if split:
        which = "All" if split == "all" else f"The {split}"
        yield (
            f"{which} nodules ({assessed} of {there}) count as test nodules, as requested: whether"
            " training has seen them is not known here."
        )
    elif left := there - assessed:
        yield (
            f"{left} of {there} nodules are for training by the data's split, and not counted. If"
            " this set was not trained on these data, --split all counts every nodule."
        )


def _unanswered(counted: Sequence[Prediction], tasks: Iterable[str]) -> Iterator[str]:
    """Yields, for tasks with an answer for some labelled nodules, for how many there is none."""
    for task in tasks:
        labelled = [o for o in counted if task in o.labels]
        answered = len(with_task(labelled, task))
        if 0 < answered < len(labelled):
            yield (
                f"{len(labelled) - answered} of {len(labelled)} nodules with a label of {task} have"
                " no answer, such as where no nodule was found: they count in no figure of it."
            )


def refuse_unknown_columns(by: Sequence[str], dataset: NoduleDataset) -> None:
    """Raises NoduleRiskError for a column that the data's table does not have, or that has too many
    words for groups."""
    for column in by:
        words = {nodule.cells.get(column_name(column)) for nodule in dataset.nodules} - {None}
        if not words or len(words) > MOST_GROUPS:
            problem = f"has {len(words)} different words" if words else "is not there"
            raise NoduleRiskError(
                f"Groups by '{column}' are not possible: in the table of {dataset.name} this column"
                f" {problem}; choose one with at most {MOST_GROUPS}."
            )


def about(weights: WeightSet, dataset: NoduleDataset, broken: Iterable[Broken]) -> About:
    """Describes what is evaluated on what; ``broken``: nodules that could be read but not
    assessed."""
    test = {nodule.patient for nodule in dataset.of_split("test")}
    return About(
        weight_set=weights.name,
        version=weights.version,
        hashes=weights.hashes(),
        dataset=dataset.name,
        attribution=dataset.attribution,
        broken=(*dataset.broken, *broken),
        shared_patients=len(
            test & {nodule.patient for nodule in dataset.nodules if nodule.split != "test"}
        ),
    )


def evaluate(
    answered: Sequence[Prediction], about: About | None = None, tasks: Mapping[str, Task] = TASKS
) -> Evaluation:
    """Returns figures of the tasks on the test predictions, with thresholds and calibration from
    the validation predictions.

    Without test predictions the figures are on all, nothing is chosen on them, and ``split`` says
    ``all``.
    """
    test = [o for o in answered if o.split == "test"]
    validation = [o for o in answered if o.split == "validation"] if test else []
    counted = test or list(answered)
    about = about or About()
    about = replace(about, remarks=(*about.remarks, *_unanswered(counted, tasks)))
    thresholds = chosen_thresholds(validation, tasks)
    lines = chosen_calibration(validation, tasks)
    found = {task: those for task in tasks if (those := with_task(counted, task))}
    masks = with_mask(counted)
    return Evaluation(
        about=about,
        split=about.asked or ("test" if test else "all"),
        nodules=len(counted),
        patients=len({o.patient for o in counted}),
        validation=len(validation),
        tasks={
            task: _with_rules(
                evaluate_task(
                    tasks[task], those, threshold_for(task, thresholds, those), lines.get(task)
                ),
                *(tasks[task], those, validation),
            )
            for task, those in found.items()
        },
        left_out={task: _why_left_out(counted, task) for task in tasks if task not in found},
        mask=_evaluate_mask(masks) if masks else None,
    )


def _with_rules(
    evaluation: TaskEvaluation,
    task: Task,
    counted: Sequence[Prediction],
    validation: Sequence[Prediction],
) -> TaskEvaluation:
    if len(task.classes) != 2:
        return evaluation
    chosen_on = validation_sample(validation, task)
    at = at_thresholds(task, task_sample(counted, task.name), chosen_on)
    return replace(evaluation, at_thresholds=at)


def write_evaluation(
    evaluation: Evaluation,
    answered: Sequence[Prediction],
    folder: Path,
    tasks: Mapping[str, Task] = TASKS,
) -> None:
    """Writes ``EVALUATION_FILES``; from the predictions every figure can be recomputed without
    networks.

    Raises:
        OutputError: the folder cannot be written.
    """
    page, figures, figures_text, nodules, lines, curves, plots = (
        folder / name for name in EVALUATION_FILES
    )
    write_page(evaluation, page)
    write_figures_csv(evaluation, figures)
    write_figures_markdown(evaluation, figures_text)
    write_nodules_csv(answered, nodules, tasks)
    write_predictions(answered, lines)
    write_curves_csv(evaluation, curves)
    write_plots(evaluation, plots)


def _why_left_out(answered: Iterable[Prediction], task: str) -> str:
    if any(task in o.members for o in answered):
        return "no nodule has a label"
    return "the weight set does not answer it"


def _evaluate_mask(compared: list[Prediction]) -> MaskEvaluation:
    sample = mask_sample(compared)
    return MaskEvaluation(
        evidence=weakest_evidence(compared),
        nodules=len(sample),
        patients=len(set(sample.patients)),
        figures=kept(_mask_figures(sample)),
        groups=sample.groups(_mask_figures),
        points=tuple(
            MaskPoint(o.name, o.diameter_mm, o.mask.dice, o.mask.surface_mm)
            for o in compared
            if o.mask is not None
        ),
    )


def _mask_figures(sample: MaskSample) -> Iterator[Figure | None]:
    yield sample.mean_of("Dice", sample.dice)
    yield sample.mean_of("Dice of readers with each other", sample.readers_dice)
    yield sample.mean_of("mask precision", sample.precision)
    yield sample.mean_of("mask recall", sample.recall)
    yield sample.mean_of("nodules found", (sample.dice > 0).astype(float))
    yield sample.mean_of("mean surface distance (mm)", sample.surface_mm)
    yield sample.mean_of("95 % Hausdorff distance (mm)", sample.hausdorff95_mm)
    yield sample.mean_of("Dice of masks 2 mm clicks apart", sample.click_dice)
