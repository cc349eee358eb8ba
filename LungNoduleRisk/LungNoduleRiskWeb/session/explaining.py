"""Where a network looked at the chosen nodule, shown over the CT."""

from __future__ import annotations

import asyncio
from typing import Any

from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib.display.explanations import showExplanation
from LungNoduleRiskWeb.session.part import Page
from nodulerisk.language.texts import _
from nodulerisk.trust.explain import NOT_EVIDENCE


class Explaining:
    """Finds a map of where a network looked, and shows or hides it over the slices."""

    def __init__(self, page: Page):
        self._page, self._state = page, page.state
        self._map: Any = None
        self._state.explained = ""  # the map's name, which says that it is no evidence

    def explain(self) -> None:
        """Finds and shows the map of the chosen nodule."""
        create_task(self._explain())

    async def _explain(self) -> None:
        page = self._page
        with page.notices.refusals_said():
            with page.notices.busy(_("Finding where a network looked…")):
                page.notices.say("")
                find = page.session.explainer(page.weights, page.device)
                chosen, volume_node = page.session.chosen, page.session.volumeNode
                explanation = await asyncio.to_thread(find)
            if chosen is not None and volume_node is not None and volume_node.GetScene():
                with self._state:
                    self.hide()
                    self._map = showExplanation(explanation, chosen.name, volume_node)
                    said = _("{nodule} {task} by {network} ({remark})")
                    self._state.explained = said.format(
                        nodule=chosen.name,
                        task=explanation.task,
                        network=explanation.network,
                        remark=NOT_EVIDENCE,
                    )
                    page.viewer.show_over(self._map)

    def hide(self) -> None:
        """Takes the map away."""
        self._page.viewer.show_over(None)
        if self._map is not None and self._map.GetScene() is not None:
            self._map.GetScene().RemoveNode(self._map)
        self._map, self._state.explained = None, ""
