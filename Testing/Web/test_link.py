"""The address is a link: from elsewhere, loaded again, in several tabs, left alone and closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote

import pytest
from aiohttp import web
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from LungNoduleRiskWeb.front import sessions as sessions_module
from LungNoduleRiskWeb.front.server import Door
from LungNoduleRiskWeb.front.sessions import Sessions
from made_front import TOKEN, Browser, browser, made_front, made_sessions, run
from needs import CHROMIUM

in_chromium = pytest.mark.needs(CHROMIUM)
WITH_TOKEN = f"/#token={quote(TOKEN, safe='')}"


@asynccontextmanager
async def chromium() -> AsyncIterator[BrowserContext]:
    async with async_playwright() as play:
        program = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield await program.new_context()
        await program.close()


@asynccontextmanager
async def mail(link: str) -> AsyncIterator[str]:
    """The address of a page of another site that links to this address."""
    app = web.Application()

    async def page(_: web.Request) -> web.Response:
        return web.Response(text=f'<a href="{link}">the CT</a>', content_type="text/html")

    app.router.add_get("/", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0).start()
    yield f"http://localhost:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def until(done: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.05)


async def shown(page: Page) -> str:
    """Where the session is that a page shows, once it does."""
    await page.wait_for_url("**/sessions/*/")
    await expect(page).to_have_title("made session")
    return page.url


@in_chromium
def test_fault_85_a_link_opens_from_anywhere_and_finds_ones_own_session():
    """From mail, without and with the cookie; loaded again; as a bookmark; in another tab; the
    token stays in no address."""

    async def test() -> None:
        async with (
            made_front(made_sessions(), TOKEN) as user,
            mail(user.address + WITH_TOKEN) as with_token,
            mail(user.address + "/") as without,
            chromium() as context,
        ):
            page, other = await context.new_page(), await context.new_page()
            await page.goto(without)
            await page.get_by_role("link").click()
            await expect(page.get_by_label("Token")).to_be_visible()
            for site in (with_token, with_token, without):
                await page.goto(site)
                await page.get_by_role("link").click()
                address = await shown(page)
                await expect(page).to_have_url(address.partition("#")[0])
            await page.reload()
            await other.goto(user.address)
            assert address == await shown(page) == await shown(other)
            async with mail(address) as to_the_session:
                await other.goto(to_the_session)
                await other.get_by_role("link").click()
                assert await shown(other) == address

    run(test())


@in_chromium
def test_the_token_can_be_typed_and_a_wrong_one_is_told():
    async def test() -> None:
        async with made_front(made_sessions(), TOKEN) as user, chromium() as context:
            page = await context.new_page()
            asked: list[str] = []
            page.on("request", lambda request: asked.append(request.url))
            await page.goto(user.address + "/#token=another")
            await expect(page.get_by_text("does not open the page")).to_be_visible()
            await page.get_by_label("Token").fill(TOKEN)
            await page.get_by_role("button", name="Open").click()
            await shown(page)
            assert not [url for url in asked if "token" in url]

    run(test())


@in_chromium
def test_fault_85_who_stays_is_asked_before_an_idle_session_ends_and_keeps_it():
    async def test() -> None:
        sessions = made_sessions(idle_seconds=600)
        async with made_front(sessions) as user, chromium() as context:
            page = await context.new_page()
            await page.goto(user.address)
            address = await shown(page)
            [session] = sessions._sessions.values()
            session.last_seen -= 500  # as if its user had gone for lunch
            await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
            warning = page.get_by_role("alert")
            await expect(warning).to_contain_text("Within 2 minutes it ends")
            await expect(page).to_have_title("(ends soon) made session")
            await warning.get_by_role("button", name="Stay").click()
            await expect(warning).to_have_count(0)
            await expect(page).to_have_title("made session")
            assert page.url == address and session.left(600) > 300
            session.last_seen -= 1000
            ended = page.get_by_role("heading", name="This session has ended")
            await expect(ended).to_be_visible(timeout=30_000)
            await page.get_by_role("link").click()
            await expect(page).not_to_have_url(address)
            await shown(page)

    run(test())


def with_sessions(test: Callable, **options) -> None:
    async def all_of_it() -> None:
        sessions = made_sessions(**options)
        async with made_front(sessions) as user:
            await test(user, sessions)

    run(all_of_it())


def test_to_ask_how_long_it_goes_on_keeps_no_session():
    async def test(user: Browser, _: Sessions) -> None:
        session = await user.start_session()
        first = await (await user.get(f"{session}idle")).json()
        await asyncio.sleep(0.2)
        second = await (await user.get(f"{session}idle")).json()
        stayed = await (await user.post(f"{session}stay")).json()
        assert second["seconds"] <= first["seconds"] - 0.2 < stayed["seconds"]
        assert (first["warn"], (await user.client.post(f"{user.address}{session}stay")).status) == (
            30,
            403,
        )

    with_sessions(test)


def test_fault_85_a_closed_tab_frees_its_place_and_an_open_one_does_not(monkeypatch):
    monkeypatch.setattr(sessions_module, "CLOSED_SECONDS", 1.0)

    async def test(user: Browser, sessions: Sessions) -> None:
        session = await user.start_session()
        async with user.talk(session):
            await asyncio.sleep(2.5)
            assert (await user.get(f"{session}idle")).status == 200
        await until(lambda: not sessions._sessions)
        assert sessions.ended == {"its page was closed": 1}
        assert (await user.get(session)).status == 410

    with_sessions(test, most=1)


def test_fault_85_a_page_that_went_without_a_word_keeps_its_session(monkeypatch):
    """As of a laptop that sleeps: it answers no ping, and its user comes back to it."""
    monkeypatch.setattr(sessions_module, "CLOSED_SECONDS", 1.0)
    monkeypatch.setattr("LungNoduleRiskWeb.front.proxy.PING_SECONDS", 0.2)

    async def test(user: Browser, sessions: Sessions) -> None:
        session = await user.start_session()
        [known] = sessions._sessions.values()
        options = {"origin": user.address, "autoping": False}
        async with user.client.ws_connect(f"{user.address}{session}ws", **options):
            await until(lambda: not known.asked)
            await asyncio.sleep(2.5)
            assert (await user.get(f"{session}idle")).status == 200

    with_sessions(test, most=1)


def test_tabs_that_open_together_share_one_session():
    async def test(user: Browser, sessions: Sessions) -> None:
        await user.start_session()
        await sessions._end(next(iter(sessions._sessions.values())), "the test goes on")
        answers = await asyncio.gather(*(user.get("/") for _ in range(4)))
        assert len({answer.headers["Location"] for answer in answers}) == 1

    with_sessions(test)


def test_nobody_else_comes_into_a_session_by_its_address():
    """Nor uploads into it what its owner would see."""

    async def test(user: Browser, _: Sessions) -> None:
        session = await user.start_session()
        async with browser(user.address) as other:
            own = await other.start_session()
            assert (await other.get(session)).status == 410
            assert (await other.post(f"{session}keep", b"a CT")).status == 410
            assert (await other.get(f"{session}idle")).status == 410
            assert (await other.get(own)).status == 200
        assert (await user.get(session)).status == 200

    with_sessions(test)


def test_one_session_does_not_take_all_connections(monkeypatch):
    monkeypatch.setattr("LungNoduleRiskWeb.front.proxy.MOST_AT_ONCE", 1)

    async def test(user: Browser, _: Sessions) -> None:
        session = await user.start_session()
        async with user.talk(session):
            assert (await user.get(session)).status == 429
        assert (await user.get(f"{session}idle")).status == 200

    with_sessions(test)


def test_one_user_does_not_take_all_places(tmp_path):
    file = tmp_path / "tokens"
    file.write_text(f"anna {'a' * 16}\nbert {'b' * 16}\n")

    async def test() -> None:
        door = Door(tokens=file)
        async with made_front(made_sessions(most=4), door=door) as user:
            statuses = [await first_visit(user.address, "a" * 16) for _ in range(3)]
            assert statuses == [303, 303, 503]
            assert await first_visit(user.address, "b" * 16) == 303

    async def first_visit(address: str, token: str) -> int:
        async with browser(address) as another:
            await another.log_in(token)
            return (await another.get("/")).status

    run(test())
