"""British Thoracic Society, 2015: the pathway of a nodule, however it was found."""

from __future__ import annotations

import math
from collections.abc import Mapping

from nodulerisk.clinical.followup import BTS_GROWTH, FAST_DAYS, SLOW_DAYS, FollowUp, doubling_words
from nodulerisk.clinical.patient import Patient
from nodulerisk.clinical.rules.doubts import NO_DOUBTS, Doubts
from nodulerisk.clinical.rules.guideline import (
    AIRWAYS,
    CYSTS,
    Decision,
    Guideline,
    Known,
    Measurements,
    range_words,
)
from nodulerisk.clinical.scores import ScoreResult
from nodulerisk.language.texts import Text, _, joined

NAME = "BTS 2015"
SOURCE = "British Thoracic Society, Thorax 2015;70 Suppl 2:ii1-ii54"
ADULT = 18
SMALL, LARGE = (5, 80), (8, 300)  # long axis in mm, volume in mm³
AT_A_YEAR_MM = 6  # by the diameter alone, a nodule below this is looked at after a year
LYMPH_NODE_MM = 10
BROCK, HERDER = "Brock 2b", "Herder"
WORTH_A_PET = 0.10  # by Brock
LOW, HIGH = 0.10, 0.70  # by Herder
# Days after which a scan counts as that at 3 or 12 months, a month less: it is seldom made to the
# day.
THREE_MONTHS_DAYS, A_YEAR_DAYS = 61, 335

DISCHARGE = _("discharge")
IN_3_MONTHS, AT_1_YEAR = _("CT at 3 months"), _("CT at 1 year after the first")
SURVEILLANCE = _("CT surveillance: at 3 months and at 1 year")
PET = _("PET-CT, if the nodule is large enough for the local scanner, then the Herder model")
BIOPSY = _(
    "consider an image-guided biopsy; excision or CT surveillance by individual risk and wishes"
)
EXCISION = _("consider excision or non-surgical treatment, with or without a biopsy before")
WORK_UP = _("further work-up: biopsy, or excision or other treatment")
BIOPSY_OR_WATCH = _("consider a biopsy or further CT surveillance, as the patient wishes")
SLOW = _("consider discharge or further CT surveillance, as the patient wishes")
IT_IS_NEW = _("CT at 3 months: a small nodule that is new is not discharged")
SUBSOLID_LOW = _("CT at 1, 2 and 4 years after the first")
SUBSOLID_HIGH = _("discuss a biopsy, excision or other treatment, or {surveillance}").format(
    surveillance=SUBSOLID_LOW
)
SUBSOLID_GROWN = _("consider excision or non-surgical treatment; else observe it")

ASKED = ("kind", "benign_pattern")
GROWTH = ("growing", "slowly growing")


def bts(
    measurements: Measurements,
    patient: Patient,
    networks: str | None = None,
    follow_up: FollowUp | None = None,
    doubts: Doubts = NO_DOUBTS,
    scores: Mapping[str, ScoreResult] | None = None,
) -> Guideline:
    """Returns the next step on the pathway.

    A solid nodule of 5 mm (80 mm³) or more is followed at 3 months and a year, from 8 mm (300 mm³)
    on only if Brock gives below 10 %; else PET-CT and Herder decide. Later, the volume doubling
    time does. A subsolid one is followed at 3 months, then by Brock.

    Where the text leaves a choice: the volume decides on solid nodules, and the rule says where the
    long axis, to 0.1 mm, would not agree; the long axis decides on subsolid ones. A solid nodule
    that did not change measurably, but has no doubling time, counts as stable. A subsolid nodule
    has grown where the whole or its solid component did by Lung-RADS, or its volume by a quarter.
    Spicules and other suspicious features count as the higher risk. Without an earlier CT, it is
    taken as seen for the first time, and the result says that.

    Args:
        measurements, patient, networks, follow_up, doubts: as in ``lung_rads``.
        scores: of the nodule, by name.
    """
    known = Known(measurements, patient, networks, follow_up, doubts)
    of_change = ("status",) if known.value("status") is None else ()
    return known.answer(NAME, _decided(known, scores or {}), SOURCE, (*of_change, *ASKED))


def _decided(known: Known, scores: Mapping[str, ScoreResult]) -> Decision | None:
    age = known.optional("age")
    if age is not None and age < ADULT:
        return Decision(
            None, _("it is for patients of {adult} years and older").format(adult=ADULT)
        )
    if (kind := known.optional("kind")) in (*AIRWAYS, *CYSTS):
        return Decision(None, _("it has no pathway for a {kind}").format(kind=kind))
    if known.optional("benign_pattern"):
        return Decision(DISCHARGE, _("benign calcification or fat"))
    density = known("density")
    if density == "solid":
        return _solid(known, scores)
    return None if density is None else _subsolid(known, density, scores)


# --- Solid nodules


def _solid(known: Known, scores: Mapping[str, ScoreResult]) -> Decision | None:
    size = known.rounded("long axis", 1, "mm"), known.rounded("volume", 0, "mm³")
    status = known.optional("status")
    if known.missing:
        return None
    if size[0] < LYMPH_NODE_MM and status not in GROWTH and known.like_a_lymph_node():
        rule = _("like a lymph node at pleura or fissure, < {mm} mm").format(mm=LYMPH_NODE_MM)
        return Decision(DISCHARGE, rule)
    rule = _solid_rule(*size)
    if status in (None, "baseline", "new"):
        return _first_seen(known, size[1], status, rule, scores)
    return _followed(known, size[1], rule)


def _solid_rule(mm: float, mm3: float) -> str:
    by_volume, by_axis = _class(mm3, SMALL[1], LARGE[1]), _class(mm, SMALL[0], LARGE[0])
    rule = joined(", ", (_("solid"), _class_words(by_volume, SMALL[1], LARGE[1], "mm³")))
    if by_volume == by_axis:
        return rule
    if SMALL[0] <= mm < AT_A_YEAR_MM:
        other = _("by long axis {range} ({at_a_year} below {most} mm)")
    else:
        other = _("by long axis {range}")
    axis = _class_words(by_axis, SMALL[0], LARGE[0], "mm")
    return joined("; ", (rule, other.format(range=axis, at_a_year=AT_1_YEAR, most=AT_A_YEAR_MM)))


def _class_words(index: int, small: float, large: float, unit: str) -> str:
    edges = (0, small, large, math.inf)
    return range_words(edges[index], edges[index + 1], unit)


def _class(size: float, small: float, large: float) -> int:
    return int(size >= small) + int(size >= large)


def _first_seen(
    known: Known, mm3: float, status: str | None, rule: str, scores: Mapping[str, ScoreResult]
) -> Decision | None:
    if mm3 < SMALL[1]:
        new = status == "new"
        return Decision(
            IT_IS_NEW if new else DISCHARGE, joined(", ", (rule, _("new"))) if new else rule
        )
    if mm3 < LARGE[1]:
        return Decision(SURVEILLANCE, rule)
    brock = _computed(known, scores, BROCK)
    if not isinstance(brock, float):
        return brock
    rule = joined("; ", (rule, _told(scores[BROCK])))
    if brock < WORTH_A_PET:
        return Decision(SURVEILLANCE, rule)
    return _by_pet(known, rule, scores)


def _by_pet(known: Known, rule: str, scores: Mapping[str, ScoreResult]) -> Decision | None:
    if known.optional("pet_uptake") is None:
        return Decision(PET, rule)
    herder = _computed(known, scores, HERDER)
    if not isinstance(herder, float):
        return herder
    steps = (SURVEILLANCE, BIOPSY, EXCISION)[int(herder >= LOW) + int(herder > HIGH)]
    return Decision(steps, joined("; ", (rule, _told(scores[HERDER]))))


def _followed(known: Known, mm3: float, rule: str) -> Decision | None:
    change = known.follow_up
    if change is None or change.undatable:
        known.lacks(_("volume doubling time"))
        return None
    days = known.doubling_days()
    if days is None and change.growth != "stable":
        known.lacks(_("volume doubling time"))
        return None
    if days is None or not _has_grown(days, change.days):
        return _stable(
            change.days,
            mm3,
            _("{rule}, no growth of {share:.0%} or more").format(rule=rule, share=BTS_GROWTH),
        )
    rule = _("{rule}, volume doubling time {time}").format(rule=rule, time=doubling_words(days))
    if days < FAST_DAYS:
        return Decision(WORK_UP, rule)
    if change.days < A_YEAR_DAYS:
        return Decision(AT_1_YEAR, rule)
    return Decision(BIOPSY_OR_WATCH if days <= SLOW_DAYS else SLOW, rule)


def _stable(days: float, mm3: float, rule: str) -> Decision:
    rule = _("{rule} in {days:g} days").format(rule=rule, days=days)
    if mm3 < SMALL[1] or days >= A_YEAR_DAYS:
        return Decision(DISCHARGE, rule)
    return Decision(AT_1_YEAR if days >= THREE_MONTHS_DAYS else IN_3_MONTHS, rule)


def _has_grown(doubling_days: float, days: float) -> bool:
    """Whether the volume grew by a quarter or more; a shrinking nodule halves in ``-days``."""
    return doubling_days > 0 and 2 ** (days / doubling_days) >= 1 + BTS_GROWTH - 1e-9


# --- Subsolid nodules


def _subsolid(known: Known, density: str, scores: Mapping[str, ScoreResult]) -> Decision | None:
    mm = known.rounded("long axis", 1, "mm")
    status, part = known.optional("status"), known.optional("solid_part")
    if known.missing:
        return None
    rule = joined(", ", (density, f"{'<' if mm < SMALL[0] else '≥'} {SMALL[0]} mm"))
    if part in ("new", *GROWTH):
        return Decision(
            SUBSOLID_GROWN, _("{rule}, {part} solid component").format(rule=rule, part=part)
        )
    if status in GROWTH or _volume_has_grown(known):
        return Decision(SUBSOLID_GROWN, joined(", ", (rule, _("growth"))))
    if mm < SMALL[0]:
        return Decision(IT_IS_NEW if status == "new" else DISCHARGE, rule)
    if status != "stable":
        return Decision(IN_3_MONTHS, rule)
    if known.follow_up is not None and known.follow_up.days < THREE_MONTHS_DAYS:
        return Decision(
            IN_3_MONTHS,
            _("{rule}, stable for {days:g} days only").format(rule=rule, days=known.follow_up.days),
        )
    return _persisting(known, rule, scores)


def _volume_has_grown(known: Known) -> bool:
    days = known.doubling_days()
    return (
        days is not None and known.follow_up is not None and _has_grown(days, known.follow_up.days)
    )


def _persisting(known: Known, rule: str, scores: Mapping[str, ScoreResult]) -> Decision | None:
    brock = _computed(known, scores, BROCK)
    if not isinstance(brock, float):
        return brock
    suspicious = known.optional("suspicious_features") or known.optional("spiculation")
    rule = joined("; ", (joined(", ", (rule, _("stable"))), _told(scores[BROCK])))
    high = brock >= WORTH_A_PET or suspicious
    return Decision(SUBSOLID_HIGH if high else SUBSOLID_LOW, rule)


# --- Scores


def _computed(
    known: Known, scores: Mapping[str, ScoreResult], name: str
) -> float | Decision | None:
    """Returns a score's probability; else the decision without it, and what it lacks is missing."""
    score = scores.get(name)
    if score is None:
        known.lacks(name)
        return None
    if score.probability is None and score.refusal:
        words = _("needs {name}, which is not computed: {refusal}")
        return Decision(None, words.format(name=name, refusal=score.refusal))
    known.lacks(*score.missing)
    return score.probability


def _told(score: ScoreResult) -> str:
    said = Text("{name} {probability:.0%}").format(name=score.name, probability=score.probability)
    if not score.warnings:
        return said
    beyond = _("{warnings}: not like this one").format(warnings=joined("; ", score.warnings))
    return joined(", ", (said, beyond))
