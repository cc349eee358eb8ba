"""Draws ten held-out nodules and ten vessels, chosen by lot, with what is said of each:
``PYTHONPATH=Testing python Testing/said.py [PICTURE]`` (needs the developers' data)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from rich.progress import track

from evidence import held_out_names
from needs import SHARED
from no_nodule import what_is_said
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Position
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.lidc.slices import read_lidc_slices
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine
from nodulerisk.outputs.slices import LUNG_WINDOW_HU, TICKS_MM, nodule_slices
from nodulerisk.train.unet.places import places_without_nodule
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set

EACH = 10
SEED = 15
Click = tuple[CT, Position, str]  # a CT, a point on it, and what is known of it


def main() -> None:
    weights = load_weight_set("open")
    engine = Engine(weights)
    rows = [list(nodules(weights)), list(vessels())]
    found = [
        [assess(ct, point, weights, networks=engine) for ct, point, _ in track(row, "said")]
        for row in rows
    ]
    draw(rows, found, sys.argv[1] if len(sys.argv) > 1 else "said.png")


def nodules(weights: WeightSet) -> Iterator[Click]:
    """Of patients that the mask network did not learn from, with a decided label."""
    names = held_out_names(weights)
    all_of_them = read_lidc_slices(SHARED / "data" / "lidc").nodules
    decided = [n for n in all_of_them if n.name in names and np.median(n.ratings) != 3]
    for index in np.random.default_rng(SEED).choice(len(decided), EACH, replace=False):
        nodule = decided[int(index)]
        ct, _ = with_context(nodule, np.random.default_rng(0), ("lung",))
        yield ct, nodule.centre_lps_mm, rated(nodule)


def rated(nodule: LabelledNodule) -> str:
    return f"{nodule.diameter_mm:.0f} mm, rated {np.median(nodule.ratings):g}"


def vessels() -> Iterator[Click]:
    ct = to_lps(read_ct(SHARED / "data" / "chest_crop_no_nodule_1p5mm.nii.gz"))
    spacing, nowhere = np.array(ct.spacing_mm[::-1]), np.zeros(ct.hu.shape, bool)
    rng = np.random.default_rng(SEED)
    for voxel in places_without_nodule(ct.hu, spacing, nowhere, EACH, rng)["vessel"]:
        yield ct, ct.point_of(voxel[::-1]), "vessel"


def draw(rows: Sequence[Sequence[Click]], found: Sequence[Sequence[Assessment]], path: str) -> None:
    mpl.use("Agg")
    figure, axes = plt.subplots(2, EACH, figsize=(15, 4.4), layout="constrained")
    for across, clicks, answers in zip(axes, rows, found, strict=True):
        for ax, (ct, _, known), answer in zip(across, clicks, answers, strict=True):
            show(ax, ct, answer, known)
    figure.suptitle("LungNoduleRisk: for research only, not for clinical use", fontsize=9)
    figure.savefig(path, dpi=72)


def show(ax, ct: CT, answer: Assessment, known: str) -> None:
    axial, low, high = nodule_slices(ct, answer)[0], *LUNG_WINDOW_HU
    reach = (TICKS_MM[0], TICKS_MM[-1], TICKS_MM[-1], TICKS_MM[0])
    ax.imshow(axial.hu, cmap="gray", vmin=low, vmax=high, extent=reach)
    for outline in axial.outlines:
        ax.plot(*outline.T, color="orange", linewidth=1)
    said, mean = what_is_said(answer), answer.tasks["malignancy"].mean
    ax.set_title(f"{known}\n{said}" + (f" ({mean[-1]:.2f})" if mean else ""), fontsize=8)
    ax.axis("off")


if __name__ == "__main__":
    main()
