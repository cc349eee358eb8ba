"""What panel and page say of a nodule: no class as a fact where none may be named, the same mask
where two points mark one nodule."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from LungNoduleRiskLib.display.results import showAssessment, withMasks
from LungNoduleRiskLib.facts import noduleFacts, summary
from LungNoduleRiskLib.nodules import SceneNodule
from LungNoduleRiskLib.scene import ctFromNode
from made_assessment import made_assessment
from nodulerisk.checks import SAME_NODULE

CLASSES = ("benign", "malignant", "spiculated", "invasive", "pre-invasive", "grade [123]", "IA")


def named(text: str) -> list[str]:
    plain = re.sub(r"p\([^)]*\)", "", text)
    return [one for one in CLASSES if re.search(rf"(?<![\w-]){one}(?![\w-])", plain)]


def shown(assessment) -> str:
    nodule = SceneNodule("N1", 0, assessment)
    facts = noduleFacts(nodule)
    values = [asdict(summary(nodule, None)), asdict(facts)]
    return json.dumps(values, ensure_ascii=False)


def test_fault_76_panel_and_page_name_no_class_that_is_withheld(ct):
    text = shown(made_assessment(ct))
    assert not named(text)
    assert "0.73, decision withheld: the slices are thick" in text


def test_a_demonstration_stands_apart_without_a_class(ct):
    made = SceneNodule("N1", 0, made_assessment(ct, checks=()))
    found, line = noduleFacts(made).found, summary(made, None)
    assert [task.title for task in found.tasks] == ["Malignancy: malignant", "Subtype: not run"]
    assert [task.title for task in found.demonstrations] == ["Invasiveness", "Grade"]
    said = {answer.shown: answer.said for answer in line.answers}
    assert said == {
        "p(malignant) 0.73": "malignant",
        "p(invasive) 0.38": "",
        "p(grade 1/grade 2/grade 3) 0.15/0.60/0.25": "",
    }


@pytest.fixture
def twins(ct):
    first = made_assessment(ct, "N1")
    checks = (*first.checks, SAME_NODULE.check(other="N1"))
    return first, replace(first, name="N2", checks=checks)


def test_fault_66_two_points_on_one_nodule_show_the_same_mask_and_say_so_once(loaded, ct, twins):
    volumeNode = loaded(ct)
    for one in twins:
        showAssessment(one, volumeNode)
    both = withMasks(volumeNode, ctFromNode(volumeNode))
    np.testing.assert_array_equal(both[0].mask, both[1].mask)
    flags = [
        warning for one in twins for warning in summary(SceneNodule("", 0, one), None).warnings
    ]
    assert sum("the two are one nodule" in warning for warning in flags) == 1
