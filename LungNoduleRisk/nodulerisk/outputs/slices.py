"""The three orthogonal pictures of a nodule: CT and mask contour, sampled from the volumes at LPS
positions.

Sampling at positions, instead of taking array slices, gives the same upright pictures for oblique
CTs, any axis order and any spacing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import map_coordinates
from skimage.measure import find_contours

from nodulerisk.assessment import Assessment, NoduleMask
from nodulerisk.ct.cubes import Grid
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.language.texts import _
from nodulerisk.nodule.mask import MASK_LEVEL
from nodulerisk.nodule.measure import axes_lps_mm

FIELD_MM = 60.0
PIXEL_MM = 0.4
LUNG_WINDOW_HU = (-1350, 150)
AIR_HU = -1024
TICKS_MM = np.linspace(-FIELD_MM / 2, FIELD_MM / 2, round(FIELD_MM / PIXEL_MM) + 1)


@dataclass(frozen=True)
class Plane:
    """How a picture lies in the patient in the radiological view: from the feet, the front and the
    left."""

    name: str
    right: tuple[int, int, int]  # LPS direction from left to right in the picture
    down: tuple[int, int, int]
    edges: tuple[str, str, str, str]  # what is left, right, above, below


PLANES = (
    Plane(_("Axial"), (1, 0, 0), (0, 1, 0), ("R", "L", "A", "P")),
    Plane(_("Coronal"), (1, 0, 0), (0, 0, -1), ("R", "L", "S", "I")),
    Plane(_("Sagittal"), (0, 1, 0), (0, 0, -1), ("A", "P", "S", "I")),
)


@dataclass(frozen=True, eq=False)
class Slice:
    """A picture through the nodule's centre; the axial one, where the axes were measured.

    Attributes:
        plane: how it lies in the patient.
        centre_lps_mm: (3,), of the picture.
        hu: float32 (rows down, columns right) at ``TICKS_MM`` from the centre; air outside the
            scan.
        outlines: the mask's contours, each (n, 2): mm to the right of and below the centre.
        calipers: the ends of long and short axis, each (2, 2), likewise, in the axial picture.
    """

    plane: Plane
    centre_lps_mm: np.ndarray
    hu: np.ndarray
    outlines: list[np.ndarray]
    calipers: list[np.ndarray] = field(default_factory=list)

    @property
    def points(self) -> np.ndarray:
        """(rows down, columns right, 3), LPS mm, at ``TICKS_MM``."""
        down, right = np.meshgrid(TICKS_MM, TICKS_MM, indexing="ij")
        across = right[..., None] * self.plane.right + down[..., None] * self.plane.down
        return self.centre_lps_mm + across


def nodule_slices(ct: CT, assessment: Assessment) -> list[Slice]:
    """Returns the axial, coronal and sagittal slices through ``assessment.centre_lps_mm``, the
    axial one moved to where the axes were measured."""
    axial, *others = slices_at(ct, assessment.centre_lps_mm, assessment.nodule)
    ends = axes_lps_mm(assessment.nodule, ct)
    if not len(ends):
        return [axial, *others]
    height = float(ends[..., 2].mean())
    measured = (*assessment.centre_lps_mm[:2], height)
    across = np.transpose([axial.plane.right, axial.plane.down])
    calipers = [(pair - measured) @ across for pair in ends]
    moved = _slice(ct, axial.plane, measured, assessment.nodule)
    return [replace(moved, calipers=calipers), *others]


def slices_at(ct: CT, centre_lps_mm, nodule: NoduleMask | None = None) -> list[Slice]:
    """Returns the axial, coronal and sagittal slices through any position (x, y, z), LPS mm."""
    return [_slice(ct, plane, centre_lps_mm, nodule) for plane in PLANES]


def probability_at(points: np.ndarray, nodule: NoduleMask) -> np.ndarray:
    """Returns the mask network's probability (0..1), float32, at LPS points (..., 3) in mm; 0
    outside its map."""
    return values_at(points, nodule.probability, nodule.grid)


def values_at(points: np.ndarray, values: np.ndarray, grid: Grid) -> np.ndarray:
    """Interpolates a volume (z, y, x) on a grid linearly at LPS points (..., 3) in mm: float32; 0
    outside."""
    voxels = (points - grid.origin_lps_mm) @ np.linalg.inv(grid.axes).T
    return _sampled(values, voxels, 0)


def upright_mask(ct: CT, nodule: NoduleMask) -> np.ndarray:
    """Returns the nodule's mask, bool (z, y, x), in the voxels of ``to_lps(ct)``."""
    return to_lps(replace(ct, hu=nodule.on_ct().astype(np.int16))).hu > 0


def _slice(ct: CT, plane: Plane, centre_lps_mm, nodule: NoduleMask | None) -> Slice:
    blank = Slice(plane, np.asarray(centre_lps_mm, float), np.zeros(0), [])
    voxels = (blank.points - ct.origin_lps_mm) @ ct.direction / ct.spacing_mm
    outlines = [] if nodule is None else _outlines(nodule, blank.points)
    return replace(blank, hu=_sampled(ct.hu, voxels, AIR_HU), outlines=outlines)


def _outlines(nodule: NoduleMask, points: np.ndarray) -> list[np.ndarray]:
    contours = find_contours(probability_at(points, nodule), MASK_LEVEL)
    return [contour[:, ::-1] * PIXEL_MM + TICKS_MM[0] for contour in contours]


def _sampled(volume: np.ndarray, voxels_xyz: np.ndarray, outside: float) -> np.ndarray:
    """Interpolates a (z, y, x) volume linearly at voxel positions (..., 3)."""
    zyx = np.moveaxis(voxels_xyz[..., ::-1], -1, 0)
    return map_coordinates(volume, zyx, output=np.float32, order=1, mode="constant", cval=outside)
