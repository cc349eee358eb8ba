"""Who is let in, from which page, and what a browser may do with the answer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from aiohttp import ClientSession, TCPConnector, WSServerHandshakeError, web

from LungNoduleRiskWeb.front import server as front
from LungNoduleRiskWeb.front.gate import content_security_policy
from made_front import TOKEN, Browser, made_front, made_sessions, run
from needs import CHROMIUM
from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.pacs.access import is_loopback

RIGHT = "#token=" + quote(TOKEN)


def with_front(
    test: Callable[[Browser], Awaitable[None]], token: str | None = TOKEN, **more: Any
) -> None:
    async def all_of_it() -> None:
        async with made_front(made_sessions(), token, **more) as user:
            await test(user)

    run(all_of_it())


@pytest.mark.parametrize("path", ["/", "/sessions/x/", "/nowhere", f"/?token={quote(TOKEN)}"])
def test_nothing_is_shown_without_the_token(path):
    async def test(user: Browser) -> None:
        answer = await user.get(path)
        assert answer.status == 403 and "This page is locked" in await answer.text()
        assert RESEARCH_USE_ONLY in await answer.text()
        assert not answer.cookies

    with_front(test)


def test_the_token_becomes_a_cookie_that_a_link_from_elsewhere_brings_along():
    async def test(user: Browser) -> None:
        answer = await user.log_in()
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        [cookie] = answer.cookies.values()
        assert cookie.key == f"nodulerisk-{user.address.rpartition(':')[2]}"
        assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["secure"]) == (
            True,
            "Lax",
            "/",
            "",
        )
        assert TOKEN not in cookie.value and quote(TOKEN) not in cookie.value
        assert (await user.get("/nowhere")).status == 404

    with_front(test)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "\0", "\ud800", TOKEN.encode()[:-1], None])
def test_a_wrong_token_opens_nothing(token):
    async def test(user: Browser) -> None:
        form = {} if token is None else {"token": token}
        answer = await user.post("/login", urlencode(form, errors="surrogatepass").encode())
        assert answer.status == 403 and not answer.cookies
        assert (await user.get("/nowhere")).status == 403

    with_front(test)


def test_health_and_style_need_no_token_and_say_nothing():
    async def test(user: Browser) -> None:
        health = await user.get("/healthz")
        assert (health.status, await health.text()) == (200, "ok")
        assert (await user.get("/front.css")).content_type == "text/css"

    with_front(test)


@pytest.mark.parametrize("origin", [None, "null", "http://127.0.0.1:1", "http://elsewhere.example"])
def test_what_another_page_sends_is_refused(origin):
    async def test(user: Browser) -> None:
        await user.log_in()
        session = await user.start_session()
        headers = {"Origin": origin} if origin else {}
        assert (
            await user.client.post(f"{user.address}{session}echo", headers=headers, data=b"x")
        ).status == 403
        with pytest.raises(WSServerHandshakeError, match="403"):
            await user.client.ws_connect(f"{user.address}{session}ws", headers=headers)
        assert await (await user.post(f"{session}echo", b"x")).text() == "x"
        async with user.talk(session) as socket:
            await socket.send_str("mine")
            assert await socket.receive_str() == "mine"

    with_front(test)


@pytest.mark.parametrize("host", ["elsewhere.example", "elsewhere.example:80", "[", "10.0.0.1"])
def test_without_a_token_only_this_machines_own_names_are_answered(host):
    async def test(user: Browser) -> None:
        assert (await user.get("/nowhere", headers={"Host": host})).status == 403
        assert (await user.get("/nowhere", headers={"Host": "localhost:8765"})).status == 404

    with_front(test, token=None)


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Dest": "image"}, {"Sec-Purpose": "prefetch;prerender"}]
)
def test_a_request_that_is_not_a_visit_starts_no_session(headers):
    async def test(user: Browser) -> None:
        assert (await user.get("/", headers=headers)).status == 403
        assert (await user.get("/", headers={"Sec-Fetch-Dest": "document"})).status == 303

    with_front(test, token=None)


def test_every_answer_carries_the_security_headers():
    async def test(user: Browser) -> None:
        answers = [await user.get("/"), await user.log_in(), await user.get("/nowhere")]
        session = await user.start_session()
        answers += [
            await user.get(path)
            for path in ("/sessions/x/", "/healthz", session, f"{session}nowhere")
        ]
        assert [answer.status for answer in answers] == [403, 303, 404, 410, 200, 200, 404]
        for answer in answers:
            assert answer.headers["Content-Security-Policy"] == content_security_policy()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            own_form = answer is answers[0]  # browsers hide where a form comes from, too
            policy = "same-origin" if own_form else "no-referrer"
            assert answer.headers["Referrer-Policy"] == policy
            assert "Strict-Transport-Security" not in answer.headers
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert "camera=()" in answer.headers["Permissions-Policy"]
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Server"] == "nodulerisk"

    with_front(test)


def test_a_policy_of_the_sessions_own_is_kept_and_scripts_may_be_cached():
    async def test(user: Browser) -> None:
        session = await user.start_session()
        report, script = await user.get(f"{session}report"), await user.get(f"{session}script.js")
        assert report.headers["Content-Security-Policy"] == "default-src 'nonce-1'"
        assert "Cache-Control" not in script.headers
        again = await user.get(
            f"{session}script.js", headers={"If-None-Match": script.headers["ETag"]}
        )
        assert (
            again.status == 304
            and "Cache-Control" not in again.headers
            and "Content-Type" not in again.headers
        )

    with_front(test, token=None)


def test_of_scripts_inside_a_page_only_trames_own_may_run():
    policy = dict(rule.split(" ", 1) for rule in content_security_policy().split("; "))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'self' 'unsafe-eval' 'sha256-[\w+/]+='", policy["script-src"])


@pytest.mark.needs(CHROMIUM)
def test_a_browser_shows_a_page_of_ours_without_complaint_and_runs_no_script_in_it():
    from playwright.async_api import async_playwright

    async def test(user: Browser) -> None:
        async with async_playwright() as play:
            chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await chromium.new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            await page.goto(f"{user.address}/{RIGHT}")
            await page.wait_for_url("**/sessions/*/")
            assert "token" not in page.url
            await page.wait_for_function("document.title == 'made session'")  # by its script
            await page.goto(f"{user.address}/sessions/x/")
            assert (
                await page.evaluate("getComputedStyle(document.body).color") == "rgb(230, 230, 230)"
            )
            assert not [line for line in said if "Security" in line]
            await page.evaluate(
                "document.body.innerHTML = '<img src=x onerror=\"document.title = `bad`\">'"
            )
            await page.wait_for_timeout(200)
            assert await page.title() == "This session has ended"
            assert any("Security" in line for line in said)
            await chromium.close()

    with_front(test)


def test_over_tls_the_cookie_stays_off_plain_connections(tmp_path):
    certificate, key = made_certificate(tmp_path)

    async def test() -> None:
        visitors = front.Door(token=TOKEN).visitors()
        runner = web.AppRunner(front.make_app(made_sessions(), visitors))
        await runner.setup()
        listener = front.listening("127.0.0.1", 0)
        await web.SockSite(
            runner, listener, ssl_context=front.tls_context(certificate, key)
        ).start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with ClientSession(connector=TCPConnector(ssl=False)) as client:
            options = {"headers": {"Origin": address}, "data": {"token": TOKEN}}
            answer = await client.post(f"{address}/login", allow_redirects=False, **options)
            [cookie] = answer.cookies.values()
            assert cookie["secure"] is True
            assert "max-age=" in answer.headers["Strict-Transport-Security"]
            options["headers"] = {"Origin": address.replace("https", "http")}
            assert (await client.post(f"{address}/login", **options)).status == 403
        await runner.cleanup()

    run(test())


def test_a_file_that_is_not_a_certificate_is_refused(tmp_path):
    (tmp_path / "bad.pem").write_text("no certificate")
    for path in (tmp_path / "bad.pem", tmp_path / "missing.pem"):
        with pytest.raises(front.ServeError, match="PEM"):
            front.tls_context(path, None)


def made_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj"
        " /CN=localhost"
    )
    subprocess.run(
        [*command.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True
    )
    return certificate, key


@pytest.mark.parametrize(
    ("name", "own"),
    [("localhost", True), ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True)]
    + [(name, False) for name in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")],
)
def test_which_addresses_are_this_machines_own(name, own):
    assert is_loopback(name) is own
