"""Where the nodules of one scan lie in another: the lungs aligned rigidly, and pairs of points for
the user to confirm.

A rigid alignment cannot follow breathing, which moves nodules by some mm, most near the diaphragm:
pairs are proposed, and the user decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.spatial.distance import cdist

from nodulerisk.ct.points import Point
from nodulerisk.ct.volume import CT, with_geometry
from nodulerisk.errors import NoduleRiskError
from nodulerisk.language.texts import _

COARSE_MM, FINE_MM = 8.0, 4.0
# bone, contrast and the beating heart say little about where the lungs are
WINDOW_HU = (-1000, -200)
# Of voxels averaged over 4 mm: neither the air around the patient nor the chest wall.
LUNG_HU = (-960, -450)
SMALLEST_LUNG_MM3 = 100_000.0
RIM_MM = 12.0  # around the lung, so that its surface counts
SHARED = 0.5  # of the smaller field of view, at least
OUTSIDE = -5000.0  # marks what a scan does not show
# other patients' lungs, and a patient's own upside down, reached 0.75; a breath of 6 % leaves 0.85
POOR = 0.8
WITHIN_MM = 15.0
NO_LUNG = _(
    "The earlier CT shows too little lung to align: choose a CT of the chest, or a"
    " larger part of it."
)
NOT_ALIGNED = _(
    "The lungs of the two CTs do not match: make sure that both are of the same"
    " patient, in a similar breath-hold, and show the same part of the chest."
)


@dataclass(frozen=True, eq=False)
class Alignment:
    """A rigid motion from an earlier scan to a later one.

    Attributes:
        matrix: 4x4, LPS mm before to LPS mm after.
        correlation: of HU in and around the lung that both scans show; 1 is perfect.
    """

    matrix: np.ndarray
    correlation: float

    def moved(self, points_lps_mm) -> np.ndarray:
        """Returns where points (n, 3) of the earlier scan lie in the later one, LPS mm."""
        return np.asarray(points_lps_mm, float) @ self.matrix[:3, :3].T + self.matrix[:3, 3]


@dataclass(frozen=True)
class Pair:
    """Two points that may be the same nodule; ``distance_mm`` is between them after alignment."""

    before: Point
    after: Point
    distance_mm: float


@dataclass(frozen=True)
class Matches:
    """Which points are the same nodule.

    Attributes:
        pairs: the nearest first.
        gone: points of the earlier scan without one in the later.
        new: points of the later scan without one in the earlier.
    """

    pairs: tuple[Pair, ...]
    gone: tuple[Point, ...]
    new: tuple[Point, ...]

    def confirmed(self, is_one_nodule: Callable[[Pair], bool]) -> Matches:
        """Keeps the pairs that the user agrees to; the points of the others become gone and new."""
        agreed = {pair: is_one_nodule(pair) for pair in self.pairs}
        denied = [pair for pair in self.pairs if not agreed[pair]]
        return Matches(
            tuple(pair for pair in self.pairs if agreed[pair]),
            (*self.gone, *(pair.before for pair in denied)),
            (*self.new, *(pair.after for pair in denied)),
        )


def align(before: CT, after: CT, progress: Callable[[str, float], None] | None = None) -> Alignment:
    """Aligns the lungs of two scans of a patient, in seconds.

    It starts from the translation at which both correlate best, wherever the scans lie in space, so
    that crops work too; then rotation and translation are refined. The same scans give the same
    alignment.

    Args:
        before, after: with axes in any order; they need to share half of the smaller field of view,
            and to be turned against each other by no more than about 10 degrees.
        progress: called with the stage and the share done, 0..1.

    Raises:
        NoduleRiskError: there is no lung in the earlier scan, or the lungs do not match.
    """
    report = progress or (lambda stage, share: None)
    report(_("finding the lungs"), 0.0)
    fixed, moving = _averaged(before), _averaged(after)
    region = _lung_with_rim(fixed)
    report(_("aligning the lungs"), 0.3)
    motion = sitk.Euler3DTransform()
    motion.SetCenter(_centroid(region))
    motion.SetTranslation(_best_shift(fixed, moving))
    _refine(motion, fixed, moving, region)
    correlation = _correlation(motion, fixed, moving, region)
    if not correlation >= POOR:  # also false for NaN
        raise NoduleRiskError(NOT_ALIGNED)
    return Alignment(_matrix(motion), correlation)


def proposed(
    before: Sequence[Point],
    after: Sequence[Point],
    alignment: Alignment,
    within_mm: float = WITHIN_MM,
) -> Matches:
    """Returns pairs of points that lie near each other after alignment, each point in at most one
    pair, the nearest pair first.

    Args:
        before, after: the nodules of each scan.
        alignment: of the scans.
        within_mm: how far apart the points of a pair may lie; about what breathing and posture
            leave.
    """
    there = alignment.moved(np.reshape([point.lps_mm for point in before], (-1, 3)))
    distances = cdist(there, np.reshape([point.lps_mm for point in after], (-1, 3)))
    pairs: list[Pair] = []
    while distances.size and distances.min() <= within_mm:
        row, column = (int(i) for i in np.unravel_index(np.argmin(distances), distances.shape))
        pairs.append(Pair(before[row], after[column], float(distances[row, column])))
        distances[row, :] = distances[:, column] = np.inf
    gone = (point for point in before if all(point is not pair.before for pair in pairs))
    new = (point for point in after if all(point is not pair.after for pair in pairs))
    return Matches(tuple(pairs), tuple(gone), tuple(new))


def _averaged(ct: CT) -> sitk.Image:
    """Returns the CT's windowed HU, averaged over about 4 mm: float32."""
    image = with_geometry(sitk.GetImageFromArray(ct.hu.clip(*WINDOW_HU)), ct)
    steps = zip(ct.spacing_mm, image.GetSize(), strict=True)
    factors = [min(max(1, round(FINE_MM / step)), size) for step, size in steps]
    return sitk.Cast(sitk.BinShrink(image, factors), sitk.sitkFloat32)


def _lung_with_rim(image: sitk.Image) -> sitk.Image:
    """Returns a mask of the lungs and their surroundings; morphological opening removes thin shells
    of other air.

    Raises:
        NoduleRiskError: there are none.
    """
    lung = sitk.BinaryMorphologicalOpening((image > LUNG_HU[0]) & (image < LUNG_HU[1]), [1, 1, 1])
    smallest = int(SMALLEST_LUNG_MM3 / np.prod(image.GetSpacing()))
    parts = sitk.RelabelComponent(sitk.ConnectedComponent(lung), smallest)
    if not sitk.GetArrayFromImage(parts).any():
        raise NoduleRiskError(NO_LUNG)
    return sitk.BinaryDilate(parts > 0, [round(RIM_MM / step) for step in image.GetSpacing()])


def _centroid(region: sitk.Image) -> tuple[float, ...]:
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(region)
    return shape.GetCentroid(1)


def _best_shift(fixed: sitk.Image, moving: sitk.Image) -> list[float]:
    """Returns the translation (mm) at which the images correlate best, among those that leave
    enough overlap."""
    fixed, moving = _upright(fixed), _upright(moving)
    apart = np.subtract(moving.GetOrigin(), fixed.GetOrigin())
    for image in (fixed, moving):
        image.SetOrigin((0, 0, 0))  # the filter wants both in one place
    shown, moving_shown = (
        sitk.Cast(image != OUTSIDE, sitk.sitkFloat32) for image in (fixed, moving)
    )
    matches = sitk.MaskedFFTNormalizedCorrelation(fixed, moving, shown, moving_shown, 0, SHARED)
    correlations = sitk.GetArrayFromImage(matches)
    best = np.unravel_index(np.argmax(correlations), correlations.shape)[::-1]
    first_voxel = np.subtract(best, moving.GetSize()) + 1  # of the moving image, in the fixed one
    return (apart - COARSE_MM * first_voxel).tolist()


def _upright(image: sitk.Image) -> sitk.Image:
    """Returns the image on a coarse grid along the LPS axes that holds all of it."""
    last = np.array(image.GetSize()) - 1
    corners = [
        image.TransformContinuousIndexToPhysicalPoint((last * end).tolist())
        for end in np.ndindex(2, 2, 2)
    ]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    size = (np.ceil((high - low) / COARSE_MM) + 1).astype(int).tolist()
    axes = np.eye(3).ravel().tolist()
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, low.tolist(), [COARSE_MM] * 3, axes, OUTSIDE
    )


def _refine(
    motion: sitk.Euler3DTransform, fixed: sitk.Image, moving: sitk.Image, region: sitk.Image
) -> None:
    """Improves a motion in place, using every voxel of the region: no random sampling.

    Raises:
        NoduleRiskError: the lungs do not meet.
    """
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricFixedMask(region)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.01, numberOfIterations=100
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([FINE_MM, 0])
    method.SetInitialTransform(motion, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError as error:
        raise NoduleRiskError(NOT_ALIGNED) from error


def _correlation(
    motion: sitk.Euler3DTransform, fixed: sitk.Image, moving: sitk.Image, region: sitk.Image
) -> float:
    """Returns Pearson's correlation over the part of the region that both images show; 0 if there
    is hardly any."""
    there = sitk.GetArrayFromImage(sitk.Resample(moving, fixed, motion, sitk.sitkLinear, OUTSIDE))
    shared = (sitk.GetArrayFromImage(region) > 0) & (there != OUTSIDE)
    if shared.sum() * np.prod(fixed.GetSpacing()) < SMALLEST_LUNG_MM3:
        return 0.0
    with np.errstate(invalid="ignore"):  # where all is tissue there is nothing to correlate
        return float(np.corrcoef(sitk.GetArrayFromImage(fixed)[shared], there[shared])[0, 1])


def _matrix(motion: sitk.Euler3DTransform) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(motion.GetMatrix(), (3, 3))
    matrix[:3, 3] = motion.TransformPoint((0.0, 0.0, 0.0))
    return matrix
