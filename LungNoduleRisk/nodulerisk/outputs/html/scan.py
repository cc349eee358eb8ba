"""A whole scan as one page: its surface at a threshold, which turns, and the nodule's within."""

from __future__ import annotations

from pathlib import Path

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.volume import CT
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _
from nodulerisk.outputs.html.interactive import surfaces_figure
from nodulerisk.outputs.html.pages import origin_words, write_page
from nodulerisk.outputs.mesh import ct_mesh, nodule_mesh

BODY_HU = -300.0  # skin, chest wall and what is dense in the lung


def write_scan(
    ct: CT,
    path: str | Path,
    nodule: NoduleMask | None = None,
    *,
    threshold_hu: float = BODY_HU,
    step_size: int = 3,
) -> None:
    """Writes a self-contained page with everything denser than a threshold, and the nodule in it.

    Args:
        ct: the CT.
        path: the HTML file.
        nodule: a mask to show inside; None: none.
        threshold_hu: where the surface runs.
        step_size: voxels per step; larger is coarser, and the page smaller.

    Raises:
        NoduleRiskError: nothing in the CT is as dense.
        OutputError: the file cannot be written.
    """
    scan = ct_mesh(ct, threshold_hu, step_size)
    if not len(scan.faces):
        words = _(
            "The CT has no surface at {hu:g} HU: choose a threshold within its densities, or a"
            " smaller step."
        )
        raise NoduleRiskError(words.format(hu=threshold_hu))
    meshes = {_("denser than {hu:g} HU").format(hu=threshold_hu): scan}
    if nodule is not None:
        meshes[_("nodule")] = nodule_mesh(nodule)
    about = _("Surface at {hu:g} HU in steps of {step}: {count:,} triangles").format(
        hu=threshold_hu, step=step_size, count=len(scan.faces)
    )
    write_page(
        Path(path),
        "outputs/html/scan.html.jinja",
        about=about,
        figure=surfaces_figure(meshes),
        origin=origin_words(str(ct.acquisition.series_number or "")),
    )
