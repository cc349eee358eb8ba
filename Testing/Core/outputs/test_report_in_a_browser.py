"""The report as browsers show and print it: before scripts, on a phone, in the dark, on paper."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from needs import CHROMIUM
from nodulerisk.clinical.advice import advise
from nodulerisk.clinical.patient import Patient
from nodulerisk.outputs.html.nodule_report import ReportNodule, write_report

pytestmark = pytest.mark.needs(CHROMIUM)
PHONE, DESKTOP = {"width": 375, "height": 760}, {"width": 1300, "height": 900}


@pytest.fixture(scope="module")
def report(ct, assessment, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    advice = advise(assessment, Patient(age=62, status="baseline"))
    write_report([ReportNodule(ct, assessment, advice)], path)
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def opened(browser: Browser, report: Path, **options) -> Iterator[Page]:
    context = browser.new_context(**{"viewport": DESKTOP} | options)
    page = context.new_page()
    page.goto(report.as_uri())
    yield page
    context.close()


def expect_that(it_holds: Callable[[], bool], page: Page) -> None:
    """Waits; the page's policy lets playwright evaluate nothing while it waits."""
    for _ in range(100):
        if it_holds():
            return
        page.wait_for_timeout(50)
    assert it_holds()


def test_pictures_are_there_without_scripts_and_give_way_to_figures(browser, report):
    with opened(browser, report, java_script_enabled=False) as page:
        assert page.locator("svg.slice").count() == 3
        assert all(slice_.is_visible() for slice_ in page.locator("svg.slice").all())
        assert not page.locator(".views").is_visible()
    with opened(browser, report) as page:
        page.locator(".main-svg").first.wait_for()
        assert page.locator(".views").is_visible()
        assert not page.locator("svg.slice").first.is_visible()


def test_the_wheel_scrolls_the_page(browser, report):
    with opened(browser, report, viewport={"width": 1300, "height": 500}) as page:
        page.locator("#mesh-1 canvas").first.wait_for()
        page.locator("#mesh-1").scroll_into_view_if_needed()
        before = page.evaluate("scrollY")
        page.locator("#mesh-1").hover()
        page.mouse.wheel(0, 200)
        expect_that(lambda: page.evaluate("scrollY") > before, page)


def test_a_phone_need_not_scroll_sideways(browser, report):
    with opened(browser, report, viewport=PHONE) as page:
        page.locator(".main-svg").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_it_is_dark_where_dark_is_preferred(browser, report):
    background = "getComputedStyle(document.body).backgroundColor"
    with opened(browser, report, color_scheme="dark") as page:
        dark = [int(part) for part in re.findall(r"\d+", page.evaluate(background))]
    with opened(browser, report) as page:
        light = [int(part) for part in re.findall(r"\d+", page.evaluate(background))]
    assert max(dark[:3]) < 60 < min(light[:3])


def test_a_nodule_takes_two_pages_of_paper(browser, report):
    with opened(browser, report, color_scheme="dark") as page:
        page.locator(".main-svg").first.wait_for()
        paper = page.pdf(prefer_css_page_size=True)
    (pages,) = re.findall(rb"/Type /Pages\s.*?/Count (\d+)", paper, re.DOTALL) or re.findall(
        rb"/Count (\d+)", paper
    )
    assert 1 <= int(pages) <= 2
