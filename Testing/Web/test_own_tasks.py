"""The page's session shows and writes the own tasks of its weight set."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest
import slicer

from LungNoduleRiskLib.display.calipers import AXES
from made_assessment import made_ct
from made_dicom import write_series
from made_own_tasks import EGFR, own_tasks
from made_weights import made_weights
from test_hostile import INSIDE, User


@pytest.fixture
def user(tmp_path, monkeypatch):
    """Someone at the page of a server with such a set."""
    ct = made_ct(spacing_mm=(2.0, 2.0, 2.5))
    spacing = {"spacing_mm": ct.spacing_mm, "origin_lps_mm": ct.origin_lps_mm}
    write_series(tmp_path / "a", ct.hu, **spacing)
    weights = made_weights(tmp_path / "weights", own_tasks=own_tasks(EGFR=EGFR)).folder
    for name in ("mrmlScene", "modules"):  # they are those of others' tests, too
        monkeypatch.setattr(slicer, name, getattr(slicer, name, None), raising=False)
    user = User(tmp_path, str(weights), tmp_path / "written")
    yield user
    user.leave()


def test_the_page_shows_and_writes_own_tasks(user):
    user.open()
    user.type_point(INSIDE)
    user.assess()
    (answer,) = [a for a in user.rows["N1"]["answers"] if a["shown"].startswith("EGFR")]
    assert (answer["shown"], answer["evidence"]) == ("EGFR p(mutated) 0.80", "pathology")
    titles = [task["title"] for task in user.state.facts["tasks"]]
    assert any(title.startswith("EGFR: ") for title in titles)
    (row,) = csv.DictReader(StringIO(user.written("nodules.csv").read_text("utf-8-sig")))
    assert row["EGFR_mutated"] == "0.8" and row["EGFR_evidence"] == "pathology"
    (found,) = json.loads(user.written("nodules.json").read_text("utf-8"))["assessments"]
    assert found["tasks"]["EGFR"]["mean"][1] == pytest.approx(0.8)
    assert "p(mutated)" in user.written("report.html").read_text("utf-8")


def test_the_chosen_nodules_diameters_are_drawn_with_its_mask(user):
    """And are no lengths that the user could have measured."""

    def drawn() -> list[str]:
        lines = slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")
        return [one.GetNthControlPointLabel(1) for one in lines if one.GetDisplayVisibility()]

    user.open()
    user.type_point(INSIDE)
    assert not drawn()
    user.assess()
    user.do(user.controller.reading.remove_lengths)
    axes = [one for one in user.state.facts["measurements"] if one["name"] in AXES]
    assert [label.split(" (")[0] for label in drawn()] == [one["value"] for one in axes]
    user.fill(masks=False)
    assert not drawn()
