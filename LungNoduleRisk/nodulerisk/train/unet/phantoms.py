"""Made-up nodules, and vessels alone, put into real lung: the one teacher who knows every volume
exactly.

They are drawn on a fine grid, seen through a scanner, and blended into the voxels of a real CT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nodulerisk.train.unet.cubes import Box, Look, at_voxels, box_around
from nodulerisk.train.unet.draws import Draws
from nodulerisk.train.unet.scanner import NOISE_HU, Scanner, blurred, grain
from nodulerisk.train.unet.shapes import FineGrid, ball, body, tube

FINE_MM, FINE = 0.5, (48, 96)  # step of the fine grid, and fewest and most voxels a side
BALL_SHARE = 0.3  # of the nodules are balls: what a volume is judged by; the rest are bodies
ROUGHNESS = (0.0, 0.12)  # smooth to lobulated
DENSITY_SHARES = {"solid": 0.55, "ground glass": 0.25, "part-solid": 0.2}
SOLID_HU, CALCIFIED_HU, CALCIFIED_SHARE = (-60.0, 120.0), (200.0, 700.0), 0.05
GLASS_HU = (-720.0, -350.0)
CORES, CORE_SHARE = (1, 2, 3), (0.15, 0.75)  # how many solid parts, their radius to the nodule's
TEXTURE_HU, TEXTURE_MM = (0.0, 40.0), 1.0  # the nodule's own unevenness
VESSEL_HU = (0.0, 60.0)
ATTACHED, ATTACHED_MM = (0, 0, 1, 2, 3), (0.5, 1.4)  # vessels at a nodule, and their radius
ALONE, ALONE_MM = (1, 1, 2, 3), (0.7, 3.5)  # vessels where there is no nodule: up to 7 mm wide
ALONE_REACH_MM = 26.0  # they cross all of a cube
WALL_HU, WALL_SHARE = -400, 0.55  # what is dense in a neighbourhood of 3 x 9 x 9 voxels is wall
KEPT_HU = -300  # and what is as dense as this in it stays: a nodule ends at the pleura
SEEN_THROUGH, DENSER_HU = 0.7, 20  # of a vessel's HU where it crosses ground glass so much fainter


class Host(NamedTuple):
    """Real lung, and where something is put into it.

    Attributes:
        hu: float (z, y, x).
        spacing_mm: z, y, x.
        at: voxels z, y, x.
    """

    hu: Tensor
    spacing_mm: np.ndarray
    at: np.ndarray


@dataclass(frozen=True, eq=False)
class Truth:
    """What a made-up nodule fills, whatever the slices show of it.

    Attributes:
        filled: float (n, n, n), 0..1, on the fine grid.
        step_mm: of the fine grid.
        at: its middle, voxels z, y, x of the CT.
        wall: float (z, y, x) of the CT: 1 in the chest wall, which the nodule does not reach into.
    """

    filled: Tensor
    step_mm: float
    at: np.ndarray
    wall: Tensor

    def drawn(self, look: Look, spacing_mm: np.ndarray, centre: np.ndarray) -> Tensor:
        """The share of each voxel that is nodule, as ``look.sampled`` gives a CT of this spacing
        around this centre."""
        middle = (len(self.filled) - 1) / 2
        place = (centre - self.at) * spacing_mm / self.step_mm + middle
        filled = look.sampled(self.filled, np.full(3, self.step_mm), place, "zeros")
        return filled * (1 - look.sampled(self.wall, spacing_mm, centre)).clamp(min=0)


def with_nodule(host: Host, diameter_mm: float, draws: Draws) -> tuple[Tensor, Truth]:
    """Lung with a made-up nodule in it.

    Args:
        host: the lung, and the nodule's middle.
        diameter_mm: of the ball of its volume.
        draws: everything else.

    Returns:
        The HU with the nodule, and what it fills. Where it would reach into the chest wall it ends
        at the pleura.
    """
    radius = diameter_mm / 2
    grid = _fine_grid(1.6 * radius + 5, host.hu.device)
    nodule, nodule_hu = _nodule(grid, radius, draws)
    filled, weighted_hu = _with_tubes(nodule, nodule_hu, _attached_vessels(grid, draws), draws)
    changed, wall = _put_into(host, grid, filled, weighted_hu, draws)
    return changed, Truth(nodule, grid.step_mm, host.at, wall)


def with_vessels(host: Host, draws: Draws) -> Tensor:
    """The HU of lung with made-up vessels that cross and branch there, and no nodule."""
    grid = _fine_grid(ALONE_REACH_MM, host.hu.device)
    none = grid.zeros()
    filled, weighted_hu = _with_tubes(none, none, _vessels_alone(grid, draws), draws)
    return _put_into(host, grid, filled, weighted_hu, draws)[0]


def _fine_grid(reach_mm: float, device: torch.device) -> FineGrid:
    fewest, most = FINE
    return FineGrid.around(reach_mm, min(max(round(2 * reach_mm / FINE_MM), fewest), most), device)


def _nodule(grid: FineGrid, radius_mm: float, draws: Draws) -> tuple[Tensor, Tensor]:
    """Occupancy and HU on the fine grid."""
    roughness = draws.uniform(*ROUGHNESS)
    middle = np.zeros(3)
    is_ball = draws.chance(BALL_SHARE)
    distance = ball(grid, radius_mm) if is_ball else body(grid, radius_mm, roughness, draws, middle)
    filled = grid.filled(distance)
    density = draws.pick(list(DENSITY_SHARES), list(DENSITY_SHARES.values()))
    solid_hu = draws.uniform(*(CALCIFIED_HU if draws.chance(CALCIFIED_SHARE) else SOLID_HU))
    hu = torch.full_like(filled, solid_hu if density == "solid" else draws.uniform(*GLASS_HU))
    for _ in range(draws.pick(CORES) if density == "part-solid" else 0):
        core = _core(grid, radius_mm, roughness, draws) * filled
        hu = hu * (1 - core) + solid_hu * core
    return filled, hu + _texture(grid, draws)


def _core(grid: FineGrid, radius_mm: float, roughness: float, draws: Draws) -> Tensor:
    """A solid part anywhere within a nodule."""
    radius = radius_mm * draws.uniform(*CORE_SHARE)
    middle = draws.direction() * (radius_mm - radius) * draws.uniform(0, 1)
    return grid.filled(body(grid, radius, roughness, draws, middle))


def _texture(grid: FineGrid, draws: Draws) -> Tensor:
    field = draws.noise(grid.positions_mm.shape[:3])
    for axis in range(3):
        field = blurred(field, TEXTURE_MM / grid.step_mm, axis)
    return field / field.std().clamp(min=1e-6) * draws.uniform(*TEXTURE_HU)


def _attached_vessels(grid: FineGrid, draws: Draws) -> Tensor:
    """Vessels that leave the middle in any direction."""
    filled = grid.zeros()
    for _ in range(draws.pick(ATTACHED)):
        end = draws.direction() * 2 * grid.half_mm
        radius = draws.uniform(*ATTACHED_MM)
        filled = torch.maximum(filled, _bent_vessel(grid, np.zeros(3), end, radius, draws, 0.0))
    return filled


def _vessels_alone(grid: FineGrid, draws: Draws) -> Tensor:
    """A vessel that passes near the middle, and others that branch there."""
    reach, filled = grid.half_mm, grid.zeros()
    for branch in range(draws.pick(ALONE)):
        end = draws.direction() * 2 * reach
        beside = draws.direction() * reach * draws.uniform(0, 1.2)
        start, bend = (np.zeros(3), 0.5 * reach) if branch else (beside - end, 0.0)
        radius = draws.uniform(*ALONE_MM)
        filled = torch.maximum(filled, _bent_vessel(grid, start, end, radius, draws, bend))
    return filled


def _bent_vessel(
    grid: FineGrid, start: np.ndarray, end: np.ndarray, radius: float, draws: Draws, bend_mm: float
) -> Tensor:
    """Two tubes that narrow from start to end and meet up to ``bend_mm`` off the straight line."""
    middle = (start + end) / 2 * draws.uniform(0.5, 1)
    middle = middle + draws.direction() * draws.uniform(0, bend_mm)
    last = radius * draws.uniform(0.5, 0.9)
    near = tube(grid, (start, middle), (radius, 0.9 * radius))
    far = tube(grid, (middle, end), (0.9 * radius, last))
    return grid.filled(torch.minimum(near, far))


def _with_tubes(
    nodule: Tensor, nodule_hu: Tensor, vessels: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """The share of each voxel that nodule and vessels fill, and their HU times it."""
    filled = torch.maximum(nodule, vessels)
    return filled, nodule_hu * nodule + draws.uniform(*VESSEL_HU) * (filled - nodule)


def _put_into(
    host: Host, grid: FineGrid, filled: Tensor, weighted_hu: Tensor, draws: Draws
) -> tuple[Tensor, Tensor]:
    """The HU (z, y, x) with what is drawn on the fine grid, seen through a scanner, and where there
    is wall near it, 0 or 1."""
    box = box_around(tuple(host.hu.shape), host.spacing_mm, host.at, grid.half_mm)
    scanner = Scanner.drawn(float(host.spacing_mm[0]), draws)
    voxels = _voxels_in(grid, box, host)
    seen, seen_hu = (
        at_voxels(scanner.seen(image, grid.step_mm), voxels, "zeros")
        for image in (filled, weighted_hu)
    )
    before = host.hu[box]
    noise = grain(tuple(before.shape), draws) * draws.uniform(*NOISE_HU)
    made = _seen_through(before, before * (1 - seen) + seen_hu + noise * seen.clamp(0, 1))
    wall = _wall(before)
    changed, walls = host.hu.clone(), torch.zeros_like(host.hu)
    changed[box] = torch.where(wall, before, made)
    walls[box] = wall.float()
    return changed, walls


def _voxels_in(grid: FineGrid, box: Box, host: Host) -> Tensor:
    """float (z, y, x, 3): where each voxel of the box lies in the fine grid, in its voxels."""
    device, middle = grid.positions_mm.device, grid.half_mm / grid.step_mm
    axes = [
        (torch.arange(part.start, part.stop, device=device) - float(centre)) * float(size) + middle
        for part, centre, size in zip(box, host.at, host.spacing_mm / grid.step_mm, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)


def _seen_through(before: Tensor, made: Tensor) -> Tensor:
    """What was denser than what is put over it, as vessels in ground glass are, stays visible."""
    mixed = torch.maximum(SEEN_THROUGH * before + (1 - SEEN_THROUGH) * made, made)
    return torch.where(before > made + DENSER_HU, mixed, made)


def _wall(hu: Tensor) -> Tensor:
    """bool (z, y, x): chest wall and mediastinum, not vessels."""
    dense = F.pad((hu > WALL_HU).float()[None, None], (4, 4, 4, 4, 1, 1), mode="replicate")
    return (F.avg_pool3d(dense, (3, 9, 9), 1)[0, 0] > WALL_SHARE) & (hu > KEPT_HU)
