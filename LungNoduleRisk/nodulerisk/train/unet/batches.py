"""The cubes of one step: a reader's nodule, a synthetic one, a place without a nodule, or synthetic
vessels; and the answers the network should give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.train.samples import View
from nodulerisk.train.unet.cubes import Look, box_around, first_of, pose
from nodulerisk.train.unet.draws import Draws
from nodulerisk.train.unet.lungs import PERCENT, Lung
from nodulerisk.train.unet.phantoms import with_nodule, with_vessels
from nodulerisk.train.unet.places import KIND_SHARES
from nodulerisk.train.unet.surface import soft_target

# Out of 34 cubes. Readers' nodules and synthetic ones have about the same weight: the former teach
# what nodules look like, the latter how large they are. Nearly as many cubes show none.
ROLES = {"real": 12, "phantom": 10, "negative": 9, "vessels": 3}
ENLARGED_SHARE = {"real": 0.12, "phantom": 0.3, "negative": 0.12, "vessels": 0.12}
ENLARGED = 2  # large nodules are shown in cubes of 96 mm
CLICK_SD_MM, CLICK_SHARE = 1.0, 0.7  # most clicks are as near as readers' are
FAR_CLICK_MM = 8.0  # the rest are up to this far off, for stable masks
BESIDE_MM = 3.0  # farther than this past the rim it may be called a nodule or not
NEAR_MM = 3.5  # only cubes with a nodule in their middle teach the readers' descriptions
INSIDE, INSIDE_SHARE = 0.7, 0.8  # this share of the clicks lies within 0.7 of a phantom's radius
PHANTOM_MM, ENLARGED_PHANTOM_MM = (3.5, 34.0), (12.0, 80.0)  # up to what a cube can hold
SMALL_MM, SMALL_SHARE = (3.5, 6.0), 0.3  # by size alone, one in three: 4 mm were missed without
THICKEST = 0.5  # of a phantom's diameter: it would be invisible in thicker slices
NODULE_LUNG_MM = 22.0  # larger phantoms need a whole CT; the surroundings of nodules are too narrow
NODULE_LUNG_SHARE = 0.6  # share of smaller ones that lie there: most of them are in other patients
HOSTS = {"lung": 0.5, "pleura": 0.25, "vessel": 0.25}  # where phantoms are put
WHOLE_CT_SHARE = 0.4  # of the cubes without a nodule
TRIES = 8  # lungs that are tried for a place
FEWEST_VOXELS = 20  # a phantom of which less is left at the wall is not used
NOISE_SHARE, NOISE_HU, OFFSET_HU = 0.5, 25.0, 15.0  # of another scan, and its calibration
UNKNOWN = float("nan")


@dataclass(frozen=True, eq=False)
class Examples:
    """One cube with the wanted answers, or several along an additional first axis.

    Attributes:
        cube: float (1, S, S, S), the network's input.
        masks: float (2, S, S, S): up to the surface, and the share of readers.
        mask_known: float (2,), 1 where that mask is known, else 0.
        presence: float (), whether it is a nodule; NaN: may be called either.
        helpers: float (C,), see ``Marked``.
    """

    cube: Tensor
    masks: Tensor
    mask_known: Tensor
    presence: Tensor
    helpers: Tensor


class Lungs(NamedTuple):
    """The training data: nodules' surroundings, and whole CTs."""

    nodules: Sequence[Lung]
    whole: Sequence[Lung] = ()


def batch(lungs: Lungs, roles: Sequence[str], side: int, seed: Sequence[int]) -> Examples:
    """Returns the examples of one step; they depend only on the seed.

    Args:
        lungs: with at least one nodule.
        roles: of ``ROLES``, one per example.
        side: voxels of the cubes.
        seed: of all draws.
    """
    device = lungs.nodules[0].empty.device
    made = [
        example(lungs, role, side, Draws((*seed, index), device))
        for index, role in enumerate(roles)
    ]
    return Examples(
        *(torch.stack([getattr(one, part.name) for one in made]) for part in fields(Examples))
    )


def roles_of(count: int) -> list[str]:
    """Returns the roles of this many cubes, in their shares; each at least once."""
    total = sum(ROLES.values())
    return [
        role for role, parts in ROLES.items() for _ in range(max(1, round(count * parts / total)))
    ]


def example(lungs: Lungs, role: str, side: int, draws: Draws) -> Examples:
    """Returns one example, without the additional axis."""
    enlarged = ENLARGED if draws.chance(ENLARGED_SHARE[role]) else 1
    look = Look(side, pose(draws), enlarged)
    answer = {"real": _real, "phantom": _phantom, "negative": _negative, "vessels": _vessels}[role]
    return answer(lungs, look, draws)


def _real(lungs: Lungs, look: Look, draws: Draws) -> Examples:
    lung = draws.pick(lungs.nodules)
    nodule = lung.nodule
    assert nodule is not None
    shift = _click_mm(draws)
    off = float(np.linalg.norm(shift))
    hu, masks = _as_read(lung, nodule.centre + shift / lung.spacing_mm, look, draws)
    presence = 1.0 if off <= nodule.diameter_mm / 2 + BESIDE_MM else UNKNOWN
    told = nodule.helpers if off < NEAR_MM and look.enlarged == 1 else None
    return _example(lungs, look, draws, hu, masks, presence, helpers=told)


def _negative(lungs: Lungs, look: Look, draws: Draws) -> Examples:
    whole = bool(lungs.whole) and draws.chance(WHOLE_CT_SHARE)
    lung, place = _place(lungs.whole if whole else lungs.nodules, KIND_SHARES, draws)
    hu, masks = _as_read(lung, place, look, draws)
    return _example(lungs, look, draws, hu, masks, 0.0)


def _phantom(lungs: Lungs, look: Look, draws: Draws) -> Examples:
    diameter = _diameter_mm(look, draws)
    if not lungs.whole:
        diameter = min(diameter, NODULE_LUNG_MM)
    near = diameter <= NODULE_LUNG_MM and (not lungs.whole or draws.chance(NODULE_LUNG_SHARE))
    hosts = lungs.nodules if near else lungs.whole
    thin = [lung for lung in hosts if lung.spacing_mm[0] <= THICKEST * diameter]
    lung, place = _place(thin or hosts, HOSTS, draws)
    shift = _click_mm(draws)
    off = float(np.linalg.norm(shift))
    inside = INSIDE * diameter / 2
    if off > inside and draws.chance(INSIDE_SHARE):
        shift, off = shift * inside / off, inside
    centre = place + shift / lung.spacing_mm
    hu, first = _surroundings(lung.empty, lung, centre, look)
    hu, truth = with_nodule(hu, lung.spacing_mm, place - first, diameter, draws)
    cube = look.sampled(hu, lung.spacing_mm, centre - first)
    mask = truth.drawn(look, lung.spacing_mm, centre - first)
    clear = off <= diameter / 2 + BESIDE_MM and float(mask.sum()) >= FEWEST_VOXELS
    masks = torch.stack([mask, torch.zeros_like(mask)])
    presence = 1.0 if clear else UNKNOWN
    return _example(lungs, look, draws, cube, masks, presence, known=(1.0, 0.0))


def _vessels(lungs: Lungs, look: Look, draws: Draws) -> Examples:
    whole = bool(lungs.whole) and draws.chance(WHOLE_CT_SHARE)
    lung, place = _place(lungs.whole if whole else lungs.nodules, {"lung": 1.0}, draws)
    hu, first = _surroundings(lung.empty, lung, place, look)
    hu = with_vessels(hu, lung.spacing_mm, place - first, draws)
    cube = look.sampled(hu, lung.spacing_mm, place - first)
    return _example(lungs, look, draws, cube, torch.zeros(2, *cube.shape, device=cube.device), 0.0)


def _example(
    lungs: Lungs,
    look: Look,
    draws: Draws,
    hu: Tensor,
    masks: Tensor,
    presence: float,
    known: tuple[float, float] = (1.0, 1.0),
    helpers: Tensor | None = None,
) -> Examples:
    """Makes an example from HU and masks in voxels of 0.75 mm."""
    assert lungs.nodules[0].nodule is not None
    unknown = torch.full_like(lungs.nodules[0].nodule.helpers, UNKNOWN)
    hu = look.pooled(hu)
    if draws.chance(NOISE_SHARE):
        hu = hu + draws.noise(hu.shape) * draws.uniform(0, NOISE_HU)
    hu = hu + draws.uniform(-OFFSET_HU, OFFSET_HU)
    view = View(NETWORKS["unet"].cubes, None, look.side)
    return Examples(
        view.windowed(hu)[None],
        torch.stack([look.pooled(mask.to(hu.device)) for mask in masks]),
        torch.tensor(known, device=hu.device),
        torch.tensor(presence, device=hu.device),
        unknown if helpers is None else helpers,
    )


def _as_read(lung: Lung, centre: np.ndarray, look: Look, draws: Draws) -> tuple[Tensor, Tensor]:
    """Returns HU (n, n, n), and the masks (2, n, n, n) of what readers have marked there."""
    hu, first = _surroundings(draws.pick(lung.seen), lung, centre, look)
    cube = look.sampled(hu, lung.spacing_mm, centre - first)
    if lung.nodule is None:
        return cube, torch.zeros(2, *cube.shape, device=cube.device)
    marked, _ = _surroundings(lung.nodule.share, lung, centre, look)
    share = look.sampled(marked / PERCENT, lung.spacing_mm, centre - first, "zeros")
    return cube, torch.stack([soft_target(cube, share, lung.nodule.surface), share])


def _surroundings(
    volume: Tensor, lung: Lung, centre: np.ndarray, look: Look
) -> tuple[Tensor, np.ndarray]:
    """The part of the volume that the cube shows, float, and its first voxel."""
    box = box_around(tuple(volume.shape), lung.spacing_mm, centre, look.reach_mm)
    return volume[box].float(), first_of(box)


def _place(
    lungs: Sequence[Lung], shares: dict[str, float], draws: Draws
) -> tuple[Lung, np.ndarray]:
    """Draws a lung and a place in it (voxels z, y, x), of kinds in these shares if it has them; in
    the last lung tried, any place."""
    for _ in range(TRIES):
        lung = draws.pick(lungs)
        if kinds := [kind for kind in shares if kind in lung.places]:
            voxels = lung.places[draws.pick(kinds, [shares[kind] for kind in kinds])]
            break
    else:
        voxels = np.array(lung.empty.shape)[None] * draws.uniform(0.1, 0.9)
    return lung, voxels[draws.pick(range(len(voxels)))] + draws.normal(
        CLICK_SD_MM
    ) / lung.spacing_mm


def _click_mm(draws: Draws) -> np.ndarray:
    """Draws how far (z, y, x) a click lies from a nodule's middle."""
    if draws.chance(CLICK_SHARE):
        return draws.normal(CLICK_SD_MM)
    return draws.direction() * draws.uniform(0, FAR_CLICK_MM)


def _diameter_mm(look: Look, draws: Draws) -> float:
    if look.enlarged > 1:
        return draws.log_uniform(*ENLARGED_PHANTOM_MM)
    return draws.log_uniform(*(SMALL_MM if draws.chance(SMALL_SHARE) else PHANTOM_MM))
