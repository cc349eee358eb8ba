"""The files of follow-up: a table and JSON of what became of every nodule from scan to scan."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nodulerisk import RESEARCH_USE_ONLY
from nodulerisk.clinical.course import Course
from nodulerisk.clinical.followup import FollowUp
from nodulerisk.clinical.timeline import Step, Timeline
from nodulerisk.files import NOTICE, write_table, written_whole

Row = dict[str, str | float | bool | None]
SCANS = ("before", "after")


def write_follow_up(timeline: Timeline, table: Path, values: Path) -> None:
    """Writes ``follow-up.csv``, one row per nodule and two scans, and ``follow-up.json``, the same
    with the alignments and the courses over all scans. Docs/formats.md describes both.

    Raises:
        OutputError: a file cannot be written.
    """
    rows = [_row(step) for track in timeline.tracks for step in timeline.steps(track)]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    write_table(table, columns, rows)
    with written_whole(values) as partial:
        partial.write_text(
            json.dumps(_everything(timeline, rows), indent=2, ensure_ascii=False), encoding="utf-8"
        )


def _everything(timeline: Timeline, rows: Sequence[Row]) -> dict[str, Any]:
    gaps = [
        {
            "days": timeline.days[scan + 1] - timeline.days[scan],
            "correlation": None if alignment is None else alignment.correlation,
            "before_to_after_lps_mm": None if alignment is None else alignment.matrix.tolist(),
        }
        for scan, alignment in enumerate(timeline.alignments)
    ]
    of_two = gaps[0] if len(gaps) == 1 else {}
    courses = {
        track.name: _course(course)
        for track in timeline.tracks
        if (course := timeline.course(track)) is not None
    }
    return {NOTICE: RESEARCH_USE_ONLY, **of_two, "gaps": gaps, "nodules": rows, "courses": courses}


def _course(course: Course) -> Mapping[str, Any]:
    return {
        "points": [vars(point) for point in course.points],
        "volume_doubling_days": course.volume_doubling_days,
        "doubling_range_days": course.doubling_range_days,
        "lung_rads_growth": course.growth,
        "is_steady": course.is_steady,
        "remark": course.undatable,
    }


def _row(step: Step) -> Row:
    first, second = step.scans
    row: Row = {
        "status": step.status,
        "before": "" if step.before is None else step.before.name,
        "after": "" if step.after is None else step.after.name,
        "scan_before": first + 1,
        "scan_after": second + 1,
    }
    if not math.isnan(step.distance_mm):
        row["distance_mm"] = round(step.distance_mm, 2)
    if step.earlier is not None and step.earlier.days is not None:
        row["days"] = step.earlier.days
    if step.earlier is not None and step.earlier.follow_up is not None:
        return row | _changes(step.earlier.follow_up)
    return row | {"remark": step.remark} if step.remark else row


def _changes(change: FollowUp) -> Row:
    sizes: dict[str, Sequence[float | None]] = {
        "mean_diameter_{}_mm": change.diameter_mm,
        "volume_{}_mm3": change.volume_mm3,
        "mass_{}_mg": change.mass_mg,
    }
    solid: dict[str, Sequence[float | None]] = {
        "solid_diameter_{}_mm": change.solid_diameter_mm,
        "solid_volume_{}_mm3": change.solid_volume_mm3,
    }
    sizes |= solid if change.solid_growth is not None else {}
    row: Row = {
        name.format(scan): value
        for name, both in sizes.items()
        for scan, value in zip(SCANS, both, strict=True)
    }
    row |= {
        "change": change.change,
        "volume_doubling_days": change.volume_doubling_days,
        "mass_doubling_days": change.mass_doubling_days,
    }
    if change.solid_growth is not None:
        row["solid_growth"] = change.solid_growth
    return row | {
        "lung_rads_growth": change.growth,
        "bts_growth": change.is_grown_by_bts,
        "caveats": "; ".join((*change.disagreements, *change.caveats)),
        "remark": f"no doubling time: {change.undatable}" if change.undatable else "",
    }
