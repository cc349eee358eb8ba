"""Predictions with known answers, for tests of evaluation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nodulerisk.evaluation.masks import MaskFit
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.tasks import TASKS


def made_prediction(
    task: str, label: int, *members: tuple[float, ...], name="N", patient="P", split="test"
) -> Prediction:
    """One nodule with one task."""
    answers = {f"net{index}": member for index, member in enumerate(members)}
    return Prediction(
        name, patient, split, "reader", {task: label}, 10.0, {task: answers}, {task: None}
    )


def made_predictions(
    count: int, seed: int = 0, split: str = "test", skill: float = 0.8
) -> list[Prediction]:
    """About two nodules per patient, with malignancy, subtype and density, a mask and a click 2 mm
    off."""
    rng = np.random.default_rng(seed)
    return [_nodule(index, f"{split}{index // 2}", split, skill, rng) for index in range(count)]


def _nodule(
    index: int, patient: str, split: str, skill: float, rng: np.random.Generator
) -> Prediction:
    labels = {
        task: int(rng.integers(len(TASKS[task].classes)))
        for task in ("malignancy", "subtype", "density")
    }
    members = {
        task: {
            name: _answer(len(TASKS[task].classes), label, skill, rng)
            for name in ("inception", "vgg")
        }
        for task, label in labels.items()
    }
    prediction = Prediction(
        name=f"{split}-nodule-{index}",
        patient=patient,
        split=split,
        evidence="reader",
        labels=labels,
        diameter_mm=float(4 + 4 * labels["malignancy"] + rng.gamma(2, 3)),
        members=members,
        thresholds={"malignancy": 0.4, "subtype": None, "density": None},
        mask=MaskFit(
            float(rng.uniform(0.6, 0.95)), float(rng.uniform(0.2, 1)), float(rng.uniform(1, 3))
        ),
        click_dice=(float(rng.uniform(0.9, 1)),),
    )
    moved = {
        task: dict.fromkeys(answers, _answer(len(TASKS[task].classes), labels[task], skill, rng))
        for task, answers in members.items()
    }
    return replace(prediction, clicks=(moved,))


def _answer(
    n_classes: int, label: int, skill: float, rng: np.random.Generator
) -> tuple[float, ...]:
    logits = rng.normal(size=n_classes)
    logits[label] += skill
    odds = np.exp(logits)
    return tuple((odds / odds.sum()).tolist())
