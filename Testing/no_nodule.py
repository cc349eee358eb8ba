"""Clicks where there is no nodule, by kind, in thin and in thick slices.

The CTs took no part in training: a chest crop of 1.5 mm with contrast, and the lung around five
nodules in slices of 1 and 1.25 mm. Thick slices are the means of thin ones, 3 mm or more. Vessels,
pleura, airways, lung, hilum, soft tissue and bone are found by rule; the fissures and scars are
made-up plates in that lung, since nobody has marked any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from rich.progress import track
from scipy.ndimage import binary_opening, distance_transform_edt
from scipy.stats import binomtest

from needs import SHARED
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Position
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, to_lps
from nodulerisk.engine.engine import Engine
from nodulerisk.train.unet.places import lungs_of, places_without_nodule
from nodulerisk.trust.withhold import withheld
from nodulerisk.weights.card import Evidence, WeightSet
from phantoms import Host, with_body

SAID = ("no nodule", "withheld", "malignant", "benign")
CLICKS = 40  # of each kind
THICK_MM = 3.0
AWAY_MM, EDGE_MM = 8.0, 12.0  # from what is avoided, and from the CT's edge
HILUM_MM, HILUM_CALIBRE_MM = 12.0, 9.0  # from a bronchus that is no lung; how wide vessels are
BRONCHUS_HU, DENSE_HU, BONE_HU, BONE_MM = -900, -100, 250, 8.0
KINDS = {
    "vessel": "vessels",
    "pleura": "pleura",
    "airway": "airways",
    "lung": "aerated lung",
    "hilum": "the hilum",
    "tissue": "soft tissue",
    "bone": "bone",
    "fissure": "made-up fissures",
    "scar": "made-up scars",
}
PLATES = {  # half axes in mm, in an order drawn by lot, and HU
    "fissure": ((0.5, 25.0, 25.0), 0.0),
    "scar": ((1.5, 8.0, 12.0), 30.0),
}
PLATE_DEPTH_MM = 8.0  # a plate's middle lies half as deep in the lung
WALL_HU, SKIN_HU, STOMACH_SLICES = 0, -500, 20  # of the CT with contrast, whose stomach holds air
PART_SOLID_LPS_MM, PART_SOLID_MM = (187, 179, -258), 28.0  # by eye
Click = tuple[CT, Position]
Said = Mapping[tuple[str, str], Counter[str]]  # by kind and slices


@dataclass(frozen=True, eq=False)
class Lung:
    """A CT without contrast (or with), and where not to click: its nodule, bool (z, y, x)."""

    ct: CT
    avoid: np.ndarray
    contrast: bool = False

    @property
    def free(self) -> np.ndarray:
        """bool (z, y, x): far enough from what is avoided and from the CT's edge."""
        steps = np.array(self.ct.spacing_mm[::-1])
        far = (
            distance_transform_edt(~self.avoid, sampling=steps) > AWAY_MM
            if self.avoid.any()
            else ~self.avoid
        )
        inner = np.zeros_like(self.avoid)
        inner[tuple(slice(n, -n) for n in np.ceil(EDGE_MM / steps).astype(int))] = True
        return far & inner

    @property
    def thick(self) -> Lung:
        """The same in slices of at least ``THICK_MM``, as long as whole ones can be made."""
        step = int(np.ceil(THICK_MM / self.ct.spacing_mm[2]))
        count = len(self.ct.hu) // step

        def means(values: np.ndarray) -> np.ndarray:
            return values[: count * step].reshape(count, step, *values.shape[1:]).mean(axis=1)

        x, y, z = self.ct.spacing_mm
        origin = self.ct.point_of((0, 0, (step - 1) / 2))
        ct = CT.from_array(means(self.ct.hu), (x, y, step * z), origin, self.ct.direction)
        return Lung(ct, means(self.avoid) > 0, self.contrast)


def said_where_no_nodule_is(weights: WeightSet, engine: Engine) -> Said:
    """Returns how often each of ``SAID`` is said, by kind and slice thickness."""
    said = {}
    for slices, found in clicks_by_slices().items():
        for kind, clicks in found.items():
            answers = (assess(ct, p, weights, networks=engine) for ct, p in track(clicks, kind))
            said[kind, slices] = Counter(map(what_is_said, answers))
    return said


def clicks_table(said: Said) -> Iterator[str]:
    yield "\n| clicks on | slices | n | " + " | ".join(SAID) + " |"
    yield "|---" * (3 + len(SAID)) + "|"
    for (kind, slices), counts in said.items():
        cells = " | ".join(str(counts[word]) for word in SAID)
        yield f"| {kind} | {slices} | {counts.total()} | {cells} |"


def clicks_evidence(said: Said) -> Evidence:
    """What the card says of the same: the shares taken for a nodule, and of made-up scars those
    called malignant."""
    figures = {}
    for (kind, slices), counts in said.items():
        taken = counts.total() - counts["no nodule"]
        figures[f"{kind} taken for a nodule, {slices} slices"] = share(taken, counts.total())
    for slices in ("thin", "thick"):
        scars = said["made-up scars", slices]
        name = f"made-up scars called malignant, {slices} slices"
        figures[name] = share(scars["malignant"], scars.total())
    data = f"{CLICKS} clicks of each kind in six chest CTs that no network learnt from"
    return Evidence("reader", data, "places without a nodule", figures=figures)


def share(count: int, of: int) -> list[float]:
    """The share, with Wilson's 95 % interval."""
    interval = binomtest(count, of).proportion_ci(method="wilson")
    return [round(float(number), 3) for number in (count / of, interval.low, interval.high)]


def what_is_said(assessment: Assessment) -> str:
    """``no nodule``, ``withheld``, or the class decided on."""
    decision = assessment.tasks["malignancy"].decision
    if decision is None:
        return "no nodule"
    return "withheld" if withheld(assessment) else decision


def clicks_by_slices() -> dict[str, dict[str, list[Click]]]:
    """Returns the clicks of each kind in thin and in thick slices, the same on every run."""
    lungs = unseen_lungs()
    return {
        "thin": clicks_in(lungs, np.random.default_rng(0)),
        "thick": clicks_in([lung.thick for lung in lungs], np.random.default_rng(0)),
    }


def unseen_lungs() -> list[Lung]:
    """Returns the CTs that no network learnt from."""
    folder = SHARED / "data"
    chest = to_lps(read_ct(folder / "chest_crop_no_nodule_1p5mm.nii.gz"))
    outside = np.cumsum(chest.hu > SKIN_HU, axis=1) == 0
    outside[:STOMACH_SLICES] = True
    lungs = [Lung(chest, outside, contrast=True)]
    for one in sorted((folder / "c_lung_rads").glob("*_0*")):
        ct, marked = marked_crop(one)
        lungs.append(Lung(to_lps(ct), to_lps(replace(ct, hu=marked.astype(np.int16))).hu > 0))
    part_solid = to_lps(read_ct(folder / "lesion_sizing_toolkit" / "PartSolidLesionCropped.mha"))
    return [*lungs, Lung(part_solid, ball(part_solid, PART_SOLID_LPS_MM, PART_SOLID_MM / 2))]


def marked_crop(folder: Path) -> tuple[CT, np.ndarray]:
    """Returns a crop of C-Lung-RADS and its nodule, bool (z, y, x)."""
    marked = sitk.GetArrayFromImage(sitk.ReadImage(folder / "mask.nii.gz")) > 0
    return read_ct(folder / "crop.nii.gz"), marked


def ball(ct: CT, point_lps_mm: Position, radius_mm: float) -> np.ndarray:
    """bool (z, y, x): within so far of a point."""
    z, y, x = np.ogrid[tuple(slice(n) for n in ct.hu.shape)]
    i, j, k = ct.voxel_of(point_lps_mm)
    sx, sy, sz = ct.spacing_mm
    return ((x - i) * sx) ** 2 + ((y - j) * sy) ** 2 + ((z - k) * sz) ** 2 <= radius_mm**2


def clicks_in(lungs: Sequence[Lung], rng: np.random.Generator) -> dict[str, list[Click]]:
    """Returns up to ``CLICKS`` of each kind, from the CTs in turn."""
    found = [{**by_rule(lung, rng), **plates(lung, rng)} for lung in lungs]
    return {
        words: list(islice(in_turn([one.get(kind, []) for one in found]), CLICKS))
        for kind, words in KINDS.items()
    }


def in_turn(lists: Sequence[list[Click]]) -> Iterator[Click]:
    for number in range(max(map(len, lists))):
        yield from (one[number] for one in lists if number < len(one))


def by_rule(lung: Lung, rng: np.random.Generator) -> dict[str, list[Click]]:
    """Returns places in the CT as it is."""
    ct, spacing = lung.ct, np.array(lung.ct.spacing_mm[::-1])
    places = places_without_nodule(ct.hu, spacing, ~lung.free, CLICKS, rng)
    for kind, where in further_kinds(lung, spacing).items():
        places[kind] = rng.permutation(np.argwhere(where & lung.free))[:CLICKS]
    return {kind: [(ct, ct.point_of(v[::-1])) for v in found] for kind, found in places.items()}


def further_kinds(lung: Lung, spacing_mm: np.ndarray) -> dict[str, np.ndarray]:
    """bool (z, y, x): with contrast wide vessels beside the large bronchi; without it bone, as
    which heart and vessels would count otherwise."""
    hu = lung.ct.hu
    lungs = lungs_of(hu.astype(np.float32), spacing_mm)
    if not lung.contrast:
        return {"bone": (hu > BONE_HU) & ~lungs & within(lungs, BONE_MM, spacing_mm)}
    bronchi = binary_opening((hu < BRONCHUS_HU) & ~lungs & ~lung.avoid)
    wide = np.ones(np.rint(HILUM_CALIBRE_MM / spacing_mm).astype(int))
    hilum = binary_opening(hu > DENSE_HU, wide) & within(bronchi, HILUM_MM, spacing_mm)
    return {"hilum": hilum & within(lungs, HILUM_MM, spacing_mm)}


def within(where: np.ndarray, mm: float, spacing_mm: np.ndarray) -> np.ndarray:
    if not where.any():
        return where
    return distance_transform_edt(~where, sampling=spacing_mm) <= mm


def plates(lung: Lung, rng: np.random.Generator) -> dict[str, list[Click]]:
    """Returns made-up fissures and scars in the CT's lung, away from its nodule and its walls."""
    host = Host(replace(lung.ct, hu=np.where(lung.free, lung.ct.hu, WALL_HU)))
    found = {}
    for kind, (half_axes, hu) in PLATES.items():
        found[kind] = []
        for number in range(CLICKS // 4):
            centre = host.place(PLATE_DEPTH_MM, number) + rng.uniform(-0.5, 0.5, 3)
            axes = rng.permutation(half_axes)
            ct = with_body(lung.ct, centre, axes, hu, rng)
            found[kind].append((ct, ct.point_of(centre[::-1])))
    return found
