"""The traffic between a browser and its session: whole, of any size, and nothing more than it
should."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
import pytest
from aiohttp import ClientError

from made_front import KEY, TOKEN, Browser, made_front, made_sessions, run

MB = 2**20


def with_session(test: Callable[[Browser, str], Awaitable[None]]) -> None:
    async def all_of_it() -> None:
        async with made_front(made_sessions(), TOKEN) as user:
            await user.log_in()
            await test(user, await user.start_session())

    run(all_of_it())


def test_a_session_gets_its_path_and_the_key_but_neither_cookies_nor_token():
    async def test(user: Browser, session: str) -> None:
        wrong = {"X-LungNoduleRisk-Key": "mine", "X-Other": "kept", "Proxy-Authorization": "mine"}
        wrong["Authorization"] = f"Bearer {TOKEN}"
        answer = await user.get(f"{session}about/a%20b%2Fc?d=e+f&g", headers=wrong)
        about = await answer.json()
        assert about["path"] == "/about/a%20b%2Fc?d=e+f&g"
        assert about["headers"]["X-LungNoduleRisk-Key"] == KEY
        assert about["headers"]["X-Other"] == "kept"
        assert not {"Authorization", "Cookie", "Proxy-Authorization"} & set(about["headers"])
        assert "Set-Cookie" not in answer.headers and "Connection" not in answer.headers

    with_session(test)


def test_a_hundred_megabytes_go_up_and_down_with_little_memory():
    block = os.urandom(MB)
    process, highest = psutil.Process(), 0

    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield block

    async def test(user: Browser, session: str) -> None:
        nonlocal highest
        before, back = process.memory_info().rss, hashlib.sha256()
        request = user.client.post(
            f"{user.address}{session}echo", data=blocks(), headers={"Origin": user.address}
        )
        async with request as answer:
            async for chunk in answer.content.iter_any():
                back.update(chunk)
                highest = max(highest, process.memory_info().rss - before)
        assert back.hexdigest() == hashlib.sha256(block * 100).hexdigest()

    with_session(test)
    assert highest < 40 * MB


def test_an_upload_of_known_length_arrives_whole():
    async def test(user: Browser, session: str) -> None:
        assert await (await user.post(f"{session}echo", bytes(9 * MB))).read() == bytes(9 * MB)

    with_session(test)


def test_an_upload_that_the_session_refuses_early_is_answered():
    async def test(user: Browser, session: str) -> None:
        answer = await user.post(f"{session}refuse", bytes(64 * MB))
        assert (answer.status, await answer.text()) == (413, "too large")

    with_session(test)


@pytest.mark.parametrize(
    "message", ["ü" * (4 * MB), os.urandom(8 * MB), "", b""], ids=["text", "bytes", "", "none"]
)
def test_messages_of_any_size_pass_both_ways(message):
    async def test(user: Browser, session: str) -> None:
        async with user.talk(session) as socket:
            await (
                socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message)
            )
            assert (await socket.receive()).data == message

    with_session(test)


def test_a_session_that_closes_its_socket_closes_the_browsers():
    async def test(user: Browser, session: str) -> None:
        async with user.talk(session) as socket:
            await socket.send_str("bye")
            assert (await socket.receive(timeout=8)).type.name == "CLOSE"
        assert (await user.get(session)).status == 200

    with_session(test)


def test_half_an_answer_is_not_taken_for_the_whole():
    async def test(user: Browser, session: str) -> None:
        with pytest.raises(ClientError):
            await user.get(f"{session}half")

    with_session(test)


def test_a_session_that_ends_instead_of_answering_is_reported():
    async def test(user: Browser, session: str) -> None:
        answer = await user.get(f"{session}crash")
        assert answer.status == 502 and "does not answer" in await answer.text()

    with_session(test)
