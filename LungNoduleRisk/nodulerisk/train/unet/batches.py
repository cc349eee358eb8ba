"""The cubes of one step: a reader's nodule, a made-up one, a place without a nodule, or made-up
vessels; and what the network should answer to each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nodulerisk.networks.kinds import NETWORKS
from nodulerisk.train.unet.cubes import Look, box_around, first_of, pose
from nodulerisk.train.unet.draws import Draws
from nodulerisk.train.unet.lungs import PERCENT, Lung
from nodulerisk.train.unet.phantoms import Host, with_nodule, with_vessels
from nodulerisk.train.unet.places import KIND_SHARES
from nodulerisk.train.unet.surface import soft_target
from nodulerisk.train.view import View

# Of 34 cubes. Readers' nodules and made-up ones weigh about the same: the one teaches what nodules
# look like, the other how large they are. Nearly as many cubes show none.
ROLES = {"real": 12, "phantom": 10, "negative": 9, "vessels": 3}
ENLARGED_SHARE = {"real": 0.12, "phantom": 0.3, "negative": 0.12, "vessels": 0.12}
ENLARGED = 2  # large nodules are looked at in cubes of 96 mm
CLICK_SD_MM, CLICK_SHARE = 1.0, 0.7  # most clicks are as near as readers' are
FAR_CLICK_MM = 8.0  # the rest lie up to so far off, for masks that hold still
BESIDE_MM = 3.0  # farther than this past the rim it may be called a nodule or not
NEAR_MM = 3.5  # only cubes that show a nodule in their middle teach what readers say of it
INSIDE, INSIDE_SHARE = 0.7, 0.8  # this share of the clicks lies within 0.7 of a phantom's radius
PHANTOM_MM, ENLARGED_PHANTOM_MM = (3.5, 34.0), (12.0, 80.0)  # up to what a cube holds
SMALL_MM, SMALL_SHARE = (3.5, 6.0), 0.3  # by size alone, one in three: 4 mm were missed without
THICKEST = 0.5  # of a phantom's diameter: in thicker slices it would not be seen
NODULE_LUNG_MM = 22.0  # larger phantoms need a whole CT; the surroundings of nodules are too narrow
NODULE_LUNG_SHARE = 0.6  # of smaller ones, though, lie there: other patients for most
HOSTS = {"lung": 0.5, "pleura": 0.25, "vessel": 0.25}  # where phantoms are put
WHOLE_CT_SHARE = 0.4  # of the cubes without a nodule
TRIES = 8  # lungs that are asked for a place
FEWEST_VOXELS = 20  # a phantom of which less is left at the wall is no example
NOISE_SHARE, NOISE_HU, OFFSET_HU = 0.5, 25.0, 15.0  # of another scan, and its calibration
UNKNOWN = float("nan")


@dataclass(frozen=True, eq=False)
class Examples:
    """One cube and what it should be answered, or, with a further axis in front, several.

    Attributes:
        cube: float (1, S, S, S), as the network takes it.
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
    """What is trained on: nodules' surroundings, and whole CTs."""

    nodules: Sequence[Lung]
    whole: Sequence[Lung] = ()

    @property
    def no_helpers(self) -> Tensor:
        """``Marked.helpers`` of which none is known."""
        nodule = self.nodules[0].nodule
        assert nodule is not None
        return torch.full_like(nodule.helpers, UNKNOWN)

    def any(self, draws: Draws) -> Sequence[Lung]:
        """Whole CTs or nodules' surroundings."""
        return self.whole if self.whole and draws.chance(WHOLE_CT_SHARE) else self.nodules

    def to_hold(self, diameter_mm: float, draws: Draws) -> Sequence[Lung]:
        """Those with room for a phantom, in slices that show it where there are such."""
        fits = diameter_mm <= NODULE_LUNG_MM and draws.chance(NODULE_LUNG_SHARE)
        lungs = self.nodules if fits or not self.whole else self.whole
        thin = [lung for lung in lungs if lung.spacing_mm[0] <= THICKEST * diameter_mm]
        return thin or lungs


def batch(lungs: Lungs, roles: Sequence[str], side: int, seed: Sequence[int]) -> Examples:
    """The examples of one step; they depend on the seed alone.

    Args:
        lungs: with at least one nodule.
        roles: of ``ROLES``, one an example.
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
    """The roles of so many cubes, in their shares; each once at least."""
    total = sum(ROLES.values())
    return [
        role for role, parts in ROLES.items() for _ in range(max(1, round(count * parts / total)))
    ]


def example(lungs: Lungs, role: str, side: int, draws: Draws) -> Examples:
    """One example, without the axis in front."""
    enlarged = ENLARGED if draws.chance(ENLARGED_SHARE[role]) else 1
    look = Look(side, pose(draws), enlarged)
    show = {"real": _real, "phantom": _phantom, "negative": _negative, "vessels": _vessels}[role]
    return _as_seen(show(lungs, look, draws), look, draws)


class _Shown(NamedTuple):
    """HU (n, n, n) and masks (2, n, n, n) in voxels of 0.75 mm, and the answers."""

    hu: Tensor
    masks: Tensor
    presence: float
    helpers: Tensor
    mask_known: tuple[float, float] = (1.0, 1.0)


def _real(lungs: Lungs, look: Look, draws: Draws) -> _Shown:
    lung = draws.pick(lungs.nodules)
    nodule = lung.nodule
    assert nodule is not None
    shift = _click_mm(draws)
    off = float(np.linalg.norm(shift))
    hu, masks = _as_read(lung, nodule.centre + shift / lung.spacing_mm, look, draws)
    presence = 1.0 if off <= nodule.diameter_mm / 2 + BESIDE_MM else UNKNOWN
    in_the_middle = off < NEAR_MM and look.enlarged == 1
    return _Shown(hu, masks, presence, nodule.helpers if in_the_middle else lungs.no_helpers)


def _negative(lungs: Lungs, look: Look, draws: Draws) -> _Shown:
    lung, place = _place(lungs.any(draws), KIND_SHARES, draws)
    return _Shown(*_as_read(lung, place, look, draws), 0.0, lungs.no_helpers)


def _phantom(lungs: Lungs, look: Look, draws: Draws) -> _Shown:
    diameter = _diameter_mm(look, draws)
    lung, place = _place(lungs.to_hold(diameter, draws), HOSTS, draws)
    diameter = min(diameter, NODULE_LUNG_MM) if lung.nodule else diameter
    shift = _click_on(diameter, draws)
    centre = place + shift / lung.spacing_mm
    hu, first = _surroundings(lung.empty, lung, centre, look)
    hu, truth = with_nodule(Host(hu, lung.spacing_mm, place - first), diameter, draws)
    cube = look.sampled(hu, lung.spacing_mm, centre - first)
    mask = truth.drawn(look, lung.spacing_mm, centre - first)
    near = float(np.linalg.norm(shift)) <= diameter / 2 + BESIDE_MM
    presence = 1.0 if near and float(mask.sum()) >= FEWEST_VOXELS else UNKNOWN
    masks = torch.stack([mask, torch.zeros_like(mask)])
    return _Shown(cube, masks, presence, lungs.no_helpers, mask_known=(1.0, 0.0))


def _vessels(lungs: Lungs, look: Look, draws: Draws) -> _Shown:
    lung, place = _place(lungs.any(draws), {"lung": 1.0}, draws)
    hu, first = _surroundings(lung.empty, lung, place, look)
    hu = with_vessels(Host(hu, lung.spacing_mm, place - first), draws)
    cube = look.sampled(hu, lung.spacing_mm, place - first)
    none = torch.zeros(2, *cube.shape, device=cube.device)
    return _Shown(cube, none, 0.0, lungs.no_helpers)


def _as_seen(shown: _Shown, look: Look, draws: Draws) -> Examples:
    """As the network takes it, perhaps with more noise."""
    hu = look.pooled(shown.hu)
    if draws.chance(NOISE_SHARE):
        hu = hu + draws.noise(hu.shape) * draws.uniform(0, NOISE_HU)
    hu = hu + draws.uniform(-OFFSET_HU, OFFSET_HU)
    view = View(NETWORKS["unet"].cubes, None, look.side)
    return Examples(
        view.windowed(hu)[None],
        torch.stack([look.pooled(mask) for mask in shown.masks]),
        torch.tensor(shown.mask_known, device=hu.device),
        torch.tensor(shown.presence, device=hu.device),
        shown.helpers,
    )


def _as_read(lung: Lung, centre: np.ndarray, look: Look, draws: Draws) -> tuple[Tensor, Tensor]:
    """HU (n, n, n), and the masks (2, n, n, n) of whatever readers have marked there."""
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
    """A lung and a place in it (voxels z, y, x), of kinds in these shares where it has them; of the
    lung that is asked last, any place."""
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
    """How far (z, y, x) a click lies from a nodule's middle."""
    if draws.chance(CLICK_SHARE):
        return draws.normal(CLICK_SD_MM)
    return draws.direction() * draws.uniform(0, FAR_CLICK_MM)


def _click_on(diameter_mm: float, draws: Draws) -> np.ndarray:
    """The same for a phantom, most clicks lying well inside it."""
    shift = _click_mm(draws)
    beyond = float(np.linalg.norm(shift)) / (INSIDE * diameter_mm / 2)
    return shift / beyond if beyond > 1 and draws.chance(INSIDE_SHARE) else shift


def _diameter_mm(look: Look, draws: Draws) -> float:
    if look.enlarged > 1:
        return draws.log_uniform(*ENLARGED_PHANTOM_MM)
    return draws.log_uniform(*(SMALL_MM if draws.chance(SMALL_SHARE) else PHANTOM_MM))
