"""The gate: who may ask, from which page, and what a browser may do with the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from LungNoduleRiskWeb.front.forwarded import Forwarded
from LungNoduleRiskWeb.front.refusals import (
    LOCKED,
    LOGIN_PATH,
    REFUSED,
    SCRIPT_PATH,
    STYLE_PATH,
    login,
    path_of,
    refusal,
    root_of,
)
from LungNoduleRiskWeb.front.visitors import TokenHolders, Visitor, Visitors
from nodulerisk.language.texts import _
from nodulerisk.pacs.access import is_loopback

HEALTH_PATH, METRICS_PATH = "/healthz", "/metrics"
# without a token: they say nothing
PUBLIC = (HEALTH_PATH, STYLE_PATH, SCRIPT_PATH, LOGIN_PATH)
VISITOR = web.RequestKey("visitor", Visitor)  # who asks
FOREIGN = (
    "refused: a page of %.100r asks for %.100r; if these are one, make the proxy pass on the Host"
    " header as it comes, with its port"
)
LOGIN_SECONDS = 10.0  # for a token to arrive
HSTS_SECONDS = 31_536_000  # a year without unencrypted connections to this host name

STATIC_TYPES = re.compile(
    r"(text|application)/(javascript|css)|font/.*"
)  # never anything of a patient's
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(),"
        " usb=()"
    ),
    "Server": "nodulerisk",  # not which version of what
}

logger = logging.getLogger(__name__)


def demand_visitor(visitors: Visitors) -> Middleware:
    """403 to who must not come in; else handlers find who it is in ``request[VISITOR]``."""

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if path_of(request) in PUBLIC:
            return await handler(request)
        visitor = visitors.of(request)
        if visitor is None and not _is_scraper(request, visitors.forwarded):
            return _locked(request, visitors)
        if visitor is not None:
            request[VISITOR] = visitor
        return await handler(request)

    return gate


def _is_scraper(request: web.Request, forwarded: Forwarded) -> bool:
    return path_of(request) == METRICS_PATH and forwarded.is_from_here(request)


def _locked(request: web.Request, visitors: Visitors) -> web.Response:
    if isinstance(visitors, TokenHolders):
        return login(request, _("Open the address that you were given, or type its token here."))
    return refusal(request, 403, LOCKED, _("The server in front of this page did not sign you on."))


def log_in(visitors: TokenHolders) -> Handler:
    """Takes the token of the page that asks for it, which becomes a cookie."""

    async def take(request: web.Request) -> web.StreamResponse:
        visitor = visitors.with_token(request, await _token_in(request))
        if visitor is None:
            return login(request, _("This token does not open the page."))
        answer = web.Response(status=303, headers={"Location": f"{root_of(request)}/"})
        visitors.remember(request, answer, visitor)
        return answer

    return take


async def _token_in(request: web.Request) -> str:
    """Raises HTTPRequestTimeout: it does not come; anyone may make us wait for it."""
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            return str((await request.post()).get("token", ""))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


@web.middleware
async def demand_loopback_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 to a page whose name was made to point at this machine (DNS rebinding): the gate without
    a token."""
    if path_of(request) in PUBLIC or is_loopback(_host_name(request)):
        return await handler(request)
    return refusal(
        request, 403, LOCKED, _("Without a token it is served to this machine alone, as localhost.")
    )


def _host_name(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # such as "["
        return ""


def demand_own_page(forwarded: Forwarded) -> Middleware:
    """403 to what another page sends with our cookie: one of another port of this host has it
    too."""
    is_said = False

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal is_said
        if not _may_change(request) or _is_own(request, forwarded):
            return await handler(request)
        if not is_said:  # once: anyone may make us say it
            is_said = True
            logger.warning(FOREIGN, request.headers.get("Origin", "no origin"), request.host)
        return refusal(request, 403, REFUSED, _("It does not come from a page of this server."))

    return check


def _is_own(request: web.Request, forwarded: Forwarded) -> bool:
    """A page that came unencrypted may be anybody's, so it says nothing to an encrypted server."""
    scheme, _, host = request.headers.get("Origin", "").partition("://")
    return host == request.host and (scheme == "https" or not forwarded.is_secure(request))


def _may_change(request: web.Request) -> bool:
    return request.method not in ("GET", "HEAD") or "Upgrade" in request.headers


def security_headers(
    forwarded: Forwarded,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Puts the security headers on every answer; one that brings a policy of its own keeps it."""
    policy = content_security_policy()

    async def add(request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(HEADERS)
        answer.headers.setdefault("Content-Security-Policy", policy)
        answer.headers.setdefault("Referrer-Policy", "no-referrer")
        if forwarded.is_secure(request):
            answer.headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
        if answer.status != 304 and not STATIC_TYPES.fullmatch(answer.content_type):
            answer.headers["Cache-Control"] = "no-store"

    return add


def content_security_policy() -> str:
    """The sources that a page may load: from this server alone, and of scripts inside pages only
    trame's own."""
    return "; ".join(
        (
            "default-src 'none'",
            # unsafe-eval: Vue compiles the page's template, which comes from Python, in the browser
            f"script-src 'self' 'unsafe-eval' {_trame_scripts()}",
            "style-src 'self' 'unsafe-inline'",  # Vue and Vuetify set styles on elements
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "worker-src 'self' blob:",
            "frame-src 'self'",
            "frame-ancestors 'self'",
            "base-uri 'self'",
            "form-action 'self'",
        )
    )


def _trame_scripts() -> str:
    """The hashes of what stands as a script in trame's page: it fetches what is shown while
    loading."""
    from trame_client.module.vue3 import www

    scripts = re.findall(
        r"<script>(.*?)</script>", (Path(www) / "index.html").read_text("utf-8"), re.DOTALL
    )
    hashes = (
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts
    )
    return " ".join(f"'sha256-{one}'" for one in hashes)
