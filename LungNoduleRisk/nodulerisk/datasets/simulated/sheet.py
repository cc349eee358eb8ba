"""A sheet of simulated nodules, to look at before training on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.outputs.style import CONTOUR
from nodulerisk.tasks import TASKS

TITLE = "Simulated nodules: shows the workflow, says nothing about a patient"
LUNG_WINDOW_HU = (-1350, 150)
SHOWN_MM = 56
A_ROW = 8


def contact_sheet(nodules: Iterable[LabelledNodule], path: Path) -> None:
    """Writes a PNG with a row for each class present: axial slices through the middle, every other
    one outlined.

    Args:
        nodules: from ``simulate_nodules``; the first eight of each class are shown.
        path: of the PNG.
    """
    rows: dict[tuple[int, int], list[LabelledNodule]] = {}
    for nodule in nodules:
        rows.setdefault(_row(nodule), []).append(nodule)
    figure = Figure(figsize=(2 * A_ROW, 2.25 * len(rows) + 0.5), layout="constrained")
    figure.suptitle(TITLE)
    axes = figure.subplots(len(rows), A_ROW, squeeze=False)
    for places, row in zip(axes, sorted(rows), strict=True):
        places[0].set_title(_row_title(*row), loc="left", fontsize=10)
        for column, axis in enumerate(places):
            axis.set_axis_off()
            if column < len(rows[row]):
                _draw(axis, rows[row][column], outlined=column % 2 == 1)
    FigureCanvasAgg(figure).print_png(path)


def _row(nodule: LabelledNodule) -> tuple[int, int]:
    """Returns the classes of subtype and grade; grade -1: none, since the nodule is not
    invasive."""
    return nodule.labels["subtype"], nodule.labels.get("grade", -1)


def _row_title(subtype: int, grade: int) -> str:
    name = TASKS["subtype"].classes[subtype]
    return name if grade < 0 else f"{name} {TASKS['grade'].classes[grade]}"


def _draw(axis: Axes, nodule: LabelledNodule, outlined: bool) -> None:
    middle, half = nodule.ct.hu.shape[0] // 2, SHOWN_MM // 2
    shown = (middle, slice(middle - half, middle + half), slice(middle - half, middle + half))
    low, high = LUNG_WINDOW_HU
    axis.imshow(nodule.ct.hu[shown], cmap="gray", vmin=low, vmax=high, interpolation="bilinear")
    if outlined and nodule.mask is not None:
        axis.contour(nodule.mask[shown], [0.5], colors=CONTOUR, linewidths=0.8)
    axis.set_title(f"{nodule.diameter_mm:.0f} mm", loc="right", fontsize=8)
