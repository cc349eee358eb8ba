"""Lung-RADS v2022: the category of a nodule at a screening for lung cancer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.reported import SUBSOLID
from nodulerisk.clinical.rules.doubts import NO_DOUBTS, Doubts
from nodulerisk.clinical.rules.guideline import (
    AIRWAYS,
    CYSTS,
    DIAMETER,
    UNITS,
    VOLUME,
    Decision,
    Guideline,
    Known,
    Measurements,
    Size,
    range_words,
)
from nodulerisk.language.texts import Text, _, joined

Limits = tuple[tuple[Size, str], ...]  # the first size that the nodule is below decides
Ruling = tuple[str, str]  # the category, and the rule that gave it

NAME = "Lung-RADS v2022"
SOURCE = "American College of Radiology, Lung-RADS v2022 (November 2022)"
MM_4, MM_6, MM_8, MM_10, MM_15, MM_30, ANY = (
    (4, 34),
    (6, 113),
    (8, 268),
    (10, 524),
    (15, 1767),
    (30, 14137),
    (math.inf, math.inf),
)
SOLID: dict[str, Limits] = {
    "baseline": ((MM_6, "2"), (MM_8, "3"), (MM_15, "4A"), (ANY, "4B")),
    "new": ((MM_4, "2"), (MM_6, "3"), (MM_8, "4A"), (ANY, "4B")),
    "growing": ((MM_8, "4A"), (ANY, "4B")),
}
GLASS: Limits = ((MM_30, "2"), (ANY, "3"))
CHANGED_COMPONENT: Limits = ((MM_4, "4A"), (ANY, "4B"))  # a solid component, new or growing
COMPONENT: dict[str, Limits] = {  # of part-solid nodules, by their solid component
    "baseline": ((MM_6, "3"), (MM_8, "4A"), (ANY, "4B")),
    "new": CHANGED_COMPONENT,
    "growing": CHANGED_COMPONENT,
}
# Part-solid nodules below 6 mm in total.
SMALL_PART_SOLID = COMPONENT | {"baseline": ((ANY, "2"),), "new": ((MM_4, "3"), (ANY, "4B"))}

RANK = {category: rank for rank, category in enumerate(("1", "2", "3", "4A", "4B", "4X"))}
SUSPICIOUS = ("3", "4A", "4B")
# What a stable nodule's category becomes at the follow-up that it called for.
STEPPED_DOWN = {"1": "1", "2": "2", "3": "2", "4A": "3", "4B": "4B", "4X": "4X"}
# The categories that a nodule of this size may have been stepped down to before.
MAY_HAVE_BEEN = {"3": ("2",), "4A": ("2", "3")}
# Days until that follow-up, 6 or 3 months, a month less: scans are seldom made to the day.
DUE_DAYS = {"3": 152, "4A": 61}
FIRST_SEEN = ("baseline", "new")
UNCHANGED = ("stable", "slowly growing")
GROWING = ("growing", "slowly growing")
CHANGED = ("new", "growing")
GROWN_OUTSIDE = "3"  # at least, of a part-solid nodule whose solid component does not grow
MAY_STAY = ("4A", "4B", "4X")  # of slowly growing ground glass

IN_A_YEAR = _("low-dose screening CT in 12 months")
TO_THE_CLINIC = _(
    "refer for diagnosis: CT with or without contrast, PET/CT (from 8 mm of solid"
    " tissue on) or a tissue sample, as the probability of cancer, the patient's"
    " health and wishes suggest"
)
NEXT_STEPS = {
    "0": _("compare with the earlier CT, or image again what could not be assessed"),
    "1": IN_A_YEAR,
    "2": IN_A_YEAR,
    "3": _("low-dose CT in 6 months"),
    "4A": _("low-dose CT in 3 months; PET/CT is an option from 8 mm of solid tissue on"),
    "4B": TO_THE_CLINIC,
    "4X": TO_THE_CLINIC,
}
ANY_RANGE = Text("{range}")
AFTER_INFECTION = _("low-dose CT in 1 to 3 months, then a new category")
BRONCHOSCOPY = joined("; ", (TO_THE_CLINIC, _("in an airway usually bronchoscopy")))
ASKED = (
    "setting",
    "incomplete",
    "infection",
    "benign_pattern",
    "kind",
    "suspicious_features",
    "significant_finding",
    "cancer",
    "immunosuppression",
)


def lung_rads(
    measurements: Measurements,
    patient: Patient,
    networks: str | None = None,
    follow_up: FollowUp | None = None,
    doubts: Doubts = NO_DOUBTS,
) -> Guideline:
    """Returns the category 0 to 4X of one nodule, with S where there is another significant
    finding.

    Sizes are rounded before they are compared, as the text reports them: to 0.1 mm and 1 mm³; the
    axes are those of axial slices, though the text allows any plane. The mean diameter decides;
    where the volume falls into another category, the rule says so.

    Where the text leaves a choice:

    * A stable nodule steps down from its previous category (3 to 2, 4A to 3; 4B and 4X stay until
      proven benign) where its size does not call for more than that category. Where it does, the
      size's category holds, unless the nodule measured as much at the scan before and the previous
      category was itself a step down. Without the previous size, that is not assumed. A follow-up
      more than a month early is no step down.
    * Ground glass that is stable or grows slowly is a 2 at any size, but 4A steps down to 3 where
      it is stable, and 4B and 4X stay. Growing ground glass of 30 mm or more is a 3.
    * The solid component decides on part-solid nodules. Where only the whole is known to grow, the
      component is taken to grow; where the component is known to be stable, the size decides, but a
      3 and the previous category are the least.
    * Below 6 mm in total, a new part-solid nodule with a solid component from 4 mm on fits two
      lines and gets the higher, 4B. A solid nodule of unchanged size whose solid component is new
      or growing counts as growing.
    * A lymph node's shape and margin make a 2 of a solid nodule below 10 mm at pleura or fissure on
      the first scan, when new, and as long as it is stable.
    * A growing subsegmental airway nodule has no line, and is classified by its size. A growing
      multilocular cyst is a 4B; one that is new is like one at baseline.
    * Spicules and other suspicious features make a 4X of a 3 or 4.

    Args:
        measurements: from ``measure``.
        patient: what is known; what the reader says of a change comes before what was measured.
        networks: their density type, if they decided one.
        follow_up: the nodule's change since the scan before.
        doubts: about the nodule.
    """
    known = Known(measurements, patient, networks, follow_up, doubts)
    decision = _decided(known)
    if decision and decision.result and known.optional("significant_finding"):
        decision = decision._replace(result=f"{decision.result}S")
    of_solid_part = ("solid_part",) if _has_a_solid_part_to_ask_for(known) else ()
    return known.answer(NAME, decision, SOURCE, (*of_solid_part, *ASKED))


def _has_a_solid_part_to_ask_for(known: Known) -> bool:
    return known.value("density") in SUBSOLID and known.value("status") in (*GROWING, "stable")


def _decided(known: Known) -> Decision | None:
    if known.optional("setting") == "incidental":
        return Decision(None, _("it is for screening, not for nodules found by chance"))
    return _without_nodule(known) or _of_nodule(known)


def _without_nodule(known: Known) -> Decision | None:
    """Returns what is decided before the nodule itself is looked at."""
    if known.optional("incomplete"):
        return _decision("0", _("the examination is incomplete"))
    if known.optional("infection"):
        return Decision("0", _("an infection or inflammation has to be ruled out"), AFTER_INFECTION)
    if known.optional("benign_pattern"):
        return _decision("1", _("benign calcification or fat"))
    if known.optional("proven_benign"):
        return _decision("2", _("proven benign"))
    return None


def _of_nodule(known: Known) -> Decision | None:
    cyst_change = known.optional("cyst_change")
    if known.optional("kind") == "thin-walled cyst" and cyst_change in (None, "cavity grew"):
        return Decision(None, _("it does not classify thin-walled cysts, which are benign"))
    ruling = _by_kind(known) or (None if known.missing else _by_density(known))
    if known.missing or ruling is None:
        return None
    decision = _suspected(known, *ruling)
    in_airway = decision.result == "4B" and known.optional("kind") == "segmental airway"
    return decision._replace(next_step=BRONCHOSCOPY) if in_airway else decision


def _suspected(known: Known, result: str, rule: str) -> Decision:
    if result not in SUSPICIOUS:
        return _decision(result, rule)
    spiculation = known.optional("spiculation")
    if spiculation:
        return _decision(
            "4X", _("{result} with spiculation: {rule}").format(result=result, rule=rule)
        )
    if known.optional("suspicious_features"):
        return _decision(
            "4X", _("{result} with suspicious features: {rule}").format(result=result, rule=rule)
        )
    return _decision(
        result, rule if spiculation is False else _("{rule}; 4X if spiculated").format(rule=rule)
    )


def _decision(result: str, rule: str) -> Decision:
    return Decision(result, rule, NEXT_STEPS[result])


# --- Kinds with rules of their own


def _by_kind(known: Known) -> Ruling | None:
    """Returns what the rules for airways and cysts say; None: they say nothing, or need more."""
    kind = known.optional("kind")
    if kind in CYSTS:
        return _cyst(known, kind)
    if kind not in AIRWAYS or (status := known("status")) is None:
        return None
    if kind == "segmental airway":
        rule = joined(", ", (_("segmental or larger airway"), status))
        return ("4A" if status in FIRST_SEEN else "4B"), rule
    return None if status in GROWING else ("2", joined(", ", (kind, status)))


def _cyst(known: Known, kind: str) -> Ruling | None:
    change = known.optional("cyst_change")
    if change is not None:
        return _changed_cyst(kind, change), joined(", ", (kind, change))
    status = known("status")
    if status in FIRST_SEEN:
        return "4A", joined(", ", (kind, status))
    if status == "stable":
        return _stable_cyst(known, kind)
    if status in GROWING and kind == "multilocular cyst":
        return "4B", joined(", ", (kind, status))
    if status in GROWING:
        known("cyst_change")  # is missing
    return None


def _changed_cyst(kind: str, change: str) -> str:
    if change == "became multilocular":
        return "4A"
    return "3" if change == "cavity grew" and kind != "multilocular cyst" else "4B"


def _stable_cyst(known: Known, kind: str) -> Ruling | None:
    previous = known("previous")
    if previous is None:
        return None
    kept, early = ("4A", "") if previous == "1" else _step_down(known, previous)
    return kept, _since(joined(", ", (kind, _("stable"))), previous, early)


# --- By density, change and size


def _by_density(known: Known) -> Ruling | None:
    density, part = known("density"), known.optional("solid_part")
    component_changed = part in CHANGED and density != "solid"
    status = known.optional("status") if component_changed else known("status")
    if density == "part-solid" and status == part == "new":
        component_changed, part = False, None  # which the rules for new nodules say already
    whole = known.size("", 1)
    solid = known.size("solid ", 1) if component_changed or density == "part-solid" else whole
    if known.missing:
        return None
    if density == "solid" and status == "stable" and part not in (None, "stable"):
        status = "slowly growing" if part == "slowly growing" else "growing"
    return _Nodule(known, density, status, part, whole, solid).ruling()


@dataclass(frozen=True)
class _Nodule:
    """What decides on a nodule: ``part`` is what its solid component does."""

    known: Known
    density: str
    status: str
    part: str | None
    whole: Size
    solid: Size

    def ruling(self) -> Ruling | None:
        """Returns the category; None: more must be known."""
        subsolid = self.density != "solid"
        if subsolid and self.part in CHANGED:
            what = _("{change} solid component {range}")
            return _agreed(
                lambda by: _first(
                    CHANGED_COMPONENT, self.solid, by, self.density, what=what, change=self.part
                )
            )
        if subsolid and self.part == "slowly growing":
            return "4B", _("{density}, slowly growing solid component").format(density=self.density)
        if self.density == "ground glass":
            return self._glass()
        if self.status == "slowly growing":
            return "4B", _("{density}, {status} over several scans").format(
                density=self.density, status=self.status
            )
        return self._lymph_node() or (self._stable() if self.status == "stable" else self._sized())

    def _glass(self) -> Ruling:
        if self.status not in UNCHANGED:
            return _agreed(lambda by: _first(GLASS, self.whole, by, _("ground glass"), self.status))
        rule = joined(", ", (_("ground glass"), self.status))
        previous = self.known.optional("previous")
        if previous in MAY_STAY and self.status == "slowly growing":
            return previous, _since(rule, previous)
        return self._kept(rule, previous)

    def _lymph_node(self) -> Ruling | None:
        """Returns what the rule for nodules at the pleura or a fissure says; None: it does not
        apply."""
        small = self.whole[DIAMETER] < MM_10[DIAMETER]
        is_one = self.density == "solid" and small and self.status != "growing"
        if not is_one or not self.known.like_a_lymph_node():
            return None
        rule = _("like a lymph node at pleura or fissure, {status}, < {mm} mm").format(
            status=self.status, mm=MM_10[DIAMETER]
        )
        if self.whole[VOLUME] >= MM_10[VOLUME]:
            rule = _("{rule}, but ≥ {mm3} mm³").format(rule=rule, mm3=MM_10[VOLUME])
        previous = self.known.optional("previous") if self.status == "stable" else None
        return self._kept(rule, previous)

    def _kept(self, rule: str, previous: str | None) -> Ruling:
        """Returns 2, or what the previous category becomes if that is higher."""
        if previous in (None, "1", "2"):
            return "2", rule
        kept, early = _step_down(self.known, previous)
        return kept, _since(rule, previous, early)

    def _sized(self) -> Ruling:
        if (self.density, self.status, self.part) != ("part-solid", "growing", "stable"):
            return _agreed(lambda by: self._by_size(self.status, by))
        result, rule = _agreed(lambda by: self._by_size("baseline", by))
        previous = self.known.optional("previous") or GROWN_OUTSIDE
        at_least = max(GROWN_OUTSIDE, previous, result, key=RANK.__getitem__)
        return at_least, _(
            "it grows, but not its solid component; at least {previous}; {rule}"
        ).format(previous=previous, rule=rule)

    def _stable(self) -> Ruling | None:
        previous = self.known("previous")
        return previous and _agreed(lambda by: self._stepped(previous, by))

    def _stepped(self, previous: str, by: int) -> Ruling:
        """Steps down, unless the size calls for more than the previous category."""
        rule = joined(", ", (self.density, _("stable")))
        now, size = _sized(self.density, "baseline", self.whole, self.solid, by, named=False)
        before = self._before(by)
        was_stepped = previous in MAY_HAVE_BEEN.get(now, ())
        as_large = before is not None and RANK[now] <= RANK[before]
        if RANK[now] <= RANK[previous] or (was_stepped and as_large):
            kept, early = _step_down(self.known, previous)
            return kept, _since(rule, previous, early)
        larger = _("{rule}, but {size} now").format(rule=_since(rule, previous), size=size)
        if not was_stepped or before is not None:
            return now, larger
        hint = _("{category} if it measured as much at the scan before")
        return now, joined("; ", (larger, hint.format(category=STEPPED_DOWN[previous])))

    def _by_size(self, status: str, by: int) -> Ruling:
        return _sized(self.density, status, self.whole, self.solid, by)

    def _before(self, by: int) -> str | None:
        """Returns the category of the previous size; None: not known."""
        whole = self.known.before("", by)
        solid = self.known.before("solid_", by) if self.density == "part-solid" else whole
        if whole is None or solid is None:
            return None
        return _sized(self.density, "baseline", (whole, whole), (solid, solid), by)[0]


def _step_down(known: Known, previous: str) -> Ruling:
    """Returns what a stable nodule's category becomes, and a remark where the scan comes too early
    for that."""
    days = math.inf if known.follow_up is None else known.follow_up.days
    if days < DUE_DAYS.get(previous, 0):
        return previous, _("after {days:g} days it is too early to step down").format(days=days)
    return STEPPED_DOWN[previous], ""


def _since(rule: str, previous: str, early: str = "") -> str:
    """Returns the rule with the previous category, and why that does not step down yet."""
    said = _("{rule}, {previous} before").format(rule=rule, previous=previous)
    return joined("; ", filter(None, (said, early)))


def _agreed(ruling: Callable[[int], Ruling]) -> Ruling:
    """Returns the ruling by diameter, and says where the volume rules otherwise."""
    (result, rule), (other, _rule) = ruling(DIAMETER), ruling(VOLUME)
    if other != result:
        rule = _("{rule}; by volume {other}").format(rule=rule, other=other)
    return result, rule


def _sized(
    density: str, status: str, whole: Size, solid: Size, by: int, *, named: bool = True
) -> Ruling:
    """Returns the ruling by size; its rule begins with density and status where they are named."""
    said = (density, status) if named else ()
    if density == "solid":
        return _first(SOLID[status], whole, by, *said)
    small = whole[by] < MM_6[by]
    table = (SMALL_PART_SOLID if small else COMPONENT)[status]
    extent = f"{'<' if small else '≥'} {MM_6[by]} {UNITS[by]}"
    return _first(table, solid, by, *said, extent, what=_("solid component {range}"))


def _first(
    limits: Limits, size: Size, by: int, *said: str, what: str = ANY_RANGE, **values: str | None
) -> Ruling:
    """Returns the result of the first limit that the size is below, and as its rule what was said
    and the range of sizes."""
    index = sum(size[by] >= limit[by] for limit, _result in limits)
    limit, result = limits[index]
    low = limits[index - 1][0][by] if index else 0
    found = what.format(range=range_words(low, limit[by], UNITS[by]), **values)
    return result, joined(", ", (*said, found))
