"""The reader's language on the page: the state holds the program's own words in English, and what
is sent to the browser is said.

A template does not hold words but where they stand in ``words`` of the state, so that another
language is shown at once, and nothing is built again.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trame_server import Server

from nodulerisk.language.spoken import language, say, use
from nodulerisk.language.texts import Text

# a path from the root, of Unix or Windows, up to its last part
FOLDERS = re.compile(r"(?<![\w./\\])(?:[A-Za-z]:[\\/]|/)(?:[^\s/\\'\":]+[/\\])+")
ROOTS = [  # of ours, as their names may have spaces in them
    str(root)
    for root in (tempfile.gettempdir(), Path(__file__).parents[2], sys.prefix, Path.home())
    if root != Path("/")
]

_places: dict[tuple[str, str], tuple[int, Text]] = {}  # of all words in templates


class SpeakingServer(Server):
    """A trame server that says what it sends."""

    def _push_state(self, state: dict[str, Any]) -> None:
        super()._push_state(said(state))

    def get_server_state(self) -> dict[str, Any]:
        found = super().get_server_state()
        return found | {"state": said(found["state"])}

    def speak(self, wanted: str) -> None:
        """Says everything in the nearest of our languages from now on; what is shown, too."""
        use(wanted)
        self.state.language = language().replace("_", "-")
        self._push_state(self.state.to_dict())


def said(value: Any) -> Any:
    """The same with the program's words in the reader's language; without folders of this
    server."""
    if isinstance(value, Text):
        return without_folders(say(value))
    if isinstance(value, dict):
        return {name: said(one) for name, one in value.items()}
    return [said(one) for one in value] if isinstance(value, list | tuple) else value


def vue(words: str, **values: str) -> str:
    """A Vue expression for words in the reader's language.

    Args:
        words: a Text; anything else is the expression of a constant.
        values: Vue expressions, of what fills the words.
    """
    if not isinstance(words, Text):
        return f"`{words}`"
    found, _ = _places.setdefault((words.template, words.context), (len(_places), words))
    place = f"words[{found}]"
    filled = ", ".join(f"{name}: {value}" for name, value in values.items())
    return f"utils.lnr.fill({place}, {{{filled}}})" if values else place


def shown(words: str) -> str:
    """Words within an element, in the reader's language; other text as it is."""
    return f"{{{{ {vue(words)} }}}}" if isinstance(words, Text) else words


def bound(words: str) -> str | tuple[str]:
    """Words as an attribute, in the reader's language; other text as it is."""
    return (vue(words),) if isinstance(words, Text) else words


def titled(choices: Mapping[str, str]) -> tuple[str]:
    """The items of a list to choose from: values, and how each is shown."""
    items = (f"{{title: {vue(one)}, value: {json.dumps(name)}}}" for name, one in choices.items())
    return (f"[{', '.join(items)}]".replace('"', "'"),)


def all_words() -> list[Text]:
    """The state's ``words``, once the page is built."""
    return [words for _, words in _places.values()]


def for_state(text: str) -> str:
    """Words to keep in the state without folders of this server: a Text's are left out once it is
    said."""
    return text if isinstance(text, Text) else without_folders(text)


def without_folders(text: str) -> str:
    """The same words, with files and folders of this server named without where they are."""
    for root in ROOTS:
        text = text.replace(root, "")
    return FOLDERS.sub("", text)
