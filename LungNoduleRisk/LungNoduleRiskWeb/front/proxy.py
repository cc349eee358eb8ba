"""The proxy: passes requests, answers and websocket messages between a browser and its session's
process."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    DummyCookieJar,
    TCPConnector,
    WSCloseCode,
    WSMsgType,
    web,
)
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from LungNoduleRiskWeb.agreed import KEY_HEADER
from LungNoduleRiskWeb.front.gate import VISITOR
from LungNoduleRiskWeb.front.refusals import language_for, raw_path_of, refusal
from LungNoduleRiskWeb.front.sessions import Session, Sessions
from nodulerisk.language.spoken import say, speaking
from nodulerisk.language.texts import _, ngettext

# headers of one connection only (RFC 9110, 7.6.1), and what the other side must not know or choose
STAYS_HERE = {
    "connection", "expect", "keep-alive", "proxy-authenticate", "proxy-authorization", "te",
    "trailer", "transfer-encoding", "upgrade",
    "authorization", "cookie", "host", "server", "set-cookie", KEY_HEADER.lower(),
}  # fmt: skip
MOST_BYTES = (
    16 << 20
)  # of a browser's message, which is kept whole in this process; trame's page sends 4 MB at most
MOST_AT_ONCE = 64  # requests and websockets of one session
WARN_SECONDS = 120.0  # before an idle session ends
PING_SECONDS = 60.0  # finds browsers that went without a word
WebSocket = web.WebSocketResponse | ClientWebSocketResponse


class Proxy:
    """Passes on what is asked below ``/sessions/<id>/``.

    Args:
        sessions: whose.
        user_header: it stays here, as the user's name.
    """

    def __init__(self, sessions: Sessions, user_header: str | None = None):
        self._sessions = sessions
        self._stays_here = STAYS_HERE | {(user_header or "").lower()}

    async def connections(self, _app: web.Application) -> AsyncIterator[None]:
        """The connections to the processes, for as long as the application runs."""
        async with ClientSession(
            auto_decompress=False,
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
            headers={KEY_HEADER: self._sessions.key},
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            timeout=ClientTimeout(total=None),  # gigabytes take as long as they take
        ) as self._client:
            yield

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """The session's answer; 410 where it has ended, or is another's."""
        session = self._session(request)
        if session is None:
            return _ended(request)
        if session.asked >= MOST_AT_ONCE:
            return refusal(request, 429, _("Too much at once"), _("Close other tabs of this page."))
        with session.asking():
            if web.WebSocketResponse().can_prepare(request):
                return await self._pass_messages(request, session)
            return await self._pass_request(request, session)

    async def say_how_long(self, request: web.Request) -> web.Response:
        """How many seconds the session goes on without its user, and how many before its end the
        page warns of it, and the words of the warning. To ask this is no sign of the user."""
        session = self._session(request)
        if session is None:
            return _ended(request)
        left = self._left(session)
        with speaking(language_for(request)):
            words = {name: say(text) for name, text in _warning(left["seconds"]).items()}
        return web.json_response(left | words)

    async def stay(self, request: web.Request) -> web.Response:
        """The user is there; answers as ``say_how_long``."""
        session = self._session(request)
        if session is not None:
            session.touch()
        return await self.say_how_long(request)

    def _session(self, request: web.Request) -> Session | None:
        return self._sessions.find(request.match_info["id"], request[VISITOR])

    def _left(self, session: Session) -> dict[str, float]:
        idle_s = self._sessions.idle_seconds
        return {"seconds": session.left(idle_s), "warn": min(WARN_SECONDS, idle_s / 2)}

    async def _pass_request(self, request: web.Request, session: Session) -> web.StreamResponse:
        answer: web.StreamResponse | None = None
        try:
            async with self._client.request(
                request.method,
                _url(request, session),
                headers=self._asked(request),
                data=_touching(request, session) if request.can_read_body else None,
                allow_redirects=False,
            ) as theirs:
                answer = web.StreamResponse(
                    status=theirs.status, headers=self._passed(theirs.headers)
                )
                await answer.prepare(request)
                async for chunk in theirs.content.iter_any():
                    session.touch()
                    await answer.write(chunk)
        except ClientError:
            if answer is None:
                return _no_answer(request)
            _break_off(request)
        return answer

    async def _pass_messages(self, request: web.Request, session: Session) -> web.StreamResponse:
        try:
            theirs = await self._client.ws_connect(_url(request, session), max_msg_size=0)
        except ClientError:
            return _no_answer(request)
        async with theirs:
            ours = web.WebSocketResponse(
                max_msg_size=MOST_BYTES, heartbeat=PING_SECONDS, compress=False
            )
            await ours.prepare(request)
            session.is_lost = False
            await _exchange(ours, theirs, session)
            session.is_lost = isinstance(ours.exception(), TimeoutError)
            await ours.close(code=WSCloseCode.GOING_AWAY)
        return ours

    def _asked(self, request: web.Request) -> CIMultiDict[str]:
        headers = self._passed(request.headers)
        headers["Accept-Language"] = language_for(request)
        return headers

    def _passed(self, headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
        return CIMultiDict(
            (name, value) for name, value in headers.items() if name.lower() not in self._stays_here
        )


def _warning(seconds: float) -> dict[str, str]:
    """What a page says before its session ends by itself."""
    minutes = max(1, math.ceil(seconds / 60))
    said = ngettext(
        "Nobody uses this page. Within a minute it ends, and what was uploaded is deleted.",
        "Nobody uses this page. Within {minutes} minutes it ends, and what was uploaded is"
        " deleted.",
        minutes,
    )
    return {"said": said.format(minutes=minutes), "stay": _("Stay"), "mark": _("(ends soon)")}


def _ended(request: web.Request) -> web.Response:
    return refusal(
        request,
        410,
        _("This session has ended"),
        _(
            "What was uploaded in it is deleted. A session opens only in the browser that started"
            " it."
        ),
        link=_("Start a new one"),
    )


def _no_answer(request: web.Request) -> web.Response:
    return refusal(request, 502, _("This session does not answer"), _("Load the page again."))


def _url(request: web.Request, session: Session) -> URL:
    """The session's own address of what is asked, without ``/sessions/<id>``."""
    *_, tail = raw_path_of(request).split("/", 3)
    return URL(f"http://{session.address}/{tail}", encoded=True)


async def _touching(request: web.Request, session: Session) -> AsyncIterator[bytes]:
    """The upload, chunk by chunk; a session that uploads is not idle."""
    async for chunk in request.content.iter_any():
        session.touch()
        yield chunk


def _break_off(request: web.Request) -> None:
    """Ends the connection, so that half an answer is not taken for the whole."""
    if request.transport is not None:
        request.transport.abort()


async def _exchange(
    ours: web.WebSocketResponse, theirs: ClientWebSocketResponse, session: Session
) -> None:
    """Passes messages both ways until either side closes."""
    ways = [
        asyncio.create_task(_pump(theirs, ours, session)),
        asyncio.create_task(_pump(ours, theirs, session)),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pump(source: WebSocket, sink: WebSocket, session: Session) -> None:
    """Passes messages on; either way they show that the session is in use, if only by a run that
    someone watches."""
    with suppress(ConnectionError):  # the other side is gone
        async for message in source:
            session.touch()
            if message.type is WSMsgType.TEXT:
                await sink.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await sink.send_bytes(message.data)
