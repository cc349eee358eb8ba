"""What has to be typed, and what somebody named, is said in every language as it stands."""

from __future__ import annotations

import gettext
import re
from collections.abc import Callable
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

import messages
from nodulerisk.assessment import Assessment
from nodulerisk.cli.assess import known_patient
from nodulerisk.clinical.patient import OF_THE_NODULE, Patient, patient_from
from nodulerisk.clinical.tracks import named_tracks
from nodulerisk.ct.points import Point
from nodulerisk.engine.engine import DEVICES, PRECISIONS, choose_device, choose_precision
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language import spoken
from nodulerisk.language.spoken import say, speaking
from nodulerisk.language.texts import Text, Verbatim, _, joined, message_of
from nodulerisk.outputs.words import provenance_words
from nodulerisk.tasks import two_class_tasks
from nodulerisk.weights.own_tasks import own_tasks_from
from nodulerisk.weights.store import load_weight_set

FIELDS = {name: get_args(kind)[0] for name, kind in get_type_hints(Patient).items()}
A_TASK = {"classes": ["solid", "other"], "evidence": "reader"}
NEW = [[Point("new", (0, 0, 0))]] * 2


class Babel(gettext.NullTranslations):
    """A language of which no word is English, whatever the catalogs have."""

    def gettext(self, message: str) -> str:
        parts = re.split(r"(\{[^}]*\})", message)
        return "".join(p if p.startswith("{") else re.sub("[A-Za-z]", "ж", p) for p in parts)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return self.gettext(singular if n == 1 else plural)


@pytest.fixture(params=["Babel", *messages.TRANSLATED], autouse=True)
def foreign(request, monkeypatch):
    if request.param == "Babel":
        monkeypatch.setattr(spoken, "_catalog", lambda _language: Babel())
    with speaking("de" if request.param == "Babel" else request.param):
        yield


def said_by(refused: Callable[[], object]) -> str:
    with pytest.raises((NoduleRiskError, ValueError)) as refusal:
        refused()
    return say(message_of(refusal.value))


def are_said(words, said: str) -> bool:
    return all(re.search(rf"(?a)(?<!\w){re.escape(word)}(?!\w)", said) for word in words)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_and_its_choices_are_named_as_they_are_typed(name):
    kind = FIELDS[name]
    choices = ("yes", "no") if kind is bool else [str(choice).lower() for choice in get_args(kind)]
    said = said_by(lambda: patient_from([f"{name}=?"]))
    assert are_said([name, *choices], said)
    assert kind not in (int, float) or f"{name}=3" in said


def test_the_fields_are_listed_as_they_are_typed():
    assert are_said(["solid", *FIELDS], said_by(lambda: patient_from(["solid=?"])))


@pytest.mark.parametrize("name", OF_THE_NODULE)
def test_a_field_of_one_nodule_is_named_as_it_was_typed(name):
    kind = FIELDS[name]
    value = 5 if kind in (int, float) else "yes" if kind is bool else get_args(kind)[0]
    assert are_said([name], said_by(lambda: known_patient([f"{name}={value}"], 2)))


def test_the_tasks_of_thresholds_are_named_as_they_are_typed():
    weights = load_weight_set("open")
    known = two_class_tasks(weights.table)
    assert are_said(["solid", *known], said_by(lambda: weights.with_thresholds({"solid": 0.3})))
    for task in known:
        assert are_said([task], said_by(lambda task=task: weights.with_thresholds({task: 3})))


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        (["solid", *DEVICES], lambda: choose_device("solid")),
        (["solid", *PRECISIONS], lambda: choose_precision("solid", load_weight_set("open"))),
        (["growth", "pathology", "reader", "simulated"], lambda: own({"evidence": "none"})),
        (["growth", "solid", "other"], lambda: own({"lets_through": ["new"]})),
        (["adenocarcinoma_only"], lambda: own({"adenocarcinoma_only": "yes"})),
        (["unknown", "solid"], lambda: own({"unknown": ["solid"]})),
        (["growth", "words"], lambda: own({"words": []})),
        (["solid", "Solid"], lambda: own({"classes": ["solid", "Solid"]})),
        (["solid", "new"], lambda: named_tracks(["new=solid"], NEW)),
    ],
)
def test_what_a_refusal_names_is_named_as_it_is_typed(words, refused):
    assert are_said(words, said_by(refused))


def own(values: dict) -> object:
    return own_tasks_from({"growth": A_TASK | values})


def test_a_nodule_keeps_its_name(assessment):
    named = replace(assessment, name=Point("solid", (0, 0, 0)).name)
    for name in (named.name, Assessment.from_dict(named.to_dict()).name):
        assert say(_("{name}: writing").format(name=name)).startswith("solid")
        assert say(joined(": ", (name, _("ground glass")))).startswith("solid")


def test_a_weight_set_keeps_its_name(assessment):
    said = provenance_words(replace(assessment.provenance, weight_set="solid"))
    assert are_said(["solid"], say(said))


def test_what_stands_in_quotes_is_as_it_was_written():
    assert "'solid'" in say(Text("'{name}' {name}").format(name="solid"))
    assert say(Verbatim("solid")) == "solid" != say("solid")
