"""No output names a class as a fact where the decision is withheld, where no nodule was found, or
where an answer is only a demonstration."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from html import unescape
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from matplotlib.text import Text
from rich.console import Console

from made_assessment import TASKS, made_assessment
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment, Place, TaskResult, load_assessment
from nodulerisk.checks import NO_NODULE, NOT_A_NODULE
from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.measure import axes_mm
from nodulerisk.outputs import words
from nodulerisk.outputs.nodule_tables import outcome_row, results_view, write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.picture import nodule_figure
from nodulerisk.outputs.results import write_results
from nodulerisk.outputs.slices import nodule_slices
from nodulerisk.outputs.style import MASK_NIFTI_NAME, MESH_NAME, PAGE_NAME
from nodulerisk.tasks import DEMONSTRATION

DECIDED = ("benign", "malignant", "spiculated", "not spiculated")
DEMONSTRATED = ("invasive", "pre-invasive", "grade 1", "grade 2", "grade 3", "AAH-AIS", "MIA", "IA")
# A class among these is the name of a probability, a column or a colour.
NAMES = re.compile(r"p\([^)]*\)|<script.*?</script>|<style>.*?</style>|<[^>]*>", re.DOTALL)


def withheld(ct: CT) -> Assessment:
    return made_assessment(ct)


def decided(ct: CT) -> Assessment:
    return made_assessment(ct, checks=())


def no_nodule(ct: CT) -> Assessment:
    found = made_assessment(ct)
    assert found.nodule is not None
    not_run = {
        name: TaskResult(task.classes, None, {}, None, None, "none", "no nodule was found")
        for name, task in TASKS.items()
    }
    presence = TaskResult(
        ("no nodule", "nodule"), (0.9, 0.1), {"a": (0.9, 0.1)}, "no nodule", 0.5, "reader"
    )
    checks = (NO_NODULE.check(), NOT_A_NODULE.check(probability=0.1))
    return replace(
        found,
        tasks={"presence": presence, **not_run},
        nodule=found.nodule.emptied(),
        measurements=(),
        checks=checks,
    )


def outputs(ct: CT, found: Assessment, folder: Path) -> dict[str, str]:
    """Everything that is written or shown, as text, by where it is read."""
    write_results(ct, found, folder)
    outcome = Outcome(Point("N1", found.point_lps_mm), found)
    write_csv([outcome], folder / "nodules.csv")
    terminal = StringIO()
    Console(file=terminal, width=120).print(results_view([outcome]))
    table = (folder / "nodules.csv").read_text("utf-8-sig")
    return {
        "terminal": terminal.getvalue(),
        "page": (folder / PAGE_NAME).read_text("utf-8"),
        "picture": "\n".join(t.get_text() for t in nodule_figure(ct, found).findobj(Text)),
        "csv": table.partition("\n")[2],
        "cohort": str([*outcome_row(outcome).values()]),
        "notebook": "\n".join(words.task_title(found, name) for name in found.tasks),
    }


def named(text: str, classes: tuple[str, ...]) -> list[str]:
    """The classes that a text names as a fact."""
    plain = unescape(NAMES.sub(" ", text))
    return [one for one in classes if re.search(rf"(?<![\w-]){one}(?![\w-])", plain)]


@pytest.mark.parametrize("made", [withheld, no_nodule])
def test_fault_76_68_no_output_names_a_class_that_may_not_be_named(ct, tmp_path, made):
    found = outputs(ct, made(ct), tmp_path)
    for where, text in found.items():
        assert not named(text, DECIDED + DEMONSTRATED), where
        if made is withheld and where != "notebook":
            assert "the slices are thick" in text, where


def test_a_decision_that_stands_is_named_in_every_output(ct, tmp_path):
    for where, text in outputs(ct, decided(ct), tmp_path).items():
        assert "malignant" in named(text, DECIDED), where
        assert not named(text, DEMONSTRATED), where


def test_demonstrations_stand_apart_below_what_rests_on_patients(ct, tmp_path):
    found = outputs(ct, decided(ct), tmp_path)
    for where in ("terminal", "page", "picture"):
        text = found[where]
        assert text.rindex("Malignancy") < text.rindex(DEMONSTRATION), where
        assert "0.15" in text[text.index(DEMONSTRATION) :], where


def test_fault_68_an_empty_mask_has_no_mesh_file(ct, tmp_path):
    write_results(ct, decided(ct), tmp_path)
    write_results(ct, no_nodule(ct), tmp_path)
    assert not (tmp_path / MESH_NAME).exists() and (tmp_path / MASK_NIFTI_NAME).exists()


def test_every_file_holds_the_notice(ct, tmp_path):
    outputs(ct, decided(ct), tmp_path)
    for name, field in (("mask.nrrd", "research_use_only"), (MASK_NIFTI_NAME, "descrip")):
        assert sitk.ReadImage(str(tmp_path / name)).GetMetaData(field) == RESEARCH_USE_ONLY
    (row,) = csv.DictReader((tmp_path / "nodules.csv").read_text("utf-8-sig").splitlines())
    assert [*row.items()][-1] == ("research_use_only", RESEARCH_USE_ONLY)


@pytest.mark.parametrize("made", [withheld, no_nodule, decided])
def test_the_json_comes_back_the_same(ct, tmp_path, made):
    write_results(ct, made(ct), tmp_path)
    values = json.loads((tmp_path / "assessment.json").read_text("utf-8"))
    assert load_assessment(tmp_path).to_dict() == made(ct).to_dict()
    for name, task in values["tasks"].items():
        assert task["withheld"] == bool(task["reasons"]) == (made is withheld and name != "subtype")


def test_fault_78_page_and_picture_say_series_slice_side_and_when(ct, tmp_path):
    made = decided(ct)
    provenance = replace(made.provenance, made="2026-11-26T22:53:09+00:00")
    placed = replace(made, place=Place("left", 28, 56, 4), provenance=provenance)
    found = outputs(ct, placed, tmp_path)
    for where in ("page", "picture"):
        assert "left lung, series 4, slice 28" in found[where], where
        assert "2026-11-26 22:53 UTC" in found[where], where
        assert str(made.provenance.series_uid) not in found[where], where
    values = json.loads((tmp_path / "assessment.json").read_text("utf-8"))
    assert values["place"] == {"side": "left", "slice_number": 28, "slices": 56, "series": 4}
    (row,) = csv.DictReader((tmp_path / "nodules.csv").read_text("utf-8-sig").splitlines())
    assert (row["side"], row["series"], row["slice"]) == ("left", "4", "28")


def test_the_first_line_says_what_a_reader_wants_to_know_first(ct):
    patient = Patient(age=62, status="baseline", upper_lobe=True)
    made = replace(withheld(ct), place=Place("right", 3, 9))
    kind, place, category, *_, malignancy = words.headline(made, advise(made, patient))
    assert kind == "solid nodule (by threshold), 12.1 × 11.9 mm"
    assert place == "right lung, upper lobe, slice 3"
    assert category.startswith("Lung-RADS v2022: 4A")
    assert malignancy == (
        "malignancy: 0.73, decision withheld: the slices are thick (radiologists' suspicion, not"
        " pathology)"
    )
    assert words.headline(no_nodule(ct)) == ["no nodule was found at the point"]
    assert "malignancy: malignant 0.73 (" in words.headline(decided(ct))[-1]


def test_callipers_are_drawn_where_the_axes_were_measured(ct):
    made = decided(ct)
    axial, *others = nodule_slices(ct, made)
    long, short = (float(np.linalg.norm(np.diff(ends, axis=0))) for ends in axial.calipers)
    assert (long, short) == pytest.approx(axes_mm(made.nodule.region, ct), abs=0.01)
    (outline,) = axial.outlines
    for ends in axial.calipers:  # they reach the outline, and not farther than a voxel beyond it
        for end in ends:
            assert np.linalg.norm(outline - end, axis=1).min() < 1
    assert all(not one.calipers for one in others)
