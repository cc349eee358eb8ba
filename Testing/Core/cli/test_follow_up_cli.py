"""``nodulerisk follow-up``, end to end, on a real chest at two scans; its small weight set draws
dense tissue."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from typer.testing import CliRunner

from made_dicom import phantom, write_enhanced, write_series, write_study
from made_follow_up import PLACE_LPS_MM, TUMOUR_LPS_MM, first_scan, later_scan, motion_of
from nodulerisk.assessment import load_assessment
from nodulerisk.cli import app
from nodulerisk.ct.dates import days_between
from nodulerisk.ct.read import read_ct
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

DAYS = DOUBLING_DAYS = 180
MOTION = motion_of()
MOVED_LPS_MM = MOTION.TransformPoint(PLACE_LPS_MM)
OUTSIDE = (500.0, -200.0, -200.0)
ELSEWHERE = (-100.0, -160.0, -150.0)  # in lung
RESULTS = {"before", "after", "report.html", "follow-up.csv", "follow-up.json"}


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> list[Path]:
    first = first_scan(radius_mm=5)
    folder = tmp_path_factory.mktemp("scans")
    files = [folder / "before.nrrd", folder / "after.nrrd"]
    for scan, file in zip((first, later_scan(first, 5 * 2 ** (1 / 3), MOTION)), files, strict=True):
        sitk.WriteImage(scan.ct.to_sitk(), str(file))
    return files


@pytest.fixture(autouse=True)
def small_weights(monkeypatch, weights) -> None:
    monkeypatch.setattr("nodulerisk.weights.store.load_weight_set", lambda name: weights)


@pytest.fixture
def someone_there(monkeypatch) -> None:
    monkeypatch.setattr("nodulerisk.cli.followup._can_ask", lambda: True)


@pytest.fixture
def follow_up(scans, tmp_path):
    """Runs the command on the named points; by default the sphere's, in both scans."""

    def run(
        *more,
        before=(("L1", PLACE_LPS_MM),),
        after=(("R1", MOVED_LPS_MM),),
        answers=None,
        scans=scans,
    ):
        arguments = ["follow-up", *scans, "--out", tmp_path / "out"]
        for scan, places in (("before", before), ("after", after)):
            rows = [",".join(map(str, (name, *place))) for name, place in places]
            file = tmp_path / f"{scan}.csv"
            file.write_text("\n".join(["name,x,y,z", *rows]))
            arguments += [f"--points-{scan}", file]
        return CliRunner().invoke(app, [str(one) for one in (*arguments, *more)], input=answers)

    return run


@pytest.fixture(scope="module")
def studies(scans, tmp_path_factory) -> list[Path]:
    """The same two scans as DICOM series."""
    folders = [tmp_path_factory.mktemp("studies") / scan for scan in ("before", "after")]
    for file, folder in zip(scans, folders, strict=True):
        write_study(read_ct(file), folder)
    return folders


def tracked_in(folder: Path) -> dict[str, str]:
    """Tracking UIDs by name, alike in both files."""
    segments = dcmread(folder / SEG_NAME).SegmentSequence
    found = {segment.TrackingID: segment.TrackingUID for segment in segments}
    report = dcmread(folder / SR_NAME)
    in_report = {element.value for element in report.iterall() if element.keyword == "UID"}
    assert {*found.values()} <= in_report
    return found


def test_dicom_of_both_scans_tracks_a_nodule_by_one_uid(follow_up, studies, tmp_path):
    out = tmp_path / "out"
    places = {"before": [("L1", PLACE_LPS_MM)], "after": [("R1", MOVED_LPS_MM)]}
    places["after"].append(("R2", MOTION.TransformPoint(TUMOUR_LPS_MM)))
    first = follow_up("--days", DAYS, "--yes", "--dicom", scans=studies, **places)
    assert (first.exit_code, first.stderr) == (0, "")
    before, after = tracked_in(out / "before"), tracked_in(out / "after")
    assert before["L1"] == after["R1"] != after["R2"]
    ends = [dcmread(out / scan / SR_NAME).StudyInstanceUID for scan in ("before", "after")]
    assert ends[0] != ends[1]
    shutil.copy(out / "after" / SR_NAME, tmp_path / "kept.dcm")
    shutil.rmtree(out)
    places["before"] = [("X", PLACE_LPS_MM)]
    kept = ("--dicom", "--earlier-report", tmp_path / "kept.dcm")
    second = follow_up(
        "--days",
        DAYS,
        "--yes",
        *kept,
        scans=studies[::-1],
        **{"before": places["after"], "after": places["before"]},
    )
    assert (second.exit_code, second.stderr) == (0, "")
    assert tracked_in(out / "before") == after
    assert tracked_in(out / "after")["X"] == before["L1"]
    assert "PredecessorDocumentsSequence" in dcmread(out / "before" / SR_NAME)


def test_dicom_of_other_formats_is_refused_before_anything_is_assessed(follow_up, tmp_path):
    done = follow_up("--days", DAYS, "--yes", "--dicom")
    assert done.exit_code == 2 and "DICOM output refers to a DICOM series" in done.stderr
    assert not list((tmp_path / "out").rglob("assessment.json"))


def test_an_earlier_report_that_is_none_is_refused(follow_up, studies, scans):
    done = follow_up("--days", DAYS, "--dicom", "--earlier-report", scans[0], scans=studies)
    assert done.exit_code == 2 and is_one_line_error(done.stderr)
    assert "is not a DICOM report" in done.stderr


def rows_of(out: Path) -> list[dict[str, str]]:
    return list(
        csv.DictReader((out / "follow-up.csv").read_text(encoding="utf-8-sig").splitlines())
    )


def is_one_line_error(text: str) -> bool:
    return text.startswith("Error: ") and text.count("\n") == 1


def test_a_grown_nodule_is_followed(follow_up, tmp_path):
    done = follow_up("--days", DAYS, "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    out = tmp_path / "out"
    assert {path.name for path in out.iterdir()} == RESULTS
    [row] = rows_of(out)
    assert (row["status"], row["before"], row["after"]) == ("both scans", "L1", "R1")
    assert float(row["distance_mm"]) < 1.5
    assert float(row["volume_doubling_days"]) == pytest.approx(DOUBLING_DAYS, rel=0.1)
    assert (row["lung_rads_growth"], row["bts_growth"]) == ("growing", "True")
    assert "volume doubling time: " in done.stdout and "Lung-RADS v2022: growing" in done.stdout
    assert "180 days before" in (out / "report.html").read_text(encoding="utf-8")
    assert load_assessment(out / "before").name == "L1"
    assert (out / "after" / "nodules.csv").exists()


def test_json_says_the_same_and_how_the_scans_were_aligned(follow_up, tmp_path):
    assert follow_up("--days", DAYS, "--yes").exit_code == 0
    said = json.loads((tmp_path / "out" / "follow-up.json").read_text(encoding="utf-8"))
    there = np.array(said["before_to_after_lps_mm"]) @ (*PLACE_LPS_MM, 1)
    assert np.linalg.norm(there[:3] - MOVED_LPS_MM) < 1.5
    assert (said["days"], said["correlation"] > 0.9) == (DAYS, True)
    [row] = rows_of(tmp_path / "out")
    assert {name: str(value) for name, value in said["nodules"][0].items()} == row


def test_pairs_must_be_confirmed_by_the_user(follow_up, someone_there, tmp_path):
    done = follow_up("--days", DAYS, answers="y\n")
    assert done.exit_code == 0
    assert "L1 before, R1 after: " in done.stdout and "Same nodule?" in done.stdout
    assert rows_of(tmp_path / "out")[0]["status"] == "both scans"


def test_without_a_terminal_nothing_counts_as_confirmed(follow_up, tmp_path):
    done = follow_up("--days", DAYS)
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr) and "--yes" in done.stderr
    assert "L1 before, R1 after: " in done.stdout
    assert not (tmp_path / "out" / "follow-up.csv").exists()


def test_a_denied_pair_is_not_compared(follow_up, someone_there):
    done = follow_up("--days", DAYS, answers="n\n")
    assert done.exit_code == 2
    assert "Error: No nodule is in both scans" in done.stderr


@pytest.mark.usefixtures("someone_there")
def test_closing_the_generator_cancels_the_run(follow_up):
    assert follow_up("--days", DAYS, answers="").exit_code == 130


def test_nodules_of_one_scan_alone_are_named(follow_up, tmp_path):
    before = (("L1", PLACE_LPS_MM), ("L2", ELSEWHERE))
    after = (("R9", (-110.0, -200.0, -230.0)), ("R1", MOVED_LPS_MM))
    done = follow_up("--days", DAYS, "--yes", before=before, after=after)
    assert done.exit_code == 0
    assert (
        "L2: in the earlier scan only" in done.stdout
        and "R9: in the later scan only" in done.stdout
    )
    assert [(row["status"], row["before"], row["after"]) for row in rows_of(tmp_path / "out")] == [
        ("both scans", "L1", "R1"),
        ("gone", "L2", ""),
        ("new", "", "R9"),
    ]


def test_a_refused_point_does_not_stop_the_others(follow_up, tmp_path):
    before = (("L1", PLACE_LPS_MM), ("L2", OUTSIDE))
    after = (("R1", MOVED_LPS_MM), ("R2", MOTION.TransformPoint(OUTSIDE)))
    done = follow_up("--days", DAYS, "--yes", before=before, after=after)
    assert done.exit_code == 2
    assert "L2: " in done.stderr and "R2: " in done.stderr
    remarks = {row["before"]: row["remark"] for row in rows_of(tmp_path / "out")}
    assert remarks == {"L1": "", "L2": "It was not assessed in both scans."}


def test_a_nodule_without_a_mask_is_not_compared(follow_up, tmp_path):
    before = (("L1", PLACE_LPS_MM), ("L2", ELSEWHERE))
    after = (("R1", MOVED_LPS_MM), ("R2", MOTION.TransformPoint(ELSEWHERE)))
    assert follow_up("--days", DAYS, "--yes", before=before, after=after).exit_code == 0
    remarks = {row["before"]: row["remark"] for row in rows_of(tmp_path / "out")}
    assert "was not measured in both scans" in remarks["L2"]


@pytest.mark.parametrize(
    ("days", "needs"), [((), "--days"), (("--days", "-3"), "later day"), (("--days", "nan"), "day")]
)
def test_days_that_are_unknown_or_wrong_are_refused(follow_up, days, needs):
    done = follow_up(*days, "--yes")
    assert done.exit_code == 2
    assert is_one_line_error(done.stderr) and needs in done.stderr


def test_fault_42_a_failed_run_leaves_no_old_results(follow_up, tmp_path):
    assert follow_up("--days", DAYS, "--yes").exit_code == 0
    assert follow_up("--yes").exit_code == 2
    assert {path.name for path in (tmp_path / "out").rglob("*")} == {"before", "after"}


def test_an_input_is_never_removed_as_an_old_result(scans, tmp_path):
    points = tmp_path / "follow-up.csv"
    points.write_text("x,y,z\n-67,-224,-171\n")
    arguments = [
        "follow-up",
        *scans,
        "--out",
        tmp_path,
        "--points-before",
        points,
        "--points-after",
        points,
    ]
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert (done.exit_code, points.exists()) == (2, True)
    assert is_one_line_error(done.stderr)


def days_of(*series: Path) -> int | None:
    first, second = (read_ct(path).acquisition.series_uid for path in series)
    return days_between(*series, (first, second))


def test_days_are_counted_between_dicom_dates(tmp_path):
    dates = ({"StudyDate": "20240131", "AcquisitionDate": "20240201"}, {"StudyDate": "20240731"})
    first, second = (tmp_path / "first", tmp_path / "second")
    for folder, header in zip((first, second), dates, strict=True):
        write_series(folder, phantom(), **header)
    assert days_of(first, second) == (date(2024, 7, 31) - date(2024, 1, 31)).days
    assert days_of(second, first) == -days_of(first, second)


@pytest.mark.parametrize("day", [None, "", "20240230"])
def test_without_dates_of_both_scans_there_are_no_days(tmp_path, day):
    write_series(tmp_path / "first", phantom(), StudyDate="20240131")
    write_enhanced(tmp_path / "second.dcm", phantom(), StudyDate=day)
    assert days_of(tmp_path / "first", tmp_path / "second.dcm") is None


def test_files_that_are_not_dicom_have_no_dates(scans):
    assert days_of(*scans) is None
