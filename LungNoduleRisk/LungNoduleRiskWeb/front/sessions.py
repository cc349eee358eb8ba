"""Sessions: a process and a folder for each user, started by trame's launcher and ended with all
that was uploaded."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wslink.launcher import ProcessManager, ProxyMappingManager, SessionManager

from LungNoduleRiskWeb.agreed import KEY_VARIABLE, READY_LINE
from LungNoduleRiskWeb.front import leftovers
from LungNoduleRiskWeb.front.visitors import Visitor
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

HOST = "127.0.0.1"
LOG_NAME, UPLOADS_NAME = (
    "session.log",
    "uploads",
)  # what a session's folder holds, beside temporary files
MOST_LOG = 10_000_000  # bytes; a page can have lines written to it
LAST_LINES = 10  # of a session that did not start
START_SECONDS = 60.0
CLOSED_SECONDS = 60.0  # after its last page was closed a session ends
REFILL_SECONDS = 10.0  # after a session was taken from the reserve: its page loads first
RETRY_SECONDS = 60.0  # after a reserve that did not start
END_SECONDS = 5.0  # between asking a process to end and ending it
NOT_STARTED = _("The session did not start: try again, or tell who runs this server.")

PREFIX = "nodulerisk-web-"  # of the folder of all sessions

logger = logging.getLogger(__name__)


class SessionError(NoduleRiskError):
    """No new session: all are in use, or it did not start."""


@dataclass(eq=False)
class Session:
    """One user's process.

    Attributes:
        id: known to its user alone.
        name: wslink's; opens nothing.
        address: host and port that the process listens on.
        owner: None: it waits in reserve.
        is_ready: it can be asked.
        last_seen: when its user last sent something, in seconds (monotonic).
        asked: requests that it is answering, and pages that are open.
        is_lost: the last page did not close but went without a word, as on a laptop that sleeps.
        ending: what ends it, once that has begun.
    """

    name: str
    address: str
    folder: Path
    process: subprocess.Popen
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    owner: Visitor | None = None
    is_ready: bool = False
    last_seen: float = field(default_factory=time.monotonic)
    asked: int = 0
    is_lost: bool = False
    ending: asyncio.Task | None = None

    @property
    def is_alive(self) -> bool:
        return self.ending is None and self.process.poll() is None

    def touch(self) -> None:
        """Its user is there."""
        self.last_seen = time.monotonic()

    def left(self, idle_seconds: float) -> float:
        """How many seconds it goes on without its user."""
        return self.last_seen + idle_seconds - time.monotonic()

    @property
    def is_closed(self) -> bool:
        """Whether its user has closed its pages, and opened none for a minute."""
        return not self.asked and not self.is_lost and self.left(CLOSED_SECONDS) < 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Counts what its user asks meanwhile."""
        self.asked += 1
        self.touch()
        try:
            yield
        finally:
            self.asked -= 1
            self.touch()


class Sessions:
    """Starts, finds and ends sessions; to be opened and closed with the application.

    Args:
        command: the command line of a session; "${port}" and "${folder}" stand for its own (a
            folder for uploads). Secrets do not belong here: every user of the machine can read it.
        environment: what it finds in its environment besides; its key is put there as
            ``NODULERISK_WEB_KEY``.
        most: how many sessions there may be at a time, with the one in reserve. A user who has a
            name gets half of them at most.
        idle_seconds: a session ends when its user has sent nothing for so long.
        reserve: one session more than are used is kept started, so that its user need not wait.
        is_welcome: whether a user still may have a session.

    Attributes:
        key: what a session's process demands of every request.
        started: how many sessions got a user.
        waited_seconds: how long these waited, all together.
        ended: how many sessions ended, by the reason.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        key: str,
        most: int,
        idle_seconds: float,
        reserve: bool = False,
        is_welcome: Callable[[str], bool] = lambda user: True,
    ):
        self.key = key
        self.most = most
        self.idle_seconds = idle_seconds
        self.started = 0
        self.waited_seconds = 0.0
        self.ended: Counter[str] = Counter()
        self._command = list(command)
        self._environment = {**environment, KEY_VARIABLE: key}
        self._is_welcome = is_welcome
        self._sessions: dict[str, Session] = {}
        self._starting: dict[Visitor, asyncio.Task[Session]] = {}
        self._has_reserve = reserve
        self._reserve: asyncio.Task[Session] | None = None
        self._refill_at = 0.0

    @property
    def used(self) -> int:
        """How many sessions have a user."""
        return sum(one.owner is not None for one in self._sessions.values())

    async def open(self) -> None:
        """Makes the folder that theirs will be in, and begins to watch for sessions that are
        over."""
        leftovers.remove(PREFIX)
        self._base = Path(tempfile.mkdtemp(prefix=PREFIX))  # only its owner can look into it
        self._held = leftovers.hold(self._base)
        config = _launcher_config(self._command, self._base)
        self._launcher = SessionManager(config, ProxyMappingManager)
        self._launcher.resources = _FreePorts(self.most)
        self._processes = _Processes(config, self._environment)
        self._watch = asyncio.create_task(self._keep_watch())

    async def close(self) -> None:
        """Ends all sessions, and deletes what they left."""
        self._watch.cancel()
        if self._reserve is not None:
            self._reserve.cancel()
        await asyncio.gather(
            *(self._end(session, "the server stops") for session in self._sessions.values())
        )
        shutil.rmtree(self._base, ignore_errors=True)
        leftovers.let_go(self._held)

    async def own(self, visitor: Visitor) -> Session:
        """The visitor's session, once it can be asked: the one that they have, else a new one.

        Raises:
            SessionError: all are in use, or it did not get ready within a minute.
        """
        for session in self._sessions.values():
            if session.owner == visitor and session.is_alive:
                return session
        if visitor not in self._starting:  # else two tabs, opened together, ask for one
            self._starting[visitor] = asyncio.create_task(self._start(visitor))
            self._starting[visitor].add_done_callback(lambda _: self._starting.pop(visitor))
        return await asyncio.shield(self._starting[visitor])

    def find(self, id: str, visitor: Visitor) -> Session | None:
        """The session of this id, if it is the visitor's and still runs."""
        session = self._sessions.get(id)
        return session if session and session.owner == visitor and session.is_alive else None

    async def _start(self, visitor: Visitor) -> Session:
        began = time.monotonic()
        await asyncio.gather(*self._over())  # they may hold the last place
        self._refuse_too_many(visitor)
        session = await self._from_reserve() or await self._new()
        session.owner = visitor
        session.touch()
        self.started += 1
        self.waited_seconds += time.monotonic() - began
        _log(session, "started")
        return session

    def _refuse_too_many(self, visitor: Visitor) -> None:
        owners = [one.owner for one in self._sessions.values() if one.owner]
        same = sum(one.user == visitor.user for one in [*owners, *self._starting])
        if visitor.user and same > max(1, self.most // 2):
            raise SessionError(
                _("You have sessions in other browsers, and others need a place: end one of yours.")
            )

    async def _new(self) -> Session:
        """A session without a user, once it can be asked."""
        wanted = self._launcher.createSession({"application": "session"})
        if wanted is None:
            raise SessionError(
                _("All {most} sessions are in use: try again later.").format(most=self.most)
            )
        session = self._launch(wanted)
        if why := await _why_not_ready(session):
            await self._end(session, "did not start", why)
            raise SessionError(NOT_STARTED)
        session.is_ready = True
        return session

    def _launch(self, wanted: dict[str, Any]) -> Session:
        folder = self._base / wanted["id"]
        try:
            folder.mkdir(mode=0o700)
            (folder / UPLOADS_NAME).mkdir()
            process = self._processes.startProcess(wanted)
        except OSError as error:  # such as a full disk
            logger.error("a session did not start: %s", error)
            self._launcher.deleteSession(wanted["id"])
            shutil.rmtree(folder, ignore_errors=True)
            raise SessionError(NOT_STARTED) from error
        session = Session(wanted["id"], f"{wanted['host']}:{wanted['port']}", folder, process)
        self._sessions[session.id] = session
        return session

    async def _from_reserve(self) -> Session | None:
        task, self._reserve = self._reserve, None
        self._refill_at = time.monotonic() + REFILL_SECONDS
        session = await task if task else None
        return session if session and session.is_alive else None

    async def _keep_watch(self) -> None:
        while True:
            self._over()
            self._keep_reserve()
            await asyncio.sleep(1)

    def _keep_reserve(self) -> None:
        """Starts a session for whoever comes next, unless the last one is still at it."""
        if self._reserve is not None and not _is_of_use(self._reserve):
            self._reserve, self._refill_at = None, time.monotonic() + RETRY_SECONDS
        has_room = self._reserve is None and len(self._sessions) < self.most
        if self._has_reserve and has_room and time.monotonic() >= self._refill_at:
            self._reserve = asyncio.create_task(self._new())

    def _over(self) -> list[asyncio.Task]:
        """Ends the sessions whose process is gone and those without a user."""
        reasons = [(session, self._why_over(session)) for session in self._sessions.values()]
        return [self._end(session, why) for session, why in reasons if why]

    def _why_over(self, session: Session) -> str:
        if not session.is_ready:
            return ""  # _new() looks after it
        if session.process.poll() is not None:
            return "ended by itself"
        if _log_size(session) > MOST_LOG:
            return "it filled its log"
        return self._why_unused(session, session.owner) if session.owner else ""

    def _why_unused(self, session: Session, owner: Visitor) -> str:
        if not self._is_welcome(owner.user):
            return "its user is shut out"
        if session.is_closed:
            return "its page was closed"
        return "nobody used it" if session.left(self.idle_seconds) < 0 else ""

    def _end(self, session: Session, why: str, detail: str = "") -> asyncio.Task:
        """Ends a session, once, however often it is asked."""
        if session.ending is None:
            code = session.process.poll()
            detail = detail or ("" if code is None else f"code {code}")
            _log(session, f"{why}: {detail}" if detail else why)
            self.ended[why] += 1
            session.ending = asyncio.create_task(self._end_process(session))
        return session.ending

    async def _end_process(self, session: Session) -> None:
        session.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(session.process.wait, END_SECONDS)
        session.process.kill()
        await asyncio.to_thread(session.process.wait)
        if session.process.stdin is not None:
            session.process.stdin.close()
        await asyncio.to_thread(shutil.rmtree, session.folder, ignore_errors=True)
        self._processes.stopProcess(session.name)
        self._launcher.deleteSession(session.name)
        del self._sessions[session.id]


def _launcher_config(command: list[str], base: Path) -> dict[str, Any]:
    """The settings that wslink reads from its configuration file. Nothing a browser sends has a
    place in it."""
    filled = [part.replace("${folder}", str(base / "${id}" / UPLOADS_NAME)) for part in command]
    return {
        "configuration": {"log_dir": str(base), "sanitize": {}, "sessionURL": ""},
        "resources": [],
        "properties": {},
        "apps": {"session": {"cmd": filled}},
    }


async def _why_not_ready(session: Session) -> str:
    """Waits until its process says that it listens; else why it does not."""
    deadline = time.monotonic() + START_SECONDS
    while session.process.poll() is None and time.monotonic() < deadline:
        if READY_LINE.encode() in (session.folder / LOG_NAME).read_bytes():
            return ""
        await asyncio.sleep(0.1)
    code = session.process.returncode
    how = f"not ready after {START_SECONDS:.0f} s" if code is None else f"code {code}"
    return f"{_last_lines(session)} ({how})"


def _is_of_use(reserve: asyncio.Task[Session]) -> bool:
    """Whether it is ready, or will be."""
    return not reserve.done() or (reserve.exception() is None and reserve.result().is_alive)


def _log(session: Session, what: str) -> None:
    logger.info("session %s: %s", session.name[:8], what)


def _log_size(session: Session) -> int:
    with suppress(OSError):
        return (session.folder / LOG_NAME).stat().st_size
    return 0


def _last_lines(session: Session) -> str:
    """The log of a session that nobody has used yet, so that it cannot name a patient."""
    with suppress(FileNotFoundError):  # deleted: the server stops
        lines = (session.folder / LOG_NAME).read_text("utf-8", errors="replace").split("\n")
        return " | ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:])
    return ""


class _FreePorts:
    """Stands for wslink's ResourceManager, whose ports are fixed: takes any free one of this
    machine."""

    def __init__(self, most: int):
        self._most = most
        self._used: set[int] = set()

    def getNextResource(self) -> tuple[str, int] | tuple[None, None]:
        if len(self._used) == self._most:
            return None, None
        while (port := _free_port()) in self._used:  # given away, but not yet taken by its session
            pass
        self._used.add(port)
        return HOST, port

    def freeResource(self, host: str, port: int) -> None:
        self._used.discard(port)


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


class _Processes(ProcessManager):
    """wslink's, with an environment, and with each log in its session's folder: it may name a
    file."""

    def __init__(self, config: dict[str, Any], environment: Mapping[str, str]):
        super().__init__(config)
        self._environment = environment

    def _getLogFilePath(self, id: str) -> Path:
        return Path(self.log_dir) / id / LOG_NAME

    def startProcess(self, session: dict[str, Any]) -> subprocess.Popen:
        folder = str(Path(self.log_dir) / session["id"])
        with self._getLogFilePath(session["id"]).open("wb") as log:
            self.processes[session["id"]] = process = subprocess.Popen(
                session["cmd"],
                stdin=subprocess.PIPE,  # closes with this process, however that ends
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment, "TMPDIR": folder},
                # Ctrl-C in the terminal ends this process, and it ends the sessions
                start_new_session=True,
            )
        return process
