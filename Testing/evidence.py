"""Prints what the open set's mask network and malignancy are worth on patients they did not learn
from: ``make evidence`` (some 20 minutes; needs the developers' data in ``../shared``).

Four tables: masks and presence on the LIDC patients held out (``training/folds.csv`` beside the
weights); the cross-validated decisions of malignancy by how near they are to the threshold; clicks
where there is no nodule; and malignancy against readers and against TCIA's diagnoses, one nodule,
the largest, per patient. The last is a test: choose nothing by it.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from needs import SHARED
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import to_lps
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.folds import read_folds
from nodulerisk.datasets.lidc.ratings import MIDDLE_RATING
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine
from nodulerisk.evaluation.bootstrap import figure, patient_weights, weighted_mean
from nodulerisk.evaluation.calibration import calibration_error
from nodulerisk.evaluation.figure_tables import with_interval
from nodulerisk.evaluation.figures import auc, youden
from nodulerisk.evaluation.masks import dice
from nodulerisk.evaluation.task_figures import SMALL_MM
from nodulerisk.nodule.drawing import draw
from nodulerisk.nodule.measure import value_of
from nodulerisk.train.risk.fit import TERMS, decided_label, measured_nodules
from nodulerisk.train.risk.logistic import cross_validated
from nodulerisk.train.unet.places import places_without_nodule
from nodulerisk.trust.withhold import withheld
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

HELD_OUT = "2"  # the fold that the mask network did not learn from
BENIGN, PRIMARY, METASTASIS = 1, 2, 3  # TCIA's diagnoses
CLICKS = 40  # of each kind
MARGINS = (0.0, 0.1, 0.15, 0.2, 0.25)
SAID = ("no nodule", "withheld", "malignant", "benign")


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
    def rating(self) -> float:
        """The readers' median."""
        return float(np.median(self.nodule.ratings))

    @property
    def diameter_mm(self) -> float:
        """As the table says; 0 if it does not."""
        return self.nodule.diameter_mm or 0.0


SCORES: dict[str, Callable[[Case], float]] = {
    "malignancy shown": lambda case: case.shown,
    "measured volume": lambda case: case.volume,
    "diameter (table)": lambda case: case.diameter_mm,
}


def main() -> None:
    weights = load_weight_set("open")
    engine = Engine(weights)
    print(f"Weight set {weights.name} {weights.version}\n")
    print(*masks(weights, engine), sep="\n")
    print(*decisions(weights, engine), sep="\n")
    print(*clicks(weights, engine), sep="\n")
    print(*diagnoses(weights, engine), sep="\n")


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
    found = None if rows is None else figure("mean", rows, patients.tolist())
    return "–" if found is None else with_interval(found)


def clicks(weights: WeightSet, engine: Engine) -> Iterator[str]:
    """What is said where there is no nodule, in a CT that the network did not learn from."""
    ct = to_lps(read_ct(SHARED / "data" / "chest_crop_no_nodule_1p5mm.nii.gz"))
    yield "\n| clicks on | n | " + " | ".join(SAID) + " |"
    yield "|---" * (2 + len(SAID)) + "|"
    spacing, nowhere = np.array(ct.spacing_mm[::-1]), np.zeros(ct.hu.shape, bool)
    rng = np.random.default_rng(0)
    places = places_without_nodule(ct.hu, spacing, nowhere, CLICKS, rng)
    for kind, voxels in places.items():
        points = [ct.point_of(voxel[::-1]) for voxel in voxels]
        found = (assess(ct, point, weights, networks=engine) for point in track(points, kind))
        said = Counter(map(what_is_said, found))
        yield f"| {kind} | {len(points)} | " + " | ".join(str(said[word]) for word in SAID) + " |"


def what_is_said(assessment: Assessment) -> str:
    """``no nodule``, ``withheld``, or the class decided on."""
    decision = assessment.tasks["malignancy"].decision
    if decision is None:
        return "no nodule"
    return "withheld" if withheld(assessment) else decision


def diagnoses(weights: WeightSet, engine: Engine) -> Iterator[str]:
    """Areas under the ROC curve against readers and diagnoses, with 95 % intervals over
    patients."""
    cases = assessed(SHARED / "data" / "lidc_pathology", weights, engine)
    decided = [case for case in cases if case.rating != MIDDLE_RATING]
    small = [case for case in decided if SMALL_MM[0] <= case.diameter_mm <= SMALL_MM[1]]
    largest = list(largest_per_patient(cases))
    yield "\n| malignancy | readers | readers, 6–12 mm | benign v primary | benign v any cancer |"
    yield "|---" * 5 + "|"
    for name, score in SCORES.items():
        cells = [
            auc_words(part, [case.rating > MIDDLE_RATING for case in part], score)
            for part in (decided, small)
        ]
        for cancers in ((PRIMARY,), (PRIMARY, METASTASIS)):
            chosen = [case for case in largest if case.diagnosis in (BENIGN, *cancers)]
            truth = [case.diagnosis in cancers for case in chosen]
            cells.append(auc_words(chosen, truth, score))
        yield f"| {name} | " + " | ".join(cells) + " |"
    missed = sum(case.volume == 0 for case in cases)
    yield f"\n{missed} of {len(cases)} nodules not found."
    yield f"Calibration error against readers: {calibration_words(decided)}."


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


def calibration_words(cases: Sequence[Case]) -> str:
    """``0.090 (0.060–0.150)``, of the malignancy shown where it is shown."""
    shown = [case for case in cases if case.volume]
    patients = [case.nodule.patient for case in shown]
    said = np.array([case.shown for case in shown])
    true = np.array([float(case.rating > MIDDLE_RATING) for case in shown])
    rows = calibration_error(said, true, patient_weights(patients))
    found = figure("calibration error", rows, patients)
    return "–" if found is None else with_interval(found)


def auc_words(cases: Sequence[Case], truth: Sequence[bool], score: Callable[[Case], float]) -> str:
    """``0.800 (0.620–0.950), n = 31``; a dash where one class is missing."""
    patients = [case.nodule.patient for case in cases]
    scores = np.array([score(case) for case in cases])
    found = figure("AUC", auc(np.array(truth), scores, patient_weights(patients)), patients)
    return "–" if found is None else f"{with_interval(found)}, n = {found.nodules}"


if __name__ == "__main__":
    main()
