"""Own tasks: what a plan or a card says of them, which labels feed them, and that they are learnt,
evaluated, assessed and shown without code."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from rich.console import Console
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct
from made_cohort import made_row
from made_dicom import write_study
from made_nodules import made_background, made_dataset
from made_own_tasks import EGFR, SITE, own_tasks
from made_weights import made_weights
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.checks import THICK_SLICES
from nodulerisk.cli import app
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.store import Store
from nodulerisk.cohort.summary import COLUMNS, Tally, evaluations, write_summary
from nodulerisk.cohort.table.problems import CohortError
from nodulerisk.cohort.table.read import read_cohort
from nodulerisk.ct.points import Point
from nodulerisk.datasets.nodules import NoduleDataset
from nodulerisk.datasets.own_labels import refuse_unseen_classes, with_own_labels
from nodulerisk.errors import NoduleRiskError, WeightsError
from nodulerisk.evaluation.html.plots import COLOURS
from nodulerisk.evaluation.predictions import Prediction
from nodulerisk.evaluation.study import evaluate, write_evaluation
from nodulerisk.outputs.colours import risk_colour
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
from nodulerisk.outputs.nodule_tables import outcome_row, results_view
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.style import NO_RISK_KNOWN, OWN_COLOURS
from nodulerisk.tasks import TASKS, task_of
from nodulerisk.train.plans.plan import read_plan
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.own_tasks import FEWEST, MOST, OwnTask, values_of
from nodulerisk.weights.store import load_weight_set

DOCS = Path(__file__).parents[2] / "Docs" / "training.md"
TWO = {"classes": ["a", "b"], "evidence": "reader"}


# --- What is refused


@pytest.mark.parametrize(
    ("name", "row", "message"),
    [
        ("malignancy", TWO, "there is a task 'malignancy' already"),
        ("Malignancy", TWO, "there is a task 'malignancy' already"),
        ("mask", TWO, "results have something else of this name"),
        ("eg fr", TWO, "its name must be up to 16 letters"),
        ("1st", TWO, "its name must be"),
        ("../x", TWO, "its name must be"),
        ("own", TWO | {"classes": ["only"]}, "it needs 2 to 10 classes, and has 1"),
        ("own", TWO | {"classes": [f"c{n}" for n in range(11)]}, "and has 11"),
        ("own", TWO | {"classes": "ab"}, "classes must be a list of words"),
        ("own", TWO | {"classes": ["a", "A"]}, "there is a class 'a' already"),
        ("own", TWO | {"classes": ["wild type", "wild-type"]}, "there is a class 'wild type'"),
        ("own", TWO | {"classes": ["a", "<b>"]}, "the class '<b>' must be"),
        ("own", TWO | {"classes": ["a", "=1+1"]}, "the class '=1\\+1' must be"),
        ("own", TWO | {"classes": ["a", "withheld"]}, "'withheld' stands for no class"),
        ("own", TWO | {"classes": ["a", "decision"]}, "one column of the tables"),
        ("own", {"classes": ["a", "b"]}, "evidence must say what its labels rest on"),
        ("own", TWO | {"evidence": "outcome"}, "evidence must say"),
        ("own", TWO | {"column": "patient"}, "column 'patient' holds no labels"),
        ("own", TWO | {"column": "class"}, "tables have pathologies in the column 'class'"),
        ("own", TWO | {"colum": "x"}, "'colum' is not understood"),
        ("own", TWO | {"words": {"c": ["d"]}}, "words of 'c', which is not one of its classes"),
        ("own", TWO | {"words": {"a": ["yes"], "b": ["Yes"]}}, "'Yes' would be both a and b"),
        ("own", TWO | {"words": {"a": ["b"]}}, "'b' would be both a and b"),
        ("own", TWO | {"words": {"a": ["IAC"], "b": ["invasive adenocarcinoma"]}}, "both a and b"),
        ("own", TWO | {"unknown": ["a"]}, "'a' would be both unknown and a"),
        ("own", TWO | {"words": {"a": [True]}}, "words of a must be a list of words"),
        ("own", TWO | {"words": {"a": [""]}}, "'' would be both unknown and a"),
        ("own", TWO | {"step": 0}, "step must be a whole number from 1"),
        ("own", TWO | {"lets_through": ["c"]}, "lets_through must be some of a, b"),
        ("own", TWO | {"column": "subtype"}, "'a' is no class of subtype"),
        ("own", ["a", "b"], "it must be a table"),
    ],
)
def test_what_is_no_task_is_refused(name, row, message):
    with pytest.raises(ValueError, match=message):
        own_tasks(**{name: row})


def test_two_tasks_must_not_be_alike():
    with pytest.raises(ValueError, match="there is a task 'PD-L1' already: 'pd_l1' needs"):
        own_tasks(**{"PD-L1": TWO, "pd_l1": TWO})
    with pytest.raises(ValueError, match="would be one column of the tables"):
        own_tasks(a=TWO | {"classes": ["b_c", "d"]}, a_b=TWO | {"classes": ["c", "e"]})


def test_a_card_keeps_its_tasks_and_is_not_believed_more_than_they_say(tmp_path):
    weights = made_weights(tmp_path, own_tasks=own_tasks())
    assert {name: values_of(task) for name, task in weights.own_tasks.items()} == {
        name: values_of(task) for name, task in own_tasks().items()
    }
    assert weights.with_thresholds({"EGFR": 0.3}).threshold("EGFR") == 0.3
    with pytest.raises(WeightsError, match="no threshold for 'site': choose one of .*EGFR"):
        weights.with_thresholds({"site": 0.3})
    card = tmp_path / "card.json"
    whole = json.loads(card.read_text())
    for damage, message in (
        ({"evidence": "simulated"}, "EGFR cannot rest on pathology evidence"),
        ({"classes": ["wild type"]}, "it needs 2 to 10 classes"),
    ):
        own = whole["own_tasks"] | {"EGFR": whole["own_tasks"]["EGFR"] | damage}
        card.write_text(json.dumps(whole | {"own_tasks": own}))
        with pytest.raises(WeightsError, match=message):
            load_weight_set(tmp_path)


# --- Labels


def labelled(task: OwnTask, **fields) -> int | str | None:
    """Returns the label of a nodule, or why it is left out."""
    nodule = made_background(**fields)
    found = with_own_labels(NoduleDataset("made", (nodule,)), {task.name: task})
    if found.broken:
        return found.broken[0].reason
    return found.nodules[0].labels.get(task.name)


@pytest.mark.parametrize(
    ("cell", "label"),
    [
        ("yes", 1),
        ("No", 0),
        ("0.0", 0),  # as pandas writes a column with gaps
        ("+", 1),
        ("Exon-19", 1),
        ("wild-type", 0),
        ("exon 19; L858R", 1),
        ("L858R, n/a", 1),
        ("", None),
        ("N/A", None),
        ("yes, no", "'yes, no' contradicts itself: of EGFR it is wild type and mutated"),
        ("exon 20", "list 'exon 20' among the task's words, or as unknown"),
        ("yes?", "list 'yes\\?' among"),
    ],
)
def test_a_column_feeds_a_task_by_its_words(cell, label):
    found = labelled(own_tasks()["EGFR"], cells={"egfr": cell})
    assert re.search(label, found) if isinstance(label, str) else found == label


def test_a_table_without_the_column_has_no_labels():
    assert labelled(own_tasks()["EGFR"], cells={"pathology": "AIS"}) is None
    assert labelled(own_tasks()["EGFR"]) is None


@pytest.mark.parametrize(
    ("pathology", "label"),
    [
        ("AAH", 0),
        ("adenocarcinoma in situ", 0),
        ("AAH-AIS", 0),  # either, and both are one class
        ("minimally invasive adenocarcinoma (R0)", 1),
        ("IAC, grade 2", 1),
        ("invasive adenocarcinoma G3", 1),
        ("原位腺癌", 0),
        ("benign", None),
        ("", None),
    ],
)
def test_pathologies_are_merged(pathology, label):
    words = {"AAH+AIS": ["AAH", "AIS"], "MIA+IAC": ["MIA", "IAC"]}
    merged = {"classes": [*words], "column": "pathology", "words": words, "evidence": "pathology"}
    assert labelled(own_tasks(merged=merged)["merged"], pathology=pathology) == label


def test_labels_of_other_tasks_are_merged():
    words = {"subsolid": ["ground glass", "part-solid"]}
    task = {"classes": ["subsolid", "solid"], "column": "density", "words": words}
    merged = own_tasks(kind=task | {"evidence": "reader"})["kind"]
    assert [labelled(merged, labels={"density": n}) for n in range(3)] == [0, 0, 1]
    assert labelled(merged) is None


def test_a_class_that_nobody_has_is_not_learnt():
    nodules = [made_background(labels={"EGFR": 0}), made_background(labels={})]
    with pytest.raises(NoduleRiskError, match="No nodule to train on is 'mutated' of EGFR, by the"):
        refuse_unseen_classes([own_tasks()["EGFR"]], nodules)
    seen = made_background(labels={"EGFR": 1})
    refuse_unseen_classes([own_tasks()["EGFR"]], [*nodules, seen])
    with pytest.raises(NoduleRiskError, match="'mutated'"):
        refuse_unseen_classes([own_tasks()["EGFR"]], [*nodules, replace(seen, split="test")])


def test_a_cohort_is_labelled_by_the_same_words(tmp_path):
    (tmp_path / "a.nii.gz").touch()
    table = tmp_path / "cohort.csv"
    table.write_text("case,ct,x,y,z,label_egfr\nA,a.nii.gz,1,2,3,L858R\nA,a.nii.gz,1,2,3,n/a\n")
    first, second = read_cohort(table, own_tasks=own_tasks()).cases[0].nodules
    assert (first.labels, second.labels) == ({"EGFR": "mutated"}, {})
    with pytest.raises(CohortError, match="'label_egfr' is not a label of any task"):
        read_cohort(table)
    table.write_text(table.read_text().replace("n/a", "maybe"))
    with pytest.raises(CohortError, match="row 3: egfr 'maybe' names no class of EGFR"):
        read_cohort(table, own_tasks=own_tasks())


# --- What is shown


@pytest.fixture(scope="module")
def own_set(tmp_path_factory) -> WeightSet:
    """A set with own tasks of two classes and of ten, beside the others and in the cascade."""
    gate = {"classes": ["no", "yes"], "evidence": "reader", "lets_through": ["yes"]}
    tasks = own_tasks(
        EGFR=EGFR,
        site=SITE | {"step": 2, "adenocarcinoma_only": True},
        gate=gate,
        made=TWO | {"evidence": "simulated"},
    )
    return made_weights(tmp_path_factory.mktemp("own"), own_tasks=tasks)


class MadeNetworks:
    """Answers at once: a ball as the mask, and of a task's classes each later one more probable."""

    device, checks = "made", []

    def __init__(self, weights: WeightSet):
        self._weights = weights

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        shares = np.arange(1, sum(self._weights.networks[network].heads) + 1, dtype=np.float32)
        answers = (shares / shares.sum())[None]
        if network != "densesharp":
            return (answers,)
        z, y, x = np.indices((32, 32, 32)) - 15.5
        ball = np.sqrt(x * x + y * y + z * z) <= RADIUS_MM
        return answers, ball[None, None].astype(np.float32)


@pytest.fixture(scope="module")
def asked(own_set, ct):
    """`asked(cascade, EGFR=0.3)`: a nodule's assessment by that set."""
    networks = MadeNetworks(own_set)

    def ask(cascade: bool = False, **thresholds: float) -> Assessment:
        those = own_set.with_thresholds(thresholds)
        return assess(ct, CENTRE_LPS_MM, those, networks=networks, cascade=cascade)

    return ask


@pytest.fixture(scope="module")
def found(asked) -> Assessment:
    return asked()


def outcome(found: Assessment) -> Outcome:
    return Outcome(Point("N1", CENTRE_LPS_MM), assessment=found)


def test_two_classes_and_ten_stand_in_every_table(found, ct, tmp_path):
    assert len(found.tasks["site"].mean) == MOST
    assert any("subtype, site" in check.message for check in found.checks)
    row = outcome_row(outcome(found))
    assert row["EGFR_evidence"] == "pathology" and row["site_evidence"] == "reader"
    assert row["EGFR_wild type"] == round(found.tasks["EGFR"].mean[0], 4)
    assert row["site_wild type"] == round(found.tasks["site"].mean[0], 4)
    assert {f"site_{name}" for name in SITE["classes"]} <= row.keys()
    write_report([ReportNodule(ct, found)], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "p(site 10)" in page and "<th>EGFR<span" in page.replace("\n", "")
    assert risk_colour(replace(found, tasks={"EGFR": found.tasks["EGFR"]})) == NO_RISK_KNOWN


def test_the_terminal_never_cuts_a_number_off(found):
    text = StringIO()
    Console(file=text, width=80).print(results_view([outcome(found)]))
    printed = text.getvalue()
    assert "…" not in printed
    for name in ("EGFR", "gate", "site"):
        task = found.tasks[name]
        assert all(f"{p:.2f}" in printed for p in task.mean[-1:] + task.mean[: len(task.mean) - 2])


def test_the_cascade_asks_it_in_its_step(asked):
    benign = asked(cascade=True, malignancy=1.0)
    assert benign.tasks["site"].note == "skipped: the nodule was decided benign"
    assert benign.tasks["EGFR"].mean is not None
    assert asked(cascade=True, malignancy=0.0, gate=0.0).tasks["site"].mean is not None


def test_an_own_task_may_bar_the_later_ones(asked):
    barred = asked(cascade=True, malignancy=0.0, gate=1.0)
    assert barred.tasks["site"].note == "skipped: the nodule was decided no"


def test_a_simulated_task_is_a_demonstration_and_a_withheld_one_is_not_decided(found):
    assert found.stated("gate").decision in ("no", "yes")
    doubted = replace(found, checks=(*found.checks, THICK_SLICES.check(thickest=3)))
    assert doubted.stated("made").demonstration and doubted.stated("made").decision is None
    assert doubted.stated("gate").reasons == ("the slices are thick",)
    row = outcome_row(outcome(doubted))
    assert (row["made_decision"], row["gate_decision"]) == ("demonstration", "withheld")


def test_a_cohorts_page_counts_and_evaluates_them(own_set, found, tmp_path):
    nodules = [
        CohortNodule(
            f"N{n}",
            (0, 0, 0),
            labels={"EGFR": EGFR["classes"][n], "site": SITE["classes"][n]},
            label_evidence="pathology",
        )
        for n in (0, 1)
    ]
    rows = [made_row("A", one.name, assessment=json.dumps(found.to_dict())) for one in nodules]
    with Store(tmp_path, own_set) as store:
        store.add(rows)
        cohort = Cohort("table.csv", (CtCase("A", Path("a.nrrd"), tuple(nodules)),))
        write_summary(store, cohort, tmp_path / "summary.html")
        tally = Tally(cohort, own_set.table)
        for row in store.rows(COLUMNS):
            tally.add(row)
    assert tally.answers["site"].nodules == 2
    assert evaluations(tally, own_set)["site"].evidence == "reader"  # as it says of itself
    page = (tmp_path / "summary.html").read_text("utf-8")
    assert '<th scope="row">EGFR</th>' in page and '<th scope="row">Site</th>' in page


def test_codes_are_short_and_tell_tasks_of_one_name_apart():
    stems = {task.stem for task in TASKS.values()}
    for classes in (("no", "yes"), ("yes", "no"), SITE["classes"]):
        task = task_of("EGFR", classes)
        codes = [f"{task.own_class_code(label).value}-P" for label in task.classes]
        assert max(map(len, codes)) <= 16 and task.stem not in stems
        stems.add(task.stem)
    longest = task_of("n" * 16, ("c" * 24, "d" * 24))
    assert len(f"Probability of {longest.classes[0]} ({longest.name})") <= 64


def test_there_is_a_colour_for_every_class():
    assert len(COLOURS) == len(set(COLOURS)) == len(OWN_COLOURS) == MOST and FEWEST == 2


# --- Evaluation


def test_ten_classes_are_evaluated_and_rest_on_no_more_than_stated(tmp_path):
    table, rng = TASKS | own_tasks(), np.random.default_rng(0)
    answered = [
        Prediction(
            f"n{n}", f"p{n}", split, "pathology", {"site": n % 9, "EGFR": n % 2}, 8.0 + n % 7,
            {
                "site": {"one": tuple(rng.dirichlet(np.ones(10)))},
                "EGFR": {"one": tuple(rng.dirichlet(np.ones(2)))},
            },
        )
        for split in ("validation", "test")
        for n in range(60)
    ]  # fmt: skip
    found = evaluate(answered, tasks=table)
    assert found.tasks["site"].evidence == "reader" and found.tasks["EGFR"].evidence == "pathology"
    assert np.shape(found.tasks["site"].confusion) == (MOST, MOST)
    assert len(found.tasks["site"].rocs) == 9  # nobody has the last class
    assert found.tasks["EGFR"].threshold.source == "largest Youden index on validation nodules"
    write_evaluation(found, answered, tmp_path, table)
    page = (tmp_path / "evaluation.html").read_text("utf-8")
    assert '<h2 id="EGFR">EGFR: wild type / mutated' in page
    (row, *_) = csv.DictReader(StringIO((tmp_path / "nodules.csv").read_text("utf-8-sig")))
    assert row["EGFR_label"] == "wild type" and row["site_site 10"]


# --- From a table to the results


def documented_plan(folder: Path) -> Path:
    """The documentation's plan, with a network small enough for a test."""
    text = next(
        block
        for block in re.findall(r"^```toml\n(.*?)^```", DOCS.read_text("utf-8"), re.M | re.S)
        if "[tasks.EGFR]" in block
    )
    for shown, small in {
        "width = 0.5": "width = 0.125",
        "sides = [80, 60, 40]": "sides = [60, 40, 20]",
        "size = 60": "size = 20",
        "epochs = 100": "epochs = 1\nbatch = 3",
    }.items():
        assert shown in text
        text = text.replace(shown, small)
    path = folder / "plan.toml"
    path.write_text(text, "utf-8")
    return path


def hospital(folder: Path) -> Path:
    """Nodules with pathologies and a column ``egfr``."""
    made_dataset(folder)
    table = folder / "info.csv"
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    for n, row in enumerate(rows):
        row |= {"diagnosis": ("AIS", "MIA", "IAC")[n % 3], "egfr": ("no", "L858R")[n % 2]}
    rows[0]["egfr"] = ""
    kept = ("name", "diagnosis", "patient", "split", "egfr")
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def ran(*arguments) -> str:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def stranger(tmp_path_factory) -> Path:
    """The set that the documented plan gives, where that plan is not, and the data beside it."""
    folder = tmp_path_factory.mktemp("stranger")
    given = ("--data", f"hospital={hospital(folder / 'data')}", "--out", folder / "trained")
    ran("train", "--config", documented_plan(folder), *given, "--accelerator", "cpu")
    return (folder / "trained").rename(folder / "set")


def test_the_documented_plan_is_learnt(stranger):
    weights = load_weight_set(stranger)
    assert weights.tasks["EGFR"].evidence.level == "pathology"
    assert weights.tasks["EGFR"].evidence.nodules == 2
    assert weights.tasks["invasion"].networks == ("inception",)
    assert "EGFR" not in TASKS


def test_a_stranger_evaluates_the_set_by_the_column_on_its_card(stranger, tmp_path):
    data = stranger.with_name("data")
    ran("evaluate", stranger, data, "--out", tmp_path, "--clicks", 0)
    figures = (tmp_path / "figures.md").read_text("utf-8")
    assert "## EGFR" in figures and "## Invasion" in figures


def test_a_stranger_assesses_with_the_set_alone(stranger, tmp_path):
    hu = made_ct().hu.copy()
    hu[:, :4] = -1000  # without air the values would be in doubt, and the decision withheld
    write_study(replace(made_ct(), hu=hu), tmp_path / "ct")
    where = ("--point", ",".join(map(str, CENTRE_LPS_MM)), "--threshold", "EGFR=0")
    results = tmp_path / "results"
    asked = ("assess", tmp_path / "ct", *where, "--weights", stranger)
    printed = ran(*asked, "--out", results, "--dicom")
    assert "EGFR" in printed and "mutated" in printed
    values = json.loads(next(results.rglob("assessment.json")).read_text("utf-8"))["tasks"]
    (row,) = csv.DictReader(StringIO(next(results.rglob("nodules.csv")).read_text("utf-8-sig")))
    assert values["EGFR"]["decision"] == row["EGFR_decision"] == "mutated"
    assert values["EGFR"]["evidence"] == row["EGFR_evidence"] == "pathology"
    assert "EGFR: mutated" in next(results.rglob("nodule.html")).read_text("utf-8")
    report = str(dcmread(next(results.rglob("*.sr.dcm"))))
    task = task_of("EGFR", ("wild type", "mutated"))
    for words in ("Evidence for EGFR", f"{task.stem}-1-P", "Probability of mutated (EGFR)"):
        assert words in report


def test_a_plan_may_name_a_file_of_tasks(tmp_path):
    text = documented_plan(tmp_path).read_text("utf-8")
    start, end = text.index("[tasks.EGFR]"), text.index("[[runs]]")
    (tmp_path / "tasks.toml").write_text(text[start:end], "utf-8")
    (tmp_path / "plan.toml").write_text(
        'tasks = "tasks.toml"\n' + text[:start] + text[end:], "utf-8"
    )
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.runs[0].heads == (2, 2) and [*plan.own_tasks] == ["EGFR", "invasion"]
    (tmp_path / "tasks.toml").write_text("[task.EGFR]", "utf-8")
    with pytest.raises(NoduleRiskError, match="tasks.toml: 'task' is not understood"):
        read_plan(tmp_path / "plan.toml")


def test_a_plan_says_which_task_is_wrong(tmp_path):
    text = documented_plan(tmp_path).read_text("utf-8")
    path = tmp_path / "plan.toml"
    path.write_text(text.replace('evidence = "pathology"', "", 1), "utf-8")
    with pytest.raises(NoduleRiskError, match="line 6: task EGFR: evidence must say what"):
        read_plan(path)
    path.write_text(text.replace('tasks = ["EGFR",', 'tasks = ["ALK",'), "utf-8")
    with pytest.raises(NoduleRiskError, match="tasks must be some of presence.*, EGFR, invasion"):
        read_plan(path)
