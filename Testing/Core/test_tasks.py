"""A task is one row: added here, it is run, shown, exported, labelled and trained, without any
other change."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.sr.codedict import codes
from rich.console import Console
from typer.testing import CliRunner

from made_assessment import CENTRE_LPS_MM, made_ct
from made_dicom import write_study
from nodulerisk.assess import assess
from nodulerisk.assessment import write_image
from nodulerisk.cli import app
from nodulerisk.cohort.table.columns import label_columns
from nodulerisk.datasets.emv.table import read_emv_table
from nodulerisk.datasets.pathology import labels_in_words
from nodulerisk.errors import WeightsError
from nodulerisk.evaluation.task_figures import contrasts
from nodulerisk.nodule.quantities import Code
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
from nodulerisk.outputs.nodule_tables import weights_view
from nodulerisk.outputs.words import main_tasks, task_title
from nodulerisk.tasks import TASKS, Task, cascade_steps, in_group
from nodulerisk.train.plans.plan import NetworkPlan, Run
from nodulerisk.train.samples import targets_of
from nodulerisk.weights.card import TaskCard, WeightSet, save_card
from nodulerisk.weights.store import load_weight_set

GROWTH = Task(
    "growth",
    ("slow", "fast"),
    "GRO",
    step=2,
    class_codes={"fast": Code("255358001", "SCT", "Rapid")},
    threshold=0.0,
    adenocarcinoma_only=True,
)


@pytest.fixture
def growth(monkeypatch) -> Task:
    monkeypatch.setitem(TASKS, GROWTH.name, GROWTH)
    return GROWTH


@pytest.fixture
def answered(growth, weights, tmp_path) -> WeightSet:
    """The small set, whose inception also answers the task."""
    folder = tmp_path / "set"
    folder.mkdir()
    for file in weights.folder.glob("*.safetensors"):
        (folder / file.name).hardlink_to(file)
    network = replace(weights.networks["inception"], tasks=(growth.name,))
    learnt = replace(weights.tasks["malignancy"].evidence, level="reader")
    card = TaskCard(("grower",), learnt)
    networks, tasks = weights.networks | {"grower": network}, weights.tasks | {growth.name: card}
    save_card(replace(weights, folder=folder, networks=networks, tasks=tasks))
    return load_weight_set(folder)


def test_the_command_runs_it_in_its_step_and_every_file_has_it(answered, tmp_path):
    series, out = tmp_path / "ct", tmp_path / "out"
    hu = made_ct().hu.copy()
    hu[:, :4] = -1000  # without air the values would be in doubt, and the decision withheld
    write_study(replace(made_ct(), hu=hu), series)
    point = ",".join(map(str, CENTRE_LPS_MM))
    for threshold, decision in ((0, "fast"), (1, "")):
        arguments = ["assess", series, "--point", point, "--weights", answered.folder, "--cascade"]
        arguments += ["--out", out, "--dicom", "--threshold", f"malignancy={threshold}"]
        done = CliRunner().invoke(app, [*map(str, arguments)])
        assert done.exit_code == 0, done.output
        assert "Growth" in done.stdout
        values = json.loads(next(out.rglob("assessment.json")).read_text("utf-8"))
        (row,) = csv.DictReader(StringIO(next(out.rglob("*.csv")).read_text("utf-8-sig")))
        assert (values["tasks"]["growth"]["decision"] or "") == row["growth_decision"] == decision
        report = str(dcmread(next(out.rglob("*.sr.dcm"))))
        assert "Evidence for growth" in report
        assert ("Rapid" in report) == ("GRO-1-P" in report) == bool(decision)


def test_the_words_of_panel_page_and_report_have_it(answered, ct, tmp_path):
    assessment = assess(ct, CENTRE_LPS_MM, answered, "cpu")
    assert assessment.tasks["growth"].decision == "fast"  # by the row's own threshold
    assert "growth" in main_tasks(assessment)
    assert task_title(assessment, "growth") == "Growth: fast"
    assert any("subtype, growth" in check.message for check in assessment.checks)
    write_report([ReportNodule(ct, assessment)], tmp_path / "report.html")
    assert "Growth: fast" in (tmp_path / "report.html").read_text("utf-8")
    text = StringIO()
    Console(file=text, width=160).print(weights_view(answered))
    assert "growth" in text.getvalue()


def test_tables_may_label_it_and_networks_learn_it(growth, ct, tmp_path):
    write_image(ct.to_sitk(), tmp_path / "ct.nrrd")
    x, y, z = CENTRE_LPS_MM
    table = tmp_path / "nodules.csv"
    table.write_text(
        f"name,ct,x,y,z,coordinates,size_mm,pathology,growth\na,ct.nrrd,{x},{y},{z},lps,9,AIS,Fast\n",
        "utf-8",
    )
    dataset = read_emv_table(table)
    assert dataset.broken == ()
    (nodule,) = dataset.nodules
    assert nodule.labels["growth"] == 1
    assert labels_in_words("AIS, slow")["growth"] == 0
    assert label_columns()["label_growth"] == "growth"
    run = Run("r", ("d",), ("growth",), {"n": NetworkPlan("densesharp", 0.125)})
    assert run.heads == (2,)
    np.testing.assert_array_equal(targets_of(nodule, run.tasks), [0, 1])
    assert [contrast.name for contrast in contrasts(growth)] == ["fast"]


def test_the_cascade_is_the_papers():
    assert list(cascade_steps()) == [
        ("malignancy", *in_group("appearance")),
        ("invasiveness", "subtype"),
        ("grade",),
    ]


def test_own_codes_begin_with_stems_that_are_short_and_no_two_alike():
    stems = [task.stem for task in TASKS.values()]
    assert len(set(stems)) == len(stems)
    for task in TASKS.values():
        assert len(task.stem) <= 10 and task.class_codes.keys() <= set(task.classes)
        for label in task.classes:
            assert len(f"{task.own_class_code(label).value}-P") <= 16


def test_standard_codes_mean_what_the_standard_says():
    known = {
        (code.value, scheme, code.meaning)
        for scheme in ("SCT", "DCM")
        for code in getattr(codes, scheme).concepts.values()
    }
    for task in TASKS.values():
        for code in task.class_codes.values():
            if code.scheme in ("SCT", "DCM"):
                assert (code.value, code.scheme, code.meaning) in known


def test_a_card_may_not_rest_a_task_on_evidence_that_its_row_excludes(answered, monkeypatch):
    monkeypatch.setitem(TASKS, "growth", replace(GROWTH, evidence=("pathology", "none")))
    with pytest.raises(WeightsError, match="growth cannot rest on reader evidence"):
        load_weight_set(Path(answered.folder))
