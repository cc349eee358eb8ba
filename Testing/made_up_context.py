"""The same nodules with the lung that lies above and below them, and with made-up lung.

LIDC's slices end with the nodule, so that training and evaluation continue them (``with_context``).
Here nodules in whole lung are cut to their own slices, continued likewise and assessed again: six
real ones, and phantoms in the lung of a chest crop that no network learnt from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.progress import track

from needs import SHARED
from no_nodule import PART_SOLID_LPS_MM, marked_crop
from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.ct.points import Position
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, to_lps, triple
from nodulerisk.datasets.context import with_context
from nodulerisk.datasets.nodules import LabelledNodule
from nodulerisk.engine.engine import Engine
from nodulerisk.evaluation.masks import dice
from nodulerisk.weights.card import WeightSet
from phantoms import GRIDS, THIN, Host, Phantom, on_grid, with_phantom

SAMPLES = Path(__file__).parents[1] / "Resources" / "SampleData"
DEMO_LPS_MM = (-81.0, -192.0, -192.0)
PLACES = 4
PHANTOMS = {
    "solid phantoms, 6 to 10 mm": [Phantom(mm) for mm in (6, 8, 10)],
    "solid phantoms, 15 and 20 mm": [Phantom(mm) for mm in (15, 20)],
    "ground-glass phantoms, 8 to 12 mm": [Phantom(mm, "ground glass") for mm in (8, 10, 12)],
    "ground-glass phantoms, 15 and 20 mm": [Phantom(mm, "ground glass") for mm in (15, 20)],
}
Click = tuple[CT, Position]


@dataclass(frozen=True)
class Pair:
    """What is said of a nodule with its own lung, and with made-up lung above and below.

    Attributes:
        real, made_up: the assessments.
        dice: of the two masks.
    """

    real: Assessment
    made_up: Assessment
    dice: float

    @property
    def volumes(self) -> tuple[int, int]:
        """Voxels of the two masks."""
        return int((self.real.mask > 0).sum()), int((self.made_up.mask > 0).sum())

    @property
    def change(self) -> float:
        """Of the probability of malignancy."""
        return malignancy(self.made_up) - malignancy(self.real)


def malignancy(assessment: Assessment) -> float:
    mean = assessment.tasks["malignancy"].mean
    return 0.0 if mean is None else mean[-1]


def print_context(weights: WeightSet, engine: Engine) -> Iterator[str]:
    """Yields the table, a row for each group of nodules; those not found in whole lung are left
    out."""
    titles = "found, too", "Dice", "volume", "malignancy moves by", "decision changes"
    yield "\n| made-up context | n | " + " | ".join(titles) + " |"
    yield "|---" * (2 + len(titles)) + "|"
    chest = to_lps(read_ct(SHARED / "data" / "chest_crop_no_nodule_1p5mm.nii.gz"))
    host = Host(on_grid(chest, GRIDS[THIN]))
    groups = {"real nodules": real_nodules()}
    groups |= {name: in_lung(host, phantoms) for name, phantoms in PHANTOMS.items()}
    for name, clicks in groups.items():
        pairs = [compared(ct, point, weights, engine) for ct, point in track(clicks, name)]
        yield row(name, [pair for pair in pairs if pair is not None])


def row(name: str, pairs: Sequence[Pair]) -> str:
    found = [pair for pair in pairs if pair.volumes[1]]
    ratios = [made_up / real - 1 for real, made_up in (pair.volumes for pair in found)]
    changes = [abs(pair.change) for pair in found]
    decisions = [one.tasks["malignancy"].decision for one in (p.made_up for p in found)]
    flips = sum(
        decision != pair.real.tasks["malignancy"].decision
        for decision, pair in zip(decisions, found, strict=True)
    )
    cells = (
        f"{len(found)}",
        f"{np.median([pair.dice for pair in found]):.2f} (least {min(p.dice for p in found):.2f})",
        f"{np.median(ratios):+.0%} ({min(ratios):+.0%} to {max(ratios):+.0%})",
        f"{np.mean(changes):.2f} (most {max(changes):.2f})",
        f"{flips}",
    )
    return f"| {name} | {len(pairs)} | " + " | ".join(cells) + " |"


def real_nodules() -> list[Click]:
    """Four of C-Lung-RADS, and those of the two bundled samples."""
    clicks = []
    for folder in sorted((SHARED / "data" / "c_lung_rads").glob("*_0*")):
        ct, marked = marked_crop(folder)
        clicks.append((ct, ct.point_of(np.argwhere(marked).mean(axis=0)[::-1])))
    samples = {"demo-thin-ct.mha": PART_SOLID_LPS_MM, "demo-chest-ct.zip": DEMO_LPS_MM}
    return [*clicks, *((read_ct(SAMPLES / name), point) for name, point in samples.items())]


def in_lung(host: Host, phantoms: Sequence[Phantom]) -> list[Click]:
    """Phantoms at the same places as those of ``phantoms.py``."""
    clicks = []
    for phantom in phantoms:
        for place in range(PLACES):
            rng = np.random.default_rng(place)
            centre = host.place_of(phantom, place) + rng.uniform(-0.5, 0.5, 3)
            ct, _ = with_phantom(host, centre, phantom, rng)
            clicks.append((ct, ct.point_of(centre[::-1])))
    return clicks


def compared(ct: CT, point: Position, weights: WeightSet, engine: Engine) -> Pair | None:
    """Assesses the nodule twice; None if it is not found in the CT as it is."""
    ct = to_lps(ct)
    real = assess(ct, point, weights, networks=engine)
    if real.mask is None or not real.mask.any():
        return None
    slices = np.flatnonzero((real.mask > 0).any(axis=(1, 2)))
    own = slice(slices[0], slices[-1] + 1)
    longer = with_context(only_own_slices(ct, real.mask > 0, own), np.random.default_rng(0))[0]
    made_up = assess(longer, point, weights, networks=engine)
    above = (len(longer.hu) - (own.stop - own.start)) // 2
    whole = np.pad(real.mask[own] > 0, ((above, above), (0, 0), (0, 0)))
    return Pair(real, made_up, dice(made_up.mask > 0, whole))


def only_own_slices(ct: CT, mask: np.ndarray, own: slice) -> LabelledNodule:
    """The nodule as LIDC's slices would have it."""
    origin = triple(ct.point_of((0, 0, own.start)))
    cut = replace(ct, hu=ct.hu[own], origin_lps_mm=origin, image_numbers={})
    marked = mask[own].astype(np.float32)
    return LabelledNodule("", "", cut, (0, 0, 0), "none", marked=marked, only_own_slices=True)
