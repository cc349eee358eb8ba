"""Visitors: who asks, and the cookie by which their browser is known again."""

from __future__ import annotations

import hmac
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from LungNoduleRiskWeb.front.forwarded import Forwarded
from LungNoduleRiskWeb.front.refusals import root_of

EVERYONE = ""  # the user's name where nobody gives theirs
TokensByUser = Mapping[str, str]


@dataclass(frozen=True)
class Visitor:
    """One browser of one user. A session belongs to it alone: who follows a link to another's
    session, or one that holds another's token, uploads nothing that the other can see."""

    user: str
    browser: str


class Visitors(ABC):
    """Tells who asks. Their cookie is signed with a key of their user, so that it ends with it."""

    def __init__(self, forwarded: Forwarded):
        self.forwarded = forwarded
        self._own_key = secrets.token_hex()

    def of(self, request: web.Request) -> Visitor | None:
        """Who asks; None: somebody who must not come in."""
        user = self._named(request)
        return self._by_cookie(request) or (None if user is None else _new(user))

    def is_welcome(self, user: str) -> bool:
        """Whether this user, who came in, still may."""
        return True

    def remember(self, request: web.Request, answer: web.Response, visitor: Visitor) -> None:
        """Puts the visitor's cookie on the answer: a link from anywhere brings it along, but
        nothing else that another page sends."""
        key = self._keys(request).get(visitor.user, self._own_key)
        answer.set_cookie(
            _cookie_name(request),
            f"{visitor.browser}.{_signature(key, visitor.user, visitor.browser)}",
            httponly=True,
            samesite="Lax",
            path=root_of(request) or "/",
            secure=self.forwarded.is_secure(request),
        )

    @abstractmethod
    def _named(self, request: web.Request) -> str | None:
        """The user whom the request itself names, without a cookie."""

    @abstractmethod
    def _keys(self, request: web.Request) -> Mapping[str, str]:
        """The users whose cookie may come with this request, and the keys of their cookies."""

    def _by_cookie(self, request: web.Request) -> Visitor | None:
        browser, _, given = request.cookies.get(_cookie_name(request), "").partition(".")
        for user, key in self._keys(request).items():
            if browser and is_same(given, _signature(key, user, browser)):
                return Visitor(user, browser)
        return None


class Anyone(Visitors):
    """Who can reach the page may use it."""

    def _named(self, request: web.Request) -> str:
        return EVERYONE

    def _keys(self, request: web.Request) -> Mapping[str, str]:
        return {EVERYONE: self._own_key}


class SignedOn(Visitors):
    """Whom the proxy in front has signed on."""

    def _named(self, request: web.Request) -> str | None:
        return self.forwarded.user(request)

    def _keys(self, request: web.Request) -> Mapping[str, str]:
        user = self.forwarded.user(request)
        return {} if user is None else {user: self._own_key}


class TokenHolders(Visitors):
    """Who has a token: of the one page that everyone opens, or of the user's own.

    Args:
        tokens: returns them as they are now; one that is gone shuts its user out at once.
    """

    def __init__(self, forwarded: Forwarded, tokens: Callable[[], TokensByUser]):
        super().__init__(forwarded)
        self._tokens = tokens

    def is_welcome(self, user: str) -> bool:
        return user in self._tokens()

    def with_token(self, request: web.Request, token: str) -> Visitor | None:
        """Who has this token; None: nobody."""
        user, known = self._user_with(token), self._by_cookie(request)
        if user is None:
            return None
        return known if known and known.user == user else _new(user)

    def _named(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self._user_with(token) if scheme.lower() == "bearer" else None

    def _keys(self, request: web.Request) -> Mapping[str, str]:
        return self._tokens()

    def _user_with(self, token: str) -> str | None:
        same = [user for user, right in self._tokens().items() if is_same(token, right)]
        return same[0] if same else None


def is_same(given: str, right: str) -> bool:
    """Whether they are equal; how long it takes tells nothing of the right one."""
    return hmac.compare_digest(given.encode(errors="surrogatepass"), right.encode())


def _new(user: str) -> Visitor:
    return Visitor(user, secrets.token_urlsafe(12))


def _signature(key: str, user: str, browser: str) -> str:
    said = f"{user}\0{browser}".encode(errors="surrogatepass")
    return hmac.new(key.encode(), said, "sha256").hexdigest()


def _cookie_name(request: web.Request) -> str:
    """Servers on one host share their cookies, whatever their port: each has a name of its own."""
    _, port, *_ = request.get_extra_info("sockname")
    return f"nodulerisk-{port}{root_of(request).replace('/', '-')}"
