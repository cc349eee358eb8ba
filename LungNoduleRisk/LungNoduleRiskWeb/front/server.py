"""The front: the one program that browsers reach. It starts sessions and passes on what they say.

It loads neither Slicer nor torch: sessions have the first, the queue of the networks has the
    second.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from LungNoduleRiskWeb.agreed import NETWORKS_VARIABLE
from LungNoduleRiskWeb.front.connections import BACKLOG, HANDSHAKE_SECONDS, Connections
from LungNoduleRiskWeb.front.forwarded import Forwarded
from LungNoduleRiskWeb.front.gate import (
    HEALTH_PATH,
    METRICS_PATH,
    VISITOR,
    demand_loopback_host,
    demand_own_page,
    demand_visitor,
    log_in,
    security_headers,
)
from LungNoduleRiskWeb.front.health import Health
from LungNoduleRiskWeb.front.metrics import metrics
from LungNoduleRiskWeb.front.proxy import Proxy
from LungNoduleRiskWeb.front.refusals import (
    LANGUAGE,
    LOGIN_PATH,
    REFUSED,
    ROOT,
    SCRIPT_PATH,
    STYLE_PATH,
    refusal,
    root_of,
    script,
    style,
)
from LungNoduleRiskWeb.front.sessions import SessionError, Sessions
from LungNoduleRiskWeb.front.tokens import TokenFile
from LungNoduleRiskWeb.front.visitors import EVERYONE, Anyone, SignedOn, TokenHolders, Visitors
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _, message_of

CONNECTIONS = web.AppKey("connections", Connections)
CLOSE_SECONDS = 5.0  # for answers under way when the server stops


class ServeError(NoduleRiskError):
    """The page cannot be served so."""


@dataclass(frozen=True)
class Door:
    """Who may come in, and by which way.

    Attributes:
        token: everyone's; None: there is none.
        tokens: of each user, in a file.
        user_header: by which a trusted proxy names the user.
        trusted_proxies: addresses or networks.
        root_path: that a proxy serves the page below, such as ``/nodules``.
    """

    token: str | None = None
    tokens: Path | None = None
    user_header: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""

    def visitors(self) -> Visitors:
        """Raises NoduleRiskError: the proxies or the file of tokens cannot be used."""
        forwarded = Forwarded(self.trusted_proxies, self.user_header)
        if self.user_header:
            return SignedOn(forwarded)
        if self.tokens:
            return TokenHolders(forwarded, TokenFile(self.tokens))
        if self.token:
            own = {EVERYONE: self.token}
            return TokenHolders(forwarded, lambda: own)
        return Anyone(forwarded)


def serve(
    host: str,
    port: int,
    *,
    door: Door,
    tls: ssl.SSLContext | None,
    weights: str,
    device: str,
    sessions: int,
    reserve: bool,
    idle_minutes: float,
    max_upload_gb: float,
    language: str,
    ready: Callable[[str], None],
) -> None:
    """Serves the page until the process is interrupted; ``ready`` gets the address to open;
    ``language``: see `make_app`.

    Raises:
        ServeError: the host or port cannot be used.
        NoduleRiskError: what the networks' queue refuses, such as unknown weights, and `Door`.
    """
    from nodulerisk.engine.queue import NetworkQueue

    key = secrets.token_urlsafe(32)
    visitors = door.visitors()
    with listening(host, port) as listener, NetworkQueue([weights], device, key) as networks:
        users = Sessions(
            session_command(weights, device, max_upload_gb),
            session_environment(networks.address),
            key=key,
            most=sessions,
            idle_seconds=60 * idle_minutes,
            reserve=reserve,
            is_welcome=visitors.is_welcome,
        )
        ask = networks_question(weights, networks.address, key)
        app = make_app(users, visitors, root=door.root_path, language=language, ask_networks=ask)
        ready(address(host, listener.getsockname()[1], door, tls))
        run(app, listener, tls)


def run(app: web.Application, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
    """Runs the application until SIGINT, SIGTERM, or the end of its terminal."""
    asyncio.run(_run(app, listener, tls))


async def _run(app: web.Application, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    stopped = _stopped()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        assert runner.server is not None
        server = await asyncio.get_running_loop().create_server(
            app[CONNECTIONS].bounded(runner.server),
            sock=listener,
            backlog=BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
        )
        await stopped.wait()
        server.close()
    finally:
        await runner.cleanup()


def _stopped() -> asyncio.Event:
    """Set once this process is asked to end."""
    stopped, loop = asyncio.Event(), asyncio.get_running_loop()
    names = ["SIGINT", "SIGTERM"]
    if getattr(signal, "SIGHUP", None) and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        names.append("SIGHUP")  # not under nohup
    for name in names:
        signal.signal(getattr(signal, name), lambda *_: loop.call_soon_threadsafe(stopped.set))
    return stopped


def make_app(
    sessions: Sessions,
    visitors: Visitors,
    *,
    root: str = "",
    language: str = "",
    ask_networks: Callable[[Callable[[int], None]], None] = lambda on_waiting: None,
) -> web.Application:
    """The front's application.

    Args:
        sessions: that it starts.
        visitors: who may come in; `Anyone`: only by this machine's own names.
        root: the path that a proxy serves it below.
        language: of who has chosen none; empty: their browser's.
        ask_networks: see `Health`.
    """
    forwarded, connections = visitors.forwarded, Connections()
    proxy = Proxy(sessions, forwarded.user_header)
    gate = [demand_visitor(visitors), connections.of_visitors(lambda request: VISITOR in request)]
    if isinstance(visitors, Anyone):
        gate.insert(0, demand_loopback_host)
    app = web.Application(middlewares=[demand_own_page(forwarded), *gate])
    app[ROOT], app[CONNECTIONS], app[LANGUAGE] = root, connections, language
    routes = [
        web.get("/", _starter(sessions, visitors), allow_head=False),
        web.get("/sessions/{id}/idle", proxy.say_how_long, allow_head=False),
        web.post("/sessions/{id}/stay", proxy.stay),
        web.route("*", "/sessions/{id}/{tail:.*}", proxy.pass_on),
        web.get(HEALTH_PATH, Health(ask_networks).answer),
        web.get(METRICS_PATH, metrics(sessions, connections.__len__)),
        web.get(STYLE_PATH, style),
        web.get(SCRIPT_PATH, script),
    ]
    if isinstance(visitors, TokenHolders):
        routes.append(web.post(LOGIN_PATH, log_in(visitors)))
    # some proxies take the root's path off, others leave it
    app.add_routes([_below(prefix, route) for prefix in {root, ""} for route in routes])
    app.add_routes([web.route("*", "/{tail:.*}", _not_found)])
    app.on_response_prepare.append(security_headers(forwarded))
    app.cleanup_ctx.append(proxy.connections)
    app.on_startup.append(lambda _: sessions.open())
    app.on_shutdown.append(
        lambda _: sessions.close()
    )  # before answers under way are waited for: it ends them
    return app


def _below(root: str, route: web.RouteDef) -> web.RouteDef:
    return web.route(route.method, root + route.path, route.handler, **route.kwargs)


def _starter(sessions: Sessions, visitors: Visitors) -> Handler:
    async def start(request: web.Request) -> web.Response:
        if not _is_visit(request):
            return refusal(
                request, 403, REFUSED, _("A session starts when a person opens this page.")
            )
        try:
            session = await sessions.own(request[VISITOR])
        except SessionError as error:
            return refusal(request, 503, _("No session"), message_of(error))
        answer = web.Response(status=303)
        answer.headers["Location"] = f"{root_of(request)}/sessions/{session.id}/"
        visitors.remember(request, answer, request[VISITOR])
        return answer

    return start


def _is_visit(request: web.Request) -> bool:
    """Whether a person asks: not a picture or script of another page, nor a browser that guesses
    what comes next."""
    return (
        request.headers.get("Sec-Fetch-Dest", "document") == "document"
        and "Sec-Purpose" not in request.headers
    )


async def _not_found(request: web.Request) -> web.Response:
    return refusal(
        request,
        404,
        _("There is no such page"),
        _("The address is wrong."),
        link=_("Start a session"),
    )


def networks_question(
    weights: str, address: str, key: str
) -> Callable[[Callable[[int], None]], None]:
    """A function that has the smallest network of the set answer, in its turn; see `Health`."""
    import numpy as np

    from nodulerisk.engine.running import networks_at
    from nodulerisk.weights.store import load_weight_set

    weight_set = load_weight_set(weights)
    name, card = min(weight_set.networks.items(), key=lambda one: one[1].size)
    cubes = np.zeros((1, card.cubes.channels, *3 * [card.size]), np.float32)

    def ask(on_waiting: Callable[[int], None]) -> None:
        choices = {"address": address, "key": key}
        with networks_at(weight_set, on_waiting=on_waiting, **choices) as networks:
            networks.predict(name, cubes)

    return ask


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
        words = _(
            "Port {port} of {host} cannot be used ({reason}): choose another; --port 0 picks a"
            " free one."
        )
        raise ServeError(words.format(port=port, host=host, reason=reason)) from error


def address(host: str, port: int, door: Door, tls: ssl.SSLContext | None) -> str:
    """The address to open in a browser, which sends nobody what stands behind ``#``."""
    name = (
        socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    )
    token = f"#token={quote(door.token, safe='')}" if door.token else ""
    return f"{'https' if tls else 'http'}://{name}:{port}{door.root_path}/{token}"


def tls_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """TLS with this certificate; ``key``: None where the same file holds it.

    Raises:
        ServeError: they cannot be read, or do not belong together.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        words = _("The certificate cannot be used ({reason}): give PEM files.")
        raise ServeError(words.format(reason=error.strerror or str(error))) from error
    return context
