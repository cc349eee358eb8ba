"""LIDC-IDRI as downloaded: DICOM series and the readers' XML files, anywhere in one folder tree.

Each series lies in a folder of its own, as The Cancer Imaging Archive delivers it; an XML names its
series by UID. Up to four readers worked on a CT. An ``Outline`` is what one reader marked as one
nodule:

* an outline's points are the first pixels outside the nodule, so only what they enclose counts;
* a ROI with ``inclusion`` FALSE is a hole, and the points around it do not count either;
* nodules under 3 mm (one point, no characteristics) and non-nodules are ignored.

Source: Armato et al., Med Phys 2011;38:915-931, and the annotation format at
doi:10.7937/K9/TCIA.2015.LO9QL9SX.
"""

from __future__ import annotations

import hashlib
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from pydicom import dcmread
from skimage.draw import polygon

from nodulerisk.ct.dicom.files import DicomFile, damage_refused, open_binary, read_header
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.lidc.ratings import ATTRIBUTION, beliefs_from, consensus, labels_from
from nodulerisk.datasets.nodules import (
    CROP_MM,
    Broken,
    LabelledNodule,
    NoduleDataset,
    box_around,
    cropped,
    dice_among,
    equivalent_diameter_mm,
    read_each,
    split_of,
)
from nodulerisk.errors import CTError, NoduleRiskError

NAMESPACE = "{http://www.nih.gov}"
CT_READING, RADIOGRAPH_READING = b"<LidcReadMessage", b"<IdriReadMessage"
RATINGS = {
    "texture": 5,
    "spiculation": 5,
    "lobulation": 5,
    "margin": 5,
    "calcification": 6,
    "malignancy": 5,
}
MAX_XML_BYTES = 64_000_000  # the largest in LIDC-IDRI has 2 MB
MAX_PIXELS = 1024  # rows or columns; LIDC-IDRI has 512
OFF_SLICE = 0.1  # slices; an outline farther from any slice belongs to another series
PUBLIC_PATIENT = re.compile(r"LIDC-IDRI-\d{4}")

Pixel = tuple[int, int]  # row, column
Voxel = tuple[float, int, int]  # z mm, row, column


@dataclass(frozen=True)
class Outline:
    """One nodule as marked by one reader.

    Attributes:
        reader: which of the file's reading sessions.
        ratings: characteristic -> 1 to 5 (calcification to 6).
        voxels: inside the outline.
    """

    reader: int
    ratings: dict[str, int]
    voxels: frozenset[Voxel]

    @property
    def place(self) -> tuple[float, ...]:
        """The outline's mean z (mm), row and column."""
        return tuple(np.mean(list(self.voxels), axis=0).tolist())


@dataclass(frozen=True)
class Reading:
    """One XML file: all outlines of one CT series."""

    series_uid: str
    outlines: tuple[Outline, ...]


def read_lidc_xml(folder: Path, *, min_readers: int = 1) -> NoduleDataset:
    """Reads all nodules that readers outlined on the CTs under the folder, each with 100 mm of its
    CT.

    A voxel's share counts the readers who outlined the nodule; labels come from their consensus
    (``consensus``), beliefs from all their ratings.

    Args:
        folder: holds the XML files and the DICOM series at any depth.
        min_readers: nodules outlined by fewer readers are left out and listed among the broken
            ones.

    Raises:
        NoduleRiskError: there is no readers' XML file.
    """
    files = list(_readers_files(folder))
    if not files:
        raise NoduleRiskError(
            f"{folder} holds no LIDC readers' XML files: download the annotations with the images."
        )
    series = _series_under(folder)
    nodules: list[LabelledNodule] = []
    broken: list[Broken] = []
    seen: set[str] = set()  # a file may be both beside its series and among all XML files
    for file in files:
        try:
            reading = read_reading(file)
            if reading.series_uid in seen:
                continue
            seen.add(reading.series_uid)
            read, failed = _nodules_of(reading, series, min_readers)
            nodules += read
            broken += failed
        except NoduleRiskError as error:
            broken.append(Broken(file.name, str(error)))
    return NoduleDataset("LIDC-IDRI", tuple(nodules), tuple(broken), ATTRIBUTION)


# --- The readers' files


def is_lidc_download(folder: Path) -> bool:
    """Whether there is a reading of a CT anywhere under the folder."""
    return any(CT_READING in _start(file) for file in _readers_files(folder))


def _readers_files(folder: Path) -> Iterator[Path]:
    """Yields the XML files under the folder, except readings of radiographs; unrelated files are
    refused when they are read."""
    for file in sorted(folder.rglob("*.xml")):
        if not file.name.startswith(".") and RADIOGRAPH_READING not in _start(file):
            yield file


def _start(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(4096)


class _NoDoctype(ET.TreeBuilder):
    """Refuses a DOCTYPE, which LIDC files never have: a few lines of entities in it can expand to
    gigabytes."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise NoduleRiskError(
            "the XML declares a DOCTYPE, which no LIDC file does, so it is not read"
        )


def read_reading(file: Path) -> Reading:
    """Reads one XML file of readings.

    Raises:
        NoduleRiskError: damaged, unsafe, or not a reading of a CT.
    """
    if file.stat().st_size > MAX_XML_BYTES:
        raise NoduleRiskError("the XML is far larger than any LIDC file")
    try:
        root = ET.parse(file, ET.XMLParser(target=_NoDoctype())).getroot()
    except (ET.ParseError, OSError, LookupError, ValueError) as error:
        raise NoduleRiskError("the XML is damaged or cut short: download it again") from error
    header = root.find(f"{NAMESPACE}ResponseHeader")
    if root.tag != f"{NAMESPACE}LidcReadMessage" or header is None:
        raise NoduleRiskError("this is not a LIDC reading of a CT")
    sessions = root.findall(f"{NAMESPACE}readingSession")
    outlines = [
        outline for reader, session in enumerate(sessions) for outline in _outlines(session, reader)
    ]
    return Reading(_text(header, "SeriesInstanceUid"), tuple(outlines))


def _outlines(session: ET.Element, reader: int) -> Iterator[Outline]:
    for nodule in session.findall(f"{NAMESPACE}unblindedReadNodule"):
        characteristics = nodule.find(f"{NAMESPACE}characteristics")
        voxels = _voxels(nodule)
        if characteristics is not None and voxels:
            yield Outline(reader, _ratings(characteristics), voxels)


def _ratings(characteristics: ET.Element) -> dict[str, int]:
    """Returns the ratings that our labels need, without those a reader left out."""
    said = {name: int(_number(_text(characteristics, name) or "0")) for name in RATINGS}
    return {name: rating for name, rating in said.items() if 1 <= rating <= RATINGS[name]}


def _voxels(nodule: ET.Element) -> frozenset[Voxel]:
    inside: set[Voxel] = set()
    holes: set[Voxel] = set()
    for roi in nodule.findall(f"{NAMESPACE}roi"):
        z = _number(_text(roi, "imageZposition"))
        points = [_point(edge) for edge in roi.findall(f"{NAMESPACE}edgeMap")]
        if len(points) < 3:
            continue  # encloses nothing, not even a hole
        if _text(roi, "inclusion").upper() == "FALSE":
            holes |= {(z, *pixel) for pixel in _filled(points) | set(points)}
        else:
            inside |= {(z, *pixel) for pixel in _filled(points) - set(points)}
    return frozenset(inside - holes)


def _point(edge: ET.Element) -> Pixel:
    row, column = int(_number(_text(edge, "yCoord"))), int(_number(_text(edge, "xCoord")))
    if not (0 <= row < MAX_PIXELS and 0 <= column < MAX_PIXELS):
        raise NoduleRiskError("an outline leaves the image")
    return row, column


def _filled(points: Sequence[Pixel]) -> set[Pixel]:
    """Returns the pixels within a closed outline, including some of the outline itself."""
    rows, columns = polygon(*np.array(points).T)
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(NAMESPACE + name) or "").strip()


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise NoduleRiskError(f"'{text}' in the XML is not a number: download it again")
    return value


# --- From outlines to nodules


def grouped(outlines: Sequence[Outline]) -> list[tuple[Outline, ...]]:
    """Groups outlines by nodule, at most one per reader, from foot to head.

    Outlines of different readers belong to one nodule if they share voxels. The pairs that agree
    best (by Dice) are joined first, so that a large outline over two neighbours goes with the one
    it fits.
    """
    group_of = {index: [index] for index in range(len(outlines))}
    for a, b in _pairs_by_agreement(outlines):
        both = group_of[a] + group_of[b]
        if len({outlines[index].reader for index in both}) == len(both):
            group_of |= dict.fromkeys(both, both)
    distinct = {tuple(group) for group in group_of.values()}
    groups = [
        tuple(sorted((outlines[i] for i in group), key=lambda outline: outline.reader))
        for group in distinct
    ]
    return sorted(
        groups, key=lambda group: tuple(np.mean([outline.place for outline in group], axis=0))
    )


def _pairs_by_agreement(outlines: Sequence[Outline]) -> list[tuple[int, int]]:
    """Returns the indices of pairs that share voxels, by decreasing Dice."""
    dice = {
        (a, b): 2 * len(first.voxels & second.voxels) / (len(first.voxels) + len(second.voxels))
        for (a, first), (b, second) in combinations(enumerate(outlines), 2)
    }
    return sorted((pair for pair in dice if dice[pair] > 0), key=lambda pair: -dice[pair])


def ratings_of(group: Sequence[Outline]) -> dict[str, list[int]]:
    """Returns all readers' ratings by characteristic.

    Raises:
        NoduleRiskError: no reader rated one of the characteristics.
    """
    ratings = {name: [o.ratings[name] for o in group if name in o.ratings] for name in RATINGS}
    missing = [name for name in RATINGS if not ratings[name]]
    if missing:
        raise NoduleRiskError(f"no reader rated {', '.join(missing)}")
    return ratings


def _nodules_of(
    reading: Reading, series: dict[str, tuple[Path, str]], min_readers: int
) -> tuple[tuple[LabelledNodule, ...], tuple[Broken, ...]]:
    """Returns the nodules of one CT, numbered from foot to head.

    Raises:
        NoduleRiskError: the CT is missing or cannot be read.
    """
    if not reading.outlines:
        return (), ()
    if reading.series_uid not in series:
        raise NoduleRiskError(
            f"there is no DICOM series {reading.series_uid}: download it into a folder of its own"
        )
    folder, patient = series[reading.series_uid]
    ct = read_ct(folder, series_uid=reading.series_uid)
    prefix = f"{patient}_{reading.series_uid[-6:]}"  # some patients have two CTs
    named = {
        f"{prefix}_{number}": group
        for number, group in enumerate(grouped(reading.outlines), start=1)
    }

    def read(name: str) -> LabelledNodule:
        if len(named[name]) < min_readers:
            raise NoduleRiskError(
                f"left out: outlined by {len(named[name])}, fewer than {min_readers} readers"
            )
        return _nodule(name, patient, named[name], ct)

    return read_each(named, str, read)


def _nodule(name: str, patient: str, group: Sequence[Outline], ct: CT) -> LabelledNodule:
    ratings = ratings_of(group)
    voxels, share = _votes(ct, group)
    if not (share >= 0.5).any():
        raise NoduleRiskError("no voxel is marked by half of the readers")
    centre = triple(ct.point_of(voxels[share >= 0.5].mean(axis=0)[::-1]))
    box = box_around(ct, centre, CROP_MM)
    part = cropped(ct, box)
    marked = np.zeros(part.hu.shape, np.float32)
    offset = voxels - [axis.start for axis in box]
    inside = ((offset >= 0) & (offset < marked.shape)).all(axis=1)
    marked[tuple(offset[inside].T)] = share[inside]
    return LabelledNodule(
        name=name,
        patient=patient,
        ct=part,
        centre_lps_mm=centre,
        evidence="reader",
        labels=labels_from({name: consensus(values) for name, values in ratings.items()}),
        beliefs=beliefs_from(ratings),
        ratings=tuple(ratings["malignancy"]),
        marked=marked,
        diameter_mm=equivalent_diameter_mm(marked >= 0.5, ct.spacing_mm),
        split=split_of(patient),
        readers_dice=dice_among([outline.voxels for outline in group]),
    )


def _votes(ct: CT, group: Sequence[Outline]) -> tuple[np.ndarray, np.ndarray]:
    """Returns every voxel (z, y, x) that a reader marked, int (n, 3), and the share of the group's
    readers, (n,).

    Raises:
        NoduleRiskError: the outlines do not lie on the CT's slices.
    """
    places = np.concatenate([list(outline.voxels) for outline in group])
    voxels = np.column_stack([_slices_at(ct, places[:, 0]), places[:, 1:].astype(int)])
    if (voxels[:, 1:] >= ct.hu.shape[1:]).any():
        raise NoduleRiskError("an outline leaves the image")
    voxels, votes = np.unique(voxels, axis=0, return_counts=True)
    return voxels, votes / len(group)


def _slices_at(ct: CT, z_mm: np.ndarray) -> np.ndarray:
    """Returns the array indices of the slices at these heights."""
    if abs(ct.direction[2, 2]) < 0.99:
        raise NoduleRiskError("the slices of the series are not axial")
    k = (z_mm - ct.origin_lps_mm[2]) / (ct.direction[2, 2] * ct.spacing_mm[2])
    index = np.rint(k).astype(int)
    if np.abs(k - index).max() > OFF_SLICE or index.min() < 0 or index.max() >= len(ct.hu):
        raise NoduleRiskError("an outline lies between or beyond the slices of the series")
    return index


# --- The DICOM series


def _series_under(folder: Path) -> dict[str, tuple[Path, str]]:
    """Returns SeriesInstanceUID -> its folder and the patient's pseudonym."""
    folders = [folder, *(path for path in sorted(folder.rglob("*")) if path.is_dir())]
    found = {path: _first_series(path) for path in folders}
    return {series[0]: (path, series[1]) for path, series in found.items() if series}


def _first_series(folder: Path) -> tuple[str, str] | None:
    """Returns UID and patient of the first DICOM file directly in the folder; None: there is
    none."""
    for file in sorted(folder.iterdir()):
        if not file.is_file() or file.suffix.lower() == ".xml":
            continue
        try:
            with damage_refused():
                header = read_header(DicomFile(file.name, partial(open_binary, file)))
                if header is not None:
                    return str(header.SeriesInstanceUID), _pseudonym(file)
        except CTError:
            continue  # the next file may be intact; if not, read_ct refuses the series
    return None


def _pseudonym(file: Path) -> str:
    """Returns LIDC's public patient name, or a hash of any other PatientID."""
    identity = str(
        dcmread(file, stop_before_pixels=True, specific_tags=["PatientID"]).get("PatientID", "")
    )
    if PUBLIC_PATIENT.fullmatch(identity):
        return identity
    return f"patient-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
