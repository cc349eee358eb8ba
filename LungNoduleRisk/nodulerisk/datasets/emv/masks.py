"""The masks that a table names, on the grid of their CTs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import label

from nodulerisk.ct.volume import CT
from nodulerisk.datasets.emv.rows import MASK, path_in
from nodulerisk.datasets.rows import Row, cell
from nodulerisk.errors import NoduleRiskError

REACH_MM = 5.0  # a mask that begins farther than this from the centre belongs to another nodule


def mask_at(row: Row, ct: CT, centre_lps_mm, folder: Path) -> np.ndarray | None:
    """Returns bool (z, y, x) on the CT's grid: the connected part at the centre; None: the row
    names no mask."""
    if not cell(row, *MASK):
        return None
    parts, _ = label(_read_mask(path_in(folder, row, *MASK), ct), np.ones((3, 3, 3)))
    voxels = np.argwhere(parts)
    if len(voxels) == 0:
        raise NoduleRiskError("the mask is empty")
    distances = np.linalg.norm(
        (voxels[:, ::-1] - ct.voxel_of(centre_lps_mm)) * ct.spacing_mm, axis=1
    )
    if distances.min() > REACH_MM:
        raise NoduleRiskError(f"the mask lies {distances.min():.0f} mm from the centre")
    return parts == parts[tuple(voxels[distances.argmin()])]


def _read_mask(path: Path, ct: CT) -> np.ndarray:
    """Reads a mask, bool (z, y, x); nothing is allocated before the header agrees with the CT."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        _refuse_other_grid(reader, ct)
        return sitk.GetArrayFromImage(reader.Execute()) > 0
    except RuntimeError as error:
        raise NoduleRiskError(
            "the mask is missing or cannot be read: save it as NRRD or NIfTI"
        ) from error


def _refuse_other_grid(reader: sitk.ImageFileReader, ct: CT) -> None:
    same = (
        reader.GetSize() == ct.hu.shape[::-1]
        and reader.GetNumberOfComponents() == 1
        and np.allclose(reader.GetSpacing(), ct.spacing_mm, rtol=1e-3)
        and np.allclose(np.reshape(reader.GetDirection(), (3, 3)), ct.direction, atol=1e-3)
        and np.allclose(reader.GetOrigin(), ct.origin_lps_mm, atol=min(ct.spacing_mm) / 10)
    )
    if not same:
        raise NoduleRiskError(
            "the mask is not on the CT's grid: save it with the CT as reference geometry"
        )
