"""Plots for getting to know a nodule, or any voxels with a mask, and what networks see of it and
learn; ``Resources/Notebooks/explore.ipynb`` shows them all.

Matplotlib figures are kept out of global state: a notebook shows what a cell returns (``%matplotlib
inline``). Lengths are mm, densities HU; volumes are indexed z, y, x.
"""

from __future__ import annotations

import csv
import math
import os
import re
import timeit
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib import colormaps
from matplotlib.animation import FuncAnimation
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator
from plotly.subplots import make_subplots
from scipy.ndimage import distance_transform_edt, gaussian_filter

from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.ct.cubes import DENSESHARP_SIDE, DENSESHARP_SPACING_MM, EMV_SPACING_MM, Grid
from nodulerisk.ct.volume import CT, INT16, Acquisition, to_lps, triple
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.nodule.mask import MASK_LEVEL, centroid_lps_mm, hand_mask
from nodulerisk.outputs.html.interactive import LIGHT
from nodulerisk.outputs.mesh import nodule_mesh
from nodulerisk.outputs.picture import HALO
from nodulerisk.outputs.slices import (
    FIELD_MM,
    LUNG_WINDOW_HU,
    PIXEL_MM,
    TICKS_MM,
    Slice,
    nodule_slices,
    probability_at,
    slices_at,
    upright_mask,
)
from nodulerisk.outputs.style import BLUE, CONTOUR, SURFACE

Shown = Assessment | NoduleMask
GREY_LEVELS = "stretched grey levels"  # of voxels that are not HU
CHECKOUT = "NODULERISK_CHECKOUT"  # environment variable: the folder with pyproject.toml
MARGIN_MM = 15.0  # of lung around the nodule in the pictures of slices
RIM_MM = 5.0  # the shell around the mask whose densities the histogram compares
LEVELS = (MASK_LEVEL, 0.7, 0.9)  # of the contours of the mask's probability
LEVEL_COLOURS = (CONTOUR, "#dc267f", "#648fff")  # of up to three levels
CLOSE_MM = 20.0  # from the centre to the edge of a contour plot
SMOOTHING_MM = 0.8  # of the densities that contours are drawn through: noise would break them up
DENSITIES_HU = range(-1000, 201, 100)
BINS_HU = range(-1025, 301, 25)
STEP_SIZES = (1, 2, 4)
ICONS = {  # of matplotlib's player, in letters
    "minus": "−",
    "plus": "+",
    "play": "▶",
    "pause": "■",
    "step-backward": "‹",
    "step-forward": "›",
    "fast-backward": "«",
    "fast-forward": "»",
}
LUNG, NODULE = "#7d93a8", "#e08a00"  # colours of histograms
TRAINING, VALIDATION = BLUE, CONTOUR


def checkout() -> Path:
    """Returns the folder of the checkout: ``$NODULERISK_CHECKOUT``, else the one around this
    package or the working directory.

    Raises:
        NoduleRiskError: the sample data are in none of these places.
    """
    named = os.environ.get(CHECKOUT)
    places = (
        [Path(named)]
        if named
        else [*Path(__file__).resolve().parents, Path.cwd(), *Path.cwd().parents]
    )
    for place in places:
        if (place / "Resources" / "SampleData" / "demo-chest-ct.zip").is_file():
            return place
    raise NoduleRiskError(
        _(
            "The sample data were not found: set {checkout} to the folder that holds"
            " pyproject.toml."
        ).format(checkout=CHECKOUT)
    )


# --- What is shown: an assessed nodule, or any voxels with a mask


def as_ct(
    voxels: np.ndarray,
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
    window: tuple[float, float] = LUNG_WINDOW_HU,
) -> CT:
    """Returns any voxels as what the plots take.

    Args:
        voxels: numbers (z, y, x), HU or others, with the axes towards the head, back and left.
        spacing_mm: of the voxels, x, y, z.
        window: the values to show as black and as white. Those of another window than the lung's
            are stretched onto it, and no plot calls them HU.
    """
    low, high = LUNG_WINDOW_HU
    share = (np.asarray(voxels, float) - window[0]) / (window[1] - window[0])
    hu = np.clip(np.rint(low + share * (high - low)), INT16.min, INT16.max).astype(np.int16)
    said = Acquisition(modality=None if tuple(window) == LUNG_WINDOW_HU else GREY_LEVELS)
    return CT(hu, triple(spacing_mm), (0.0, 0.0, 0.0), acquisition=said)


def pair(
    voxels: np.ndarray,
    mask: np.ndarray,
    spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
    window: tuple[float, float] = LUNG_WINDOW_HU,
) -> tuple[CT, NoduleMask]:
    """Returns any voxels and their mask as what the plots take.

    Args:
        voxels, spacing_mm, window: as for ``as_ct``.
        mask: the same shape: bool, labels (not 0: inside) or probabilities (0.5 and more: inside).

    Raises:
        NoduleRiskError: not two volumes of one shape, or an empty mask.
    """
    if voxels.ndim != 3 or voxels.shape != mask.shape:
        raise NoduleRiskError(_("Voxels and mask must be two volumes (z, y, x) of the same shape."))
    ct = as_ct(voxels, spacing_mm, window)
    inside = np.asarray(mask) >= MASK_LEVEL
    if not inside.any():
        raise NoduleRiskError(_("The mask is empty: there is nothing to show."))
    nodule = hand_mask(inside, (0, 0, 0), ct)
    if not np.issubdtype(mask.dtype, np.floating):
        return ct, nodule
    grid = Grid(np.zeros(3), np.diag(ct.spacing_mm))
    return ct, replace(nodule, probability=np.asarray(mask, np.float32), grid=grid)


def _nodule_of(shown: Shown) -> NoduleMask:
    nodule = shown.nodule if isinstance(shown, Assessment) else shown
    if nodule is None or not nodule.region.any():
        name = shown.name if isinstance(shown, Assessment) else "This"
        raise NoduleRiskError(
            _("{name} has no mask to show: assess with a weight set that draws masks.").format(
                name=name
            )
        )
    return nodule


def _unit(ct: CT) -> str:
    return GREY_LEVELS if ct.acquisition.modality == GREY_LEVELS else "HU"


def _planes_of(ct: CT, shown: Shown) -> list[Slice]:
    if isinstance(shown, Assessment):
        return nodule_slices(ct, shown)
    return slices_at(ct, centroid_lps_mm(_nodule_of(shown)), shown)


# --- Slices


def slices_figure(ct: CT, shown: Shown) -> Figure:
    """The axial, coronal and sagittal slice through the nodule's centre, with the mask laid over
    them."""
    figure = Figure((13, 4.6), layout="constrained")
    for axes, picture in zip(figure.subplots(1, 3), _planes_of(ct, shown), strict=True):
        _draw_plane(axes, picture)
        probability = _probability_in(picture, shown)
        axes.contourf(TICKS_MM, TICKS_MM, probability, [MASK_LEVEL, 1], colors=CONTOUR, alpha=0.3)
        axes.contour(TICKS_MM, TICKS_MM, probability, [MASK_LEVEL], colors=CONTOUR)
    return figure


def contours_figure(
    ct: CT,
    shown: Shown,
    levels: Sequence[float] = LEVELS,
    densities_hu: Sequence[float] = DENSITIES_HU,
) -> Figure:
    """Above, lines where the mask's probability has these levels; below, steps of density with the
    mask's outline."""
    figure = Figure((12, 9), layout="constrained")
    rows = figure.subplots(2, 3)
    for (above, below), picture in zip(rows.T, _planes_of(ct, shown), strict=True):
        probability = _probability_in(picture, shown)
        _draw_plane(above, picture, CLOSE_MM)
        lines = above.contour(TICKS_MM, TICKS_MM, probability, levels, colors=_colours(levels))
        smooth = gaussian_filter(picture.hu, SMOOTHING_MM / PIXEL_MM)
        _draw_plane(below, picture, CLOSE_MM)
        steps = below.contourf(
            TICKS_MM, TICKS_MM, smooth, densities_hu, cmap="viridis", extend="both"
        )
        below.contour(TICKS_MM, TICKS_MM, probability, [MASK_LEVEL], colors="white", linewidths=2)
    above.legend(
        lines.legend_elements()[0],
        [f"probability {level:g}" for level in levels],
        loc="lower right",
    )
    figure.colorbar(
        steps,
        ax=rows,
        label=f"{_unit(ct)} of the lower row",
        location="bottom",
        shrink=0.5,
        aspect=40,
    )
    return figure


def _colours(levels: Sequence[float]) -> Sequence[Any]:
    if len(levels) <= len(LEVEL_COLOURS):
        return LEVEL_COLOURS[: len(levels)]
    return [*colormaps["plasma"](np.linspace(0, 1, len(levels)))]


def _draw_plane(axes: Axes, picture: Slice, half_mm: float = FIELD_MM / 2) -> None:
    """Draws a slice in mm from the nodule's centre; the labels say where right and left, front and
    back are."""
    edge = (FIELD_MM + PIXEL_MM) / 2
    _draw_grey(axes, picture.hu, extent=(-edge, edge, edge, -edge))
    left, right, above, below = picture.plane.edges
    axes.set(xlim=(-half_mm, half_mm), ylim=(half_mm, -half_mm), title=picture.plane.name)
    axes.set(xlabel=f"{left} – {right}, mm", ylabel=f"{below} – {above}, mm")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(10))
        axis.set_major_formatter(lambda mm, _: f"{abs(mm):g}")


def _draw_grey(axes: Axes, hu: np.ndarray, **place) -> None:
    low, high = LUNG_WINDOW_HU
    axes.imshow(hu, cmap="gray", vmin=low, vmax=high, interpolation="bilinear", **place)


def _probability_in(picture: Slice, shown: Shown) -> np.ndarray:
    """Returns the mask's probability (0..1) in a picture, at ``TICKS_MM`` down and right."""
    return probability_at(picture.points, _nodule_of(shown))


# --- The CT's own voxels


@dataclass(frozen=True, eq=False)
class Surroundings:
    """The surroundings of a nodule in the CT's own voxels, with axes closest to +S, +P, +L.

    Attributes:
        ct: the part of the CT.
        mask: bool (z, y, x) on its grid.
    """

    ct: CT
    mask: np.ndarray

    def z_mm(self, index: int) -> float:
        """Returns the LPS height of the middle of a slice."""
        _, rows, columns = self.mask.shape
        return float(self.ct.point_of((columns / 2, rows / 2, index))[2])


def surroundings(ct: CT, shown: Shown, margin_mm: float = MARGIN_MM) -> Surroundings:
    """Returns the box around the mask with a margin, as far as the scan reaches."""
    straight, mask = to_lps(ct), upright_mask(ct, _nodule_of(shown))
    voxels = np.argwhere(mask)
    margin = np.ceil(margin_mm / np.array(straight.spacing_mm[::-1])).astype(int)
    first, end = np.maximum(voxels.min(axis=0) - margin, 0), voxels.max(axis=0) + margin + 1
    box = tuple(slice(a, b) for a, b in zip(first, end, strict=True))
    corner = triple(straight.point_of(first[::-1]))
    return Surroundings(replace(straight, hu=straight.hu[box], origin_lps_mm=corner), mask[box])


def montage_figure(ct: CT, shown: Shown, *, overlay: bool = False) -> Figure:
    """Every axial slice that the mask reaches, from the feet upwards, in the scanner's own voxels;
    with ``overlay``, the mask in colour besides its outline."""
    around = surroundings(ct, shown)
    slices = np.flatnonzero(around.mask.any(axis=(1, 2)))
    columns = math.ceil(math.sqrt(1.6 * len(slices)))
    rows = math.ceil(len(slices) / columns)
    figure = Figure((13, 13.4 / columns * rows), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in every:
        axes.set_axis_off()
    for axes, index in zip(every, slices, strict=False):
        _draw_axial(axes, around, int(index), overlay)
    return figure


def animated_slices(
    ct: CT, shown: Shown, frames_per_second: int = 6, *, overlay: bool = False
) -> str:
    """A player (HTML) that walks through the axial slices around the nodule, up and down; needs no
    ffmpeg."""
    around = surroundings(ct, shown)
    figure = Figure((5, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()

    def draw(index: int) -> list:
        axes.clear()
        axes.set_axis_off()
        _draw_axial(axes, around, index, overlay)
        return []

    animation = FuncAnimation(figure, draw, frames=len(around.mask), init_func=list)
    return _without_internet(animation.to_jshtml(fps=frames_per_second, default_mode="reflect"))


def _without_internet(player: str) -> str:
    """Replaces the icons that matplotlib's player would fetch from a server by plain letters."""
    plain = re.sub(r"<link[^>]*font-awesome[^>]*>", "", player)
    icon = r'<i class="fa fa-([\w-]+)( fa-flip-horizontal)?"></i>'
    return re.sub(icon, lambda found: "◀" if found[2] else ICONS.get(found[1], found[1]), plain)


def _draw_axial(axes: Axes, around: Surroundings, index: int, overlay: bool) -> None:
    """Draws one axial slice seen from the feet, with the mask outlined in the CT's voxels."""
    x_mm, y_mm, _ = around.ct.spacing_mm
    _draw_grey(axes, around.ct.hu[index], aspect=y_mm / x_mm)
    if around.mask[index].any():
        axes.contour(around.mask[index], [0.5], colors=CONTOUR)
        if overlay:
            axes.contourf(around.mask[index], [0.5, 1], colors=CONTOUR, alpha=0.35)
    height = f"z {around.z_mm(index):.1f} mm"
    axes.text(0.04, 0.93, height, transform=axes.transAxes, color="white", path_effects=HALO)


def histogram_figure(ct: CT, shown: Shown, rim_mm: float = RIM_MM) -> Figure:
    """Densities inside the mask against those of the shell of ``rim_mm`` around it, as shares of
    each volume."""
    around = surroundings(ct, shown, rim_mm)
    distance = distance_transform_edt(~around.mask, sampling=around.ct.spacing_mm[::-1])
    figure = Figure((9, 4), layout="constrained")
    axes = figure.subplots()
    rim = (distance > 0) & (distance <= rim_mm)
    for where, name, colour in (
        (rim, f"{rim_mm:g} mm around it", LUNG),
        (around.mask, "inside the mask", NODULE),
    ):
        hu = around.ct.hu[where]
        label = (
            f"{name}: {np.prod(around.ct.spacing_mm) * hu.size / 1000:.1f} ml, mean"
            f" {hu.mean():.0f} {_unit(ct)}"
        )
        shares = np.full(hu.size, 100 / hu.size)
        axes.hist(
            hu.clip(BINS_HU[0], BINS_HU[-1]),
            BINS_HU,
            weights=shares,
            color=colour,
            alpha=0.6,
            label=label,
        )
        axes.axvline(hu.mean(), color=colour, linestyle="--")
    axes.set(xlabel=_unit(ct), ylabel="% of its voxels", xlim=(BINS_HU[0], BINS_HU[-1]))
    axes.legend(frameon=False)
    return _plain(figure)


def _plain(figure: Figure) -> Figure:
    """Removes the box around each plot."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure


# --- Meshes


def meshes_figure(
    nodule: NoduleMask, step_sizes: Sequence[int] = STEP_SIZES, threshold: float = MASK_LEVEL
) -> go.Figure:
    """The nodule's mesh at several step sizes side by side, rotatable; titles give each one's cost
    and volume. ``threshold``: the probability at its surface."""
    scenes = [[{"type": "scene"} for _ in step_sizes]]
    figure = make_subplots(1, len(step_sizes), specs=scenes, subplot_titles=[" "] * len(step_sizes))
    for column, step_size in enumerate(step_sizes, start=1):
        mesh = nodule_mesh(nodule, step_size, threshold)
        milliseconds = 1000 * min(
            timeit.repeat(partial(nodule_mesh, nodule, step_size, threshold), number=1, repeat=3)
        )
        x, y, z = (
            mesh.vertices_lps_mm - nodule.grid.origin_lps_mm
        ).T  # the light is near the origin
        i, j, k = mesh.faces.T
        look = {"color": SURFACE, "flatshading": False, "hoverinfo": "skip", **LIGHT}
        figure.add_mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, row=1, col=column, **look)
        cost = (
            f"{len(mesh.faces):,} triangles, {milliseconds:.1f} ms, {mesh.volume_mm3 / 1000:.2f} ml"
        )
        figure.layout.annotations[column - 1].text = f"step_size {step_size}<br>{cost}"
    hidden = dict.fromkeys(("xaxis", "yaxis", "zaxis"), {"visible": False})
    figure.update_scenes(aspectmode="data", camera_eye={"x": 0.8, "y": -1.4, "z": 0.5}, **hidden)
    return figure.update_layout(height=380, margin={"l": 0, "r": 0, "t": 60, "b": 0})


# --- The networks' input


def cubes_figure(views: np.ndarray, sides: Sequence[int], cube: np.ndarray) -> Figure:
    """The middle slices of the cubes that go into the networks, in the networks' grey levels.

    Args:
        views: from ``emv_views``, float32 (3, S, S, S).
        sides: as for ``emv_views``, voxels of 0.625 mm.
        cube: from ``densesharp_cube``, uint8 (32, 32, 32).
    """
    size = views.shape[1]
    names = [f"EMV view: {side * EMV_SPACING_MM:g} mm in {size}³" for side in sides]
    names.append(
        f"DenseSharp: {DENSESHARP_SIDE * DENSESHARP_SPACING_MM:g} mm in {DENSESHARP_SIDE}³"
    )
    figure = Figure((12, 9), layout="constrained")
    columns = figure.subplots(3, len(names)).T
    for column, name, volume in zip(columns, names, (*views, cube), strict=True):
        _draw_middle(column, volume, (0, 255) if volume is cube else (-0.25, 0.75))
        column[0].set_title(name)
    for axes, name in zip(columns[0], ("Axial", "Coronal", "Sagittal"), strict=True):
        axes.set_ylabel(name)
    return figure


def _draw_middle(column: Sequence[Axes], volume: np.ndarray, greys: tuple[float, float]) -> None:
    """Draws the middle axial, coronal and sagittal slice of a cube whose axes run along +S, +P,
    +L."""
    middle = len(volume) // 2
    slices = (volume[middle], volume[::-1, middle], volume[::-1, :, middle])
    for axes, picture in zip(column, slices, strict=True):
        axes.imshow(picture, cmap="gray", vmin=greys[0], vmax=greys[1])
        axes.set(xticks=[], yticks=[])


def losses_figure(log: Path) -> Figure:
    """The losses of a run by epoch, from the ``metrics.csv`` that training writes."""
    with log.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    figure = Figure((9, 4), layout="constrained")
    axes = figure.subplots()
    for prefix, what, colour in (
        ("loss/", "training", TRAINING),
        ("val_loss/", "validation", VALIDATION),
    ):
        for column in [column for column in rows[0] if column.startswith(prefix)]:
            points = [(int(row["epoch"]) + 1, float(row[column])) for row in rows if row[column]]
            label = f"{column.removeprefix(prefix)}, {what}"
            axes.plot(*np.transpose(points), marker="o", color=colour, label=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    axes.legend(frameon=False)
    return _plain(figure)
