"""The cubes of nodules and their masks, read and written."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform

from nodulerisk.ct.cubes import DENSESHARP_WINDOW_HU
from nodulerisk.ct.volume import AIR_HU, CT
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.nodules import DAMAGE, LabelledNodule, box_around, cropped
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import written_whole

SIDE = 80  # voxels of 1 mm
CENTRE = SIDE // 2  # the authors' crops use index 40 as the middle
MAX_ARRAY_BYTES = SIDE**3 * 8 + 4096  # float64 and the header of an .npy
LOWEST_HU, HIGHEST_HU = -4096, 32767  # of padding, and of metal


def read_arrays(path: Path) -> tuple[CT, np.ndarray]:
    """Returns the cube as a CT, and the share of readers, float32 (80, 80, 80).

    Raises:
        NoduleRiskError: damaged, pickled, or not what a cube and a mask are.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            own = "hu.npy" in archive.namelist()
            voxel, seg = _array(archive, "hu" if own else "voxel"), _array(archive, "seg")
    except DAMAGE as error:
        raise NoduleRiskError(
            "the .npz is damaged, or holds pickled objects: save arrays of numbers"
        ) from error
    place = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3)
    return CT.from_array(_hounsfield(voxel), *place, has_context=False), _share(seg)


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads one array, never unpickled; a size that no cube has is refused before anything is
    allocated."""
    if f"{name}.npy" not in archive.namelist():
        raise NoduleRiskError(f"the .npz has no array '{name}'")
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > MAX_ARRAY_BYTES:
        raise NoduleRiskError(f"'{name}' is larger than {SIDE} x {SIDE} x {SIDE} voxels")
    with archive.open(member) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    if array.shape != (SIDE,) * 3 or array.dtype.kind not in "buif":
        raise NoduleRiskError(
            f"'{name}' is {array.dtype} {array.shape}, not numbers of shape {(SIDE,) * 3}"
        )
    return array


def _hounsfield(voxel: np.ndarray) -> np.ndarray:
    """Returns HU from the authors' grey levels or from HU of any number type, with air as the
    lowest value."""
    low, high = DENSESHARP_WINDOW_HU
    if voxel.dtype == np.uint8:
        return np.rint(low + voxel * ((high - low) / 255))
    if voxel.min() >= 0:  # lung surrounds a nodule, and is far below 0 HU
        raise NoduleRiskError(
            f"'voxel' is {voxel.dtype} without values below 0, so not Hounsfield units: save grey"
            " levels as uint8"
        )
    if voxel.min() < LOWEST_HU or voxel.max() > HIGHEST_HU:  # clipping would hide another scale
        raise NoduleRiskError(
            f"'voxel' runs from {voxel.min():g} to {voxel.max():g}, so not Hounsfield units: save"
            " the CT's own values"
        )
    return np.maximum(voxel.astype(np.float64), AIR_HU)


def _share(seg: np.ndarray) -> np.ndarray:
    if not np.isfinite(seg).all():
        raise NoduleRiskError("'seg' has voxels that are not numbers")
    is_share = seg.dtype.kind == "f" and seg.min() >= 0 and seg.max() <= 1
    marked = (seg if is_share else seg > 0.5).astype(np.float32)
    if not (marked >= 0.5).any():
        raise NoduleRiskError("the mask is empty")
    return marked


def write_arrays(nodule: LabelledNodule, path: Path) -> None:
    """Writes a nodule's cube, as grey levels and HU, with its mask; see ``read``."""
    hu, seg = _cubes(nodule)
    with written_whole(path) as partial:
        np.savez_compressed(partial, voxel=_grey(hu), seg=seg, hu=hu)


def _grey(hu: np.ndarray) -> np.ndarray:
    """Returns the authors' grey levels, uint8."""
    low, high = DENSESHARP_WINDOW_HU
    return np.rint((hu.clip(low, high) - low) * (255 / (high - low))).astype(np.uint8)


def _cubes(nodule: LabelledNodule) -> tuple[np.ndarray, np.ndarray]:
    """Returns int16 HU and a uint8 mask, (80, 80, 80) at 1 mm around the centre."""
    if nodule.marked is None:
        raise NoduleRiskError(f"{nodule.name} has no mask, which this format needs: draw one.")
    ct, marked = with_context(nodule, np.random.default_rng(list(nodule.name.encode())))
    box = box_around(ct, nodule.centre_lps_mm, SIDE + 20.0)  # a margin for the spline
    ct, mask = cropped(ct, box), marked[box] >= 0.5  # interpolated shares would cut off the rim
    hu = _resampled(ct.hu, ct, nodule.centre_lps_mm, order=3, mode="nearest")
    seg = _resampled(mask, ct, nodule.centre_lps_mm, order=1, mode="constant") >= 0.5
    if not seg.any():
        raise NoduleRiskError(
            f"The mask of {nodule.name} is empty within 40 mm of its centre: draw it again."
        )
    return np.rint(hu).clip(AIR_HU, np.iinfo(np.int16).max).astype(np.int16), seg.astype(np.uint8)


def _resampled(array: np.ndarray, ct: CT, centre_lps_mm, order: int, mode: str) -> np.ndarray:
    """Samples an array on the CT's grid at the cube's voxels: float32 (80, 80, 80)."""
    # CT voxels (x, y, z) per mm along x, y, z
    steps = ct.direction.T / np.array(ct.spacing_mm)[:, None]
    corner = ct.voxel_of(np.array(centre_lps_mm) - CENTRE)
    return affine_transform(
        array.astype(np.float32),
        steps[::-1, ::-1],
        corner[::-1],
        output_shape=(SIDE,) * 3,
        output=np.float32,
        order=order,
        mode=mode,
    )
