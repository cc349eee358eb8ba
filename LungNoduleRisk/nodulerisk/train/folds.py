"""Cross-validation by patient: every fold is once the test and once the validation; and the set
made of the folds' sets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nodulerisk.datasets.folds import read_folds, read_list
from nodulerisk.datasets.nodules import (
    Broken,
    LabelledNodule,
    NoduleDataset,
    joined,
    patient_hash,
)
from nodulerisk.datasets.spelling import first_spellings
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation.evidence import evidence_of, mask_evidence_of
from nodulerisk.evaluation.predictions import Prediction, read_predictions
from nodulerisk.evaluation.study import about, evaluate, write_evaluation
from nodulerisk.evaluation.summary import Evaluation
from nodulerisk.outputs.style import EVALUATION_FILES, OUTCOMES
from nodulerisk.train.plans.runs import Folds, Plan, Run
from nodulerisk.train.start import with_starts
from nodulerisk.train.weight_set import evaluation_folder
from nodulerisk.weights.card import Evidence, TaskCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set

Say = Callable[[str], None]
SIZE_GROUPS = (1 / 3, 2 / 3)  # quantiles of the diameter
VALIDATION_SHARE = 5  # one in so many patients of train, where a list of validation is missing
ENSEMBLE = (
    "; every nodule answered by the networks of the one fold that learnt nothing from its patient:"
    " all folds together are not tested"
)
FOLD_THRESHOLDS = (
    "Every nodule is answered by the fold that learnt nothing from its patient, and decided by the"
    " mean of the thresholds that the folds chose on their validation patients; a task without"
    " enough of them is decided for the most probable class."
)


@dataclass(frozen=True)
class Part:
    """One fold, or all of a training without any: its plan, data and folder."""

    number: int
    plan: Plan
    data: Mapping[str, NoduleDataset]
    folder: Path

    def nodules_of(self, run: Run) -> tuple[LabelledNodule, ...]:
        """Returns the nodules of the run's datasets.

        Raises:
            NoduleRiskError: a patient is in two splits.
        """
        return joined([self.data[name] for name in run.data]).nodules


def parts_of(plan: Plan, data: Mapping[str, NoduleDataset], out: Path) -> list[Part]:
    """Returns the folds, with the next one as validation and the others to train on; without folds,
    the whole.

    Raises:
        NoduleRiskError: a nodule has no fold, a patient two, there are fewer than three, or the one
            to ship is not among them.
    """
    if plan.folds is None:
        return [Part(0, plan, data, out)]
    spelled = first_spellings(n.patient for dataset in data.values() for n in dataset.nodules)
    data = _changed(data, lambda nodule: replace(nodule, patient=spelled[nodule.patient]))
    fold_of = patient_folds(plan, data)
    folds = sorted(set(fold_of.values()))
    if plan.folds.makes_new and len(folds) < plan.folds.count:
        raise NoduleRiskError(
            f"There are {len(folds)} patients, too few for {plan.folds.count} folds: choose a"
            " smaller count."
        )
    if len(folds) < 3:
        raise NoduleRiskError(
            f"There are {len(folds)} folds, and three are needed: to train, validate and test."
        )
    if isinstance(plan.folds.ship, int) and plan.folds.ship not in folds:
        raise NoduleRiskError(
            f"There is no fold {plan.folds.ship} to ship, only {', '.join(map(str, folds))}."
        )
    return [
        Part(
            fold,
            replace(plan, name=f"{plan.name}-fold{fold}", folds=None),
            _with_roles(data, fold_of, {fold: "test", following: "validation"}),
            out / "folds" / str(fold),
        )
        for fold, following in zip(folds, (*folds[1:], folds[0]), strict=True)
    ]


def _with_roles(
    data: Mapping[str, NoduleDataset], fold_of: Mapping[str, int], roles: Mapping[int, str]
) -> dict[str, NoduleDataset]:
    def moved(nodule: LabelledNodule) -> LabelledNodule:
        return replace(nodule, split=roles.get(fold_of[nodule.patient], "train"))

    return _changed(data, moved)


def patient_folds(plan: Plan, data: Mapping[str, NoduleDataset]) -> dict[str, int]:
    """Returns each patient's fold: the sources' own, those of a table, or new ones."""
    assert plan.folds is not None
    nodules = [nodule for dataset in data.values() for nodule in dataset.nodules]
    given = _given(plan.folds, nodules)
    if given is None:
        return stratified(nodules, plan.runs[0].tasks, plan.folds.count)
    folds: dict[str, int] = {}
    for nodule, fold in zip(nodules, given, strict=True):
        if fold is None:
            raise NoduleRiskError(f"Nodule {nodule.name} has no fold: give it one.")
        if folds.setdefault(nodule.patient, fold) != fold:
            raise NoduleRiskError(
                f"Patient {nodule.patient} is in the folds {folds[nodule.patient]} and {fold}: give"
                " all nodules of a patient the same."
            )
    return folds


def _given(folds: Folds, nodules: Iterable[LabelledNodule]) -> list[int | None] | None:
    if folds.own:
        return [nodule.fold for nodule in nodules]
    if folds.table is None:
        return None
    listed = read_folds(folds.table)
    return [listed.get(nodule.name, listed.get(nodule.patient)) for nodule in nodules]


def stratified(
    nodules: Sequence[LabelledNodule], tasks: Sequence[str], count: int
) -> dict[str, int]:
    """Returns each patient's fold, 0 to count - 1: dealt in turn in the order of classes, then
    sizes, so that every fold has its share of each; a hash decides among equals.

    Args:
        nodules: of all datasets.
        tasks: by whose classes, the first before the others.
        count: of folds.
    """
    known = [n.diameter_mm for n in nodules if n.diameter_mm is not None]
    limits = np.quantile(known or [0.0], SIZE_GROUPS)
    own: dict[str, list[LabelledNodule]] = {}
    for nodule in nodules:
        own.setdefault(nodule.patient, []).append(nodule)

    def place(patient: str) -> tuple:
        labels = [max(n.labels.get(task, -1) for n in own[patient]) for task in tasks]
        size = np.searchsorted(limits, max(n.diameter_mm or 0 for n in own[patient]))
        return labels[0], int(size), *labels[1:], patient_hash(patient)

    return {patient: i % count for i, patient in enumerate(sorted(own, key=place))}


def split_by_lists(
    data: Mapping[str, NoduleDataset], lists: Mapping[Any, Path], say: Say
) -> dict[str, NoduleDataset]:
    """Returns the datasets with the splits of lists of nodules or patients; says what is in none,
    and leaves it out.

    Raises:
        NoduleRiskError: a list cannot be read, or something is in two.
    """
    split_of: dict[str, str] = {}
    for split, path in lists.items():
        for name in read_list(path):
            if split_of.setdefault(name, split) != split:
                raise NoduleRiskError(f"{name} is in the lists of {split_of[name]} and {split}.")
    found = {name: _listed(dataset, split_of) for name, dataset in data.items()}
    for name, dataset in found.items():
        count = len(data[name].nodules) - len(dataset.nodules)
        if count:
            say(f"{dataset.name}: {count} nodules are in no list and are left out.")
    return found if "validation" in lists else _with_validation(found)


def _listed(dataset: NoduleDataset, split_of: Mapping[str, str]) -> NoduleDataset:
    splits = ((n, split_of.get(n.name, split_of.get(n.patient))) for n in dataset.nodules)
    return replace(dataset, nodules=tuple(replace(n, split=s) for n, s in splits if s))


def _with_validation(data: Mapping[str, NoduleDataset]) -> dict[str, NoduleDataset]:
    """Returns the datasets with some of the patients to train on as validation; a hash says
    which."""
    patients = {n.patient for dataset in data.values() for n in dataset.of_split("train")}
    chosen = set(sorted(patients, key=patient_hash)[::VALIDATION_SHARE])

    def moved(nodule: LabelledNodule) -> LabelledNodule:
        later = nodule.split == "train" and nodule.patient in chosen
        return replace(nodule, split="validation") if later else nodule

    return _changed(data, moved)


def _changed(
    data: Mapping[str, NoduleDataset], change: Callable[[LabelledNodule], LabelledNodule]
) -> dict[str, NoduleDataset]:
    return {
        name: replace(dataset, nodules=tuple(map(change, dataset.nodules)))
        for name, dataset in data.items()
    }


# --- The set that is made of the folds' sets


def pooled_set(
    plan: Plan, parts: Sequence[Part], data: Mapping[str, NoduleDataset], out: Path, say: Say
) -> WeightSet | None:
    """Writes one report on all nodules, each answered by the fold that had not seen its patient,
    and the set that the plan ships; None: none but the folds' own.

    A class is decided from the mean of the folds' thresholds, which are chosen on validation.
    """
    assert plan.folds is not None
    sets = {part.number: load_weight_set(part.folder) for part in parts}
    evaluations = _pooled(plan, parts, sets, data, out)
    for place in evaluations:
        say(f"Out-of-fold report: {place / EVALUATION_FILES[0]}")
    ship = plan.folds.ship
    if ship == "all":
        say(f"The folds' sets: {', '.join(str(part.folder) for part in parts)}")
        return None
    shipped = (
        _ensemble(plan, sets, evaluations.values(), out)
        if ship == "ensemble"
        else _copied(plan, sets[int(ship)], out)
    )
    save_card(shipped)
    return load_weight_set(out)


def _pooled(
    plan: Plan,
    parts: Sequence[Part],
    sets: Mapping[int, WeightSet],
    data: Mapping[str, NoduleDataset],
    out: Path,
) -> dict[Path, Evaluation]:
    """Writes the evaluation of every group of datasets that networks were trained on; returns them
    by their folders."""
    first = next(iter(sets.values()))
    thresholds = {task: _mean_threshold(task, sets.values()) for task in first.tasks}
    tested = _changed(data, lambda nodule: replace(nodule, split="test"))
    found = {}
    for names in dict.fromkeys(run.data for run in plan.runs):
        answered: list[Prediction] = []
        for part in parts:
            lines = evaluation_folder(part.folder, names) / OUTCOMES
            answered += [
                replace(o, thresholds=thresholds)
                for o in read_predictions(lines)
                if o.split == "test"
            ]
        whole = joined([tested[name] for name in names])
        described = about(first, whole, _unanswered(whole, answered))
        runs = [run for run in plan.runs if run.data == names]
        described = with_starts(described, runs)
        described = replace(
            described, weight_set=plan.name, hashes=_hashes(sets), remarks=(FOLD_THRESHOLDS,)
        )
        evaluation = evaluate(answered, described, first.table)
        folder = evaluation_folder(out, names)
        write_evaluation(evaluation, answered, folder, first.table)
        found[folder] = evaluation
    return found


def _unanswered(dataset: NoduleDataset, answered: Iterable[Prediction]) -> list[Broken]:
    names = {prediction.name for prediction in answered}
    return [
        Broken(nodule.name, "its fold's report says why")
        for nodule in dataset.nodules
        if nodule.name not in names
    ]


def _hashes(sets: Mapping[int, WeightSet]) -> dict[str, str]:
    return {
        _name(fold, name): sha256
        for fold, weights in sets.items()
        for name, sha256 in weights.hashes().items()
    }


def _name(fold: int, network: str) -> str:
    return f"fold{fold}_{network}"


def _mean_threshold(task: str, sets: Iterable[WeightSet]) -> float | None:
    given = [weights.tasks[task].threshold for weights in sets]
    known = [threshold for threshold in given if threshold is not None]
    return float(np.mean(known)) if known else None


def _ensemble(
    plan: Plan,
    sets: Mapping[int, WeightSet],
    evaluations: Iterable[Evaluation],
    out: Path,
) -> WeightSet:
    """Returns the set of all folds' networks; the first fold's mask network draws."""
    first = next(iter(sets.values()))
    evidence = {t: evidence_of(e, t) for e in evaluations for t in e.tasks}
    masks = [mask_evidence_of(e) for e in evaluations if e.mask is not None]
    fold = next(iter(sets))
    return replace(
        first,
        folder=out,
        name=plan.name,
        networks={
            _name(number, name): replace(card, file=_taken(weights, card.file, number, out))
            for number, weights in sets.items()
            for name, card in weights.networks.items()
        },
        tasks={task: _joined_task(task, sets, evidence) for task in first.tasks},
        mask_network=first.mask_network and _name(fold, first.mask_network),
        mask_evidence=_said(masks[0]) if masks else first.mask_evidence,
        bf16_drift=max((w.bf16_drift for w in sets.values() if w.bf16_drift), default=None),
    )


def _taken(weights: WeightSet, file: str, fold: int, out: Path) -> str:
    name = f"fold{fold}_{file}"
    shutil.copyfile(weights.folder / file, out / name)
    return name


def _joined_task(
    task: str, sets: Mapping[int, WeightSet], evidence: Mapping[str, Evidence]
) -> TaskCard:
    cards = {fold: weights.tasks[task] for fold, weights in sets.items()}
    lines = [card.calibration for card in cards.values() if card.calibration is not None]
    any_card = next(iter(cards.values()))
    return replace(
        any_card,
        networks=tuple(_name(fold, n) for fold, card in cards.items() for n in card.networks),
        evidence=_said(evidence[task]) if task in evidence else any_card.evidence,
        threshold=_mean_threshold(task, sets.values()),
        calibration=tuple(np.mean(lines, axis=0).tolist()) if len(lines) == len(cards) else None,
    )


def _said(evidence: Evidence) -> Evidence:
    return replace(evidence, data=evidence.data + ENSEMBLE)


def _copied(plan: Plan, weights: WeightSet, out: Path) -> WeightSet:
    """Returns one fold's set in the folder of the whole."""
    for card in weights.networks.values():
        shutil.copyfile(weights.folder / card.file, out / card.file)
    return replace(weights, folder=out, name=plan.name)
