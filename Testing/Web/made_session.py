"""A session's process as the front sees it, without Slicer: ``python made_session.py --port P
--folder F``."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import threading
import time
from pathlib import Path

from aiohttp import web

from LungNoduleRiskWeb import session
from LungNoduleRiskWeb.agreed import KEY_HEADER, KEY_VARIABLE


@web.middleware
async def only_with_key(request: web.Request, handler) -> web.StreamResponse:
    if request.headers.get(KEY_HEADER) != os.environ[KEY_VARIABLE]:
        raise web.HTTPForbidden
    return await handler(request)


ASSETS = Path(session.__file__).with_name("assets")


def made_session(folder: Path) -> web.Application:
    app = web.Application(middlewares=[only_with_key], client_max_size=0)

    async def hello(_) -> web.Response:
        page = "<title>a session</title><body>A CT<script src=script.js></script>"
        page += "<script src=idle.js></script>"
        return web.Response(text=page, content_type="text/html")

    async def about(request: web.Request) -> web.Response:
        found = {
            "pid": os.getpid(),
            "folder": str(folder),
            "path": request.raw_path,
            "headers": dict(request.headers),
        }
        return web.json_response(
            {**found, "environment": dict(os.environ)}, headers={"Set-Cookie": "mine=1"}
        )

    async def report(_) -> web.Response:
        return web.Response(
            text="report", headers={"Content-Security-Policy": "default-src 'nonce-1'"}
        )

    async def script(_) -> web.FileResponse:
        return web.FileResponse(Path(__file__).with_name("made_session.js"))

    async def idle(_) -> web.FileResponse:
        return web.FileResponse(ASSETS / "idle.js")

    async def keep(request: web.Request) -> web.Response:
        (folder / "ct.nrrd").write_bytes(await request.read())
        return web.Response()

    async def echo(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for chunk in request.content.iter_any():
            await answer.write(chunk)
        return answer

    async def refuse(_) -> web.Response:
        return web.Response(status=413, text="too large")

    async def half(request: web.Request) -> None:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"half")
        await asyncio.sleep(0.2)
        os._exit(3)

    async def crash(_) -> None:
        os._exit(3)

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        async for message in socket:
            if message.data == "crash":
                os._exit(3)
            elif message.data == "bye":
                await socket.close()
            elif message.type is web.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    gets = {
        "/": hello,
        "/report": report,
        "/script.js": script,
        "/idle.js": idle,
        "/half": half,
        "/crash": crash,
        "/ws": talk,
    }
    app.add_routes([web.get(path, handler) for path, handler in gets.items()])
    app.add_routes([web.post("/echo", echo), web.post("/keep", keep), web.post("/refuse", refuse)])
    app.add_routes([web.route("*", "/about{tail:.*}", about)])
    return app


async def serve(port: int, folder: Path) -> None:
    runner = web.AppRunner(made_session(folder), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    os.write(1, b"wslink: Starting factory")
    await asyncio.Event().wait()


def end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--stubborn", action="store_true", help="does not end when asked to")
    parser.add_argument("--broken", action="store_true", help="does not start")
    options = parser.parse_args()
    if options.broken:
        raise SystemExit("no display")
    if options.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
    asyncio.run(serve(options.port, options.folder))


if __name__ == "__main__":
    main()
