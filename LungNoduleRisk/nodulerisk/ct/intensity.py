"""Whether the values of a CT are Hounsfield units, by its histogram (faults 18, 23 and 60).

A chest CT, and any crop of one around a nodule, holds air or lung; a larger one also holds fat and
soft tissue, and bone or vessels above them. The limits leave a margin to the 801 real CTs and crops
that they were tried on. Of those, at most 4 % lie below -1100 HU and 12 % above 700 HU, and at
least 9 % are air or lung. Where every side is 60 mm or longer, it is none, 1 % and 36 %, and 15 %
are fat or soft tissue.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nodulerisk.checks import CLIPPED_INTENSITIES, INTENSITY_DOUBTFUL, Check
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _

SAMPLED = 250_000  # voxels
PERCENT = 0.5, 99.5
PADDING_HU, PADDING_NOISE_HU = -1200, 32  # outside the field of view: near the lowest value
BELOW_AIR_HU, AIR_OR_LUNG_HU, BONE_HU = -1100, -600, 700
SOFT_TISSUE_HU = (-200, 300)  # with fat, and blood with contrast
LARGE_MM = 60.0  # a side of a volume that holds more than a nodule and the lung around it
AIR_AT_MOST_HU, AIR_AT_LEAST_HU = -930, -1060  # of the darkest lung, airways or air outside
DARK_HU = -950  # air, whose noise is the same on both sides
WINDOWED_HU = 400  # the networks look at values up to here
CLEAN = _("Load the original CT, or export it again in Hounsfield units.")


def intensity_checks(
    hu: np.ndarray, spacing_mm: Sequence[float], *, has_context: bool = True
) -> list[Check]:
    """Returns findings on the histogram of a CT.

    Args:
        hu: int16, shape (z, y, x); a sample of it is looked at.
        spacing_mm: along x, y, z.
        has_context: what lies around a nodule is real; False: it may have been made up.

    Raises:
        CTError: a constant volume, or values that cannot be HU of a chest.
    """
    low, high = int(hu.min()), int(hu.max())
    if low == high:
        raise CTError(_("Every voxel has the same value. Export the CT again."))
    if low > -200:
        words = _(
            "These are not Hounsfield units: values run from {low} to {high}, and a chest CT holds"
            " air below -200 HU. The image may be 8-bit or windowed. {clean}"
        )
        raise CTError(words.format(low=low, high=high, clean=CLEAN))
    values = without_padding(sample(hu))
    side = min(n * s for n, s in zip(hu.shape[::-1], spacing_mm, strict=True))
    large = has_context and side >= LARGE_MM
    for wrong in wrongs(values, large, PERCENT if has_context else (0.0, 100.0)):
        raise CTError(
            _("These are not Hounsfield units: {wrong}. {clean}").format(wrong=wrong, clean=CLEAN)
        )
    checks = []
    if high < WINDOWED_HU and np.mean(hu == high) > 0.01:
        checks.append(CLIPPED_INTENSITIES.check(high=high))
    if large and (air := misplaced_air(values)) is not None:
        checks.append(INTENSITY_DOUBTFUL.check(darkest=air))
    return checks


def misplaced_air(values: np.ndarray) -> float | None:
    """Returns where air lies, HU, if it is not near -1000; None: it is, as far as can be told."""
    darkest = float(np.percentile(values, 0.1))
    if darkest > AIR_AT_MOST_HU:
        return darkest
    dark = values[values < DARK_HU]
    middle = float(np.median(dark)) if dark.size > 0.01 * values.size else DARK_HU
    return middle if middle < AIR_AT_LEAST_HU else None


def sample(hu: np.ndarray) -> np.ndarray:
    """Returns about `SAMPLED` values, evenly spread over the volume."""
    step = max(1, round((hu.size / SAMPLED) ** (1 / 3)))
    return hu[::step, ::step, ::step].ravel().astype(np.int32)


def without_padding(values: np.ndarray) -> np.ndarray:
    """Leaves out what scanners write outside their field of view, such as -2000 or -3024."""
    lowest = int(values.min())
    return values[values > lowest + PADDING_NOISE_HU] if lowest <= PADDING_HU else values


def share(values: np.ndarray, low: float = -np.inf, high: float = np.inf) -> float:
    """Returns the share of values from low up to, but without, high."""
    return float(np.mean((values >= low) & (values < high)))


def wrongs(
    values: np.ndarray, large: bool, percent: tuple[float, float] = PERCENT
) -> Iterator[str]:
    """Yields why values are not HU of a chest, in words.

    Args:
        values: without padding.
        large: every side is long enough to hold more than lung.
        percent: percentiles between which the values must spread.
    """
    spread = float(np.ptp(np.percentile(values, percent))) if values.size else 0.0
    if spread < (400 if large else 200):
        yield _(
            "nearly all values lie within {spread:.0f} HU, as if the slope were too small"
        ).format(spread=spread)
        return
    if (dark := share(values, high=BELOW_AIR_HU)) > 0.12:
        yield (
            _(
                "{dark:.0%} of the values are darker than air (-1000 HU), as if the intercept"
                " had been applied twice, or the values were inverted or scaled"
            ).format(dark=dark)
        )
    if (bright := share(values, low=BONE_HU)) > (0.1 if large else 0.25):
        yield (
            _(
                "{bright:.0%} of the values are as bright as bone, as if an offset were left,"
                " or the values were inverted or scaled"
            ).format(bright=bright)
        )
    if share(values, BELOW_AIR_HU, AIR_OR_LUNG_HU) < 0.01:
        yield _(
            "there is no air or lung (about -1000 to -700 HU), as if an offset were left in them"
        )
    if large and without_soft_tissue(values):
        yield _(
            "there is no soft tissue (about 40 HU), as if they were scaled, inverted or shifted"
        )


def without_soft_tissue(values: np.ndarray) -> bool:
    """Whether there is hardly any, nothing is brighter, or most of it lies between it and lung."""
    soft, between = share(values, *SOFT_TISSUE_HU), share(values, -500, SOFT_TISSUE_HU[0])
    return soft < 0.01 or between > max(0.1, 2 * soft) or bool(np.percentile(values, 99.9) < 50)
