"""Correcting a nodule's mask with a brush: Segment Editor's paint and erase in the slices."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from trame_server.utils.asynchronous import create_task
from trame_slicer.segmentation import SegmentationEffectErase, SegmentationEffectPaint

from LungNoduleRiskLib.display import results
from LungNoduleRiskWeb.session.part import Page
from LungNoduleRiskWeb.session.views.numbers import number
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

BRUSHES = {"Paint": SegmentationEffectPaint, "Erase": SegmentationEffectErase}
BRUSH_MM = (1, 30)  # the least and the largest diameter
MEASURE_S = 0.3  # after the last stroke


@dataclass(frozen=True)
class CorrectingState:
    """The initial state, by the names in the page: the brush (empty: none) and its diameter."""

    brush: str = ""
    brush_mm: float = 5


class Correcting:
    """Paints and erases the chosen nodule's mask, and measures it again after each stroke."""

    def __init__(self, page: Page):
        self._page, self._state = page, page.state
        self._editor = page.viewer.mask_editor
        self._strokes = self._editor.undo_stack
        self._measuring: asyncio.Task | None = None
        self._state.update(asdict(CorrectingState()))
        self._editor.segmentation_modified.connect(self._measure_soon)
        self._state.change("brush", "brush_mm")(lambda **_: self._take_brush())

    def stop(self) -> None:
        """Puts the brush away."""
        self._state.brush = ""
        self._editor.deactivate_effect()

    def undo(self) -> bool:
        """Takes back the last stroke; whether there was one."""
        if not (self._state.brush and self._strokes is not None and self._strokes.can_undo()):
            return False
        self._strokes.undo()
        self._measure_soon()
        return True

    def _take_brush(self) -> None:
        with self._page.notices.refusals_said():
            effect = BRUSHES.get(str(self._state.brush))
            if effect is None:
                self._editor.deactivate_effect()
                if not (self._state.placing or self._state.measuring):
                    self._page.viewer.place(None)
                return
            try:
                self._prepare()
            except NoduleRiskError:
                self._state.brush = ""
                raise
            brush = self._editor.set_active_effect_type(effect)
            diameter_mm = number(self._state.brush_mm, *BRUSH_MM) or CorrectingState().brush_mm
            self._page.viewer.brush_with(brush, diameter_mm)

    def _prepare(self) -> None:
        """Has the editor work on the chosen nodule's mask."""
        self._page.notices.refuse_busy()
        chosen, volume_node = self._page.session.chosen, self._page.session.volumeNode
        if chosen is None or volume_node is None or chosen.assessment is None:
            raise NoduleRiskError(_("Choose a nodule that was assessed."))
        self._state.update({"placing": False, "measuring": False, "masks": True})
        node = results.segmentToEdit(chosen.name, volume_node)
        if self._editor.active_segmentation_node is not node:
            self._editor.set_active_segmentation(node, volume_node)
        self._editor.set_active_segment_id(chosen.name)

    def _measure_soon(self, *_: Any) -> None:
        """After a stroke, not within it."""
        if self._state.brush and self._measuring is None:
            self._measuring = create_task(self._measure())

    async def _measure(self) -> None:
        await asyncio.sleep(MEASURE_S)
        self._measuring = None
        volume_node = self._page.session.volumeNode
        if volume_node is None or self._page.session.run is not None:
            return
        with self._state, self._page.notices.refusals_said():
            if results.remeasure(volume_node):
                # a stroke takes the mesh away
                self._editor.active_segmentation_node.CreateClosedSurfaceRepresentation()
                self._page.refresh()
