"""Everything that is wrong with a table, to be said at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from nodulerisk.errors import NoduleRiskError

Value = TypeVar("Value")
LISTED = 50  # problems to list; further ones are counted
LONGEST_QUOTE = 40  # characters


class CohortError(NoduleRiskError):
    """The table cannot be run; nothing was run.

    Attributes:
        problems: what is wrong, one line each, with its row as a spreadsheet counts rows; at most
            ``LISTED``, and a line that counts the rest.
    """

    def __init__(self, table: str, problems: list[str]):
        more = len(problems) - LISTED
        problems = [*problems[:LISTED], *([f"and {more} more"] if more > 0 else [])]
        super().__init__("\n".join([f"{table} cannot be run yet:", *problems]))
        self.problems = tuple(problems)


class Problems:
    """What is wrong with the rows of a table.

    Attributes:
        bad: lines by row; none where another row's line says it.
    """

    def __init__(self) -> None:
        self.bad: dict[int, list[str]] = {}

    @property
    def lines(self) -> Iterator[str]:
        """All lines, in the order of their rows."""
        return (line for row in sorted(self.bad) for line in self.bad[row])

    def say(self, row_number: int, words: str, *others: int) -> None:
        """Notes what is wrong with a row; ``others``: rows that are part of it."""
        self.bad.setdefault(row_number, []).append(f"row {row_number}: {words}")
        for other in others:
            self.bad.setdefault(other, [])

    def attempt(self, row_number: int, read: Callable[..., Value], *args: Any) -> Value | None:
        """Returns what it reads; None, with one more problem, if it refuses."""
        try:
            return read(*args)
        except NoduleRiskError as error:
            self.say(row_number, str(error).rstrip("."))
            return None


def quoted(text: str) -> str:
    """Returns text in quotes, without what is too long to be read."""
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…")
