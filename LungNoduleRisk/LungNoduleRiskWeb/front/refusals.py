"""The few pages that the front shows itself: refusals, and the one that asks for the token. Dark,
with neither scripts nor styles inside."""

from __future__ import annotations

from html import escape

from aiohttp import web

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.language.spoken import language, nearest, say, speaking
from nodulerisk.language.texts import _

ROOT: web.AppKey[str] = web.AppKey("root", str)  # the path that a proxy serves us below; or empty
LANGUAGE: web.AppKey[str] = web.AppKey("language", str)  # the house's; empty: each browser's
LANGUAGE_COOKIE = "nodulerisk-language"  # what was chosen on the page
LOCKED, REFUSED = _("This page is locked"), _("This request is refused")
STYLE_PATH, SCRIPT_PATH, LOGIN_PATH = "/front.css", "/front.js", "/login"
STYLE = """\
:root { color-scheme: dark; background: #14171a; color: #e6e6e6;
font: 1.125rem/1.6 system-ui, "Noto Sans CJK SC", sans-serif; }
main { max-width: 38rem; margin: 15vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; }
a { color: #7db7ff; }
input, button { font: inherit; padding: 0.3rem 0.6rem; }
footer { margin-top: 3rem; color: #a8adb3; }
"""
# A link may hold the token behind "#", which browsers send to nobody; older ones behind "?".
SCRIPT = """\
function openWithToken() {
  const form = document.querySelector("form");
  const token = new URLSearchParams(location.hash.slice(1) || location.search).get("token");
  if (!form || !token) return;
  history.replaceState(null, "", location.pathname);
  form.token.value = token;
  form.submit();
}
addEventListener("hashchange", openWithToken);
openWithToken();
"""
HTML = """\
<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="{root}{style}"></head>
<body><main><h1>{title}</h1><p>{text}</p>{more}<footer>{research}</footer></main></body>
</html>
"""
LINK = '<p><a href="{root}/">{link}</a></p>'
FORM = """\
<form method="post" action="{root}{login}">
<label>{token} <input type="password" name="token" autocomplete="off" required autofocus></label>
<button>{open}</button></form><script src="{root}{script}" defer></script>"""


def root_of(request: web.Request) -> str:
    """The path that the page is served below, such as ``/nodules``; empty for none."""
    return request.config_dict[ROOT]


def path_of(request: web.Request) -> str:
    """The path that is asked for, whether or not the proxy has taken the root's path off."""
    return _below_root(request.path, request)


def raw_path_of(request: web.Request) -> str:
    """The same as the browser sent it, with the query."""
    return _below_root(request.rel_url.raw_path_qs, request)


def _below_root(path: str, request: web.Request) -> str:
    below = path.removeprefix(root_of(request))
    return below if below.startswith("/") else path


def language_for(request: web.Request) -> str:
    """The language that was chosen on the page, else the house's, else the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    asked = request.headers.get("Accept-Language", "")
    return nearest(chosen or request.config_dict[LANGUAGE] or asked).replace("_", "-")


def refusal(
    request: web.Request, status: int, title: str, text: str, link: str = ""
) -> web.Response:
    """A page of a few words; ``link``: what the link to a session says, empty for none."""
    return _page(request, status, LINK if link else "", title=title, text=text, link=link)


def login(request: web.Request, text: str) -> web.Response:
    """The page that asks for the token."""
    words = {"title": LOCKED, "text": text, "token": _("Token"), "open": _("Open")}
    answer = _page(request, 403, FORM, **words)
    # browsers do not say where a form comes from if they must not say where a page does
    answer.headers["Referrer-Policy"] = "same-origin"
    return answer


def _page(request: web.Request, status: int, more: str, **words: str) -> web.Response:
    with speaking(language_for(request)):
        said = {name: escape(say(text)) for name, text in words.items()}
        known = {
            "root": root_of(request),
            "style": STYLE_PATH,
            "script": SCRIPT_PATH,
            "login": LOGIN_PATH,
            "language": language().replace("_", "-"),
            "research": escape(say(RESEARCH_USE_ONLY)),
        }
    html = HTML.format(more=more.format(**known, **said), **known, **said)
    return web.Response(status=status, text=html, content_type="text/html")


async def style(_: web.Request) -> web.Response:
    """The pages' stylesheet."""
    return web.Response(text=STYLE, content_type="text/css")


async def script(_: web.Request) -> web.Response:
    """The script of the page that asks for the token."""
    return web.Response(text=SCRIPT, content_type="text/javascript")
