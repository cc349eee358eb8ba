"""CT: Hounsfield units on a grid with LPS geometry, and the checks that every CT passes, whatever
its source.

Arrays are indexed z, y, x. Geometry (spacing, origin, direction) is kept as ITK keeps it, in x, y,
z order, LPS mm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from nodulerisk.checks import CONTRAST, KERNEL_UNKNOWN, SHARP_KERNEL, THICK_SLICES, Check
from nodulerisk.ct.intensity import intensity_checks
from nodulerisk.errors import CTError, PointError
from nodulerisk.language.texts import _

if TYPE_CHECKING:
    import SimpleITK as sitk  # imported where it is used: networks run without it

MAX_VOXELS = 800_000_000  # 1.6 GB as int16: 3050 slices of 512 x 512
SPACING_MM = (0.1, 10.0)
ROUNDING = 1e-6
MAX_EXTENT_MM, MAX_ORIGIN_MM = 2000.0, 10_000.0
THICK_SLICE_MM = 2.5
OBLIQUE_DEGREES = 5.0  # slices tilted by more are called oblique
AIR_HU = -1024
INT16 = np.iinfo(np.int16)
SINGLE_SLICE = _(
    "This is one slice, or has no slice positions: the distance between slices is"
    " unknown. Load the series."
)
SKEWED = _("The axes of this CT are not at right angles. Resample it onto a straight grid first.")

# Siemens B60 and above, Bl, Br60 and above; GE; Philips; Canon. Other names count as smooth or
# standard.
SHARP_KERNEL_NAME = re.compile(
    r"[A-Z][a-z]?[6-9]\d|Bl\d\d|.*(BONE|LUNG|EDGE|ULTRA|SHARP)|(D|E|F|L|Y[A-E])$|FC[358]\d",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Acquisition:
    """What the file says about how the scan was made, never about who the patient is. None:
    unknown."""

    modality: str | None = None
    series_uid: str | None = None
    slice_thickness_mm: float | None = None
    kernel: str | None = None
    contrast: bool | None = None
    head_to_foot: bool | None = None  # InstanceNumber grows towards the feet
    series_number: int | None = None
    first_image: int | None = None  # the lowest InstanceNumber


@dataclass(frozen=True)
class Technique:
    """How a scan was made and reconstructed, as far as sizes and densities depend on it. None: not
    known.

    Attributes:
        plane: of its slices: ``axial``, ``coronal`` or ``sagittal``, or ``oblique axial`` and so on
            where they are tilted.
        slice_mm: the slices' thickness, or their distance where that is larger or alone known.
        kernel: of the reconstruction.
        contrast: whether contrast was given.
    """

    plane: str
    slice_mm: float
    kernel: str | None = None
    contrast: bool | None = None


@dataclass(frozen=True, eq=False)
class CT:
    """A chest CT.

    Attributes:
        hu: int16, shape (z, y, x), Hounsfield units.
        spacing_mm: voxel size along the x, y, z array axes (i, j, k), mm.
        origin_lps_mm: LPS position of voxel (0, 0, 0), mm.
        direction: 3x3, orthonormal; column a is the LPS direction of array axis x, y, z for a = 0,
            1, 2.
        acquisition: what the header says about the scan.
        checks: findings from reading, carried into every assessment.
        filled_slices: z indices of slices that were missing and are interpolated (fault 1).
        image_numbers: z index of each image by its InstanceNumber, or its frame number within a
            file; empty: the images have none.

    Raises:
        CTError: ``hu`` is not a 3D int16 array (`CT.from_array` accepts other values), a spacing is
            not a positive number, or ``direction`` is not orthonormal.

    Examples:
        Arrays are z, y, x; points and voxel indices are x, y, z:

        >>> ct = CT(np.zeros((30, 512, 512), np.int16), (0.7, 0.7, 1.5), (-180.0, -180.0, -300.0))
        >>> ct.point_of((100, 200, 20)).tolist()
        [-110.0, -40.0, -270.0]
        >>> ct.voxel_of((-110, -40, -270)).round(6).tolist()
        [100.0, 200.0, 20.0]
    """

    hu: np.ndarray
    spacing_mm: tuple[float, float, float]
    origin_lps_mm: tuple[float, float, float]
    direction: np.ndarray = field(default_factory=lambda: np.eye(3))
    acquisition: Acquisition = field(default_factory=Acquisition)
    checks: tuple[Check, ...] = ()
    filled_slices: tuple[int, ...] = ()
    image_numbers: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.hu.ndim != 3 or self.hu.dtype != np.int16:
            raise CTError(_("A CT needs a three-dimensional int16 array of Hounsfield units."))
        refuse_bad_spacing(self.spacing_mm)
        refuse_bad_direction(self.direction)
        refuse_implausible_place(self.hu.shape[::-1], self.spacing_mm, self.origin_lps_mm)

    @classmethod
    def from_array(
        cls,
        values: np.ndarray,
        spacing_mm: Sequence[float],
        origin_lps_mm: Iterable[float],
        direction: np.ndarray | Sequence[float],
        *,
        acquisition: Acquisition | None = None,
        checks: Iterable[Check] = (),
        filled_slices: Iterable[int] = (),
        has_context: bool = True,
    ) -> CT:
        """Returns a checked CT from HU values of any real number type.

        Args:
            values: shape (z, y, x), HU; rounded and clipped to int16.
            spacing_mm, origin_lps_mm, direction, acquisition, filled_slices: as in `CT`.
            checks: findings so far; those on intensity, slice thickness, contrast and kernel are
                added.
            has_context: see ``intensity_checks``.

        Raises:
            CTError: one slice, NaN or infinite voxels, a constant volume, values that are not HU,
                or bad geometry.
        """
        if values.ndim != 3 or min(values.shape) < 2:
            raise CTError(SINGLE_SLICE)
        acquisition = acquisition or Acquisition()
        hu = to_hounsfield(values)
        found = intensity_checks(hu, spacing_mm, has_context=has_context)
        return cls(
            hu,
            triple(spacing_mm),
            triple(origin_lps_mm),
            np.array(direction, float).reshape(3, 3),
            acquisition,
            tuple(dict.fromkeys([*checks, *found, *acquisition_checks(acquisition, spacing_mm)])),
            tuple(filled_slices),
        )

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> CT:
        """Returns a checked CT from a SimpleITK image of HU, of any real pixel type; floats are
        rounded.

        Raises:
            CTError: more than one time point or channel, or anything that `CT.from_array` refuses.
        """
        import SimpleITK as sitk

        if image.GetDimension() == 4 and image.GetSize()[3] == 1:
            image = image[:, :, :, 0]
        refuse_if_not_scalar_volume(image)
        values = sitk.GetArrayFromImage(image)
        return cls.from_array(values, image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    def voxel_of(self, point_lps_mm) -> np.ndarray:
        """Returns the continuous index (x, y, z) of an LPS point in mm."""
        offset = np.asarray(point_lps_mm, float) - self.origin_lps_mm
        return self.direction.T @ offset / self.spacing_mm

    def point_of(self, voxel_xyz) -> np.ndarray:
        """Returns the LPS point in mm of a (continuous) voxel index (x, y, z)."""
        return self.origin_lps_mm + self.direction @ (
            np.asarray(voxel_xyz, float) * self.spacing_mm
        )

    def point_on_image(self, column: float, row: float, number: float) -> np.ndarray:
        """Returns the LPS point in mm of a pixel (from 0) of the image with this InstanceNumber; a
        number with a fraction lies between two images.

        Raises:
            PointError: no image has the number, or the CT's images have none.
        """
        share = number - math.floor(number)
        parts = ((math.floor(number), 1 - share), (math.ceil(number), share))
        if not self.image_numbers:
            raise PointError(
                _(
                    "The images of this CT have no numbers of their own, so that a slice number"
                    " means no place: give the position in mm or voxels."
                )
            )
        try:
            k = sum(self.image_numbers[image] * part for image, part in parts if part)
        except KeyError as error:
            numbers = self.image_numbers.keys()
            raise PointError(
                _(
                    "No image of this CT has the number {error}: they are from {lowest} to"
                    " {highest}."
                ).format(error=str(error), lowest=min(numbers), highest=max(numbers))
            ) from None
        return self.point_of((column, row, k))

    def contains(self, point_lps_mm) -> bool:
        """Whether the point lies inside the volume's outermost voxel faces."""
        voxel = self.voxel_of(point_lps_mm)
        return bool(np.all(voxel >= -0.5) and np.all(voxel <= np.array(self.hu.shape[::-1]) - 0.5))

    @property
    def technique(self) -> Technique:
        """How it was made."""
        across = self.direction[:, 2]
        plane = (_("sagittal"), _("coronal"), _("axial"))[int(np.argmax(np.abs(across)))]
        tilted = np.abs(across).max() < np.cos(np.radians(OBLIQUE_DEGREES))
        said = self.acquisition
        return Technique(
            _("oblique {plane}").format(plane=plane) if tilted else plane,
            max(self.spacing_mm[2], said.slice_thickness_mm or 0),
            said.kernel,
            said.contrast,
        )

    @property
    def tilt_degrees(self) -> float:
        """How far its planes nearest to axial are from the patient's axial plane."""
        along_z = axis_order(self.direction)[0][2]
        return float(np.degrees(np.arccos(min(1.0, abs(self.direction[2, along_z])))))

    def to_sitk(self) -> sitk.Image:
        """Returns the same CT as a SimpleITK image."""
        import SimpleITK as sitk

        return with_geometry(sitk.GetImageFromArray(self.hu), self)


def triple(values: Iterable[float]) -> tuple[float, float, float]:
    """Three numbers as plain floats."""
    x, y, z = (float(value) for value in values)
    return x, y, z


def with_geometry(image: sitk.Image, ct: CT) -> sitk.Image:
    """Gives a SimpleITK image on the CT's grid the CT's geometry."""
    image.SetSpacing([float(v) for v in ct.spacing_mm])
    image.SetOrigin([float(v) for v in ct.origin_lps_mm])
    image.SetDirection([float(v) for v in np.ravel(ct.direction)])
    return image


def axis_order(direction: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns, for LPS axes x, y and z, the nearest array axis (0 = x) and its sign."""
    order: list[int] = [0, 0, 0]
    cosines = np.abs(direction).copy()
    for _step in range(3):  # greedy on the largest cosine: unique even at 45 degrees
        lps, axis = np.unravel_index(int(np.argmax(cosines)), (3, 3))
        order[lps] = int(axis)
        cosines[lps, :] = -1
        cosines[:, axis] = -1
    signs = [1 if direction[lps, axis] >= 0 else -1 for lps, axis in enumerate(order)]
    return order, signs


def to_lps(ct: CT) -> CT:
    """Returns the CT with its array axes reordered and flipped to run closest to +L, +P, +S;
    nothing is resampled.

    ``filled_slices`` refer to the array as read, and are dropped here.
    """
    order, signs = axis_order(ct.direction)
    # x is array axis 2, z is array axis 0
    array = ct.hu.transpose([2 - order[2], 2 - order[1], 2 - order[0]])
    array = array[:: signs[2], :: signs[1], :: signs[0]]
    first_voxel = np.zeros(3)
    for axis, sign in zip(order, signs, strict=True):
        first_voxel[axis] = 0 if sign > 0 else ct.hu.shape[2 - axis] - 1
    return replace(
        ct,
        hu=array,
        spacing_mm=triple(ct.spacing_mm[axis] for axis in order),
        origin_lps_mm=triple(ct.point_of(first_voxel)),
        direction=ct.direction[:, order] * signs,
        filled_slices=(),
    )


def refuse_bad_spacing(spacing_mm: Sequence[float] | np.ndarray) -> None:
    """Raises CTError unless every spacing is a number of mm that a CT has (faults 15 and 52)."""
    refuse_no_length(spacing_mm)
    low, high = SPACING_MM
    if not all(low - ROUNDING <= v <= high + ROUNDING for v in spacing_mm):
        stated = " × ".join(f"{v:.3g}" for v in spacing_mm)
        words = _(
            "The voxel spacing is {stated} mm, and a CT's lies between {low:g} and {high:g} mm."
            " Export the CT again with its spacing in mm."
        )
        raise CTError(words.format(stated=stated, low=low, high=high))


def refuse_no_length(spacing: Sequence[float] | np.ndarray) -> None:
    """Raises CTError unless every spacing is a positive, finite number, of any unit (fault 15)."""
    if not all(np.isfinite(v) and v > 0 for v in spacing):
        raise CTError(
            _(
                "The voxel spacing is zero, negative or not a number. Export the CT again with"
                " its spacing."
            )
        )


def refuse_implausible_place(
    size: Sequence[int],
    spacing_mm: Sequence[float] | np.ndarray,
    origin_lps_mm: Sequence[float] | np.ndarray,
) -> None:
    """Raises CTError for a volume that no scanner makes, by its extent or position (fault 52); call
    it before allocating.

    Args:
        size, spacing_mm: along x, y, z.
        origin_lps_mm: position of the first voxel.
    """
    if not np.all(np.isfinite(origin_lps_mm)):
        raise CTError(_("The CT's position in space is not a number. Export the CT again."))
    extent = max(n * s for n, s in zip(size, spacing_mm, strict=True))
    if extent > MAX_EXTENT_MM:
        words = _(
            "The CT would be {extent:.3g} m long: its size or spacing is wrong. Export the CT"
            " again with its spacing in mm."
        )
        raise CTError(words.format(extent=extent / 1000))
    if np.abs(origin_lps_mm).max() > MAX_ORIGIN_MM:
        words = _(
            "The CT's origin lies more than {max_origin_mm:g} m away. Export the CT again with its"
            " position in mm."
        )
        raise CTError(words.format(max_origin_mm=MAX_ORIGIN_MM / 1000))


def refuse_bad_direction(direction: np.ndarray) -> None:
    """Raises CTError unless the 3x3 direction matrix is orthonormal (fault 9); up to 0.06 degrees
    of each axis count as rounding, as of axes in mm with 3 decimals (fault 54)."""
    if not np.allclose(direction.T @ direction, np.eye(3), rtol=0, atol=2e-3):
        raise CTError(SKEWED)


def orthonormal(direction: np.ndarray) -> np.ndarray:
    """Returns the rotation, or reflection, nearest to a direction matrix that was rounded."""
    left, _, right = np.linalg.svd(direction)
    nearest = left @ right
    return direction if np.allclose(direction, nearest, rtol=0, atol=1e-6) else nearest


def refuse_if_too_large(size: Iterable[int]) -> None:
    """Raises CTError for a header that states more than `MAX_VOXELS` (fault 45); call it before
    allocating."""
    if np.prod([float(v) for v in size]) > MAX_VOXELS:
        words = _(
            "The header states over {max_voxels} million voxels: the file is damaged or unsafe."
        )
        raise CTError(words.format(max_voxels=MAX_VOXELS // 10**6))


def refuse_if_not_scalar_volume(image: sitk.Image | sitk.ImageFileReader) -> None:
    """Raises CTError for 4D, colour or vector images (fault 12) and single slices (fault 6)."""
    import SimpleITK as sitk

    size = image.GetSize()
    refuse_several_volumes(size)
    if "vector" in sitk.GetPixelIDValueAsString(image.GetPixelID()):
        raise CTError(
            _("This is a colour or vector image, not a CT in Hounsfield units. Load the CT itself.")
        )
    if len(size) < 3 or min(size) < 1 or min(size[:3]) < 2:
        raise CTError(SINGLE_SLICE)


def refuse_several_volumes(size: Sequence[int]) -> None:
    """Raises CTError for a size of more than one volume, x, y, z first (fault 12)."""
    if max(size[3:], default=1) > 1:
        raise CTError(
            _("This file holds several time points (4D). Export only the phase to assess.")
        )


def to_hounsfield(values: np.ndarray) -> np.ndarray:
    """Returns values rounded and clipped to int16, without a copy if they already are int16.

    Raises:
        CTError: not real numbers, or some are NaN or infinite (fault 22).
    """
    if values.dtype.kind not in "iuf":
        raise CTError(_("The voxels are not real numbers. Load a CT in Hounsfield units."))
    low, high = values.min(), values.max()  # NaN propagates through both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise CTError(
            _("Some voxels are not numbers (NaN or infinite). Export the CT again without them.")
        )
    if values.dtype.kind == "f":
        values = np.rint(values)
    if low < INT16.min or high > INT16.max:
        values = values.clip(INT16.min, INT16.max)
    return values.astype(np.int16, copy=False)


def looks_like_hounsfield(hu: np.ndarray) -> bool:
    """Whether air, lung and soft tissue have their usual HU; for CTs without a rescale (fault
    16)."""
    sample = hu[:, ::4, ::4]
    lung_or_air = np.mean((sample >= -1100) & (sample <= -600))
    soft_tissue = np.mean((sample >= -150) & (sample <= 150))
    return bool(hu.min() <= -900 and lung_or_air > 0.01 and soft_tissue > 0.01)


def acquisition_checks(acquisition: Acquisition, spacing_mm: Sequence[float]) -> list[Check]:
    """Returns findings on slice thickness (fault 8), contrast (fault 20) and kernel (fault 24)."""
    checks = []
    thickest = max(*spacing_mm, acquisition.slice_thickness_mm or 0)
    if thickest > THICK_SLICE_MM:
        checks.append(THICK_SLICES.check(thickest=thickest))
    if acquisition.contrast:
        checks.append(CONTRAST.check())
    if acquisition.kernel is None:
        checks.append(KERNEL_UNKNOWN.check())
    elif SHARP_KERNEL_NAME.match(acquisition.kernel):
        checks.append(SHARP_KERNEL.check(kernel=acquisition.kernel))
    return checks
