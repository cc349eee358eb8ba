"""How many connections there may be: each takes a file handle, and without one left nobody could
come in and no session start."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from aiohttp.web_protocol import RequestHandler

if sys.platform != "win32":
    import resource

KEPT_HANDLES = 64  # for files, sessions that start, and the networks
MOST_CONNECTIONS = 4096
BACKLOG = 32  # connections that are accepted at once, before they can be counted
HANDSHAKE_SECONDS = 5.0  # for TLS; until then a connection cannot be counted


class Connections:
    """Bounds the connections of the server: where there are too many, one goes that asks
    nothing."""

    def __init__(self) -> None:
        self._most = min(MOST_CONNECTIONS, (_handles() - KEPT_HANDLES) // 2)  # and one to a session
        self._known: set[RequestHandler] = set()  # of visitors who may come in
        self._asking: set[RequestHandler] = set()
        self._server: web.Server | None = None

    def __len__(self) -> int:
        return len(self._open())

    def of_visitors(self, is_visitor: Callable[[web.Request], bool]) -> Middleware:
        """Keeps the connections by which these ask."""

        @web.middleware
        async def keep(request: web.Request, handler: Handler) -> web.StreamResponse:
            if not is_visitor(request):
                return await handler(request)
            self._known.add(request.protocol)
            self._asking.add(request.protocol)
            try:
                return await handler(request)
            finally:
                self._asking.discard(request.protocol)

        return keep

    def bounded(self, server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
        """Makes the protocol of each new connection."""
        self._server = server
        return lambda: server() if self._make_room() else _Refused()

    def _make_room(self) -> bool:
        there = self._open()
        self._known.intersection_update(there)
        if len(there) < self._most:
            return True
        idle = [one for one in there if one not in self._asking]
        for one in sorted(idle, key=self._known.__contains__)[:1]:  # the oldest of strangers first
            assert one.transport is not None
            one.transport.abort()
        return bool(idle)

    def _open(self) -> list[RequestHandler]:
        there = self._server.connections if self._server is not None else []
        return [one for one in there if one.transport and not one.transport.is_closing()]


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _handles() -> int:
    """How many files and connections this process may have open; first asks for all that it may
    ask for."""
    if sys.platform == "win32":
        return MOST_CONNECTIONS
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + KEPT_HANDLES
    soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    return soft
