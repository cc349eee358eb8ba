"""Draws the nodule at a point with the mask network, which also says whether it is a nodule at
all."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.cubes import lps_block
from nodulerisk.ct.volume import CT
from nodulerisk.engine.engine import Networks
from nodulerisk.networks.kinds import kind_of
from nodulerisk.nodule.mask import (
    REFLECTIONS,
    centroid_lps_mm,
    mask_dice,
    nodule_mask,
    touches_cube_edge,
)
from nodulerisk.nodule.surface import at_half_maximum
from nodulerisk.weights.card import NetworkCard, WeightSet

DENSE_HU = -300  # a point surrounded by dense tissue may lie in a lesion that fills the whole cube
AMID_MM = 5.0  # around the point
AERATED_HU = -700  # what is denser is no aerated lung; up to DENSE_HU it is ground glass
WIDE_MM = 20.0  # a lesion beyond the cube fills most of what lies as far around the point:
GLASS_SHARE, TISSUE_SHARE = 0.6, 0.75


@dataclass(frozen=True, eq=False)
class Drawing:
    """The mask network's result for a point.

    Attributes:
        nodule: the mask, empty where no nodule was found; None without a mask network, or if its
            map is not a number.
        centre_lps_mm: where to cut the other networks' cubes: the mask's centroid, else the point.
        answer: class probabilities (C,) from the mask network's last pass; None as for ``nodule``.
        steadiness: Dice of the mask drawn around the point with the one drawn around its own
            centroid; None if fewer than two were drawn.
    """

    nodule: NoduleMask | None
    centre_lps_mm: np.ndarray
    answer: np.ndarray | None = None
    steadiness: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether a mask network ran and found no nodule."""
        return self.nodule is not None and not self.nodule.region.any()

    def emptied(self, point_lps_mm) -> Drawing:
        """Returns the same with an empty mask: there is no nodule."""
        nodule = None if self.nodule is None else self.nodule.emptied()
        return replace(self, nodule=nodule, centre_lps_mm=np.asarray(point_lps_mm, float))


def draw(ct: CT, point_lps_mm: np.ndarray, weights: WeightSet, networks: Networks) -> Drawing:
    """Draws the nodule at a point; if it does not fit into the cube, in an enlarged one.

    Args:
        ct: the CT.
        point_lps_mm: (x, y, z), LPS mm.
        weights: the weight set whose mask network draws.
        networks: an Engine or Worker of this set.

    Raises:
        PointError: the point lies outside the CT.
    """
    if weights.mask_network is None:
        return Drawing(None, point_lps_mm)
    card = weights.networks[weights.mask_network]
    first, *wider = card.cubes.enlargements
    found = _drawn(ct, point_lps_mm, weights, networks, first)
    for enlarged in wider:
        if not _may_be_larger(found, ct, point_lps_mm):
            break
        again = _drawn(ct, point_lps_mm, weights, networks, enlarged)
        found = found if again.nodule is None or again.is_empty else again
    return (
        _at_half_maximum(found, ct, point_lps_mm) if kind_of(card.kind).at_half_maximum else found
    )


def widest_mm(weights: WeightSet) -> float:
    """Returns the side of the largest cube that the set's mask network sees."""
    assert weights.mask_network is not None
    card = weights.networks[weights.mask_network]
    return card.size * card.cubes.spacing_mm * card.cubes.enlargements[-1]


def _at_half_maximum(found: Drawing, ct: CT, point_lps_mm: np.ndarray) -> Drawing:
    """Returns the drawing with ground glass at its half maximum; a nodule that the cube cuts stays
    as it is."""
    if found.nodule is None or found.is_empty or touches_cube_edge(found.nodule):
        return found
    return replace(found, nodule=at_half_maximum(found.nodule, ct, point_lps_mm))


def _may_be_larger(found: Drawing, ct: CT, point_lps_mm: np.ndarray) -> bool:
    """Whether the nodule may be too large for the cube."""
    if found.nodule is None:
        return False
    if not found.is_empty:
        return touches_cube_edge(found.nodule)
    wide = _around(ct, point_lps_mm, WIDE_MM)
    is_in_glass = ((wide > AERATED_HU) & (wide < DENSE_HU)).mean() > GLASS_SHARE
    return bool(is_in_glass or _around(ct, point_lps_mm, AMID_MM).mean() > DENSE_HU)


def is_amid_tissue(ct: CT, point_lps_mm) -> bool:
    """Whether hardly any aerated lung lies around the point: a lesion too large to be drawn would
    look so."""
    dense = _around(ct, point_lps_mm, WIDE_MM) > AERATED_HU
    return bool(dense.mean() > TISSUE_SHARE)


def _around(ct: CT, point_lps_mm, reach_mm: float) -> np.ndarray:
    """Returns the HU of a box around the point, inside the CT."""
    block = lps_block(ct, point_lps_mm)
    centre = np.rint(block.voxel_of(point_lps_mm)).astype(int)[::-1]
    reach = np.ceil(reach_mm / np.array(block.spacing_mm[::-1])).astype(int)
    box = tuple(slice(max(c - r, 0), c + r + 1) for c, r in zip(centre, reach, strict=True))
    return block.hu[box]


def _drawn(
    ct: CT, point: np.ndarray, weights: WeightSet, networks: Networks, enlarged: int
) -> Drawing:
    """Draws around the point, then again around the mask's own centroid, so that the mask hardly
    depends on where the user clicked."""
    found = _look(ct, point, point, weights, networks, enlarged)
    if found.nodule is None or found.is_empty:
        return found
    again = _look(ct, found.centre_lps_mm, point, weights, networks, enlarged)
    if again.nodule is None:
        return again
    steadiness = mask_dice(found.nodule, again.nodule)
    return Drawing(again.nodule, again.centre_lps_mm, again.answer, steadiness)


def _look(
    ct: CT,
    centre: np.ndarray,
    point: np.ndarray,
    weights: WeightSet,
    networks: Networks,
    enlarged: int,
) -> Drawing:
    """Runs the mask network once, centred there, and returns the nodule at the point."""
    assert weights.mask_network is not None
    card = weights.networks[weights.mask_network]
    cubes = card.cubes(ct, centre, scan_order=weights.scan_order, enlarged=enlarged)
    answer, probability = _answer_and_map(cubes.cut(card.sides, card.size), card, weights, networks)
    if not np.isfinite(probability).all():
        return Drawing(None, point)
    grid = cubes.grid(card.sides, card.size)
    nodule = nodule_mask(probability, grid, ct, point, weights.mask_evidence.level)
    if not nodule.region.any():
        return Drawing(nodule, point, answer)
    centroid = centroid_lps_mm(nodule)
    # At the scan's edge a map may extend beyond it.
    return Drawing(nodule, centroid if ct.contains(centroid) else point, answer)


def _answer_and_map(
    cube: np.ndarray, card: NetworkCard, weights: WeightSet, networks: Networks
) -> tuple[np.ndarray, np.ndarray]:
    """Returns class probabilities (C,) and the map (S, S, S) of a cube (channels, S, S, S): means
    over its reflections if the card asks for them."""
    assert weights.mask_network is not None
    reflections = REFLECTIONS if weights.mask_reflected else REFLECTIONS[:1]
    cubes = np.stack([np.flip(cube, tuple(axis + 1 for axis in axes)) for axes in reflections])
    answers, maps = networks.predict(weights.mask_network, cubes)
    turned = [np.flip(m[0], axes) for m, axes in zip(maps, reflections, strict=True)]
    return answers.mean(axis=0), np.stack(turned).mean(axis=0)
