"""Which image planes make one volume.

A SeriesInstanceUID should mean one volume, but archives hold two acquisitions, kernels, cardiac
phases or even patients under one. Planes are grouped by what all slices of a volume share; a group
is then split by whatever tells several complete volumes over one range apart. Acquisitions that
follow each other along the patient stay one volume, as step-and-shoot scanners store them.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from pydicom.tag import Tag

from nodulerisk.ct.dicom.attributes import (
    ATTRIBUTES,
    PER_FRAME,
    Attribute,
    stored,
    unparsed,
    varying_tags,
)
from nodulerisk.ct.dicom.files import DicomFile, ImagePlane, read_whole_header
from nodulerisk.ct.dicom.slice_stack import slice_grid
from nodulerisk.errors import CTError
from nodulerisk.language.texts import _, joined

MIN_SLICES = 3  # of a volume that is told apart
SAME_HEIGHT_MM = 0.01
MAX_STRAYS = 0.25  # of a group's slices: those that belong to none of its volumes
FEW = 3  # parts
MIN_SHARE = 0.5  # of a range: two slices with one number are no two volumes
FACING = (_("sagittal"), _("coronal"), _("axial"))
IDENTITY_TAGS = tuple(
    tuple(map(Tag, keywords.split()))
    for keywords in (
        "PatientID PatientName PatientBirthDate",
        "StudyInstanceUID",
        "FrameOfReferenceUID",
        "SeriesInstanceUID",
    )
)
SOP_INSTANCE = Tag("SOPInstanceUID")
UNNAMED = "unnamed"  # a volume without SeriesInstanceUID
Planes = list[ImagePlane]
COUNTED = {  # what of an identity is not to be shown
    "patient": _("patient"),
    "study": _("study"),
    "frame_of_reference": _("frame of reference"),
    "uid": _("uid"),
}


class Identity(NamedTuple):
    """What all slices of a volume share."""

    patient: str
    study: str
    frame_of_reference: str
    uid: str
    size: tuple[int, int]
    facing: str


@dataclass(frozen=True, eq=False)
class Volume:
    """One volume of one series.

    Attributes:
        name: by which it is chosen: its SeriesInstanceUID, and ``#2`` for the second volume that
            shares it; ``unnamed#1`` for one that has none.
        identity: what it shares with other volumes of its group.
        apart: what tells it from the other volumes of its SeriesInstanceUID.
        planes: its slices, in no order.
    """

    name: str
    identity: Identity
    apart: tuple[str, ...]
    planes: Planes


def heights_of(planes: Sequence[ImagePlane]) -> np.ndarray:
    """Returns positions along the first plane's normal, mm."""
    return np.array([plane.position for plane in planes]) @ planes[0].normal


def numbers_of(planes: Sequence[ImagePlane]) -> list[tuple[int, int]] | None:
    """Returns InstanceNumber and frame of each plane; None if a plane has none."""
    try:
        return [(int(plane.header.InstanceNumber), plane.frame) for plane in planes]
    except (AttributeError, TypeError, ValueError):
        return None


# --- Groups


def volumes_in(planes: Planes) -> tuple[list[Volume], Planes]:
    """Returns the volumes, in an order that does not depend on the files', and the planes of
    none."""
    groups = defaultdict(list)
    for plane in planes:
        groups[identity_of(plane)].append(plane)
    parts = [
        Volume("", identity, apart, part)
        for identity, group in sorted(groups.items())
        for part, apart in split(without_copies(group), ())
    ]
    volumes = [part for part in parts if is_volume(part.planes)]
    rest = [plane for part in parts if not is_volume(part.planes) for plane in part.planes]
    return named(volumes), rest


def identity_of(plane: ImagePlane) -> Identity:
    header = plane.header
    patient, study, frame, uid = (
        "|".join(stored(header, tag).rstrip("^= ") for tag in tags) for tags in IDENTITY_TAGS
    )
    facing = FACING[int(np.argmax(np.abs(plane.normal)))]
    return Identity(patient, study, frame, uid, (int(header.Rows), int(header.Columns)), facing)


def is_volume(planes: Planes) -> bool:
    """Whether the slices differ in position: localizers and bolus tracking do not."""
    # a position that is not a number is refused later, with a message of its own
    return not np.ptp(heights_of(planes)) <= SAME_HEIGHT_MM


def without_copies(planes: Planes) -> Planes:
    """Returns the planes without those of a file that holds the same bytes as another."""
    keys = [
        (stored(plane.header, SOP_INSTANCE), plane.frame, plane.position.tobytes())
        for plane in planes
    ]
    often = Counter(keys)
    if len(often) == len(planes):
        return planes
    digests: dict[DicomFile, bytes] = {}
    kept: dict[Hashable, ImagePlane] = {}
    for key, plane in zip(keys, planes, strict=True):
        if often[key] > 1 and plane.file not in digests:
            digests[plane.file] = digest(plane.file)
        kept.setdefault((key, digests.get(plane.file)), plane)
    return list(kept.values())


def digest(file: DicomFile) -> bytes:
    with file.open() as stream:
        return hashlib.sha256(stream.read()).digest()


def named(volumes: list[Volume]) -> list[Volume]:
    """Names the volumes, and says what tells those of one SeriesInstanceUID apart."""
    result = []
    by_uid = attrgetter("identity.uid")
    for uid, group in groupby(sorted(volumes, key=by_uid), by_uid):
        same = list(group)
        for number, volume in enumerate(same, start=1):
            name = f"{uid or UNNAMED}#{number}" if len(same) > 1 or not uid else uid
            apart = (*apart_by_identity(volume, same), *volume.apart)
            result.append(Volume(name, volume.identity, apart, volume.planes))
    return result


def apart_by_identity(volume: Volume, same: list[Volume]) -> Iterator[str]:
    """Yields what tells a volume from those that share its SeriesInstanceUID; patients, studies
    and frames of reference are counted, since their names are not to be shown."""
    for field, value in zip(Identity._fields, volume.identity, strict=True):
        values = sorted({getattr(other.identity, field) for other in same})
        if len(values) == 1:
            continue
        if field == "size":
            yield " x ".join(map(str, value))
        elif field == "facing":
            yield volume.identity.facing
        else:
            yield joined(" ", (COUNTED[field], str(values.index(value) + 1)))


# --- The volumes of a group


def split(planes: Planes, apart: tuple[str, ...]) -> list[tuple[Planes, tuple[str, ...]]]:
    """Splits a group into its volumes, each with what tells it apart."""
    if len(planes) > MIN_SLICES and np.all(np.isfinite(heights_of(planes))):
        for words, parts in ways_to_split(planes):
            return [
                found
                for word, part in zip(words, parts, strict=True)
                for found in split(part, (*apart, word))
            ]
    return [(planes, apart)]


def ways_to_split(planes: Planes) -> Iterator[tuple[list[str], list[Planes]]]:
    """Yields each way in which planes make several volumes, the surest first: what to call the
    parts, and the parts."""
    varying = varying_tags(planes)
    for attribute in ATTRIBUTES:
        if attribute.tags & varying:
            yield from by_attribute(planes, attribute)
    yield from by_geometry(planes)
    runs = runs_of_numbers(planes)
    if len(runs) > 1 and are_volumes(runs, along=True, share=MIN_SHARE):
        yield [words_for_run(run) for run in runs], runs
    if has_repeats(planes) or are_twins(planes):
        yield from by_anything(planes)


def by_attribute(planes: Planes, attribute: Attribute) -> Iterator[tuple[list[str], list[Planes]]]:
    parts = parted(planes, [attribute.of(plane) for plane in planes])
    along = attribute.along or "" in parts
    if len(parts) > 1 and are_volumes(list(parts.values()), along):
        words = [attribute.words_for(part[0], k) for k, part in enumerate(parts.values())]
        yield words, list(parts.values())


def parted(planes: Planes, values: Sequence[str]) -> dict[str, Planes]:
    """Groups planes by value, in the values' order."""
    parts = defaultdict(list)
    for plane, value in zip(planes, values, strict=True):
        parts[value].append(plane)
    return dict(sorted(parts.items(), key=lambda item: in_order(item[0])))


def in_order(value: str) -> tuple[float, str]:
    try:
        return float(value), value
    except ValueError:
        return 0.0, value


def are_volumes(parts: Sequence[Planes], along: bool, share: float = 0) -> bool:
    """Whether parts are volumes of their own, but for some strays.

    Args:
        along: the parts may be stretches of one volume, unless they cover one range, or few parts
            together make no volume.
        share: of the shorter of two ranges that both have to cover.
    """
    whole = [part for part in parts if is_regular(distinct_heights(part))]
    planes = [plane for part in parts for plane in part]
    if sum(map(len, whole)) < (1 - MAX_STRAYS) * len(planes):
        return False
    if not along:
        return True
    ranges = map(distinct_heights, whole)
    if any(overlap(*pair, share) for pair in combinations(ranges, 2)):
        return True
    return not share and len(parts) <= FEW and not is_one_volume(planes)


def distinct_heights(planes: Planes) -> np.ndarray:
    heights = np.sort(heights_of(planes))
    return heights[np.diff(heights, prepend=-np.inf) > SAME_HEIGHT_MM]


def is_regular(heights: np.ndarray) -> bool:
    """Whether the heights are those of one volume."""
    try:
        return len(heights) >= MIN_SLICES and bool(slice_grid(heights))
    except CTError:
        return False


def overlap(one: np.ndarray, other: np.ndarray, share: float) -> bool:
    common = min(one[-1], other[-1]) - max(one[0], other[0])
    return bool(common > share * min(np.ptp(one), np.ptp(other)) - SAME_HEIGHT_MM)


def by_geometry(planes: Planes) -> Iterator[tuple[list[str], list[Planes]]]:
    """Splits by orientation, voxel size and the edge of the field of view; a stray slice is no
    volume, and is refused by name later."""
    along, down = planes[0].orientation
    yield from by_clusters(planes, _("orientation"), [p.orientation.ravel() for p in planes])
    yield from by_clusters(planes, _("pixel spacing"), [pixel_spacing(p) for p in planes])
    edges = [(p.position @ along, p.position @ down) for p in planes]
    yield from by_clusters(planes, _("field of view"), edges)


def by_clusters(
    planes: Planes, words: str, rows: Sequence[Sequence[float] | np.ndarray]
) -> Iterator[tuple[list[str], list[Planes]]]:
    clusters = clustered(np.array(rows, float))
    parts = list(parted(planes, list(map(str, clusters))).values())
    if len(parts) > 1 and min(map(len, parts)) >= MIN_SLICES and are_volumes(parts, along=True):
        yield [joined(" ", (words, str(k))) for k in range(1, len(parts) + 1)], parts


def pixel_spacing(plane: ImagePlane) -> tuple[float, float]:
    """Returns row and column spacing, mm; zeros where they are not two numbers."""
    try:
        down, along = plane.macro("PixelMeasuresSequence").PixelSpacing
        return float(down), float(along)
    except (AttributeError, TypeError, ValueError):
        return 0.0, 0.0


def clustered(rows: np.ndarray, tolerance: float = 1e-3) -> np.ndarray:
    """Returns the number of the cluster of each row; each cluster lies around its first row."""
    cluster = np.full(len(rows), -1)
    number = 0
    while (cluster < 0).any():
        first = rows[np.argmax(cluster < 0)]
        near = np.abs(rows - first).max(axis=1) <= tolerance
        near[np.argmax(cluster < 0)] = True
        cluster[(cluster < 0) & near] = number
        number += 1
    return cluster


def runs_of_numbers(planes: Planes) -> list[Planes]:
    """Returns the stretches in which position follows InstanceNumber in one direction: volumes of
    a series are mostly numbered one after the other."""
    numbers = numbers_of(planes)
    if numbers is None:
        return [planes]
    order = sorted(range(len(planes)), key=numbers.__getitem__)
    signs = np.sign(np.diff(heights_of(planes)[order]))
    runs, direction = [[planes[order[0]]]], 0.0
    for k, sign in zip(order[1:], signs, strict=True):
        if direction and sign != direction:
            runs.append([])
            sign = 0.0
        runs[-1].append(planes[k])
        direction = sign
    return runs


def words_for_run(planes: Planes) -> str:
    """The images of a run as a reader of the archive counts them."""
    numbers = sorted(numbers_of(planes) or [(0, 0)])
    (first, first_frame), (last, last_frame) = numbers[0], numbers[-1]
    if first == last:
        return _("image {first}, frames {first_frame} to {last_frame}").format(
            first=first, first_frame=first_frame + 1, last_frame=last_frame + 1
        )
    return _("images {first} to {last}").format(first=first, last=last)


def has_repeats(planes: Planes) -> bool:
    return len(distinct_heights(planes)) < len(planes)


def are_twins(planes: Planes) -> bool:
    """Whether most slices share InstanceNumber with a neighbour: two volumes half a step apart
    look like one otherwise."""
    numbers = numbers_of(planes)
    if numbers is None or len(set(numbers)) < MIN_SLICES or has_repeats(planes):
        return False
    heights = heights_of(planes)
    step = np.median(np.diff(distinct_heights(planes)))
    near = defaultdict(list)
    for number, height in zip(numbers, heights, strict=True):
        near[number].append(height)
    twins = [same for same in near.values() if len(same) > 1 and np.ptp(same) < len(same) * step]
    return 2 * sum(map(len, twins)) > len(planes)


def by_anything(planes: Planes) -> Iterator[tuple[list[str], list[Planes]]]:
    """Splits by the folder, or by any other element whose values make complete volumes: private
    ones tell energies and phases of some scanners apart."""
    folders = [plane.file.folder for plane in planes]
    columns = [folders, [f"{plane.file.folder}/{plane.file.name}" for plane in planes]]
    if not any(PER_FRAME in plane.header for plane in planes):
        headers = [read_whole_header(plane.file) for plane in planes]
        tags = sorted(unparsed(headers[0]).keys() | unparsed(headers[-1]).keys())
        columns += [[stored(header, tag) for header in headers] for tag in tags]
    for column in columns:
        parts = list(parted(planes, column).values())
        few = 1 < len(parts) <= len(planes) // MIN_SLICES
        if few and all(map(is_one_volume, parts)) and are_volumes(parts, along=True):
            yield [_("part {k}").format(k=k) for k in range(1, len(parts) + 1)], parts


def is_one_volume(planes: Planes) -> bool:
    return not has_repeats(planes) and is_regular(distinct_heights(planes))
