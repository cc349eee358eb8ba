"""Growth between the CTs of a patient, from a cohort's results."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from made_assessment import made_assessment, made_ct
from made_cohort import made_row, made_set
from made_dicom import phantom, write_series
from nodulerisk.assessment import Assessment, Provenance
from nodulerisk.clinical.followup import followed
from nodulerisk.cohort.growth import growth_rows, write_growth
from nodulerisk.cohort.nodules import Cohort, CohortNodule, CtCase
from nodulerisk.cohort.store import Store

CT = made_ct()
NODULES = tuple(CohortNodule(name, (0, 0, 0)) for name in ("N1", "N2"))
UID = "1.2.3"


def assessed(diameter_mm: float, series_uid: str | None = None) -> Assessment:
    """Returns the assessment of a sphere."""
    one = made_assessment(CT)
    sizes = {
        "mean diameter": diameter_mm,
        "volume": diameter_mm**3 / 1.9,
        "mass": diameter_mm**3 / 2,
    }
    measurements = tuple(replace(m, value=sizes.get(m.name, m.value)) for m in one.measurements)
    provenance = Provenance("made", "1.0", {}, "0.1", "cpu", series_uid=series_uid)
    return replace(one, measurements=measurements, provenance=provenance)


def row(case: str, nodule: str, assessment: Assessment) -> dict:
    return made_row(case, nodule, assessment=json.dumps(assessment.to_dict()))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "out", made_set()) as store:
        yield store


def pair(days: float | None = 180, before: Path = Path("a"), after: Path = Path("b")) -> Cohort:
    earlier = CtCase("before", before, NODULES)
    return Cohort(
        "table.csv", (CtCase("after", after, NODULES, earlier="before", days=days), earlier)
    )


def test_growth_in_a_cohort_equals_that_of_follow_up(store):
    store.add(
        [row("after", "N1", assessed(12)), made_row("after", "N2", status="refused", assessment="")]
    )
    store.add(
        [
            row("before", "N1", assessed(10)),
            row("before", "N2", assessed(8)),
            row("other", "N1", assessed(4)),
        ]
    )
    (grown,) = growth_rows(pair(), store)
    expected = followed(assessed(10), assessed(12), 180)
    assert (grown["case"], grown["earlier"], grown["nodule"], grown["days"]) == (
        "after",
        "before",
        "N1",
        180,
    )
    assert (
        grown["mean_diameter_change_mm"] == 2
        and grown["lung_rads_growth"] == expected.growth == "growing"
    )
    assert grown["volume_doubling_days"] == pytest.approx(expected.volume_doubling_days, abs=0.05)
    assert grown["bts_growth"] is True and grown["change"] == "grown"
    assert "plane, slice thickness, kernel and contrast" in grown["caveats"]


def test_days_come_from_the_files_where_the_table_has_none(store, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    for folder, date in zip(folders, ("20250101", "20250201"), strict=True):
        write_series(folder, phantom(), AcquisitionDate=date, SeriesInstanceUID=UID)
    store.add([row("before", "N1", assessed(10, UID)), row("after", "N1", assessed(10, UID))])
    (grown,) = growth_rows(pair(None, *folders), store)
    assert grown["days"] == 31 and grown["volume_doubling_days"] is None
    write_series(tmp_path / "undated", phantom(), SeriesInstanceUID=UID)
    (unknown,) = growth_rows(pair(None, folders[0], tmp_path / "undated"), store)
    assert "days" in unknown["remark"] and "days" not in unknown


def test_a_table_is_written_only_if_there_are_pairs(store, tmp_path):
    store.add([row("before", "N1", assessed(10)), row("after", "N1", assessed(12))])
    write_growth(Cohort("table.csv", pair().cases[1:]), store, tmp_path / "none.csv")
    write_growth(pair(), store, tmp_path / "follow-up.csv")
    assert not (tmp_path / "none.csv").exists()
    (written,) = csv.DictReader(
        (tmp_path / "follow-up.csv").read_text(encoding="utf-8-sig").splitlines()
    )
    assert written["lung_rads_growth"] == "growing" and written["remark"] == ""
