"""The same results in two languages: what people read differs, what machines read does not."""

from __future__ import annotations

import matplotlib.font_manager as fonts
import pytest

from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import Patient
from nodulerisk.ct.points import Point
from nodulerisk.language.spoken import language, speaking
from nodulerisk.outputs import picture
from nodulerisk.outputs.nodule_tables import write_csv
from nodulerisk.outputs.outcome import Outcome
from nodulerisk.outputs.results import write_results
from nodulerisk.outputs.style import MESH_NAME, PAGE_NAME, PICTURE_NAME

KNOWN = Patient(age=62, sex="female", smoking="former", setting="screening", status="baseline")


@pytest.fixture(scope="module")
def both(ct, assessment, tmp_path_factory):
    """The same assessment's files in English and in German, by language."""
    folders = {}
    for name in ("en", "de"):
        folders[name] = tmp_path_factory.mktemp("results") / "out"
        with speaking(name):
            advice = advise(assessment, KNOWN, 1)
            write_results(ct, assessment, folders[name], advice)
            found = Outcome(Point("N1", assessment.point_lps_mm), assessment, advice)
            write_csv([found], folders[name] / "nodules.csv")
    return folders


def test_what_machines_read_is_the_same_to_the_byte(both):
    names = {path.name for path in both["en"].iterdir()} - {PAGE_NAME, PICTURE_NAME}
    assert {"assessment.json", "nodules.csv", "mask.nrrd", MESH_NAME} <= names
    for name in names:
        assert (both["de"] / name).read_bytes() == (both["en"] / name).read_bytes(), name


def test_the_page_is_in_the_language(both):
    page = (both["de"] / PAGE_NAME).read_text(encoding="utf-8")
    assert '<html lang="de">' in page and "Malignität" in page
    assert "p(maligne)" in page and "p(malignant)" not in page
    assert (both["de"] / PICTURE_NAME).read_bytes() != (both["en"] / PICTURE_NAME).read_bytes()


def test_a_picture_is_in_english_where_no_font_holds_the_language(monkeypatch):
    monkeypatch.setattr(fonts.fontManager, "ttflist", [])
    with speaking("zh_CN"), picture.drawable():
        assert language() == "en"
    with speaking("de"), picture.drawable():
        assert language() == "de"
