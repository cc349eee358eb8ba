"""A check is one row: added here, it appears in every output and withholds decisions, without any
other change."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from matplotlib.text import Text
from pydicom import dcmread
from rich.console import Console

import nodulerisk
from made_assessment import made_assessment
from made_dicom import write_study
from nodulerisk.assessment import load_assessment, save_assessment
from nodulerisk.checks import CHECKS, NO_NODULE, Check, CheckKind
from nodulerisk.ct.points import Point
from nodulerisk.ct.read import read_ct
from nodulerisk.outputs.dicom import read_source, write_dicom
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report
from nodulerisk.outputs.nodule_tables import results_view, write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.picture import nodule_figure
from nodulerisk.outputs.style import SR_NAME
from nodulerisk.trust.withhold import withheld

MOTION = CheckKind(
    "motion", "warning", "The patient moved by {mm:.0f} mm.", 21, "the patient moved"
)
REASON = "Withheld: every decision (the patient moved)"
MESSAGE = "Warning: The patient moved by 3 mm."
FAULTS = Path(__file__).parents[1] / "FAULTS.md"


@pytest.fixture
def motion(monkeypatch) -> CheckKind:
    monkeypatch.setitem(CHECKS, MOTION.code, MOTION)
    return MOTION


def test_a_check_of_one_row_is_in_every_output_and_withholds(motion, ct, tmp_path):
    write_study(ct, tmp_path / "ct")
    ct, source = read_ct(tmp_path / "ct"), read_source(tmp_path / "ct")
    found = replace(made_assessment(ct), checks=(motion.check(mm=3.2),))
    found = replace(found, provenance=replace(found.provenance, series_uid=None))
    assert withheld(found) == ("the patient moved",)

    save_assessment(found, ct, tmp_path / "saved")
    assert load_assessment(tmp_path / "saved").checks == found.checks
    text = StringIO()
    outcome = Outcome(Point("N1", found.point_lps_mm), found)
    Console(file=text, width=160).print(results_view([outcome]))
    write_csv([outcome], tmp_path / "n.csv")
    write_report([ReportNodule(ct, found)], tmp_path / "report.html")
    write_dicom([found], source, tmp_path)
    drawn = " ".join(words.get_text() for words in nodule_figure(ct, found).findobj(Text))
    elements = dcmread(tmp_path / SR_NAME).iterall()
    for output in (
        text.getvalue(),
        (tmp_path / "report.html").read_text("utf-8"),
        " ".join(e.value for e in elements if e.keyword == "TextValue"),
        " ".join(drawn.split()),
    ):
        assert REASON in output and MESSAGE in output
    table = (tmp_path / "n.csv").read_text("utf-8-sig")
    assert REASON in table and ",motion," in table


def test_a_check_of_another_version_is_shown_and_withholds_nothing(assessment):
    unknown = Check("of-tomorrow", "warning", "Something new: {braces}.", 30)
    assert unknown.kind.words == unknown.message and not unknown.kind.of_mask
    assert withheld(replace(assessment, checks=(unknown,))) == ()
    assert not NO_NODULE.among((unknown,)) and unknown.kind.among((unknown,))


def test_every_row_answers_a_row_of_the_fault_table():
    rows = {int(row) for row in re.findall(r"^\| (\d+) \|", FAULTS.read_text("utf-8"), re.M)}
    for code, kind in CHECKS.items():
        assert kind.code == code and kind.fault in rows and kind.words.endswith(".")


def test_no_other_file_names_a_code():
    core = Path(nodulerisk.__file__).parent
    for file in core.rglob("*.py"):
        if file != core / "checks.py":
            text = file.read_text("utf-8")
            named = [code for code in CHECKS if "-" in code and f'"{code}"' in text]
            assert not named, f"{file} names {named}"
