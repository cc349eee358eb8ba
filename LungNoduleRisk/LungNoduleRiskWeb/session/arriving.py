"""An upload's slices, shown while they arrive."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from trame_server.state import State
from trame_server.utils.asynchronous import create_task

from LungNoduleRiskLib.scene import LUNG_WINDOW_HU
from nodulerisk.ct.dicom.preview import slice_in

EVERY_S = 0.5


class Arriving:
    """Shows a slice of the newest file now and then; ``arriving`` in the page's state is its
    picture, or empty."""

    def __init__(self, state: State):
        self._state = state
        self._state.arriving = ""
        self._showing: asyncio.Task | None = None

    def add(self, file: Path) -> None:
        """Told of each file that has arrived."""
        if self._showing is None or self._showing.done():
            self._showing = create_task(self._show(file))

    async def _show(self, file: Path) -> None:
        hu = await asyncio.to_thread(slice_in, file)
        if hu is not None:
            with self._state:
                self._state.arriving = as_picture(hu)
        await asyncio.sleep(EVERY_S)

    def end(self) -> None:
        """Takes the picture away."""
        if self._showing is not None:
            self._showing.cancel()
        with self._state:
            self._state.arriving = ""


def as_picture(hu: np.ndarray) -> str:
    """A slice in the lung window, as the address of a picture."""
    width, centre = LUNG_WINDOW_HU
    grey = np.clip((hu - (centre - width / 2)) / width, 0, 1) * 255
    file = BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(file, "JPEG")
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
