"""Fitting risk models: the right coefficients, nothing learnt from the nodules being judged, and a
card with the results."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from typer.testing import CliRunner

from made_shapes import ellipsoid
from nodulerisk.cli import app
from nodulerisk.datasets.folds import read_folds
from nodulerisk.datasets.nodules import LabelledNodule, NoduleDataset
from nodulerisk.errors import NoduleRiskError
from nodulerisk.train.risk import fit as risk
from nodulerisk.train.risk.logistic import (
    FOLDS,
    Cases,
    balanced_folds,
    chosen,
    cross_validated,
    fitted,
)
from nodulerisk.weights.card import save_card
from nodulerisk.weights.store import load_weight_set

TERMS = ("log axial area", "calcified fraction")


def made_cases(n: int, seed: int = 0, *, learnable: bool = True) -> Cases:
    """Two nodules per patient; the first input is informative, the second is not."""
    rng = np.random.default_rng(seed)
    told, noise = rng.normal(4, 1, n), rng.normal(0, 1, n)
    labels = (rng.random(n) < expit(2 * (told - 4) if learnable else np.zeros(n))).astype(float)
    patients = np.array([f"P{number // 2}" for number in range(n)])
    inputs = {"log axial area": told, "calcified fraction": noise, "log volume": told + noise}
    return Cases(inputs, labels, patients)


def test_coefficients_are_those_that_made_the_labels():
    model = fitted(made_cases(6000), TERMS, penalty=1.0)
    told, noise = model.terms.values()
    assert told.coefficient / told.sd == pytest.approx(2, abs=0.15)
    assert noise.coefficient == pytest.approx(0, abs=0.1)


def test_a_penalty_holds_coefficients_back():
    free, held = (fitted(made_cases(200), TERMS, penalty) for penalty in (0.01, 300.0))
    sizes = [abs(model.terms["log axial area"].coefficient) for model in (held, free)]
    assert sizes[0] < 0.5 * sizes[1]


def test_calibration_compensates_for_the_penalty():
    cases = made_cases(3000)
    said = cross_validated(cases, TERMS, balanced_folds(cases))
    high = said > 0.8
    assert said[high].mean() == pytest.approx(cases.labels[high].mean(), abs=0.04)


def test_separable_classes_and_constant_inputs_still_give_numbers():
    cases = made_cases(80)
    cases.inputs["calcified fraction"][:] = 0.0
    parted = replace(cases, labels=(cases.inputs["log axial area"] > 4).astype(float))
    model = chosen(parted, TERMS)
    assert np.isfinite(model.probability(parted.inputs)).all()


@given(st.integers(0, 2**32 - 1), st.integers(10, 60))
@settings(max_examples=30, deadline=None)
def test_folds_keep_patients_together_and_share_out_the_classes(seed, patients):
    rng = np.random.default_rng(seed)
    names = np.repeat([f"P{number}" for number in range(patients)], rng.integers(1, 4, patients))
    labels = (rng.random(len(names)) < 0.5).astype(float)
    folds = balanced_folds(Cases({}, labels, names))
    assert all(len(set(folds[names == name])) == 1 for name in set(names))
    counts = [len(set(names[folds == fold])) for fold in range(FOLDS)]
    assert max(counts) - min(counts) <= 1
    order = rng.permutation(len(names))
    assert (balanced_folds(Cases({}, labels[order], names[order])) == folds[order]).all()


def test_an_uninformative_input_gains_nothing_when_cross_validated():
    cases = made_cases(400, learnable=False)
    said = cross_validated(cases, ("log axial area",), balanced_folds(cases))
    assert np.isfinite(said).all() and np.abs(said - 0.5).max() < 0.2


def test_a_nodule_is_judged_by_models_that_never_saw_its_patient():
    cases = made_cases(300)
    folds = balanced_folds(cases)
    first = folds == 0
    turned = replace(cases, labels=np.where(first, 1 - cases.labels, cases.labels))
    before, after = (cross_validated(c, TERMS, folds)[first] for c in (cases, turned))
    np.testing.assert_array_equal(before, after)


# --- From nodules to a card


def labelled(number: int, label: int | None, ratings=(), radius_mm: float = 5.0) -> LabelledNodule:
    nodule, ct = ellipsoid((radius_mm,) * 3)
    wide = replace(
        ct,
        hu=np.pad(ct.hu, 20, constant_values=-850),
        origin_lps_mm=tuple(ct.point_of((-20, -20, -20))),
    )
    return LabelledNodule(
        name=f"N{number}",
        patient=f"P{number}",
        ct=wide,
        centre_lps_mm=(0.0, 0.0, 0.0),
        evidence="reader",
        labels={} if label is None else {"malignancy": label},
        ratings=ratings,
        diameter_mm=2 * radius_mm,
    )


@pytest.fixture(scope="module")
def dataset():
    """Balls; the larger ones are mostly malignant, one has no nodule at its centre, one has no
    label."""
    rng = np.random.default_rng(0)
    radii = rng.uniform(3, 8, 40)
    labels = (radii + rng.normal(0, 1.0, 40) > 5.5).astype(int)
    nodules = [
        labelled(number, int(label), radius_mm=radius)
        for number, (radius, label) in enumerate(zip(radii, labels, strict=True))
    ]
    nowhere = labelled(40, 1)
    empty = replace(nowhere, ct=replace(nowhere.ct, hu=np.full_like(nowhere.ct.hu, -850)))
    return NoduleDataset("balls", (*nodules, empty, labelled(41, None)))


class BrightParts:
    """Draws as mask everything denser than about -300 HU, as the small set's network does, but
    faster."""

    device, checks = "none", []

    def predict(self, network, cubes):
        return np.zeros((len(cubes), 3)), (cubes > 130).astype(np.float32)


@pytest.fixture(scope="module")
def engine():
    return BrightParts()


@pytest.fixture(scope="module")
def made(weights, dataset, engine):
    return risk.fit_risk(weights, dataset, engine)


def test_the_median_rating_decides_and_the_label_where_there_is_none():
    decided = [
        risk.decided_label(labelled(0, label, ratings), "malignancy")
        for label, ratings in ((0, (4.0, 3.0)), (1, (2.0, 3.0)), (1, (3.0,)), (1, ()), (None, ()))
    ]
    assert decided == [1, 0, None, 1, None]
    assert risk.decided_label(labelled(0, 1, (1.0,)), "spiculation") is None


def test_the_card_gets_both_models_and_what_they_are_worth(made):
    card = made.tasks["malignancy"]
    assert tuple(card.risk.terms) == risk.TERMS and tuple(card.size.terms) == ("log volume",)
    assert card.risk.terms["log axial area"].coefficient > 0
    assert card.risk.left_out.keys() == {"log volume"}
    assert 0 < card.threshold < 1
    figures = card.evidence.figures
    assert figures["AUC"][0] > 0.8 and figures["calibration error"][0] < 0.3
    gain = figures["AUC"][0] - figures["AUC of volume alone"][0]
    assert figures["AUC minus that of volume alone"][0] == pytest.approx(gain, abs=2e-3)
    assert figures["AUC within 6-12 mm"][1] <= figures["AUC within 6-12 mm"][2]


def test_only_decided_nodules_with_a_mask_are_counted(made):
    evidence = made.tasks["malignancy"].evidence
    assert (evidence.nodules, evidence.patients, evidence.level) == (40, 40, "reader")
    assert "patient-wise folds" in evidence.data and "not pathology" in evidence.labels


def test_a_card_with_fitted_models_can_be_read_again(made, tmp_path):
    copy = shutil.copytree(made.folder, tmp_path / "copy")
    save_card(replace(made, folder=copy))
    assert load_weight_set(copy).tasks == made.tasks


@pytest.mark.slow
def test_further_inputs_are_judged_or_become_terms(weights, dataset, engine):
    told = {
        n.name: {"log-odds of malignancy": 3.0 * n.labels.get("malignancy", 0)}
        for n in dataset.nodules
    }
    left = risk.fit_risk(weights, dataset, engine, extra=told).tasks["malignancy"].risk.left_out
    assert left["log-odds of malignancy"][0] > 0
    terms = ("log axial area", "log-odds of malignancy")
    card = risk.fit_risk(weights, dataset, engine, terms=terms, extra=told).tasks["malignancy"]
    assert card.evidence.figures["AUC"][0] == 1


def test_what_cannot_be_fitted_is_refused(weights, dataset, engine):
    def fit(**options):
        return risk.fit_risk(weights, options.pop("of", dataset), engine, **options)

    with pytest.raises(NoduleRiskError, match="two classes"):
        fit(task="grade")
    with pytest.raises(NoduleRiskError, match="no input 'age'"):
        fit(terms=("age",))
    with pytest.raises(NoduleRiskError, match="no further inputs for nodule N0"):
        fit(extra={"elsewhere": {"log-odds of malignancy": 1.0}})
    with pytest.raises(NoduleRiskError, match="do not list nodule N0"):
        fit(folds={})
    with pytest.raises(NoduleRiskError, match="draws no masks"):
        risk.fit_risk(replace(weights, mask_network=None), dataset, engine)
    with pytest.raises(NoduleRiskError, match="needs 10"):
        fit(of=NoduleDataset("few", dataset.nodules[:12]))


def test_files_of_folds_and_further_inputs(tmp_path):
    path = tmp_path / "extra.csv"
    path.write_text("name,patient,fold,malignancy\nN1,P1,3,-0.5\n")
    assert risk.read_extra(path) == {"N1": {"log-odds of malignancy": -0.5}}
    assert read_folds(path) == {"N1": 3}
    for text, why in (
        ("name,malignancy\nN1,much\n", "malignancy 'much' is not a number"),
        ("malignancy\n1\n", "column 'name'"),
        ("name,x\nN1,1\n", "no column named like a task"),
    ):
        path.write_text(text)
        with pytest.raises(NoduleRiskError, match=why):
            risk.read_extra(path)


def test_the_command_writes_the_card_and_shows_the_models(weights, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("nodulerisk.datasets.read.read_dataset", lambda folder: dataset)
    monkeypatch.setattr("nodulerisk.engine.engine.Engine", lambda *given: BrightParts())
    copy = shutil.copytree(weights.folder, tmp_path / "copy")
    with (tmp_path / "folds.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("name", "fold"), *((n.name, i % 5) for i, n in enumerate(dataset.nodules))]
        )
    command = ["fit-risk", str(copy), str(tmp_path), "--folds", str(tmp_path / "folds.csv")]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0, answer.output
    card = json.loads((copy / "card.json").read_text())["tasks"]["malignancy"]
    assert card["risk"]["terms"].keys() == set(risk.TERMS)
    assert "log axial area" in answer.output and "left out" in answer.output
    shown = CliRunner().invoke(app, ["show-weights", str(copy)])
    assert "axial elongation" in shown.output
