"""The sources of cubes: nodules with readers' outlines, and whole CTs, on the device."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.datasets.context import with_context, without_nodule
from nodulerisk.datasets.nodules import LabelledNodule, equivalent_diameter_mm
from nodulerisk.tasks import TASKS
from nodulerisk.train.unet.places import places_without_nodule
from nodulerisk.train.unet.surface import Surface, surface_of
from nodulerisk.train.view import targets_of

# The readers' descriptions: networks that also learn these draw better masks. Not kept after
# training.
HELPERS = ("malignancy", "density", "spiculation", "lobulation", "margin", "calcification")
# of the synthetic context above and below; a new one for every cube would take a CPU core
VERSIONS = 2
# one end in five is flat, so that the network learns neither kind
CONTEXT = ("lung",) * 4 + ("flat",)
PLACES_BY_NODULE, PLACES_IN_CT = 12, 1500  # of a kind
BESIDE_NODULE_MM, BESIDE_POINT_MM = 8.0, 30.0  # there may be a nodule up to here
PERCENT = 100


@dataclass(frozen=True, eq=False)
class Marked:
    """A nodule that readers have outlined.

    Attributes:
        share: uint8 (z, y, x), percent of the readers.
        surface: where it ends.
        centre: voxels z, y, x.
        diameter_mm: its size.
        helpers: float (C,), class probabilities of ``HELPERS`` side by side, NaN where not known.
    """

    share: Tensor
    surface: Surface
    centre: np.ndarray
    diameter_mm: float
    helpers: Tensor


@dataclass(frozen=True, eq=False)
class Lung:
    """A piece of lung, or all of it.

    Attributes:
        seen: int16 HU (z, y, x) each: the same scan, in several synthetic contexts if it ends with
            the nodule.
        empty: like one of ``seen``, with its nodule covered.
        spacing_mm: z, y, x.
        places: kind -> float (n, 3), voxels z, y, x, where there is no nodule.
        nodule: None: a whole CT, whose nodules are not used.
    """

    seen: tuple[Tensor, ...]
    empty: Tensor
    spacing_mm: np.ndarray
    places: dict[str, np.ndarray]
    nodule: Marked | None = None


def lung_of_nodule(nodule: LabelledNodule, seed: int, device: str) -> Lung:
    """Returns a nodule's surroundings; the same seed gives the same context.

    Args:
        nodule: with a mask.
        seed: of the synthetic context and all choices.
        device: as torch takes it.
    """
    rng = np.random.default_rng(seed)
    nodule = _in_lps(nodule)
    covered = replace(nodule, ct=_covered(nodule, rng))
    versions = [with_context(one, rng, CONTEXT) for one in (*[nodule] * VERSIONS, covered)]
    *seen, empty = (_tensor(ct.hu, device) for ct, _ in versions)
    share = versions[0][1]
    # synthetic slices on either side
    above = np.array([(len(share) - len(nodule.ct.hu)) // 2, 0, 0])
    return Lung(
        tuple(seen),
        empty,
        _zyx(nodule.ct.spacing_mm),
        {kind: voxels + above for kind, voxels in _places_beside(nodule, rng).items()},
        _marked(nodule, share, above, device),
    )


def lung_of_ct(
    ct: CT, nodules_lps_mm: Iterable[tuple[float, float, float]], seed: int, device: str
) -> Lung:
    """Returns a whole CT, in which no places near the given nodules are chosen."""
    ct = to_lps(ct)
    spacing = _zyx(ct.spacing_mm)
    avoid = np.zeros(ct.hu.shape, bool)
    for point in nodules_lps_mm:
        away = [
            (np.arange(n) - c) * s
            for n, c, s in zip(ct.hu.shape, ct.voxel_of(point)[::-1], spacing, strict=True)
        ]
        z, y, x = np.meshgrid(*away, indexing="ij", sparse=True)
        avoid |= z**2 + y**2 + x**2 < BESIDE_POINT_MM**2
    rng = np.random.default_rng(seed)
    places = places_without_nodule(ct.hu, spacing, avoid, PLACES_IN_CT, rng)
    hu = _tensor(ct.hu, device)
    return Lung((hu,), hu, spacing, places)


def _in_lps(nodule: LabelledNodule) -> LabelledNodule:
    """Returns the nodule with its axes along the patient's."""
    percent = np.rint(np.asarray(nodule.marked) * PERCENT).astype(np.int16)
    marked = to_lps(replace(nodule.ct, hu=percent)).hu / np.float32(PERCENT)
    return replace(nodule, ct=to_lps(nodule.ct), marked=marked)


def _covered(nodule: LabelledNodule, rng: np.random.Generator) -> CT:
    """Returns the CT with its nodule covered by its surroundings, in all slices that show it."""
    outlined = np.asarray(nodule.marked) > 0
    outline, shown = np.any(outlined, axis=0), np.flatnonzero(np.any(outlined, axis=(1, 2)))
    hu = nodule.ct.hu.copy()
    for z in shown:
        hu[z] = without_nodule(hu[z], np.asarray(outline), rng)
    return replace(nodule.ct, hu=hu)


def _places_beside(nodule: LabelledNodule, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns places beside the nodule, but not above or below it, where the context may be
    synthetic."""
    spacing = _zyx(nodule.ct.spacing_mm)
    outline = (np.asarray(nodule.marked) > 0).any(axis=0)
    near = distance_transform_edt(~outline, sampling=spacing[1:]) <= BESIDE_NODULE_MM
    avoid = np.broadcast_to(near, nodule.ct.hu.shape)
    return places_without_nodule(nodule.ct.hu, spacing, avoid, PLACES_BY_NODULE, rng)


def _marked(nodule: LabelledNodule, share: np.ndarray, above: np.ndarray, device: str) -> Marked:
    marked, mask = np.asarray(nodule.marked), np.asarray(nodule.mask)
    spacing = _zyx(nodule.ct.spacing_mm)
    return Marked(
        _tensor(np.rint(share * PERCENT).astype(np.uint8), device),
        surface_of(nodule.ct.hu, marked, spacing, _is_subsolid(nodule)),
        np.asarray(nodule.ct.voxel_of(nodule.centre_lps_mm)[::-1]) + above,
        nodule.diameter_mm or equivalent_diameter_mm(mask, nodule.ct.spacing_mm),
        targets_of(nodule, HELPERS).to(device),
    )


def _is_subsolid(nodule: LabelledNodule) -> bool:
    """Whether readers are certain that it is not solid."""
    density = nodule.target("density", len(TASKS["density"].classes))
    return density is not None and density[-1] == 0


def _tensor(array: np.ndarray, device: str) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _zyx(xyz: tuple[float, float, float]) -> np.ndarray:
    return np.array(xyz[::-1])
