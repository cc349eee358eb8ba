"""Fleischner 2017: the follow-up of a nodule found by chance."""

from __future__ import annotations

from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.patient import Patient
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
)
from nodulerisk.language.texts import Text, _, joined

NAME = "Fleischner 2017"
SOURCE = "Radiology 2017;284:228-243, table 1"
CLASSES = ((6, 8), (100, 250))  # mm, mm³: below the one, between, above the other
FROM_AGE = 35
LYMPH_NODE_MM = 10
NONE, AT_12 = _("no routine follow-up"), _("optional CT at 12 months")
THEN = (_("then consider CT at 18–24 months"), _("then CT at 18–24 months"))
ONE_SOLID, SOLIDS = [
    tuple(_("CT at {months} months, {then}").format(months=months, then=then) for then in THEN)
    for months in ("6–12", "3–6")
]
LARGE_SOLID = _("consider CT at 3 months, PET/CT or tissue sampling")
GLASS = _("CT at 6–12 months, if it persists every 2 years until 5 years")
PART_SOLID = _(
    "CT at 3–6 months, if unchanged with a solid component below 6 mm every year for 5 years"
)
PERSISTING = _("CT at 3–6 months, highly suspicious if it persists: PET/CT, biopsy or resection")
HIGHLY_SUSPICIOUS = _("highly suspicious: PET/CT, biopsy or resection")
SMALL_SUBSOLIDS = _("CT at 3–6 months, if stable consider CT at 2 and 4 years")
SUBSOLIDS = _("CT at 3–6 months, then by the most suspicious nodule")
SOLID_COMPONENT_MM = (6, 8)  # of a part-solid nodule: suspicious from the one, above the other more
# (density, single) -> the follow-up for each size class; where there are two, at low and high risk
FLEISCHNER: dict[tuple[str, bool], tuple[tuple[str, ...], ...]] = {
    ("solid", True): ((NONE, AT_12), ONE_SOLID, (LARGE_SOLID,)),
    ("solid", False): ((NONE, AT_12), SOLIDS, SOLIDS),
    ("ground glass", True): ((NONE,), (GLASS,), (GLASS,)),
    ("part-solid", True): ((NONE,), (PART_SOLID,), (PART_SOLID,)),
    ("ground glass", False): ((SMALL_SUBSOLIDS,), (SUBSOLIDS,), (SUBSOLIDS,)),
    ("part-solid", False): ((SMALL_SUBSOLIDS,), (SUBSOLIDS,), (SUBSOLIDS,)),
}
CHANGED = ("new", "growing", "slowly growing")
ASKED = ("setting", "cancer", "immunosuppression", "kind", "benign_pattern", "status")
NOT_FOR = {
    "setting": (("screening",), _("nodules found at screening")),
    "cancer": (("earlier", "within 5 years", "lung"), _("patients with a known cancer")),
    "immunosuppression": ((True,), _("immunosuppressed patients")),
    "kind": ((*AIRWAYS, *CYSTS), _("airway nodules and cysts")),
}


def fleischner(
    measurements: Measurements,
    patient: Patient,
    networks: str | None = None,
    follow_up: FollowUp | None = None,
    doubts: Doubts = NO_DOUBTS,
) -> Guideline:
    """Returns the follow-up of a nodule found by chance; arguments as in ``lung_rads``.

    Not for screening, known cancer, immunosuppression or patients below 35 years. Sizes are rounded
    to whole mm, as the text requires, and whole mm³ before they are compared: 6 mm begins at 5.5.

    Where the text leaves a choice: any cancer counts as known, however long ago. A part-solid
    nodule with a solid component of 6 to 8 mm is highly suspicious if it persists; with a larger or
    growing one, or with other suspicious features, it is so at once. A nodule at pleura or fissure
    that looks like a lymph node needs no follow-up below 10 mm. What a solid or ground-glass nodule
    did since an earlier CT is not weighed: the table is for the first one.
    """
    known = Known(measurements, patient, networks, follow_up, doubts)
    return known.answer(NAME, _decided(known), SOURCE, ASKED)


def _decided(known: Known) -> Decision | None:
    for name, (values, whom) in NOT_FOR.items():
        if known.optional(name) in values:
            return Decision(None, _("it is not for {whom}").format(whom=whom))
    age = known("age")
    if age is not None and age < FROM_AGE:
        return Decision(
            None,
            _("it is only for patients of {from_age} years and older").format(from_age=FROM_AGE),
        )
    if known.optional("benign_pattern"):
        return None if known.missing else Decision(NONE, _("benign calcification or fat"))
    return _of_nodule(known)


def _of_nodule(known: Known) -> Decision | None:
    density, nodules = known("density"), known("nodules")
    if density == "ground glass" and known.optional("solid_part") in CHANGED:
        density = "part-solid"
    size = known.size("", 0)
    solid_mm = known.rounded("solid mean diameter", 0, "mm") if density == "part-solid" else 0
    if known.missing:
        return None
    if density == "solid" and size[DIAMETER] < LYMPH_NODE_MM and known.like_a_lymph_node():
        return Decision(
            NONE, _("like a lymph node at pleura or fissure, < {mm} mm").format(mm=LYMPH_NODE_MM)
        )
    (found, extent), (other, otherwise) = (_class(size, by) for by in (DIAMETER, VOLUME))
    rule = joined(", ", (_("single") if nodules == 1 else _("several"), density, extent))
    if found != other:
        rule = _("{rule}; by volume {other}").format(rule=rule, other=otherwise)
    if density == "part-solid" and (suspicion := _suspicion(known, found, solid_mm)):
        return Decision(
            suspicion, _("{rule}; solid component {mm:g} mm").format(rule=rule, mm=solid_mm)
        )
    return _from_table(known, FLEISCHNER[density, nodules == 1][found], rule)


def _from_table(known: Known, follow_ups: tuple[str, ...], rule: str) -> Decision | None:
    risk = known("risk") if len(follow_ups) > 1 else "low"
    return None if risk is None else Decision(follow_ups[risk == "high"], rule)


def _suspicion(known: Known, found: int, solid_mm: float) -> str | None:
    """Returns what a part-solid nodule's solid component calls for; None: nothing of its own."""
    persisting, at_once = SOLID_COMPONENT_MM
    if known.optional("solid_part") in CHANGED:
        return HIGHLY_SUSPICIOUS
    if not found or solid_mm < persisting:
        return None
    suspicious = known.optional("suspicious_features") or known.optional("spiculation")
    return HIGHLY_SUSPICIOUS if solid_mm > at_once or suspicious else PERSISTING


def _class(size: Size, by: int) -> tuple[int, str]:
    """Returns 0, 1 or 2 (below, between or above the limits), and the same in words."""
    low, high = CLASSES[by]
    index = int(size[by] >= low) + int(size[by] > high)
    words = (Text("< {low} {unit}"), _("{low} to {high} {unit}"), Text("> {high} {unit}"))[index]
    return index, words.format(low=low, high=high, unit=UNITS[by])
