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
from nodulerisk.ct.dicom.dates import days_between
from nodulerisk.ct.read import read_ct
from nodulerisk.errors import NoduleRiskError
from nodulerisk.outputs.style import SEG_NAME, SR_NAME

DAYS = DOUBLING_DAYS = 180
MOTION = motion_of()
MOVED_LPS_MM = MOTION.TransformPoint(PLACE_LPS_MM)
OUTSIDE = (500.0, -200.0, -200.0)
ELSEWHERE = (-100.0, -160.0, -150.0)  # in lung
AT_THE_EDGE = (-67.0, -224.0, -110.0)  # of the earlier scan, and beyond the later
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
    monkeypatch.setattr("nodulerisk.cli.followup.asking.can_ask", lambda: True)


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
    notice = {"research_use_only": said["research_use_only"]}
    assert {name: str(value) for name, value in (said["nodules"][0] | notice).items()} == row


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


@pytest.fixture(scope="module")
def without(tmp_path_factory) -> Path:
    """The later scan without the sphere."""
    file = tmp_path_factory.mktemp("without") / "after.nrrd"
    empty = later_scan(first_scan(radius_mm=-1), -1, MOTION)
    sitk.WriteImage(empty.ct.to_sitk(), str(file))
    return file


def test_fault_75_a_vanished_nodule_is_looked_for_and_pictured(scans, without, follow_up, tmp_path):
    points, out = tmp_path / "points.csv", tmp_path / "out"
    places = (("L1", *PLACE_LPS_MM), ("L2", *ELSEWHERE))
    points.write_text("\n".join(["name,x,y,z", *(",".join(map(str, one)) for one in places)]))
    arguments = ["follow-up", scans[0], without, "--points", points, "--points", "-"]
    arguments += ["--days", DAYS, "--out", out]
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert (done.exit_code, done.stderr) == (0, "")
    words = "Not found at the later scan: no nodule was drawn in its place."
    (said,) = (line for line in done.stdout.splitlines() if words in line)
    x, y, z = (float(v) for v in said.split("Looked for at ")[1].split(" mm")[0].split(","))
    assert np.linalg.norm(np.subtract((x, y, z), MOVED_LPS_MM)) < 1.5
    picture = out / "not-found-L1.png"
    assert picture.stat().st_size > 50_000 and picture.name in said
    assert words in (out / "report.html").read_text(encoding="utf-8")
    assert "No nodule was drawn at its point in the earlier scan" in done.stdout  # L2
    assert {row["status"] for row in rows_of(out)} == {"gone"}
    assert follow_up("--days", DAYS, "--yes").exit_code == 0
    assert not picture.exists()  # fault 42


def test_a_nodule_without_a_point_at_the_later_scan_is_not_called_vanished(follow_up, tmp_path):
    done = follow_up("--days", DAYS, "--points-after", "-")
    assert done.exit_code == 0
    assert "It has no point at the later scan, but something of" in done.stdout
    assert "Not found at the later scan" not in done.stdout
    [row] = rows_of(tmp_path / "out")
    assert (row["status"], row["before"], row["after"]) == ("gone", "L1", "")


def test_a_place_that_the_later_scan_does_not_show_is_said(follow_up):
    done = follow_up("--days", DAYS, "--yes", before=(("L1", PLACE_LPS_MM), ("L2", AT_THE_EDGE)))
    assert done.exit_code == 0
    assert "Not looked for: the later scan does not show its place." in done.stdout


def test_pairs_can_be_named_where_the_lungs_do_not_match(follow_up, monkeypatch, tmp_path):
    def refused(*_):
        raise NoduleRiskError("The lungs of the two CTs do not match.")

    monkeypatch.setattr("nodulerisk.clinical.registration.align", refused)
    done = follow_up("--days", DAYS, "--yes")
    assert done.exit_code == 2 and "--pair NAME=NAME" in done.stderr
    done = follow_up("--days", DAYS, "--pair", "L1=R1")
    assert done.exit_code == 0
    assert "The lungs do not match: only the pairs you named are compared." in done.stdout
    [row] = rows_of(tmp_path / "out")
    assert (row["status"], row["change"]) == ("both scans", "grown") and "distance_mm" not in row


def test_growth_is_the_status_that_guidelines_need(follow_up):
    done = follow_up("--days", DAYS, "--yes", "--patient", "density=solid", "--patient", "age=60")
    assert done.exit_code == 0
    flat = " ".join(done.stdout.split())
    assert "Lung-RADS v2022" in flat and "needs status" not in flat


def test_four_scans_give_one_doubling_time_and_a_growth_curve(scans, tmp_path):
    first, last = scans
    [out, points] = [tmp_path / "out", tmp_path / "points.csv"]
    points.write_text("\n".join(["name,x,y,z", ",".join(map(str, ("L1", *PLACE_LPS_MM)))]))
    cts = [first]
    for number, days in enumerate((60, 120, 180)):
        grown = first_scan(radius_mm=5 * 2 ** (days / DOUBLING_DAYS / 3))
        cts.append(tmp_path / f"{number}.nrrd")
        sitk.WriteImage(grown.ct.to_sitk(), str(cts[-1]))
    arguments = ["follow-up", *cts, "--out", out, "--yes"]
    arguments += [word for _ in cts for word in ("--points", points)]
    arguments += [word for _ in range(3) for word in ("--days", 60)]
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert (done.exit_code, done.stderr) == (0, "")
    assert {path.name for path in out.iterdir()} == {
        *(f"scan {number}" for number in range(1, 5)),
        *("report.html", "follow-up.csv", "follow-up.json"),
    }
    assert "4 scans in 180 days" in done.stdout
    rows = rows_of(out)
    assert [(row["scan_before"], row["scan_after"]) for row in rows] == [
        ("1", "2"),
        ("2", "3"),
        ("3", "4"),
    ]
    course = json.loads((out / "follow-up.json").read_text(encoding="utf-8"))["courses"]["L1"]
    assert [point["days"] for point in course["points"]] == [0, 60, 120, 180]
    assert course["volume_doubling_days"] == pytest.approx(DOUBLING_DAYS, rel=0.1)
    low, high = course["doubling_range_days"]
    assert low < DOUBLING_DAYS < high
    assert 'id="growth-1"' in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.nrrd",), "two or more"),
        (("a.nrrd", "b.nrrd", "c.nrrd"), "give --points once for each"),
        (("a.nrrd", "b.nrrd", "--points", "p.csv"), "give it once for each"),
        (("a.nrrd", "b.nrrd"), "Say where the nodules are"),
        (("a.nrrd", "b.nrrd", "--points", "-", "--points", "-"), "Say where the nodules are"),
        (
            ("a.nrrd", "b.nrrd", "--points", "p.csv", "--points-after", "p.csv"),
            "or --points-before",
        ),
    ],
)
def test_options_that_do_not_fit_the_cts_are_refused(tmp_path, arguments, words):
    done = CliRunner().invoke(app, ["follow-up", *arguments, "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and is_one_line_error(done.stderr) and words in done.stderr


def test_days_have_to_be_given_for_every_gap(follow_up):
    done = follow_up("--days", 10, "--days", 20, "--yes")
    assert done.exit_code == 2 and "give --days 1 times" in done.stderr


def test_fault_75_scans_in_swapped_order_are_refused(tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    for folder, day in zip(folders, ("20240131", "20240731"), strict=True):
        write_series(folder, phantom(), StudyDate=day)
    points = tmp_path / "points.csv"
    points.write_text("x,y,z\n0,0,0\n")
    for days in ((), ("--days", "180")):
        arguments = ["follow-up", *folders[::-1], "--out", tmp_path / "out", *days]
        arguments += ["--points", points, "--points", points]
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        assert done.exit_code == 2 and is_one_line_error(done.stderr)
        assert "earlier one first" in done.stderr


def test_days_that_no_file_gives_are_asked_for(follow_up, someone_there, tmp_path):
    assert follow_up("--yes", answers=f"{DAYS}\n").exit_code == 0
    assert rows_of(tmp_path / "out")[0]["days"] == f"{DAYS}.0"


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
