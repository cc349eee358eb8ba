"""The assessment of a nodule as one static picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LightSource
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patheffects import withStroke
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.assessment import Assessment
from nodulerisk.ct.volume import CT
from nodulerisk.files import written_whole
from nodulerisk.language.spoken import language, lines, say, speaking
from nodulerisk.language.texts import Text, _, joined
from nodulerisk.outputs import words
from nodulerisk.outputs.mesh import Mesh, nodule_mesh
from nodulerisk.outputs.slices import FIELD_MM, LUNG_WINDOW_HU, Slice, nodule_slices
from nodulerisk.outputs.style import (
    ALARM,
    CALIPER,
    CONTOUR,
    EVIDENCE_COLOURS,
    FAINT,
    INK,
    STILL_SURFACE,
    TRACK,
    WARNING,
)
from nodulerisk.outputs.words import ClassProbability

SIZE_INCHES = (16, 10)
DPI = 100
ROWS = 24  # of the probability panel: enough for our tasks; own ones may make all smaller
# keeps white letters readable on bone and wall
HALO = [withStroke(linewidth=2.5, foreground="black")]
BOTTOM = 0.055
LINES, CHARACTERS = 23, 46  # that fit in a text panel
LONGEST_NAME = 28
WIDTH = 200  # characters of a line across the picture
WIDE = 950  # characters times points that fit in the probability panel
LATIN = "DejaVu Sans"  # which matplotlib brings along
FONTS = {  # for languages that it does not hold: any one of these
    "zh_CN": (
        *("Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "PingFang SC", "Heiti SC"),
        *("Hiragino Sans GB", "Microsoft YaHei", "SimHei", "WenQuanYi Zen Hei", "Noto Sans CJK JP"),
    )
}
LEGEND = _("Bars: probability; dots: single networks; line: decision threshold.")


def _fonts() -> list[str]:
    """Returns the fonts for the language in force, each for what the one before it lacks; none if
    this computer has none that holds the language."""
    needed = FONTS.get(language())
    if needed is None:
        return [LATIN]
    here = {font.name for font in fontManager.ttflist}
    return [LATIN, *found] if (found := [name for name in needed if name in here]) else []


@contextmanager
def drawable() -> Iterator[None]:
    """Speaks English where no font on this computer holds the language in force: a picture shows no
    boxes in place of characters."""
    with speaking(language() if _fonts() else "en"):
        yield


def write(where: Figure | Axes, x: float, y: float, text: str, **style) -> None:
    """Draws text in the reader's language, literally: a name with dollar signs is not a formula."""
    style = {"color": INK, "fontfamily": _fonts()} | style
    where.text(x, y, say(text), parse_math=False, **style)


def picture_png(ct: CT, assessment: Assessment, path: Path) -> None:
    """Writes a picture of 1600 x 1000 pixels: three slices with the contour, the mesh,
    probabilities, measurements and checks.

    Raises:
        OutputError: the file cannot be written.
    """
    figure = nodule_figure(ct, assessment)
    with written_whole(path) as partial:
        FigureCanvasAgg(figure).print_png(partial)


@drawable()
def nodule_figure(ct: CT, assessment: Assessment) -> Figure:
    """The picture as a matplotlib figure, in no global state."""
    figure = Figure(SIZE_INCHES, DPI, facecolor="white")
    name = assessment.name
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME - 1]}…"
    write(figure, 0.02, 0.957, joined(" ", (_("Nodule"), name)), size=20, weight="bold")
    headline = joined("; ", words.headline(assessment))
    first = lines(headline, WIDTH, max_lines=1, placeholder=" …")
    write(figure, 0.02, 0.933, "".join(first), size=11.5)
    write(figure, 0.98, 0.957, RESEARCH_USE_ONLY, ha="right", size=13, color=ALARM, weight="bold")
    for number, picture in enumerate(nodule_slices(ct, assessment)):
        draw_slice(figure.add_axes((0.02 + 0.24 * number, 0.535, 0.23, 0.368)), picture)
    if assessment.nodule is not None and len((mesh := nodule_mesh(assessment.nodule)).faces):
        write(figure, 0.74, 0.909, _("Mesh"), size=12, weight="bold")
        draw_mesh(figure, mesh, (0.74, 0.535, 0.24, 0.368))
    _draw_probabilities(figure.add_axes((0.02, BOTTOM, 0.46, 0.44)), assessment)
    _draw_panel(figure, 0.51, _("Measurements"), _measurement_paragraphs(assessment))
    _draw_panel(figure, 0.75, _("Checks"), _check_paragraphs(assessment))
    write(
        figure,
        0.02,
        0.015,
        joined(". ", (words.provenance_words(assessment.provenance), LEGEND)),
        size=9.5,
        color=FAINT,
    )
    return figure


def draw_slice(axes: Axes, picture: Slice) -> None:
    """Draws a slice with the mask's contours, letters at its edges and a scale."""
    half = FIELD_MM / 2
    low, high = LUNG_WINDOW_HU
    extent = (-half, half, half, -half)
    axes.imshow(
        picture.hu, cmap="gray", vmin=low, vmax=high, extent=extent, interpolation="bilinear"
    )
    for outline in picture.outlines:
        axes.plot(*outline.T, color=CONTOUR, linewidth=1.6)
    for ends in picture.calipers:
        axes.plot(*ends.T, color=CALIPER, linewidth=1, marker="|", path_effects=HALO)
    places = ((-0.95, 0), (0.95, 0), (0, -0.94), (0, 0.94))
    for letter, (x, y) in zip(picture.plane.edges, places, strict=True):
        write(
            axes,
            x * half,
            y * half,
            letter,
            color="white",
            size=11,
            ha="center",
            va="center",
            path_effects=HALO,
        )
    axes.plot(
        [half - 12, half - 2], [half - 3, half - 3], color="white", linewidth=2, path_effects=HALO
    )
    write(
        axes, half - 7, half - 4.2, "10 mm", color="white", size=9, ha="center", path_effects=HALO
    )
    write(axes, -half, -half - 1, picture.plane.name, size=12, weight="bold")
    axes.set(xlim=(-half, half), ylim=(half, -half))
    axes.set_axis_off()


def draw_mesh(figure: Figure, mesh: Mesh, place: tuple[float, float, float, float]) -> None:
    """Draws the mesh from the patient's front left, slightly from above, at left, bottom, width,
    height of the figure."""
    axes = cast(Axes3D, figure.add_axes(place, projection="3d"))
    light = LightSource(azdeg=300, altdeg=50)
    triangles = mesh.vertices_lps_mm[mesh.faces]
    axes.add_collection3d(
        Poly3DCollection(triangles, facecolors=STILL_SURFACE, shade=True, lightsource=light)
    )
    low, high = mesh.vertices_lps_mm.min(axis=0), mesh.vertices_lps_mm.max(axis=0)
    half = (high - low).max() / 2
    for set_limits, middle in zip(
        (axes.set_xlim, axes.set_ylim, axes.set_zlim), (low + high) / 2, strict=True
    ):
        set_limits(middle - half, middle + half)
    axes.set_box_aspect((1, 1, 1), zoom=1.45)
    axes.view_init(elev=20, azim=-60)
    axes.set_axis_off()


def _draw_probabilities(axes: Axes, assessment: Assessment) -> None:
    """Draws what rests on patients, the appearance in words, then the demonstrations."""
    groups = words.task_groups(assessment)
    y = _draw_tasks(axes, 0.0, assessment, groups.pop("", []))
    if seen := words.appearance_words(assessment):
        basis = (words.appearance_basis(assessment), 9.5, FAINT, "normal")
        y = _draw_lines(axes, y, (_appearance(seen), 9.5, INK, "normal"), basis)
        y += 0.6
    for heading, names in groups.items():
        y = _draw_lines(axes, y, (heading, 11, FAINT, "normal")) + 0.5
        y = _draw_tasks(axes, y, assessment, names)
    for text in axes.texts if y > ROWS else ():
        text.set_fontsize(float(text.get_fontsize()) * ROWS / y)
    axes.set(xlim=(-0.3, 1.1), ylim=(max(ROWS, y), -0.5))
    axes.set_axis_off()


def _appearance(seen: Sequence[str]) -> str:
    return _("Appearance: {seen}").format(seen=joined(" · ", seen))


def _draw_tasks(axes: Axes, y: float, assessment: Assessment, names: Sequence[str]) -> float:
    """Draws each task's title and evidence, and below them its bars, with every network as a dot
    and the threshold as a line; returns where the next may begin."""
    for name in names:
        task, stated = assessment.tasks[name], assessment.stated(name)
        plain, title = stated.demonstration, words.task_title(assessment, name)
        heading = (title, 9.5, FAINT, "normal") if plain else (title, 12, INK, "bold")
        y = _draw_lines(axes, y, heading, (words.task_basis(task), 9.5, FAINT, "normal"))
        for bar in words.task_bars(task):
            y += 0.3
            _draw_bar(axes, y, bar, EVIDENCE_COLOURS[task.evidence], plain)
            y += 0.7
        y += 0.6
    return y


def _draw_lines(axes: Axes, y: float, *paragraphs: tuple[str, float, str, str]) -> float:
    """Draws wrapped text (text, size, colour, weight) from there downwards; returns where it
    ends."""
    for text, size, colour, weight in paragraphs:
        fitting = round(WIDE / size)
        for line in lines(text, fitting, max_lines=2, placeholder=" …"):
            look = {"size": size, "color": colour, "weight": weight}
            write(axes, -0.3, y, line, va="center", **look)
            y += size / 11
    return y


def _draw_bar(
    axes: Axes, y: float, bar: ClassProbability, colour: str, demonstration: bool
) -> None:
    """Draws a probability; a demonstration's is hatched, and its number not bold."""
    hatched: dict[str, Any] = (
        {"hatch": "////", "edgecolor": "white", "linewidth": 0} if demonstration else {}
    )
    axes.barh(y, 1, height=0.62, color=TRACK)
    axes.barh(y, bar.mean, height=0.62, color=colour, **hatched)
    axes.scatter(
        list(bar.members.values()),
        [y] * len(bar.members),
        s=26,
        color="white",
        edgecolors=INK,
        zorder=3,
    )
    if bar.threshold is not None and not demonstration:
        axes.plot([bar.threshold] * 2, [y - 0.45, y + 0.45], color=INK, linewidth=2)
    label = Text("p({label})").format(label=bar.label)
    write(axes, -0.02, y, label, size=10.5, ha="right", va="center")
    weight = "normal" if demonstration else "bold"
    write(
        axes, 1.02, y, words.PROBABILITY.format(p=bar.mean), size=11.5, weight=weight, va="center"
    )


def _measurement_paragraphs(assessment: Assessment) -> list[tuple[str, str]]:
    measured = words.measured_words(assessment)
    values = [(joined(": ", (name, value)), INK) for name, value, _source in measured]
    place = (joined(" ", (_("point"), words.position_words(assessment.point_lps_mm))), INK)
    return [(words.measured_on(assessment), FAINT), *values, place]


def _check_paragraphs(assessment: Assessment) -> list[tuple[str, str]]:
    colours = {"warning": WARNING, "note": INK}
    withheld = [(line, WARNING) for line in words.withheld_words(assessment)]
    checks = [(words.check_words(check), colours[check.severity]) for check in assessment.checks]
    return withheld + checks or [(words.NO_CHECKS, FAINT)]


def _draw_panel(figure: Figure, left: float, title: str, paragraphs: list[tuple[str, str]]) -> None:
    """Draws a column of wrapped text, each paragraph in its colour; says how many paragraphs did
    not fit."""
    axes = figure.add_axes((left, BOTTOM, 0.23, 0.44))
    axes.set_axis_off()
    write(axes, 0, 1, title, size=12, weight="bold", va="top")
    y = 2
    for number, (paragraph, colour) in enumerate(paragraphs):
        wrapped = lines(paragraph, CHARACTERS)
        if y + len(wrapped) >= LINES:
            write(
                axes,
                0,
                1 - y / LINES,
                _("… {count} more in assessment.json").format(count=len(paragraphs) - number),
                size=10.5,
                va="top",
            )
            return
        for line in wrapped:
            write(axes, 0, 1 - y / LINES, line, size=10.5, color=colour, va="top")
            y += 1
