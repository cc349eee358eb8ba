"""The front: the one program that browsers reach. It starts sessions and passes on what they say.

It loads neither Slicer nor torch: sessions have the first, the queue of the networks has the
    second.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from LungNoduleRiskWeb.agreed import NETWORKS_VARIABLE
from LungNoduleRiskWeb.front.gate import (
    HEALTH_PATH,
    demand_loopback_host,
    demand_own_page,
    demand_token,
    security_headers,
)
from LungNoduleRiskWeb.front.proxy import Proxy
from LungNoduleRiskWeb.front.refusals import STYLE_PATH, refusal, style
from LungNoduleRiskWeb.front.sessions import SessionError, Sessions
from nodulerisk.errors import NoduleRiskError

CLOSE_SECONDS = 5.0  # for answers under way when the server stops


class ServeError(NoduleRiskError):
    """The page cannot be served so."""


def serve(
    host: str,
    port: int,
    *,
    token: str | None,
    tls: ssl.SSLContext | None,
    weights: str,
    device: str,
    sessions: int,
    idle_minutes: float,
    max_upload_gb: float,
    ready: Callable[[str], None],
) -> None:
    """Serves the page until the process is interrupted; ``ready`` gets the address to open.

    Raises:
        ServeError: the host or port cannot be used.
        NoduleRiskError: what the networks' queue refuses, such as unknown weights.
    """
    from nodulerisk.engine.queue import NetworkQueue

    key = secrets.token_urlsafe(32)
    with listening(host, port) as listener, NetworkQueue([weights], device, key) as networks:
        users = Sessions(
            session_command(weights, device, max_upload_gb),
            session_environment(networks.address),
            key=key,
            most=sessions,
            idle_seconds=60 * idle_minutes,
        )
        ready(address(host, listener.getsockname()[1], token, tls))
        run(make_app(users, token), listener, tls)


def run(app: web.Application, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Runs the application until SIGINT, SIGTERM, or the end of its terminal."""
    if (
        hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    ):  # not under nohup
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    web.run_app(
        app,
        sock=listener,
        ssl_context=tls,
        access_log=None,
        print=None,
        shutdown_timeout=CLOSE_SECONDS,
    )


def make_app(sessions: Sessions, token: str | None) -> web.Application:
    """The front's application; without a token it answers to this machine's own names alone."""
    proxy = Proxy(sessions)
    gate = demand_token(token) if token else demand_loopback_host
    app = web.Application(middlewares=[demand_own_page, gate])
    app.add_routes(
        [
            web.get("/", _starter(sessions), allow_head=False),
            web.route("*", "/sessions/{id}/{tail:.*}", proxy.pass_on),
            web.get(HEALTH_PATH, _say_ok),
            web.get(STYLE_PATH, style),
            web.route("*", "/{tail:.*}", _not_found),
        ]
    )
    app.on_response_prepare.append(security_headers())
    app.cleanup_ctx.append(proxy.connections)
    app.on_startup.append(lambda _: sessions.open())
    app.on_shutdown.append(
        lambda _: sessions.close()
    )  # before answers under way are waited for: it ends them
    return app


def _starter(sessions: Sessions) -> Callable:
    async def start(request: web.Request) -> web.Response:
        if not _is_visit(request):
            return refusal(
                403, "This request is refused", "A session starts when a person opens this page."
            )
        try:
            session = await sessions.start()
        except SessionError as error:
            return refusal(503, "No session", str(error))
        return web.Response(status=303, headers={"Location": f"/sessions/{session.id}/"})

    return start


def _is_visit(request: web.Request) -> bool:
    """Whether a person asks: not a picture or script of another page, nor a browser that guesses
    what comes next."""
    return (
        request.headers.get("Sec-Fetch-Dest", "document") == "document"
        and "Sec-Purpose" not in request.headers
    )


async def _say_ok(_: web.Request) -> web.Response:
    return web.Response(text="ok")


async def _not_found(_: web.Request) -> web.Response:
    return refusal(404, "There is no such page", "The address is wrong.", link="Start a session")


def session_command(weights: str, device: str, max_upload_gb: float) -> list[str]:
    """The command line of a session's process."""
    own = ["--port", "${port}", "--folder", "${folder}"]
    asked = ["--weights", weights, "--device", device, "--max-upload-gb", f"{max_upload_gb:g}"]
    return [sys.executable, "-m", "LungNoduleRiskWeb.session", *own, *asked]


def session_environment(networks: str) -> dict[str, str]:
    """The environment of a session's process; ``networks``: host and port of their queue."""
    package_root = str(Path(__file__).parents[2])
    return {
        NETWORKS_VARIABLE: networks,
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
        "PYTHONSAFEPATH": "1",  # nothing is imported from the folder that the server was started in
        # the front looks after the browser; a session may be busy for longer
        "WSLINK_HEART_BEAT": "0",
        "WSLINK_WS_COMPRESS": "0",  # between two processes of one machine
    }


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0: any free one.

    Raises:
        ServeError: the port is taken or not allowed, or the host is not this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or "no such port"
        raise ServeError(
            f"Port {port} of {host} cannot be used ({reason}): choose another; --port 0 picks a"
            " free one."
        ) from error


def address(host: str, port: int, token: str | None, tls: ssl.SSLContext | None) -> str:
    """The address to open in a browser."""
    name = (
        socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    )
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"{'https' if tls else 'http'}://{name}:{port}/{query}"


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS with this certificate; ``key``: None where the same file holds it.

    Raises:
        ServeError: they cannot be read, or do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ServeError(
            f"The certificate cannot be used ({error.strerror or error}): give PEM files."
        ) from error
    return context
