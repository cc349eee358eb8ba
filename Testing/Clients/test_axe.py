"""axe-core finds nothing that keeps people from reading our pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from axe import violations
from made_assessment import made_assessment, made_ct
from made_cohort import assessed_row, made_set
from made_predictions import made_predictions
from needs import AXE, CHROMIUM
from nodulerisk.checks import NO_NODULE
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.store import Store
from nodulerisk.cohort.summary import write_summary
from nodulerisk.evaluation.study import evaluate, write_evaluation
from nodulerisk.evaluation.summary import About
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report

pytestmark = pytest.mark.needs(AXE, CHROMIUM)
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1280, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def report_of_one(folder: Path) -> Path:
    ct = made_ct()
    write_report([ReportNodule(ct, made_assessment(ct))], folder / "nodule.html")
    return folder / "nodule.html"


def report_of_several(folder: Path) -> Path:
    ct = made_ct()
    stands = replace(made_assessment(ct, "N2"), checks=())
    nothing = replace(made_assessment(ct, "N3"), checks=(NO_NODULE.check(),), measurements=())
    nodules = [made_assessment(ct), stands, replace(nothing, nodule=stands.nodule.emptied())]
    refused = {"N4": "The point lies outside the CT."}
    write_report([ReportNodule(ct, one) for one in nodules], folder / "report.html", None, refused)
    return folder / "report.html"


def summary(folder: Path) -> Path:
    labels = ["malignant", "benign"] * 6
    cases = [
        CtCase(
            f"{n}",
            Path(f"{n}.nrrd"),
            (CohortNodule("N1", (0, 0, 0), labels={"malignancy": label}, label_evidence="reader"),),
        )
        for n, label in enumerate(labels)
    ]
    with Store(folder, made_set()) as store:
        store.add(assessed_row(f"{n}", "N1", 0.1 + 0.07 * n) for n in range(len(cases)))
        write_summary(store, Cohort("table.csv", tuple(cases)), folder / "summary.html")
    return folder / "summary.html"


def evaluation(folder: Path) -> Path:
    predictions = made_predictions(20)
    about = About("made", "1.0", {"net": "ab" * 32}, "made up", "thanks to all")
    write_evaluation(evaluate(predictions, about), predictions, folder)
    return folder / "evaluation.html"


@pytest.mark.parametrize("write", [report_of_one, report_of_several, summary, evaluation])
def test_page_keeps_nobody_out(browser, tmp_path, write: Callable[[Path], Path]):
    page = browser.new_page(viewport=PHONE)
    page.goto(write(tmp_path).as_uri())
    page.wait_for_selector("h1")
    assert violations(page) == {}
    page.set_viewport_size(DESKTOP)
    assert violations(page) == {}
    page.close()


def test_what_keeps_people_out_is_noticed(browser):
    page = browser.new_page()
    page.set_content("<p style='color: #eee'>pale<img src='x.png'>")
    assert {"color-contrast", "image-alt", "landmark-one-main"} <= violations(page).keys()
    page.close()
