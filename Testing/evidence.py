"""Prints what the open set's mask network and malignancy are worth on patients they did not learn
from: ``make evidence`` (some 20 minutes; needs the developers' data in ``../shared``).

Five tables: masks and presence on the LIDC patients held out (``training/folds.csv`` beside the
weights); the cross-validated decisions of malignancy by how near they are to the threshold; clicks
where there is no nodule (``no_nodule.py``); nodules with real and with made-up lung above and below
(``made_up_context.py``); and malignancy against readers and against TCIA's diagnoses, one nodule,
the largest, per patient. The last is a test: choose nothing by it. ``evidence.py SET`` judges
another set, and ``--card`` puts clicks and diagnoses on its card.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from made_up_context import print_context
from needs import SHARED
from no_nodule import clicks_evidence, clicks_table, said_where_no_nodule_is
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.scores import SCORES as PUBLISHED
from nodulerisk.clinical.scores import known_inputs, score_nodule
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.folds import read_folds
from nodulerisk.datasets.lidc.ratings import MIDDLE_RATING
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine
from nodulerisk.evaluation.bootstrap import Figure, figure, kept, patient_weights, weighted_mean
from nodulerisk.evaluation.calibration import calibration_error, reliability
from nodulerisk.evaluation.evidence import LABEL_WORDS
from nodulerisk.evaluation.figure_tables import with_interval
from nodulerisk.evaluation.figures import auc, youden
from nodulerisk.evaluation.masks import dice
from nodulerisk.evaluation.task_figures import SMALL_MM
from nodulerisk.nodule.drawing import draw
from nodulerisk.nodule.measure import value_of
from nodulerisk.tasks import FIRST_TASK, PRESENCE
from nodulerisk.train.risk.fit import TERMS, decided_label, measured_nodules
from nodulerisk.train.risk.logistic import cross_validated
from nodulerisk.weights.card import OVERSTATED, Evidence, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set

READERS = "readers"
IMPUTED = Patient(
    age=62, sex="male", family_history=False, emphysema=False, nodules=1, upper_lobe=False
)
IMPUTED_WORDS = "age 62, male, one nodule, nothing else given, are imputed"
NO_SPICULES = replace(IMPUTED, spiculation=False)  # where the networks' answer is withheld
BROCK = next(score for score in PUBLISHED if score.name == "Brock 2b")
DIAGNOSIS_WORDS = (
    "TCIA's diagnosis of the patient: cancer by biopsy, resection or its course; benign mostly by"
    " two years without change"
)
HELD_OUT = "2"  # the fold that the mask network did not learn from
BENIGN, PRIMARY, METASTASIS = 1, 2, 3  # TCIA's diagnoses
CANCERS = {PRIMARY, METASTASIS}
MARGINS = (0.0, 0.1, 0.15, 0.2, 0.25)


@dataclass(frozen=True)
class Case:
    """A nodule with what was said of it and what was found of its patient."""

    nodule: LabelledNodule
    assessment: Assessment
    diagnosis: int

    @property
    def shown(self) -> float:
        """The malignancy shown; 0 where no nodule was found."""
        mean = self.assessment.tasks["malignancy"].mean
        return 0.0 if mean is None else mean[-1]

    @property
    def volume(self) -> float:
        """mm³; 0 where no nodule was found."""
        return value_of(self.assessment.measurements, "volume") or 0.0

    @property
    def brock(self) -> float:
        """Brock 2b from the set's own mask and appearance, the rest imputed; 0 where no nodule was
        found."""
        seen = known_inputs(self.assessment, IMPUTED)
        known = known_inputs(self.assessment, NO_SPICULES) | seen
        return score_nodule(BROCK, known).probability or 0.0

    @property
    def rating(self) -> float:
        """The readers' median."""
        return float(np.median(self.nodule.ratings))

    @property
    def diameter_mm(self) -> float:
        """As the table says; 0 if it does not."""
        return self.nodule.diameter_mm or 0.0


SCORES: dict[str, Callable[[Case], float]] = {  # by their names on the card; malignancy has none
    "": lambda case: case.shown,
    " of volume alone": lambda case: case.volume,
    " of diameter alone": lambda case: case.diameter_mm,
    " of Brock 2b": lambda case: case.brock,
    " of the readers' mean rating": lambda case: float(np.mean(case.nodule.ratings)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", nargs="?", default="open")
    parser.add_argument("--card", action="store_true", help="put further evidence on the card")
    arguments = parser.parse_args()
    weights = load_weight_set(arguments.weights)
    engine = Engine(weights)
    print(f"Weight set {weights.name} {weights.version}\n")
    print(*masks(weights, engine), sep="\n")
    print(*decisions(weights, engine), sep="\n")
    said = said_where_no_nodule_is(weights, engine)
    print(*clicks_table(said), sep="\n")
    print(*print_context(weights, engine), sep="\n")
    cases = assessed(SHARED / "data" / "lidc_pathology", weights, engine)
    print(*diagnoses(cases), sep="\n")
    if arguments.card:
        found = {PRESENCE: (clicks_evidence(said),), FIRST_TASK: further_evidence(cases)}
        save_card(with_further_evidence(weights, found))


def with_further_evidence(
    weights: WeightSet, found: Mapping[str, tuple[Evidence, ...]]
) -> WeightSet:
    """Returns the set whose card holds it, by task."""
    tasks = {
        task: replace(weights.tasks[task], further_evidence=further)
        for task, further in found.items()
    }
    return replace(weights, tasks=weights.tasks | tasks)


def masks(weights: WeightSet, engine: Engine) -> Iterator[str]:
    """Dice with the readers' majority, and nodules that were not found."""
    held_out = held_out_names(weights)
    nodules = [n for n in read_lidc_slices(SHARED / "data" / "lidc").nodules if n.name in held_out]
    found = [mask_of(nodule, weights, engine) for nodule in track(nodules, "masks")]
    patients = [nodule.patient for nodule in nodules]
    groups = {
        "all": [True] * len(nodules),
        "below 6 mm": [(n.diameter_mm or 0) < 6 for n in nodules],
        "ground glass": [n.labels.get("density") == 0 for n in nodules],
    }
    yield "| held-out nodules | n | Dice | not found |"
    yield "|---|---|---|---|"
    for name, chosen in groups.items():
        values, whose = np.array(found)[chosen], np.array(patients)[chosen]
        dice_words = mean_words(values, whose)
        yield f"| {name} | {len(values)} | {dice_words} | {(values == 0).sum()} |"


def held_out_names(weights: WeightSet) -> set[str]:
    """The nodules of the patients that the mask network did not learn from."""
    with (weights.folder / "training" / "folds.csv").open(newline="") as file:
        return {row["name"] for row in csv.DictReader(file) if row["fold"] == HELD_OUT}


def mask_of(nodule: LabelledNodule, weights: WeightSet, engine: Engine) -> float:
    """Dice of the mask with the readers' majority; 0 where none was drawn."""
    ct, marked = with_context(nodule, np.random.default_rng(0), ("lung",))
    drawing = draw(ct, np.array(nodule.centre_lps_mm), weights, engine)
    if drawing.nodule is None or drawing.is_empty:
        return 0.0
    return dice(drawing.nodule.on_ct() > 0, marked >= 0.5)


def decisions(weights: WeightSet, engine: Engine) -> Iterator[str]:
    """How many of the risk model's cross-validated decisions are right, near its threshold and
    farther from it; the threshold of each fold is that of the others."""
    folds = read_folds(weights.folder / "training" / "folds.csv")
    nodules = read_lidc_slices(SHARED / "data" / "lidc").nodules
    labelled = [n for n in nodules if decided_label(n, "malignancy") is not None]
    measured = measured_nodules(weights, labelled, engine, "malignancy", {})
    cases, fold = measured.cases, np.array([folds[name] for name in measured.names])
    said, positive = cross_validated(cases, TERMS, fold), cases.labels == 1
    thresholds = {f: youden(positive[fold != f], said[fold != f]) for f in set(fold.tolist())}
    away = said - np.array([thresholds[f] for f in fold.tolist()])
    right = (away >= 0) == positive
    yield "\n| margin | nearer | of them right | farther | of them right |"
    yield "|---" * 5 + "|"
    for margin in MARGINS:
        near = np.abs(away) < margin
        cells = [
            (part.sum(), mean_words(right[part], cases.patients[part])) for part in (near, ~near)
        ]
        yield f"| {margin} | " + " | ".join(f"{n} | {words}" for n, words in cells) + " |"


def mean_words(values: np.ndarray, patients: np.ndarray) -> str:
    """``0.936 (0.907–0.962)``; a dash where there are none."""
    rows = weighted_mean(values.astype(float), patient_weights(patients)) if len(values) else None
    return words_of(None if rows is None else figure("mean", rows, patients.tolist()))


def diagnoses(cases: Sequence[Case]) -> Iterator[str]:
    """Areas under the ROC curve against readers and diagnoses, and how far the probabilities are
    from what the readers said."""
    yield "\n| held against | nodules | " + " | ".join(f"AUC{name}" for name in SCORES) + " |"
    yield "|---" * (2 + len(SCORES)) + "|"
    for name, (chosen, truth) in contrasts(cases).items():
        cells = [words_of(auc_figure(chosen, truth, score)) for score in SCORES.values()]
        yield f"| {name} | {len(chosen)} | " + " | ".join(cells) + " |"
    missed = sum(case.volume == 0 for case in cases)
    yield f"\n{missed} of {len(cases)} nodules not found."
    shown = shown_and_decided(cases)
    said, true, patients = said_and_true(shown)
    yield f"Calibration: {'; '.join(f'{f.name} {with_interval(f)}' for f in calibration(shown))}."
    yield "\n| malignancy says, on average | nodules | of them above the middle by the readers |"
    yield "|---|---|---|"
    for part in reliability(said, true, patient_weights(patients)):
        yield f"| {part.predicted:.2f} | {part.nodules} | {part.observed:.2f} |"


def further_evidence(cases: Sequence[Case]) -> tuple[Evidence, Evidence]:
    """What the card says of the same: held against other patients' readers, and against their
    diagnoses."""
    by_readers, by_diagnosis = {}, {}
    for name, (chosen, truth) in contrasts(cases).items():
        of_readers = name.startswith(READERS)
        where = name.removeprefix(READERS) if of_readers else f", {name}"
        for score, value in list(SCORES.items())[: 3 if of_readers else None]:
            found = auc_figure(chosen, truth, value)
            if found is not None:
                figures = by_readers if of_readers else by_diagnosis
                figures[f"AUC{score}{where}"] = rounded(found)
    shown = shown_and_decided(cases)
    by_readers |= {one.name: rounded(one) for one in calibration(shown)}
    largest = [case for case in largest_per_patient(cases) if case.diagnosis in CANCERS | {BENIGN}]
    count = len({case.nodule.patient for case in cases})
    data = f"LIDC-IDRI, {count} other patients, of whom nothing was learnt or chosen"
    patients = {case.nodule.patient for case in shown}
    return (
        Evidence("reader", data, LABEL_WORDS["reader"], len(shown), len(patients), by_readers),
        Evidence(
            "pathology",
            f"{data}; the largest nodule of each with a diagnosis. Brock 2b: {IMPUTED_WORDS}",
            DIAGNOSIS_WORDS,
            len(largest),
            len(largest),
            by_diagnosis,
        ),
    )


def rounded(found: Figure) -> list[float]:
    return [round(number, 3) for number in (found.value, found.low, found.high)]


def contrasts(cases: Sequence[Case]) -> dict[str, tuple[list[Case], list[bool]]]:
    """By name: nodules, and which of them are suspicious or cancer."""
    decided = [case for case in cases if case.rating != MIDDLE_RATING]
    small = [case for case in decided if SMALL_MM[0] <= case.diameter_mm <= SMALL_MM[1]]
    found = {READERS: decided, f"{READERS} within 6-12 mm": small}
    told = {name: (part, [c.rating > MIDDLE_RATING for c in part]) for name, part in found.items()}
    largest = list(largest_per_patient(cases))
    for name, cancers in {"primary cancer": {PRIMARY}, "any cancer": CANCERS}.items():
        chosen = [case for case in largest if case.diagnosis in cancers | {BENIGN}]
        truth = [case.diagnosis in cancers for case in chosen]
        told[f"benign v {name} ({len(chosen)} patients)"] = chosen, truth
    return told


def assessed(folder: Path, weights: WeightSet, engine: Engine) -> list[Case]:
    """Every nodule of the folder, assessed at its centre."""
    with (folder / "diagnosis.csv").open(newline="") as file:
        diagnosis = {row["patient"]: int(row["diagnosis"]) for row in csv.DictReader(file)}
    cases = []
    for nodule in track(read_lidc_slices(folder).nodules, "diagnosed patients"):
        ct, _ = with_context(nodule, np.random.default_rng(0), ("lung",))
        found = assess(ct, nodule.centre_lps_mm, weights, networks=engine)
        cases.append(Case(nodule, found, diagnosis.get(nodule.patient, 0)))
    return cases


def largest_per_patient(cases: Sequence[Case]) -> Iterator[Case]:
    """Of each patient the nodule of the largest diameter by the table."""
    for patient in sorted({case.nodule.patient for case in cases}):
        own = [case for case in cases if case.nodule.patient == patient]
        yield max(own, key=lambda case: case.diameter_mm)


def shown_and_decided(cases: Sequence[Case]) -> list[Case]:
    """Those of which malignancy is shown and the readers decided."""
    return [case for case in cases if case.volume and case.rating != MIDDLE_RATING]


def said_and_true(cases: Sequence[Case]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Malignancy shown, whether it is by the readers, and whose nodule it is: each (n,)."""
    said = np.array([case.shown for case in cases])
    true = np.array([float(case.rating > MIDDLE_RATING) for case in cases])
    return said, true, [case.nodule.patient for case in cases]


def calibration(cases: Sequence[Case]) -> tuple[Figure, ...]:
    """How far the malignancy shown is from what the readers say: without and with its sign."""
    said, true, patients = said_and_true(cases)
    weights = patient_weights(patients)
    error = calibration_error(said, true, weights)
    excess = weighted_mean(said - true, weights)
    return kept(
        (figure("calibration error", error, patients), figure(OVERSTATED, excess, patients))
    )


def auc_figure(
    cases: Sequence[Case], truth: Sequence[bool], score: Callable[[Case], float]
) -> Figure | None:
    """None where one class is missing."""
    patients = [case.nodule.patient for case in cases]
    scores = np.array([score(case) for case in cases])
    return figure("AUC", auc(np.array(truth), scores, patient_weights(patients)), patients)


def words_of(found: Figure | None) -> str:
    return "–" if found is None else with_interval(found)


if __name__ == "__main__":
    main()
