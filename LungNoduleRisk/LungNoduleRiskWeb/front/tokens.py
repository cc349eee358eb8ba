"""A file of tokens: one user a line, the name and their token."""

from __future__ import annotations

import logging
from pathlib import Path

from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

SHORTEST_TOKEN = 16  # characters

logger = logging.getLogger(__name__)


class TokenFile:
    """The tokens by user, as the file has them at each call.

    Raises:
        NoduleRiskError: at the start, when the file cannot be used. Later what it held before still
            holds, and the log says why.
    """

    def __init__(self, path: Path):
        self._path = path
        self._stamp = _stamp(path)
        self._tokens = _read(path)

    def __call__(self) -> dict[str, str]:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._tokens = _read(self._path)
            except NoduleRiskError as error:
                logger.error("%s Until then the tokens that it held before still open.", error)
        return self._tokens


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or _("not UTF-8")
        words = _("The tokens in {path} cannot be read ({reason}).")
        raise NoduleRiskError(words.format(path=path, reason=reason)) from None
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            user, token = _parts(line, number, path)
            if user in tokens or token in tokens.values():
                words = _("Line {number} of {path} repeats a name or a token.")
                raise NoduleRiskError(words.format(number=number, path=path))
            tokens[user] = token
    return tokens


def _parts(line: str, number: int, path: Path) -> tuple[str, str]:
    parts = line.split()
    if len(parts) != 2 or len(parts[1]) < SHORTEST_TOKEN:
        words = _(
            "Line {number} of {path} is no name and token of {shortest} characters or more, as"
            " 'anna 3f9c…': correct it."
        )
        raise NoduleRiskError(words.format(number=number, path=path, shortest=SHORTEST_TOKEN))
    return parts[0], parts[1]
