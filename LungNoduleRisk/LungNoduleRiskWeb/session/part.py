"""What the parts of a page, such as its follow-up, need of it."""

from __future__ import annotations

from typing import Any, Protocol

from trame_server.state import State

from LungNoduleRiskLib.session import Session
from LungNoduleRiskWeb.session.notices import Notices
from LungNoduleRiskWeb.session.viewer import Viewer


class Page(Protocol):
    """The controller, as its parts see it."""

    state: State
    notices: Notices
    session: Session
    viewer: Viewer
    device: str

    @property
    def weights(self) -> str:
        """The chosen weight set."""

    def show(self, volume_node: Any, points_node: Any) -> None:
        """Shows a CT and its list of points."""

    def close(self) -> None:
        """Closes all CTs, and forgets what was said of the patient."""

    def refresh(self) -> None:
        """Reads the nodules from the scene again."""

    def jump(self) -> None:
        """Brings the chosen nodule to the middle of the views."""
