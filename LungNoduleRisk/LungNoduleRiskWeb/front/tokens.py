"""A file of tokens: one user a line, the name and their token."""

from __future__ import annotations

import logging
from pathlib import Path

from nodulerisk.errors import NoduleRiskError

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
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise NoduleRiskError(f"The tokens in {path} cannot be read ({reason}).") from None
    tokens: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            user, token = _parts(line, f"Line {number} of {path}")
            if user in tokens or token in tokens.values():
                raise NoduleRiskError(f"Line {number} of {path} repeats a name or a token.")
            tokens[user] = token
    return tokens


def _parts(line: str, where: str) -> tuple[str, str]:
    parts = line.split()
    if len(parts) != 2 or len(parts[1]) < SHORTEST_TOKEN:
        raise NoduleRiskError(
            f"{where} is no name and token of {SHORTEST_TOKEN} characters or more, as 'anna"
            " 3f9c…': correct it."
        )
    return parts[0], parts[1]
