"""Sessions: one process and folder per user, and nothing left of either."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from aiohttp import ClientError, ClientResponse
from yarl import URL

import made_front as made_front_module
from made_front import KEY, TOKEN, browser, made_front, made_sessions, program, run
from nodulerisk import RESEARCH_USE_ONLY


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch) -> Path:
    """Where the sessions' folders are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


async def until(done: Callable[[], bool], seconds: float = 8) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.05)


async def first_visit(address: str) -> ClientResponse:
    async with browser(address) as user:
        return await user.get("/")


def test_a_session_is_a_process_and_a_folder_that_only_its_owner_sees(base):
    async def test() -> None:
        async with made_front(made_sessions()) as user, browser(user.address) as other:
            one = await user.about(await user.start_session())
            two = await other.about(await other.start_session())
            assert one["pid"] != two["pid"] and one["folder"] != two["folder"]
            folder = Path(one["folder"]).parent
            assert folder.parent.parent == base
            assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent)} == {
                0o700
            }
            assert one["environment"]["TMPDIR"] == str(folder)

    run(test())


def test_the_address_of_a_session_cannot_be_guessed():
    async def test() -> None:
        async with made_front(made_sessions()) as user, browser(user.address) as other:
            first, second = await user.start_session(), await other.start_session()
            assert len(first) > 40
            assert (await other.get(first)).status == 410
            known = Path((await user.about(first))["folder"]).parent.name
            for guess in (known, known[:8], first.split("/")[2][:-1]):
                assert (await user.get(f"/sessions/{guess}/")).status == 410
            for path in (
                f"{second}..{first}about",
                f"{second}%2e%2e{first}about",
                f"{second}../{first[10:]}about",
            ):
                answer = await other.client.get(URL(user.address + path, encoded=True))
                assert answer.status == 404

    run(test())


def test_nothing_secret_is_on_a_command_line():
    async def test() -> None:
        async with made_front(made_sessions(), TOKEN) as user:
            await user.log_in()
            session = await user.start_session()
            about = await user.about(session)
            line = Path(f"/proc/{about['pid']}/cmdline").read_bytes().decode()
            assert "made_session.py" in line and about["folder"] in line
            assert KEY not in line and TOKEN not in line and session.split("/")[2] not in line
            assert about["environment"]["NODULERISK_WEB_KEY"] == KEY

    run(test())


def test_an_idle_session_ends_with_its_folder_and_frees_its_place(caplog):
    caplog.set_level(logging.INFO)

    async def test() -> None:
        async with made_front(made_sessions(most=1, idle_seconds=1.5)) as user:
            session = await user.start_session()
            about = await user.about(session)
            await user.post(f"{session}keep", b"a CT")
            assert Path(about["folder"], "ct.nrrd").exists()
            for _ in range(5):  # longer than that in all, but never idle
                await asyncio.sleep(0.5)
                assert (await user.get(session)).status == 200
            await until(lambda: not Path(about["folder"]).parent.exists())
            assert not psutil.pid_exists(about["pid"])
            gone = await user.get(session)
            assert (
                gone.status == 410
                and 'href="/"' in await gone.text()
                and "deleted" in await gone.text()
            )
            assert (await user.get(await user.start_session())).status == 200
            assert "nobody used it" in caplog.text

    run(test())


def test_fault_46_the_log_names_neither_sessions_nor_what_was_asked(caplog):
    caplog.set_level(logging.INFO)

    async def test() -> None:
        async with made_front(made_sessions()) as user:
            session = await user.start_session()
            for path in ("about/Doe.zip?name=Doe", "Doe/", "half?name=Doe"):
                with suppress(ClientError):
                    await user.get(session + path)
            assert (
                "started" in caplog.text
                and "Doe" not in caplog.text
                and session.split("/")[2] not in caplog.text
            )

    run(test())


def test_messages_keep_a_session_and_silence_ends_it_although_its_page_is_open():
    async def test() -> None:
        async with made_front(made_sessions(idle_seconds=1.5)) as user:
            session = await user.start_session()
            async with user.talk(session) as socket:
                for _ in range(5):
                    await asyncio.sleep(0.5)
                    await socket.send_str("here")
                    assert await socket.receive_str() == "here"
                message = await socket.receive(timeout=8)
                assert message.type.name == "CLOSE"
            assert (await user.get(session)).status == 410

    run(test())


def test_a_crash_ends_one_session_and_frees_its_place():
    async def test() -> None:
        async with made_front(made_sessions(most=2)) as user, browser(user.address) as second:
            session, other = await user.start_session(), await second.start_session()
            folder = Path((await user.about(session))["folder"])
            async with user.talk(session) as socket:
                await socket.send_str("crash")
                assert (await socket.receive(timeout=8)).type.name == "CLOSE"
            await until(lambda: not folder.exists())
            assert (await user.get(session)).status == 410
            assert (await second.get(other)).status == 200
            assert (await user.get("/")).status == 303

    run(test())


def test_a_crash_frees_its_place_at_once():
    async def test() -> None:
        async with made_front(made_sessions(most=1)) as user:
            session = await user.start_session()
            process = psutil.Process((await user.about(session))["pid"])
            process.kill()
            await until(lambda: process.status() == psutil.STATUS_ZOMBIE)
            assert (await user.get("/")).status == 303

    run(test())


def test_one_session_too_many_is_told_to_wait():
    async def test() -> None:
        async with made_front(made_sessions(most=2)) as user:
            answers = await asyncio.gather(*(first_visit(user.address) for _ in range(4)))
            assert sorted(answer.status for answer in answers) == [303, 303, 503, 503]
            [text, _] = [await answer.text() for answer in answers if answer.status == 503]
            assert "All 2 sessions are in use" in text and RESEARCH_USE_ONLY in text

    run(test())


def test_a_session_that_does_not_start_says_why_to_who_runs_the_server(base, caplog):
    async def test() -> None:
        async with made_front(made_sessions("--broken", most=1)) as user:
            for _ in range(2):
                answer = await user.get("/")
                assert answer.status == 503 and "did not start" in await answer.text()
                assert "no display" not in await answer.text()
            assert not list(base.glob("*/*"))

    caplog.set_level(logging.INFO)
    run(test())
    assert "did not start: no display (code 1)" in caplog.text


def test_fault_44_a_disk_without_room_for_a_session_costs_no_place(base, caplog):
    async def test() -> None:
        async with made_front(made_sessions(most=1)) as user:
            [folder] = base.iterdir()
            shutil.rmtree(folder)
            for _ in range(2):
                answer = await user.get("/")
                assert answer.status == 503 and "did not start" in await answer.text()
            assert "did not start: [Errno 2]" in caplog.text
            folder.mkdir()
            assert (await user.get("/")).status == 303

    run(test())


def test_a_process_that_does_not_end_when_asked_is_ended(monkeypatch):
    monkeypatch.setattr("LungNoduleRiskWeb.front.sessions.END_SECONDS", 0.5)

    async def test() -> int:
        async with made_front(made_sessions("--stubborn")) as user:
            return (await user.about(await user.start_session()))["pid"]

    assert not psutil.pid_exists(run(test()))


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_when_the_front_ends_no_process_and_no_folder_is_left(base, end):
    async def test(address: str) -> list[int]:
        async with browser(address) as one, browser(address) as two, browser(address) as three:
            pids = [(await user.about(await user.start_session()))["pid"] for user in (one, two)]
            socket = await three.talk(await three.start_session())
            assert len(list(base.glob("*/*"))) == 3
            serving.send_signal(end)
            assert (await socket.receive(timeout=8)).type.name == "CLOSE"
            return pids

    command = [sys.executable, made_front_module.__file__, str(base)]
    with program(command, os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) as serving:
        pids = run(test(serving.stdout.readline().strip().rstrip("/")))
        assert serving.wait(timeout=10) == 0
    assert not any(map(psutil.pid_exists, pids))
    assert not list(base.iterdir())
