"""Makes the open weight set of trained networks: ``python -m nodulerisk.train.open_card TRAINED DATA OUT``.

Everything is measured through ``assess`` itself, on LIDC-IDRI patients that no training saw: validation patients
calibrate (Platt) and set the threshold (Youden); test patients give the figures on the card, once.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import mannwhitneyu
from tqdm import tqdm

from nodulerisk import __version__
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.cubes import emv_views
from nodulerisk.engine import Engine, load_network
from nodulerisk.train.lidc import LidcNodule, ct_of, read_lidc
from nodulerisk.train.open_set import MALIGNANCY_WIDTHS, MASK_WIDTH, SIDES, SIZE
from nodulerisk.weights import Evidence, NetworkCard, TaskCard, WeightSet, load_weight_set, save_card, sha256_of

CLICK_MM = 2.0
NOT_RUN = "no public CT data carry this label; import the authors' weights or train on your own"
ATTRIBUTION = (
    "Trained on LIDC-IDRI (CC BY 3.0): Armato SG 3rd et al. (2015) Data From LIDC-IDRI, The Cancer Imaging Archive, "
    "doi:10.7937/K9/TCIA.2015.LO9QL9SX; Armato et al., Med Phys 2011;38:915-931. The authors acknowledge the "
    "National Cancer Institute and the Foundation for the National Institutes of Health, and their critical role in "
    "the creation of the free publicly available LIDC/IDRI Database used in this study. Volumes of interest prepared "
    "by the Computer Vision Center, UAB."
)


@dataclass(frozen=True)
class Outcome:
    """What the pipeline said of one nodule clicked at its true centre, and what the readers said."""

    nodule: LidcNodule
    members: dict[str, float]  # probability of malignancy
    dice: float  # against the readers' majority mask
    click_flips: tuple[bool, ...] = ()  # whether a click 2 mm off changed the class
    click_dice: tuple[float, ...] = ()  # mask of that click against the first one's

    @property
    def probability(self) -> float:
        return float(np.mean(list(self.members.values())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path, help="folder with mask/ and malignancy/ of nodulerisk.train.open_set")
    parser.add_argument("data", type=Path, help="folder with slices.npz and its tables")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    nodules = read_lidc(arguments.data)
    store(arguments.trained, arguments.out, calibration={})
    validation = outcomes(load_weight_set(arguments.out), of_split(nodules, "validation"))
    store(arguments.trained, arguments.out, {k: platt(validation, k) for k in MALIGNANCY_WIDTHS})
    threshold = youden(outcomes(load_weight_set(arguments.out), of_split(nodules, "validation")))
    weights = with_threshold(load_weight_set(arguments.out), threshold)
    test = outcomes(weights, of_split(nodules, "test"), clicks=2)
    drift = bf16_drift(weights, of_split(nodules, "test"))
    save_card(with_figures(weights, test, drift))
    write_outcomes(test, arguments.out / "test_nodules.csv")
    for job in ("mask", "malignancy"):
        for name in ("log.csv", "settings.json"):
            shutil.copy(arguments.trained / job / name, arguments.out / f"{job}_{name}")


def of_split(nodules: list[LidcNodule], split: str) -> list[LidcNodule]:
    return [nodule for nodule in nodules if nodule.split == split]


# --- The files


def store(trained: Path, out: Path, calibration: dict[str, tuple[float, float]]) -> None:
    """Writes half-precision weights, calibration folded into the dense layer, and a card without figures."""
    out.mkdir(parents=True, exist_ok=True)
    networks = {}
    for name in ("densesharp", *MALIGNANCY_WIDTHS):
        mask = name == "densesharp"
        arrays = load_file(trained / ("mask" if mask else "malignancy") / f"{name}.safetensors")
        if name in calibration:
            arrays = calibrated(arrays, *calibration[name])
        file = out / f"{name}.safetensors"
        save_file({k: v.half() for k, v in arrays.items() if not k.endswith("num_batches_tracked")}, file)
        networks[name] = NetworkCard(
            kind=name,
            file=file.name,
            sha256=sha256_of(file),
            n_classes=3 if mask else 2,
            width=MASK_WIDTH if mask else MALIGNANCY_WIDTHS[name],
            sides=None if mask else SIDES,
            size=32 if mask else SIZE,
        )
    tasks = {task: TaskCard((), Evidence("none", data=NOT_RUN)) for task in ("invasiveness", "grade", "subtype")}
    tasks["malignancy"] = TaskCard(tuple(MALIGNANCY_WIDTHS), Evidence("reader"), 0.5)
    save_card(
        WeightSet(out, "open", __version__, "CC BY 3.0", ATTRIBUTION, networks, tasks, "densesharp", Evidence("reader"))
    )


def calibrated(arrays: dict[str, torch.Tensor], slope: float, offset: float) -> dict[str, torch.Tensor]:
    """The dense layer with Platt's line folded in: the new logit difference is slope * difference + offset."""
    key = next(k for k in arrays if k.startswith("head") and k.endswith("weight"))
    bias = key.replace("weight", "bias")
    shift = torch.tensor([-offset / 2, offset / 2])
    return arrays | {key: arrays[key] * slope, bias: arrays[bias] * slope + shift}


# --- Running the pipeline


def outcomes(weights: WeightSet, nodules: list[LidcNodule], clicks: int = 0) -> list[Outcome]:
    """Assesses every nodule at its centre and at ``clicks`` points 2 mm off."""
    engine = Engine(weights, "cpu")
    return [outcome(nodule, weights, engine, clicks) for nodule in tqdm(nodules, "assessing")]


def outcome(nodule: LidcNodule, weights: WeightSet, engine: Engine, clicks: int) -> Outcome:
    ct, mask, point = ct_of(nodule)
    first = assess(ct, point, weights, networks=engine)
    rng = np.random.default_rng(7)
    offsets = [CLICK_MM * v / np.linalg.norm(v) for v in rng.standard_normal((clicks, 3))]
    others = [assess(ct, point + offset, weights, networks=engine) for offset in offsets]
    return Outcome(
        nodule,
        {name: member[1] for name, member in first.tasks["malignancy"].members.items()},
        dice(mask_of(first), mask),
        tuple(other.tasks["malignancy"].decision != first.tasks["malignancy"].decision for other in others),
        tuple(dice(mask_of(other), mask_of(first)) for other in others),
    )


def mask_of(assessment: Assessment) -> np.ndarray:
    assert assessment.mask is not None
    return assessment.mask > 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


def bf16_drift(weights: WeightSet, nodules: list[LidcNodule]) -> float:
    """The farthest that bf16 arithmetic moves an ensemble probability on the nodules."""
    networks = [load_network(weights, name) for name in MALIGNANCY_WIDTHS]
    farthest = 0.0
    for nodule in tqdm(nodules, "bf16"):
        ct, _, point = ct_of(nodule)
        views = torch.from_numpy(emv_views(ct, point, SIDES, SIZE)[None])
        with torch.inference_mode():
            exact = torch.stack([network(views) for network in networks]).mean(dim=0)
            with torch.autocast("cpu", torch.bfloat16):
                rounded = torch.stack([network(views).float() for network in networks]).mean(dim=0)
        farthest = max(farthest, float((exact - rounded).abs().max()))
    return farthest


# --- Figures


def platt(validation: list[Outcome], member: str) -> tuple[float, float]:
    """Slope and offset that fit a member's logits to the readers' verdict (4-5 against 1-2) best."""
    decided = [o for o in validation if o.nodule.malignant is not None]
    x = logit(np.clip([o.members[member] for o in decided], 1e-6, 1 - 1e-6))
    y = np.array([o.nodule.malignant for o in decided], float)

    def loss(line: np.ndarray) -> float:
        p = np.clip(expit(line[0] * x + line[1]), 1e-9, 1 - 1e-9)
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


def youden(validation: list[Outcome]) -> float:
    """The threshold with the largest sensitivity + specificity on validation, midway between two nodules."""
    decided = [o for o in validation if o.nodule.malignant is not None]
    p = np.array([o.probability for o in decided])
    y = np.array([o.nodule.malignant for o in decided])
    cuts = np.sort(p)
    cuts = (cuts[1:] + cuts[:-1]) / 2
    gain = [(p[y] >= cut).mean() + (p[~y] < cut).mean() for cut in cuts]
    return round(float(cuts[int(np.argmax(gain))]), 3)


def auc(score: Callable[[Outcome], float]) -> Callable[[list[Outcome]], float]:
    """Area under the ROC curve of a score for the readers' verdict."""

    def figure(outcomes: list[Outcome]) -> float:
        malignant = [score(o) for o in outcomes if o.nodule.malignant]
        benign = [score(o) for o in outcomes if o.nodule.malignant is False]
        if not malignant or not benign:
            return float("nan")
        return float(mannwhitneyu(malignant, benign).statistic) / (len(malignant) * len(benign))

    return figure


def calibration_error(outcomes: list[Outcome]) -> float:
    """Expected calibration error over five equally filled bins."""
    decided = sorted((o for o in outcomes if o.nodule.malignant is not None), key=lambda o: o.probability)
    bins = [b for b in np.array_split(np.array([[o.probability, o.nodule.malignant] for o in decided]), 5) if len(b)]
    return float(sum(len(b) * abs(b[:, 0].mean() - b[:, 1].mean()) for b in bins) / len(decided))


def share(values: Callable[[Outcome], Iterable[float]]) -> Callable[[list[Outcome]], float]:
    """Mean over all nodules' values; NaN without any."""

    def figure(outcomes: list[Outcome]) -> float:
        found = [v for o in outcomes for v in values(o)]
        return float(np.mean(found)) if found else float("nan")

    return figure


def small(figure: Callable[[list[Outcome]], float]) -> Callable[[list[Outcome]], float]:
    """The figure within 6 to 12 mm, where size helps least."""
    return lambda outcomes: figure([o for o in outcomes if 6 <= o.nodule.diameter_mm <= 12])


def with_interval(figure: Callable[[list[Outcome]], float], test: list[Outcome], draws: int = 1000) -> list[float]:
    """[value, low, high]: 95 % interval of a bootstrap over patients."""
    patients: dict[str, list[Outcome]] = {}
    for o in test:
        patients.setdefault(o.nodule.patient, []).append(o)
    groups, rng = list(patients.values()), np.random.default_rng(0)
    drawn = [
        figure([o for index in rng.integers(len(groups), size=len(groups)) for o in groups[index]])
        for _ in range(draws)
    ]
    return [round(float(v), 3) for v in (figure(test), *np.nanpercentile(drawn, [2.5, 97.5]))]


def with_threshold(weights: WeightSet, threshold: float) -> WeightSet:
    task = replace(weights.tasks["malignancy"], threshold=threshold)
    return replace(weights, tasks=weights.tasks | {"malignancy": task})


def with_figures(weights: WeightSet, test: list[Outcome], drift: float) -> WeightSet:
    """The set with test figures as evidence."""
    threshold = weights.tasks["malignancy"].threshold or 0.5
    by_network, by_size = auc(lambda o: o.probability), auc(lambda o: o.nodule.diameter_mm)
    malignancy = {
        "AUC": by_network,
        "AUC of diameter alone": by_size,
        "AUC within 6-12 mm": small(by_network),
        "AUC of diameter alone within 6-12 mm": small(by_size),
        "sensitivity": share(lambda o: [o.probability >= threshold] if o.nodule.malignant else []),
        "specificity": share(lambda o: [o.probability < threshold] if o.nodule.malignant is False else []),
        "calibration error": calibration_error,
        "class flips under 2 mm clicks": share(lambda o: o.click_flips),
    }
    mask = {
        "Dice against the readers' majority": share(lambda o: [o.dice]),
        "nodules found": share(lambda o: [o.dice > 0]),
        "Dice of masks 2 mm clicks apart": share(lambda o: o.click_dice),
    }
    task = replace(weights.tasks["malignancy"], evidence=evidence(test, malignancy, decided_only=True))
    return replace(
        weights,
        tasks=weights.tasks | {"malignancy": task},
        mask_evidence=evidence(test, mask, decided_only=False),
        bf16_drift=round(drift, 4),
    )


def evidence(test: list[Outcome], figures: dict[str, Callable], decided_only: bool) -> Evidence:
    counted = [o for o in test if o.nodule.malignant is not None or not decided_only]
    labels = "radiologists' consensus malignancy rating, 4-5 against 1-2" if decided_only else "majority of the readers"
    return Evidence(
        level="reader",
        data="LIDC-IDRI test patients never used in training or calibration; context above and below made up",
        labels=labels,
        nodules=len(counted),
        patients=len({o.nodule.patient for o in counted}),
        figures={name: with_interval(figure, counted) for name, figure in figures.items()},
    )


def write_outcomes(test: list[Outcome], path: Path) -> None:
    """One row a test nodule, so that anyone can recompute the figures."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["nodule", "rating", "diameter_mm", "probability", *MALIGNANCY_WIDTHS, "dice"])
        for o in test:
            numbers = [o.probability, *o.members.values(), o.dice]
            table.writerow([o.nodule.name, o.nodule.rating, o.nodule.diameter_mm, *(f"{v:.4f}" for v in numbers)])


if __name__ == "__main__":
    main()
