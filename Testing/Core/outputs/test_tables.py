"""The terminal's table, the CSV file and the results folder."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
import SimpleITK as sitk
from rich.console import Console

from made_assessment import TASKS
from nodulerisk.assessment import load_assessment
from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.points import Point
from nodulerisk.errors import OutputError
from nodulerisk.language.spoken import speaking
from nodulerisk.outputs import picture, results
from nodulerisk.outputs.nodule_tables import results_view, write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.results import RESULT_FILES, refuse_unwritable, write_results
from nodulerisk.tasks import EVIDENCE_WORDS

WHERE = (-81.5, -191.0, -192.5)


@pytest.fixture
def outcomes(assessment):
    return [
        Outcome(Point("N1", WHERE), assessment),
        Outcome(Point("N2", (1, 2, 3)), refusal="It lies outside the CT."),
    ]


def shown(outcomes, width: int = 120) -> str:
    text = StringIO()
    Console(file=text, width=width).print(results_view(outcomes))
    return text.getvalue()


def read_csv(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))


def test_table_shows_probabilities_with_evidence_checks_and_refusals(outcomes):
    text = shown(outcomes)
    for words in (
        "withheld",
        "0.73",
        "spread 0.09",
        "(reader)",
        "0.15/0.60/0.25",
        "not run",
        "12.1 mm",
        "905 mm³",
    ):
        assert words in text
    assert "N1: Warning: Slice thickness or spacing is 3 mm" in text
    assert "N2: refused: It lies outside the CT." in text
    assert EVIDENCE_WORDS["simulated"] in text
    assert "Research use only" in text


def test_the_table_is_complete_in_a_narrow_terminal(outcomes):
    every_task = replace(
        outcomes[0].assessment,
        tasks=TASKS | {"subtype": replace(TASKS["grade"], decision="AAH-AIS")},
    )
    text = shown([Outcome(Point("N1", WHERE), every_task), outcomes[1]], 80)
    assert any(line.startswith("N1 ") for line in text.splitlines())
    assert text.count("0.15/0.60/0.25") == 2
    assert "(simulated)" in text and "1 warning" in text
    assert "…" not in text


def test_a_word_in_the_table_is_never_cut(outcomes):
    with speaking("de"):
        assert "zurückgehalten" in shown(outcomes, 80)


def test_names_are_no_markup(assessment):
    assert "[red]x[/]" in shown([Outcome(Point("[red]x[/]", WHERE), assessment)])


def test_csv_has_one_row_per_nodule(outcomes, tmp_path):
    write_csv(outcomes, tmp_path / "nodules.csv")
    first, second = read_csv(tmp_path / "nodules.csv")
    assert first["x_lps_mm"] == "-81.5"
    assert (first["malignancy_decision"], first["malignancy_malignant"]) == ("withheld", "0.7333")
    assert (first["malignancy_evidence"], first["malignancy_threshold"]) == ("reader", "0.5")
    assert (first["grade_grade 2"], first["grade_spread"]) == ("0.6", "0.1")
    assert (first["subtype_evidence"], first["subtype_MIA"]) == ("none", "")
    assert (first["volume (mm³)"], first["mask_evidence"], first["warnings"]) == (
        "904.78",
        "reader",
        "1",
    )
    assert (first["long axis (mm)"], first["density by threshold"]) == ("12.1", "solid")
    assert first["checks"] == "thick-slices kernel-unknown"
    assert (second["refusal"], second["malignancy_malignant"]) == ("It lies outside the CT.", "")


PATIENT = Patient(age=62, status="baseline", nodules=1)


def test_guidelines_are_shown_if_requested(ct, outcomes, tmp_path):
    advice = advise(outcomes[0].assessment, PATIENT)
    advised = [replace(outcomes[0], advice=advice), outcomes[1]]
    text, found = " ".join(shown(outcomes, 200).split()), " ".join(shown(advised, 200).split())
    assert "Lung-RADS" not in text
    assert "N1: Lung-RADS v2022: 4A (solid, baseline, 8 to < 15 mm; 4X if spiculated)" in found
    assert (
        "N1: Brock 2b: not computed: needs sex, family history, emphysema, upper lobe, spiculation"
        in found
    )
    write_csv(advised, tmp_path / "nodules.csv")
    first, second = read_csv(tmp_path / "nodules.csv")
    assert first["Fleischner 2017"].startswith("consider CT at 3 months")
    assert second["Fleischner 2017"] == ""
    write_results(ct, outcomes[0].assessment, tmp_path, advice)
    answers = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))["guidelines"]
    assert [answer["result"] for answer in answers][0] == "4A"
    # which holds no patient data
    assert load_assessment(tmp_path).to_dict() == outcomes[0].assessment.to_dict()


SMOKER = Patient(age=62, smoking="current", cancer="within 5 years")


def test_scores_that_rest_on_outcomes_stand_first(ct, outcomes, tmp_path):
    advice = advise(outcomes[0].assessment, SMOKER, 2)
    advised = [replace(outcomes[0], advice=advice), outcomes[1]]
    text = shown(advised, 200)
    computed = (
        "N1: Veterans Affairs: 46.1% probability of cancer (outcome); not made for cases like this"
    )
    assert text.startswith(computed)
    assert "N1: Mayo: not computed: made for patients without a cancer" in text
    assert f"(outcome): {EVIDENCE_WORDS['outcome']}" in text
    write_csv(advised, tmp_path / "nodules.csv")
    first, second = read_csv(tmp_path / "nodules.csv")
    columns = list(first)
    assert columns.index("Brock 2b") < columns.index("Veterans Affairs")
    assert columns.index("Herder") < columns.index("malignancy_decision")
    assert float(first["Veterans Affairs probability"]) == pytest.approx(0.4606, abs=5e-5)
    assert first["Brock 2b probability"] == second["Veterans Affairs probability"] == ""
    assert first["Brock 2b"].startswith("not computed: needs sex")
    write_results(ct, outcomes[0].assessment, tmp_path, advice)
    written = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))
    assert list(written)[:3] == ["research_use_only", "scores", "guidelines"]
    score = written["scores"][0]
    assert (score["name"], score["evidence"]) == ("Veterans Affairs", "outcome")
    assert score["inputs"][-1] == {"name": "long axis", "value": 12.1, "origin": "measured"}
    assert "375 veterans" in score["population"] and score["warnings"]
    assert load_assessment(tmp_path).to_dict() == outcomes[0].assessment.to_dict()
    # which holds no patient data


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_fault_47_csv_injection(name, tmp_path):
    write_csv([Outcome(Point(name, WHERE), refusal=name)], tmp_path / "nodules.csv")
    (row,) = read_csv(tmp_path / "nodules.csv")
    assert row["name"] == row["refusal"] == f"'{name}"
    assert row["x_lps_mm"] == "-81.5"


def test_results_hold_the_mask_in_the_same_place_in_both_formats(ct, assessment, tmp_path):
    paths = write_results(ct, assessment, tmp_path)
    assert (
        [path.name for path in paths]
        == list(RESULT_FILES)
        == [p.name for p in paths if p.stat().st_size]
    )
    assert {path.name for path in tmp_path.iterdir()} == set(RESULT_FILES)
    nrrd, nifti = (sitk.ReadImage(str(tmp_path / name)) for name in ("mask.nrrd", "mask.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(nifti), assessment.mask)
    np.testing.assert_allclose(nifti.GetOrigin(), nrrd.GetOrigin(), atol=1e-3)
    assert load_assessment(tmp_path).to_dict() == assessment.to_dict()


def test_results_without_a_mask(ct, assessment, tmp_path):
    write_results(ct, assessment, tmp_path)
    write_results(ct, replace(assessment, nodule=None, measurements=()), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "assessment.json",
        "nodule.html",
        "nodule.png",
    }


@pytest.mark.parametrize("error", [OutputError("full"), KeyboardInterrupt(), MemoryError()])
def test_fault_42_failed_writing_leaves_neither_old_nor_half_results(
    ct, assessment, tmp_path, monkeypatch, error
):
    write_results(ct, assessment, tmp_path)
    (tmp_path / "my notes.txt").write_text("mine")

    def fail(*_):
        raise error

    monkeypatch.setattr(picture, "picture_png", fail)
    with pytest.raises(type(error)):
        write_results(ct, assessment, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["my notes.txt"]


def test_fault_44_spaced_and_non_ascii_folder(ct, assessment, tmp_path):
    assert len(write_results(ct, assessment, tmp_path / "Größe 右" / "a b")) == len(RESULT_FILES)


def test_fault_44_unwritable_or_full_folder_is_refused_with_its_path(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        refuse_unwritable(tmp_path / "file" / "out", 1)
    monkeypatch.setattr(results, "disk_usage", lambda _: type("Usage", (), {"free": 15 << 20}))
    refuse_unwritable(tmp_path / "out", 1)
    with pytest.raises(OutputError, match="15 MB free, but 20 MB are needed"):
        refuse_unwritable(tmp_path / "out", 2)


def test_the_appearance_stands_below_the_table(outcomes):
    stands = replace(outcomes[0], assessment=replace(outcomes[0].assessment, checks=()))
    seen = "solid 0.93, spiculated (0.20, threshold 0.15)"
    assert f"N1: {seen} (radiologists' suspicion, not pathology)" in shown([stands], 120)
    seen = "p(ground glass/part-solid/solid) 0.01/0.06/0.93, p(spiculated) 0.20"
    assert f"N1: {seen}, all withheld" in " ".join(shown(outcomes, 120).split())
