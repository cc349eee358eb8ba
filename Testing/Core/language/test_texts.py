"""The program's own words: English to all code, and still known where they are said."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import replace

import pytest

from nodulerisk.assessment import Assessment
from nodulerisk.checks import CHECKS, MASK_NAN, PADDED_IN_Z, THICK_SLICES
from nodulerisk.clinical.patient import field_words
from nodulerisk.errors import PointError
from nodulerisk.language.spoken import LANGUAGES, language, nearest, say, speaking
from nodulerisk.language.texts import Text, _, joined, ngettext, pgettext, read_back
from nodulerisk.tasks import TASKS, level_words, title_of

THICK = THICK_SLICES.check(thickest=2.5).message
DICKE = (
    "Schichtdicke oder Schichtabstand beträgt 2,5 mm; die Netze sind für dünne Schichten (1,5 mm)"
    " gemacht."
)


@pytest.fixture
def german():
    with speaking("de"):
        yield


def test_words_are_english_to_all_code():
    assert (
        THICK
        == "Slice thickness or spacing is 2.5 mm; the networks were made for thin slices (1.5 mm)."
    )
    assert json.dumps(THICK) == f'"{THICK}"' and say(THICK) is THICK


@pytest.mark.parametrize(
    "passed_on",
    [
        lambda text: pickle.loads(pickle.dumps(text)),
        copy.deepcopy,
        lambda text: str(PointError(text)),
        lambda text: read_back(json.loads(json.dumps(text)), [THICK_SLICES.words]),
    ],
    ids=["pickled", "copied", "raised", "written and read"],
)
def test_words_that_are_passed_on_are_still_said(passed_on, german):
    assert say(passed_on(THICK)) == DICKE


def test_plain_words_are_said_if_a_catalog_knows_them(german):
    assert say("ground glass") == "Milchglas" and say("Malignancy") == "Malignität"
    assert say("Nodule 7 of Meyer, A.") == "Nodule 7 of Meyer, A."


def test_a_title_is_said_as_its_word_and_not_as_a_button_of_the_same_letters(german):
    title = title_of(field_words("previous"))
    assert title == "Previous" and say(Text("Previous")) == "Zurück"
    assert say(pickle.loads(pickle.dumps(title))) == "Kategorie der Voraufnahme"
    assert say(title_of("EGFR")) == "EGFR"


def test_words_in_words_are_said(german):
    tasks = joined(", ", [TASKS["invasiveness"].name, "EGFR"])
    assert say(_("Error: {message}").format(message=tasks)) == "Fehler: Invasivität, EGFR"


def test_numbers_are_written_as_in_the_language():
    share = PADDED_IN_Z.check(share=0.3).message
    volume = Text("{volume:,.1f} mm³").format(volume=1234.5)
    assert share.count("30%") == 1
    with speaking("de"):
        assert "30\N{NO-BREAK SPACE}%" in say(share) and say(volume) == "1.234,5 mm³"
    with speaking("zh"):
        assert say(volume) == "1,234.5 mm³"


def test_one_and_many():
    one, many = (ngettext("{n} slice", "{n} slices", n).format(n=n) for n in (1, 2))
    assert (one, many) == ("1 slice", "2 slices")


def test_what_fits_no_template_is_read_as_it_stands():
    assert read_back("2.50 mm thick", ["{thickest:.1f} mm thick"]).values == {}
    assert read_back("of another version", ["{a} and {b}"]) == "of another version"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("de", "de"),
        ("de_AT.UTF-8", "de"),
        ("zh-Hans-CN", "zh_CN"),
        ("fr-FR,fr;q=0.9,es;q=0.8", "es"),
        ("fr:de", "de"),
        ("C.UTF-8", "en"),
        ("", "en"),
    ],
)
def test_the_nearest_language(wanted, expected):
    assert nearest(wanted) == expected in LANGUAGES


def test_a_language_is_spoken_for_a_while():
    with speaking("de"):
        assert language() == "de"
    assert language() == "en"


def test_a_result_that_was_read_from_a_file_is_said_in_every_language(assessment, german):
    checks = (
        THICK_SLICES.check(thickest=2.5),
        PADDED_IN_Z.check(share=0.3),
        MASK_NAN.check(network="unet"),
    )
    values = json.loads(json.dumps(replace(assessment, checks=checks).to_dict()))
    again = Assessment.from_dict(values)
    assert again.to_dict()["checks"] == values["checks"] and again.tasks == assessment.tasks
    said = [say(check.message) for check in again.checks]
    assert said == [say(check.message) for check in checks] and said[0] == DICKE
    assert say(again.tasks["malignancy"].classes[1]) == "maligne"


def test_every_check_can_be_said():
    for kind in CHECKS.values():
        assert isinstance(kind.words, Text) and isinstance(kind.withholds or _(""), Text)


def test_words_of_several_meanings_are_said_by_their_context():
    before, drawn = pgettext("cancer before", "none"), pgettext("warnings", "none")
    assert before == drawn == "none"
    with speaking("de"):
        assert {say(pickle.loads(pickle.dumps(one))) for one in (before, drawn)} == {
            "keiner",
            "keine",
        }


def test_a_level_without_evidence_is_not_read_as_an_answer():
    assert level_words("none") == "no evidence" and level_words("reader") == "reader"
