"""The panel in the language of Slicer's settings, from the sample to the results: no English is
left in what is shown, and what is saved is English."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import qt
import slicer

from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import RESULTS, resultNode
from nodulerisk.language.spoken import language, use

ENGLISH = re.compile(r"\b(the|of|and|is|are|not|with|for|from|this|each|its|by|at|has|to|slices)\b")
WORDS = {
    "de": ("Rundherde beurteilen", "Entscheidung zurückgehalten", "Milchglas|teilsolide|solide"),
    "zh_CN": ("评估结节", "不给出结论", "磨玻璃|部分实性|实性"),
}


@pytest.fixture(params=["de-DE", "zh-CN"])
def settings(request, running_host, monkeypatch) -> Iterator[str]:
    """The language in Slicer's settings."""
    monkeypatch.setattr(type(slicer.app), "applicationLocaleName", request.param)
    yield request.param
    use("en")


@pytest.fixture
def panel(settings, panel):
    return panel


def shown(widget) -> Iterator[str]:
    """All words in the panel: of its widgets, lists and tables, also while they are hidden."""
    for one in widget.findChildren(qt.QWidget):
        for name in ("text", "toolTip", "accessibleName", "placeholderText", "format"):
            words = getattr(one, name, "")
            if isinstance(words, str) and one.objectName != "advancedBrowser":
                yield words
        if isinstance(one, qt.QTextBrowser):
            yield one.toPlainText()
        if isinstance(one, qt.QComboBox) and one.objectName != "labelSelector":
            yield from (one.itemText(at) for at in range(one.count))
        if isinstance(one, qt.QTableWidget):
            yield from (one.horizontalHeaderItem(at).text() for at in range(one.columnCount))
            for row in range(one.rowCount):
                yield from (one.item(row, at).text() for at in range(one.columnCount))


def test_the_whole_job_is_in_the_language_of_slicers_settings(assessed, ui, panel, host, picture):
    for name, text in {"sex": "female", "density": "part-solid", "emphysema": "yes"}.items():
        field = slicer.util.findChild(ui.patientSection, f"{name}Field")
        field.setCurrentIndex(field.findData(text))
    picture(f"results in {language()}")
    for section in ("patient", "follow", "annotate", "advanced"):
        getattr(ui, f"{section}Section").collapsed = False
    host.process(0.3)
    picture(f"sections in {language()}")
    said = [words for words in shown(panel.panel.widget) if words != assessed.ct.GetName()]
    assert [words for words in said if ENGLISH.search(words)] == []
    for words in WORDS[language()]:
        assert re.search(words, "\n".join(said)), words
    assert not any(bar.maximum for bar in sidewards(panel.panel.widget)), "wider than its place"
    assert all(ui.evidenceSelector.itemText(at) for at in range(ui.evidenceSelector.count))
    what_is_saved_is_english(assessed, ui)


def sidewards(widget) -> Iterator[qt.QScrollBar]:
    """The bars that scroll what the widget lies in from side to side."""
    while widget := widget.parent():
        if isinstance(widget, qt.QScrollArea):
            yield widget.horizontalScrollBar()


def what_is_saved_is_english(assessed, ui) -> None:
    ui.pairingSelector.setCurrentIndex(1)
    assert assessed.pairing == "by name"
    ui.windowSelector.setCurrentIndex(ui.windowSelector.findData("bone"))
    assert assessed.ct.GetDisplayNode().GetWindow() == 1800
    names = {resultNode(role, assessed.ct).GetName() for role in RESULTS}
    assert names == {name for _node, name in RESULTS.values()}
    text = resultNode("text", assessed.ct).GetText() + results.tableText(assessed.ct)
    assert "the networks were made for thin slices" in text
    assert not re.search("Schicht|Malignität|层|恶", text)
