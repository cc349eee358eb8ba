"""Labelled nodules, as training and evaluation use them, whatever their original format.

Every format has a module of its own beside this one that reads into a ``NoduleDataset``. Nothing
here needs torch.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TypeVar

import numpy as np

from nodulerisk.ct.volume import CT, triple
from nodulerisk.datasets.crops import kept
from nodulerisk.datasets.spelling import first_spellings, patient_key
from nodulerisk.errors import NoduleRiskError
from nodulerisk.tasks import EvidenceLevel

SPLITS = ("train", "validation", "test")
# around the centre: the widest published view (62.5 mm) at any rotation about z, and its shifts
CROP_MM = 100.0

# What numpy, zip files and conversions raise for values that nobody foresaw.
DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)

Row = TypeVar("Row")


@dataclass(frozen=True, eq=False)
class LabelledNodule:
    """One nodule with everything known about it.

    Attributes:
        name: unique in its dataset; no patient identity.
        patient: pseudonym; splits are by patient.
        ct: HU around the nodule.
        centre_lps_mm: the nodule's centre (x, y, z), LPS mm.
        evidence: what its labels rest on: ``pathology``, ``reader`` or ``simulated``.
        labels: task -> index of its class in ``TASKS``, or of its own; tasks without a decided
            label are absent.
        beliefs: task -> class probabilities to train towards, if they say more than the label (when
            readers disagree); see ``target``.
        marked: float32 (z, y, x) on the CT's grid, the share (0..1) of readers who marked a voxel
            as nodule; None: no mask.
        diameter_mm: longest in-plane diameter, or the size given by the source; None: not known.
        split: ``train``, ``validation`` or ``test``.
        only_own_slices: the CT ends with the nodule along z: what lies above and below has to be
            synthesised.
        pathology: in the source's words, such as ``AAH``; empty: not known.
        readers_dice: mean Dice of the readers' outlines with each other; None with fewer than two.
        ratings: every reader's rating of malignancy, 1 to 5; empty: not known.
        fold: of the source's own cross-validation; None: it has none.
        cells: its row of the source's table by column, for own tasks; written nowhere.
    """

    name: str
    patient: str
    ct: CT
    centre_lps_mm: tuple[float, float, float]
    evidence: EvidenceLevel
    labels: dict[str, int] = field(default_factory=dict)
    beliefs: dict[str, tuple[float, ...]] = field(default_factory=dict)
    marked: np.ndarray | None = None
    diameter_mm: float | None = None
    split: str = "train"
    only_own_slices: bool = False
    pathology: str = ""
    readers_dice: float | None = None
    ratings: tuple[float, ...] = ()
    fold: int | None = None
    cells: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def mask(self) -> np.ndarray | None:
        """bool (z, y, x): marked by at least half of the readers."""
        return None if self.marked is None else self.marked >= 0.5

    def target(self, task: str, n_classes: int) -> np.ndarray | None:
        """Returns the class probabilities to train towards: the belief, else the label; None if
        neither is known."""
        if task in self.beliefs:
            return np.array(self.beliefs[task], np.float32)
        return (
            np.eye(n_classes, dtype=np.float32)[self.labels[task]] if task in self.labels else None
        )


def dice_among(readers: Sequence[Set]) -> float | None:
    """Returns the mean Dice of the readers' voxels with each other; None with fewer than two
    readers."""
    pairs = [
        2 * len(one & other) / (len(one) + len(other)) for one, other in combinations(readers, 2)
    ]
    return float(np.mean(pairs)) if pairs else None


@dataclass(frozen=True)
class Broken:
    """A case that could not be read, and the reason."""

    name: str
    reason: str


@dataclass(frozen=True)
class NoduleDataset:
    """The nodules of a folder or table; its reader must report the ``broken`` cases, never leave
    them out silently.

    Attributes:
        name: the name of the data on a card.
        nodules: in the order of the source.
        broken: cases that could not be read.
        unused: columns of its table, as written, that were not used.
        remarks: what else the user must know about how it was read, in sentences.
        attribution: the text that the data's licence requires; empty: none known.
    """

    name: str
    nodules: tuple[LabelledNodule, ...]
    broken: tuple[Broken, ...] = ()
    attribution: str = ""
    unused: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def of_split(self, split: str) -> tuple[LabelledNodule, ...]:
        return tuple(nodule for nodule in self.nodules if nodule.split == split)

    def counted(self, split: str) -> NoduleDataset:
        """Returns only the nodules of this split, or those of all for ``all``, as test nodules: of
        a dataset that was not trained on."""
        chosen = self.nodules if split == "all" else self.of_split(split)
        return replace(self, nodules=tuple(replace(nodule, split="test") for nodule in chosen))


def split_of(patient: str) -> str:
    """Assigns a patient to train (65 %), validation (15 %) or test (20 %) by a hash: the same on
    every machine."""
    share = int(patient_hash(patient)[:8], 16) / (0xFFFFFFFF + 1)
    return "train" if share < 0.65 else "validation" if share < 0.80 else "test"


def patient_hash(patient: str) -> str:
    """Returns a pseudonym's SHA-256 in hexadecimal: an order by chance, the same on every
    machine."""
    return hashlib.sha256(patient.encode()).hexdigest()


def joined(datasets: Sequence[NoduleDataset]) -> NoduleDataset:
    """Joins several datasets into one; a patient whom they spell differently is one.

    Raises:
        NoduleRiskError: a patient is in two splits.
    """
    nodules = tuple(nodule for dataset in datasets for nodule in dataset.nodules)
    refuse_leak(nodules)
    spelled = first_spellings(nodule.patient for nodule in nodules)
    nodules = tuple(replace(nodule, patient=spelled[nodule.patient]) for nodule in nodules)
    return NoduleDataset(
        name=" and ".join(dataset.name for dataset in datasets),
        nodules=nodules,
        broken=tuple(case for dataset in datasets for case in dataset.broken),
        attribution=" ".join(
            dict.fromkeys(filter(None, (dataset.attribution for dataset in datasets)))
        ),
        unused=tuple(name for dataset in datasets for name in dataset.unused),
        remarks=tuple(remark for dataset in datasets for remark in dataset.remarks),
    )


def refuse_leak(nodules: Iterable[LabelledNodule]) -> None:
    """Raises NoduleRiskError if a patient or a CT has nodules in two splits: testing would use a
    patient seen in training."""
    nodules = list(nodules)
    refuse_two_splits((nodule.patient, nodule.split) for nodule in nodules)
    series = [(nodule.ct.acquisition.series_uid, nodule.split) for nodule in nodules]
    _refuse_two_splits("CT series", ((uid, uid, split) for uid, split in series if uid))


def refuse_two_splits(patients: Iterable[tuple[str, str]]) -> None:
    """Like ``refuse_leak``, but for patients, however spelled, and their splits, without
    nodules."""
    keyed = ((patient_key(patient), patient, split) for patient, split in patients)
    _refuse_two_splits("Patient", keyed)


def _refuse_two_splits(what: str, keyed: Iterable[tuple[Hashable, str, str]]) -> None:
    splits: dict[Hashable, str] = {}
    for key, name, split in keyed:
        if splits.setdefault(key, split) != split:
            raise NoduleRiskError(
                f"{what} {name} is in both {splits[key]} and {split}: "
                "give all nodules of a patient the same split."
            )


def box_around(ct: CT, centre_lps_mm, side_mm: float) -> tuple[slice, slice, slice]:
    """Returns where (z, y, x) the CT holds the LPS-aligned cube of ``side_mm`` around the centre,
    whatever its direction.

    Raises:
        NoduleRiskError: the centre lies outside the CT.
    """
    if not ct.contains(centre_lps_mm):
        x, y, z = centre_lps_mm
        raise NoduleRiskError(f"the centre ({x:.1f}, {y:.1f}, {z:.1f}) mm LPS lies outside the CT")
    half = np.abs(ct.direction.T).sum(axis=1) * side_mm / 2 / ct.spacing_mm
    centre = ct.voxel_of(centre_lps_mm)
    low = np.maximum(np.floor(centre - half), 0).astype(int)
    high = np.minimum(np.ceil(centre + half) + 1, ct.hu.shape[::-1]).astype(int)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    return z, y, x


def cropped(ct: CT, box: tuple[slice, slice, slice]) -> CT:
    """Returns the box (z, y, x) of the CT as a CT of its own, with its voxels copied and in the
    same place.

    ``filled_slices`` and ``image_numbers`` refer to the whole array, and are dropped here.
    """
    first = [part.start for part in reversed(box)]
    return replace(
        ct,
        hu=ct.hu[box].copy(),
        origin_lps_mm=triple(ct.point_of(first)),
        filled_slices=(),
        image_numbers={},
    )


def equivalent_diameter_mm(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """Returns the diameter in mm of a ball with the mask's volume; mask is bool (z, y, x)."""
    return float(np.cbrt(6 / np.pi * mask.sum() * np.prod(spacing_mm)))


def _kept(nodule: LabelledNodule) -> LabelledNodule:
    """Returns the nodule with its arrays where ``crops`` keeps them."""
    ct = replace(nodule.ct, hu=kept(nodule.ct.hu))
    return replace(nodule, ct=ct, marked=None if nodule.marked is None else kept(nodule.marked))


def read_each(
    rows: Iterable[Row],
    name_of: Callable[[Row], str],
    read: Callable[[Row], LabelledNodule],
    twice: Set[str] = frozenset(),
) -> tuple[tuple[LabelledNodule, ...], tuple[Broken, ...]]:
    """Reads every row; one that cannot be read, whatever is wrong with its values, or whose name is
    in ``twice``, becomes a broken case, and the rest are still read."""
    nodules, broken = [], []
    for row in rows:
        try:
            if name_of(row) in twice:
                raise NoduleRiskError("the table has several rows with this name")
            nodules.append(_kept(read(row)))
        except NoduleRiskError as error:
            broken.append(Broken(name_of(row), str(error)))
        except DAMAGE as error:
            reason = f"its values cannot be used ({type(error).__name__}: {error})"
            broken.append(Broken(name_of(row), reason))
    return tuple(nodules), tuple(broken)
