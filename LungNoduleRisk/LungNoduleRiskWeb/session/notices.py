"""The page's messages: what is being done, and what was refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from trame_server.state import State

from LungNoduleRiskWeb.session.speaking import for_state
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _, message_of

BUSY = _("Something else is running: wait until it has finished, or cancel it.")
NOTICES = {"busy": "", "message": "", "is_error": False}


class Notices:
    """Writes ``NOTICES`` of the page's state; may be used outside of trame's calls, too."""

    def __init__(self, state: State):
        self._state = state
        self._is_busy = False  # not as the page has it: a page can be made to say anything
        self._state.update(NOTICES)

    def say(self, text: str, is_error: bool = False) -> None:
        """Shows a line; an empty one takes the last away."""
        with self._state:
            self._state.update({"message": for_state(text), "is_error": is_error})

    def refuse_busy(self) -> None:
        """Raises NoduleRiskError while something is done that must not be disturbed."""
        if self._is_busy:
            raise NoduleRiskError(BUSY)

    def doing(self, words: str) -> None:
        """Says what is being done."""
        with self._state:
            self._state.busy = words

    @contextmanager
    def busy(self, words: str) -> Iterator[None]:
        """Says what is being done in the block, one at a time.

        Raises:
            NoduleRiskError: see ``refuse_busy``.
        """
        self.refuse_busy()
        self._is_busy = True
        self.doing(words)
        try:
            yield
        finally:
            self._is_busy = False
            self.doing("")

    @contextmanager
    def refusals_said(self) -> Iterator[None]:
        """Says why something was refused in the block."""
        try:
            yield
        except NoduleRiskError as error:
            self.say(message_of(error), is_error=True)
        except Exception as error:
            logging.exception("unforeseen")
            self.say(
                _("This should not happen ({kind}): start a new session.").format(
                    kind=type(error).__name__
                ),
                is_error=True,
            )
