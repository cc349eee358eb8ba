"""The change of nodules between two CTs of a patient, where a cohort's table names the earlier
one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from pathlib import Path

from nodulerisk.assessment import Assessment
from nodulerisk.clinical.followup import FollowUp, followed
from nodulerisk.cohort.nodules import Cohort, CtCase, Key
from nodulerisk.cohort.store import Row, Store
from nodulerisk.ct.dicom.dates import days_between
from nodulerisk.errors import NoduleRiskError
from nodulerisk.files import write_table

COLUMNS = (
    "case",
    "earlier",
    "nodule",
    "days",
    "mean_diameter_change_mm",
    "volume_change",
    "change",
    "volume_doubling_days",
    "mass_doubling_days",
    "solid_diameter_change_mm",
    "solid_growth",
    "lung_rads_growth",
    "bts_growth",
    "caveats",
    "remark",
)


def write_growth(cohort: Cohort, store: Store, path: Path) -> None:
    """Writes ``growth_rows`` as a table with ``COLUMNS``; writes nothing if there are no pairs.

    Raises:
        OutputError: the file cannot be written.
    """
    if not any(case.earlier for case in cohort.cases):
        return
    write_table(path, COLUMNS, growth_rows(cohort, store))


def growth_rows(cohort: Cohort, store: Store) -> Iterator[Row]:
    """Yields a row for each nodule that was assessed in a CT and, under the same name, in the
    earlier one; ``remark`` says why if its growth is not known."""
    cases = {case.case: case for case in cohort.cases}
    pairs = {case.case: (cases[case.earlier], case) for case in cohort.cases if case.earlier}
    before = dict(_assessments(store, {earlier.case for earlier, _ in pairs.values()}))
    for (name, nodule), after in _assessments(store, pairs.keys()):
        earlier, later = pairs[name]
        if first := before.get((earlier.case, nodule)):
            row = {"case": name, "earlier": earlier.case, "nodule": nodule}
            yield row | _growth(first, after, earlier, later)


def _assessments(store: Store, cases: Set[str]) -> Iterator[tuple[Key, Assessment]]:
    for row in store.rows(["case", "nodule", "assessment"]):
        if row["case"] in cases and row["assessment"]:
            yield (row["case"], row["nodule"]), Assessment.from_dict(json.loads(row["assessment"]))


def _growth(before: Assessment, after: Assessment, earlier: CtCase, later: CtCase) -> Row:
    try:
        days = later.days or _days(before, after, earlier, later)
        change = followed(before, after, days)
    except NoduleRiskError as refusal:
        return {"remark": str(refusal)}
    (diameter, diameter_after), (volume, volume_after) = change.diameter_mm, change.volume_mm3
    return {
        "days": days,
        "mean_diameter_change_mm": round(diameter_after - diameter, 2),
        "volume_change": round(volume_after / volume - 1, 4),
        "change": change.change,
        "volume_doubling_days": _rounded(change.volume_doubling_days),
        "mass_doubling_days": _rounded(change.mass_doubling_days),
        "solid_diameter_change_mm": _solid_change(change),
        "solid_growth": change.solid_growth,
        "lung_rads_growth": change.growth,
        "bts_growth": change.is_grown_by_bts,
        "caveats": "; ".join((*change.disagreements, *change.caveats)),
    }


def _days(before: Assessment, after: Assessment, earlier: CtCase, later: CtCase) -> float:
    days = days_between(
        earlier.ct, later.ct, (before.provenance.series_uid, after.provenance.series_uid)
    )
    if days is None:
        raise NoduleRiskError("The scans do not both have a date: give the days in the table.")
    return days


def _solid_change(change: FollowUp) -> float | None:
    before, after = change.solid_diameter_mm
    if change.solid_growth is None or before is None or after is None:
        return None
    return round(after - before, 2)


def _rounded(days: float | None) -> float | None:
    return None if days is None else round(days, 1)
