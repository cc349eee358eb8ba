"""Samples: turns a nodule into the cube that a network sees, the answers it should give, and the
mask it should draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from monai.transforms import Randomizable
from torch import Tensor
from torch.utils.data import Dataset

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.context import KINDS, WITHOUT_NODULE, with_context
from nodulerisk.datasets.crops import kept
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.tasks import TASKS, Task
from nodulerisk.train.augment import COPIES, POSES, Pose, other_scans, straight
from nodulerisk.train.view import View, targets_of

Sample = dict[str, Tensor]
BESIDE_MM = (8.0, 26.0)  # how far past the nodule's rim a cube without a nodule is centred


class RandomSamples(Dataset):
    """Augmented samples of the nodules: one each, or all fixed copies. The random draws depend only
    on seed, epoch and index.

    Each is a dict of ``cube`` float32 (channels, S, S, S); ``targets`` float32 (C,), the tasks'
    class probabilities side by side, NaN if not known; and, for a network that draws masks,
    ``mask`` float32 (1, S, S, S), the share of readers, NaN if not known.
    """

    def __init__(
        self,
        nodules: Sequence[LabelledNodule],
        view: View,
        tasks: Sequence[str],
        *,
        pose: str = "free",
        scans: bool = True,
        beside: float = 0.0,
        seed: int = 0,
        epoch: int = 0,
        table: Mapping[str, Task] = TASKS,
    ):
        """
        Args:
            nodules: to train on.
            view: what the network sees.
            tasks: what it answers.
            pose: of ``POSES`` or ``COPIES``.
            scans: whether HU vary as between scanners.
            beside: share of samples beside the nodule: with an empty mask, and unknown tasks.
            seed, epoch: of the random draws.
            table: where the tasks are.
        """
        self.view = view
        self.tasks, self._table = tuple(tasks), table
        self._beside, self._seed, self.epoch = beside, seed, epoch
        self._draw_pose, copies = POSES.get(pose, straight), COPIES.get(pose)
        self._copies = [
            (nodule, fixed)
            for index, nodule in enumerate(nodules)
            for fixed in (
                copies(np.random.default_rng((seed, index)), nodule.diameter_mm)
                if copies
                else (None,)
            )
        ]
        self._scans = other_scans() if scans else None
        self._offsets_mm = view.offsets_mm()
        # If the data end with the nodule, a mask can only be learnt from a context in which it ends
        # too.
        self._kinds = WITHOUT_NODULE if view.draws_mask else KINDS

    @property
    def nodules(self) -> list[LabelledNodule]:
        """The nodule of every sample."""
        return [nodule for nodule, _ in self._copies]

    def __len__(self) -> int:
        return len(self._copies)

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng((self._seed, self.epoch, index))
        nodule, fixed = self._copies[index]
        pose = fixed or self._draw_pose(rng, nodule.diameter_mm)
        beside = nodule.marked is not None and rng.random() < self._beside
        if beside:
            pose = Pose(pose.turn, pose.shift_mm + _past_the_rim(nodule, rng))
        ct, marked = (
            with_context(nodule, rng, self._kinds)
            if nodule.marked is not None
            else (nodule.ct, None)
        )
        offsets_mm = self._offsets_mm @ pose.turn.T.astype(np.float32) + pose.shift_mm.astype(
            np.float32
        )
        voxels = _voxels_at(ct, np.asarray(nodule.centre_lps_mm) + offsets_mm[..., ::-1])
        part, first = _part_around(voxels, ct.hu.shape)
        hu = self._on_another_scanner(torch.from_numpy(ct.hu[part].astype(np.float32))[None], rng)
        targets = (
            torch.full((_width(self.tasks, self._table),), torch.nan)
            if beside
            else targets_of(nodule, self.tasks, self._table)
        )
        sample = {"cube": self.view.windowed(_sampled(hu, voxels - first)), "targets": targets}
        if self.view.draws_mask:
            sample["mask"] = _mask(None if marked is None else marked[part], voxels - first)
        return sample

    def _on_another_scanner(self, hu: Tensor, rng: np.random.Generator) -> Tensor:
        if self._scans is None:
            return hu
        assert isinstance(self._scans, Randomizable)
        self._scans.set_random_state(seed=int(rng.integers(2**31)))
        return self._scans(hu).as_tensor()


def exact_samples(
    nodules: Sequence[LabelledNodule],
    view: View,
    tasks: Sequence[str],
    table: Mapping[str, Task] = TASKS,
) -> list[dict[str, np.ndarray]]:
    """Returns samples cut as in ``assess``, for validation: cut once and kept."""
    samples = (exact_sample(nodule, view, tasks, table) for nodule in nodules)
    return [{key: kept(part.numpy()) for key, part in one.items()} for one in samples]


def exact_sample(
    nodule: LabelledNodule,
    view: View,
    tasks: Sequence[str],
    table: Mapping[str, Task] = TASKS,
) -> Sample:
    """Returns a sample without augmentation, its cube from the published preprocessing; see
    ``RandomSamples``."""
    ct, marked = nodule.ct, nodule.marked
    if marked is not None:
        ct, marked = with_context(nodule, np.random.default_rng(0))
    cubes = view.cubes(ct, nodule.centre_lps_mm)
    cube = cubes.cut(view.sides, view.size).astype(np.float32)
    sample = {"cube": torch.from_numpy(cube), "targets": targets_of(nodule, tasks, table)}
    if not view.draws_mask:
        return sample
    grid = cubes.grid(view.sides, view.size)
    indices = np.moveaxis(np.indices(cube.shape[1:]), 0, -1)[None, ..., ::-1]  # x, y, z
    voxels = _voxels_at(ct, grid.origin_lps_mm + indices @ grid.axes.T)
    return sample | {"mask": _mask(marked, voxels)}


def _width(tasks: Sequence[str], table: Mapping[str, Task]) -> int:
    return sum(len(table[task].classes) for task in tasks)


def _past_the_rim(nodule: LabelledNodule, rng: np.random.Generator) -> np.ndarray:
    """Draws an in-plane shift (z, y, x) in mm to a place without the nodule."""
    angle, distance = (
        rng.uniform(0, 2 * np.pi),
        rng.uniform(*BESIDE_MM) + (nodule.diameter_mm or 0) / 2,
    )
    return distance * np.array([0, np.sin(angle), np.cos(angle)])


def _voxels_at(ct: CT, points_lps_mm: np.ndarray) -> np.ndarray:
    """Returns the indices (z, y, x) of LPS points (..., 3) given as x, y, z."""
    return ((points_lps_mm - ct.origin_lps_mm) @ ct.direction / ct.spacing_mm)[..., ::-1]


def _part_around(
    voxels: np.ndarray, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], np.ndarray]:
    """Returns the part of a (z, y, x) volume that sampling at these voxels reads, at least one
    voxel, and its first index."""
    corners = voxels[
        0, :: voxels.shape[1] - 1, :: voxels.shape[2] - 1, :: voxels.shape[3] - 1
    ].reshape(-1, 3)
    # the outer cube comes first and contains the others
    low = np.floor(corners.min(axis=0)).astype(int) - 1
    high = np.ceil(corners.max(axis=0)).astype(int) + 2
    first = np.clip(low, 0, np.array(shape) - 1)
    last = np.clip(high, first + 1, shape)
    return tuple(slice(a, b) for a, b in zip(first, last, strict=True)), first


def _mask(marked: np.ndarray | None, voxels: np.ndarray) -> Tensor:
    """Returns the share of readers at the voxels, NaN without a mask."""
    if marked is None:
        return torch.full(voxels.shape[:-1], torch.nan)
    return _sampled(torch.from_numpy(marked)[None], voxels)


def _sampled(volume: Tensor, voxels: np.ndarray) -> Tensor:
    """Interpolates (1, z, y, x) linearly at (channels, n, n, n, 3) indices (z, y, x); edge values
    outside."""
    last = np.maximum(np.array(volume.shape[1:]) - 1, 1)
    unit = voxels / last * 2 - 1
    grid = torch.from_numpy(np.ascontiguousarray(unit[..., ::-1], dtype=np.float32)).flatten(0, 1)[
        None
    ]
    sampled = F.grid_sample(volume[None], grid, padding_mode="border", align_corners=True)
    return sampled.view(voxels.shape[:-1])
