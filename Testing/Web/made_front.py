"""The front over made sessions: inside a test, or as a program that prints its address
(``made_front.py FOLDER``)."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientResponse, ClientSession, CookieJar, web

from LungNoduleRiskWeb.front import server as front
from LungNoduleRiskWeb.front.sessions import Sessions

T = TypeVar("T")
TOKEN, KEY = "a token; with ü and &", "the key of the sessions"
SESSION = str(Path(__file__).with_name("made_session.py"))
COMMAND = [sys.executable, SESSION, "--port", "${port}", "--folder", "${folder}"]


def made_sessions(*options: str, most: int = 8, idle_seconds: float = 60, **more: Any) -> Sessions:
    command = [*COMMAND, *options]
    return Sessions(command, {}, key=KEY, most=most, idle_seconds=idle_seconds, **more)


@dataclass
class Browser:
    """Asks a front as a browser does; keeps cookies, follows no redirection by itself."""

    address: str
    client: ClientSession

    async def get(self, path: str, **more: Any) -> ClientResponse:
        return await self._ask("GET", path, **more)

    async def post(self, path: str, data: Any = None, **more: Any) -> ClientResponse:
        return await self._ask("POST", path, data=data, headers={"Origin": self.address}, **more)

    async def _ask(self, method: str, path: str, **more: Any) -> ClientResponse:
        answer = await self.client.request(
            method, self.address + path, allow_redirects=False, **more
        )
        await answer.read()
        return answer

    async def log_in(self, token: str = TOKEN) -> ClientResponse:
        return await self.post("/login", {"token": token})

    async def start_session(self, root: str = "/") -> str:
        """Where this browser's session is."""
        return (await self.get(root)).headers["Location"]

    async def about(self, session: str) -> dict[str, Any]:
        """The session's own account of its process."""
        return json.loads(await (await self.get(session + "about")).text())

    def talk(self, session: str, origin: str | None = None):
        return self.client.ws_connect(
            f"{self.address}{session}ws", origin=origin or self.address, max_msg_size=0
        )


@asynccontextmanager
async def browser(address: str) -> AsyncIterator[Browser]:
    async with ClientSession(
        cookie_jar=CookieJar(unsafe=True)
    ) as client:  # unsafe: of addresses that are no names
        yield Browser(address, client)


@asynccontextmanager
async def made_front(
    sessions: Sessions, token: str | None = None, door: front.Door | None = None, **more: Any
) -> AsyncIterator[Browser]:
    """The front, and a browser that has not been let in yet."""
    door = door or front.Door(token=token)
    app = front.make_app(sessions, door.visitors(), root=door.root_path, **more)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        listener = front.listening("127.0.0.1", 0)
        await web.SockSite(runner, listener).start()
        async with browser(f"http://127.0.0.1:{listener.getsockname()[1]}") as user:
            yield user
    finally:
        await runner.cleanup()


def run(test: Coroutine[Any, Any, T]) -> T:
    """Runs it in a thread of its own: a browser that other tests keep open has this thread's event
    loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, test).result()


@contextmanager
def program(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process whose output can be read, and which does not outlive a test that fails."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def main() -> None:
    tempfile.tempdir = sys.argv[1]
    listener = front.listening("127.0.0.1", 0)
    door = front.Door()
    print(front.address("127.0.0.1", listener.getsockname()[1], door, None), flush=True)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # though the tests may run under nohup
    front.run(front.make_app(made_sessions(), door.visitors()), listener)


if __name__ == "__main__":
    main()
