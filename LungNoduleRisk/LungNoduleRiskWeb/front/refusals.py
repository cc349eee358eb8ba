"""The few pages that the front shows itself: refusals. Dark, with neither scripts nor styles
inside."""

from __future__ import annotations

from html import escape

from aiohttp import web

from nodulerisk import RESEARCH_USE_ONLY

STYLE_PATH = "/front.css"
STYLE = """\
:root { color-scheme: dark; background: #14171a; color: #e6e6e6;
font: 1.125rem/1.6 system-ui, sans-serif; }
main { max-width: 38rem; margin: 15vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; }
a { color: #7db7ff; }
footer { margin-top: 3rem; color: #a8adb3; }
"""
HTML = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="stylesheet" href="{style}"></head>
<body><main><h1>{title}</h1><p>{text}</p>{link}<footer>{research}</footer></main></body>
</html>
"""


def refusal(status: int, title: str, text: str, link: str = "") -> web.Response:
    """A page of a few words; ``link``: what the link to a new session says, empty for none."""
    html = HTML.format(
        title=escape(title),
        text=escape(text),
        link=f'<p><a href="/">{escape(link)}</a></p>' if link else "",
        style=STYLE_PATH,
        research=escape(RESEARCH_USE_ONLY),
    )
    return web.Response(status=status, text=html, content_type="text/html")


async def style(_: web.Request) -> web.Response:
    """The pages' stylesheet."""
    return web.Response(text=STYLE, content_type="text/css")
