"""The page and the front's pages in the reader's language."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from axe import violations
from made_front import TOKEN, made_front, made_sessions, run
from nodulerisk.language.spoken import LANGUAGES, speaking
from nodulerisk.language.spoken import say as spoken
from nodulerisk.language.texts import _

SHOWN = """() => [document.title, document.body.innerText,
  ...[...document.querySelectorAll("*")].flatMap((one) =>
    ["aria-label", "title", "alt", "placeholder"].map((name) => one.getAttribute(name) ?? ""))]
  .flatMap((text) => text.split("\\n"))"""
# words that only English has, two of them in a row or one with another word beside it
ENGLISH = re.compile(r"\b(the|of|and|is|are|was|were|with|not|your|slice|nodule|by)\b [a-z]{2,}")


def english(page: Page) -> list[str]:
    return [line for line in page.evaluate(SHOWN) if ENGLISH.search(line)]


def choose(page: Page, button: str, language: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()
    page.locator(".v-list-item", has_text=language).click()


@pytest.fixture
def german(browser, address):
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="de-DE")
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(address)
    page.get_by_role("button", name="Beispiel").first.wait_for()
    yield page
    page.locator("button", has=page.locator(".mdi-exit-to-app")).click()
    context.close()


def test_the_job_in_german_and_on_in_chinese(german):
    """The page follows the browser; another language is shown at once, and nothing is lost."""
    page = german
    page.get_by_role("button", name="Beispiel").first.click()
    expect(page.locator(".nodule")).to_have_count(1)
    page.get_by_role("button", name="Beurteilen").click()
    expect(page.get_by_text("1 von 1 Rundherden beurteilt.")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("23,2 mm")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert english(page) == []
    choose(page, "Sprache", LANGUAGES["zh_CN"])
    expect(page.get_by_text("已评估 1/1 个结节。")).to_be_visible()
    expect(page.locator("#facts")).to_contain_text("23.2 mm")
    expect(page.locator(".nodule")).to_have_count(1)
    expect(page.get_by_text("层面 29/59")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert english(page) == [] and violations(page) == {}
    page.get_by_role("button", name="按键与鼠标").click()
    expect(page.get_by_role("rowheader", name="滚轮")).to_be_visible()
    assert english(page) == []
    page.get_by_role("dialog").get_by_role("button", name="关闭").click()
    page.reload()
    expect(page.get_by_text("胸部 CT")).to_be_visible()


def in_language(page: str, words: str, language: str) -> bool:
    with speaking(language):
        tag = language.replace("_", "-")
        return f'<html lang="{tag}">' in page and spoken(words) in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_fronts_pages_follow_the_browser(language):
    async def visit() -> tuple[str, str]:
        asked = {"Accept-Language": f"fr,{language.replace('_', '-')};q=0.9,en;q=0.1"}
        async with made_front(made_sessions(), TOKEN) as browser:
            locked = await browser.get("/", headers=asked)
            await browser.log_in()
            return await locked.text(), await (await browser.get("/x", headers=asked)).text()

    locked, unknown = run(visit())
    assert in_language(locked, _("This page is locked"), language)
    assert in_language(unknown, _("There is no such page"), language)


def test_what_was_chosen_counts_before_the_house_and_the_house_before_the_browser():
    async def visit() -> tuple[str, str, str]:
        async with made_front(made_sessions(), language="es") as browser:
            asked = {"Accept-Language": "de"}
            session = await browser.start_session()
            house = await (await browser.get("/x", headers=asked)).text()
            chosen = asked | {"Cookie": "nodulerisk-language=zh-CN"}
            own = await (await browser.get("/x", headers=chosen)).text()
            about = await browser.about(session)
            return house, own, about["headers"]["Accept-Language"]

    house, own, told = run(visit())
    assert in_language(house, _("The address is wrong."), "es")
    assert in_language(own, _("The address is wrong."), "zh_CN")
    assert told == "es"  # the session's process hears it
