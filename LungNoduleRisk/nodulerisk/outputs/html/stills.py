"""Still pictures of a nodule as parts of a page: for paper, or if there are many nodules."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from nodulerisk.outputs.mesh import Mesh
from nodulerisk.outputs.picture import draw_mesh
from nodulerisk.outputs.slices import LUNG_WINDOW_HU

MESH_INCHES, MESH_DPI = (3, 3), 130
MESH_COLOURS = 32  # enough for one shaded colour, at a quarter of the bytes


def slice_png(hu: np.ndarray) -> str:
    """Returns a slice (rows, columns) in the lung window, one pixel per sample, as a data URI."""
    low, high = LUNG_WINDOW_HU
    grey = np.clip((hu - low) / (high - low), 0, 1) * 255
    return _uri(Image.fromarray(grey.round().astype(np.uint8)))


def mesh_png(mesh: Mesh) -> str:
    """Returns the mesh as drawn by ``draw_mesh``, as a data URI."""
    canvas = FigureCanvasAgg(Figure(MESH_INCHES, MESH_DPI))
    draw_mesh(canvas.figure, mesh, (0, 0, 1, 1))
    canvas.draw()
    return _uri(
        Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(MESH_COLOURS)
    )


def outline_points(outline: np.ndarray) -> str:
    """Returns a contour (n, 2) in mm in SVG's notation."""
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in outline)


def _uri(image: Image.Image) -> str:
    file = BytesIO()
    image.save(file, "png")
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode()}"
