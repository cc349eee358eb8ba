"""``nodulerisk cohort`` as a user runs it, in a process of its own."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[3] / "Resources" / "SampleData" / "demo-chest-ct.zip"
TABLE = f"""case,ct,x,y,z,age,earlier,days
then,{DEMO},-81,-192,-192,62,,
now,{DEMO},-81,-192,-192,62,then,180
outside,{DEMO},0,0,9999,,,
broken,broken.zip,0,0,0,,,
"""


def cohort(table: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = [
        str(Path(sys.executable).with_name("nodulerisk")),
        "cohort",
        str(table),
        "--out",
        str(out),
    ]
    command = [*program, "--workers", "1", "--dashboard", "127.0.0.1:0", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=200)


@pytest.fixture
def table(tmp_path) -> Path:
    (tmp_path / "broken.zip").write_text("no CT")
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path / "table.csv"


def test_from_the_table_to_the_results_and_again(table, tmp_path):
    out = tmp_path / "out"
    first = cohort(table, out, "--masks")
    assert first.returncode == 2  # some were refused
    assert "4 nodules on 4 CTs; 0 already done." in first.stdout
    assert "2 assessed, 2 refused, 0 failed." in first.stdout
    with (out / "cohort.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert rows["now"]["malignancy_malignant"] == rows["then"]["malignancy_malignant"] != ""
    assert "outside the CT" in rows["outside"]["reason"]
    assert rows["broken"]["status"] == "refused"
    with (out / "growth.csv").open(newline="", encoding="utf-8-sig") as file:
        (pair,) = csv.DictReader(file)
    assert (pair["case"], pair["earlier"], float(pair["volume_change"])) == ("now", "then", 0.0)
    assert "Research use only" in (out / "summary.html").read_text("utf-8")
    assert {path.name for path in (out / "masks").iterdir()} >= {"now.seg.nrrd", "then.seg.nrrd"}
    again = cohort(table, out)
    assert "4 nodules on 4 CTs; 4 already done." in again.stdout


def test_everything_wrong_with_a_table_is_reported_at_once(tmp_path):
    (tmp_path / "table.csv").write_text("case,ct,x,y,z\nA,nowhere.zip,1,2,here\nB,,1,2,3\n")
    refused = cohort(tmp_path / "table.csv", tmp_path / "out")
    assert refused.returncode == 2
    assert len([line for line in refused.stderr.splitlines() if line.startswith("row ")]) == 3
    assert "cannot be run yet" in refused.stderr
    assert not (tmp_path / "out").exists()
