"""Images that belong to a volume by their place or UID, and are not in it because an element
differs (fault 55)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag

from nodulerisk.checks import LEFT_OUT_SLICES, NUMBER_GAPS, Check
from nodulerisk.ct.dicom.attributes import ATTRIBUTES, PER_FRAME, stored
from nodulerisk.ct.dicom.files import ImagePlane, is_ct
from nodulerisk.ct.dicom.volumes import Planes, Volume, distinct_heights, identity_of, numbers_of
from nodulerisk.language.texts import _, joined

MAX_REMAINDER = 0.25  # of a volume's slices
OFF_GRID = 0.25  # of a step
SIDEWAYS_MM = 2.0
SERIES_UID = Tag("SeriesInstanceUID")
COMPARED = (
    *("StudyInstanceUID", "FrameOfReferenceUID", "SeriesInstanceUID", "Modality"),
    *("Rows", "Columns"),
)


def is_remainder(small: Volume, large: Volume) -> bool:
    """Whether a volume is no more than slices that a larger one lacks: they follow it in place and
    number."""
    if len(small.planes) > MAX_REMAINDER * len(large.planes):
        return False
    numbers, others = numbers_of(small.planes), numbers_of(large.planes)
    return (
        numbers is not None
        and others is not None
        and not set(numbers) & set(others)
        and all(is_akin(large, plane) for plane in small.planes)
        and len(continuing(large, small.planes)) == len(small.planes)
    )


def is_akin(volume: Volume, plane: ImagePlane) -> bool:
    """Whether an image has the volume's SeriesInstanceUID, or is a CT of the patient in the same
    study."""
    other = identity_of(plane)
    if volume.identity.uid and other.uid == volume.identity.uid:
        return True
    return is_ct(plane.header) and other[:2] == volume.identity[:2]


def continuing(volume: Volume, planes: Sequence[ImagePlane]) -> Planes:
    """Returns the planes that lie where the volume's next slices, or its missing ones, would."""
    first, heights = volume.planes[0], distinct_heights(volume.planes)
    if len(heights) < 2:  # positions that are no numbers
        return []
    step = float(np.median(np.diff(heights)))
    taken = set(np.rint((heights - heights[0]) / step).astype(int).tolist())
    places = {}
    for plane in planes:
        place = (plane.position @ first.normal - heights[0]) / step
        if is_parallel(first, plane) and abs(place - round(place)) < OFF_GRID:
            places[plane] = round(place)
    found: Planes = []
    while near := [p for p, k in places.items() if k not in taken and {k - 1, k + 1} & taken]:
        found += near
        taken |= {places.pop(plane) for plane in near}
    return found


def is_parallel(first: ImagePlane, plane: ImagePlane) -> bool:
    """Whether a plane lies above or below the first."""
    offset = plane.position - first.position
    sideways = offset - (offset @ first.normal) * first.normal
    return bool(
        np.allclose(plane.orientation, first.orientation, rtol=0, atol=1e-3)
        and np.linalg.norm(sideways) < SIDEWAYS_MM
    )


def left_out_checks(
    volume: Volume, rest: Planes, unplaced: list[Dataset], broken: int
) -> list[Check]:
    """Returns a check if images that belong to the volume are not in it.

    Args:
        rest: the image planes of no volume.
        unplaced: headers of the images without a position.
        broken: how many files are DICOM by their name alone.
    """
    akin = [plane for plane in rest if is_akin(volume, plane)]
    first, uid = volume.planes[0], volume.identity.uid
    same = [p for p in akin if uid and identity_of(p).uid == uid and is_parallel(first, p)]
    left = list(dict.fromkeys([*same, *continuing(volume, akin)]))
    lost = [header for header in unplaced if uid and stored(header, SERIES_UID) == uid]
    differing = dict.fromkeys(tag for plane in left for tag in differences(first, plane))
    differing |= {"ImagePositionPatient": None} if lost else {}
    differing |= {_("what they hold (no DICOM)"): None} if broken else {}
    slices = len(left) + len(lost) + broken
    return [LEFT_OUT_SLICES.check(slices=slices, tags=joined(", ", differing))] if slices else []


def differences(first: ImagePlane, plane: ImagePlane) -> list[str]:
    """Returns the elements in which a plane differs from a volume's first."""
    tags = [
        keyword
        for keyword in COMPARED
        if stored(first.header, Tag(keyword)) != stored(plane.header, Tag(keyword))
    ]
    if identity_of(first).patient != identity_of(plane).patient:
        tags.append(_("the patient"))
    others = [a for a in ATTRIBUTES if a.of(first) != a.of(plane)]
    tags += [attribute.keyword for attribute in others if not attribute.along]
    return tags or [attribute.keyword for attribute in others][:1] or [_("their place")]


def number_checks(volume: Volume, planes: Planes, filled: int) -> list[Check]:
    """Returns a check if InstanceNumber skips more numbers than slices were found missing.

    Args:
        planes: of all images; those of the same series explain numbers that the volume lacks.
        filled: how many slices were found missing by their position.
    """
    if PER_FRAME in volume.planes[0].header:
        return []
    numbers = {number for number, _ in numbers_of(volume.planes) or ()}
    same = [p for p in planes if stored(p.header, SERIES_UID) == volume.identity.uid]
    known = {number for number, _ in numbers_of(same) or ()} | numbers
    if not numbers:
        return []
    low, high = min(numbers), max(numbers)
    missing = high - low + 1 - sum(low <= number <= high for number in known)
    return [NUMBER_GAPS.check(missing=missing)] if missing > filled else []
