"""Thirty pairs of scans of made nodules in real lung, each followed end to end: ``make
follow-pairs`` writes Docs/followup.md's table, what is true beside what was said.

The nodules are balls, solid or ground glass, some with a solid core, rendered as in ``phantoms``;
so their volumes, and from them changes and doubling times, are known exactly. Every scan has noise
of its own. ``python Testing/follow_pairs.py [--lung CT] [--weights SET] [--write]``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from rich.progress import track
from scipy.ndimage import gaussian_filter, uniform_filter1d

from nodulerisk.assess import assess
from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import FollowUp, followed
from nodulerisk.clinical.repeatability import volume_limits
from nodulerisk.ct.read import read_ct
from nodulerisk.ct.volume import CT, Acquisition, to_lps, triple
from nodulerisk.engine.engine import Engine
from nodulerisk.errors import NoduleRiskError
from nodulerisk.weights.card import WeightSet
from nodulerisk.weights.store import load_weight_set
from phantoms import BUNDLED, DENSITIES_HU, Host, on_grid, with_sphere

PAGE = Path(__file__).parents[1] / "Docs" / "followup.md"
BEGIN, END = "<!-- pairs: make follow-pairs -->", "<!-- end of the pairs -->"
GRID = (0.7, 0.7, 1.0)
CORE_HU = 30.0
SHARP, SHARP_NOISE_HU = 1.5, 25.0
BREATH_MM, BREATH_STRETCH = np.array([6.0, 1.0, 1.0]), 1.05  # z, y, x; and along z
FAST_DAYS, SLOW_DAYS = 400, 600


@dataclass(frozen=True)
class Nodule:
    """A ball with a ball in its middle, mm; of 0 mm: none."""

    mm: float
    density: str = "solid"
    core_mm: float = 0.0

    @property
    def volume_mm3(self) -> float:
        return math.pi / 6 * self.mm**3

    @property
    def words(self) -> str:
        if not self.mm:
            return "nothing"
        core = f", core {self.core_mm:g} mm" if self.core_mm else ""
        return f"{self.mm:g} mm {self.density}{core}"


@dataclass(frozen=True)
class Case:
    """A nodule at two scans.

    Attributes:
        kind: what changed.
        before, after: the nodule.
        days: between the scans.
        scan: how the later scan was made: ``as before``, ``sharp kernel``, ``thick slices``,
            ``coronal``, ``breathing``, ``cropped`` away from the nodule, or ``cut`` through it.
        caveat: what has to stand beside the change.
    """

    kind: str
    before: Nodule
    after: Nodule
    days: float = 180
    scan: str = "as before"
    caveat: str = ""

    @property
    def change(self) -> str:
        """The truth: what became of the volume."""
        if not self.after.mm:
            return "not found"
        limits = volume_limits(
            self.before.mm, self.before.volume_mm3, self.before.density != "solid"
        )
        side = limits.side(self.before.volume_mm3, self.after.volume_mm3)
        return {1: "grown", 0: "within repeatability", -1: "shrunk"}[side]

    @property
    def doubling_days(self) -> float | None:
        """The true doubling time; None where none may be said."""
        if self.change != "grown" or self.scan == "cut":
            return None
        return self.days * math.log(2) / math.log(self.after.volume_mm3 / self.before.volume_mm3)

    @property
    def solid(self) -> tuple[str, ...]:
        """What may be said of the solid part. A core of 2 mm is too small to be seen, and where
        there is none a vessel may be taken for one: either word for growth is right then."""
        before, after = self.before.core_mm, self.after.core_mm
        if not after:
            return ("none",)
        if after - before <= 1.5:
            return ("stable",)
        return ("growing",) if before > 2 else ("new", "growing")


def _glass(mm: float, core_mm: float = 0.0) -> Nodule:
    return Nodule(mm, "ground glass", core_mm)


CASES = (
    Case("grown", Nodule(8), Nodule(10.08)),
    Case("grown", Nodule(10), Nodule(12.6)),
    Case("grown", Nodule(10), Nodule(14.42), 365),
    Case("grown", Nodule(15), Nodule(18.9), 365),
    Case("grown, x 2.0", Nodule(15), Nodule(30)),
    Case("grown slowly", Nodule(20), Nodule(22), 365),
    Case("unchanged", Nodule(6), Nodule(6), 90),
    Case("unchanged", Nodule(10), Nodule(10), 90),
    Case("unchanged", Nodule(20), Nodule(20), 90),
    Case("a little larger", Nodule(8), Nodule(8.2), 30),
    Case("shrunk, x 0.8", Nodule(12.5), Nodule(10)),
    Case("shrunk, x 0.8", Nodule(20), Nodule(16)),
    Case("unchanged", _glass(16), _glass(16)),
    Case("grown", _glass(16), _glass(22), 365),
    Case("shrunk, x 0.8", _glass(25), _glass(20)),
    Case("core grown", _glass(16, 2), _glass(16, 9)),
    Case("core grown", _glass(18, 6), _glass(18, 10)),
    Case("core unchanged", _glass(18, 6), _glass(18, 6)),
    Case("new core", _glass(16), _glass(16, 6)),
    Case("new core", _glass(20), _glass(20, 9)),
    Case("vanished", Nodule(8), Nodule(0)),
    Case("vanished", _glass(14), Nodule(0)),
    Case("cut at the CT's edge", Nodule(15), Nodule(30), 180, "cut", "edge of the CT"),
    Case("cropped", Nodule(15), Nodule(15), 180, "cropped"),
    Case("other kernel", Nodule(12), Nodule(12), 180, "sharp kernel", "other kernel"),
    Case("other thickness", Nodule(12), Nodule(12), 180, "thick slices", "other slice thickness"),
    Case("other thickness", Nodule(12), Nodule(18), 180, "thick slices", "other slice thickness"),
    Case("other plane", Nodule(12), Nodule(12), 180, "coronal", "other plane"),
    Case("breathing", Nodule(12), Nodule(12), 180, "breathing"),
    Case("breathing", Nodule(12), Nodule(15.12), 180, "breathing"),
)


@dataclass(frozen=True)
class Said:
    """What was said of a pair.

    Attributes:
        change: of the volume; ``not found`` where no nodule is at the later scan.
        solid: of the solid part; ``none`` without one.
        follow_up: all of it; None where there is no change.
    """

    change: str
    solid: str = "none"
    follow_up: FollowUp | None = None

    @property
    def doubling_days(self) -> float | None:
        days = None if self.follow_up is None else self.follow_up.volume_doubling_days
        return days if days is None or days > 0 else None

    def faults(self, case: Case) -> Iterator[str]:
        """Yields what is wrong."""
        if self.change != case.change and case.scan != "cut":
            yield "change"
        if self.solid not in case.solid:
            yield "solid part"
        if _class(self.doubling_days) != _class(case.doubling_days):
            yield "doubling time"
        caveats = () if self.follow_up is None else self.follow_up.caveats
        if case.caveat and not any(case.caveat in caveat for caveat in caveats):
            yield "caveat"


def _class(days: float | None) -> int:
    """Returns the doubling time's class by the British Thoracic Society, −1 for none."""
    return -1 if days is None else int(days >= FAST_DAYS) + int(days > SLOW_DAYS)


class Pairs:
    """Makes the scans of cases in one lung, and follows their nodules."""

    def __init__(self, lung: CT, weights: WeightSet):
        self._host = Host(on_grid(lung, GRID))
        self._weights, self._engine = weights, Engine(weights)

    def said(self, case: Case, number: int) -> Said:
        """Returns what the program says of a case."""
        rng = np.random.default_rng(number)
        place = self._host.place(max(case.before.mm, case.after.mm, 12), number)
        where = place + rng.uniform(-0.5, 0.5, 3)
        before = self._assessed(self._plain(), where, case.before, "as before", rng)
        ct = _breathed(self._plain()) if case.scan == "breathing" else self._plain()
        moved = where + BREATH_MM / GRID[::-1] if case.scan == "breathing" else where
        after = self._assessed(ct, moved, case.after, case.scan, rng)
        try:
            change = followed(before, after, case.days)
        except NoduleRiskError as refusal:
            return Said("not found" if "Not found at the later" in str(refusal) else str(refusal))
        return Said(change.change, change.solid_growth or "none", change)

    def _plain(self) -> CT:
        how = Acquisition(kernel="B30f", contrast=False, slice_thickness_mm=GRID[2])
        return replace(self._host.ct, acquisition=how, checks=())

    def _assessed(
        self, ct: CT, where: np.ndarray, nodule: Nodule, scan: str, rng: np.random.Generator
    ) -> Assessment:
        point = ct.point_of(where[::-1]) + rng.uniform(-1, 1, 3)
        made = _with_nodule(ct, where, nodule, rng)
        return assess(_scanned(made, where, scan, rng), point, self._weights, networks=self._engine)


def _with_nodule(ct: CT, where: np.ndarray, nodule: Nodule, rng: np.random.Generator) -> CT:
    if nodule.mm:
        ct = with_sphere(ct, where, nodule.mm, DENSITIES_HU[nodule.density], rng)
    if nodule.core_mm:
        ct = with_sphere(ct, where, nodule.core_mm, CORE_HU, rng)
    return ct


def _breathed(ct: CT) -> CT:
    """The same lung, stretched along the patient: a nodule put into it is not."""
    x, y, z = ct.spacing_mm
    return replace(ct, spacing_mm=(x, y, z * BREATH_STRETCH))


def _scanned(ct: CT, where: np.ndarray, scan: str, rng: np.random.Generator) -> CT:
    """The later scan, made in another way."""
    if scan == "sharp kernel":
        return _sharpened(ct, rng)
    if scan == "thick slices":
        return _averaged(ct, 3)
    if scan == "coronal":
        return _averaged(_coronal(ct), 2)
    if scan == "cropped":
        return _cropped(ct, np.maximum(where.astype(int) - 60, 0), ct.hu.shape)
    if scan == "cut":
        through = where.astype(int) + [2, 0, 0]
        return _cropped(ct, np.zeros(3, int), (through[0], *ct.hu.shape[1:]))
    return ct


def _sharpened(ct: CT, rng: np.random.Generator) -> CT:
    hu = ct.hu.astype(np.float32)
    sharp = hu + SHARP * (hu - gaussian_filter(hu, (0, 0.8, 0.8)))
    sharp += rng.normal(0, SHARP_NOISE_HU, hu.shape)
    return replace(
        ct,
        hu=np.rint(sharp).clip(-1024, 3000).astype(np.int16),
        acquisition=replace(ct.acquisition, kernel="B70f"),
    )


def _averaged(ct: CT, slices: int) -> CT:
    """Slices as thick as several, without overlap."""
    thick = uniform_filter1d(ct.hu.astype(np.float32), slices, axis=0)[slices // 2 :: slices]
    spacing = (*ct.spacing_mm[:2], ct.spacing_mm[2] * slices)
    origin = ct.point_of((0, 0, slices // 2 if slices % 2 else slices // 2 - 0.5))
    how = replace(ct.acquisition, slice_thickness_mm=spacing[2])
    return CT(np.rint(thick).astype(np.int16), spacing, triple(origin), ct.direction, how)


def _coronal(ct: CT) -> CT:
    """The same voxels as coronal slices: x stays, the slices follow one another along y."""
    x, y, z = ct.spacing_mm
    hu = ct.hu.transpose(1, 0, 2)
    return replace(ct, hu=hu, spacing_mm=(x, z, y), direction=ct.direction[:, [0, 2, 1]])


def _cropped(ct: CT, low: np.ndarray, high) -> CT:
    part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return replace(ct, hu=ct.hu[part], origin_lps_mm=triple(ct.point_of(low[::-1])))


@lru_cache(maxsize=1)
def followed_pairs(
    lung: Path = BUNDLED, weights: str = "open", places: int = 0
) -> list[tuple[Case, Said]]:
    """Every case with what was said of it."""
    pairs = Pairs(to_lps(read_ct(lung)), load_weight_set(weights))
    first = places * len(CASES)
    return [
        (case, pairs.said(case, number))
        for number, case in enumerate(track(CASES, "pairs"), start=first)
    ]


def rows(found: list[tuple[Case, Said]]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| | pair | days | true change, solid part, doubling time | said | right |"
    yield "|---|---|---|---|---|---|"
    for number, (case, said) in enumerate(found, start=1):
        faults = ", ".join(said.faults(case))
        truth = f"{case.change}, {' or '.join(case.solid)}, {_days(case.doubling_days)}"
        answer = f"{said.change}, {said.solid}, {_days(said.doubling_days)}"
        pair = f"{case.kind}: {case.before.words} → {case.after.words}"
        verdict = f"no: {faults}" if faults else "yes"
        yield f"| {number} | {pair} | {case.days:g} | {truth} | {answer} | {verdict} |"


def _days(days: float | None) -> str:
    return "–" if days is None else f"{days:.0f} d"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lung", type=Path, default=BUNDLED)
    parser.add_argument("--weights", default="open")
    parser.add_argument("--places", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="into Docs/followup.md, too")
    arguments = parser.parse_args()
    found = followed_pairs(arguments.lung, arguments.weights, arguments.places)
    right = sum(not list(said.faults(case)) for case, said in found)
    text = "\n".join([*rows(found), "", f"{right} of {len(found)} are right."])
    print(text)
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        head, _, rest = page.partition(BEGIN)
        _, _, tail = rest.partition(END)
        PAGE.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
