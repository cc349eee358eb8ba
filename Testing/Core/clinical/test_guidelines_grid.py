"""The guidelines against a second statement of their rules: tables written from the texts of ACR
Lung-RADS v2022, Fleischner 2017 and BTS 2015, one line of the text a row, on a dense grid."""

from __future__ import annotations

from itertools import product
from math import inf, log, pi

import pytest

from nodulerisk.assessment import Measurement
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.guidelines import bts, fleischner, lung_rads
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.scores import SCORES, Input, score_nodule
from nodulerisk.nodule.quantities import QUANTITIES

# --- Lung-RADS: the table of categories

ANY = (0, inf)
FROM_0_TO_4, FROM_0_TO_6, FROM_4, FROM_6, FROM_8, FROM_15 = (
    (0, 4),
    (0, 6),
    (4, inf),
    (6, inf),
    (8, inf),
    (15, inf),
)
# category, density, change of the nodule, total mean diameter, that of the solid component
NODULES = [
    ("2", "solid", "baseline", FROM_0_TO_6, ANY),
    ("2", "solid", "new", FROM_0_TO_4, ANY),
    ("3", "solid", "baseline", (6, 8), ANY),
    ("3", "solid", "new", (4, 6), ANY),
    ("4A", "solid", "baseline", (8, 15), ANY),
    ("4A", "solid", "growing", (0, 8), ANY),
    ("4A", "solid", "new", (6, 8), ANY),
    ("4B", "solid", "baseline", FROM_15, ANY),
    ("4B", "solid", "new", FROM_8, ANY),
    ("4B", "solid", "growing", FROM_8, ANY),
    ("4B", "solid", "slowly growing", ANY, ANY),
    ("2", "part-solid", "baseline", FROM_0_TO_6, ANY),
    ("3", "part-solid", "baseline", FROM_6, FROM_0_TO_6),
    ("3", "part-solid", "new", FROM_0_TO_6, ANY),
    ("4A", "part-solid", "baseline", FROM_6, (6, 8)),
    ("4A", "part-solid", "new", FROM_6, FROM_0_TO_4),
    ("4A", "part-solid", "growing", ANY, FROM_0_TO_4),
    ("4B", "part-solid", "baseline", FROM_6, FROM_8),
    ("4B", "part-solid", "new", ANY, FROM_4),
    ("4B", "part-solid", "growing", ANY, FROM_4),
    ("4B", "part-solid", "slowly growing", ANY, ANY),
    ("2", "ground glass", "baseline", (0, 30), ANY),
    ("2", "ground glass", "new", (0, 30), ANY),
    ("2", "ground glass", "growing", (0, 30), ANY),
    ("2", "ground glass", "stable", ANY, ANY),
    ("2", "ground glass", "slowly growing", ANY, ANY),
    ("3", "ground glass", "baseline", (30, inf), ANY),
    ("3", "ground glass", "new", (30, inf), ANY),
    ("3", "ground glass", "growing", (30, inf), ANY),  # the text has no line for it
]
# A new or growing solid component of ground glass or a part-solid nodule that was there before.
COMPONENTS = [("4A", FROM_0_TO_4), ("4B", FROM_4)]
# previous category of a solid or part-solid nodule that is stable, category by its size now ->
# category: it steps down, unless it is larger than its previous category allows
STABLE = """
      2  3  4A 4B
1     2  3  4A 4B
2     2  3  4A 4B
3     2  2  4A 4B
4A    3  3  3  4B
4B    4B 4B 4B 4B
4X    4X 4X 4X 4X
"""
STABLE_GLASS = {None: "2", "1": "2", "2": "2", "3": "2", "4A": "3", "4B": "4B", "4X": "4X"}
SLOW_GLASS = {None: "2", "1": "2", "2": "2", "3": "2", "4A": "4A", "4B": "4B", "4X": "4X"}
ORDER = ["2", "3", "4A", "4B", "4X"]
MM3 = {0: 0, 4: 34, 6: 113, 8: 268, 15: 1767, 30: 14137, inf: inf}

MM = [1, 3.9, 4, 4.1, 5.9, 6, 6.1, 7.9, 8, 8.1, 9.9, 10, 14.9, 15, 15.1, 29.9, 30, 30.1, 34]
SOLID_MM = [0, 3.9, 4, 4.1, 5.9, 6, 6.1, 7.9, 8, 8.1, 14]
VOLUMES = [33, 34, 112, 113, 267, 268, 1766, 1767, 14136, 14137]
CHANGES = ["baseline", "new", "stable", "slowly growing", "growing"]
PREVIOUS = ["1", "2", "3", "4A", "4B", "4X"]
PARTS = [None, "new", "growing", "slowly growing", "stable"]


def ball(mm: float) -> float:
    return pi / 6 * mm**3


def measured(mm: float, solid_mm: float = 0, mm3: float | None = None):
    values = {
        "long axis": mm,
        "mean diameter": mm,
        "volume": ball(mm) if mm3 is None else mm3,
        "solid mean diameter": solid_mm,
        "solid volume": ball(solid_mm),
    }
    return tuple(Measurement(name, value, *QUANTITIES[name]) for name, value in values.items())


def stable_table() -> dict[tuple[str, str], str]:
    """(previous, by size) -> category."""
    head, *rows = [line.split() for line in STABLE.strip().splitlines()]
    return {
        (row[0], now): result for row in rows for now, result in zip(head, row[1:], strict=True)
    }


def row_of(density: str, change: str, whole: float, solid: float, unit=lambda mm: mm) -> str:
    """The highest category of all rows that apply; ``unit`` turns their limits into mm³."""

    def within(size: float, limits: tuple[float, float]) -> bool:
        return unit(limits[0]) <= size < unit(limits[1])

    found = [
        category
        for category, of, then, total, component in NODULES
        if (of, then) == (density, change) and within(whole, total) and within(solid, component)
    ]
    return max(found, key=ORDER.index)


def expected(density, change, previous, part, mm, solid_mm) -> str:
    new_as_a_whole = density == "part-solid" and change == part == "new"
    if density != "solid" and part in ("new", "growing") and not new_as_a_whole:
        return next(c for c, (low, high) in COMPONENTS if low <= solid_mm < high)
    if density != "solid" and part == "slowly growing":
        return "4B"
    if density == "ground glass" and change in ("stable", "slowly growing"):
        return (STABLE_GLASS if change == "stable" else SLOW_GLASS)[previous]
    if density == "solid" and part in ("new", "growing", "slowly growing") and change == "stable":
        then = "slowly growing" if part == "slowly growing" else "growing"
        return row_of(density, then, mm, solid_mm)
    if change == "stable":
        return stable_table()[previous, row_of(density, "baseline", mm, solid_mm)]
    if (density, change, part) == ("part-solid", "growing", "stable"):
        return max("3", row_of(density, "baseline", mm, solid_mm), key=ORDER.index)
    return row_of(density, change, mm, solid_mm)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("density", ["solid", "part-solid", "ground glass"])
def test_every_category_is_that_of_the_table(density, change):
    sizes = [(mm, s) for mm in MM for s in (SOLID_MM if density != "solid" else [mm]) if s <= mm]
    before = [None, *PREVIOUS] if density == "ground glass" else PREVIOUS
    before = before if change in ("stable", "slowly growing") else [None]
    for (mm, solid_mm), previous, part in product(sizes, before, PARTS):
        patient = Patient(
            density=density, status=change, previous=previous, solid_part=part, spiculation=False
        )
        found = lung_rads(measured(mm, solid_mm), patient).result
        wanted = expected(density, change, previous, part, mm, solid_mm)
        assert found == wanted, (mm, solid_mm, previous, part)


@pytest.mark.parametrize("change", ["baseline", "new", "growing"])
@pytest.mark.parametrize("density", ["solid", "ground glass"])
def test_every_volume_that_disagrees_is_told(density, change):
    patient = Patient(density=density, status=change, spiculation=False)
    for mm, mm3 in product(MM, VOLUMES):
        wanted = row_of(density, change, mm, 0)
        by_volume = row_of(density, change, mm3, 0, MM3.get)
        answer = lung_rads(measured(mm, mm3=mm3), patient)
        assert answer.result == wanted
        told = answer.rule.partition("by volume ")[2]
        assert told == ("" if by_volume == wanted else by_volume), (mm, mm3)


# --- Lung-RADS: what was measured on two scans, juxtapleural nodules, airways, cysts


@pytest.mark.parametrize("mm", [6.0, 6.4, 7.9, 8.0, 12.0, 14.9, 15.0, 34.0])
@pytest.mark.parametrize("before_mm", [5.8, 6.0, 6.4, 7.9, 8.0, 12.0, 14.9, 15.0, 34.0])
@pytest.mark.parametrize("previous", ["2", "3", "4A"])
def test_a_nodule_that_was_as_large_before_keeps_its_step_down(mm, before_mm, previous):
    """3 to 2, and 4A to 3 to 2: unless it has crossed a limit since, or is a 4B by its size."""
    if abs(mm - before_mm) > 1.5:
        return
    by_size, was = (row_of("solid", "baseline", size, size) for size in (mm, before_mm))
    steps = {"3": ["2"], "4A": ["3", "2"]}.get(by_size, [])
    down = {"2": "2", "3": "2", "4A": "3"}[previous]
    crossed = ORDER.index(by_size) > ORDER.index(was)
    fits = ORDER.index(by_size) <= ORDER.index(previous)
    wanted = down if fits or (previous in steps and not crossed) else by_size
    change = FollowUp(200, (before_mm, mm), (ball(before_mm), ball(mm)), (1, 1), False)
    patient = Patient(density="solid", previous=previous, spiculation=False)
    assert lung_rads(measured(mm, mm), patient, follow_up=change).result == wanted
    entered = Patient(**vars(patient) | {"status": "stable", "previous_diameter": before_mm})
    assert lung_rads(measured(mm, mm), entered).result == wanted


SPECIAL = """
juxtapleural, smooth oval       baseline  9.9   2
juxtapleural, smooth lentiform  new       9.9   2
perifissural, smooth triangular baseline  9.9   2
perifissural, smooth triangular stable    9.9   2
juxtapleural, smooth oval       baseline 10.0  4A
juxtapleural, other             baseline  9.9  4A
juxtapleural, smooth oval       growing   9.9  4B
juxtapleural, smooth oval       growing   7.9  4A
subsegmental airway,            baseline 20     2
subsegmental airway,            new      20     2
subsegmental airway,            stable   20     2
segmental airway,               baseline  3    4A
segmental airway,               new       3    4A
segmental airway,               stable    3    4B
segmental airway,               growing   3    4B
thick-walled cyst,              baseline  3    4A
thick-walled cyst,              new       3    4A
multilocular cyst,              baseline  3    4A
multilocular cyst,              new       3    4A
multilocular cyst,              growing   3    4B
"""


@pytest.mark.parametrize("row", SPECIAL.strip().splitlines())
def test_kinds_with_rules_of_their_own(row):
    kind, rest = row.split(",")
    *shape, change, mm, wanted = rest.split()
    patient = Patient(
        density="solid",
        status=change,
        kind=kind,
        shape=" ".join(shape) or None,
        spiculation=False,
    )
    assert lung_rads(measured(float(mm), float(mm)), patient).result == wanted


@pytest.mark.parametrize(
    ("kind", "change", "wanted"),
    [
        ("thick-walled cyst", "cavity grew", "3"),
        ("thick-walled cyst", "wall grew", "4B"),
        ("thick-walled cyst", "became multilocular", "4A"),
        ("thin-walled cyst", "became multilocular", "4A"),
        ("multilocular cyst", "became multilocular", "4A"),
        ("multilocular cyst", "cavity grew", "4B"),
        ("multilocular cyst", "wall grew", "4B"),
        ("multilocular cyst", "more loculated or opaque", "4B"),
    ],
)
def test_a_cyst_that_changed(kind, change, wanted):
    patient = Patient(kind=kind, cyst_change=change, status="growing", spiculation=False)
    assert lung_rads((), patient).result == wanted


@pytest.mark.parametrize(("previous", "wanted"), [("4A", "3"), ("3", "2"), ("4B", "4B")])
def test_a_stable_cyst_steps_down_but_an_airway_nodule_does_not(previous, wanted):
    known = {"status": "stable", "previous": previous, "spiculation": False}
    for kind in ("thick-walled cyst", "multilocular cyst"):
        assert lung_rads((), Patient(kind=kind, **known)).result == wanted
    assert lung_rads((), Patient(kind="segmental airway", **known)).result == "4B"


# --- Fleischner: the table, in whole mm

FLEISCHNER_ROWS = [  # density, nodules, low and high risk, mm from, to; begins with
    ("solid", 1, "low", 0, 5, "no routine"),
    ("solid", 1, "high", 0, 5, "optional CT at 12 months"),
    ("solid", 1, "low", 6, 8, "CT at 6–12 months, then consider CT at 18–24"),
    ("solid", 1, "high", 6, 8, "CT at 6–12 months, then CT at 18–24"),
    ("solid", 1, "both", 9, 99, "consider CT at 3 months, PET/CT or tissue"),
    ("solid", 2, "low", 0, 5, "no routine"),
    ("solid", 2, "high", 0, 5, "optional CT at 12 months"),
    ("solid", 2, "low", 6, 99, "CT at 3–6 months, then consider CT at 18–24"),
    ("solid", 2, "high", 6, 99, "CT at 3–6 months, then CT at 18–24"),
    ("ground glass", 1, "both", 0, 5, "no routine"),
    ("ground glass", 1, "both", 6, 99, "CT at 6–12 months, if it persists every 2 years"),
    ("ground glass", 2, "both", 0, 5, "CT at 3–6 months, if stable consider CT at 2 and 4"),
    ("ground glass", 2, "both", 6, 99, "CT at 3–6 months, then by the most suspicious"),
    ("part-solid", 1, "both", 0, 5, "no routine"),
    ("part-solid", 2, "both", 0, 5, "CT at 3–6 months, if stable consider CT at 2 and 4"),
]
PART_SOLID_FROM_6_MM = [  # solid component, mm from, to; single, several
    (0, 5, "CT at 3–6 months, if unchanged", "CT at 3–6 months, then by the most suspicious"),
    (6, 8, "CT at 3–6 months, highly suspicious if", "CT at 3–6 months, highly suspicious if"),
    (9, 99, "highly suspicious", "highly suspicious"),
]


def test_every_follow_up_is_that_of_fleischners_table():
    for density, nodules, risk, low, high, words in FLEISCHNER_ROWS:
        for mm, asked in product(range(max(low, 1), high + 1), ["low", "high"]):
            if risk in ("both", asked):
                patient = Patient(age=60, density=density, nodules=nodules, risk=asked)
                found = [fleischner(measured(mm + d), patient).result for d in (-0.5, 0.49)]
                assert all(one.startswith(words) for one in found), (density, nodules, mm, found)


def test_a_part_solid_nodule_is_judged_by_its_solid_component_from_6_mm_on():
    for low, high, single, several in PART_SOLID_FROM_6_MM:
        for mm, nodules in product(range(low, high + 1), [1, 2]):
            patient = Patient(age=60, density="part-solid", nodules=nodules)
            result = fleischner(measured(max(mm, 6), mm), patient).result
            assert result.startswith(single if nodules == 1 else several), (mm, nodules)


# --- BTS: the two algorithms

EVERYTHING = {
    "sex": "female",
    "family_history": True,
    "emphysema": True,
    "nodules": 1,
    "upper_lobe": True,
    "spiculation": False,
    "smoking": "former",
    "cancer": "none",
}
SOLID_ROWS = [  # mm³ from, below; the step
    (1, 80, "discharge"),
    (80, 300, "CT surveillance"),
]
FOLLOWED_ROWS = [  # days between the scans, ratio of the volumes, the step; 250 to 300 mm³ now
    (90, 1.0, "CT at 1 year"),
    (90, 1.24, "CT at 1 year"),
    (90, 1.26, "further work-up"),  # 270 days
    (90, 0.5, "CT at 1 year"),
    (150, 1.27, "CT at 1 year"),  # 435 days
    (365, 1.0, "discharge"),
    (365, 1.24, "discharge"),
    (365, 0.5, "discharge"),
    (365, 2.0, "further work-up"),  # 365 days
    (365, 1.8, "consider a biopsy or further"),  # 430 days
    (365, 1.55, "consider a biopsy or further"),  # 577 days
    (365, 1.50, "consider discharge"),  # 624 days
]


def pathway(patient: Patient, mm: float = 10, mm3: float | None = None, **more):
    """BTS with every score that can be computed."""
    inputs = {name: made for name, made in vars(patient).items() if made is not None}
    told = {name: _input(name, value) for name, value in (inputs | more).items()}
    told |= {name: _input(name, mm) for name in ("long axis", "mean diameter")}
    found = {score.name: score_nodule(score, told) for score in SCORES}
    return bts(measured(mm, mm3=mm3), patient, scores=found)


def _input(name, value):
    return Input(name, value, "given")


def test_solid_nodules_below_300_mm3_are_decided_by_their_volume():
    for low, high, words in SOLID_ROWS:
        for mm3 in {low, low + 1, (low + high) // 2, high - 1}:
            answer = pathway(Patient(density="solid"), (6 * mm3 / pi) ** (1 / 3), mm3)
            assert answer.result.startswith(words), mm3


def test_from_300_mm3_on_brock_decides_and_after_pet_herder():
    for age, uptake, mm in product(
        range(40, 91, 10), [None, "none", "faint", "moderate", "intense"], [8.4, 10, 14, 20, 30]
    ):
        patient = Patient(age=age, density="solid", pet_uptake=uptake, **EVERYTHING)
        answer = pathway(patient, mm)
        told = {k: _input(k, v) for k, v in vars(patient).items() if v is not None}
        told |= {name: _input(name, mm) for name in ("long axis", "mean diameter")}
        risk = {s.name: score_nodule(s, told).probability for s in SCORES}
        if risk["Brock 2b"] < 0.10:
            wanted = "CT surveillance"
        elif uptake is None:
            wanted = "PET-CT"
        elif risk["Herder"] < 0.10:
            wanted = "CT surveillance"
        else:
            wanted = "consider excision" if risk["Herder"] > 0.70 else "consider an image-guided"
        assert answer.result.startswith(wanted), (age, uptake, mm, risk["Brock 2b"])


@pytest.mark.parametrize(("days", "ratio", "words"), FOLLOWED_ROWS)
def test_a_solid_nodule_that_was_followed_is_decided_by_its_doubling_time(days, ratio, words):
    class Change(FollowUp):
        """Without limits of repeatability, which are not the guideline's."""

        @property
        def volume_doubling_days(self):
            return days * log(2) / log(ratio) if ratio != 1 else None

    change = Change(days, (8, 8), (280 / ratio, 280), (1, 1), False)
    answer = bts(measured(8.1, mm3=280), Patient(density="solid"), follow_up=change)
    assert answer.result.startswith(words), answer.words


@pytest.mark.parametrize("density", ["part-solid", "ground glass"])
@pytest.mark.parametrize(
    ("mm", "known", "words"),
    [
        (4.9, {}, "discharge"),
        (4.9, {"status": "new"}, "CT at 3 months"),
        (5.0, {}, "CT at 3 months"),
        (5.0, {"status": "baseline"}, "CT at 3 months"),
        (20, {"status": "new"}, "CT at 3 months"),
        (12, {"status": "growing"}, "consider excision"),
        (12, {"status": "slowly growing"}, "consider excision"),
        (12, {"status": "stable", "solid_part": "new"}, "consider excision"),
        (5, {"status": "stable", "age": 40, "emphysema": False}, "CT at 1, 2 and 4 years"),
        (25, {"status": "stable", "age": 75}, "discuss a biopsy"),
        (5, {"status": "stable", "age": 40, "suspicious_features": True}, "discuss a biopsy"),
    ],
)
def test_subsolid_nodules(density, mm, known, words):
    everything = EVERYTHING | {"density": density, "family_history": False}
    assert pathway(Patient(**everything | known), mm).result.startswith(words)
