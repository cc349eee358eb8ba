"""What those see who run the server: its health and numbers, a reserve of sessions, bounded file
handles, and nothing left by a server that was killed."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

import made_front as made_front_module
from LungNoduleRiskWeb.front import health as health_module
from LungNoduleRiskWeb.front import leftovers
from LungNoduleRiskWeb.front import sessions as sessions_module
from LungNoduleRiskWeb.front.server import Door
from LungNoduleRiskWeb.session.__main__ import _end_with_front
from LungNoduleRiskWeb.session.speaking import said, without_folders
from made_front import TOKEN, Browser, browser, made_front, made_sessions, program, run
from nodulerisk.errors import WorkerError
from nodulerisk.language.texts import _
from test_link import until


@pytest.fixture(autouse=True)
def base(tmp_path, monkeypatch) -> Path:
    """Where the sessions' folders are."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


# --- Health and numbers


def healths(ask: Callable, asked: int = 1) -> list[int]:
    """The answers to so many who ask at once, without a token."""

    async def test() -> list[int]:
        async with made_front(made_sessions(), TOKEN, ask_networks=ask) as user:
            answers = await asyncio.gather(*(user.get("/healthz") for _ in range(asked)))
            return [answer.status for answer in answers]

    return run(test())


def test_the_server_is_well_while_the_networks_answer():
    questions = []
    assert healths(questions.append, asked=5) == [200] * 5
    assert len(questions) == 1  # whoever asks how often


def test_the_server_is_not_well_without_networks(caplog):
    def fail(_) -> None:
        raise WorkerError("no memory")

    assert healths(fail) == [503]
    assert "no memory" in caplog.text


@pytest.mark.parametrize(("moves", "status"), [(True, 200), (False, 503)])
def test_a_line_before_the_networks_is_well_as_long_as_it_moves(monkeypatch, moves, status):
    monkeypatch.setattr(health_module, "PATIENCE_SECONDS", 0.5)

    def wait(on_waiting: Callable[[int], None]) -> None:
        for before in range(10, 0, -1):
            if moves:
                on_waiting(before)
            time.sleep(0.1)

    assert healths(wait) == [status]


def test_metrics_count_and_name_nobody(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"anna {'a' * 16}\n")

    async def numbers(user: Browser, **more) -> str:
        answer = await user.get("/metrics", **more)
        assert answer.status == 200 and answer.content_type == "text/plain"
        return await answer.text()

    async def test(proxies: tuple[str, ...]) -> None:
        sessions = made_sessions(most=3)
        door = Door(tokens=tokens, trusted_proxies=proxies)
        async with made_front(sessions, door=door) as user, browser(user.address) as scraper:
            await user.log_in("a" * 16)
            session = await user.start_session()
            key = {"headers": {"Authorization": f"Bearer {'a' * 16}"}} if proxies else {}
            found = await numbers(scraper, **key)
            assert "nodulerisk_sessions 1.0" in found and "nodulerisk_sessions_most 3.0" in found
            assert "nodulerisk_session_start_seconds_count 1.0" in found
            assert "anna" not in found and session.split("/")[2] not in found
            await sessions._end(next(iter(sessions._sessions.values())), "nobody used it")
            ended = 'nodulerisk_sessions_ended_total{why="nobody used it"} 1.0'
            assert ended in await numbers(scraper, **key)
            assert (await scraper.get("/metrics")).status == (403 if proxies else 200)

    run(test(()))  # Prometheus on this machine
    run(test(("127.0.0.1",)))  # who comes through a proxy needs a token


# --- The reserve


def test_a_session_in_reserve_is_there_at_once_and_takes_no_place(monkeypatch):
    monkeypatch.setattr(sessions_module, "REFILL_SECONDS", 0)

    async def test() -> None:
        sessions = made_sessions(most=2, reserve=True)
        async with made_front(sessions) as user, browser(user.address) as other:
            await until(lambda: [one for one in sessions._sessions.values() if one.is_ready])
            [waiting] = sessions._sessions.values()
            assert waiting.owner is None and sessions.used == 0
            assert (await user.get(f"/sessions/{waiting.id}/")).status == 410
            assert (await user.start_session()).split("/")[2] == waiting.id
            await until(lambda: len(sessions._sessions) == 2)
            assert (await other.get("/")).status == 303  # though the reserve has the last place
            assert sessions.used == 2
            async with browser(user.address) as third:
                assert (await third.get("/")).status == 503

    run(test())


def test_a_reserve_that_ended_is_replaced_and_one_that_cannot_start_is_not_tried_in_a_loop(
    monkeypatch, caplog
):
    monkeypatch.setattr(sessions_module, "RETRY_SECONDS", 0)

    async def test() -> None:
        sessions = made_sessions(reserve=True)
        async with made_front(sessions) as user:
            await until(lambda: [one for one in sessions._sessions.values() if one.is_ready])
            [waiting] = sessions._sessions.values()
            waiting.process.kill()
            await until(lambda: sessions.ended and waiting.id not in sessions._sessions)
            assert (await user.get(await user.start_session())).status == 200
        monkeypatch.setattr(sessions_module, "RETRY_SECONDS", 60)
        broken = made_sessions("--broken", reserve=True)
        async with made_front(broken):
            await until(lambda: broken._refill_at > 0)
            await asyncio.sleep(2)
            assert broken.ended == {"did not start": 1}

    run(test())


# --- File handles, and a server that was killed


def front_program(folder: Path, before: str = ""):
    """The front as a program, after this command of a shell."""
    command = f'{before} exec "$0" "$1" "$2"'
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return program(
        ["sh", "-c", command, sys.executable, made_front_module.__file__, str(folder)], environment
    )


def address_of(serving) -> str:
    return serving.stdout.readline().strip().rstrip("/")


@pytest.mark.parametrize(
    "said",
    [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", pytest.param(b"", marks=pytest.mark.slow)],
)
def test_256_file_handles_and_more_silent_connections_do_not_stop_it(base, said):
    """Also those that began to say something."""

    async def test(address: str) -> None:
        port = int(address.rpartition(":")[2])
        async with browser(address) as early:
            session = await early.start_session()
            async with early.talk(session) as socket:
                silent = []
                for _ in range(300):
                    silent.append(await asyncio.open_connection("127.0.0.1", port))
                    silent[-1][1].write(said)
                await socket.send_str("still here")
                assert await socket.receive_str(timeout=20) == "still here"
                async with browser(address) as late:
                    assert (await late.get(await late.start_session())).status == 200
            for _, writer in silent:
                writer.close()

    with front_program(base, "ulimit -n 256;") as serving:
        run(test(address_of(serving)))
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(10) == 0


def test_what_a_killed_server_left_is_deleted_at_the_next_start(base):
    """Of servers that run, and of other programs, nothing is."""
    (base / "nodulerisk-web-of-somebody").symlink_to(base / "somebody")
    (base / "somebody").mkdir()
    (base / "somebody" / "ct.nrrd").write_bytes(b"a CT")

    async def upload(address: str) -> Path:
        async with browser(address) as user:
            session = await user.start_session()
            about = await user.about(session)
            assert (await user.post(f"{session}keep", b"a CT")).status == 200
            return Path(about["folder"], "ct.nrrd")

    with front_program(base) as running, front_program(base) as killed:
        kept = run(upload(address_of(running)))
        left = run(upload(address_of(killed)))
        for child in psutil.Process(killed.pid).children():
            child.kill()
        killed.kill()
        killed.wait()
        assert left.exists()
        with front_program(base) as again:
            run(upload(address_of(again)))
        assert not left.exists() and not left.parents[2].exists()
        assert kept.exists() and (base / "somebody" / "ct.nrrd").exists()
        running.send_signal(signal.SIGTERM)
        running.wait(10)


def test_a_session_whose_front_was_killed_ends_also_while_it_starts(base, monkeypatch):
    """It has no other process's word for it than the end of its input."""
    (base / "session" / "uploads").mkdir(parents=True)

    def ended(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", ended)
    ours, fronts = os.pipe()
    os.close(fronts)
    with os.fdopen(ours) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit):
            _end_with_front(base / "session" / "uploads")
    assert not (base / "session").exists()


def test_on_windows_a_lock_on_a_file_tells_whose_server_runs(base, monkeypatch):
    """Windows locks no folders, and deletes no file that is open; stood in for by POSIX's locks."""

    def lock(handle: int, _mode: int, _bytes: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setattr(leftovers, "msvcrt", SimpleNamespace(locking=lock, LK_NBLCK=0), False)
    monkeypatch.setattr(leftovers, "sys", SimpleNamespace(platform="win32"))
    held, left = base / "x-held", base / "x-left"
    for folder in (held, left):
        folder.mkdir()
        (folder / "ct.nrrd").write_bytes(b"a CT")
    (base / "x-link").symlink_to(held)
    mark = leftovers.hold(held)
    leftovers.remove("x-")
    assert (held / "ct.nrrd").exists() and not left.exists()
    leftovers.let_go(mark)
    leftovers.remove("x-")
    assert not held.exists()


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("/tmp/x y/uploads/00001.zip: no CT", "00001.zip: no CT"),
        ("'/home/a b/c/mask.nrrd' (No space left): choose", "'mask.nrrd' (No space left): choose"),
        (r"C:\Users\x\y.zip cannot be read", "y.zip cannot be read"),
        ("0.5/0.5 mm, 4A/4B, and/or, 1/2/2020", "0.5/0.5 mm, 4A/4B, and/or, 1/2/2020"),
    ],
)
def test_a_message_names_files_of_the_server_without_where_they_are(said, shown, monkeypatch):
    monkeypatch.setattr("LungNoduleRiskWeb.session.speaking.ROOTS", ["/tmp/x y", "/home/a b"])
    assert without_folders(said) == shown


def test_a_row_of_the_state_has_no_folders_of_the_server_either(monkeypatch):
    monkeypatch.setattr("LungNoduleRiskWeb.session.speaking.ROOTS", ["/home/a b"])
    refusal = _("{name}: {refusal}").format(name="N1", refusal="/home/a b/c/ct.nrrd is damaged.")
    assert said({"nodules": [{"state": refusal}]}) == {
        "nodules": [{"state": "N1: ct.nrrd is damaged."}]
    }
