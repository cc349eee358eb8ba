"""Behind nginx as `Docs/proxies/nginx.conf` sets it up; and what others may make of a proxy's
headers."""

from __future__ import annotations

import asyncio
import re
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from getpass import getuser
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import ClientSession, TCPConnector
from playwright.async_api import async_playwright, expect

from LungNoduleRiskWeb.front import server as front
from LungNoduleRiskWeb.front.forwarded import Forwarded
from LungNoduleRiskWeb.front.server import Door
from made_front import TOKEN, Browser, browser, made_front, made_sessions, run
from needs import CHROMIUM, program
from nodulerisk.errors import NoduleRiskError
from test_gate import made_certificate

PROXIES = Path(__file__).parents[2] / "Docs" / "proxies"
WHOLE = """\
user {user}; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    log_format all '$request $request_uri $args $http_referer $status';
    access_log {folder}/access.log all;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    {site}
}}
"""
BARE = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n}\n"  # of this machine's
USER_HEADER = "X-Remote-User"
BEHIND = Door(token=TOKEN, trusted_proxies=("127.0.0.1",), root_path="/nodules")


@asynccontextmanager
async def nginx(folder: Path, to: str, *, signs_on: bool = False) -> AsyncIterator[str]:
    """The address of an nginx before the front at the address ``to``."""
    with front.listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    certificate, key = made_certificate(folder)
    site = (PROXIES / "nginx.conf").read_text()
    for written, here in {
        "listen 443": f"listen 127.0.0.1:{port}",
        "http://127.0.0.1:8765": to,
        "/etc/nginx/nodules.pem": certificate,
        "/etc/nginx/nodules.key": key,
        "/etc/nginx/nodules.htpasswd": folder / "htpasswd",
    }.items():
        assert written in site
        site = site.replace(written, str(here))
    if signs_on:
        site = re.sub(r"#(auth_basic|proxy_set_header)", r"\1", site)
        (folder / "htpasswd").write_text("anna:{PLAIN}secret\nbert:{PLAIN}secret\n")
    (folder / "nginx.conf").write_text(WHOLE.format(user=getuser(), folder=folder, site=site))
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    async with running(command, port) as address:
        yield address


@asynccontextmanager
async def caddy(folder: Path, to: str) -> AsyncIterator[str]:
    """The address of a Caddy before the front at the address ``to``."""
    with front.listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    certificate, key = made_certificate(folder)
    site = (PROXIES / "Caddyfile").read_text()
    for written, here in {
        "nodules.hospital.example {": f"https://localhost:{port} {{",
        "127.0.0.1:8765": to,
        "/etc/caddy/nodules.pem": certificate,
        "/etc/caddy/nodules.key": key,
    }.items():
        assert written in site
        site = site.replace(written, str(here))
    (folder / "Caddyfile").write_text(BARE + site)
    command = [program("caddy"), "run", "--config", str(folder / "Caddyfile")]
    async with running(command, port) as address:
        yield address


@asynccontextmanager
async def running(command: list[str | None], port: int) -> AsyncIterator[str]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(20):
            while not await _answers(port):
                await asyncio.sleep(0.05)
        yield f"https://localhost:{port}"
    finally:
        process.terminate()
        process.wait(10)


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def client(address: str, **options) -> AsyncIterator[Browser]:
    async with ClientSession(connector=TCPConnector(ssl=False), **options) as session:
        yield Browser(address, session)


def basic(user: str) -> str:
    return "Basic " + b64encode(f"{user}:secret".encode()).decode()


@pytest.mark.needs("nginx", CHROMIUM)
def test_fault_86_the_whole_page_behind_nginx_below_a_path(tmp_path):
    """Secure cookie of that path alone, websocket, upload, HSTS; the token is in no log."""

    async def test() -> None:
        async with (
            made_front(made_sessions(), door=BEHIND) as direct,
            nginx(tmp_path, direct.address) as address,
            async_playwright() as play,
        ):
            chromium = await play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            context = await chromium.new_context(ignore_https_errors=True)
            page = await context.new_page()
            answer = await page.goto(f"{address}/nodules/#token={quote(TOKEN, safe='')}")
            assert "max-age=" in (await answer.all_headers())["strict-transport-security"]
            await expect(page).to_have_title("made session")  # its websocket is open
            assert re.fullmatch(rf"{address}/nodules/sessions/[\w-]+/", page.url)
            [cookie] = await context.cookies()
            assert (cookie["path"], cookie["secure"], cookie["sameSite"]) == (
                "/nodules",
                True,
                "Lax",
            )
            sent = "fetch('echo', {method: 'POST', body: 'x'.repeat(2e6)}).then(r => r.text())"
            assert len(await page.evaluate(sent)) == 2e6
            await page.goto(f"{address}/nodules/nowhere")
            await page.get_by_role("link", name="Start a session").click()
            await expect(page).to_have_title("made session")
            await page.goto(f"{address}/nodules/metrics")
            assert await page.title() == "404 Not Found"
            await chromium.close()

    run(test())
    log = (tmp_path / "access.log").read_text()
    assert "POST /nodules/login" in log
    assert not re.search("token|" + re.escape(quote(TOKEN)), log)


@pytest.mark.needs("caddy")
def test_the_same_behind_caddy(tmp_path):
    """Login, Secure cookie, HSTS, websocket, upload; numbers for those inside alone."""

    async def test() -> None:
        async with (
            made_front(made_sessions(), door=BEHIND) as direct,
            caddy(tmp_path, direct.address) as address,
            client(address) as user,
        ):
            let_in = await user.post("/nodules/login", {"token": TOKEN})
            assert let_in.headers["Location"] == "/nodules/"
            assert "max-age=" in let_in.headers["Strict-Transport-Security"]
            assert all(one["secure"] for one in let_in.cookies.values())
            session = await user.start_session("/nodules/")
            async with user.talk(session) as socket:
                await socket.send_str("here")
                assert await socket.receive_str(timeout=10) == "here"
            sent = b"x" * 2_000_000
            assert await (await user.post(f"{session}echo", sent)).read() == sent
            assert (await user.get("/nodules/metrics")).status == 404

    run(test())


@pytest.mark.needs("nginx")
def test_fault_86_whom_nginx_signs_on_comes_in_and_nobody_by_a_header_of_their_own(tmp_path):
    door = Door(user_header=USER_HEADER, trusted_proxies=("127.0.0.1",), root_path="/nodules")

    async def test() -> None:
        async with (
            made_front(made_sessions(), door=door) as direct,
            nginx(tmp_path, direct.address, signs_on=True) as address,
            client(address) as nobody,
            client(address, headers={"Authorization": basic("anna")}) as anna,
            client(address, headers={"Authorization": basic("bert")}) as bert,
        ):
            assert (await nobody.get("/nodules/")).status == 401
            spoofed = {"headers": {USER_HEADER: "anna"}}
            assert (await nobody.get("/nodules/", **spoofed)).status == 401
            session = (await anna.get("/nodules/")).headers["Location"]
            about = await anna.about(session)
            assert not {USER_HEADER, "Authorization"} & set(about["headers"])
            assert (await bert.get(session, **spoofed)).status == 410
            bert.client.cookie_jar.update_cookies(
                {one.key: one.value for one in anna.client.cookie_jar}
            )
            assert (await bert.get(session, **spoofed)).status == 410

    run(test())


def test_fault_86_only_the_named_proxy_is_believed():
    """Not who claims to be one; nor is a header that a browser added to the proxy's own."""
    claims = {"X-Forwarded-Proto": "https", USER_HEADER: "anna"}

    async def test(proxy: str, status: int) -> None:
        door = Door(user_header=USER_HEADER, trusted_proxies=(proxy,))
        async with made_front(made_sessions(), door=door) as user:
            answer = await user.get("/nowhere", headers=claims)
            assert answer.status == status
            assert ("Strict-Transport-Security" in answer.headers) == (status == 404)
            twice = [*claims.items(), (USER_HEADER, "bert")]
            for headers in (twice, {USER_HEADER: ""}, {USER_HEADER.replace("-", "_"): "anna"}):
                assert (await user.get("/nowhere", headers=headers)).status == 403

    run(test("127.0.0.0/8", 404))
    run(test("192.0.2.1", 403))


@pytest.mark.parametrize("stripped", [False, True])
def test_below_a_path_whether_or_not_the_proxy_takes_it_off(stripped):
    async def test() -> None:
        async with made_front(made_sessions(), door=BEHIND) as user:
            root = "" if stripped else "/nodules"
            locked = await (await user.get(f"{root}/")).text()
            assert 'href="/nodules/front.css"' in locked and 'action="/nodules/login"' in locked
            assert (await user.get(f"{root}/front.js")).status == 200
            let_in = await user.post(f"{root}/login", {"token": TOKEN})
            assert let_in.headers["Location"] == "/nodules/"
            user.client.cookie_jar.update_cookies(
                {name: one.value for name, one in let_in.cookies.items()}
            )
            session = await user.get(f"{root}/")
            assert session.headers["Location"].startswith("/nodules/sessions/")
            there = session.headers["Location"].removeprefix("/nodules")
            about = await (await user.get(f"{root}{there}about/a?b")).json()
            assert about["path"] == "/about/a?b"
            assert (await user.get(f"{root}//elsewhere.example/")).status == 404

    run(test())


def test_a_proxy_is_named_by_its_address():
    with pytest.raises(NoduleRiskError, match="named by its address"):
        Forwarded(["proxy.hospital.example"])


def test_behind_a_proxy_another_port_of_the_same_host_is_still_another_page():
    """Also the unencrypted page of the same name, which may be anybody's."""

    async def test() -> None:
        async with made_front(made_sessions(), door=BEHIND) as user:
            for origin, status in {
                "https://hospital.example": 303,
                "http://hospital.example": 403,
                "https://hospital.example:8443": 403,
                "https://hospital.example.evil": 403,
            }.items():
                headers = {
                    "Origin": origin, "Host": "hospital.example", "X-Forwarded-Proto": "https",
                }  # fmt: skip
                answer = await user.client.post(
                    f"{user.address}/login",
                    data={"token": TOKEN},
                    headers=headers,
                    allow_redirects=False,
                )
                assert answer.status == status, origin

    run(test())


def test_a_user_gone_from_the_file_of_tokens_is_shut_out_at_once(tmp_path, caplog):
    """With their session; a file that is half written shuts nobody out."""
    file, (anna, bert) = tmp_path / "tokens", ("a" * 16, "b" * 16)
    file.write_text(f"# who may\nanna {anna}\nbert {bert}\n")

    async def test() -> None:
        sessions_door = Door(tokens=file)
        visitors = sessions_door.visitors()
        sessions = made_sessions(is_welcome=visitors.is_welcome)
        async with (
            made_front(sessions, door=sessions_door) as one,
            browser(one.address) as other,
        ):
            await one.log_in(anna)
            await other.log_in(bert)
            hers, his = await one.start_session(), await other.start_session()
            socket = await one.talk(hers)
            file.write_text("anna\n")
            assert (await one.get(hers)).status == 200 and "Line 1" in caplog.text
            assert anna not in caplog.text
            file.write_text(f"bert {bert}\n")
            assert (await one.get(hers)).status == 403
            assert (await socket.receive(timeout=10)).type.name == "CLOSE"
            assert (await other.get(his)).status == 200
            assert (await one.log_in(anna)).status == 403

    run(test())
