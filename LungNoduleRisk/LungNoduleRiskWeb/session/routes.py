"""The routes of a session's process beside trame's page: uploads in, reports and files out."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import web

from LungNoduleRiskWeb.agreed import KEY_HEADER
from LungNoduleRiskWeb.session import downloads
from LungNoduleRiskWeb.session.arriving import Arriving
from LungNoduleRiskWeb.session.controller import Controller
from LungNoduleRiskWeb.session.downloads import Writer
from LungNoduleRiskWeb.session.speaking import said
from LungNoduleRiskWeb.session.uploads import Limits, delete_unused, receive
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _, message_of
from nodulerisk.outputs.style import REPORT_NAME

CHUNK = 1 << 20  # bytes
SHOWN_S = 0.1  # until the page says that something is written, which may hold up the event loop
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".csv": "text/csv",
    ".json": "application/json",
    ".zip": "application/zip",
    ".mrb": "application/octet-stream",
}
REPORT_POLICY = "frame-ancestors 'self'"  # the page's own policy lets plotly run and nothing else


def only_with(key: str):
    """A middleware: only the front, which has the key, is answered; every user of the machine can
    reach the port."""

    @web.middleware
    async def check(request: web.Request, handler):
        if not hmac.compare_digest(request.headers.get(KEY_HEADER, "").encode(), key.encode()):
            raise web.HTTPForbidden
        return await handler(request)

    return check


def in_the_language_of(speak: Callable[[str], None]):
    """A middleware: who loads the page has it in the language that the front names."""

    @web.middleware
    async def listen(request: web.Request, handler):
        if request.path in ("/", "/index.html") and "Accept-Language" in request.headers:
            speak(request.headers["Accept-Language"])
        return await handler(request)

    return listen


class Routes:
    """``POST upload``, ``GET report`` and ``GET download/<name>``. A refusal is answered with its
    words, status 422."""

    def __init__(self, controller: Controller, folder: Path, limits: Limits):
        """``folder``: for what is uploaded; it is deleted with the session."""
        self._controller, self._folder, self._limits = controller, folder, limits
        self._arriving = Arriving(controller.state)

    def add_to(self, app: web.Application) -> None:
        app.add_routes(
            [
                web.post("/upload", self.upload),
                web.get("/report", self.report, allow_head=False),
                web.get("/download/{name}", self.download, allow_head=False),
            ]
        )

    async def upload(self, request: web.Request) -> web.Response:
        """Receives a CT and opens it; what was uploaded before is deleted once nothing shows it any
        more."""
        try:
            self._controller.notices.refuse_busy()
            upload = await self._received(request)
            await self._controller.open(upload, ask=True)
        except NoduleRiskError as refusal:
            if request.transport is not None:  # else the browser has given up, and says so itself
                self._controller.notices.say(message_of(refusal), is_error=True)
            return web.Response(status=422, text=said(message_of(refusal)))
        finally:
            self._delete_unused()
        return web.Response()

    async def _received(self, request: web.Request) -> Path:
        try:
            return await receive(request, self._folder, self._limits, self._arriving.add)
        finally:
            self._arriving.end()

    async def report(self, request: web.Request) -> web.StreamResponse:
        """The report as a page: of the nodule that the query names, or of all."""
        return await self._written(
            request,
            lambda folder: downloads.report(
                self._controller, folder / REPORT_NAME, request.query.get("nodule")
            ),
            REPORT_NAME,
            {"Content-Security-Policy": REPORT_POLICY},
        )

    async def download(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in downloads.FILES:
            raise web.HTTPNotFound
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return await self._written(
            request, lambda folder: downloads.prepare(name, self._controller, folder), name, headers
        )

    async def _written(
        self,
        request: web.Request,
        prepare: Callable[[Path], Writer],
        name: str,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        """Writes a file, sends it, and deletes it."""
        with TemporaryDirectory() as folder:
            try:
                with self._controller.notices.busy(_("Writing…")):
                    await asyncio.sleep(SHOWN_S)
                    await asyncio.to_thread(prepare(Path(folder)))
            except NoduleRiskError as refusal:
                self._controller.notices.say(
                    message_of(refusal), is_error=True
                )  # a browser shows nothing of such a download
                return web.Response(status=422, text=said(message_of(refusal)))
            return await _sent(Path(folder) / name, request, headers)

    def _delete_unused(self) -> None:
        delete_unused(self._folder, self._controller.scans.uploads())


async def _sent(path: Path, request: web.Request, headers: dict[str, str]) -> web.StreamResponse:
    """Sends a file whole, so that it may be deleted: aiohttp's own answer reads it later."""
    response = web.StreamResponse(headers={"Content-Type": TYPES[path.suffix], **headers})
    response.content_length = path.stat().st_size
    await response.prepare(request)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            await response.write(chunk)
    await response.write_eof()
    return response
