"""The gate: who may ask, from which page, and what a browser may do with the answer."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from LungNoduleRiskWeb.front.refusals import STYLE_PATH, refusal

HEALTH_PATH = "/healthz"
PUBLIC = (HEALTH_PATH, STYLE_PATH)  # without a token, and they say nothing

STATIC_TYPES = re.compile(
    r"(text|application)/(javascript|css)|font/.*"
)  # never anything of a patient's
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), serial=(),"
        " usb=()"
    ),
    "Server": "nodulerisk",  # not which version of what
}


def demand_token(token: str) -> Middleware:
    """403 without the token. As ``?token=`` of a GET it becomes a cookie, and goes from the
    address."""
    mark = hashlib.sha256(
        token.encode()
    ).hexdigest()  # any token fits a cookie so, and no cookie jar holds it

    @web.middleware
    async def gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path in PUBLIC:
            return await handler(request)
        if request.method == "GET" and "token" in request.query:
            return _let_in(request, mark) if _same(request.query["token"], token) else _locked()
        if _same(request.cookies.get(_cookie_name(request), ""), mark):
            return await handler(request)
        return _locked()

    return gate


def _same(given: str, right: str) -> bool:
    return secrets.compare_digest(given.encode(errors="surrogatepass"), right.encode())


def _let_in(request: web.Request, mark: str) -> web.Response:
    """To the same page without the token."""
    clean = str(request.rel_url.without_query_params("token")).lstrip(
        "/"
    )  # as //name it would be another host
    answer = web.Response(status=303, headers={"Location": f"/{clean}"})
    answer.set_cookie(
        _cookie_name(request),
        mark,
        httponly=True,
        samesite="Strict",
        path="/",
        secure=request.secure,
    )
    return answer


def _cookie_name(request: web.Request) -> str:
    """Servers on one host share their cookies, whatever their port: each has a name of its own."""
    _, port, *_ = request.get_extra_info("sockname")
    return f"nodulerisk-{port}"


def _locked() -> web.Response:
    return refusal(
        403,
        "This page is locked",
        "Open the address that was printed in the terminal: it holds the key.",
    )


@web.middleware
async def demand_loopback_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 to a page whose name was made to point at this machine (DNS rebinding): the gate without
    a token."""
    if request.path in PUBLIC or is_loopback(_host_name(request)):
        return await handler(request)
    return refusal(
        403,
        "This page is locked",
        "Without a token it is served to this machine alone, as localhost.",
    )


def _host_name(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.host}").hostname or ""
    except ValueError:  # such as "["
        return ""


def is_loopback(name: str) -> bool:
    """Whether this host name or address is this machine's own, which no other machine reaches."""
    try:
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False


@web.middleware
async def demand_own_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """403 to what another page sends with our cookie: one of another port of this host has it
    too."""
    if _may_change(request) and urlsplit(request.headers.get("Origin", "")).netloc != request.host:
        return refusal(
            403, "This request is refused", "It does not come from a page of this server."
        )
    return await handler(request)


def _may_change(request: web.Request) -> bool:
    return request.method not in ("GET", "HEAD") or "Upgrade" in request.headers


def security_headers() -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Puts the security headers on every answer; one that brings a content security policy keeps
    it."""
    policy = content_security_policy()

    async def add(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(HEADERS)
        answer.headers.setdefault("Content-Security-Policy", policy)
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
