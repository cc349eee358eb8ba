"""The evaluation as a whole: what is chosen where, and the files that show it."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from made_predictions import made_prediction, made_predictions
from nodulerisk.ct.volume import CT
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import Broken, LabelledNodule, NoduleDataset
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError
from nodulerisk.evaluation import samples, study
from nodulerisk.evaluation.choices import Threshold, chosen_calibration, chosen_thresholds
from nodulerisk.evaluation.evidence import evidence_of, mask_evidence_of
from nodulerisk.evaluation.paired import compare_predictions, write_comparison
from nodulerisk.evaluation.predictions import read_predictions
from nodulerisk.evaluation.samples import UNKNOWN, task_sample
from nodulerisk.evaluation.study import evaluate, evaluate_dataset, write_evaluation
from nodulerisk.evaluation.summary import About
from nodulerisk.evaluation.task_figures import POINTS, evaluate_sample
from nodulerisk.outputs.style import EVALUATION_FILES
from nodulerisk.weights.store import load_weight_set

SPLIT_WITHIN_A_PATIENT = (("a", "p1", "test"), ("b", "p1", "train"), ("c", "p2", "test"))
PACKAGE = Path(__file__).parents[3] / "LungNoduleRisk"
HOSTILE = '<script>alert("x")</script>'
ABOUT = About(
    "set",
    "1.0",
    {"net": "0123456789abcdef"},
    "data",
    "thanks to all",
    (Broken("N9", "no voxel is marked"),),
)


@pytest.fixture(scope="module")
def answered():
    return [*made_predictions(120, 0, "validation"), *made_predictions(160, 1, "test")]


@pytest.fixture(scope="module")
def evaluation(answered):
    return evaluate(answered, ABOUT)


def made_nodule(name: str, patient: str, split: str) -> LabelledNodule:
    ct = CT(np.zeros((2, 2, 2), np.int16), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    return LabelledNodule(name, patient, ct, (0.0, 0.0, 0.0), "reader", split=split)


def figures_of(part) -> dict[str, float]:
    return {f.name: f.value for f in part.figures}


# --- Figures


def test_figures_are_of_test_nodules_alone(answered, evaluation):
    assert (evaluation.split, evaluation.nodules, evaluation.patients, evaluation.validation) == (
        "test",
        160,
        80,
        120,
    )
    malignancy = evaluation.tasks["malignancy"]
    assert (malignancy.nodules, malignancy.evidence) == (160, "reader")
    test = answered[120:]
    up, down = (
        [o.mean("malignancy")[1] for o in test if o.labels["malignancy"] == k] for k in (1, 0)
    )
    brute = np.mean([a > b for a in up for b in down])
    assert figures_of(malignancy)["AUC"] == pytest.approx(brute)


def test_every_figure_has_an_interval_that_holds_it(evaluation):
    parts = [*evaluation.tasks.values(), evaluation.mask]
    figures = [f for part in parts for holder in (part, *part.groups) for f in holder.figures]
    assert len(figures) > 100
    assert all(
        np.isfinite([f.low, f.value, f.high]).all() and f.low <= f.value <= f.high for f in figures
    )


def test_two_classes_have_the_published_figures(evaluation):
    names = set(figures_of(evaluation.tasks["malignancy"]))
    assert {
        "AUC",
        "AUC of diameter alone",
        "AUC within 6-12 mm",
        "accuracy",
        "sensitivity",
        "specificity",
    } <= names
    assert {
        "PPV",
        "NPV",
        "F1",
        "calibration error",
        "Brier score",
        "class flips under 2 mm clicks",
    } <= names


def test_the_subtype_has_densesharps_figures(evaluation):
    subtype = evaluation.tasks["subtype"]
    names = set(figures_of(subtype))
    assert {"accuracy", "weighted F1", "AUC, invasive (MIA or IA)", "AUC, IA", "AUC, MIA"} <= names
    assert {"sensitivity, invasive (MIA or IA)", "F1, IA"} <= names
    assert subtype.threshold.value is None and subtype.decision_curve is None
    assert np.sum(subtype.confusion) == subtype.nodules


def test_invasive_is_decided_where_either_of_its_classes_is():
    answers = [
        (0, (0.6, 0.3, 0.1)),
        (1, (0.1, 0.3, 0.6)),
        (2, (0.5, 0.2, 0.3)),
        (0, (0.2, 0.5, 0.3)),
    ]
    evaluation = evaluate(
        [
            made_prediction("subtype", label, p, patient=f"p{i}")
            for i, (label, p) in enumerate(answers)
        ]
    )
    figures = figures_of(evaluation.tasks["subtype"])
    # MIA taken for IA counts, IA taken for AAH-AIS does not
    assert figures["sensitivity, invasive (MIA or IA)"] == 0.5
    assert figures["specificity, invasive (MIA or IA)"] == 0.5
    assert figures["sensitivity, IA"] == 0 and figures["specificity, IA"] == pytest.approx(2 / 3)
    # 0.9 and 0.5 against 0.4 and 0.8
    assert figures["AUC, invasive (MIA or IA)"] == pytest.approx(0.75)


def test_flips_are_counted_at_the_threshold_that_decides():
    predictions = [
        made_prediction("malignancy", i % 2, (0.5, 0.5), patient=f"p{i}") for i in range(4)
    ]
    moved = [{"malignancy": {"net0": (0.4, 0.6)}}, {"malignancy": {"net0": (0.8, 0.2)}}]
    predictions = [
        replace(o, thresholds={"malignancy": 0.3}, clicks=tuple(moved)) for o in predictions
    ]
    assert (
        figures_of(evaluate(predictions).tasks["malignancy"])["class flips under 2 mm clicks"]
        == 0.5
    )


def test_groups_partition_the_nodules(evaluation):
    groups = evaluation.tasks["malignancy"].groups
    for by in ("size", "density"):
        assert sum(group.nodules for group in groups if group.by == by) == 160
    assert {group.by for group in evaluation.mask.groups} == {"size", "density"}


def test_size_groups_change_where_lung_rads_does():
    sizes = (5.99, 6.0, 7.99, 8.0, 14.99, 15.0)
    predictions = [
        replace(made_prediction("malignancy", i % 2, (0.5, 0.5)), diameter_mm=d)
        for i, d in enumerate(sizes)
    ]
    groups = evaluate(predictions).tasks["malignancy"].groups
    assert [(g.name, g.nodules) for g in groups] == [
        ("below 6 mm", 1),
        ("6 to 8 mm", 2),
        ("8 to 15 mm", 2),
        ("15 mm and above", 1),
    ]


def test_nodules_of_unknown_size_are_left_out_of_size_alone(answered):
    test = [
        replace(o, diameter_mm=None if i % 2 else o.diameter_mm)
        for i, o in enumerate(answered[120:])
    ]
    malignancy = evaluate(test).tasks["malignancy"]
    counts = {f.name: f.nodules for f in malignancy.figures}
    assert (counts["AUC"], counts["AUC of diameter alone"]) == (160, 80)
    none = evaluate([replace(o, diameter_mm=None) for o in test]).tasks["malignancy"]
    assert "AUC of diameter alone" not in figures_of(none) and none.rocs[0].p is None


def test_a_sample_is_evaluated_as_its_predictions_are(answered):
    sample, threshold = (
        task_sample(answered[120:], "subtype"),
        Threshold(None, "the most probable class"),
    )
    assert (
        evaluate_sample("subtype", sample, "reader", threshold)
        == evaluate(answered[120:]).tasks["subtype"]
    )


@pytest.mark.parametrize("task", ["malignancy", "subtype"])
def test_without_sizes_densities_and_clicks_their_figures_do_not_appear(answered, task):
    whole = task_sample(answered[120:], task)
    count = len(whole)
    sample = replace(
        whole,
        diameters_mm=np.full(count, np.nan),
        densities=np.full(count, UNKNOWN),
        clicked=whole.clicked[:, :0],
    )
    threshold = Threshold(0.4 if task == "malignancy" else None, "said so")
    found, full = (evaluate_sample(task, one, "reader", threshold) for one in (sample, whole))
    left_out = {f.name for f in full.figures} - {f.name for f in found.figures}
    assert left_out and all(re.search("diameter|6-12 mm|clicks", name) for name in left_out)
    assert not any(re.search("diameter|mm|clicks", f.name) for f in found.figures)
    assert set(found.figures) < set(full.figures)
    assert found.groups == () and not any(curve.size_x for curve in found.rocs)


def test_figures_do_not_depend_on_how_many_draws_are_in_memory(answered, evaluation, monkeypatch):
    monkeypatch.setattr(samples, "AT_ONCE", 7 * 160)
    again = evaluate(answered, ABOUT)
    for task, found in evaluation.tasks.items():
        assert figures_of(again.tasks[task]) == pytest.approx(figures_of(found))
        assert [(f.low, f.high) for f in again.tasks[task].figures] == [
            pytest.approx((f.low, f.high)) for f in found.figures
        ]
        assert again.tasks[task].rocs == found.rocs


def test_a_roc_curve_has_no_more_points_than_are_seen(evaluation):
    sample = task_sample(made_predictions(700), "malignancy")
    many = evaluate_sample("malignancy", sample, "reader", Threshold(0.4, "said so"))
    (few,), (curve,) = evaluation.tasks["malignancy"].rocs, many.rocs
    assert (
        len(few.x) == 161
        and len(curve.x) == len(curve.y) == len(curve.size_x) == len(curve.size_y) == POINTS
    )
    assert (curve.x[0], curve.y[0], curve.x[-1], curve.y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(curve.y, curve.x) == pytest.approx(figures_of(many)["AUC"], abs=0.002)


def test_the_weakest_evidence_is_shown(answered):
    mixed = [
        answered[-1],
        replace(answered[-2], evidence="pathology"),
        replace(answered[-3], evidence="simulated"),
    ]
    evaluation = evaluate(mixed)
    assert evaluation.tasks["malignancy"].evidence == evaluation.mask.evidence == "simulated"


def test_missing_labels_and_networks_are_reported(evaluation):
    assert evaluation.left_out["grade"] == "the weight set does not answer it"
    unlabelled = [replace(o, labels={}) for o in made_predictions(3)]
    found = evaluate(unlabelled)
    assert found.tasks == {} and found.left_out["malignancy"] == "no nodule has a label"
    assert found.mask.nodules == 3


def test_one_nodule_alone_is_evaluated(tmp_path):
    one = made_predictions(1)
    evaluation = evaluate(one)
    assert "AUC" not in figures_of(evaluation.tasks["malignancy"])
    write_evaluation(evaluation, one, tmp_path)


# --- What is chosen on validation


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(-2, 2))
def test_nothing_chosen_depends_on_test_predictions(answered, seed, skill):
    """Thresholds and calibration do not change with the test nodules."""
    other = [*answered[:120], *made_predictions(12, seed, "test", skill)]
    before, after = (
        {t: (e.threshold, e.line) for t, e in evaluate(o).tasks.items()}
        for o in (answered[:130], other)
    )
    assert before == after
    assert chosen_thresholds(other) == chosen_thresholds(answered)
    assert chosen_calibration(other) == chosen_calibration(answered)


def test_without_enough_validation_nodules_the_cards_threshold_decides(answered):
    few = evaluate([*answered[:4], *answered[120:]])
    assert few.tasks["malignancy"].threshold == Threshold(0.4, "the weight set's own")
    assert few.tasks["malignancy"].line is None and not few.tasks["malignancy"].figures_after_line


def test_without_test_nodules_all_are_counted_and_nothing_is_chosen(answered):
    both = [*(replace(o, split="train") for o in answered[120:]), *answered[:120]]
    evaluation = evaluate(both)
    assert (evaluation.split, evaluation.held_out, evaluation.nodules) == ("all", False, 280)
    assert evaluation.tasks["malignancy"].threshold.value == 0.4
    assert evaluation.tasks["malignancy"].line is None
    assert "not held out" in evidence_of(evaluation, "malignancy").data


def test_calibrating_with_the_chosen_line_gives_the_predicted_figures(answered):
    lines = chosen_calibration(answered)
    foretold = evaluate(answered).tasks["malignancy"].figures_after_line
    after = figures_of(evaluate([o.recalibrated(lines) for o in answered]).tasks["malignancy"])
    assert {f.name: f.value for f in foretold} == pytest.approx(
        {f.name: after[f.name] for f in foretold}
    )
    again = chosen_calibration([o.recalibrated(lines) for o in answered])
    assert again["malignancy"] == pytest.approx((1, 0), abs=0.02)


# --- The card


def test_evidence_for_the_card(evaluation):
    evidence = evidence_of(evaluation, "malignancy")
    assert (evidence.level, evidence.nodules, evidence.patients) == ("reader", 160, 80)
    assert all(low <= value <= high for value, low, high in evidence.figures.values())
    assert f"AUC {evidence.figures['AUC minus that of diameter alone'][0]:+.3f}" in evidence.labels
    assert "not pathology" in evidence.labels and "DeLong p" in evidence.labels
    assert evidence.data == "data, test patients"
    mask = mask_evidence_of(evaluation)
    assert mask.level == "reader" and {"Dice", "nodules found"} <= set(mask.figures)
    json.dumps(asdict(evidence))


def test_without_a_mask_its_evidence_is_none():
    predictions = [replace(o, mask=None) for o in made_predictions(4)]
    assert mask_evidence_of(evaluate(predictions)).level == "none"


def test_an_evaluation_is_json(evaluation):
    values = json.loads(json.dumps(asdict(evaluation), allow_nan=False))
    assert values["tasks"]["malignancy"]["rocs"][0]["contrast"] == "malignant"


# --- Files


@pytest.fixture(scope="module")
def folder(tmp_path_factory, answered, evaluation):
    out = tmp_path_factory.mktemp("evaluation")
    write_evaluation(evaluation, answered, out)
    return out


def test_all_files_are_there(folder, answered):
    assert sorted(path.name for path in folder.iterdir()) == sorted(EVALUATION_FILES)
    assert read_predictions(folder / "outcomes.jsonl") == answered


def test_the_figures_table_has_one_row_per_figure_with_its_evidence(folder, evaluation):
    with open(folder / "figures.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["evidence"] for row in rows} == {"reader"} and {row["split"] for row in rows} == {
        "test"
    }
    auc = next(
        r for r in rows if (r["task"], r["group"], r["figure"]) == ("malignancy", "all", "AUC")
    )
    assert float(auc["value"]) == pytest.approx(
        figures_of(evaluation.tasks["malignancy"])["AUC"], abs=1e-4
    )
    assert {"mask", "subtype", "density"} <= {row["task"] for row in rows}
    assert "size 6 to 8 mm" in {row["group"] for row in rows}


def test_the_markdown_shows_evidence_beside_every_number(folder):
    text = (folder / "figures.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| [^f|-]", line)]
    assert rows and all(line.endswith("| reader |") for line in rows)
    assert "Research use only" in text


def test_the_markdown_says_how_the_nodules_were_chosen(evaluation, tmp_path):
    (said,) = study._remarks_on("all", 3, 3)
    about = replace(evaluation.about, remarks=(said,))
    write_evaluation(replace(evaluation, about=about), (), tmp_path)
    assert said in (tmp_path / "figures.md").read_text(encoding="utf-8")


def test_the_page_says_what_a_reader_must_know(folder):
    page = (folder / "evaluation.html").read_text(encoding="utf-8")
    text = page[page.index("<body") :]
    assert "Research use only" in page
    for words in (
        "N9: no voxel is marked",
        "not pathology",
        "0123456789ab",
        "thanks to all",
    ):
        assert words in text
    assert text.count("Plotly.newPlot") == 4 + 3 + 3 + 2
    assert "Not held out" not in text
    assert not re.search(
        r'<[^>]*(src|href)="(?!#)', without_scripts(page)
    )  # opens without a network


def without_scripts(page: str) -> str:
    return re.sub("<script.*?</script>", "", page, flags=re.DOTALL)


def test_the_page_says_loudly_that_nothing_was_held_out(tmp_path):
    predictions = made_predictions(20, split="train")
    write_evaluation(evaluate(predictions, ABOUT), predictions, tmp_path)
    assert "Not held out" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("asked", ["all", "train"])
def test_the_heading_says_which_nodules_were_asked_for(tmp_path, asked):
    predictions = made_predictions(4, split="test")
    evaluation = evaluate(predictions, replace(ABOUT, asked=asked))
    write_evaluation(evaluation, predictions, tmp_path)
    for name in ("evaluation.html", "figures.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert f"data, {asked} nodules, as requested: whether training has seen them" in text
        assert "test patients" not in text and "Not held out" not in text
    rows = csv.DictReader((tmp_path / "figures.csv").open(encoding="utf-8-sig"))
    assert {row["split"] for row in rows} == {asked}


def test_the_page_says_loudly_that_patients_are_shared(tmp_path, weights, monkeypatch):
    """Patients in both test and training (a fault of the data) are found and reported."""
    nodules = [made_nodule(name, patient, split) for name, patient, split in SPLIT_WITHIN_A_PATIENT]
    by_name = {
        n.name: replace(o, name=n.name) for n, o in zip(nodules, made_predictions(3), strict=True)
    }
    monkeypatch.setattr(
        study, "predictions", lambda weights, given, *_: ([by_name[n.name] for n in given], [])
    )
    dataset = NoduleDataset("mixed", tuple(nodules))
    evaluation = evaluate_dataset(weights, dataset, None, tmp_path)
    assert evaluation.about.shared_patients == 1
    assert "some patients (1)" in (tmp_path / "evaluation.html").read_text(encoding="utf-8")
    told = tuple(replace(nodule, cells={"sex": "F"}) for nodule in nodules)
    dataset = replace(dataset, nodules=told, unused=("Sex", "site"))
    evaluation = evaluate_dataset(weights, dataset, None, tmp_path, by=["sex"])
    assert evaluation.about.remarks[0] == "Columns that were not used: site."


class Tags(HTMLParser):
    """Scripts and images of a page."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "img"):
            self.found.append(tag)


def test_fault_47_hostile_names_stay_text(tmp_path):
    """Names of nodules, weight sets, networks and data sets cannot run as a script or a formula."""
    predictions = [
        replace(o, name=HOSTILE, patient="=1+1" + o.patient) for o in made_predictions(20)
    ]
    about = About(HOSTILE, HOSTILE, {HOSTILE: "00"}, HOSTILE, HOSTILE, (Broken(HOSTILE, HOSTILE),))
    write_evaluation(evaluate(predictions, about), predictions, tmp_path)
    write_evaluation(
        evaluate(made_predictions(20), ABOUT), made_predictions(20), tmp_path / "plain"
    )
    pages = [
        (folder / "evaluation.html").read_text(encoding="utf-8")
        for folder in (tmp_path, tmp_path / "plain")
    ]
    tags = [Tags() for _ in pages]
    for parser, page in zip(tags, pages, strict=True):
        parser.feed(page)
    assert tags[0].found == tags[1].found
    with open(tmp_path / "nodules.csv", encoding="utf-8-sig", newline="") as file:
        assert all(row["patient"].startswith("'=") for row in csv.DictReader(file))
    assert "<script" not in (tmp_path / "figures.md").read_text(encoding="utf-8").replace(
        "\\<script", ""
    )


# --- For real


def test_evaluation_needs_no_torch():
    code = "import sys, nodulerisk.evaluation.study; sys.exit('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(PACKAGE)}).returncode
        == 0
    )


def test_the_open_set_on_lidc(data, tmp_path):
    weights, data = load_weight_set("open"), read_lidc_slices(data / "lidc")
    few = [n for n in data.of_split("test") if "malignancy" in n.labels]
    chosen = [*(n for n in few if n.labels["malignancy"])][:3] + [
        *(n for n in few if not n.labels["malignancy"])
    ][:3]
    dataset = replace(data, nodules=tuple(chosen), broken=(Broken("torn", "no slices"),))
    evaluation = evaluate_dataset(weights, dataset, Engine(weights, "cpu"), tmp_path)
    assert evaluation.about.dataset == "LIDC-IDRI" and evaluation.about.broken == dataset.broken
    assert evaluation.nodules == 6 and np.sum(evaluation.tasks["malignancy"].confusion) == 6
    assert (
        figures_of(evaluation.mask)["nodules found"] == 1
        and figures_of(evaluation.mask)["Dice"] > 0.6
    )
    again = evaluate(read_predictions(tmp_path / "outcomes.jsonl"), evaluation.about)
    assert again == evaluation  # without networks


def test_data_without_any_assessable_nodule_are_refused(weights, tmp_path):
    with pytest.raises(NoduleRiskError, match="No nodule of nothing"):
        evaluate_dataset(weights, NoduleDataset("nothing", ()), Engine(weights, "cpu"), tmp_path)


# --- Everything counts


def test_an_external_dataset_is_all_test_and_what_is_left_out_is_said():
    nodules = [
        replace(made_nodule(name, name, split), cells={"lung": word})
        for name, split, word in (
            ("a", "train", "右肺"),
            ("b", "validation", ""),
            ("c", "test", ""),
        )
    ]
    dataset = NoduleDataset("theirs", tuple(nodules))
    assert {nodule.split for nodule in dataset.counted("all").nodules} == {"test"}
    assert [nodule.name for nodule in dataset.counted("train").nodules] == ["a"]
    (said,) = study._remarks_on(None, 3, 2)
    assert "1 of 3 nodules are for training" in said and "--split all" in said
    (said,) = study._remarks_on("all", 3, 3)
    assert "All nodules (3 of 3) count as test nodules" in said
    study.refuse_unknown_columns(["lung"], dataset)
    with pytest.raises(NoduleRiskError, match="'EGFR' are not possible.*is not there"):
        study.refuse_unknown_columns(["EGFR"], dataset)


def test_labelled_nodules_without_an_answer_are_said(answered):
    silent = [replace(o, members={}) if index % 4 == 0 else o for index, o in enumerate(answered)]
    said = evaluate(silent).about.remarks
    assert "40 of 160 nodules with a label of malignancy have no answer" in said[0]
    assert not evaluate(answered).about.remarks


def test_groups_by_any_column_partition_the_nodules(answered):
    by_sex = [
        replace(o, groups={"sex": "F" if index % 3 else "M"}) for index, o in enumerate(answered)
    ]
    groups = [g for g in evaluate(by_sex).tasks["malignancy"].groups if g.by == "sex"]
    assert [group.name for group in groups] == ["F", "M"]
    assert sum(group.nodules for group in groups) == 160 and groups[0].figures


def test_curves_and_plots_are_files_for_a_paper(folder, evaluation):
    with open(folder / "curves.csv", encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "malignancy"]
    points = [row for row in rows if row["curve"] == "ROC"]
    assert (points[0]["x"], points[0]["cut"], points[-1]["y"]) == ("0.0", "", "1.0")
    assert {"ROC", "ROC band", "ROC of diameter", "reliability", "net benefit"} == {
        row["curve"] for row in rows
    }
    for name in ("roc", "reliability", "net-benefit"):
        assert (folder / "plots" / f"malignancy-{name}.pdf").read_bytes().startswith(b"%PDF")
        assert "</svg>" in (folder / "plots" / f"malignancy-{name}.svg").read_text("utf-8")


def test_two_sets_are_compared_on_the_same_nodules(tmp_path):
    labels = [index % 2 for index in range(40)]
    good = [(0.9, 0.1) if not label else (0.1, 0.9) for label in labels]
    poor = [(0.9, 0.1) if index % 4 < 2 else (0.1, 0.9) for index in range(40)]
    first, second = (
        [
            made_prediction("malignancy", label, p, name=f"N{i}", patient=f"P{i}")
            for i, (label, p) in enumerate(zip(labels, answers, strict=True))
        ]
        for answers in (poor, good)
    )
    (found,) = compare_predictions(first, second[:-1])
    assert (found.nodules, found.auc[1]) == (39, 1.0)
    assert found.difference[0] == pytest.approx(1 - found.auc[0])
    assert found.difference[1] > 0 and found.delong_p < 0.01
    assert (found.only_first_right, found.only_second_right) == (0, 20)
    assert found.mcnemar_p == pytest.approx(2 * 0.5**20)
    write_comparison([found], tmp_path / "compared.csv")
    assert "mcnemar_p" in (tmp_path / "compared.csv").read_text("utf-8-sig")
    with pytest.raises(NoduleRiskError, match="No task can be compared"):
        compare_predictions(first[::2], second[::2])
    with pytest.raises(NoduleRiskError, match="no nodule in common"):
        compare_predictions(first, [replace(o, name=f"x{o.name}") for o in second])
    with pytest.raises(NoduleRiskError, match="other labels"):
        compare_predictions(first, [replace(o, labels={"malignancy": 0}) for o in second])


def test_rates_are_given_at_thresholds_by_the_papers_rules_which_say_where_they_were_chosen(
    answered, folder
):
    chosen = evaluate(answered).tasks["malignancy"].at_thresholds
    assert [at.source for at in chosen] == [
        "KS on validation nodules",
        "sensitivity = specificity on validation nodules",
        "prevalence on validation nodules",
        "one half",
    ]
    rates = {figure.name: figure.value for figure in chosen[1].figures}
    assert rates["sensitivity"] == pytest.approx(rates["specificity"], abs=0.15)
    same = evaluate(answered[120:]).tasks["malignancy"].at_thresholds
    assert same[0].source == "KS on these same nodules, so too optimistic"
    assert evaluate(answered).tasks["subtype"].at_thresholds == ()
    text = (folder / "figures.csv").read_text("utf-8-sig")
    assert "prevalence on validation nodules" in text and "mask recall" not in text
