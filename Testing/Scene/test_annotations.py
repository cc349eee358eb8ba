"""Readers' annotations: kept with the points, exported as a table. Real MRML
(slicer-core)."""

from __future__ import annotations

import csv

import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from LungNoduleRiskLib.annotations import (
    LABELS,
    UNSURE,
    Annotation,
    annotate,
    annotationOf,
    labelsOf,
)
from LungNoduleRiskLib.display.results import showAssessment
from LungNoduleRiskLib.exporting import exportLabels, exportNodules
from made_assessment import CENTRE_LPS_MM, made_assessment
from made_own_tasks import EGFR, own_tasks
from nodulerisk.datasets.densesharp.read import read_densesharp
from nodulerisk.datasets.emv.table import read_emv_table
from nodulerisk.datasets.own_labels import with_own_labels
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import TASKS

words = st.text(
    st.characters(blacklist_characters="|", blacklist_categories=["C", "Z"]), max_size=20
)


@given(st.sampled_from(["", *LABELS]), words, words)
def test_what_was_said_is_read_back(label, reader, note):
    said = Annotation(label, reader, note)
    assert Annotation.of(str(said)) == said


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("", Annotation()),
        ("AIS, part-solid", Annotation("AIS, part-solid")),
        ("MIA | note: a | b", Annotation("MIA", note="a | b")),
        ("| reader: A", Annotation(reader="A")),
    ],
)
def test_descriptions_written_by_hand_are_understood(description, said):
    assert Annotation.of(description) == said


@pytest.mark.parametrize("label", LABELS)
def test_every_label_offered_is_understood(label):
    labels = Annotation(label).labels()
    assert bool(labels) == (label != UNSURE)
    assert set(labels) <= set(TASKS)


def test_other_words_are_refused():
    with pytest.raises(NoduleRiskError, match="squamish"):
        Annotation("squamish").labels()


def test_a_point_keeps_what_is_said_of_it(placed):
    markupsNode = placed(A=(0, 0, 0), B=(1, 2, 3))
    annotate(markupsNode, 1, Annotation("AIS", "R1", "subtle"))
    assert annotationOf(markupsNode, 1) == Annotation("AIS", "R1", "subtle")
    assert annotationOf(markupsNode, 0) == Annotation()
    assert markupsNode.GetNthControlPointDescription(1) == "AIS | reader: R1 | note: subtle"


def test_labels_become_a_table_that_training_reads(loaded, placed, ct, tmp_path):
    """Once the CT's path is put where its hash is."""
    x, y, z = CENTRE_LPS_MM
    volumeNode, markupsNode = loaded(ct), placed(A=(x, y, z), B=(x + 8, y, z))
    annotate(markupsNode, 0, Annotation("IA grade 2", "R1", "=cmd()"))
    annotate(markupsNode, 1, Annotation(UNSURE, "R1"))
    exportLabels(volumeNode, markupsNode, tmp_path / "labels.csv", "P7")
    text = (tmp_path / "labels.csv").read_text(encoding="utf-8-sig")
    first, second = csv.DictReader(text.splitlines())
    assert (first["pathology"], first["reader"], first["note"], second["pathology"]) == (
        "IA grade 2",
        "R1",
        "'=cmd()",
        "",
    )
    sitk.WriteImage(ct.to_sitk(), str(tmp_path / "ct.nrrd"))
    (tmp_path / "table.csv").write_text(text.replace(first["ct"], "ct.nrrd"), encoding="utf-8")
    nodules = read_emv_table(tmp_path / "table.csv").nodules
    assert [nodule.labels for nodule in nodules] == [Annotation("IA grade 2").labels(), {}]
    assert nodules[0].centre_lps_mm == pytest.approx(CENTRE_LPS_MM)
    assert nodules[0].patient == "P7"


@pytest.mark.parametrize("patient", ["-A017", "+1", "=x", "@x"])
def test_fault_79_a_pseudonym_that_spreadsheets_change_is_refused(
    loaded, placed, ct, tmp_path, patient
):
    nodes = loaded(ct), placed(N1=CENTRE_LPS_MM)
    showAssessment(made_assessment(ct), nodes[0])
    annotate(nodes[1], 0, Annotation("AIS", "R1"))
    for export, path in ((exportLabels, "labels.csv"), (exportNodules, "set")):
        with pytest.raises(NoduleRiskError, match="must not begin with"):
            export(*nodes, tmp_path / path, patient)
    assert list(tmp_path.iterdir()) == []


def test_fault_46_exported_labels_name_no_volume(loaded, placed, ct, tmp_path):
    exportLabels(loaded(ct, "SMITH^JOHN"), placed(A=CENTRE_LPS_MM), tmp_path / "labels.csv")
    assert "SMITH" not in (tmp_path / "labels.csv").read_text(encoding="utf-8-sig")


def test_an_unsure_nodule_is_exported_with_its_mask_and_no_label(loaded, placed, ct, tmp_path):
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    showAssessment(made_assessment(ct), volumeNode)
    annotate(markupsNode, 0, Annotation(UNSURE, "R1", "check again"))
    (nodule,) = read_densesharp(exportNodules(volumeNode, markupsNode, tmp_path / "set")).nodules
    assert nodule.labels == {}
    assert nodule.mask.any()


MERGED = {"classes": ["small", "large"], "column": "pathology", "evidence": "pathology"}
MERGED |= {"words": {"small": ["AIS"], "large": ["MIA"]}}


def test_own_tasks_labels_are_offered_and_understood():
    """Those that merge other labels are not asked for."""
    own = own_tasks(EGFR=EGFR, merged=MERGED)
    labels = labelsOf(own)
    assert labels == [*LABELS, "EGFR: wild type", "EGFR: mutated"]
    assert [Annotation(one).labels(own) for one in labels[-2:]] == [{"EGFR": 0}, {"EGFR": 1}]
    both = Annotation("AIS, egfr: exon 19, part-solid")
    assert both.labels(own) == Annotation("AIS, part-solid").labels() | {"EGFR": 1}
    assert Annotation("IA: on frozen section").labels(own) == Annotation("IA").labels()


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("EGFR: purple", "no class of EGFR"),
        ("EGFR: no, EGFR: yes", "contradicts itself"),
        ("merged: small", "choose the set"),
        ("KRAS: yes", "choose the set"),
    ],
)
def test_words_of_no_own_task_are_refused(label, said):
    with pytest.raises(NoduleRiskError, match=said):
        Annotation(label).labels(own_tasks(EGFR=EGFR, merged=MERGED))


def test_own_tasks_labels_are_exported_so_that_training_reads_them(loaded, placed, ct, tmp_path):
    own = own_tasks(EGFR=EGFR | {"column": "mutation"}, merged=MERGED)
    volumeNode, markupsNode = loaded(ct), placed(N1=CENTRE_LPS_MM)
    showAssessment(made_assessment(ct), volumeNode)
    annotate(markupsNode, 0, Annotation("AIS, EGFR: L858R", "R1"))
    folder = exportNodules(volumeNode, markupsNode, tmp_path / "set", ownTasks=own)
    exportLabels(volumeNode, markupsNode, tmp_path / "labels.csv", ownTasks=own)
    text = (tmp_path / "labels.csv").read_text(encoding="utf-8-sig")
    (row,) = csv.DictReader(text.splitlines())
    assert (row["pathology"], row["mutation"]) == ("AIS", "mutated")
    sitk.WriteImage(ct.to_sitk(), str(tmp_path / "ct.nrrd"))
    (tmp_path / "table.csv").write_text(text.replace(row["ct"], "ct.nrrd"), encoding="utf-8")
    for dataset in (read_densesharp(folder), read_emv_table(tmp_path / "table.csv")):
        (nodule,) = with_own_labels(dataset, own).nodules
        assert nodule.labels == Annotation("AIS").labels() | {"EGFR": 1, "merged": 0}
