"""The slices of a scan as one page to scroll through, with a mask over them if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from skimage.measure import find_contours

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.outputs.html.pages import origin_words, write_page
from nodulerisk.outputs.html.stills import outline_points, slice_png
from nodulerisk.outputs.slices import PLANES, upright_mask


@dataclass(frozen=True)
class _Picture:
    """An axial slice: its number from the head, its height in LPS mm, its data URI, and the mask's
    outlines in SVG's notation, in voxels from the picture's corner."""

    number: int
    z_mm: float
    uri: str
    outlines: list[str]


def write_stack(
    ct: CT, path: str | Path, nodule: NoduleMask | None = None, *, step: int = 1
) -> None:
    """Writes a self-contained page with the axial slices from the head down, in the CT's own voxels
    and the lung window.

    Args:
        ct: the CT, or any voxels: see ``explore.as_ct``.
        path: the HTML file; of slices with 512 x 512 voxels, each takes about 0.2 MB.
        nodule: a mask to show over them; None: none.
        step: shows every slice, every second, …

    Raises:
        OutputError: the file cannot be written.
    """
    straight, mask = to_lps(ct), None if nodule is None else upright_mask(ct, nodule)
    pictures = list(_pictures(straight, mask, step))
    depth, height, width = straight.hu.shape
    write_page(
        Path(path),
        "outputs/html/stack.html.jinja",
        origin=origin_words(str(ct.acquisition.series_number or "")),
        pictures=pictures,
        first=next((picture.number for picture in pictures if picture.outlines), None),
        edges=PLANES[0].edges,
        last=depth,
        size=(width, height),
        size_mm=(width * straight.spacing_mm[0], height * straight.spacing_mm[1]),
    )


def _pictures(straight: CT, mask: np.ndarray | None, step: int) -> Iterator[_Picture]:
    last = len(straight.hu)
    for number in range(1, last + 1, step):
        index = last - number
        outlines = [] if mask is None else _outlines(mask[index])
        z_mm = float(straight.point_of((0, 0, index))[2])
        yield _Picture(number, z_mm, slice_png(straight.hu[index]), outlines)


def _outlines(mask: np.ndarray) -> list[str]:
    """Returns the outlines of a mask (rows, columns), also where it touches the edge."""
    contours = find_contours(np.pad(mask, 1).astype(float), 0.5)
    return [outline_points(contour[:, ::-1] - 0.5) for contour in contours]
