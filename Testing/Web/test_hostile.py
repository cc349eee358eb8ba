"""What breaks the page: clients that do not play by the rules, users that do everything at the
wrong moment, and eyes, fingers and screens unlike the developers'.

First the controller alone in this process, with quick networks; then made sessions behind the
front; then one real server, asked by a raw client of trame's websocket and by Chromium.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgpack
import numpy as np
import psutil
import pytest
import slicer
from aiohttp import ClientSession, CookieJar, FormData, WSMsgType
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from playwright.sync_api import Page, expect
from pydicom import dcmread
from yarl import URL

from LungNoduleRiskLib.display import results
from LungNoduleRiskLib.display.nodes import resultNode
from LungNoduleRiskWeb.front.sessions import LOG_NAME, Sessions
from LungNoduleRiskWeb.session import controller as controller_module
from LungNoduleRiskWeb.session import downloads
from LungNoduleRiskWeb.session.controller import STATE, Controller
from LungNoduleRiskWeb.session.downloads import FILES
from LungNoduleRiskWeb.session.viewer import Viewer
from made_assessment import CENTRE_LPS_MM, RADIUS_MM, made_ct
from made_dicom import write_series
from made_front import KEY, browser, made_front, run
from made_weights import made_weights
from nodulerisk.errors import NoduleRiskError, WorkerError

pytestmark = pytest.mark.slow  # a minute and a half

SAMPLE = Path(__file__).parents[2] / "Resources" / "SampleData" / "demo-chest-ct.zip"
INSIDE, OUTSIDE = ", ".join(map(str, CENTRE_LPS_MM)), "900, 900, 900"
MB = 1_000_000


# --- The controller alone


class QuickNetworks:
    """Draws a ball and finds every nodule malignant; waits while it is held, and fails when told
    to."""

    free = threading.Event()
    free.set()
    failing = False

    def __init__(self, *_, **__):
        self.device, self.checks, self._cancelled = "made", [], threading.Event()

    def predict(self, network: str, cubes: np.ndarray) -> tuple[np.ndarray, ...]:
        while not (self._cancelled.is_set() or self.free.wait(0.001)):
            pass
        if self._cancelled.is_set() or self.failing:
            raise WorkerError("The assessment was cancelled.")
        if network != "densesharp":
            return (np.array([[0.2, 0.8]], np.float32),)
        z, y, x = np.indices((32, 32, 32)) - 15.5
        ball = np.sqrt(x * x + y * y + z * z) <= RADIUS_MM
        return np.full((1, 3), 1 / 3, np.float32), ball[None, None].astype(np.float32)

    def cancel(self) -> None:
        self._cancelled.set()


@pytest.fixture(scope="module")
def cts(tmp_path_factory) -> Path:
    """DICOM series in folders ``a``, ``b``, ``both``, and ``damaged``."""
    folder = tmp_path_factory.mktemp("cts")
    for name, spacing_mm in (("a", (2.0, 2.0, 2.5)), ("b", (2.0, 2.0, 2.0))):
        ct = made_ct(spacing_mm=spacing_mm)
        for into in (name, f"both/{name}"):
            write_series(
                folder / into, ct.hu, spacing_mm=spacing_mm, origin_lps_mm=ct.origin_lps_mm
            )
    (folder / "damaged").mkdir()
    (folder / "damaged" / "1.dcm").write_text("not a CT")
    return folder


@pytest.fixture(scope="module")
def user(cts, tmp_path_factory) -> Iterator[User]:
    """One for all tests, each of which opens a CT first."""
    weights = made_weights(tmp_path_factory.mktemp("weights")).folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller_module, "POLL_S", 0.01)
        for name in ("mrmlScene", "modules"):  # they are those of others' tests, too
            patch.setattr(slicer, name, getattr(slicer, name, None), raising=False)
        user = User(cts, str(weights), tmp_path_factory.mktemp("written"))
        yield user
        user.leave()


class User:
    """Someone at a page, without the page: each step ends when the page would have been told of
    what it did."""

    def __init__(self, cts: Path, weights: str, folder: Path):
        from LungNoduleRiskWeb.session.speaking import SpeakingServer

        self.cts, self.folder = cts, folder
        self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        server = SpeakingServer()
        self.controller = Controller(server, Viewer(server), QuickNetworks, weights, "cpu")
        self.state = server.state
        self.state.ready()

    def do(self, step: Callable[[], Any] = lambda: None) -> None:
        self.loop.run_until_complete(self._do(step))

    async def _do(self, step: Callable[[], Any]) -> None:
        with contextlib.suppress(NoduleRiskError):
            with self.state:
                begun = step()
            if asyncio.iscoroutine(begun):
                await begun
        await asyncio.sleep(0.03)
        self.state.flush()

    def leave(self) -> None:
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.do()
        self.loop.close()
        asyncio.set_event_loop(None)

    def open(self, name: str = "a") -> None:
        self.do(lambda: self.controller.open(self.cts / name))

    def type_point(self, text: str = INSIDE) -> None:
        self.fill(coordinates=text)
        self.do(self.controller.add_typed_point)

    def fill(self, **fields: Any) -> None:
        self.do(lambda: self.state.update(fields))

    def assess(self) -> None:
        self.do(self.controller._assess)

    def during_a_run(self, step: Callable[[], Any]) -> None:
        async def both() -> None:
            QuickNetworks.free.clear()
            running = asyncio.create_task(self.controller._assess())
            await asyncio.sleep(0.03)
            await self._do(step)
            QuickNetworks.free.set()
            await running

        self.do(both)

    @property
    def rows(self) -> dict[str, dict]:
        return {row["name"]: row for row in self.state.nodules}

    def written(self, name: str) -> Path:
        downloads.prepare(name, self.controller, self.folder)()
        return self.folder / name


def test_fault_42_what_was_said_of_a_patient_is_not_said_of_the_next(user):
    """Else Brock and Fleischner would take the age of whoever's CT was open before."""
    user.open("a")
    user.type_point()
    user.assess()
    user.fill(
        patient_age="62", patient_sex="female", patient_spiculation="yes", report_url="report"
    )
    user.open("b")
    assert {
        key: value
        for key, value in user.state.to_dict().items()
        if key.startswith("patient_") and value
    } == {}
    assert user.state.report_url == ""


def test_fault_42_what_was_said_of_a_nodule_is_not_said_of_another_of_its_name(user):
    """Once all points are gone Slicer counts from N1 again."""
    user.open()
    user.type_point(OUTSIDE)
    user.assess()
    assert "Refused" in user.rows["N1"]["state"][0]
    user.fill(patient_spiculation="yes")
    user.do(lambda: user.controller.delete("N1"))
    user.type_point()
    assert user.rows["N1"]["state"] == ["Not assessed yet."]
    assert user.state.patient_spiculation == ""


def test_the_sample_offers_no_dicom_that_it_cannot_write(user):
    user.do(user.controller.open_sample)
    user.assess()
    with pytest.raises(NoduleRiskError, match="upload the CT"):
        user.written("dicom.zip")
    assert not user.state.ct["dicom"]


def test_a_nodule_that_is_gone_cannot_be_chosen(user):
    """It was clicked on just as another page of the session deleted it."""
    user.open()
    user.type_point()
    user.do(lambda: user.controller.select("N7"))
    assert user.state.selected == "N1"
    assert user.state.is_error and "no longer there" in user.state.message


def test_a_nodule_that_is_assessed_cannot_be_deleted(user):
    user.open()
    user.type_point()
    user.during_a_run(lambda: user.controller.delete("N1"))
    assert user.rows["N1"]["placed"] and user.rows["N1"]["answers"]


def test_deleting_assessing_and_placing_are_undone_the_last_first(user):
    user.open()
    user.type_point()
    user.assess()
    user.do(lambda: user.controller.delete("N1"))
    assert not user.rows
    for answered in (True, False):
        user.do(user.controller.undo)
        assert bool(user.rows["N1"]["answers"]) == answered
    user.do(user.controller.undo)
    assert not user.rows and not user.state.is_error
    user.do(user.controller.undo)
    assert user.state.is_error and "nothing to undo" in user.state.message


def test_an_error_message_goes_away_once_the_error_is_corrected(user):
    user.open()
    user.type_point("here")
    assert user.state.is_error
    user.type_point()
    assert not user.state.message
    user.assess()
    user.fill(patient_age="621")
    assert user.state.is_error and user.state.facts is not None
    user.fill(patient_age="62")
    assert not user.state.message


def test_there_is_no_report_without_results(user):
    user.open()
    user.type_point()
    for name in (None, "N1", "<script>"):
        with pytest.raises(NoduleRiskError, match="no results"):
            downloads.report(user.controller, user.folder / "report.html", name)


def test_a_page_that_lies_about_the_list_cannot_spoil_a_run(user):
    user.open()
    user.type_point()
    user.during_a_run(
        lambda: user.state.update(
            {"nodules": "none", "selected": ["N1"], "busy": "", "running": False}
        )
    )
    assert user.rows["N1"]["answers"] and user.state.facts["name"] == "N1"
    assert user.state.message == "1 of 1 nodules assessed."


def test_a_run_that_cannot_be_shown_is_over_before_the_next_can_begin(user, monkeypatch):
    """Two at once would mix up their answers: they ask the networks over one connection."""
    user.open()
    user.type_point()
    cancelled, over = threading.Event(), threading.Event()

    def compute(*_) -> None:
        cancelled.wait(5)
        over.set()

    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(user.controller.session, "compute", compute)
    monkeypatch.setattr(user.controller.session, "cancel", cancelled.set)
    monkeypatch.setattr(user.controller, "_show_news", fail)
    user.assess()
    assert over.is_set() and "should not happen" in user.state.message and not user.state.busy


def test_fault_42_43_nothing_stale_whatever_the_order(user):
    """List, facts, scene and files say the same after any steps in any order."""

    class Steps(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            user.open()

        @rule(name=some.sampled_from(["a", "b", "both", "damaged"]))
        def open(self, name):
            user.open(name)

        @precondition(lambda _: user.state.series)
        @rule(number=some.integers(0, 1))
        def choose_series(self, number):
            user.do(lambda: user.controller._open_series(user.state.series[number]["uid"]))

        @rule(text=some.sampled_from([INSIDE, INSIDE, INSIDE, OUTSIDE, "here"]))
        def type_point(self, text):
            user.type_point(text)

        @precondition(lambda _: user.controller.session.points())
        @rule(by=some.sampled_from([1, 400]), during=some.booleans())
        def drag(self, by, during):
            def move() -> None:
                x, y, z = user.controller.session.markupsNode.GetNthControlPointPosition(0)
                user.controller.session.markupsNode.SetNthControlPointPosition(0, x + by, y, z)

            (user.during_a_run if during else user.do)(move)

        @precondition(lambda _: user.rows)
        @rule(during=some.booleans())
        def delete(self, during):
            (user.during_a_run if during else user.do)(
                lambda: user.controller.delete(next(iter(user.rows)))
            )

        @precondition(lambda _: user.controller.session.points())
        @rule()
        def press_the_delete_key_in_a_view(self):
            user.do(lambda: user.controller.session.markupsNode.RemoveNthControlPoint(0))

        @rule()
        def step(self):
            user.do(lambda: user.controller.step(1))

        @rule()
        def assess(self):
            user.assess()

        @rule()
        def cancel(self):
            user.during_a_run(user.controller.cancel)

        @rule()
        def assess_while_the_networks_fail(self):
            QuickNetworks.failing = True
            user.assess()
            QuickNetworks.failing = False

        @rule(name=some.sampled_from(["b", "damaged"]))
        def open_during_a_run(self, name):
            user.during_a_run(lambda: user.controller.open(user.cts / name))

        @rule(age=some.sampled_from(["62", "621", ""]), spiculation=some.sampled_from(["yes", ""]))
        def fill(self, age, spiculation):
            user.fill(patient_age=age, patient_spiculation=spiculation)

        @invariant()
        def all_say_the_same(self):
            assert_consistent(user)

    steps = settings(
        max_examples=6,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        suppress_health_check=HealthCheck,
    )
    run_state_machine_as_test(Steps, settings=steps)


def assert_consistent(user: User) -> None:
    state, controller = user.state, user.controller
    known = controller.session._known
    names = list(user.rows)
    saved = results.savedAssessments(controller.session.volumeNode)
    segmentation = resultNode("segmentation", controller.session.volumeNode)
    assert names == [nodule.name for nodule in controller.session.nodules]
    assert {name for name in names if user.rows[name]["answers"]} == set(saved)
    assert [one.name for one in controller.session.drawn] == [
        name for name in names if name in saved
    ]
    assert set(segmentation.GetSegmentation().GetSegmentIDs() if segmentation else ()) == set(saved)
    assert state.selected in names or (not names and state.selected is None)
    assert (state.facts or {}).get("name") == (state.selected if state.selected in saved else None)
    assert known.refusals.keys() | known.answers.keys() | known.drawn.keys() <= set(names)
    assert not state.busy and not state.running
    assert "should not happen" not in state.message
    for one in controller.session.drawn:
        assert one.provenance.series_uid == controller.series_uid
        assert one.to_dict()["tasks"] == saved[one.name].to_dict()["tasks"]
    if saved:
        written = json.loads(user.written("nodules.json").read_text("utf-8"))["assessments"]
        assert [one["name"] for one in written] == [name for name in names if name in saved]


# --- The front over made sessions


SESSION = """\
import asyncio, sys
from aiohttp import web

async def talk(request):
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    while not socket.closed:
        await socket.send_str("a run goes on")
        await asyncio.sleep(0.1)

async def shout(_):
    for _ in range(20):
        print("x" * 1_000_000)
    return web.Response()

app = web.Application()
app.add_routes([web.get("/ws", talk), web.get("/shout", shout)])
started = lambda _: print("wslink: Starting factory", flush=True)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=started)
"""


def sessions_of(program: str, idle_seconds: float = 60) -> Sessions:
    return Sessions(
        [sys.executable, "-c", program, "${port}"], {}, key=KEY, most=2, idle_seconds=idle_seconds
    )


def test_a_huge_message_does_not_fill_the_front():
    """The front keeps a message whole until it has all of it, for all users in one process."""

    def fragment(code: int, size: int) -> bytes:
        return bytes([code, 0xFF]) + size.to_bytes(8, "big") + bytes(4 + size)

    async def test() -> int:
        async with made_front(sessions_of(SESSION)) as user:
            session = await user.start_session()
            before = psutil.Process().memory_info().rss
            async with user.talk(session) as socket:
                writer = socket._response.connection.transport
                for number in range(30):
                    if writer.is_closing():
                        break
                    writer.write(fragment(0x00 if number else 0x02, 8 * MB))
                    while writer.get_write_buffer_size() and not writer.is_closing():
                        await asyncio.sleep(0.001)
                return psutil.Process().memory_info().rss - before

    assert run(test()) < 100 * MB


def test_who_watches_a_long_run_is_not_idle():
    async def test() -> int:
        async with made_front(sessions_of(SESSION, idle_seconds=1)) as user:
            session = await user.start_session()
            async with user.talk(session) as socket:
                watched = time.monotonic() + 3
                while time.monotonic() < watched:
                    await socket.receive(timeout=2)
            return (await user.get(f"{session}shout")).status

    assert run(test()) == 200


def test_fault_44_a_session_that_fills_its_log_ends():
    """A page can have lines written to it, of any length, and the disk is everybody's."""

    async def test() -> int:
        async with made_front(sessions_of(SESSION)) as user:
            session = await user.start_session()
            await user.get(f"{session}shout")
            async with asyncio.timeout(10):
                while (status := (await user.get(f"{session}nowhere")).status) != 410:
                    await asyncio.sleep(0.2)
            return status

    assert run(test()) == 410


def test_twenty_sessions_leave_nothing_behind(tmp_path, monkeypatch):
    """Neither processes nor folders, nor anything in the front itself."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    quick = "import sys; from aiohttp import web; web.run_app(web.Application(), host='127.0.0.1', "
    quick += "port=int(sys.argv[1]), print=lambda _: print('wslink: Starting factory', flush=True))"

    def held() -> tuple[int, int, int]:
        me = psutil.Process()
        return me.num_fds(), len(me.children(recursive=True)), len(list(tmp_path.glob("*/*")))

    async def test() -> None:
        sessions = sessions_of(quick)
        async with made_front(sessions) as user:
            before = held()
            for _ in range(10):
                for _ in range(2):
                    async with browser(user.address) as another:
                        await another.start_session()
                await asyncio.gather(
                    *(sessions._end(one, "the test is over") for one in sessions._sessions.values())
                )
            assert [now - then for now, then in zip(held(), before, strict=True)] <= [2, 0, 0]

    run(test())


# --- A real server


@dataclass
class Served:
    address: str
    pid: int
    log: Path

    def session(self, number: int = -1) -> psutil.Process:
        """A session's process, by default the newest."""
        children = psutil.Process(self.pid).children()
        sessions = [child for child in children if "LungNoduleRiskWeb.session" in child.cmdline()]
        return sorted(sessions, key=psutil.Process.create_time)[number]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("server") / "log"
    command = [
        str(Path(sys.executable).with_name("nodulerisk")),
        "serve",
        "--port",
        "0",
        "--sessions",
        "4",
        "--no-reserve",  # the newest process is the test's own
    ]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log.open("w") as stderr:
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        )
    try:
        yield Served(
            next(line.split()[1] for line in server.stdout if line.startswith("Open ")),
            server.pid,
            log,
        )
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


@pytest.fixture(scope="module")
def address(served) -> str:
    """For Chromium."""
    return served.address


class RawClient:
    """Says to a session whatever it likes, past the page: wslink's messages over the front's
    websocket."""

    def __init__(self, client: ClientSession, place: Place):
        self.client, self.base, self.url = client, place.base, place.base + place.path
        self.state: dict[str, Any] = {}
        self._answers: dict[str, asyncio.Future] = {}

    async def __aenter__(self) -> RawClient:
        self._socket = await self.client.ws_connect(
            URL(f"{self.url}ws"), origin=self.base, max_msg_size=0
        )
        self._reading = asyncio.create_task(self._read())
        await self.ask("wslink.hello", {"secret": "wslink-secret"}, kind="system")
        self.state = (await self.ask("trame.state.get"))["result"]["state"]
        return self

    async def __aexit__(self, *_) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def ask(self, method: str, *arguments: Any, kind: str = "rpc") -> dict[str, Any]:
        name = f"{kind}:c0:{len(self._answers)}"
        said = msgpack.packb(
            {"wslink": "1.0", "id": name, "method": method, "args": list(arguments), "kwargs": {}}
        )
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        await self.send(struct.pack("<III", len(self._answers), 0, len(said)) + said)
        async with asyncio.timeout(60):
            return await answer

    async def send(self, message: bytes) -> None:
        await self._socket.send_bytes(message)

    async def set(self, **values: Any) -> dict[str, Any]:
        return await self.ask(
            "trame.state.update", [{"key": key, "value": value} for key, value in values.items()]
        )

    async def press(self, button: str) -> None:
        """A button of the page, by its icon or title."""
        template = self.state["trame__template_main"]
        trigger = re.search(
            rf"<VBtn (?:(?!</VBtn>).)*?(trigger__\d+)(?:(?!</VBtn>).)*?{button}",
            template,
            re.DOTALL,
        )
        await self.ask("trame.trigger", trigger[1], [], {})

    async def assess(self) -> None:
        await self.press("mdi-play")
        await self.until(
            lambda: "nodules assessed" in self.state["message"] and not self.state["busy"]
        )

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not true():
                await asyncio.sleep(0.02)

    async def get(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        headers = {"Origin": self.base}
        url = URL(self.url + path, encoded=True)
        async with self.client.request(
            method, url, allow_redirects=False, headers=headers
        ) as answer:
            return answer.status, await answer.read()

    async def upload(self, *files: Path) -> tuple[int, str]:
        form = FormData()
        for file in files:
            form.add_field("file", file.read_bytes(), filename=file.name)
        async with self.client.post(
            f"{self.url}upload", data=form, headers={"Origin": self.base}
        ) as answer:
            return answer.status, await answer.text()

    async def _read(self) -> None:
        parts: dict[int, bytearray] = {}
        async for message in self._socket:
            if message.type is WSMsgType.BINARY:
                number, _, size = struct.unpack("<III", message.data[:12])
                part = parts.setdefault(number, bytearray())
                part += message.data[12:]
                if len(part) == size:
                    self._hear(msgpack.unpackb(bytes(parts.pop(number)), strict_map_key=False))

    def _hear(self, said: dict[str, Any]) -> None:
        if said["id"] in self._answers:
            self._answers[said["id"]].set_result(said)
        elif said["id"].startswith("publish:trame.state"):
            self.state.update(said["result"])


@dataclass
class Place:
    """Of a session, and what opens it."""

    base: str
    path: str
    cookie: str


async def started(served: Served) -> Place:
    address = urlsplit(served.address)
    base = f"{address.scheme}://{address.netloc}"
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as client:
        token = {"token": parse_qs(address.fragment)["token"][0]}
        await client.post(f"{base}/login", data=token, headers={"Origin": base})
        async with client.get(f"{base}/", allow_redirects=False) as answer:
            return Place(base, answer.headers["Location"], answer.request_info.headers["Cookie"])


@asynccontextmanager
async def raw_client(place: Place) -> AsyncIterator[RawClient]:
    async with (
        ClientSession(headers={"Cookie": place.cookie}) as client,
        RawClient(client, place) as raw,
    ):
        yield raw


@asynccontextmanager
async def own_session(served: Served) -> AsyncIterator[RawClient]:
    """A client of a session that ends with the block."""
    async with raw_client(await started(served)) as raw:
        yield raw
        with contextlib.suppress(ConnectionError):
            await raw.press("mdi-exit-to-app")


@pytest.fixture(scope="module")
def shared_session(served) -> tuple[Place, psutil.Process]:
    """For tests that leave it usable."""
    return run(started(served)), served.session()


def files_of(process: psutil.Process) -> list[Path]:
    """In the session's folder: what was uploaded, its log and temporary files."""
    uploads = Path(process.cmdline()[process.cmdline().index("--folder") + 1])
    return [path for path in uploads.parent.rglob("*") if path.is_file()]


WRONG = [
    None, -1, 1e308, float("nan"), True, "x", "<script>", "x" * 5000, [], {}, [[]],
    {"name": "N1"}, [{"name": "N1"}],
    b"\0", {"_filter": 5},
]  # fmt: skip
NOT_FROM_HERE = [
    "../", "..%2f", "%2e%2e/%2e%2e/etc/passwd", "lnr/../../controller.py",
    "lnr/..%2fcontroller.py", "lnr/", "lnr",
    "lnr/%2e%2e/__main__.py", "../session.log", "session.log", "uploads/", "//etc/passwd", "%00",
    "download/..",
    "download/%2e%2e%2fsession.log", "download/nodules.csv%00", "download/", "__pycache__/",
    "paraview", "api/launcher",
]  # fmt: skip


def test_a_client_that_breaks_every_rule_gets_no_wrong_result_and_ends_no_session(served):
    """Wrong values of every variable, before and in the middle of a run, and triggers with wrong
    arguments."""

    async def test() -> None:
        async with own_session(served) as raw:
            await raw.press("mdi-school-outline")
            await raw.assess()
            wanted = json.loads((await raw.get("download/nodules.json"))[1])
            process = served.session()
            right = {key: raw.state[key] for key in [*STATE, "busy", "message", "is_error"]}

            async def confuse() -> None:
                for key in right:
                    for value in WRONG:
                        await raw.set(**{key: value})
                for key in (5, None, "", "self", ["a"]):
                    await raw.ask("trame.state.update", [{"key": key, "value": 1}])
                for name in (
                    "trame.state.update",
                    "trame.trigger",
                    "trame.rca.event",
                    "trame.rca.size",
                    "no.such",
                ):
                    for arguments in (
                        [],
                        [None],
                        [{}, 5],
                        ["Red", "x", {}],
                        ["nowhere", "x", {"w": "wide"}],
                    ):
                        await raw.ask(name, *arguments)
                for number in range(1, 60):
                    if (
                        f"trigger__{number}'"
                        in raw.state["trame__template_main"].split("mdi-exit-to-app")[1]
                    ):
                        await raw.ask("trame.trigger", f"trigger__{number}", [{}, None, 7], {})
                await raw.set(**right)

            await confuse()
            await raw.press("mdi-play")
            await confuse()
            await raw.set(message="", busy="")
            while b"Something else" in (found := await raw.get("download/nodules.json"))[1]:
                await asyncio.sleep(0.2)
            assert found[0] == 200
            found = json.loads(found[1])
            for one in [*wanted["assessments"], *found["assessments"]]:
                del one["provenance"]["seconds"], one["provenance"]["made"]
            assert found == wanted
            await raw.assess()
            assert process.is_running()

    run(test())


def test_no_memory_is_taken_on_a_clients_word(served):
    """Twelve bytes announce gigabytes, and a view may be asked for that is larger than any
    screen."""

    async def test() -> None:
        async with own_session(served) as raw:
            process = served.session()
            await raw.press("mdi-school-outline")
            before = process.memory_info().rss
            await raw.send(struct.pack("<III", 1, 0, 2 << 30))
            await raw.ask("trame.state.get")
            assert process.memory_info().rss - before < 200 * MB
            await raw.ask("trame.rca.size", "Red", "", {"w": 5000, "h": 5000, "p": 1})
            highest = 0
            for _ in range(30):
                await asyncio.sleep(0.05)
                highest = max(highest, process.memory_info().rss)
            assert highest - before < 1300 * MB
            if sys.platform == "linux":
                worse, front = (
                    Path(f"/proc/{pid}/oom_score_adj").read_text()
                    for pid in (process.pid, served.pid)
                )
                assert int(worse) > int(front)

    run(test())


def test_fault_46_uploads_results_and_logs_name_nobody(served, tmp_path):
    """Nor the page's state, temporary files and the scene; only DICOM results name the patient, as
    their CT does."""
    secret = "Novakova"
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path)
    files = []
    for number, path in enumerate(sorted(tmp_path.rglob("*.dcm"))):
        dataset = dcmread(path)
        for tag in (
            "PatientName",
            "PatientID",
            "SeriesDescription",
            "StudyDescription",
            "ProtocolName",
            # fmt: skip
            "ReferringPhysicianName",
            "InstitutionName",
            "AccessionNumber",
            "OperatorsName",
        ):
            setattr(dataset, tag, f"<b>{secret}</b>")
        files.append(tmp_path / f"{secret} {number}.dcm")
        dataset.save_as(files[-1])

    async def test() -> None:
        async with own_session(served) as raw:
            assert await raw.upload(*files) == (200, "")
            await raw.set(coordinates="-81, -192, -192")
            await raw.press(r">\s*Add\s*<")
            await raw.assess()
            found = [json.dumps((await raw.ask("trame.state.get"))["result"], default=str).encode()]
            for name in FILES.keys() - {"dicom.zip"}:
                status, body = await raw.get(f"download/{name}")
                assert status == 200, name
                found += [body, *unpacked(body)]
            assert b"nodulerisk-web-" not in b"".join(found)  # nor where the server keeps its files
            log = files_of(served.session())
            found += [
                str(log).encode(),
                *(path.read_bytes() for path in log if path.name == LOG_NAME),
            ]
            assert secret.encode() not in b"".join(found) + served.log.read_bytes()
            _, dicom = await raw.get("download/dicom.zip")
            assert all(secret.encode() in one for one in unpacked(dicom))

    run(test())


def unpacked(data: bytes) -> list[bytes]:
    """What an archive holds, with the names."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [name.encode() + archive.read(name) for name in archive.namelist()]


def test_fault_45_no_path_leads_out_of_trames_own_folders(shared_session):
    async def test() -> None:
        async with raw_client(shared_session[0]) as raw:
            for path in NOT_FROM_HERE:
                status, body = await raw.get(path)
                assert status in (403, 404), path
                assert b"import" not in body and b"root:" not in body, path
            assert (await raw.get("lnr/page.js"))[0] == 200

    run(test())


def test_a_refused_upload_does_not_take_away_what_another_is_read_from(shared_session, tmp_path):
    """Of a second page of the session, or of someone who drops a CT twice."""
    with zipfile.ZipFile(SAMPLE) as archive:
        archive.extractall(tmp_path)

    async def test() -> None:
        async with raw_client(shared_session[0]) as raw:
            first = asyncio.create_task(raw.upload(*tmp_path.rglob("*.dcm")))
            await raw.until(lambda: raw.state["busy"])
            assert (await raw.upload(SAMPLE))[0] == 422
            assert await first == (200, "")

    run(test())


def test_uploads_that_replace_each_other_leave_neither_files_nor_memory_behind(shared_session):
    place, process = shared_session

    async def test() -> None:
        async with raw_client(place) as raw:
            assert await raw.upload(SAMPLE) == (200, "")
            before = process.memory_info().rss
            for _ in range(6):
                assert await raw.upload(SAMPLE) == (200, "")
            assert process.memory_info().rss - before < 60 * MB
            assert {path.name for path in files_of(process)} == {"00001.zip", LOG_NAME}

    run(test())


def test_why_a_download_is_refused_is_said_in_the_page(shared_session):
    """A browser shows nothing of a download that failed."""

    async def test() -> None:
        async with raw_client(shared_session[0]) as raw:
            assert await raw.upload(SAMPLE) == (200, "")
            assert (await raw.get("download/nodules.csv"))[0] == 422
            await raw.until(
                lambda: "no results yet" in raw.state["message"] and raw.state["is_error"]
            )
            assert (await raw.get("report?nodule=%3Cscript%3E"))[0] == 422

    run(test())


def test_downloads_all_at_once_and_questions_for_their_headers_spoil_nothing(shared_session):
    """aiohttp answers HEAD with what answers GET: a body after it would be taken for the next
    answer."""
    place, process = shared_session

    async def test() -> None:
        async with raw_client(place) as raw:
            await raw.press("mdi-school-outline")
            await raw.assess()
            for method in ("HEAD", "PUT", "DELETE", "TRACE"):
                for path in ("download/nodules.csv", "report"):
                    assert (await raw.get(path, method))[0] in (404, 405)
                    assert (await raw.get("lnr/page.css"))[0] == 200
            answers = await asyncio.gather(
                *(raw.get(f"download/{name}") for name in list(FILES) * 2)
            )
            assert {status for status, _ in answers} == {200, 422}
            assert {path.name for path in files_of(process)} <= {"00001.zip", LOG_NAME}

    run(test())


# --- Eyes, fingers and screens unlike the developers'


CONTRASTS = """() => {
  const parts = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const over = (top, under) => [0, 1, 2]
   .map((i) => top[i] * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (colour) => {
    const [r, g, b] = colour.map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const upwards = (element) => element ? [element, ...upwards(element.parentElement)] : [];
  const under = (element) => upwards(element)
    .map((one) => parts(getComputedStyle(one).backgroundColor)).reverse()
    .reduce((below, colour) => over(colour, below), [255, 255, 255, 1]);
  const found = {}, texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim(), element = texts.currentNode.parentElement;
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    const opacity = upwards(element)
      .reduce((product, one) => product * getComputedStyle(one).opacity, 1);
    if (!text || !box.width || style.visibility === "hidden" || !opacity
      || element.closest("[disabled]")) continue;
    const behind = under(element), colour = parts(style.color);
    const seen = over([...colour.slice(0, 3), colour[3] * opacity], behind);
    const [a, b] = [light(seen), light(behind)];
    found[text] = Math.min(found[text] ?? 21, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, textarea, [tabindex]")]
  .filter((one) =>
  one.checkVisibility({ visibilityProperty: true }) && one.tabIndex >= 0
  && !(one.ariaLabel || one.innerText 
  || [...one.labels ?? []].map((label) => label.textContent).join(""))
).map((one) => one.outerHTML.slice(0, 120))"""
NAMED_UNLIKE_THEIR_WORDS = """() => [...document.querySelectorAll("button[aria-label]")]
  .filter((one) => one.innerText
  && !one.ariaLabel.toLowerCase().includes(one.innerText.trim().toLowerCase()))
  .map((one) => one.innerText)"""


def with_sample(page: Page) -> Page:
    page.get_by_role("button", name="Sample").click()
    expect(page.locator(".nodule")).to_have_count(1)
    page.locator("#assess").click()
    expect(page.get_by_text("nodules assessed.")).to_be_visible()
    return page


def test_every_control_has_a_name_and_every_text_can_be_read(page):
    with_sample(page)
    assert page.evaluate(NAMELESS) == []
    assert page.evaluate(NAMED_UNLIKE_THEIR_WORDS) == []
    for _theme in ("dark", "light"):
        page.mouse.move(0, 400)
        page.wait_for_timeout(700)  # colours pass into each other
        found = page.evaluate(CONTRASTS)
        assert (
            len(found) > 30
            and {text: round(ratio, 1) for text, ratio in found.items() if ratio < 4.5} == {}
        )
        page.get_by_role("button", name="Dark").click()

    page.set_viewport_size(
        {"width": 360, "height": 740}
    )  # a phone, or a laptop enlarged four times
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for control in page.locator("header button, header input").all():
        control.scroll_into_view_if_needed()
        expect(control).to_be_in_viewport(ratio=0.9)
    page.get_by_label("Age", exact=True).fill(
        "900"
    )  # the bar covers nothing of what stays in sight, such as why that is refused
    expect(page.locator(".told > [role=alert]")).to_contain_text("years")
    bottom_of_bar = page.locator("header").bounding_box()["height"]
    staying = (".research", ".told > [role=alert]")
    assert all(page.locator(one).bounding_box()["y"] >= bottom_of_bar for one in staying)
    assert "maximum-scale" not in page.locator("meta[name=viewport]").get_attribute("content")
    page.emulate_media(reduced_motion="reduce")
    moving = (
        "[...document.querySelectorAll('*')].filter((one) =>"
        " parseFloat(getComputedStyle(one).transitionDuration))"
    )
    assert page.evaluate(f"{moving}.length") == 0


def test_a_wrong_age_is_seen_and_can_be_put_right(page):
    """Far down in the panel, where the fields are; and menus keep their keys to themselves while a
    run goes on."""
    with_sample(page)
    page.get_by_label("Age", exact=True).fill("621")
    expect(page.get_by_role("alert")).to_contain_text("age")
    expect(page.get_by_role("alert")).to_be_in_viewport()
    page.get_by_label("Age", exact=True).fill("62")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#facts")).not_to_contain_text("needs age")

    page.get_by_label("Stability").check()
    page.locator("#assess").click()
    expect(page.locator("#cancel")).to_be_enabled()
    page.get_by_role("combobox", name="Window").click(force=True)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("p")
    page.keyboard.press("Escape")
    expect(page.get_by_text("1 of 1 nodules assessed.")).to_be_visible()
    assert page.evaluate("trame.state.get('placing')") is False
