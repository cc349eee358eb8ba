"""Logistic regression in a few lines: fitted, calibrated and judged by nested, patient-wise
cross-validation.

Nothing is chosen on nodules that a figure comes from: the penalty on the coefficients and the
calibration come from folds within the nodules that the model is fitted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from nodulerisk.datasets.nodules import patient_hash
from nodulerisk.weights.card import RiskModel, Term

FOLDS = 5
PENALTIES = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
TAIL = 0.5  # percent of nodules at either end whose inputs are clipped
CONSTANT = 1e-9  # a smaller spread counts as none


@dataclass(frozen=True, eq=False)
class Cases:
    """n nodules to fit a two-class model on.

    Attributes:
        inputs: by term, float (n,).
        labels: 0 or 1, float (n,).
        patients: (n,); all nodules of a patient lie in one fold.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    patients: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, chosen: np.ndarray) -> Cases:
        """Returns the nodules for which bool (n,) is true."""
        inputs = {name: values[chosen] for name, values in self.inputs.items()}
        return Cases(inputs, self.labels[chosen], self.patients[chosen])


def balanced_folds(cases: Cases, count: int = FOLDS) -> np.ndarray:
    """Returns folds, int (n,), 0 to count - 1: patients are assigned in turn, those with most
    nodules of the last class first, so that every fold has its share of both classes; a hash
    decides among equals."""

    def place(patient: str) -> tuple[float, int, str]:
        own = cases.labels[cases.patients == patient]
        return -own.sum(), -len(own), patient_hash(patient)

    dealt = sorted(set(cases.patients.tolist()), key=place)
    fold = {patient: number % count for number, patient in enumerate(dealt)}
    return np.array([fold[patient] for patient in cases.patients.tolist()])


def fitted(cases: Cases, terms: Sequence[str], penalty: float) -> RiskModel:
    """Returns the uncalibrated model with the least negative log-likelihood + penalty / 2 × the
    coefficients' squares; terms are standardised, the intercept is not penalised."""
    scaled = {name: _scaled(cases.inputs[name]) for name in terms}
    x = np.stack([_standard(cases.inputs[name], term) for name, term in scaled.items()], axis=1)
    *coefficients, intercept = _least_loss(x, cases.labels, penalty)
    weighted = zip(scaled.items(), coefficients, strict=True)
    return RiskModel(
        {name: replace(term, coefficient=float(c)) for (name, term), c in weighted},
        float(intercept),
    )


def chosen(cases: Cases, terms: Sequence[str]) -> RiskModel:
    """Returns the model fitted on all cases, its penalty and calibration chosen on inner folds."""
    folds = balanced_folds(cases)
    tried = [(penalty, _out_of_fold(cases, terms, penalty, folds)) for penalty in PENALTIES]
    lines = [_least_loss(log_odds[:, None], cases.labels, 0.0) for _, log_odds in tried]
    losses = [
        _loss(slope * log_odds + offset, cases.labels)
        for (_, log_odds), (slope, offset) in zip(tried, lines, strict=True)
    ]
    best = int(np.argmin(np.round(losses, 1)))  # among equals, the smallest penalty
    slope, offset = lines[best]
    return replace(fitted(cases, terms, tried[best][0]), calibration=(float(slope), float(offset)))


def cross_validated(cases: Cases, terms: Sequence[str], folds: np.ndarray) -> np.ndarray:
    """Returns each case's probability, float (n,), from the model chosen on the other folds."""
    said = np.full(len(cases), np.nan)
    for fold in np.unique(folds):
        inside = folds == fold
        model = chosen(cases.where(~inside), terms)
        said[inside] = model.probability(cases.where(inside).inputs)
    return said


def _out_of_fold(
    cases: Cases, terms: Sequence[str], penalty: float, folds: np.ndarray
) -> np.ndarray:
    """Returns each case's log-odds, float (n,), from the model fitted on the other folds."""
    said = np.empty(len(cases))
    for fold in np.unique(folds):
        inside = folds == fold
        model = fitted(cases.where(~inside), terms, penalty)
        said[inside] = model.log_odds(cases.where(inside).inputs)
    return said


def _scaled(values: np.ndarray) -> Term:
    low, high = np.percentile(values, [TAIL, 100 - TAIL])
    clipped = np.clip(values, low, high)
    spread = max(float(clipped.std()), CONSTANT)
    return Term(float(low), float(high), float(clipped.mean()), spread, 0.0)


def _standard(values: np.ndarray, term: Term) -> np.ndarray:
    return (np.clip(values, term.low, term.high) - term.mean) / term.sd


def _loss(log_odds: np.ndarray, labels: np.ndarray) -> float:
    """Returns the summed negative log-likelihood."""
    return float((np.logaddexp(0, log_odds) - labels * log_odds).sum())


def _least_loss(x: np.ndarray, labels: np.ndarray, penalty: float) -> np.ndarray:
    """Returns the coefficients of x (n, k) and the intercept."""

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        log_odds = x @ weights[:-1] + weights[-1]
        off = expit(log_odds) - labels
        held = penalty * weights[:-1]
        value = _loss(log_odds, labels) + held @ weights[:-1] / 2
        return value, np.append(x.T @ off + held, off.sum())

    bounds = [(-20, 20)] * (x.shape[1] + 1)  # completely separable classes would need infinite ones
    start = np.zeros(x.shape[1] + 1)
    return minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
