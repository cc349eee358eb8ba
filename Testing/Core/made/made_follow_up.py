"""A patient at two scans: the demo CT with a sphere of known growth in its lung, moved between the
scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from made_assessment import positions_of
from nodulerisk.assessment import NoduleMask
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT
from nodulerisk.nodule.mask import hand_mask

SAMPLE = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"
TUMOUR_LPS_MM = (-81.0, -192.0, -192.0)  # of the demo CT itself
PLACE_LPS_MM = (-67.0, -224.0, -171.0)  # in its lung, away from the tumour
TISSUE_HU, NOISE_HU = 30, 20
EDGE_MM = 12  # cut off after moving, since nothing was scanned there


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT and its sphere."""

    ct: CT
    place_lps_mm: np.ndarray
    radius_mm: float

    @property
    def mask(self) -> NoduleMask:
        """The true mask."""
        return hand_mask(_distance(self) <= self.radius_mm, (0, 0, 0), self.ct)


def first_scan(radius_mm: float) -> Scan:
    """The demo CT at 1 mm with a sphere in its lung."""
    image = read_ct(SAMPLE).to_sitk()
    size = [int(n * step) for n, step in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    thin = sitk.Resample(
        image,
        size,
        sitk.Transform(),
        sitk.sitkLinear,
        image.GetOrigin(),
        (1, 1, 1),
        image.GetDirection(),
    )
    return _with_sphere(Scan(CT.from_sitk(thin), np.array(PLACE_LPS_MM), radius_mm))


def later_scan(first: Scan, radius_mm: float, motion: sitk.Euler3DTransform) -> Scan:
    """The same chest moved, with a sphere of another size in the same place, and noise."""
    still = _with_sphere(replace(first, radius_mm=radius_mm)).ct.to_sitk()
    image = sitk.Resample(still, motion.GetInverse(), sitk.sitkLinear, -1024)
    image = image[EDGE_MM:-EDGE_MM, EDGE_MM:-EDGE_MM, EDGE_MM:-EDGE_MM]
    noise = np.random.default_rng(0).normal(0, NOISE_HU, sitk.GetArrayViewFromImage(image).shape)
    ct = CT.from_sitk(image)
    ct = replace(ct, hu=np.maximum(ct.hu + noise, -1024).astype(np.int16))
    return Scan(ct, np.array(motion.TransformPoint(PLACE_LPS_MM)), radius_mm)


def motion_of(degrees=(3.0, -2.0, 4.0), mm=(6.0, -4.0, 8.0)) -> sitk.Euler3DTransform:
    """A rigid motion around the place of the sphere."""
    motion = sitk.Euler3DTransform()
    motion.SetCenter(PLACE_LPS_MM)
    motion.SetRotation(*np.radians(degrees))
    motion.SetTranslation(mm)
    return motion


def _with_sphere(scan: Scan) -> Scan:
    """The scan with its sphere, whose surface is a voxel wide."""
    cover = np.clip(scan.radius_mm - _distance(scan) + 0.5, 0, 1)
    hu = np.rint(scan.ct.hu + cover * (TISSUE_HU - scan.ct.hu)).astype(np.int16)
    return replace(scan, ct=replace(scan.ct, hu=np.where(cover > 0, hu, scan.ct.hu)))


def _distance(scan: Scan) -> np.ndarray:
    """Returns the distance of every voxel (z, y, x) from the sphere's centre, mm."""
    return np.linalg.norm(positions_of(scan.ct) - scan.place_lps_mm, axis=-1)
