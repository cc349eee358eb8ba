"""Sessions: a process and a folder for each user, started by trame's launcher and ended with all
that was uploaded."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wslink.launcher import ProcessManager, ProxyMappingManager, SessionManager

from LungNoduleRiskWeb.agreed import KEY_VARIABLE, READY_LINE
from nodulerisk.errors import NoduleRiskError

HOST = "127.0.0.1"
LOG_NAME, UPLOADS_NAME = (
    "session.log",
    "uploads",
)  # what a session's folder holds, beside temporary files
MOST_LOG = 10_000_000  # bytes; a page can have lines written to it
START_SECONDS = 60.0
END_SECONDS = 5.0  # between asking a process to end and ending it
NOT_STARTED = "The session did not start: try again, or tell who runs this server."

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
        last_seen: when its user last sent something, in seconds (monotonic); infinite until it is
            ready.
        ending: what ends it, once that has begun.
    """

    name: str
    address: str
    folder: Path
    process: subprocess.Popen
    id: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    last_seen: float = math.inf
    ending: asyncio.Task | None = None

    def touch(self) -> None:
        """Its user is there."""
        self.last_seen = time.monotonic()


class Sessions:
    """Starts, finds and ends sessions; to be opened and closed with the application.

    Args:
        command: the command line of a session; "${port}" and "${folder}" stand for its own (a
            folder for uploads). Secrets do not belong here: every user of the machine can read it.
        environment: what it finds in its environment besides; its key is put there as
            ``NODULERISK_WEB_KEY``.
        most: how many sessions there may be at a time.
        idle_seconds: a session ends when its user has sent nothing for so long.

    Attributes:
        key: what a session's process demands of every request.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        key: str,
        most: int,
        idle_seconds: float,
    ):
        self.key = key
        self._command = list(command)
        self._environment = {**environment, KEY_VARIABLE: key}
        self._most = most
        self._idle_seconds = idle_seconds
        self._sessions: dict[str, Session] = {}

    async def open(self) -> None:
        """Makes the folder that theirs will be in, and begins to watch for sessions that are
        over."""
        self._base = Path(
            tempfile.mkdtemp(prefix="nodulerisk-web-")
        )  # only its owner can look into it
        config = _launcher_config(self._command, self._base)
        self._launcher = SessionManager(config, ProxyMappingManager)
        self._launcher.resources = _FreePorts(self._most)
        self._processes = _Processes(config, self._environment)
        self._watch = asyncio.create_task(self._end_what_is_over())

    async def close(self) -> None:
        """Ends all sessions, and deletes what they left."""
        self._watch.cancel()
        await asyncio.gather(
            *(self._end(session, "the server stops") for session in self._sessions.values())
        )
        shutil.rmtree(self._base, ignore_errors=True)

    async def start(self) -> Session:
        """A new session, once it can be asked.

        Raises:
            SessionError: all are in use, or it did not get ready within a minute.
        """
        await asyncio.gather(*self._over())  # they may hold the last place
        wanted = self._launcher.createSession({"application": "session"})
        if wanted is None:
            raise SessionError(f"All {self._most} sessions are in use: try again later.")
        session = self._launch(wanted)
        if not await _is_ready(session):
            await self._end(session, f"did not start: {_last_line(session)}")
            raise SessionError(NOT_STARTED)
        session.touch()
        _log(session, "started")
        return session

    def find(self, id: str) -> Session | None:
        """The session of this id, if it still runs."""
        session = self._sessions.get(id)
        return (
            session
            if session and session.ending is None and session.process.poll() is None
            else None
        )

    def _launch(self, wanted: dict[str, Any]) -> Session:
        folder = self._base / wanted["id"]
        try:
            folder.mkdir(mode=0o700)
            (folder / UPLOADS_NAME).mkdir()
            process = self._processes.startProcess(wanted)
        except OSError as error:  # such as a full disk
            self._launcher.deleteSession(wanted["id"])
            shutil.rmtree(folder, ignore_errors=True)
            raise SessionError(NOT_STARTED) from error
        session = Session(wanted["id"], f"{wanted['host']}:{wanted['port']}", folder, process)
        self._sessions[session.id] = session
        return session

    async def _end_what_is_over(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._over()

    def _over(self) -> list[asyncio.Task]:
        """Ends the sessions whose process is gone and those without a user."""
        reasons = [(session, self._why_over(session)) for session in self._sessions.values()]
        return [self._end(session, why) for session, why in reasons if why]

    def _why_over(self, session: Session) -> str:
        if math.isinf(session.last_seen):
            return ""  # start() looks after it
        if session.process.poll() is not None:
            return f"ended by itself ({session.process.returncode})"
        if _log_size(session) > MOST_LOG:
            return "it filled its log"
        return "nobody used it" if time.monotonic() - session.last_seen > self._idle_seconds else ""

    def _end(self, session: Session, why: str) -> asyncio.Task:
        """Ends a session, once, however often it is asked."""
        if session.ending is None:
            _log(session, why)
            session.ending = asyncio.create_task(self._end_process(session))
        return session.ending

    async def _end_process(self, session: Session) -> None:
        session.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(session.process.wait, END_SECONDS)
        session.process.kill()
        await asyncio.to_thread(session.process.wait)
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


async def _is_ready(session: Session) -> bool:
    """Waits until its process says that it listens; False: it ended, or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while session.process.poll() is None and time.monotonic() < deadline:
        if READY_LINE.encode() in (session.folder / LOG_NAME).read_bytes():
            return True
        await asyncio.sleep(0.1)
    return False


def _log(session: Session, what: str) -> None:
    logger.info("session %s: %s", session.name[:8], what)


def _log_size(session: Session) -> int:
    with suppress(OSError):
        return (session.folder / LOG_NAME).stat().st_size
    return 0


def _last_line(session: Session) -> str:
    """The log of a session that nobody has used yet, so that it cannot name a patient."""
    with suppress(FileNotFoundError):  # deleted: the server stops
        lines = (session.folder / LOG_NAME).read_text("utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")
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
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment, "TMPDIR": folder},
                # Ctrl-C in the terminal ends this process, and it ends the sessions
                start_new_session=True,
            )
        return process
