"""An explanation as files: the map as a volume, and a picture of it on the nodule's slices."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nodulerisk.assessment import Assessment, grid_image, write_image
from nodulerisk.ct.volume import CT
from nodulerisk.files import written_whole
from nodulerisk.language.texts import Text, _
from nodulerisk.outputs.picture import DPI, draw_slice, drawable, write
from nodulerisk.outputs.slices import FIELD_MM, nodule_slices, values_at
from nodulerisk.outputs.style import ALARM, EXPLANATION_FILES
from nodulerisk.trust.explain import NOT_EVIDENCE, Explanation

SIZE_INCHES = (16, 6.4)
WIDTH = 0.31  # of a slice, of the figure
OPACITY = 0.55  # where the map is 1
SHARED = _(
    "The network's views share this map: it has the right centre, and the middle view's scale"
)


def write_explanation(
    ct: CT, assessment: Assessment, explanation: Explanation, folder: Path
) -> None:
    """Writes ``EXPLANATION_FILES``: a float32 volume on a grid of its own, whose header says what
    it is, and a picture of 1600 x 640 pixels.

    Raises:
        OutputError: the folder cannot be written.
    """
    volume, picture = (folder / name for name in EXPLANATION_FILES)
    image = grid_image(explanation.values, explanation.grid)
    image.SetMetaData("content", f"{explanation_title(explanation)} ({NOT_EVIDENCE})")
    write_image(image, volume)
    with written_whole(picture) as partial:
        FigureCanvasAgg(explanation_figure(ct, assessment, explanation)).print_png(partial)


def explanation_title(explanation: Explanation) -> str:
    """Returns a title such as ``Grad-CAM of vgg: regions that supported p(malignant)``."""
    words = (
        _("Grad-CAM of {network}: regions that supported p({label})")
        if explanation.values.any()
        else _("Grad-CAM of {network}: no region of the cube supported p({label})")
    )
    return words.format(network=explanation.network, label=explanation.label)


@drawable()
def explanation_figure(ct: CT, assessment: Assessment, explanation: Explanation) -> Figure:
    """Three slices with the map over them as a matplotlib figure, in no global state."""
    figure = Figure(SIZE_INCHES, DPI, facecolor="white")
    black = {"color": "black"}
    write(figure, 0.02, 0.93, explanation_title(explanation), size=18, weight="bold", **black)
    not_evidence = Text(NOT_EVIDENCE.capitalize())
    write(figure, 0.02, 0.875, not_evidence, size=14, color=ALARM, weight="bold")
    if explanation.views > 1:
        write(figure, 0.98, 0.875, SHARED, ha="right", size=11, **black)
    for number, picture in enumerate(nodule_slices(ct, assessment)):
        axes = figure.add_axes((0.02 + (WIDTH + 0.015) * number, 0.02, WIDTH, 0.775))
        draw_slice(axes, picture)
        _draw_map(axes, values_at(picture.points, explanation.values, explanation.grid))
    return figure


def _draw_map(axes: Axes, values) -> None:
    half = FIELD_MM / 2
    axes.imshow(
        values,
        cmap="inferno",
        vmin=0,
        vmax=1,
        alpha=OPACITY * values,
        extent=(-half, half, half, -half),
    )
