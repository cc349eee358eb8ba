"""Self-contained pages: one HTML file that contains plotly.js, runs nothing else and needs no
network connection."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import (
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    StrictUndefined,
    pass_context,
)
from jinja2.bccache import Bucket
from jinja2.runtime import Context
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.files import cache_folder, written_whole
from nodulerisk.language.spoken import language, say
from nodulerisk.language.texts import Text, _, joined, pgettext
from nodulerisk.outputs import style
from nodulerisk.tasks import level_words, title_of

# the wheel scrolls the page
CONFIG = {"displayModeBar": False, "responsive": True, "scrollZoom": False}
PLOT = Markup(
    '<div id="{name}" class="plot" role="img" aria-label="{alt}"></div>'
    '<script nonce="{nonce}">(window.plots ||= []).push(() =>'
    ' Plotly.newPlot("{name}", {{config: {config}, ...{figure}}}))</script>'
)
CHINESE_FONTS = (  # of Linux, macOS and Windows, where the system's own font lacks some characters
    '"Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", '
)
UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def write_page(path: Path, template: str, **values: Any) -> None:
    """Writes a template that extends ``outputs/html/page.html.jinja``.

    Text in the values is escaped and loses its control characters, including those that change the
    direction of writing. Scripts run only if they carry the page's random number, so no script in a
    name or a note runs.

    Args:
        path: the HTML file; plotly.js takes 5 MB of it.
        template: its path in the package.
        values: the template's variables; it turns a plotly figure into a plot with ``plot(name,
            figure, alt)``.

    Raises:
        OutputError: the file cannot be written.
    """
    common = {
        "nonce": secrets.token_urlsafe(),
        "plotlyjs": Markup(get_plotlyjs()),
        "research": RESEARCH_USE_ONLY,
        "language": language().replace("_", "-"),
        "fonts": Markup(CHINESE_FONTS if language() == "zh_CN" else ""),
    }
    page = _environment().get_template(template).stream(common | values)
    with written_whole(path) as partial:
        page.dump(str(partial), encoding="utf-8")  # piece by piece: a whole one takes 60 MB


def origin_words(series: str, assessed: str = "") -> str:
    """Returns from which series a page is, if its numbers are known, and when it was written."""
    said = (
        _("Series {numbers}").format(numbers=series) if series else "",
        assessed,
        _("written {when}").format(when=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
    )
    return joined(" · ", filter(None, said))


@lru_cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parents[2]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        bytecode_cache=_Compiled(str(cache_folder("pages"))),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"plot": _plot, "style": style}
    environment.globals |= {"title_of": title_of, "level_words": level_words}
    environment.globals |= {"_": _, "pgettext": pgettext, "Text": Text, "joined": joined}
    return environment


class _Compiled(FileSystemBytecodeCache):
    """Keeps compiled templates between runs, where the folder can be written."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            Path(self.directory).mkdir(parents=True, exist_ok=True)
            super().dump_bytecode(bucket)


def _seen(value: Any) -> Any:
    """Returns text in the reader's language, without the characters that change how the text around
    them is displayed."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return UNSEEN.sub("", say(value) if isinstance(value, Text) else value)


@pass_context
def _plot(context: Context, name: str, figure: go.Figure, alt: str, **config: bool) -> Markup:
    """Returns a plot with a text alternative; ``name`` is its id in the page, ``config`` is
    plotly's."""
    data = {"config": Markup(json.dumps(CONFIG | config)), "figure": Markup(figure.to_json())}
    # plotly itself escapes angle brackets
    return PLOT.format(name=name, alt=say(alt), nonce=context["nonce"], **data)
